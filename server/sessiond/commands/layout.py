"""How help is laid out, in at most 80 columns."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from typing import Final

_WIDEST: Final = 80
_HELP_COLUMN: Final = 26


class Layout(argparse.HelpFormatter):
    """Wraps paragraphs, those under a heading indented; keeps indented lines as they are."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        super().__init__(prog, max_help_position=_HELP_COLUMN, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(_laid_out(block, width, indent) for block in text.split("\n\n"))


def examples(*lines: str) -> str:
    """Command lines, for the end of a help."""
    return "examples:\n" + "\n".join(f"  {line}" for line in lines)


def _laid_out(block: str, width: int, indent: str) -> str:
    heading, colon, body = block.partition(":\n")
    if colon:
        within = body if body.startswith(" ") else _laid_out(body, width, indent + "  ")
        return f"{indent}{heading}:\n{within}"
    return textwrap.fill(block, width, initial_indent=indent, subsequent_indent=indent)
