"""Which column of a file holds which field of a session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

REQUIRED: Final = {
    "external_id": "id",
    "user_id": "userId",
    "create_time": "createdAt",
    "expire_time": "expiresAt",
}
OPTIONAL: Final = {
    "revoke_time": "revokedAt",
    "user_agent": "userAgent",
    "ip_address": "ipAddr",
    "profile": "profile",
    "device_id": "deviceId",
    "device_name": "deviceName",
    "fingerprint": "fingerprint",
}
NAMES: Final = REQUIRED | OPTIONAL
"""The fields of a session, and the column that each is looked for in."""
ATTRIBUTE: Final = "attributes."
"""Begins the name of a field that becomes an attribute."""


class Columns:
    """Where to find each field. Names match whatever their case and underscores.

    Args:
        maps: FIELD=COLUMN, for columns of other names; attributes.KEY=COLUMN makes an attribute.

    Raises:
        ValueError: a map that cannot be understood.
    """

    def __init__(self, maps: Iterable[str] = ()) -> None:
        self._mapped: dict[str, str] = {}
        for text in maps:
            field, _, column = text.partition("=")
            if not column:
                raise ValueError(f"{text!r} is not FIELD=COLUMN")
            if field not in NAMES and not field.startswith(ATTRIBUTE):
                raise ValueError(f"there is no field {field!r}: {', '.join(NAMES)}, {ATTRIBUTE}KEY")
            self._mapped[field] = column

    def find(self, names: Iterable[str]) -> Mapping[str, str]:
        """The column of each field, of those that there are.

        Raises:
            ValueError: a field that every session needs, or one that was mapped, has no column, or
                a field has two.
        """
        by_folded: dict[str, list[str]] = {}
        for name in names:
            by_folded.setdefault(_folded(name), []).append(name)
        found = {}
        for field, column in (NAMES | self._mapped).items():
            matching = by_folded.get(_folded(column), [])
            if len(matching) > 1:
                raise ValueError(f"{field} has more than one column: {', '.join(matching)}")
            if matching:
                found[field] = matching[0]
            elif field in self._mapped or field in REQUIRED:
                raise ValueError(f"no column {column!r} for {field}: name it with --map")
        return found


def _folded(name: str) -> str:
    return name.strip().replace("_", "").lower()
