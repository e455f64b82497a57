"""Strikes that are nothing but upkeep, and that no caller may notice."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final

from tests.faults.plan import Store
from tests.faults.production.pki import Pki
from tests.faults.sessiond import Sessiond
from tests.faults.strikes import Scene, Strike
from tests.rpc.handshakes import handshake

_CONNECTIONS: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""grpcio listens for both versions of IP on one socket."""
_OPEN: Final = "01"
_PATIENCE_S: Final = 20.0
_RESTS_S: Final = (0.1, 0.5)


async def servers_restarted_in_turn(scene: Scene[Store]) -> int:
    """Each is stopped in order (SIGTERM) and started again, once clients are back at the other.

    A client that spreads its calls and found a server away tries again after a while, of seconds in
    the end. One that keeps to the server that it found does not come back.
    """
    servers, connections = scene.arena.servers, len(scene.arena.servers) + 1
    for server in scene.dice.sample(servers, len(servers)):
        for other in servers:
            await _is_connected(other, connections)
        await _restart(scene, server)
        connections = len(servers)
    return len(servers)


async def _is_connected(server: Sessiond, connections: int) -> None:
    """Wait until so many connections lead to it."""
    end = f":{int(server.address.rpartition(':')[2]):04X}"
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            tables = [await asyncio.to_thread(table.read_text) for table in _CONNECTIONS]
            lines = [line.split() for table in tables for line in table.splitlines()[1:]]
            if sum(at.endswith(end) and is_ == _OPEN for _, at, _, is_, *_ in lines) >= connections:
                return


async def _restart(scene: Scene[Store], server: Sessiond) -> None:
    arena = scene.arena
    await arena.do(Sessiond.stop, server)
    await arena.do(server.start)
    await server.serving()
    await arena.heals(server.address)
    await asyncio.sleep(scene.dice.uniform(*_RESTS_S))


def certificates_renewed(pki: Pki) -> Strike[Store]:
    """The files of the servers and of their caller are replaced, in any order."""

    async def strike(scene: Scene[Store]) -> int:
        for renew in scene.dice.sample((pki.renew_servers, pki.renew_caller), 2):
            renew()
            await asyncio.sleep(scene.dice.uniform(*_RESTS_S))
        shown = ssl.PEM_cert_to_DER_cert(pki.servers.certificate.read_text())
        async with asyncio.timeout(_PATIENCE_S):
            for server in scene.arena.servers:
                while await _shown(server) != shown:
                    pass
        return 1

    return strike


async def _shown(server: Sessiond) -> bytes:
    """The certificate that a new connection gets, in DER."""
    _, certificate = await asyncio.to_thread(handshake, server.address)
    return certificate
