"""SIGHUP: workers with new settings take over, or none does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sessionstore import SessionClient, State
from tests.conftest import rounds
from tests.workers.load import load
from tests.workers.supervised import Supervised, supervised


def test_a_reload_under_load_loses_no_call(server: Supervised) -> None:
    """New workers are up before old ones are drained; all of them are new afterwards."""
    with load(server.address, server.token) as calls:
        for _ in range(rounds(2)):
            before, made = server.pids(), len(calls.created)
            assert server.reload() == ""
            after = server.pids()
            assert len(after) == len(before) == 2
            assert not before.keys() & after.keys()
            assert not {*before.values()} & {*after.values()}
            assert len(calls.created) > made
    assert calls.refused == []


def test_new_workers_have_the_new_settings(server: Supervised) -> None:
    """Also how many they are."""
    server.configure(session_cap=1, workers=1)
    assert server.reload() == ""
    assert len(server.pids()) == 1
    with SessionClient(server.address, token=server.token) as sessions:
        for _ in range(2):
            sessions.create("bob")
        assert len(list(sessions.list("bob", states=[State.ACTIVE]))) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"max_in_flight": 0},
            r"SESSIOND_MAX_IN_FLIGHT \(--max-in-flight\): .* greater than or equal to 1",
        ),
        ({"no_such": 1}, r"SESSIOND_NO_SUCH \(--no-such\): .* not permitted"),
        ({"listen": "127.0.0.1:1"}, "SESSIOND_LISTEN: changes by a restart, not by a reload"),
        ({"store_url": "redis://127.0.0.1:1"}, "SESSIOND_STORE_URL: changes by a restart.*"),
        ({"workers": None}, "SESSIOND_WORKERS: changes by a restart.*"),
        ({"tls_cert_file": "/no", "tls_key_file": "/no"}, "cannot read /no: No such file.*"),
    ],
)
def test_settings_that_will_not_do_change_nothing(
    server: Supervised, change: dict[str, object], sentence: str
) -> None:
    """The same workers go on, and a worker that dies meanwhile comes back as it was."""
    before, good = server.pids(), server.file.read_text()
    server.configure(**change)
    try:
        assert re.fullmatch(sentence, server.reload())
    finally:
        server.file.write_text(good)
    assert server.pids() == before
    with SessionClient(server.address, token=server.token) as sessions:
        assert sessions.create("carol").session.user_id == "carol"


def test_a_store_that_new_workers_cannot_use_is_refused(directory: Path) -> None:
    """What only a worker can find out stops the reload as well: profiles that the store denies."""
    with supervised(directory, workers=1) as server:
        server.wait_until_welcome()
        before = server.pids()
        server.configure(at_cap="evict_idle")
        assert "profile" in server.reload()
        assert server.pids() == before
