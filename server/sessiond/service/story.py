"""What is known of a session, told in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sessiond.domain.explanation import Explanation
from sessiond.domain.session import EndReason, Session, State, Verdict
from sessiond.domain.times import rfc3339

NOT_OURS: Final = (
    "This is no token of this service: it is forged or damaged, of another issuer, or its key is"
    " no longer kept."
)

_MEANINGS: Final = {
    EndReason.LOGOUT: "The user logged out.",
    EndReason.REVOKED: "A caller revoked it.",
    EndReason.REVOKED_BY_ADMIN: "An operator revoked it.",
    EndReason.REVOKED_OTHERS: "The user's other sessions were ended from the one that stayed.",
    EndReason.EVICTED_BY_CAP: "The user was at the cap, and it made room for a login.",
    EndReason.REPLACED: "Its device logged in again, or a login named it to be replaced.",
    EndReason.TOKEN_REUSED: (
        "A superseded refresh token came back after the grace time, so it may have been stolen."
    ),
    EndReason.USER_DELETED: "The user was deleted.",
    EndReason.IDLE: "It was not refreshed for its idle lifetime.",
    EndReason.ABSOLUTE: "It reached its absolute lifetime.",
    EndReason.EXPIRED: "Which of its lifetimes ran out, and when, is not known.",
}
_UNITS: Final = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000))


def of(told: Explanation, now_ms: int) -> str:
    """The story of a session as of `now_ms`."""
    return " ".join(_sentences(told, now_ms))


def _sentences(told: Explanation, now_ms: int) -> Iterator[str]:
    if told.session and told.session.state is State.ACTIVE:
        yield from _life(told.session, now_ms)
    elif told.end_reason:
        yield from _end(told, now_ms)
    else:
        yield "No session is kept under this id, and no event tells how one ended."
    yield from _token(told)
    if told.access_tokens_dead_ms:
        until = _when(told.access_tokens_dead_ms, now_ms)
        yield f"Services that verify by themselves may take its access tokens until {until}."
    if told.session and not told.indexed:
        yield "It is missing from the index that its state asks for: AuditIndex repairs that."


def _life(session: Session, now_ms: int) -> Iterator[str]:
    yield f"Live, of user {session.user_id}, created {_when(session.create_ms, now_ms)}."
    if session.refresh_ms > session.create_ms:
        yield f"Last refreshed {_when(session.refresh_ms, now_ms)}."
    expires = f"It expires {_when(session.expire_ms, now_ms)}"
    final = session.expire_ms == session.absolute_expire_ms
    yield f"{expires}, refreshed or not." if final else f"{expires} unless it is refreshed."


def _end(told: Explanation, now_ms: int) -> Iterator[str]:
    verb = "Expired" if told.end_reason >= EndReason.IDLE else "Ended"
    when = f" {_when(told.end_ms, now_ms)}" if told.end_ms else ""
    by = f" by caller {told.ended_by}" if told.ended_by else ""
    yield f"{verb}{when}{by}: {told.end_reason.name}. {_MEANINGS[told.end_reason]}"
    if told.session is None:
        yield "The session is no longer kept; this is from its last event."
        return
    session = told.session
    yield f"It was of user {session.user_id}, created {_when(session.create_ms, now_ms)}."
    if told.forget_ms:
        yield f"The store keeps it until {_when(told.forget_ms, now_ms)}."


def _token(told: Explanation) -> Iterator[str]:
    if told.verdict is Verdict.TOKEN_EXPIRED:
        yield "The access token has expired by itself."
    if told.verdict is not Verdict.TOKEN_INVALID:
        return
    if told.token_generation:
        order = "superseded" if told.token_generation < told.generation else "ahead of the store"
        yield (
            f"The refresh token is {order}: of generation {told.token_generation}, and the session"
            f" is at {told.generation}."
        )
    else:
        yield "The access token names another user than the session."


def _when(ms: int, now_ms: int) -> str:
    """How long ago, or how far ahead, in the largest unit that fits; and the time itself."""
    distance = abs(now_ms - ms)
    unit, size = next((u for u in _UNITS if distance >= u[1]), _UNITS[-1])
    number = distance // size
    span = f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{f'in {span}' if ms > now_ms else f'{span} ago'} ({rfc3339(ms)})"
