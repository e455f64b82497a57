"""Imports and exports that are broken off, and what goes on from there."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.migration.kit import Migration

ROWS: Final = 5_000
_WITHIN_S: Final = 60.0
_POLL_S: Final = 0.02
_HEADER: Final = "id,userId,createdAt,expiresAt\n"


def file_of(migration: Migration) -> list[str]:
    """Write rows.csv, of five sessions each of many users; its lines."""
    begin = datetime.now(UTC) - timedelta(days=1)
    rows = [
        f"old-{number},user-{number // 5},{created.isoformat()},{created + timedelta(days=7)}\n"
        for number in range(ROWS)
        for created in [begin + timedelta(seconds=number)]
    ]
    (migration.directory / "rows.csv").write_text(_HEADER + "".join(rows))
    return [_HEADER, *rows]


@contextmanager
def half_way(migration: Migration) -> Iterator[subprocess.Popen[str]]:
    """A sessionctl in the middle of rows.csv: it waits for the half that it is never given."""
    lines = file_of(migration)
    process = subprocess.Popen(
        ["bash", "-c", "exec sessionctl import - -o json"],
        cwd=migration.directory,
        env=migration.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin
        process.stdin.write("".join(lines[: ROWS // 2]))
        process.stdin.flush()
        wait_until(lambda: migration.admin.stats().totals.imported >= ROWS // 4)
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(_POLL_S)


def test_an_import_goes_on_where_ctrl_c_stopped_it(migration: Migration) -> None:
    """It tells the line, from which the rest comes in, and no session twice."""
    with half_way(migration) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(_WITHIN_S) == 130
        assert process.stdout
        assert process.stderr
        first, said = json.loads(process.stdout.read()), process.stderr.read()
    assert 1 < first["next_line"] <= ROWS // 2 + 1
    assert first["outcomes"]["imported"] == first["next_line"] - 2
    assert f"go on with --from-line {first['next_line']}" in said
    assert said.endswith("sessionctl: interrupted\n")

    second = migration.summary(f"rows.csv --from-line {first['next_line']}")
    assert first["rows"] + second["rows"] == ROWS
    stats = migration.admin.stats()
    assert stats.totals.created == stats.live_sessions == ROWS
    assert stats.users == ROWS // 5


def test_an_import_may_begin_again(migration: Migration) -> None:
    """From the beginning is as right as from the line that was told."""
    with half_way(migration) as process:
        process.kill()
    second = migration.summary("rows.csv")
    assert second["outcomes"]["imported"] + second["outcomes"]["exists"] == ROWS
    assert second["outcomes"]["exists"] >= ROWS // 4
    stats = migration.admin.stats()
    assert stats.totals.created == stats.live_sessions == ROWS


def test_a_server_that_goes_away_is_told_with_the_line(migration: Migration) -> None:
    """As an interruption is; the exit code says that it may be tried again."""
    file_of(migration)
    environment = dict(migration.environment) | {"SESSIONSTORE_ADDRESS": "127.0.0.1:1"}
    done = subprocess.run(
        ["bash", "-c", "exec sessionctl import rows.csv -o json"],
        cwd=migration.directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout)["next_line"] == 1
    assert re.search(r"go on with --from-line 1\b", done.stderr)
