"""A primary with replicas, and the sentinels that watch them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from sessiond.store import embedded_host as host
from tests.engines import free_port, redis_server
from tests.store_users import Guard
from tests.topologies.nodes import HOST, Node, eventually, start_nodes

NAME: Final = "main"
_PATIENCE_S: Final = 60.0
_ATTEMPTS: Final = 4
_NOWHERE: Final = 1
"""A port that nothing listens on."""


@dataclass
class Sentinel:
    """A sentinel's process."""

    port: int
    process: subprocess.Popen[bytes]
    tls: Mapping[str, Any]
    master: str | None
    """Who may do everything, if not the default user."""

    def ask(self, *command: str | int) -> Any:
        """The reply to a command."""
        with Redis(
            HOST, self.port, username=self.master, decode_responses=True, **self.tls
        ) as client:
            return client.execute_command(*command)

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            return bool(self.ask("PING"))
        except RedisConnectionError:
            return False

    def end(self) -> None:
        """SIGKILL, and wait until it is gone; a second call does nothing."""
        self.process.kill()
        self.process.wait()


@dataclass
class Group:
    """What the sentinels watch, and they themselves."""

    nodes: list[Node]
    sentinels: list[Sentinel]
    scheme: str = "redis+sentinel"
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        """How a server is told of it."""
        addresses = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"{self.scheme}://{addresses}/{NAME}"

    @property
    def everybody(self) -> list[Node | Sentinel]:
        """Those that are watched, and those that watch."""
        return [*self.nodes, *self.sentinels]

    @property
    def primary(self) -> Node:
        """As most sentinels name it."""
        named = sorted(self._named(sentinel) for sentinel in self.sentinels)
        port = named[len(named) // 2]
        return next(node for node in self.nodes if node.port == port)

    @property
    def replicas(self) -> list[Node]:
        """Those that run, and are not the primary."""
        primary = self.primary
        return [node for node in self.nodes if node is not primary and node.engine.pid]

    def until_replicated(self) -> None:
        """Wait until the replicas have all that was written."""
        written = self.primary.replication()["master_repl_offset"]
        eventually(
            lambda: all(r.replication()["slave_repl_offset"] >= written for r in self.replicas)
        )

    def cut_replicas(self) -> None:
        """Let no later write reach a replica. Sentinels mend that after 8 seconds."""
        self.until_replicated()
        for replica in self.replicas:
            replica.ask("REPLICAOF", HOST, _NOWHERE)

    def kill_primary(self) -> Node:
        """SIGKILL, and wait for another; the new one."""
        epoch = self.latest_epoch()
        self.primary.engine.kill9()
        return self._until_later_than(epoch)

    def hang_primary(self) -> tuple[Node, Node]:
        """SIGSTOP, and wait for another; the old one, which may go on, and the new one."""
        epoch, old = self.latest_epoch(), self.primary
        old.hang()
        return old, self._until_later_than(epoch)

    def hand_over(self) -> Node:
        """Have another primary in order: the old one becomes its replica; the new one."""
        epoch = self.latest_epoch()
        for _ in range(_ATTEMPTS):  # on a busy machine they may give one up
            eventually(self._is_failing_over)
            with suppress(AssertionError):
                return self._until_later_than(epoch, within_s=_PATIENCE_S / _ATTEMPTS)
        raise AssertionError(self.described())

    def _until_later_than(self, epoch: int, *, within_s: float = _PATIENCE_S) -> Node:
        """Wait until all sentinels know of a later failover, and its primary is one."""

        def is_over() -> bool:
            named = [self._named(sentinel) for sentinel in self.sentinels]
            epochs = [int(about["config-epoch"]) for about in map(self._about, self.sentinels)]
            return (
                min(epochs) > epoch
                and len(set(named)) == 1
                and self.primary.replication()["role"] == "master"
            )

        eventually(is_over, within_s=within_s, otherwise=self.described)
        return self.primary

    def latest_epoch(self) -> int:
        """That of the latest failover."""
        return max(int(about["config-epoch"]) for about in map(self._about, self.sentinels))

    def mend(self) -> None:
        """Start what was killed, and wait until all replicas follow the primary."""
        for node in self.nodes:
            if node.engine.pid is None:
                node.engine.start()
        eventually(self.is_whole, within_s=_PATIENCE_S, otherwise=self.described)

    def described(self) -> str:
        """What everybody says of the replication."""
        nodes = [(n.port, n.engine.pid, n.replication()) for n in self.nodes]
        return "\n".join(map(str, [*nodes, *map(self._about, self.sentinels)]))

    def is_whole(self) -> bool:
        """Whether all replicas follow the primary, and every sentinel knows them and the others."""
        others = len(self.nodes) - 1
        return self.primary.replication()["connected_slaves"] == others and all(
            (about["num-slaves"], about["num-other-sentinels"], about["flags"])
            == (str(others), str(len(self.sentinels) - 1), "master")
            for about in map(self._about, self.sentinels)
        )

    def _is_failing_over(self) -> bool:
        try:
            return bool(self.sentinels[0].ask("SENTINEL", "FAILOVER", NAME))
        except ResponseError as error:
            if str(error).startswith(("INPROG", "NOGOODSLAVE")):
                return False  # the one before is not over yet
            raise

    @staticmethod
    def _about(sentinel: Sentinel) -> dict[str, str]:
        told = sentinel.ask("SENTINEL", "MASTER", NAME)
        return told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))

    @staticmethod
    def _named(sentinel: Sentinel) -> int:
        return int(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])


