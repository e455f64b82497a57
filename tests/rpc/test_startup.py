"""What sessiond refuses to start with: one sentence, exit status 1, nothing left running."""

from __future__ import annotations

import socket
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sessiond import __main__
from sessiond.app import App
from sessiond.domain.errors import StartupError
from sessiond.settings import Settings as AppSettings
from tests.rpc.certificates import make_tls
from tests.rpc.logs import captured
from tests.rpc.process import engines_on, refused_start
from tests.rpc.serving import ServerLoop, callers_file

Settings = dict[str, Any]


def _sentence(monkeypatch: pytest.MonkeyPatch, *arguments: str, **settings: Any) -> str:
    """What `sessiond serve` ends with, in this process: a str is exit status 1."""
    for name, value in settings.items():
        monkeypatch.setenv(f"SESSIOND_{name.upper()}", str(value))
    monkeypatch.setattr(sys, "argv", ["sessiond", "serve", *arguments])
    with captured(), pytest.raises(SystemExit) as ended:
        __main__.main()
    assert isinstance(ended.value.code, str)
    assert ended.value.code.startswith("sessiond: ")
    assert "\n" not in ended.value.code
    return ended.value.code


def _refused(loop: ServerLoop, directory: Path, settings: Settings) -> str:
    """What a start in this process is refused with; nothing of it goes on."""
    with pytest.raises(StartupError) as caught:
        loop.run(App(AppSettings(**settings)).__aenter__())
    assert not engines_on(directory)
    return str(caught.value)


@pytest.mark.parametrize("address", ["0.0.0.0:7700", "192.0.2.1:7700"])
def test_development_mode_serves_loopback_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """It prints a token and makes its own keys: not for others to reach."""
    monkeypatch.chdir(tmp_path)
    assert "loopback" in _sentence(monkeypatch, "--dev", "--listen", address)
    assert not list(tmp_path.iterdir())


def test_a_refused_start_is_one_line_and_exit_status_1(tmp_path: Path) -> None:
    """Of the process, with nothing on standard output."""
    assert "loopback" in refused_start(tmp_path, "--dev", "--listen", "0.0.0.0:7700")
    assert not (tmp_path / ".sessiond").exists()


@pytest.mark.parametrize("missing", ["keys_dir", "callers_file", "store_url"])
def test_production_needs_keys_callers_and_a_store(
    monkeypatch: pytest.MonkeyPatch, production: Settings, missing: str
) -> None:
    """The sentence names what is missing."""
    del production[missing]
    assert f"SESSIOND_{missing.upper()}: required" in _sentence(monkeypatch, **production)


def test_an_unknown_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, production: Settings
) -> None:
    """A slip of the pen must not leave a default in force."""
    assert "SESSIOND_SESION_CAP" in _sentence(monkeypatch, **production, sesion_cap=3)


@pytest.mark.parametrize("setting", ["stats_schedule", "orphans_schedule"])
def test_a_schedule_is_a_cron_expression(
    monkeypatch: pytest.MonkeyPatch, production: Settings, setting: str
) -> None:
    """The sentence names the setting, its value and what is wrong about it."""
    sentence = _sentence(monkeypatch, **production, **{setting: "61 * * * *"})
    assert f"SESSIOND_{setting.upper()}: '61 * * * *' is not a cron expression" in sentence


def test_a_user_directory_is_verified_or_called_in_plaintext(
    monkeypatch: pytest.MonkeyPatch, production: Settings
) -> None:
    """Not both."""
    both = {"user_directory_ca_file": "ca.pem", "user_directory_plaintext": True}
    assert "exclude each other" in _sentence(monkeypatch, **production, **both)


