"""From a store URL to a link to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from sessiond.domain.errors import StartupError
from sessiond.store.access import Access, Connect, Door
from sessiond.store.link import Link, LinkLimits
from sessiond.store.multiplexer import Multiplexer
from sessiond.store.primary import Primary
from sessiond.store.replica_wait import FindNode, Node
from sessiond.store.sentinels import Sentinels
from sessiond.store.store_url import StoreUrl, Topology, redacted

_ANYBODY: Final = Access()
OpenLink: TypeAlias = Callable[[str, LinkLimits, Access], Link]
"""Opens a link to a store URL."""


def open_link(url: str, limits: LinkLimits, access: Access = _ANYBODY) -> Link:
    """A link to a store; it connects at its first command.

    Raises:
        StartupError: the URL or a file is wrong.
    """
    return Multiplexer(connections(url, limits, access), limits)


def connections(url: str, limits: LinkLimits, access: Access = _ANYBODY) -> Connect:
    """What makes connections to the one node of a store that takes commands.

    Raises:
        StartupError: the URL or a file is wrong.
    """
    parsed = StoreUrl.parse(url)
    door = opened(parsed, limits, access)
    if parsed.topology is Topology.NODE and parsed.path:
        return door.at_socket(parsed.path)
    if parsed.topology in (Topology.NODE, Topology.FAKE):
        return door.at(parsed.addresses[0])
    if parsed.topology is Topology.SENTINEL:
        return _primary(parsed, limits, access).through(door)
    raise StartupError(f"the store URL {redacted(url)!r} is not that of one node")


def node_finder(url: str, limits: LinkLimits, access: Access = _ANYBODY) -> FindNode:
    """What finds the node that holds a partition, for who needs connections of its own to it.

    Raises:
        StartupError: the URL or a file is wrong.
    """
    only = Node("", connections(url, limits, access))

    async def find(_: str) -> Node:
        return only

    return find


def _primary(url: StoreUrl, limits: LinkLimits, access: Access) -> Primary:
    """The primary of a group, asked for over connections that leave time to connect to it."""
    hasty = replace(limits, connect_s=limits.connect_s / 2, read_s=limits.connect_s / 2)
    door = Door(access.to_sentinels(), hasty, tls=url.tls)
    return Primary(Sentinels([door.at(a) for a in url.addresses], url.group, hasty))


def opened(url: StoreUrl, limits: LinkLimits, access: Access) -> Door:
    """The door to the nodes of a store; what `access` names goes before what the URL does.

    Raises:
        StartupError: a file cannot be used.
    """
    access.check()
    known = replace(
        access,
        username=access.username or url.username,
        password=access.password or url.password,
    )
    return Door(known, limits, tls=url.tls, database=url.database)
