"""Whatever text comes in, only the typed refusals come out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessiond.domain.errors import (
    AccessTokenExpiredError,
    AccessTokenInvalidError,
    CredentialsExpiredError,
    CredentialsInvalidError,
    RefreshTokenInvalidError,
)
from sessiond.domain.ids import new_session_id
from sessiond.tokens.refresh import RefreshClaims
from tests.unit.tokens.forge import USER, access_claims, header, segment, service_claims, signed

if TYPE_CHECKING:
    from sessiond.tokens.access import AccessTokens
    from sessiond.tokens.keys import TokenKey
    from sessiond.tokens.refresh import RefreshTokens
    from sessiond.tokens.service import ServiceTokens

few = settings(max_examples=100, deadline=None)

# Lone surrogates included: gRPC never yields them, other callers of this code may.
characters = st.characters(exclude_categories=())
any_text = st.text(characters, max_size=200)
token_like = st.text("AZaz09-_.=+/ ", max_size=120) | any_text
base64_like = st.text("AZaz09-_=+", min_size=56, max_size=56).map("srt1_".__add__)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=8,
)
claim_names = st.sampled_from(
    ["iss", "sub", "aud", "client_id", "exp", "iat", "nbf", "jti", "sid", "amr", "acr", "auth_time"]
)
header_names = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip", "jwk"])


@few
@given(token=token_like | base64_like)
def test_any_text_as_a_refresh_token(refresh: RefreshTokens, token: str) -> None:
    with pytest.raises(RefreshTokenInvalidError):
        refresh.parse(token)


@few
@given(token=token_like | st.tuples(token_like, token_like, token_like).map(".".join))
def test_any_text_as_a_jwt(access: AccessTokens, service: ServiceTokens, token: str) -> None:
    with pytest.raises(AccessTokenInvalidError):
        access.verify(token)
    with pytest.raises(CredentialsInvalidError):
        service.verify(token)


@few
@given(head=json_value, payload=json_value, signature=st.binary(max_size=70))
def test_any_json_in_a_jwt(access: AccessTokens, head: Any, payload: Any, signature: bytes) -> None:
    texts = [segment(json.dumps(part).encode()) for part in (head, payload)]
    with pytest.raises(AccessTokenInvalidError):
        access.verify(".".join([*texts, segment(signature)]))


@few
@given(changes=st.dictionaries(header_names, json_value, min_size=1, max_size=3))
def test_any_header_under_a_good_signature(
    access: AccessTokens, signing_key: TokenKey, changes: dict[str, Any]
) -> None:
    good = header(signing_key)
    token = signed(signing_key, {**good, **changes}, access_claims())
    if {**good, **changes} != good:
        with pytest.raises(AccessTokenInvalidError):
            access.verify(token)


@few
@given(changes=st.dictionaries(claim_names, json_value, min_size=1, max_size=3))
def test_any_claims_under_a_good_signature(
    access: AccessTokens,
    service: ServiceTokens,
    signing_key: TokenKey,
    service_key: TokenKey,
    changes: dict[str, Any],
) -> None:
    payload = {**access_claims(), **changes}
    with suppress(AccessTokenInvalidError, AccessTokenExpiredError):
        access.verify(signed(signing_key, header(signing_key), payload))
    payload = {**service_claims(), **changes}
    with suppress(CredentialsInvalidError, CredentialsExpiredError):
        service.verify(signed(service_key, header(service_key, "service+jwt"), payload))


@few
@given(raw=st.binary(max_size=400))
def test_any_bytes_as_a_payload_under_a_good_signature(
    access: AccessTokens, signing_key: TokenKey, raw: bytes
) -> None:
    with pytest.raises(AccessTokenInvalidError):
        access.verify(signed(signing_key, header(signing_key), raw))


@few
@given(
    generation=st.integers(1, 2**32 - 1), user=st.text(st.characters(codec="utf-8"), max_size=20)
)
def test_every_refresh_token_parses_back(
    refresh: RefreshTokens, generation: int, user: str
) -> None:
    for name in (user, USER):
        session_id = new_session_id(name)
        token = refresh.mint(session_id, generation)
        assert refresh.parse(token) == RefreshClaims(session_id, generation, refresh.key_id)
