"""Supervisors in development mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import require_engine
from tests.workers.supervised import Supervised, supervised


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    """Two workers, which the tests of a module share."""
    require_engine("valkey")
    with supervised(tmp_path_factory.mktemp("workers")) as started:
        started.wait_until_welcome()
        yield started


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a test starts a server of its own."""
    require_engine("valkey")
    return tmp_path
