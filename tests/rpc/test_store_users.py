"""What the shipped users of an engine may do: all that sessiond needs, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.engines import RealEngine, RealName, require_engine
from tests.rpc.all_work import work_of_callers, work_of_operators
from tests.rpc.logs import captured
from tests.rpc.serving import KEY_PREFIX, Server
from tests.store_users import (
    FOR_CLUSTER,
    FOR_SENTINEL,
    PASSWORD,
    PASSWORDS,
    USER,
    allowed,
    assert_no_more_is_allowed,
    engine_with_users,
    refused_by,
    shipped,
    url_of_sessiond,
)


@pytest.fixture(params=get_args(RealName))
def engine(request: pytest.FixtureRequest) -> Iterator[RealEngine]:
    require_engine(request.param)
    with engine_with_users(request.param, f"{KEY_PREFIX}*") as started:
        yield started


def client(engine: RealEngine, user: str | None = None, password: str = "") -> Any:
    """A connection as a user; without one, as the tests' own master."""
    path = str(engine.socket_path)
    return redis.Redis(
        unix_socket_path=path,
        username=user,
        password=password,
        protocol=2,
        retry=Retry(NoBackoff(), 0),  # who is refused is refused
    )


def test_sessiond_may_do_all_its_work_and_no_more(
    serving: Callable[..., AbstractContextManager[Server]], engine: RealEngine
) -> None:
    """Nothing is refused, no check is left out; what is allowed beyond that is for topologies.

    There tests/topologies/test_service.py shows that it is used.
    """
    url, master = url_of_sessiond(engine.url), client(engine)
    with captured() as log, serving(url=url, reaper_interval="100ms") as server:
        work_of_callers(server)
        work_of_operators(server, master)
        assert "refused" not in log.getvalue()
    # By that redis-py introduces itself, where it may.
    assert refused_by(master.execute_command) <= {"client|setinfo"}
    used = {name.removeprefix("cmdstat_") for name in master.info("commandstats")}
    assert allowed() - used == FOR_SENTINEL | FOR_CLUSTER


def test_sessiond_may_do_nothing_else(engine: RealEngine) -> None:
    """Neither CONFIG, FLUSHALL, KEYS nor DEBUG, nor touch the keys of others."""
    assert_no_more_is_allowed(engine)
    assert client(engine, USER, PASSWORD).exists(f"{KEY_PREFIX}x") == 0


def test_the_users_are_safe_as_they_are_shipped(engine: RealEngine) -> None:
    """Nobody is let in without a name; health may PING alone; the others have no password yet."""
    file = Path(client(engine).config_get("aclfile")["aclfile"])
    file.write_text(shipped("users.acl") + shipped("replication-users.acl"))
    client(engine).execute_command("ACL", "LOAD")
    with pytest.raises(redis.exceptions.AuthenticationError):
        client(engine).ping()
    health = client(engine, "health")
    assert health.ping()
    with pytest.raises(redis.exceptions.NoPermissionError):
        health.info()
    for user, password in product((USER, "replica", "sentinel"), PASSWORDS):
        with pytest.raises(redis.exceptions.AuthenticationError):
            client(engine, user, password).ping()
