"""The systemd unit: well-formed, locked down, and of one mind with the settings beside it."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

import pytest

from tests.packaging.deployed import DEPLOY, need, port, settings_of

ANALYZE = Path("/usr/bin/systemd-analyze")
UNIT = DEPLOY / "systemd/sessiond.service"
PROGRAM = "/opt/sessiond/bin/sessiond"


class _Unit(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture(scope="module")
def service() -> dict[str, str]:
    unit = _Unit(strict=False)
    unit.read_string(UNIT.read_text())
    return dict(unit["Service"])


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit, with a program that is there in the place of sessiond."""
    need(ANALYZE)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))
    return unit


def _analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in (ANALYZE, "--no-pager", *arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_systemd_finds_nothing_wrong_with_the_unit(installed: Path) -> None:
    """Not a word."""
    done = _analyze("verify", installed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_unit_exposes_next_to_nothing(installed: Path) -> None:
    """At most 2.0 of 10 by systemd's own reckoning."""
    done = _analyze("security", "--offline=yes", "--threshold=20", installed)
    assert done.returncode == 0, done.stdout[-200:]


def test_the_settings_beside_it_are_taken(service: dict[str, str]) -> None:
    """Their paths are those that the unit may write or that others fill."""
    configured = settings_of(DEPLOY / "systemd/sessiond.toml")
    assert service["Environment"] == "SESSIOND_CONFIG_FILE=/etc/sessiond/sessiond.toml"
    assert Path("/var/lib") / service["StateDirectory"] == configured.effective_keys_dir.parent
    assert configured.audit_log_file
    assert Path("/var/log") / service["LogsDirectory"] == configured.audit_log_file.parent
    assert port(configured.listen) == 7700
    assert "ExecReload" not in service or configured.workers  # who serves alone cannot reload
    drain_s = configured.drain_time.total_seconds()
    assert float(service["TimeoutStopSec"].removesuffix("s")) > drain_s + 5
