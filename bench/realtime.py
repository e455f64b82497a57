"""How soon an ended session is refused everywhere, and what watchers and verifiers cost.

All times are of CLOCK_MONOTONIC, which the processes of a machine share.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import remembering
import sample
import serving
import verification
from answers import WrongAnswerError
from contender import SESSIOND
from crowd import CROWD, Crowd, Share, watch_fast, watch_in_crowds
from engine import embedded
from filling import each
from load import Times, waits
from refusals import Verifying
from remembering import Held
from results import record, table
from serving import Server
from sessionstore import AsyncSessionClient, ClientInfo, CreatedSession, SessionClient
from verification import Costs, ready_verifier
from watchers import Watchers

REVOCATIONS: Final = 2_000
WATCHERS: Final = 50
"""One of them is the verifier."""
_PER_USER: Final = 10
_LONGEST_PAUSE_S: Final = 0.04
"""Between two revocations."""
_HELD: Final = 500
"""Tokens of which the memory is measured."""
_BROWSER: Final = ClientInfo(user_agent=sample.USER_AGENT)


@dataclass(frozen=True)
class Spread:
    """What followed each acknowledged revocation, in milliseconds."""

    refused: Times
    """Until the verifier refused the token."""
    heard: Times
    """Until a watcher had the event: every one of every watcher."""
    heard_by_all: Times
    """Until the last watcher had it."""
    calls: int
    """Of `verify`."""
    per_s: float
    """Revocations in a second."""


async def main(command: str) -> None:
    """Measure and record."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-")))
        engine = await stack.enter_async_context(embedded())
        shared = serving.shared_settings(directory)
        with serving.start(SESSIOND, engine, shared) as fresh:
            crowd = watch_in_crowds(fresh)
        print(f"{CROWD} watchers measured", flush=True)
        server = stack.enter_context(serving.start(SESSIOND, engine, shared))
        logins = await _log_in(server)
        tokens = [login.tokens.access_token for login in logins]
        costs = verification.measure(server, shared.audience, tokens)
        with ready_verifier(server.address, server.token, shared.audience) as (_, verifier):
            held = remembering.measure(verifier, tokens[:_HELD])
        print("verification measured", flush=True)
        spread = _revoke(server, shared.audience, logins)
        print(f"{len(logins):,} sessions revoked", flush=True)
        fast = watch_fast(server)
    record("Realtime revocation", command, _report(spread, costs, held, crowd, fast))


