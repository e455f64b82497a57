"""GetSigningKeys and the access tokens that its keys verify."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from sessiond.tokens import keymaker
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keys import Algorithm
from sessionstore.v1 import session_pb2
from tests.rpc.calls import Api
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import Server, eventually

_FIELDS = ("kid", "kty", "alg", "use", "crv", "x", "y")


def _keys(api: Api) -> dict[str, jwt.PyJWK]:
    keys = [{f: getattr(key, f) for f in _FIELDS} for key in api.signing_keys().keys]
    return {key["kid"]: jwt.PyJWK({f: v for f, v in key.items() if v}) for key in keys}


def _decoded(api: Api, token: str, audience: str) -> dict[str, Any]:
    key = _keys(api)[jwt.get_unverified_header(token)["kid"]]
    issuer = api.signing_keys().issuer
    required = ["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "sid"]
    return jwt.decode(
        token, key, algorithms=["EdDSA", "ES256"], audience=audience, issuer=issuer,
        options={"require": required},
    )  # fmt: skip


def test_a_public_key_verifies_an_access_token_by_pyjwt_alone(caller: Api, user: str) -> None:
    """The token says what RFC 9068 asks for, and is typed at+jwt."""
    authentication = session_pb2.Authentication(methods=["pwd", "otp"], acr="silver")
    authentication.time.FromSeconds(1_700_000_000)
    made = caller.create(user, authentication=authentication)
    token = made.tokens.access_token
    claims = _decoded(caller, token, "sessionstore")
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert (claims["sub"], claims["sid"]) == (user, made.session.session_id)
    assert (claims["aud"], claims["client_id"]) == ("sessionstore", "writer")
    assert (claims["amr"], claims["acr"]) == (["pwd", "otp"], "silver")
    assert claims["auth_time"] == 1_700_000_000
    assert claims["exp"] == made.tokens.access_token_expire_time.seconds
    assert 3599 <= claims["exp"] - claims["iat"] <= 3600


def test_no_two_access_tokens_share_a_jti(caller: Api, user: str) -> None:
    """Also those of one session, minted in the same second."""
    made = caller.create(user)
    tokens = [made.tokens.access_token]
    tokens += [caller.refresh(made.tokens.refresh_token).tokens.access_token for _ in range(3)]
    assert len({_decoded(caller, token, "sessionstore")["jti"] for token in tokens}) == 4


def test_no_attribute_is_put_into_a_token(caller: Api, user: str) -> None:
    """Attributes, client details and the user's profile stay on the server."""
    client = session_pb2.Client(user_agent="ua", ip_address="192.0.2.1", device_id="d")
    token = caller.create(user, attributes={"a": "1"}, client=client).tokens.access_token
    expected = {"iss", "sub", "aud", "client_id", "exp", "iat", "jti", "sid"}
    assert set(_decoded(caller, token, "sessionstore")) == expected


def test_an_access_token_never_outlives_its_session(serve_with: ServeWith) -> None:
    """A session that ends sooner than the access lifetime has shorter tokens."""
    made = serve_with(idle_lifetime="90s").api().create("alice")
    expiry = made.tokens.access_token_expire_time
    assert 0 <= made.session.expire_time.ToMilliseconds() - expiry.ToMilliseconds() < 1000


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_rotated_key_is_published_and_the_old_one_still_verifies(
    serve_with: ServeWith, algorithm: Algorithm
) -> None:
    """Of either algorithm; tokens of both keys verify after the new one has taken over."""
    server: Server = serve_with(key_publish_time="0s", key_reload_interval="20ms")
    api = server.api()
    old = api.create("alice").tokens.access_token
    keymaker.rotate(server.settings.effective_keys_dir, Kind.SIGNING, algorithm=algorithm)
    eventually(lambda: len(_keys(api)) == 2)
    new = api.create("alice").tokens.access_token
    assert jwt.get_unverified_header(new)["alg"] == algorithm.value
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    for token in (old, new):
        assert _decoded(api, token, "sessionstore")["sub"] == "alice"


def test_a_new_key_is_published_before_it_signs(serve_with: ServeWith) -> None:
    """By the publish time, so that nobody meets a token whose key is unknown."""
    server = serve_with(key_reload_interval="20ms")
    api = server.api()
    before = set(_keys(api))
    keymaker.rotate(server.settings.effective_keys_dir, Kind.SIGNING)
    eventually(lambda: len(_keys(api)) == 2)
    token = api.create("alice").tokens.access_token
    assert jwt.get_unverified_header(token)["kid"] in before
    answer = api.signing_keys()
    cached = answer.expire_time.ToMilliseconds() - answer.read_time.ToMilliseconds()
    assert 0 < cached < server.settings.key_publish_time.total_seconds() * 1000
