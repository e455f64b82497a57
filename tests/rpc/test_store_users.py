"""What the shipped users of an engine may do: all that sessiond needs, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
import redis
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from redis.backoff import NoBackoff
from redis.retry import Retry

from sessionstore.v1 import session_service_pb2 as pb
from tests.engines import RealEngine, RealName, require_engine
from tests.rpc.admin_calls import AdminApi
from tests.rpc.calls import Api
from tests.rpc.importing import bring_in
from tests.rpc.logs import captured
from tests.rpc.serving import KEY_PREFIX, Server, eventually
from tests.rpc.watching import watched
from tests.store_users import PASSWORD, engine_with_users, url_of_sessiond, users

_WITH_OTHER_TOPOLOGIES = {"cluster|slots", "role", "select", "wait"}
"""Not used on one node, in its first database."""
_NEVER = (
    ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "maxmemory", "0"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("DEBUG", "SLEEP", "0"),
    ("EVAL", "return 1", "0"),
    ("SCRIPT", "FLUSH"),
    ("ACL", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("CLIENT", "LIST"),
    ("MONITOR",),
    ("SHUTDOWN",),
    ("REPLICAOF", "NO", "ONE"),
    ("SAVE",),
    ("PUBLISH", "channel", "x"),
    ("SUBSCRIBE", "channel"),
    ("GET", "of-somebody-else"),
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


def work_of_callers(server: Server, api: Api) -> None:
    """Whatever SessionService does."""
    made = api.create("alice", request_id="r1", client={"device_id": "phone"})
    again = api.create("alice", request_id="r1", client={"device_id": "phone"})
    assert again.session == made.session
    for _ in range(12):
        last = api.create("bob")
    assert api.refresh(made.tokens.refresh_token, request_id="r2").session
    assert api.extend(last.session.session_id).session
    assert api.validate(session_id=last.session.session_id).verdict == pb.VERDICT_ACTIVE
    mask = FieldMask(paths=["attributes"])
    assert api.update(last.session.session_id, attributes={"theme": "dark"}, update_mask=mask)
    assert api.get(last.session.session_id)
    assert api.list("bob", states=[1, 2, 3]).sessions
    watch = watched(server)
    assert api.revoke(session_id=made.session.session_id).session
    watch.until(lambda told: told.ended)
    watch.close()
    assert api.revoke_user("bob", except_session_id=last.session.session_id, request_id="r3")
    watched(server, cursor=watch.cursor).close()


def work_of_operators(server: Server, master: Any) -> None:
    """Whatever AdminService does."""
    admin, api = server.admin(), server.api()
    bring_in(server, "carol", "old-1")
    assert api.adopt("carol", "old-1").session
    assert admin.stats()
    assert admin.recent()
    assert admin.users()
    made = api.create("dan")
    assert admin.export()
    for job in ("stats", "orphans"):
        admin.run_job(job)
        eventually(partial(_is_over, admin, job))
    (index,) = master.keys(f"{server.settings.key_prefix}:*:u:default:dan")
    master.expire(index, 1000)
    assert admin.audit(repair=True)
    assert master.ttl(index) == -1
    assert admin.delete_user("dan")
    assert admin.explain(session_id=made.session.session_id)
    assert admin.purge(older_than=Duration(), include_active=True, execute=True)


def _is_over(admin: AdminApi, job: str) -> bool:
    return not admin.jobs()[job].running


def test_sessiond_may_do_all_its_work_and_no_more(
    serving: Callable[..., AbstractContextManager[Server]], engine: RealEngine
) -> None:
    """Nothing is refused, no check is left out; what is allowed beyond that is for topologies."""
    url, master = url_of_sessiond(engine), client(engine)
    with captured() as log, serving(url=url, reaper_interval="100ms") as server:
        work_of_callers(server, server.api())
        work_of_operators(server, master)
        assert "refused" not in log.getvalue()
    refused = {
        entry[entry.index(b"object") + 1] for entry in master.execute_command("ACL", "LOG", 100)
    }
    assert refused <= {b"client|setinfo"}  # redis-py introduces itself, where it may
    used = {name.removeprefix("cmdstat_") for name in master.info("commandstats")}
    (line,) = [line for line in users().splitlines() if line.startswith("user sessiond")]
    allowed = {word[1:] for word in line.split() if word.startswith("+")}
    assert allowed - used == _WITH_OTHER_TOPOLOGIES


def test_sessiond_may_do_nothing_else(engine: RealEngine) -> None:
    """Neither CONFIG, FLUSHALL, KEYS nor DEBUG, nor touch the keys of others."""
    mine = client(engine, "sessiond", PASSWORD)
    for words in _NEVER:
        with pytest.raises(redis.exceptions.NoPermissionError):
            mine.execute_command(*words)
    assert mine.execute_command("EXISTS", f"{KEY_PREFIX}x") == 0


def test_the_users_are_safe_as_they_are_shipped(engine: RealEngine, tmp_path: Path) -> None:
    """Nobody is let in without a name; sessiond has no password yet; health may PING alone."""
    file = Path(client(engine).config_get("aclfile")["aclfile"])
    file.write_text(users())
    client(engine).execute_command("ACL", "LOAD")
    with pytest.raises(redis.exceptions.AuthenticationError):
        client(engine).ping()
    health = client(engine, "health")
    assert health.ping()
    with pytest.raises(redis.exceptions.NoPermissionError):
        health.info()
    for password in ("", "0", "sessiond", "0" * 64):
        with pytest.raises(redis.exceptions.AuthenticationError):
            client(engine, "sessiond", password).ping()
