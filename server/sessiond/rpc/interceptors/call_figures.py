"""Counts calls, for operators."""

from __future__ import annotations

import time
from typing import Final

import grpc

from sessiond.domain.errors import Reason
from sessiond.domain.timings import Timings
from sessiond.rpc.call import Call, Handler, Method, Reply, Traffic
from sessiond.rpc.errors import CODES

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OK: Final = grpc.StatusCode.OK.name
_CODES: Final = (_OK, grpc.StatusCode.CANCELLED.name, *{code.name: None for code in CODES.values()})
"""All that a call can end with: shown from the first, so that a first error is a rise."""


class MethodFigures:
    """Those of one method, since the start."""

    def __init__(self, method: Method) -> None:
        _, service, name = method.name.split("/")
        self.labels: Final = (method.kind, service, name)
        """Its kind, service and name."""
        self.started = 0
        self.traffic: Final = Traffic()
        self.handled: Final = dict.fromkeys(_CODES, 0)
        """Calls that ended, by the name of their status code."""
        self.seconds: Final = Timings(_SECONDS)
        """How long those took."""

    @property
    def received(self) -> int:
        """Messages."""
        return self.traffic.received

    @property
    def sent(self) -> int:
        """Messages."""
        return self.traffic.sent


class CallFigures:
    """Those of one server."""

    def __init__(self) -> None:
        self.methods: Final[list[MethodFigures]] = []
        self.refusals: Final = {reason.value: 0 for reason in Reason}
        """By error reason."""

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Count each call as it begins and once it is over."""
        figures = MethodFigures(method)
        self.methods.append(figures)
        traffic = figures.traffic
        one_request = method.kind in ("unary", "server_stream")
        one_reply = method.kind in ("unary", "client_stream")

        async def counted(call: Call) -> Reply:
            begun = time.perf_counter()
            figures.started += 1
            traffic.received += one_request
            call.traffic = traffic
            try:
                return await handler(call)
            finally:
                figures.seconds.observe(time.perf_counter() - begun - call.held_s)
                figures.handled[call.code] += 1
                if call.reason:
                    self.refusals[call.reason] += 1
                elif call.code == _OK:
                    traffic.sent += one_reply

        return counted
