"""What the engine and the way to it can say against a command, as errors of the domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from redis import exceptions as redis_errors

from sessiond.domain.errors import StoreFullError, StoreUnavailableError


class ConnectionLostError(StoreUnavailableError):
    """The connection broke: whether the command took effect is not known, and soon will be."""


class NotHereError(StoreUnavailableError):
    """The node refused the command whole: its slot is elsewhere, on the move, or not served now."""


class _Translation(NamedTuple):
    """An error by its type, or by how its text begins."""

    types: tuple[type[Exception], ...]
    beginnings: tuple[str, ...]
    make: Callable[[], Exception]


_REFUSED: Final = "the store refuses this server's credentials"
_TRANSLATIONS: Final = (
    _Translation(
        (redis_errors.OutOfMemoryError,),
        ("OOM ",),
        lambda: StoreFullError("the store is at its memory limit"),
    ),
    _Translation(
        (redis_errors.AuthenticationError,),
        (),
        lambda: StoreUnavailableError(_REFUSED),
    ),
    _Translation(
        (
            redis_errors.BusyLoadingError,
            redis_errors.ReadOnlyError,
        ),
        ("BUSY ", "MISCONF ", "NOREPLICAS ", "UNKILLABLE "),
        lambda: StoreUnavailableError("the store cannot serve now"),
    ),
    _Translation(
        (
            redis_errors.AskError,  # MOVED too
            redis_errors.ClusterDownError,
            redis_errors.TryAgainError,
        ),
        # Of a script, before its first write: it touches all that it will write.
        ("Script attempted to access a non local key", "Script attempted to execute a"),
        lambda: NotHereError("the store is a cluster, and another node may hold this"),
    ),
    # A hung engine is not asked again: who waits learns of it, and it gets no further load.
    _Translation(
        (redis_errors.TimeoutError, TimeoutError),
        (),
        lambda: StoreUnavailableError("the store does not answer"),
    ),
    _Translation(
        (redis_errors.ConnectionError, redis_errors.InvalidResponse, OSError),
        (),
        lambda: ConnectionLostError("the connection to the store broke"),
    ),
)
_AT_THE_DOOR: Final = _Translation(
    (redis_errors.ResponseError,), (), lambda: StoreUnavailableError(_REFUSED)
)
# uvloop, for one, raises RuntimeError when what is written to was closed meanwhile.
_WHATEVER: Final = _Translation((Exception,), (), _TRANSLATIONS[-1].make)


def translated(error: Exception) -> Exception:
    """The error of a command that was answered with `error`: itself, if we have none for it."""
    return _first(error, _TRANSLATIONS)


def lost(error: Exception) -> Exception:
    """The error of a command that was owed a reply when its connection ended with `error`."""
    return _first(error, (*_TRANSLATIONS, _AT_THE_DOOR, _WHATEVER))


def _first(error: Exception, translations: tuple[_Translation, ...]) -> Exception:
    for types, beginnings, make in translations:
        if isinstance(error, types) or (beginnings and str(error).startswith(beginnings)):
            ours = make()
            ours.__cause__ = error
            return ours
    return error
