"""Asks the user directory, a gRPC service of somebody else's, which users no longer exist."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import grpc
import structlog

from sessiond.domain.errors import StartupError
from sessiond.service.orphans import FilterMissing
from sessionstore._endpoint import TLS, Endpoint, endpoint, stays_on_this_machine
from sessionstore._token import TokenSource, token_source
from sessionstore.v1.user_directory_pb2 import DESCRIPTOR, FilterMissingUsersRequest
from sessionstore.v1.user_directory_pb2_grpc import UserDirectoryStub

_SERVICE: Final = DESCRIPTOR.services_by_name["UserDirectory"].full_name
# A directory that restarts is waited for, for about two seconds.
_RETRIES: Final = {
    "methodConfig": [
        {
            "name": [{"service": _SERVICE}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
_OPTIONS: Final = (
    ("grpc.service_config", json.dumps(_RETRIES)),
    ("grpc.use_local_subchannel_pool", 1),
)


class UserDirectory:
    """Where the directory is, and what it takes to call it."""

    def __init__(
        self,
        address: str,
        *,
        ca_file: Path | None = None,
        token_file: Path | None = None,
        plaintext: bool = False,
        deadline_s: float = 10.0,
    ) -> None:
        """Set what is called; connects to nothing.

        Args:
            address: a target of gRPC's name syntax. It is called over TLS, unless it is loopback or
                a Unix socket and no `ca_file` is given.
            ca_file: PEM certificates to verify it against; the system's by default.
            token_file: holds a bearer token, read again when it changes.
            plaintext: go without TLS wherever it is.
            deadline_s: for one call, in seconds.

        Raises:
            StartupError: a file cannot be read, or the token in it cannot be sent.
        """
        tls = ca_file is not None or not (plaintext or stays_on_this_machine(address))
        try:
            self._endpoint = endpoint(
                address, TLS(ca_file=ca_file) if tls else False, plaintext=not tls
            )
            self._token = token_source(None, token_file) if token_file else None
        except OSError as error:
            raise StartupError(f"cannot read {error.filename}: {error.strerror}") from None
        except ValueError as error:
            raise StartupError(f"{token_file}: {error}") from None
        self._deadline_s = deadline_s
        self._log = structlog.get_logger("sessiond.jobs")

    @property
    def over_tls(self) -> bool:
        """Whether it is called over TLS."""
        return self._endpoint.tls

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[FilterMissing]:
        """A connection; what it gives takes up to 500 user ids, and raises grpc.RpcError."""
        async with _channel(self._endpoint) as channel:
            stub = UserDirectoryStub(channel)

            async def missing(user_ids: Sequence[str]) -> Collection[str]:
                request = FilterMissingUsersRequest(user_ids=user_ids)
                metadata = _metadata(self._token)
                try:
                    answer = await stub.FilterMissingUsers(
                        request, timeout=self._deadline_s, metadata=metadata
                    )
                except grpc.RpcError as error:
                    self._log.warning("directory_failed", status=error.code().name)
                    raise
                return answer.missing_user_ids

            yield missing


def _channel(where: Endpoint) -> grpc.aio.Channel:
    if where.tls:
        credentials = grpc.ssl_channel_credentials(where.root_certificates)
        return grpc.aio.secure_channel(where.target, credentials, _OPTIONS)
    # Through a proxy of the environment, clear text would leave the machine after all.
    return grpc.aio.insecure_channel(where.target, (*_OPTIONS, ("grpc.enable_http_proxy", 0)))


def _metadata(token: TokenSource | None) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token()}"),) if token else ()
