"""Making keys: the first ones, and the next one of a kind."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from sessiond.domain.errors import StartupError
from sessiond.tokens.keyfiles import TIME_FORMAT, TOKEN_KINDS, Kind, parse_name
from sessiond.tokens.keys import Algorithm, new_secret_key, new_token_key


def create_keys(
    directory: Path,
    kinds: Iterable[Kind] = tuple(Kind),
    *,
    algorithm: Algorithm = Algorithm.EDDSA,
    clock: Callable[[], float] = time.time,
) -> list[Path]:
    """Make a key of every kind that has none; directories get mode 700, files 600.

    Returns:
        The files made.

    Raises:
        StartupError: the directory cannot be written.
    """
    return [
        _add(directory, kind, algorithm, clock) for kind in kinds if not _names(directory / kind)
    ]


def rotate(
    directory: Path,
    kind: Kind,
    *,
    algorithm: Algorithm = Algorithm.EDDSA,
    clock: Callable[[], float] = time.time,
) -> Path:
    """Add one new key of a kind; rings that read it verify by it at once and sign by it later.

    Args:
        directory: the key directory; made if missing.
        kind: which keys.
        algorithm: what a token key signs with; other kinds ignore it.
        clock: seconds since the Unix epoch; becomes the key's creation time, or the second after
            the newest key's, if that is later.

    Returns:
        The file made. It is on disk, whole, when this returns.

    Raises:
        StartupError: the directory cannot be written, or keys of this kind never rotate.
    """
    if kind is Kind.IMPORT:
        raise StartupError(
            "the import key never rotates: by another one, sessions that were imported would be"
            " imported again and could not be adopted"
        )
    return _add(directory, kind, algorithm, clock)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keep out whoever else enters this on the directory: other servers and threads wait.

    Where the file system has no locks, nobody waits.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _add(directory: Path, kind: Kind, algorithm: Algorithm, clock: Callable[[], float]) -> Path:
    data = new_token_key(algorithm) if kind in TOKEN_KINDS else new_secret_key()
    folder = directory / kind
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / _new_name(kind, _names(folder), int(clock()))
        _write(path, data)
    except OSError as error:
        raise StartupError(
            f"cannot write a {kind.label} to {folder} ({error.strerror}):"
            " give sessiond a key directory that it owns"
        ) from None
    return path


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StartupError(
            f"cannot read {folder} ({error.strerror}): give sessiond a key directory that it owns"
        ) from None


def _new_name(kind: Kind, names: list[str], now_s: int) -> str:
    """A name that no key has and that sorts as the newest.

    A key that sorted before others, for a clock that stands behind or within the same second,
    would sign at once or never.
    """
    taken = [name for name in map(parse_name, names) if name]
    create_s = max([now_s, *(name.create_s + 1 for name in taken)])
    numbers = {name.number for name in taken}
    while (number := secrets.randbits(32)) in numbers:
        pass
    created = datetime.fromtimestamp(create_s, UTC).strftime(TIME_FORMAT)
    return f"{created}-{number:08x}.{kind.suffix}"


def _write(path: Path, data: bytes) -> None:
    """Write so that a reader, or a crash, never meets half a key."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.rename(path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
