"""A backend's calls for one user: recorded, and retried while nobody knows what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tests.faults.answers import (
    generation_of,
    read_created,
    read_ended,
    read_extended,
    read_refreshed,
    read_session,
    read_sessions,
    read_verdict,
)
from tests.faults.backend import Backend
from tests.faults.history import Call, History, Op, Outcome, says_dead

Kind: TypeAlias = Literal["session_id", "access_token", "refresh_token"]

_ATTEMPTS: Final = 3
_PAUSE_S: Final = 0.05
_TOKENS_KEPT: Final = 4


@dataclass(frozen=True, slots=True)
class Token:
    """A refresh token, and the request id that it was asked for with."""

    text: str
    request_id: str = ""


@dataclass(slots=True, eq=False)
class Login:
    """A session as its user's browser holds it, and as a thief may have copied it."""

    session_id: str
    access_token: str
    tokens: list[Token]
    """Those given last, by generation."""
    gone: bool = False
    """Whether an answer said that it has ended or expired."""

    def credential(self, kind: Kind) -> str:
        """The newest of its kind."""
        if kind == "refresh_token":
            return self.tokens[-1].text
        return self.access_token if kind == "access_token" else self.session_id

    def keep(self, token: Token) -> None:
        """Keep a refresh token that was given. Two refreshes at once are answered in any order."""
        if all(token.text != known.text for known in self.tokens):
            self.tokens.append(token)
            self.tokens.sort(key=lambda one: generation_of(one.text))
            del self.tokens[:-_TOKENS_KEPT]


class Caller:
    """Calls for one user."""

    def __init__(self, backend: Backend, history: History, user: str) -> None:
        self.user = user
        self._backend = backend
        self._history = history

    async def create(
        self, profile: str, device: str = "", request_id: str = ""
    ) -> tuple[Login | None, set[str]]:
        """The login, if there is an answer, and the ids of the sessions that made room for it."""
        request_id = request_id or self._backend.request_id()
        made: list[Login] = []
        ended: set[str] = set()

        async def once() -> Call:
            call = Call(Op.CREATE, self.user, request_id=request_id, profile=profile, device=device)
            reply = await self._history.record(
                call,
                self._backend.create(
                    self.user, request_id, profile=profile, client={"device_id": device}
                ),
                read_created,
            )
            if reply:
                given = reply.tokens
                token = Token(given.refresh_token)
                made.append(Login(reply.session.session_id, given.access_token, [token]))
                ended.update(session.session_id for session in reply.evicted_sessions)
            return call

        # Without a request id a retry makes another session, as the contract says.
        await _settled(once)
        return (made[0] if made else None), ended

    async def refresh(self, login: Login, token: str, request_id: str = "") -> None:
        """Present a refresh token, of the newest generation or not."""
        request_id = request_id or self._backend.request_id()

        async def once() -> Call:
            call = _about(Op.REFRESH, self.user, login, "refresh_token", token)
            call.request_id = request_id
            reply = await self._history.record(
                call, self._backend.refresh(token, request_id), read_refreshed
            )
            if reply:
                login.access_token = reply.tokens.access_token
                login.keep(Token(reply.tokens.refresh_token, request_id))
            return call

        await self._settled(once, login)

    async def extend(self, login: Login) -> None:
        async def once() -> Call:
            call = _about(Op.EXTEND, self.user, login)
            await self._history.record(call, self._backend.extend(login.session_id), read_extended)
            return call

        await self._settled(once, login)

    async def validate(self, login: Login, kind: Kind, credential: str) -> None:
        async def once() -> Call:
            call = _about(Op.VALIDATE, self.user, login, kind, credential)
            reply = self._backend.validation(**{kind: credential})
            await self._history.record(call, reply, read_verdict)
            return call

        await self._settled(once, login)

    async def validate_all(self, logins: Sequence[Login], kind: Kind) -> None:
        """In one batch."""
        held = [login.credential(kind) for login in logins]
        pairs = zip(logins, held, strict=True)
        calls = [_about(Op.VALIDATE, self.user, login, kind, one) for login, one in pairs]
        await self._history.record_batch(
            calls, self._backend.validations({kind: credential} for credential in held)
        )

    async def update(self, login: Login, value: str) -> None:
        async def once() -> Call:
            call = _about(Op.UPDATE, self.user, login)
            reply = self._backend.update(login.session_id, {"theme": value})
            await self._history.record(call, reply, read_session)
            return call

        await self._settled(once, login)

    async def get(self, session_id: str) -> None:
        async def once() -> Call:
            call = Call(Op.GET, self.user, session_id, "session_id")
            await self._history.record(call, self._backend.get(session_id), read_session)
            return call

        await _settled(once)

    async def list(self) -> None:
        async def once() -> Call:
            call = Call(Op.LIST, self.user)
            await self._history.record(call, self._backend.sessions(self.user), read_sessions)
            return call

        await _settled(once)

    async def revoke(self, login: Login, kind: Kind) -> None:
        credential = login.credential(kind)

        async def once() -> Call:
            call = _about(Op.REVOKE, self.user, login, kind, credential)
            reply = self._backend.revoke(**{kind: credential})
            await self._history.record(call, reply, read_session)
            return call

        await self._settled(once, login)

    async def revoke_all(self, request_id: str = "", spared: str = "") -> bool:
        """Whether it is known that all have ended but the one spared."""
        request_id = request_id or self._backend.request_id()

        async def once() -> Call:
            call = Call(Op.REVOKE_ALL, self.user, request_id=request_id, spared=spared)
            reply = self._backend.revoke_all(self.user, request_id, spared)
            await self._history.record(call, reply, read_ended)
            return call

        return (await _settled(once)).ok

    async def _settled(self, once: Callable[[], Awaitable[Call]], login: Login) -> None:
        login.gone = says_dead(await _settled(once)) or login.gone


async def _settled(once: Callable[[], Awaitable[Call]]) -> Call:
    """The last of a few attempts: the first whose outcome is known, if there is one."""
    for _ in range(_ATTEMPTS - 1):
        call = await once()
        if call.outcome is not Outcome.UNKNOWN:
            return call
        await asyncio.sleep(_PAUSE_S)
    return await once()


def _about(
    op: Op, user: str, login: Login, kind: Kind = "session_id", credential: str = ""
) -> Call:
    generation = generation_of(credential) if kind == "refresh_token" else 0
    return Call(op, user, login.session_id, kind, generation)
