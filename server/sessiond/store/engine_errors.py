"""What the engine and the way to it can say against a command, as the errors that callers know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from redis import exceptions as redis_errors

from sessiond.domain.errors import StoreFullError, StoreUnavailableError


class ConnectionLostError(StoreUnavailableError):
    """The connection broke: whether the command took effect is not known, and soon will be."""


_Kinds: TypeAlias = tuple[type[Exception], ...]

_TRANSLATIONS: Final[tuple[tuple[_Kinds, tuple[str, ...], Callable[[], Exception]], ...]] = (
    (
        (redis_errors.OutOfMemoryError,),
        ("OOM ",),
        lambda: StoreFullError("the store is at its memory limit"),
    ),
    (
        (redis_errors.AuthenticationError,),
        (),
        lambda: StoreUnavailableError("the store refuses this server's credentials"),
    ),
    (
        (
            redis_errors.BusyLoadingError,
            redis_errors.ClusterDownError,
            redis_errors.ReadOnlyError,
            redis_errors.TryAgainError,
        ),
        ("BUSY ", "MISCONF ", "NOREPLICAS ", "UNKILLABLE "),
        lambda: StoreUnavailableError("the store cannot serve now"),
    ),
    # A hung engine is not asked again: its callers learn of it, and it gets no further load.
    (
        (redis_errors.TimeoutError, TimeoutError),
        (),
        lambda: StoreUnavailableError("the store does not answer"),
    ),
    (
        (redis_errors.ConnectionError, redis_errors.InvalidResponse, OSError),
        (),
        lambda: ConnectionLostError("the connection to the store broke"),
    ),
)


def lost(error: Exception) -> Exception:
    """The error of a call that a connection owes a reply when it breaks, for whatever reason.

    uvloop, for one, raises RuntimeError when what is written to was closed meanwhile.
    """
    ours = translated(error)
    if ours is error:
        ours = ConnectionLostError("the connection to the store broke")
        ours.__cause__ = error
    return ours


def translated(error: Exception) -> Exception:
    """The error that a caller gets: one of ours, or `error` itself where it is none of these."""
    for kinds, prefixes, make in _TRANSLATIONS:
        if isinstance(error, kinds) or (prefixes and str(error).startswith(prefixes)):
            ours = make()
            ours.__cause__ = error
            return ours
    return error
