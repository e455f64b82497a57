"""Every documented limit: exactly at it is good, one over is refused by name or cut."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from sessiond.service import page_tokens
from sessiond.store.replies import ALL_STATES
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import Api, outcome, refused, states

DAY_S: Final = 86_400
_AUTH = session_pb2.Authentication


def _login(**fields: Any) -> Message:
    return pb.CreateSessionRequest(**{"user_id": "limits", **fields})


# At the limit, one over it, and the field that is then named.
LIMITS: Final[dict[str, tuple[Message, Message, str]]] = {
    "user_id": (_login(user_id="é" * 128), _login(user_id="é" * 128 + "u"), "user_id"),
    "device_id": (
        _login(client=session_pb2.Client(device_id="d" * 128)),
        _login(client=session_pb2.Client(device_id="d" * 129)),
        "client.device_id",
    ),
    "request_id": (_login(request_id="~" * 36), _login(request_id="~" * 37), "request_id"),
    "attributes": (
        _login(attributes={f"{i}": "" for i in range(32)}),
        _login(attributes={f"{i}": "" for i in range(33)}),
        "attributes",
    ),
    "attribute bytes": (
        _login(attributes={"é": "v" * 478}),
        _login(attributes={"é": "v" * 479}),
        "attributes",
    ),
    "attribute key": (
        _login(attributes={"k" * 64: ""}),
        _login(attributes={"k" * 65: ""}),
        "attributes",
    ),
    "methods": (
        _login(authentication=_AUTH(methods=["m"] * 8)),
        _login(authentication=_AUTH(methods=["m"] * 9)),
        "authentication.methods",
    ),
    "method": (
        _login(authentication=_AUTH(methods=["m" * 32])),
        _login(authentication=_AUTH(methods=["m" * 33])),
        "authentication.methods[0]",
    ),
    "acr": (
        _login(authentication=_AUTH(acr="a" * 128)),
        _login(authentication=_AUTH(acr="a" * 129)),
        "authentication.acr",
    ),
    "time": (
        _login(authentication=_AUTH(time=Timestamp(seconds=253_402_300_799))),
        _login(authentication=_AUTH(time=Timestamp(seconds=253_402_300_800))),
        "authentication.time",
    ),
    "audiences": (_login(audience=["a"] * 8), _login(audience=["a"] * 9), "audience"),
    "audience": (_login(audience=["a" * 256]), _login(audience=["a" * 257]), "audience[0]"),
    "audience bytes": (
        _login(audience=["a" * 256] * 2),
        _login(audience=["a" * 256, "a" * 256, "a"]),
        "audience",
    ),
    "shortest lifetime": (
        _login(idle_lifetime=Duration(seconds=1)),
        _login(idle_lifetime=Duration(nanos=999_999_999)),
        "idle_lifetime",
    ),
    "idle lifetime": (
        _login(idle_lifetime=Duration(seconds=7 * DAY_S)),
        _login(idle_lifetime=Duration(seconds=7 * DAY_S, nanos=1_000_000)),
        "idle_lifetime",
    ),
    "absolute lifetime": (
        _login(absolute_lifetime=Duration(seconds=90 * DAY_S)),
        _login(absolute_lifetime=Duration(seconds=90 * DAY_S, nanos=1_000_000)),
        "absolute_lifetime",
    ),
    "states": (
        pb.ListSessionsRequest(user_id="limits", states=states(1, 2, 3)),
        pb.ListSessionsRequest(user_id="limits", states=states(1, 2, 3, 3)),
        "states",
    ),
    "batch": (
        pb.BatchValidateSessionsRequest(
            requests=[pb.ValidateSessionRequest(access_token="x")] * 1000
        ),
        pb.BatchValidateSessionsRequest(
            requests=[pb.ValidateSessionRequest(access_token="x")] * 1001
        ),
        "requests",
    ),
    "validated audience": (
        pb.ValidateSessionRequest(access_token="x", audience="a" * 256),
        pb.ValidateSessionRequest(access_token="x", audience="a" * 257),
        "audience",
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_request_at_its_limit_is_good_and_one_over_is_named(api: Api, name: str) -> None:
    """Limits are bytes of UTF-8, to the byte."""
    good, bad, field = LIMITS[name]
    assert outcome(api.call, good) == "OK"
    assert refused(api.call, bad).fields == (field,)


def test_an_update_keeps_to_the_limits_over_all_that_stays(api: Api, user: str) -> None:
    """What is merged in counts with what is there; nothing is changed by one over."""
    made = api.create(user, attributes={"a": "v" * 400}).session.session_id
    mask = FieldMask(paths=["attributes.b"])
    assert refused(api.update, made, attributes={"b": "v" * 79}, update_mask=mask).fields == (
        "attributes",
    )
    assert dict(api.get(made).attributes) == {"a": "v" * 400}
    assert len(api.update(made, attributes={"b": "v" * 78}, update_mask=mask).attributes) == 2
    paths = [f"attributes.{i}" for i in range(32)]
    assert outcome(api.update, made, update_mask=FieldMask(paths=paths)) == "OK"
    over = FieldMask(paths=[*paths, "attributes.x"])
    assert refused(api.update, made, update_mask=over).fields == ("update_mask",)


def test_a_page_has_200_sessions_at_most(api: Api, user: str) -> None:
    """More are as many as there may be, none is 50, fewer than none is refused."""
    for _ in range(60):
        api.revoke(session_id=api.create(user).session.session_id)
    assert len(api.list(user).sessions) == 50
    assert len(api.list(user, page_size=2**31 - 1).sessions) == 60
    assert refused(api.list, user, page_size=-1).fields == ("page_size",)


def test_a_forged_page_token_cannot_fail_the_calls_of_others(api: Api, user: str) -> None:
    """Text that UTF-8 cannot hold would break the connection that it shares with others."""
    parts = [page_tokens.scope(user, *ALL_STATES), "live", 1, "\ud800"]
    token = urlsafe_b64encode(json.dumps(parts).encode()).decode()
    made = api.create(user).session.session_id
    with ThreadPoolExecutor(8) as pool:
        calls = [
            (
                pool.submit(outcome, api.get, made),
                pool.submit(refused, api.list, user, page_token=token),
            )
            for _ in range(100)
        ]
    assert {good.result() for good, _ in calls} == {"OK"}
    assert {bad.result().fields for _, bad in calls} == {("page_token",)}
