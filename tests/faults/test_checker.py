"""Each invariant of the checker finds what it says in a history written by hand, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

import pytest

from tests.faults import invariants_of_answers as answers
from tests.faults import invariants_of_sessions as sessions
from tests.faults import invariants_of_tokens as tokens
from tests.faults.checker import ALWAYS, WHILE_NOTHING_IS_LOST, Invariant, check
from tests.faults.history import Loss, Op
from tests.faults.rules import RULES
from tests.faults.tale import DEADLINE_S, USER, Tale

Telling: TypeAlias = Callable[[Tale, bool], None]
"""Tells a history: one that breaks the invariant, or one that comes near."""

TOLD: Final[dict[str, Telling]] = {}
GRACE_S: Final = RULES.grace_ms / 1000
LATER_S: Final = GRACE_S * 2


def of(invariant: Invariant) -> Callable[[Telling], Telling]:
    """Make a telling the one of this invariant."""

    def take(telling: Telling) -> Telling:
        TOLD[invariant.__name__] = telling
        return telling

    return take


@pytest.mark.parametrize("invariant", [i.__name__ for i in ALWAYS + WHILE_NOTHING_IS_LOST])
def test_an_invariant_is_found_broken(invariant: str) -> None:
    """In a history that breaks it."""
    tale = Tale()
    TOLD[invariant](tale, True)
    found = check(tale.history, RULES)
    assert invariant in {violation.invariant for violation in found}, found


@pytest.mark.parametrize("invariant", [i.__name__ for i in ALWAYS + WHILE_NOTHING_IS_LOST])
def test_a_history_that_comes_near_is_clean(invariant: str) -> None:
    """No invariant at all is found broken in what the service may do."""
    tale = Tale()
    TOLD[invariant](tale, False)
    assert check(tale.history, RULES) == []


def test_what_an_engine_may_lose_is_not_held_against_it() -> None:
    """Without durability a revocation may be undone."""
    tale = Tale()
    TOLD[sessions.a_revoked_session_is_never_live_again.__name__](tale, True)
    assert check(tale.history, replace(RULES, durable=False)) == []


def test_a_stranger_who_got_no_answer_may_have_ended_a_session() -> None:
    """Who presented a superseded token raised the alarm, also for whom it was rotated."""
    tale = Tale()
    tale.create("a")
    tale.refresh("a", 1, "ROTATED", request_id="r")
    tale.now += LATER_S
    tale.unknown(Op.REFRESH, "a", generation=1, request_id="another")
    tale.refused(Op.REFRESH, "a", "REFRESH_TOKEN_REUSED", generation=1, request_id="r")
    assert check(tale.history, RULES) == []


def test_a_late_answer_is_forgiven_for_a_stall_of_our_own() -> None:
    """As long as our event loop did not run nothing could be answered."""
    tale = Tale()
    tale.history.note_stall(tale.now + 1.8, 0.8)
    tale.create("a", lasts_s=DEADLINE_S + 0.8)
    assert check(tale.history, RULES) == []


def test_a_call_that_fails_is_told_where_nothing_may_break() -> None:
    """Not one that its client cancelled, nor one that the rules refuse."""
    tale, unbroken = Tale(), replace(RULES, unbroken=True)
    tale.create("a")
    tale.unknown(Op.UPDATE, "a")
    tale.revoke("a")
    tale.refused(Op.UPDATE, "a", "SESSION_ENDED", code="FAILED_PRECONDITION")
    assert check(tale.history, unbroken) == []
    tale.unknown(Op.UPDATE, "a").code = "UNAVAILABLE"
    assert [v.invariant for v in check(tale.history, unbroken)] == ["no_call_fails"]


def test_what_a_failover_may_have_undone_is_not_held_against_it() -> None:
    """A session, an ending, a rotation and an eviction are lost; what was told before is kept."""
    tale = Tale()
    for session_id in "abc":
        tale.create(session_id)
    kept, lost_from = dict(tale.seen), tale.now
    tale.revoke("a")
    tale.refresh("b", 1, "ROTATED")
    tale.end("c", "EVICTED_BY_CAP")
    tale.create("d", made_room="c")
    tale.history.losses.append(Loss(lost_from, tale.now))
    tale.seen = kept
    tale.validate("c")
    tale.refresh("b", 2, "RECOVERED")
    tale.validate("a", "ENDED")
    tale.refused(Op.EXTEND, "d", "SESSION_NOT_FOUND")
    assert check(tale.history, RULES) == []
    tale.refused(Op.EXTEND, "c", "SESSION_NOT_FOUND")
    broken = {violation.invariant for violation in check(tale.history, RULES)}
    assert sessions.nothing_acknowledged_is_forgotten.__name__ in broken


def test_a_failover_concerns_no_users_of_other_engines() -> None:
    """What they were told stays true."""
    tale = Tale()
    lost_from = tale.now
    TOLD[sessions.a_revoked_session_is_never_live_again.__name__](tale, True)
    tale.history.losses.append(Loss(lost_from, tale.now, lambda user: user != USER))
    broken = {violation.invariant for violation in check(tale.history, RULES)}
    assert sessions.a_revoked_session_is_never_live_again.__name__ in broken


@of(sessions.what_a_failover_undid_is_ended_again)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    live, lost_from = tale.seen["a"], tale.now
    tale.revoke("a")
    tale.seen["a"] = live
    tale.validate("a")
    tale.history.losses.append(Loss(lost_from, tale.now))
    tale.validate("a", "ACTIVE" if broken else "ENDED")


@of(answers.no_refusal_is_a_surprise)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.unknown(Op.UPDATE, "a")
    tale.refused(Op.UPDATE, "a", "ETAG_MISMATCH" if broken else "STORE_FULL")


@of(answers.no_call_is_answered_long_after_its_deadline)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a", lasts_s=DEADLINE_S + (0.2 if broken else 0.05))


@of(answers.an_answer_speaks_of_what_was_asked)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.create("b")
    call = tale.validate("a")
    if broken:
        call.answer = tale.validate("b").answer


@of(answers.no_list_shows_more_than_the_cap)
def _(tale: Tale, broken: bool) -> None:
    for session_id in "abc":
        tale.create(session_id)
    tale.create("d", profile="default" if broken else "brief")
    tale.list(*"abcd")


@of(answers.no_list_shows_two_sessions_of_one_device)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a", device="phone")
    tale.create("b", device="phone" if broken else "laptop", profile="brief")
    tale.list("a", "b")


@of(answers.nothing_is_live_past_its_expiry)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a", profile="brief")
    tale.now += RULES.profiles["brief"].idle_ms / 1000 + (0.1 if broken else -0.1)
    tale.validate("a")


@of(answers.no_lifetime_is_longer_than_its_profile_allows)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a", profile="brief")
    seen = tale.seen["a"]
    limit_ms = seen.absolute_ms
    tale.seen["a"] = replace(seen, refresh_ms=limit_ms - 500, expire_ms=limit_ms + int(broken))
    tale.validate("a")


@of(answers.a_refresh_gives_the_generation_of_its_outcome)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.refresh("a", 1, "ROTATED", given=3 if broken else 2)


@of(sessions.a_revoked_session_is_never_live_again)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    live = tale.seen["a"]
    tale.revoke("a")
    if not broken:
        tale.now -= 0.025  # begun before the revoke was answered
    tale.seen["a"] = live
    tale.validate("a")


@of(sessions.revoke_all_ends_every_session_that_was_there)
def _(tale: Tale, broken: bool) -> None:
    if broken:
        tale.create("a")
    tale.unknown(Op.REVOKE_ALL, request_id="r")
    if not broken:
        tale.create("a")  # a login that came after the request, and before its retry
    tale.revoke_all(request_id="r")
    tale.validate("a")


@of(sessions.a_session_that_made_room_is_never_live_again)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a", device="phone")
    live = tale.seen["a"]
    tale.end("a", "REPLACED")
    tale.create("b", made_room="a", device="phone")
    if not broken:
        tale.now -= 0.025
    tale.seen["a"] = live
    tale.validate("a")


@of(sessions.a_reused_token_ends_its_session)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.refresh("a", 1, "ROTATED")
    tale.now += LATER_S
    tale.refused(Op.REFRESH, "a", "REFRESH_TOKEN_REUSED", generation=1)
    tale.validate("a", "ACTIVE" if broken else "ENDED")


@of(sessions.what_was_found_dead_is_never_live_again)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.unknown(Op.REVOKE, "a")
    if broken:
        tale.list()
    tale.validate("a")


@of(sessions.never_more_are_live_at_once_than_the_cap)
def _(tale: Tale, broken: bool) -> None:
    for session_id in "abcd":
        tale.create(session_id)
    for session_id in "abcd" if broken else "bcd":
        tale.validate(session_id)


@of(sessions.the_cap_ends_the_oldest)
def _(tale: Tale, broken: bool) -> None:
    for session_id in "abc":
        tale.create(session_id)
    evicted = "b" if broken else "a"
    tale.end(evicted, "EVICTED_BY_CAP")
    tale.create("d", made_room=evicted)
    tale.validate("a" if broken else "b")


@of(sessions.a_retried_create_makes_one_session)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a", request_id="r")
    tale.create("b" if broken else "a", request_id="r")


@of(sessions.every_session_comes_from_a_create)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a", request_id="r")
    tale.unknown(Op.CREATE, request_id="r" if broken else "another")
    tale.seen["b"] = replace(tale.seen["a"], session_id="b")
    tale.list("a", "b")


@of(sessions.nothing_ends_without_a_cause)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    if not broken:
        tale.unknown(Op.REVOKE_ALL)
    tale.validate("a", "ENDED")


@of(sessions.nothing_acknowledged_is_forgotten)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.revoke("a")
    tale.validate("a", "NOT_FOUND" if broken else "ENDED")


@of(sessions.no_expiry_moves_back)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    before = tale.seen["a"]
    tale.now += 0.1
    tale.seen["a"] = replace(
        before, expire_ms=before.expire_ms + 100, refresh_ms=before.refresh_ms + 100
    )
    tale.refresh("a", 1, "CURRENT")
    if broken:
        tale.seen["a"] = before
    tale.validate("a")


@of(tokens.a_generation_is_rotated_once)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.refresh("a", 1, "ROTATED")
    tale.now -= 0.015
    tale.refresh("a", 1, "ROTATED" if broken else "REPLAYED")


@of(tokens.a_generation_has_one_token)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.refresh("a", 1, "ROTATED")
    tale.refresh("a", 1, "REPLAYED", token=99 if broken else 0)


@of(tokens.no_token_of_two_generations_back_is_accepted)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.refresh("a", 1, "ROTATED")
    tale.refresh("a", 2, "ROTATED")
    tale.validate("a", generation=1 if broken else 2)


@of(tokens.a_superseded_token_is_good_in_its_grace_time_or_for_its_request)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.refresh("a", 1, "ROTATED", request_id="r")
    tale.validate("a", generation=1)
    tale.now += LATER_S
    tale.refresh("a", 1, "REPLAYED", request_id="another" if broken else "r")


@of(tokens.a_replay_repeats_another_refresh)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    if not broken:
        tale.unknown(Op.REFRESH, "a", generation=1)
    tale.refresh("a", 1, "REPLAYED")


@of(tokens.reuse_is_not_alleged_of_a_retry)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.refresh("a", 1, "ROTATED", request_id="r")
    tale.now += LATER_S
    request_id = "r" if broken else "another"
    tale.refused(Op.REFRESH, "a", "REFRESH_TOKEN_REUSED", generation=1, request_id=request_id)


@of(tokens.no_acknowledged_rotation_is_lost)
def _(tale: Tale, broken: bool) -> None:
    tale.create("a")
    tale.refresh("a", 1, "ROTATED")
    tale.refresh("a", 2, "RECOVERED" if broken else "ROTATED")
