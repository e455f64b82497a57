"""Which caller a client certificate makes, and what stands before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from sessiond.domain.errors import Reason
from sessionstore.v1 import session_service_pb2 as pb
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub
from tests.certificates import Issued
from tests.rpc.calls import Api, outcome, refused
from tests.rpc.certificates import Tls, make_tls
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import Server, eventually

CALLERS = """
[callers.watcher]
roles = ["reader"]
certificates = ["spiffe://example.org/watcher"]
[callers.login]
roles = ["writer"]
certificates = ["dns:login.internal", "https://example.org/login"]
"""


@pytest.fixture
def mtls(tmp_path: Path) -> Tls:
    return make_tls(tmp_path, mutual=True)


@pytest.fixture
def server(serve_with: ServeWith, mtls: Tls, tmp_path: Path) -> Server:
    """Knows two callers, by their certificates."""
    file = tmp_path / "callers.toml"
    file.write_text(CALLERS)
    return serve_with(transport=mtls, callers_file=file, key_reload_interval="20ms")


def holder(server: Server, shown: Issued, token: str | None = None) -> Api:
    """Calls by whoever holds a certificate."""
    assert server.tls
    credentials = grpc.ssl_channel_credentials(server.tls.authority, *shown)
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = grpc.secure_channel(server.app.address, credentials, options)
    server.close_with(channel)
    return Api(channel, token)


def test_a_certificate_makes_the_caller(server: Server, mtls: Tls) -> None:
    """By host name or URI, in any case and among others."""
    issue = mtls.issuer.issue
    for shown in (
        issue("LOGIN.internal"),
        issue("", uris=["https://example.org/login"]),
        issue("other.internal", "127.0.0.1", uris=["x://y", "https://example.org/login"]),
    ):
        caller = holder(server, shown)
        assert outcome(caller.create, "alice") == "OK"
        assert refused(caller.raw, "GetStats", b"").metadata["caller"] == "login"


def test_a_wrong_role_is_permission_denied(server: Server, mtls: Tls) -> None:
    """As with a token; the refusal names caller and role."""
    shown = mtls.issuer.issue("", uris=["spiffe://example.org/watcher"])
    watcher = holder(server, shown)
    assert outcome(watcher.signing_keys) == "OK"
    error = refused(watcher.create, "alice")
    assert (error.code, error.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        Reason.ROLE_REQUIRED,
    )
    assert error.metadata == {"role": "writer", "caller": "watcher"}


def test_a_certificate_of_no_caller_calls_nothing(server: Server, mtls: Tls) -> None:
    """Signed by the authority, of other names; the subject's common name is none."""
    for shown in (
        mtls.issuer.issue("stranger.internal"),
        mtls.issuer.issue("login.internal is only its common name"),
        mtls.issuer.issue("x.login.internal"),
        mtls.issuer.issue("", uris=["https://example.org/login/"]),
        mtls.issuer.issue("", uris=["dns:login.internal"]),
    ):
        error = refused(holder(server, shown).signing_keys)
        assert (error.code, error.reason) == (
            grpc.StatusCode.UNAUTHENTICATED,
            Reason.CREDENTIALS_MISSING,
        )


def test_a_certificate_of_two_callers_is_of_neither(server: Server, mtls: Tls) -> None:
    """It is not for us to choose the stronger."""
    both = mtls.issuer.issue("login.internal", uris=["spiffe://example.org/watcher"])
    error = refused(holder(server, both).signing_keys)
    assert (error.code, error.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        Reason.CREDENTIALS_INVALID,
    )


def test_a_token_stands_before_the_certificate(server: Server, mtls: Tls) -> None:
    """The certificate may be a proxy's: a bad token is not made good by it."""
    shown = mtls.issuer.issue("login.internal")
    assert refused(holder(server, shown, server.mint("watcher")).create, "alice").metadata == {
        "role": "writer",
        "caller": "watcher",
    }
    assert refused(holder(server, shown, "forged").signing_keys).reason == (
        Reason.CREDENTIALS_INVALID
    )
    basic = (("authorization", "Basic YTpi"),)
    nobody = holder(server, shown)
    assert refused(nobody.raw, "GetSigningKeys", b"", metadata=basic).reason == (
        Reason.CREDENTIALS_MISSING
    )


def test_a_name_that_is_removed_is_cut_off(server: Server, mtls: Tls) -> None:
    """On connections that stand, and streams that are open."""
    file = server.settings.effective_callers_file
    watcher = holder(server, mtls.issuer.issue("", uris=["spiffe://example.org/watcher"]))
    watch: Any = SessionServiceStub(watcher.channel).WatchSessions(
        pb.WatchSessionsRequest(), timeout=15
    )
    next(watch)
    file.write_text(CALLERS.replace("watcher", "successor"))
    eventually(lambda: outcome(watcher.signing_keys) == Reason.CREDENTIALS_MISSING)
    list(watch)
    assert outcome(watcher.raw, "WatchSessions", b"") == Reason.CREDENTIALS_MISSING
