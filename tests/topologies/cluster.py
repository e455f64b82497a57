"""A cluster on loopback: three primaries and a replica of each, and what operators do to it."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import ResponseError

from sessiond.store import info
from sessiond.store.keyspace import CLUSTER_SLOTS
from tests.engines import RealEngine, RealName, free_port, make_certificate, start_real_engine
from tests.store_users import Guard

PRIMARIES: Final = 3
_ATTEMPTS: Final = 3
_PATIENCE_S: Final = 30.0
_GIVEN_UP_S: Final = 6.0
"""After 5 s a replica that could not take over in order tries no more."""
_POLL_S: Final = 0.02


@dataclass
class ClusterNode:
    """One process of a cluster."""

    engine: RealEngine
    port: int
    bus_port: int
    """Where it listens to the others."""
    master: str | None = None
    """Who may do everything, if not the default user."""
    id: str = ""
    _client: Redis = field(init=False)

    def __post_init__(self) -> None:
        path = str(self.engine.socket_path)
        self._client = Redis(unix_socket_path=path, username=self.master)
        self._client.response_callbacks.clear()  # raw replies
        self.id = self.ask("CLUSTER", "MYID").decode()

    def ask(self, *command: str | int | bytes) -> Any:
        """The raw reply to a command."""
        return self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    def info(self) -> dict[str, str]:
        """CLUSTER INFO."""
        lines = self.ask("CLUSTER", "INFO").decode().split()
        return dict(line.split(":", 1) for line in lines)

    def is_primary(self) -> bool:
        """Whether it takes itself for one."""
        return bool(self.ask("ROLE")[0] == b"master")

    def follows(self, primary: ClusterNode) -> bool:
        """Whether it is a replica of that one."""
        role = self.ask("ROLE")
        return bool(role[0] == b"slave" and role[2] == primary.port)

    def is_in_step(self) -> bool:
        """Whether it knows all others and serves; a replica has caught up with its primary."""
        role, info = self.ask("ROLE"), self.info()
        return (
            info["cluster_state"] == "ok"
            and int(info["cluster_known_nodes"]) == 2 * PRIMARIES
            and (role[0] == b"master" or role[3] == b"connected")
        )

    def holds(self, slot: int) -> bool:
        """Whether a slot is its own, as it says itself."""
        return any(
            first <= slot <= last and holder[2].decode() == self.id
            for first, last, holder, *_ in self.ask("CLUSTER", "SLOTS")
        )

    def replication(self) -> dict[str, str]:
        """INFO replication."""
        return info.parsed(self.ask("INFO", "replication"))

    def count_of(self, slot: int) -> int:
        """How many keys it has in a slot."""
        return int(self.ask("CLUSTER", "COUNTKEYSINSLOT", slot))

    def keys_of(self, slot: int, most: int = 100) -> list[bytes]:
        """Some of its keys in a slot."""
        found: list[bytes] = self.ask("CLUSTER", "GETKEYSINSLOT", slot, most)
        return found


@dataclass
class Cluster:
    """Six nodes; those that were killed are told by `running`."""

    name: RealName
    nodes: list[ClusterNode]
    node_timeout_s: float
    ca_file: Path | None = None
    """What to verify a rediss+cluster:// store with."""
    _voted_s: dict[str, float] = field(default_factory=dict)
    """By replica: from when on it may be voted for."""

    @property
    def url(self) -> str:
        """Names every node."""
        places = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis{'s' if self.ca_file else ''}+cluster://{places}"

    @property
    def running(self) -> list[ClusterNode]:
        return [node for node in self.nodes if node.engine.pid]

    def primaries(self) -> list[ClusterNode]:
        """Those that run and take themselves for one."""
        return [node for node in self.running if node.is_primary()]

    @property
    def moves_whole(self) -> bool:
        """Whether the engine can move a slot at one moment."""
        return self.name == "valkey"

    def other_than(self, slot: int) -> ClusterNode:
        """A primary that does not hold a slot."""
        holder = self.holder(slot)
        return next(node for node in self.primaries() if node is not holder)

    def holder(self, slot: int) -> ClusterNode:
        """The primary that holds a slot, as it says itself."""
        return next(node for node in self.primaries() if node.holds(slot))

    def replica_of(self, primary: ClusterNode) -> ClusterNode:
        """A replica that runs."""
        return next(node for node in self.running if node.follows(primary))

    def settle(self) -> None:
        """Wait until all nodes that run serve, agree who holds what, and replicas are in step."""
        _until(
            lambda: (
                all(node.is_in_step() for node in self.running)
                and len({_view(node) for node in self.running}) == 1
            )
        )

    def take_over(self) -> None:
        """Wait until a primary that was killed has been replaced."""
        _until(
            lambda: (
                len(self.primaries()) == PRIMARIES
                and all(node.info()["cluster_state"] == "ok" for node in self.running)
            )
        )

    @contextmanager
    def cut_off(self, replica: ClusterNode, primary: ClusterNode) -> Iterator[None]:
        """A replica that hears nothing more of its primary, and may take its place all the same."""
        replica.ask("CONFIG", "SET", "masteruser", "nobody", "masterauth", "wrong")
        primary.ask("CLIENT", "KILL", "TYPE", "replica")
        _until(lambda: replica.ask("ROLE")[3] != b"connected")
        try:
            yield
        finally:
            replica.ask("CONFIG", "SET", "masteruser", "", "masterauth", "")

    async def mend(self) -> None:
        """Start those again that were killed, and wait until all are in step.

        The calling thread must outlive them.
        """
        self.restart()
        await asyncio.to_thread(self.settle)

    def restart(self) -> None:
        """Start those again that were killed. The calling thread must outlive them."""
        for node in self.nodes:
            if not node.engine.pid:
                node.engine.start()

    def until_replicated(self) -> None:
        """Wait until each replica has all that its primary had written."""
        for primary in self.primaries():
            written, replica = primary.ask("ROLE")[1], self.replica_of(primary)
            _until(lambda: replica.ask("ROLE")[4] >= written)  # noqa: B023  called here

    def swap(self, primary: ClusterNode) -> ClusterNode:
        """Hand a primary's place to its replica, in order; who has it now."""
        heir = self.replica_of(primary)
        _until(lambda: time.monotonic() > self._voted_s.get(heir.id, 0.0))
        asked_s = -inf

        def took_over() -> bool:
            nonlocal asked_s
            if heir.is_primary():
                return True
            if time.monotonic() - asked_s > _GIVEN_UP_S:
                heir.ask("CLUSTER", "FAILOVER")
                asked_s = time.monotonic()
            return False

        _until(took_over)
        # Nobody votes twice about one place within two node timeouts; asked, it would just hang.
        self._voted_s[primary.id] = time.monotonic() + 2.1 * self.node_timeout_s
        self.settle()
        return heir

    def open_move(self, slot: int, target: ClusterNode) -> ClusterNode:
        """Begin to move a slot key by key; its holder.

        Whoever gets a slot takes the next epoch. If it does not know the last one yet, two have the
        same, and as that is mended the slot may come to be nobody's.
        """
        _until(self._epochs_agree)
        source = self.holder(slot)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        return source

    def _epochs_agree(self) -> bool:
        """Whether all know the last epoch, and no two primaries have the same."""
        last = {node.info()["cluster_current_epoch"] for node in self.running}
        primaries = self.primaries()
        return len(last) == 1 and len(primaries) == len(
            {primary.info()["cluster_my_epoch"] for primary in primaries}
        )

    def move_keys(self, slot: int, target: ClusterNode, *, leave: int = 0) -> int:
        """Move keys of a slot until so many are left; how many were moved."""
        source, moved = self.holder(slot), 0
        while len(keys := source.keys_of(slot, 100 + leave)) > leave:
            names = keys[leave:]
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *names)
            moved += len(names)
        return moved

    def close_move(self, slot: int, target: ClusterNode) -> None:
        """Give the slot, of which all keys were moved, to its new holder."""
        for node in (target, *(each for each in self.primaries() if each is not target)):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)

    def move(self, slot: int, target: ClusterNode) -> int:
        """Move a slot key by key; how many keys it had."""
        self.open_move(slot, target)
        return self.finish_move(slot, target)

    def finish_move(self, slot: int, target: ClusterNode) -> int:
        """Move the keys of a slot that are left, and give it to its new holder; how many."""
        moved = self.move_keys(slot, target)
        self.close_move(slot, target)
        return moved

    def move_whole(self, slot: int, target: ClusterNode) -> None:
        """Move a slot at one moment, as Valkey 9 can."""
        source = self.holder(slot)
        source.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.id)
        _until(lambda: target.holds(slot))


