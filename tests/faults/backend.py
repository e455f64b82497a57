"""A backend that calls a server over several connections, and counts its calls."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeAlias, TypeVar

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub

if TYPE_CHECKING:
    from sessionstore.v1.session_service_pb2_grpc import SessionServiceAsyncStub

Created: TypeAlias = pb.CreateSessionResponse
Refreshed: TypeAlias = pb.RefreshSessionResponse
Outcome: TypeAlias = pb.RefreshSessionResponse.Outcome
Session: TypeAlias = session_pb2.Session

ACTIVE: Final = session_pb2.Session.STATE_ACTIVE
ENDED: Final = session_pb2.Session.STATE_ENDED

DEADLINE_S: Final = 15.0
_PAGE: Final = 200
_ATTEMPTS: Final = 10
_FIRST_PAUSE_S: Final = 0.005
_UNANSWERED: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_DETAILS: Final = "grpc-status-details-bin"
_OPTIONS: Final = (
    # Channels of one address share a connection unless told otherwise.
    ("grpc.use_local_subchannel_pool", 1),
    # Only the test retries.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
    # Of several addresses (ipv4:HOST:PORT,HOST:PORT) each gets its share.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
)

_Request = TypeVar("_Request")
_Reply = TypeVar("_Reply")
_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


@dataclass(frozen=True)
class Refused:
    """How a call failed: its code, and the reason of its ErrorInfo if the server sent one."""

    code: str
    reason: str = ""


class Backend:
    """Calls in turn over each of its channels, each with the same deadline in seconds."""

    def __init__(
        self,
        address: str,
        token: str,
        *,
        channels: int = 4,
        deadline_s: float = DEADLINE_S,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.calls = 0
        self.deadline_s = deadline_s
        self._metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {token}"),)
        self._channels = [open_channel(address, credentials) for _ in range(channels)]
        stubs: list[SessionServiceAsyncStub] = [SessionServiceStub(c) for c in self._channels]
        self._stubs = itertools.cycle(stubs)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await asyncio.gather(*(channel.close(None) for channel in self._channels))

    def request_id(self) -> str:
        """What names a request to which its user gives no id: nothing does."""
        return ""

    async def create(self, user: str, request_id: str = "", **more: Any) -> Created:
        request = pb.CreateSessionRequest(user_id=user, request_id=request_id, **more)
        return await self._send(next(self._stubs).CreateSession, request)

    async def refresh(self, token: str, request_id: str = "") -> Refreshed:
        request = pb.RefreshSessionRequest(refresh_token=token, request_id=request_id)
        return await self._send(next(self._stubs).RefreshSession, request)

    async def extend(self, session_id: str) -> pb.ExtendSessionResponse:
        request = pb.ExtendSessionRequest(session_id=session_id)
        return await self._send(next(self._stubs).ExtendSession, request)

    async def validate(self, **credential: str) -> str:
        """The verdict, such as ACTIVE."""
        reply = await self.validation(**credential)
        return pb.Verdict.Name(reply.verdict).removeprefix("VERDICT_")

    async def validation(self, **credential: str) -> pb.ValidateSessionResponse:
        """The verdict, and the session if it is live."""
        request = pb.ValidateSessionRequest(**credential)
        return await self._send(next(self._stubs).ValidateSession, request)

    async def validations(
        self, credentials: Iterable[Mapping[str, str]]
    ) -> pb.BatchValidateSessionsResponse:
        """A verdict on each, in order."""
        requests = [pb.ValidateSessionRequest(**credential) for credential in credentials]
        request = pb.BatchValidateSessionsRequest(requests=requests)
        return await self._send(next(self._stubs).BatchValidateSessions, request)

    async def get(self, session_id: str) -> Session:
        request = pb.GetSessionRequest(session_id=session_id)
        return (await self._send(next(self._stubs).GetSession, request)).session

    async def sessions(
        self, user: str, states: Sequence[session_pb2.Session.State.ValueType] = ()
    ) -> list[Session]:
        """The user's sessions in these states, or all; of one page, so that it is one moment."""
        request = pb.ListSessionsRequest(user_id=user, states=states, page_size=_PAGE)
        reply = await self._send(next(self._stubs).ListSessions, request)
        assert not reply.next_page_token, "more sessions than a page"
        return list(reply.sessions)

    async def update(self, session_id: str, attributes: Mapping[str, str]) -> Session:
        request = pb.UpdateSessionRequest(session_id=session_id, attributes=attributes)
        return (await self._send(next(self._stubs).UpdateSession, request)).session

    async def revoke(self, reason: str = "LOGOUT", **credential: str) -> Session:
        value = session_pb2.EndReason.Value(f"END_REASON_{reason}")
        request = pb.RevokeSessionRequest(reason=value, **credential)
        return (await self._send(next(self._stubs).RevokeSession, request)).session

    async def revoke_all(
        self, user: str, request_id: str = "", except_session_id: str = ""
    ) -> list[str]:
        """The ids of the sessions that ended."""
        request = pb.RevokeUserSessionsRequest(
            user_id=user, request_id=request_id, except_session_id=except_session_id
        )
        reply = await self._send(next(self._stubs).RevokeUserSessions, request)
        return list(reply.session_ids)

    async def _send(
        self, method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Reply], request: _Request
    ) -> _Reply:
        self.calls += 1
        return await method(
            request, metadata=self._metadata, timeout=self.deadline_s, wait_for_ready=True
        )


def open_channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    """One of its own, that repeats nothing; in plaintext without credentials."""
    # Of several addresses gRPC would name all, and look for them all in one certificate.
    host = address.removeprefix("ipv4:").partition(":")[0]
    options = (*_OPTIONS, ("grpc.default_authority", host))
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)


async def attempt(call: Awaitable[_Result]) -> _Result | Refused:
    """The reply, or how the call failed."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        metadata: Any = error.trailing_metadata()
        for key, value in metadata or ():
            if key == _DETAILS and isinstance(value, bytes):
                info = ErrorInfo()
                for detail in Status.FromString(value).details:
                    if detail.Unpack(info):
                        return Refused(error.code().name, info.reason)
        return Refused(error.code().name)


async def answered(
    call: Callable[_Arguments, Awaitable[_Result]],
    *arguments: _Arguments.args,
    **options: _Arguments.kwargs,
) -> _Result:
    """The reply of a call that is tried again, after a pause, for as long as nothing answers."""
    failures = []
    for attempt_number in range(_ATTEMPTS):
        try:
            return await call(*arguments, **options)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _UNANSWERED:
                raise
            failures.append(f"{error.code().name}: {error.details()}")
        # For a while after its end gRPC hands calls to a connection that is no more.
        await asyncio.sleep(_FIRST_PAUSE_S * 2**attempt_number)
    raise AssertionError(f"no answer in {_ATTEMPTS} attempts: {failures}")


def new_user() -> str:
    """A user of no earlier round."""
    return f"user-{uuid.uuid4().hex[:12]}"


def new_request_id() -> str:
    return uuid.uuid4().hex


def end_reason(session: Session) -> str:
    """Such as LOGOUT."""
    return session_pb2.EndReason.Name(session.end_reason).removeprefix("END_REASON_")


def ids_of(sessions: Iterable[Session]) -> list[str]:
    return [session.session_id for session in sessions]
