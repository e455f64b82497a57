"""Where settings come from: flags, the environment and a file, and which of them counts."""

from __future__ import annotations

import argparse
import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sessiond import settings
from sessiond.commands.setting_flags import add_settings, loaded
from sessiond.domain.errors import StartupError
from sessiond.settings import GROUPS, Settings, flag, variable
from sessiond.settings.writing import duration, toml, word

VALUES: dict[str, Any] = {
    # Of each setting a value that is not its default, and goes well with all the others.
    "dev": False, "plaintext": True, "reflection": True, "user_directory_plaintext": True,
    "listen": "127.0.0.1:7711", "store_url": "rediss://store:6379/2", "issuer": "us",
    "audience": "them", "key_prefix": "zz", "at_cap": "reject", "log_level": "debug",
    "log_format": "logfmt", "embedded_appendfsync": "no", "embedded_maxmemory": "64mb",
    "stats_schedule": "5 * * * *", "orphans_schedule": "", "health_listen": "127.0.0.1:7712",
    "ops_listen": "127.0.0.1:7713", "user_directory": "127.0.0.1:7714",
    "profiles": {"web": {"idle_lifetime": "1h"}}, "user_directory_max_missing": 0.25,
    "workers": 2, "transport": "native", "otlp_endpoint": "http://127.0.0.1:4317",
    "trace_ratio": 0.5,
}  # fmt: skip
REQUIRED = ("keys_dir", "callers_file", "store_url")


def _value(name: str) -> Any:
    """A value for a setting, as one writes it in TOML."""
    field = Settings.model_fields[name]
    if name in VALUES:
        return VALUES[name]
    if field.annotation is timedelta:
        return duration(field.default + timedelta(milliseconds=1))
    if field.annotation is int:
        return field.default + 1
    return f"/etc/sessiond/{name}"


def _fitting(name: str) -> dict[str, Any]:
    """The setting, and those that it needs."""
    needed = {name, *REQUIRED}
    if name.endswith(("_cert_file", "_key_file")):
        pair = name.removesuffix("_cert_file").removesuffix("_key_file")
        needed |= {f"{pair}_cert_file", f"{pair}_key_file"}
    if name == "tls_client_ca_file":
        needed |= {"tls_cert_file", "tls_key_file"}
    values = {each: _value(each) for each in needed}
    if name == "access_token_lifetime":
        values["event_log_time"] = "3h"
    return values


def _read(arguments: list[str]) -> settings.Loaded:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_settings(parser)
    return loaded(parser.parse_args(arguments))


