"""How a server introduces itself to the engines of a store, and proves them to be what it asks."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sessiond.domain.errors import StartupError
from sessiond.store.link import LinkLimits
from sessiond.store.store_url import Address

Connect = Callable[[], AbstractConnection]
"""Makes a connection, which has to be told to connect."""


@dataclass(frozen=True, slots=True)
class Access:
    """The same for every node of a store."""

    username: str | None = None
    """Of the engine's ACL; without one, it is the engine's default user."""
    password: str | None = None
    client_name: str = "sessiond"
    """What CLIENT LIST shows."""
    ca_file: Path | None = None
    """PEM certificates that a node is verified against over TLS; the system's by default."""

    def check(self) -> None:
        """Find out now what connecting would find out later.

        Raises:
            StartupError: a file cannot be used.
        """
        if self.ca_file:
            try:
                ssl.create_default_context(cafile=self.ca_file)
            except OSError as error:
                problem = f"no certificates in {self.ca_file}: {error.strerror}"
                raise StartupError(problem) from None


@dataclass(frozen=True, slots=True)
class Door:
    """What all connections to the nodes of one store have in common.

    They have no read timeout: whoever reads keeps time. redis-py's own retries are off: which calls
    may be sent twice is decided per script.
    """

    access: Access
    limits: LinkLimits
    tls: bool = False
    database: int = 0

    def at(self, address: Address) -> Connect:
        """Connections to a node over TCP, encrypted and verified under TLS."""
        where: dict[str, Any] = {"host": address.host, "port": address.port, **self._common()}
        if not self.tls:
            return lambda: Connection(**where)
        ca_file = str(self.access.ca_file) if self.access.ca_file else None
        return lambda: SSLConnection(
            ssl_ca_certs=ca_file,
            ssl_cert_reqs="required",
            ssl_check_hostname=True,
            ssl_min_version=ssl.TLSVersion.TLSv1_2,
            **where,
        )

    def at_socket(self, path: str) -> Connect:
        """Connections to a node on this machine."""
        where: dict[str, Any] = {"path": path, **self._common()}
        return lambda: UnixDomainSocketConnection(**where)

    def _common(self) -> dict[str, Any]:
        return {
            "db": self.database,
            "username": self.access.username,
            "password": self.access.password,
            "client_name": self.access.client_name,
            "socket_connect_timeout": self.limits.connect_s,
            "socket_timeout": None,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "decode_responses": False,
        }
