"""What the files of deploy/ say, and what sessiond makes of the settings in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sessiond import settings
from sessiond.settings import Settings
from tests.engines import require

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """The documents of a YAML file."""
    yield from yaml.safe_load_all(path.read_text())


def settings_of(path: Path, **flags: Any) -> Settings:
    """The settings of a file and flags, in an environment that names none."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith("SESSIOND_")]:
            patch.delenv(name)
        return settings.load(path, **flags)


def port(address: str | None) -> int:
    """The port of an address that is listened on."""
    assert address
    return int(address.rpartition(":")[2])


def need(program: Path) -> None:
    """Skip without a program, or fail where all are required."""
    require(None if program.exists() else f"{program} is not installed")
