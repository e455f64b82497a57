"""What an arena is built on: a store of any shape, which its plan starts."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from tests.faults.hand import Hand


class Store(Protocol):
    """Engines that servers keep their sessions in, all of which may be struck."""

    @property
    def url(self) -> str:
        """How a test looks at it, past any proxy."""

    @property
    def url_of_servers(self) -> str:
        """How servers reach it."""

    def pids(self) -> list[int]:
        """The processes that run."""

    def histories(self) -> frozenset[str]:
        """The replication ids of what now serves: another one for each failover."""

    def mend(self) -> None:
        """Start again what was killed, let go on what was stopped, and wait until all is whole."""


AnyStore_co = TypeVar("AnyStore_co", bound=Store, covariant=True)


class Plan(Protocol[AnyStore_co]):
    """What an arena is built of."""

    @property
    def servers(self) -> int:
        """How many there are."""

    def require(self) -> None:
        """Skip the test, or fail it in CI, if an engine is missing."""

    def open(self, place: Path, hand: Hand) -> AbstractAsyncContextManager[AnyStore_co]:
        """The store, started by this hand; `place` is an empty directory with a short name."""
