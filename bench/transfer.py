"""A full import by sessionctl: a million lines, interrupted, gone on with, and done again."""

from __future__ import annotations

import csv
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import sample
import serving
from answers import WrongAnswerError
from contender import SESSIOND
from engine import client_of, embedded, used_memory
from results import record, table
from serving import Server
from sessionctl import Done, Sessionctl, peak_bytes
from sessionstore import AdminClient

LINES: Final = int(os.environ.get("TRANSFER_LINES") or 1_000_000)
_POLL_S: Final = 0.05
_STARTS_WITHIN_S: Final = 60.0
_COLUMNS: Final = ("id", "userId", "userAgent", "ipAddr", "createdAt", "expiresAt", "revokedAt")


@dataclass(frozen=True)
class Transfer:
    """The runs on one file, and what the other processes needed."""

    file_bytes: int
    interrupted: Done
    resumed: Done
    again: Done
    server_cpu_s: float
    """Over the import, both parts."""
    server_idle_bytes: int
    server_peak_bytes: int
    engine_bytes: int
    """The data, without buffers."""


async def main(command: str) -> None:
    """Import and record."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-")))
        engine = await stack.enter_async_context(embedded())
        shared = serving.shared_settings(directory)
        server = stack.enter_context(serving.start(SESSIOND, engine, shared))
        admin = stack.enter_context(AdminClient(server.address, token=server.token))
        found = _transfer(server, admin, _written(directory / "sessions.csv"))
    record("Import", command, _report(found))


def _transfer(server: Server, admin: AdminClient, file: Path) -> Transfer:
    empty, idle, before = used_memory(client_of(server.engine)), _peak(server), server.cpu_s()
    interrupted = _interrupted(server, admin, file)
    next_line = interrupted.said["next_line"]
    _expect("exit status of the interrupted run", interrupted.status, 130)
    resumed = Sessionctl(server, "import", str(file), "--from-line", str(next_line)).wait()
    _expect("exit status of the resumed run", resumed.status, 0)
    cpu_s, data = server.cpu_s() - before, used_memory(client_of(server.engine)) - empty
    _expect_no_duplicate(admin)
    again = Sessionctl(server, "import", str(file)).wait()
    _expect("sessions that were there", again.said["outcomes"]["exists"], LINES)
    _expect_no_duplicate(admin)
    return Transfer(
        file_bytes=file.stat().st_size,
        interrupted=interrupted,
        resumed=resumed,
        again=again,
        server_cpu_s=cpu_s,
        server_idle_bytes=idle,
        server_peak_bytes=_peak(server),
        engine_bytes=data,
    )


def _interrupted(server: Server, admin: AdminClient, file: Path) -> Done:
    """A run that gets Ctrl-C once a third is in."""
    run = Sessionctl(server, "import", str(file))
    deadline, reached = time.monotonic() + _STARTS_WITHIN_S, 0
    while reached < LINES // 3:
        time.sleep(_POLL_S)
        if (imported := admin.stats().totals.imported) > reached:
            deadline, reached = time.monotonic() + _STARTS_WITHIN_S, imported
        if time.monotonic() > deadline:
            raise WrongAnswerError(f"the import stands at {reached:,}")
    return run.interrupt().wait()


def _expect_no_duplicate(admin: AdminClient) -> None:
    stats = admin.stats()
    _expect("sessions created", stats.totals.created, LINES)
    _expect("live sessions", stats.live_sessions, LINES)


def _expect(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise WrongAnswerError(f"{what}: {found:,}, expected {expected:,}")


def _peak(server: Server) -> int:
    return peak_bytes(server.pid)


def _written(path: Path) -> Path:
    """The file, in the order of a table that is exported by creation."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(_rows())
    return path


def _rows() -> Iterator[Sequence[str]]:
    begin = datetime.now(UTC) - timedelta(days=6)
    step = timedelta(days=5) / LINES
    users = -(-LINES // sample.PER_USER)
    for number in range(LINES):
        created = begin + number * step
        yield (
            f"{number:032x}",
            sample.user_id(number % users),
            sample.USER_AGENT,
            f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            created.isoformat(),
            (created + timedelta(days=7)).isoformat(),
            "",
        )


def _report(found: Transfer) -> list[str]:
    runs = {
        "interrupted by Ctrl-C": found.interrupted,
        "gone on with, from the line it told": found.resumed,
        "the whole file again": found.again,
    }
    frame = found.interrupted.frames[-1] if found.interrupted.frames else "none"
    imported = found.interrupted.said["rows"] + found.resumed.said["rows"]
    return [
        (
            f"`sessionctl import` of {LINES:,} lines of CSV ({_mb(found.file_bytes)} MB),"
            f" {sample.PER_USER} of each user, all of them live, on one sessiond over the embedded"
            " engine, all on this machine. Afterwards the store held each session once, and the"
            " whole file again added none. Peak memory is the resident set."
        ),
        "",
        *table(
            ("run", "lines", "seconds", "lines/s", "sessionctl CPU, us/line", "peak, MB"),
            ((name, *_figures(run)) for name, run in runs.items()),
        ),
        "",
        *table(
            ("", ""),
            (
                ("sessiond CPU, us/line", f"{found.server_cpu_s / imported * 1e6:,.0f}"),
                ("sessiond memory before, MB", _mb(found.server_idle_bytes)),
                ("sessiond memory at its peak, MB", _mb(found.server_peak_bytes)),
                ("data in the engine, MB", _mb(found.engine_bytes)),
            ),
        ),
        "",
        "The progress bar, as Ctrl-C found it:",
        "",
        f"    {frame}",
    ]


def _figures(run: Done) -> tuple[str, ...]:
    rows, seconds = run.said["rows"], run.said["seconds"]
    return (
        f"{rows:,}",
        f"{seconds:,.1f}",
        f"{rows / seconds:,.0f}",
        f"{run.cpu_s / rows * 1e6:,.0f}",
        _mb(run.peak_bytes),
    )


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f}"