def test_metrics_need_an_address_of_their_own(
    loop: ServerLoop, tmp_path: Path, production: Settings
) -> None:
    """One that is taken is refused, before calls are served."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        sentence = _refused(loop, tmp_path, {**production, "ops_listen": listen})
    assert f"cannot listen on {listen}: " in sentence


def test_plaintext_is_for_loopback_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, production: Settings
) -> None:
    """Without a certificate, only plaintext=true opens other addresses."""
    production["listen"] = "0.0.0.0:0"
    assert "SESSIOND_PLAINTEXT=true" in _sentence(monkeypatch, **production)


def test_an_empty_key_directory_says_how_to_fill_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, production: Settings
) -> None:
    """With the command to run."""
    production["keys_dir"] = tmp_path / "none"
    said = _sentence(monkeypatch, **production)
    assert f"sessiond keys init --dir {tmp_path / 'none'}" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [("ab" * 31, "too short"), ("00" * 32, "not random"), ("no hex", "not hex")],
)
def test_a_weak_mac_key_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, production: Settings, text: str, words: str
) -> None:
    """The sentence names the file and what to run, and does not repeat the key."""
    (key,) = (tmp_path / "keys" / "mac").iterdir()
    key.write_text(text)
    said = _sentence(monkeypatch, **production)
    assert str(key) in said
    assert words in said
    assert "sessiond keys rotate" in said
    assert text not in said.replace("not hex", "")


def test_keys_open_to_others_stop_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, production: Settings
) -> None:
    """With the chmod to run."""
    (key,) = (tmp_path / "keys" / "signing").iterdir()
    key.chmod(0o644)
    assert f"chmod 600 {key}" in _sentence(monkeypatch, **production)


def test_a_callers_file_without_callers_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, production: Settings
) -> None:
    """Nobody could call."""
    (tmp_path / "callers.toml").write_text("")
    assert "lists no caller" in _sentence(monkeypatch, **production)


def test_a_taken_port_is_refused_and_the_engine_ends(tmp_path: Path, production: Settings) -> None:
    """Two servers do not share a port unknowingly."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        production["listen"] = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused_start(tmp_path, **production)
    assert production["listen"] in said


def test_a_certificate_needs_its_own_key(
    tmp_path: Path, loop: ServerLoop, production: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    """Unreadable, of another certificate, or no key at all; gRPC adds no lines of its own."""
    (tmp_path / "other").mkdir()
    tls, other = make_tls(tmp_path), make_tls(tmp_path / "other")
    nonsense = tmp_path / "nonsense.key"
    nonsense.write_text("nonsense")
    for key in (tmp_path / "none", other.key, nonsense, tls.certificate):
        files = {"tls_cert_file": tls.certificate, "tls_key_file": key}
        assert str(key) in _refused(loop, tmp_path, production | files)
    assert capfd.readouterr().err == ""


def test_an_expired_certificate_stops_the_start(
    tmp_path: Path, loop: ServerLoop, production: Settings
) -> None:
    """No client would take it."""
    tls = make_tls(tmp_path)
    old = tls.issuer.issue("localhost", lives=timedelta(seconds=-1))
    tls.key.write_bytes(old.key)
    tls.certificate.write_bytes(old.certificate)
    assert "expired on" in _refused(loop, tmp_path, production | tls.settings)


def test_authorities_of_clients_must_be_certificates(
    tmp_path: Path, loop: ServerLoop, production: Settings
) -> None:
    """A file that is missing, empty or holds a key lets nobody in: it stops the start."""
    tls = make_tls(tmp_path)
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    for path in (tmp_path / "none", empty, tls.key):
        files = {**tls.settings, "tls_client_ca_file": path}
        assert str(path) in _refused(loop, tmp_path, production | files)


def test_clients_show_certificates_over_tls_only(
    monkeypatch: pytest.MonkeyPatch, production: Settings
) -> None:
    """Their authorities without a certificate of the server's own are a slip."""
    sentence = _sentence(monkeypatch, **production, tls_client_ca_file="ca.pem")
    assert "SESSIOND_TLS_CLIENT_CA_FILE" in sentence


def test_callers_are_known_by_certificates_only_where_these_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, production: Settings
) -> None:
    """Names that nobody can prove are a slip too."""
    (tmp_path / "callers.toml").write_text(callers_file(certificates=True))
    assert "SESSIOND_TLS_CLIENT_CA_FILE" in _sentence(monkeypatch, **production)


@pytest.mark.parametrize("url", ["http://127.0.0.1", "embedded://", "x", "redis+x://a"])
def test_a_store_url_of_no_kind_is_refused(
    tmp_path: Path, loop: ServerLoop, production: Settings, url: str
) -> None:
    """With the schemes that there are."""
    assert "embedded://" in _refused(loop, tmp_path, production | {"store_url": url})


def test_a_stores_password_is_in_no_refusal(
    tmp_path: Path, loop: ServerLoop, production: Settings
) -> None:
    """However wrong its URL is."""
    for url in ("redsi://user:hunter2@store:6379/0", "redis://user:hunter2@store:port/0"):
        assert "hunter2" not in _refused(loop, tmp_path, production | {"store_url": url})
