"""`sessiond token` and `sessiond keys`, as their help says."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest

from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keymaker import create_keys
from tests.commands import Command
from tests.rpc.calls import Api
from tests.rpc.serving import Server

DAY_S = 86_400


@pytest.fixture
def keys(production: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key directory of a production server, whose settings are in the environment."""
    for name, value in production.items():
        monkeypatch.setenv(f"SESSIOND_{name.upper()}", str(value))
    return Path(production["keys_dir"])


def _claims(token: str) -> dict[str, int | str]:
    claims: dict[str, int | str] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_token_prints_a_token_that_the_server_takes(
    command: Command, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the token, for a caller of the file, by the server's own settings."""
    settings = server.settings
    monkeypatch.setenv("SESSIOND_KEYS_DIR", str(settings.keys_dir))
    monkeypatch.setenv("SESSIOND_CALLERS_FILE", str(settings.callers_file))
    monkeypatch.setenv("SESSIOND_STORE_URL", str(settings.store_url))
    status, printed, errors = command("token", "reader")
    assert (status, errors) == (0, "")
    assert re.fullmatch(r"ey[\w-]+\.[\w-]+\.[\w-]+\n", printed)
    assert Api(server.channel(), printed.strip()).signing_keys().keys


def test_with_the_keys_at_hand_a_token_needs_no_other_setting(
    command: Command, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server itself would listen is of no account."""
    for name in ("SESSIOND_STORE_URL", "SESSIOND_KEYS_DIR", "SESSIOND_CALLERS_FILE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("SESSIOND_LISTEN", "0.0.0.0:7700")
    status, printed, errors = command("token", "reader", "--keys-dir", str(keys))
    assert (status, errors) == (0, "")
    assert _claims(printed.strip())["sub"] == "reader"


def test_a_token_lives_as_long_as_asked_or_the_longest(command: Command, keys: Path) -> None:
    """90 days unless said otherwise."""
    for arguments, seconds in (
        ((), 90 * DAY_S),
        (("--lifetime", "30d"), 30 * DAY_S),
        (("--lifetime", "90s"), 90),
    ):
        status, printed, _ = command("token", "reader", *arguments)
        claims = _claims(printed.strip())
        assert status == 0
        assert int(claims["exp"]) - int(claims["iat"]) == seconds


@pytest.mark.parametrize(
    "arguments",
    [
        ("Reader",), ("a b",), ("",), ("reader", "--lifetime", "91d"),
        ("reader", "--lifetime", "soon"), ("reader", "--lifetime", "0"),
        ("reader", "--lifetime", "99999999999999d"),
    ],
)  # fmt: skip
def test_a_token_that_cannot_be_is_refused_in_a_sentence(
    command: Command, keys: Path, arguments: tuple[str, ...]
) -> None:
    """A name that is none, a lifetime that is none."""
    status, printed, _ = command("token", *arguments)
    assert isinstance(status, str)
    assert status.startswith("sessiond: ")
    assert printed == ""


def test_a_token_of_development_mode_needs_no_settings(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But keys, which its first start makes."""
    monkeypatch.chdir(tmp_path)
    status, _, _ = command("token", "--dev", "dev")
    assert "sessiond keys init --dir" in str(status)
    create_keys(tmp_path / ".sessiond" / "keys")
    status, printed, _ = command("token", "--dev", "dev")
    assert status == 0
    assert _claims(printed.strip())["sub"] == "dev"


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
def test_keys_init_makes_a_key_of_every_kind_once(
    command: Command, tmp_path: Path, algorithm: str
) -> None:
    """It prints the files, which only their owner can read; a second run makes none."""
    directory = tmp_path / "new" / "keys"
    status, printed, _ = command("keys", "init", "--dir", directory, "--algorithm", algorithm)
    made = [Path(line) for line in printed.splitlines()]
    assert status == 0
    assert {path.parent for path in made} == {directory / kind for kind in Kind}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    status, printed, errors = command("keys", "init", "--dir", directory)
    assert (status, printed) == (0, "")
    assert errors == f"{directory} has a key of every kind\n"


def test_the_import_key_is_made_and_never_rotates(command: Command, keys: Path) -> None:
    """By another one nothing that was imported could be found again; the refusal says so."""
    before = set((keys / "import").iterdir())
    status, printed, _ = command("keys", "rotate", "import", "--dir", keys)
    assert (printed, set((keys / "import").iterdir())) == ("", before)
    assert str(status).startswith("sessiond: the import key never rotates")


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.IMPORT])
def test_keys_rotate_adds_one_key(command: Command, keys: Path, kind: Kind) -> None:
    """And prints its file; what was there stays."""
    before = set((keys / kind).iterdir())
    status, printed, _ = command("keys", "rotate", kind.value, "--dir", keys)
    after = set((keys / kind).iterdir())
    assert status == 0
    assert before < after
    assert after - before == {Path(printed.strip())}


@pytest.mark.parametrize(
    "arguments",
    [("keys", "rotate", "all", "--dir", "x"), ("keys", "init"), ("keys",), (), ("serve", "-x")],
)
def test_a_command_that_is_none_shows_its_usage(
    command: Command, arguments: tuple[str, ...]
) -> None:
    """Exit status 2, as usual."""
    status, printed, errors = command(*arguments)
    assert (status, printed) == (2, "")
    assert errors.startswith("usage: sessiond")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--help",), ("serve", "token", "keys", "docs/configuration.md")),
        (("serve", "--help"), ("--dev", "--listen", "--store-url")),
        (("token", "--help"), ("--lifetime", "callers file")),
        (("keys", "--help"), ("init", "rotate")),
        (("keys", "rotate", "--help"), ("signing", "service", "mac", "pseudonym", "--dir")),
        (("--version",), ("sessiond ",)),
    ],
)
def test_the_help_names_what_there_is(
    command: Command, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """Commands, options and where settings are documented."""
    status, printed, _ = command(*arguments)
    assert status == 0
    assert all(word in printed for word in words)
