"""The callers file: who may call, as what, and from when on their tokens count.

[callers.login-service]
roles = ["writer"]
not_before = 2026-01-01T00:00:00Z   # optional: tokens issued before it are refused
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Final, Self

from sessiond.domain.callers import Caller, Role
from sessiond.domain.errors import CredentialsInvalidError, StartupError
from sessiond.tokens.service import CALLER_NAME, ServiceClaims

_KEYS: Final = {"roles", "not_before"}
_ROLES: Final = {role.name.lower(): role for role in Role}


@dataclass(frozen=True, slots=True)
class _Entry:
    caller: Caller
    not_before_s: float


class Callers:
    """The callers of one file. Readers see one list or the next, never a mixture."""

    def __init__(self, path: Path) -> None:
        """Read the file; see `load`."""
        self.path: Final = path
        self._identity, self._entries = _read(path)
        self._reported: tuple[object, str] = (None, "")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a callers file.

        Raises:
            StartupError: it is missing, malformed, empty, or says what we do not know; the message
                names file and key.
        """
        return cls(path)

    def authenticate(self, claims: ServiceClaims) -> Caller:
        """The caller that a verified service token names.

        Raises:
            CredentialsInvalidError: the file does not list it, or has cut off tokens of this age.
        """
        entry = self._entries.get(claims.name)
        if entry is None or claims.issue_s < entry.not_before_s:
            raise CredentialsInvalidError("not a valid service token")
        return entry.caller

    def reload_if_changed(self) -> bool:
        """Read the file again if its time, size or inode has changed.

        Returns:
            Whether the list was replaced.

        Raises:
            StartupError: the file is bad, raised once for each change of it; the list stays.
        """
        identity = _identify(self.path)
        if identity == self._identity:
            return False
        try:
            self._identity, self._entries = _read(self.path)
        except StartupError as error:
            report = (identity, str(error))
            if report == self._reported:
                return False
            self._reported = report
            raise
        return True


def _identify(path: Path) -> tuple[int, ...] | None:
    try:
        return _identity(path.stat())
    except OSError:
        return None


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _read(path: Path) -> tuple[tuple[int, ...], dict[str, _Entry]]:
    try:
        with path.open("rb") as stream:
            identity = _identity(os.fstat(stream.fileno()))
            document = tomllib.load(stream)
    except OSError as error:
        raise StartupError(
            f"cannot read the callers file {path} ({error.strerror}):"
            " set SESSIOND_CALLERS_FILE to the file that lists the callers"
        ) from None
    except (ValueError, RecursionError) as error:
        raise StartupError(f"{path} is not TOML: {error}") from None
    return identity, _entries(path, document)


def _entries(path: Path, document: Mapping[str, object]) -> dict[str, _Entry]:
    _refuse_unknown(f"{path}:", document, {"callers"})
    callers = document.get("callers")
    if not isinstance(callers, dict) or not callers:
        raise StartupError(f"{path} lists no caller: add a table such as [callers.login-service]")
    return {name: _entry(f"{path}: callers.{name}", name, table) for name, table in callers.items()}


def _entry(where: str, name: str, table: object) -> _Entry:
    if not CALLER_NAME.fullmatch(name):
        raise StartupError(f"{where}: a caller's name is 1 to 64 of a-z, 0-9, '.', '_' and '-'")
    if not isinstance(table, dict):
        raise StartupError(f"{where} must be a table with roles")
    _refuse_unknown(f"{where}:", table, _KEYS)
    role = _role(where, table.get("roles"))
    return _Entry(Caller(name, role), _not_before_s(where, table.get("not_before")))


def _role(where: str, roles: object) -> Role:
    if not isinstance(roles, list) or not roles:
        raise StartupError(f"{where}.roles must be a list of {', '.join(_ROLES)}, not empty")
    for role in roles:
        if not isinstance(role, str) or role not in _ROLES:
            raise StartupError(f"{where}.roles: {role!r} is not one of {', '.join(_ROLES)}")
    return max(_ROLES[role] for role in roles)


def _not_before_s(where: str, value: object) -> float:
    if value is None:
        return -inf
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise StartupError(
            f"{where}.not_before must be a time with its zone, such as 2026-01-01T00:00:00Z"
        )
    return value.timestamp()


def _refuse_unknown(where: str, table: Mapping[str, object], known: set[str]) -> None:
    unknown = sorted(table.keys() - known)
    if unknown:
        raise StartupError(
            f"{where} unknown key {unknown[0]!r}: use {', '.join(sorted(known))}, or remove it"
        )
