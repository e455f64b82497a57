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

import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final, Self

from sessiond.domain.callers import Caller, CallerLimits, Role
from sessiond.domain.errors import (
    CredentialsExpiredError,
    CredentialsInvalidError,
    CredentialsMissingError,
    StartupError,
)
from sessiond.reloading import Reloaded
from sessiond.tokens.client_certificates import ClientCertificate, is_certificate_name
from sessiond.tokens.service import CALLER_NAME, ServiceClaims

_LIMITS: Final = {
    "max_in_flight": "in_flight",
    "calls_per_second": "calls_per_s",
    "max_watchers": "watchers",
}
"""By key: the field of CallerLimits."""
_KEYS: Final = {"roles", "certificates", "not_before", *_LIMITS}
_UNLIMITED: Final = CallerLimits()
_ROLES: Final = {role.name.lower(): role for role in Role}


@dataclass(frozen=True, slots=True)
class _Entry:
    caller: Caller
    certificates: tuple[str, ...]
    not_before_s: float


@dataclass(frozen=True, slots=True)
class _Lists:
    by_name: Mapping[str, _Entry]
    by_certificate: Mapping[str, _Entry]


class Callers:
    """The callers of one file. Readers see one list or the next, never a mixture."""

    def __init__(
        self,
        path: Path,
        *,
        certificates: bool = False,
        limits: CallerLimits = _UNLIMITED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read the file; see `load`."""
        self.path: Final = path
        self._clock = clock
        read = partial(_read, path, limits, certificates=certificates)
        self._file = Reloaded((path,), read)

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        certificates: bool = False,
        limits: CallerLimits = _UNLIMITED,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Read a callers file.

        Args:
            path: of the file.
            certificates: whether callers are asked for certificates, so that they may be named.
            limits: of callers for which the file has none.
            clock: seconds since the Unix epoch.

        Raises:
            StartupError: it is missing, malformed, empty, or says what we do not know; the message
                names file and key.
        """
        return cls(path, certificates=certificates, limits=limits, clock=clock)

    def by_token(self, claims: ServiceClaims) -> Caller:
        """The caller that a verified service token names.

        Raises:
            CredentialsInvalidError: the file does not list it, or has cut off tokens of this age.
        """
        entry = self._file.value.by_name.get(claims.name)
        if entry is None or claims.issue_s < entry.not_before_s:
            raise CredentialsInvalidError("not a valid service token")
        return entry.caller

    def by_certificate(self, certificate: ClientCertificate) -> Caller:
        """The one caller that a verified certificate names.

        Raises:
            CredentialsMissingError: the file lists none of its names.
            CredentialsExpiredError: its time has run out.
            CredentialsInvalidError: its names are of several callers, or the file has cut off
                certificates of this age.
        """
        known = self._file.value.by_certificate
        named = {e.caller.name: e for name in certificate.names if (e := known.get(name))}
        if not named:
            raise CredentialsMissingError("neither a bearer token nor a certificate of a caller")
        if certificate.expire_s < self._clock():
            raise CredentialsExpiredError("the client certificate has expired")
        if len(named) == 1:
            (entry,) = named.values()
            if certificate.issue_s >= entry.not_before_s:
                return entry.caller
        raise CredentialsInvalidError("not a certificate of a caller")

    def reload_if_changed(self) -> bool:
        """Read the file again if its time, size or inode has changed.

        Returns:
            Whether the list was replaced.

        Raises:
            StartupError: the file is bad, raised once for each change of it; the list stays.
        """
        return self._file.reload_if_changed()


def _read(path: Path, limits: CallerLimits, *, certificates: bool) -> _Lists:
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
    by_certificate: dict[str, _Entry] = {}
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
    return _Lists(entries, by_certificate)


def _entries(path: Path, document: Mapping[str, object], limits: CallerLimits) -> dict[str, _Entry]:
    _refuse_unknown(f"{path}:", document, {"callers"})
    callers = document.get("callers")
    if not isinstance(callers, dict) or not callers:
        raise StartupError(f"{path} lists no caller: add a table such as [callers.login-service]")
    return {
        name: _entry(f"{path}: callers.{name}", name, table, limits)
        for name, table in callers.items()
    }


def _entry(where: str, name: str, table: object, limits: CallerLimits) -> _Entry:
    if not CALLER_NAME.fullmatch(name):
        raise StartupError(f"{where}: a caller's name is 1 to 64 of a-z, 0-9, '.', '_' and '-'")
    if not isinstance(table, dict):
        raise StartupError(f"{where} must be a table with roles")
    _refuse_unknown(f"{where}:", table, _KEYS)
    role = _role(where, table.get("roles"))
    certificates = _certificates(f"{where}.certificates", table.get("certificates", []))
    not_before_s = _not_before_s(where, table.get("not_before"))
    return _Entry(Caller(name, role, _limits(where, table, limits)), certificates, not_before_s)


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
