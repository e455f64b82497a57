"""Replies lost after execution: what is safe to send again is sent again, and nothing else."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sessiond.domain.errors import StoreUnavailableError
from sessiond.domain.session import EndReason, Outcome, State
from sessiond.store.replies import Request
from sessiond.store.scripts import Store
from sessiond.store.walk import UserWalk
from tests.engines import Engine
from tests.faults.proxy import Fault, Proxy, RespWatch
from tests.store.inside import Inside, open_store
from tests.store.kit import ALICE, MINUTE, NOBODY, as_request, create, login, refresh
from tests.store.walk import walk

pytestmark = pytest.mark.one_node

SCRIPT = b"EVALSHA"
ALWAYS = 1_000


@pytest.fixture
async def faulty(engine: Engine, prefix: str, inside: Inside) -> AsyncIterator[tuple[Store, Proxy]]:
    """A store that reaches its engine through a proxy; `inside` reaches it directly."""
    with tempfile.TemporaryDirectory(prefix="ss-") as directory:
        near, far = Path(directory) / "p", urlsplit(engine.url)
        if far.scheme == "unix":
            between = Proxy.between_unix(near, Path(far.path), RespWatch)
        else:
            between = Proxy.before_tcp(far.netloc, RespWatch)
        async with between as proxy:
            url = f"redis://{proxy.address}" if proxy.address else f"unix://{near}"
            store, opened = open_store(engine, prefix, url=url)
            yield store, proxy
            await opened.runner.close()


async def test_a_read_is_sent_again(faulty: tuple[Store, Proxy]) -> None:
    """The caller notices nothing."""
    store, proxy = faulty
    session = await login(store)
    proxy.lose(Fault.CUT, 1, SCRIPT)
    found = await store.get(session.id)
    assert found is not None
    assert found.session == session
    assert proxy.struck == 1


async def test_a_step_of_a_walk_is_sent_again(faulty: tuple[Store, Proxy]) -> None:
    """A walk of minutes survives a connection that breaks."""
    store, proxy = faulty
    await login(store)
    proxy.lose(Fault.CUT, 1, b"ZSCAN")
    users = [u async for page in UserWalk(store._scripts).pages() for u in page.users]
    assert users == [ALICE]
    assert proxy.struck == 1


async def test_a_batch_of_validations_is_sent_again(faulty: tuple[Store, Proxy]) -> None:
    """Each of them, and the answers come in order."""
    store, proxy = faulty
    ids = [(await login(store)).id for _ in range(3)]
    ids.insert(1, ids[0][:-4] + "AAAA")
    proxy.lose(Fault.CUT, 1, SCRIPT)
    found = await store.validate_many(ids, MINUTE)
    assert [f.session.id if f else None for f in found] == [ids[0], None, *ids[2:]]
    assert proxy.struck == 1


async def test_a_batch_whose_engine_is_gone_is_unavailable(faulty: tuple[Store, Proxy]) -> None:
    """None of its answers is made up."""
    store, proxy = faulty
    ids = [(await login(store)).id for _ in range(3)]
    proxy.lose(Fault.CUT, ALWAYS, SCRIPT)
    with pytest.raises(StoreUnavailableError):
        await store.validate_many(ids, MINUTE)


async def test_a_read_is_not_sent_again_for_ever(faulty: tuple[Store, Proxy]) -> None:
    """An engine that always hangs up is out of reach."""
    store, proxy = faulty
    session = await login(store)
    proxy.lose(Fault.CUT, ALWAYS, SCRIPT)
    with pytest.raises(StoreUnavailableError):
        await store.get(session.id)
    assert proxy.struck == 3


async def test_a_create_without_a_request_id_is_sent_once(
    faulty: tuple[Store, Proxy], inside: Inside
) -> None:
    """It took effect, once; the caller learns that it does not know."""
    store, proxy = faulty
    proxy.lose(Fault.CUT, ALWAYS, SCRIPT)
    with pytest.raises(StoreUnavailableError):
        await create(store)
    assert proxy.struck == 1
    assert (await inside.counts(ALICE))["created"] == 1


async def test_a_create_with_a_request_id_is_sent_again_and_makes_one_session(
    faulty: tuple[Store, Proxy], inside: Inside
) -> None:
    """The caller gets the session of the first time."""
    store, proxy = faulty
    proxy.lose(Fault.CUT, 1, SCRIPT)
    made = await create(store, request=as_request("key"))
    assert made.replayed
    assert (await inside.counts(ALICE))["created"] == 1
    await walk(store, inside)


async def test_a_refresh_without_a_request_id_is_sent_once(
    faulty: tuple[Store, Proxy], inside: Inside
) -> None:
    """Sent twice with grace 0, it would end the session."""
    store, proxy = faulty
    session = await login(store)
    proxy.lose(Fault.CUT, ALWAYS, SCRIPT)
    with pytest.raises(StoreUnavailableError):
        await refresh(store, session, grace_ms=0)
    assert proxy.struck == 1
    fields = await inside.fields(session.id)
    assert (fields["g"], "e" in fields) == ("2", False)


async def test_a_refresh_with_a_request_id_rotates_once(
    faulty: tuple[Store, Proxy], inside: Inside
) -> None:
    """The second time it is a replay, of the same generation."""
    store, proxy = faulty
    session = await login(store)
    proxy.lose(Fault.CUT, 1, SCRIPT)
    answer = await refresh(store, session, grace_ms=0, request="r1")
    assert (answer.outcome, answer.session.generation) == (Outcome.REPLAYED, 2)
    assert (await inside.counts(ALICE))["refreshed"] == 1


async def test_a_revoke_and_an_extend_are_sent_again(
    faulty: tuple[Store, Proxy], inside: Inside
) -> None:
    """Twice is once: the session ends one time, with the reason that was asked for."""
    store, proxy = faulty
    session = await login(store)
    proxy.lose(Fault.CUT, 1, SCRIPT)
    await store.extend(session.id, NOBODY)
    proxy.lose(Fault.CUT, 1, SCRIPT)
    answer = await store.revoke(session.id, EndReason.LOGOUT, "app")
    assert answer is not None
    assert (answer.session.state, answer.session.ended_by) == (State.ENDED, "app")
    assert (await inside.counts(ALICE))["e:1"] == 1
    await walk(store, inside)


@pytest.mark.parametrize("request_id", [True, False])
async def test_a_revoke_all_is_sent_again_only_with_a_request_id(
    faulty: tuple[Store, Proxy], inside: Inside, request_id: bool
) -> None:
    """Sent again without one it could end a login that came between."""
    store, proxy = faulty
    made = [await login(store), await login(store)]
    proxy.lose(Fault.CUT, 1, SCRIPT)
    if request_id:
        ended = await store.revoke_user(ALICE, EndReason.REVOKED, "app", as_request("key"))
        assert list(ended) == [s.id for s in made]
    else:
        with pytest.raises(StoreUnavailableError):
            await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    assert proxy.struck == 1
    assert (await inside.counts(ALICE))["e:2"] == 2
    await walk(store, inside)


async def test_calls_of_one_tick_keep_their_own_rules(
    faulty: tuple[Store, Proxy], inside: Inside
) -> None:
    """Their connection is cut under them all; each is retried, or not, by itself."""
    store, proxy = faulty
    session = await login(store)
    proxy.lose(Fault.CUT, 1, SCRIPT)
    answers = await asyncio.gather(
        store.get(session.id),
        create(store),
        create(store, request=as_request("key")),
        return_exceptions=True,
    )
    assert [isinstance(a, StoreUnavailableError) for a in answers] == [False, True, False]
    assert (await inside.counts(ALICE))["created"] == 3
    await walk(store, inside)


async def test_a_request_that_never_arrived_is_sent_again_too(
    faulty: tuple[Store, Proxy], inside: Inside
) -> None:
    """The store cannot tell it from a lost reply."""
    store, proxy = faulty
    proxy.lose(Fault.REFUSE, 1, SCRIPT)
    assert not (await create(store, request=as_request("key"))).replayed
    assert (await inside.counts(ALICE))["created"] == 1
