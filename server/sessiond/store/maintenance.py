"""Typed calls of the scripts by which operators and jobs clean the store, in bounded steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sessiond.domain.session import Session
from sessiond.store.fields import decode_session
from sessiond.store.script_set import ScriptSet

_MOST: Final = 150
"""How many sessions a script looks at: a millisecond or two, and a few to remove as many."""
_MOST_ENTRIES: Final = 5_000
"""How many entries a script asks the existence of, and one user's more: a few milliseconds."""
_MOST_DELETED: Final = 100
"""How many sessions of a user a script erases."""


@dataclass(frozen=True, slots=True)
class PurgeScope:
    """Which sessions a purge is about, and whether they go."""

    cutoff_ms: int
    """Ended and expired ones that did so before, live ones last refreshed before."""
    include_active: bool
    execute: bool


@dataclass(frozen=True, slots=True)
class PurgeStep:
    """What a step of a purge found, or removed."""

    users: int
    """How many users are done with."""
    ended: int
    expired: int
    active: int
    samples: tuple[Session, ...]
    """The first of them, as they were."""


@dataclass(frozen=True, slots=True)
class DeleteStep:
    """What a step of a deletion did, and how many of the user's sessions are left."""

    ended: int
    erased: int
    left: int


class Maintenance:
    """Cleans the store. Every method may raise StoreUnavailableError."""

    def __init__(self, scripts: ScriptSet) -> None:
        self._scripts = scripts

    async def now_ms(self) -> int:
        """The engine's clock."""
        return await self._scripts.now_ms()

    async def purge(
        self,
        partition: int,
        users: Sequence[str],
        scope: PurgeScope,
        *,
        caller: str,
        samples: int,
        most: int = _MOST,
    ) -> PurgeStep:
        """Count or remove sessions of users of a partition, until about `most` were looked at."""
        now, done, ended, expired, active, flat = await self._scripts.run(
            "purge",
            self._scripts.keys.bases[partition],
            (
                *self._scripts.ending(caller),
                scope.cutoff_ms,
                "live" if scope.include_active else "dead",
                "execute" if scope.execute else "count",
                most, samples, *users,
            ),
            idempotent=True,
        )  # fmt: skip
        shown = tuple(
            decode_session(flat[i].decode(), flat[i + 1], now) for i in range(0, len(flat), 2)
        )
        return PurgeStep(done, ended, expired, active, shown)

    async def delete_user(self, user_id: str, *, caller: str) -> DeleteStep:
        """End and erase up to a hundred sessions of a user, history included."""
        reply = await self._scripts.run(
            "delete_user",
            self._scripts.keys.of_user(user_id),
            (*self._scripts.ending(caller), user_id, _MOST_DELETED),
            idempotent=True,
        )
        return DeleteStep(*reply)

    async def dangling(self, partition: int, users: Sequence[str]) -> tuple[str, ...]:
        """Those users of a partition whose live sets or histories hold sessions that are gone."""
        base, those = self._scripts.keys.bases[partition], list[bytes]()
        while users:
            done, found = await self._scripts.run(
                "dangling", base, (_MOST_ENTRIES, *users), idempotent=True
            )
            users = users[done:]
            those += found
        return tuple(word.decode() for word in those)

    async def holders(self, partition: int, users: Sequence[str]) -> tuple[str, ...]:
        """Those users of a partition whose live sets are not empty."""
        base = self._scripts.keys.bases[partition]
        found = await self._scripts.run("holders", base, users, idempotent=True)
        return tuple(word.decode() for word in found)
