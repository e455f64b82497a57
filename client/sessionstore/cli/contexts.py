"""Saved contexts: where a service is and which file holds the token for it. Never a token."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sessionstore.cli.connection import Connection
from sessionstore.cli.exits import ExitCode, Failure


@dataclass(slots=True)
class Contexts:
    """The contexts by name, and the one that is used unless another is named."""

    by_name: dict[str, Connection] = field(default_factory=dict)
    current: str = ""

    def get(self, name: str) -> Connection:
        """The context of this name.

        Raises:
            Failure: there is none.
        """
        if name not in self.by_name:
            known = ", ".join(sorted(self.by_name)) or "none is saved"
            raise Failure(f"there is no context {name!r}: {known}", ExitCode.NOT_FOUND)
        return self.by_name[name]


def completions(incomplete: str) -> list[str]:
    """The names that begin so, for shells."""
    return [name for name in load().by_name if name.startswith(incomplete)]


def path() -> Path:
    """Where contexts are saved (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "sessionctl" / "contexts.toml"


def load() -> Contexts:
    """What is saved; nothing if there is no file.

    Raises:
        Failure: the file cannot be understood.
    """
    try:
        saved = tomllib.loads(path().read_text(encoding="utf-8"))
        contexts = {name: Connection(**each) for name, each in saved.get("contexts", {}).items()}
    except FileNotFoundError:
        return Contexts()
    except (tomllib.TOMLDecodeError, TypeError, AttributeError) as error:
        raise Failure(f"{path()} cannot be understood: {error}", ExitCode.USAGE) from error
    return Contexts(contexts, saved.get("current", ""))


def save(contexts: Contexts) -> None:
    """Write the file, readable by its owner only, at once or not at all."""
    lines = [f"current = {_toml(contexts.current)}"] if contexts.current else []
    for name, connection in sorted(contexts.by_name.items()):
        lines += ["", f"[contexts.{_toml(name)}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in asdict(connection).items() if value]
    path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path().with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    temporary.replace(path())


def _toml(value: Any) -> str:
    # Strings, numbers and booleans of JSON are also those of TOML.
    return json.dumps(value)
