"""The ops port of a server with workers. Each has its own, on a Unix socket; this one asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path

import h11
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from sessiond.ops.asking import ask
from sessiond.ops.http import Answer, HttpServer, plain
from sessiond.ops.listening import UNIX
from sessiond.ops.metrics import catalogue
from sessiond.ops.metrics.merging import merged
from sessiond.ops.port import HEALTHZ, JWKS, METRICS, READYZ


class OpsPort:
    """Answers what the ops port of a process that serves alone does."""

    def __init__(
        self, folder: Path, serving: Callable[[], Sequence[int]], restarts: Callable[[], int]
    ) -> None:
        """Set who is asked.

        Args:
            folder: where workers have their sockets.
            serving: gives the numbers of the workers that answer calls.
            restarts: how often one was started in place of another that died.
        """
        self._folder = folder
        self._serving = serving
        self._restarts = restarts
        self._server = HttpServer(
            {HEALTHZ: self._healthz, READYZ: self._readyz, METRICS: self._metrics, JWKS: self._jwks}
        )

    def address_of(self, number: int) -> str:
        """Where a worker has its own ops port."""
        return f"{UNIX}{self._folder / str(number)}"

    async def start(self, listen: str) -> str:
        """Answer; see `HttpServer.start`."""
        return await self._server.start(listen)

    async def stop(self) -> None:
        """Answer no more."""
        await self._server.stop()

    async def _healthz(self) -> Answer:
        return plain(HTTPStatus.OK, text="ok")

    async def _readyz(self) -> Answer:
        """Ready if any worker is: callers are served."""
        return await self._any_of(READYZ) or plain(HTTPStatus.SERVICE_UNAVAILABLE, text="not ready")

    async def _jwks(self) -> Answer:
        """Those of any worker: all read the same key ring."""
        return await self._any_of(JWKS) or plain(HTTPStatus.SERVICE_UNAVAILABLE)

    async def _metrics(self) -> Answer:
        answers = await self._ask_all(METRICS)
        texts = {n: answer.body for n, answer in answers.items() if answer.status == HTTPStatus.OK}
        own = (
            catalogue.WORKERS.of(len(texts)),
            catalogue.WORKER_RESTARTS.of(self._restarts()),
        )
        return Answer(merged(own, texts), CONTENT_TYPE_PLAIN_0_0_4)

    async def _any_of(self, path: str) -> Answer | None:
        """The first good answer: a worker that hangs holds up nobody's probe."""
        asked = [asyncio.create_task(self._ask(number, path)) for number in self._serving()]
        try:
            for each in asyncio.as_completed(asked):
                answer = await each
                if answer and answer.status == HTTPStatus.OK:
                    return answer
            return None
        finally:
            for task in asked:
                task.cancel()

    async def _ask_all(self, path: str) -> dict[int, Answer]:
        """What the workers answer, by their numbers; one that does not is not there."""
        numbers = self._serving()
        answers = await asyncio.gather(*(self._ask(number, path) for number in numbers))
        return {n: answer for n, answer in zip(numbers, answers, strict=True) if answer}

    async def _ask(self, number: int, path: str) -> Answer | None:
        try:
            return await ask(self.address_of(number), path)
        except (OSError, h11.RemoteProtocolError):
            return None
