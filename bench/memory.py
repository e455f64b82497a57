"""Bytes per session in the engine: ours, a JSON string each, and Spring Session's layout."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis

import layouts
import sample
from charts import draw_memory
from engine import client_of, embedded, used_memory
from filling import NO_REQUEST, create, each, open_store
from results import record, table
from sample import Facts
from sessiond.domain.session import EndReason, Session
from sessiond.store.replies import Request

SESSIONS: Final = 30_000
_BATCH: Final = 500
_CREATES_PER_S: Final = 25
"""The rate at which the others' sessions are spread over minutes, as Spring indexes expiry."""
_FAMILIES: Final = ("s", "u", "h", "users", "n", "recent", "dead", "log")
_STOCK: Final = "Spring Session, indexed, engine as shipped (hash-max-listpack-value 64)"

_ABOUT: Final = (
    f"{SESSIONS:,} sessions, {sample.PER_USER} of each user, a user agent of"
    f" {len(sample.USER_AGENT)} bytes. Small: with user agent and address. All: with device,"
    " fingerprint, 100 bytes of attributes, authentication and audience too. The event log and what"
    " is fixed for a partition are left out; the engine's tables of keys are in."
)

_HELD_BACK: Final = (
    "What holds back the figure with all fields: the facts themselves. They are some 380 bytes,"
    " kept as they came in one listpack; what is around it takes no more than for few fields."
)

FactsOf = Callable[[int], Facts]
Write = Callable[[Any, Facts, int], None]


@dataclass(frozen=True)
class Ours:
    """What our sessions took, in bytes."""

    per_session: float
    per_event: float
    whole: int
    families: dict[str, float]
    """MEMORY USAGE of a family's keys, over the sessions: the engine's key tables are not in it."""


@dataclass(frozen=True)
class Row:
    """Bytes per session of one layout."""

    layout: str
    small: float
    full: float


async def ours(
    facts_of: FactsOf, *, requests: bool = False, refreshed: bool = False, revoked: bool = False
) -> Ours:
    """Create sessions with or without request ids, do more with each, and measure."""
    made: list[Session] = []
    async with embedded() as engine, open_store(engine) as store:
        redis = client_of(engine)
        empty = used_memory(redis)

        async def login(number: int) -> None:
            # A key and a digest of the lengths that the service gives them.
            key = Request(f"{number:022}", "d" * 22, 86_400_000) if requests else NO_REQUEST
            made.append(await create(store, facts_of(number), request=key))

        async def refresh(session: Session) -> None:
            await store.refresh(
                session.id, 1, session.client, request="r" * 12, grace_ms=0, mac_key_id=1
            )

        async def revoke(session: Session) -> None:
            await store.revoke(session.id, EndReason.LOGOUT, "login-service")

        await each(range(SESSIONS), login)
        if refreshed:
            await each(made, refresh)
        if revoked:
            await each(made, revoke)
        families = _usage(redis)
        events = sum(redis.xlen(key) for key in _keys(redis, "log"))
        whole = used_memory(redis) - empty
        fixed, log = _drop(redis, "recent"), _drop(redis, "log")
    return Ours(
        per_session=(whole - fixed - log) / SESSIONS,
        per_event=log / events,
        whole=whole,
        families={name: families[name] / SESSIONS for name in _FAMILIES},
    )


async def theirs(write: Write, facts_of: FactsOf, **config: str) -> float:
    """Bytes per session of another layout."""
    async with embedded(**config) as engine:
        redis = client_of(engine)
        empty = used_memory(redis)
        started_ms = time.time_ns() // 1_000_000
        for first in range(0, SESSIONS, _BATCH):
            pipe = redis.pipeline(transaction=False)
            for number in range(first, first + _BATCH):
                write(pipe, facts_of(number), started_ms + number * 1000 // _CREATES_PER_S)
            pipe.execute()
        return (used_memory(redis) - empty) / SESSIONS


def _keys(redis: Redis, family: str) -> list[bytes]:
    keys = redis.scan_iter(match=f"ss:*:{family}*", count=1000)
    return [key for key in keys if key.split(b":")[2].decode() == family]


def _usage(redis: Redis) -> dict[str, int]:
    """MEMORY USAGE of every key, by family."""
    found: dict[str, int] = {}
    for family in _FAMILIES:
        pipe = redis.pipeline(transaction=False)
        for key in _keys(redis, family):
            pipe.memory_usage(key.decode(), samples=0)
        found[family] = sum(pipe.execute())
    return found


def _drop(redis: Redis, family: str) -> int:
    """Delete a family's keys; the bytes that this gave back."""
    before = used_memory(redis)
    redis.delete(*_keys(redis, family))
    return before - used_memory(redis)


async def _both(write: Write, layout: str, **config: str) -> Row:
    small, full = sample.small, sample.full
    return Row(layout, await theirs(write, small, **config), await theirs(write, full, **config))


async def main(command: str) -> None:
    """Measure, draw and record."""
    small, full = await ours(sample.small), await ours(sample.full)
    rotated = await ours(sample.small, refreshed=True), await ours(sample.full, refreshed=True)
    ended = await ours(sample.small, revoked=True), await ours(sample.full, revoked=True)
    known = await ours(sample.small, requests=True)
    rows = [
        Row("sessionstore", small.per_session, full.per_session),
        Row("sessionstore, once refreshed", rotated[0].per_session, rotated[1].per_session),
        await _both(layouts.json_string, "a JSON string each"),
        await _both(layouts.spring_indexed, "Spring Session, indexed"),
        await _both(layouts.spring_indexed, _STOCK, hash_max_listpack_value="64"),
    ]
    spring = next(row for row in rows if row.layout == "Spring Session, indexed")
    draw_memory(rows)
    record(
        "Memory",
        command,
        [
            _ABOUT,
            "",
            "![bytes per session by layout](memory.png)",
            "",
            *table(
                ("layout", "small, B", "all, B"),
                ((row.layout, f"{row.small:.0f}", f"{row.full:.0f}") for row in rows),
            ),
            "",
            *table(
                ("", "reached", "aim"),
                (
                    ("a session, small, B", f"{small.per_session:.0f}", "480"),
                    ("a session, all, B", f"{full.per_session:.0f}", "620"),
                    ("of Spring's, small", f"{small.per_session / spring.small:.2f}", "0.40"),
                    ("of Spring's, all", f"{full.per_session / spring.full:.2f}", "0.40"),
                    ("an event of a creation, B", f"{small.per_event:.0f}", "80"),
                    ("an event, creations and endings, B", f"{ended[0].per_event:.0f}", "80"),
                    (
                        "an idempotency record, B",
                        f"{(known.whole - small.whole) / SESSIONS:.0f}",
                        "",
                    ),
                    ("an ended session, small, B", f"{ended[0].per_session:.0f}", ""),
                    ("an ended session, all, B", f"{ended[1].per_session:.0f}", ""),
                ),
            ),
            "",
            _HELD_BACK,
            "",
            "MEMORY USAGE of each family of keys, bytes per session:",
            "",
            *table(
                ("family", "small", "all", "small, ended"),
                (
                    (f"`{name}`", *(f"{of.families[name]:.1f}" for of in (small, full, ended[0])))
                    for name in _FAMILIES
                ),
            ),
        ],
    )
