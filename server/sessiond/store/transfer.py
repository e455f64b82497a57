"""Typed calls of the scripts that move sessions between this and other systems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sessiond.domain.errors import SessionAlreadyAdoptedError
from sessiond.domain.session import NOT_TOLD, Session, State
from sessiond.domain.transfer import Fate
from sessiond.store import refusals
from sessiond.store.fields import creation_fields, decode_session
from sessiond.store.link import Argument
from sessiond.store.replies import Arrival, Found, Newcomer, Request
from sessiond.store.script_set import ScriptSet
from sessiond.store.walk import UserPage

CLOCK_SKEW_MS: Final = 5_000
"""How far the other system's clock may be ahead of the engine's."""


class TransferStore:
    """Sessions that come in and go out. Every method may raise StoreUnavailableError."""

    def __init__(self, scripts: ScriptSet) -> None:
        self._scripts = scripts
        self._keys = scripts.keys

    async def import_many(
        self, newcomers: Sequence[Newcomer], *, dry_run: bool = False
    ) -> list[Arrival]:
        """Take sessions over, each by itself, all sent at once; what became of each, in order.

        Raises:
            StoreFullError: and some may have come in. Those that did are left as they are by the
                next try.
        """
        replies = await self._scripts.run_many(
            "import",
            [(self._keys.of_user(new.user_id), self._import(new, dry_run)) for new in newcomers],
        )
        return [_arrival(*reply) for reply in replies]

    def _import(self, new: Newcomer, dry_run: bool) -> tuple[Argument, ...]:
        profile = new.profile
        return (
            *self._scripts.ending(),
            new.user_id, new.id, profile.name, profile.at_cap, profile.cap,
            profile.idle_ms, profile.absolute_ms, new.mac_key_id,
            new.create_us, new.expire_ms, new.client.device_id,
            CLOCK_SKEW_MS, "try" if dry_run else "",
            *creation_fields(new.client, new.attributes, NOT_TOLD, ()),
        )  # fmt: skip

    async def export(
        self, page: UserPage, states: Iterable[State], most: int
    ) -> tuple[int, tuple[Session, ...]]:
        """All sessions of users who share a partition, up to the one with whom `most` is reached.

        Returns:
            How many of the users were looked at, and their sessions in these states.
        """
        if not page.users:
            return 0, ()
        now, done, flat = await self._scripts.run(
            "export",
            self._keys.bases[page.partition],
            (most, " ".join(state.name for state in states), *page.users),
            idempotent=True,
        )
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return done, tuple(decode_session(i.decode(), session, now) for i, session in pairs)

    async def adopt(
        self, session_id: str, user_id: str, *, mac_key_id: int, request: Request
    ) -> Found:
        """Hand an imported session over, or once more to the request that it was handed to.

        Raises:
            SessionAlreadyAdoptedError, RequestIdReusedError, ReplaySupersededError,
            SessionNotFoundError (another user's too), SessionEndedError, SessionExpiredError:
            nothing was changed.
        """
        status, *rest = await self._scripts.run(
            "adopt",
            self._keys.of_session(session_id),
            (session_id, user_id, mac_key_id, request.key, request.digest, request.ttl_ms),
            idempotent=bool(request.key),
        )
        match status:
            case b"REQUEST_ID_REUSED":
                raise refusals.request_id_reused()
            case b"REPLAY_SUPERSEDED":
                raise refusals.replay_superseded(session_id)
            case b"ALREADY_ADOPTED":
                raise SessionAlreadyAdoptedError(
                    "the session was given its tokens before", session_id=session_id
                )
        session, now = refusals.usable(status, session_id, rest, "ADOPTED REPLAYED")
        return Found(now, session)


def _arrival(status: bytes, made_room: Sequence[Any] = ()) -> Arrival:
    if status == b"UNREGISTERED":
        raise refusals.unregistered()
    fate = Fate.INVALID if status == b"FUTURE" else Fate[status.decode()]
    return Arrival(fate, tuple(word.decode() for word in made_room))
