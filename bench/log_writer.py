"""Events at a fixed rate, written straight into the logs of all partitions."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Final

from engine import client_of
from serving import Server
from sessiond.domain.ids import new_session_id, partition_of_user
from sessiond.domain.session import EndReason
from sessiond.store.keyspace import Keyspace

_TICK_S: Final = 0.01
_USERS: Final = 1_000


def write_events(server: Server, per_s: int, seconds: float) -> dict[str, float]:
    """Write endings as the service's scripts do, but at a rate that its calls do not reach.

    Returns:
        By session id: when the engine had acknowledged its event, by the machine's monotonic clock.
    """
    written: dict[str, float] = {}
    total = round(per_s * seconds)
    keys, dead_ms = Keyspace(), round((time.time() + seconds + 3600) * 1000)
    with closing(client_of(server.engine)) as redis:
        begun_s = time.monotonic()
        while True:
            pipe = redis.pipeline(transaction=False)
            due = min(total, int((time.monotonic() - begun_s + _TICK_S) * per_s))
            users = [f"watched-{number % _USERS}" for number in range(len(written), due)]
            sessions = [new_session_id(user) for user in users]
            for user, session in zip(users, sessions, strict=True):
                entry = {"e": int(EndReason.LOGOUT), "s": session, "u": user, "d": dead_ms}
                pipe.xadd(keys.log(partition_of_user(user)), entry)  # type: ignore[arg-type]
            pipe.execute()
            written |= dict.fromkeys(sessions, time.monotonic())
            if len(written) == total:
                return written
            time.sleep(_TICK_S)
