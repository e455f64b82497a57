"""Both systems side by side, and a shell between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessionstore import AdminClient, Session, SessionClient
from tests.migration.old_system import Old
from tests.migration.page import ROOT, commands

_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Migration:
    """An old system with its sessions, and a service."""

    old: Old
    sessions: SessionClient
    admin: AdminClient
    directory: Path
    """Where commands run."""
    environment: Mapping[str, str]

    def follow(self, heading: str) -> str:
        """Run what the page says below a heading; what it printed."""
        return self.shell(commands()[heading]).stdout

    def shell(self, script: str, *, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a script in the directory, and see how it ends."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == status, f"{script}\n{done.stdout}\n{done.stderr}"
        return done

    def summary(self, arguments: str, *, status: int = 0) -> dict[str, Any]:
        """What `sessionctl import` says that an import came to."""
        done = self.shell(f"sessionctl import -o json {arguments}", status=status)
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def live(self, user_id: str) -> list[Session]:
        """A user's live sessions in the service, newest first."""
        return [session for session in self.sessions.list(user_id) if session.active]

    def export(self) -> None:
        """Write sessions.csv as the page does."""
        self.follow("1. Prepare the table")
        self.shell("psql -Xq -v ON_ERROR_STOP=1 -f examples/migration/export.sql > sessions.csv")


def environment(address: str, token_file: Path, database: Mapping[str, str]) -> dict[str, str]:
    """What the page's commands find."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SESSIONSTORE_")}
    binaries = Path(sys.executable).parent
    return {
        **kept,
        **database,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "PGTZ": "America/New_York",
        "COLUMNS": "80",
        "SESSIONSTORE_ADDRESS": address,
        "SESSIONSTORE_TOKEN_FILE": str(token_file),
    }


def prepare(directory: Path) -> None:
    """Make the page's relative paths good."""
    (directory / "examples").symlink_to(ROOT / "examples")
