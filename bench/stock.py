"""A store as operators find it: users with live sessions, some of whom have logged out before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sample
from filling import create, each, open_store
from sessiond.domain.session import EndReason
from sessiond.store.embedded import EmbeddedEngine

_MOST_KNOWN: Final = 10_000


@dataclass(frozen=True)
class Stock:
    """What a store holds."""

    live: int
    ended: int
    known: list[str]
    """The ids of live sessions, spread evenly over the store."""

    @property
    def users(self) -> int:
        """How many users these are."""
        return -(-self.live // sample.PER_USER)


async def fill(engine: EmbeddedEngine, live: int, ended: int = 0) -> Stock:
    """Fill an empty engine with live sessions, and one that has ended for each of some users."""
    step = -(-live // _MOST_KNOWN)
    known: list[str] = []

    async with open_store(engine) as store:

        async def login_and_logout(user: int) -> None:
            session = await create(store, sample.small(user * sample.PER_USER))
            await store.revoke(session.id, EndReason.LOGOUT, "bench")

        async def login(number: int) -> None:
            session = await create(store, sample.small(number))
            if number % step == 0:
                known.append(session.id)

        await each(range(ended), login_and_logout)
        await each(range(live), login)
    return Stock(live, ended, known)
