"""What a history shows of each session: when it was surely live, and who may have ended it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from math import inf

from tests.faults.answers import Seen
from tests.faults.history import Call, History, Op, Outcome, says_dead
from tests.faults.rules import Rules


class Why(Enum):
    """How it is known that a session is no longer live."""

    REVOKED = "a revoke was acknowledged"
    REVOKED_WITH_ALL = "a revoke-all was acknowledged"
    MADE_ROOM = "a create named it as ended"
    REUSED = "a refresh was answered REUSED"
    FOUND_DEAD = "an answer said so"
    ABSENT = "a list did not show it"


@dataclass(frozen=True, slots=True)
class Ending:
    """From the answer to this call on, the session must not be live."""

    why: Why
    call: Call

    @property
    def at(self) -> float:
        return self.call.answered


@dataclass(eq=False)
class Life:
    """All that the history shows of one session."""

    session_id: str
    user: str
    profile: str
    device: str
    create_us: int
    shown: list[tuple[Call, Seen]] = field(default_factory=list)
    lived: list[Call] = field(default_factory=list)
    """The calls that found it live."""
    endings: list[Ending] = field(default_factory=list)
    refreshes: list[Call] = field(default_factory=list)
    """Whatever came of them."""
    tried: list[Call] = field(default_factory=list)
    """The validations by refresh token."""
    threatened_from: float = inf
    """When the first call began that may have ended it."""

    @cached_property
    def known_from(self) -> float:
        """When it was first known to be there."""
        return min((call.answered for call, _ in self.shown), default=inf)

    @cached_property
    def live_from(self) -> float:
        """From here to `live_until` it was surely live."""
        return min((call.answered for call in self.lived), default=inf)

    @cached_property
    def live_until(self) -> float:
        return max((call.began for call in self.lived), default=-inf)

    @cached_property
    def given(self) -> list[tuple[float, int]]:
        """When which generation was the newest known, in order."""
        newest, known = 0, []
        for call in sorted((c for c, _ in self.shown if c.ok), key=lambda c: c.answered):
            if call.answer.generation > newest:
                newest = call.answer.generation
                known.append((call.answered, newest))
        return known

    def known_generation(self, at: float) -> int:
        """The newest that had been given by then; 0 if none."""
        place = bisect_left(self.given, (at, 0))
        return self.given[place - 1][1] if place else 0

    def minted_by(self, generation: int) -> float:
        """When this generation, or a later one, had surely been minted."""
        return next((at for at, newest in self.given if newest >= generation), inf)

    def expires_ms(self, at: float) -> int:
        """Its expiry as known by then; it never moves back."""
        return max((s.expire_ms for c, s in self.shown if c.answered < at), default=0)


class Story:
    """A history by session and by user."""

    def __init__(self, history: History, rules: Rules, calls: Sequence[Call]) -> None:
        """Take these calls of a history, all or as they were kept."""
        self.history = history
        self.rules = rules
        self.calls = calls
        self.lives: dict[str, Life] = {}
        self.users: dict[str, list[Call]] = defaultdict(list)
        self.lives_of: dict[str, list[Life]] = defaultdict(list)
        for call in self.calls:
            self.users[call.user].append(call)
            self._take_answer(call)
        for call in self.calls:
            self._take_fate(call)
        for user, theirs in self.users.items():
            for requests in by_request(theirs):
                self._take_user_wide(user, requests)

    def surely_passed(self, ms: int, at: float) -> bool:
        """Whether the engine's clock had passed this time then."""
        return self.history.engine_ms(at) - self.rules.slack_ms > ms

    def surely_ahead(self, ms: int, at: float) -> bool:
        """Whether the engine's clock had not come to this time then."""
        return self.history.engine_ms(at) + self.rules.slack_ms < ms

    def _take_answer(self, call: Call) -> None:
        if not call.ok:
            return
        for seen in call.answer.sessions:
            life = self._life(seen)
            life.shown.append((call, seen))
            if call.op in _ONLY_OF_THE_LIVE or (seen.live and call.op is not Op.REVOKE):
                life.lived.append(call)
            elif call.op is Op.LIST:
                life.endings.append(Ending(Why.FOUND_DEAD, call))
        for seen in call.answer.made_room:
            life = self._life(seen)
            life.shown.append((call, seen))
            life.endings.append(Ending(Why.MADE_ROOM, call))

    def _life(self, seen: Seen) -> Life:
        if not (life := self.lives.get(seen.session_id)):
            life = Life(seen.session_id, seen.user, seen.profile, seen.device, seen.create_us)
            self.lives[seen.session_id] = life
            self.lives_of[seen.user].append(life)
        return life

    def _take_fate(self, call: Call) -> None:
        """What a call about one session says of its end, or may have to do with it."""
        life = self.lives.get(call.session_id)
        if not life:
            return
        if call.op is Op.REFRESH:
            life.refreshes.append(call)
        elif call.by == "refresh_token" and call.op is Op.VALIDATE:
            life.tried.append(call)
        if says_dead(call):
            life.endings.append(Ending(_why(call), call))
        if _may_end(call):
            life.threatened_from = min(life.threatened_from, call.began)

    def _take_user_wide(self, user: str, requests: list[Call]) -> None:
        """What one request, and its retries, did or may have done to a user's sessions."""
        op, began = requests[0].op, min(call.began for call in requests)
        if op is Op.LIST:
            self._take_absence(user, requests[0])
        if op not in (Op.CREATE, Op.REVOKE_ALL):
            return
        answered = [call for call in requests if call.ok]
        named = {i for call in answered for i in call.answer.ended}
        named |= {seen.session_id for call in answered for seen in call.answer.made_room}
        settled = answered and not any(call.forgotten for call in requests)
        in_doubt = not settled and any(map(is_in_doubt, requests))
        for life in self.lives_of[user]:
            if life.session_id in named or (in_doubt and _endangers(requests[0], life)):
                life.threatened_from = min(life.threatened_from, began)
            covered = life.known_from < began and life.session_id != requests[0].spared
            if op is Op.REVOKE_ALL and answered and (covered or life.session_id in named):
                first = min(answered, key=lambda call: call.answered)
                life.endings.append(Ending(Why.REVOKED_WITH_ALL, first))

    def _take_absence(self, user: str, call: Call) -> None:
        if not call.ok:
            return
        there = {seen.session_id for seen in call.answer.sessions}
        for life in self.lives_of[user]:
            if life.known_from < call.began and life.session_id not in there:
                life.endings.append(Ending(Why.ABSENT, call))


