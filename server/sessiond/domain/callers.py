"""Who calls us. A caller is a backend service; it is never a user."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a caller may do; each role includes the ones below it."""

    READER = 1
    WRITER = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller: its name and its highest role."""

    name: str
    role: Role
