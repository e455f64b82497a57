"""Operators at work, and one who watches everything, while a store or servers are struck.

They may be refused as any caller may be. Once all is well again each of their calls works, and the
watcher hears of what ends from then on.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import grpc

from sessionstore.v1 import admin_service_pb2 as admin_pb
from sessionstore.v1 import session_service_pb2 as pb
from sessionstore.v1.admin_service_pb2_grpc import AdminServiceStub
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub
from tests.faults.arena import Arena
from tests.faults.backend import Refused, attempt, new_request_id, new_user, open_channel
from tests.faults.plan import AnyStore_co
from tests.faults.tally import Tally, listed

if TYPE_CHECKING:
    from sessionstore.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from sessionstore.v1.session_service_pb2_grpc import SessionServiceAsyncStub

_WELL_WITHIN_S: Final = 10.0
"""With a long walk under way, on a machine that others use."""
_CALL_S: Final = 5.0
_PAUSE_S: Final = 0.02
_DAY_S: Final = 86_400
_OUT_OF_REACH: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})
_TAKEN: Final = Refused("FAILED_PRECONDITION", "JOB_RUNNING")
"""An answer too: another server runs it, or one that is gone did."""
_UNDONE: Final = Refused("NOT_FOUND", "SESSION_NOT_FOUND")
"""Of an imported session: a failover had no time for it."""
_REWOUND: Final = "OUT_OF_RANGE"


class Operators:
    """Those of one arena."""

    def __init__(self, arena: Arena[AnyStore_co], tally: Tally) -> None:
        self.calls = 0
        self.failed: Counter[str] = Counter()
        self._arena = arena
        self._tally = tally
        self._heard: set[str] = set()
        """The sessions of whose end the watcher was told."""

    def told(self) -> dict[str, object]:
        """For the result of a soak."""
        return {"operators": self.calls, "refused": listed(self.failed)}

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work and watch meanwhile; in the end, once all is well, everything has to work."""
        target = "ipv4:" + ",".join(self._arena.addresses)
        async with open_channel(target, self._arena.doors.credentials()) as channel:
            acts = _Acts(channel, self._metadata)
            tasks = [
                asyncio.create_task(self._work(acts)),
                asyncio.create_task(self._watch(SessionServiceStub(channel))),
            ]
            try:
                yield
                await self._is_well(acts)
            finally:
                for task in tasks:
                    task.cancel()
                for task in tasks:
                    with suppress(asyncio.CancelledError):
                        await task

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._arena.token}"),)

    async def _work(self, acts: _Acts) -> None:
        while True:
            for act in acts.all():
                if not await self._try(act):
                    await asyncio.sleep(_PAUSE_S)

    async def _try(self, act: Callable[[], Awaitable[object]]) -> bool:
        """Whether it was answered."""
        self.calls += 1
        told = await attempt(act())
        if not isinstance(told, Refused) or told in (_TAKEN, _UNDONE):
            return True
        self.failed[told.code] += 1
        self._tally.check(told.code in _OUT_OF_REACH, f"{act.__name__} was told {told}")
        return False

    async def _watch(self, stub: SessionServiceAsyncStub) -> None:
        cursor = ""
        while True:
            request = pb.WatchSessionsRequest(cursor=cursor)
            try:
                async for part in stub.WatchSessions(request, metadata=self._metadata):
                    cursor = part.cursor or cursor
                    self._heard |= {each.session_id for each in part.snapshot.sessions}
                    self._heard |= {
                        each.session_id for each in part.events.events if each.end_reason
                    }
            except grpc.aio.AioRpcError as error:
                code = error.code().name
                self._tally.check(code in {*_OUT_OF_REACH, _REWOUND}, f"a watcher was told {code}")
                if code == _REWOUND:
                    cursor = ""
            await asyncio.sleep(_PAUSE_S)

    async def _is_well(self, acts: _Acts) -> None:
        missing = "nothing"
        try:
            async with asyncio.timeout(_WELL_WITHIN_S):
                for act in acts.all():
                    missing = act.__name__
                    while not await self._try(act):  # noqa: ASYNC110
                        await asyncio.sleep(_PAUSE_S)
                missing = "a login and a logout"
                while isinstance(ended := await attempt(acts.login_and_logout()), Refused):  # noqa: ASYNC110
                    await asyncio.sleep(_PAUSE_S)
                missing = "what a watcher is told"
                while ended not in self._heard:  # noqa: ASYNC110
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            self._tally.check(False, f"{missing} was out of reach {_WELL_WITHIN_S} s after healing")


