"""Files that are read again as they are renewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessionstore import _renewed
from sessionstore._renewed import Renewed


def test_a_reading_of_two_ages_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificate and key are renewed between one and the other: the last pair stands meanwhile."""
    monkeypatch.setattr(_renewed, "RECHECK_S", 0.0)
    one, other = tmp_path / "one", tmp_path / "other"
    later: list[str] = []

    def write(text: str) -> None:
        one.write_text(text)
        other.write_text(text)

    def read() -> list[str]:
        first = one.read_text()
        if later:
            write(later.pop())
        return [first, other.read_text()]

    write("1")
    pair = Renewed((one, other), read)
    write("second")
    later.append("the third")
    assert [pair(), pair(), pair()] == [["1", "1"], ["the third"] * 2, ["the third"] * 2]
