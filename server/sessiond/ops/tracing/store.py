"""A span for whatever a call asks of the engine (OpenTelemetry's conventions for Redis)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Final, TypeVar

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from sessiond.store.link import Argument, Link
from sessiond.store.loader import Script
from sessiond.store.runner import ScriptRunner

_SCRIPT: Final = "EVALSHA"
_T = TypeVar("_T")


class TracedRunner(ScriptRunner):
    """A runner whose work is seen in the traces of calls that are recorded, and only there."""

    def __init__(self, link: Link, tracer: Tracer) -> None:
        super().__init__(link)
        self._tracer = tracer

    async def run(
        self, script: Script, base: str, arguments: Sequence[Argument], *, idempotent: bool
    ) -> Any:
        """See `ScriptRunner.run`; one span for all attempts."""
        work = super().run(script, base, arguments, idempotent=idempotent)
        return await self._seen(_SCRIPT, work, script)

    async def run_many(
        self, script: Script, calls: Sequence[tuple[str, Sequence[Argument]]]
    ) -> list[Any]:
        """See `ScriptRunner.run_many`; one span for them all."""
        work = super().run_many(script, calls)
        return await self._seen(_SCRIPT, work, script, **{"db.operation.batch.size": len(calls)})

    async def command(self, *command: Argument) -> Any:
        """See `ScriptRunner.command`."""
        return await self._seen(str(command[0]), super().command(*command))

    async def read(self, *command: Argument) -> Any:
        """See `ScriptRunner.read`."""
        return await self._seen(str(command[0]), super().read(*command))

    async def _seen(
        self,
        operation: str,
        work: Awaitable[_T],
        script: Script | None = None,
        **attributes: AttributeValue,
    ) -> _T:
        if not trace.get_current_span().is_recording():
            return await work
        name = operation
        if script:
            name = f"{operation} {script.name}"
            attributes["db.stored_procedure.name"] = script.name
        span = self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": "redis", "db.operation.name": operation, **attributes},
        )
        try:
            return await work
        except BaseException as error:
            # The type alone: what an engine says may quote what it was sent.
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.end()
