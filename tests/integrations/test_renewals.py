"""One refresh at a time for each token, for threads and for asyncio."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import grpc
import pytest

from sessionstore import (
    AsyncSessionClient,
    ClientInfo,
    DeadlineExceeded,
    RefreshTokenReused,
    SessionClient,
    SessionStoreError,
    Unavailable,
)
from sessionstore.integrations import renewals as module
from sessionstore.integrations.gate import finish
from sessionstore.integrations.renewals import EARLY, AsyncRenewals, Flight, Renewals

BROWSER = ClientInfo()
WAIT_S = 10


class Script:
    """What a client answers, call by call, and what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        """Token and request id."""
        self.answers: list[object] = []
        """Errors are raised; without one, each call has an answer of its own."""
        self.open = threading.Event()
        self.open.set()

    def answer(self, token: str, request_id: str) -> Any:
        self.calls.append((token, request_id))
        answer = self.answers.pop(0) if self.answers else object()
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def request_ids(self) -> list[str]:
        return [request_id for _, request_id in self.calls]


class Client(SessionClient):
    def __init__(self, script: Script) -> None:
        self.script = script

    def refresh(self, refresh_token: str, *, request_id: str | None = None, **_: Any) -> Any:
        assert self.script.open.wait(WAIT_S)
        return self.script.answer(refresh_token, request_id or "")


class AsyncClient(AsyncSessionClient):
    def __init__(self, script: Script) -> None:
        self.script = script

    async def refresh(self, refresh_token: str, *, request_id: str | None = None, **_: Any) -> Any:
        await asyncio.to_thread(self.script.open.wait, WAIT_S)
        return self.script.answer(refresh_token, request_id or "")


@pytest.fixture
def script() -> Script:
    return Script()


class Renew:
    """Both kinds behind one face."""

    def __init__(self, renewals: Renewals | AsyncRenewals) -> None:
        self.renewals: Any = renewals

    async def __call__(self, token: str = "t", **options: Any) -> Flight[Any]:
        coroutine = self.renewals.renew(token, BROWSER, **options)
        if isinstance(self.renewals, Renewals):
            return await asyncio.to_thread(finish, coroutine)
        flight: Flight[Any] = await coroutine
        return flight

    async def waits_for(self, holders: int, token: str = "t") -> None:
        async with asyncio.timeout(WAIT_S):
            while self._held(token) < holders:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def _held(self, token: str) -> int:
        flight = self.flights.get(token)
        return flight.holders if flight else 0

    @property
    def flights(self) -> dict[str, Flight[Any]]:
        found: dict[str, Flight[Any]] = self.renewals._flights
        return found


@pytest.fixture(params=[(Renewals, Client), (AsyncRenewals, AsyncClient)], ids=["sync", "aio"])
def renew(request: pytest.FixtureRequest, script: Script) -> Renew:
    renewals, client = request.param
    return Renew(renewals(client(script)))


def error(kind: type[SessionStoreError]) -> SessionStoreError:
    return kind(grpc.StatusCode.UNAVAILABLE, "")


async def test_requests_with_one_token_share_one_refresh(renew: Renew, script: Script) -> None:
    """All of them get its tokens; another token has a refresh of its own."""
    script.open.clear()
    waiting = [asyncio.create_task(renew()) for _ in range(4)]
    other = asyncio.create_task(renew("other"))
    await renew.waits_for(4)
    await renew.waits_for(1, "other")
    script.open.set()
    flights = await asyncio.gather(*waiting)
    assert len({id(flight.result.result()) for flight in flights}) == 1
    assert (await other).result.result() is not flights[0].result.result()
    assert sorted(token for token, _ in script.calls) == ["other", "t"]


async def test_they_share_a_failure_and_the_next_one_tries_again(
    renew: Renew, script: Script
) -> None:
    """Nothing of it is left."""
    script.answers = [error(Unavailable)]
    script.open.clear()
    waiting = [asyncio.create_task(renew()) for _ in range(4)]
    await renew.waits_for(4)
    script.open.set()
    failures = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(failure) for failure in failures] == [Unavailable] * 4
    await renew()
    assert len(script.calls) == 2


async def test_until_the_answer_is_out_others_share_its_tokens(
    renew: Renew, script: Script
) -> None:
    """A slow page's browser still holds the old token: it is no thief."""
    first = await renew()
    second = await renew()
    assert second.result.result() is first.result.result()
    for flight in (first, second):
        renew.renewals.leave(flight)
    assert renew.flights == {}
    await renew()
    assert len(script.calls) == 2


async def test_a_request_that_is_kept_open_shares_nothing_for_long(
    renew: Renew, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stole a token could keep its reuse from being noticed."""
    first = await renew()
    monkeypatch.setattr(module, "_SHARED_S", 0.0)
    second = await renew()
    assert second.result.result() is not first.result.result()
    renew.renewals.leave(first)
    assert renew.flights == {"t": second}


async def test_requests_that_are_torn_off_leave_nothing_behind(
    renew: Renew, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next refresh of anybody drops what nobody left."""
    for token in "abc":
        await renew(token)
    monkeypatch.setattr(module, "_SHARED_S", 0.0)
    flight = await renew("d")
    assert renew.flights == {"d": flight}


async def test_a_reply_that_never_came_is_asked_for_again(renew: Renew, script: Script) -> None:
    """Under the same request id, so that the service repeats itself."""
    script.answers = [error(DeadlineExceeded)]
    await renew()
    assert len(script.calls) == 2
    assert len(set(script.request_ids)) == 1


@pytest.mark.parametrize("unknown", [DeadlineExceeded, Unavailable])
async def test_after_an_unknown_outcome_the_request_id_is_kept(
    renew: Renew, script: Script, unknown: type[SessionStoreError]
) -> None:
    """However late the next try comes; an answer ends it."""
    script.answers = [error(unknown)]
    with pytest.raises(unknown):
        await renew(patience=EARLY)
    renew.renewals.leave(await renew())
    await renew()
    first, second, third = script.request_ids
    assert first == second != third


async def test_a_refusal_is_an_answer(renew: Renew, script: Script) -> None:
    """Its request id is not used again."""
    script.answers = [error(RefreshTokenReused)]
    with pytest.raises(RefreshTokenReused):
        await renew()
    await renew()
    assert len(set(script.request_ids)) == 2


async def test_what_nobody_answered_is_remembered_within_bounds(
    renew: Renew, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest is forgotten first."""
    monkeypatch.setattr(module, "_MOST_UNANSWERED", 2)
    script.answers = [error(Unavailable) for _ in range(3)]
    for token in "abc":
        with pytest.raises(Unavailable):
            await renew(token)
    assert set(renew.renewals._unanswered) == {"b", "c"}


async def test_after_a_failure_what_can_wait_rests(renew: Renew, script: Script) -> None:
    """So that no page waits for a service that is away, while its token is good."""
    assert not renew.renewals.rests
    script.answers = [error(Unavailable)]
    with pytest.raises(Unavailable):
        await renew(patience=EARLY)
    assert renew.renewals.rests


async def test_whoever_goes_away_leaves_the_refresh_to_the_others(script: Script) -> None:
    """A browser that closes a tab cancels its request, and no other."""
    renew = Renew(AsyncRenewals(AsyncClient(script)))
    script.open.clear()
    waiting = [asyncio.create_task(renew()) for _ in range(3)]
    await renew.waits_for(3)
    waiting[0].cancel()
    await renew.waits_for(2)
    script.open.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(result, Flight) for result in results[1:])
    assert len(script.calls) == 1
