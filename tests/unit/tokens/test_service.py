"""Callers' service tokens: good ones name a caller, and nothing else passes for one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import jwt
import pytest

from sessiond.domain.errors import CredentialsExpiredError, CredentialsInvalidError
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keymaker import rotate
from sessiond.tokens.service import ServiceClaims, ServiceTokens
from tests.unit.tokens.forge import (
    DAY,
    HOUR,
    NOW,
    Clock,
    Parts,
    access_claims,
    header,
    hs256,
    new_ring,
    new_session,
    service_claims,
    signed,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sessiond.tokens.access import AccessTokens
    from sessiond.tokens.keyring import KeyRing
    from sessiond.tokens.keys import TokenKey
    from sessiond.tokens.refresh import RefreshTokens

TYP = "service+jwt"


def refused(service: ServiceTokens, token: str) -> None:
    with pytest.raises(CredentialsInvalidError) as caught:
        service.verify(token)
    assert str(caught.value) == "not a valid service token"
    assert not caught.value.metadata


def test_a_minted_token_verifies_to_its_caller_and_times(service: ServiceTokens) -> None:
    token = service.mint("login-service", HOUR, NOW + 0.9)
    assert service.verify(token) == ServiceClaims("login-service", NOW, NOW + HOUR)
    assert jwt.get_unverified_header(token)["typ"] == TYP


def test_the_forge_makes_a_good_token_when_asked_to(
    service: ServiceTokens, service_key: TokenKey
) -> None:
    service.verify(signed(service_key, header(service_key, TYP), service_claims()))


@pytest.mark.parametrize("name", ["", "Login", "a b", "é", "a/b", "a" * 65, "a\n"])
def test_only_a_callers_name_is_minted(service: ServiceTokens, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        service.mint(name, HOUR, NOW)


@pytest.mark.parametrize("lifetime_s", [0, -1, 30 * DAY + 1])
def test_only_a_lifetime_that_the_keys_cover_is_minted(
    service: ServiceTokens, lifetime_s: int
) -> None:
    with pytest.raises(ValueError, match="lives"):
        service.mint("a", lifetime_s, NOW)


NO_TEXT: tuple[object, ...] = (1, "", [], {}, True)
NO_TIME: tuple[object, ...] = ("1", 1.5, True, -1, float("nan"))
WRONG_CLAIMS: list[Parts] = [
    *({name: None} for name in ("iss", "sub", "aud", "exp", "iat", "jti")),
    *({name: value} for name in ("iss", "sub", "aud", "jti") for value in NO_TEXT),
    *({name: value} for name in ("exp", "iat") for value in NO_TIME),
    {"iss": "https://sessions.test"},
    {"aud": ["sessiond"]},
    {"aud": "sessiond2"},
    {"sub": "Login-Service"},
    {"sub": "a" * 65},
    {"sub": "login-service\n"},
    {"iat": NOW + 31},
]


@pytest.mark.parametrize("changes", WRONG_CLAIMS, ids=str)
def test_a_claim_missing_or_wrong_is_refused(
    service: ServiceTokens, service_key: TokenKey, changes: Parts
) -> None:
    refused(service, signed(service_key, header(service_key, TYP), service_claims(**changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": "at+jwt"},
        {"typ": "JWT"},
        {"typ": None},
        {"alg": "none"},
        {"alg": "ES256"},
        {"kid": None},
        {"kid": "../signing/x"},
        {"crit": ["exp"]},
    ],
    ids=str,
)
def test_a_header_that_we_do_not_mint_is_refused(
    service: ServiceTokens, service_key: TokenKey, changes: Parts
) -> None:
    refused(
        service,
        signed(service_key, header(service_key, **{"typ": TYP, **changes}), service_claims()),
    )


def test_an_access_key_does_not_sign_service_tokens(
    service: ServiceTokens, service_key: TokenKey, signing_key: TokenKey
) -> None:
    for kid in (signing_key.id, service_key.id):
        head = header(signing_key, TYP, kid=kid)
        refused(service, signed(signing_key, head, service_claims()))


def test_tokens_of_other_kinds_are_no_service_tokens(
    service: ServiceTokens, access: AccessTokens, refresh: RefreshTokens, service_key: TokenKey
) -> None:
    refused(service, access.mint(new_session(), client_id="c", now_ms=NOW * 1000)[0])
    refused(service, refresh.mint(new_session().id, 1))
    refused(service, signed(service_key, header(service_key), service_claims()))
    refused(service, signed(service_key, header(service_key, TYP), access_claims()))


def test_a_public_key_is_no_hmac_secret(service: ServiceTokens, service_key: TokenKey) -> None:
    for alg in ("HS256", "EdDSA"):
        head = header(service_key, TYP, alg=alg)
        refused(service, hs256(service_key, head, service_claims(), "pem"))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "null", "é", "\ud800", "....", "A" * 4_097]
)
def test_what_is_no_token_is_refused(service: ServiceTokens, token: str) -> None:
    refused(service, token)


def test_three_megabytes_are_refused_unread(service: ServiceTokens) -> None:
    token = "A" * 3_000_000
    start = time.perf_counter()
    refused(service, token)
    assert time.perf_counter() - start < 0.05


def test_an_old_token_is_expired_whether_remembered_or_not(tmp_path: Path) -> None:
    clock = Clock()
    ring = new_ring(tmp_path / "k", clock)
    service = ServiceTokens(ring)
    token = service.mint("a", HOUR, NOW)
    service.verify(token)
    clock.now_s = NOW + HOUR + 30
    for verifier in (service, service, ServiceTokens(ring)):
        with pytest.raises(CredentialsExpiredError, match="expired"):
            verifier.verify(token)


def test_a_remembered_token_falls_with_its_key(tmp_path: Path) -> None:
    ring = new_ring(tmp_path / "k", Clock())
    service = ServiceTokens(ring)
    token = service.mint("a", HOUR, NOW)
    service.verify(token)
    (stolen,) = (tmp_path / "k" / "service").iterdir()
    rotate(tmp_path / "k", Kind.SERVICE)
    stolen.unlink()
    ring.reload()
    refused(service, token)


def test_service_keys_are_not_published(ring: KeyRing, service_key: TokenKey) -> None:
    assert service_key.id not in {key["kid"] for key in ring.jwks()}
