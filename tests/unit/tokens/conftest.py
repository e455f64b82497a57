"""Rings and tokens that no test changes; a test that turns the clock makes its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessiond.tokens.access import AccessTokens
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.refresh import RefreshTokens
from sessiond.tokens.service import ServiceTokens
from tests.unit.tokens.forge import HOUR, ISSUER, NOW, Clock, new_ring

if TYPE_CHECKING:
    from sessiond.tokens.keyring import KeyRing
    from sessiond.tokens.keys import TokenKey


@pytest.fixture(scope="session")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return new_ring(tmp_path_factory.mktemp("keys") / "ring", Clock())


@pytest.fixture(scope="session")
def signing_key(ring: KeyRing) -> TokenKey:
    return ring.keys.tokens[Kind.SIGNING].signer(NOW)


@pytest.fixture(scope="session")
def service_key(ring: KeyRing) -> TokenKey:
    return ring.keys.tokens[Kind.SERVICE].signer(NOW)


@pytest.fixture(scope="session")
def access(ring: KeyRing) -> AccessTokens:
    return AccessTokens(ring, ISSUER, "api", HOUR * 1000)


@pytest.fixture(scope="session")
def service(ring: KeyRing) -> ServiceTokens:
    return ServiceTokens(ring)


@pytest.fixture(scope="session")
def refresh(ring: KeyRing) -> RefreshTokens:
    return RefreshTokens(ring)
