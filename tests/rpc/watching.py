"""Streams of WatchSessions as a client reads them, and the logs behind them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, Final, Self

import grpc
import redis

from sessiond.domain import ids
from sessiond.domain.session import EndReason
from sessiond.store.keyspace import Keyspace
from sessionstore.v1 import event_pb2
from sessionstore.v1 import session_service_pb2 as pb
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub
from tests.ops.scraping import scrape
from tests.rpc.serving import Server
from tests.store_users import url_of_master

ENDED: Final = event_pb2.EVENT_TYPE_ENDED
CREATED: Final = event_pb2.EVENT_TYPE_CREATED
EXPIRED: Final = event_pb2.EVENT_TYPE_EXPIRED
_TIMEOUT_S: Final = 60.0


class Watch:
    """One stream, and what it has told."""

    def __init__(
        self,
        server: Server,
        *,
        caller: str = "reader",
        token: str = "",
        channel: grpc.Channel | None = None,
        **request: Any,
    ) -> None:
        stub = SessionServiceStub(channel or server.channel())
        self.call: Any = stub.WatchSessions(
            pb.WatchSessionsRequest(**request),
            timeout=_TIMEOUT_S,
            metadata=(("authorization", f"Bearer {token or server.mint(caller)}"),),
        )
        self.opened: datetime | None = None
        self.snapshot: dict[str, datetime] = {}
        self.complete = False
        self.events: list[event_pb2.Event] = []
        self.checkpoints: list[datetime] = []
        self.lags_s: list[float] = []
        self.cursor = ""
        self.cursors: list[str] = []
        """Of every response that had one."""

    @property
    def ended(self) -> list[str]:
        return [event.session_id for event in self.events if event.type == ENDED]

    @property
    def sessions(self) -> list[str]:
        return [event.session_id for event in self.events]

    def read(self) -> pb.WatchSessionsResponse:
        """The next response."""
        response: pb.WatchSessionsResponse = next(self.call)
        content = response.WhichOneof("content")
        if content == "opened":
            self.opened = response.opened.store_time.ToDatetime(UTC)
        elif content == "snapshot":
            assert not self.complete
            assert len(response.snapshot.sessions) <= 1_000
            self.complete = response.snapshot.complete
            for session in response.snapshot.sessions:
                self.snapshot[session.session_id] = session.dead_time.ToDatetime(UTC)
        elif content == "events":
            assert 1 <= len(response.events.events) <= 500
            self.events += response.events.events
        else:
            self.checkpoints.append(response.checkpoint.time.ToDatetime(UTC))
            self.lags_s.append(response.checkpoint.lag.ToTimedelta().total_seconds())
        if response.cursor:
            assert len(response.cursor) <= 2_048
            self.cursor = response.cursor
            self.cursors.append(response.cursor)
        return response

    def until(self, condition: Callable[[Watch], object]) -> Watch:
        """Read until it is so; the call's deadline ends a wait in vain."""
        while not condition(self):
            self.read()
        return self

    def until_told(self, sessions: Sequence[str]) -> Watch:
        """Read until these come last of all."""
        return self.until(lambda watch: watch.sessions[-len(sessions) :] == sessions)

    def until_known(self, ended: AbstractSet[str]) -> Watch:
        """Read until these are known to have ended, from the snapshot or an event."""
        return self.until(lambda watch: ended <= {*watch.snapshot, *watch.ended})

    def checkpoint(self) -> Watch:
        """Read up to the next one."""
        before = len(self.checkpoints)
        return self.until(lambda watch: len(watch.checkpoints) > before)

    def drain(self) -> Watch:
        """Read to an end that has to be a good one."""
        for _ in iter(lambda: next(self.call, None), None):
            pass
        assert self.call.code() is grpc.StatusCode.OK
        return self

    def close(self) -> None:
        self.call.cancel()


def watched(server: Server, **request: Any) -> Watch:
    """A stream that has come to its first checkpoint."""
    return Watch(server, **request).checkpoint()


class Logs:
    """The logs of a store, past the scripts."""

    def __init__(self, url: str, prefix: str = "ss") -> None:
        self._engine = redis.Redis.from_url(url, protocol=2)
        self._keys = Keyspace(prefix)

    @classmethod
    def behind(cls, server: Server) -> Self:
        """Those of a server."""
        url = url_of_master(server.settings.effective_store_url)
        return cls(url, server.settings.key_prefix)

    def write(self, user: str, count: int = 1, *, at: str = "*") -> list[str]:
        """Append endings to the log of a user's partition; their session ids."""
        sessions = [ids.new_session_id(user) for _ in range(count)]
        pipe = self._engine.pipeline(transaction=False)
        for session in sessions:
            entry = {"e": int(EndReason.LOGOUT), "s": session, "u": user, "d": 1}
            pipe.xadd(self._key(user), entry, id=at)  # type: ignore[arg-type]
        pipe.execute()
        return sessions

    def bury(self, user: str, count: int) -> list[str]:
        """Remember so many ended sessions of a user for an hour; their ids."""
        sessions = [ids.new_session_id(user) for _ in range(count)]
        until_ms = (time.time() + 3600) * 1000
        self._engine.zadd(self._key(user, "dead"), dict.fromkeys(sessions, until_ms))
        return sessions

    def trim(self, user: str, left: int) -> None:
        """Leave so many of the latest events."""
        self._engine.xtrim(self._key(user), maxlen=left, approximate=False)

    def save(self, user: str) -> bytes:
        """The log as it is, for `restore`."""
        return bytes(self._engine.dump(self._key(user)))  # type: ignore[arg-type]

    def restore(self, user: str, saved: bytes) -> None:
        """Go back to what was saved, as in a failover."""
        self._engine.restore(self._key(user), 0, saved, replace=True)

    def connections(self) -> int:
        """How many servers and their readers hold."""
        return sum(client["name"] == "sessiond" for client in self._engine.client_list())

    def cut_connections(self) -> None:
        """Break all but our own."""
        self._engine.client_kill_filter(_type="normal", skipme=True)

    def drop(self, user: str) -> None:
        """Lose them all."""
        self._engine.delete(self._key(user))

    def _key(self, user: str, family: str = "log") -> str:
        return self._keys.of_user(user) + family


def cut_off(server: Server) -> float:
    """How many watchers of a server with an ops port were cut off."""
    return scrape(server.app.ops_address)["sessiond_watchers_cut_off_total",]
