"""Reads the Lua scripts. Each is one file in lua/, put together from the parts that it includes.

A script's header names its parts (`-- include: clock hash`) and its flags (`-- flags: allow-oom`),
which become the `#!lua` line that real engines read: without allow-oom a script is refused whole at
maxmemory, and never half-way.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from sessiond.domain.jobs import JobOutcome
from sessiond.domain.session import (
    EXPIRED_REMEMBERED_MS,
    MOST_LOST_GENERATIONS,
    RECENT_MOST,
    EndReason,
)
from sessiond.store.keyspace import LUA_KEYS

SCRIPT_NAMES: Final = (
    "adopt",
    "audit_indexes",
    "audit_sessions",
    "audit_ttls",
    "confirm",
    "create",
    "dangling",
    "delete_user",
    "explain",
    "export",
    "extend",
    "find_event",
    "get",
    "holders",
    "import",
    "job_claim",
    "job_finish",
    "job_renew",
    "list",
    "log_read",
    "log_snapshot",
    "prune_user",
    "purge",
    "rank",
    "recent",
    "recount",
    "refresh",
    "register",
    "revoke",
    "revoke_user",
    "stats",
    "survey",
    "sweep",
    "update",
    "validate",
)

_RULES: Final = {
    **{reason.name: reason.value for reason in EndReason},
    "SUCCEEDED": JobOutcome.SUCCEEDED.value,
    "FAILED": JobOutcome.FAILED.value,
    "MOST_LOST": MOST_LOST_GENERATIONS,
    "RECENT_MOST": RECENT_MOST,
    "REMEMBERED_MS": EXPIRED_REMEMBERED_MS,
}
LUA_RULES: Final = f"local {', '.join(_RULES)} = {', '.join(map(str, _RULES.values()))}"
"""What the domain says, for the scripts: end reasons, outcomes of jobs, and numbers."""


@dataclass(frozen=True, slots=True)
class Script:
    """One script, ready for EVALSHA."""

    name: str
    source: str
    sha: str


def _header(source: str, key: str) -> list[str]:
    prefix = f"-- {key}:"
    for line in source.splitlines():
        if line.startswith(prefix):
            return line.removeprefix(prefix).split()
    return []


def load(name: str, *, shebang: bool = True) -> Script:
    """The script of this name; without its `#!lua` line for engines that do not know one."""
    folder = resources.files(__package__) / "lua"
    body = (folder / f"{name}.lua").read_text("utf-8")
    parts = [
        (folder / "lib" / f"{part}.lua").read_text("utf-8") for part in _header(body, "include")
    ]
    source = "\n".join([LUA_KEYS, LUA_RULES, *parts, body])
    if shebang:
        flags = _header(body, "flags")
        source = f"#!lua{' flags=' + ','.join(flags) if flags else ''}\n{source}"
    # EVALSHA names a script by the SHA-1 of its text; nothing is protected by it.
    sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name, source, sha)


def load_all(*, shebang: bool = True) -> dict[str, Script]:
    """Every script by name."""
    return {name: load(name, shebang=shebang) for name in SCRIPT_NAMES}
