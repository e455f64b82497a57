"""Long work: how it is closed, gone on with, bounded, and how it fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from datetime import timedelta
from typing import Any

import grpc
import pytest

from sessionstore import (
    AdminClient,
    AsyncAdminClient,
    CallerNotPermitted,
    DeadlineExceeded,
    ImportedSession,
    Unavailable,
)
from sessionstore.v1 import admin_service_pb2 as pb
from tests.client import messages
from tests.client.conftest import TOKEN, Admin
from tests.client.fake_service import (
    ADMIN_METHODS,
    FakeService,
    FirstConnectionLost,
    cut_off,
    failing,
    stuck,
)

OLD = ImportedSession(
    external_id="1", user_id="alice", create_time=messages.at(1), expire_time=messages.at(2)
)

RETRIED: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "GetStats": ("stats", (), {}),
    "ListRecentSessions": ("recent_page", (), {}),
    "ListUsers": ("users_page", (), {}),
    "ExplainSession": ("explain", (), {"session_id": "s1"}),
    "DeleteUser": ("delete_user", ("alice",), {}),
    "ListJobs": ("jobs", (), {}),
    "RotateSigningKey": ("rotate_signing_key", (), {}),
}
TRIED_ONCE: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "RunJob": ("run_job", ("stats",), {}),
    "AuditIndex": ("audit", (), {"repair": True}),
    "ImportSessions": ("import_sessions", ([[OLD]],), {}),
    "PurgeSessions": ("purge", (), {"older_than": timedelta(0), "execute": True}),
    "ExportSessions": ("export", (), {}),
}


async def do(admin: Admin, calls: dict[str, Any], method: str) -> Any:
    name, args, kwargs = calls[method]
    return await getattr(admin, name)(*args, **kwargs)


def progress(token: str, *, done: bool = False) -> pb.PurgeSessionsResponse:
    return pb.PurgeSessionsResponse(resume_token=token, done=done)


def test_every_method_is_either_retried_or_not() -> None:
    """No method of the contract is forgotten below."""
    assert RETRIED.keys() | TRIED_ONCE.keys() == set(ADMIN_METHODS)


@pytest.mark.parametrize("method", RETRIED)
async def test_what_may_be_repeated_is(service: FakeService, admin: Admin, method: str) -> None:
    """Reads and idempotent calls outlive a service that is away for a moment."""
    service.answer_once(method, failing(grpc.StatusCode.UNAVAILABLE))

    await do(admin, RETRIED, method)

    assert len(service.received[method]) == 2


@pytest.mark.parametrize("method", TRIED_ONCE)
async def test_what_may_not_be_repeated_is_tried_once(
    service: FakeService, admin: Admin, method: str
) -> None:
    """A job is not started twice, and work without a known place is not begun again."""
    service.answer(
        method, cut_off() if method != "RunJob" else failing(grpc.StatusCode.UNAVAILABLE)
    )

    with pytest.raises(Unavailable):
        await do(admin, TRIED_ONCE, method)

    assert len(service.received[method]) == 1


async def test_a_job_waits_for_a_service_that_is_out_of_reach(
    service: FakeService, admin: Admin
) -> None:
    """Until the deadline; it is asked for once."""
    service.__exit__(None, None, None)
    with FirstConnectionLost(service.port) as restart:
        await admin.run_job("stats", timeout=20)
    assert len(restart.service.received["RunJob"]) == 1


async def test_a_purge_that_is_cut_off_goes_on_where_it_was(
    service: FakeService, admin: Admin
) -> None:
    """The same request is sent again with the last resume token; nobody who listens notices."""
    service.answer_once("PurgeSessions", cut_off(progress("r1"), progress("r2")))
    service.answer_once("PurgeSessions", cut_off())
    service.answer_once("PurgeSessions", [progress("r3", done=True)])

    told = await admin.purge(older_than=timedelta(days=1), execute=True)

    assert [each.resume_token for each in told] == ["r1", "r2", "r3"]
    sent = [received.request for received in service.received["PurgeSessions"]]
    assert [each.resume_token for each in sent] == ["", "r2", "r2"]
    assert all(each.execute and each.older_than.seconds == 86400 for each in sent)


async def test_an_export_that_is_cut_off_goes_on_where_it_was(
    service: FakeService, admin: Admin
) -> None:
    """The filter is kept, and the pages come on from the last resume token."""
    service.answer_once("ExportSessions", cut_off(pb.ExportSessionsResponse(resume_token="r1")))
    service.answer_once("ExportSessions", [pb.ExportSessionsResponse(done=True)])

    assert len(await admin.export("alice")) == 2

    sent = [received.request for received in service.received["ExportSessions"]]
    assert [(each.user_id, each.resume_token) for each in sent] == [("alice", ""), ("alice", "r1")]


async def test_a_service_that_stays_away_is_unavailable(
    service: FakeService, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream is sent again as often as gRPC tries other calls, and then given up."""
    monkeypatch.setattr("sessionstore._resumption.DELAYS_S", (0.01,) * 4)
    service.answer_once("PurgeSessions", cut_off(progress("r1")))
    service.answer("PurgeSessions", cut_off())

    with pytest.raises(Unavailable):
        await admin.purge(older_than=timedelta(0))

    assert len(service.received["PurgeSessions"]) == 5


