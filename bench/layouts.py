"""How others keep the same sessions: a JSON string each, and Spring Session's indexed layout.

What our sessions hold and these have no place for, the generation of the refresh token and its key,
is left out of them.
"""

from __future__ import annotations

import json
import secrets
import struct
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sample import Facts

IDLE_S: Final = 7 * 86_400
ABSOLUTE_S: Final = 90 * 86_400


def json_string(pipe: Any, facts: Facts, now_ms: int) -> None:
    """Add what connect-redis writes (`index.ts`: SET PREFIX+id JSON EX ttl), with its defaults.

    The cookie is as express-session's `Cookie.toJSON` gives it, the id as its `generateSessionId`.
    """
    expires = datetime.fromtimestamp(now_ms / 1000 + IDLE_S, UTC)
    cookie = {
        "originalMaxAge": IDLE_S * 1000,
        "expires": expires.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "secure": True,
        "httpOnly": True,
        "path": "/",
    }
    data = {
        "cookie": cookie,
        "userId": facts.user_id,
        "createTime": now_ms,
        "absoluteExpireTime": now_ms + ABSOLUTE_S * 1000,
        **_details(facts),
        **({"attributes": facts.attributes} if facts.attributes else {}),
    }
    text = json.dumps(data, separators=(",", ":"))
    pipe.set(f"sess:{secrets.token_urlsafe(24)}", text, ex=IDLE_S)


def spring_indexed(pipe: Any, facts: Facts, now_ms: int) -> None:
    """Add what Spring Session's RedisIndexedSessionRepository writes for a login.

    Follows `RedisIndexedSessionRepository.java` (saveDelta, getPrincipalKey) and
    `RedisSessionExpirationPolicy.java` (onExpirationUpdated) of spring-projects/spring-session,
    with its default serializers: keys and hash fields as strings, values and members of sets as JDK
    serialization. The user is an attribute of a plain name and not a SecurityContext, which takes
    far more.
    """
    session_id = str(uuid.uuid4())
    key = f"spring:session:sessions:{session_id}"
    expires_ms = now_ms + IDLE_S * 1000
    minute_ms = (expires_ms // 60_000 + 1) * 60_000
    attributes = {
        _PRINCIPAL: _jdk_string(facts.user_id),
        "absoluteExpireTime": _jdk_long(now_ms + ABSOLUTE_S * 1000),
        **{name: _jdk(value) for name, value in _details(facts).items()},
        **{name: _jdk_string(value) for name, value in facts.attributes.items()},
    }
    fields = {
        "creationTime": _jdk_long(now_ms),
        "maxInactiveInterval": _jdk_int(IDLE_S),
        "lastAccessedTime": _jdk_long(now_ms),
        **{f"sessionAttr:{name}": value for name, value in attributes.items()},
    }
    pipe.hset(key, mapping=fields)
    pipe.sadd(f"spring:session:index:{_PRINCIPAL}:{facts.user_id}", _jdk_string(session_id))
    pipe.sadd(f"spring:session:expirations:{minute_ms}", _jdk_string(f"expires:{session_id}"))
    pipe.expire(f"spring:session:expirations:{minute_ms}", IDLE_S + 300)
    pipe.append(f"spring:session:sessions:expires:{session_id}", "")
    pipe.expire(f"spring:session:sessions:expires:{session_id}", IDLE_S)
    pipe.expire(key, IDLE_S + 300)


def _details(facts: Facts) -> Mapping[str, str | int]:
    client, authentication = facts.client, facts.authentication
    details: dict[str, str | int] = {
        "userAgent": client.user_agent,
        "ipAddress": client.ip_address,
        "deviceId": client.device_id,
        "deviceName": client.device_name,
        "fingerprint": client.fingerprint,
        "authenticationMethods": " ".join(authentication.methods),
        "acr": authentication.acr,
        "authenticationTime": authentication.time_ms,
        "audience": " ".join(facts.audience),
    }
    return {name: value for name, value in details.items() if value}


_PRINCIPAL: Final = (
    "org.springframework.session.FindByIndexNameSessionRepository.PRINCIPAL_NAME_INDEX_NAME"
)
# What java.io.ObjectOutputStream writes ahead of the number of a Long and of an Integer.
_NUMBER: Final = bytes.fromhex(
    "7872 0010 6a6176612e6c616e672e4e756d626572 86ac951d0b94e08b 020000 7870"
)
_LONG: Final = (
    bytes.fromhex("aced0005 7372 000e 6a6176612e6c616e672e4c6f6e67 3b8be490cc8f23df 020001")
    + bytes.fromhex("4a 0005 76616c7565")
    + _NUMBER
)
_INTEGER: Final = (
    bytes.fromhex("aced0005 7372 0011 6a6176612e6c616e672e496e7465676572 12e2a0a4f7818738 020001")
    + bytes.fromhex("49 0005 76616c7565")
    + _NUMBER
)


def _jdk(value: str | int) -> bytes:
    return _jdk_string(value) if isinstance(value, str) else _jdk_long(value)


def _jdk_string(value: str) -> bytes:
    raw = value.encode()
    return b"\xac\xed\x00\x05t" + struct.pack(">H", len(raw)) + raw


def _jdk_long(value: int) -> bytes:
    return _LONG + struct.pack(">q", value)


def _jdk_int(value: int) -> bytes:
    return _INTEGER + struct.pack(">i", value)
