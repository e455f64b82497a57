"""What a purge makes of times and tokens that no preview gave."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from sessiond.domain.callers import Caller, Role
from sessiond.domain.errors import InvalidFieldError
from sessiond.domain.session import EndReason
from sessiond.service.purging import Purge, PurgeProgress, Purger
from sessiond.store.maintenance import Maintenance
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.walk import UserWalk
from tests.store.inside import Inside
from tests.store.kit import login

ADMIN = Caller("ops", Role.ADMIN)
LONGEST_MS = 253_402_300_799_000


@pytest.fixture
def purger(scripts: ScriptSet) -> Purger:
    return Purger(Maintenance(scripts), UserWalk(scripts, step=2))


async def last(purger: Purger, what: Purge, token: str = "") -> PurgeProgress:
    """A purge to its end."""
    return [progress async for progress in purger.purge(ADMIN, what, token)][-1]


async def test_a_cutoff_in_the_future_stands_for_now(
    store: Store, inside: Inside, purger: Purger
) -> None:
    """Whoever logs in while the purge goes on stays."""
    for number in range(8):
        await login(store, f"user-{number}")
    what = Purge(cutoff_ms=LONGEST_MS, include_active=True, execute=True)
    steps = purger.purge(ADMIN, what)
    first = await anext(steps)
    assert first.cutoff_ms <= await inside.now_ms() + 1
    await inside.let_pass(-5)
    newcomers = [await login(store, f"user-{number}") for number in range(8)]
    assert [progress async for progress in steps][-1].done
    for newcomer in newcomers:
        assert await store.get(newcomer.id) is not None


async def test_an_age_of_millennia_finds_nothing(store: Store, purger: Purger) -> None:
    """Its cutoff is a time that a Timestamp can tell."""
    session = await login(store)
    await store.revoke(session.id, EndReason.LOGOUT, "app")
    done = await last(purger, Purge(older_than_ms=LONGEST_MS, include_active=True, execute=True))
    assert (done.cutoff_ms, done.ended, done.active) == (0, 0, 0)


@pytest.mark.parametrize(
    "changed",
    [
        {2: -1}, {2: 2**53}, {2: 10**40}, {2: True}, {2: 1.5}, {2: None}, {3: -5}, {6: "1"},
        {1: "64.0"}, {1: 7}, {0: "another"},
    ],
)  # fmt: skip
async def test_a_forged_resume_token_is_refused(
    store: Store, purger: Purger, changed: dict[int, object]
) -> None:
    """Whichever part of it was changed; as it was given, it is taken."""
    for number in range(8):
        await login(store, f"user-{number}")
    what = Purge(older_than_ms=0)
    token = (await anext(purger.purge(ADMIN, what))).resume_token
    assert (await last(purger, what, token)).done
    parts = json.loads(urlsafe_b64decode(token))
    for place, value in changed.items():
        parts[place] = value
    for forged in (parts, parts[:-1], [*parts, 1]):
        with pytest.raises(InvalidFieldError, match="resume_token"):
            await last(purger, what, urlsafe_b64encode(json.dumps(forged).encode()).decode())


async def test_a_resume_token_is_of_one_purge(store: Store, purger: Purger) -> None:
    """What was a preview cannot be gone on with as the act."""
    await login(store, "user-1")
    await login(store, "user-2")
    token = (await anext(purger.purge(ADMIN, Purge(older_than_ms=0)))).resume_token
    for other in (Purge(older_than_ms=0, execute=True), Purge(older_than_ms=1)):
        with pytest.raises(InvalidFieldError, match="resume_token"):
            await last(purger, other, token)
