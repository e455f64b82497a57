"""What is tried again, for how long, and under which request id."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from sessionstore import Credential, DeadlineExceeded, SessionStoreError
from sessionstore.v1 import session_service_pb2 as pb
from tests.client.conftest import TOKEN, Sessions
from tests.client.fake_service import (
    METHODS,
    FakeService,
    FirstConnectionLost,
    answered_in_full,
    failing,
    stuck,
)

UNAVAILABLE = failing(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")

RETRIED: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "CreateSession": ("create", ("alice",), {}),
    "RefreshSession": ("refresh", ("srt1_",), {}),
    "ExtendSession": ("extend", ("s1",), {}),
    "UpdateSession": ("set_attributes", ("s1", {"a": "1"}), {"etag": "3"}),
    "ValidateSession": ("validate", (), {"session_id": "s1"}),
    "BatchValidateSessions": ("validate_many", ([Credential(session_id="s1")],), {}),
    "GetSession": ("get", ("s1",), {}),
    "ListSessions": ("list_page", ("alice",), {}),
    "RevokeSession": ("revoke", (), {"session_id": "s1"}),
    "RevokeUserSessions": ("revoke_user", ("alice",), {}),
    "AdoptSession": ("adopt", ("alice", "old-1"), {}),
    "GetSigningKeys": ("signing_keys", (), {}),
}

NOT_RETRIED = {"WatchSessions"}

WITH_REQUEST_ID = ["CreateSession", "RefreshSession", "RevokeUserSessions", "AdoptSession"]


async def do(sessions: Sessions, method: str, **options: Any) -> Any:
    name, args, kwargs = RETRIED[method]
    return await getattr(sessions, name)(*args, **kwargs, **options)


def test_every_method_is_either_retried_or_not() -> None:
    assert RETRIED.keys() | NOT_RETRIED == set(METHODS)


@pytest.mark.parametrize("method", RETRIED)
async def test_unavailable_is_tried_again(
    service: FakeService, sessions: Sessions, method: str
) -> None:
    service.answer_once(method, UNAVAILABLE)
    service.answer_once(method, UNAVAILABLE)

    await do(sessions, method)

    attempts = service.received[method]
    assert len(attempts) == 3
    assert all(attempt.request == attempts[0].request for attempt in attempts)
    assert len({attempt.metadata["x-request-id"] for attempt in attempts}) == 1


@pytest.mark.parametrize("method", WITH_REQUEST_ID)
async def test_a_mutation_has_one_request_id_for_all_its_tries_and_a_new_one_for_the_next_call(
    service: FakeService, sessions: Sessions, method: str
) -> None:
    service.answer_once(method, UNAVAILABLE)
    await do(sessions, method)
    await do(sessions, method)

    first, again, other = (attempt.request.request_id for attempt in service.received[method])
    assert len(first) == 36
    assert first == again != other
    assert [attempt.metadata["x-request-id"] for attempt in service.received[method]] == [
        first,
        first,
        other,
    ]


@pytest.mark.parametrize("method", WITH_REQUEST_ID)
async def test_the_callers_own_request_id_is_sent(
    service: FakeService, sessions: Sessions, method: str
) -> None:
    await do(sessions, method, request_id="mine")

    (attempt,) = service.received[method]
    assert (attempt.request.request_id, attempt.metadata["x-request-id"]) == ("mine", "mine")


async def test_a_request_id_that_no_header_carries_is_left_to_the_server_to_refuse(
    service: FakeService, sessions: Sessions
) -> None:
    await sessions.create("alice", request_id="m\u00efne\n")

    (attempt,) = service.received["CreateSession"]
    assert attempt.request.request_id == "m\u00efne\n"
    assert len(attempt.metadata["x-request-id"]) == 36


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.name != "OK"])
async def test_only_what_a_stopping_server_may_answer_is_tried_again(
    service: FakeService, sessions: Sessions, code: grpc.StatusCode
) -> None:
    """UNAVAILABLE, and CANCELLED, by which gRPC drops calls that come too late."""
    service.answer("GetSession", failing(code))

    with pytest.raises(SessionStoreError) as caught:
        await sessions.get("s1")

    assert caught.value.code == code
    stopping = code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    expected = 5 if stopping else 1
    assert len(service.received["GetSession"]) == expected


async def test_a_large_batch_is_tried_again(service: FakeService, sessions: Sessions) -> None:
    service.answer_once("BatchValidateSessions", UNAVAILABLE)
    tokens = [Credential(access_token="x" * 4096) for _ in range(1000)]

    await sessions.validate_many(tokens, timeout=30)

    assert len(service.received["BatchValidateSessions"]) == 2


async def test_a_server_that_comes_back_is_found_again(
    service: FakeService, sessions: Sessions
) -> None:
    await sessions.get("s1")
    service.__exit__(None, None, None)
    with FirstConnectionLost(service.port) as restart:
        await sessions.get("s1", timeout=20)
    assert len(restart.service.received["GetSession"]) == 1


async def test_a_call_has_a_deadline_of_five_seconds(
    service: FakeService, sessions: Sessions
) -> None:
    await sessions.get("s1")

    (attempt,) = service.received["GetSession"]
    assert attempt.time_remaining is not None
    assert 3 < attempt.time_remaining < 5.5  # gRPC rounds what it sends upwards


async def test_a_client_or_a_call_may_set_another_deadline(
    service: FakeService, connect: Callable[..., Sessions]
) -> None:
    sessions = connect(service.address, token=TOKEN, timeout=100)

    await sessions.get("s1")
    await sessions.get("s1", timeout=1000)

    first, second = (attempt.time_remaining for attempt in service.received["GetSession"])
    assert first is not None
    assert second is not None
    assert 50 < first < 110
    assert 900 < second < 1100


async def test_a_deadline_of_nothing_is_refused(
    service: FakeService, connect: Callable[..., Sessions]
) -> None:
    with pytest.raises(ValueError, match="timeout"):
        connect(service.address, token=TOKEN, timeout=0)


async def test_a_call_that_takes_too_long_is_given_up(
    service: FakeService, sessions: Sessions
) -> None:
    service.answer("GetSession", stuck)

    with pytest.raises(DeadlineExceeded) as caught:
        await sessions.get("s1", timeout=0.2)

    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_the_deadline_covers_all_tries(service: FakeService, sessions: Sessions) -> None:
    service.answer_once("GetSession", UNAVAILABLE)
    service.answer("GetSession", stuck)
    began = time.monotonic()

    with pytest.raises(DeadlineExceeded):
        await sessions.get("s1", timeout=0.5)

    assert time.monotonic() - began < 3
    assert len(service.received["GetSession"]) == 2


async def test_one_deadline_covers_all_batches(service: FakeService, sessions: Sessions) -> None:
    def slow(batch: pb.BatchValidateSessionsRequest, context: grpc.ServicerContext) -> Any:
        while (context.time_remaining() or 0) > 18:
            threading.Event().wait(0.05)
        return answered_in_full(batch, context)

    service.answer_once("BatchValidateSessions", slow)

    await sessions.validate_many([Credential(session_id="s")] * 1001, timeout=20)

    first, second = service.received["BatchValidateSessions"]
    assert first.time_remaining is not None
    assert second.time_remaining is not None
    assert first.time_remaining > 18 >= second.time_remaining
