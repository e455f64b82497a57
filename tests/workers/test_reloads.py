"""SIGHUP: workers with new settings take over, or none does."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Thread

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sessionstore import SessionClient, State
from sessionstore.v1 import admin_service_pb2 as admin_pb
from tests.conftest import rounds
from tests.engines import free_port
from tests.rpc.admin_calls import AdminApi
from tests.rpc.streaming import Requests
from tests.transport import TRANSPORT
from tests.workers.load import load
from tests.workers.supervised import Supervised, supervised

WRONG_CERTIFICATE = (
    "SESSIOND_TRANSPORT: native serves plaintext only.*"
    if TRANSPORT == "native"
    else "cannot read /no: No such file.*"
)
SESSION = admin_pb.ImportedSession(
    external_id="1",
    user_id="alice",
    create_time=Timestamp(seconds=1_700_000_000),
    expire_time=Timestamp(seconds=4_000_000_000),
)


def test_a_reload_under_load_loses_no_call(server: Supervised) -> None:
    """New workers are up before old ones are drained; all of them are new afterwards."""
    with load(server.address, server.token) as calls:
        for _ in range(rounds(2)):
            before, made = server.pids(), len(calls.created)
            assert server.reload() == ""
            after = server.pids()
            assert len(after) == len(before) == 2
            assert not before.keys() & after.keys()
            assert not {*before.values()} & {*after.values()}
            assert len(calls.created) > made
    assert calls.refused == []


def test_no_probe_hears_of_a_reload(directory: Path) -> None:
    """A worker that drains no longer answers for those that serve in its place."""
    health = f"127.0.0.1:{free_port()}"
    with supervised(directory, workers=1, health_listen=health, drain_time="30s") as server:
        server.wait_until_welcome()
        requests = Requests[admin_pb.ImportSessionsRequest]()
        with grpc.insecure_channel(server.address) as channel:
            importing = AdminApi(channel, server.token, timeout_s=60).importing(iter(requests))
            requests.send(admin_pb.ImportSessionsRequest(validate_only=True, sessions=[SESSION]))
            next(importing)
            reloading = Thread(target=server.reload)
            reloading.start()
            server.wait_for("worker_draining")
            assert {probed(health) for _ in range(20)} == {health_pb2.HealthCheckResponse.SERVING}
            requests.close()
            assert not list(importing)
            reloading.join()


def probed(address: str) -> int:
    """What a new connection is told of liveness."""
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="liveness")
        return int(stub.Check(request, timeout=10, wait_for_ready=True).status)


def test_new_workers_have_the_new_settings(server: Supervised) -> None:
    """Also how many they are."""
    server.configure(session_cap=1, workers=1)
    assert server.reload() == ""
    assert len(server.pids()) == 1
    with SessionClient(server.address, token=server.token) as sessions:
        for _ in range(2):
            sessions.create("bob")
        assert len(list(sessions.list("bob", states=[State.ACTIVE]))) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"max_in_flight": 0},
            r"SESSIOND_MAX_IN_FLIGHT \(--max-in-flight\): .* greater than or equal to 1",
        ),
        ({"no_such": 1}, r"SESSIOND_NO_SUCH \(--no-such\): .* not permitted"),
        ({"listen": "127.0.0.1:1"}, "SESSIOND_LISTEN: changes by a restart, not by a reload"),
        ({"store_url": "redis://127.0.0.1:1"}, "SESSIOND_STORE_URL: changes by a restart.*"),
        ({"workers": None}, "SESSIOND_WORKERS: changes by a restart.*"),
        ({"tls_cert_file": "/no", "tls_key_file": "/no"}, WRONG_CERTIFICATE),
    ],
)
def test_settings_that_will_not_do_change_nothing(
    server: Supervised, change: dict[str, object], sentence: str
) -> None:
    """The same workers go on, and a worker that dies meanwhile comes back as it was."""
    before, good = server.pids(), server.file.read_text()
    server.configure(**change)
    try:
        assert re.fullmatch(sentence, server.reload())
    finally:
        server.file.write_text(good)
    assert server.pids() == before
    with SessionClient(server.address, token=server.token) as sessions:
        assert sessions.create("carol").session.user_id == "carol"


def test_a_store_that_new_workers_cannot_use_is_refused(directory: Path) -> None:
    """What only a worker can find out stops the reload as well: profiles that the store denies."""
    with supervised(directory, workers=1) as server:
        server.wait_until_welcome()
        before = server.pids()
        server.configure(at_cap="evict_idle")
        assert "profile" in server.reload()
        assert server.pids() == before
