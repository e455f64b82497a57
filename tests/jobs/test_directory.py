"""The client of the user directory, against a real gRPC server."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from sessiond.domain.errors import StartupError
from sessiond.jobs.directory import UserDirectory
from tests.jobs.directories import failing, serving, silent, without
from tests.rpc.certificates import make_tls

USERS = ["alice", "bob", "carol"]


async def test_a_directory_names_those_it_misses() -> None:
    """Of the users that it was asked for, over one connection."""
    async with serving(without("bob")) as directory:
        async with UserDirectory(directory.address).connected() as missing:
            assert list(await missing(USERS)) == ["bob"]
            assert list(await missing(["alice"])) == []
        assert directory.asked == [USERS, ["alice"]]
        assert "authorization" not in directory.metadata[0]


async def test_a_directory_is_called_with_a_token_from_a_file(tmp_path: Path) -> None:
    """As a bearer token."""
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    async with serving(without()) as directory:
        async with UserDirectory(directory.address, token_file=file).connected() as missing:
            await missing(USERS)
        assert directory.metadata[0]["authorization"] == "Bearer s3cret"


async def test_a_directory_is_verified(tmp_path: Path) -> None:
    """Against the certificates that are named, though it is on loopback; not in plaintext then."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    tls, other = make_tls(tmp_path / "one"), make_tls(tmp_path / "two")
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    trusted, foreign = tmp_path / "ca", tmp_path / "foreign"
    trusted.write_bytes(tls.authority)
    foreign.write_bytes(other.authority)
    async with serving(without("bob"), grpc.ssl_server_credentials([pair])) as directory:
        async with UserDirectory(directory.address, ca_file=trusted).connected() as missing:
            assert list(await missing(USERS)) == ["bob"]
        for unfit in (
            UserDirectory(directory.address, ca_file=foreign, deadline_s=1),
            UserDirectory(directory.address, deadline_s=1),
        ):
            async with unfit.connected() as missing:
                with pytest.raises(grpc.RpcError):
                    await missing(USERS)
        assert len(directory.asked) == 1


async def test_a_directory_elsewhere_is_called_over_tls_unless_told_otherwise() -> None:
    """By where it is, not by whether it is there."""
    assert UserDirectory("directory.internal:443").over_tls
    assert not UserDirectory("directory.internal:443", plaintext=True).over_tls
    assert not UserDirectory("127.0.0.1:7701").over_tls
    assert not UserDirectory("unix:/run/directory").over_tls


async def test_a_directory_that_is_away_for_a_moment_is_asked_again() -> None:
    """Asking changes nothing there."""
    async with serving(failing(grpc.StatusCode.UNAVAILABLE, times=2)) as directory:
        async with UserDirectory(directory.address).connected() as missing:
            assert list(await missing(USERS)) == []
        assert len(directory.asked) == 3


async def test_a_directory_that_fails_is_logged_without_its_words() -> None:
    """The status is enough to look further, over there."""
    async with serving(failing(grpc.StatusCode.INTERNAL)) as directory:
        with capture_logs() as lines:
            async with UserDirectory(directory.address).connected() as missing:
                with pytest.raises(grpc.RpcError):
                    await missing(USERS)
    (line,) = lines
    assert line == {"event": "directory_failed", "status": "INTERNAL", "log_level": "warning"}


async def test_a_directory_that_does_not_answer_has_failed() -> None:
    """Once the deadline of the call is over."""
    async with serving(silent) as directory:
        with capture_logs() as lines:
            async with UserDirectory(directory.address, deadline_s=0.2).connected() as missing:
                with pytest.raises(grpc.RpcError):
                    await missing(USERS)
    assert [line["status"] for line in lines] == ["DEADLINE_EXCEEDED"]


def test_a_file_that_is_missing_is_refused_by_its_name(tmp_path: Path) -> None:
    """Before any job runs."""
    gone = tmp_path / "gone"
    with pytest.raises(StartupError, match="gone: No such file"):
        UserDirectory("127.0.0.1:1", ca_file=gone)
    with pytest.raises(StartupError, match="gone: No such file"):
        UserDirectory("127.0.0.1:1", token_file=gone)
    gone.touch()
    with pytest.raises(StartupError, match="gone: the service token is empty"):
        UserDirectory("127.0.0.1:1", token_file=gone)
