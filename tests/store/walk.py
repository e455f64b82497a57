"""Walks every key below a prefix and holds counters and indexes against what is really there."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import inf
from typing import Any

from sessiond.domain.session import EndReason
from sessiond.store.replies import EndPolicy
from sessiond.store.scripts import Store
from tests.store.inside import Inside, base_of, family_of
from tests.store.kit import ENDS, REMEMBERED

_NEWEST = 100
_WITHOUT_TTL = {"u", "h", "users", "n", "recent", "dead", "log", "job"}
_WITH_TTL = {"s", "i"}


@dataclass
class Partition:
    """What one partition holds, by family."""

    base: str
    counts: dict[str, int] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    hashes: dict[str, dict[str, str]] = field(default_factory=dict)
    forgotten_at: dict[str, int] = field(default_factory=dict)
    live: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    history: dict[str, dict[str, int]] = field(default_factory=dict)
    recent: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    log: list[dict[str, str]] = field(default_factory=list)
    score_kinds: dict[str, str] = field(default_factory=dict)


async def walk(
    store: Store, inside: Inside, ends: EndPolicy = ENDS, *, shifted_ms: int = 0
) -> None:
    """Visit every user as the reaper does, then assert that everything agrees exactly.

    But for TTLs, where slots of a cluster moved: each move may have shifted them.
    """
    for partition in await _read(inside):
        _nobody_is_visited_too_late(partition)
    settled_ms = await inside.now_ms()
    for partition in await _read(inside):
        await asyncio.gather(*map(store.prune_user, partition.users))
    for partition in await _read(inside):
        _nobody_is_visited_too_late(partition)
        _nobody_is_visited_in_vain(partition)
        _live_members_are_live(partition, settled_ms)
        _history_is_of_ended_sessions(partition)
        _every_hash_is_accounted_for(partition, settled_ms, shifted_ms)
        _counters_agree(partition)
        _events_agree(partition)
        _dead_times_are_right(partition, ends)


async def _read(inside: Inside) -> list[Partition]:
    keys = await inside.all_keys()
    found = {base: Partition(base) for base in map(base_of, keys)}
    await asyncio.gather(*(_read_key(inside, found[base_of(key)], key) for key in keys))
    for base, partition in found.items():
        partition.score_kinds = await inside.hash_of(base + "profiles")
    return list(found.values())


async def _read_key(inside: Inside, partition: Partition, key: str) -> None:
    family = family_of(key)
    expires = await inside.ask("PEXPIRETIME", key)
    assert family in _WITHOUT_TTL | _WITH_TTL, f"no such family of keys: {key}"
    assert (expires > 0) == (family in _WITH_TTL), f"{key} runs out at {expires}"
    rest = key.removeprefix(f"{partition.base}{family}").removeprefix(":")
    match family:
        case "s":
            partition.hashes[rest] = await inside.fields(rest)
            partition.forgotten_at[rest] = expires
        case "n":
            partition.counts = {n: int(v) for n, v in (await inside.hash_of(key)).items()}
        case "log":
            partition.log = await inside.stream_of(key)
        case "job":
            assert key == inside.keys.job(rest), "a job is in the first partition"
        case "i":
            pass
        case _:
            _take_scores(partition, family, rest, await inside.scores_of(key))


def _take_scores(partition: Partition, family: str, rest: str, scores: dict[str, int]) -> None:
    match family:
        case "u":
            profile, _, user = rest.partition(":")
            partition.live[profile, user] = scores
        case "h":
            partition.history[rest] = scores
        case "users":
            partition.users = scores
        case "recent":
            partition.recent = scores
        case "dead":
            partition.dead = scores


def _nobody_is_visited_too_late(partition: Partition) -> None:
    """`users` has everyone with something to lose, due no later than the first of it."""
    due: dict[str, list[int]] = defaultdict(list)
    for (_, user), members in partition.live.items():
        due[user] += [int(partition.hashes[i]["x"]) for i in members if i in partition.hashes]
    for user, members in partition.history.items():
        due[user] += [partition.forgotten_at[i] for i in members if i in partition.hashes]
    assert set(due) <= set(partition.users), "`users` lacks somebody who holds a session"
    for user, times in due.items():
        assert partition.users[user] <= min(times, default=inf), f"{user} is visited too late"


def _nobody_is_visited_in_vain(partition: Partition) -> None:
    """Once visited: a revoke-all that finds only expired sessions leaves its user to the reaper."""
    holders = {user for _, user in partition.live} | set(partition.history)
    assert set(partition.users) == holders, "`users` has somebody who holds no session"


def _live_members_are_live(partition: Partition, settled_ms: int) -> None:
    for (profile, user), members in partition.live.items():
        by_refresh = partition.score_kinds[profile] == "refreshed"
        for session_id, score in members.items():
            fields = partition.hashes[session_id]
            assert "e" not in fields
            assert (fields["u"], fields.get("p", "default")) == (user, profile)
            assert int(fields["x"]) > settled_ms, "a dead member outlived the visit"
            assert int(fields["x"]) <= int(fields["X"])
            assert ("k" in fields) == by_refresh
            if by_refresh:
                assert score >= int(fields["c"])
            else:
                assert score == int(fields["c"])


def _history_is_of_ended_sessions(partition: Partition) -> None:
    for user, members in partition.history.items():
        assert len(members) <= _NEWEST
        for session_id, score in members.items():
            fields = partition.hashes[session_id]
            assert fields["u"] == user
            assert int(fields["E"]) <= score
            private = [name for name in fields if name in "fq" or name.startswith(".")]
            assert not private, "an ended session kept what is private"


def _every_hash_is_accounted_for(partition: Partition, settled_ms: int, shifted_ms: int) -> None:
    live = {i for members in partition.live.values() for i in members}
    ended = {i for members in partition.history.values() for i in members}
    assert not live & ended
    for session_id, fields in partition.hashes.items():
        forgotten_late_ms = partition.forgotten_at[session_id] - int(fields["x"]) - REMEMBERED
        if session_id in live:
            assert 0 <= forgotten_late_ms <= shifted_ms
        elif session_id not in ended:
            assert "e" not in fields, "an ended session is in no history"
            assert int(fields["x"]) <= settled_ms + REMEMBERED, "a live session is in no index"
            assert 0 <= forgotten_late_ms <= shifted_ms


def _counters_agree(partition: Partition) -> None:
    counts = Counter(partition.counts)
    assert counts["live"] == sum(map(len, partition.live.values()))
    assert counts["ended"] == sum(map(len, partition.history.values()))
    endings = sum(number for name, number in counts.items() if name.startswith("e:"))
    assert counts["created"] == counts["live"] + endings
    waiting = sum("y" in fields for fields in partition.hashes.values())
    assert counts["adopted"] + waiting <= counts["imported"] <= counts["created"]
    assert all(number >= 0 for number in counts.values())
    held: Counter[str] = Counter()
    for (_, user), members in partition.live.items():
        held[user] += len(members)
    bars = Counter(f"w:{number}" for number in held.values())
    assert {n: c for n, c in counts.items() if n.startswith("w:")} == bars
    # Those of a deleted user are missing.
    assert len(partition.recent) <= min(counts["created"], _NEWEST)


def _events_agree(partition: Partition) -> None:
    if "log_cut" in partition.counts:
        return
    logged = Counter(entry["e"] for entry in partition.log)
    created = logged.pop("0", 0)
    assert created == partition.counts.get("created", 0)
    counted = {n[2:]: c for n, c in partition.counts.items() if n.startswith("e:")}
    assert logged == counted


def _dead_times_are_right(partition: Partition, ends: EndPolicy) -> None:
    for session_id, at in partition.dead.items():
        fields = partition.hashes.get(session_id, {})
        if "E" in fields:
            assert at == dead_at(fields, ends)
    unknown = {str(int(reason)) for reason in (EndReason.NONE, EndReason.EXPIRED)}
    for entry in partition.log:
        assert (int(entry["d"]) == 0) == (entry["e"] in unknown)


def dead_at(fields: dict[str, Any], ends: EndPolicy = ENDS) -> int:
    """When the last access token of an ended session is surely dead."""
    return min(int(fields["x"]), int(fields["E"]) + ends.access_ms) + ends.leeway_ms
