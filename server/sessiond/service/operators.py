"""All use cases of operators, together."""

from __future__ import annotations

from dataclasses import dataclass

from sessiond.service.key_rotation import KeyRotation


@dataclass(frozen=True, slots=True)
class Operators:
    """What AdminService calls."""

    key_rotation: KeyRotation
