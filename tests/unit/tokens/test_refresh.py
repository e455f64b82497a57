"""Refresh tokens: deterministic, and refused unless exactly what one of our keys made."""

from __future__ import annotations

import struct
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

import pytest

from sessiond.domain.errors import RefreshTokenInvalidError
from sessiond.domain.ids import new_session_id
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keymaker import rotate
from sessiond.tokens.refresh import RefreshClaims, RefreshTokens
from tests.unit.tokens.forge import DAY, HOUR, NOW, USER, Clock, new_ring, new_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sessiond.tokens.access import AccessTokens
    from sessiond.tokens.keyring import KeyRing
    from sessiond.tokens.service import ServiceTokens

SID = new_session_id(USER)


def refused(refresh: RefreshTokens, token: str) -> None:
    with pytest.raises(RefreshTokenInvalidError) as caught:
        refresh.parse(token)
    assert str(caught.value) == "not a valid refresh token"
    assert not caught.value.metadata


def raw(token: str) -> bytes:
    return urlsafe_b64decode(token.removeprefix("srt1_"))


def text(data: bytes) -> str:
    return "srt1_" + urlsafe_b64encode(data).decode()


def forged(ring: KeyRing, session: bytes, generation: int, *, label: bytes | None = None) -> str:
    """A token over any body with a MAC by the real key."""
    key = ring.keys.secrets[Kind.MAC].signer(NOW)
    body = struct.pack(">I18sI", key.id, session, generation)
    label = b"sessiond refresh token v1\0" if label is None else label
    return text(body + key.digest(label + body)[:16])


@pytest.mark.parametrize("generation", [1, 2, 255, 65_536, 2**32 - 1])
def test_a_minted_token_parses_to_what_it_was_minted_from(
    refresh: RefreshTokens, generation: int
) -> None:
    token = refresh.mint(SID, generation)
    assert len(token) == 61
    assert refresh.parse(token) == RefreshClaims(SID, generation, refresh.key_id)


def test_a_token_differs_by_session_and_generation(refresh: RefreshTokens) -> None:
    sessions = (SID, new_session_id(USER))
    assert len({refresh.mint(s, g) for s in sessions for g in (1, 2, 3)}) == 6


def test_a_token_is_the_same_string_before_and_after_a_rotation(tmp_path: Path) -> None:
    clock = Clock()
    ring = new_ring(tmp_path / "k", clock)
    refresh = RefreshTokens(ring)
    old_id, before = refresh.key_id, refresh.mint(SID, 7)
    rotate(tmp_path / "k", Kind.MAC, clock=clock)
    ring.reload()
    assert refresh.mint(SID, 7) == before
    clock.now_s += 601
    assert refresh.key_id != old_id
    assert refresh.mint(SID, 7) != before
    assert refresh.mint(SID, 7, old_id) == before
    assert refresh.parse(before) == RefreshClaims(SID, 7, old_id)


def test_two_rings_over_one_directory_mint_the_same(tmp_path: Path) -> None:
    one, other = (RefreshTokens(new_ring(tmp_path / "k", Clock())) for _ in range(2))
    assert one.mint(SID, 3) == other.mint(SID, 3)


def test_a_token_outlives_its_key_by_the_longest_session_and_no_more(tmp_path: Path) -> None:
    clock = Clock()
    ring = new_ring(tmp_path / "k", clock)
    refresh = RefreshTokens(ring)
    old_id, token = refresh.key_id, refresh.mint(SID, 1)
    rotate(tmp_path / "k", Kind.MAC, clock=clock)
    ring.reload()
    clock.now_s = NOW + 601 + 90 * DAY - 0.001
    refresh.parse(token)
    clock.now_s = NOW + 601 + 90 * DAY
    refused(refresh, token)
    with pytest.raises(RefreshTokenInvalidError):
        refresh.mint(SID, 1, old_id)


@pytest.mark.parametrize("generation", [0, -1, 2**32])
def test_only_a_generation_is_minted(refresh: RefreshTokens, generation: int) -> None:
    with pytest.raises(ValueError, match="generation"):
        refresh.mint(SID, generation)


@pytest.mark.parametrize(
    "session_id",
    ["", SID[:-1], SID + "A", "_" * 24, "é" * 24],
    ids=["empty", "short", "long", "no partition", "not ASCII"],
)
def test_only_a_session_id_is_minted(refresh: RefreshTokens, session_id: str) -> None:
    with pytest.raises(ValueError, match="session id"):
        refresh.mint(session_id, 1)


def test_every_changed_bit_is_noticed(refresh: RefreshTokens) -> None:
    good = raw(refresh.mint(SID, 5))
    assert len(good) == 42
    for bit in range(len(good) * 8):
        at = bit // 8
        changed = good[:at] + bytes((good[at] ^ 1 << bit % 8,)) + good[at + 1 :]
        refused(refresh, text(changed))


