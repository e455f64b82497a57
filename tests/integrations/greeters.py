"""A gRPC service with a method of each kind that says whose session it is called in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from sessionstore.integrations.grpc import current_session

SERVICE: Final = "test.Greeter"
KINDS: Final = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
OPEN: Final = f"/{SERVICE}/open"


def _user() -> StringValue:
    return StringValue(value=current_session().user_id)


def _unary(_: Any, __: Any) -> StringValue:
    return _user()


def _stream(_: Any, __: Any) -> Iterator[StringValue]:
    yield _user()
    yield _user()


async def _unary_aio(_: Any, __: Any) -> StringValue:
    return _user()


async def _stream_aio(_: Any, __: Any) -> AsyncIterator[StringValue]:
    yield _user()
    yield _user()


async def _written_aio(_: Any, context: Any) -> None:
    for _ in range(2):
        await context.write(_user())


def _nobody(_: Any, __: Any) -> StringValue:
    try:
        return _user()
    except RuntimeError:
        return StringValue(value="nobody")


async def _nobody_aio(request: Any, context: Any) -> StringValue:
    return _nobody(request, context)


SYNC: Final[dict[str, Callable[..., Any]]] = {
    "unary_unary": _unary,
    "unary_stream": _stream,
    "stream_unary": _unary,
    "stream_stream": _stream,
    "open": _nobody,
}
AIO: Final[dict[str, Callable[..., Any]]] = {
    "unary_unary": _unary_aio,
    "unary_stream": _written_aio,
    "stream_unary": _unary_aio,
    "stream_stream": _stream_aio,
    "open": _nobody_aio,
}


def handlers(behaviours: dict[str, Callable[..., Any]]) -> tuple[Any, ...]:
    """What generated code would add to a server."""
    methods = {
        name: getattr(grpc, f"{_kind(name)}_rpc_method_handler")(
            behaviour, StringValue.FromString, StringValue.SerializeToString
        )
        for name, behaviour in behaviours.items()
    }
    return (grpc.method_handlers_generic_handler(SERVICE, methods),)


async def call(address: str, method: str, *tokens: str) -> list[str]:
    """What a method answers, in parts; with an authorization for each token."""
    return await asyncio.to_thread(_call, address, method, tokens)


def _call(address: str, method: str, tokens: Sequence[str]) -> list[str]:
    # A grpc.aio client takes a refusal that comes while it still sends for a fault of its own.
    kind = _kind(method)
    metadata = [("authorization", f"Bearer {token}") for token in tokens]
    with grpc.insecure_channel(address) as channel:
        send = getattr(channel, kind)(
            f"/{SERVICE}/{method}", StringValue.SerializeToString, StringValue.FromString
        )
        request = iter([StringValue()]) if kind.startswith("stream") else StringValue()
        answer = send(request, metadata=metadata, timeout=10)
        parts = answer if kind.endswith("stream") else [answer]
        return [part.value for part in parts]


def _kind(method: str) -> str:
    return method if method in KINDS else "unary_unary"
