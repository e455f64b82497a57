"""From a store URL to a link to one node."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from sessiond.domain.errors import StartupError
from sessiond.store.link import LinkLimits
from sessiond.store.multiplexer import Multiplexer

EMBEDDED: Final = "embedded"
FAKE: Final = "fakeredis"
SCHEMES: Final = (EMBEDDED, "redis", "rediss", "unix", FAKE)


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


def open_link(url: str, limits: LinkLimits, ca_file: str | None = None) -> Multiplexer:
    """A link to one node; it connects at its first command.

    Raises:
        StartupError: the URL or the file of certificates is wrong.
    """
    return Multiplexer(connections(url, limits, ca_file), limits)


def connections(
    url: str, limits: LinkLimits, ca_file: str | None = None
) -> Callable[[], AbstractConnection]:
    """What makes connections to one node.

    They have no read timeout: whoever reads keeps time. redis-py's own retries are off: which calls
    may be sent twice is decided per script.

    Raises:
        StartupError: the URL or the file of certificates is wrong.
    """
    scheme = scheme_of(url)
    if scheme == FAKE:
        url = "redis" + url.removeprefix(FAKE)
    # What the URL must not change, though redis-py lets its query change anything.
    ours: dict[str, Any] = {
        "socket_connect_timeout": limits.connect_s,
        "socket_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "decode_responses": False,
        "client_name": "sessiond",
    }
    if scheme == "rediss" and ca_file:
        try:
            ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise StartupError(f"no certificates in {ca_file}: {error.strerror}") from None
        ours["ssl_ca_certs"] = ca_file
    try:
        pool = ConnectionPool.from_url(url)
        pool.connection_kwargs.update(ours)
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, AttributeError, RedisError) as error:
        raise StartupError(f"the store URL {redacted(url)!r} is wrong: {error}") from None
    return pool.make_connection
