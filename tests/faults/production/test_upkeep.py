"""Everything at once while servers, certificates and keys are replaced: callers notice nothing."""

from __future__ import annotations

import pytest

from tests.faults.arena import Arena, Doors
from tests.faults.backend import Backend
from tests.faults.one_node import NodeStore, OneNode
from tests.faults.production.ground import CALL_S, UNBROKEN, UNHURRIED, play
from tests.faults.production.pki import make_pki
from tests.faults.production.sdk import SdkBackend
from tests.faults.production.upkeep import certificates_renewed, servers_restarted_in_turn
from tests.faults.server_strikes import keys_rotated

pytestmark = pytest.mark.soak


async def test_no_call_fails_while_servers_restart_in_turn(request: pytest.FixtureRequest) -> None:
    """One of two at a time; the SDK calls both in turn, or keeps to the one that it found first."""

    def clients(arena: Arena[NodeStore]) -> Backend:
        return SdkBackend(arena.addresses, token=arena.token, tls=None, deadline_s=CALL_S)

    await play(
        request.node.name,
        OneNode(),
        [servers_restarted_in_turn],
        rules=UNBROKEN,
        doors=Doors(lined=False),
        clients=clients,
        settings=UNHURRIED,
    )


async def test_no_call_fails_while_certificates_and_keys_change(
    request: pytest.FixtureRequest,
) -> None:
    """Of servers and of a caller that is known by its own; connections are made anew all along."""
    with make_pki() as pki:

        def clients(arena: Arena[NodeStore]) -> Backend:
            return SdkBackend(arena.addresses, token=None, tls=pki.sdk, deadline_s=CALL_S)

        await play(
            request.node.name,
            OneNode(),
            [certificates_renewed(pki), keys_rotated],
            rules=UNBROKEN,
            doors=pki.doors(max_connection_age="1s"),
            clients=clients,
            settings=UNHURRIED,
        )
