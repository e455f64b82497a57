# ruff: noqa: ASYNC109  the deadline travels with the call to the server
"""The client for asyncio. `SessionClient` documents what the two have in common."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import aclosing
from datetime import timedelta

from sessionstore import _calls, types
from sessionstore._base import AsyncBaseClient
from sessionstore._course import Course
from sessionstore._paging import async_pages
from sessionstore.errors import SessionStoreError
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub
from sessionstore.watch_types import EventType, Interrupted, WatchUpdate


class AsyncSessionClient(AsyncBaseClient):
    """`SessionClient` for asyncio: the same arguments, methods, answers and errors, awaited.

    It belongs to the event loop of its first call, and to the next one once that loop is closed, as
    after `asyncio.run`. In a loop beside its own it raises RuntimeError. Make its first
    call after the last fork: gRPC for asyncio, once used, now and then hangs in a forked process,
    or ends it if a stream was open. If the fork was made from within the running loop, calls in
    the child raise RuntimeError.
    """

    _stub = SessionServiceStub

    async def create(
        self,
        user_id: str,
        *,
        profile: str | None = None,
        client: types.ClientInfo | None = None,
        attributes: Mapping[str, str] | None = None,
        authentication: types.Authentication | None = None,
        audience: Iterable[str] = (),
        idle_lifetime: timedelta | None = None,
        absolute_lifetime: timedelta | None = None,
        replaces_session_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> types.CreatedSession:
        """Create the session of a login that has just succeeded, and make room at the cap."""
        call = _calls.create(
            user_id,
            profile=profile,
            client=client,
            attributes=attributes,
            authentication=authentication,
            audience=audience,
            idle_lifetime=idle_lifetime,
            absolute_lifetime=absolute_lifetime,
            replaces_session_id=replaces_session_id,
            request_id=request_id,
        )
        return await self._transport.send(call, timeout)

    async def refresh(
        self,
        refresh_token: str,
        *,
        client: types.ClientInfo | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> types.RefreshedSession:
        """Extend the session and get fresh tokens; its id stays."""
        call = _calls.refresh(refresh_token, client=client, request_id=request_id)
        return await self._transport.send(call, timeout)

    async def extend(
        self,
        session_id: str,
        *,
        client: types.ClientInfo | None = None,
        timeout: float | None = None,
    ) -> types.ExtendedSession:
        """Extend the session of a user who has just used it, with only its id at hand."""
        return await self._transport.send(_calls.extend(session_id, client=client), timeout)

    async def validate(
        self,
        *,
        access_token: str | None = None,
        session_id: str | None = None,
        refresh_token: str | None = None,
        audience: str = "",
        timeout: float | None = None,
    ) -> types.Validation:
        """Ask whether a session is live. "Not valid" is an answer, not an error."""
        credential = types.Credential(
            access_token=access_token,
            session_id=session_id,
            refresh_token=refresh_token,
            audience=audience,
        )
        return await self._transport.send(_calls.validate(credential), timeout)

    async def validate_many(
        self, credentials: Iterable[types.Credential], *, timeout: float | None = None
    ) -> tuple[types.Validation, ...]:
        """Validate any number of credentials, 1,000 to a call."""
        deadline = time.monotonic() + (self._transport.timeout if timeout is None else timeout)
        answers: list[types.Validation] = []
        for call in _calls.validate_many(credentials):
            batch = await self._transport.send(call, deadline - time.monotonic())
            answers.extend(batch)
        return tuple(answers)

    async def get(self, session_id: str, *, timeout: float | None = None) -> types.Session:
        """Read a session that is live, ended and still kept, or expired within the hour."""
        return await self._transport.send(_calls.get(session_id), timeout)

    async def list(
        self,
        user_id: str,
        *,
        states: Iterable[types.State] = (),
        page_size: int = 50,
        timeout: float | None = None,
    ) -> AsyncIterator[types.Session]:
        """Go over a user's sessions: those not ended first, newest first, then the ended ones."""
        states = tuple(states)

        def page(token: str) -> Awaitable[types.SessionPage]:
            return self.list_page(
                user_id, states=states, page_size=page_size, page_token=token, timeout=timeout
            )

        async for each in async_pages(page):
            for session in each.sessions:
                yield session

    async def list_page(
        self,
        user_id: str,
        *,
        states: Iterable[types.State] = (),
        page_size: int = 50,
        page_token: str = "",
        timeout: float | None = None,
    ) -> types.SessionPage:
        """Read one page of a user's sessions (AIP-158)."""
        call = _calls.list_page(user_id, states=states, page_size=page_size, page_token=page_token)
        return await self._transport.send(call, timeout)

    async def set_attributes(
        self,
        session_id: str,
        attributes: Mapping[str, str],
        *,
        remove: Iterable[str] = (),
        etag: str | None = None,
        timeout: float | None = None,
    ) -> types.Session:
        """Set some attributes of a live session, remove some, and leave the others."""
        call = _calls.set_attributes(session_id, attributes, remove=remove, etag=etag)
        return await self._transport.send(call, timeout)

    async def replace_attributes(
        self,
        session_id: str,
        attributes: Mapping[str, str],
        *,
        etag: str | None = None,
        timeout: float | None = None,
    ) -> types.Session:
        """Make these all the attributes of a live session."""
        call = _calls.replace_attributes(session_id, attributes, etag=etag)
        return await self._transport.send(call, timeout)

    async def revoke(
        self,
        *,
        session_id: str | None = None,
        refresh_token: str | None = None,
        reason: types.EndReason | None = None,
        timeout: float | None = None,
    ) -> types.RevokedSession:
        """End a session. An unknown or already ended one is no error."""
        call = _calls.revoke(session_id=session_id, refresh_token=refresh_token, reason=reason)
        return await self._transport.send(call, timeout)

    async def revoke_user(
        self,
        user_id: str,
        *,
        except_session_id: str | None = None,
        reason: types.EndReason | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> types.RevokedSessions:
        """End all live sessions of a user, or all but one."""
        call = _calls.revoke_user(
            user_id,
            except_session_id=except_session_id,
            reason=reason,
            request_id=request_id,
        )
        return await self._transport.send(call, timeout)

    async def adopt(
        self,
        user_id: str,
        external_id: str,
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> types.AdoptedSession:
        """Give tokens to a session that was imported from another system, once."""
        call = _calls.adopt(user_id, external_id, request_id=request_id)
        return await self._transport.send(call, timeout)

    async def signing_keys(self, *, timeout: float | None = None) -> types.SigningKeys:
        """Get the public keys that verify access tokens (RFC 7517)."""
        return await self._transport.send(_calls.signing_keys(), timeout)

    def watch(
        self,
        cursor: str = "",
        *,
        types: Iterable[EventType] = (),
        user_id: str | None = None,
    ) -> AsyncGenerator[WatchUpdate, None]:
        """Hear of creations and endings as they happen, over one stream.

        The request is sent when the first update is asked for. Close the generator
        (`contextlib.aclosing`) to end the stream.
        """
        return self._transport.stream(_calls.watch(cursor, types=types, user_id=user_id), None)

    async def follow(
        self,
        cursor: str = "",
        *,
        types: Iterable[EventType] = (),
        user_id: str | None = None,
    ) -> AsyncGenerator[WatchUpdate | Interrupted, None]:
        """Hear of creations and endings as they happen, over one stream after another.

        Close the generator (`contextlib.aclosing`) to stop.
        """
        course = Course(cursor)
        types = tuple(types)
        while True:
            error = None
            watch = self.watch(course.cursor, types=types, user_id=user_id)
            try:
                async with aclosing(watch) as updates:
                    async for update in updates:
                        yield update
                        course.passed(update)
            except SessionStoreError as failure:
                error = failure
            interrupted = course.interrupted(error)
            yield interrupted
            await asyncio.sleep(interrupted.retry_delay.total_seconds())
