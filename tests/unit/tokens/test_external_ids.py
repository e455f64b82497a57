"""The ids that sessions of other systems get."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.domain.errors import ImportKeyMissingError
from sessiond.domain.ids import partition_of_session, partition_of_user
from sessiond.tokens.external_ids import ExternalIds
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keymaker import create_keys
from sessiond.tokens.keyring import KeyRing
from tests.unit.tokens.forge import LIFETIMES, Clock, new_ring

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def test_an_id_is_the_same_after_a_restart_and_years_later(tmp_path: Path) -> None:
    """It is made from the key alone."""
    clock = Clock()
    made = ExternalIds(new_ring(tmp_path, clock)).session_id("alice", "old-1")
    clock.now_s += 10 * 365 * 86_400
    assert (
        ExternalIds(KeyRing.load(tmp_path, LIFETIMES, clock)).session_id("alice", "old-1") == made
    )


def test_another_key_gives_other_ids(tmp_path: Path) -> None:
    """Whoever has no key cannot tell which session an external id became."""
    first, second = (ExternalIds(new_ring(tmp_path / name, Clock())) for name in "ab")
    assert first.session_id("alice", "old-1") != second.session_id("alice", "old-1")


@given(users=st.tuples(TEXTS, TEXTS), externals=st.tuples(TEXTS, TEXTS))
def test_an_id_is_of_one_session_and_in_its_users_partition(
    ring: KeyRing, users: tuple[str, str], externals: tuple[str, str]
) -> None:
    """Where one part ends and the next begins makes a difference."""
    ids = ExternalIds(ring)
    named = [
        *zip(users, externals, strict=True),
        (users[0] + externals[0], externals[1]),
        (users[0], externals[0] + externals[1]),
    ]
    made = {pair: ids.session_id(*pair) for pair in named}
    assert len(set(made.values())) == len(made)
    for (user, _), session_id in made.items():
        assert partition_of_session(session_id) == partition_of_user(user)


def test_a_ring_without_the_key_works_for_all_else_and_takes_it_up(tmp_path: Path) -> None:
    """A key directory from before there were imports stays good; `keys init` completes it."""
    create_keys(tmp_path, [kind for kind in Kind if kind is not Kind.IMPORT])
    ring = KeyRing.load(tmp_path, LIFETIMES)
    ids = ExternalIds(ring)
    assert ring.jwks()
    with pytest.raises(ImportKeyMissingError, match="sessiond keys init"):
        ids.session_id("alice", "old-1")
    (made,) = create_keys(tmp_path)
    assert made.parent.name == "import"
    assert ring.reload_if_changed()
    assert ids.session_id("alice", "old-1")
