"""The course of a request, for every web framework: admitted, then answered.

Written once, for asyncio; a gate for threads is run by `finish`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Self, TypeVar

from sessionstore import AsyncLocalVerifier, LocalVerifier, VerifiedToken
from sessionstore.errors import SessionStoreError, TokenRefused
from sessionstore.integrations.arrival import Arrival
from sessionstore.integrations.cookies import Cookie, SessionCookies
from sessionstore.integrations.refusals import Reason, Refusal, Refused, refusal_of
from sessionstore.integrations.renewals import (
    EARLY,
    NEEDED,
    AsyncRenewals,
    Patience,
    Renewals,
)
from sessionstore.integrations.visit import Visit
from sessionstore.types import Tokens

T = TypeVar("T")

Verify = Callable[[str], Awaitable[VerifiedToken]]


class Gate:
    """Finds the session of each request, and keeps its cookies."""

    def __init__(self, verify: Verify, cookies: SessionCookies | None) -> None:
        self._verify = verify
        self._cookies = cookies

    @classmethod
    def for_asyncio(cls, verifier: AsyncLocalVerifier, cookies: SessionCookies | None) -> Self:
        """A gate that suspends while it waits.

        Raises:
            TypeError: verifier or cookies are for threads.
        """
        must_be(verifier, AsyncLocalVerifier)
        if cookies:
            must_be(cookies.renewals, AsyncRenewals)
        return cls(verifier.verify, cookies)

    @classmethod
    def for_threads(cls, verifier: LocalVerifier, cookies: SessionCookies | None) -> Self:
        """A gate that blocks while it waits.

        Raises:
            TypeError: verifier or cookies are for asyncio.
        """
        must_be(verifier, LocalVerifier)
        if cookies:
            must_be(cookies.renewals, Renewals)

        async def verify(token: str) -> VerifiedToken:
            return verifier.verify(token)

        return cls(verify, cookies)

    async def admit(self, arrival: Arrival) -> Visit:
        """Find whose session the request is in. `leave` when it is over.

        A bearer token goes before cookies: whoever sends one means it, and leaves cookies alone.
        """
        visit = Visit(arrival, self._cookies)
        try:
            token = arrival.bearer_token
            if token is not None:
                visit.session = await self._verify(token)
            elif self._cookies:
                visit.session = await self._by_cookies(visit, arrival, self._cookies)
            else:
                visit.refusal = Refusal(Reason.TOKEN_MISSING)
        except (SessionStoreError, Refused) as error:
            visit.refusal = refusal_of(error)
        except BaseException:
            self.leave(visit)
            raise
        return visit

    async def answer(self, visit: Visit) -> tuple[Cookie, ...]:
        """The cookies that go with the answer, which is about to begin.

        What can wait until now is refreshed now: a view may take longer than the grace time, or
        fail, and the browser would be left with a token that is superseded.
        """
        cookies, outcome = self._cookies, visit.outcome
        if cookies is None or outcome.sent:
            return ()
        if outcome.due and not cookies.renewals.rests:
            await self._refresh_early(visit, cookies)
        self.leave(visit)
        outcome.sent = True
        if outcome.clears:
            return cookies.cleared()
        return cookies.holding(outcome.tokens) if outcome.tokens else ()

    def leave(self, visit: Visit) -> None:
        """Say that the request is over, answered or not."""
        flight, visit.outcome.flight = visit.outcome.flight, None
        if self._cookies and flight:
            self._cookies.renewals.leave(flight)

    async def _by_cookies(
        self, visit: Visit, arrival: Arrival, cookies: SessionCookies
    ) -> VerifiedToken:
        held = cookies.read(arrival)
        if held is None:
            raise Refused(Refusal(Reason.TOKEN_MISSING))
        if cookies.refuses(arrival):
            raise Refused(Refusal(Reason.CROSS_SITE))
        # The answer to a handshake may never carry cookies: tokens refreshed there could be lost.
        refresh_token = "" if arrival.handshake else held.refresh
        try:
            return await self._held(visit, held.access, refresh_token, cookies)
        except SessionStoreError as error:
            if refusal_of(error).clears_cookies:
                visit.outcome.decide(None)
            raise

    async def _held(
        self, visit: Visit, access_token: str, refresh_token: str, cookies: SessionCookies
    ) -> VerifiedToken:
        try:
            session = await self._accessed(access_token)
        except (TokenRefused, Refused):
            if not refresh_token:
                raise
            tokens = await self._refresh(visit, cookies, refresh_token, NEEDED)
            return await self._verify(tokens.access_token)
        if cookies.is_due(session.expire_time):
            visit.outcome.due = refresh_token
        return session

    async def _accessed(self, access_token: str) -> VerifiedToken:
        if not access_token:  # its cookie ends when it does
            raise Refused(Refusal(Reason.TOKEN_EXPIRED))
        return await self._verify(access_token)

    async def _refresh_early(self, visit: Visit, cookies: SessionCookies) -> None:
        try:
            await self._refresh(visit, cookies, visit.outcome.due, EARLY)
        except SessionStoreError as error:
            # Anything else may pass, and the access token is good for a while.
            if refusal_of(error).clears_cookies:
                visit.outcome.decide(None)

    async def _refresh(
        self, visit: Visit, cookies: SessionCookies, token: str, patience: Patience
    ) -> Tokens:
        flight = await cookies.renewals.renew(token, visit.client, patience)
        tokens: Tokens = flight.result.result().tokens
        visit.outcome.flight = flight
        visit.outcome.decide(tokens)
        return tokens


def must_be(given: object, kind: type) -> None:
    """Hold on to the type: what an async verifier returns unawaited would pass for a session.

    Raises:
        TypeError: it is of another.
    """
    if not isinstance(given, kind):
        raise TypeError(f"this needs a {kind.__name__}, not a {type(given).__name__}")


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a step of a gate for threads, which never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    coroutine.close()
    raise RuntimeError("a gate for threads has suspended")
