"""Any bytes in any field: refused by name, or stored and returned intact."""

from __future__ import annotations

from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessiond.domain.errors import Reason
from sessiond.domain.ids import new_session_id
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.conftest import rounds
from tests.rpc.any_message import delimited, messages, not_utf8
from tests.rpc.calls import ADMIN_RPCS, RPCS, Api, Calls, Refused, descriptor, refusal, refused
from tests.rpc.serving import Server

# Each is an answer about what the request named, once the request itself was good.
_ANSWERS: Final = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
}
_ANY = settings(
    max_examples=rounds(25),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
BAD_TEXTS: Final = [
    pytest.param(rpc, path, data, id=f"{rpc}-{path}")
    for rpc in (*RPCS, *ADMIN_RPCS)
    for path, data in not_utf8(descriptor(rpc))
]


Reply = bytes | list[bytes]


def _send(api: Calls, rpc: str, data: bytes) -> Reply | Refused:
    try:
        reply: Reply = api.raw(rpc, data)
    except grpc.RpcError as error:
        return refusal(error)
    return reply


def _is_clear(rpc: str, outcome: Reply | Refused) -> None:
    """Answered, or refused with a name for each field that was wrong."""
    if not isinstance(outcome, Refused) or outcome.code in _ANSWERS:
        return
    assert outcome.code == grpc.StatusCode.INVALID_ARGUMENT, outcome
    if outcome.reason == Reason.REFRESH_TOKEN_INVALID:
        return
    assert outcome.reason == Reason.INVALID_FIELD
    fields = {field.name for field in descriptor(rpc).fields}
    for path in outcome.fields:
        assert path.split(".")[0].split("[")[0] in fields | {"credential", "age", "request"}
    assert outcome.fields


@pytest.fixture(scope="module")
def known(api: Api) -> st.SearchStrategy[str]:
    """Ids and tokens of sessions that there are, and of one that there never was."""
    made = [api.create(f"known-{i}") for i in range(3)]
    return st.sampled_from(
        [
            *(answer.session.session_id for answer in made),
            *(answer.tokens.refresh_token for answer in made),
            made[0].tokens.access_token,
            "known-1",
            new_session_id("nobody"),
            "attributes",
            "attributes.a",
        ]
    )


@pytest.mark.parametrize("rpc", RPCS)
def test_any_message_is_answered_or_refused_by_name(
    api: Api, known: st.SearchStrategy[str], rpc: str
) -> None:
    """Arbitrary texts, numbers and enum values in every field."""

    @_ANY
    @given(message=messages(descriptor(rpc), known))
    def check(message: Message) -> None:
        _is_clear(rpc, _send(api, rpc, message.SerializeToString()))

    check()


@pytest.mark.parametrize(("rpc", "path", "data"), BAD_TEXTS)
def test_text_that_is_not_utf8_is_refused_by_the_name_of_its_field(
    api: Api, rpc: str, path: str, data: bytes
) -> None:
    """In every string field, nested ones and maps too."""
    error = refused(api.raw, rpc, data)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_FIELD)
    assert error.fields == (path,)


@pytest.mark.parametrize("rpc", ADMIN_RPCS)
def test_any_message_of_an_operator_is_answered_or_refused_by_name(
    managed: Server, rpc: str
) -> None:
    """As anybody's, over a store with a few sessions to lose."""
    api = managed.api()
    made = [api.create(f"known-{i}") for i in range(3)]
    known = st.sampled_from(
        [
            *(answer.session.session_id for answer in made),
            made[0].tokens.refresh_token,
            made[1].tokens.access_token,
            "known-1",
            "stats",
        ]
    )

    @_ANY
    @given(message=messages(descriptor(rpc), known))
    def check(message: Message) -> None:
        _is_clear(rpc, _send(api, rpc, message.SerializeToString()))

    check()


@pytest.mark.parametrize("rpc", [*RPCS, *ADMIN_RPCS])
def test_random_bytes_are_answered_or_refused(api: Api, rpc: str) -> None:
    """Never UNKNOWN, never INTERNAL."""

    @_ANY
    @given(data=st.binary(max_size=200))
    def check(data: bytes) -> None:
        _is_clear(rpc, _send(api, rpc, data))

    check()


def test_a_message_cut_anywhere_is_answered_or_refused(api: Api, user: str) -> None:
    """What a broken client might send."""
    whole = pb.CreateSessionRequest(
        user_id=user,
        client=session_pb2.Client(user_agent="Mozilla/5.0", device_name="Jane's phone"),
        attributes={"key": "value"},
        audience=["a", "b"],
    ).SerializeToString()
    for end in range(len(whole)):
        _is_clear("CreateSession", _send(api, "CreateSession", whole[:end]))


def test_deeply_nested_bytes_are_refused(api: Api) -> None:
    """Groups and unknown fields without end do not exhaust the stack."""
    nested = b""
    for _ in range(60):
        nested = delimited(15, nested)
    for data in (b"\x7b" * 100_000, nested, b"\x7b" * 50 + b"\x7c" * 50):
        _is_clear("CreateSession", _send(api, "CreateSession", data))


@st.composite
def _logins(draw: st.DrawFn) -> pb.CreateSessionRequest:
    """Logins that keep every rule, with any text where text may be anything."""

    def text(most: int) -> str:
        cut = draw(st.text(max_size=most)).encode()[:most]
        return cut.decode(errors="ignore")

    return pb.CreateSessionRequest(
        user_id=text(255) + "u",
        client=session_pb2.Client(
            user_agent=text(512), ip_address=text(64), device_id=text(128),
            device_name=text(128), fingerprint=text(128),
        ),
        attributes={f"{text(60)}{i}": text(50) for i in range(draw(st.integers(0, 4)))},
        authentication=session_pb2.Authentication(methods=["pwd"]),
    )  # fmt: skip


def test_any_text_is_stored_and_returned_intact(api: Api) -> None:
    """In the answer to the create, when read again, and in the list."""

    @_ANY
    @given(login=_logins())
    def check(login: pb.CreateSessionRequest) -> None:
        made = api.call(login).session
        assert made.user_id == login.user_id
        assert made.client == login.client
        assert made.attributes == login.attributes
        assert api.get(made.session_id) == made
        assert made in api.list(login.user_id).sessions

    check()


PAGE_TOKENS: Final[list[Any]] = [
    "", "x", "é", "e30=", "bnVsbA==", "WyJhIl0=", "=" * 200, "W10=" * 60, "NaN", "[" * 256,
]  # fmt: skip


@pytest.mark.parametrize("token", PAGE_TOKENS[1:])
def test_a_page_token_that_is_none_is_refused_by_name(api: Api, user: str, token: str) -> None:
    """However it is malformed."""
    assert refused(api.list, user, page_token=token).fields == ("page_token",)
