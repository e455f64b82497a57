"""How the tokens of a session are printed: whole, to be copied."""

from __future__ import annotations

from sessionstore.cli.durations import ago
from sessionstore.cli.output import Whole
from sessionstore.types import Tokens


def token_lines(tokens: Tokens) -> tuple[str, ...]:
    """Both tokens, each in a line of its own, whatever its length."""
    return (
        f"\naccess token, expires {ago(tokens.access_token_expire_time)}",
        Whole(tokens.access_token),
        f"\nrefresh token, expires {ago(tokens.refresh_token_expire_time)}",
        Whole(tokens.refresh_token),
    )