@contextmanager
def start_group(
    *,
    replicas: int = 2,
    sentinels: int = 3,
    tls: Mapping[str, str] | None = None,
    guard: Guard | None = None,
) -> Iterator[Group]:
    """A group on Redis 7; with `tls`, directives of a certificate, everything is encrypted.

    With a guard it knows users.
    """
    secure = {**(tls or {}), "tls-replication": "yes"} if tls else {}
    shared = {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1"}
    with ExitStack() as running:
        (primary,) = running.enter_context(start_nodes("redis7", [shared], tls=secure, guard=guard))
        following = {**shared, "replicaof": f"{HOST} {primary.port}"}
        others = running.enter_context(
            start_nodes("redis7", [following] * replicas, tls=secure, guard=guard)
        )
        watching = [
            running.enter_context(_start_sentinel(primary.port, sentinels // 2 + 1, secure, guard))
            for _ in range(sentinels)
        ]
        group = Group([primary, *others], watching, "rediss+sentinel" if tls else "redis+sentinel")
        eventually(group.is_whole)
        yield group


@contextmanager
def _start_sentinel(
    primary: int, quorum: int, tls: Mapping[str, str], guard: Guard | None
) -> Iterator[Sentinel]:
    port = free_port()
    listening = {"port": "0", "tls-port": str(port)} if tls else {"port": str(port)}
    directives = {
        "bind": HOST,
        **listening,
        **tls,
        f"sentinel monitor {NAME} {HOST} {primary}": str(quorum),
        f"sentinel down-after-milliseconds {NAME}": "1000",
        f"sentinel failover-timeout {NAME}": "3000",
        **(guard.sentinel(NAME) if guard else {}),
    }
    with tempfile.TemporaryDirectory(prefix="ss-") as directory:
        file = Path(directory) / "sentinel.conf"
        lines = [f"dir {directory}", *(f"{name} {value}" for name, value in directives.items())]
        file.write_text("\n".join(lines) + "\n")
        with (Path(directory) / "log").open("wb") as output:
            process = subprocess.Popen(
                host.ends_with_parent([str(redis_server()), str(file), "--sentinel"]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        sentinel = Sentinel(port, process, _client_tls(tls), guard.master if guard else None)
        try:
            eventually(sentinel.answers)
            # Otherwise they hear of each other every two seconds, and of a new primary only once
            # in the time after which they take it for down. A replica has to be known to be well
            # as of five pings ago, and says so with its INFO.
            for period, ms in (("PUBLISH", 200), ("INFO", 1000), ("PING", 300)):
                sentinel.ask("SENTINEL", "DEBUG", f"{period}-PERIOD", ms)
            # On a busy machine they would think of a stall as of a clock that stepped, and rest.
            sentinel.ask("SENTINEL", "DEBUG", "TILT-TRIGGER", 30_000, "TILT-PERIOD", 1000)
            yield sentinel
        finally:
            sentinel.end()


def _client_tls(tls: Mapping[str, str]) -> dict[str, Any]:
    if not tls:
        return {}
    return {
        "ssl": True,
        "ssl_ca_certs": tls["tls-ca-cert-file"],
        "ssl_certfile": tls["tls-cert-file"],
        "ssl_keyfile": tls["tls-key-file"],
    }
