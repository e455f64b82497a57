"""Registration: what every server of a store must agree on."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator

import pytest

from sessiond.domain.errors import StartupError
from sessiond.domain.profile import AtCap
from sessiond.domain.session import EndReason
from sessiond.store.scripts import Store
from tests.engines import Engine
from tests.store.inside import Inside, open_store
from tests.store.kit import ALICE, ENDS, HOUR, KIOSK, MINUTE, MOBILE, PROFILES, WEB, login


@pytest.fixture
async def first(engine: Engine) -> AsyncIterator[tuple[Store, Inside]]:
    """The first server of a store of its own, registered."""
    store, inside = open_store(engine, f"r{uuid.uuid4().hex[:12]}")
    await store.register([WEB, MOBILE])
    yield store, inside
    pinned = [base + name for base in inside.keys.bases for name in ("meta", "profiles")]
    await inside.wipe()
    await inside.delete(*pinned)
    await inside.runner.close()


async def pinned(inside: Inside) -> list[tuple[dict[str, str], dict[str, str]]]:
    """What each partition remembers of the registration."""
    meta = await asyncio.gather(*(inside.hash_of(base + "meta") for base in inside.keys.bases))
    profiles = await asyncio.gather(
        *(inside.hash_of(base + "profiles") for base in inside.keys.bases)
    )
    return list(zip(meta, profiles, strict=True))


async def test_the_first_server_pins_schema_partitions_and_profiles(
    first: tuple[Store, Inside],
) -> None:
    """In every partition, so that any of them can tell."""
    retention = str(ENDS.retention_ms)
    meta = {
        "schema": "1", "partitions": "64", "access": str(HOUR),
        "retention_min": retention, "retention_max": retention,
    }  # fmt: skip
    profiles = {"default": "created", "mobile": "refreshed"}
    now_ms = await first[1].now_ms()
    for found, orders in await pinned(first[1]):
        assert 0 <= now_ms - int(found.pop("access_since")) < MINUTE
        assert (found, orders) == (meta, profiles)


async def test_a_second_server_that_agrees_may_start(first: tuple[Store, Inside]) -> None:
    """Caps and lifetimes are its own business; what is pinned stays."""
    store, inside = first
    before = await pinned(inside)
    other = dataclasses.replace(WEB, cap=3, idle_ms=1, at_cap=AtCap.REJECT)
    await store.register([MOBILE, other])
    assert await pinned(inside) == before


@pytest.mark.parametrize(("field", "theirs"), [("schema", "2"), ("partitions", "128")])
async def test_a_server_of_another_layout_is_refused(
    first: tuple[Store, Inside], field: str, theirs: str
) -> None:
    """One partition that differs is enough; the sentence says what differs."""
    store, inside = first
    await inside.ask("HSET", inside.keys.bases[63] + "meta", field, theirs)
    before = await pinned(inside)
    with pytest.raises(StartupError, match=f"{field} = {theirs}"):
        await store.register([WEB, MOBILE])
    assert await pinned(inside) == before


async def test_a_server_that_orders_a_profile_otherwise_is_refused(
    first: tuple[Store, Inside],
) -> None:
    """Scores by creation and by refresh cannot live in one set."""
    store, inside = first
    before = await pinned(inside)
    with pytest.raises(StartupError, match="profile default = created, this server has refreshed"):
        await store.register([dataclasses.replace(WEB, at_cap=AtCap.EVICT_IDLE), MOBILE])
    assert await pinned(inside) == before


async def test_a_server_without_one_of_the_profiles_is_refused(
    first: tuple[Store, Inside],
) -> None:
    """It could not say how that profile's sessions end."""
    store, inside = first
    before = await pinned(inside)
    with pytest.raises(StartupError, match="profile mobile = configured, this server has missing"):
        await store.register([WEB])
    assert await pinned(inside) == before


async def test_a_new_profile_may_be_added(first: tuple[Store, Inside]) -> None:
    """From then on every server must have it."""
    store, _ = first
    await store.register(PROFILES)
    await login(store, ALICE, KIOSK)
    with pytest.raises(StartupError, match="profile kiosk"):
        await store.register([WEB, MOBILE])


async def test_a_running_server_outlives_a_profile_that_others_bring(
    first: tuple[Store, Inside],
) -> None:
    """Only a server that starts has to know them all."""
    store, _ = first
    await store.register(PROFILES)
    await store.register([WEB, MOBILE], complete=False)
    with pytest.raises(StartupError, match="profile kiosk"):
        await store.register([WEB, MOBILE])


async def test_the_longest_access_lifetime_is_remembered(
    engine: Engine, first: tuple[Store, Inside]
) -> None:
    """Tokens minted before it was lowered are dead no sooner for that."""
    _, inside = first
    ends = dataclasses.replace(ENDS, access_ms=MINUTE)
    lowered, other = open_store(engine, inside.prefix, ends)
    await lowered.register([WEB, MOBILE])
    session = await login(lowered)
    revoked = await lowered.revoke(session.id, EndReason.LOGOUT, "app")
    assert revoked is not None
    at = (await other.scores(ALICE, "dead"))[session.id]
    assert at == revoked.session.end_ms + ENDS.access_ms + ENDS.leeway_ms
    await other.runner.close()
