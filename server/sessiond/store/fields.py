"""The fields of a session's hash, and their way to and from a `Session`. See docs/keyspace.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from sessiond.domain.profile import DEFAULT_PROFILE
from sessiond.domain.session import (
    NOT_TOLD,
    NOTHING_CUT,
    Authentication,
    Client,
    Cut,
    EndReason,
    Session,
    State,
)

ATTRIBUTE: Final = "."
"""An attribute's field is this and its key: a partial update touches only what it names."""

_CLIENT_FIELDS: Final = (
    ("a", "user_agent", Cut.USER_AGENT),
    ("o", "ip_address", Cut.IP_ADDRESS),
    ("n", "device_name", Cut.DEVICE_NAME),
    ("f", "fingerprint", Cut.FINGERPRINT),
)
_CLIENT_TEXTS: Final = tuple((name.encode(), attribute) for name, attribute, _ in _CLIENT_FIELDS)
_CUTS: Final = {name: mark for name, _, mark in _CLIENT_FIELDS}
_ATTRIBUTE: Final = ord(ATTRIBUTE)


def client_details(client: Client) -> tuple[str, list[str]]:
    """The fields that were cut, as a string of names, and field and value pairs of those given."""
    pairs: list[str] = []
    cut = ""
    for name, attribute, mark in _CLIENT_FIELDS:
        value: str = getattr(client, attribute)
        if value:
            pairs += (name, value)
            if mark in client.cut:
                cut += name
    return cut, pairs


def creation_fields(
    client: Client,
    attributes: Mapping[str, str],
    authentication: Authentication,
    audience: Sequence[str],
) -> list[str]:
    """Field and value pairs of a new hash, beyond those that the script itself sets."""
    cut, pairs = client_details(client)
    optional = {
        "t": cut,
        "d": client.device_id,
        "M": " ".join(authentication.methods),
        "R": authentication.acr,
        "T": str(authentication.time_ms) if authentication.time_ms else "",
        "A": json.dumps(audience, ensure_ascii=False, separators=(",", ":")) if audience else "",
    }
    for name, value in optional.items():
        if value:
            pairs += (name, value)
    for key, value in attributes.items():
        pairs += (ATTRIBUTE + key, value)
    return pairs


def decode_session(session_id: str, flat: Sequence[bytes], now_ms: int) -> Session:
    """The session that a hash holds, with its state as of `now_ms`."""
    # Numbers are read as they came and only text is decoded: every call passes here.
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    get = fields.get
    create_us = int(fields[b"c"])
    create_ms = create_us // 1000
    expire_ms, absolute_ms = int(fields[b"x"]), int(fields[b"X"])
    refresh_ms = int(get(b"r", create_ms))
    end_ms, reason, state = 0, EndReason.NONE, State.ACTIVE
    if b"e" in fields:
        state, reason, end_ms = State.ENDED, EndReason(int(fields[b"e"])), int(fields[b"E"])
    elif expire_ms <= now_ms:
        state, end_ms = State.EXPIRED, expire_ms
        reason = EndReason.ABSOLUTE if expire_ms == absolute_ms else EndReason.IDLE
    return Session(
        id=session_id,
        user_id=fields[b"u"].decode(),
        profile=fields[b"p"].decode() if b"p" in fields else DEFAULT_PROFILE,
        state=state,
        create_us=create_us,
        mint_ms=int(get(b"m", create_ms)),
        expire_ms=expire_ms,
        absolute_expire_ms=absolute_ms,
        refresh_ms=refresh_ms,
        last_seen_ms=max(refresh_ms, int(get(b"l", 0))),
        generation=int(fields[b"g"]),
        mac_key_id=int(fields[b"K"]),
        version=int(get(b"v", 0)),
        audience=tuple(json.loads(fields[b"A"])) if b"A" in fields else (),
        client=_decode_client(fields),
        attributes={k[1:].decode(): v.decode() for k, v in fields.items() if k[0] == _ATTRIBUTE},
        authentication=_decode_authentication(fields),
        end_reason=reason,
        end_ms=end_ms,
        ended_by=get(b"B", b"").decode(),
    )


def _decode_client(fields: Mapping[bytes, bytes]) -> Client:
    get = fields.get
    cut = NOTHING_CUT
    for name in get(b"t", b"").decode():
        cut |= _CUTS[name] if name.encode() in fields else NOTHING_CUT
    details = {attribute: get(name, b"").decode() for name, attribute in _CLIENT_TEXTS}
    return Client(device_id=get(b"d", b"").decode(), cut=cut, **details)


def _decode_authentication(fields: Mapping[bytes, bytes]) -> Authentication:
    get = fields.get
    methods, acr, time_ms = get(b"M"), get(b"R"), get(b"T")
    if methods is acr is time_ms is None:
        return NOT_TOLD
    return Authentication(
        methods=tuple((methods or b"").decode().split()),
        acr=(acr or b"").decode(),
        time_ms=int(time_ms or 0),
    )
