"""What a link to the engine is, however it connects."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from sessiond.store.figures import LinkFigures

Argument: TypeAlias = str | int | bytes


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """How long a store is waited for, and by how many commands."""

    connect_s: float = 1.0
    """Seconds that connecting may take."""
    read_s: float = 2.0
    """Seconds that it may be silent while it owes replies."""
    in_flight: int = 10_000
    """How many commands may wait for a reply."""


class Link(Protocol):
    """A way to a store: to its one node, or to all of them."""

    name: str
    """Tells the nodes of a store from one another; empty where there is but one."""

    @property
    def figures(self) -> LinkFigures:
        """What went over it."""
        ...

    def send(self, *command: Argument) -> Awaitable[Any]:
        """The raw reply to a command on one key, that takes effect once.

        Raises:
            ConnectionLostError: the connection broke; the command may have taken effect, or may
                yet: what was written may still be read by an engine that was busy or stopped.
            StoreUnavailableError: no answer in time, which leaves as much open, or the engine
                cannot serve now.
            StoreFullError: the engine is at maxmemory and refused the command whole.
            OverloadedError: too many commands are in flight; this one was not sent.
            ResponseError: the engine refused the command for another reason.
        """
        ...

    async def holder(self, key: str) -> Link:
        """The link to the node that holds a key now, for commands that name none.

        It is the same one for as long as it is the same node.

        Raises:
            StoreUnavailableError: it is not known which one does.
        """
        ...

    def doubt(self) -> None:
        """Have it find out again which nodes the store has: those it leads to do not behave so."""
        ...

    async def close(self) -> None:
        """Wait for the replies to what was sent, then disconnect."""
        ...
