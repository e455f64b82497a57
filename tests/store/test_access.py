"""As whom the store is asked, and what it must prove: nothing is sent to an engine that cannot."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection

from sessiond.domain.errors import StartupError, StoreUnavailableError
from sessiond.store.access import Access
from sessiond.store.connect import connections, open_link
from sessiond.store.engine_errors import ConnectionLostError
from sessiond.store.line import Line
from sessiond.store.link import LinkLimits
from tests.certificates import Authority
from tests.engines import RealEngine, require_engine, start_real_engine
from tests.rpc.engines import hung
from tests.rpc.logs import captured
from tests.store.inside import until

LIMITS = LinkLimits(connect_s=5, read_s=5)
AUTHORITY = Authority()


@pytest.fixture(scope="module", autouse=True)
def _redis7() -> None:
    require_engine("redis7")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, what it signed for the engine and for us, and what another signed."""
    directory = tmp_path_factory.mktemp("pki")
    other = Authority()
    (directory / "ca.crt").write_bytes(AUTHORITY.certificate_pem)
    (directory / "other-ca.crt").write_bytes(other.certificate_pem)
    _issue(AUTHORITY, directory / "engine", "localhost", "127.0.0.1")
    _issue(AUTHORITY, directory / "elsewhere", "elsewhere.example")
    _issue(AUTHORITY, directory / "sessiond", "sessiond")
    _issue(other, directory / "stranger", "sessiond")
    return directory


@pytest.fixture(scope="module")
def encrypted(files: Path) -> Iterator[RealEngine]:
    """An engine that asks for no certificate."""
    with start_real_engine("redis7", tls=True, config=_shows(files / "engine")) as engine:
        yield engine


@pytest.fixture(scope="module")
def mutual(files: Path) -> Iterator[RealEngine]:
    """An engine that asks for a certificate of the same CA."""
    config = {**_shows(files / "engine"), "tls-auth-clients": "yes"}
    config["tls-ca-cert-file"] = str(files / "ca.crt")
    with start_real_engine("redis7", tls=True, config=config) as engine:
        yield engine


def _issue(authority: Authority, path: Path, host: str, *addresses: str) -> None:
    key, certificate = authority.issue(host, *addresses)
    path.with_suffix(".key").write_bytes(key)
    path.with_suffix(".crt").write_bytes(certificate)


def _shows(path: Path) -> dict[str, str]:
    return {"tls-cert-file": f"{path}.crt", "tls-key-file": f"{path}.key"}


def _with(files: Path, ca: str = "ca", own: str = "") -> Access:
    if not own:
        return Access(ca_file=files / f"{ca}.crt")
    return Access(
        ca_file=files / f"{ca}.crt",
        cert_file=files / f"{own}.crt",
        key_file=files / f"{own}.key",
    )


async def _ask(url: str, access: Access = Access()) -> bytes:  # noqa: B008  frozen
    """What the engine calls us."""
    link = open_link(url, LIMITS, access)
    try:
        name: bytes = await link.send("CLIENT", "GETNAME")
        return name
    finally:
        await link.close()


async def _listening(engine: RealEngine) -> int:
    """A port of the loopback that the engine now listens on, in plaintext."""
    link = open_link(engine.url, LIMITS)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    await link.send("CONFIG", "SET", "bind", "127.0.0.1", "port", port)
    await link.close()
    return port


@asynccontextmanager
async def _user(engine: RealEngine, files: Path, name: str, password: str) -> AsyncIterator[None]:
    """A user of the engine's ACL, while the test lasts."""
    link = open_link(engine.url, LIMITS, _with(files))
    await link.send("ACL", "SETUSER", name, "on", f">{password}", "~*", "+@all")
    yield
    await link.send("ACL", "DELUSER", name)
    await link.close()


async def test_an_engine_is_verified_by_the_ca(encrypted: RealEngine, files: Path) -> None:
    """By its address, and by its name."""
    named = encrypted.url.replace("127.0.0.1", "localhost")
    for url in (encrypted.url, named):
        assert await _ask(url, _with(files)) == b"sessiond"


