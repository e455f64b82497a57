"""What the nodes of a store say of themselves: what they are, and whose data they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from redis.exceptions import ResponseError

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
    """What each node says that answers; nothing if they refuse INFO.

    Raises:
        StoreUnavailableError: none answers.
    """
    nodes = await runner.nodes(keyspace.bases)
    try:
        replies = await those_that_answer(node.send("INFO", "replication") for node in nodes)
    except ResponseError:
        return ()
    return [_replication(info.parsed(reply)) for reply in replies]


def _replication(told: dict[str, str]) -> Replication:
    return Replication(told.get("role") != "slave", told.get("master_replid", ""))
