"""The keyspace: 64 partitions, spread evenly over the slots of a cluster."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from sessiond.domain import ids
from sessiond.store.keyspace import CLUSTER_SLOTS, TAGS, Keyspace, slot_of_tag
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import ALICE, login

PINNED = (
    "mm I4 9i LY 8D J9 Bl Z5 Hb kv JB iV YC zW IO xw nC MW lc Ow QN 6R "
    "9J K7 KL 91 Il m5 HA kU Ja iu Oi k0 MI 8y Ld op ND x1 jf Ir hF KR "
    "ik XS yg Zs LG oS Ng ms 7B Br 5b i3 iH Xp yD O1 jE IQ he Kq"
)
USERS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


def test_the_tags_are_distinct_and_one_to_a_window_of_slots() -> None:
    """Any way of sharing the slots out gives each node its share of the partitions."""
    assert len(set(TAGS)) == ids.PARTITIONS == 64
    windows = [slot_of_tag(tag) // (CLUSTER_SLOTS // 64) for tag in TAGS]
    assert windows == list(range(64))


def test_the_gaps_between_partitions_are_even() -> None:
    """No two are nearer than half a window."""
    slots = [slot_of_tag(tag) for tag in TAGS]
    gaps = [b - a for a, b in pairwise(slots)]
    assert min(gaps) > 128
    assert max(gaps) < 384


def test_the_slots_are_those_that_a_cluster_computes() -> None:
    """By the hash tag alone, whatever the prefix and the rest of the key."""
    for prefix in ("ss", "a:b", "prod-eu"):
        for base, tag in zip(Keyspace(prefix).bases, TAGS, strict=True):
            assert base == f"{prefix}:{{{tag}}}:"
            assert key_slot(f"{base}u:default:{{x}}:alice".encode()) == slot_of_tag(tag)


def test_the_tags_never_change() -> None:
    """Sessions of yesterday are found by them; this list was written down when they were chosen."""
    assert " ".join(TAGS) == PINNED


@given(USERS)
def test_a_session_id_leads_to_its_users_partition(user: str) -> None:
    """All keys of one user are in one slot, and the id alone finds them."""
    session_id = ids.new_session_id(user)
    keys = Keyspace()
    assert len(session_id) == 24
    assert ids.partition_of_session(session_id) == ids.partition_of_user(user)
    assert keys.of_session(session_id) == keys.of_user(user)


def test_users_spread_over_all_partitions() -> None:
    """None is empty and none has twice its share."""
    shares = Counter(ids.partition_of_user(f"user-{i}") for i in range(64_000))
    assert len(shares) == 64
    assert max(shares.values()) < 2_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A" * 23,
        "A" * 25,
        "/" * 24,
        "é" * 24,
        "A" * 22 + "==",
        "A" * 23 + "\n",
        "_" * 24,
        "Q" * 24,
    ],
)
def test_what_is_no_session_id_has_no_partition(text: str) -> None:
    """Wrong length, not base64url, or a partition that does not exist."""
    with pytest.raises(ValueError, match="session id"):
        Keyspace().of_session(text)


async def test_every_key_of_a_user_is_in_the_users_slot(store: Store, inside: Inside) -> None:
    """As the store really writes them."""
    await login(store)
    wanted = slot_of_tag(TAGS[ids.partition_of_user(ALICE)])
    assert {key_slot(key.encode()) for key in await inside.all_keys()} == {wanted}
