"""The users of engines and of sentinels that are shipped, in deploy/redis."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from tests.engines import RealEngine, RealName, start_real_engine

_NOBODYS_HASH: Final = "0" * 64
USER: Final = "sessiond"
PASSWORD: Final = "of a test"
"""Of sessiond at engines."""
GROUP_PASSWORD: Final = "of-a-group"
"""Of sessiond at sentinels, and of replicas and sentinels among themselves."""
PASSWORDS: Final = ("", "0", USER, _NOBODYS_HASH, PASSWORD, GROUP_PASSWORD)
"""Some that might be tried."""
MASTER: Final = "tests"
"""Who may do everything, without a password, where the default user may not."""
EVERYTHING: Final = "on nopass ~* &* +@all"
NOTHING: Final = "on nopass resetkeys resetchannels -@all +ping"
"""Whoever waits for an engine to start has to be answered."""
FOR_SENTINEL: Final = frozenset({"role", "select", "wait"})
FOR_CLUSTER: Final = frozenset({"cluster|slots", "wait"})
"""What sessiond does not use on one node, in its first database."""
_NEVER: Final = (
    ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "maxmemory", "0"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("DEBUG", "SLEEP", "0"),
    ("EVAL", "return 1", "0"),
    ("SCRIPT", "FLUSH"),
    ("ACL", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("CLIENT", "LIST"),
    ("CLUSTER", "RESET"),
    ("MONITOR",),
    ("SHUTDOWN",),
    ("REPLICAOF", "NO", "ONE"),
    ("PSYNC", "?", "-1"),
    ("REPLCONF", "LISTENING-PORT", "1"),
    ("SAVE",),
    ("PUBLISH", "channel", "x"),
    ("SUBSCRIBE", "channel"),
    ("GET", "of-somebody-else"),
)


def shipped(name: str) -> str:
    """A file of deploy/redis."""
    return (Path(__file__).parents[1] / "deploy" / "redis" / name).read_text()


def users(key_pattern: str = "ss:*", *, default: str = "off") -> str:
    """An engine's file as an operator completes it, for other keys and another default user."""
    text = _completed("users.acl", PASSWORD).replace("~ss:*", f"~{key_pattern}")
    return text.replace("user default off", f"user default {default}")


def allowed() -> set[str]:
    """The commands that sessiond may send to an engine."""
    (line,) = [line for line in users().splitlines() if line.startswith(f"user {USER} ")]
    return {word[1:] for word in line.split() if word.startswith("+")}


@dataclass(frozen=True)
class Guard:
    """The users of engines with replicas, and of the sentinels that watch them."""

    of_engines: Path
    of_sentinels: Path
    master: str | None = None
    """Who may do everything, if not the default user."""

    @classmethod
    def around(cls, directory: Path, key_pattern: str, *, strict: bool = False) -> Guard:
        """Files with the shipped users. To tests all is open, as MASTER if it is strict."""
        default, master = (NOTHING, MASTER) if strict else (EVERYTHING, None)
        tests = f"user {MASTER} {EVERYTHING}\n" if strict else ""
        engines = users(key_pattern, default=default)
        engines += _completed("replication-users.acl", GROUP_PASSWORD)
        sentinels = _completed("sentinel-users.acl", GROUP_PASSWORD)
        sentinels = sentinels.replace("user default off", f"user default {default}")
        guard = cls(directory / "users.acl", directory / "sentinel-users.acl", master)
        guard.of_engines.write_text(engines + tests)
        guard.of_sentinels.write_text(sentinels + tests)
        return guard

    def engine(self) -> dict[str, str]:
        """Directives of every engine, each of which may be a replica one day."""
        return _by(self.of_engines) | self._as("masteruser", "masterauth", "replica")

    def sentinel(self, group: str) -> dict[str, str]:
        """Directives of every sentinel, once it knows of a group."""
        at_engines = (f"sentinel auth-user {group}", f"sentinel auth-pass {group}")
        at_others = ("sentinel sentinel-user", "sentinel sentinel-pass")
        return {
            "aclfile": str(self.of_sentinels),
            **self._as(*at_engines, "sentinel"),
            **self._as(*at_others, "sentinel"),
        }

    def _as(self, user: str, password: str, name: str) -> dict[str, str]:
        """Nobody needs a name where the default user may do everything."""
        return {user: name, password: GROUP_PASSWORD} if self.master else {}


@contextmanager
def engine_with_users(name: RealName, key_pattern: str) -> Iterator[RealEngine]:
    """An engine that refuses sessiond by these users alone; to tests it is open."""
    with TemporaryDirectory(prefix="ss-") as directory:
        file = Path(directory) / "users.acl"
        file.write_text(users(key_pattern, default=EVERYTHING))
        with start_real_engine(name, config=_by(file)) as engine:
            yield engine


def url_of_master(url: str) -> str:
    """The same place, for whoever may do everything there."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def url_of_sessiond(url: str) -> str:
    """The same place, for sessiond's user."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{USER}:{PASSWORD.replace(' ', '%20')}@{rest}"


def assert_no_more_is_allowed(engine: RealEngine) -> None:
    """Neither CONFIG, FLUSHALL, KEYS nor DEBUG to sessiond, nor the keys of others."""
    path = str(engine.socket_path)
    with Redis(unix_socket_path=path, username=USER, password=PASSWORD, protocol=2) as mine:
        for words in _NEVER:
            with pytest.raises(NoPermissionError):
                mine.execute_command(*words)


def refused_by(ask: Callable[..., Any]) -> set[str]:
    """What was refused to users whom an engine or a sentinel knows; `ask` may do everything."""
    refused = set()
    for entry in ask("ACL", "LOG", 100):
        pairs = entry.items() if isinstance(entry, dict) else zip(*[iter(entry)] * 2, strict=True)
        told = {_text(name): _text(value) for name, value in pairs}
        if told["reason"] != "auth":
            refused.add(told["object"])
    return refused


def _text(word: Any) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)


def _by(file: Path) -> dict[str, str]:
    """Directives of an engine that refuses what it does by its users alone."""
    return {"aclfile": str(file), "enable-debug-command": "yes"}


def _completed(name: str, password: str) -> str:
    mine = hashlib.sha256(password.encode()).hexdigest()
    return shipped(name).replace(_NOBODYS_HASH, mine)
