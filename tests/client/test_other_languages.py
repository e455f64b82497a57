"""The quickstarts of those who call without the SDK, against a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.engines import require, require_engine
from tests.examples import EXAMPLES
from tests.rpc.process import Sessiond, sessiond

_PROTOS: Final = EXAMPLES.parent / "proto"
_TIMEOUT_S: Final = 100
ID = r"[\w-]{24}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sessiond]:
    require_engine("valkey")
    directory = tmp_path_factory.mktemp("server")
    settings = {"listen": "127.0.0.1:0", "log_format": "json", "grace_time": "0s"}
    with sessiond(directory, "--dev", **settings) as started:
        started.wait_until_welcome()
        yield started


@pytest.fixture
def environment(server: Sessiond, tmp_path: Path) -> dict[str, str]:
    """Where the quickstarts find the service, and what they are made of."""
    (tmp_path / "token").write_text(f"{server.token}\n")
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SESSIONSTORE_ADDRESS": server.address,
        "SESSIONSTORE_TOKEN_FILE": str(tmp_path / "token"),
        "SESSIONSTORE_PROTOS": str(_PROTOS),
    }


@pytest.fixture(scope="module")
def node_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example for Node with what it needs, from the npm registry."""
    there = shutil.which("node") and shutil.which("npm")
    require(None if there else "node and npm are not installed")
    folder = tmp_path_factory.mktemp("node") / "node"
    shutil.copytree(EXAMPLES / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            install, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        require("the npm registry does not answer")
    else:
        require(f"npm install: {done.stderr}" if done.returncode else None)
    assert not (folder / "package-lock.json").exists()
    return folder


def run(command: list[str], environment: dict[str, str], folder: Path) -> list[str]:
    """The lines that a quickstart prints."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def assert_lines(lines: list[str], *patterns: str) -> None:
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line


def test_node_lives_through_a_session(node_example: Path, environment: dict[str, str]) -> None:
    """By @grpc/grpc-js and the protos as they are, down to the reason of a refusal."""
    assert_lines(
        run(["node", "quickstart.js"], environment, node_example),
        rf"logged in:   session {ID} until \d{{4}}-.*Z",
        rf"refreshed:   session {ID}, OUTCOME_ROTATED",
        "validated:   VERDICT_ACTIVE",
        rf"ten more:    the oldest made room: {ID}",
        "log out all: 9 others ended",
        "refused:     FAILED_PRECONDITION SESSION_ENDED: EVICTED_BY_CAP",
        "left:        STATE_ENDED,STATE_ENDED,STATE_ENDED",
    )


def test_buf_curl_lives_through_a_session(environment: dict[str, str], tmp_path: Path) -> None:
    """From a shell, by the protos as they are."""
    assert_lines(
        run([str(EXAMPLES / "quickstart.sh")], environment, tmp_path),
        rf"logged in:   session {ID} until \d{{4}}-.*Z",
        rf"refreshed:   session {ID}, OUTCOME_ROTATED",
        "validated:   VERDICT_ACTIVE",
        "logged out:  VERDICT_ENDED",
        "refused:     exit status 72",
    )


def test_buf_curl_needs_no_protos_where_there_is_reflection(
    server: Sessiond, environment: dict[str, str], tmp_path: Path
) -> None:
    """As development mode serves it."""
    method = "sessionstore.v1.SessionService/ValidateSession"
    command = [
        *("buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
        *("--header", f"authorization: Bearer {server.token}"),
        *("--data", f'{{"sessionId": "{"A" * 24}"}}', f"http://{server.address}/{method}"),
    ]
    assert '  "verdict": "VERDICT_NOT_FOUND"' in run(command, environment, tmp_path)
