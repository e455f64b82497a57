"""Where a client may send its token: with TLS anywhere, without it only on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from sessionstore import TLS, SessionClient, Unavailable
from tests.certificates import Authority, Issued
from tests.client.conftest import TOKEN, Sessions
from tests.client.fake_service import FakeService

Connect = Callable[..., Sessions]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def ca_file(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.certificate_pem)
    return path


@pytest.fixture
def tls_service(authority: Authority) -> Iterator[FakeService]:
    pair = authority.issue("sessions.example")
    with FakeService(credentials=grpc.ssl_server_credentials([pair])) as service:
        yield service


@pytest.mark.parametrize(
    "address",
    [
        "sessions.example:8443",
        "10.0.0.1:8443",
        "0.0.0.0:8443",
        "[2001:db8::1]:8443",
        "dns:///sessions.example:8443",
        "dns://127.0.0.1/sessions.example:8443",
        "ipv4:127.0.0.1:1,10.0.0.1:1",
        "localhost.example:8443",
        "127.0.0.1.example:8443",
        "http://localhost:8443",
        "localhost@sessions.example:8443",
    ],
)
async def test_a_token_does_not_cross_a_network_in_clear_text(
    connect: Connect, address: str
) -> None:
    with pytest.raises(ValueError, match="clear text") as caught:
        connect(address, token=TOKEN)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8443",
        "127.0.0.1:8443",
        "127.1.2.3:8443",
        "[::1]:8443",
        "dns:localhost:8443",
        "dns:///localhost:8443",
        "ipv4:127.0.0.1:1,127.0.0.2:1",
        "ipv6:[::1]:8443",
        "unix:sessions.sock",
        "unix:///run/sessions.sock",
        "unix-abstract:sessions",
    ],
)
async def test_on_this_machine_clear_text_is_taken(connect: Connect, address: str) -> None:
    connect(address, token=TOKEN)


async def test_clear_text_may_be_sent_on_purpose(connect: Connect) -> None:
    connect("sessions.example:8443", token=TOKEN, plaintext=True)


async def test_clear_text_never_goes_through_a_proxy(
    service: FakeService, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")

    await connect(service.address, token=TOKEN).get("s1")


async def test_a_client_needs_an_address(connect: Connect) -> None:
    with pytest.raises(ValueError, match="SESSIONSTORE_ADDRESS"):
        connect(token=TOKEN)


async def test_tls_and_clear_text_exclude_each_other(connect: Connect) -> None:
    with pytest.raises(ValueError, match="exclude"):
        connect("localhost:1", token=TOKEN, tls=True, plaintext=True)


async def test_a_ca_file_that_is_missing_is_told_at_once(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect("localhost:1", token=TOKEN, tls=TLS(ca_file=tmp_path / "none"))


async def test_tls_trusts_the_given_ca(
    tls_service: FakeService, connect: Connect, ca_file: Path
) -> None:
    tls = TLS(ca_file=ca_file, server_name="sessions.example")

    await connect(tls_service.address, token=TOKEN, tls=tls).get("s1")

    (received,) = tls_service.received["GetSession"]
    assert received.metadata["authorization"] == f"Bearer {TOKEN}"


async def test_tls_refuses_another_name(
    tls_service: FakeService, connect: Connect, ca_file: Path
) -> None:
    tls = TLS(ca_file=ca_file, server_name="other.example")

    with pytest.raises(Unavailable):
        await connect(tls_service.address, token=TOKEN, tls=tls).get("s1")
    assert not tls_service.received


async def test_tls_refuses_a_ca_that_nobody_named(
    tls_service: FakeService, connect: Connect
) -> None:
    tls = TLS(server_name="sessions.example")

    with pytest.raises(Unavailable):
        await connect(tls_service.address, token=TOKEN, tls=tls).get("s1")
    assert not tls_service.received


async def test_tls_trusts_the_systems_roots(
    tls_service: FakeService, connect: Connect, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    tls = TLS(server_name="sessions.example")

    await connect(tls_service.address, token=TOKEN, tls=tls).get("s1")


@pytest.fixture
def shown(ca_file: Path) -> TLS:
    """Where a client's own certificate is."""
    return TLS(
        ca_file=ca_file,
        server_name="sessions.example",
        cert_file=ca_file.with_name("own.crt"),
        key_file=ca_file.with_name("own.key"),
    )


def write(shown: TLS, issued: Issued) -> None:
    assert shown.cert_file
    assert shown.key_file
    Path(shown.key_file).write_bytes(issued.key)
    Path(shown.cert_file).write_bytes(issued.certificate)


