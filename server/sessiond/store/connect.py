"""From a store URL to a link to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from sessiond.domain.errors import StartupError
from sessiond.store.access import Access, Connect, Door
from sessiond.store.cluster import ClusterLink
from sessiond.store.cluster_tail import ClusterTail
from sessiond.store.cluster_view import ClusterView
from sessiond.store.keyspace import slot_of_key
from sessiond.store.link import Link, LinkLimits
from sessiond.store.log_tail import LogTail, TailWays
from sessiond.store.multiplexer import Multiplexer
from sessiond.store.primary import Primary
from sessiond.store.replica_wait import Node, NodeFinder
from sessiond.store.script_set import ScriptSet
from sessiond.store.sentinels import Sentinels
from sessiond.store.store_url import StoreUrl, Topology, redacted
from sessiond.store.tail_node import ClusterWays

_ANYBODY: Final = Access()
OpenLink: TypeAlias = Callable[[str, LinkLimits, Access], Link]
"""Opens a link to a store URL."""


def open_link(url: str, limits: LinkLimits, access: Access = _ANYBODY) -> Link:
    """A link to a store; it connects at its first command.

    Raises:
        StartupError: the URL or a file is wrong.
    """
    parsed = StoreUrl.parse(url)
    if parsed.topology is Topology.CLUSTER:
        door = opened(parsed, limits, access)
        return ClusterLink(ClusterView(parsed.addresses, door), door)
    return Multiplexer(connections(url, limits, access), limits)


def tails(
    url: str, limits: LinkLimits, access: Access, scripts: ScriptSet
) -> Callable[[], LogTail | ClusterTail]:
    """What makes readers of a store's logs, each with connections of its own.

    Raises:
        StartupError: the URL or a file is wrong.
    """
    parsed = StoreUrl.parse(url)
    if parsed.topology is Topology.CLUSTER:
        door = opened(parsed, limits, access)
        return lambda: ClusterTail(ClusterWays(ClusterView(parsed.addresses, door), door, scripts))
    frugal = parsed.topology is Topology.FAKE
    ways = TailWays(connections(url, limits, access), limits, scripts, frugal=frugal)
    return lambda: LogTail(ways)


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


def node_finder(url: str, limits: LinkLimits, access: Access = _ANYBODY) -> NodeFinder:
    """What finds the node that holds a partition, for who needs connections of its own to it.

    Raises:
        StartupError: the URL or a file is wrong.
    """
    parsed = StoreUrl.parse(url)
    if parsed.topology is Topology.CLUSTER:
        door = opened(parsed, limits, access)
        view = ClusterView(parsed.addresses, door)

        async def find_in_cluster(base: str) -> Node:
            address = await view.primary(slot_of_key(base))
            return Node(address, door.at(address), view.renew)

        return NodeFinder(find_in_cluster, view.close)
    only = Node("", connections(url, limits, access))

    async def find(_: str) -> Node:
        return only

    return NodeFinder(find)


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
