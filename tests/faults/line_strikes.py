"""Strikes against the lines: between the servers and their engine, and clients and servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tests.faults.arena import Arena
from tests.faults.line import Line
from tests.faults.one_node import NodeStore
from tests.faults.proxy import Fault, Proxy, spare
from tests.faults.strikes import Scene, Strike

_DELAYS_S: Final = (0.02, 0.5)
"""Shorter and longer than a server waits for its engine."""
_LOST: Final = 0.1
"""The share of calls that are struck one by one."""


def engine_line(arena: Arena[NodeStore]) -> Sequence[Proxy]:
    """The line that all servers reach the engine over."""
    return [arena.store.line]


def client_lines(arena: Arena[NodeStore]) -> Sequence[Proxy]:
    """The lines that clients reach each server over."""
    return arena.client_lines


def turned(lines: Callable[[Arena[NodeStore]], Sequence[Proxy]], line: Line) -> Strike[NodeStore]:
    """One of the lines is in a bad state, and clear again."""

    async def strike(scene: Scene[NodeStore]) -> int:
        proxy = scene.dice.choice(lines(scene.arena))
        before = proxy.struck
        proxy.delay_s = scene.dice.uniform(*_DELAYS_S)
        proxy.turn(line)
        try:
            await scene.lasts()
            return proxy.struck - before
        finally:
            _clear(scene.arena, proxy)

    return strike


def lossy(lines: Callable[[Arena[NodeStore]], Sequence[Proxy]]) -> Strike[NodeStore]:
    """Some calls of one of the lines are cut, refused, delayed or never answered."""

    async def strike(scene: Scene[NodeStore]) -> int:
        proxy, dice = scene.dice.choice(lines(scene.arena)), scene.dice
        before = proxy.struck
        proxy.delay_s = dice.uniform(*_DELAYS_S)
        proxy.decide = lambda _: dice.choice(tuple(Fault)) if dice.random() < _LOST else None
        try:
            await scene.lasts()
            return proxy.struck - before
        finally:
            proxy.decide = spare
            _clear(scene.arena, proxy)

    return strike


def _clear(arena: Arena[NodeStore], proxy: Proxy) -> None:
    proxy.turn(Line.CLEAR)
    if proxy is not arena.store.line:
        # A server has to find out by itself that its connection to the engine is dead. A client
        # that sends no pings would wait on one for ever.
        proxy.cut()


_BAD: Final = tuple(line for line in Line if line is not Line.CLEAR)
ENGINE_LINE: Final = (*(turned(engine_line, line) for line in _BAD), lossy(engine_line))
CLIENT_LINES: Final = (*(turned(client_lines, line) for line in _BAD), lossy(client_lines))