def test_every_changed_character_is_noticed(refresh: RefreshTokens) -> None:
    token = refresh.mint(SID, 5)
    for at, character in enumerate(token):
        for other in ("A", "B", "-", "+", "/", "=", " ", "\0", "é"):
            if other != character:
                refused(refresh, token[:at] + other + token[at + 1 :])


def test_every_shorter_token_is_refused(refresh: RefreshTokens) -> None:
    token = refresh.mint(SID, 5)
    for length in range(len(token)):
        refused(refresh, token[:length])


DAMAGE: dict[str, Callable[[str], str]] = {
    "padded": lambda t: t + "=",
    "padded to four": lambda t: t + "====",
    "one more": lambda t: t + "A",
    "twice": lambda t: t + t,
    "space before": lambda t: " " + t,
    "space after": lambda t: t + " ",
    "newline after": lambda t: t + "\n",
    "newline instead of the last": lambda t: t[:-1] + "\n",
    "junk inside, right length": lambda t: t[:20] + "!!!!" + t[24:],
    "another prefix": lambda t: "srt2_" + t[5:],
    "prefix in capitals": lambda t: "SRT1_" + t[5:],
    "no prefix": lambda t: t[5:],
    "prefix alone": lambda _: "srt1_",
    "prefix and padding": lambda _: "srt1_" + "=" * 56,
    "standard base64": lambda t: t.replace("-", "+").replace("_", "/").replace("srt1/", "srt1_"),
    "upper case": str.upper,
    "a lone surrogate": lambda t: t[:-1] + "\udc80",
    "full-width digits": lambda t: t[:-1] + "\uff11",
    "zeros": lambda _: text(bytes(42)),
    "ones": lambda _: text(b"\xff" * 42),
    "no MAC": lambda t: text(raw(t)[:26]),
    "MAC of zeros": lambda t: text(raw(t)[:26] + bytes(16)),
    "8-byte MAC": lambda t: text(raw(t)[:34]),
    "another key's id": lambda t: text(bytes(4) + raw(t)[4:]),
    "another token's MAC": lambda t: text(raw(t)[:25] + b"\x09" + raw(t)[26:]),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_token_is_refused(refresh: RefreshTokens, damage: Callable[[str], str]) -> None:
    # These session bytes hold both characters that base64url and base64 write differently.
    token = refresh.mint(urlsafe_b64encode(b"\x3f\xff\xbe" * 6).decode(), 5)
    refresh.parse(token)
    refused(refresh, damage(token))


@pytest.mark.parametrize("partition", [64, 128, 255])
def test_a_partition_that_does_not_exist_is_refused_though_well_signed(
    refresh: RefreshTokens, ring: KeyRing, partition: int
) -> None:
    refresh.parse(forged(ring, bytes((63,)) + bytes(17), 1))
    refused(refresh, forged(ring, bytes((partition,)) + bytes(17), 1))


def test_generation_zero_is_refused_though_well_signed(
    refresh: RefreshTokens, ring: KeyRing
) -> None:
    refused(refresh, forged(ring, urlsafe_b64decode(SID), 0))


@pytest.mark.parametrize("label", [b"", b"sessiond pseudonym v1\0", b"sessiond refresh token v2\0"])
def test_a_mac_made_for_another_purpose_is_refused(
    refresh: RefreshTokens, ring: KeyRing, label: bytes
) -> None:
    refused(refresh, forged(ring, urlsafe_b64decode(SID), 1, label=label))


def test_another_rings_token_is_refused(refresh: RefreshTokens, tmp_path: Path) -> None:
    stranger = RefreshTokens(new_ring(tmp_path / "k", Clock()))
    refused(refresh, stranger.mint(SID, 1))
    refused(refresh, text(raw(refresh.mint(SID, 1))[:4] + raw(stranger.mint(SID, 1))[4:]))


def test_tokens_of_other_kinds_are_no_refresh_tokens(
    refresh: RefreshTokens, access: AccessTokens, service: ServiceTokens
) -> None:
    refused(refresh, access.mint(new_session(), client_id="c", now_ms=NOW * 1000)[0])
    refused(refresh, service.mint("login-service", HOUR, NOW))
    refused(refresh, SID)


@pytest.mark.parametrize("character", ["A", "é", "\ud800", "="])
def test_three_megabytes_are_refused_unread(refresh: RefreshTokens, character: str) -> None:
    token = "srt1_" + character * 3_000_000
    start = time.perf_counter()
    refused(refresh, token)
    assert time.perf_counter() - start < 0.05
