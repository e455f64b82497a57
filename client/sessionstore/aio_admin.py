# ruff: noqa: ASYNC109  the deadline travels with the call to the server
"""The admin client for asyncio. `AdminClient` documents what the two have in common."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Iterable,
    Sequence,
)
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial

from sessionstore import _admin_calls, types
from sessionstore import admin_types as admin
from sessionstore._base import AsyncBaseClient
from sessionstore._paging import async_pages
from sessionstore._upload import Upload
from sessionstore.v1.admin_service_pb2_grpc import AdminServiceStub


class AsyncAdminClient(AsyncBaseClient):
    """`AdminClient` for asyncio: the same arguments, methods, answers and errors, awaited.

    Long work is an async generator: close it (`contextlib.aclosing`) to stop the work. The client
    belongs to an event loop as an `AsyncSessionClient` does.
    """

    _stub = AdminServiceStub

    async def stats(self, *, timeout: float | None = None) -> admin.Stats:
        """Say what the store holds, from counters."""
        return await self._transport.send(_admin_calls.stats(), timeout)

    async def recent(
        self, *, page_size: int = 30, timeout: float | None = None
    ) -> AsyncIterator[types.Session]:
        """Go over the sessions created last, of all users, newest first, in any state."""

        def page(token: str) -> Awaitable[types.SessionPage]:
            return self.recent_page(page_size=page_size, page_token=token, timeout=timeout)

        async for each in async_pages(page):
            for session in each.sessions:
                yield session

    async def recent_page(
        self, *, page_size: int = 30, page_token: str = "", timeout: float | None = None
    ) -> types.SessionPage:
        """Read one page of the sessions created last (AIP-158)."""
        call = _admin_calls.recent_page(page_size=page_size, page_token=page_token)
        return await self._transport.send(call, timeout)

    async def users(
        self, *, page_size: int = 50, timeout: float | None = None
    ) -> AsyncIterator[admin.UserSessions]:
        """Go over the users, those with the most live sessions first."""

        def page(token: str) -> Awaitable[admin.UsersPage]:
            return self.users_page(page_size=page_size, page_token=token, timeout=timeout)

        async for each in async_pages(page):
            for user in each.users:
                yield user

    async def users_page(
        self, *, page_size: int = 50, page_token: str = "", timeout: float | None = None
    ) -> admin.UsersPage:
        """Read one page of the users by number of live sessions (AIP-158)."""
        call = _admin_calls.users_page(page_size=page_size, page_token=page_token)
        return await self._transport.send(call, timeout)

    async def explain(
        self,
        *,
        session_id: str | None = None,
        access_token: str | None = None,
        refresh_token: str | None = None,
        timeout: float | None = None,
    ) -> admin.Explanation:
        """Say why a session is or is not valid. Nothing is changed by asking."""
        call = _admin_calls.explain(
            session_id=session_id, access_token=access_token, refresh_token=refresh_token
        )
        return await self._transport.send(call, timeout)

    def purge(
        self,
        *,
        older_than: timedelta | None = None,
        cutoff_time: datetime | None = None,
        include_active: bool = False,
        execute: bool = False,
        resume_token: str = "",
        timeout: float | None = None,
    ) -> AsyncGenerator[admin.PurgeProgress, None]:
        """Remove sessions of a certain age, or say which would be removed."""
        stream = _admin_calls.purge(
            older_than=older_than,
            cutoff_time=cutoff_time,
            include_active=include_active,
            execute=execute,
            resume_token=resume_token,
        )
        return self._transport.stream(stream, timeout)

    async def delete_user(self, user_id: str, *, timeout: float | None = None) -> admin.DeletedUser:
        """End and erase every session of a user, history included. Idempotent."""
        return await self._transport.send(_admin_calls.delete_user(user_id), timeout)

    def audit(
        self, *, repair: bool = False, timeout: float | None = None
    ) -> AsyncGenerator[admin.AuditProgress, None]:
        """Compare sessions, indexes, counters and TTLs, and say what disagrees. Not resumable."""
        return self._transport.stream(_admin_calls.audit(repair=repair), timeout)

    async def jobs(self, *, timeout: float | None = None) -> tuple[admin.Job, ...]:
        """List the background jobs of the fleet, by name."""
        return await self._transport.send(_admin_calls.jobs(), timeout)

    async def run_job(self, name: str, *, timeout: float | None = None) -> admin.Job:
        """Start a job now, beside its schedule; not retried, see `AdminClient.run_job`."""
        return await self._transport.send(_admin_calls.run_job(name), timeout)

    async def import_sessions(
        self,
        batches: Iterable[Sequence[admin.ImportedSession]]
        | AsyncIterable[Sequence[admin.ImportedSession]],
        *,
        validate_only: bool = False,
        timeout: float | None = None,
    ) -> AsyncGenerator[tuple[admin.ImportResult, ...], None]:
        """Take over sessions of another system. Idempotent."""
        upload = Upload(batches, partial(_admin_calls.import_request, validate_only=validate_only))
        stream = self._transport.stream(_admin_calls.import_sessions(upload), timeout)
        async with aclosing(stream) as answers:
            async for results in answers:
                yield results
        upload.check()

    def export(
        self,
        user_id: str = "",
        *,
        states: Iterable[types.State] = (),
        resume_token: str = "",
        timeout: float | None = None,
    ) -> AsyncGenerator[admin.ExportPage, None]:
        """Give sessions out, each at least once, without any credential."""
        stream = _admin_calls.export(user_id, states=states, resume_token=resume_token)
        return self._transport.stream(stream, timeout)

    async def rotate_signing_key(self, *, timeout: float | None = None) -> admin.RotatedKey:
        """Add a key for access tokens; while one waits to sign, that one is given. Idempotent."""
        return await self._transport.send(_admin_calls.rotate_signing_key(), timeout)
