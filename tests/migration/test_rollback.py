"""Back into the old table, by the page's commands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from examples.migration import dual_running
from tests.migration.kit import Migration
from tests.migration.old_system import LIVE, live_of

TABLE = 'SELECT * FROM sessions ORDER BY "createdAt", id'


def row(migration: Migration, old_id: str) -> dict[str, Any]:
    """One row of the table."""
    cursor = migration.old.execute("SELECT * FROM sessions WHERE id = %s", (old_id,))
    names = [column.name for column in cursor.description or ()]
    values = cursor.fetchone()
    assert values
    return dict(zip(names, values, strict=True))


def log_out_here_alone(migration: Migration, old_id: str) -> None:
    """As if a service of the backend had done it that does not know the table."""
    dual_running.log_out(migration.sessions, migration.old, old_id)
    migration.old.execute('UPDATE sessions SET "revokedAt" = NULL WHERE id = %s', (old_id,))


def test_sessions_go_on_in_the_table_under_their_old_ids(moved: Migration) -> None:
    """A rollback right after a migration changes nothing that a user would notice."""
    before = live_of(moved.old)
    moved.follow("Rollback")
    assert live_of(moved.old) == before


def test_what_happened_here_is_in_the_table(moved: Migration) -> None:
    """Refreshed, ended, begun, forgotten: each of them, and a second run changes nothing."""
    refreshed, ended, forgotten, *_ = live_of(moved.old)
    tokens = dual_running.refresh(moved.sessions, moved.old, refreshed)
    assert tokens
    expire_time = moved.sessions.refresh(tokens.refresh_token).session.expire_time
    log_out_here_alone(moved, forgotten)
    (*_, purged) = moved.admin.purge(older_than=timedelta(0), execute=True)
    assert (purged.ended_sessions, purged.done) == (1, True)
    log_out_here_alone(moved, ended)
    begun = moved.sessions.create("dave").session

    moved.follow("Rollback")

    assert row(moved, refreshed)["expiresAt"] == expire_time
    assert row(moved, refreshed)["adoptedAt"] is None
    assert dual_running.user_of(moved.old, refreshed)
    assert row(moved, ended)["revokedAt"]
    assert row(moved, forgotten)["revokedAt"]
    live = live_of(moved.old)
    assert len(live) == LIVE - 2 + 1
    (new_id,) = [old_id for old_id, (user_id, _) in live.items() if user_id == "dave"]
    assert live[new_id] == ("dave", begun.create_time)
    assert new_id != begun.id

    after = moved.old.execute(TABLE).fetchall()
    moved.follow("Rollback")
    assert moved.old.execute(TABLE).fetchall() == after


def test_a_session_that_ended_on_either_side_stays_ended(moved: Migration) -> None:
    """What the table alone had ended is not brought back by the service's account of it."""
    old_id, *_ = live_of(moved.old)
    moved.old.execute('UPDATE sessions SET "revokedAt" = now() WHERE id = %s', (old_id,))
    moved.follow("Rollback")
    assert old_id not in live_of(moved.old)


def test_two_logins_of_one_microsecond_end_together(moved: Migration) -> None:
    """They cannot be told apart, so neither outlives the other by mistake."""
    first, *_ = live_of(moved.old)
    moved.old.execute(
        'INSERT INTO sessions (id, "userId", "createdAt", "expiresAt")'
        ' SELECT \'twin\', "userId", "createdAt", "expiresAt" FROM sessions WHERE id = %s',
        (first,),
    )
    moved.export()
    moved.summary("sessions.csv")
    dual_running.log_out(moved.sessions, moved.old, "twin")
    moved.follow("Rollback")
    assert not {first, "twin"} & live_of(moved.old).keys()


def test_an_empty_export_changes_nothing(migration: Migration) -> None:
    """A rollback from the wrong service does not log everybody out."""
    migration.export()
    before = migration.old.execute(TABLE).fetchall()
    migration.shell("sessionctl export back.csv")
    rollback = "psql -Xq -v ON_ERROR_STOP=1 -f examples/migration/rollback.sql < back.csv"
    assert "the export is empty" in migration.shell(rollback, status=3).stderr
    assert migration.old.execute(TABLE).fetchall() == before


def test_after_a_rollback_the_file_of_before_adds_nothing(moved: Migration) -> None:
    """What was imported once is not imported twice, there and back."""
    moved.follow("Rollback")
    assert moved.summary("sessions.csv")["outcomes"]["imported"] == 0
    moved.export()
    assert moved.summary("sessions.csv")["outcomes"]["imported"] == 0
    assert moved.admin.stats().live_sessions == LIVE
