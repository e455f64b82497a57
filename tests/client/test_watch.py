"""Watching: one stream, and one after another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, closing
from datetime import timedelta
from typing import Any

import grpc
import pytest

from sessionstore import (
    AsyncSessionClient,
    CallerNotAuthenticated,
    CallerNotPermitted,
    Checkpoint,
    CursorTooOld,
    DeadSession,
    EndReason,
    Event,
    Events,
    EventType,
    Interrupted,
    InvalidRequest,
    LogRewound,
    Opened,
    SessionClient,
    SessionStoreError,
    Snapshot,
    Unavailable,
    WatcherTooSlow,
)
from sessionstore.v1 import event_pb2, session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.client import messages
from tests.client.conftest import TOKEN
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService, failing

UNAVAILABLE = failing(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")


class Updates:
    """The updates of either client, awaited one by one."""

    def __init__(self, updates: Any) -> None:
        self._updates = updates

    async def next(self, kind: type | None = None) -> Any:
        """The next update, of a kind if one is given; None at the end."""
        while True:
            update = await self._next()
            if kind is None or update is None or isinstance(update, kind):
                return update

    async def _next(self) -> Any:
        if isinstance(self._updates, AsyncIterator):
            return await anext(self._updates, None)
        return await asyncio.to_thread(next, self._updates, None)

    async def close(self) -> None:
        if isinstance(self._updates, AsyncIterator):
            closed: Any = self._updates
            await closed.aclose()
        else:
            self._updates.close()


@pytest.fixture(params=[SessionClient, AsyncSessionClient])
async def watching(
    request: pytest.FixtureRequest, service: FakeService
) -> AsyncIterator[Callable[..., Updates]]:
    """Watch or follow by either client; closed with the test."""
    client = request.param(service.address, token=TOKEN)
    begun: list[Updates] = []

    def begin(method: str, *args: Any, **options: Any) -> Updates:
        begun.append(Updates(getattr(client, method)(*args, **options)))
        return begun[-1]

    yield begin
    for updates in begun:
        await updates.close()
    if request.param is SessionClient:
        client.close()
    else:
        await client.close()


async def test_a_watch_sends_its_filters_and_gives_every_part(
    service: FakeService, watching: Callable[..., Updates]
) -> None:
    """Typed, with the cursor of each; what this SDK does not know only moves it."""
    service.answer("WatchSessions", EVERY_PART)

    updates = watching("watch", "c0", types=[EventType.CREATED, EventType.ENDED], user_id="alice")
    told = [await updates.next() for _ in range(7)]

    (received,) = service.received["WatchSessions"]
    assert received.request == pb.WatchSessionsRequest(
        cursor="c0",
        types=[event_pb2.EVENT_TYPE_CREATED, event_pb2.EVENT_TYPE_ENDED],
        user_id="alice",
    )
    assert received.metadata["authorization"] == f"Bearer {TOKEN}"
    assert received.time_remaining is not None
    assert received.time_remaining > 10**9
    dead = DeadSession(session_id="s1", dead_time=messages.at(2))
    assert told == [
        Opened(store_time=messages.at(1)),
        Snapshot(sessions=(dead,), complete=False, cursor=""),
        Snapshot(sessions=(), complete=True, cursor="c1"),
        Events(events=(ENDED, CREATED), cursor="c2"),
        Checkpoint(time=messages.at(4), lag=timedelta(seconds=0.5), cursor="c3"),
        Events(events=(), cursor="c4"),
        None,
    ]


async def nobody_watches(log: FakeLog) -> None:
    """Wait until the service has seen every stream end."""
    async with asyncio.timeout(20):
        while log.open_streams:  # noqa: ASYNC110  of another thread
            await asyncio.sleep(0.01)


EVERY_PART = [
    pb.WatchSessionsResponse(opened=event_pb2.Opened(store_time=messages.stamp(messages.at(1)))),
    pb.WatchSessionsResponse(
        snapshot=event_pb2.Snapshot(
            sessions=[
                event_pb2.DeadSession(session_id="s1", dead_time=messages.stamp(messages.at(2)))
            ]
        )
    ),
    pb.WatchSessionsResponse(snapshot=event_pb2.Snapshot(complete=True), cursor="c1"),
    pb.WatchSessionsResponse(
        events=event_pb2.Events(
            events=[
                event_pb2.Event(
                    event_id="1-0",
                    time=messages.stamp(messages.at(3)),
                    type=event_pb2.EVENT_TYPE_ENDED,
                    session_id="s2",
                    user_id="alice",
                    end_reason=session_pb2.END_REASON_LOGOUT,
                    dead_time=messages.stamp(messages.at(4)),
                ),
                event_pb2.Event(
                    event_id="2-0",
                    time=messages.stamp(messages.at(3)),
                    type=event_pb2.EVENT_TYPE_CREATED,
                    session_id="s3",
                    user_id="alice",
                ),
            ]
        ),
        cursor="c2",
    ),
    pb.WatchSessionsResponse(
        checkpoint=event_pb2.Checkpoint(
            time=messages.stamp(messages.at(4)), lag=messages.span(0.5)
        ),
        cursor="c3",
    ),
    pb.WatchSessionsResponse(cursor="c4"),
]
ENDED = Event(
    id="1-0",
    time=messages.at(3),
    type=EventType.ENDED,
    session_id="s2",
    user_id="alice",
    end_reason=EndReason.LOGOUT,
    dead_time=messages.at(4),
)
CREATED = Event(
    id="2-0",
    time=messages.at(3),
    type=EventType.CREATED,
    session_id="s3",
    user_id="alice",
    end_reason=None,
    dead_time=None,
)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_TOO_OLD", CursorTooOld),
        (grpc.StatusCode.OUT_OF_RANGE, "LOG_REWOUND", LogRewound),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCHER_TOO_SLOW", WatcherTooSlow),
        (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", Unavailable),
        (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_EXPIRED", CallerNotAuthenticated),
    ],
)
async def test_a_watch_ends_by_the_name_of_what_ended_it(
    service: FakeService,
    watching: Callable[..., Updates],
    code: grpc.StatusCode,
    reason: str,
    kind: type[SessionStoreError],
) -> None:
    """It is one stream: nothing is tried again behind its reader's back."""
    service.answer("WatchSessions", failing(code, reason))

    with pytest.raises(kind) as caught:
        await watching("watch").next()

    assert caught.value.reason == reason
    assert len(service.received["WatchSessions"]) == 1


