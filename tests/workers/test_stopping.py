"""SIGTERM drains one worker after the other; nothing is left of them, however the end comes."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta
from pathlib import Path

from sessionstore import SessionClient, Unavailable
from sessionstore.admin import AdminClient
from tests.rpc.process import engines_on
from tests.rpc.serving import eventually
from tests.workers.load import load
from tests.workers.supervised import runs, supervised


def test_a_stop_under_load_loses_no_call(directory: Path) -> None:
    """Every call is answered, or refused by nobody's listening without having had an effect."""
    with supervised(directory) as server:
        server.wait_until_welcome()
        with load(server.address, server.token) as calls:
            eventually(lambda: calls.is_beyond(100))
            assert server.ends(signal.SIGTERM) == 0
            assert not server.pids()
        first, second, _ = server.events("stopped")
        assert (first["worker"], second["worker"]) == (0, 1)
        assert {type(error) for error in calls.refused} == {Unavailable}
    with supervised(directory, workers=1) as server:
        server.wait_until_welcome()
        with AdminClient(server.address, token=server.token) as admin:
            assert admin.stats().live_sessions == len(calls.created)
        with SessionClient(server.address, token=server.token) as sessions:
            assert all(sessions.validate(session_id=each) for each in calls.created)


def test_workers_that_hang_are_killed_and_a_second_sigterm_is_for_all_of_them(
    directory: Path,
) -> None:
    """They are given their drain time and 5 s, at once and not one after the other."""
    with supervised(directory, drain_time="0s") as server:
        server.wait_until_welcome()
        for pid in server.pids().values():
            os.kill(pid, signal.SIGSTOP)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("worker_draining")
        assert server.ends(signal.SIGTERM) == 0
        killed = [datetime.fromisoformat(e["time"]) for e in server.events("worker_killed")]
        assert len(killed) == 2
        assert max(killed) - min(killed) < timedelta(seconds=4)
        assert not server.pids()


def test_workers_and_engine_end_with_their_supervisor(directory: Path) -> None:
    """Also if it is killed: who is alone drains and ends."""
    with supervised(directory, workers=1) as server:
        server.wait_until_welcome()
        pids = server.pids().values()
        assert len(pids) == 1
        assert engines_on(directory)
        server.ends(signal.SIGKILL)
        eventually(lambda: not any(map(runs, pids)), within_s=60)
        eventually(lambda: not engines_on(directory), within_s=60)
        assert len(server.events("stopped")) == 1
