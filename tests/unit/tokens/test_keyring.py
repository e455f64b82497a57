"""When keys sign, when they verify, and how a directory is read again."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from sessiond.domain.errors import StartupError
from sessiond.tokens import keyfiles
from sessiond.tokens.keyfiles import SECRET_KINDS, TOKEN_KINDS, Kind
from sessiond.tokens.keymaker import create_keys, rotate
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.keys import Algorithm
from tests.unit.tokens.forge import DAY, HOUR, LIFETIMES, NOW, Clock, new_ring

if TYPE_CHECKING:
    from pathlib import Path

RETAIN_S = {
    Kind.SIGNING: HOUR + 30,
    Kind.SERVICE: 30 * DAY + 30,
    Kind.MAC: 90 * DAY,
    Kind.PSEUDONYM: 0,
}


def signer(ring: KeyRing, kind: Kind) -> object:
    if kind in TOKEN_KINDS:
        return ring.keys.tokens[kind].signer(ring.now()).id
    return ring.keys.secrets[kind].signer(ring.now()).id


def verifying(ring: KeyRing, kind: Kind) -> list[object]:
    if kind in TOKEN_KINDS:
        return [key.id for key in ring.keys.tokens[kind].verifying(ring.now())]
    return [key.id for key in ring.keys.secrets[kind].verifying(ring.now())]


def test_first_keys_sign_at_once(tmp_path: Path) -> None:
    ring = new_ring(tmp_path / "k", Clock())
    assert all(verifying(ring, kind) == [signer(ring, kind)] for kind in Kind)


def test_the_oldest_key_signs_even_where_clocks_disagree(tmp_path: Path) -> None:
    create_keys(tmp_path / "k", clock=Clock(NOW + DAY))
    ring = KeyRing.load(tmp_path / "k", LIFETIMES, Clock(NOW))
    assert all(verifying(ring, kind) == [signer(ring, kind)] for kind in Kind)


@pytest.mark.parametrize("kind", list(RETAIN_S))
def test_a_new_key_verifies_at_once_signs_later_and_outlasts_the_old(
    tmp_path: Path, kind: Kind
) -> None:
    clock = Clock()
    ring = new_ring(tmp_path / "k", clock)
    old = signer(ring, kind)
    clock.now_s = created = NOW + DAY
    rotate(tmp_path / "k", kind, clock=clock)
    ring.reload()
    _, new = verifying(ring, kind)
    assert signer(ring, kind) == old
    clock.now_s = created + 599.999
    assert signer(ring, kind) == old
    clock.now_s = created + 600
    assert signer(ring, kind) == new
    clock.now_s = created + 600 + RETAIN_S[kind] - 0.001
    assert verifying(ring, kind) == [old, new]
    clock.now_s = created + 600 + RETAIN_S[kind]
    assert verifying(ring, kind) == [new]
    assert signer(ring, kind) == new


def test_keys_made_in_quick_succession_take_over_one_after_the_other(tmp_path: Path) -> None:
    clock = Clock()
    ring = new_ring(tmp_path / "k", clock)
    for clock.now_s in (NOW + 60, NOW + 120):
        rotate(tmp_path / "k", Kind.MAC, clock=clock)
    ring.reload()
    first, second, third = verifying(ring, Kind.MAC)
    seen = []
    for clock.now_s in (NOW + 659, NOW + 660, NOW + 719, NOW + 720):
        seen.append(signer(ring, Kind.MAC))
    assert seen == [first, second, second, third]
    clock.now_s = NOW + 660 + 90 * DAY
    assert verifying(ring, Kind.MAC) == [second, third]


@pytest.mark.parametrize("step_s", [0, -DAY])
def test_a_new_key_comes_after_the_newest_whatever_the_clock_says(
    tmp_path: Path, step_s: int
) -> None:
    clock = Clock()
    for turn in range(5):
        ring = new_ring(tmp_path / str(turn), clock)
        old = signer(ring, Kind.MAC)
        rotate(tmp_path / str(turn), Kind.MAC, clock=Clock(NOW + step_s))
        ring.reload()
        assert signer(ring, Kind.MAC) == old
        assert verifying(ring, Kind.MAC)[0] == old


def test_the_publish_time_is_a_parameter(tmp_path: Path) -> None:
    clock = Clock()
    create_keys(tmp_path / "k", clock=clock)
    new = rotate(tmp_path / "k", Kind.SIGNING, clock=Clock(NOW + 1))
    lifetimes = type(LIFETIMES)(access_s=1, service_s=1, session_s=1, publish_s=5)
    ring = KeyRing.load(tmp_path / "k", lifetimes, clock)
    clock.now_s = NOW + 6
    assert signer(ring, Kind.SIGNING) == new.stem


def test_expired_keys_are_the_files_that_nothing_needs(tmp_path: Path) -> None:
    clock = Clock()
    ring = new_ring(tmp_path / "k", clock)
    old = {kind: next((tmp_path / "k" / kind).iterdir()) for kind in RETAIN_S}
    for kind in RETAIN_S:
        rotate(tmp_path / "k", kind, clock=clock)
    ring.reload()
    assert ring.expired_keys() == []
    clock.now_s = NOW + 1 + 600 + HOUR + 30
    assert set(ring.expired_keys()) == {old[Kind.SIGNING], old[Kind.PSEUDONYM]}
    clock.now_s = NOW + 1 + 600 + 90 * DAY
    assert set(ring.expired_keys()) == set(old.values())
    before = {kind: signer(ring, kind) for kind in Kind}
    for path in ring.expired_keys():
        path.unlink()
    ring.reload()
    assert {kind: signer(ring, kind) for kind in Kind} == before
    assert ring.expired_keys() == []


def test_jwks_holds_public_keys_from_publication_to_expiry(tmp_path: Path) -> None:
    clock = Clock()
    ring = new_ring(tmp_path / "k", clock)
    rotate(tmp_path / "k", Kind.SIGNING, algorithm=Algorithm.ES256, clock=clock)
    ring.reload()
    old, new = ring.jwks()
    assert old.keys() == {"kty", "crv", "x", "kid", "use", "alg"}
    assert (old["kty"], old["crv"], old["alg"]) == ("OKP", "Ed25519", "EdDSA")
    assert new.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (new["kty"], new["crv"], new["alg"]) == ("EC", "P-256", "ES256")
    assert {len(new["x"]), len(new["y"]), len(old["x"])} == {43}
    assert old["use"] == new["use"] == "sig"
    json.dumps(ring.jwks())
    clock.now_s += 1 + 600 + HOUR + 30
    assert ring.jwks() == [new]


def test_pseudonyms_are_stable_differ_by_ring_and_hide_the_id(tmp_path: Path) -> None:
    one, other = new_ring(tmp_path / "a", Clock()), new_ring(tmp_path / "b", Clock())
    again = KeyRing.load(tmp_path / "a", LIFETIMES, Clock())
    assert one.pseudonym("session") == again.pseudonym("session")
    assert len({one.pseudonym("session"), one.pseudonym("other"), other.pseudonym("session")}) == 3
    assert len(one.pseudonym("\ud800")) == 16


def test_a_copied_directory_is_the_same_ring(tmp_path: Path) -> None:
    clock = Clock()
    ring = new_ring(tmp_path / "a", clock)
    rotate(tmp_path / "a", Kind.MAC, clock=Clock(NOW - DAY))
    ring.reload()
    shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=shutil.copy)
    copy = KeyRing.load(tmp_path / "b", LIFETIMES, clock)
    assert all(verifying(copy, kind) == verifying(ring, kind) for kind in Kind)
    assert copy.jwks() == ring.jwks()


def test_a_reread_parses_only_what_is_new(tmp_path: Path) -> None:
    ring = new_ring(tmp_path / "k", Clock())
    rotate(tmp_path / "k", Kind.MAC)
    with patch("sessiond.tokens.keyring.read", wraps=keyfiles.read) as reads:
        ring.reload()
        ring.reload()
    assert reads.call_count == 1


def test_a_ring_rereads_only_a_directory_that_changed(tmp_path: Path) -> None:
    ring = new_ring(tmp_path / "k", Clock())
    keys = ring.keys
    assert not ring.reload_if_changed()
    assert ring.keys is keys
    rotate(tmp_path / "k", Kind.SIGNING)
    assert ring.reload_if_changed()
    assert not ring.reload_if_changed()
    assert len(verifying(ring, Kind.SIGNING)) == 2


def test_a_key_that_was_replaced_under_its_name_is_read_again(tmp_path: Path) -> None:
    ring = new_ring(tmp_path / "k", Clock())
    (path,) = (tmp_path / "k" / "mac").iterdir()
    before = ring.keys.secrets[Kind.MAC].signer(NOW).digest(b"")
    path.write_text("00112233445566778899aabbccddeeff" * 2)
    assert ring.reload_if_changed()
    assert ring.keys.secrets[Kind.MAC].signer(NOW).digest(b"") != before


def test_a_bad_new_file_changes_nothing_and_is_reported_once(tmp_path: Path) -> None:
    ring = new_ring(tmp_path / "k", Clock())
    keys = ring.keys
    rotate(tmp_path / "k", Kind.SIGNING)
    bad = tmp_path / "k" / "mac" / "20270101T000000Z-00000001.key"
    bad.write_text("00")
    bad.chmod(0o600)
    with pytest.raises(StartupError, match="00000001"):
        ring.reload()
    with pytest.raises(StartupError, match="00000001"):
        ring.reload_if_changed()
    assert not ring.reload_if_changed()
    assert ring.keys is keys
    with pytest.raises(StartupError):
        ring.reload()
    bad.write_text("not hex")
    with pytest.raises(StartupError, match="not hex"):
        ring.reload_if_changed()
    bad.unlink()
    assert ring.reload_if_changed()
    assert len(verifying(ring, Kind.SIGNING)) == 2


def test_a_directory_that_vanishes_changes_nothing(tmp_path: Path) -> None:
    ring = new_ring(tmp_path / "k", Clock())
    keys = ring.keys
    (tmp_path / "k").rename(tmp_path / "away")
    with pytest.raises(StartupError, match="no key directory"):
        ring.reload_if_changed()
    assert not ring.reload_if_changed()
    assert ring.keys is keys
    (tmp_path / "away").rename(tmp_path / "k")
    assert not ring.reload_if_changed()
    (tmp_path / "k").rename(tmp_path / "away")
    with pytest.raises(StartupError, match="no key directory"):
        ring.reload_if_changed()


async def test_readers_go_on_while_another_thread_reloads(tmp_path: Path) -> None:
    ring = new_ring(tmp_path / "k", Clock())
    for _ in range(5):
        rotate(tmp_path / "k", Kind.MAC)
        task = asyncio.gather(*(asyncio.to_thread(ring.reload) for _ in range(3)))
        while not task.done():
            keys = ring.keys
            assert keys.secrets[Kind.MAC].find(keys.secrets[Kind.MAC].signer(NOW).id, NOW)
            await asyncio.sleep(0)
        await task
    assert len(verifying(ring, Kind.MAC)) == 6


def test_new_directories_and_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    made = create_keys(tmp_path / "deep" / "k")
    assert {path.parent.name for path in made} == set(Kind)
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    folders = [tmp_path / "deep" / "k", *(path.parent for path in made)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_keys_that_exist_are_left_alone(tmp_path: Path) -> None:
    first = create_keys(tmp_path / "k", [Kind.MAC])
    content = first[0].read_bytes()
    rest = create_keys(tmp_path / "k")
    assert {path.parent.name for path in rest} == set(Kind) - {Kind.MAC}
    assert first[0].read_bytes() == content
    assert create_keys(tmp_path / "k") == []


def test_an_unfinished_file_is_no_key(tmp_path: Path) -> None:
    create_keys(tmp_path / "k")
    (tmp_path / "k" / "mac" / ".20260101T000000Z-00000001.key.unfinished").write_text("half")
    KeyRing.load(tmp_path / "k", LIFETIMES)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    create_keys(tmp_path / "k")
    before = sorted((tmp_path / "k" / "mac").iterdir())
    full = OSError(28, "No space left on device")
    with (
        patch("sessiond.tokens.keymaker.os.fsync", side_effect=full),
        pytest.raises(StartupError, match="No space left"),
    ):
        rotate(tmp_path / "k", Kind.MAC)
    assert sorted((tmp_path / "k" / "mac").iterdir()) == before


def test_every_kind_is_of_one_form() -> None:
    assert set(TOKEN_KINDS) | set(SECRET_KINDS) == set(Kind)
    assert not set(TOKEN_KINDS) & set(SECRET_KINDS)
