"""The types mirror the contract, show no token, and copy."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import subprocess
import sys
from typing import Any

import pytest
from google.protobuf.descriptor import EnumDescriptor

import sessionstore
from sessionstore import (
    AdminClient,
    AsyncAdminClient,
    AsyncLocalVerifier,
    AsyncSessionClient,
    Credential,
    DriftKind,
    EndReason,
    EventType,
    ImportOutcome,
    JobOutcome,
    LocalVerifier,
    Outcome,
    SessionClient,
    State,
    Verdict,
)
from sessionstore.v1 import admin_service_pb2, event_pb2, session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.client import messages
from tests.client.conftest import Sessions
from tests.client.fake_service import FakeService


@pytest.mark.parametrize(
    ("kind", "wire", "prefix"),
    [
        (State, session_pb2.Session.State.DESCRIPTOR, "STATE_"),
        (EndReason, session_pb2.EndReason.DESCRIPTOR, "END_REASON_"),
        (Outcome, pb.RefreshSessionResponse.Outcome.DESCRIPTOR, "OUTCOME_"),
        (Verdict, pb.Verdict.DESCRIPTOR, "VERDICT_"),
        (EventType, event_pb2.EventType.DESCRIPTOR, "EVENT_TYPE_"),
        (DriftKind, admin_service_pb2.Drift.Kind.DESCRIPTOR, "KIND_"),
        (JobOutcome, admin_service_pb2.JobRun.Outcome.DESCRIPTOR, "OUTCOME_"),
        (ImportOutcome, admin_service_pb2.ImportResult.Outcome.DESCRIPTOR, "OUTCOME_"),
    ],
)
def test_each_enum_mirrors_the_contract(
    kind: type[State], wire: EnumDescriptor, prefix: str
) -> None:
    names = [value.name.removeprefix(prefix) for value in wire.values if value.number]

    assert [member.value for member in kind] == names
    assert [member.name for member in kind] == names


def test_an_enum_is_its_name_in_text_and_json() -> None:
    assert f"{EndReason.LOGOUT}" == "LOGOUT"
    assert json.dumps({"reason": EndReason.LOGOUT}) == '{"reason": "LOGOUT"}'
    assert EndReason("LOGOUT") is EndReason.LOGOUT


def test_an_enum_takes_a_name_that_is_not_known_yet() -> None:
    later = EndReason("MADE_UP_LATER")

    assert later == "MADE_UP_LATER"
    assert (later.name, later.value, str(later)) == ("MADE_UP_LATER",) * 3
    assert later not in list(EndReason)
    assert pickle.loads(pickle.dumps(later)) == copy.deepcopy(later) == later


@pytest.mark.parametrize("value", ["logout", "", "A B", 3, None])
def test_an_enum_takes_nothing_that_cannot_be_a_name(value: Any) -> None:
    with pytest.raises(ValueError, match="not a valid"):
        EndReason(value)


async def test_a_reason_that_the_contract_does_not_have_is_not_sent(
    service: FakeService, sessions: Sessions
) -> None:
    with pytest.raises(ValueError, match="MADE_UP"):
        await sessions.revoke(session_id="s1", reason=EndReason("MADE_UP"))
    assert not service.received


async def test_results_show_no_token_and_copy(service: FakeService, sessions: Sessions) -> None:
    parts: Any = {"session": messages.session(), "tokens": messages.tokens()}
    service.answer("CreateSession", pb.CreateSessionResponse(**parts))
    service.answer("RefreshSession", pb.RefreshSessionResponse(**parts))

    for result in (await sessions.create("alice"), await sessions.refresh("srt1_")):
        for shown in (repr(result), str(result), repr(result.tokens), f"{result.tokens}"):
            assert "canary" not in shown
        assert pickle.loads(pickle.dumps(result)) == copy.deepcopy(result) == result
        assert {result.session: "by hash"}
        with pytest.raises(AttributeError):
            result.session.user_id = "mallory"


def test_credentials_show_no_token() -> None:
    assert "canary" not in repr(Credential(access_token=messages.ACCESS_TOKEN))
    assert "canary" not in repr(Credential(refresh_token=messages.REFRESH_TOKEN))


def test_everything_public_is_exported_and_documented() -> None:
    assert sorted(sessionstore.__all__) == sorted(set(sessionstore.__all__))
    for name in sessionstore.__all__:
        assert name == "__version__" or getattr(sessionstore, name).__doc__


def test_both_clients_take_the_same_arguments() -> None:
    assert methods(SessionClient) == methods(AsyncSessionClient)
    verify, verify_async = methods(LocalVerifier), methods(AsyncLocalVerifier)
    assert verify.pop("__init__")[2:] == verify_async.pop("__init__")[2:]
    for name in ("verify", "start", "wait_ready", "close"):
        assert verify[name] == verify_async[name]
    threads, asyncio = methods(AdminClient), methods(AsyncAdminClient)
    batches = asyncio["import_sessions"][1]
    assert batches[3].endswith("AsyncIterable[Sequence[admin.ImportedSession]]")
    asyncio["import_sessions"][1] = threads["import_sessions"][1]
    assert threads == asyncio


def methods(kind: type) -> dict[str, list[tuple[str, Any, Any, str]]]:
    """What each method takes."""
    return {
        name: [
            (each.name, each.kind, each.default, each.annotation)
            for each in inspect.signature(method).parameters.values()
        ]
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.endswith(("enter__", "exit__"))
    }


def test_the_base_install_is_enough_and_the_server_is_never_imported() -> None:
    code = """
import sys
import sessionstore
loaded = {name.split(".")[0] for name in sys.modules}
extra = {"sessiond", "grpc_status", "jwt", "redis", "fakeredis", "structlog", "pydantic", "uvloop"}
extra |= {"typer", "rich"}
assert not loaded & extra, loaded & extra
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
