"""Sentinels and engines that let nobody in without a certificate and a password."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.retry import Retry

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store.access import Access, Door
from sessiond.store.connect import open_link
from sessiond.store.line import Line
from sessiond.store.link import LinkLimits
from sessiond.store.runner import ScriptRunner
from sessiond.store.store_url import Address
from tests.certificates import Authority
from tests.engines import require_engine
from tests.store_users import (
    GROUP_PASSWORD,
    PASSWORD,
    PASSWORDS,
    USER,
    Guard,
    assert_no_more_is_allowed,
    refused_by,
    shipped,
    url_of_sessiond,
)
from tests.topologies.nodes import HOST
from tests.topologies.sentinel_group import NAME, Group, start_group

_ONCE = Retry(NoBackoff(), 0)
PREFIX = "guarded"
KEY = f"{PREFIX}:a"
_LIMITS = LinkLimits(connect_s=10, read_s=10)
_NOT_AT_SENTINELS = (
    ("PING",),
    ("INFO",),
    ("ACL", "LIST"),
    ("PUBLISH", "__sentinel__:hello", "x"),
    ("SUBSCRIBE", "+switch-master"),
    ("SENTINEL", "MASTERS"),
    ("SENTINEL", "CONFIG", "GET", "*"),
    ("SENTINEL", "SET", NAME, "quorum", "1"),
    ("SENTINEL", "FAILOVER", NAME),
    ("SENTINEL", "REMOVE", NAME),
    ("SENTINEL", "RESET", "*"),
    ("SHUTDOWN",),
)


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
    """Two sentinels, a primary and its replica, who know the shipped users alone."""
    require_engine("redis7")
    directives = {
        "tls-cert-file": str(files / "own"),
        "tls-key-file": str(files / "key"),
        "tls-ca-cert-file": str(files / "ca"),
        "tls-auth-clients": "yes",
    }
    guard = Guard.around(files, f"{PREFIX}:*", strict=True)
    with start_group(replicas=1, sentinels=2, tls=directives, guard=guard) as started:
        for each in started.everybody:
            each.ask("ACL", "SETUSER", "default", "off")
        yield started


@pytest.fixture
def access(files: Path) -> Access:
    """What opens every door."""
    of_sentinels = Access(
        USER,
        GROUP_PASSWORD,
        ca_file=files / "ca",
        cert_file=files / "own",
        key_file=files / "key",
    )
    return replace(of_sentinels, password=PASSWORD, sentinels=of_sentinels)


async def _reach(url: str, access: Access) -> None:
    link = open_link(url, _LIMITS, access)
    try:
        await link.send("EXISTS", KEY)
    finally:
        await link.close()


async def test_everything_is_encrypted_and_known_to_each_other(
    group: Group, access: Access
) -> None:
    """The URL's credentials are the engine's; its database too."""
    link = open_link(
        f"{url_of_sessiond(group.url)}/3", _LIMITS, replace(access, username=None, password=None)
    )
    await link.send("SET", KEY, "b")
    await link.close()
    assert "db3" in group.primary.ask("INFO", "keyspace")


async def test_after_a_failover_too(group: Group, access: Access) -> None:
    """Over the same link; sentinels agreed on it, and the old primary follows, as users too."""
    link = open_link(group.url, _LIMITS, access)
    runner = ScriptRunner(link)
    assert await runner.read("EXISTS", KEY) == 0
    new = await asyncio.to_thread(group.kill_primary)
    while new.ask("GET", KEY) != "b":
        with suppress(StoreUnavailableError):
            await link.send("SET", KEY, "b")
    await runner.close()
    group.mend()
    for each in group.everybody:
        assert not refused_by(each.ask)


async def test_sessiond_may_find_the_primary_and_no_more(group: Group, access: Access) -> None:
    """At sentinels; neither what they do among themselves, nor have them change anything."""
    door = Door(access.to_sentinels(), _LIMITS, tls=True)
    line = await Line.open(door.at(Address(HOST, group.sentinels[0].port)), _LIMITS)
    try:
        for words in _NOT_AT_SENTINELS:
            with pytest.raises(NoPermissionError):
                await line.ask(words)
    finally:
        await line.close()
    for node in group.nodes:
        assert_no_more_is_allowed(node.engine)


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
            await _reach(group.url, refused)


async def test_plaintext_sentinels_are_not_believed(group: Group, access: Access) -> None:
    """A URL without TLS does not get through to encrypted ones, nor the other way round."""
    with pytest.raises(StoreUnavailableError):
        await _reach(group.url.replace("rediss", "redis"), access)
    with start_group(replicas=1, sentinels=1) as plain:
        hasty = LinkLimits(connect_s=0.5, read_s=5)
        link = open_link(plain.url.replace("redis", "rediss"), hasty, access)
        with pytest.raises(StoreUnavailableError):
            await link.send("PING")
        await link.close()


def test_the_users_of_sentinels_are_safe_as_they_are_shipped() -> None:
    """Nobody is let in without a name, and whoever has one has no password yet."""
    with start_group(replicas=0, sentinels=1) as plain:
        (sentinel,) = plain.sentinels
        for line in reversed(shipped("sentinel-users.acl").splitlines()):
            sentinel.ask("ACL", "SETUSER", *line.split()[1:])
        for user, password in ((None, None), *product((USER, "sentinel"), PASSWORDS)):
            with (
                Redis(
                    HOST, sentinel.port, username=user, password=password, retry=_ONCE
                ) as somebody,
                pytest.raises(AuthenticationError),
            ):
                somebody.ping()
