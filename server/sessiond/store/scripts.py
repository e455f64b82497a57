"""Typed calls of the scripts: one method an operation, one round trip each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sessiond.domain.errors import (
    EtagMismatchError,
    FieldViolation,
    InvalidFieldError,
    SessionLimitReachedError,
    SessionUserMismatchError,
    StartupError,
)
from sessiond.domain.ids import PARTITIONS
from sessiond.domain.limits import MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES
from sessiond.domain.profile import Profile
from sessiond.domain.session import Client, EndReason, Outcome, Session, State
from sessiond.store import refusals
from sessiond.store.fields import ATTRIBUTE, client_details, creation_fields, decode_session
from sessiond.store.keyspace import SCHEMA_VERSION
from sessiond.store.link import Argument
from sessiond.store.replies import (
    ALL_STATES,
    Created,
    Extended,
    Found,
    NewSession,
    Page,
    PageAnchor,
    Pruned,
    Refreshed,
    Request,
    Revoked,
    Swept,
)
from sessiond.store.script_set import ScriptSet


class Store:
    """The operations on sessions. Every method may raise StoreUnavailableError."""

    def __init__(self, scripts: ScriptSet) -> None:
        self._scripts = scripts
        self._keys = scripts.keys

    async def create(self, new: NewSession) -> Created:
        """Create a session and make room for it.

        Raises:
            RequestIdReusedError, ReplaySupersededError, SessionUserMismatchError,
            SessionLimitReachedError, StoreFullError: nothing was changed.
        """
        profile, request = new.profile, new.request
        self._must_be_of(new.user_id, new.replaces_session_id)
        status, *rest = await self._scripts.run(
            "create",
            self._keys.of_user(new.user_id),
            (
                *self._scripts.ending(),
                new.user_id, new.id, profile.name, profile.at_cap, profile.cap,
                new.idle_ms, new.absolute_ms, new.mac_key_id,
                request.key, request.digest, request.ttl_ms,
                new.replaces_session_id, new.client.device_id,
                *creation_fields(new.client, new.attributes, new.authentication, new.audience),
            ),
            idempotent=bool(request.key),
        )  # fmt: skip
        match status:
            case b"CREATED" | b"REPLAYED":
                now, session_id, flat, evicted = rest
                return Created(
                    now_ms=now,
                    session=decode_session(session_id.decode(), flat, now),
                    evicted=tuple(_sessions(evicted, now)),
                    replayed=status == b"REPLAYED",
                )
            case b"REPLAY_SUPERSEDED":
                raise refusals.replay_superseded(rest[0].decode())
            case b"LIMIT":
                raise SessionLimitReachedError(
                    "the user holds as many sessions as the profile allows",
                    profile=profile.name,
                    cap=str(profile.cap),
                )
            case b"UNREGISTERED":
                raise refusals.unregistered()
        raise _refusal(status, new.replaces_session_id)

    async def refresh(
        self,
        session_id: str,
        generation: int,
        client: Client,
        *,
        request: str,
        grace_ms: int,
        mac_key_id: int,
    ) -> Refreshed:
        """Present a generation of the refresh token; `request` is empty or a digest of the request.

        Raises:
            RefreshTokenReusedError: and the session is now ended.
            RefreshTokenAheadError, SessionEndedError, SessionExpiredError, SessionNotFoundError.
        """
        cut, details = client_details(client)
        status, *rest = await self._scripts.run(
            "refresh",
            self._keys.of_session(session_id),
            (
                *self._scripts.ending(),
                session_id, generation, request, grace_ms, mac_key_id, cut, *details,
            ),
            idempotent=bool(request),
        )  # fmt: skip
        session, now = refusals.usable(
            status, session_id, rest, "ROTATED CURRENT REPLAYED RECOVERED"
        )
        return Refreshed(now, session, rest[2], Outcome[status.decode()])

    async def extend(self, session_id: str, client: Client) -> Extended:
        """Extend a live session.

        Raises:
            SessionEndedError, SessionExpiredError, SessionNotFoundError.
        """
        cut, details = client_details(client)
        status, *rest = await self._scripts.run(
            "extend",
            self._keys.of_session(session_id),
            (session_id, cut, *details),
            idempotent=True,
        )
        session, now = refusals.usable(status, session_id, rest, "EXTENDED")
        return Extended(now, session, rest[2])

    async def validate(self, session_id: str, activity_ms: int) -> Found | None:
        """Read a session and, at most once per activity interval, record that it was seen."""
        reply = await self._scripts.run(
            "validate",
            self._keys.of_session(session_id),
            (session_id, activity_ms),
            idempotent=True,
        )
        return _found(reply, session_id)

    async def validate_many(
        self, session_ids: Sequence[str], activity_ms: int
    ) -> list[Found | None]:
        """Validate sessions at once; the answers in order."""
        replies = await self._scripts.run_many(
            "validate",
            [(self._keys.of_session(i), (i, activity_ms)) for i in session_ids],
        )
        return [_found(reply, i) for reply, i in zip(replies, session_ids, strict=True)]

    async def get(self, session_id: str) -> Found | None:
        """Read a session in any state."""
        reply = await self._scripts.run(
            "get", self._keys.of_session(session_id), (session_id,), idempotent=True
        )
        return _found(reply, session_id)

    async def list(
        self,
        user_id: str,
        size: int,
        states: Iterable[State] = ALL_STATES,
        after: PageAnchor | None = None,
    ) -> Page:
        """Read one page of a user's sessions, after the place where the page before ended."""
        anchor = after or PageAnchor("", 0, "")
        now, more, flat = await self._scripts.run(
            "list",
            self._keys.of_user(user_id),
            (
                user_id, size, " ".join(s.name for s in states),
                anchor.section, anchor.score, anchor.session_id,
            ),
            idempotent=True,
        )  # fmt: skip
        sessions = tuple(
            decode_session(flat[i + 2].decode(), flat[i + 3], now) for i in range(0, len(flat), 4)
        )
        last = PageAnchor(flat[-4].decode(), int(flat[-3]), flat[-2].decode()) if more else None
        return Page(sessions, last)

    async def update(
        self,
        session_id: str,
        attributes: Mapping[str, str],
        *,
        remove: Sequence[str] = (),
        replace_all: bool,
        etag: str = "",
        mark: str = "",
    ) -> Found:
        """Set and remove attributes of a live session.

        With an etag, a retry that has the mark of the last update is answered like its first try.

        Raises:
            EtagMismatchError, InvalidFieldError (over the limits once merged), SessionEndedError,
            SessionExpiredError, SessionNotFoundError, StoreFullError: nothing was changed.
        """
        arguments: list[Argument] = [session_id, etag, mark]
        arguments.append("all" if replace_all else "some")
        arguments += (MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES, len(remove))
        arguments += [ATTRIBUTE + key for key in remove]
        for key, value in attributes.items():
            arguments += (ATTRIBUTE + key, value)
        status, *rest = await self._scripts.run(
            "update", self._keys.of_session(session_id), arguments, idempotent=True
        )
        if status == b"ETAG_MISMATCH":
            raise EtagMismatchError(
                "another update came between", session_id=session_id, etag=rest[0].decode()
            )
        if status == b"TOO_LARGE":
            limit = f"at most {MAX_ATTRIBUTES} entries and {MAX_ATTRIBUTE_BYTES} bytes"
            made = f"would have {rest[1]} entries and {rest[0]} bytes"
            raise InvalidFieldError([FieldViolation("attributes", f"{limit}; {made}")])
        session, now = refusals.usable(status, session_id, rest, "UPDATED")
        return Found(now, session)

    async def revoke(self, session_id: str, reason: EndReason, caller: str) -> Revoked | None:
        """End a session; None if it is unknown."""
        status, *rest = await self._scripts.run(
            "revoke",
            self._keys.of_session(session_id),
            (*self._scripts.ending(caller), session_id, int(reason)),
            idempotent=True,
        )
        if status == b"NOT_FOUND":
            return None
        now, flat = rest
        return Revoked(now, decode_session(session_id, flat, now), status == b"REVOKED")

    async def revoke_user(
        self, user_id: str, reason: EndReason, caller: str, request: Request, except_id: str = ""
    ) -> tuple[str, ...]:
        """End all live sessions of a user but `except_id`; the ids that this request ended.

        Raises:
            RequestIdReusedError, SessionUserMismatchError: nothing was changed.
        """
        self._must_be_of(user_id, except_id)
        status, *rest = await self._scripts.run(
            "revoke_user",
            self._keys.of_user(user_id),
            (
                *self._scripts.ending(caller),
                user_id, except_id, int(reason), request.key, request.digest, request.ttl_ms,
            ),
            idempotent=bool(request.key),
        )  # fmt: skip
        if status in (b"REVOKED", b"REPLAYED"):
            return tuple(word.decode() for word in rest[1])
        raise _refusal(status, except_id)

    async def prune_user(self, user_id: str) -> Pruned:
        """Visit a user: drop what is dead and set the next visit."""
        reply = await self._scripts.run(
            "prune_user",
            self._keys.of_user(user_id),
            (*self._scripts.ending(), user_id),
            idempotent=True,
        )
        return Pruned(*reply)

    async def sweep(self, partition: int, most: int) -> Swept:
        """Trim a partition's `log` and `dead`, and name users due for a visit: `most` of each."""
        trimmed, users = await self._scripts.run(
            "sweep", self._keys.bases[partition], (self._scripts.ends.log_ms, most), idempotent=True
        )
        return Swept(trimmed, tuple(word.decode() for word in users))

    async def is_registered(self) -> bool:
        """Whether all nodes that answer still hold what `register` wrote."""
        return await self._scripts.none_was_emptied()

    async def register(self, profiles: Iterable[Profile], *, complete: bool = True) -> None:
        """Pin what all servers of a store must agree on, in every partition.

        Args:
            profiles: those of this server.
            complete: whether they must be all that the store knows. A server that runs while
                another brings a new profile does not know it, and can go on.

        Raises:
            StartupError: this server differs from those before it.
        """
        # Loaded ahead: fakeredis' TCP server hangs up at any error reply, NOSCRIPT too.
        await self._scripts.load_all()
        ends = self._scripts.ends
        arguments: list[Argument] = [SCHEMA_VERSION, PARTITIONS, ends.access_ms, ends.retention_ms]
        arguments.append("all" if complete else "own")
        for profile in profiles:
            arguments += (profile.name, "refreshed" if profile.ordered_by_refresh else "created")
        differences = await self._scripts.run_everywhere("register", arguments)
        for difference in differences:
            if difference:
                what, stored, ours = (word.decode() for word in difference)
                raise StartupError(
                    f"this store was set up with {what} = {stored}, this server has {ours}: all"
                    " servers of a store need the same, and it cannot change under live sessions"
                )

    def _must_be_of(self, user_id: str, session_id: str) -> None:
        # A session of another partition is another user's, and no script would see it.
        if session_id and self._keys.of_session(session_id) != self._keys.of_user(user_id):
            raise _refusal(b"USER_MISMATCH", session_id)


def _sessions(flat: list[Any], now_ms: int) -> Iterable[Session]:
    for i in range(0, len(flat), 2):
        yield decode_session(flat[i].decode(), flat[i + 1], now_ms)


def _found(reply: list[Any], session_id: str) -> Found | None:
    if reply[0] == b"NOT_FOUND":
        return None
    _, now, flat = reply
    return Found(now, decode_session(session_id, flat, now))


def _refusal(status: bytes, other_session_id: str) -> Exception:
    if status == b"REQUEST_ID_REUSED":
        return refusals.request_id_reused()
    if status == b"USER_MISMATCH":
        return SessionUserMismatchError(
            "the session belongs to another user", session_id=other_session_id
        )
    raise AssertionError(f"a script answered {status!r}")
