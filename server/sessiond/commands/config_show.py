"""`sessiond config show`: the settings in force, as a file would say them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Any, Final

from sessiond.commands.setting_flags import loaded
from sessiond.settings import GROUPS, Group, Loaded
from sessiond.settings.writing import toml
from sessiond.store.store_url import redacted

_SECRET: Final = re.compile(r"(^|_)(password|secret|token)$")
_WIDTH: Final = 44


def run(arguments: argparse.Namespace) -> None:
    """Print them.

    Raises:
        StartupError: they cannot be used.
    """
    found = loaded(arguments)
    print("\n\n".join("\n".join(_lines(group, found)) for group in GROUPS))


def _lines(group: Group, found: Loaded) -> Iterator[str]:
    yield f"# {group.name}: {group.meaning}"
    for name in group.settings:
        value = _in_force(found, name)
        origin = found.origins[name]
        if value is None:
            yield f"# {name} is not set"
        elif _SECRET.search(name):
            yield f"# {name} is set by {origin}, and not shown"
        else:
            shown = redacted(value) if name == "store_url" else value
            yield f"{name} = {toml(shown)}".ljust(_WIDTH) + f"  # {origin}"


def _in_force(found: Loaded, name: str) -> Any:
    """The value of a setting, or what it comes to when nobody sets it."""
    settings = found.settings
    if getattr(settings, name) is None and settings.dev:
        return getattr(settings, f"effective_{name}", None)
    return getattr(settings, name)
