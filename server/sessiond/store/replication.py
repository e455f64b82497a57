"""What the nodes of a store say of themselves: what they are, and whose data they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from redis.exceptions import ResponseError

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store import info
from sessiond.store.keyspace import Keyspace
from sessiond.store.runner import ScriptRunner, those_that_answer


class Replication(NamedTuple):
    """One node's."""

    is_primary: bool
    history: str
    """The replication id: a new one wherever a dataset goes on from another place than it was at,
    by a failover or a restart. What the old history acknowledged last may be missing from it."""


async def replication(runner: ScriptRunner, keyspace: Keyspace) -> Sequence[Replication]:
    """Ask every node that holds partitions and answers; nothing if they refuse INFO.

    Where one does not answer or is a replica, another may have its place: nodes are found anew.

    Raises:
        StoreUnavailableError: none answers.
    """
    nodes = await runner.nodes(keyspace.bases)
    try:
        replies = await those_that_answer(node.send("INFO", "replication") for node in nodes)
    except ResponseError:
        return ()
    except StoreUnavailableError:
        runner.doubt()
        raise
    told = [_replication(info.parsed(reply)) for reply in replies]
    if len(told) < len(nodes) or not all(node.is_primary for node in told):
        runner.doubt()
    return told


def _replication(told: dict[str, str]) -> Replication:
    return Replication(told.get("role") != "slave", told.get("master_replid", ""))
