"""The import of whole batches: what is wrong with one record harms no other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from sessiond.domain.errors import FieldViolation, ImportKeyMissingError
from sessiond.domain.transfer import Fate
from sessiond.service.importing import Importer, ImportOutcome, ImportRecord, InvalidRecord
from sessiond.service.policy import Policies
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from sessiond.tokens.external_ids import ExternalIds
from sessiond.tokens.keymaker import create_keys
from sessiond.tokens.keyring import KeyRing, Lifetimes
from sessiond.tokens.refresh import RefreshTokens
from tests.store.inside import Inside
from tests.store.kit import ALICE, BOB, DAY, HOUR, MOBILE, WEB, capped
from tests.store.newcomers import live
from tests.store.walk import walk

LIFETIMES = Lifetimes(access_s=3_600, service_s=3_600, session_s=86_400)


class Old:
    """Records of the other system."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def record(self, external_id: str, user: str = ALICE, **more: Any) -> ImportRecord:
        """A session of an hour ago that lives another day."""
        record = ImportRecord(external_id, user, (self._now_ms - HOUR) * 1000, self._now_ms + DAY)
        return dataclasses.replace(record, **more)


@pytest.fixture
async def old(inside: Inside) -> Old:
    """The other system."""
    return Old(await inside.now_ms())


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    """A fresh ring."""
    create_keys(tmp_path / "keys")
    return KeyRing.load(tmp_path / "keys", LIFETIMES)


@pytest.fixture
def importer(transfer: TransferStore, ring: KeyRing) -> Importer:
    """An importer with a cap of two."""
    policies = Policies({"default": capped(WEB, 2), "mobile": MOBILE})
    return Importer(transfer, policies, ExternalIds(ring), RefreshTokens(ring))


async def test_each_record_has_its_own_outcome(
    importer: Importer, store: Store, inside: Inside, ring: KeyRing, old: Old
) -> None:
    """In order, and the good ones come in."""
    bad = InvalidRecord((FieldViolation("user_id", "is required"), FieldViolation("a", "is odd")))
    outcomes = await importer.import_many(
        [
            bad,
            old.record("1"),
            old.record("2", profile="no-such"),
            old.record("3", is_revoked=True),
            old.record("4", expire_ms=1),
            old.record("5", create_us=2**51),
            old.record("1"),
            old.record("1", BOB, profile="mobile"),
        ],
        validate_only=False,
    )
    alices, bobs = (ExternalIds(ring).session_id(user, "1") for user in (ALICE, BOB))
    assert outcomes == [
        ImportOutcome(Fate.INVALID, description="user_id is required; a is odd"),
        ImportOutcome(Fate.IMPORTED, alices),
        ImportOutcome(Fate.INVALID, description="profile is not one of: default, mobile"),
        ImportOutcome(Fate.REVOKED),
        ImportOutcome(Fate.EXPIRED),
        ImportOutcome(Fate.INVALID, description="create_time is in the future"),
        ImportOutcome(Fate.EXISTS, alices),
        ImportOutcome(Fate.IMPORTED, bobs),
    ]
    assert [session.id for session in await live(store, [ALICE, BOB])] == [alices, bobs]
    await walk(store, inside)


async def test_a_batch_of_any_size_is_answered_in_order(
    importer: Importer, store: Store, inside: Inside, old: Old
) -> None:
    """More than go out at once; a second time all of them exist."""
    records = [old.record(str(i), f"user-{i}") for i in range(120)]
    for fate in (Fate.IMPORTED, Fate.EXISTS):
        outcomes = await importer.import_many(records, validate_only=False)
        assert {outcome.fate for outcome in outcomes} == {fate}
        found = await live(store, [record.user_id for record in records])
        assert [session.id for session in found] == [outcome.session_id for outcome in outcomes]
    assert await importer.import_many([], validate_only=False) == []
    await walk(store, inside)


async def test_who_made_room_is_named(importer: Importer, old: Old) -> None:
    """By the ids that their own import gave; one that found no room has no id."""
    ages = (3, 2, 1, 4)
    records = [old.record(str(a), create_us=old.record("").create_us - a * HOUR) for a in ages]
    first, _, third, last = await importer.import_many(records, validate_only=False)
    assert third.evicted == (first.session_id,)
    assert last == ImportOutcome(Fate.SUPERSEDED)


async def test_validation_changes_nothing(importer: Importer, inside: Inside, old: Old) -> None:
    """And says what would come in."""
    records = [old.record("1"), old.record("2", is_revoked=True)]
    outcomes = await importer.import_many(records, validate_only=True)
    assert [outcome.fate for outcome in outcomes] == [Fate.IMPORTED, Fate.REVOKED]
    assert not await inside.snapshot()


async def test_without_the_key_nothing_comes_in(
    importer: Importer, ring: KeyRing, inside: Inside, old: Old
) -> None:
    """The whole batch is refused: any other id would bring the same sessions in twice."""
    next((ring.directory / "import").iterdir()).unlink()
    ring.reload()
    with pytest.raises(ImportKeyMissingError):
        await importer.import_many([old.record("1")], validate_only=False)
    assert not await inside.snapshot()
