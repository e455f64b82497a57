"""Start-up checks: is this an engine that sessions can be kept in?

Only INFO, TIME and OBJECT ENCODING are asked, never CONFIG: managed engines and our own ACL refuse
it. A check that cannot be made is a warning that names it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from redis.exceptions import ResponseError

from sessiond.domain.errors import StoreFullError
from sessiond.domain.ids import PARTITIONS
from sessiond.store import info
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import Link
from sessiond.store.runner import ScriptRunner, those_that_answer

MIN_VERSION: Final = (7, 0)
MAX_SKEW_S: Final = 5.0
_LONGEST_FIELD: Final = 512


@dataclass(slots=True)
class Findings:
    """What the checks found. A fault stops the server outside development mode."""

    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    engine: str = ""


async def check_engine(runner: ScriptRunner, keyspace: Keyspace) -> Findings:
    """Look at every node of a store that answers; what several have in common is said once.

    Raises:
        StoreUnavailableError: one of them does not answer.
    """
    nodes = await runner.nodes(map(keyspace.probe, range(PARTITIONS)))
    found = await asyncio.gather(*(_check_node(node, probe) for node, probe in nodes.items()))
    return Findings(
        _each_once(fault for findings in found for fault in findings.faults),
        _each_once(warning for findings in found for warning in findings.warnings),
        ", ".join(_each_once(findings.engine for findings in found)),
    )


async def clock_skew_s(runner: ScriptRunner, keyspace: Keyspace) -> float:
    """How far this machine's clock is off those of the nodes that answer, at most, in seconds.

    Raises:
        StoreUnavailableError: none answers.
    """
    nodes = await runner.nodes(keyspace.bases)
    skews: list[float] = await those_that_answer(map(_skew_s, nodes))
    return max(skews)


async def _skew_s(node: Link) -> float:
    seconds, microseconds = await node.send("TIME")
    return abs(time.time() - int(seconds) - int(microseconds) / 1e6)


async def _check_node(node: Link, probe: str) -> Findings:
    findings = Findings()
    try:
        told = info.parsed(await node.send("INFO"))
    except ResponseError:
        findings.warnings.append(
            "INFO is refused: version, eviction and persistence unchecked, failovers not noticed"
        )
    else:
        _check_info(told, findings)
    await _check_encoding(node, probe, findings)
    return findings


def _each_once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _check_info(told: dict[str, str], findings: Findings) -> None:
    # Valkey says redis_version 7.2.4 whatever its own version is.
    name = "valkey" if "valkey_version" in told else "redis"
    version = told.get(f"{name}_version", "")
    findings.engine = f"{name} {version}".strip()
    if version and tuple(int(p) for p in version.split(".")[:2] if p.isdigit()) < MIN_VERSION:
        findings.faults.append(f"{findings.engine} is too old: 7.0 or later is needed")
    policy = told.get("maxmemory_policy")
    if policy is None:
        findings.warnings.append("INFO does not tell maxmemory_policy: eviction unchecked")
    elif policy != "noeviction":
        findings.faults.append(
            f"maxmemory-policy is {policy}: the engine would forget sessions without a trace;"
            " set it to noeviction"
        )
    if told.get("aof_enabled") == "0":
        findings.warnings.append(
            "appendonly is off: a restart of the engine loses what its last snapshot lacks"
        )


async def _check_encoding(node: Link, probe: str, findings: Findings) -> None:
    try:
        await node.send("HSET", probe, "a", "x" * _LONGEST_FIELD)
        await node.send("PEXPIRE", probe, 10_000)
        encoding = await node.send("OBJECT", "ENCODING", probe)
        await node.send("DEL", probe)
    except ResponseError:
        findings.warnings.append("OBJECT ENCODING is refused: memory per session unchecked")
        return
    except StoreFullError:
        findings.warnings.append("the memory is full: memory per session unchecked")
        return
    if encoding not in (b"listpack", b"ziplist", None):  # None: another server has just removed it
        findings.warnings.append(
            "sessions with a long user agent take more than twice the memory that they need; set"
            f" hash-max-listpack-value to {_LONGEST_FIELD}"
        )