async def test_closing_a_watch_ends_its_stream(
    service: FakeService, watching: Callable[..., Updates]
) -> None:
    """The service sees it gone."""
    log = FakeLog(service)
    updates = watching("watch")
    await updates.next(Checkpoint)
    assert log.open_streams == 1

    await updates.close()

    await nobody_watches(log)
    assert await updates.next() is None


def test_another_thread_may_close_a_watch(service: FakeService) -> None:
    """Whoever waits for its next update is told that there is none."""
    log = FakeLog(service, checkpoints=False)
    with SessionClient(service.address, token=TOKEN) as client, client.watch() as updates:
        assert isinstance(next(updates), Opened)
        assert isinstance(next(updates), Snapshot)
        closer = threading.Timer(0.1, updates.close)
        closer.start()
        assert list(updates) == []
        closer.join()
        assert list(updates) == []
    assert log.cursors == [""]


async def test_following_goes_on_at_the_cursor_and_tells_of_it(
    service: FakeService, watching: Callable[..., Updates]
) -> None:
    """At once where the server was done with the stream; with its filters, and no event less."""
    log = FakeLog(service)
    updates = watching("follow", types=[EventType.ENDED])
    await updates.next(Checkpoint)

    seen = []
    for number in range(5):
        log.end(f"a{number}")
        seen += (await updates.next(Events)).events
        log.cut()
        interrupted = await updates.next(Interrupted)
        assert (interrupted.error, interrupted.retry_delay) == (None, timedelta(0))
        assert interrupted.cursor
        log.end(f"b{number}")
        seen += (await updates.next(Events)).events
        await updates.next(Checkpoint)

    assert [event.session_id for event in seen] == [f"{x}{n}" for n in range(5) for x in "ab"]
    assert [bool(request.cursor) for request in log.requests] == [False] + [True] * 5
    assert {tuple(request.types) for request in log.requests} == {(event_pb2.EVENT_TYPE_ENDED,)}


