"""The server of grpcio: the versions that are known, and what becomes of it if it ends."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.engines import require_engine
from tests.rpc import process
from tests.rpc.abuses import nothing, open_lines
from tests.rpc.process import sessiond

ENDS_S = 30.0
UNMENDED = """
from sessiond.rpc import grpcio
del grpcio._Core._request_call
from sessiond.__main__ import main
main()
"""


def test_the_extra_names_the_versions_that_are_known() -> None:
    """Another one may have another inside."""
    asked = [Requirement(each) for each in metadata.requires("sessionstore") or ()]
    (server,) = (r for r in asked if r.name == "grpcio" and str(r.marker) == 'extra == "server"')
    assert server.specifier == SpecifierSet(">=1.84,<1.86")
    assert metadata.version("grpcio") in server.specifier


def test_a_server_that_takes_no_more_calls_does_not_live_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ended it: whoever watches over the process is to start it again."""
    require_engine("valkey")
    monkeypatch.setattr(process, "command", lambda *a: [sys.executable, "-c", UNMENDED, *a])
    settings = {"listen": "127.0.0.1:0", "log_format": "json", "transport": "grpc"}
    with sessiond(tmp_path, "--dev", **settings) as server:
        server.wait_until_welcome()
        with open_lines(server.address, 1) as (line,):
            line.greet()
            line.say(line.call(1, b"\xff"), nothing(1))
            while line.heed():
                pass
        # An error as a rule; as its calls are left behind, gRPC may also crash first.
        assert server.process.wait(ENDS_S) != 0
