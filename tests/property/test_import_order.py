"""Imports in any order and any batches, broken off anywhere and repeated: the same sessions."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessiond.domain.ids import SESSION_ID_BYTES, session_id
from sessiond.domain.profile import Profile
from sessiond.domain.session import Client
from sessiond.domain.transfer import Fate
from sessiond.store.replies import Newcomer
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from tests.conftest import rounds
from tests.engines import Engine
from tests.store.inside import Inside, open_store
from tests.store.kit import (
    ALICE,
    ENDS,
    HOUR,
    MOBILE,
    PROFILES,
    WEB,
    capped,
    neighbour_of,
    stranger_to,
)
from tests.store.newcomers import OldSystem, bring, live, old_system
from tests.store.walk import walk

USERS: Final = (ALICE, neighbour_of(ALICE), stranger_to(ALICE))
THREE_WEB: Final = capped(WEB, 3)
TWO_MOBILE: Final = capped(MOBILE, 2)
MOST: Final = 16

# A device keeps to one profile, and sessions that make room for it to that profile's cap.
places = st.sampled_from(
    [
        *((THREE_WEB, device) for device in ("", "phone", "tablet")),
        *((TWO_MOBILE, device) for device in ("", "watch")),
    ]
)
# A few hours, so that sessions were created in the same microsecond.
lines = st.tuples(st.sampled_from(USERS), places, st.integers(1, 8))
files = st.lists(lines, min_size=MOST, max_size=MOST)
attempts = st.lists(st.lists(st.integers(0, MOST - 1), max_size=MOST), max_size=3)
orders = st.permutations(range(MOST))


def test_the_newest_are_there_in_the_end_however_they_came(engine: Engine) -> None:
    """Times and order are as they were, counters and indexes agree, and one more import is idle."""
    with asyncio.Runner() as runner:
        store, inside = runner.run(_opened(engine))
        scripts = ScriptSet(inside.runner, inside.keys, ENDS, shebang=inside.shebang)
        transfer = TransferStore(scripts)

        async def imported(
            file: list[tuple[str, tuple[Profile, str], int]], plan: list[list[int]]
        ) -> None:
            await inside.wipe()
            newcomers = list(_newcomers(await old_system(inside), file))
            for batch in plan:
                await bring(transfer, *(newcomers[i] for i in batch))
            expected = _newest(newcomers)
            found = {
                user: [(s.id, s.create_us, s.expire_ms) for s in await live(store, [user])]
                for user in USERS
            }
            assert found == expected
            assert set(await bring(transfer, *newcomers)) <= {Fate.EXISTS, Fate.SUPERSEDED}
            await walk(store, inside)

        @settings(
            max_examples=rounds(40),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(files, attempts, orders)
        def any_import(
            file: list[tuple[str, tuple[Profile, str], int]],
            broken_off: list[list[int]],
            whole: list[int],
        ) -> None:
            runner.run(imported(file, [*broken_off, whole]))

        try:
            any_import()
        finally:
            runner.run(inside.wipe())
            runner.run(inside.runner.close())


async def _opened(engine: Engine) -> tuple[Store, Inside]:
    store, inside = open_store(engine, f"o{uuid.uuid4().hex[:12]}", ENDS)
    await store.register(PROFILES)
    return store, inside


def _newcomers(
    old: OldSystem, file: Iterable[tuple[str, tuple[Profile, str], int]]
) -> Iterable[Newcomer]:
    for number, (user, (profile, device), hours) in enumerate(file):
        yield old.session(
            user,
            profile,
            id=session_id(user, number.to_bytes(SESSION_ID_BYTES - 1)),
            age_ms=hours * HOUR,
            client=Client(device_id=device),
        )


def _newest(newcomers: Iterable[Newcomer]) -> dict[str, list[tuple[str, int, int]]]:
    """Of each device the newest session, and of those as many as the cap allows; newest first."""
    kept: dict[str, list[Newcomer]] = {user: [] for user in USERS}
    held: set[tuple[str, str]] = set()
    seats: dict[tuple[str, str], int] = defaultdict(int)
    for new in sorted(newcomers, key=lambda new: (new.create_us, new.id), reverse=True):
        device, seat = (new.user_id, new.client.device_id), (new.user_id, new.profile.name)
        if seats[seat] == new.profile.cap or (new.client.device_id and device in held):
            continue
        seats[seat] += 1
        held.add(device)
        kept[new.user_id].append(new)
    return {
        user: [(new.id, new.create_us, new.expire_ms) for new in sessions]
        for user, sessions in kept.items()
    }
