"""Both services, answering by script and remembering what they were asked."""

from __future__ import annotations

import socket
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent import futures
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from sessionstore.v1 import admin_service_pb2, admin_service_pb2_grpc, session_service_pb2_grpc
from sessionstore.v1 import session_service_pb2 as pb

METHODS = pb.DESCRIPTOR.services_by_name["SessionService"].methods_by_name
ADMIN_METHODS = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].methods_by_name
_ALL_METHODS = {**METHODS, **ADMIN_METHODS}

Script = Callable[[Any, grpc.ServicerContext], Any]
Answer = Message | Sequence[Message] | Script


@dataclass(frozen=True)
class Received:
    """One attempt of a call, as it arrived."""

    request: Any
    metadata: Mapping[str, str]
    peer: str
    time_remaining: float | None
    certified: AbstractSet[str]
    """The host names in the client's certificate."""


def answered_in_full(batch: pb.BatchValidateSessionsRequest, _: object) -> Any:
    """An empty verdict for each credential."""
    return pb.BatchValidateSessionsResponse(
        results=[pb.ValidateSessionResponse()] * len(batch.requests)
    )


class FakeService:
    """Serves on loopback while entered; each method gives an empty response unless scripted.

    The script of a streamed answer gives the messages; that of a streamed request gets an iterator.
    """

    def __init__(self, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> None:
        self.received: dict[str, list[Received]] = defaultdict(list)
        self._scripts: dict[str, Script] = {"BatchValidateSessions": answered_in_full}
        self._once: dict[str, deque[Script]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)]
        )
        servicer = self._servicer()
        session_service_pb2_grpc.add_SessionServiceServicer_to_server(servicer, self._server)
        admin_service_pb2_grpc.add_AdminServiceServicer_to_server(servicer, self._server)
        address = f"127.0.0.1:{port}"
        if credentials:
            self.port = self._server.add_secure_port(address, credentials)
        else:
            self.port = self._server.add_insecure_port(address)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, method: str, script: Answer) -> None:
        """Answer every call of the method so from now on."""
        self._scripts[method] = _script(script)

    def answer_once(self, method: str, script: Answer) -> None:
        """Answer one call of the method so, after those already lined up."""
        self._once[method].append(_script(script))

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop(None).wait()

    def _servicer(self) -> Any:
        handlers = {name: self._handler(name) for name in _ALL_METHODS}
        return type("FakeServicer", (), handlers)()

    def _handler(self, name: str) -> Callable[..., Any]:
        method: Any = _ALL_METHODS[name]
        response = GetMessageClass(method.output_type)
        empty = [response()] if method.server_streaming else response()

        def handle(_: object, request: Any, context: grpc.ServicerContext) -> Any:
            metadata: Any = context.invocation_metadata()
            names: Any = context.auth_context().get("x509_subject_alternative_name", ())
            received = Received(
                request,
                dict(metadata),
                context.peer(),
                context.time_remaining(),
                {name.decode() for name in names},
            )
            with self._lock:
                self.received[name].append(received)
                script = self._once[name].popleft() if self._once[name] else None
            answer: Any = (script or self._scripts.get(name) or (lambda *_: empty))(
                request, context
            )
            return iter(answer) if method.server_streaming else answer

        return handle


def failing(
    code: grpc.StatusCode,
    reason: str = "",
    *,
    message: str = "no",
    metadata: Mapping[str, str] | None = None,
    details: Sequence[Message] = (),
    domain: str = "sessionstore.v1",
    trailing: Sequence[tuple[str, str | bytes]] = (),
) -> Script:
    """A script that fails as the service does; without a reason, as a proxy does."""
    status = Status(code=code.value[0], message=message)
    info = ErrorInfo(reason=reason, domain=domain, metadata=metadata or {})
    for detail in ([info] if reason else []) + list(details):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)

    def fail(_: Any, context: grpc.ServicerContext) -> None:
        pairs = [("grpc-status-details-bin", status.SerializeToString())] if status.details else []
        context.set_trailing_metadata((*pairs, *trailing))
        context.abort(code, message)

    return fail


def stuck(_: Any, context: grpc.ServicerContext) -> None:
    """Answer only once the caller has given up."""
    gone = threading.Event()
    context.add_callback(gone.set)
    gone.wait(30)
    context.abort(grpc.StatusCode.CANCELLED, "nobody waits")


def cut_off(*answers: Message) -> Script:
    """A script that gives some answers of a stream before the service goes away."""
    unavailable = failing(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")

    def script(request: Any, context: grpc.ServicerContext) -> Iterator[Message]:
        yield from answers
        unavailable(request, context)

    return script


def _script(script: Answer) -> Script:
    return script if callable(script) else lambda *_: script


class FirstConnectionLost:
    """A server whose port cuts the first connection off, and serves from then on."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._port = port
        self._thread = threading.Thread(target=self._cut_then_serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _cut_then_serve(self) -> None:
        self._listener.accept()[0].close()
        self._listener.close()
        self.service = FakeService(self._port)
        self.service.__enter__()

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self.service.__exit__(None, None, None)
