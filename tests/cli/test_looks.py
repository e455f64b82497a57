"""How answers look: on a real terminal of 80 columns, and in their parts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from sessionstore import DurationBar, UsersBar
from sessionstore.cli.durations import ago, parse_duration, parse_time, rfc3339, short
from sessionstore.cli.exits import Failure
from sessionstore.cli.histogram import by_duration, by_sessions
from sessionstore.v1 import admin_service_pb2 as pb
from sessionstore.v1 import session_pb2
from tests.cli.sessionctl import Sessionctl, fits
from tests.client import messages
from tests.client.fake_service import FakeService

LONG = "0b9a7b6e-6d5a-4c3b-9c1d-1234567890ab"
ID = "AQ" + "x" * 22
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


def hard_sessions() -> list[session_pb2.Session]:
    """Sessions with the widest values that there are."""
    client = session_pb2.Client(user_agent=USER_AGENT)
    return [
        messages.session(ID, user_id=LONG, client=client),
        messages.session(
            ID,
            user_id="\u4f1a" * 80,
            state=session_pb2.Session.STATE_ENDED,
            end_reason=session_pb2.END_REASON_REVOKED_BY_ADMIN,
            end_time=messages.stamp(messages.at(6)),
            client=client,
        ),
    ]


def test_the_widest_sessions_have_a_line_each(service: FakeService, scripted: Sessionctl) -> None:
    """On a terminal of 80 columns ids and states stay whole; what is long is cut."""
    page = pb.ListRecentSessionsResponse(sessions=hard_sessions())
    service.answer("ListRecentSessions", page)

    shown = scripted.on_terminal("recent")

    header, first, second = shown.splitlines()[:3]
    assert header.split() == ["SESSION", "STATE", "CREATED", "USER", "CLIENT"]
    assert first.split()[:2] == [ID, "ACTIVE"]
    assert second.split()[:2] == [ID, "REVOKED_BY_ADMIN"]
    assert LONG in shown
    assert fits(shown)
    assert shown.endswith("exit 0")


def test_stats_show_shapes(service: FakeService, scripted: Sessionctl) -> None:
    """On a terminal of 80 columns, with a bar for each number of sessions and each age."""
    service.answer("GetStats", messages.stats())

    shown = scripted.on_terminal("stats")

    assert fits(shown)
    assert "14 live, 7 ended and kept" in shown
    assert "3 LOGOUT" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["10", "1", "#" * 40] in lines
    assert ["under", "1h", "10", "#" * 40] in lines
    assert ["1h", "and", "more", "4", "#" * 16] in lines


def test_an_encoding_that_lacks_a_letter_is_no_failure(
    service: FakeService, scripted: Sessionctl
) -> None:
    """The letter is shown by its number."""
    service.answer("ListRecentSessions", pb.ListRecentSessionsResponse(sessions=hard_sessions()))
    scripted.environment["PYTHONIOENCODING"] = "ascii"

    shown = scripted.on_terminal("recent")

    assert "\\u4f1a" in shown
    assert shown.endswith("exit 0")


def test_progress_is_shown_on_a_terminal_only(service: FakeService, scripted: Sessionctl) -> None:
    """It goes to stderr, and is gone in the end."""
    done = pb.AuditIndexResponse(keys_done=9, keys_total=9, done=True)
    service.answer("AuditIndex", [pb.AuditIndexResponse(keys_done=5, keys_total=9), done])

    piped = scripted("audit")
    shown = scripted.on_terminal("audit")

    assert piped.err == ""
    assert piped.out == "9 keys looked at\nnothing disagrees\n"
    assert shown == f"{piped.out}exit 0"


def test_an_interrupted_command_says_so_and_ends_with_130(
    service: FakeService, scripted: Sessionctl
) -> None:
    """As a shell expects of Ctrl-C."""

    def endless(_: object, context: grpc.ServicerContext) -> Iterator[pb.PurgeSessionsResponse]:
        while context.is_active():
            sent.append(pb.PurgeSessionsResponse(resume_token="r1"))
            yield sent[-1]
            time.sleep(0.01)

    sent: list[pb.PurgeSessionsResponse] = []
    service.answer("PurgeSessions", endless)

    shown = scripted.on_terminal(
        "purge", "--older-than", "0", interrupt_when=lambda _: len(sent) > 100
    )

    assert "go on with --resume r" in shown
    assert shown.endswith("sessionctl: interrupted\nexit 130")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("30d", 2592000), ("1h30m", 5400), ("1.5h", 5400), ("10s", 10)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """In the units that people write."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "30 d", "d", "-1d", "1w", "9" * 30 + "d", "1..5h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A purge of the wrong age cannot be undone."""
    with pytest.raises(Failure):
        parse_duration(text)


def test_times_are_read_and_written_to_the_microsecond() -> None:
    """A cutoff comes back as it was given."""
    time = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert rfc3339(time) == "2026-01-31T12:00:00.123456Z"
    assert parse_time(rfc3339(time)) == time
    assert parse_time("2026-01-31T13:00:00.123456+01:00") == time


def test_times_are_told_from_now() -> None:
    """In the largest unit, before and after."""
    now = datetime.now(UTC)
    assert ago(None) == ""
    assert ago(now) == "now"
    assert ago(now - timedelta(hours=50)) == "2d ago"
    assert ago(now + timedelta(minutes=90, seconds=5)) == "in 1h"
    assert short(timedelta(seconds=0.25)) == "0.2s"


def test_many_different_counts_are_put_into_ranges() -> None:
    """A histogram stays one screen high, and no user is lost."""
    bars = [UsersBar(sessions=number, users=2) for number in range(1, 101)]
    labelled = by_sessions(bars)
    assert [label for label, _ in labelled] == [
        *("1", "2", "3-4", "5-8", "9-16", "17-32", "33-64", "65-128"),
    ]
    assert sum(users for _, users in labelled) == 200


def test_ranges_of_durations_say_where_they_end() -> None:
    """The last one is open."""
    bars = [
        DurationBar(upper=timedelta(hours=1), sessions=1),
        DurationBar(upper=timedelta(days=7), sessions=2),
        DurationBar(upper=None, sessions=3),
    ]
    assert by_duration(bars) == [("under 1h", 1), ("under 7d", 2), ("7d and more", 3)]
