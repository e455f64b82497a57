"""Sessions of another system, as the tests bring them in."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable
from typing import Any

from sessiond.domain import ids
from sessiond.domain.profile import Profile
from sessiond.domain.session import Session, State
from sessiond.domain.transfer import Fate
from sessiond.store.replies import Arrival, Newcomer
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from tests.store.inside import Inside
from tests.store.kit import ALICE, DAY, HOUR, MAC_KEY, NOBODY, WEB, all_pages


class OldSystem:
    """Makes records whose times are told from the moment that it was set up."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def session(
        self,
        user: str = ALICE,
        profile: Profile = WEB,
        *,
        age_ms: int = HOUR,
        left_ms: int = DAY,
        **more: Any,
    ) -> Newcomer:
        """A session created `age_ms` ago that has `left_ms` to live."""
        made = Newcomer(
            id=ids.new_session_id(user),
            user_id=user,
            profile=profile,
            create_us=(self.now_ms - age_ms) * 1000,
            expire_ms=self.now_ms + left_ms,
            mac_key_id=MAC_KEY,
            client=NOBODY,
            attributes={},
        )
        return dataclasses.replace(made, **more)


async def old_system(inside: Inside) -> OldSystem:
    """One whose clock goes with the engine's."""
    return OldSystem(await inside.now_ms())


async def bring(transfer: TransferStore, *newcomers: Newcomer, **more: Any) -> list[Fate]:
    """Import them, and say what became of each."""
    return [arrival.fate for arrival in await transfer.import_many(newcomers, **more)]


async def bring_one(transfer: TransferStore, newcomer: Newcomer, **more: Any) -> Arrival:
    """Import one."""
    (arrival,) = await transfer.import_many([newcomer], **more)
    return arrival


async def live(store: Store, users: Iterable[str] = (ALICE,)) -> list[Session]:
    """The live sessions of users, each one's newest first."""
    pages = await asyncio.gather(*(all_pages(store, u, states=[State.ACTIVE]) for u in users))
    return [session for page in pages for session in page]
