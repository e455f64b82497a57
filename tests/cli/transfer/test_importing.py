"""An import between the thread that sends and the one that takes answers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final

from sessionstore import ImportOutcome, ImportResult
from sessionstore.cli.transfer.importing import BATCH, Import
from sessionstore.cli.transfer.tally import UNREADABLE, Tally
from tests.cli.transfer.files import CREATED, EXPIRES, ROW, csv_of, read

_STUCK_S: Final = 0.5
"""What reads a few hundred rows takes far less."""


def result(outcome: ImportOutcome, *evicted: str) -> ImportResult:
    return ImportResult(outcome=outcome, session_id="", description="", evicted_session_ids=evicted)


def imported(count: int) -> Iterable[ImportResult]:
    return [result(ImportOutcome.IMPORTED)] * count


def rows(count: int) -> list[str]:
    return [f"old-{number},alice,,,{CREATED},{EXPIRES}," for number in range(count)]


def import_of(data: bytes, told: list[str] | None = None) -> tuple[Import, Tally]:
    tally = Tally((told if told is not None else []).append)
    return Import(read(data), tally), tally


def test_rows_are_sent_in_batches_of_what_a_request_takes() -> None:
    """In order, the last batch with what is left."""
    work, _ = import_of(csv_of(*rows(2 * BATCH + 1)))
    batches = list(work.batches())
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 1]
    sent = [session.external_id for batch in batches for session in batch]
    assert sent == [f"old-{number}" for number in range(2 * BATCH + 1)]


def test_the_next_line_has_everything_before_it_settled() -> None:
    """However far reading is ahead of the answers."""
    work, tally = import_of(csv_of(*rows(BATCH), "bad", *rows(3)))
    batches = work.batches()
    next(batches)
    assert work.next_line == 1
    next(batches)
    work.answered(imported(BATCH))
    assert work.next_line == BATCH + 3
    assert tally.counts[UNREADABLE] == 1
    work.answered(imported(3))
    assert work.next_line == BATCH + 6
    assert tally.counts[ImportOutcome.IMPORTED] == BATCH + 3


def test_bad_rows_alone_are_settled_without_an_answer() -> None:
    """A file of nothing else sends nothing, and keeps none of them."""
    work, tally = import_of(csv_of(*["bad"] * 20_000))
    assert list(work.batches()) == []
    assert tally.counts[UNREADABLE] == 20_000
    assert work.next_line == 20_002


def test_bad_rows_do_not_pile_up_behind_a_good_one() -> None:
    """A batch is sent before too many rows wait for it."""
    work, _ = import_of(csv_of(ROW, *["bad"] * 20_000))
    batch = next(work.batches())
    assert len(batch) == 1
    assert len(work._unsettled) < 10_000


def test_reading_waits_for_answers() -> None:
    """However fast the file is, few of its rows are in memory."""
    work, _ = import_of(csv_of(*rows(20 * BATCH)))
    batches = work.batches()
    with ThreadPoolExecutor(1) as reader:
        ahead = 0
        while True:
            batch = reader.submit(next, batches)
            if not wait((batch,), timeout=_STUCK_S).done:
                break
            ahead += 1
        assert 1 <= ahead < 20
        work.answered(imported(BATCH))
        assert len(batch.result(timeout=10)) == BATCH


def test_the_first_rows_of_each_kind_are_told_and_all_of_them_reported() -> None:
    """The terminal stays readable; the report has every line, and no id of the other system."""
    told: list[str] = []
    report = io.StringIO()
    tally = Tally(told.append, report)
    work = Import(read(csv_of(*rows(6), "bad")), tally)
    list(work.batches())
    work.answered([result(ImportOutcome.REVOKED)] * 5 + [result(ImportOutcome.IMPORTED, "s")])
    assert told == [
        "line 2: REVOKED",
        "line 3: REVOKED",
        "line 4: REVOKED",
        "line 5: REVOKED; from here on these are only counted",
        "line 8: UNREADABLE: has 1 columns, the header 7",
    ]
    reported = [json.loads(line) for line in report.getvalue().splitlines()]
    assert [row["line"] for row in reported] == [2, 3, 4, 5, 6, 8]
    assert "old-" not in report.getvalue()
    assert (tally.made_room, tally.bad) == (1, 1)