async def _log_in(server: Server) -> list[CreatedSession]:
    """The sessions that are to be revoked."""
    made: list[CreatedSession] = []
    async with AsyncSessionClient(server.address, token=server.token) as sessions:

        async def login(number: int) -> None:
            user = sample.user_id(number // _PER_USER)
            made.append(await sessions.create(user, client=_BROWSER))

        await each(range(REVOCATIONS), login)
    return made


def _revoke(server: Server, audience: str, logins: Sequence[CreatedSession]) -> Spread:
    """Revoke all of them, while many watch."""
    tokens = {login.session.id: login.tokens.access_token for login in logins}
    with (
        Watchers(server, WATCHERS - 1) as watchers,
        Verifying(server, audience, list(tokens.values())) as verifier,
        SessionClient(server.address, token=server.token) as sessions,
    ):
        verifier.ready()
        watchers.ready()
        begun_s, acknowledged_s = _revoke_each(sessions, tokens, verifier)
        refusals = verifier.refusals()
        heard = watchers.hear(acknowledged_s).heard
    refused_s = {session_id: refusals.at_s[token] for session_id, token in tokens.items()}
    if any(refused_s[session_id] < begun_s[session_id] for session_id in tokens):
        raise WrongAnswerError("a token was refused before its session was revoked")
    last_s = {session_id: max(one.at_s[session_id] for one in heard) for session_id in tokens}
    return Spread(
        waits(acknowledged_s, [refused_s]),
        waits(acknowledged_s, [one.at_s for one in heard]),
        waits(acknowledged_s, [last_s]),
        refusals.calls,
        REVOCATIONS / (max(acknowledged_s.values()) - min(begun_s.values())),
    )


def _revoke_each(
    sessions: SessionClient, tokens: Mapping[str, str], verifier: Verifying
) -> tuple[dict[str, float], dict[str, float]]:
    """When each call began and was answered, at moments that fall in with nobody's rests."""
    begun_s: dict[str, float] = {}
    acknowledged_s: dict[str, float] = {}
    for session_id, token in tokens.items():
        verifier.expect(token)
        begun_s[session_id] = time.monotonic()
        if not sessions.revoke(session_id=session_id).session:
            raise WrongAnswerError("a session that was created is unknown")
        acknowledged_s[session_id] = time.monotonic()
        time.sleep(random.uniform(0, _LONGEST_PAUSE_S))
    return begun_s, acknowledged_s


def _report(spread: Spread, costs: Costs, held: Held, crowd: Crowd, fast: Share) -> Iterator[str]:
    yield from _spread_report(spread)
    yield from _costs_report(costs, held)
    yield from _watchers_report(crowd, fast)


def _spread_report(spread: Spread) -> Iterator[str]:
    yield (
        f"{REVOCATIONS:,} revocations, {spread.per_s:.0f} in a second, on one sessiond over"
        f" the embedded engine with {WATCHERS} watchers: {WATCHERS - 1} streams in one process and"
        " a LocalVerifier in another, which refuses when stale. A token whose session is about to"
        " end is verified in rounds a millisecond apart, which is in its time; that made"
        f" {spread.calls:,} calls of `verify`."
        " Times are from when the caller had the answer to RevokeSession; below 0 the event was"
        " faster than the answer. All processes share this machine and its monotonic clock."
    )
    yield ""
    rows = {
        "`verify` refuses the token": spread.refused,
        "a watcher has the event": spread.heard,
        "the last watcher has the event": spread.heard_by_all,
    }
    header = ("after the acknowledged revocation", "p50, ms", "p99, ms", "max, ms", "aim, p99")
    aims = ("below 100", "", "")
    found = zip(rows.items(), aims, strict=True)
    yield from table(header, ((name, *_times(times), aim) for (name, times), aim in found))
    yield ""


def _costs_report(costs: Costs, held: Held) -> Iterator[str]:
    yield (
        f"CPU time of checking an access token, medians of {verification.ROUNDS} rounds: each of"
        f" {REVOCATIONS:,} tokens once, then {verification.SIGHTS} times, and"
        f" {verification.CALLS} calls of ValidateSession in a round, one after another. A verifier"
        f" holds {held.token:,.0f} bytes for each verified token, and {held.ended:,.0f} for each"
        " ended session."
    )
    yield ""
    rows = (
        ("LocalVerifier, seen before", f"{costs.seen:.1f}", "", "5 at most"),
        ("LocalVerifier, first sight", f"{costs.new:.0f}", "", "twice PyJWT's at most"),
        ("PyJWT's `decode` alone", f"{costs.pyjwt:.0f}", "", ""),
        (
            "ValidateSession, seen before",
            f"{costs.validate_client:.0f}",
            f"{costs.validate_server:.0f}",
            "",
        ),
    )
    yield from table(("a token", "here, us", "server, us", "aim"), rows)
    yield ""


def _watchers_report(crowd: Crowd, fast: Share) -> Iterator[str]:
    yield (
        "Watchers over connections of their own, all in one process; events are written straight"
        " into the logs of all partitions, and each watcher was told of each of them exactly once."
        f" {CROWD} watchers took {crowd.memory / 1024:.0f} KB each of a server's memory. Delays"
        " are from the engine's acknowledgement; CPU is in milliseconds for each second."
    )
    yield ""
    shares = [(CROWD, share) for share in crowd.shares] + [(1, fast)]
    header = ("watchers", "events/s", "events", "server CPU", "for a watcher", "their CPU")
    rows = [
        (
            str(count),
            f"{share.per_s:,.0f}",
            f"{share.written:,}",
            f"{share.server_s * 1000:.0f}",
            f"{share.server_s * 1000 / count:.2f}",
            f"{share.watchers_s * 1000:.0f}",
            *(_times(share.delays) if share.written else ("", "", "")),
        )
        for count, share in shares
    ]
    yield from table((*header, "p50, ms", "p99, ms", "max, ms"), rows)


def _times(times: Times) -> tuple[str, ...]:
    return tuple(f"{times.percentile(percent):.1f}" for percent in (50, 99, 100))
