# ruff: noqa: ASYNC240  a small file, and nothing else to do meanwhile
"""Where the service token comes from, and that it goes along with each call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import sessionstore
from tests.client.conftest import Sessions
from tests.client.fake_service import FakeService

Connect = Callable[..., Sessions]


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first\n")
    return path


class Clock:
    """What the token file takes for the time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("sessionstore._renewed.monotonic", clock)
    return clock


def sent(service: FakeService) -> str:
    return service.received["GetSession"][-1].metadata["authorization"]


async def test_a_call_carries_the_token_and_who_is_calling(
    service: FakeService, connect: Connect
) -> None:
    sessions = connect(service.address, token="t1")

    await sessions.get("s1")

    assert sent(service) == "Bearer t1"
    agent = service.received["GetSession"][-1].metadata["user-agent"]
    assert agent.startswith(f"sessionstore-python/{sessionstore.__version__} grpc-python")


async def test_a_function_is_asked_for_each_call(service: FakeService, connect: Connect) -> None:
    tokens = iter(["one", "two"])
    sessions = connect(service.address, token=lambda: next(tokens))

    await sessions.get("s1")
    assert sent(service) == "Bearer one"
    await sessions.get("s1")
    assert sent(service) == "Bearer two"


async def test_a_token_file_that_changes_is_read_again(
    service: FakeService, connect: Connect, token_file: Path, clock: Clock
) -> None:
    sessions = connect(service.address, token_file=token_file)
    token_file.write_text("second-token\n")

    clock.now += 0.9
    await sessions.get("s1")
    assert sent(service) == "Bearer first"
    clock.now += 0.1
    await sessions.get("s1")
    assert sent(service) == "Bearer second-token"


async def test_a_token_file_that_is_replaced_is_read_again(
    service: FakeService, connect: Connect, token_file: Path, clock: Clock
) -> None:
    sessions = connect(service.address, token_file=str(token_file))
    renewed = token_file.with_suffix(".new")
    renewed.write_text("other\n")
    renewed.replace(token_file)

    clock.now += 1
    await sessions.get("s1")

    assert sent(service) == "Bearer other"


@pytest.mark.parametrize("between", ["missing", "empty"])
async def test_while_a_token_file_is_being_renewed_the_last_token_stands(
    service: FakeService, connect: Connect, token_file: Path, clock: Clock, between: str
) -> None:
    sessions = connect(service.address, token_file=token_file)
    token_file.unlink() if between == "missing" else token_file.write_text("")

    clock.now += 1
    await sessions.get("s1")
    assert sent(service) == "Bearer first"

    token_file.write_text("second-token")
    clock.now += 1
    await sessions.get("s1")
    assert sent(service) == "Bearer second-token"


@pytest.mark.parametrize("variable", ["SESSIONSTORE_TOKEN", "SESSIONSTORE_TOKEN_FILE"])
async def test_the_environment_names_what_the_arguments_do_not(
    service: FakeService,
    connect: Connect,
    token_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv("SESSIONSTORE_ADDRESS", service.address)
    monkeypatch.setenv(variable, "first" if variable.endswith("TOKEN") else str(token_file))

    await connect().get("s1")

    assert sent(service) == "Bearer first"


async def test_arguments_come_before_the_environment(
    service: FakeService, connect: Connect, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSIONSTORE_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("SESSIONSTORE_TOKEN", "environment")

    await connect(service.address, token_file=token_file).get("s1")

    assert sent(service) == "Bearer first"


async def test_a_client_needs_a_token(connect: Connect) -> None:
    with pytest.raises(ValueError, match="SESSIONSTORE_TOKEN"):
        connect("127.0.0.1:1")


async def test_a_token_and_a_token_file_exclude_each_other(
    connect: Connect, token_file: Path
) -> None:
    with pytest.raises(TypeError, match="not both"):
        connect("127.0.0.1:1", token="t1", token_file=token_file)


async def test_a_token_file_that_is_missing_is_told_at_once(
    connect: Connect, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        connect("127.0.0.1:1", token_file=tmp_path / "none")


@pytest.mark.parametrize("token", ["", "canary two", "canary\n", "can\u00e1ry"])
async def test_a_token_that_no_header_carries_is_refused_without_being_shown(
    service: FakeService, connect: Connect, tmp_path: Path, token: str
) -> None:
    with pytest.raises(ValueError, match="visible ASCII") as caught:
        connect(service.address, token=token)
    assert "can" not in str(caught.value)

    sessions = connect(service.address, token=lambda: token)
    with pytest.raises(ValueError, match="visible ASCII"):
        await sessions.get("s1")
    assert not service.received
