"""The rules of DESIGN sections 1 and 4 in plain Python, without an engine and without a clock.

Every method is told what time it is, in milliseconds; `let_pass` makes all that is known older.
Refusals are the store's own exceptions, by type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sessiond.domain.errors import (
    EtagMismatchError,
    InvalidFieldError,
    RefreshTokenAheadError,
    RefreshTokenReusedError,
    ReplaySupersededError,
    RequestIdReusedError,
    SessionEndedError,
    SessionExpiredError,
    SessionLimitReachedError,
    SessionNotFoundError,
    SessionStoreError,
    SessionUserMismatchError,
)
from sessiond.domain.limits import MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES
from sessiond.domain.profile import AtCap, Profile
from sessiond.domain.session import Client, EndReason, Outcome, Session, State
from sessiond.store.replies import NewSession, Request

REMEMBERED_MS = 3_600_000
MOST_LOST = 16

Refusal = type[SessionStoreError]


@dataclass
class Record:
    """A session and what is known of it beside: `session` is as last written."""

    session: Session
    idle_ms: int
    ordered_by_refresh: bool
    request: str = ""
    forget_ms: int = 0

    def at(self, now_ms: int) -> Session | None:
        """The session as of now; None once it is forgotten."""
        s = self.session
        if now_ms >= self.forget_ms:
            return None
        if s.state is State.ACTIVE and s.expire_ms <= now_ms:
            return replace(
                s, state=State.EXPIRED, end_reason=self.expiry_reason, end_ms=s.expire_ms
            )
        return s

    @property
    def expiry_reason(self) -> EndReason:
        """Which of its limits it runs into."""
        s = self.session
        return EndReason.ABSOLUTE if s.expire_ms == s.absolute_expire_ms else EndReason.IDLE


@dataclass
class Seen:
    """An idempotency record."""

    digest: str
    ids: list[str]
    until_ms: int


@dataclass
class Model:
    """All sessions of some users."""

    retention_ms: int
    profiles: Sequence[str]
    """Their names, in the order of their registration."""
    records: dict[str, Record] = field(default_factory=dict)
    live: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    history: dict[str, list[str]] = field(default_factory=dict)
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def let_pass(self, ms: int) -> None:
        """Make everything older."""
        for record in self.records.values():
            s = record.session
            record.forget_ms -= ms
            record.session = replace(
                s,
                create_us=s.create_us - ms * 1000,
                mint_ms=s.mint_ms - ms,
                expire_ms=s.expire_ms - ms,
                absolute_expire_ms=s.absolute_expire_ms - ms,
                refresh_ms=s.refresh_ms - ms,
                last_seen_ms=s.last_seen_ms - ms,
                end_ms=s.end_ms - ms if s.end_ms else 0,
            )
        for seen in self.seen.values():
            seen.until_ms -= ms

    def get(self, session_id: str, now_ms: int) -> Session | None:
        """The session as of now."""
        record = self.records.get(session_id)
        return record.at(now_ms) if record else None

    def usable(self, session_id: str, now_ms: int) -> Session | Refusal:
        """The session if it is active, else how it is refused."""
        session = self.get(session_id, now_ms)
        if session is None:
            return SessionNotFoundError
        match session.state:
            case State.ENDED:
                return SessionEndedError
            case State.EXPIRED:
                return SessionExpiredError
        return session

    def recall(self, user: str, request: Request, now_ms: int) -> Seen | Refusal | None:
        """What this request resulted in; a refusal if it was another one; None if it is new."""
        seen = self.seen.get((user, request.key)) if request.key else None
        if seen is None or now_ms >= seen.until_ms:
            return None
        return seen if seen.digest == request.digest else RequestIdReusedError

    def remember(self, user: str, request: Request, ids: Sequence[str], now_ms: int) -> None:
        """Keep what a request resulted in."""
        if request.key:
            self.seen[user, request.key] = Seen(request.digest, list(ids), now_ms + request.ttl_ms)

    def create_is_refused(self, new: NewSession, now_ms: int) -> Refusal | None:
        """Whether and how a create that is no replay is refused."""
        other = self.records.get(new.replaces_session_id)
        if other and now_ms < other.forget_ms and other.session.user_id != new.user_id:
            return SessionUserMismatchError
        _, _, staying = self._sorted_out(new, now_ms)
        if new.profile.at_cap is AtCap.REJECT and len(staying) >= new.profile.cap:
            return SessionLimitReachedError
        return None

    def replayed(self, seen: Seen, now_ms: int) -> Session | Refusal:
        """The session of a create that was seen before, if it has not moved on."""
        session = self.get(seen.ids[0], now_ms)
        if session is None or session.state is not State.ACTIVE or session.generation != 1:
            return ReplaySupersededError
        return session

    def create(self, new: NewSession, create_us: int, now_ms: int) -> tuple[Session, list[str]]:
        """Make room and create; the session and those that made room, in order."""
        expired, replaced, staying = self._sorted_out(new, now_ms)
        for session_id in expired:
            self._drop(session_id, now_ms)
        for session_id in replaced:
            self._end(session_id, EndReason.REPLACED, "", now_ms)
        evicted = staying[: max(0, len(staying) - new.profile.cap + 1)]
        for session_id in evicted:
            self._end(session_id, EndReason.EVICTED_BY_CAP, "", now_ms)
        absolute_ms = now_ms + new.absolute_ms
        session = Session(
            id=new.id,
            user_id=new.user_id,
            profile=new.profile.name,
            state=State.ACTIVE,
            create_us=create_us,
            mint_ms=now_ms,
            expire_ms=min(now_ms + new.idle_ms, absolute_ms),
            absolute_expire_ms=absolute_ms,
            refresh_ms=now_ms,
            last_seen_ms=now_ms,
            generation=1,
            mac_key_id=new.mac_key_id,
            client=new.client,
            attributes=dict(new.attributes),
        )
        self.records[new.id] = Record(
            session,
            new.idle_ms,
            new.profile.ordered_by_refresh,
            forget_ms=session.expire_ms + REMEMBERED_MS,
        )
        self._members(new.profile, new.user_id).append(new.id)
        self.counts.update(created=1, live=1)
        self.remember(new.user_id, new.request, [new.id, *replaced, *evicted], now_ms)
        return session, [*replaced, *evicted]

    def refresh_outcome(
        self, session_id: str, generation: int, request: str, grace_ms: int, now_ms: int
    ) -> Outcome | Refusal:
        """The row of the table that a presented generation falls into."""
        known = self.get(session_id, now_ms)
        reused = known is not None and known.end_reason is EndReason.TOKEN_REUSED
        if known and reused and generation < known.generation:
            return RefreshTokenReusedError
        session = self.usable(session_id, now_ms)
        if not isinstance(session, Session):
            return session
        within_grace = grace_ms > 0 and abs(now_ms - session.mint_ms) <= grace_ms
        retried = request != "" and request == self.records[session_id].request
        behind = session.generation - generation
        if behind == 0:
            return Outcome.CURRENT if within_grace else Outcome.ROTATED
        if behind == 1 and (retried or within_grace):
            return Outcome.REPLAYED
        if behind > 0:
            return RefreshTokenReusedError
        return Outcome.RECOVERED if -behind <= MOST_LOST else RefreshTokenAheadError

    def refresh(
        self,
        session_id: str,
        outcome: Outcome,
        now_ms: int,
        *,
        generation: int,
        request: str,
        client: Client,
        key_id: int,
    ) -> Session:
        """Do what the outcome says."""
        record = self.records[session_id]
        if outcome is Outcome.REPLAYED:
            self.counts["replayed"] += 1
            return record.session
        self._extend(record, client, now_ms)
        self.counts["refreshed"] += 1
        self.counts["recovered"] += outcome is Outcome.RECOVERED
        if outcome is not Outcome.CURRENT:
            record.request = request
            record.session = replace(
                record.session, generation=generation + 1, mint_ms=now_ms, mac_key_id=key_id
            )
        return record.session

    def reuse(self, session_id: str, now_ms: int) -> None:
        """A superseded token came back."""
        self._end(session_id, EndReason.TOKEN_REUSED, "", now_ms)

    def extend(self, session_id: str, client: Client, now_ms: int) -> Session:
        """Extend an active session."""
        self._extend(self.records[session_id], client, now_ms)
        self.counts["extended"] += 1
        return self.records[session_id].session

    def validate(self, session_id: str, activity_ms: int, now_ms: int) -> Session | None:
        """Read, and record that it was seen, if the last time was long enough ago."""
        session = self.get(session_id, now_ms)
        if session and session.state is State.ACTIVE:
            if now_ms - session.last_seen_ms >= activity_ms:
                session = replace(session, last_seen_ms=now_ms)
            self.records[session_id].session = session
        return session

    def update(
        self,
        session_id: str,
        attributes: Mapping[str, str],
        remove: Sequence[str],
        etag: str,
        now_ms: int,
        *,
        replace_all: bool,
    ) -> Session | Refusal:
        """Change attributes, whole or not at all."""
        session = self.usable(session_id, now_ms)
        if not isinstance(session, Session):
            return session
        if etag not in ("", str(session.version)):
            return EtagMismatchError
        kept = {} if replace_all else session.attributes
        merged = {k: v for k, v in kept.items() if k not in remove} | dict(attributes)
        size = sum(len(k.encode()) + len(v.encode()) for k, v in merged.items())
        if size > MAX_ATTRIBUTE_BYTES or len(merged) > MAX_ATTRIBUTES:
            return InvalidFieldError
        session = replace(session, attributes=merged, version=session.version + 1)
        self.records[session_id].session = session
        return session

    def revoke(
        self, session_id: str, reason: EndReason, caller: str, now_ms: int
    ) -> tuple[Session | None, bool]:
        """The session afterwards, and whether this ended it."""
        session = self.get(session_id, now_ms)
        if session is None or session.state is not State.ACTIVE:
            return session, False
        self._end(session_id, reason, caller, now_ms)
        return self.get(session_id, now_ms), True

    def revoke_user(
        self, user: str, reason: EndReason, caller: str, except_id: str, now_ms: int
    ) -> set[str]:
        """End all but one; the ids ended."""
        members = [i for key, ids in self.live.items() if key[1] == user for i in ids]
        ended: set[str] = set()
        for session_id in members:
            session = self.get(session_id, now_ms)
            if session is None or session.state is State.EXPIRED:
                self._drop(session_id, now_ms)
            elif session_id != except_id:
                self._end(session_id, reason, caller, now_ms)
                ended.add(session_id)
        return ended

    def prune(self, user: str, now_ms: int) -> tuple[int, int, int]:
        """Drop the dead and the forgotten; how many of each, and the next visit."""
        dead = [i for i in self._all_live(user) if not self._is_active(i, now_ms)]
        for session_id in dead:
            self._drop(session_id, now_ms)
        kept = self.history.get(user, [])
        gone = [i for i in kept if self.get(i, now_ms) is None]
        self.history[user] = [i for i in kept if i not in gone]
        self.counts["ended"] -= len(gone)
        due = [self.records[i].session.expire_ms for i in self._all_live(user)]
        due += [self.records[i].forget_ms for i in self.history[user]]
        return len(dead), len(gone), min(due, default=0)

    def listed(self, user: str, now_ms: int) -> set[str]:
        """The ids that a list of every state names."""
        ids = [*self._all_live(user), *self.history.get(user, [])]
        return {i for i in ids if self.get(i, now_ms) is not None}

    def in_order(self, profile: Profile, user: str) -> list[str]:
        """The live set of one profile, the first to be evicted first."""
        return list(self._members(profile, user))

    def _members(self, profile: Profile, user: str) -> list[str]:
        return self.live.setdefault((profile.name, user), [])

    def _all_live(self, user: str) -> Iterator[str]:
        for (_, owner), ids in self.live.items():
            if owner == user:
                yield from list(ids)

    def _is_active(self, session_id: str, now_ms: int) -> bool:
        session = self.get(session_id, now_ms)
        return session is not None and session.state is State.ACTIVE

    def _sorted_out(self, new: NewSession, now_ms: int) -> tuple[list[str], list[str], list[str]]:
        """The user's members: those expired, those replaced, those who stay so far."""
        expired, replaced, staying = [], [], []
        device = new.client.device_id
        for session_id in self._members(new.profile, new.user_id):
            same_device = self.records[session_id].session.client.device_id == device != ""
            if not self._is_active(session_id, now_ms):
                expired.append(session_id)
            elif session_id == new.replaces_session_id or same_device:
                replaced.append(session_id)
            else:
                staying.append(session_id)
        named = new.replaces_session_id
        for name in self.profiles:
            if device and name != new.profile.name:
                replaced += [
                    session_id
                    for session_id in self.live.get((name, new.user_id), [])
                    if self.records[session_id].session.client.device_id == device
                    and session_id != named
                    and self._is_active(session_id, now_ms)
                ]
        if named not in replaced and self._is_active(named, now_ms):
            replaced.append(named)
        return expired, replaced, staying

    def _extend(self, record: Record, client: Client, now_ms: int) -> None:
        s, given = record.session, {}
        for name in ("user_agent", "ip_address", "device_name", "fingerprint"):
            if value := getattr(client, name):
                given[name] = value
        later = min(now_ms + record.idle_ms, s.absolute_expire_ms)
        record.session = replace(
            s,
            expire_ms=max(s.expire_ms, later),
            refresh_ms=now_ms,
            last_seen_ms=now_ms,
            client=replace(s.client, **given),
        )
        record.forget_ms = record.session.expire_ms + REMEMBERED_MS
        if record.ordered_by_refresh:
            members = self.live[s.profile, s.user_id]
            members.remove(s.id)
            members.append(s.id)

    def _end(self, session_id: str, reason: EndReason, caller: str, now_ms: int) -> None:
        record = self.records[session_id]
        s = record.session
        record.session = replace(
            s,
            state=State.ENDED,
            end_reason=reason,
            end_ms=now_ms,
            ended_by=caller,
            attributes={},
            client=replace(s.client, fingerprint=""),
        )
        record.forget_ms = now_ms + self.retention_ms
        self.live[s.profile, s.user_id].remove(session_id)
        self.history.setdefault(s.user_id, []).append(session_id)
        self.counts.update({"live": -1, "ended": 1, f"e:{int(reason)}": 1})

    def _drop(self, session_id: str, now_ms: int) -> None:
        record = self.records[session_id]
        forgotten = now_ms >= record.forget_ms
        reason = EndReason.EXPIRED if forgotten else record.expiry_reason
        self.live[record.session.profile, record.session.user_id].remove(session_id)
        self.counts.update({"live": -1, f"e:{int(reason)}": 1})
