"""Runs the measurements and records them in bench/RESULTS.md.

    python bench/run.py [PART ...]

Without a part, all of them. A run in which an answer was wrong records nothing and exits with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

import cpu
import fairness
import latency
import memory
import observing
import operators
import realtime
import scale
import transfer
import transports
import workers

PARTS: Final[dict[str, Callable[[str], Coroutine[Any, Any, None]]]] = {
    "memory": memory.main,
    "cpu": cpu.main,
    "scale": scale.main,
    "latency": latency.main,
    "operators": operators.main,
    "transfer": transfer.main,
    "realtime": realtime.main,
    "observing": observing.main,
    "fairness": fairness.main,
    "workers": workers.main,
    "transports": transports.main,
}


def main() -> None:
    """Run the parts that are named."""
    # What a shell starts in the background ignores SIGINT, and so would what is interrupted here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description="Measure sessiond; see bench/README.md.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parts = parser.parse_args().parts
    if unknown := set(parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    for name, part in PARTS.items():
        if not parts or name in parts:
            command = f"make bench ARGS={name}" if parts else "make bench"
            asyncio.run(part(command))


if __name__ == "__main__":
    main()
