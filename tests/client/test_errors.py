"""A failed call raises what happened, and never a secret."""

from __future__ import annotations

import pickle
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo

import sessionstore
from sessionstore import (
    CallerNotAuthenticated,
    CallerNotPermitted,
    DeadlineExceeded,
    EndReason,
    FieldViolation,
    InternalError,
    InvalidRequest,
    Overloaded,
    RefreshTokenReused,
    ResourceExhausted,
    SessionEnded,
    SessionStoreError,
    SessionUnusable,
    StoreFull,
    Unavailable,
)
from sessionstore._failures import BY_REASON, error_of
from sessionstore.v1 import error_reason_pb2
from tests.client import messages
from tests.client.conftest import TOKEN, Sessions
from tests.client.fake_service import FakeService, failing

REASONS = [
    name.removeprefix("ERROR_REASON_")
    for name in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118  not a dict
    if name != "ERROR_REASON_UNSPECIFIED"
]

LOG_IN_AGAIN = {
    "REFRESH_TOKEN_INVALID",
    "REFRESH_TOKEN_REUSED",
    "REFRESH_TOKEN_AHEAD",
    "SESSION_NOT_FOUND",
    "SESSION_ENDED",
    "SESSION_EXPIRED",
    "SESSION_ALREADY_ADOPTED",
}


async def failure(sessions: Sessions) -> Any:
    with pytest.raises(SessionStoreError) as caught:
        await sessions.refresh(messages.REFRESH_TOKEN)
    return caught.value


@pytest.mark.parametrize("reason", REASONS)
async def test_each_reason_has_a_class(
    service: FakeService, sessions: Sessions, reason: str
) -> None:
    service.answer(
        "RefreshSession",
        failing(grpc.StatusCode.ABORTED, reason, message="why", metadata={"session_id": "s1"}),
    )

    error = await failure(sessions)

    assert type(error) is BY_REASON[reason]
    assert type(error) is not SessionStoreError
    assert getattr(sessionstore, type(error).__name__) is type(error)
    assert isinstance(error, SessionUnusable) == (reason in LOG_IN_AGAIN)
    assert (error.code, error.reason, error.message) == (grpc.StatusCode.ABORTED, reason, "why")
    assert error.metadata == {"session_id": "s1"}
    assert str(error) == f"{reason}: why"


def test_no_class_is_for_a_reason_that_the_service_does_not_have() -> None:
    assert set(BY_REASON) == set(REASONS)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
        (grpc.StatusCode.UNAUTHENTICATED, CallerNotAuthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, CallerNotPermitted),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ResourceExhausted),
        (grpc.StatusCode.CANCELLED, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.INTERNAL, InternalError),
        (grpc.StatusCode.UNIMPLEMENTED, SessionStoreError),
        (grpc.StatusCode.NOT_FOUND, SessionStoreError),
        (grpc.StatusCode.FAILED_PRECONDITION, SessionStoreError),
    ],
)
@pytest.mark.parametrize("reason", ["", "MADE_UP_LATER"])
async def test_without_a_known_reason_the_code_decides(
    service: FakeService,
    sessions: Sessions,
    code: grpc.StatusCode,
    kind: type[SessionStoreError],
    reason: str,
) -> None:
    service.answer("RefreshSession", failing(code, reason))

    error = await failure(sessions)

    assert type(error) is kind
    assert (error.code, error.reason) == (code, reason)
    assert str(error) == f"{reason or code.name}: no"


async def test_a_reason_of_another_domain_is_not_ours(
    service: FakeService, sessions: Sessions
) -> None:
    service.answer(
        "RefreshSession",
        failing(grpc.StatusCode.PERMISSION_DENIED, "SESSION_ENDED", domain="mesh.example"),
    )

    error = await failure(sessions)

    assert type(error) is CallerNotPermitted
    assert error.reason == ""


async def test_damaged_details_are_as_good_as_none(
    service: FakeService, sessions: Sessions
) -> None:
    script = failing(grpc.StatusCode.INTERNAL, trailing=[("grpc-status-details-bin", b"\xff\xff")])
    service.answer("RefreshSession", script)

    error = await failure(sessions)

    assert type(error) is InternalError
    assert (error.reason, error.field_violations, error.retry_after) == ("", (), None)


