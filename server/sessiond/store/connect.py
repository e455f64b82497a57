"""From a store URL to a link to one node."""

from __future__ import annotations

import ssl
from typing import Final
from urllib.parse import urlsplit

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

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


def open_link(url: str, limits: LinkLimits, *, ca_file: str | None = None) -> Multiplexer:
    """A link to one node; it connects at its first command.

    Raises:
        StartupError: the URL or the file of certificates is wrong.
    """
    return Multiplexer(connections(url, limits, ca_file=ca_file).make_connection, limits)


def connections(url: str, limits: LinkLimits, *, ca_file: str | None = None) -> ConnectionPool:
    """What makes connections to one node.

    They have no read timeout: whoever reads keeps time. redis-py's own retries are off: which calls
    may be sent twice is decided per script.
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
        return ConnectionPool.from_url(
            url,
            socket_connect_timeout=limits.connect_s,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            client_name="sessiond",
            **options,
        )
    except ValueError as error:
        raise StartupError(f"the store URL {redacted(url)!r} is wrong: {error}") from None
