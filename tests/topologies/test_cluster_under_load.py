"""Users at work on a server over a cluster that fails over and moves its slots."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
import uuid
from collections import Counter
from math import inf
from typing import Final

import pytest

from sessiond.domain.ids import PARTITIONS, partition_of_session
from sessiond.domain.ids import new_session_id as session_id_for
from tests.conftest import rounds
from tests.faults.backend import Backend, attempt
from tests.faults.behind import Behind, look_behind
from tests.faults.checker import check
from tests.faults.history import History, Outcome
from tests.faults.machine import Shares
from tests.faults.rules import RULES
from tests.faults.sessiond import Sessiond, start_sessiond
from tests.faults.tally import Tally
from tests.faults.workload import look, run
from tests.topologies.cluster import Cluster
from tests.topologies.strikes import STRIKES, Strike

pytestmark = pytest.mark.soak

USERS: Final = 16
DEADLINE_S: Final = 3.0
HEALTHY_WITHIN_S: Final = 5.0
_AROUND_S: Final = 0.4
"""How long users work before a strike, and after it has healed."""
_OTHERS: Final = 0.1
"""The most of the machine that others may take while calls have to be answered in time."""


def _everywhere() -> list[str]:
    """A session id, of nobody, in each partition."""
    found: dict[int, str] = {}
    while len(found) < PARTITIONS:
        session_id = session_id_for(uuid.uuid4().hex)
        found.setdefault(partition_of_session(session_id), session_id)
    return list(found.values())


async def _healed_s(backend: Backend) -> float:
    """How long it takes until a Validate works in every partition."""
    began, left = time.monotonic(), _everywhere()
    while left:
        verdicts = await asyncio.gather(*(attempt(backend.validate(session_id=i)) for i in left))
        pairs = zip(left, verdicts, strict=True)
        left = [i for i, verdict in pairs if not isinstance(verdict, str)]
    return time.monotonic() - began


class _Rounds:
    """Plays rounds on one server."""

    def __init__(self, cluster: Cluster, server: Sessiond, behind: Behind, tally: Tally) -> None:
        self._cluster = cluster
        self._server = server
        self._behind = behind
        self._tally = tally
        self._errors = Counter[str]()
        self._calls = self._held = self._undone = 0
        self._longest_s = 0.0

    async def play(self, strike: Strike, seed: int) -> None:
        """Users at work, a strike, and whether all that they were told was true."""
        dice, history = random.Random(f"{strike} {seed}"), History(deadline_s=DEADLINE_S)
        shares, healed = Shares(self._pids), asyncio.Event()
        address, token = self._server.address, self._server.token
        async with Backend(address, token, deadline_s=DEADLINE_S) as backend:
            working = asyncio.create_task(
                run(backend, history, RULES, seed=seed, users=USERS, until=healed.is_set)
            )
            await asyncio.sleep(_AROUND_S)
            await strike.act(self._cluster, dice)
            outage_s = await _healed_s(backend)
            await asyncio.sleep(_AROUND_S)
            healed.set()
            await working
            await self._cluster.mend()
            await look(backend, history)
        late = shares.of_others() > _OTHERS
        self._held += not late
        self._longest_s = max(self._longest_s, outage_s)
        self._tally.check(outage_s <= HEALTHY_WITHIN_S, f"{strike}: healed in {outage_s:.1f} s")
        self._judge(history, strike, late_ms=inf if late else RULES.late_ms)
        found = await self._behind.disagreement()
        self._tally.check(not found, f"{strike}: the keys disagree: {found}")
        await self._behind.inside.wipe()
        self._tally.played()

    def conclude(self) -> None:
        """Tell what came of it, and fail on any violation."""
        errors = " ".join(f"{kind}={number}" for kind, number in sorted(self._errors.items()))
        print(f"errors: {errors or 'none'}; undone by failovers: {self._undone}")  # noqa: T201
        outage = f"{self._longest_s:.2f}"
        self._tally.conclude(self._calls, held=self._held, void=0, outage=outage)

    def _judge(self, history: History, strike: Strike, *, late_ms: float) -> None:
        rules = dataclasses.replace(RULES, durable=strike.durable, late_ms=late_ms)
        violations = check(history, rules)
        for violation in violations:
            self._tally.check(False, f"{strike}: {violation}")
        if not strike.durable:
            strict = dataclasses.replace(rules, durable=True)
            self._undone += len(check(history, strict)) - len(violations)
        failed = (call for call in history.calls if call.outcome is not Outcome.OK)
        self._errors.update(call.reason or call.code for call in failed)
        self._calls += history.rpcs

    def _pids(self) -> list[int]:
        nodes = [node.engine.pid for node in self._cluster.nodes]
        return [pid for pid in (self._server.pid, *nodes) if pid]


async def test_a_cluster_under_load(cluster: Cluster) -> None:
    """All is true that was acknowledged, but what a crash undid; and all heals soon."""
    await cluster.mend()
    played, prefix = rounds(len(STRIKES)), f"t{uuid.uuid4().hex[:12]}"
    tally = Tally(f"a_cluster_under_load[{cluster.name}]", played)
    settings = {"store_url": cluster.url, "key_prefix": prefix, **RULES.settings()}
    with start_sessiond(**settings) as server:
        await server.serving()
        async with look_behind(cluster.url, prefix) as behind:
            run_of = _Rounds(cluster, server, behind, tally)
            for number in range(played):
                await run_of.play(STRIKES[number % len(STRIKES)], number)
            run_of.conclude()
