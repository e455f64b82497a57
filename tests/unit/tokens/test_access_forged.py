"""Access tokens that are not good: each is refused, with one and the same message."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from sessiond.domain.errors import AccessTokenExpiredError, AccessTokenInvalidError
from sessiond.domain.ids import new_session_id, partition_of_user
from sessiond.tokens.access import AccessTokens
from tests.unit.tokens.forge import (
    HOUR,
    ISSUER,
    NOW,
    USER,
    Parts,
    access_claims,
    header,
    hs256,
    new_session,
    segment,
    service_claims,
    sign_text,
    signed,
)
from tests.unit.tokens.local import LocalAccessTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessiond.tokens.keyring import KeyRing
    from sessiond.tokens.keys import TokenKey
    from sessiond.tokens.refresh import RefreshTokens
    from sessiond.tokens.service import ServiceTokens

OTHER_USER = next(
    f"u{i}" for i in range(99) if partition_of_user(f"u{i}") != partition_of_user(USER)
)
CLAIMS = ("iss", "sub", "aud", "client_id", "exp", "iat", "jti", "sid")


def by_the_service(ring: KeyRing) -> AccessTokens:
    return AccessTokens(ring, ISSUER, "api", HOUR * 1000)


@pytest.fixture(scope="module", params=[by_the_service, LocalAccessTokens])
def access(request: pytest.FixtureRequest, ring: KeyRing) -> AccessTokens:
    """Whoever verifies: the service, or a verifier of the SDK's."""
    access: AccessTokens = request.param(ring)
    return access


def refused(access: AccessTokens, token: str) -> None:
    with pytest.raises(AccessTokenInvalidError) as caught:
        access.verify(token)
    assert str(caught.value) == "not a valid access token"
    assert caught.value.__suppress_context__


def test_the_forge_makes_a_good_token_when_asked_to(
    access: AccessTokens, signing_key: TokenKey
) -> None:
    access.verify(signed(signing_key, header(signing_key), access_claims()))


@pytest.mark.parametrize("name", CLAIMS)
def test_a_token_without_a_claim_is_refused(
    access: AccessTokens, signing_key: TokenKey, name: str
) -> None:
    refused(access, signed(signing_key, header(signing_key), access_claims(**{name: None})))


OF_NO_CLAIM: tuple[object, ...] = ([], {}, True, 1.5, "")
OF_NO_HEADER: tuple[object, ...] = ("", 1, [], {}, True)
WRONG_CLAIMS: list[Parts] = [
    *({name: value} for name in CLAIMS for value in OF_NO_CLAIM),
    *({name: 7} for name in ("iss", "sub", "aud", "client_id", "jti", "sid")),
    *({name: "\ud800"} for name in ("sub", "aud", "client_id", "jti", "sid")),
    *({name: str(NOW + HOUR)} for name in ("exp", "iat")),
    *({name: float(NOW + HOUR)} for name in ("exp", "iat")),
    *({name: value} for name in ("exp", "iat") for value in (-1, 10**2000, float("nan"))),
    *({name: value} for name in ("exp", "iat") for value in (float("inf"), float("-inf"))),
    {"exp": 253_402_300_800},
    {"iat": NOW + 31},
    {"iss": "https://sessions.test/"},
    {"iss": ["https://sessions.test"]},
    {"aud": ["api", 1]},
    {"aud": ["api", ""]},
    {"aud": [["api"]]},
    {"aud": {"api": 1}},
    {"sub": OTHER_USER},
    {"sid": new_session_id(OTHER_USER)},
    {"sid": "x" * 24},
    {"sid": new_session_id(USER)[:-1]},
    {"sid": new_session_id(USER) + "="},
    {"acr": 1},
    {"amr": "pwd"},
    {"amr": [1]},
    {"amr": []},
    {"auth_time": "1"},
    {"auth_time": False},
]


@pytest.mark.parametrize("changes", WRONG_CLAIMS, ids=", ".join)
def test_a_claim_of_another_type_or_value_is_refused(
    access: AccessTokens, signing_key: TokenKey, changes: Parts
) -> None:
    refused(access, signed(signing_key, header(signing_key), access_claims(**changes)))


WRONG_HEADERS: list[Parts] = [
    *({name: None} for name in ("alg", "kid", "typ")),
    *({name: value} for name in ("alg", "kid", "typ") for value in OF_NO_HEADER),
    *({"typ": typ} for typ in ("JWT", "AT+JWT", "application/at+jwt", "service+jwt", "at+jwt ")),
    *({"alg": alg} for alg in ("none", "None", "HS256", "RS256", "PS256", "ES384", "eddsa")),
    *({"kid": kid} for kid in ("../signing/key", "/dev/null", "' OR 1=1 --", "\ud800", "k" * 999)),
    {"kid": "20260101T000000Z-00000000"},
    {"crit": []},
    {"crit": ["exp"]},
    {"crit": ["b64"], "b64": True},
    {"crit": ["b64"], "b64": False},
    {"b64": False},
    {"zip": "DEF"},
    {"cty": "JWT"},
    {"jku": "https://evil.test/jwks.json"},
    {"x5u": "https://evil.test/cert.pem"},
    {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}},
]


