"""Load by nghttp2's `h2load`: one request over and over, at little cost to the machine.

It tells nothing of trailers and does not read answers. A gRPC error has no data, and another
verdict has fewer bytes: that every call succeeded with exactly the bytes of a sample, which is read
before and after, shows that every answer was right.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import grpc

from answers import RESPONSES, WrongAnswerError, check
from load import IN_FLIGHT, SERVICE, Load, Times
from serving import Server

_CONNECTIONS: Final = 4


def is_installed() -> bool:
    """Whether it is: Debian has it in nghttp2-client."""
    return shutil.which("h2load") is not None


def drive(server: Server, load: Load, meter: AbstractContextManager[object]) -> Times:
    """Put a uniform load on the server; the meter is around it.

    Raises:
        WrongAnswerError: an answer was wrong, or there were too few.
    """
    body = load.requests[0]
    size = _sample(server, load)
    connections = _CONNECTIONS * server.spread
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder, "body"), Path(folder, "log")
        data.write_bytes(struct.pack(">BI", 0, len(body)) + body)
        command = [
            "h2load",
            *("-n", str(load.calls), "-c", str(connections), "-m", str(IN_FLIGHT // connections)),
            *("-d", str(data), "--log-file", str(log)),
            *("-H", "content-type: application/grpc", "-H", "te: trailers"),
            *("-H", f"authorization: Bearer {server.token}"),
            f"http://{server.address}{SERVICE}{load.method}",
        ]
        with meter:
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows = [line.split("\t") for line in log.read_text().splitlines()]
    _count(told, load.calls, size * load.calls)
    if _sample(server, load) != size:
        raise WrongAnswerError(f"{load.method}: answers changed their size during the run")
    started = min(int(start) for start, *_ in rows)
    ended = max(int(start) + int(took) for start, _, took, *_ in rows)
    return Times((ended - started) / 1e6, [int(took) / 1000 for _, _, took, *_ in rows])


def _sample(server: Server, load: Load) -> int:
    """Ask once and read the answer; its size in bytes of HTTP data."""
    with grpc.insecure_channel(server.address) as channel:
        call: Any = channel.unary_unary(SERVICE + load.method, None, None)
        metadata = (("authorization", f"Bearer {server.token}"),)
        reply: bytes = call(load.requests[0], metadata=metadata, timeout=10)
    check(load.method, RESPONSES[load.method].FromString(reply), load.expected[0])
    return 5 + len(reply)


def _count(told: str, calls: int, data_bytes: int) -> None:
    succeeded = re.search(r"^status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx$", told, re.MULTILINE)
    done = re.search(r"^requests: .* (\d+) succeeded, 0 failed, 0 errored", told, re.MULTILINE)
    data = re.search(r"^traffic: .* \((\d+)\) data$", told, re.MULTILINE)
    found = [int(match[1]) if match else 0 for match in (succeeded, done, data)]
    if found != [calls, calls, data_bytes]:
        raise WrongAnswerError(
            f"2xx, done and bytes are {found}, not {[calls, calls, data_bytes]}:\n{told}"
        )