async def test_following_waits_longer_each_time_that_it_fails(
    service: FakeService, watching: Callable[..., Updates]
) -> None:
    """From 0.1 s on, less a random part; what the service asks for is heeded."""
    for _ in range(3):
        service.answer_once("WatchSessions", UNAVAILABLE)
    FakeLog(service)
    updates = watching("follow")

    delays = [(await updates.next(Interrupted)).retry_delay.total_seconds() for _ in range(3)]

    for delay, longest in zip(delays, (0.1, 0.2, 0.4), strict=True):
        assert longest / 2 <= delay <= longest
    assert isinstance(await updates.next(), Opened)


@pytest.mark.parametrize("kind", [CursorTooOld, LogRewound])
async def test_following_begins_anew_where_events_are_missing(
    service: FakeService, watching: Callable[..., Updates], kind: type[SessionStoreError]
) -> None:
    """It says so, and a snapshot follows that has what was missed."""
    log = FakeLog(service)
    updates = watching("follow")
    await updates.next(Checkpoint)
    log.cut()
    await nobody_watches(log)
    log.end("missed")
    log.epoch += kind is LogRewound
    log.trim()

    while (interrupted := await updates.next(Interrupted)).error is None:
        pass

    assert type(interrupted.error) is kind
    assert not interrupted.cursor
    snapshot = await updates.next(Snapshot)
    assert [each.session_id for each in snapshot.sessions] == ["missed"]


async def test_following_begins_anew_soon_however_long_it_failed_before(
    service: FakeService, watching: Callable[..., Updates]
) -> None:
    """Whoever says that the cursor is too old can be asked for a snapshot."""
    for script in (*[UNAVAILABLE] * 3, failing(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_TOO_OLD")):
        service.answer_once("WatchSessions", script)
    FakeLog(service)
    updates = watching("follow", "c1")

    for _ in range(4):
        interrupted = await updates.next(Interrupted)

    assert type(interrupted.error) is CursorTooOld
    assert interrupted.retry_delay <= timedelta(seconds=0.1)
    assert await updates.next(Snapshot)


async def test_following_outlives_a_cursor_that_a_newer_server_cannot_read(
    service: FakeService, watching: Callable[..., Updates]
) -> None:
    """It begins anew, as where events are missing."""
    service.answer_once("WatchSessions", failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"))
    FakeLog(service)
    updates = watching("follow", "c1")

    interrupted = await updates.next()
    assert type(interrupted.error) is InvalidRequest
    assert await updates.next(Snapshot)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, CallerNotAuthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, CallerNotPermitted),
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
        (grpc.StatusCode.UNIMPLEMENTED, SessionStoreError),
    ],
)
async def test_following_raises_what_trying_again_would_hide(
    service: FakeService,
    watching: Callable[..., Updates],
    code: grpc.StatusCode,
    kind: type[SessionStoreError],
) -> None:
    """Somebody has to mend it."""
    service.answer("WatchSessions", failing(code))
    with pytest.raises(kind):
        await watching("follow").next()


async def test_closing_what_is_followed_ends_it(service: FakeService) -> None:
    """Sync and async, in the middle of a stream."""
    log = FakeLog(service)
    with SessionClient(service.address, token=TOKEN) as client:
        with closing(client.follow()) as updates:
            next(updates)
        await nobody_watches(log)
    async with AsyncSessionClient(service.address, token=TOKEN) as aio:
        async with aclosing(aio.follow()) as followed:
            await anext(followed)
        await nobody_watches(log)
