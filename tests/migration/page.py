"""The commands of docs/migration.md, to be run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_PAGE: Final = ROOT / "docs" / "migration.md"


def commands() -> dict[str, str]:
    """The shell block below each heading that has one."""
    found: dict[str, str] = {}
    heading = ""
    parts = re.split(r"^#+ (.*)$", _PAGE.read_text(), flags=re.MULTILINE)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        if blocks:
            (found[heading],) = blocks
    return found
