"""What the start-up checks make of an engine, and of one that does not let them look."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sessiond.store.access import Access
from sessiond.store.checks import check_engine, clock_skew_s
from sessiond.store.connect import open_link
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits
from sessiond.store.runner import ScriptRunner
from tests.engines import Engine

pytestmark = pytest.mark.one_node

KEYS = Keyspace("checks")


@pytest.fixture
async def admin(engine: Engine) -> AsyncIterator[ScriptRunner]:
    """The engine, by a user that may do everything."""
    if engine.name == "fakeredis":
        pytest.skip("fakeredis has no INFO, CONFIG and ACL: exempt by name")
    runner = ScriptRunner(open_link(engine.url, LinkLimits()))
    yield runner
    await runner.close()


async def test_a_good_engine_gives_no_fault(admin: ScriptRunner) -> None:
    """Its name and version are known, and its clock is that of this machine."""
    findings = await check_engine(admin, KEYS)
    assert findings.faults == []
    assert findings.engine.startswith(("valkey 9", "redis 7", "redis 8"))
    assert await clock_skew_s(admin, KEYS) < 1


async def test_an_engine_that_evicts_is_a_fault(admin: ScriptRunner) -> None:
    """It would forget sessions without a trace."""
    await admin.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        findings = await check_engine(admin, KEYS)
    finally:
        await admin.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert len(findings.faults) == 1
    assert "allkeys-lru" in findings.faults[0]


@pytest.mark.parametrize(
    ("refused", "named"), [("info", "INFO is refused"), ("object", "OBJECT ENCODING is refused")]
)
async def test_a_check_that_is_refused_warns_by_name(
    engine: Engine, admin: ScriptRunner, refused: str, named: str
) -> None:
    """Managed engines and a least-privilege user do not let everybody look."""
    name, password = f"no-{refused}", "a-password-of-the-test"
    await admin.command("ACL", "SETUSER", name, "on", f">{password}", "~*", "+@all", f"-{refused}")
    limited = ScriptRunner(open_link(engine.url, LinkLimits(), Access(name, password)))
    try:
        findings = await check_engine(limited, KEYS)
    finally:
        await limited.close()
        await admin.command("ACL", "DELUSER", name)
    assert findings.faults == []
    assert [w for w in findings.warnings if w.startswith(named)]


async def test_a_full_memory_leaves_the_encoding_unchecked(admin: ScriptRunner) -> None:
    """Servers that restart meanwhile must be able to."""
    await admin.command("CONFIG", "SET", "maxmemory", "1")
    try:
        findings = await check_engine(admin, KEYS)
    finally:
        await admin.command("CONFIG", "SET", "maxmemory", "0")
    assert findings.faults == []
    assert [w for w in findings.warnings if "memory is full" in w]
