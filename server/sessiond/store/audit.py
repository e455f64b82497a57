"""Typed calls of the scripts that hold the store against itself. Decision 0004 tells how."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, NamedTuple

from sessiond.domain.drift import DriftKind
from sessiond.domain.profile import Profile
from sessiond.store.keyspace import Located
from sessiond.store.link import Argument
from sessiond.store.script_set import ScriptSet

_SCAN_COUNT: Final = 1_000
_MOST: Final = 150
"""How many sessions or entries a script looks at: a millisecond or two."""


class Finding(NamedTuple):
    """One disagreement: its kind and what it is about."""

    kind: DriftKind
    what: str


class Seen(NamedTuple):
    """What disagrees in some sets, and the sessions that are where they belong."""

    findings: list[Finding]
    session_ids: list[str]


class KeyPage(NamedTuple):
    """Some keys of the store: what each says, and those that are none of its own."""

    located: list[Located]
    unknown: list[str]


class AuditStore:
    """Looks at keys, and repairs them on request. Every method may raise StoreUnavailableError."""

    def __init__(
        self, scripts: ScriptSet, profiles: Iterable[Profile], *, request_ttl_ms: int
    ) -> None:
        """Set what is right.

        Args:
            scripts: lead to the store.
            profiles: whose caps a repair keeps to.
            request_ttl_ms: what a request record without TTL is given.
        """
        self._scripts = scripts
        self._request_ttl_ms = request_ttl_ms
        caps = [(profile.name, profile.cap) for profile in profiles]
        self._caps: tuple[Argument, ...] = (len(caps), *(word for cap in caps for word in cap))

    async def size(self) -> int:
        """How many keys the nodes hold, of whoever."""
        nodes = await self._scripts.nodes()
        return sum(await asyncio.gather(*(node.send("DBSIZE") for node in nodes)))

    async def keys(self) -> AsyncIterator[KeyPage]:
        """All keys below the prefix, in pages, node by node; some more than once.

        Those that go from one node to another meanwhile may be missing.
        """
        for node in await self._scripts.nodes():
            cursor = b""
            while cursor != b"0":
                cursor, names = await node.send(
                    "SCAN", cursor or 0, "MATCH", self._scripts.keys.pattern, "COUNT", _SCAN_COUNT
                )
                yield self._page(names)

    def _page(self, names: Iterable[bytes]) -> KeyPage:
        page = KeyPage([], [])
        for name in names:
            if located := self._scripts.keys.locate(name):
                page.located.append(located)
            else:
                page.unknown.append(_text(name))
        return page

    async def sessions(
        self, partition: int, session_ids: Sequence[str], *, repair: bool
    ) -> list[Finding]:
        """Hold sessions of a partition against the index and the TTL that they must have."""
        subjects: list[tuple[Argument, ...]] = [(session_id,) for session_id in session_ids]
        seen = await self._audit("audit_sessions", partition, subjects, self._caps, repair=repair)
        return seen.findings

    async def indexes(
        self, partition: int, sets: Sequence[tuple[str, str]], *, repair: bool
    ) -> Seen:
        """Hold live sets and histories of a partition against their sessions and users.

        Each set is a profile and a user; without a profile it is the user's history. The sessions
        are held against what they must have by themselves, too.
        """
        return await self._audit("audit_indexes", partition, sets, repair=repair)

    async def ttls(self, partition: int, keys: Sequence[str], *, repair: bool) -> list[Finding]:
        """Hold the TTLs of other keys of a partition against their kind; names lack the base."""
        flat = await self._scripts.run(
            "audit_ttls",
            self._scripts.keys.bases[partition],
            (_mode(repair), self._request_ttl_ms, *keys),
            idempotent=True,
        )
        return _findings(flat)

    async def recount(
        self, partition: int, unlisted: Iterable[str], *, repair: bool
    ) -> list[Finding]:
        """Hold a partition's counters against what they count, in one script.

        `unlisted` are users who hold sessions and are missing from the index of users.
        """
        flat = await self._scripts.run(
            "recount",
            self._scripts.keys.bases[partition],
            (_mode(repair), *unlisted),
            idempotent=True,
        )
        findings: list[Finding] = []
        for i in range(0, len(flat), 3):
            name, stored, counted = flat[i : i + 3]
            what = f"{name.decode()} of partition {partition}: {stored}, counted {counted}"
            findings.append(Finding(DriftKind.COUNTER_WRONG, what))
        return findings

    async def _audit(
        self,
        script: str,
        partition: int,
        subjects: Sequence[tuple[Argument, ...]],
        extra: tuple[Argument, ...] = (),
        *,
        repair: bool,
    ) -> Seen:
        """Run a script until it has looked at every subject."""
        seen = Seen([], [])
        while subjects:
            done, flat, *members = await self._scripts.run(
                script,
                self._scripts.keys.bases[partition],
                (
                    *self._scripts.ending(), _mode(repair), _MOST, *extra,
                    *(word for subject in subjects for word in subject),
                ),
                idempotent=True,
            )  # fmt: skip
            seen.findings.extend(_findings(flat))
            seen.session_ids.extend(word.decode() for ids in members for word in ids)
            subjects = subjects[done:]
        return seen


def _mode(repair: bool) -> str:
    return "repair" if repair else "report"


def _findings(flat: Sequence[bytes]) -> list[Finding]:
    return [
        Finding(DriftKind[flat[i].decode()], _text(flat[i + 1])) for i in range(0, len(flat), 2)
    ]


def _text(name: bytes) -> str:
    """A name for people, whatever it is made of."""
    return name.decode(errors="backslashreplace")
