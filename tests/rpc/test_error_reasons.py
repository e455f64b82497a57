"""Every reason of error_reason.proto, provoked over the wire and held against its comment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import grpc
import pytest

from sessiond.domain.errors import Reason
from sessiond.domain.ids import new_session_id
from sessiond.rpc.errors import CODES
from sessionstore.v1 import error_reason_pb2
from tests.rpc.calls import Refused, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.provoking import Provoker
from tests.rpc.serving import Server

_PROTO = Path(__file__).parents[2] / "proto" / "sessionstore" / "v1" / "error_reason.proto"
_VALUE = re.compile(r"((?:^  //.*\n)+)^  ERROR_REASON_(\w+) = [1-9]", re.MULTILINE)


def _comments() -> dict[str, str]:
    found = _VALUE.findall(_PROTO.read_text())
    return {name: re.sub(r"^  // ?", "", text, flags=re.MULTILINE) for text, name in found}


COMMENTS: Final = _comments()


@pytest.fixture
def provoker(server: Server, serve_with: ServeWith) -> Iterator[Provoker]:
    with ExitStack() as running:
        yield Provoker(server, serve_with, running)


def test_every_reason_is_in_the_proto_and_has_a_code() -> None:
    """The enum, the domain's reasons and the error map are the same set."""
    values = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    names = {name.removeprefix("ERROR_REASON_") for name in values}
    assert names - {"UNSPECIFIED"} == set(Reason) == set(CODES) == set(COMMENTS)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reasons_comment_begins_with_its_code(reason: Reason) -> None:
    """As it is mapped."""
    (code,) = re.findall(r"\A[A-Z_]+", COMMENTS[reason])
    assert code == CODES[reason].name


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_reaches_the_caller_as_its_comment_shows(
    provoker: Provoker, reason: Reason
) -> None:
    """Code, ErrorInfo with exactly these names in its metadata, RetryInfo where it says so."""
    provoke: Callable[[], Refused] = getattr(provoker, reason.lower())
    shown = json.loads(COMMENTS[reason][COMMENTS[reason].index("{") :])
    error = provoke()
    assert (error.code, error.reason) == (CODES[reason], reason)
    assert (error.reason, error.domain) == (shown["reason"], shown["domain"])
    assert set(error.metadata) == set(shown["metadata"])
    assert all(error.metadata.values())
    assert (error.retry_s is not None) == ("RetryInfo" in COMMENTS[reason])
    assert bool(error.fields) == ("BadRequest" in COMMENTS[reason])
    assert error.request_id


def test_a_refresh_of_a_session_that_is_not_there_is_a_failed_precondition(
    provoker: Provoker,
) -> None:
    """Where a refresh token names the session, UNAUTHENTICATED and NOT_FOUND would mislead."""
    session_id = new_session_id("alice")
    error = refused(provoker.api.refresh, provoker.refresh_token(session_id, 1))
    assert (error.code, error.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        Reason.SESSION_NOT_FOUND,
    )
    assert error.metadata == {"session_id": session_id}
