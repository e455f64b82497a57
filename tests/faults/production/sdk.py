"""Backends that call through the SDK: its channels, its retries, its certificates."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self
from unittest import mock

import grpc

from sessionstore import TLS, _channel
from sessionstore._aio_transport import AioTransport
from sessionstore._call import Call
from sessionstore.errors import SessionStoreError
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub
from tests.faults.backend import Backend, new_request_id

_CONFIG: Final = "grpc.service_config"


POLICIES: Final = ("round_robin", "pick_first")
"""By which gRPC spreads calls over servers; the second is its default, and the SDK's."""


class SdkBackend(Backend):
    """As `Backend`, with clients of the SDK: of each policy one for each server, tried first."""

    def __init__(
        self, addresses: list[str], *, token: str | None, tls: TLS | None, deadline_s: float
    ) -> None:
        self.calls = 0
        self.deadline_s = deadline_s
        self._metadata = ()
        turned = [addresses[number:] + addresses[:number] for number in range(len(addresses))]
        self._clients = {
            policy: [_client(each, token, tls, deadline_s) for each in turned]
            for policy in POLICIES
        }
        stubs: list[Any] = [_Stub(client) for client in self._all_clients()]
        self._stubs = itertools.cycle(stubs)

    async def __aenter__(self) -> Self:
        for policy, clients in self._clients.items():
            with _balancing(policy):
                for client in clients:
                    client._stub()  # makes its channel
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for client in self._all_clients():
            await client.close()

    def _all_clients(self) -> Iterator[AioTransport]:
        return itertools.chain.from_iterable(self._clients.values())

    def request_id(self) -> str:
        """Its own: the SDK names every request."""
        return new_request_id()


class _Stub:
    """The methods of a stub, each sent as the SDK sends it, and answered as gRPC answers it."""

    def __init__(self, client: AioTransport) -> None:
        self._client = client

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        return functools.partial(self._send, method)

    async def _send(self, method: str, request: Any, *, timeout: float, **_: Any) -> Any:  # noqa: ASYNC109
        try:
            return await self._client.send(Call(method, request, _as_it_is), timeout)
        except SessionStoreError as error:
            if isinstance(error.__cause__, grpc.aio.AioRpcError):
                raise error.__cause__ from None
            raise


def _as_it_is(reply: Any) -> Any:
    return reply


def _client(
    addresses: list[str], token: str | None, tls: TLS | None, deadline_s: float
) -> AioTransport:
    connector = _channel.connector(
        "ipv4:" + ",".join(addresses),
        token=token,
        token_file=None,
        tls=tls,
        plaintext=False,
        timeout=deadline_s,
    )
    return AioTransport(connector, SessionServiceStub)


@contextmanager
def _balancing(policy: str) -> Iterator[None]:
    """Channels that the SDK makes meanwhile spread their calls by a policy."""
    options = dict(_channel._OPTIONS)
    configured = json.loads(str(options[_CONFIG])) | {"loadBalancingConfig": [{policy: {}}]}
    options[_CONFIG] = json.dumps(configured)
    with mock.patch.object(_channel, "_OPTIONS", tuple(options.items())):
        yield
