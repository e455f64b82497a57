"""One PostgreSQL for all tests here; a table and a service of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sessionstore import AdminClient, SessionClient
from tests.engines import RealEngine, require, require_engine, start_real_engine
from tests.migration import kit, old_system
from tests.migration.postgres import Postgres, start_postgres, why_missing
from tests.rpc.serving import ServerLoop, make_settings, serve


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL 15."""
    require(why_missing())
    with start_postgres() as started:
        yield started


@pytest.fixture(scope="session")
def valkey() -> Iterator[RealEngine]:
    """The engine of all services here."""
    require_engine("valkey")
    with start_real_engine("valkey") as started:
        yield started


@pytest.fixture
def migration(
    postgres: Postgres, loop: ServerLoop, valkey: RealEngine, tmp_path: Path
) -> Iterator[kit.Migration]:
    """The old system with its sessions, and an empty service."""
    kit.prepare(tmp_path)
    settings = make_settings(tmp_path / "service", valkey.url)
    with serve(loop, settings) as server, postgres.connect() as old:
        old_system.create(old)
        address, token = server.app.address, server.mint("admin")
        token_file = tmp_path / "token"
        token_file.write_text(token)
        with (
            SessionClient(address, token=token) as sessions,
            AdminClient(address, token=token) as admin,
        ):
            environment = kit.environment(address, token_file, postgres.environment)
            yield kit.Migration(old, sessions, admin, tmp_path, environment)


@pytest.fixture
def moved(migration: kit.Migration) -> kit.Migration:
    """Both systems, with everything imported."""
    migration.export()
    migration.summary("sessions.csv")
    return migration
