"""What may be long: client details are cut, and the longest access token still verifies."""

from __future__ import annotations

from typing import Final

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import Api
from tests.rpc.conftest import ServeWith

CUT: Final = {"user_agent": 512, "ip_address": 64, "device_name": 128, "fingerprint": 128}


@pytest.mark.parametrize(("field", "most"), CUT.items())
def test_a_long_client_detail_is_cut_between_characters_and_named(
    api: Api, user: str, field: str, most: int
) -> None:
    """A long user agent never fails a login; what is kept is good UTF-8."""
    whole = api.create(user, client=session_pb2.Client(**{field: "x" * most})).session.client
    assert (getattr(whole, field), list(whole.cut_fields)) == ("x" * most, [])
    long = "x" + "é" * most
    kept = "x" + "é" * ((most - 1) // 2)
    made = api.create(user, client=session_pb2.Client(**{field: long})).session
    assert (getattr(made.client, field), list(made.client.cut_fields)) == (kept, [field])
    short = session_pb2.Client(**{field: "short"})
    shortened = api.extend(made.session_id, client=short).session.client
    assert (getattr(shortened, field), list(shortened.cut_fields)) == ("short", [])
    again = api.extend(made.session_id, client=session_pb2.Client(**{field: long})).session.client
    assert (getattr(again, field), list(again.cut_fields)) == (kept, [field])


@pytest.fixture
def longest(serve_with: ServeWith) -> Api:
    """The longest caller's name and the longest issuer that there may be."""
    return serve_with(issuer="i" * 128).api("n" * 64)


@pytest.mark.parametrize("character", ["\x01", "é", '"', "\U0001f600"])
def test_the_longest_access_token_still_verifies(longest: Api, character: str) -> None:
    """Escaped characters in the user id, all else as long as it may be: 4,096 bytes."""
    made = longest.create(
        character * (256 // len(character.encode())),
        audience=["a" * 64] * 8,
        authentication=session_pb2.Authentication(
            methods=["m" * 32] * 8, acr="a" * 128, time=Timestamp(seconds=253_402_300_799)
        ),
    )
    token = made.tokens.access_token
    print(f"{len(token)} bytes", end=" ")  # noqa: T201  shown with -s
    assert len(token) <= 4096
    assert longest.validate(access_token=token).verdict == pb.VERDICT_ACTIVE
