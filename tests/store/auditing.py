"""Audits, as the tests of them run one: to the end, and by kind."""

from __future__ import annotations

from typing import Final

from sessiond.domain.drift import Drift, DriftKind
from sessiond.service.index_audit import AuditProgress, IndexAudit
from sessiond.store.audit import AuditStore
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import HOUR, PROFILES
from tests.store.walk import walk

REQUEST_TTL: Final = HOUR


def index_audit(scripts: ScriptSet) -> IndexAudit:
    """An audit as a server sets it up."""
    return IndexAudit(AuditStore(scripts, PROFILES, request_ttl_ms=REQUEST_TTL))


async def run_audit(scripts: ScriptSet, *, repair: bool = False) -> AuditProgress:
    """The last message of an audit, which came to its end."""
    last = None
    async for progress in index_audit(scripts).audit(repair=repair):
        last = progress
    assert last is not None
    assert last.done
    return last


async def drifts(scripts: ScriptSet, *, repair: bool = False) -> dict[DriftKind, Drift]:
    """What an audit finds, by kind."""
    return {drift.kind: drift for drift in (await run_audit(scripts, repair=repair)).drifts}


async def nothing_is_wrong(scripts: ScriptSet, store: Store, inside: Inside) -> None:
    """Neither an audit nor the walk of the tests, which knows more rules, finds anything."""
    assert await drifts(scripts) == {}
    await walk(store, inside)
