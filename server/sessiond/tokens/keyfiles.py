"""Where keys lie: one directory per kind, and a file name that says id and creation time.

    DIR/signing/20260101T000000Z-0a1b2c3d.pem     access-token keys, PKCS#8 PEM
    DIR/service/20260101T000000Z-4e5f6071.pem     service-token keys, PKCS#8 PEM
    DIR/mac/20260101T000000Z-8293a4b5.key         refresh-token keys, hex
    DIR/pseudonym/20260101T000000Z-c6d7e8f9.key   the key behind session names in logs, hex
    DIR/import/20260101T000000Z-0b1c2d3e.key      the key that finds imported sessions, hex

Ids and times come from the names alone, so a copied or restored directory loses nothing.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from sessiond.domain.errors import StartupError

MAX_FILE_BYTES: Final = 16_384
TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(r"(?P<time>[0-9]{8}T[0-9]{6}Z)-(?P<number>[0-9a-f]{8})\.(?P<suffix>\w+)")
_OPEN_TO_OTHERS: Final = 0o077


class Kind(StrEnum):
    """What a key is for; the value is the name of its directory."""

    SIGNING = "signing"
    SERVICE = "service"
    MAC = "mac"
    PSEUDONYM = "pseudonym"
    IMPORT = "import"

    @property
    def suffix(self) -> str:
        """The ending of this kind's files, without the dot."""
        return "pem" if self in TOKEN_KINDS else "key"

    @property
    def label(self) -> str:
        """What a person calls a key of this kind."""
        return _LABELS[self]

    @property
    def remedy(self) -> str:
        """The command that makes a key of this kind in place of one that was removed."""
        return "sessiond keys init" if self is Kind.IMPORT else f"sessiond keys rotate {self}"


TOKEN_KINDS: Final = (Kind.SIGNING, Kind.SERVICE)
SECRET_KINDS: Final = (Kind.MAC, Kind.PSEUDONYM, Kind.IMPORT)
_LABELS: Final = {
    Kind.SIGNING: "access-token signing key",
    Kind.SERVICE: "service-token signing key",
    Kind.MAC: "MAC key",
    Kind.PSEUDONYM: "log pseudonym key",
    Kind.IMPORT: "import key",
}


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One key file as it lay there; equal while nobody has touched it."""

    kind: Kind
    path: Path
    create_s: int
    """Creation time from the name, seconds since the Unix epoch."""
    number: int
    """The eight hex digits of the name, a uint32."""
    identity: tuple[int, ...]

    @property
    def stem(self) -> str:
        """The file name without its ending: the `kid` of a token key."""
        return self.path.stem


class KeyName(NamedTuple):
    """What a file name says."""

    create_s: int
    number: int
    suffix: str


def parse_name(name: str) -> KeyName | None:
    """What the name of a key file says; None where it is not one."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        created = datetime.strptime(match["time"], TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return KeyName(int(created.timestamp()), int(match["number"], 16), match["suffix"])


def scan(directory: Path) -> tuple[KeyFile, ...]:
    """All key files of a key directory, each kind oldest first; reads no key.

    Raises:
        StartupError: a directory or a kind other than the import key is missing, there are two
            import keys, a file's name is not a key's name, two keys of a kind share a number, or
            something is open to group or others.
    """
    if not directory.is_dir():
        raise StartupError(f"no key directory {directory}: {_what_to_do(directory)}")
    try:
        _refuse_if_open(directory, directory.stat())
        return tuple(file for kind in Kind for file in _scan_kind(directory, kind))
    except OSError as error:
        raise StartupError(
            f"cannot read the key directory {directory} ({error.strerror}):"
            " run sessiond as the user that owns it"
        ) from None


def read(file: KeyFile) -> bytes:
    """The content of a key file.

    Raises:
        StartupError: it cannot be read, or is too large to be a key.
    """
    try:
        with file.path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise StartupError(
            f"cannot read the key {file.path} ({error.strerror}):"
            " run sessiond as the user that owns it"
        ) from None
    if len(data) > MAX_FILE_BYTES:
        raise StartupError(f"{file.path} is too large to be a key: move it out of the directory")
    return data


def _scan_kind(directory: Path, kind: Kind) -> list[KeyFile]:
    folder = directory / kind
    if folder.is_dir():
        _refuse_if_open(folder, folder.stat())
        # A leading dot: our own unfinished files, and the links of mounted Kubernetes secrets.
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    else:
        paths = []
    if kind is Kind.IMPORT and len(paths) > 1:
        raise StartupError(
            f"{folder} holds {len(paths)} keys, and a session is found again by the one that it was"
            " imported with: move the others away"
        )
    if not paths and kind is not Kind.IMPORT:
        raise StartupError(f"no {kind.label} in {folder}: {_what_to_do(directory)}")
    files = sorted((_key_file(kind, path) for path in paths), key=lambda f: (f.create_s, f.number))
    holders: dict[int, Path] = {}
    for file in files:
        other = holders.setdefault(file.number, file.path)
        if other is not file.path:
            raise StartupError(
                f"{other} and {file.path} share the key id {file.number:08x}: remove one of them"
            )
    return files


def _key_file(kind: Kind, path: Path) -> KeyFile:
    form = f"<YYYYMMDDTHHMMSSZ>-<8 hex digits>.{kind.suffix}"
    name = parse_name(path.name)
    if name is None or name.suffix != kind.suffix:
        raise StartupError(f"{path} is not named like a key ({form}): rename it or move it away")
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise StartupError(f"{path} is not a regular file: move it away")
    _refuse_if_open(path, status)
    identity = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
    return KeyFile(kind, path, name.create_s, name.number, identity)


def _refuse_if_open(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & _OPEN_TO_OTHERS:
        wanted = 700 if stat.S_ISDIR(status.st_mode) else 600
        raise StartupError(
            f"{path} is open to group or others (mode {mode:o}): run `chmod {wanted} {path}`,"
            " and rotate its keys if others could have read them"
        )


def _what_to_do(directory: Path) -> str:
    return (
        f"run `sessiond keys init --dir {directory}`,"
        " or set SESSIOND_KEYS_DIR to the directory that holds them"
    )