@pytest.mark.parametrize("changes", WRONG_HEADERS, ids=lambda c: str(c)[:40])
def test_a_header_that_we_do_not_mint_is_refused_though_well_signed(
    access: AccessTokens, signing_key: TokenKey, changes: Parts
) -> None:
    refused(access, signed(signing_key, header(signing_key, **changes), access_claims()))


@pytest.mark.parametrize("form", ["pem", "der", "raw"])
@pytest.mark.parametrize("alg", ["HS256", "EdDSA"])
def test_a_public_key_is_no_hmac_secret(
    access: AccessTokens, signing_key: TokenKey, form: str, alg: str
) -> None:
    refused(access, hs256(signing_key, header(signing_key, alg=alg), access_claims(), form))


def test_another_kinds_key_does_not_sign_access_tokens(
    access: AccessTokens, signing_key: TokenKey, service_key: TokenKey
) -> None:
    for kid in (signing_key.id, service_key.id):
        refused(access, signed(service_key, header(service_key, kid=kid), access_claims()))


def test_tokens_of_other_kinds_are_no_access_tokens(
    access: AccessTokens, service: ServiceTokens, refresh: RefreshTokens, signing_key: TokenKey
) -> None:
    refused(access, service.mint("login-service", HOUR, NOW))
    refused(access, refresh.mint(new_session().id, 1))
    refused(access, signed(signing_key, header(signing_key, "service+jwt"), service_claims()))
    refused(access, signed(signing_key, header(signing_key), service_claims()))


def doubled(claims: Parts, name: str, value: Any) -> bytes:
    """JSON in which one name stands twice; most parsers keep the last."""
    return json.dumps(claims).encode()[:-1] + f', "{name}": {json.dumps(value)}}}'.encode()


