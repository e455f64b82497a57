"""A store at its memory limit."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from sessiond.domain.errors import Reason
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.engines import require_engine
from tests.rpc.calls import Api, outcome, refusal
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import eventually

_MOST_CREATES = 5_000


def test_a_full_store_refuses_logins_and_nothing_else(
    serve_with: ServeWith, tmp_path: Path
) -> None:
    """STORE_FULL for create; validate, refresh, list and revoke work, and make room again."""
    require_engine("valkey")
    server = serve_with(
        url=f"embedded://{tmp_path / 'store'}", embedded_maxmemory="2mb", session_cap=1000
    )
    api = server.api()
    kept = api.create("kept")
    with pytest.raises(grpc.RpcError) as caught:
        _fill_up(api)
    error = refusal(caught.value)
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.STORE_FULL)
    assert error.retry_s is None

    session_id, tokens = kept.session.session_id, kept.tokens
    assert api.validate(access_token=tokens.access_token).verdict == pb.VERDICT_ACTIVE
    assert api.refresh(tokens.refresh_token).session.session_id == session_id
    assert api.extend(session_id).session.session_id == session_id
    assert [s.session_id for s in api.list("kept").sessions] == [session_id]
    ended = api.revoke(session_id=session_id).session
    assert ended.end_reason == session_pb2.END_REASON_REVOKED
    assert api.validate(session_id=session_id).verdict == pb.VERDICT_ENDED
    for i in range(20):
        api.revoke_user(f"user-{i}")
    assert not api.list("user-0", states=[session_pb2.Session.STATE_ACTIVE]).sessions
    assert server.app.ready.is_set()
    eventually(lambda: outcome(api.create, "after") == "OK")


def _fill_up(api: Api) -> None:
    client = session_pb2.Client(user_agent="u" * 512)
    for number in range(_MOST_CREATES):
        api.create(f"user-{number % 20}", client=client, attributes={"a": "v" * 470})


def test_a_store_that_is_full_from_the_start_serves_all_but_creates(
    serve_with: ServeWith, tmp_path: Path
) -> None:
    """Servers that restart while the memory is full must not take logouts down with them."""
    server = serve_with(url=f"embedded://{tmp_path / 'store'}", embedded_maxmemory="1kb")
    api = server.api()
    assert outcome(api.create, "alice") == Reason.STORE_FULL
    assert not api.list("alice").sessions
    assert server.app.ready.is_set()
