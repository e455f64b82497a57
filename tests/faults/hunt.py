"""One server, the whole workload on it, and what the checker and the keys say of it."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.engines import RealEngine
from tests.faults.backend import Backend
from tests.faults.behind import Behind, look_behind
from tests.faults.checker import Violation, check
from tests.faults.history import History
from tests.faults.proxy import Decide, Fault, Proxy, RespWatch, spare
from tests.faults.rules import RULES
from tests.faults.sessiond import Sessiond, start_sessiond
from tests.faults.workload import look, run

KEYS: Final = "the_keys_agree"
RUNS: Final = "the_server_runs_on"

_USERS: Final = 32
_DEADLINE_S: Final = 3.0
_PAUSE_S: Final = 0.5
_LEAST_S: Final = 3.4
"""Brief sessions come to their absolute expiry meanwhile."""
LEAST_CALLS: Final = 2_000
_MOST_S: Final = 30.0
_SHOWN: Final = 1_000
_LOST: Final = 0.02
_LATE: Final = 0.05
_DELAY_S: Final = 0.02
_SPELL_S: Final = 0.8
_AWAY_S: Final = 0.2
"""Of each spell: the engine is out of reach for longer than a server tries."""


@dataclass(frozen=True)
class Found:
    """What a hunt came to."""

    violations: list[Violation]
    calls: int
    seconds: float


async def hunt(
    engine: RealEngine,
    program: Sequence[str],
    *,
    lossy: bool,
    seed: int,
    until: frozenset[str] = frozenset(),
) -> Found:
    """Work on a server until one of these invariants is broken, or for long enough to trust it.

    Where some are named it is given all the time there is, unless only the keys can show them.

    Args:
        engine: where the server keeps its sessions, below a prefix of their own.
        program: what Python runs as the server.
        lossy: whether replies of the engine are late or lost, and it is away now and then.
        seed: of what is done and lost.
        until: names of invariants.
    """
    prefix = f"t{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory(prefix="ss-") as name:
        place = Path(name) / "p"
        async with (
            Proxy.between_unix(place, engine.socket_path, RespWatch) as proxy,
            look_behind(engine.url, prefix) as behind,
        ):
            store = f"unix://{place}" if lossy else engine.url
            settings = {"store_url": store, "key_prefix": prefix, **RULES.settings()}
            with start_sessiond(program=program, **settings) as server:
                await server.serving()
                async with Backend(server.address, server.token, deadline_s=_DEADLINE_S) as backend:
                    proxy.decide, proxy.delay_s = _in_spells(seed), _DELAY_S
                    found = await _work(backend, proxy, behind, seed, until)
                if crash := _crash_of(server):
                    found.violations.append(Violation(RUNS, crash))
            await behind.inside.wipe()
            return found


def _crash_of(server: Sessiond) -> str:
    """The end of what a server wrote before it ended by itself; empty if it runs."""
    try:
        server.must_run()
    except RuntimeError as error:
        server.kill9()
        return str(error)[-_SHOWN:]
    return ""


async def _work(
    backend: Backend, proxy: Proxy, behind: Behind, seed: int, until: frozenset[str]
) -> Found:
    history, started = History(deadline_s=_DEADLINE_S), time.monotonic()
    caught = asyncio.Event()
    patient = bool(until - {KEYS})

    def is_over() -> bool:
        lasted_s = time.monotonic() - started
        enough = not patient and history.rpcs >= LEAST_CALLS and lasted_s >= _LEAST_S
        return caught.is_set() or enough or lasted_s >= _MOST_S

    async def judge() -> None:
        while not is_over():
            await asyncio.sleep(_PAUSE_S)
            if until and not until.isdisjoint(v.invariant for v in check(history, RULES)):
                caught.set()

    await asyncio.gather(
        run(backend, history, RULES, seed=seed, users=_USERS, until=is_over), judge()
    )
    disagreement = ""
    if not caught.is_set():
        proxy.decide = spare
        await look(backend, history)
        disagreement = await behind.disagreement()
    violations = check(history, RULES)
    if disagreement:
        violations.append(Violation(KEYS, disagreement))
    return Found(violations, history.rpcs, time.monotonic() - started)


def _in_spells(seed: int) -> Decide:
    chances = random.Random(seed)

    def decide(_: bytes) -> Fault | None:
        if time.monotonic() % _SPELL_S < _AWAY_S:
            return Fault.REFUSE
        chance = chances.random()
        if chance < _LOST:
            return Fault.CUT
        return Fault.DELAY if chance < _LOST + _LATE else None

    return decide
