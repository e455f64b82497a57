"""Development mode: what production asks for is made on first start, in one directory."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from sessiond.settings import Settings
from sessiond.tokens import keymaker
from sessiond.tokens.keyring import KeyRing, Lifetimes
from sessiond.tokens.service import ServiceTokens

CALLER: Final = "dev"
TOKEN_FILE: Final = "dev.token"  # noqa: S105  a file name
_CALLERS: Final = f"""\
# Who may call this server, by the name in their service token, and their roles: reader, writer or
# admin. `sessiond token NAME` mints a token.
[callers.{CALLER}]
roles = ["admin"]
"""


def prepare(settings: Settings) -> None:
    """Make the keys and the callers file where they are missing."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    keymaker.create_keys(settings.effective_keys_dir)
    callers = settings.effective_callers_file
    if not callers.exists():
        callers.write_text(_CALLERS)


def write_token(settings: Settings, lifetimes: Lifetimes) -> Path:
    """Write a service token for the development caller, readable by its owner only."""
    ring = KeyRing.load(settings.effective_keys_dir, lifetimes)
    token = ServiceTokens(ring).mint(CALLER, int(lifetimes.service_s), time.time())
    path = settings.data_dir / TOKEN_FILE
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    temporary.replace(path)
    return path
