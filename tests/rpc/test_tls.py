"""Who gets a connection over TLS, by which certificates, and what happens when these change."""

from __future__ import annotations

import ssl
from collections.abc import Generator
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.certificates import CALLING, SERVING, Authority, Issued
from tests.rpc.calls import Api, outcome, refused
from tests.rpc.certificates import Tls, make_tls, replace, spiffe_id
from tests.rpc.conftest import ServeWith
from tests.rpc.handshakes import handshake
from tests.rpc.logs import Log, captured
from tests.rpc.serving import Server, eventually
from tests.rpc.watching import Watch

FIRST_S = 5.0
"""Enough for a handshake on a busy machine; a refused one is tried again for as long."""
TLS_1_1 = ssl.TLSVersion.TLSv1_1
READER = [spiffe_id("reader")]


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return make_tls(tmp_path)


@pytest.fixture
def mtls(tmp_path: Path) -> Tls:
    return make_tls(tmp_path, mutual=True)


@pytest.fixture
def served(serve_with: ServeWith, tls: Tls) -> Server:
    """Asks for no certificates."""
    return serve_with(transport=tls, key_reload_interval="20ms")


@pytest.fixture
def mutual(serve_with: ServeWith, mtls: Tls) -> Server:
    """Asks for certificates."""
    return serve_with(transport=mtls, key_reload_interval="20ms")


def connected(server: Server, trusted: bytes, shown: Issued | None = None) -> Generator[Api]:
    """Calls without a token over a connection of their own."""
    credentials = grpc.ssl_channel_credentials(trusted, *(shown or ()))
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(server.app.address, credentials, options) as channel:
        yield Api(channel, None, timeout_s=FIRST_S)


def answer(server: Server, shown: Issued | None) -> str:
    """How a call ends that shows a certificate on a connection of its own."""
    assert server.tls
    with closing(connected(server, server.tls.authority, shown)) as calls:
        return outcome(next(calls).signing_keys)


def certificate_of(server: Server) -> bytes:
    """What a new connection is shown."""
    return handshake(server.app.address)[1]


def logged(log: Log, words: str) -> bool:
    return words in log.getvalue()


def calls_in(log: Log, begin: int) -> list[str]:
    """The lines of calls, from a line on."""
    return [line for line in log.lines[begin:] if '"event":"call"' in line]


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def test_a_plaintext_client_is_refused_at_a_tls_port(served: Server) -> None:
    """UNAVAILABLE, and the token that it has sent is answered by nothing; others are served."""
    with grpc.insecure_channel(served.app.address) as channel:
        error = refused(Api(channel, served.mint("admin"), timeout_s=FIRST_S).signing_keys)
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "")
    assert outcome(served.api().signing_keys) == "OK"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1, TLS_1_1])
def test_tls_before_1_2_is_refused(served: Server, newest: ssl.TLSVersion) -> None:
    """RFC 8996: the handshake ends without an agreement."""
    with pytest.raises(OSError, match=r"EOF|ALERT|reset"):
        handshake(served.app.address, newest)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_from_1_2_on_is_spoken(served: Server, newest: ssl.TLSVersion) -> None:
    """The same client that knows one version more gets it."""
    assert (
        handshake(served.app.address, newest)[0]
        == {
            ssl.TLSVersion.TLSv1_2: "TLSv1.2",
            ssl.TLSVersion.TLSv1_3: "TLSv1.3",
        }[newest]
    )


def _suites_of_tls_1_2() -> list[str]:
    """All that this machine's OpenSSL knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return [each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"]


def test_suites_without_forward_secrecy_are_refused(served: Server, tls: Tls) -> None:
    """Of all that TLS 1.2 has, ECDHE with AES-GCM alone; also where the certificate is of RSA."""

    def agreed() -> set[str]:
        found = set()
        for suite in _suites_of_tls_1_2():
            with suppress(OSError):
                handshake(served.app.address, ssl.TLSVersion.TLSv1_2, suites=suite)
                found.add(suite)
        return found

    assert agreed() == {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"}
    of_rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    issued = tls.issuer.issue("localhost", "127.0.0.1", key=of_rsa)
    replace(tls.key, issued.key)
    replace(tls.certificate, issued.certificate)
    eventually(lambda: certificate_of(served) == der(tls.certificate))
    assert agreed() == {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"}


def test_a_client_that_does_not_know_the_authority_sends_nothing(served: Server, log: Log) -> None:
    """UNAVAILABLE at the client, and no call in the server's log until another is made."""
    before = len(log.lines)
    with closing(connected(served, Authority().certificate_pem)) as calls:
        assert outcome(next(calls).signing_keys) == "UNAVAILABLE"
    assert outcome(served.api().signing_keys) == "OK"
    eventually(lambda: calls_in(log, before))
    assert len(calls_in(log, before)) == 1