@pytest.fixture
def mutual_service(authority: Authority) -> Iterator[FakeService]:
    """Takes only clients with a certificate of the authority."""
    credentials = grpc.ssl_server_credentials(
        [authority.issue("sessions.example")], authority.certificate_pem, require_client_auth=True
    )
    with FakeService(credentials=credentials) as service:
        yield service


async def test_a_certificate_of_ones_own_stands_for_a_token(
    mutual_service: FakeService, authority: Authority, connect: Connect, shown: TLS
) -> None:
    write(shown, authority.issue("login.internal"))

    await connect(mutual_service.address, tls=shown).get("s1")

    (received,) = mutual_service.received["GetSession"]
    assert "authorization" not in received.metadata
    assert received.certified == {"login.internal"}


async def test_a_token_goes_along_with_a_certificate(
    mutual_service: FakeService, authority: Authority, connect: Connect, shown: TLS
) -> None:
    write(shown, authority.issue("login.internal"))

    await connect(mutual_service.address, token=TOKEN, tls=shown).get("s1")

    (received,) = mutual_service.received["GetSession"]
    assert received.metadata["authorization"] == f"Bearer {TOKEN}"


async def test_a_renewed_certificate_is_shown_from_then_on(
    mutual_service: FakeService,
    authority: Authority,
    connect: Connect,
    shown: TLS,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once both files are new; with half a change the old one stands."""
    monkeypatch.setattr("sessionstore._renewed.RECHECK_S", 0.0)
    before = authority.issue("first.internal")
    write(shown, before)
    sessions = connect(mutual_service.address, tls=shown)
    await sessions.get("s1")
    renewed = authority.issue("second.internal")
    write(shown, Issued(before.key, renewed.certificate))
    await sessions.get("s1")
    write(shown, renewed)
    await sessions.get("s1")

    names = [received.certified for received in mutual_service.received["GetSession"]]
    assert names == [{"first.internal"}, {"first.internal"}, {"second.internal"}]


def test_channels_of_former_certificates_are_closed(
    mutual_service: FakeService,
    authority: Authority,
    shown: TLS,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for that of the one before, which may have calls; else each would be kept for ever."""
    monkeypatch.setattr("sessionstore._renewed.RECHECK_S", 0.0)
    opened: list[grpc.Channel] = []
    secure_channel = grpc.secure_channel

    def keep(*arguments: Any) -> grpc.Channel:
        opened.append(secure_channel(*arguments))
        return opened[-1]

    monkeypatch.setattr(grpc, "secure_channel", keep)
    write(shown, authority.issue("0.internal"))
    with SessionClient(mutual_service.address, token=TOKEN, tls=shown) as sessions:
        for number in range(4):
            write(shown, authority.issue(f"{number}.internal"))
            sessions.get("s1")
        assert [is_open(channel) for channel in opened] == [False, False, True, True]
    assert not any(map(is_open, opened))


def is_open(channel: grpc.Channel) -> bool:
    """gRPC does not say so, but takes no call once it is closed."""
    try:
        channel.unary_unary("/a/b", bytes, bytes)(b"", timeout=5)
    except grpc.RpcError:
        return True
    except ValueError:
        return False
    raise AssertionError("nobody answers this")


async def test_a_certificate_needs_its_key(
    authority: Authority, connect: Connect, shown: TLS
) -> None:
    write(shown, authority.issue("login.internal"))
    for wrong in (
        TLS(cert_file=shown.cert_file),
        TLS(key_file=shown.key_file),
        TLS(cert_file=shown.cert_file, key_file=shown.cert_file),
    ):
        with pytest.raises(ValueError, match="certificate"):
            connect("localhost:1", tls=wrong)


async def test_the_environment_may_name_a_certificate(
    authority: Authority, connect: Connect, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = TLS(cert_file=ca_file.with_name("own.crt"), key_file=ca_file.with_name("own.key"))
    write(own, authority.issue("login.internal"))
    for name, path in (("CA", ca_file), ("CERT", own.cert_file), ("KEY", own.key_file)):
        monkeypatch.setenv(f"SESSIONSTORE_{name}_FILE", str(path))
    credentials = grpc.ssl_server_credentials(
        [authority.issue("localhost")], authority.certificate_pem, require_client_auth=True
    )

    with FakeService(credentials=credentials) as service:
        await connect(f"localhost:{service.port}").get("s1")

    assert service.received["GetSession"][0].certified == {"login.internal"}


async def test_the_environment_may_turn_tls_on(
    authority: Authority, connect: Connect, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSIONSTORE_CA_FILE", str(ca_file))
    pair = authority.issue("localhost")

    with FakeService(credentials=grpc.ssl_server_credentials([pair])) as service:
        await connect(f"localhost:{service.port}", token=TOKEN).get("s1")

    assert len(service.received["GetSession"]) == 1
