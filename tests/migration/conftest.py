"""One PostgreSQL for all tests here; a table and a service of its own for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessionstore import AdminClient, SessionClient
from tests.engines import require
from tests.faults.sessiond import start_sessiond
from tests.migration import kit, old_system
from tests.migration.postgres import Postgres, start_postgres, why_missing


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL 15."""
    require(why_missing())
    with start_postgres() as started:
        yield started


@pytest.fixture
def migration(postgres: Postgres, tmp_path: Path) -> Iterator[kit.Migration]:
    """The old system with its sessions, and an empty service."""
    kit.prepare(tmp_path)
    with start_sessiond() as server, postgres.connect() as old:
        asyncio.run(server.serving())
        old_system.create(old)
        token_file = tmp_path / "token"
        token_file.write_text(server.token)
        with (
            SessionClient(server.address, token=server.token) as sessions,
            AdminClient(server.address, token=server.token) as admin,
        ):
            environment = kit.environment(server.address, token_file, postgres.environment)
            yield kit.Migration(old, sessions, admin, tmp_path, environment)


@pytest.fixture
def moved(migration: kit.Migration) -> kit.Migration:
    """Both systems, with everything imported."""
    migration.export()
    migration.summary("sessions.csv")
    return migration