async def test_an_invalid_request_names_each_field(
    service: FakeService, sessions: Sessions
) -> None:
    violations = [
        BadRequest.FieldViolation(field="user_id", description="must not be empty"),
        BadRequest.FieldViolation(field="audience[2]", description="is too long"),
    ]
    bad_request = BadRequest(field_violations=violations)
    service.answer(
        "RefreshSession",
        failing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", details=[bad_request]),
    )

    error = await failure(sessions)

    assert error.field_violations == (
        FieldViolation("user_id", "must not be empty"),
        FieldViolation("audience[2]", "is too long"),
    )
    assert str(error) == "INVALID_FIELD: no (user_id: must not be empty; audience[2]: is too long)"


async def test_an_overloaded_server_says_when_to_come_back(
    service: FakeService, sessions: Sessions
) -> None:
    retry = RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    service.answer(
        "RefreshSession",
        failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", details=[retry]),
    )

    error = await failure(sessions)

    assert isinstance(error, Overloaded)
    assert error.retry_after == timedelta(seconds=1.5)


async def test_an_ended_session_says_why_and_when(service: FakeService, sessions: Sessions) -> None:
    metadata = {
        "session_id": "s1",
        "end_reason": "LOGOUT",
        "end_time": "2026-01-31T12:00:00.250Z",
    }
    service.answer(
        "RefreshSession",
        failing(grpc.StatusCode.FAILED_PRECONDITION, "SESSION_ENDED", metadata=metadata),
    )

    error = await failure(sessions)

    assert isinstance(error, SessionEnded)
    assert error.session_id == "s1"
    assert error.end_reason is EndReason.LOGOUT
    assert error.end_time == datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)


async def test_an_unusable_token_need_not_say_whose_it_was(
    service: FakeService, sessions: Sessions
) -> None:
    service.answer(
        "RefreshSession", failing(grpc.StatusCode.INVALID_ARGUMENT, "REFRESH_TOKEN_INVALID")
    )

    error = await failure(sessions)

    assert (error.session_id, error.end_reason, error.end_time) == ("", None, None)


async def test_an_error_names_the_call_in_the_servers_log(
    service: FakeService, sessions: Sessions
) -> None:
    service.answer(
        "RefreshSession", failing(grpc.StatusCode.INTERNAL, trailing=[("x-request-id", "log-7")])
    )
    assert (await failure(sessions)).request_id == "log-7"

    service.answer("RefreshSession", failing(grpc.StatusCode.INTERNAL))
    error = await failure(sessions)
    assert error.request_id == service.received["RefreshSession"][-1].request.request_id


async def test_errors_pickle(service: FakeService, sessions: Sessions) -> None:
    service.answer(
        "RefreshSession",
        failing(
            grpc.StatusCode.FAILED_PRECONDITION,
            "REFRESH_TOKEN_REUSED",
            metadata={"session_id": "s1", "user_id": "alice"},
            details=[RetryInfo(retry_delay=Duration(seconds=1))],
        ),
    )
    error = await failure(sessions)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is RefreshTokenReused
    assert (str(copy), repr(copy), copy.code) == (str(error), repr(error), error.code)
    assert copy.metadata == {"session_id": "s1", "user_id": "alice"}
    assert copy.retry_after == timedelta(seconds=1)
    assert copy.request_id == error.request_id


def test_a_full_store_and_an_overloaded_server_are_resources_exhausted() -> None:
    assert issubclass(StoreFull, ResourceExhausted)
    assert issubclass(Overloaded, ResourceExhausted)


async def test_errors_hold_no_token(service: FakeService, sessions: Sessions) -> None:
    service.answer("RefreshSession", failing(grpc.StatusCode.FAILED_PRECONDITION, "SESSION_ENDED"))

    error = await failure(sessions)

    told = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(error)
    assert messages.REFRESH_TOKEN not in told
    assert TOKEN not in told


async def test_no_server_at_all_is_unavailable(connect: Any) -> None:
    sessions = connect("127.0.0.1:1", token=TOKEN)

    error = await failure(sessions)

    assert type(error) is Unavailable
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "")
    assert TOKEN not in str(error)


def test_a_call_that_ended_while_it_was_sent_is_unavailable() -> None:
    """To grpc.aio that is an internal error, and not that of any server."""
    told = grpc.aio.AioRpcError(
        grpc.StatusCode.INTERNAL,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(),
        details="Internal error from Core",
        debug_error_string="",
    )
    assert isinstance(error_of(told, "an-id"), Unavailable)
