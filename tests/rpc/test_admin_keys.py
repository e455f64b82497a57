"""RotateSigningKey over the wire."""

from __future__ import annotations

import jwt

from tests.rpc.admin_calls import AdminApi
from tests.rpc.calls import Api
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import Server, eventually


def _kids(api: Api) -> list[str]:
    return [key.kid for key in api.signing_keys().keys]


def _signer(api: Api) -> str:
    token = api.create("alice").tokens.access_token
    return str(jwt.get_unverified_header(token)["kid"])


def test_a_rotated_key_is_published_at_once_and_signs_later(
    managed: Server, admin: AdminApi
) -> None:
    """While it waits to, it is given again and none is made."""
    api = managed.api()
    before = _signer(api)
    made = admin.rotate()
    assert made.created
    assert _kids(api) == [before, made.kid]
    waits_s = made.sign_time.seconds - made.publish_time.seconds
    assert waits_s == managed.settings.key_publish_time.total_seconds()
    again = admin.rotate()
    assert (again.kid, again.created) == (made.kid, False)
    assert again.sign_time == made.sign_time
    assert _signer(api) == before


def test_a_rotated_key_signs_in_its_time(serve_with: ServeWith) -> None:
    """And then the next rotation makes another one."""
    server = serve_with(key_publish_time="1s")
    api, admin = server.api(), server.admin()
    made = admin.rotate()
    eventually(lambda: _signer(api) == made.kid)
    assert admin.rotate().kid != made.kid
