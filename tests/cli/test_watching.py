"""`sessionctl watch`: lines for programs and a table for people, as things happen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import grpc
import pytest

from sessionstore import SessionClient
from tests.cli.sessionctl import LINES, Running, Sessionctl, fits
from tests.cli.test_reading import log_in
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService, failing

WATCH = ("watch", "-o", "json", "--checkpoints")
ID = "AQ" + "x" * 20
"""And two digits."""


@pytest.fixture
def fake_log(service: FakeService) -> FakeLog:
    """The log of the scripted service."""
    return FakeLog(service)


def lines_of(watch: Running, *types: str) -> Iterator[Any]:
    """Its lines of these types, as they come."""
    while True:
        line = watch.line()
        if line["type"] in types:
            yield line


def events_of(watch: Running) -> Iterator[Any]:
    return lines_of(watch, "CREATED", "ENDED", "EXPIRED")


def test_events_are_lines_as_they_happen(ctl: Sessionctl, sessions: SessionClient) -> None:
    """Each with what the contract says of it and with a cursor, and Ctrl-C is no failure."""
    with ctl.running(*WATCH) as watch:
        assert watch.line()["type"] == "CHECKPOINT"
        (session_id,) = log_in(sessions, "alice", 1)
        created = next(events_of(watch))
        sessions.revoke(session_id=session_id)
        ended = next(events_of(watch))
        checkpoint = next(lines_of(watch, "CHECKPOINT"))
        stopped = watch.interrupt()

    assert created["type"] == "CREATED"
    assert (created["session_id"], created["user_id"]) == (session_id, "alice")
    assert (created["end_reason"], created["dead_time"]) == (None, None)
    assert (ended["type"], ended["end_reason"]) == ("ENDED", "REVOKED")
    assert ended["session_id"] == session_id
    assert ended["event_id"] != created["event_id"]
    assert ended["dead_time"] > ended["time"] >= created["time"]
    assert checkpoint["time"] >= ended["time"]
    assert checkpoint["lag"].endswith("s")
    assert all(line["cursor"] for line in (created, ended, checkpoint))
    assert (stopped.code, stopped.err) == (130, "sessionctl: interrupted\n")


def test_only_what_was_asked_for_is_told(ctl: Sessionctl, sessions: SessionClient) -> None:
    """Of one user, and of some types, in letters of any case."""
    arguments = (*WATCH, "alice", "--type", "ended", "--type", "EXPIRED")
    with ctl.running(*arguments) as watch:
        watch.line()
        bobs, alices = log_in(sessions, "bob", 1), log_in(sessions, "alice", 2)
        for session_id in (*bobs, *alices):
            sessions.revoke(session_id=session_id)
        told = [(each["type"], each["session_id"]) for each in islice(events_of(watch), 2)]

    assert told == [("ENDED", session_id) for session_id in alices]


def test_behind_the_cursor_of_any_line_nothing_is_missing(
    ctl: Sessionctl, sessions: SessionClient
) -> None:
    """Though several events were sent together, whose cursor is behind the last of them."""
    with ctl.running(*WATCH) as watch:
        begin = watch.line()["cursor"]
    ids = log_in(sessions, "alice", 3)

    def told_from(cursor: str) -> list[tuple[str, str]]:
        told: list[tuple[str, str]] = []
        with ctl.running(*WATCH, "--cursor", cursor) as watch:
            for line in lines_of(watch, "CREATED", "CHECKPOINT"):
                if line["type"] == "CHECKPOINT":
                    return told
                told.append((line["session_id"], line["cursor"]))
        raise AssertionError

    told = told_from(begin)
    assert [session_id for session_id, _ in told] == ids
    for number, (_, cursor) in enumerate(told, 1):
        after = [session_id for session_id, _ in told_from(cursor)]
        assert after[len(after) - len(ids[number:]) :] == ids[number:]
    assert told_from(told[-1][1]) == []


def test_a_stream_that_breaks_is_made_anew(fake_log: FakeLog, scripted: Sessionctl) -> None:
    """It says so on stderr, once, and goes on where it was."""
    with scripted.running(*WATCH) as watch:
        watch.line()
        fake_log.service.answer_once("WatchSessions", failing(grpc.StatusCode.UNAVAILABLE))
        fake_log.service.answer_once("WatchSessions", failing(grpc.StatusCode.UNAVAILABLE))
        fake_log.cut(failing(grpc.StatusCode.UNAVAILABLE, message="gone away"))
        watch.said("gone away (UNAVAILABLE); trying again in ")
        fake_log.end(ID + "01")
        told = next(events_of(watch))
        watch.said("watching again")
        fake_log.cut()
        watch.said("the server ended the stream; resuming")
        fake_log.end(ID + "02")
        later = next(events_of(watch))
        err = watch.interrupt().err

    assert (told["session_id"], later["session_id"]) == (ID + "01", ID + "02")
    assert err == "sessionctl: watching again\nsessionctl: interrupted\n"
    assert all(fake_log.cursors[1:])


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_TOO_OLD"),
        (grpc.StatusCode.OUT_OF_RANGE, "LOG_REWOUND"),
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
    ],
)
def test_a_gap_is_told_on_both_sides(
    fake_log: FakeLog, scripted: Sessionctl, status: grpc.StatusCode, reason: str
) -> None:
    """On stdout as a line of its own, whose cursor is that of the snapshot."""
    with scripted.running(*WATCH) as watch:
        watch.line()
        fake_log.end(ID + "01")
        next(events_of(watch))
        fake_log.cut(failing(status, reason, message="events are lost"))
        told = watch.said("events are lost")
        gap = next(lines_of(watch, "GAP"))
        snapshot = watch.said("snapshot")
        fake_log.end(ID + "02")
        event = next(events_of(watch))

    assert told.endswith(f"({reason}); beginning anew\n")
    assert "a new snapshot has 1 ended session" in snapshot
    assert gap == {"type": "GAP", "reason": reason, "cursor": gap["cursor"]}
    assert gap["cursor"]
    assert event["session_id"] == ID + "02"


def test_a_cursor_that_was_trimmed_away_begins_anew(
    fake_log: FakeLog, scripted: Sessionctl
) -> None:
    """Its gap is told first."""
    fake_log.end(ID + "01")
    fake_log.trim()

    with scripted.running(*WATCH, "--cursor", "0.0") as watch:
        assert watch.line()["reason"] == "CURSOR_TOO_OLD"
        assert watch.line()["type"] == "CHECKPOINT"


def test_a_cursor_of_another_watch_is_wrong_usage(ctl: Sessionctl, sessions: SessionClient) -> None:
    """As is one that is none."""
    log_in(sessions, "alice", 1)
    with ctl.running(*WATCH) as watch:
        cursor = watch.line()["cursor"]

    for arguments in (["alice", "--cursor", cursor], ["--cursor", "nonsense"]):
        refused = ctl("watch", *arguments, code=2)
        assert refused.out == ""
        assert "cursor" in refused.err
        assert refused.err.endswith("(INVALID_FIELD)\n")


def test_what_keeps_a_watch_from_beginning_is_a_failure(
    service: FakeService, scripted: Sessionctl
) -> None:
    """With the exit code of any other command; it is not tried for ever."""
    for status, reason, code in (
        (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", 5),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", 5),
        (grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED", 4),
    ):
        service.answer("WatchSessions", failing(status, reason, message="it is so"))
        refused = scripted("watch", code=code)
        assert (refused.out, refused.err) == ("", f"sessionctl: it is so ({reason})\n")


def test_without_a_reader_it_ends(ctl: Sessionctl) -> None:
    """As with `head`, within a checkpoint and though nothing happens."""
    with ctl.running("watch") as watch:
        assert watch.unread() == 1
        assert watch.interrupt().err == ""


def test_on_a_terminal_it_is_a_table(ctl: Sessionctl, sessions: SessionClient) -> None:
    """Newest lowest, with what happened and to whom, and how fresh it is below."""
    done: list[str] = []

    def all_is_shown(shown: str) -> bool:
        if "last checkpoint" in shown and not done:
            done.extend(log_in(sessions, "alice", 1) + log_in(sessions, "\u4f1a" * 80, 1))
            sessions.revoke(session_id=done[0])
        return "; 3 events;" in shown

    shown = ctl.on_terminal("watch", interrupt_when=all_is_shown)

    header, first, second, third, footer, *end = shown.splitlines()
    assert header.split() == ["TIME", "UTC", "EVENT", "SESSION", "USER"]
    assert first.split()[1:] == ["CREATED", done[0], "alice"]
    assert second.split()[1:3] == ["CREATED", done[1]]
    assert third.split()[1:] == ["REVOKED", done[0], "alice"]
    assert footer.startswith("connected; 3 events; last checkpoint ")
    assert "ago; lag " in footer
    assert end == ["sessionctl: interrupted", "exit 130"]
    assert fits(shown)


def test_a_table_is_no_higher_than_the_terminal(fake_log: FakeLog, scripted: Sessionctl) -> None:
    """The latest events stay, and what befell the connection stands above them."""
    ids = [f"{ID}{number:02}" for number in range(99)]

    def all_is_shown(shown: str) -> bool:
        if "last checkpoint" in shown and not fake_log.log:
            for session_id in ids:
                fake_log.end(session_id)
            fake_log.cut(failing(grpc.StatusCode.UNAVAILABLE, message="gone away"))
        return "; 99 events;" in shown and "watching again" in shown

    shown = scripted.on_terminal("watch", interrupt_when=all_is_shown)

    notes, rows = shown.splitlines()[:2], [line.split() for line in shown.splitlines()]
    shown_ids = [row[2] for row in rows if row[2:] and row[2].startswith(ID)]
    assert shown_ids == ids[-len(shown_ids) :]
    assert LINES - 5 < len(shown_ids) < LINES
    assert notes[0].startswith("sessionctl: gone away (UNAVAILABLE); trying again in ")
    assert notes[1] == "sessionctl: watching again"
    assert fits(shown)
