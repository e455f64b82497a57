"""Good access tokens: what they hold, how long they are good, and what is remembered of them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import jwt
import pytest

from sessiond.domain.errors import AccessTokenExpiredError, AccessTokenInvalidError
from sessiond.domain.session import Authentication
from sessiond.tokens import strict_jwt
from sessiond.tokens.access import AccessTokens
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keymaker import rotate
from sessiond.tokens.keys import Algorithm
from tests.unit.tokens.forge import (
    HOUR,
    ISSUER,
    NOW,
    USER,
    Clock,
    access_claims,
    header,
    new_ring,
    new_session,
    signed,
)

if TYPE_CHECKING:
    from sessiond.tokens.keyring import KeyRing
    from sessiond.tokens.keys import TokenKey


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, payload = (urlsafe_b64decode(text + "==") for text in token.split(".")[:2])
    return json.loads(head), json.loads(payload)


def count_signature_checks() -> Any:
    return patch.object(strict_jwt._jws, "decode", wraps=strict_jwt._jws.decode)


def test_a_minted_token_verifies_to_what_it_was_minted_from(access: AccessTokens) -> None:
    session = new_session()
    token, expire_ms = access.mint(session, client_id="login-service", now_ms=NOW * 1000)
    claims = access.verify(token)
    assert (claims.session_id, claims.user_id) == (session.id, USER)
    assert (claims.audience, claims.client_id) == (("api",), "login-service")
    assert claims.expire_ms == expire_ms == (NOW + HOUR) * 1000
    assert claims.issue_ms == NOW * 1000
    assert claims.authentication == Authentication()


def test_header_and_claims_are_those_of_rfc_9068(access: AccessTokens, ring: KeyRing) -> None:
    token, _ = access.mint(new_session(), client_id="c", now_ms=NOW * 1000)
    head, payload = parts(token)
    kid = ring.keys.tokens[Kind.SIGNING].signer(NOW).id
    assert head == {"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}
    assert payload.keys() == {"iss", "sub", "aud", "client_id", "exp", "iat", "jti", "sid"}
    assert len(urlsafe_b64decode(payload["jti"] + "==")) == 16


def test_each_token_has_a_jti_of_its_own(access: AccessTokens) -> None:
    session = new_session()
    tokens = [access.mint(session, client_id="c", now_ms=NOW * 1000)[0] for _ in range(20)]
    assert len({access.verify(token).jti for token in tokens}) == 20


def test_authentication_goes_in_and_comes_out(access: AccessTokens) -> None:
    how = Authentication(methods=("pwd", "otp"), acr="aal2", time_ms=(NOW - 5) * 1000)
    token, _ = access.mint(new_session(authentication=how), client_id="c", now_ms=NOW * 1000)
    assert parts(token)[1].items() >= {"auth_time": NOW - 5, "acr": "aal2"}.items()
    assert access.verify(token).authentication == how


@pytest.mark.parametrize(
    ("audience", "aud"), [((), "api"), (("one",), "one"), (("one", "two"), ["one", "two"])]
)
def test_a_single_audience_is_a_string(
    access: AccessTokens, audience: tuple[str, ...], aud: object
) -> None:
    token, _ = access.mint(new_session(audience=audience), client_id="c", now_ms=NOW * 1000)
    assert parts(token)[1]["aud"] == aud
    assert access.verify(token).audience == (audience or ("api",))


@pytest.mark.parametrize(
    ("now_ms", "session_expire_ms", "expire_s"),
    [
        (NOW * 1000 + 999, (NOW + 2 * HOUR) * 1000, NOW + HOUR),
        (NOW * 1000 + 999, (NOW + 10) * 1000 + 998, NOW + 10),
        (NOW * 1000, NOW * 1000 + 999, NOW),
        (NOW * 1000 + 999, NOW * 1000 - 1, NOW - 1),
    ],
)
def test_exp_is_a_whole_second_never_past_the_session(
    access: AccessTokens, now_ms: int, session_expire_ms: int, expire_s: int
) -> None:
    session = new_session(expire_ms=session_expire_ms)
    token, expire_ms = access.mint(session, client_id="c", now_ms=now_ms)
    assert expire_ms == expire_s * 1000 <= session_expire_ms
    assert parts(token)[1]["exp"] == expire_s
    assert parts(token)[1]["iat"] == NOW


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_any_jwt_library_verifies_by_the_published_keys(
    tmp_path: Path, algorithm: Algorithm
) -> None:
    ring = new_ring(tmp_path / "k", Clock(), algorithm=algorithm)
    token, _ = AccessTokens(ring, ISSUER, "api", HOUR * 1000).mint(
        new_session(), client_id="c", now_ms=NOW * 1000
    )
    key = jwt.PyJWKSet.from_dict({"keys": ring.jwks()})[jwt.get_unverified_header(token)["kid"]]
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, key, algorithms=[algorithm], audience="api", options=options)
    assert claims["sub"] == USER


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_changed_bit_of_a_signature_is_noticed(tmp_path: Path, algorithm: Algorithm) -> None:
    ring = new_ring(tmp_path / "k", Clock(), algorithm=algorithm)
    tokens = AccessTokens(ring, ISSUER, "api", HOUR * 1000)
    token, _ = tokens.mint(new_session(), client_id="c", now_ms=NOW * 1000)
    text, _, signature = token.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    for at in range(len(raw)):
        flipped = raw[:at] + bytes((raw[at] ^ 1 << at % 8,)) + raw[at + 1 :]
        forged = f"{text}.{jwt.utils.base64url_encode(flipped).decode()}"
        with pytest.raises(AccessTokenInvalidError):
            tokens.verify(forged)
    tokens.verify(token)


def test_expiry_counts_from_exp_and_the_leeway_on_a_remembered_token_too(tmp_path: Path) -> None:
    clock = Clock()
    tokens = AccessTokens(new_ring(tmp_path / "k", clock), ISSUER, "api", HOUR * 1000)
    token, _ = tokens.mint(new_session(), client_id="c", now_ms=NOW * 1000)
    tokens.verify(token)
    clock.now_s = NOW + HOUR + 29.9
    tokens.verify(token)
    clock.now_s = NOW + HOUR + 30
    for _ in range(2):
        with pytest.raises(AccessTokenExpiredError):
            tokens.verify(token)


def test_iat_within_the_leeway_is_clock_difference_and_beyond_it_is_not(
    access: AccessTokens, signing_key: TokenKey
) -> None:
    access.verify(signed(signing_key, header(signing_key), access_claims(iat=NOW + 30)))
    with pytest.raises(AccessTokenInvalidError):
        access.verify(signed(signing_key, header(signing_key), access_claims(iat=NOW + 31)))


def test_nbf_is_honoured_though_we_mint_none(access: AccessTokens, signing_key: TokenKey) -> None:
    access.verify(signed(signing_key, header(signing_key), access_claims(nbf=NOW)))
    for bad in (NOW + 31, "soon", 1.5):
        with pytest.raises(AccessTokenInvalidError):
            access.verify(signed(signing_key, header(signing_key), access_claims(nbf=bad)))


def test_a_token_is_checked_once_while_the_keys_stay(ring: KeyRing) -> None:
    tokens = AccessTokens(ring, ISSUER, "api", HOUR * 1000)
    token, _ = tokens.mint(new_session(), client_id="c", now_ms=NOW * 1000)
    with count_signature_checks() as checks:
        assert tokens.verify(token) == tokens.verify(token)
    assert checks.call_count == 1


def test_the_memory_is_bounded_and_the_oldest_makes_room(ring: KeyRing) -> None:
    tokens = AccessTokens(ring, ISSUER, "api", HOUR * 1000, remember=2)
    a, b, c = (tokens.mint(new_session(), client_id="c", now_ms=NOW * 1000)[0] for _ in "abc")
    with count_signature_checks() as checks:
        for token in (a, b, c, b, c, a):
            tokens.verify(token)
    assert checks.call_count == 4
    assert len(tokens._jwt._remembered) == 2


def test_nothing_is_remembered_where_the_limit_is_none(ring: KeyRing) -> None:
    tokens = AccessTokens(ring, ISSUER, "api", HOUR * 1000, remember=0)
    token, _ = tokens.mint(new_session(), client_id="c", now_ms=NOW * 1000)
    with count_signature_checks() as checks:
        tokens.verify(token)
        tokens.verify(token)
    assert checks.call_count == 2


def test_the_memory_holds_no_token(ring: KeyRing) -> None:
    tokens = AccessTokens(ring, ISSUER, "api", HOUR * 1000)
    token, _ = tokens.mint(new_session(), client_id="c", now_ms=NOW * 1000)
    tokens.verify(token)
    assert token not in repr(tokens._jwt._remembered._entries)
    assert all(len(digest) == 32 for digest in tokens._jwt._remembered._entries)


def test_a_remembered_token_falls_with_its_key(tmp_path: Path) -> None:
    ring = new_ring(tmp_path / "k", Clock())
    tokens = AccessTokens(ring, ISSUER, "api", HOUR * 1000)
    token, _ = tokens.mint(new_session(), client_id="c", now_ms=NOW * 1000)
    tokens.verify(token)
    (stolen,) = (tmp_path / "k" / "signing").iterdir()
    rotate(tmp_path / "k", Kind.SIGNING)
    stolen.unlink()
    ring.reload()
    with pytest.raises(AccessTokenInvalidError):
        tokens.verify(token)


def test_a_remembered_token_falls_when_its_key_expires(tmp_path: Path) -> None:
    clock = Clock()
    ring = new_ring(tmp_path / "k", clock)
    old = ring.keys.tokens[Kind.SIGNING].signer(NOW)
    rotate(tmp_path / "k", Kind.SIGNING, clock=clock)
    ring.reload()
    tokens = AccessTokens(ring, ISSUER, "api", HOUR * 1000)
    token = signed(old, header(old), access_claims(exp=NOW + 10 * HOUR))
    tokens.verify(token)
    clock.now_s = NOW + 601 + HOUR + 30
    with pytest.raises(AccessTokenInvalidError):
        tokens.verify(token)


def test_tokens_never_outlive_the_keys_of_their_ring(ring: KeyRing) -> None:
    with pytest.raises(ValueError, match="longer"):
        AccessTokens(ring, ISSUER, "api", (HOUR + 1) * 1000)


def test_tokens_minted_before_a_rotation_verify_after_it(tmp_path: Path) -> None:
    clock = Clock()
    ring = new_ring(tmp_path / "k", clock)
    tokens = AccessTokens(ring, ISSUER, "api", HOUR * 1000)
    before, _ = tokens.mint(new_session(), client_id="c", now_ms=NOW * 1000)
    rotate(tmp_path / "k", Kind.SIGNING, algorithm=Algorithm.ES256, clock=clock)
    ring.reload()
    clock.now_s += 601
    after, _ = tokens.mint(new_session(), client_id="c", now_ms=int(clock.now_s * 1000))
    assert parts(before)[0]["alg"] == "EdDSA"
    assert parts(after)[0]["alg"] == "ES256"
    tokens.verify(before)
    tokens.verify(after)
