"""What holds of every answer by itself, whatever the engine may have lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from tests.faults.evidence import Story
from tests.faults.history import Call, Op, Outcome, fails

_CODES: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})
_OF_ANY_CALL: Final = frozenset({"OVERLOADED", "CALLER_LIMIT_REACHED"})
_OF_THE_DEAD: Final = frozenset({"SESSION_ENDED", "SESSION_EXPIRED", "SESSION_NOT_FOUND"})
_REASONS: Final = {
    Op.CREATE: frozenset({"STORE_FULL", "SESSION_LIMIT_REACHED", "REPLAY_SUPERSEDED"}),
    Op.REFRESH: _OF_THE_DEAD | {"REFRESH_TOKEN_REUSED", "REFRESH_TOKEN_AHEAD"},
    Op.EXTEND: _OF_THE_DEAD,
    Op.UPDATE: _OF_THE_DEAD | {"STORE_FULL"},
    Op.GET: frozenset({"SESSION_NOT_FOUND"}),
}
_VERDICTS: Final = {
    "session_id": frozenset({"ACTIVE", "ENDED", "EXPIRED", "NOT_FOUND"}),
    "access_token": frozenset({"ACTIVE", "ENDED", "EXPIRED", "NOT_FOUND", "TOKEN_EXPIRED"}),
    "refresh_token": frozenset({"ACTIVE", "ENDED", "EXPIRED", "NOT_FOUND", "TOKEN_INVALID"}),
}
_SENT_WITHIN_S: Final = 0.05
_NEXT: Final = {"ROTATED": 1, "REPLAYED": 1, "RECOVERED": 1, "CURRENT": 0}
"""How far the generation that is given is ahead of the one presented."""


def no_refusal_is_a_surprise(story: Story) -> Iterator[str]:
    """Nothing fails but for a reason that its operation has, and no verdict is out of place."""
    for call in story.calls:
        reasons = _REASONS.get(call.op, frozenset()) | _OF_ANY_CALL
        known = call.code in _CODES if call.outcome is Outcome.UNKNOWN else call.reason in reasons
        if call.op is Op.CREATE and call.reason == "REPLAY_SUPERSEDED":
            known = call.request_id != ""
        if call.ok:
            known = call.op is not Op.VALIDATE or call.answer.verdict in _VERDICTS[call.by]
        if call.is_over and not known:
            yield f"{call} {call.code}"


def no_call_fails(story: Story) -> Iterator[str]:
    """Unless its client cancels it, or the rules of sessions forbid it."""
    for call in story.calls:
        if fails(call):
            yield f"{call} {call.code}"


def no_call_is_answered_long_after_its_deadline(story: Story) -> Iterator[str]:
    """Late by no more than the slack, and our own event loop's stalls as it began and ended."""
    for call in story.calls:
        due = call.began + call.deadline_s
        late_s = call.answered - due
        if call.is_over and late_s * 1000 > story.rules.late_ms:
            late_s -= story.history.stalled_s(call.began, call.began + _SENT_WITHIN_S)
            late_s -= story.history.stalled_s(due, call.answered)
            if late_s * 1000 > story.rules.late_ms:
                yield f"{call} was late by {late_s * 1000:.0f} ms"


def an_answer_speaks_of_what_was_asked(story: Story) -> Iterator[str]:
    """It shows the session and user that were asked for, and no other."""
    for call in story.calls:
        answer = call.answer
        for seen in (*answer.sessions, *answer.made_room):
            if seen.user != call.user:
                yield f"{call} shows a session of another user"
        if call.session_id and any(s.session_id != call.session_id for s in answer.sessions):
            yield f"{call} shows session {answer.sessions[0].session_id}"
        if call.op is Op.CREATE and any(s.profile != call.profile for s in answer.sessions):
            yield f"{call} made a session of profile {answer.sessions[0].profile}"
        if (answer.verdict == "ACTIVE") != (call.op is Op.VALIDATE and len(answer.sessions) == 1):
            yield f"{call} shows {len(answer.sessions)} sessions"
        if any(not seen.live for seen in answer.sessions) and _finds_the_live(call):
            yield f"{call} shows a session that is not live"
        if any(seen.live for seen in answer.made_room):
            yield f"{call} shows a session as ended that is live"


def _finds_the_live(call: Call) -> bool:
    return call.op in (Op.CREATE, Op.REFRESH, Op.EXTEND, Op.UPDATE, Op.VALIDATE)


def no_list_shows_more_than_the_cap(story: Story) -> Iterator[str]:
    """A list is one moment."""
    for call in story.calls:
        if call.op is Op.LIST:
            held = Counter(seen.profile for seen in call.answer.sessions if seen.live)
            for profile, number in held.items():
                if number > story.rules.profiles[profile].cap:
                    yield f"{call} shows {number} live sessions of profile {profile}"


def no_list_shows_two_sessions_of_one_device(story: Story) -> Iterator[str]:
    """Whatever their profiles."""
    for call in story.calls:
        if call.op is Op.LIST:
            held = Counter(s.device for s in call.answer.sessions if s.live and s.device)
            for device, number in held.items():
                if number > 1:
                    yield f"{call} shows {number} live sessions of device {device}"


def nothing_is_live_past_its_expiry(story: Story) -> Iterator[str]:
    """A session that an answer calls live, or extends, had not expired when the call began."""
    for call in story.calls:
        for seen in call.answer.sessions:
            if seen.live and story.surely_passed(seen.expire_ms, call.began):
                yield f"{call} shows {seen}, which had expired"
        before_ms = call.answer.previous_expire_ms
        if before_ms and story.surely_passed(before_ms, call.began):
            yield f"{call} extended a session that had expired at {before_ms}"


def no_lifetime_is_longer_than_its_profile_allows(story: Story) -> Iterator[str]:
    """By idle time, by absolute time, and never past the absolute expiry."""
    for call in story.calls:
        for seen in (*call.answer.sessions, *call.answer.made_room):
            limits = story.rules.profiles[seen.profile]
            if seen.expire_ms > seen.absolute_ms:
                yield f"{call} shows {seen}: past its absolute expiry"
            if seen.absolute_ms > seen.create_us // 1000 + limits.absolute_ms + 1:
                yield f"{call} shows {seen}: too long an absolute lifetime"
            if seen.expire_ms > seen.refresh_ms + limits.idle_ms + story.rules.slack_ms:
                yield f"{call} shows {seen}: too long an idle lifetime"


def a_refresh_gives_the_generation_of_its_outcome(story: Story) -> Iterator[str]:
    """The next one, or the same if it is CURRENT; a create gives the first."""
    for call in story.calls:
        if not call.ok:
            continue
        if call.op is Op.CREATE and call.answer.generation != 1:
            yield f"{call} gave generation {call.answer.generation}"
        if call.op is Op.REFRESH:
            expected = call.generation + _NEXT[call.answer.rotation]
            if call.answer.generation != expected:
                yield f"{call} gave generation {call.answer.generation}, not {expected}"
