"""The server of grpcio: the versions that are known, and what becomes of it if it ends."""

from __future__ import annotations

from importlib import metadata

import pytest
from grpc._cython import cygrpc
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from sessiond.domain.errors import StartupError
from sessiond.rpc import grpcio
from tests.rpc.abuses import nothing, open_lines
from tests.rpc.conftest import ServeWith


def test_the_extra_names_the_versions_that_are_known() -> None:
    """Another one may have another inside."""
    asked = [Requirement(each) for each in metadata.requires("sessionstore") or ()]
    (server,) = (r for r in asked if r.name == "grpcio" and str(r.marker) == 'extra == "server"')
    assert server.specifier == SpecifierSet(">=1.84,<1.86")
    assert metadata.version("grpcio") in server.specifier


def test_a_server_that_takes_no_more_calls_does_not_live_on(
    serve_with: ServeWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ended it: whoever watches over the process is to start it again."""
    monkeypatch.setattr(grpcio._Core, "_request_call", cygrpc.AioServer._request_call)
    server = serve_with(transport="plaintext")
    with open_lines(server.app.address, 1) as (line,):
        line.greet()
        line.say(line.call(1, b"\xff"), nothing(1))
    with pytest.raises(StartupError, match="takes no more calls"):
        server.loop.run(server.app.failed())