BODIES: dict[str, Callable[[Parts], bytes]] = {
    "sub twice": lambda c: doubled(c, "sub", USER),
    "exp twice": lambda c: doubled(c, "exp", NOW + HOUR),
    "a name twice, nested": lambda c: doubled(c, "x", 0)[:-2] + b'{"a": 1, "a": 2}}',
    "NaN in an unused claim": lambda c: doubled(c, "x", float("nan")),
    "an exponent beyond floats as exp": lambda c: (
        doubled({n: v for n, v in c.items() if n != "exp"}, "exp", 0)[:-2] + b"1e999}"
    ),
    "nested 1,500 deep": lambda _: b"[" * 1_500 + b"]" * 1_500,
    "nested and never closed": lambda _: b"[" * 2_900,
    "nested in a claim": lambda c: doubled(c, "x", 0)[:-2] + b"[" * 1_100 + b"]" * 1_100 + b"}",
    "an integer of 2,800 digits": lambda _: b"9" * 2_800,
    "a list": lambda c: json.dumps([c]).encode(),
    "a string": lambda _: b'"claims"',
    "null": lambda _: b"null",
    "nothing": lambda _: b"",
    "UTF-16": lambda c: json.dumps(c).encode("utf-16"),
    "a byte order mark": lambda c: b"\xef\xbb\xbf" + json.dumps(c).encode(),
    "no UTF-8": lambda c: json.dumps(c).encode().replace(b"api", b"\xff\xfe\xfd"),
    "trailing text": lambda c: json.dumps(c).encode() + b"{}",
    "single quotes": lambda c: str(c).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_payload_that_is_not_one_plain_json_object_is_refused(
    access: AccessTokens, signing_key: TokenKey, body: Callable[[Parts], bytes]
) -> None:
    refused(access, signed(signing_key, header(signing_key), body(access_claims())))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_header_that_is_not_one_plain_json_object_is_refused(
    access: AccessTokens, signing_key: TokenKey, body: Callable[[Parts], bytes]
) -> None:
    refused(access, signed(signing_key, body(header(signing_key, sub=1)), access_claims()))


@pytest.mark.parametrize("name", ["alg", "kid", "typ"])
def test_a_header_parameter_that_stands_twice_is_refused(
    access: AccessTokens, signing_key: TokenKey, name: str
) -> None:
    head = header(signing_key)
    refused(access, signed(signing_key, doubled(head, name, head[name]), access_claims()))


def split(token: str) -> tuple[str, str, str]:
    head, payload, signature = token.split(".")
    return head, payload, signature


DAMAGE: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "dots": lambda _: "..",
    "no signature": lambda t: t.rpartition(".")[0] + ".",
    "no signature segment": lambda t: t.rpartition(".")[0],
    "no payload": lambda t: split(t)[0] + ".." + split(t)[2],
    "no header": lambda t: t[t.index(".") :],
    "five segments, as a JWE": lambda t: t + ".AAAA.AAAA",
    "four segments": lambda t: t + ".",
    "cut by one": lambda t: t[:-1],
    "cut by four": lambda t: t[:-4],
    "cut in half": lambda t: t[: len(t) // 2],
    "one more": lambda t: t + "A",
    "padded": lambda t: t + "==",
    "each segment padded": lambda t: ".".join(s + "=" * (-len(s) % 4) for s in t.split(".")),
    "last character not canonical": lambda t: t[:-1] + chr(ord(t[-1]) + 1),
    "space before": lambda t: " " + t,
    "space after": lambda t: t + " ",
    "newline after": lambda t: t + "\n",
    "newline inside": lambda t: t[:50] + "\n" + t[50:],
    "NUL after": lambda t: t + "\0",
    "quoted": lambda t: f'"{t}"',
    "Bearer": lambda t: "Bearer " + t,
    "not ASCII": lambda t: t + "é",
    "a lone surrogate": lambda t: t + "\udc80",
    "full-width letters": lambda t: t.replace("e", "\uff45"),
    "junk between": lambda t: t[:50] + "!" + t[50:],
    "segments swapped": lambda t: ".".join(reversed(t.split("."))),
    "JSON serialization": lambda t: json.dumps(
        dict(zip(("protected", "payload", "signature"), split(t), strict=True))
    ),
    "another header": lambda t: segment({"alg": "none"}) + t[t.index(".") :],
    "upper case": lambda t: t.upper(),
    "4,097 characters": lambda t: t + "A" * (4_097 - len(t)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_token_is_refused_though_the_whole_one_is_remembered(
    access: AccessTokens, damage: Callable[[str], str]
) -> None:
    token, _ = access.mint(new_session(), client_id="c", now_ms=NOW * 1000)
    access.verify(token)
    refused(access, damage(token))


def test_every_changed_character_of_a_token_is_noticed(access: AccessTokens) -> None:
    token, _ = access.mint(new_session(), client_id="c", now_ms=NOW * 1000)
    for at, character in enumerate(token):
        refused(access, token[:at] + ("B" if character == "A" else "A") + token[at + 1 :])


@pytest.mark.parametrize("padding", ["=", "==", "+", "/", " "])
def test_text_that_is_no_base64url_is_refused_though_well_signed(
    access: AccessTokens, signing_key: TokenKey, padding: str
) -> None:
    text = f"{segment(header(signing_key))}.{segment(access_claims())}"
    refused(access, sign_text(signing_key, text + padding))
    refused(access, sign_text(signing_key, text.replace(".", padding + ".")))


def test_a_well_signed_token_over_4_kib_is_refused(
    access: AccessTokens, signing_key: TokenKey
) -> None:
    token = signed(signing_key, header(signing_key), access_claims(x="x" * 2_700))
    assert len(token) < 4_096
    access.verify(token)
    refused(access, signed(signing_key, header(signing_key), access_claims(x="x" * 3_000)))


@pytest.mark.parametrize("text", ["A", ".", "é", "[", "A.", "\ud800"])
def test_three_megabytes_are_refused_unread(access: AccessTokens, text: str) -> None:
    token = text * (3_000_000 // len(text))
    start = time.perf_counter()
    refused(access, token)
    assert time.perf_counter() - start < 0.05


def test_at_any_age_an_expired_token_is_read_and_a_wrong_one_is_not(
    ring: KeyRing, signing_key: TokenKey
) -> None:
    access = by_the_service(ring)
    old = access_claims(exp=NOW - 31, iat=NOW - HOUR)
    token = signed(signing_key, header(signing_key), old)
    for _ in range(2):
        assert access.verify(token, at_any_age=True).session_id == old["sid"]
        with pytest.raises(AccessTokenExpiredError):
            access.verify(token)
    for wrong in (
        token[:-8] + "AAAAAAAA",
        signed(signing_key, header(signing_key), old | {"iss": "x"}),
    ):
        with pytest.raises(AccessTokenInvalidError):
            access.verify(wrong, at_any_age=True)


def test_a_token_that_is_both_wrong_and_old_is_wrong(
    access: AccessTokens, signing_key: TokenKey
) -> None:
    old = access_claims(exp=NOW - 31, iat=NOW - HOUR)
    with pytest.raises(AccessTokenExpiredError):
        access.verify(signed(signing_key, header(signing_key), old))
    refused(access, signed(signing_key, header(signing_key), old | {"iss": "other"}))
    refused(access, signed(signing_key, header(signing_key), old)[:-8] + "AAAAAAAA")