async def test_nothing_but_unavailable_is_gone_on_with(service: FakeService, admin: Admin) -> None:
    """A refusal in the middle is final, and typed as that of any call."""

    def refused(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield progress("r1")
        failing(grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED")(request, context)

    service.answer("PurgeSessions", refused)

    with pytest.raises(CallerNotPermitted):
        await admin.purge(older_than=timedelta(0))

    assert len(service.received["PurgeSessions"]) == 1


async def test_long_work_has_no_deadline_unless_one_is_given(
    service: FakeService, admin: Admin
) -> None:
    """The client's own deadline is for short calls."""
    await admin.audit()
    (received,) = service.received["AuditIndex"]
    assert received.time_remaining is not None
    assert received.time_remaining > 10**9

    service.answer("AuditIndex", stuck)
    with pytest.raises(DeadlineExceeded):
        await admin.audit(timeout=0.2)


class Endless:
    """A purge that never ends, and knows whether its caller has gone."""

    def __init__(self, service: FakeService) -> None:
        self.gone = threading.Event()
        service.answer("PurgeSessions", self)

    def __call__(self, _: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        context.add_callback(self.gone.set)
        while context.is_active():
            yield progress("r")


def test_closing_the_generator_stops_the_work(service: FakeService) -> None:
    """The service sees the call cancelled."""
    endless = Endless(service)
    with (
        AdminClient(service.address, token=TOKEN) as admin,
        closing(admin.purge(older_than=timedelta(0))) as told,
    ):
        next(told)
    assert endless.gone.wait(20)


async def test_closing_the_async_generator_stops_the_work(service: FakeService) -> None:
    """The service sees the call cancelled."""
    endless = Endless(service)
    async with AsyncAdminClient(service.address, token=TOKEN) as admin:
        async with aclosing(admin.purge(older_than=timedelta(0))) as told:
            await anext(told)
        assert await asyncio.to_thread(endless.gone.wait, 20)


def test_closing_the_client_ends_a_stream_of_another_thread(service: FakeService) -> None:
    """Whoever listens is told that the client is closed."""
    Endless(service)
    admin = AdminClient(service.address, token=TOKEN)
    told = admin.purge(older_than=timedelta(0))
    next(told)
    admin.close()
    with pytest.raises(RuntimeError, match="closed"):
        list(told)


def answered(requests: Any, _: object) -> Iterator[Any]:
    """An empty result for each session."""
    for each in requests:
        yield pb.ImportSessionsResponse(results=[pb.ImportResult()] * len(each.sessions))


def test_what_the_batches_raise_is_raised_behind_their_results(service: FakeService) -> None:
    """A line that cannot be read does not hide what became of those before it."""

    def batches() -> Iterator[list[ImportedSession]]:
        yield [OLD]
        raise LookupError("line 2")

    service.answer("ImportSessions", answered)
    with AdminClient(service.address, token=TOKEN) as admin:
        results = admin.import_sessions(batches())
        assert len(next(results)) == 1
        with pytest.raises(LookupError, match="line 2"):
            next(results)


async def test_batches_may_be_async_and_raise(service: FakeService) -> None:
    """The async client reads async iterables, and raises what they raise."""

    async def batches() -> AsyncIterator[list[ImportedSession]]:
        yield [OLD, OLD]
        await asyncio.sleep(0)
        raise LookupError("line 3")

    service.answer("ImportSessions", answered)
    async with AsyncAdminClient(service.address, token=TOKEN) as admin:
        results = admin.import_sessions(batches())
        assert len(await anext(results)) == 2
        with pytest.raises(LookupError, match="line 3"):
            await anext(results)


async def test_a_time_without_a_zone_is_not_imported(service: FakeService, admin: Admin) -> None:
    """It is raised where the results are read."""
    service.answer("ImportSessions", answered)
    naive = ImportedSession(
        external_id="1",
        user_id="alice",
        create_time=messages.at(1).replace(tzinfo=None),
        expire_time=messages.at(2),
    )
    with pytest.raises(ValueError, match="aware"):
        await admin.import_sessions([[naive]])
