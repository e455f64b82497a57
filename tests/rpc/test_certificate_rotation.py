"""Certificates of the server and of a caller are renewed, by another authority, under load."""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from sessionstore import TLS, SessionClient, SessionStoreError
from tests.certificates import SERVING, Authority
from tests.conftest import rounds
from tests.rpc.certificates import Tls, make_tls, replace, spiffe_id
from tests.rpc.conftest import ServeWith
from tests.rpc.handshakes import handshake
from tests.rpc.serving import eventually

_CALLERS = 4
_TURNS_A_ROUND = 40


@dataclass
class Load:
    """What callers were answered; threads share it."""

    answers: Counter[str] = field(default_factory=Counter)
    turns_s: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, answer: str, took_s: float) -> None:
        with self._lock:
            self.answers[answer] += 1
            self.turns_s.append(took_s)


@pytest.fixture
def authorities() -> tuple[Authority, Authority]:
    return Authority(), Authority()


@contextmanager
def under_load(address: str, tls: TLS) -> Iterator[Load]:
    """Sessions are made, refreshed, validated and revoked all the time, without a token."""
    load, over = Load(), threading.Event()

    def live(number: int) -> None:
        with SessionClient(address, tls=tls) as sessions:
            for turn in count():
                began = time.monotonic()
                try:
                    made = sessions.create(f"user-{number}-{turn}")
                    refreshed = sessions.refresh(made.tokens.refresh_token)
                    assert sessions.validate(access_token=refreshed.tokens.access_token).active
                    sessions.revoke(session_id=made.session.id)
                    assert not sessions.validate(session_id=made.session.id).active
                except SessionStoreError as error:
                    load.add(error.code.name, time.monotonic() - began)
                else:
                    load.add("OK", time.monotonic() - began)
                if over.is_set():
                    return

    with ThreadPoolExecutor(_CALLERS) as pool:
        lives = [pool.submit(live, number) for number in range(_CALLERS)]
        try:
            yield load
        finally:
            over.set()
    for each in lives:
        each.result()


def test_renewed_certificates_lose_no_call(
    serve_with: ServeWith, tmp_path: Path, authorities: tuple[Authority, Authority]
) -> None:
    """While both authorities are trusted, whoever shows a new one of either is let in."""
    server_tls = make_tls(tmp_path, mutual=True)
    assert server_tls.client_ca
    both = b"".join(each.certificate_pem for each in authorities)
    replace(server_tls.client_ca, both)
    (tmp_path / "trusted.pem").write_bytes(both)
    own = TLS(
        ca_file=tmp_path / "trusted.pem",
        cert_file=tmp_path / "own.crt",
        key_file=tmp_path / "own.key",
    )
    _renew(server_tls, own, authorities[0])
    server = serve_with(transport=server_tls, key_reload_interval="20ms", max_connection_age="1s")
    made = 0
    with under_load(server.app.address, own) as load:
        for number in range(rounds(3)):
            _renew(server_tls, own, authorities[(number + 1) % 2])
            shown = ssl.PEM_cert_to_DER_cert(server_tls.certificate.read_text())
            eventually(lambda: handshake(server.app.address)[1] == shown)  # noqa: B023
            made += _TURNS_A_ROUND
            until = time.monotonic() + 1.0
            eventually(lambda: load.answers.total() >= made and time.monotonic() > until)  # noqa: B023
    print(f"{load.answers}, longest turn {max(load.turns_s):.2f} s", end=" ")  # noqa: T201
    assert set(load.answers) == {"OK"}


def _renew(server_tls: Tls, own: TLS, authority: Authority) -> None:
    """Both sides', by this authority."""
    assert own.cert_file
    assert own.key_file
    issued = authority.issue("localhost", "127.0.0.1", purpose=SERVING)
    replace(server_tls.key, issued.key)
    replace(server_tls.certificate, issued.certificate)
    issued = authority.issue("", uris=[spiffe_id("writer")])
    replace(Path(own.key_file), issued.key)
    replace(Path(own.cert_file), issued.certificate)
