"""Refreshing tokens for many requests at once: one call at a time for each refresh token.

A call whose outcome nobody learned (its reply was lost) may have rotated the token. So the next
try, whenever it comes, is made under the same request id: the service then gives the same answer
again instead of taking the token for a stolen one.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, TypeVar

from sessionstore._requests import new_request_id
from sessionstore.aio import AsyncSessionClient
from sessionstore.client import SessionClient
from sessionstore.errors import (
    CredentialRefused,
    DeadlineExceeded,
    InvalidRequest,
    SessionStoreError,
)
from sessionstore.integrations._given import must_be
from sessionstore.types import ClientInfo, RefreshedSession

_log = logging.getLogger("sessionstore.integrations")

R = TypeVar("R", "Future[RefreshedSession]", "asyncio.Task[RefreshedSession]")

_MOST_UNANSWERED: Final = 10_000
_SHARED_S: Final = 60.0
_REST_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request waits for a refresh."""

    tries: int
    timeout_s: float
    """Of each try."""


NEEDED: Final = Patience(tries=2, timeout_s=2.5)
"""The request is in no session without it."""
EARLY: Final = Patience(tries=1, timeout_s=1.0)
"""The access token is still good."""


@dataclass(slots=True, eq=False)
class Flight(Generic[R]):
    """One refresh, shared by the requests that came with its token."""

    token: str = field(repr=False)
    result: R = field(repr=False)
    holders: int = 0
    """Requests that wait for it, or have not been answered since."""
    started: float = field(default_factory=time.monotonic)


class _Renewals(Generic[R]):
    """The refreshes under way, and those that nobody answered."""

    def __init__(self, refresh: Callable[..., Awaitable[RefreshedSession]]) -> None:
        self._call = refresh
        self._lock = threading.Lock()
        self._flights: dict[str, Flight[R]] = {}
        self._unanswered: dict[bytes, str] = {}
        """Request ids by a digest of their token, which anybody may have made up, at any length."""
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether the service was out of reach a moment ago: what can wait should."""
        return time.monotonic() < self._rests_until

    def leave(self, flight: Flight[R], *, failed: bool = False) -> None:
        """Say that a request has been answered, or that the refresh failed."""
        with self._lock:
            flight.holders -= 1
            if (failed or not flight.holders) and self._flights.get(flight.token) is flight:
                del self._flights[flight.token]

    def _shared(self, token: str) -> Flight[R] | None:
        # The answer of a slow page brings the tokens to the browser after the grace time, perhaps:
        # until then whoever comes with the old one shares them. Not for ever, so that a request
        # that somebody keeps open cannot keep a reuse from being noticed.
        flight = self._flights.get(token)
        return None if flight is None or self._is_over(flight) else flight

    async def _refresh(
        self, token: str, client: ClientInfo, patience: Patience
    ) -> RefreshedSession:
        with self._attempt(token) as request_id:
            call = partial(
                self._call,
                token,
                client=client,
                request_id=request_id,
                timeout=patience.timeout_s,
            )
            for _ in range(patience.tries - 1):
                # What gRPC itself does not repeat: a reply that never comes.
                with suppress(DeadlineExceeded):
                    return await call()
            return await call()

    def _add(self, flight: Flight[R]) -> None:
        # Those whose request was torn off before it could leave are at the front, and over.
        while self._flights and self._is_over(next(iter(self._flights.values()))):
            del self._flights[next(iter(self._flights))]
        self._flights.pop(flight.token, None)
        self._flights[flight.token] = flight

    def _is_over(self, flight: Flight[R]) -> bool:
        return time.monotonic() - flight.started >= _SHARED_S

    @contextmanager
    def _attempt(self, token: str) -> Iterator[str]:
        """The request id to refresh under; kept for as long as the outcome is not known."""
        digest = hashlib.sha256(token.encode()).digest()
        with self._lock:
            request_id = self._unanswered.setdefault(digest, new_request_id())
            while len(self._unanswered) > _MOST_UNANSWERED:
                del self._unanswered[next(iter(self._unanswered))]
        try:
            yield request_id
        except (CredentialRefused, InvalidRequest):
            self._unanswered.pop(digest, None)
            raise
        except SessionStoreError as error:
            self._rests_until = time.monotonic() + _REST_S
            _log.warning("cannot refresh: %s", error.reason or error.code.name)
            raise
        self._unanswered.pop(digest, None)


class Renewals(_Renewals["Future[RefreshedSession]"]):
    """For threads: what is awaited here never suspends."""

    def __init__(self, client: SessionClient) -> None:
        must_be(client, SessionClient)

        async def refresh(token: str, **options: Any) -> RefreshedSession:
            return client.refresh(token, **options)

        super().__init__(refresh)

    async def renew(
        self, token: str, client: ClientInfo, patience: Patience = NEEDED
    ) -> Flight[Future[RefreshedSession]]:
        """Refresh, or share the refresh under way; `leave` the flight afterwards.

        Raises:
            SessionStoreError: as `SessionClient.refresh`.
        """
        with self._lock:
            flight = self._shared(token)
            is_first = flight is None
            if flight is None:
                flight = Flight(token, Future())
                self._add(flight)
            flight.holders += 1
        try:
            if is_first:
                await self._run(flight, client, patience)
            flight.result.result()
        except BaseException:
            self.leave(flight, failed=True)
            raise
        return flight

    async def _run(
        self, flight: Flight[Future[RefreshedSession]], client: ClientInfo, patience: Patience
    ) -> None:
        try:
            flight.result.set_result(await self._refresh(flight.token, client, patience))
        except BaseException as error:
            # The threads that share it would wait for ever.
            flight.result.set_exception(error)
            raise


class AsyncRenewals(_Renewals["asyncio.Task[RefreshedSession]"]):
    """For asyncio."""

    def __init__(self, client: AsyncSessionClient) -> None:
        super().__init__(client.refresh)
        self._tasks: set[asyncio.Task[RefreshedSession]] = set()

    async def renew(
        self, token: str, client: ClientInfo, patience: Patience = NEEDED
    ) -> Flight[asyncio.Task[RefreshedSession]]:
        """Refresh, or share the refresh under way; `leave` the flight afterwards.

        A request that is cancelled meanwhile leaves the refresh to the others.

        Raises:
            SessionStoreError: as `AsyncSessionClient.refresh`.
        """
        flight = self._shared(token)
        if flight is None:
            task = asyncio.create_task(self._refresh(token, client, patience))
            self._tasks.add(task)
            task.add_done_callback(self._finish)
            flight = Flight(token, task)
            self._add(flight)
        flight.holders += 1
        try:
            await asyncio.shield(flight.result)
        except BaseException as error:
            self.leave(flight, failed=isinstance(error, Exception))
            raise
        return flight

    def _finish(self, task: asyncio.Task[RefreshedSession]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; else asyncio would complain that nobody did
