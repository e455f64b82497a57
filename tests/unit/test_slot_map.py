"""What is made of a node's answer to CLUSTER SLOTS."""

from __future__ import annotations

from typing import Any

import pytest

from sessiond.store.slot_map import SlotMap
from sessiond.store.store_url import Address

ASKED = Address("10.0.0.9", 7000)
ONE, TWO, SPARE = Address("10.0.0.1", 7001), Address("10.0.0.2", 7002), Address("10.0.0.3", 7003)


def node(address: Address) -> list[Any]:
    """As Redis 7 and later describe one."""
    return [address.host.encode(), address.port, b"id", []]


def test_each_slot_has_its_primary_and_replicas_are_known_too() -> None:
    """In whatever order ranges come; slots between them are held by nobody."""
    reply = [[200, 300, node(TWO)], [0, 99, node(ONE), node(SPARE)], [100, 100, node(TWO)]]
    slots = SlotMap.parse(reply, ASKED)
    held = [slots.primary(slot) for slot in (0, 99, 100, 101, 199, 200, 300, 301, 16383)]
    assert held == [ONE, ONE, TWO, None, None, TWO, TWO, None, None]
    assert slots.nodes == {ONE, TWO, SPARE}
    assert slots.sizes() == {ONE: 100, TWO: 102}


@pytest.mark.parametrize("host", [None, b""])
def test_a_node_that_does_not_know_its_host_is_the_one_that_was_asked(host: bytes | None) -> None:
    """So says the engine's documentation."""
    slots = SlotMap.parse([[0, 16383, [host, 7001, b"id", []]]], ASKED)
    assert slots.primary(5) == Address(ASKED.host, 7001)


def test_a_node_without_a_name_holds_nothing_that_can_be_reached() -> None:
    """Where names are asked for and one was not set."""
    reply = [[0, 99, [b"?", 7001, b"id", []]], [100, 200, node(TWO)]]
    slots = SlotMap.parse(reply, ASKED)
    assert (slots.primary(5), slots.primary(150)) == (None, TWO)
    assert slots.nodes == {TWO}


def test_a_cluster_without_slots_is_refused() -> None:
    """A node that belongs to none yet knows none."""
    with pytest.raises(ValueError, match="slots"):
        SlotMap.parse([], ASKED)


def test_equal_views_are_equal() -> None:
    """They are counted."""
    first = SlotMap.parse([[0, 9, node(ONE)], [10, 19, node(TWO)]], ASKED)
    assert first == SlotMap.parse([[10, 19, node(TWO)], [0, 9, node(ONE)]], ASKED)
    assert len({first, SlotMap.parse([[0, 19, node(ONE)]], ASKED)}) == 2
