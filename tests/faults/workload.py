"""Many users at once, who do everything a backend may do for them, over and over, from a seed.

    history = History(deadline_s=backend.deadline_s)
    await run(backend, history, RULES, seed=1, users=24, until=seconds(3))
    await look(backend, history)  # once everything is healthy again
    violations = check(history, RULES)

The server must know the rules: `start_sessiond(**RULES.settings())`. `until` is asked between any
two steps of a user. Whatever fails is recorded as it was told; an unknown outcome is retried a few
times, under the same request id, as a backend would.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from tests.faults.backend import Backend, new_user
from tests.faults.caller import Caller, Kind, Login, Token
from tests.faults.history import History
from tests.faults.rules import Rules

Until: TypeAlias = Callable[[], bool]
"""Whether it is time to stop."""
Step: TypeAlias = Callable[[], Awaitable[None]]

_LOGINS: Final = 60
"""Of one user: fewer than the ended sessions that the server keeps of it."""
_HELD: Final = 12
_KINDS: Final[tuple[Kind, ...]] = ("session_id", "access_token", "refresh_token")
_DEVICES: Final = ("", "", "", "", "phone", "laptop")
_CANCELLED_WITHIN_S: Final = 0.01
_LOOKING_AT_ONCE: Final = 32


def seconds(number: float) -> Until:
    """Stop after so many."""
    end = time.monotonic() + number
    return lambda: time.monotonic() >= end


async def run(
    backend: Backend, history: History, rules: Rules, *, seed: int, users: int, until: Until
) -> None:
    """Let so many users work at the same time until it is time to stop."""

    async def work(number: int) -> None:
        dice = random.Random(f"{seed} {number}")
        while not until():
            user = _User(Caller(backend, history, new_user()), tuple(rules.profiles), dice)
            while not until() and user.logged_in < _LOGINS:
                await user.step()

    async with history.heeding_stalls():
        await asyncio.gather(*map(work, range(users)))


async def look(backend: Backend, history: History) -> None:
    """Record what is there in the end: every user's list, every session, every list again."""
    users = sorted({call.user for call in history.calls})
    known = {seen.session_id: seen.user for call in history.calls for seen in call.answer.sessions}
    callers = {user: Caller(backend, history, user) for user in users}
    turn = asyncio.Semaphore(_LOOKING_AT_ONCE)

    async def one(looking: Awaitable[None]) -> None:
        async with turn:
            await looking

    async with history.heeding_stalls():
        await asyncio.gather(*(one(callers[user].list()) for user in users))
        await asyncio.gather(*(one(callers[user].get(i)) for i, user in known.items()))
        await asyncio.gather(*(one(callers[user].list()) for user in users))


