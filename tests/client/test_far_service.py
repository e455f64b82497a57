"""A service to which the way is long."""

from __future__ import annotations

import asyncio

from sessionstore import AsyncSessionClient, SessionClient
from tests.client.conftest import TOKEN
from tests.client.fake_service import FakeService
from tests.faults.line import Line
from tests.faults.proxy import GrpcWatch, Proxy


async def test_a_far_service_is_connected_to(service: FakeService) -> None:
    """Though its first answer, before any to a call, is under way for most of a second."""
    async with Proxy.before_tcp(service.address, GrpcWatch) as proxy:
        proxy.delay_s = 0.9
        proxy.turn(Line.LATE)
        async with AsyncSessionClient(proxy.address, token=TOKEN) as client:
            await client.signing_keys()
        with SessionClient(proxy.address, token=TOKEN) as blocking:
            await asyncio.to_thread(blocking.signing_keys)
    assert len(service.received["GetSigningKeys"]) == 2
