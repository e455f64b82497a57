"""Tokens that nobody was given: forged, damaged or oversized, of each of the three types."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any, Final

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.keys import TokenKey
from tests.unit.tokens.forge import header, hs256, segment, signed

Parts = dict[str, Any]


@dataclass(frozen=True)
class Good:
    """What was given to a user and a caller, and the keys of the server and of a stranger."""

    user: str
    session_id: str
    access: str
    refresh: str
    service: str
    ring: KeyRing
    stranger: KeyRing

    def key(self, kind: Kind, ring: KeyRing | None = None) -> TokenKey:
        ring = ring or self.ring
        return ring.keys.tokens[kind].signer(ring.now())


def _jwts(good: Good, kind: Kind, typ: str, claims: Parts, token: str) -> dict[str, str]:
    """What goes wrong with JWTs of either type."""
    key, stranger = good.key(kind), good.key(kind, good.stranger)
    other = good.key(Kind.SERVICE if kind is Kind.SIGNING else Kind.SIGNING)
    other_typ = "service+jwt" if typ == "at+jwt" else "at+jwt"
    head, body, signature = token.split(".")
    found = {
        f"alg {name}": f"{segment(header(key, typ, alg=name))}.{body}.{end}"
        for name in ("none", "None", "NONE", "", "RS256", "HS256", "ES256", "EdDSA ")
        for end in ("", signature)
        if name == "none" or end
    }
    found |= {
        f"hs256 by the public key as {form}": hs256(
            key, header(key, typ, alg="HS256"), claims, form
        )
        for form in ("pem", "der", "raw")
    }
    found |= {
        f"header {name}": signed(key, header(key, typ, **{name: value}), claims)
        for name, value in {
            "crit": ["exp"], "b64": False, "jwk": {"kty": "OKP"}, "jku": "http://127.0.0.1/",
            "x5u": "http://127.0.0.1/", "cty": "JWT", "zip": "DEF", "kid": "../../etc/passwd",
            "alg": None,
        }.items()
    }  # fmt: skip
    found |= {
        f"typ {name}": signed(key, header(key, name), claims)
        for name in ("JWT", "jwt", typ.upper(), f"application/{typ}", f"{typ} ", other_typ)
    }
    named = header(key, typ)
    found |= {
        f"no {name}": signed(key, {k: v for k, v in named.items() if k != name}, claims)
        for name in named
    }
    found |= {
        f"without {name}": signed(
            key, header(key, typ), {k: v for k, v in claims.items() if k != name}
        )
        for name in claims
    }
    found |= {
        f"{name} is {value!r:.20}": signed(key, header(key, typ), {**claims, name: value})
        for name, value in (
            ("iss", "somebody"), ("iss", ""), ("aud", []), ("aud", 7), ("aud", {}), ("sub", ""),
            ("sub", None), ("exp", "tomorrow"), ("exp", 1e400), ("exp", -1), ("exp", True),
            ("exp", claims["exp"] + 0.5), ("iat", claims["iat"] + 3600), ("jti", 1),
            ("nbf", claims["iat"] + 3600), ("exp", 2**63), ("sub", "\ud800"),
        )
    }  # fmt: skip
    tampered = segment({**claims, "sub": "admin"})
    flipped = bytes([urlsafe_b64decode(signature + "==")[0] ^ 1])
    found |= {
        "another's key": signed(stranger, header(stranger, typ), claims),
        "another's key under our kid": signed(stranger, header(key, typ), claims),
        "the other kind's key": signed(other, header(other, typ), claims),
        "other claims": f"{head}.{tampered}.{signature}",
        "no signature": f"{head}.{body}.",
        "two segments": f"{head}.{body}",
        "four segments": f"{token}.{signature}",
        "five segments": f"{head}..{body}.{body}.{signature}",
        "a bit off": f"{head}.{body}.{segment(flipped + urlsafe_b64decode(signature + '==')[1:])}",
        "short signature": token[:-4],
        "padding": f"{token}==",
        "white space": f"{head}.{body} .{signature}",
        "a name twice": signed(key, header(key, typ), _twice(claims)),
        "an array": signed(key, header(key, typ), b"[]"),
        "no JSON": signed(key, header(key, typ), b"{"),
        "no UTF-8": signed(key, header(key, typ), b'{"sub":"\xff"}'),
        "nested": signed(key, header(key, typ), b"[" * 1500),
        "a BOM": signed(key, header(key, typ), b"\xef\xbb\xbf" + json.dumps(claims).encode()),
        "over 4 KiB": signed(key, header(key, typ), {**claims, "x": "x" * 3000}),
    }
    return found


def _twice(claims: Parts) -> bytes:
    return (json.dumps(claims)[:-1] + ', "sub": "admin"}').encode()


def access_tokens(good: Good, issuer: str) -> dict[str, str]:
    """Not one is valid as an access token."""
    now = int(time.time())
    claims = {
        "iss": issuer, "sub": good.user, "aud": "sessionstore", "client_id": "admin",
        "exp": now + 600, "iat": now, "jti": "a" * 22, "sid": good.session_id,
    }  # fmt: skip
    key = good.key(Kind.SIGNING)
    more = {
        f"sid {name}": signed(key, header(key), {**claims, "sid": value})
        for name, value in {
            "of no form": "x", "of another's": new_session_id(f"{good.user}-2"), "a number": 7,
        }.items()
    }  # fmt: skip
    return more | _jwts(good, Kind.SIGNING, "at+jwt", claims, good.access)


def service_tokens(good: Good) -> dict[str, str]:
    """Not one is valid as a caller's token."""
    now = int(time.time())
    claims = {
        "iss": "sessiond", "sub": "admin", "aud": "sessiond",
        "exp": now + 600, "iat": now, "jti": "a" * 22,
    }  # fmt: skip
    key = good.key(Kind.SERVICE)
    more = {
        f"sub {name}": signed(key, header(key, "service+jwt"), {**claims, "sub": name})
        for name in ("Admin", "admin ", "../admin", "a" * 65)
    }
    return more | _jwts(good, Kind.SERVICE, "service+jwt", claims, good.service)


GARBAGE: Final = {
    "one letter": "a", "dots": "..", "dots with letters": "a.b.c", "a number": "1",
    "a JSON object": "{}", "basic": "YTpi", "an SQL quote": "' OR 1=1 --", "a path": "../../keys",
    "letters": "A" * 61, "4 KiB": "A" * 4096, "jwt-like": "eyJhbGciOiJub25lIn0.e30.",
}  # fmt: skip
OVERSIZED: Final = {
    "64 KiB": "A" * 65_536, "a megabyte of dots": "." * 1_000_000,
    "a megabyte of token": "eyJ" + "A" * 1_000_000 + ".e30.", "refresh": "srt1_" + "A" * 100_000,
}  # fmt: skip
