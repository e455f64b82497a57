"""Messages of a watch to what the SDK gives."""

from __future__ import annotations

from sessionstore import watch_types as types
from sessionstore._enums import EventType
from sessionstore._results import end_reason, named, time
from sessionstore.v1 import event_pb2
from sessionstore.v1 import session_service_pb2 as pb


def update(message: pb.WatchSessionsResponse) -> types.WatchUpdate:
    """What a part tells; one that this SDK does not know moves the cursor, with no events."""
    match message.WhichOneof("content"):
        case "opened":
            return types.Opened(store_time=time(message.opened.store_time))
        case "snapshot":
            return types.Snapshot(
                sessions=tuple(map(_dead_session, message.snapshot.sessions)),
                complete=message.snapshot.complete,
                cursor=message.cursor,
            )
        case "checkpoint":
            return types.Checkpoint(
                time=time(message.checkpoint.time),
                lag=message.checkpoint.lag.ToTimedelta(),
                cursor=message.cursor,
            )
        case _:
            return types.Events(
                events=tuple(map(_event, message.events.events)), cursor=message.cursor
            )


def _dead_session(message: event_pb2.DeadSession) -> types.DeadSession:
    return types.DeadSession(session_id=message.session_id, dead_time=time(message.dead_time))


def _event(message: event_pb2.Event) -> types.Event:
    return types.Event(
        id=message.event_id,
        time=time(message.time),
        type=named(EventType, event_pb2.EventType.DESCRIPTOR, "EVENT_TYPE_", message.type),
        session_id=message.session_id,
        user_id=message.user_id,
        end_reason=end_reason(message.end_reason),
        dead_time=time(message.dead_time) if message.HasField("dead_time") else None,
    )
