"""Methods of all four kinds behind the interceptors, sync and aio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from sessionstore import (
    AsyncLocalVerifier,
    CreatedSession,
    LocalVerifier,
    SessionClient,
    SessionEnded,
)
from sessionstore.integrations.grpc import (
    ERROR_DOMAIN,
    AsyncSessionInterceptor,
    SessionInterceptor,
)
from sessionstore.testing import SessionServer
from tests.integrations import greeters
from tests.integrations.greeters import KINDS, OPEN, call
from tests.integrations.sites import Kind
from tests.integrations.standins import failing_verifier

Serve = Callable[[Any], Any]


@pytest.fixture(params=[False, True], ids=["sync", "aio"])
def flavour(request: pytest.FixtureRequest) -> Kind:
    """Whether server and verifier are for asyncio."""
    return Kind("grpc", request.param, lambda *_: None)  # type: ignore[arg-type]


@pytest.fixture
async def serve(flavour: Kind) -> AsyncIterator[Serve]:
    """Serve the greeter with a verifier; its address."""
    async with AsyncExitStack() as stack:

        async def served(verifier: Any) -> str:
            server: Any
            if flavour.is_async:
                guard = AsyncSessionInterceptor(verifier, open_methods=[OPEN])
                server = grpc.aio.server(interceptors=[guard])
                server.add_generic_rpc_handlers(greeters.handlers(greeters.AIO))
                port = server.add_insecure_port("127.0.0.1:0")
                await server.start()
                stack.push_async_callback(server.stop, None)
            else:
                pool = stack.enter_context(ThreadPoolExecutor(4))
                sync_guard = SessionInterceptor(verifier, open_methods=[OPEN])
                server = grpc.server(pool, interceptors=[sync_guard])
                server.add_generic_rpc_handlers(greeters.handlers(greeters.SYNC))
                port = server.add_insecure_port("127.0.0.1:0")
                server.start()
                stack.callback(lambda: server.stop(None).wait())
            return f"127.0.0.1:{port}"

        yield served


@pytest.fixture
async def address(flavour: Kind, serve: Serve, server: SessionServer) -> AsyncIterator[str]:
    """Where the greeter serves with a verifier that is ready."""
    async with AsyncExitStack() as stack:
        verifier: Any
        if flavour.is_async:
            aio_client = await stack.enter_async_context(server.async_client())
            aio = AsyncLocalVerifier(aio_client, audience="sessionstore")
            verifier = await stack.enter_async_context(aio)
            assert await verifier.wait_ready(10)
        else:
            client = stack.enter_context(server.client())
            sync = LocalVerifier(client, audience="sessionstore")
            verifier = stack.enter_context(sync)
            assert verifier.wait_ready(10)
        yield await serve(verifier)


async def refused(address: str, method: str, *tokens: str) -> tuple[str, ErrorInfo, Status]:
    """Code, reason and status of a call that must fail."""
    with pytest.raises(grpc.RpcError) as failed:
        await call(address, method, *tokens)
    trailing: Any = failed.value.trailing_metadata()
    status = Status.FromString(dict(iter(trailing))["grpc-status-details-bin"])
    assert status.code == failed.value.code().value[0]
    assert status.message == failed.value.details()
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == ERROR_DOMAIN
    return failed.value.code().name, info, status


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handler_knows_whose_call_it_serves(
    address: str, login: CreatedSession, kind: str
) -> None:
    """Also between the parts of what it streams."""
    expected = ["alice"] * (2 if kind.endswith("stream") else 1)
    assert await call(address, kind, login.tokens.access_token) == expected


@pytest.mark.parametrize("kind", KINDS)
async def test_without_a_good_token_no_handler_is_reached(address: str, kind: str) -> None:
    """UNAUTHENTICATED, with the reason."""
    code, info, _ = await refused(address, kind)
    assert (code, info.reason) == ("UNAUTHENTICATED", "TOKEN_MISSING")
    code, info, _ = await refused(address, kind, "x")
    assert (code, info.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")


async def test_two_tokens_are_none(address: str, login: CreatedSession) -> None:
    """Nobody can say which one was meant."""
    token = login.tokens.access_token
    _, info, _ = await refused(address, "unary_unary", token, token)
    assert info.reason == "TOKEN_INVALID"


async def test_an_ended_session_is_refused_and_says_why(flavour: Kind, serve: Serve) -> None:
    """In the metadata of the ErrorInfo."""
    details = Status()
    details.details.add().Pack(
        ErrorInfo(
            reason="SESSION_ENDED", domain="sessionstore.v1", metadata={"end_reason": "LOGOUT"}
        )
    )
    code = grpc.StatusCode.FAILED_PRECONDITION
    ended = SessionEnded(code, "canary", details.SerializeToString())
    address = await serve(failing_verifier(flavour, ended))
    name, info, status = await refused(address, "unary_unary", "x")
    assert (name, info.reason) == ("UNAUTHENTICATED", "SESSION_ENDED")
    assert dict(info.metadata) == {"end_reason": "LOGOUT"}
    assert "canary" not in str(status)


@pytest.mark.parametrize("kind", KINDS)
async def test_where_nobody_can_tell_the_call_is_to_be_retried(
    flavour: Kind, serve: Serve, kind: str
) -> None:
    """UNAVAILABLE, which clients retry, and when to."""
    address = await serve(failing_verifier(flavour))
    code, info, status = await refused(address, kind, "x")
    assert (code, info.reason) == ("UNAVAILABLE", "UNAVAILABLE")
    retry = RetryInfo()
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.seconds == 1


async def test_open_methods_are_open(address: str, login: CreatedSession) -> None:
    """To strangers, and whatever token comes along: nobody has verified it."""
    for tokens in ([], ["x"], [login.tokens.access_token]):
        assert await call(address, "open", *tokens) == ["nobody"]


async def test_no_session_is_left_for_the_next_call(
    address: str, login: CreatedSession, sessions: SessionClient
) -> None:
    """The pool has fewer threads than calls were made."""
    bob = sessions.create("bob")
    for _ in range(10):
        assert await call(address, "unary_unary", login.tokens.access_token) == ["alice"]
        assert await call(address, "open") == ["nobody"]
        assert await call(address, "unary_unary", bob.tokens.access_token) == ["bob"]
