"""The key ring: what is in the key directory, parsed once and swapped as a whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final, Self, TypeVar

from sessiond.domain.errors import StartupError
from sessiond.tokens.keyfiles import SECRET_KINDS, TOKEN_KINDS, KeyFile, Kind, read, scan
from sessiond.tokens.keys import (
    SecretKey,
    TokenKey,
    parse_secret_key,
    parse_token_key,
    public_jwk,
)
from sessiond.tokens.succession import Succession

K = TypeVar("K", TokenKey, SecretKey)

_PSEUDONYM_LENGTH: Final = 16
_PSEUDONYM_LABEL: Final = b"sessiond pseudonym v1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """The longest that what a key signed can be good, in seconds, and how long a key is published.

    Each is the longest over all profiles and settings in use: a key stops verifying by them.
    """

    access_s: float
    service_s: float
    session_s: float
    leeway_s: float = 30
    publish_s: float = 600

    def retain_s(self, kind: Kind) -> float:
        """How long a key of this kind verifies after its successor took over."""
        return {
            Kind.SIGNING: self.access_s + self.leeway_s,
            Kind.SERVICE: self.service_s + self.leeway_s,
            Kind.MAC: self.session_s,
            Kind.PSEUDONYM: 0,
            Kind.IMPORT: inf,
        }[kind]


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """One reading of the directory. Never changes; a new reading is another object.

    Every kind is there, but for the import key, without which nothing can be imported or adopted.
    """

    tokens: Mapping[Kind, Succession[TokenKey]]
    secrets: Mapping[Kind, Succession[SecretKey]]


class KeyRing:
    """The keys of one directory.

    Readers take `keys` once per operation; `reload` may run in another thread.
    """

    def __init__(
        self, directory: Path, lifetimes: Lifetimes, clock: Callable[[], float] = time.time
    ) -> None:
        """Read the directory; see `load`."""
        self.directory: Final = directory
        self.lifetimes: Final = lifetimes
        self.now: Final = clock
        self._lock = threading.Lock()
        self._files: tuple[KeyFile, ...] = ()
        self._tokens: dict[KeyFile, TokenKey] = {}
        self._secrets: dict[KeyFile, SecretKey] = {}
        self._reported = ""
        self._keys = self._read(scan(directory))

    @classmethod
    def load(
        cls, directory: Path, lifetimes: Lifetimes, clock: Callable[[], float] = time.time
    ) -> Self:
        """Read a key directory.

        Args:
            directory: holds one directory per kind (keyfiles.py).
            lifetimes: decide how long superseded keys verify.
            clock: seconds since the Unix epoch.

        Raises:
            StartupError: a kind has no key, or a key is malformed, weak, held twice or open to
                others. The message says what to do and holds no key.
        """
        return cls(directory, lifetimes, clock)

    @property
    def keys(self) -> KeySet:
        """The current reading."""
        return self._keys

    def reload(self) -> None:
        """Read the directory again; only files not seen before are parsed.

        Raises:
            StartupError: as in `load`. The ring keeps the keys that it had, all of them.
        """
        with self._lock:
            self._keys = self._read(scan(self.directory))
            self._reported = ""

    def reload_if_changed(self) -> bool:
        """Read the directory again if a file's name, inode, time, size or mode has changed.

        Returns:
            Whether the keys were replaced.

        Raises:
            StartupError: as in `reload`, once for each different problem; it is tried again at
                every call all the same.
        """
        with self._lock:
            try:
                files = scan(self.directory)
                if changed := files != self._files:
                    self._keys = self._read(files)
            except StartupError as error:
                if str(error) == self._reported:
                    return False
                self._reported = str(error)
                raise
            self._reported = ""
            return changed

    def expired_keys(self) -> list[Path]:
        """Files that the ring ignores by now and that can be deleted."""
        now_s, keys = self.now(), self._keys
        tokens = [path for terms in keys.tokens.values() for path in terms.expired(now_s)]
        return tokens + [path for terms in keys.secrets.values() for path in terms.expired(now_s)]

    def jwks(self) -> list[dict[str, str]]:
        """Public access-token keys as JWKs (RFC 7517 4, RFC 8037 2), oldest first.

        Holds every key that verifies, those that are published and do not sign yet included.
        """
        return [public_jwk(key) for key in self._keys.tokens[Kind.SIGNING].verifying(self.now())]

    def pseudonym(self, session_id: str) -> str:
        """The name of a session in logs: 16 hex digits that only a holder of the key can link."""
        key = self._keys.secrets[Kind.PSEUDONYM].signer(self.now())
        text = session_id.encode(errors="backslashreplace")
        return key.digest(_PSEUDONYM_LABEL + text).hex()[:_PSEUDONYM_LENGTH]

    def _read(self, files: tuple[KeyFile, ...]) -> KeySet:
        tokens: dict[KeyFile, TokenKey] = {}
        secrets: dict[KeyFile, SecretKey] = {}
        for file in files:
            if file.kind in TOKEN_KINDS:
                tokens[file] = self._tokens.get(file) or parse_token_key(file, read(file))
            else:
                secrets[file] = self._secrets.get(file) or parse_secret_key(file, read(file))
        _refuse_twins({**tokens, **secrets})
        keys = KeySet(
            {kind: self._succession(kind, tokens) for kind in TOKEN_KINDS},
            {
                kind: self._succession(kind, secrets)
                for kind in SECRET_KINDS
                if kind in {file.kind for file in secrets}
            },
        )
        self._files, self._tokens, self._secrets = files, tokens, secrets
        return keys

    def _succession(self, kind: Kind, keys: Mapping[KeyFile, K]) -> Succession[K]:
        return Succession(
            [(file, key) for file, key in keys.items() if file.kind is kind],
            publish_s=self.lifetimes.publish_s,
            retain_s=self.lifetimes.retain_s(kind),
        )


def _refuse_twins(keys: Mapping[KeyFile, TokenKey | SecretKey]) -> None:
    """One key under two names would serve two purposes, or rotate into itself."""
    holders: dict[bytes, Path] = {}
    for file, key in keys.items():
        other = holders.setdefault(key.fingerprint, file.path)
        if other is not file.path:
            raise StartupError(
                f"{other} and {file.path} hold the same key: remove one of them,"
                f" and make another with `{file.kind.remedy}` if one is then missing"
            )
