"""The server of grpcio, with what it needs to be left on its own.

It depends on the inside of the versions that the extra `server` allows, and on no others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from grpc._cython import cygrpc
from grpc.aio import _server as aio_server

from sessiond.rpc.rpc_server import RpcServer


class _Core(cygrpc.AioServer):  # type: ignore[misc]
    """Answers calls of methods that there are not by itself.

    The loop that would be given them reads each path as UTF-8 and ends with the first that is none,
    and nobody could connect any more: one frame of anybody's would be enough.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.over: Final = asyncio.Event()

    async def _server_main_loop(self, started: asyncio.Future[bool]) -> None:
        try:
            await super()._server_main_loop(started)
        finally:
            self.over.set()

    async def _request_call(self) -> NoReturn:
        """Take calls of methods that were not registered, until the server stops."""
        loop, nothing = asyncio.get_running_loop(), cygrpc._MethodResolver([], {})
        answers: set[asyncio.Task[None]] = set()
        while True:
            call = await super()._request_call()
            unimplemented = cygrpc._handle_rpc("", nothing, (), call, loop, False)
            answer = loop.create_task(cygrpc._schedule_rpc_coro(unimplemented, call, loop, ""))
            answers.add(answer)
            answer.add_done_callback(answers.discard)


class _Server(aio_server.Server):
    def __init__(self, options: Sequence[tuple[str, Any]]) -> None:
        self._loop = cygrpc.get_working_loop()
        self._server = _Core(self._loop, None, (), (), tuple(options), None)

    async def until_over(self) -> None:
        """Wait until it takes no more calls, whether or not it was asked to stop."""
        await self._server.over.wait()


def grpcio_server(options: Sequence[tuple[str, Any]]) -> RpcServer:
    """In place of `grpc.aio.server`, on the running loop. Methods have to be registered."""
    return _Server(options)
