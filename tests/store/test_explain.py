"""Explaining: what is known of a session, also once it is gone; nothing is changed by asking."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from sessiond.domain.explanation import Explanation
from sessiond.domain.session import EndReason, Session, State, Verdict
from sessiond.service.explaining import Explainer
from sessiond.service.figures import SessionFigures
from sessiond.service.judging import Credential, CredentialKind, Judge
from sessiond.service.validation import Validator
from sessiond.store import explanation
from sessiond.store.explanation import ExplanationStore
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.tokens.access import AccessTokens
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.refresh import RefreshTokens
from tests.conftest import rounds
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    DAY,
    ENDS,
    GRACE,
    HOUR,
    MINUTE,
    login,
    neighbour_of,
    refresh,
    stranger_to,
)
from tests.store.population import kept, populate, settle
from tests.unit.tokens.forge import ISSUER, Clock, new_ring

UNKNOWN = "AAAAAAAAAAAAAAAAAAAAAAAA"


class Desk:
    """Where operators ask, with what mints the tokens they ask about."""

    def __init__(self, scripts: ScriptSet, ring: KeyRing, clock: Clock) -> None:
        self.clock = clock
        self.access = AccessTokens(ring, ISSUER, "api", HOUR)
        self.refresh = RefreshTokens(ring)
        judge = Judge(self.access, self.refresh, grace_ms=GRACE)
        self.validator = Validator(Store(scripts), judge, SessionFigures(), activity_ms=DAY)
        self._explainer = Explainer(ExplanationStore(scripts), judge, leeway_ms=ENDS.leeway_ms)

    def access_token(self, session: Session) -> Credential:
        """An access token of the session, made when it was."""
        token, _ = self.access.mint(session, client_id="web", now_ms=session.create_ms)
        return Credential(CredentialKind.ACCESS_TOKEN, token)

    def refresh_token(self, session: Session, generation: int) -> Credential:
        """The refresh token of one generation."""
        token = self.refresh.mint(session.id, generation)
        return Credential(CredentialKind.REFRESH_TOKEN, token)

    async def explain(self, named: Credential | Session | str) -> Explanation:
        """What is known, by any credential."""
        if isinstance(named, Session):
            named = named.id
        if isinstance(named, str):
            named = Credential(CredentialKind.SESSION_ID, named)
        return await self._explainer.explain(named)


@pytest.fixture
def desk(scripts: ScriptSet, tmp_path: Path) -> Desk:
    """With keys of its own; its clock stands still."""
    clock = Clock(time.time())
    return Desk(scripts, new_ring(tmp_path / "keys", clock), clock)


async def test_a_live_session_is_told_by_any_credential(store: Store, desk: Desk) -> None:
    """Whose it is, and until when."""
    session = await login(store)
    for credential in (session.id, desk.access_token(session), desk.refresh_token(session, 1)):
        told = await desk.explain(credential)
        assert told.verdict is Verdict.ACTIVE
        assert (told.session_id, told.session) == (session.id, session)
        assert (told.end_reason, told.end_ms, told.ended_by) == (EndReason.NONE, 0, "")
        assert told.access_tokens_dead_ms == 0
        assert told.forget_ms == session.expire_ms + HOUR
        assert told.indexed
        assert told.generation == 1
        assert told.summary.startswith("Live, of user alice, created 0 seconds ago (")
        assert "unless it is refreshed" in told.summary
        assert re.search(r"It expires in [67] days \(", told.summary)
    assert told.token_generation == 1


async def test_an_expired_access_token_leads_to_its_session(store: Store, desk: Desk) -> None:
    """The verdict is on the token, the story on the session."""
    session = await login(store)
    credential = desk.access_token(session)
    desk.clock.now_s += HOUR / 1000 + 31
    told = await desk.explain(credential)
    assert told.verdict is Verdict.TOKEN_EXPIRED
    assert told.session == session
    assert "The access token has expired by itself." in told.summary


async def test_a_superseded_refresh_token_is_told_and_ends_nothing(
    store: Store, inside: Inside, desk: Desk
) -> None:
    """To present it would raise the alarm; to ask about it does not."""
    session = await login(store)
    for generation in (1, 2):
        await refresh(store, session, generation, grace_ms=0)
    told = await desk.explain(desk.refresh_token(session, 1))
    assert told.verdict is Verdict.TOKEN_INVALID
    assert (told.generation, told.token_generation) == (3, 1)
    assert "superseded: of generation 1, and the session is at 3." in told.summary
    assert told.session is not None
    assert told.session.state is State.ACTIVE
    assert "ahead" in (await desk.explain(desk.refresh_token(session, 90))).summary


async def test_an_ended_session_tells_who_ended_it_and_why(
    store: Store, inside: Inside, desk: Desk
) -> None:
    """And until when its access tokens may be taken, and it is kept."""
    session = await login(store)
    revoked = await store.revoke(session.id, EndReason.REVOKED_BY_ADMIN, "desk")
    assert revoked is not None
    await inside.let_pass(3 * MINUTE)
    end_ms = revoked.now_ms - 3 * MINUTE
    told = await desk.explain(session)
    assert told.verdict is Verdict.ENDED
    assert (told.end_reason, told.ended_by) == (EndReason.REVOKED_BY_ADMIN, "desk")
    assert told.end_ms == end_ms
    assert told.access_tokens_dead_ms == end_ms + ENDS.access_ms + ENDS.leeway_ms
    assert told.forget_ms == end_ms + ENDS.retention_ms
    assert told.indexed
    assert told.summary.startswith("Ended 3 minutes ago (")
    assert " by caller desk: REVOKED_BY_ADMIN. An operator revoked it." in told.summary
    assert "take its access tokens until in 57 minutes (" in told.summary
    await inside.let_pass(HOUR)
    assert (await desk.explain(session)).access_tokens_dead_ms == 0


async def test_an_expired_session_tells_which_lifetime_ran_out(
    store: Store, inside: Inside, desk: Desk
) -> None:
    """Before the reaper's visit and after it: then no index asks for it."""
    idle = await login(store, idle_ms=MINUTE)
    absolute = await login(store, absolute_ms=MINUTE, idle_ms=MINUTE)
    await inside.let_pass(MINUTE + 5_000)
    for _ in range(2):
        for session, reason in ((idle, EndReason.IDLE), (absolute, EndReason.ABSOLUTE)):
            told = await desk.explain(session)
            assert told.verdict is Verdict.EXPIRED
            assert (told.end_reason, told.ended_by) == (reason, "")
            assert told.end_ms == session.expire_ms - MINUTE - 5_000
            assert told.access_tokens_dead_ms == told.end_ms + ENDS.leeway_ms
            assert told.indexed
            assert told.summary.startswith("Expired 5 seconds ago (")
        await settle(store, inside)


