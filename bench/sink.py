"""A collector of traces that takes all of them and looks at none, as a process of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Final

import grpc

from companion import Companion

_SERVICE: Final = "opentelemetry.proto.collector.trace.v1.TraceService"


class Sink(Companion):
    """It lasts as long as the context."""

    def __init__(self) -> None:
        super().__init__(_run)

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.ask('port')}"

    def batches(self) -> int:
        """How many requests with spans have come."""
        number: int = self.ask("batches")
        return number


def _run(parent: Connection) -> None:
    batches = 0

    def export(_: bytes, __: Any) -> bytes:
        nonlocal batches
        batches += 1
        return b""  # an ExportTraceServiceResponse that has nothing to say

    server = grpc.server(ThreadPoolExecutor(1))
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    answers = {"port": server.add_insecure_port("127.0.0.1:0")}
    server.start()
    try:
        while True:
            parent.send({**answers, "batches": batches}[parent.recv()])
    except EOFError:
        server.stop(None)
