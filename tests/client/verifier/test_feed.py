"""However the stream of ended sessions is cut, none of them is missed."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keys import TokenKey
from sessionstore import (
    CallerNotAuthenticated,
    Checkpoint,
    DeadSession,
    Event,
    Events,
    EventType,
    LocalVerifier,
    Opened,
    SessionClient,
    SessionEnded,
    Snapshot,
    Unavailable,
    WhenStale,
)
from sessionstore._verifying.feed import Feed
from sessionstore._verifying.freshness import Freshness
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService, Script, failing
from tests.client.verifier.access import AUDIENCE, USER, token
from tests.client.verifier.conftest import Verifying, eventually
from tests.client.verifier.test_rotation import EPOCH_S, Clock

ROUNDS = int(os.environ.get("ROUNDS", "3"))
CUTS: dict[str, Script | None] = {
    "ended by the server": None,
    "out of reach": failing(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"),
    "too slow": failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCHER_TOO_SLOW"),
    "reset by a proxy": failing(grpc.StatusCode.INTERNAL),
    "a server that failed": failing(grpc.StatusCode.UNKNOWN),
}


async def hears_of(verifier: Verifying, key: TokenKey, session_id: str) -> None:
    """Wait until a session's token is refused."""
    good = token(key, session_id)
    async with asyncio.timeout(20):
        while True:
            try:
                await verifier.verify(good)
            except SessionEnded:
                return
            except Unavailable:
                pass
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
async def test_it_resumes_at_its_cursor(
    verifier: Verifying, log: FakeLog, key: TokenKey, cut: Script | None
) -> None:
    """What ended meanwhile is heard of, and no snapshot is taken."""
    for _ in range(ROUNDS):
        await eventually(lambda: log.open_streams == 1)
        before, missed = new_session_id(USER), new_session_id(USER)
        log.end(before)
        log.cut(cut)
        log.end(missed)
        for session_id in (before, missed):
            await hears_of(verifier, key, session_id)
    await eventually(lambda: log.open_streams == 1)
    assert [bool(cursor) for cursor in log.cursors] == [False] + [True] * (len(log.cursors) - 1)
    print(f"{ROUNDS} rounds, {len(log.cursors)} streams")  # noqa: T201


@pytest.mark.parametrize("rewound", [False, True], ids=["trimmed", "rewound"])
async def test_it_takes_a_snapshot_where_events_are_missing(
    verifier: Verifying, log: FakeLog, key: TokenKey, *, rewound: bool
) -> None:
    """And goes on refusing what it knew, though a store that was set back no longer does."""
    known, missed = new_session_id(USER), new_session_id(USER)
    log.end(known)
    await hears_of(verifier, key, known)
    log.cut(CUTS["out of reach"])
    await eventually(lambda: log.open_streams == 0)
    log.end(missed)
    log.epoch += rewound
    log.trim()
    if rewound:
        del log.dead[known]

    await hears_of(verifier, key, missed)

    assert type(await verifier.refusal(token(key, known))) is SessionEnded
    assert log.cursors[-1] == ""
    assert verifier.state.ended_sessions == 2


