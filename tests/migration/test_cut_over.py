"""The page's way from the old table into the service, on real ones of both."""

from __future__ import annotations

import csv
import json
import re
import stat
from datetime import UTC, datetime, timedelta

from tests.migration.kit import Migration
from tests.migration.old_system import LIVE, REVOKED, SESSIONS, USERS, live_of

REHEARSAL = "2. Rehearse"
MOVE = "4. Export and import"


def test_a_rehearsal_says_what_would_come_in_and_changes_nothing(migration: Migration) -> None:
    """Its table counts every row, its report has every line that would be skipped, and no id."""
    migration.follow("1. Prepare the table")
    printed = migration.follow(REHEARSAL)
    assert f"{SESSIONS} rows, of which {LIVE} would come in" in printed
    assert re.search(rf"^REVOKED +{REVOKED} ", printed, re.MULTILINE)

    report = (migration.directory / "skipped.jsonl").read_text()
    skipped = [json.loads(line) for line in report.splitlines()]
    assert [row["outcome"] for row in skipped] == ["REVOKED"] * REVOKED
    assert "old-" not in report
    assert "old-" not in printed
    file = migration.directory / "sessions.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(newline="") as lines:
        assert len(list(csv.DictReader(lines))) == SESSIONS
    assert migration.admin.stats().totals.created == 0


def test_the_old_systems_numbers_arrive(migration: Migration) -> None:
    """Stats, the recent list and each user's list agree with the table, to the microsecond."""
    migration.follow("1. Prepare the table")
    migration.follow(MOVE)

    stats = migration.admin.stats()
    assert (stats.live_sessions, stats.ended_sessions, stats.users) == (LIVE, 0, len(USERS))
    assert (stats.totals.created, stats.totals.imported) == (LIVE, LIVE)

    expected = list(live_of(migration.old).values())
    recent = migration.admin.recent()
    assert [(session.user_id, session.create_time) for session in recent] == expected
    for user in USERS:
        created = [each for owner, each in expected if owner == user]
        assert [session.create_time for session in migration.live(user)] == created


def test_users_agents_and_expiries_arrive(migration: Migration) -> None:
    """Whatever a browser called itself."""
    migration.export()
    migration.summary("sessions.csv")
    found = migration.old.execute(
        'SELECT "createdAt", "userAgent", "ipAddr", "expiresAt" FROM sessions'
        ' WHERE "revokedAt" IS NULL'
    )
    expected = {row[0]: (row[1] or "", row[2], _in_milliseconds(row[3])) for row in found}
    here = [session for user in USERS for session in migration.live(user)]
    assert {
        each.create_time: (each.client.user_agent, each.client.ip_address, each.expire_time)
        for each in here
    } == expected


def test_a_second_import_adds_nothing(migration: Migration) -> None:
    """What came in the first time exists, and is left as it is."""
    migration.export()
    first = migration.summary("sessions.csv")
    assert first["outcomes"] | {"imported": LIVE, "revoked": REVOKED} == first["outcomes"]
    assert (first["rows"], first["next_line"]) == (SESSIONS, None)
    second = migration.summary("sessions.csv")
    assert second["outcomes"] | {"exists": LIVE, "imported": 0} == second["outcomes"]
    assert migration.admin.stats().totals.created == LIVE


def test_wrong_rows_are_told_and_the_others_come_in(migration: Migration) -> None:
    """Exit code 1 says that something is to be looked at, with the line."""
    migration.export()
    file = migration.directory / "sessions.csv"
    file.write_text(file.read_text() + "short\n")
    done = migration.shell("sessionctl import sessions.csv", status=1)
    assert "UNREADABLE: has 1 columns, the header 7" in done.stderr
    assert "1 rows are wrong" in done.stderr
    assert migration.admin.stats().live_sessions == LIVE


def test_a_purge_removes_exactly_what_it_previewed(moved: Migration) -> None:
    """Of imported sessions as of any: the ended ones, as many as were told; the live ones stay."""
    moved.sessions.revoke_user(USERS[0])
    ended = {session.id for session in moved.sessions.list(USERS[0])}
    preview = list(moved.admin.purge(older_than=timedelta(0)))
    moved.sessions.revoke_user(USERS[1])
    later = {session.id for session in moved.sessions.list(USERS[1])}

    done = list(moved.admin.purge(cutoff_time=preview[-1].cutoff_time, execute=True))
    assert {each.id for progress in preview for each in progress.samples} == ended
    assert {each.id for progress in done for each in progress.samples} == ended
    assert preview[-1].ended_sessions == done[-1].ended_sessions == len(ended)
    assert list(moved.sessions.list(USERS[0])) == []
    assert {session.id for session in moved.sessions.list(USERS[1])} == later
    assert len(moved.live(USERS[2])) == moved.admin.stats().live_sessions


def test_both_sides_can_be_counted(migration: Migration) -> None:
    """The page's commands run, and show the same number."""
    migration.follow("1. Prepare the table")
    migration.follow(MOVE)
    printed = migration.follow("5. Count on both sides")
    assert f" {SESSIONS} |     {REVOKED} |       0 |   {LIVE} |          {len(USERS)}" in printed


def test_other_files_are_read_as_the_page_says(migration: Migration) -> None:
    """JSON Lines on standard input, with other names and times in seconds."""
    printed = migration.follow("Other files")
    assert "1 rows, of which 1 would come in" in printed


def _in_milliseconds(time: datetime) -> datetime:
    """As exact as an expiry is kept."""
    return time.astimezone(UTC).replace(microsecond=time.microsecond // 1000 * 1000)