async def test_an_engine_of_an_unknown_ca_is_refused(encrypted: RealEngine, files: Path) -> None:
    """Of another one, or of none that this machine trusts."""
    for access in (_with(files, "other-ca"), Access()):
        with pytest.raises(ConnectionLostError) as caught:
            await _ask(encrypted.url, access)
        assert "certificate verify failed" in str(caught.value.__cause__)


async def test_a_refused_certificate_is_logged(encrypted: RealEngine, files: Path) -> None:
    """With what was wrong with it."""
    with captured() as log, pytest.raises(ConnectionLostError):
        await _ask(encrypted.url, _with(files, "other-ca"))
    (entry,) = log.entries
    assert (entry["event"], entry["level"]) == ("connection_lost", "warning")
    assert "certificate verify failed" in entry["problem"]


async def test_the_system_vouches_for_nobody_beside_the_ca(
    encrypted: RealEngine, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would for this engine: whom a file names is trusted alone."""
    monkeypatch.setenv("SSL_CERT_FILE", str(files / "ca.crt"))
    assert await _ask(encrypted.url) == b"sessiond"
    with pytest.raises(StoreUnavailableError):
        await _ask(encrypted.url, _with(files, "other-ca"))


async def test_an_engine_of_another_name_is_refused(files: Path) -> None:
    """Though the CA is the right one."""
    with (
        start_real_engine("redis7", tls=True, config=_shows(files / "elsewhere")) as engine,
        pytest.raises(ConnectionLostError) as caught,
    ):
        await _ask(engine.url, _with(files))
    assert "IP address mismatch" in str(caught.value.__cause__)


async def test_an_engine_of_an_old_tls_is_refused(files: Path) -> None:
    """TLS 1.1, which is all that it speaks."""
    config = {
        **_shows(files / "engine"),
        "tls-protocols": "TLSv1.1",
        "tls-ciphers": "DEFAULT@SECLEVEL=0",
    }
    with (
        start_real_engine("redis7", tls=True, config=config) as engine,
        pytest.raises(ConnectionLostError) as caught,
    ):
        await _ask(engine.url, _with(files))
    assert "PROTOCOL_VERSION" in str(caught.value.__cause__).upper().replace(" ", "_")


async def test_a_plaintext_engine_is_not_talked_to_under_tls(files: Path) -> None:
    """There is no falling back: it is told no command and no password."""
    with start_real_engine("redis7") as engine:
        port = await _listening(engine)
        access = Access(password="not-for-you", ca_file=files / "ca.crt")
        # It waits for the end of what it takes for a command.
        impatient = open_link(f"rediss://127.0.0.1:{port}", LinkLimits(connect_s=0.3), access)
        with pytest.raises(StoreUnavailableError):
            await impatient.send("CLIENT", "GETNAME")
        await impatient.close()
        link = open_link(engine.url, LIMITS)
        stats = await link.send("INFO", "commandstats")
        await link.close()
    assert b"cmdstat_auth" not in stats
    assert b"cmdstat_client|getname" not in stats


async def test_plaintext_is_not_taken_by_an_encrypted_engine(encrypted: RealEngine) -> None:
    """A URL without TLS reaches nothing there."""
    with pytest.raises(StoreUnavailableError):
        await _ask(encrypted.url.replace("rediss", "redis"))


async def test_an_engine_that_hangs_holds_no_connection_open(
    encrypted: RealEngine, files: Path
) -> None:
    """TLS would wait half a minute for it to say goodbye."""
    made: list[AbstractConnection] = []

    def make() -> AbstractConnection:
        made.append(connect())
        return made[-1]

    connect = connections(encrypted.url, LIMITS, _with(files))
    line = await Line.open(make, LIMITS)
    assert made[0]._writer
    theirs = made[0]._writer.get_extra_info("socket")
    with hung(encrypted):
        await line.close()

        async def is_closed() -> bool:
            await asyncio.sleep(0)
            return bool(theirs.fileno() == -1)

        async with asyncio.timeout(5):
            await until(is_closed)


async def test_a_certificate_of_ours_is_shown(mutual: RealEngine, files: Path) -> None:
    """Without one, or with a stranger's, nobody gets in."""
    assert await _ask(mutual.url, _with(files, own="sessiond")) == b"sessiond"
    for refused in (_with(files), _with(files, own="stranger")):
        with pytest.raises(StoreUnavailableError):
            await _ask(mutual.url, refused)


async def test_a_renewed_certificate_of_ours_is_taken_at_the_next_connection(
    mutual: RealEngine, files: Path, tmp_path: Path
) -> None:
    """A server whose certificate ran out heals without a restart."""
    _issue(Authority(), tmp_path / "own", "sessiond")
    access = Access(
        ca_file=files / "ca.crt", cert_file=tmp_path / "own.crt", key_file=tmp_path / "own.key"
    )
    link = open_link(mutual.url, LIMITS, access)
    with pytest.raises(StoreUnavailableError):
        await link.send("PING")
    _issue(AUTHORITY, tmp_path / "own", "sessiond")
    assert await link.send("PING") == b"PONG"
    await link.close()


async def test_credentials_of_the_settings_go_before_those_of_the_url(
    encrypted: RealEngine, files: Path
) -> None:
    """Also the user alone, or the password alone."""
    async with _user(encrypted, files, "app", "right"):
        for url, username, password in (
            ("rediss://", "app", "right"),
            ("rediss://app:right@", None, None),
            ("rediss://nobody:right@", "app", None),
            ("rediss://app:wrong@", None, "right"),
            ("rediss://nobody:wrong@", "app", "right"),
        ):
            there = encrypted.url.replace("rediss://", url)
            access = Access(username, password, ca_file=files / "ca.crt", client_name="here")
            assert await _ask(there, access) == b"here"
        with pytest.raises(StoreUnavailableError, match="credentials"):
            await _ask(encrypted.url.replace("//", "//app:wrong@"), _with(files))


async def test_a_rotated_password_is_read_at_the_next_connection(
    encrypted: RealEngine, files: Path, tmp_path: Path
) -> None:
    """A server that was refused heals by itself; the file's line end is no part of it."""
    file = tmp_path / "password"
    file.write_text("old\n")
    async with _user(encrypted, files, "rotated", "new"):
        access = Access("rotated", password_file=file, ca_file=files / "ca.crt")
        link = open_link(encrypted.url, LIMITS, access)
        with pytest.raises(StoreUnavailableError, match="credentials"):
            await link.send("PING")
        file.write_text("new\r\n")
        assert await link.send("PING") == b"PONG"
        await link.close()


async def test_a_password_file_that_is_gone_is_an_outage_and_no_fault(
    encrypted: RealEngine, files: Path, tmp_path: Path
) -> None:
    """While a secret is being replaced, calls fail as they do without an engine."""
    file = tmp_path / "password"
    file.write_text("right")
    async with _user(encrypted, files, "replaced", "right"):
        access = Access("replaced", password_file=file, ca_file=files / "ca.crt")
        link = open_link(encrypted.url, LIMITS, access)
        file.unlink()
        with pytest.raises(StoreUnavailableError):
            await link.send("PING")
        file.write_text("right")
        assert await link.send("PING") == b"PONG"
        await link.close()


@pytest.mark.parametrize("missing", ["ca_file", "cert_file", "password_file"])
def test_a_file_that_is_of_no_use_stops_the_start(tmp_path: Path, missing: str) -> None:
    """It is named, whether it is missing or empty."""
    file = tmp_path / "file"
    for is_there in (False, True):
        if is_there:
            file.touch()
        given: dict[str, Any] = {missing: file}
        access = Access(**given)
        with pytest.raises(StartupError, match=str(file)):
            open_link("rediss://127.0.0.1", LIMITS, access)
        with pytest.raises(StartupError, match=str(file)):
            open_link("rediss://127.0.0.1", LIMITS, Access(sentinels=access))


def test_a_password_is_not_shown() -> None:
    """Not even by an error that shows the whole object."""
    assert "hidden" not in repr(Access(password="hidden"))
