"""The fields of a session's hash, and their way to and from a `Session`. See docs/keyspace.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sessiond.domain.profile import DEFAULT_PROFILE
from sessiond.domain.session import Authentication, Client, Cut, EndReason, Session, State

ATTRIBUTE: Final = "."
"""An attribute's field is this and its key: a partial update touches only what it names."""

_CLIENT_FIELDS: Final = (
    ("a", "user_agent", Cut.USER_AGENT),
    ("o", "ip_address", Cut.IP_ADDRESS),
    ("n", "device_name", Cut.DEVICE_NAME),
    ("f", "fingerprint", Cut.FINGERPRINT),
)


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


def decode_session(session_id: str, flat: Iterable[bytes], now_ms: int) -> Session:
    """The session that a hash holds, with its state as of `now_ms`."""
    words = [word.decode() for word in flat]
    fields = dict(zip(words[::2], words[1::2], strict=True))
    get = fields.get
    create_ms = int(fields["c"]) // 1000
    expire_ms, absolute_ms = int(fields["x"]), int(fields["X"])
    refresh_ms = int(get("r") or create_ms)
    end_ms, reason, state = 0, EndReason.NONE, State.ACTIVE
    if "e" in fields:
        state, reason, end_ms = State.ENDED, EndReason(int(fields["e"])), int(fields["E"])
    elif expire_ms <= now_ms:
        state, end_ms = State.EXPIRED, expire_ms
        reason = EndReason.ABSOLUTE if expire_ms == absolute_ms else EndReason.IDLE
    cut = Cut(0)
    marks = get("t", "")
    details: dict[str, str] = {}
    for name, attribute, mark in _CLIENT_FIELDS:
        details[attribute] = get(name, "")
        if name in marks and name in fields:
            cut |= mark
    return Session(
        id=session_id,
        user_id=fields["u"],
        profile=get("p", DEFAULT_PROFILE),
        state=state,
        create_us=int(fields["c"]),
        mint_ms=int(get("m") or create_ms),
        expire_ms=expire_ms,
        absolute_expire_ms=absolute_ms,
        refresh_ms=refresh_ms,
        last_seen_ms=max(refresh_ms, int(get("l") or 0)),
        generation=int(fields["g"]),
        mac_key_id=int(fields["K"]),
        version=int(get("v") or 0),
        audience=tuple(json.loads(fields["A"])) if "A" in fields else (),
        client=Client(device_id=get("d", ""), cut=cut, **details),
        attributes={k[1:]: v for k, v in fields.items() if k.startswith(ATTRIBUTE)},
        authentication=Authentication(
            methods=tuple(get("M", "").split()),
            acr=get("R", ""),
            time_ms=int(get("T") or 0),
        ),
        end_reason=reason,
        end_ms=end_ms,
        ended_by=get("B", ""),
    )
