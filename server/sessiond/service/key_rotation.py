"""Adding a signing key, from afar."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sessiond.domain.errors import KeysReadOnlyError, StartupError
from sessiond.tokens import keymaker
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.keys import TokenKey
from sessiond.tokens.succession import Term


@dataclass(frozen=True, slots=True)
class NextKey:
    """A key that is published and waits to sign. Times are milliseconds since the Unix epoch."""

    kid: str
    publish_ms: int
    sign_ms: int
    created: bool
    """Whether this call made it."""


class KeyRotation:
    """Rotates the access-token keys of a ring's directory."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._one_at_a_time = asyncio.Lock()

    async def rotate_signing_key(self) -> NextKey:
        """The key that signs next: the one that waits to, or one made for it.

        It is of the algorithm of the newest key, and in the ring when this returns.

        Raises:
            KeysReadOnlyError: the key directory cannot be written.
        """
        async with self._one_at_a_time:
            newest, created = await asyncio.to_thread(self._next)
        return NextKey(
            kid=newest.key.id,
            publish_ms=int((newest.signs_from_s - self._ring.lifetimes.publish_s) * 1000),
            sign_ms=int(newest.signs_from_s * 1000),
            created=created,
        )

    def _next(self) -> tuple[Term[TokenKey], bool]:
        """The key that signs next, and whether it was made for that."""
        with keymaker.alone(self._ring.directory):
            self._ring.reload()
            newest = self._newest()
            if newest.signs_from_s > self._ring.now():
                return newest, False
            self._make(newest)
            return self._newest(), True

    def _newest(self) -> Term[TokenKey]:
        return tuple(self._ring.keys.tokens[Kind.SIGNING])[-1]

    def _make(self, after: Term[TokenKey]) -> None:
        try:
            keymaker.rotate(
                self._ring.directory,
                Kind.SIGNING,
                algorithm=after.key.algorithm,
                clock=self._ring.now,
            )
        except StartupError:
            raise KeysReadOnlyError(
                "the server cannot write to its key directory: make the key where that is kept,"
                " with `sessiond keys rotate signing`"
            ) from None
        self._ring.reload()
