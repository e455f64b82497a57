"""What `make check` finds in the protos and their stubs, it finds for real."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTO_PYTHON = ROOT / ".venv-proto" / "bin" / "python"
SERVICE = "proto/sessionstore/v1/session_service.proto"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A copy of the contract."""
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def check_contract(module: Path) -> subprocess.CompletedProcess[str]:
    """Run the check of `make check` on a copy of the contract."""
    command = [sys.executable, str(ROOT / "tools" / "check_contract.py"), str(module)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_contract_as_it_is_passes(module: Path) -> None:
    """The committed protos are clean and break nobody."""
    result = check_contract(module)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_field_that_changes_its_number_is_breaking(module: Path) -> None:
    """A caller with yesterday's stubs would read nonsense."""
    edit(module / SERVICE, "string refresh_token = 1;", "string refresh_token = 9;")
    result = check_contract(module)
    assert result.returncode != 0
    assert "breaking" in result.stderr


def test_an_rpc_that_disappears_is_breaking(module: Path) -> None:
    """A caller with yesterday's stubs would get UNIMPLEMENTED."""
    edit(
        module / SERVICE,
        "  rpc ExtendSession(ExtendSessionRequest) returns (ExtendSessionResponse);\n",
        "",
    )
    result = check_contract(module)
    assert result.returncode != 0
    assert "breaking" in result.stderr


def test_a_field_without_a_comment_fails_the_lint(module: Path) -> None:
    """Every field says what it holds."""
    edit(module / SERVICE, "  // The session, in any state.\n", "")
    result = check_contract(module)
    assert result.returncode != 0
    assert "lint" in result.stderr


def test_stubs_that_drifted_from_the_protos_are_found(tmp_path: Path) -> None:
    """A proto edited without `make proto` does not pass."""
    if not PROTO_PYTHON.exists():
        pytest.skip("make test makes the environment of the generator")
    for name in ("proto", "tools", "client"):
        shutil.copytree(ROOT / name, tmp_path / name)
    command = [str(PROTO_PYTHON), str(tmp_path / "tools" / "generate_stubs.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0
    edit(tmp_path / SERVICE, "string audience = 4;", "string meant_for = 4;")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "session_service_pb2.py" in result.stderr
