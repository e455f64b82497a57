"""From a store URL to a redis-py client for one node."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sessiond.domain.errors import StartupError

EMBEDDED: Final = "embedded"
FAKE: Final = "fakeredis"
SCHEMES: Final = (EMBEDDED, "redis", "rediss", "unix", FAKE)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How long the store is waited for, in seconds, and how many connections are held."""

    connect_s: float = 1.0
    read_s: float = 2.0
    pool_wait_s: float = 1.0
    connections: int = 16


def scheme_of(url: str) -> str:
    """The scheme of a store URL.

    Raises:
        StartupError: not one that this service knows.
    """
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        known = ", ".join(f"{s}://" for s in SCHEMES if s != FAKE)
        raise StartupError(f"the store URL {redacted(url)!r} must start with one of {known}")
    return scheme


def redacted(url: str) -> str:
    """The URL without user, password and query, fit for a log."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def connect(url: str, limits: ConnectionLimits, *, ca_file: str | None = None) -> Redis:
    """A client for one node; it connects at its first command.

    redis-py's own retries are off: which calls may be sent twice is decided per script.
    """
    scheme = scheme_of(url)
    if scheme == FAKE:
        url = "redis" + url.removeprefix(FAKE)
    options: dict[str, str] = {}
    if scheme == "rediss" and ca_file:
        try:
            ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise StartupError(f"no certificates in {ca_file}: {error.strerror}") from None
        options["ssl_ca_certs"] = ca_file
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=limits.connections,
            timeout=limits.pool_wait_s,
            socket_connect_timeout=limits.connect_s,
            socket_timeout=limits.read_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            client_name="sessiond",
            **options,
        )
    except ValueError as error:
        raise StartupError(f"the store URL {redacted(url)!r} is wrong: {error}") from None
    return Redis.from_pool(pool)
