"""Engines that others find over TCP, each on a port of the loopback."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis

from tests.engines import RealEngine, RealName, free_port, start_real_engine
from tests.store_users import Guard

HOST: Final = "127.0.0.1"


@dataclass
class Node:
    """A server process; what a test asks it goes over its Unix socket, past all under test."""

    engine: RealEngine
    port: int
    master: str | None = None
    """Who may do everything, if not the default user."""

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def ask(self, *command: str | int) -> Any:
        """The reply to a command, in the form of redis-py."""
        path = str(self.engine.socket_path)
        with Redis(unix_socket_path=path, username=self.master, decode_responses=True) as client:
            return client.execute_command(*command)

    def replication(self) -> dict[str, Any]:
        """What INFO says of it."""
        found: dict[str, Any] = self.ask("INFO", "replication")
        return found

    def hang(self) -> None:
        """SIGSTOP: it is there, and says nothing."""
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self._pid, signal.SIGCONT)

    @property
    def _pid(self) -> int:
        assert self.engine.pid, "it does not run"
        return self.engine.pid


@contextmanager
def start_nodes(
    name: RealName,
    configs: Sequence[Mapping[str, str]],
    *,
    tls: Mapping[str, str] | None = None,
    guard: Guard | None = None,
) -> Iterator[list[Node]]:
    """One for each configuration, encrypted with the directives of `tls` if there are any.

    With a guard they know users.
    """
    guarded, master = (guard.engine(), guard.master) if guard else ({}, None)
    with ExitStack() as running:
        nodes: list[Node] = []
        for config in configs:
            port = free_port()
            listening = {"port": "0", "tls-port": str(port)} if tls else {"port": str(port)}
            given = {"bind": HOST, **listening, **(tls or {}), **guarded, **config}
            engine = running.enter_context(start_real_engine(name, config=given))
            nodes.append(Node(engine, port, master))
        yield nodes


def eventually(
    condition: Callable[[], object],
    *,
    within_s: float = 30.0,
    otherwise: Callable[[], str] = str,
) -> None:
    """Wait until a condition holds; fail if it does not in time, and say what is instead."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s\n{otherwise()}"
        time.sleep(0.01)
