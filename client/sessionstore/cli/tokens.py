"""How the tokens of a session are printed: whole, to be copied."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from sessionstore.cli.durations import ago
from sessionstore.types import Tokens


def token_lines(tokens: Tokens) -> RenderableType:
    """Both tokens, each in one line whatever its length."""
    return Group(
        f"\naccess token, expires {ago(tokens.access_token_expire_time)}",
        _whole(tokens.access_token),
        f"\nrefresh token, expires {ago(tokens.refresh_token_expire_time)}",
        _whole(tokens.refresh_token),
    )


def _whole(token: str) -> Text:
    return Text(token, no_wrap=True, overflow="ignore")
