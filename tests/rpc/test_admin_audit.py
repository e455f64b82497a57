"""AuditIndex over the wire: drift made by hand, found and repaired by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from sessiond.domain.ids import partition_of_user
from sessiond.store.keyspace import Keyspace
from sessionstore.v1 import admin_service_pb2 as pb
from tests.rpc.admin_calls import AdminApi
from tests.rpc.importing import populate
from tests.rpc.serving import Server, eventually
from tests.store_users import url_of_master


@pytest.fixture
def engine(managed: Server) -> Iterator[redis.Redis]:
    """The store, as nobody but its scripts should touch it."""
    with redis.Redis.from_url(url_of_master(managed.settings.effective_store_url)) as client:
        yield client


def _kinds(answer: pb.AuditIndexResponse) -> dict[str, tuple[int, int]]:
    name = pb.Drift.Kind.Name
    return {name(d.kind).removeprefix("KIND_"): (d.found, d.repaired) for d in answer.drifts}


def test_a_store_in_order_shows_no_drift(managed: Server, admin: AdminApi) -> None:
    """After sessions of every kind, and jobs; progress ends where it should."""
    api = managed.api()
    populate(managed, 20, each=2)
    api.revoke(session_id=api.create("alice", request_id="r").session.session_id)
    admin.run_job("stats")
    eventually(lambda: admin.jobs()["stats"].HasField("last_run"))
    answers = admin.audit()
    assert answers[-1].done
    assert not answers[-1].drifts
    assert answers[-1].keys_done >= 40
    assert not any(answer.done for answer in answers[:-1])


def test_drift_is_found_by_name_and_repaired_on_request(
    managed: Server, admin: AdminApi, engine: redis.Redis
) -> None:
    """An audit alone changes nothing; after a repair there is nothing to find."""
    api = managed.api()
    session_id = api.create("alice").session.session_id
    base = Keyspace(managed.settings.key_prefix).bases[partition_of_user("alice")]
    assert engine.zrem(f"{base}u:default:alice", session_id) == 1
    engine.hincrby(f"{base}n", "created", 3)
    engine.persist(f"{base}s:{session_id}")
    found = admin.audit()[-1]
    assert {"LIVE_ENTRY_MISSING", "TTL_MISSING", "COUNTER_WRONG"} <= _kinds(found).keys()
    assert all(repaired == 0 for _, repaired in _kinds(found).values())
    (missing,) = [d for d in found.drifts if d.kind == pb.Drift.KIND_LIVE_ENTRY_MISSING]
    assert list(missing.samples) == [session_id]
    assert not admin.explain(session_id=session_id).indexed

    repaired = admin.audit(repair=True)[-1]
    assert all(found == repaired for found, repaired in _kinds(repaired).values())
    assert not admin.audit()[-1].drifts
    assert admin.explain(session_id=session_id).indexed
    assert [session.session_id for session in api.list("alice").sessions] == [session_id]
