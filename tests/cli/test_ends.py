"""How commands end: exit codes, sentences on stderr, help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
import typer
from google.rpc.error_details_pb2 import BadRequest

from sessionstore.cli.app import app
from sessionstore.cli.exits import MEANINGS
from tests.cli.sessionctl import Sessionctl, fits
from tests.client.fake_service import FakeService, failing

StatusCode = grpc.StatusCode


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (StatusCode.FAILED_PRECONDITION, "SESSION_LIMIT_REACHED", 1),
        (StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL", 1),
        (StatusCode.INTERNAL, "INTERNAL", 1),
        (StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", 2),
        (StatusCode.UNIMPLEMENTED, "", 1),
        (StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", 3),
        (StatusCode.FAILED_PRECONDITION, "SESSION_ENDED", 3),
        (StatusCode.NOT_FOUND, "JOB_NOT_FOUND", 3),
        (StatusCode.UNAUTHENTICATED, "CREDENTIALS_EXPIRED", 4),
        (StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED", 4),
        (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", 5),
        (StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", 5),
        (StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", 5),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(
    service: FakeService, scripted: Sessionctl, status: StatusCode, reason: str, code: int
) -> None:
    """The sentence of the server and the reason are told on stderr, and nothing on stdout."""
    service.answer("GetSession", failing(status, reason, message="it is so"))

    ended = scripted("show", "s1", code=code)

    assert ended.out == ""
    assert ended.err == f"sessionctl: it is so ({reason or status.name})\n"


def test_bad_fields_are_named(service: FakeService, scripted: Sessionctl) -> None:
    """Each with what is wrong with it."""
    violations = [BadRequest.FieldViolation(field="session_id", description="must have 24 bytes")]
    script = failing(
        StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        details=[BadRequest(field_violations=violations)],
    )
    service.answer("GetSession", script)

    ended = scripted("show", "s1", code=2)

    assert ended.err == "sessionctl: session_id: must have 24 bytes (INVALID_FIELD)\n"


def test_no_server_at_all_is_unavailable() -> None:
    """Within the timeout, in one sentence."""
    ctl = Sessionctl(SESSIONSTORE_ADDRESS="127.0.0.1:1", SESSIONSTORE_TOKEN="canary")

    ended = ctl("stats", "--timeout", "0.5", code=5)

    assert len(ended.err.splitlines()) == 1
    assert "canary" not in ended.err


def test_wrong_usage_is_2(scripted: Sessionctl) -> None:
    """An unknown command, option or value says what is wrong, on stderr."""
    for arguments in (["lost"], ["stats", "--lost"], ["list", "a", "--state", "LOST"], ["show"]):
        ended = scripted(*arguments, code=2)
        assert ended.out == ""
        assert "sessionctl" in ended.err


def test_an_empty_token_is_not_sent(service: FakeService, scripted: Sessionctl) -> None:
    """Neither from stdin nor from a file, and a missing file is named."""
    for arguments in (["refresh", "-"], ["validate", "--token", "-"], ["revoke", "--token", "-"]):
        assert "empty" in scripted(*arguments, code=2).err
    assert "missing" in scripted("refresh", "missing", code=2).err
    assert "name the session" in scripted("validate", code=2).err
    assert "name the session" in scripted("explain", "s1", "--token", "-", code=2).err
    assert not service.received


def test_an_attribute_without_a_value_is_not_sent(
    service: FakeService, scripted: Sessionctl
) -> None:
    """It says how attributes are written."""
    assert "KEY=VALUE" in scripted("create", "alice", "--attribute", "theme", code=2).err
    assert not service.received


def commands() -> list[tuple[str, ...]]:
    """Every command by its words."""

    def walk(group: Any, words: tuple[str, ...]) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        for name, each in group.commands.items():
            path = (*words, name)
            found += walk(each, path) if hasattr(each, "commands") else [path]
        return found

    return walk(typer.main.get_command(app), ())


def test_every_command_of_the_contract_is_there() -> None:
    """All that operators do, and all of SessionService that they need."""
    names = {" ".join(words) for words in commands()}
    assert names == {
        *("stats", "recent", "users", "list", "show", "explain", "watch"),
        *("create", "refresh", "validate", "revoke", "revoke-user", "delete-user"),
        *("import", "export", "adopt", "purge", "audit", "demo"),
        *("jobs list", "jobs run", "keys show", "keys rotate"),
        *("context save", "context use", "context list", "context show", "context delete"),
    }


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_is_readable_by_a_stranger(words: tuple[str, ...]) -> None:
    """It fits the terminal, says what the command does, and what every option means."""
    ended = Sessionctl()(*words, "--help")

    assert fits(ended.out)
    summary = ended.out.strip().splitlines()[2].strip()
    assert summary[0].isupper()
    undocumented = [
        option.name
        for option in command_of(words).params
        if not getattr(option, "help", "") and option.name != "help"
    ]
    assert undocumented == []


def command_of(words: tuple[str, ...]) -> Any:
    command: Any = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    return command


def test_help_lists_the_exit_codes() -> None:
    """One table, in one place."""
    words = " ".join(Sessionctl()("--help").out.split())
    for code, meaning in MEANINGS.items():
        assert f"{code.value} {meaning}" in words


def test_the_version_is_told() -> None:
    """With the name of the program."""
    assert Sessionctl()("--version").out.startswith("sessionctl 0.")


def test_a_shell_can_complete_commands_and_contexts(tmp_path: Path) -> None:
    """A real process, asked as bash asks it."""
    environment = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "_SESSIONCTL_COMPLETE": "complete_bash",
        "COMP_CWORD": "1",
    }
    program = str(Path(sys.executable).parent / "sessionctl")
    Sessionctl()("context", "save", "staging", "--address", "a:1", "--token-file", "t")

    def complete(words: str, number: int) -> list[str]:
        asked = {**environment, "COMP_WORDS": words, "COMP_CWORD": str(number)}
        asked["XDG_CONFIG_HOME"] = str(tmp_path / "config")
        done = subprocess.run(
            [program], env=asked, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout.split()

    assert complete("sessionctl re", 1) == ["recent", "refresh", "revoke", "revoke-user"]
    assert complete("sessionctl context use st", 3) == ["staging"]
    assert complete("sessionctl stats --context st", 3) == ["staging"]


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """A base install has no typer; nor is there a traceback."""
    code = "import sys; sys.modules['typer'] = None\nfrom sessionstore.cli import main\nmain()\n"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.returncode == 1
    assert ended.stderr == (
        "sessionctl: typer and rich are missing: pip install 'sessionstore[cli]'\n"
    )
