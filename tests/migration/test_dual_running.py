"""A backend that knows both systems, as examples/migration has it."""

from __future__ import annotations

import pytest

from examples.migration import dual_running
from sessionstore import EndReason, Verdict
from tests.migration.kit import Migration
from tests.migration.old_system import live_of


def newest(migration: Migration) -> tuple[str, str]:
    """Old id and user of the newest live session of the table."""
    old_id, (user_id, _) = next(iter(live_of(migration.old).items()))
    return old_id, user_id


def test_an_old_session_goes_on_at_its_next_refresh(moved: Migration) -> None:
    """It gets tokens, which refresh it; it stays one session, created when it was."""
    old_id, user_id = newest(moved)
    before = moved.live(user_id)[0]
    assert dual_running.user_of(moved.old, old_id) == user_id

    tokens = dual_running.refresh(moved.sessions, moved.old, old_id)
    assert tokens
    refreshed = moved.sessions.refresh(tokens.refresh_token).session
    assert (refreshed.id, refreshed.create_time) == (before.id, before.create_time)
    assert refreshed.expire_time > before.expire_time
    assert moved.sessions.validate(access_token=tokens.access_token).active


def test_two_tabs_get_the_same_tokens(moved: Migration) -> None:
    """The second one, and one whose answer was lost, is not logged out."""
    old_id, _ = newest(moved)
    first = dual_running.refresh(moved.sessions, moved.old, old_id)
    second = dual_running.refresh(moved.sessions, moved.old, old_id)
    assert first
    assert second
    assert first.refresh_token == second.refresh_token


def test_an_old_credential_is_refused_once_its_session_was_carried_over(moved: Migration) -> None:
    """A stolen copy of the old cookie is of no use a minute later."""
    old_id, _ = newest(moved)
    dual_running.refresh(moved.sessions, moved.old, old_id)
    moved.old.execute("""UPDATE sessions SET "adoptedAt" = "adoptedAt" - interval '1 minute'""")
    for attempt in (
        lambda: dual_running.user_of(moved.old, old_id),
        lambda: dual_running.refresh(moved.sessions, moved.old, old_id),
    ):
        with pytest.raises(dual_running.LogInAgain):
            attempt()


def test_a_session_that_is_not_imported_yet_stays_where_it_is(migration: Migration) -> None:
    """Between deployment and import nobody is logged out."""
    migration.export()
    old_id, user_id = newest(migration)
    assert dual_running.refresh(migration.sessions, migration.old, old_id) is None
    assert dual_running.user_of(migration.old, old_id) == user_id
    migration.summary("sessions.csv")
    assert dual_running.refresh(migration.sessions, migration.old, old_id)


@pytest.mark.parametrize("adopted", [False, True])
def test_a_logout_with_the_old_credential_ends_both_sides(moved: Migration, adopted: bool) -> None:
    """Whether or not the session was carried over before."""
    old_id, user_id = newest(moved)
    session_id = moved.live(user_id)[0].id
    if adopted:
        tokens = dual_running.refresh(moved.sessions, moved.old, old_id)
        assert tokens
        moved.sessions.refresh(tokens.refresh_token)
    dual_running.log_out(moved.sessions, moved.old, old_id)
    verdict = moved.sessions.validate(session_id=session_id)
    assert (verdict.verdict, verdict.end_reason) == (Verdict.ENDED, EndReason.REVOKED)
    assert old_id not in live_of(moved.old)


def test_a_logout_everywhere_ends_both_sides(moved: Migration) -> None:
    """The user's sessions end, and nobody else's."""
    _, user_id = newest(moved)
    others = len(live_of(moved.old)) - len(moved.live(user_id))
    dual_running.log_out_everywhere(moved.sessions, moved.old, user_id)
    assert moved.live(user_id) == []
    assert len(live_of(moved.old)) == moved.admin.stats().live_sessions == others


def test_a_session_that_ended_here_does_not_go_on(moved: Migration) -> None:
    """The table alone still holds it for live."""
    old_id, user_id = newest(moved)
    moved.sessions.revoke_user(user_id)
    with pytest.raises(dual_running.LogInAgain):
        dual_running.refresh(moved.sessions, moved.old, old_id)
