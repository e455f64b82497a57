"""Refresh tokens that nobody was given."""

from __future__ import annotations

import struct
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

from sessiond.tokens.keyfiles import Kind
from tests.rpc.forgeries import Good

_LABEL: Final = b"sessiond refresh token v1\0"
_PREFIX: Final = "srt1_"


def refresh_tokens(good: Good) -> dict[str, str]:
    """Not one is valid as a refresh token."""
    token = good.refresh
    text = token.removeprefix(_PREFIX)
    raw = urlsafe_b64decode(text)
    mac = good.ring.keys.secrets[Kind.MAC].signer(time.time())
    strange = good.stranger.keys.secrets[Kind.MAC].signer(time.time())
    key_id, session, generation = struct.unpack(">I18sI", raw[:26])

    def made(body: bytes, end: bytes) -> str:
        return _PREFIX + urlsafe_b64encode(body + end).decode()

    def by(key: Any, *parts: Any, label: bytes = _LABEL) -> str:
        body = struct.pack(">I18sI", *parts)
        return made(body, key.digest(label + body)[:16])

    found = {
        f"byte {i} off": made(raw[:i], bytes([raw[i] ^ 1]) + raw[i + 1 :])
        for i in (0, 3, 4, 5, 21, 22, 25, 26, 33, 41)
    }
    return found | {
        "generation 0": by(mac, mac.id, session, 0),
        "partition 64": by(mac, mac.id, b"\x40" + session[1:], 1),
        "partition 255": by(mac, mac.id, b"\xff" * 18, 1),
        "another's key": by(strange, strange.id, session, generation),
        "another's key under our id": by(strange, key_id, session, generation),
        "another label": by(mac, key_id, session, generation, label=b""),
        "no MAC": made(raw[:26], b""),
        "a zero MAC": made(raw[:26], bytes(16)),
        "a short MAC": made(raw[:26], raw[26:-1]),
        "a long MAC": made(raw[:26], raw[26:] + b"\0"),
        "another prefix": "srt2_" + text,
        "prefix in capitals": "SRT1_" + text,
        "no prefix": text,
        "prefix twice": _PREFIX + token,
        "a blank before": " " + token,
        "a blank after": token + " ",
        "a newline after": token + "\n",
        "a newline within": token[:30] + "\n" + token[31:],
        "one short": token[:-1],
        "one long": token + "A",
        "padding": token[:-1] + "=",
        "characters to skip": token[:-4] + "!!!!",
        "the other alphabet": token[:-2] + "+/",
        "wide characters": token[:-1] + "\uff21",
        "NUL": token[:-1] + "\0",
    }
