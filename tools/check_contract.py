"""Lint and format of proto/, and no change that breaks callers who have generated their stubs.

The contract is compared with the last tag, or before there is one with proto/baseline.binpb.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "proto" / "baseline.binpb"


def buf(*arguments: str, module: Path) -> bool:
    """Run buf on a copy of the project's protos; whether it found nothing."""
    beside = Path(sys.executable).parent / "buf"
    program = str(beside) if beside.exists() else shutil.which("buf") or "buf"
    return subprocess.run([program, *arguments], cwd=module, check=False).returncode == 0


def last_tag() -> str:
    """The newest tag that HEAD descends from; empty if there is none."""
    command = ["git", "describe", "--tags", "--abbrev=0"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def git_directory() -> Path:
    """Where the history lies; in a worktree `.git` is a file that only points there."""
    command = ["git", "rev-parse", "--git-common-dir"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return (ROOT / found.stdout.strip()).resolve()


def check(module: Path) -> list[str]:
    """What is wrong with the protos below `module`, which holds buf.yaml."""
    tag = last_tag()
    against = f"{git_directory()}#tag={tag}" if tag else str(BASELINE)
    checks = {
        "lint": ("lint",),
        "format": ("format", "--diff", "--exit-code"),
        "breaking": ("breaking", "--against", against),
    }
    return [name for name, arguments in checks.items() if not buf(*arguments, module=module)]


if __name__ == "__main__":
    failed = check(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    if failed:
        sys.exit(f"the contract fails: {', '.join(failed)}")
