"""Stores of more than one engine, as arenas are built on."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.engines import RealName, require_engine
from tests.faults.hand import Hand
from tests.topologies.cluster import Cluster, start_cluster
from tests.topologies.sentinel_group import Group, start_group


@dataclass(frozen=True)
class GroupStore:
    """A primary, two replicas, and three sentinels."""

    group: Group

    @property
    def url(self) -> str:
        return self.group.url

    @property
    def url_of_servers(self) -> str:
        return self.url

    def pids(self) -> list[int]:
        nodes = [node.engine.pid for node in self.group.nodes]
        return [*filter(None, nodes), *(each.process.pid for each in self.group.sentinels)]

    def histories(self) -> frozenset[str]:
        return frozenset({self.group.primary.replication()["master_replid"]})

    def mend(self) -> None:
        _let_go(self.pids())
        self.group.mend()
        self.group.until_replicated()


@dataclass(frozen=True)
class Sentinels:
    """A plan."""

    servers: int = 2

    def require(self) -> None:
        require_engine("redis7")

    @asynccontextmanager
    async def open(self, _: Path, hand: Hand) -> AsyncIterator[GroupStore]:
        async with hand.held(start_group()) as group:
            store = GroupStore(group)
            try:
                yield store
            finally:
                _let_go(store.pids())


@dataclass(frozen=True)
class ClusterStore:
    """Three primaries, and a replica of each."""

    cluster: Cluster

    @property
    def url(self) -> str:
        return self.cluster.url

    @property
    def url_of_servers(self) -> str:
        return self.url

    def pids(self) -> list[int]:
        return [node.engine.pid for node in self.cluster.nodes if node.engine.pid]

    def histories(self) -> frozenset[str]:
        return frozenset(each.replication()["master_replid"] for each in self.cluster.primaries())

    def mend(self) -> None:
        _let_go(self.pids())
        self.cluster.restart()
        self.cluster.settle()
        self.cluster.until_replicated()


@dataclass(frozen=True)
class SixNodes:
    """A plan."""

    engine: RealName = "valkey"
    servers: int = 2

    def require(self) -> None:
        require_engine(self.engine)

    @asynccontextmanager
    async def open(self, _: Path, hand: Hand) -> AsyncIterator[ClusterStore]:
        async with hand.held(start_cluster(self.engine)) as cluster:
            store = ClusterStore(cluster)
            try:
                yield store
            finally:
                _let_go(store.pids())


def _let_go(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
