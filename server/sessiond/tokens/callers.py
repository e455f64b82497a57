"""Who may call, by which credentials: the callers of one file (callers_file.py), looked up."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Self

from sessiond.domain.callers import Caller, CallerLimits
from sessiond.domain.errors import (
    CredentialsExpiredError,
    CredentialsInvalidError,
    CredentialsMissingError,
)
from sessiond.reloading import Reloaded
from sessiond.tokens.callers_file import read_callers
from sessiond.tokens.client_certificates import ClientCertificate
from sessiond.tokens.service import ServiceClaims

_UNLIMITED: Final = CallerLimits()


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
        read = partial(read_callers, path, limits, certificates=certificates)
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