async def test_of_a_session_that_is_gone_the_events_tell(
    store: Store, inside: Inside, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest one, however many came after it."""
    monkeypatch.setattr(explanation, "_EVENTS_IN_A_STEP", 3)
    ended, expired = await login(store), await login(store, idle_ms=MINUTE)
    lost, alone = await login(store, idle_ms=MINUTE), await login(store, stranger_to(ALICE))
    revoked = await store.revoke(ended.id, EndReason.LOGOUT, "app")
    assert revoked is not None
    await inside.let_pass(MINUTE)
    await inside.delete(inside.key(lost.id), inside.key(alone.id))
    await store.prune_user(ALICE)
    await inside.ask("DEL", inside.key(ended.id), inside.key(expired.id))
    for _ in range(10):
        await login(store, neighbour_of(ALICE))

    told = await desk.explain(ended)
    assert (told.verdict, told.session) == (Verdict.NOT_FOUND, None)
    assert (told.end_reason, told.ended_by) == (EndReason.LOGOUT, "")
    assert abs(told.end_ms - revoked.now_ms) < 1_000
    assert told.access_tokens_dead_ms == revoked.now_ms + ENDS.access_ms + ENDS.leeway_ms
    assert (told.forget_ms, told.indexed, told.generation) == (0, False, 0)
    assert "LOGOUT. The user logged out. The session is no longer kept" in told.summary

    told = await desk.explain(expired)
    assert (told.end_reason, told.end_ms) == (EndReason.IDLE, expired.expire_ms - MINUTE)
    told = await desk.explain(lost)
    assert (told.end_reason, told.end_ms) == (EndReason.EXPIRED, 0)
    assert told.summary.startswith("Expired: EXPIRED. Which of its lifetimes ran out")

    for session_id in (alone.id, UNKNOWN):
        told = await desk.explain(session_id)
        assert (told.verdict, told.session_id) == (Verdict.NOT_FOUND, session_id)
        assert (told.end_reason, told.end_ms) == (EndReason.NONE, 0)
        assert "no event tells how one ended" in told.summary


async def test_a_session_that_its_index_lacks_is_told_as_drift(
    store: Store, inside: Inside, desk: Desk
) -> None:
    """Live or ended."""
    live, ended = await login(store), await login(store)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    base = inside.keys.of_user(ALICE)
    await inside.ask("DEL", f"{base}u:default:{ALICE}", f"{base}h:{ALICE}")
    for session in (live, ended):
        told = await desk.explain(session)
        assert not told.indexed
        assert "AuditIndex repairs that" in told.summary


async def test_a_forged_token_leads_nowhere(store: Store, desk: Desk, tmp_path: Path) -> None:
    """Whatever session it names: signed by other keys, damaged, or expired and damaged."""
    session = await login(store)
    other_ring = new_ring(tmp_path / "other", desk.clock)
    forged, _ = AccessTokens(other_ring, ISSUER, "api", HOUR).mint(
        session, client_id="web", now_ms=session.create_ms
    )
    good = desk.access_token(session)
    desk.clock.now_s += HOUR / 1000 + 31
    for kind, token in (
        (CredentialKind.ACCESS_TOKEN, forged),
        (CredentialKind.ACCESS_TOKEN, good.value[:-6] + "AAAAAA"),
        (CredentialKind.REFRESH_TOKEN, RefreshTokens(other_ring).mint(session.id, 1)),
        (CredentialKind.REFRESH_TOKEN, "nonsense"),
    ):
        told = await desk.explain(Credential(kind, token))
        assert (told.verdict, told.session_id) == (Verdict.TOKEN_INVALID, "")
        assert told.session is None
        assert told.summary.startswith("This is no token of this service")


async def test_verdicts_are_those_of_a_validation_and_nothing_is_changed(
    store: Store, inside: Inside, desk: Desk
) -> None:
    """For all sessions of a random population, by every kind of credential."""
    verdicts: Counter[Verdict] = Counter()
    for seed in range(rounds(2)):
        await populate(store, inside, Random(seed), 60)
        for found in await kept(inside):
            read = await store.get(found.id)
            assert read is not None
            session = read.session
            by_id = Credential(CredentialKind.SESSION_ID, session.id)
            tokens = [desk.refresh_token(session, g) for g in (1, 2, 40)]
            for credential in (by_id, desk.access_token(session), *tokens):
                before = await inside.fields(session.id)
                told = await desk.explain(credential)
                assert await inside.fields(session.id) == before
                assert told.indexed
                assert told.verdict is (await desk.validator.validate(credential)).verdict
                verdicts[told.verdict] += 1
    assert {Verdict.ACTIVE, Verdict.ENDED, Verdict.EXPIRED, Verdict.TOKEN_INVALID} <= set(verdicts)
