"""The callers file: who may call, as what, by which credentials, and from when on these count.

[callers.login-service]
roles = ["writer"]
certificates = ["spiffe://example.org/login", "dns:login.internal"]   # optional
not_before = 2026-01-01T00:00:00Z   # optional: credentials issued before it are refused
max_in_flight = 100                 # optional: what one server takes of it, as are
calls_per_second = 500
max_watchers = 20
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any, Final

from sessiond.domain.callers import Caller, CallerLimits, Role
from sessiond.domain.errors import StartupError
from sessiond.tokens.client_certificates import is_certificate_name
from sessiond.tokens.service import CALLER_NAME

_LIMITS: Final = {
    "max_in_flight": "in_flight",
    "calls_per_second": "calls_per_s",
    "max_watchers": "watchers",
}
"""By key: the field of CallerLimits."""
_KEYS: Final = {"roles", "certificates", "not_before", *_LIMITS}
_ROLES: Final = {role.name.lower(): role for role in Role}


@dataclass(frozen=True, slots=True)
class Entry:
    """One caller."""

    caller: Caller
    certificates: tuple[str, ...]
    not_before_s: float
    """Credentials issued before it are refused; seconds since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class Lists:
    """All callers."""

    by_name: Mapping[str, Entry]
    by_certificate: Mapping[str, Entry]


def read_callers(path: Path, limits: CallerLimits, *, certificates: bool) -> Lists:
    """Read a callers file; see `Callers.load`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartupError(
            f"cannot read the callers file {path} ({error.strerror}):"
            " set SESSIOND_CALLERS_FILE to the file that lists the callers"
        ) from None
    except (ValueError, RecursionError) as error:
        raise StartupError(f"{path} is not TOML: {error}") from None
    entries = _entries(path, document, limits)
    by_certificate: dict[str, Entry] = {}
    for name, entry in entries.items():
        where = f"{path}: callers.{name}.certificates"
        if entry.certificates and not certificates:
            raise StartupError(
                f"{where}: callers are asked for certificates only with SESSIOND_TLS_CLIENT_CA_FILE"
            )
        for certificate in entry.certificates:
            holder = by_certificate.setdefault(certificate, entry)
            if holder is not entry:
                raise StartupError(f"{where}: {certificate} is {holder.caller.name}'s already")
    return Lists(entries, by_certificate)


def _entries(path: Path, document: Mapping[str, object], limits: CallerLimits) -> dict[str, Entry]:
    _refuse_unknown(f"{path}:", document, {"callers"})
    callers = document.get("callers")
    if not isinstance(callers, dict) or not callers:
        raise StartupError(f"{path} lists no caller: add a table such as [callers.login-service]")
    return {
        name: _entry(f"{path}: callers.{name}", name, table, limits)
        for name, table in callers.items()
    }


def _entry(where: str, name: str, table: object, limits: CallerLimits) -> Entry:
    if not CALLER_NAME.fullmatch(name):
        raise StartupError(f"{where}: a caller's name is 1 to 64 of a-z, 0-9, '.', '_' and '-'")
    if not isinstance(table, dict):
        raise StartupError(f"{where} must be a table with roles")
    _refuse_unknown(f"{where}:", table, _KEYS)
    role = _role(where, table.get("roles"))
    certificates = _certificates(f"{where}.certificates", table.get("certificates", []))
    not_before_s = _not_before_s(where, table.get("not_before"))
    return Entry(Caller(name, role, _limits(where, table, limits)), certificates, not_before_s)


def _role(where: str, roles: object) -> Role:
    if not isinstance(roles, list) or not roles:
        raise StartupError(f"{where}.roles must be a list of {', '.join(_ROLES)}, not empty")
    for role in roles:
        if not isinstance(role, str) or role not in _ROLES:
            raise StartupError(f"{where}.roles: {role!r} is not one of {', '.join(_ROLES)}")
    return max(_ROLES[role] for role in roles)


def _certificates(where: str, names: object) -> tuple[str, ...]:
    if not isinstance(names, list):
        raise StartupError(f"{where} must be a list of names, such as 'spiffe://example.org/login'")
    for name in names:
        if not isinstance(name, str) or not is_certificate_name(name):
            raise StartupError(
                f"{where}: {name!r} is no subject alternative name: give a URI such as"
                " 'spiffe://example.org/login', or 'dns:' and a host in lower case"
            )
    return tuple(names)


def _limits(where: str, table: Mapping[str, object], limits: CallerLimits) -> CallerLimits:
    given: dict[str, Any] = {}
    for key in _LIMITS.keys() & table.keys():
        value = table[key]
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise StartupError(f"{where}.{key} must be a whole number above 0")
        given[_LIMITS[key]] = value
    return replace(limits, **given)


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