class _Acts:
    """What operators do, and backends seldom, each a call or two."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._admin: AdminServiceAsyncStub = AdminServiceStub(channel)
        self._sessions: SessionServiceAsyncStub = SessionServiceStub(channel)
        self._how: dict[str, Any] = {"metadata": metadata, "timeout": _CALL_S}

    def all(self) -> tuple[Callable[[], Awaitable[object]], ...]:
        """In the order that they are done in."""
        return (
            self.stats, self.recent, self.users, self.jobs, self.run_job, self.audit, self.export,
            self.purge_preview, self.purge_old, self.import_and_adopt, self.delete_user, self.keys,
        )  # fmt: skip

    async def stats(self) -> None:
        await self._admin.GetStats(admin_pb.GetStatsRequest(), **self._how)

    async def recent(self) -> None:
        await self._admin.ListRecentSessions(admin_pb.ListRecentSessionsRequest(), **self._how)

    async def users(self) -> None:
        await self._admin.ListUsers(admin_pb.ListUsersRequest(), **self._how)

    async def jobs(self) -> None:
        await self._admin.ListJobs(admin_pb.ListJobsRequest(), **self._how)

    async def run_job(self) -> None:
        await self._admin.RunJob(admin_pb.RunJobRequest(name="stats"), **self._how)

    async def audit(self) -> None:
        await _all_of(self._admin.AuditIndex(admin_pb.AuditIndexRequest(), **self._how))

    async def export(self) -> None:
        await _all_of(self._admin.ExportSessions(admin_pb.ExportSessionsRequest(), **self._how))

    async def purge_preview(self) -> None:
        """Of everything."""
        request = admin_pb.PurgeSessionsRequest(include_active=True)
        request.older_than.SetInParent()
        await _all_of(self._admin.PurgeSessions(request, **self._how))

    async def purge_old(self) -> None:
        """Of what no round has."""
        request = admin_pb.PurgeSessionsRequest(execute=True)
        request.older_than.FromSeconds(_DAY_S)
        await _all_of(self._admin.PurgeSessions(request, **self._how))

    async def import_and_adopt(self) -> None:
        """One session of another system."""
        imported = admin_pb.ImportedSession(external_id=new_request_id(), user_id=new_user())
        imported.create_time.FromSeconds(int(time.time()) - 1)
        imported.expire_time.FromSeconds(int(time.time()) + _DAY_S)
        request = admin_pb.ImportSessionsRequest(sessions=[imported])
        await _all_of(self._admin.ImportSessions(iter([request]), **self._how))
        adopting = pb.AdoptSessionRequest(
            user_id=imported.user_id, external_id=imported.external_id
        )
        await self._sessions.AdoptSession(adopting, **self._how)

    async def delete_user(self) -> None:
        """Who has just logged in."""
        user = new_user()
        await self._sessions.CreateSession(pb.CreateSessionRequest(user_id=user), **self._how)
        await self._admin.DeleteUser(admin_pb.DeleteUserRequest(user_id=user), **self._how)

    async def keys(self) -> None:
        await self._sessions.GetSigningKeys(pb.GetSigningKeysRequest(), **self._how)

    async def login_and_logout(self) -> str:
        """The id of the session that was."""
        request = pb.CreateSessionRequest(user_id=new_user())
        made = await self._sessions.CreateSession(request, **self._how)
        session_id = made.session.session_id
        request_to_end = pb.RevokeSessionRequest(session_id=session_id)
        await self._sessions.RevokeSession(request_to_end, **self._how)
        return session_id


async def _all_of(stream: Any) -> None:
    async for _ in stream:
        pass