async def test_what_is_wrong_with_the_caller_is_told_and_tried_again(
    service: FakeService, log: FakeLog, make: Callable[..., Verifying], key: TokenKey
) -> None:
    """A token that somebody renews is good enough."""
    expired = failing(grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_EXPIRED")
    service.answer_once("WatchSessions", expired)
    verifier = make(when_stale=WhenStale.REFUSE)

    assert await verifier.wait_ready()

    assert type(verifier.state.last_error) is CallerNotAuthenticated
    await verifier.verify(token(key))


async def test_a_service_token_that_cannot_be_read_is_tried_again(
    service: FakeService, log: FakeLog, key: TokenKey
) -> None:
    """Whatever the function raises that gives it."""
    tokens: Iterator[str | Exception] = iter((LookupError("no token yet"), "", *("t" * 20)))

    def give() -> str:
        given = next(tokens)
        if isinstance(given, Exception):
            raise given
        return given

    with (
        SessionClient(service.address, token=give) as client,
        LocalVerifier(client, audience=AUDIENCE) as verifier,
    ):
        assert await asyncio.to_thread(verifier.wait_ready, 20)
        verifier.verify(token(key))
        assert isinstance(verifier.state.last_error, ValueError)


async def test_at_random_cuts_and_delays_no_ending_is_missed(
    verifier: Verifying, log: FakeLog, key: TokenKey
) -> None:
    """Every one is heard of in the end."""
    dice, ended = random.Random(5), []
    for _ in range(20 * ROUNDS):
        ended.append(new_session_id(USER))
        log.end(ended[-1])
        match dice.randrange(4):
            case 0:
                log.cut(dice.choice(list(CUTS.values())))
            case 1:
                log.delay_s = dice.choice([0.0, 0.0, 0.05])
            case 2:
                log.part = dice.choice([1, 3, 1000])
        await eventually(lambda: log.open_streams == 1)
        await asyncio.sleep(0.005)
    log.delay_s = 0.0
    for session_id in ended:
        await hears_of(verifier, key, session_id)
    print(f"{len(ended)} endings over {len(log.cursors)} streams")  # noqa: T201


class Tape:
    """A feed that is told by hand, on a clock that is turned by hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.freshness = Freshness(0.0, 0.0)
        self.feed = Feed(self.freshness, 5.0, self.clock)

    def open(self, took_s: float = 0.0) -> bool:
        self.feed.opening()
        self.clock.now_s += took_s
        return self.feed.received(Opened(store_time=self.at()))

    def at(self, later_s: float = 0.0) -> datetime:
        return datetime.fromtimestamp(EPOCH_S + self.clock.now_s + later_s, UTC)

    def snapshot(self, *names: str, complete: bool = True) -> None:
        sessions = tuple(DeadSession(session_id=n, dead_time=self.at(3600)) for n in names)
        self.feed.received(
            Snapshot(sessions=sessions, complete=complete, cursor="c1" if complete else "")
        )

    def checkpoint(self, late_s: float = 0.0) -> bool:
        return self.feed.received(Checkpoint(time=self.at(-late_s), lag=timedelta(0), cursor="c2"))


def test_half_a_snapshot_is_no_place_to_resume_and_makes_nobody_young() -> None:
    """It is begun anew; what it told is kept."""
    tape = Tape()
    tape.open()
    tape.snapshot("s1", complete=False)
    tape.checkpoint()
    assert tape.freshness.age_s(tape.clock.now_s) == float("inf")
    tape.feed.over(None)
    assert tape.feed.opening() == ""
    assert tape.feed.ended.get("s1")

    tape.open()
    tape.snapshot("s2")
    tape.checkpoint()
    assert tape.freshness.age_s(tape.clock.now_s) < 0.1
    assert tape.feed.opening() == "c2"


def test_a_slow_handshake_is_repeated_and_then_made_do_with() -> None:
    """Twice at most."""
    tape = Tape()
    assert [tape.open(took_s=0.3) for _ in range(3)] == [False, False, True]
    assert tape.open(took_s=0.2)


def test_a_stream_that_is_always_late_is_opened_anew_every_half_minute() -> None:
    """Its way may be slow, or the engine's clock was put back."""
    tape = Tape()
    tape.open()
    tape.snapshot()
    for _ in range(31):
        tape.clock.now_s += 1
        assert tape.checkpoint(late_s=0.1)
    tape.clock.now_s += 6
    assert not tape.checkpoint(late_s=6)
    tape.feed.over(None)
    tape.open()
    tape.clock.now_s += 1
    assert tape.checkpoint(late_s=6)


def test_what_is_remembered_is_bounded_by_what_may_still_look_alive() -> None:
    """Of 30,000 endings over five hours only those of the last hour are held."""
    tape = Tape()
    tape.open()
    tape.snapshot()
    most = 0
    for minute in range(300):
        tape.clock.now_s += 60
        dead = tape.at(3600)
        tape.feed.received(
            Events(
                events=tuple(
                    Event(
                        id=f"{minute}-{number}",
                        time=tape.at(),
                        type=EventType.ENDED,
                        session_id=f"s{minute}-{number}",
                        user_id="alice",
                        end_reason=None,
                        dead_time=dead,
                    )
                    for number in range(100)
                ),
                cursor="c3",
            )
        )
        tape.checkpoint()
        most = max(most, len(tape.feed.ended))
    assert most <= 100 * 62


def test_an_ending_that_is_told_again_keeps_its_reason_and_its_latest_time() -> None:
    """After a resumption, or in a snapshot that tells no reasons."""
    tape = Tape()
    tape.open()
    tape.snapshot("s1")
    tape.clock.now_s += 60
    tape.snapshot("s1")
    tape.clock.now_s -= 30
    tape.snapshot("s1")
    ended = tape.feed.ended.get("s1")
    assert ended
    assert ended.leave_s == EPOCH_S + 60 + 3600