def by_request(calls: Iterable[Call]) -> Iterable[list[Call]]:
    """The calls of one user, those of one operation and request id together."""
    found: dict[object, list[Call]] = defaultdict(list)
    for call in calls:
        found[(call.op, call.request_id) if call.request_id else call].append(call)
    return found.values()


_ONLY_OF_THE_LIVE = frozenset({Op.CREATE, Op.REFRESH, Op.EXTEND, Op.UPDATE})


def _why(call: Call) -> Why:
    if call.op is Op.REVOKE:
        return Why.REVOKED
    return Why.REUSED if call.reason == "REFRESH_TOKEN_REUSED" else Why.FOUND_DEAD


def _may_end(call: Call) -> bool:
    if call.op is Op.REVOKE:
        return call.outcome is not Outcome.REFUSED
    reused = call.reason == "REFRESH_TOKEN_REUSED"
    return call.op is Op.REFRESH and (reused or call.outcome is Outcome.UNKNOWN)


def is_in_doubt(call: Call) -> bool:
    """Whether it may have taken effect, or did and does not say what came of it."""
    return call.outcome is Outcome.UNKNOWN or call.reason == "REPLAY_SUPERSEDED"


def _endangers(call: Call, life: Life) -> bool:
    """Whether a create or revoke-all, if it took effect, may have ended the session."""
    if call.op is Op.REVOKE_ALL:
        return life.session_id != call.spared
    return call.profile == life.profile or (call.device != "" and call.device == life.device)
