"""Requests that are wrong, and how much of it their callers are told."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from sessiond.domain.errors import Reason
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import Api, refused, states

_LONG_MESSAGE = 1_000

BAD_REQUESTS: list[tuple[Message, set[str]]] = [
    (
        pb.CreateSessionRequest(
            profile="unknown",
            client=session_pb2.Client(device_id="d" * 129),
            attributes={"": "1"},
            authentication=session_pb2.Authentication(
                methods=["p w d"], acr="a b", time=Timestamp(seconds=-1)
            ),
            audience=["a", 'b"'],
            replaces_session_id="x",
            request_id="r" * 37,
        ),
        {
            "user_id", "profile", "client.device_id", "attributes", "authentication.methods[0]",
            "authentication.acr", "authentication.time", "audience[1]", "replaces_session_id",
            "request_id",
        },
    ),
    (
        pb.CreateSessionRequest(
            user_id="a",
            idle_lifetime=Duration(nanos=999_999_999),
            absolute_lifetime=Duration(seconds=91 * 86_400),
        ),
        {"idle_lifetime", "absolute_lifetime"},
    ),
    (
        pb.RefreshSessionRequest(
            client=session_pb2.Client(device_id="d" * 129), request_id="a b"
        ),
        {"refresh_token", "client.device_id", "request_id"},
    ),
    (
        pb.ExtendSessionRequest(client=session_pb2.Client(device_id="d" * 129)),
        {"session_id", "client.device_id"},
    ),
    (pb.ValidateSessionRequest(audience="a" * 257), {"credential", "audience"}),
    (pb.ValidateSessionRequest(session_id="x", audience="a" * 257), {"session_id", "audience"}),
    (pb.BatchValidateSessionsRequest(), {"requests"}),
    (
        pb.BatchValidateSessionsRequest(
            requests=[
                pb.ValidateSessionRequest(session_id="x"),
                pb.ValidateSessionRequest(access_token="good enough to be read"),
                pb.ValidateSessionRequest(),
            ]
        ),
        {"requests[0].session_id", "requests[2].credential"},
    ),
    (pb.GetSessionRequest(session_id="A" * 25), {"session_id"}),
    (
        pb.ListSessionsRequest(page_size=-1, states=states(1, 7), page_token="p" * 257),
        {"user_id", "page_size", "states[1]", "page_token"},
    ),
    (pb.ListSessionsRequest(user_id="a", states=states(1, 2, 3, 1)), {"states"}),
    (
        pb.UpdateSessionRequest(
            attributes={"k" * 65: "1"}, update_mask=FieldMask(paths=["user_id"]), etag="e" * 21
        ),
        {"session_id", "attributes", "update_mask", "etag"},
    ),
    (
        pb.RevokeSessionRequest(reason=session_pb2.END_REASON_IDLE),
        {"credential", "reason"},
    ),
    (
        pb.RevokeSessionRequest(session_id="x", reason=session_pb2.END_REASON_IDLE),
        {"session_id", "reason"},
    ),
    (
        pb.RevokeUserSessionsRequest(
            except_session_id="x", reason=session_pb2.END_REASON_EXPIRED, request_id="\n"
        ),
        {"user_id", "except_session_id", "reason", "request_id"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "fields"), [pytest.param(r, f, id=r.DESCRIPTOR.name) for r, f in BAD_REQUESTS]
)
def test_a_bad_request_names_each_bad_field(api: Api, request_: Message, fields: set[str]) -> None:
    """All of them at once, and no other."""
    error = refused(api.call, request_)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_FIELD)
    assert set(error.fields) == fields
    assert all(error.descriptions)


FLOODS: list[Message] = [
    pb.BatchValidateSessionsRequest(requests=[pb.ValidateSessionRequest()] * 1000),
    pb.CreateSessionRequest(user_id="a", audience=['"'] * 100_000),
    pb.CreateSessionRequest(user_id="a", attributes={f"{i:070}": "" for i in range(10_000)}),
    pb.CreateSessionRequest(
        user_id="a", authentication=session_pb2.Authentication(methods=[""] * 100_000)
    ),
    pb.ListSessionsRequest(user_id="a", states=states(99) * 100_000),
    pb.UpdateSessionRequest(update_mask=FieldMask(paths=["attributes."] * 100_000)),
]


@pytest.mark.parametrize("flood", [pytest.param(m, id=m.DESCRIPTOR.name) for m in FLOODS])
def test_however_much_is_wrong_the_answer_stays_readable(api: Api, flood: Message) -> None:
    """gRPC clients refuse more than 8 KiB of trailers, and would see another error."""
    error = refused(api.call, flood)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_FIELD)
    assert error.fields
    assert len(error.message) < _LONG_MESSAGE
