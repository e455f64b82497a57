"""Settings from a TOML file: the names of the settings, in small letters."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from sessiond.domain.errors import StartupError


def read(path: Path) -> dict[str, Any]:
    """What a file says, whatever it may be.

    Raises:
        StartupError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise StartupError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # of UTF-8 or TOML
        raise StartupError(f"{path} is not TOML: {error}") from None
