"""What verifiers and watchers are held to finds every bug that is planted, and no other."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.engines import RealEngine
from tests.faults.realtime.planted import BUGS
from tests.faults.realtime.scenes import SCENES, open_room
from tests.rpc.serving import ServerLoop

_HUNT_S: Final = 30.0
"""At a server with a bug, until it is found; an attempt that has begun is brought to its end."""
_PATIENCE_S: Final = 4.0
"""Where something is never known, there is no use in waiting for long."""


@pytest.fixture(scope="module")
def servers() -> Iterator[ServerLoop]:
    """The loop of all servers here."""
    loop = ServerLoop()
    yield loop
    loop.close()


@pytest.mark.sampled
@pytest.mark.parametrize("name", BUGS)
async def test_a_planted_bug_is_found(
    servers: ServerLoop, far_engine: RealEngine, tmp_path: Path, name: str
) -> None:
    """It breaks an invariant that names it."""
    bug = BUGS[name]
    with bug.plant():
        async with open_room(servers, far_engine, tmp_path) as room:
            findings = room.stage.findings
            until_s = time.monotonic() + _HUNT_S
            for attempt in itertools.count():
                scene = functools.partial(bug.scene, room)
                await room.stage.all_know(await room.stage.act(scene, str(attempt)), _PATIENCE_S)
                broken = {violation.invariant for violation in findings.violations}
                if broken & set(bug.breaks) or time.monotonic() > until_s:
                    break
    names = ", ".join(sorted(broken & set(bug.breaks)))
    others = ", ".join(sorted(broken - set(bug.breaks)))
    print(f"{name}: {bug.sentence} Found by: {names}; also broken: {others or '-'}")  # noqa: T201
    assert names, f"not found in {attempt + 1} attempts: {bug.sentence} Broken: {others or '-'}"


@pytest.mark.sampled
async def test_nothing_is_found_where_nothing_was_planted(
    servers: ServerLoop, far_engine: RealEngine, tmp_path: Path
) -> None:
    """All the scenes, with server and verifiers as they are, break nothing."""
    async with open_room(servers, far_engine, tmp_path) as room:
        for number, scene in enumerate(SCENES):
            healed_s = await room.stage.act(functools.partial(scene, room), str(number))
            await room.stage.all_know(healed_s)
        assert not room.stage.findings.violations, room.stage.findings.violations[:20]
        assert room.stage.findings.looks > 1_000
