"""What a refused call tells its caller, and what it does not."""

from __future__ import annotations

import re
import uuid
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from sessiond.domain.errors import Reason
from sessiond.domain.ids import new_session_id
from sessiond.service.reading import Reader
from sessionstore.v1 import admin_service_pb2 as admin_pb
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import SERVICE, Api, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.importing import old_session
from tests.rpc.logs import captured
from tests.rpc.serving import eventually


def test_a_message_over_the_size_limit_is_refused_by_grpc(api: Api) -> None:
    """RESOURCE_EXHAUSTED, before it is read."""
    data = b"\x0a" + b"\x80\x80\xc0\x02" + b"a" * (5 << 20)
    error = refused(api.raw, "CreateSession", data)
    assert error.code == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_fault_of_the_server_shows_nothing_of_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INTERNAL, one constant message, and a request id under which the log has type and places."""
    secret = f"secret-{uuid.uuid4().hex}"

    async def fail(*_: Any) -> None:
        raise ZeroDivisionError(secret) from ValueError(secret)

    monkeypatch.setattr(Reader, "get", fail)
    with captured() as log:
        errors = [refused(api.get, new_session_id("alice")) for _ in range(2)]
    assert {error.code for error in errors} == {grpc.StatusCode.INTERNAL}
    assert {error.message for error in errors} == {"internal error"}
    assert all(secret not in error.trailers for error in errors)
    assert secret not in log.getvalue()
    faults = [entry for entry in log.entries if entry["event"] == "fault"]
    assert [fault["request_id"] for fault in faults] == [error.request_id for error in errors]
    assert faults[0]["error"] == "ZeroDivisionError"
    assert "fail" in faults[0]["frames"][-1]


def test_a_callers_request_id_comes_back_and_is_logged(serve_with: ServeWith) -> None:
    """So that a fault can be found from either side; an unfit one is replaced."""
    with captured() as log:
        api = serve_with().api()
        given = (("x-request-id", "trace-me-1"),)
        error = refused(api.raw, "GetSession", b"", metadata=given)
        unfit = refused(api.raw, "GetSession", b"", metadata=(("x-request-id", "a b" * 30),))
        assert error.request_id == "trace-me-1"
        assert re.fullmatch("[0-9a-f]{32}", unfit.request_id)
        wanted = {"trace-me-1", unfit.request_id}
        eventually(lambda: wanted <= {entry.get("request_id") for entry in log.entries})


def test_a_store_out_of_reach_asks_to_be_retried_soon(serve_with: ServeWith) -> None:
    """UNAVAILABLE with RetryInfo for every RPC that needs the store; keys are still given."""
    api = serve_with(url="unix:///nonexistent", ready=False).api()
    session_id = new_session_id("alice")
    requests: list[Message] = [
        pb.CreateSessionRequest(user_id="alice"),
        pb.ExtendSessionRequest(session_id=session_id),
        pb.ValidateSessionRequest(session_id=session_id),
        pb.BatchValidateSessionsRequest(
            requests=[pb.ValidateSessionRequest(session_id=session_id)] * 3
        ),
        pb.GetSessionRequest(session_id=session_id),
        pb.ListSessionsRequest(user_id="alice"),
        pb.UpdateSessionRequest(session_id=session_id),
        pb.RevokeSessionRequest(session_id=session_id),
        pb.RevokeUserSessionsRequest(user_id="alice"),
        admin_pb.GetStatsRequest(),
        admin_pb.ListRecentSessionsRequest(),
        admin_pb.ListUsersRequest(),
        admin_pb.ExplainSessionRequest(session_id=session_id),
        admin_pb.PurgeSessionsRequest(older_than=Duration()),
        admin_pb.DeleteUserRequest(user_id="alice"),
        admin_pb.AuditIndexRequest(),
        admin_pb.ListJobsRequest(),
        admin_pb.RunJobRequest(name="stats"),
        admin_pb.ImportSessionsRequest(sessions=[old_session("alice", "a")]),
        admin_pb.ExportSessionsRequest(),
        admin_pb.ExportSessionsRequest(user_id="alice"),
    ]
    for request in requests:
        error = refused(api.call, request)
        assert (error.code, error.reason) == (
            grpc.StatusCode.UNAVAILABLE,
            Reason.STORE_UNAVAILABLE,
        )
        assert error.retry_s is not None
        assert 0 < error.retry_s <= 1
    assert api.signing_keys().keys


def test_an_unknown_method_is_unimplemented(api: Api) -> None:
    """Also without credentials: there is nothing behind it."""
    call = api.channel.unary_unary(f"/{SERVICE.full_name}/DropEverything", None, None)
    assert refused(call, b"").code == grpc.StatusCode.UNIMPLEMENTED
