"""Stores that sessiond refuses to start on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from sessiond.app import App
from sessiond.domain.errors import StartupError
from sessiond.domain.profile import AtCap
from tests.engines import require_engine, start_real_engine
from tests.rpc.calls import outcome
from tests.rpc.conftest import ServeWith
from tests.rpc.logs import captured
from tests.rpc.process import engines_on, refused_start, run, sessiond
from tests.rpc.serving import ServerLoop

Settings = dict[str, Any]


@pytest.mark.parametrize("engine_name", ["valkey", "redis7"])
def test_an_engine_that_evicts_is_refused_in_production(
    tmp_path: Path, production: Settings, engine_name: Literal["valkey", "redis7"]
) -> None:
    """It would forget sessions without a trace."""
    require_engine(engine_name)
    with start_real_engine(engine_name, config={"maxmemory-policy": "allkeys-lru"}) as engine:
        production["store_url"] = engine.url
        said = refused_start(tmp_path, **production)
    assert "allkeys-lru" in said
    assert "noeviction" in said


def test_an_engine_that_evicts_is_a_warning_in_development(
    tmp_path: Path, serve_with: ServeWith
) -> None:
    """And the server serves."""
    with start_real_engine("valkey", config={"maxmemory-policy": "allkeys-lru"}) as engine:
        with captured() as log:
            api = serve_with(url=engine.url, dev=True, data_dir=tmp_path).api("admin")
        assert outcome(api.create, "alice") == "OK"
    assert any("allkeys-lru" in entry.get("finding", "") for entry in log.entries)


def test_a_server_with_another_kind_of_profile_is_refused(
    loop: ServerLoop, serve_with: ServeWith
) -> None:
    """All servers of a store must order a user's sessions alike; the first one goes on."""
    first = serve_with()
    other = App(first.settings.model_copy(update={"at_cap": AtCap.EVICT_IDLE}))
    loop.run(other.__aenter__())
    with pytest.raises(StartupError, match=r"default.*cannot change under live sessions"):
        loop.run(other.failed())
    loop.run(other.__aexit__(None, None, None))
    assert outcome(first.api().create, "alice") == "OK"


def test_a_second_server_on_one_embedded_store_is_refused(
    tmp_path: Path, production: Settings
) -> None:
    """It has one owner, which goes on."""
    with sessiond(tmp_path, **production) as first:
        first.wait_until("store_ready")
        done = run(tmp_path, "serve", **production)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines()[-1].startswith("sessiond: ")
        assert first.process.poll() is None
        assert len(engines_on(tmp_path)) == 1
