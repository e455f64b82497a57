"""A sessiond with one bug planted, to prove that the checker finds it: NAME serve --dev ...

A bug changes the text of one script as the loader puts it together, or one function of the server.
Where what it changes is no longer there, the server does not start.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar
from unittest import mock

from sessiond.__main__ import main
from sessiond.domain.errors import StoreUnavailableError
from sessiond.domain.session import Session, State, Verdict
from sessiond.service.judging import Credential, Validation
from sessiond.service.revocation import EndedSession, Revoker
from sessiond.service.validation import Validator
from sessiond.store import loader, scripts
from sessiond.store.fields import decode_session
from sessiond.store.multiplexer import Multiplexer
from sessiond.store.replies import Created, NewSession
from sessiond.store.runner import ScriptRunner
from sessiond.store.scripts import Store

Plant: TypeAlias = Callable[[], None]

_Answer = TypeVar("_Answer")
_PAUSE_S: Final = 0.05


@dataclass(frozen=True)
class Bug:
    """What is wrong, in one sentence, and how to make it so."""

    sentence: str
    breaks: tuple[str, ...]
    """The invariants of which one at least must name it; what else goes wrong is no proof."""
    plant: Plant
    lossy: bool = False
    """Whether it shows only where replies of the engine are late or lost."""


def program(name: str) -> tuple[str, ...]:
    """The arguments to Python that run a sessiond with this bug."""
    return ("-P", str(Path(__file__)), name)


def _script(name: str, *changes: tuple[str, str]) -> Plant:
    """Change the text of a script."""
    load = loader.load

    def changed(wanted: str, *, shebang: bool = True) -> loader.Script:
        script = load(wanted, shebang=shebang)
        if wanted != name:
            return script
        source = script.source
        for old, new in changes:
            if source.count(old) != 1:
                raise RuntimeError(f"{name}.lua has not exactly one {old!r}")
            source = source.replace(old, new)
        sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        return loader.Script(name, source, sha)

    return lambda: _put(loader, "load", changed)


def _put(where: Any, name: str, what: Any) -> None:
    mock.patch.object(where, name, what).start()


def _count_before_the_script() -> None:
    create = Store.create

    async def counted(self: Store, new: NewSession) -> Created:
        key = f"{self._keys.of_user(new.user_id)}u:{new.profile.name}:{new.user_id}"
        if await self._scripts.command("ZCARD", key) < new.profile.cap:
            new = replace(new, profile=replace(new.profile, cap=1000))
        return await create(self, new)

    _put(Store, "create", counted)


def _forget_the_time() -> None:
    def timeless(session_id: str, flat: Any, _: int) -> Session:
        return decode_session(session_id, flat, 0)

    _put(scripts, "decode_session", timeless)


def _take_back_what_is_cancelled() -> None:
    send = Multiplexer.send

    def taking_back(self: Multiplexer, *command: Any) -> asyncio.Future[Any]:
        reply = send(self, *command)
        call = self._calls[-1]

        def take_back(done: asyncio.Future[Any]) -> None:
            if done.cancelled() and call in self._calls:
                self._calls.remove(call)

        reply.add_done_callback(take_back)
        return reply

    _put(Multiplexer, "send", taking_back)


def _remember_verdicts(when: str) -> None:
    """Answer with the last good verdict: `always`, or when the store is `away`."""
    validate = Validator.validate
    known: dict[Credential, Validation] = {}

    async def remembering(self: Validator, credential: Credential) -> Validation:
        if when == "always" and credential in known:
            return known[credential]
        try:
            found = await validate(self, credential)
        except StoreUnavailableError:
            if credential in known:
                return known[credential]
            raise
        if found.verdict is Verdict.ACTIVE:
            known[credential] = found
        return found

    _put(Validator, "validate", remembering)


def _call_a_lost_revoke_done() -> None:
    revoke = Revoker.revoke

    async def hopeful(self: Revoker, *arguments: Any) -> EndedSession:
        try:
            return await revoke(self, *arguments)
        except StoreUnavailableError:
            _, session_id, reason = arguments
            found = await _patiently(lambda: self._store.get(session_id))
            told = replace(found.session, state=State.ENDED, end_reason=reason) if found else None
            return EndedSession(told)

    _put(Revoker, "revoke", hopeful)


async def _patiently(ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
    while True:
        try:
            return await ask()
        except StoreUnavailableError:
            await asyncio.sleep(_PAUSE_S)


def _repeat_everything() -> None:
    run = ScriptRunner.run

    async def repeating(self: ScriptRunner, *arguments: Any, idempotent: bool) -> Any:
        return await run(self, *arguments, idempotent=True)

    _put(ScriptRunner, "run", repeating)


_NOT_ACTIVE: Final = "if state ~= 'ACTIVE' then return { state, now, flat } end"
_IN_GRACE: Final = "given == stored - 1 and (retried or within_grace)"

BUGS: Final = {
    "cap_counted_before": Bug(
        "The server counts a user's sessions ahead of the script that makes one more.",
        ("never_more_are_live_at_once_than_the_cap", "no_list_shows_more_than_the_cap"),
        _count_before_the_script,
    ),
    "reuse_not_committed": Bug(
        "A reused token is answered as such, and its session goes on.",
        ("a_reused_token_ends_its_session",),
        _script("refresh", ("  finish(id, session, TOKEN_REUSED)\n", "")),
    ),
    "refresh_forgets_revoke": Bug(
        "A refresh looks at the expiry, and not at whether the session has ended.",
        ("a_revoked_session_is_never_live_again", "revoke_all_ends_every_session_that_was_there"),
        _script("refresh", (_NOT_ACTIVE, _NOT_ACTIVE.replace("~= 'ACTIVE'", "== 'EXPIRED'"))),
    ),
    "revoke_not_written": Bug(
        "A revoke of a single session is acknowledged and not written.",
        ("a_revoked_session_is_never_live_again",),
        _script("revoke", ("finish(id, session, ARGV[8])\n", "")),
    ),
    "revoke_all_forgets_one": Bug(
        "A revoke-all leaves the newest of several sessions.",
        ("revoke_all_ends_every_session_that_was_there",),
        _script(
            "revoke_user",
            (
                "for i, member in ipairs(ending) do",
                "if #ending > 1 then table.remove(ending) end\nfor i, member in ipairs(ending) do",
            ),
        ),
    ),
    "grace_two_back": Bug(
        "In the grace time a token of two generations back is good too.",
        ("no_token_of_two_generations_back_is_accepted",),
        _script(
            "refresh",
            (_IN_GRACE, "given < stored and given >= stored - 2 and (retried or within_grace)"),
        ),
    ),
    "grace_never_ends": Bug(
        "A superseded token is replayed however late and whoever asks.",
        ("a_superseded_token_is_good_in_its_grace_time_or_for_its_request",),
        _script("refresh", (_IN_GRACE, "given == stored - 1")),
    ),
    "old_token_stays_good": Bug(
        "The generation before the current one can be rotated again.",
        (
            "a_generation_is_rotated_once",
            "a_refresh_gives_the_generation_of_its_outcome",
            "a_superseded_token_is_good_in_its_grace_time_or_for_its_request",
        ),
        _script(
            "refresh",
            ("if given == stored then", "if given == stored or given == stored - 1 then"),
        ),
    ),
    "retry_is_a_thief": Bug(
        "A refresh does not know its own request id again.",
        ("reuse_is_not_alleged_of_a_retry",),
        _script("refresh", ("request ~= '' and request == session.q", "false")),
    ),
    "refresh_past_absolute": Bug(
        "A refresh moves the expiry past the absolute expiry.",
        ("no_lifetime_is_longer_than_its_profile_allows",),
        _script(
            "refresh",
            (
                "math.min(now + tonumber(session.i), tonumber(session.X))",
                "now + tonumber(session.i)",
            ),
        ),
    ),
    "extend_revives": Bug(
        "An expired session can be extended.",
        ("nothing_is_live_past_its_expiry", "what_was_found_dead_is_never_live_again"),
        _script("extend", (_NOT_ACTIVE, _NOT_ACTIVE.replace("~= 'ACTIVE'", "== 'ENDED'"))),
    ),
    "expiry_not_checked": Bug(
        "Sessions that have expired are told to be live.",
        ("nothing_is_live_past_its_expiry",),
        _forget_the_time,
    ),
    "cap_ends_the_newest": Bug(
        "At the cap the newest session makes room.",
        ("the_cap_ends_the_oldest",),
        _script(
            "create", ("redis.call('ZPOPMIN', live, excess)", "redis.call('ZPOPMAX', live, excess)")
        ),
    ),
    "evicted_not_ended": Bug(
        "What the cap evicts leaves the index and stays valid.",
        ("a_session_that_made_room_is_never_live_again",),
        _script("create", ("    finish(popped[i], sessions[popped[i]], EVICTED_BY_CAP)\n", "")),
    ),
    "replaced_not_ended": Bug(
        "The session that a device had before stays beside its next.",
        ("a_session_that_made_room_is_never_live_again",),
        _script("create", ("  finish(member.id, member.session, REPLACED)\n", "")),
    ),
    "create_forgets_requests": Bug(
        "A create does not look whether its request id was seen.",
        ("a_retried_create_makes_one_session",),
        _script("create", ("local seen = recall(request, digest)", "local seen = nil")),
    ),
    "created_without_index": Bug(
        "A session is written without its place in its user's live set.",
        ("nothing_ends_without_a_cause", "what_was_found_dead_is_never_live_again"),
        _script("create", ("redis.call('ZADD', live_key(profile, user), int(created), id)\n", "")),
    ),
    "index_without_counter": Bug(
        "A create does not count the session that it makes live.",
        ("the_keys_agree",),
        _script("create", ("count('live', 1)\n", "")),
    ),
    "created_without_ttl": Bug(
        "The engine is not told when it may forget a session.",
        ("the_keys_agree",),
        _script(
            "create",
            ("redis.call('PEXPIREAT', session_key(id), int(expiry + REMEMBERED_MS))\n", ""),
        ),
    ),
    "answers_off_by_one": Bug(
        "The reply to a cancelled call goes to the call after it.",
        ("an_answer_speaks_of_what_was_asked",),
        _take_back_what_is_cancelled,
        lossy=True,
    ),
    "verdicts_remembered": Bug(
        "A session that was live once is told to be live from memory.",
        ("a_revoked_session_is_never_live_again", "no_expiry_moves_back"),
        lambda: _remember_verdicts("always"),
    ),
    "away_means_live": Bug(
        "While the store is out of reach a session is as live as it was.",
        (
            "a_revoked_session_is_never_live_again",
            "no_expiry_moves_back",
            "nothing_is_live_past_its_expiry",
        ),
        lambda: _remember_verdicts("away"),
        lossy=True,
    ),
    "lost_revoke_called_done": Bug(
        "A revoke that the store did not answer is called done.",
        ("a_revoked_session_is_never_live_again",),
        _call_a_lost_revoke_done,
        lossy=True,
    ),
    "everything_repeated": Bug(
        "The server repeats scripts that must not run twice.",
        ("a_replay_repeats_another_refresh",),
        _repeat_everything,
        lossy=True,
    ),
}


if __name__ == "__main__":
    BUGS[sys.argv.pop(1)].plant()
    main()
