"""Everything that a server can be asked to do, once."""

from __future__ import annotations

from functools import partial
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.admin_calls import AdminApi
from tests.rpc.importing import bring_in
from tests.rpc.serving import Server, eventually
from tests.rpc.watching import watched


def work_of_callers(server: Server) -> None:
    """Whatever SessionService does."""
    api = server.api()
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
    (index,) = master.scan_iter(f"{server.settings.key_prefix}:*:u:default:dan")
    master.expire(index, 1000)
    assert admin.audit(repair=True)
    assert master.ttl(index) == -1
    assert admin.delete_user("dan")
    assert admin.explain(session_id=made.session.session_id)
    assert admin.purge(older_than=Duration(), include_active=True, execute=True)


def _is_over(admin: AdminApi, job: str) -> bool:
    return not admin.jobs()[job].running
