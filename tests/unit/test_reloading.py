"""Files that are read again as they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessiond.reloading import Reloaded


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two files that belong together, as a certificate and its key do."""
    files = tmp_path / "one", tmp_path / "other"
    _replace(files, "1")
    return files


def _replace(files: tuple[Path, Path], text: str) -> None:
    for file in files:
        fresh = file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(file)


def test_a_reading_of_two_ages_counts_for_nothing(pair: tuple[Path, Path]) -> None:
    """The files are replaced between one and the other: what they said before stands meanwhile."""
    later: list[str] = []

    def read() -> list[str]:
        first = pair[0].read_text()
        if later:
            _replace(pair, later.pop())
        return [first, pair[1].read_text()]

    files = Reloaded(pair, read)
    _replace(pair, "2")
    later.append("3")
    assert (files.reload_if_changed(), files.value) == (False, ["1", "1"])
    assert (files.reload_if_changed(), files.value) == (True, ["3", "3"])
    assert not files.reload_if_changed()
