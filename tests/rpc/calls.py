"""Calls of one caller by the generated stubs, and what a refused call says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypedDict, cast

import grpc
import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status

from sessiond.rpc.methods import STANDING
from sessionstore.v1 import admin_service_pb2
from sessionstore.v1 import session_service_pb2 as pb
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub

SERVICE: Final = pb.DESCRIPTOR.services_by_name["SessionService"]
ADMIN_SERVICE: Final = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"]
METHODS: Final = {
    method.name: method for service in (SERVICE, ADMIN_SERVICE) for method in service.methods
}
RPCS: Final = tuple(method.name for method in SERVICE.methods)
ADMIN_RPCS: Final = tuple(method.name for method in ADMIN_SERVICE.methods)
_TIMEOUT_S: Final = 15.0


class _Options(TypedDict):
    timeout: float
    metadata: tuple[tuple[str, str], ...]


def states(*values: int) -> Any:
    """Values of Session.State, those that there are and others."""
    return list(values)


def request_type(rpc: str) -> type[Message]:
    """The request message of an RPC."""
    return GetMessageClass(METHODS[rpc].input_type)


def path(rpc: str) -> str:
    """The full name of an RPC."""
    return f"/{METHODS[rpc].containing_service.full_name}/{rpc}"


def descriptor(rpc: str) -> Descriptor:
    """The request message of an RPC, described."""
    return cast(Descriptor, request_type(rpc).DESCRIPTOR)


class Calls:
    """Any RPC, called with one service token."""

    def __init__(
        self, channel: grpc.Channel, token: str | None, *, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self.channel = channel
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        self._options: _Options = {"timeout": timeout_s, "metadata": metadata}

    def call(self, request: Message) -> Any:
        """The RPC that takes this request; a list if it streams its replies."""
        rpc = request.DESCRIPTOR.name.removesuffix("Request")
        parse = GetMessageClass(METHODS[rpc].output_type).FromString
        reply = self.raw(rpc, request.SerializeToString())
        return [parse(each) for each in reply] if isinstance(reply, list) else parse(reply)

    def raw(self, rpc: str, data: bytes, *, metadata: tuple[tuple[str, str], ...] = ()) -> Any:
        """An RPC with any bytes for its request, the only one if it streams them.

        Of a stream that stays open only the first reply is read.
        """
        method = METHODS[rpc]
        metadata = self._options["metadata"] + metadata
        options: _Options = {"timeout": self._options["timeout"], "metadata": metadata}
        if method.client_streaming:
            replies: Any = self.channel.stream_stream(path(rpc), None, None)(
                iter([data]), **options
            )
        elif method.server_streaming:
            replies = self.channel.unary_stream(path(rpc), None, None)(data, **options)
        else:
            return self.channel.unary_unary(path(rpc), None, None)(data, **options)
        if path(rpc) not in STANDING:
            return list(replies)
        first = next(replies)
        replies.cancel()
        return [first]


class Api(Calls):
    """SessionService, called with one service token."""

    def __init__(self, channel: grpc.Channel, token: str | None, **options: float) -> None:
        super().__init__(channel, token, **options)
        self._stub = SessionServiceStub(channel)

    def create(self, user_id: str, **fields: Any) -> pb.CreateSessionResponse:
        request = pb.CreateSessionRequest(user_id=user_id, **fields)
        return self._stub.CreateSession(request, **self._options)

    def refresh(self, refresh_token: str, **fields: Any) -> pb.RefreshSessionResponse:
        request = pb.RefreshSessionRequest(refresh_token=refresh_token, **fields)
        return self._stub.RefreshSession(request, **self._options)

    def extend(self, session_id: str, **fields: Any) -> pb.ExtendSessionResponse:
        request = pb.ExtendSessionRequest(session_id=session_id, **fields)
        return self._stub.ExtendSession(request, **self._options)

    def validate(self, **fields: Any) -> pb.ValidateSessionResponse:
        return self._stub.ValidateSession(pb.ValidateSessionRequest(**fields), **self._options)

    def validate_many(
        self, requests: list[pb.ValidateSessionRequest]
    ) -> list[pb.ValidateSessionResponse]:
        request = pb.BatchValidateSessionsRequest(requests=requests)
        return list(self._stub.BatchValidateSessions(request, **self._options).results)

    def get(self, session_id: str) -> Any:
        request = pb.GetSessionRequest(session_id=session_id)
        return self._stub.GetSession(request, **self._options).session

    def list(self, user_id: str, **fields: Any) -> pb.ListSessionsResponse:
        request = pb.ListSessionsRequest(user_id=user_id, **fields)
        return self._stub.ListSessions(request, **self._options)

    def update(self, session_id: str, **fields: Any) -> Any:
        request = pb.UpdateSessionRequest(session_id=session_id, **fields)
        return self._stub.UpdateSession(request, **self._options).session

    def revoke(self, **fields: Any) -> pb.RevokeSessionResponse:
        return self._stub.RevokeSession(pb.RevokeSessionRequest(**fields), **self._options)

    def revoke_user(self, user_id: str, **fields: Any) -> tuple[str, ...]:
        return tuple(self.revoke_all(user_id, **fields).session_ids)

    def revoke_all(self, user_id: str, **fields: Any) -> pb.RevokeUserSessionsResponse:
        request = pb.RevokeUserSessionsRequest(user_id=user_id, **fields)
        return self._stub.RevokeUserSessions(request, **self._options)

    def adopt(self, user_id: str, external_id: str, **fields: Any) -> pb.AdoptSessionResponse:
        request = pb.AdoptSessionRequest(user_id=user_id, external_id=external_id, **fields)
        return self._stub.AdoptSession(request, **self._options)

    def signing_keys(self) -> pb.GetSigningKeysResponse:
        return self._stub.GetSigningKeys(pb.GetSigningKeysRequest(), **self._options)


@dataclass(frozen=True)
class Refused:
    """The status of a failed call, with its details."""

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    metadata: dict[str, str]
    fields: tuple[str, ...]
    descriptions: tuple[str, ...]
    retry_s: float | None
    request_id: str
    trailers: str


def refused(call: Callable[..., Any], *arguments: Any, **fields: Any) -> Refused:
    """Make a call that has to fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **fields)
    return refusal(caught.value)


def outcome(call: Callable[..., Any], *arguments: Any, **fields: Any) -> str:
    """OK, or why the call failed: its reason, or its code where it has none."""
    try:
        call(*arguments, **fields)
    except grpc.RpcError as error:
        failed = refusal(error)
        return failed.reason or failed.code.name
    return "OK"


def refusal(error: grpc.RpcError) -> Refused:
    """What the error of a call says."""
    call = cast(grpc.Call, error)
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    status = rpc_status.from_call(call)
    details = status.details if status is not None else ()
    found = {type(m) for d in details for m in (info, bad, retry) if d.Unpack(m)}
    trailers = tuple(call.trailing_metadata() or ())
    ids = [str(value) for key, value in trailers if key == "x-request-id"]
    return Refused(
        code=call.code(),
        message=call.details() or "",
        reason=info.reason,
        domain=info.domain,
        metadata=dict(info.metadata),
        fields=tuple(violation.field for violation in bad.field_violations),
        descriptions=tuple(violation.description for violation in bad.field_violations),
        retry_s=retry.retry_delay.ToTimedelta().total_seconds() if RetryInfo in found else None,
        request_id=ids[0] if ids else "",
        trailers=repr(trailers),
    )
