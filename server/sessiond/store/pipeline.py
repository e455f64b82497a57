"""Sends all commands of one event-loop tick as one pipeline.

A caller that goes away does not take its command back: the reply is still read, and dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from redis import exceptions as redis_errors
from redis.asyncio import Redis

from sessiond.domain.errors import StoreFullError, StoreUnavailableError
from sessiond.store.loader import Script

_MOST_PER_PIPELINE: Final = 1_000
_RETRY_DELAYS_S: Final = (0.0, 0.05)

# Error replies by which a healthy client learns that the engine cannot serve now.
_NOT_NOW: Final = ("BUSY ", "MISCONF ", "NOREPLICAS ", "UNKILLABLE ")
_NOT_NOW_ERRORS: Final = (
    redis_errors.BusyLoadingError,
    redis_errors.ClusterDownError,
    redis_errors.ReadOnlyError,
    redis_errors.TryAgainError,
)

Argument: TypeAlias = str | int | bytes
_Kinds: TypeAlias = tuple[type[Exception], ...]


class ConnectionLostError(StoreUnavailableError):
    """The connection broke: whether the command took effect is not known, and soon will be."""


@dataclass(slots=True, eq=False)
class _Call:
    command: tuple[Argument, ...]
    script: Script | None
    reply: asyncio.Future[Any]


class TickPipeline:
    """Commands to one node. Not thread-safe: it belongs to one event loop."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[_Call] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def run(
        self, script: Script, base: str, arguments: Sequence[Argument], *, idempotent: bool
    ) -> Any:
        """Run a script on one partition and return its raw reply.

        Raises:
            StoreUnavailableError: no answer, or the engine cannot serve now. A script that is not
                idempotent may have run.
            StoreFullError: the engine is at maxmemory and refused the script whole.
        """
        command = ("EVALSHA", script.sha, 1, base, *arguments)
        if idempotent:
            for delay in _RETRY_DELAYS_S:
                try:
                    return await self._submit(command, script)
                except ConnectionLostError:
                    await asyncio.sleep(delay)
        return await self._submit(command, script)

    async def command(self, *command: Argument) -> Any:
        """Run one plain command; raises like `run`, and ResponseError where it is refused."""
        return await self._submit(command, None)

    async def close(self) -> None:
        """Wait for what was sent, then disconnect."""
        while self._sending:
            await asyncio.wait(self._sending)
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    def _submit(self, command: tuple[Argument, ...], script: Script | None) -> asyncio.Future[Any]:
        # Encoded here, so that text which has no UTF-8 fails its own call and not the whole tick.
        encoded = tuple(a.encode() if isinstance(a, str) else a for a in command)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._flush)
        reply: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(_Call(encoded, script, reply))
        return reply

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), _MOST_PER_PIPELINE):
            calls = waiting[start : start + _MOST_PER_PIPELINE]
            task = asyncio.get_running_loop().create_task(self._send(calls))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, calls: list[_Call]) -> None:
        try:
            missing = await self._exchange(calls)
            if missing:
                scripts = {call.script.sha: call.script for call in missing if call.script}
                for script in scripts.values():
                    await self._redis.script_load(script.source)
                for call in await self._exchange(missing):
                    _resolve(call, StoreUnavailableError("the engine forgets scripts"))
        except Exception as error:  # noqa: BLE001  every waiter must learn of it, whatever it was
            for call in calls:
                _resolve(call, error)

    async def _exchange(self, calls: list[_Call]) -> list[_Call]:
        """Send the calls, resolve them, and return those whose script the engine did not know."""
        pipe = self._redis.pipeline(transaction=False)
        for call in calls:
            pipe.execute_command(*call.command)
        replies = await pipe.execute(raise_on_error=False)
        missing: list[_Call] = []
        for call, reply in zip(calls, replies, strict=True):
            if isinstance(reply, redis_errors.NoScriptError) and call.script:
                missing.append(call)
            else:
                _resolve(call, reply)
        return missing


def _resolve(call: _Call, reply: Any) -> None:
    if call.reply.done():
        return
    if isinstance(reply, Exception):
        error = _translated(reply, plain=call.script is None)
        if error is not reply:
            error.__cause__ = reply
        call.reply.set_exception(error)
    else:
        call.reply.set_result(reply)


def _translated(error: Exception, *, plain: bool) -> Exception:
    if isinstance(error, redis_errors.NoPermissionError) and plain:
        return error  # who asks by a plain command can do without the answer
    for kinds, prefixes, make in _TRANSLATIONS:
        if isinstance(error, kinds) or (prefixes and str(error).startswith(prefixes)):
            return make()
    # A hung engine is not asked again: its callers learn of it, and it gets no further load.
    hung = isinstance(error, redis_errors.TimeoutError | TimeoutError)
    if hung or isinstance(error.__cause__, TimeoutError):
        return StoreUnavailableError("the store does not answer")
    if isinstance(error, redis_errors.ConnectionError | OSError):
        return ConnectionLostError("the connection to the store broke")
    return error


_TRANSLATIONS: Final[tuple[tuple[_Kinds, tuple[str, ...], Callable[[], Exception]], ...]] = (
    (
        (redis_errors.OutOfMemoryError,),
        ("OOM ",),
        lambda: StoreFullError("the store is at its memory limit"),
    ),
    (
        (redis_errors.AuthenticationError, redis_errors.NoPermissionError),
        (),
        lambda: StoreUnavailableError("the store refuses this server's credentials"),
    ),
    (
        _NOT_NOW_ERRORS,
        _NOT_NOW,
        lambda: StoreUnavailableError("the store cannot serve now"),
    ),
)
