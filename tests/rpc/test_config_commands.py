"""`sessiond config check` and `sessiond config show`, as an operator runs them before a start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sessiond import settings
from sessiond.settings import flag
from tests.commands import Command
from tests.engines import RealEngine
from tests.rpc.certificates import make_tls


@pytest.fixture
def environment(production: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Production settings, in the environment too."""
    for name, value in production.items():
        monkeypatch.setenv(f"SESSIOND_{name.upper()}", str(value))
    return production


def _faults(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if not line.startswith("ok ")]


def test_check_finds_nothing_wrong_with_what_a_server_would_start_on(
    command: Command, environment: dict[str, Any], tmp_path: Path
) -> None:
    """Each thing it looked at has a line; nothing is made."""
    tls = make_tls(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    audit_log = tmp_path / "audit.log"
    status, printed, errors = command(
        "config", "check", "--tls-cert-file", tls.certificate, "--tls-key-file", tls.key,
        "--audit-log-file", audit_log, "--user-directory-ca-file", tls.certificate,
    )  # fmt: skip
    assert (status, errors, _faults(printed)) == (0, "", [])
    names = ("KEYS_DIR", "CALLERS_FILE", "TLS_CERT_FILE", "AUDIT_LOG_FILE", "STORE_URL")
    assert all(f" SESSIOND_{name}: " in printed for name in (*names, "USER_DIRECTORY_CA_FILE"))
    assert sorted(tmp_path.rglob("*")) == before


def test_check_takes_certificates_of_callers_where_they_are_asked_for(
    command: Command, environment: dict[str, Any], tmp_path: Path
) -> None:
    """And nowhere else, as a start."""
    environment["callers_file"].write_text(
        "[callers.x]\nroles = ['reader']\ncertificates = ['spiffe://example.org/x']\n"
    )
    tls = make_tls(tmp_path, mutual=True)
    flags = [word for name, file in tls.settings.items() for word in (flag(name), file)]
    status, printed, _ = command("config", "check", *flags)
    assert (status, _faults(printed)) == (0, [])
    status, printed, _ = command("config", "check", *flags[:4])
    (fault,) = _faults(printed)
    assert status == 1
    assert "SESSIOND_TLS_CLIENT_CA_FILE" in fault


def test_check_of_development_mode_needs_nothing(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first start makes is no fault."""
    monkeypatch.chdir(tmp_path)
    status, printed, _ = command("config", "check", "--dev")
    assert (status, _faults(printed)) == (0, [])
    assert not list(tmp_path.iterdir())


def test_check_names_every_fault_at_once(
    command: Command, environment: dict[str, Any], tmp_path: Path
) -> None:
    """One line each, by the name of its setting; exit status 1."""
    environment["callers_file"].write_text("[callers.x]\nroles = ['king']\n")
    for key in (environment["keys_dir"] / "mac").iterdir():
        key.chmod(0o644)
    status, printed, _ = command(
        "config", "check", "--user-directory-token-file", tmp_path / "none",
        "--store-url", "redis+sentinel://only",
    )  # fmt: skip
    faults = _faults(printed)
    assert status == 1
    assert len(faults) == 4
    names = ("KEYS_DIR", "CALLERS_FILE", "USER_DIRECTORY_TOKEN_FILE", "STORE_URL")
    for line, name in zip(faults, names, strict=True):
        assert line.startswith(f"FAULT  SESSIOND_{name}: ")


def test_check_refuses_a_certificate_that_is_not_that_of_the_key(
    command: Command, environment: dict[str, Any], tmp_path: Path
) -> None:
    """As the start would."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    certificate, key = make_tls(one).certificate, make_tls(other).key
    flags = ("--tls-cert-file", certificate, "--tls-key-file", key)
    status, printed, _ = command("config", "check", *flags)
    assert status == 1
    assert [line for line in _faults(printed) if "SESSIOND_TLS_CERT_FILE" in line]


def test_check_refuses_wrong_settings_as_a_start_does(
    command: Command, environment: dict[str, Any]
) -> None:
    """In the same sentence."""
    wrong = ("--session-cap", "0")
    assert command("config", "check", *wrong) == command("serve", *wrong)


def test_check_asks_the_store_if_it_is_told_to(
    command: Command, environment: dict[str, Any], valkey: RealEngine
) -> None:
    """What it is, and what of its settings is not as it should be."""
    status, printed, _ = command("config", "check", "--store", "--store-url", valkey.url)
    (line,) = [each for each in printed.splitlines() if "STORE_URL" in each]
    assert status == 0
    assert "valkey 9" in line


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "unix:///nowhere/at/all"])
def test_a_store_out_of_reach_is_a_fault_only_if_it_is_asked(
    command: Command, environment: dict[str, Any], url: str
) -> None:
    """A server would start, and wait for it."""
    assert command("config", "check", "--store-url", url)[0] == 0
    status, printed, _ = command("config", "check", "--store", "--store-url", url)
    assert status == 1
    assert len(_faults(printed)) == 1


def test_what_show_prints_is_a_file_that_says_the_same(
    command: Command, environment: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting by setting."""
    profiles = '{"web": {"idle_lifetime": "1h", "at_cap": "reject"}}'
    status, printed, errors = command(
        "config", "show", "--session-cap", "3", "--profiles", profiles, "--grace-time", "1.5s"
    )
    assert (status, errors) == (0, "")
    shown = tmp_path / "shown.toml"
    shown.write_text(printed)
    for name in [each for each in os.environ if each.startswith("SESSIOND_")]:
        monkeypatch.delenv(name)
    again = settings.load(shown)
    for name, value in environment.items():
        monkeypatch.setenv(f"SESSIOND_{name.upper()}", str(value))
    assert again == settings.load(
        session_cap=3,
        profiles={"web": {"idle_lifetime": "1h", "at_cap": "reject"}},
        grace_time="1.5s",
    )


def test_show_tells_where_each_setting_comes_from(
    command: Command, environment: dict[str, Any], tmp_path: Path
) -> None:
    """Flag, environment, file or default."""
    config = tmp_path / "sessiond.toml"
    config.write_text('issuer = "us"\n')
    _, printed, _ = command("config", "show", "--config", config, "--session-cap", "3")
    origins = {line.split()[0]: line.rpartition("# ")[2] for line in printed.splitlines() if line}
    assert origins["session_cap"] == "--session-cap"
    assert origins["issuer"] == str(config)
    assert origins["keys_dir"] == "environment"
    assert origins["audience"] == "default"
    assert "# tls_key_file is not set" in printed


@pytest.mark.parametrize("command_name", ["show", "check"])
@pytest.mark.parametrize(
    "url",
    [
        "rediss://sessiond:hunter2@store:6379/1",
        "redis://:hunter2@store",
        "redis://a:p/hunter2@b/0",
        "redis://a:p?hunter2@b",
        "unix://a:hunter2@/s?password=hunter2",
    ],
)
def test_neither_shows_the_password_of_the_store(
    command: Command, environment: dict[str, Any], command_name: str, url: str
) -> None:
    """Nor its user."""
    _, printed, errors = command("config", command_name, "--store-url", url)
    assert "hunter2" not in printed + errors
    assert "sessiond:" not in printed
    assert "SESSIOND_STORE_URL" in printed or "store_url" in printed
