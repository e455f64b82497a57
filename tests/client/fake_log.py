"""WatchSessions as the contract has it, over a log in memory that a test writes and breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc

from sessionstore.v1 import event_pb2, session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.client.fake_service import FakeService, Script, failing
from tests.client.messages import span, stamp

TICK_S = 0.02


@dataclass
class FakeLog:
    """The log, and how its streams behave. Cursors are "EPOCH.POSITION"."""

    service: FakeService
    checkpoints: bool = True
    """Whether the engine answers."""
    delay_s: float = 0.0
    """How long the way takes, for all but Opened."""
    clock_s: float = 0.0
    """How far the engine's clock is ahead of ours."""
    part: int = 1000
    """Sessions in a part of a snapshot."""
    first: int = 0
    """Where the log begins: what is before it was trimmed away."""
    epoch: int = 0
    """Another one after a failover that lost events."""
    log: list[event_pb2.Event] = field(default_factory=list)
    dead: dict[str, float] = field(default_factory=dict)
    cursors: list[str] = field(default_factory=list)
    """Of every request, in order."""
    requests: list[pb.WatchSessionsRequest] = field(default_factory=list)
    open_streams: int = 0
    _cut: dict[int, Script | None] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.service.answer("WatchSessions", self._serve)

    def now_s(self) -> float:
        """The engine's clock."""
        return time.time() + self.clock_s

    def end(
        self,
        session_id: str,
        *,
        dead_in_s: float = 3600.0,
        reason: session_pb2.EndReason.ValueType = session_pb2.END_REASON_LOGOUT,
    ) -> None:
        """End a session."""
        with self._changed:
            self.dead[session_id] = self.now_s() + dead_in_s
            self.log.append(
                event_pb2.Event(
                    event_id=f"{self.epoch}-{len(self.log)}",
                    time=_stamp(self.now_s()),
                    type=event_pb2.EVENT_TYPE_ENDED,
                    session_id=session_id,
                    user_id="alice",
                    end_reason=reason,
                    dead_time=_stamp(self.dead[session_id]),
                )
            )
            self._changed.notify_all()

    def create(self, session_id: str) -> None:
        """Create a session."""
        with self._changed:
            self.log.append(
                event_pb2.Event(
                    event_id=f"{self.epoch}-{len(self.log)}",
                    time=_stamp(self.now_s()),
                    type=event_pb2.EVENT_TYPE_CREATED,
                    session_id=session_id,
                    user_id="alice",
                )
            )
            self._changed.notify_all()

    def cut(self, script: Script | None = None) -> None:
        """End every open stream, with OK if there is no script."""
        with self._changed:
            for number in list(self._cut):
                self._cut[number] = script or _end
            self._changed.notify_all()

    def trim(self) -> None:
        """Forget the whole log."""
        with self._changed:
            self.first = len(self.log)

    def _serve(
        self, request: pb.WatchSessionsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchSessionsResponse]:
        number = len(self.cursors)
        with self._changed:
            self.cursors.append(request.cursor)
            self.requests.append(request)
            self._cut[number] = None
            self.open_streams += 1
        try:
            yield from self._stream(number, request, context)
        finally:
            with self._changed:
                del self._cut[number]
                self.open_streams -= 1

    def _stream(
        self, number: int, request: pb.WatchSessionsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchSessionsResponse]:
        position = self._position(request.cursor, context)
        yield pb.WatchSessionsResponse(opened=event_pb2.Opened(store_time=_stamp(self.now_s())))
        if position is None:
            position = len(self.log)
            yield from self._snapshot(position)
        waiting: list[tuple[float, pb.WatchSessionsResponse]] = []
        while context.is_active():
            script = self._wait(number, position)
            with self._changed:
                told = (self._events(position, request), self._checkpoint())
                position = len(self.log)
            due_s = time.monotonic() + self.delay_s
            waiting += [(due_s, each) for each in told if each]
            while waiting and waiting[0][0] <= time.monotonic():
                yield waiting.pop(0)[1]
            if script:
                script(request, context)
                return

    def _wait(self, number: int, position: int) -> Script | None:
        """Until something happens, or a checkpoint is due; how the stream is cut, if it is."""

        def happened() -> bool:
            return len(self.log) > position or self._cut[number] is not None

        with self._changed:
            self._changed.wait_for(happened, TICK_S)
            return self._cut[number]

    def _position(self, cursor: str, context: grpc.ServicerContext) -> int | None:
        if not cursor:
            return None
        epoch, _, position = cursor.partition(".")
        if int(epoch) != self.epoch:
            failing(grpc.StatusCode.OUT_OF_RANGE, "LOG_REWOUND")(None, context)
        if int(position) < self.first:
            failing(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_TOO_OLD")(None, context)
        return int(position)

    def _cursor(self, position: int) -> str:
        return f"{self.epoch}.{position}"

    def _snapshot(self, position: int) -> Iterator[pb.WatchSessionsResponse]:
        live = [(name, dead) for name, dead in self.dead.items() if dead > self.now_s()]
        parts = [live[at : at + self.part] for at in range(0, len(live), self.part)] or [[]]
        for number, sessions in enumerate(parts, 1):
            complete = number == len(parts)
            yield pb.WatchSessionsResponse(
                snapshot=event_pb2.Snapshot(
                    sessions=[
                        event_pb2.DeadSession(session_id=name, dead_time=_stamp(dead))
                        for name, dead in sessions
                    ],
                    complete=complete,
                ),
                cursor=self._cursor(position) if complete else "",
            )

    def _events(
        self, position: int, request: pb.WatchSessionsRequest
    ) -> pb.WatchSessionsResponse | None:
        events = [
            each for each in self.log[position:] if not request.types or each.type in request.types
        ]
        if not events:
            return None
        return pb.WatchSessionsResponse(
            events=event_pb2.Events(events=events), cursor=self._cursor(len(self.log))
        )

    def _checkpoint(self) -> pb.WatchSessionsResponse | None:
        if not self.checkpoints:
            return None
        return pb.WatchSessionsResponse(
            checkpoint=event_pb2.Checkpoint(time=_stamp(self.now_s()), lag=span(0.0)),
            cursor=self._cursor(len(self.log)),
        )


def _end(*_: Any) -> None:
    """With OK."""


def _stamp(at_s: float) -> Any:
    return stamp(datetime.fromtimestamp(at_s, UTC))
