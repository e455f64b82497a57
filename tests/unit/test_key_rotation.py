"""Adding a signing key from afar, over a key directory of the test's own."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from sessiond.domain.errors import KeysReadOnlyError
from sessiond.service.key_rotation import KeyRotation
from sessiond.tokens import keymaker
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.keys import Algorithm
from tests.unit.tokens.forge import DAY, LIFETIMES, Clock, new_ring

PUBLISH_S = LIFETIMES.publish_s


@pytest.fixture
def clock() -> Clock:
    """Stands a day after the first keys were made."""
    return Clock()


@pytest.fixture
def ring(tmp_path: Path, clock: Clock) -> KeyRing:
    return _aged(tmp_path / "keys", clock)


def _aged(directory: Path, clock: Clock, algorithm: Algorithm = Algorithm.EDDSA) -> KeyRing:
    ring = new_ring(directory, clock, algorithm=algorithm)
    clock.now_s += DAY
    return ring


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_a_rotation_publishes_a_key_of_the_same_algorithm(
    tmp_path: Path, clock: Clock, algorithm: Algorithm
) -> None:
    """At once, and says from when it signs."""
    ring = _aged(tmp_path / "keys", clock, algorithm)
    made = await KeyRotation(ring).rotate_signing_key()
    assert made.created
    assert (made.publish_ms, made.sign_ms) == (clock.now_s * 1000, (clock.now_s + PUBLISH_S) * 1000)
    published = {key["kid"]: key["alg"] for key in ring.jwks()}
    assert published[made.kid] == algorithm
    assert len(published) == 2


async def test_a_key_that_waits_to_sign_is_given_again(ring: KeyRing, clock: Clock) -> None:
    """Until it signs; also one that somebody else has made meanwhile."""
    rotation = KeyRotation(ring)
    keymaker.rotate(ring.directory, Kind.SIGNING, clock=clock)
    first, again = await asyncio.gather(*(rotation.rotate_signing_key() for _ in range(2)))
    assert first == again
    assert not first.created
    clock.now_s += PUBLISH_S - 1
    assert (await rotation.rotate_signing_key()).kid == first.kid
    clock.now_s += 1
    following = await rotation.rotate_signing_key()
    assert following.created
    assert following.kid != first.kid


async def test_rotations_at_once_make_one_key(ring: KeyRing) -> None:
    """Whoever is first makes it."""
    rotation = KeyRotation(ring)
    made = await asyncio.gather(*(rotation.rotate_signing_key() for _ in range(5)))
    assert sorted(key.created for key in made) == [False] * 4 + [True]
    assert len({key.kid for key in made}) == 1
    assert len(ring.jwks()) == 2


async def test_servers_of_one_directory_make_one_key(ring: KeyRing, clock: Clock) -> None:
    """Each reads the directory again before it makes one, and no two do so at once."""
    rings = [KeyRing.load(ring.directory, LIFETIMES, clock) for _ in range(6)]
    made = await asyncio.gather(*(KeyRotation(each).rotate_signing_key() for each in rings))
    assert sorted(key.created for key in made) == [False] * 5 + [True]
    assert len({key.kid for key in made}) == 1


async def test_a_directory_that_cannot_be_written_is_said_to_be_so(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a mounted secret; the ring keeps its keys."""
    before = ring.jwks()
    opened = os.open

    def read_only(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(KeysReadOnlyError, match="sessiond keys rotate"):
        await KeyRotation(ring).rotate_signing_key()
    assert ring.jwks() == before