class _User:
    """A user with several logins, kept and gone, who takes one random step after the other."""

    def __init__(self, caller: Caller, profiles: tuple[str, ...], dice: random.Random) -> None:
        self.logged_in = 0
        self._caller = caller
        self._profiles = profiles
        self._dice = dice
        self._logins: list[Login] = []
        brief: tuple[tuple[Step, int], ...] = (
            (self._log_in, 4),
            (self._refresh, 14),
            (self._extend, 6),
            (self._validate, 24),
            (self._revoke, 5),
        )
        longer: tuple[tuple[Step, int], ...] = (
            (self._log_in_at_once, 1),
            (self._log_in_twice, 1),
            (self._refresh_at_once, 4),
            (self._retry_a_refresh, 6),
            (self._refresh_with_a_superseded_token, 4),
            (self._refresh_with_a_stolen_token, 4),
            (self._validate_a_superseded_token, 4),
            (self._validate_all, 4),
            (self._get, 5),
            (self._list, 7),
            (self._update, 4),
            (self._revoke_all, 1),
            (self._try_one_that_is_gone, 14),
            (self._give_up, 3),
        )
        self._brief = [step for step, weight in brief for _ in range(weight)]
        self._steps = self._brief + [step for step, weight in longer for _ in range(weight)]

    async def step(self) -> None:
        """Do something."""
        await self._dice.choice(self._steps)()

    async def _log_in(self) -> None:
        await self._create(self._request_id() if self._dice.random() < 0.5 else "")

    async def _log_in_at_once(self) -> None:
        """A race at the cap: of one profile, each its own session."""
        profile = self._dice.choice(self._profiles)
        await asyncio.gather(*(self._create("", profile, "") for _ in range(3)))

    async def _log_in_twice(self) -> None:
        """One login that a hasty backend sends twice, and once more, under one request id."""
        request_id, profile = self._request_id(), self._dice.choice(self._profiles)
        await asyncio.gather(*(self._create(request_id, profile, "") for _ in range(2)))
        await self._create(request_id, profile, "")

    async def _refresh(self) -> None:
        if login := self._kept():
            request_id = self._request_id() if self._dice.random() < 0.5 else ""
            await self._caller.refresh(login, login.tokens[-1].text, request_id)

    async def _refresh_at_once(self) -> None:
        """Two tabs with one cookie."""
        if login := self._kept():
            token = login.tokens[-1].text
            await asyncio.gather(
                *(self._caller.refresh(login, token, self._request_id()) for _ in range(2))
            )

    async def _retry_a_refresh(self) -> None:
        """However late."""
        if (login := self._kept()) and len(login.tokens) > 1 and login.tokens[-1].request_id:
            await self._caller.refresh(login, login.tokens[-2].text, login.tokens[-1].request_id)

    async def _refresh_with_a_superseded_token(self) -> None:
        if (login := self._kept()) and len(login.tokens) > 1:
            await self._caller.refresh(login, login.tokens[-2].text)

    async def _refresh_with_a_stolen_token(self) -> None:
        """Of two generations back or more; sometimes right after the rotation."""
        if not (login := self._kept()):
            return
        if self._dice.random() < 0.5:
            await self._caller.refresh(login, login.tokens[-1].text)
        if len(login.tokens) > 2:
            stolen: Token = self._dice.choice(login.tokens[:-2])
            await self._caller.refresh(login, stolen.text, stolen.request_id)

    async def _extend(self) -> None:
        if login := self._kept():
            await self._caller.extend(login)

    async def _validate(self) -> None:
        if login := self._kept():
            kind = self._dice.choice(_KINDS)
            await self._caller.validate(login, kind, login.credential(kind))

    async def _validate_a_superseded_token(self) -> None:
        if login := self._kept():
            token = self._dice.choice(login.tokens)
            await self._caller.validate(login, "refresh_token", token.text)

    async def _validate_all(self) -> None:
        if self._logins:
            await self._caller.validate_all(self._logins, self._dice.choice(_KINDS))

    async def _get(self) -> None:
        if login := self._kept():
            await self._caller.get(login.session_id)

    async def _list(self) -> None:
        await self._caller.list()

    async def _update(self) -> None:
        if login := self._kept():
            await self._caller.update(login, self._dice.choice(("light", "dark")))

    async def _revoke(self) -> None:
        if login := self._kept():
            await self._caller.revoke(login, self._dice.choice(("session_id", "refresh_token")))

    async def _revoke_all(self) -> None:
        login = self._kept() if self._dice.random() < 0.5 else None
        spared = login.session_id if login else ""
        request_id = self._request_id() if self._dice.random() < 0.5 else ""
        if await self._caller.revoke_all(request_id, spared):
            for other in self._logins:
                other.gone = other.gone or other.session_id != spared

    async def _try_one_that_is_gone(self) -> None:
        """Whoever holds an ended session tries all that they have of it."""
        if gone := [login for login in self._logins if login.gone]:
            login = self._dice.choice(gone)
            match self._dice.randrange(4):
                case 0:
                    await self._caller.refresh(login, self._dice.choice(login.tokens).text)
                case 1:
                    await self._caller.extend(login)
                case _:
                    kind = self._dice.choice(_KINDS)
                    await self._caller.validate(login, kind, login.credential(kind))

    async def _give_up(self) -> None:
        """Several calls that the backend cancels in the middle."""
        steps = [asyncio.ensure_future(self._dice.choice(self._brief)()) for _ in range(4)]
        await asyncio.sleep(self._dice.uniform(0, _CANCELLED_WITHIN_S))
        for step in steps:
            step.cancel()
        for result in await asyncio.gather(*steps, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _create(self, request_id: str, profile: str = "", device: str | None = None) -> None:
        profile = profile or self._dice.choice(self._profiles)
        device = self._dice.choice(_DEVICES) if device is None else device
        self.logged_in += 1
        login, ended = await self._caller.create(profile, device, request_id)
        for other in self._logins:
            other.gone = other.gone or other.session_id in ended
        if login and all(login.session_id != other.session_id for other in self._logins):
            self._logins.append(login)
            del self._logins[:-_HELD]

    def _kept(self) -> Login | None:
        kept = [login for login in self._logins if not login.gone]
        return self._dice.choice(kept) if kept else None

    def _request_id(self) -> str:
        return f"{self._dice.getrandbits(128):032x}"