def _as_flags(values: dict[str, Any]) -> list[str]:
    flags = []
    for name, value in values.items():
        if isinstance(value, bool):
            flags.append(flag(name) if value else flag(name).replace("--", "--no-", 1))
        else:
            flags.append(f"{flag(name)}={word(value)}")
    return flags


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "sessiond.toml"


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text("".join(f"{name} = {toml(value)}\n" for name, value in values.items()))


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_taken_from_flag_environment_and_file_alike(
    name: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way it comes to the same value, and its origin is told."""
    values = _fitting(name)
    by_flag = _read(_as_flags(values))
    _write(config, values)
    by_file = _read(["--config", str(config)])
    for each, value in values.items():
        monkeypatch.setenv(variable(each), word(value))
    by_environment = _read([])
    wanted = getattr(by_flag.settings, name)
    assert wanted != Settings.model_fields[name].default or name == "dev"
    assert getattr(by_environment.settings, name) == wanted
    assert getattr(by_file.settings, name) == wanted
    origins = [each.origins[name] for each in (by_flag, by_environment, by_file)]
    assert origins == [flag(name), "environment", str(config)]


def test_every_setting_is_in_one_group_and_documented() -> None:
    """Nothing is left out of help, and nothing is there twice."""
    grouped = [name for group in GROUPS for name in group.settings]
    assert sorted(grouped) == sorted(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())


def test_a_flag_goes_before_the_environment_and_that_before_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting by setting; what nobody sets has its default."""
    _write(config, {"dev": True, "session_cap": 3, "retention": "3d", "issuer": "file"})
    monkeypatch.setenv("SESSIOND_CONFIG_FILE", str(config))
    monkeypatch.setenv("SESSIOND_SESSION_CAP", "4")
    monkeypatch.setenv("SESSIOND_RETENTION", "4d")
    found = _read(["--session-cap", "5"])
    assert found.settings.session_cap == 5
    assert found.settings.retention == timedelta(days=4)
    assert found.settings.issuer == "file"
    assert found.settings.audience == "sessionstore"
    names = ("session_cap", "retention", "issuer", "audience")
    assert [found.origins[name] for name in names] == [
        "--session-cap", "environment", str(config), "default",
    ]  # fmt: skip


def test_the_flag_for_the_file_goes_before_its_variable(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file is read, not two."""
    monkeypatch.setenv("SESSIOND_CONFIG_FILE", str(tmp_path / "none.toml"))
    _write(config, {"dev": True, "session_cap": 3})
    assert _read(["--config", str(config)]).settings.session_cap == 3


def test_a_flag_can_undo_what_a_file_turns_on(config: Path) -> None:
    """Also where it is on or off."""
    _write(config, {"dev": True, "reflection": True})
    assert _read(["--config", str(config), "--no-reflection"]).settings.reflection is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("session_capp = 3", "no such setting: session_capp (perhaps session_cap)"),
        ("SESSION_CAP = 3", "no such setting: SESSION_CAP"),
        ("[session]\ncap = 3", "no such setting: session"),
        ("[profiles.web]\ncap = 3", "SESSIOND_PROFILES (@): web.cap: "),
        ("session_cap = 0", "SESSIOND_SESSION_CAP (@): "),
        ("grace_time = 'soon'", "SESSIOND_GRACE_TIME (@): a duration is"),
        ("drain_time = -5", "SESSIOND_DRAIN_TIME (@): a duration is not negative"),
        ("profiles = '{}'", "SESSIOND_PROFILES (@): "),
        ("session_cap = ", "is not TOML"),
        ("issuer = '\udcff'", "is not TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_setting(
    config: Path, text: str, words: str
) -> None:
    """A slip of the pen must not leave a default in force."""
    config.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StartupError) as caught:
        settings.load(config, dev=True)
    assert str(config) in str(caught.value)
    assert words.replace("@", str(config)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names one means it to be read."""
    monkeypatch.setenv("SESSIOND_CONFIG_FILE", str(config))
    with pytest.raises(StartupError, match="No such file"):
        settings.load(dev=True)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("SESSIOND_SESION_CAP", "(perhaps SESSIOND_SESSION_CAP)"),
        ("sessiond_sesion_cap", "sessiond_sesion_cap"),
        ("SESSIOND_CONFIG_FIL", "(perhaps SESSIOND_CONFIG_FILE)"),
        # Kubernetes sets it for a service called sessiond, unless enableServiceLinks is false.
        ("SESSIOND_SERVICE_HOST", "SESSIOND_SERVICE_HOST"),
    ],
)
def test_an_unknown_variable_is_refused_with_what_was_perhaps_meant(
    variable: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In capitals or not, as variables are read."""
    monkeypatch.setenv(variable, "3")
    with pytest.raises(StartupError) as caught:
        settings.load(dev=True)
    assert words in str(caught.value)


def test_a_wrong_flag_is_refused_by_its_own_name() -> None:
    """And by that of its variable, as everything else that is wrong."""
    with pytest.raises(StartupError, match=r"SESSIOND_SESSION_CAP \(--session-cap\)"):
        _read(["--dev", "--session-cap", "0"])
    with pytest.raises(StartupError, match="--profiles: is not JSON"):
        _read(["--dev", "--profiles", "web"])


@pytest.mark.parametrize("wrong", ["--session-capp=3", "--session-c=3", "--SESSION-CAP=3"])
def test_an_unknown_or_shortened_flag_is_wrong_usage(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, and its name."""
    with pytest.raises(SystemExit) as ended:
        _read(["--dev", wrong])
    assert ended.value.code == 2
    assert wrong in capsys.readouterr().err


@pytest.mark.parametrize(
    "value",
    [True, 3, 0.1, 'a"b\\c\n\x7f\u00e9', Path("/x y"), timedelta(hours=36), timedelta(0),
     {"web": {"idle_lifetime": "1h"}, "a.b": {}}, ["x", 1], {}],
)  # fmt: skip
def test_a_value_is_written_as_toml_reads_it(value: Any) -> None:
    """On one line, whatever it holds."""
    written = toml(value)
    assert "\n" not in written
    read = tomllib.loads(f"x = {written}")["x"]
    if isinstance(value, timedelta):
        read = settings.parse_duration(read)
    assert read == (str(value) if isinstance(value, Path) else value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (1.5, "1500ms"), (90, "90s"), (3600, "1h"), (5400, "90m"),
     (86_400, "1d"), (90 * 86_400, "90d"), (0.0005, "0.5ms")],
)  # fmt: skip
def test_a_duration_is_written_in_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    """And read back as what it was."""
    value = timedelta(seconds=seconds)
    assert duration(value) == text
    assert settings.parse_duration(text) == value


def test_a_table_is_one_json_word_in_a_variable() -> None:
    """As SESSIOND_PROFILES reads it."""
    assert json.loads(word({"web": {"session_cap": 3}})) == {"web": {"session_cap": 3}}
