"""Jobs of whole servers: killed in the middle of one, and what they show of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from sessiond.app import App
from sessiond.domain.jobs import JobOutcome
from sessiond.domain.session import EndReason
from sessiond.jobs.orphans import OrphansJob
from sessiond.jobs.runner import RunLimits
from sessiond.service.orphans import MOST_ASKED
from sessiond.store.job_ledger import ClaimStatus, JobLedger
from sessiond.store.scripts import Store
from tests.engines import RealEngine, require_engine, start_real_engine
from tests.jobs.directories import serving
from tests.jobs.fleet import ledger_of
from tests.ops.scraping import scrape
from tests.rpc.process import sessiond
from tests.rpc.serving import make_settings
from tests.store.inside import Inside, open_store, until
from tests.store.kit import WEB, login
from tests.store.walk import walk

ORPHANS: Final = OrphansJob.name
LEASE_MS: Final = int(RunLimits().lease_s * 1000)
USERS: Final = [f"user-{number}" for number in range(MOST_ASKED + 100)]


@pytest.fixture(scope="module")
def valkey() -> Iterator[RealEngine]:
    """An engine of this module's own."""
    require_engine("valkey")
    with start_real_engine("valkey") as engine:
        yield engine


@pytest.fixture
async def opened(valkey: RealEngine) -> AsyncIterator[tuple[Store, Inside]]:
    """A store that servers with default settings can use."""
    store, inside = open_store(valkey, "ss")
    await store.register([WEB])
    yield store, inside
    await inside.wipe()
    await inside.runner.close()


async def missed_a_slot(ledger: JobLedger) -> None:
    """Make the job due at once, as if all servers had been away."""
    seen = await ledger.claim(ORPHANS, "seen", "test:1", slot_ms=1, lease_ms=1)
    assert seen.status is ClaimStatus.DONE


async def test_a_server_killed_in_the_middle_of_a_job_is_taken_over(
    tmp_path: Path, valkey: RealEngine, opened: tuple[Store, Inside]
) -> None:
    """Once its lease has run out: the ledger tells of two attempts, and nothing is half done."""
    store, inside = opened
    ledger = ledger_of(inside)
    made = await asyncio.gather(*(login(store, user) for user in USERS))
    asked, stuck = 0, asyncio.Event()

    async def answer(users: Sequence[str], _: object) -> Iterable[str]:
        """Misses everybody; the fourth batch, the second to be ended, gets no answer."""
        nonlocal asked
        asked += 1
        if asked == 4:
            stuck.set()
            await asyncio.Event().wait()
        return users

    async with serving(answer) as directory:
        settings: dict[str, Any] = {
            "listen": "127.0.0.1:0",
            "store_url": valkey.url,
            "job_jitter": "0s",
            "stats_schedule": "",
            "user_directory": directory.address,
            "user_directory_max_missing": 1,
        }
        await missed_a_slot(ledger)
        with sessiond(_made(tmp_path / "one"), "--dev", **settings) as first:
            await asyncio.wait_for(stuck.wait(), 30)
            first.process.kill()
            first.process.wait()
        ended = [s for s in made if (await inside.fields(s.id)).get("e")]
        assert len(ended) == MOST_ASKED
        assert (await ledger.read(ORPHANS)).server.endswith(f":{first.process.pid}")
        await inside.let_pass(LEASE_MS)
        with sessiond(_made(tmp_path / "two"), "--dev", **settings) as second:

            async def over() -> bool:
                return (await ledger.read(ORPHANS)).last_run is not None

            await asyncio.wait_for(until(over), 30)
            pid = second.process.pid
    record = await ledger.read(ORPHANS)
    assert record.last_run is not None
    assert (record.last_run.outcome, record.last_run.attempts) == (JobOutcome.SUCCEEDED, 2)
    assert record.server.endswith(f":{pid}")
    for session in made:
        assert (await inside.fields(session.id))["e"] == str(int(EndReason.USER_DELETED))
    await walk(store, inside)


async def test_a_server_shows_what_the_fleet_knows(
    tmp_path: Path, valkey: RealEngine, opened: tuple[Store, Inside]
) -> None:
    """From its start, though the job ran before on another one."""
    store, inside = opened
    for user in USERS[:3]:
        await login(store, user)
    ledger = ledger_of(inside)
    await ledger.claim("stats", "before", "gone:1", slot_ms=None, lease_ms=LEASE_MS)
    await ledger.finish("stats", "before", JobOutcome.SUCCEEDED, "", "")
    settings = make_settings(
        tmp_path, valkey.url, key_prefix="ss", ops_listen="127.0.0.1:0", job_jitter="0s"
    )
    async with App(settings) as app:

        async def shown() -> bool:
            samples = await asyncio.to_thread(scrape, app.ops_address)
            return ("sessiond_sessions", "live") in samples

        await until(shown)
        samples = await asyncio.to_thread(scrape, app.ops_address)
    assert samples["sessiond_sessions", "live"] == 3
    assert samples["sessiond_users",] == 3
    assert samples["sessiond_job_last_success_timestamp_seconds", "stats"] > 1.7e9
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(scrape, app.ops_address)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