@contextmanager
def start_cluster(
    name: RealName,
    *,
    node_timeout_s: float = 2.0,
    tls: bool = False,
    guard: Guard | None = None,
) -> Iterator[Cluster]:
    """A cluster of six nodes, which use TLS among each other too if it is asked for.

    With a guard it knows users.
    """
    with ExitStack() as stack:
        config = {"cluster-node-timeout": str(int(node_timeout_s * 1000))}
        config |= guard.engine() if guard else {}
        master = guard.master if guard else None
        ca_file = None
        if tls:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-"))
            ca_file = make_certificate(Path(directory))
            config |= {
                "tls-cert-file": str(ca_file),
                "tls-key-file": str(ca_file.with_suffix(".key")),
                "tls-ca-cert-file": str(ca_file),
                "tls-auth-clients": "no",
                "tls-cluster": "yes",
                "tls-replication": "yes",
            }
        nodes = [_start_node(stack, name, config, master, tls=tls) for _ in range(2 * PRIMARIES)]
        cluster = Cluster(name, nodes, node_timeout_s, ca_file)
        primaries, replicas = nodes[:PRIMARIES], nodes[PRIMARIES:]
        share = -(-CLUSTER_SLOTS // PRIMARIES)
        for i, node in enumerate(nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for i, node in enumerate(primaries):
            last = min((i + 1) * share, CLUSTER_SLOTS) - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", i * share, last)
        for node in nodes[1:]:
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus_port)
        _until(lambda: all(node.info()["cluster_known_nodes"] == str(len(nodes)) for node in nodes))
        for primary, replica in zip(primaries, replicas, strict=True):
            _until(partial(_replicates, replica, primary))
        cluster.settle()
        yield cluster


def _start_node(
    stack: ExitStack, name: RealName, common: Mapping[str, str], master: str | None, *, tls: bool
) -> ClusterNode:
    """A node that knows no other."""
    for attempt in itertools.count(1):
        port, bus_port = free_port(), free_port()
        config = {
            **common,
            "tls-port" if tls else "port": str(port),
            "bind": "127.0.0.1",
            "cluster-enabled": "yes",
            "cluster-port": str(bus_port),
            "cluster-replica-validity-factor": "0",
            "repl-diskless-sync-delay": "0",
        }
        try:
            engine = stack.enter_context(start_real_engine(name, config=config))
        except RuntimeError:
            # Somebody else may have got a port in between.
            if attempt == _ATTEMPTS:
                raise
        else:
            return ClusterNode(engine, port, bus_port, master)
    raise AssertionError


def _replicates(replica: ClusterNode, primary: ClusterNode) -> bool:
    try:
        replica.ask("CLUSTER", "REPLICATE", primary.id)
    except ResponseError:
        return False  # it does not know that one yet
    return True


def _view(node: ClusterNode) -> str:
    """Who holds what, as a node sees it."""
    slots = node.ask("CLUSTER", "SLOTS")
    return str(sorted((first, last, holder[1]) for first, last, holder, *_ in slots))


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            if condition():
                return
        except (Disconnected, ResponseError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("the cluster did not come about")
        time.sleep(_POLL_S)
