"""Which callers may do what."""

from __future__ import annotations

import re
import time
from pathlib import Path

import grpc
import pytest

from sessiond.domain.callers import Role
from sessiond.domain.errors import Reason
from sessiond.rpc.methods import ROLES
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import ADMIN_RPCS, RPCS, Api, outcome, path, refused, request_type
from tests.rpc.conftest import ServeWith
from tests.rpc.logs import captured
from tests.rpc.serving import Server, eventually

PROTOS = Path(__file__).parents[2] / "proto" / "sessionstore" / "v1"
_WITHOUT_FIELDS = {
    "GetSigningKeys", "GetStats", "ListRecentSessions", "ListUsers", "AuditIndex", "ListJobs",
    "ExportSessions", "RotateSigningKey", "WatchSessions",
}  # fmt: skip
"""A request with nothing in it is a good one."""
_RPC = re.compile(r"((?:^  //.*\n)+)^  rpc (\w+)\(", re.MULTILINE)


def _documented_roles() -> dict[str, Role]:
    roles = {}
    for proto in ("session_service.proto", "admin_service.proto"):
        for comment, rpc in _RPC.findall((PROTOS / proto).read_text()):
            (role,) = re.findall(r"Role: (\w+)\.", comment)
            roles[path(rpc)] = Role[role.upper()]
    return roles


def test_every_rpc_documents_the_role_that_it_needs() -> None:
    """The proto's comments and the server's table are the same."""
    assert _documented_roles() == ROLES
    assert len(ROLES) == len(RPCS) + len(ADMIN_RPCS)


@pytest.mark.parametrize("rpc", ADMIN_RPCS)
def test_operators_alone_may_call_their_service(rpc: str) -> None:
    """Every RPC of it."""
    assert ROLES[path(rpc)] is Role.ADMIN


@pytest.mark.parametrize("rpc", [*RPCS, *ADMIN_RPCS])
@pytest.mark.parametrize("caller", ["reader", "writer", "admin"])
def test_a_caller_may_call_what_its_role_covers(wire: Server, caller: str, rpc: str) -> None:
    """Known by token or certificate; a request is refused for the role before it is read."""
    needed = _documented_roles()[path(rpc)]
    api = wire.api(caller)
    if Role[caller.upper()] < needed:
        error = refused(api.call, request_type(rpc)())
        assert error.code == grpc.StatusCode.PERMISSION_DENIED
        assert error.reason == Reason.ROLE_REQUIRED
        assert error.metadata == {"role": needed.name.lower(), "caller": caller}
    elif rpc in _WITHOUT_FIELDS:
        assert outcome(api.call, request_type(rpc)()) == "OK"
    else:
        assert refused(api.call, request_type(rpc)()).code == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("rpc", [*RPCS, *ADMIN_RPCS])
def test_no_rpc_answers_to_nobody_known(wire: Server, rpc: str) -> None:
    """Without credentials or with bad ones; nor does it tell whether the request is well-formed."""
    channel = wire.channel()
    long_ago = wire.mint("admin", lifetime_s=10, now=time.time() - 60)
    for token, reason in (
        (None, Reason.CREDENTIALS_MISSING),
        ("forged", Reason.CREDENTIALS_INVALID),
        (wire.mint("stranger"), Reason.CREDENTIALS_INVALID),
        (long_ago, Reason.CREDENTIALS_EXPIRED),
    ):
        for data in (b"", b"\x0a\x02\xff\xff", b"\xff\xff\xff"):
            error = refused(Api(channel, token).raw, rpc, data)
            assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Basic YTpi", "token", "bearer:abc", "Digest x"],
)
def test_metadata_that_is_no_bearer_token_counts_as_none(server: Server, value: str) -> None:
    """CREDENTIALS_MISSING for any other scheme."""
    nobody = Api(server.channel(), None)
    error = refused(nobody.raw, "GetSigningKeys", b"", metadata=(("authorization", value),))
    assert error.code == grpc.StatusCode.UNAUTHENTICATED
    assert error.reason == Reason.CREDENTIALS_MISSING


def test_the_scheme_is_read_in_any_case(server: Server) -> None:
    """RFC 9110, 11.1."""
    nobody = Api(server.channel(), None)
    for scheme in ("bearer", "BEARER", "Bearer"):
        value = f"{scheme} {server.mint('reader')}"
        assert nobody.raw("GetSigningKeys", b"", metadata=(("authorization", value),))


def test_a_caller_that_the_file_does_not_list_is_refused(server: Server) -> None:
    """However good its token."""
    stranger = Api(server.channel(), server.mint("stranger"))
    error = refused(stranger.signing_keys)
    assert (error.code, error.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        Reason.CREDENTIALS_INVALID,
    )


def test_an_expired_service_token_says_so(server: Server) -> None:
    """Past its expiry and the 30 seconds of leeway."""
    old = server.mint("admin", lifetime_s=10, now=time.time() - 60)
    error = refused(Api(server.channel(), old).signing_keys)
    assert (error.code, error.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        Reason.CREDENTIALS_EXPIRED,
    )


def test_a_users_tokens_are_no_credentials_of_a_caller(server: Server, api: Api) -> None:
    """Neither access nor refresh token (typ and keys differ), nor a session id."""
    made = api.create("alice")
    for token in (
        made.tokens.access_token,
        made.tokens.refresh_token,
        made.session.session_id,
    ):
        error = refused(Api(server.channel(), token).signing_keys)
        assert error.reason == Reason.CREDENTIALS_INVALID


def test_a_callers_token_is_no_users_token(server: Server, api: Api) -> None:
    """Not valid as an access token, and refused as a refresh token."""
    token = server.mint("admin")
    assert api.validate(access_token=token).verdict == pb.VERDICT_TOKEN_INVALID
    assert api.validate(refresh_token=token).verdict == pb.VERDICT_TOKEN_INVALID
    assert refused(api.refresh, token).reason == Reason.REFRESH_TOKEN_INVALID


def test_the_callers_file_takes_effect_without_a_restart(serve_with: ServeWith) -> None:
    """A new caller, a lost role, tokens cut off by age; a broken file changes nothing."""
    server = serve_with(key_reload_interval="20ms")
    file = server.settings.effective_callers_file
    admin, writer, fresh = (
        Api(server.channel(), server.mint(caller)) for caller in ("admin", "writer", "fresh")
    )
    writer.create("alice")
    assert refused(fresh.signing_keys).reason == Reason.CREDENTIALS_INVALID

    with captured() as log:
        file.write_text("this is = = not toml")
        eventually(lambda: "reload_refused" in log.getvalue())
    assert admin.signing_keys().keys

    cut = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    file.write_text(
        f"""
        [callers.fresh]
        roles = ["reader"]
        [callers.admin]
        roles = ["admin"]
        not_before = {cut}
        """
    )
    eventually(lambda: outcome(writer.create, "alice") == Reason.CREDENTIALS_INVALID)
    assert refused(admin.signing_keys).reason == Reason.CREDENTIALS_INVALID
    assert fresh.signing_keys().keys
    assert refused(fresh.create, "alice").reason == Reason.ROLE_REQUIRED
