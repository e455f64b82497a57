"""Certificates of servers and of their callers, in files that are renewed while they are used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from sessiond.devmode import CALLER
from sessionstore import TLS
from tests.certificates import CALLING
from tests.faults.arena import Doors
from tests.rpc.certificates import Tls, make_tls, replace, spiffe_id


@dataclass(frozen=True)
class Pki:
    """One authority, a certificate of all servers, and one of a caller of role admin."""

    directory: Path
    servers: Tls

    @property
    def sdk(self) -> TLS:
        """How the SDK is told of them."""
        return TLS(
            ca_file=self.directory / "clients.crt",
            server_name="localhost",
            cert_file=self.directory / "caller.crt",
            key_file=self.directory / "caller.key",
        )

    def doors(self, **settings: str) -> Doors:
        """Servers that are called over mTLS only, and these settings of theirs."""
        callers = self.directory / "callers.toml"
        of_servers = {name: str(value) for name, value in self.servers.settings.items()}
        return Doors(
            lined=False,
            credentials=self._credentials,
            settings={**of_servers, "callers_file": str(callers), **settings},
        )

    def renew_servers(self) -> None:
        """Another certificate and key."""
        self.servers.renew()

    def renew_caller(self) -> None:
        """Another certificate and key."""
        issued = self.servers.issuer.issue("", uris=[spiffe_id(CALLER)], purpose=CALLING)
        replace(self.directory / "caller.key", issued.key)
        replace(self.directory / "caller.crt", issued.certificate)

    def _credentials(self) -> grpc.ChannelCredentials:
        key, chain = (self.directory / f"caller.{kind}" for kind in ("key", "crt"))
        return grpc.ssl_channel_credentials(
            self.servers.authority, key.read_bytes(), chain.read_bytes()
        )


@contextmanager
def make_pki() -> Iterator[Pki]:
    """In a directory of its own."""
    with TemporaryDirectory(prefix="ss-") as name:
        directory = Path(name)
        pki = Pki(directory, make_tls(directory, mutual=True))
        pki.renew_caller()
        named = f'[callers.{CALLER}]\nroles = ["admin"]\ncertificates = ["{spiffe_id(CALLER)}"]\n'
        (directory / "callers.toml").write_text(named)
        yield pki
