"""How a server introduces itself to the engines of a store, and proves them to be what it asks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
from redis.credentials import CredentialProvider

from sessiond.domain.errors import StartupError
from sessiond.store.link import LinkLimits
from sessiond.store.store_url import Address

Connect = Callable[[], AbstractConnection]
"""Makes a connection, which has to be told to connect."""


@dataclass(frozen=True, slots=True)
class Access:
    """The same for every node of a store. Files are read at each connection: new ones take over."""

    username: str | None = None
    """Of the engine's ACL; without one, it is the engine's default user."""
    password: str | None = field(default=None, repr=False)
    client_name: str = "sessiond"
    """What CLIENT LIST shows."""
    ca_file: Path | None = None
    """PEM certificates that a node is verified against over TLS, and no others; the system's by
    default."""
    password_file: Path | None = None
    """Holds the password, alone on its first line; goes before `password`."""
    cert_file: Path | None = None
    """PEM certificate chain that is shown to a node over TLS."""
    key_file: Path | None = None
    """PEM private key of the chain."""
    sentinels: Access | None = None
    """How sentinels are met, if not as nobody with the same files."""

    def check(self) -> None:
        """Find out now what connecting would find out later.

        Raises:
            StartupError: a file cannot be used.
        """
        try:
            if self.ca_file:
                ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            problem = f"no certificates in {self.ca_file}: {error.strerror}"
            raise StartupError(problem) from None
        try:
            if self.cert_file:
                own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                own.load_cert_chain(self.cert_file, self.key_file, lambda: "")
        except OSError as error:
            raise StartupError(
                f"{self.cert_file} and {self.key_file} are not a certificate chain and its key,"
                f" both in PEM, the key without a password: {error.strerror}"
            ) from None
        try:
            if self.password_file:
                _first_line(self.password_file)
        except (OSError, ValueError) as error:
            raise StartupError(f"no password in {self.password_file}: {error}") from None
        if self.sentinels:
            self.sentinels.check()

    def to_sentinels(self) -> Access:
        """How sentinels are met."""
        return self.sentinels or Access(
            client_name=self.client_name,
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            key_file=self.key_file,
        )


class EncryptedConnection(SSLConnection):
    """A connection over TLS that can end at once."""

    def _connection_arguments(self) -> Mapping[str, Any]:
        # By itself redis-py would have the system's authorities vouch beside those of a file.
        context = ssl.create_default_context(cafile=self.ca_certs)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certfile:
            # Without a password, one would be asked for on the terminal.
            context.load_cert_chain(self.certfile, self.keyfile, lambda: "")
        self.ssl_context.context = context
        return super()._connection_arguments()

    async def disconnect(self, nowait: bool = False, *args: Any, **rest: Any) -> None:
        """Disconnect; without waiting, it is not left open for a goodbye that may never come."""
        if nowait and self._writer:
            self._writer.transport.abort()
        await super().disconnect(nowait, *args, **rest)


class _PasswordFile(CredentialProvider):
    """Credentials whose password is read each time that they are needed."""

    def __init__(self, username: str | None, file: Path) -> None:
        self._username = username
        self._file = file

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        password = await asyncio.to_thread(_first_line, self._file)
        return (self._username, password) if self._username else (password,)


def _first_line(file: Path) -> str:
    line = file.read_text().partition("\n")[0].rstrip("\r")
    if not line:
        raise ValueError("it is empty")
    return line


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
        return self.through(Connection, EncryptedConnection, host=address.host, port=address.port)

    def at_socket(self, path: str) -> Connect:
        """Connections to a node on this machine."""
        where: dict[str, Any] = {"path": path, **self._common()}
        return lambda: UnixDomainSocketConnection(**where)

    def through(
        self, plain: type[Connection], encrypted: type[SSLConnection], **where: Any
    ) -> Connect:
        """Connections of one of two kinds, which know from these arguments where they lead."""
        given = {**where, **self._common()}
        if not self.tls:
            return lambda: plain(**given)
        return lambda: encrypted(**given, **self._tls())

    def _common(self) -> dict[str, Any]:
        return {
            "db": self.database,
            "client_name": self.access.client_name,
            "socket_connect_timeout": self.limits.connect_s,
            "socket_timeout": None,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "decode_responses": False,
            **self._credentials(),
        }

    def _credentials(self) -> dict[str, Any]:
        access = self.access
        if access.password_file:
            return {"credential_provider": _PasswordFile(access.username, access.password_file)}
        return {"username": access.username, "password": access.password}

    def _tls(self) -> dict[str, Any]:
        access = self.access
        return {
            "ssl_ca_certs": str(access.ca_file) if access.ca_file else None,
            "ssl_certfile": str(access.cert_file) if access.cert_file else None,
            "ssl_keyfile": str(access.key_file) if access.key_file else None,
        }
