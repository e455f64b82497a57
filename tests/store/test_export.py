"""Export: every session at least once, in bounded pages, and on from any of them."""

from __future__ import annotations

from collections import Counter

import pytest

from sessiond.domain.errors import InvalidFieldError
from sessiond.domain.session import EndReason, Session, State
from sessiond.service.exporting import Exporter, ExportPage
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from sessiond.store.walk import UserWalk
from tests.store.inside import Inside
from tests.store.kit import ALICE, BOB, HOUR, KIOSK, MOBILE, WEB, all_pages, capped, login

MOST = 200


@pytest.fixture
def exporter(store: Store, transfer: TransferStore, scripts: ScriptSet) -> Exporter:
    """One whose walk has several pages in a partition."""
    return Exporter(store, transfer, UserWalk(scripts, step=5))


async def pages_of(
    exporter: Exporter, user: str = "", states: tuple[State, ...] = (), token: str = ""
) -> list[ExportPage]:
    """A whole export, whose last page alone says that it is done."""
    pages = [page async for page in exporter.export(user, states, token)]
    assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
    assert [bool(page.resume_token) for page in pages] == [not page.done for page in pages]
    assert max(len(page.sessions) for page in pages) <= MOST
    return pages


def sessions_of(pages: list[ExportPage]) -> list[Session]:
    """All that the pages hold."""
    return [session for page in pages for session in page.sessions]


async def populate(store: Store, inside: Inside, users: int = 40) -> dict[str, list[Session]]:
    """Users with sessions in every state, and what listing says of each."""
    names = [f"user-{i}" for i in range(users)]
    for number, user in enumerate(names):
        await login(store, user, KIOSK)
        if number % 2:
            await login(store, user, MOBILE)
            gone = await login(store, user)
            await store.revoke(gone.id, EndReason.LOGOUT, "app")
    await inside.let_pass(HOUR)
    return {user: await all_pages(store, user) for user in names}


async def test_everything_is_given_out_once(
    exporter: Exporter, store: Store, inside: Inside
) -> None:
    """Live, ended and expired ones, as listing has them; progress counts the users."""
    listed = await populate(store, inside)
    pages = await pages_of(exporter)
    found = sessions_of(pages)
    assert sorted(found, key=lambda s: s.id) == sorted(
        (s for sessions in listed.values() for s in sessions), key=lambda s: s.id
    )
    assert {session.state for session in found} == set(State)
    done = [page.users_done for page in pages]
    assert done == sorted(done)
    assert (done[-1], {page.users_total for page in pages}) == (40, {40})


@pytest.mark.parametrize("states", [(State.ACTIVE,), (State.ENDED, State.EXPIRED)])
async def test_an_export_of_some_states_has_no_others(
    exporter: Exporter, store: Store, inside: Inside, states: tuple[State, ...]
) -> None:
    """Of everybody and of one user."""
    listed = await populate(store, inside, 10)
    everybody = sessions_of(await pages_of(exporter, states=states))
    wanted = {s.id for sessions in listed.values() for s in sessions if s.state in states}
    assert {session.id for session in everybody} == wanted
    one = sessions_of(await pages_of(exporter, "user-1", states))
    assert one == [session for session in listed["user-1"] if session.state in states]


async def test_an_empty_store_is_one_empty_page(exporter: Exporter) -> None:
    """Of everybody and of a user who is not there."""
    assert await pages_of(exporter) == [ExportPage((), 0, 0, "", done=True)]
    assert await pages_of(exporter, ALICE) == [ExportPage((), 1, 1, "", done=True)]


async def test_an_export_goes_on_from_any_page(
    exporter: Exporter, store: Store, inside: Inside
) -> None:
    """What came after it is given again, and nothing is left out."""
    await populate(store, inside, 20)
    pages = await pages_of(exporter)
    everything = {session.id for session in sessions_of(pages)}
    for number, page in enumerate(pages[:-1]):
        seen = {session.id for session in sessions_of(pages[: number + 1])}
        rest = sessions_of(await pages_of(exporter, token=page.resume_token))
        assert seen | {session.id for session in rest} == everything
        assert len({session.id for session in rest}) == len(rest)


async def test_a_user_of_many_sessions_is_given_out_in_portions(
    exporter: Exporter, store: Store
) -> None:
    """By itself and among others, and goes on from each."""
    many = capped(WEB, 1_000)
    made = {(await login(store, profile=many)).id for _ in range(2 * MOST + 1)}
    others = {(await login(store, user)).id for user in (BOB, "carol")}
    pages = await pages_of(exporter, ALICE)
    assert [len(page.sessions) for page in pages] == [MOST, MOST, 1]
    assert [page.users_done for page in pages] == [0, 0, 1]
    rest = await pages_of(exporter, ALICE, token=pages[0].resume_token)
    assert rest == pages[1:]
    everybody = await pages_of(exporter)
    assert Counter(s.id for s in sessions_of(everybody)) == dict.fromkeys(made | others, 1)
    for page in everybody[:-1]:
        seen = {s.id for s in sessions_of(everybody[: everybody.index(page) + 1])}
        rest = await pages_of(exporter, token=page.resume_token)
        assert seen | {s.id for s in sessions_of(rest)} == made | others


async def test_a_token_of_another_export_is_refused(
    exporter: Exporter, store: Store, inside: Inside
) -> None:
    """Of another user or other states, damaged, or of a list."""
    await populate(store, inside, 20)
    many = capped(WEB, 1_000)
    for _ in range(MOST + 1):
        await login(store, profile=many)
    all_token = (await pages_of(exporter))[0].resume_token
    alice_token = (await pages_of(exporter, ALICE))[0].resume_token
    for user, states, token in (
        (ALICE, (), all_token),
        (BOB, (), alice_token),
        ("", (), alice_token),
        ("", (State.ACTIVE,), all_token),
        ("", (), all_token[:-4]),
        ("", (), "nonsense"),
    ):
        with pytest.raises(InvalidFieldError) as caught:
            await pages_of(exporter, user, states, token)
        assert [v.field for v in caught.value.violations] == ["resume_token"]
