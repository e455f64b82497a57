"""Sessions of another system, brought in beside a running server as it would itself."""

from __future__ import annotations

from typing import Any

from sessiond.app import key_lifetimes
from sessiond.domain.transfer import Fate
from sessiond.service.importing import Importer, ImportRecord
from sessiond.service.policy import Policies
from sessiond.store.connect import open_link
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits
from sessiond.store.runner import ScriptRunner
from sessiond.store.script_set import ScriptSet
from sessiond.store.transfer import TransferStore
from sessiond.tokens.external_ids import ExternalIds
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.refresh import RefreshTokens
from tests.rpc.serving import Server
from tests.store.kit import DAY, ENDS


def bring_in(server: Server, user: str, external_id: str, **fields: Any) -> str:
    """Import a session of yesterday that lives another day; its id here."""
    return server.loop.run(_bring_in(server, user, external_id, fields))


async def _bring_in(server: Server, user: str, external_id: str, fields: dict[str, Any]) -> str:
    settings = server.settings
    ring = KeyRing.load(settings.effective_keys_dir, key_lifetimes(settings))
    runner = ScriptRunner(open_link(settings.effective_store_url, LinkLimits()))
    try:
        scripts = ScriptSet(runner, Keyspace(settings.key_prefix), ENDS)
        importer = Importer(
            TransferStore(scripts),
            Policies(settings.all_profiles()),
            ExternalIds(ring),
            RefreshTokens(ring),
        )
        seconds, _ = await runner.command("TIME")
        now_ms = int(seconds) * 1000
        given = {"create_us": (now_ms - DAY) * 1000, "expire_ms": now_ms + DAY, **fields}
        record = ImportRecord(external_id, user, **given)
        (outcome,) = await importer.import_many([record], validate_only=False)
    finally:
        await runner.close()
    assert outcome.fate is Fate.IMPORTED
    return outcome.session_id
