"""Sentinels and engines that let nobody in without a certificate and a password."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store.access import Access
from sessiond.store.connect import open_link
from sessiond.store.link import LinkLimits
from sessiond.store.runner import ScriptRunner
from tests.certificates import Authority
from tests.engines import require_engine
from tests.topologies.sentinel_group import Group, start_group

_LIMITS = LinkLimits(connect_s=10, read_s=10)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA that is trusted, and a certificate that all of the group show."""
    directory, authority = tmp_path_factory.mktemp("pki"), Authority()
    key, certificate = authority.issue("localhost", "127.0.0.1")
    for name, pem in (("ca", authority.certificate_pem), ("own", certificate), ("key", key)):
        (directory / name).write_bytes(pem)
    (directory / "other-ca").write_bytes(Authority().certificate_pem)
    return directory


@pytest.fixture(scope="module")
def group(files: Path) -> Iterator[Group]:
    """One sentinel and its primary, with a user each for us."""
    require_engine("redis7")
    directives = {
        "tls-cert-file": str(files / "own"),
        "tls-key-file": str(files / "key"),
        "tls-ca-cert-file": str(files / "ca"),
        "tls-auth-clients": "yes",
    }
    with start_group(replicas=1, sentinels=1, tls=directives) as started:
        for node in started.nodes:
            node.ask("ACL", "SETUSER", "app", "on", ">of-the-store", "~*", "+@all")
        started.sentinels[0].ask("ACL", "SETUSER", "app", "on", ">of-sentinels", "+@all")
        yield started


@pytest.fixture
def access(files: Path) -> Access:
    """What opens every door."""
    of_sentinels = Access(
        "app",
        "of-sentinels",
        ca_file=files / "ca",
        cert_file=files / "own",
        key_file=files / "key",
    )
    return replace(of_sentinels, password="of-the-store", sentinels=of_sentinels)


async def _name(url: str, access: Access) -> bytes:
    link = open_link(url, _LIMITS, access)
    try:
        name: bytes = await link.send("ACL", "WHOAMI")
        return name
    finally:
        await link.close()


async def test_everything_is_encrypted_and_known_to_each_other(
    group: Group, access: Access
) -> None:
    """The URL's credentials are the engine's; its database too."""
    url = group.url.replace("//", "//app:of-the-store@") + "/3"
    assert await _name(url, replace(access, username=None, password=None)) == b"app"
    link = open_link(url, _LIMITS, access)
    await link.send("SET", "a", "b")
    await link.close()
    assert "db3" in group.primary.ask("INFO", "keyspace")


async def test_after_a_failover_too(group: Group, access: Access) -> None:
    """Over the same link."""
    link = open_link(group.url, _LIMITS, access)
    runner = ScriptRunner(link)
    assert await runner.read("ACL", "WHOAMI") == b"app"
    new = await asyncio.to_thread(group.hand_over)
    while new.ask("GET", "after") != "b":  # until it was left, the old one took it
        with suppress(StoreUnavailableError):
            await link.send("SET", "after", "b")
    await runner.close()
    group.mend()


@pytest.mark.parametrize(
    "wrong",
    [{"password": "x"}, {"ca_file": "other-ca"}, {"cert_file": None, "key_file": None}],
    ids=str,
)
async def test_who_cannot_prove_itself_is_left_outside(
    group: Group, access: Access, files: Path, wrong: dict[str, Any]
) -> None:
    """Towards the sentinels, and towards the engines; the other side of it was right."""
    assert access.sentinels
    if "ca_file" in wrong:
        wrong = {"ca_file": files / "other-ca"}
    for refused in (
        replace(access, **wrong),
        replace(access, sentinels=replace(access.sentinels, **wrong)),
    ):
        with pytest.raises(StoreUnavailableError):
            await _name(group.url, refused)


async def test_plaintext_sentinels_are_not_believed(group: Group, access: Access) -> None:
    """A URL without TLS does not get through to encrypted ones, nor the other way round."""
    with pytest.raises(StoreUnavailableError):
        await _name(group.url.replace("rediss", "redis"), access)
    with start_group(replicas=1, sentinels=1) as plain:
        hasty = LinkLimits(connect_s=0.5, read_s=5)
        link = open_link(plain.url.replace("redis", "rediss"), hasty, access)
        with pytest.raises(StoreUnavailableError):
            await link.send("PING")
        await link.close()
