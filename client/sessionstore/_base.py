"""What the clients of all services have in common: how they are made and closed."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from sessionstore._aio_transport import AioTransport
from sessionstore._channel import DEFAULT_TIMEOUT_S, connector
from sessionstore._endpoint import TLS
from sessionstore._token import TokenSource
from sessionstore._transport import Transport

T = TypeVar("T", Transport, AioTransport)


class _Client(Generic[T]):
    _stub: ClassVar[Callable[..., Any]]
    _transport_kind: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | TokenSource | None = None,
        token_file: str | PathLike[str] | None = None,
        tls: bool | TLS | None = None,
        plaintext: bool = False,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self._transport: T = self._transport_kind(
            connector(
                address,
                token=token,
                token_file=token_file,
                tls=tls,
                plaintext=plaintext,
                timeout=timeout,
            ),
            self._stub,
        )


class BaseClient(_Client[Transport]):
    """A client for threads. `SessionClient` documents the arguments."""

    _transport_kind = Transport

    def close(self) -> None:
        """Close the connection of this process. Calls in flight fail with RuntimeError."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncBaseClient(_Client[AioTransport]):
    """A client for asyncio. `SessionClient` documents the arguments."""

    _transport_kind = AioTransport

    async def close(self) -> None:
        """Close the connection. Calls in flight are cancelled."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
