"""Every key of the store, and the only place that builds one. docs/keyspace.md describes each.

A key is `PREFIX:{TAG}:FAMILY[:...]`. The tag is the hash tag of the user's partition, so all keys
of one user share one Redis Cluster slot. Lua gets the partition's base in KEYS[1] and builds the
rest with the functions of `LUA_KEYS`.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final, NamedTuple

from sessiond.domain.ids import PARTITIONS, partition_of_session, partition_of_user

SCHEMA_VERSION: Final = 1
CLUSTER_SLOTS: Final = 16384

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

LUA_KEYS: Final = """
local base = KEYS[1]
local USERS, COUNTS, RECENT = base .. 'users', base .. 'n', base .. 'recent'
local DEAD, LOG = base .. 'dead', base .. 'log'
local META, PROFILES = base .. 'meta', base .. 'profiles'
local MARK = base .. 'mark'
local function session_key(id) return base .. 's:' .. id end
local function live_key(profile, user) return base .. 'u:' .. profile .. ':' .. user end
local function history_key(user) return base .. 'h:' .. user end
local function request_key(digest) return base .. 'i:' .. digest end
local function job_key(name) return base .. 'job:' .. name end
"""


_SINGLE: Final = {"users", "n", "recent", "dead", "log", "meta", "profiles", "probe", "mark"}
"""Families of one key in a partition."""


class Located(NamedTuple):
    """What a key says: its partition, its family, and what follows."""

    partition: int
    family: str
    rest: str

    @property
    def name(self) -> str:
        """The key without the base of its partition."""
        return f"{self.family}:{self.rest}" if self.rest else self.family


def slot_of_tag(tag: str) -> int:
    """The Redis Cluster slot, 0..16383, of every key with this hash tag."""
    return crc_hqx(tag.encode(), 0) % CLUSTER_SLOTS


def slot_of_key(key: str) -> int:
    """The Redis Cluster slot, 0..16383, of a key: that of its hash tag, if it has one."""
    tag = key.partition("{")[2].partition("}")
    return slot_of_tag(tag[0] if tag[0] and tag[1] else key)


def _spread_tags() -> tuple[str, ...]:
    """For each partition the two-letter tag nearest to the middle of its share of the slots."""
    width = CLUSTER_SLOTS // PARTITIONS
    slots = [(slot_of_tag(a + b), a + b) for a in _ALPHABET for b in _ALPHABET]
    nearest: list[str] = []
    for partition in range(PARTITIONS):
        middle = partition * width + width // 2
        nearest.append(min(slots, key=lambda s: (abs(s[0] - middle), s[1]))[1])
    return tuple(nearest)


TAGS: Final = _spread_tags()


class Keyspace:
    """The keys below one prefix."""

    def __init__(self, prefix: str = "ss") -> None:
        self.bases: Final = tuple(f"{prefix}:{{{tag}}}:" for tag in TAGS)
        self.pattern: Final = f"{prefix}:*"
        """What SCAN matches all keys by: a prefix holds none of a pattern's special characters."""
        self._partitions = {f"{prefix}:{{{tag}".encode(): i for i, tag in enumerate(TAGS)}

    def of_user(self, user_id: str) -> str:
        """The base of the partition that holds this user."""
        return self.bases[partition_of_user(user_id)]

    def of_session(self, session_id: str) -> str:
        """The base of the partition that this session id names; ValueError if it is none."""
        return self.bases[partition_of_session(session_id)]

    def users(self, partition: int) -> str:
        """The index of the users of a partition."""
        return f"{self.bases[partition]}users"

    def log(self, partition: int) -> str:
        """The events of a partition."""
        return f"{self.bases[partition]}log"

    def meta(self, partition: int) -> str:
        """What the servers agreed on: missing if the partition's node was emptied."""
        return f"{self.bases[partition]}meta"

    def job(self, name: str) -> str:
        """What the fleet knows of a job, in the first partition."""
        return f"{self.bases[0]}job:{name}"

    def probe(self, partition: int) -> str:
        """A short-lived key by which start-up learns how the engine encodes a session."""
        return f"{self.bases[partition]}probe"

    def locate(self, key: bytes) -> Located | None:
        """What a key below the prefix says; None if it is none of ours."""
        beginning, _, ending = key.partition(b"}:")
        partition = self._partitions.get(beginning)
        if partition is None:
            return None
        try:
            family, _, rest = ending.decode().partition(":")
            located = Located(partition, family, rest)
            return located if _belongs(located) else None
        except ValueError:
            return None


def _belongs(located: Located) -> bool:
    """Whether a partition holds such a key; ValueError if none does."""
    partition, family, rest = located
    match family:
        case "s":
            return partition_of_session(rest) == partition
        case "u":
            profile, _, user = rest.partition(":")
            return bool(profile) and partition_of_user(user) == partition
        case "h":
            return partition_of_user(rest) == partition
        case "i":
            return bool(rest)
        case "job":
            return bool(rest) and partition == 0
        case _:
            return family in _SINGLE and not rest