def test_a_client_must_show_a_certificate_of_the_authority(mutual: Server, mtls: Tls) -> None:
    """UNAVAILABLE without one, and with one that is another's, has expired or is for servers."""
    issue = mtls.issuer.issue
    assert answer(mutual, issue("", uris=READER)) == "OK"
    assert answer(mutual, issue("", uris=READER, purpose=CALLING)) == "OK"
    for shown in (
        None,
        Authority().issue("", uris=READER),
        issue("", uris=READER, lives=timedelta(seconds=-1)),
        issue("", uris=READER, purpose=SERVING),
    ):
        assert answer(mutual, shown) == "UNAVAILABLE"
    assert answer(mutual, issue("", uris=READER)) == "OK"


def test_a_certificate_counts_for_nothing_where_none_is_asked_for(served: Server, tls: Tls) -> None:
    """The client has one, the server does not ask: there is no caller."""
    assert answer(served, tls.issuer.issue("", uris=READER)) == "CREDENTIALS_MISSING"


def test_a_new_certificate_is_shown_to_new_connections(served: Server, tls: Tls) -> None:
    """Without a restart; a connection that stands goes on."""
    standing = served.api()
    assert outcome(standing.signing_keys) == "OK"
    assert certificate_of(served) == der(tls.certificate)
    for _ in range(3):
        tls.renew(Authority())
        eventually(lambda: certificate_of(served) == der(tls.certificate))
        assert outcome(served.api().signing_keys) == "OK"
    assert outcome(standing.signing_keys) == "OK"


def _as_openssl_trusts_it(certificate: bytes) -> bytes:
    """In a format that OpenSSL takes for a certificate of a chain, and others do not."""
    return certificate.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE")


def test_a_bad_new_certificate_changes_nothing(served: Server, tls: Tls) -> None:
    """Half a change, an expired one, nonsense, nothing: each is logged once, the old one shown."""
    before, key = der(tls.certificate), tls.key.read_bytes()
    other = tls.issuer.issue("localhost")
    expired = tls.issuer.issue("localhost", lives=timedelta(seconds=-1))
    for chain, private, problem in (
        (other.certificate, key, "are not a certificate chain and its key"),
        (expired.certificate, expired.key, "expired on"),
        (b"nonsense", key, "are not a certificate chain and its key"),
        (_as_openssl_trusts_it(other.certificate), other.key, "does not begin with a certificate"),
    ):
        with captured() as log:
            replace(tls.key, private)
            replace(tls.certificate, chain)
            eventually(partial(logged, log, problem))
        assert certificate_of(served) == before
    with captured() as log:
        tls.certificate.unlink()
        eventually(lambda: "cannot read" in log.getvalue())
    assert certificate_of(served) == before
    assert [line["what"] for line in log.entries if line["event"] == "reload_refused"] == [
        "certificates"
    ]
    tls.renew()
    eventually(lambda: certificate_of(served) == der(tls.certificate))


def test_another_authority_is_asked_of_new_connections(mutual: Server, mtls: Tls) -> None:
    """First beside the old one, then in its place."""
    assert mtls.client_ca
    old, new = mtls.issuer, Authority()
    of_old, of_new = old.issue("", uris=READER), new.issue("", uris=READER)
    assert (answer(mutual, of_old), answer(mutual, of_new)) == ("OK", "UNAVAILABLE")
    replace(mtls.client_ca, old.certificate_pem + new.certificate_pem)
    eventually(lambda: answer(mutual, of_new) == "OK")
    assert answer(mutual, of_old) == "OK"
    replace(mtls.client_ca, new.certificate_pem)
    eventually(lambda: answer(mutual, of_old) == "UNAVAILABLE")
    assert answer(mutual, of_new) == "OK"


def test_a_connection_ends_with_its_age_and_loses_no_call(serve_with: ServeWith, mtls: Tls) -> None:
    """So an authority that is no longer trusted lets nobody in for longer than that."""
    assert mtls.client_ca
    server = serve_with(transport=mtls, key_reload_interval="20ms", max_connection_age="1s")
    api = server.api("reader")
    with captured() as log:
        replace(mtls.client_ca, Authority().certificate_pem)
        eventually(lambda: "reloaded" in log.getvalue())
    answers: list[str] = []

    def is_over() -> bool:
        answers.append(outcome(api.signing_keys))
        return answers[-1] != "OK"

    eventually(is_over)
    assert answers[-1] == "UNAVAILABLE"


def test_connections_that_age_lose_no_call(serve_with: ServeWith) -> None:
    """Over several ages every call is answered, and a stream outlives its connection's age."""
    server = serve_with(transport="tls", max_connection_age="1s", watch_max_age="1h")
    api = server.api("reader")
    watch = Watch(server)
    while len(watch.checkpoints) < 4:
        watch.read()
        assert [outcome(api.signing_keys) for _ in range(50)] == ["OK"] * 50
    watch.call.cancel()
