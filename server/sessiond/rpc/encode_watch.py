"""The parts of a watcher's stream, from the domain to messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, assert_never
from weakref import WeakKeyDictionary

from sessiond.domain import events as domain
from sessiond.rpc import encode
from sessiond.service.watch_parts import (
    CheckpointPart,
    EventsPart,
    Opened,
    Part,
    SnapshotPart,
)
from sessionstore.v1 import event_pb2, session_pb2
from sessionstore.v1 import session_service_pb2 as pb

_Shared = TypeVar("_Shared", EventsPart, SnapshotPart)


class WatchParts:
    """Encodes them. What many watchers are told is serialized once for all of them."""

    def __init__(self) -> None:
        self._serialized: WeakKeyDictionary[EventsPart | SnapshotPart, bytes] = WeakKeyDictionary()

    def encode(self, part: Part) -> pb.WatchSessionsResponse | bytes:
        """One response, which may be serialized."""
        match part:
            case EventsPart():
                return self._once(part, _events)
            case CheckpointPart():
                return _checkpoint(part)
            case SnapshotPart():
                return self._once(part, _snapshot)
            case Opened():
                return _opened(part)
            case _:
                assert_never(part)

    def _once(self, part: _Shared, encode: Callable[[_Shared], pb.WatchSessionsResponse]) -> bytes:
        serialized = self._serialized.get(part)
        if serialized is None:
            serialized = self._serialized[part] = encode(part).SerializeToString()
        return serialized


def _opened(part: Opened) -> pb.WatchSessionsResponse:
    opened = event_pb2.Opened(store_time=encode.timestamp(part.store_ms))
    return pb.WatchSessionsResponse(opened=opened)


def _snapshot(part: SnapshotPart) -> pb.WatchSessionsResponse:
    message = pb.WatchSessionsResponse(cursor=part.cursor)
    message.snapshot.complete = part.complete
    for session in part.sessions:
        added = message.snapshot.sessions.add(session_id=session.session_id)
        encode.fill_time(added.dead_time, session.dead_ms)
    return message


def _events(part: EventsPart) -> pb.WatchSessionsResponse:
    message = pb.WatchSessionsResponse(cursor=part.cursor)
    for event in part.events:
        _fill(message.events.events.add(), event)
    return message


def _fill(message: event_pb2.Event, event: domain.Event) -> None:
    message.event_id = event.id
    encode.fill_time(message.time, event.time_ms)
    message.type = event_pb2.EventType.ValueType(event.type)
    message.session_id = event.session_id
    message.user_id = event.user_id
    message.end_reason = session_pb2.EndReason.ValueType(event.reason)
    if event.type is domain.EventType.ENDED:
        encode.fill_time(message.dead_time, event.dead_ms)


def _checkpoint(part: CheckpointPart) -> pb.WatchSessionsResponse:
    message = pb.WatchSessionsResponse(cursor=part.cursor)
    encode.fill_time(message.checkpoint.time, part.time_ms)
    message.checkpoint.lag.CopyFrom(encode.duration(part.lag_ms))
    return message
