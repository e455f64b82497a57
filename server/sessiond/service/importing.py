"""Taking over sessions of another system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sessiond.domain.errors import FieldViolation, InvalidFieldError
from sessiond.domain.session import Client
from sessiond.domain.transfer import Fate
from sessiond.service.policy import Policies
from sessiond.store.replies import Arrival, Newcomer
from sessiond.store.transfer import TransferStore
from sessiond.tokens.external_ids import ExternalIds
from sessiond.tokens.refresh import RefreshTokens

_AT_ONCE: Final = 50
"""Calls of others wait for as many imports at most."""
_IN_THE_FUTURE: Final = FieldViolation("create_time", "is in the future")


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """A session as the other system had it. Times are since the Unix epoch."""

    external_id: str
    user_id: str
    create_us: int
    expire_ms: int
    profile: str = ""
    client: Client = field(default_factory=Client)
    attributes: Mapping[str, str] = field(default_factory=dict)
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class InvalidRecord:
    """A record that breaks the rules of what a session may hold."""

    violations: tuple[FieldViolation, ...]


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of one record."""

    fate: Fate
    session_id: str = ""
    """Its id here, if it is imported or exists."""
    description: str = ""
    """What is wrong with it, if it is invalid."""
    evicted: tuple[str, ...] = ()
    """The ids of live sessions that made room for it."""


class Importer:
    """Brings sessions in: each record at most once, in any order, however often it is repeated."""

    def __init__(
        self,
        store: TransferStore,
        policies: Policies,
        external_ids: ExternalIds,
        refresh_tokens: RefreshTokens,
    ) -> None:
        self._store = store
        self._policies = policies
        self._external_ids = external_ids
        self._refresh_tokens = refresh_tokens

    async def import_many(
        self, records: Sequence[ImportRecord | InvalidRecord], *, validate_only: bool
    ) -> list[ImportOutcome]:
        """Import records, or say what would become of each; the outcomes in order.

        Raises:
            ImportKeyMissingError: the key ring has no import key; nothing was changed.
            StoreUnavailableError, StoreFullError: some may have come in; the same call again
                brings in the rest.
        """
        judged = [self._judge(record) for record in records]
        newcomers = [each for each in judged if isinstance(each, Newcomer)]
        arrivals: list[Arrival] = []
        for start in range(0, len(newcomers), _AT_ONCE):
            some = newcomers[start : start + _AT_ONCE]
            arrivals += await self._store.import_many(some, dry_run=validate_only)
        following = iter(arrivals)
        return [
            _outcome(each, next(following)) if isinstance(each, Newcomer) else each
            for each in judged
        ]

    def _judge(self, record: ImportRecord | InvalidRecord) -> Newcomer | ImportOutcome:
        """What the store is asked about, or what became of the record without it."""
        if isinstance(record, InvalidRecord):
            return _invalid(record.violations)
        try:
            profile, _, _ = self._policies.resolve(record.profile, None, None)
        except InvalidFieldError as error:
            return _invalid(error.violations)
        if record.is_revoked:
            return ImportOutcome(Fate.REVOKED)
        return Newcomer(
            id=self._external_ids.session_id(record.user_id, record.external_id),
            user_id=record.user_id,
            profile=profile,
            create_us=record.create_us,
            expire_ms=record.expire_ms,
            mac_key_id=self._refresh_tokens.key_id,
            client=record.client,
            attributes=record.attributes,
        )


def _outcome(newcomer: Newcomer, arrival: Arrival) -> ImportOutcome:
    if arrival.fate is Fate.INVALID:
        return _invalid((_IN_THE_FUTURE,))
    is_here = arrival.fate in (Fate.IMPORTED, Fate.EXISTS)
    return ImportOutcome(arrival.fate, newcomer.id if is_here else "", evicted=arrival.made_room)


def _invalid(violations: Sequence[FieldViolation]) -> ImportOutcome:
    return ImportOutcome(Fate.INVALID, description="; ".join(map(str, violations)))
