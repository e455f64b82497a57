"""Stores that are there and do not answer."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engines import Engine


@contextmanager
def silent_engine() -> Iterator[str]:
    """The URL of something that takes connections and never says a word."""
    # Not tmp_path: its name would not fit into a socket address.
    with tempfile.TemporaryDirectory(prefix="ss-") as directory:
        path = Path(directory) / "s"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen(128)
            yield f"unix://{path}"


@contextmanager
def hung(engine: Engine) -> Iterator[None]:
    """The engine's process stopped, and going on afterwards."""
    pid = engine.pid
    if pid is None:
        raise RuntimeError("the engine does not run")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
