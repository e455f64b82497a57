"""The web examples, each as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "examples"

_SERVES_ON: Final = re.compile(r"http://(127\.0\.0\.1:\d+)")
_START_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.02


def command(name: str) -> list[str]:
    """What runs an example."""
    return [sys.executable, str(EXAMPLES / f"{name}.py")]


def environment(address: str, token: str, folder: Path) -> dict[str, str]:
    """Where an example finds the service; it serves on a free port."""
    token_file = folder / "token"
    token_file.write_text(token)
    return {
        **os.environ,
        "SESSIONSTORE_ADDRESS": address,
        "SESSIONSTORE_TOKEN_FILE": str(token_file),
        "PORT": "0",
    }


@contextmanager
def web_example(name: str, address: str, token: str) -> Iterator[str]:
    """A running example; where it serves."""
    with tempfile.TemporaryDirectory(prefix="ss-") as directory:
        folder = Path(directory)
        said = folder / "said"
        with said.open("wb") as output:
            process = subprocess.Popen(
                command(name),
                env=environment(address, token, folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            deadline = time.monotonic() + _START_TIMEOUT_S
            while not (found := _SERVES_ON.search(said.read_text())):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{name} did not start:\n{said.read_text()}")
                time.sleep(_POLL_S)
            yield found[1]
        finally:
            process.kill()
            process.wait()
