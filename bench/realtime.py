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

import sample
import serving
import verification
from answers import WrongAnswerError
from contender import SESSIOND
from engine import embedded
from filling import each
from load import Times
from log_writer import write_events
from refusals import Refusals, Verifying
from results import record, table
from serving import Server
from sessionstore import AsyncSessionClient, ClientInfo, CreatedSession, SessionClient
from verification import Costs
from watchers import Watchers

REVOCATIONS: Final = 2_000
WATCHERS: Final = 50
"""One of them is the verifier."""
_PER_USER: Final = 10
_REVOCATIONS_PER_S: Final = 50
_BROWSER: Final = ClientInfo(user_agent=sample.USER_AGENT)

CROWD: Final = 200
_CROWD_RATES: Final = (0, 10, 100)
_CROWD_S: Final = 10.0
FAST_PER_S: Final = 5_000
_FAST_S: Final = 10.0


@dataclass(frozen=True)
class Spread:
    """What followed each acknowledged revocation, in milliseconds."""

    refused: Times
    """Until the verifier refused the token."""
    heard: Times
    """Until a watcher had the event: every one of every watcher."""
    heard_by_all: Times
    """Until the last watcher had it."""
    refusals: Refusals


@dataclass(frozen=True)
class Share:
    """What watchers cost and were told, at a rate of events."""

    per_s: int
    written: int
    server_s: float
    """CPU time of the server, in seconds, for each second."""
    watchers_s: float
    """The same of the process of all watchers."""
    delays: Times
    """From the engine's acknowledgement until a watcher had the event."""


@dataclass(frozen=True)
class Crowd:
    """Many watchers on one server."""

    memory: float
    """The server's resident memory for each of them, in bytes."""
    shares: Sequence[Share]


async def main(command: str) -> None:
    """Measure and record."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-")))
        engine = await stack.enter_async_context(embedded())
        shared = serving.shared_settings(directory)
        server = stack.enter_context(serving.start(SESSIOND, engine, shared))
        logins = await _log_in(server)
        tokens = [login.tokens.access_token for login in logins]
        crowd = _crowd(server)
        print(f"{CROWD} watchers measured", flush=True)
        costs = verification.measure(server, shared.audience, tokens)
        print("verification measured", flush=True)
        spread = _revoke(server, shared.audience, logins)
        print(f"{len(logins):,} sessions revoked", flush=True)
        with Watchers(server, 1) as watcher:
            fast = _share(server, watcher, FAST_PER_S, _FAST_S)
    record("Realtime revocation", command, _report(costs, spread, crowd, fast))


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
    """Revoke all of them, at moments that do not fall in with anybody's rests."""
    told_s: dict[str, float] = {}
    acknowledged_s: dict[str, float] = {}
    tokens = {login.session.id: login.tokens.access_token for login in logins}
    with (
        Watchers(server, WATCHERS - 1) as watchers,
        Verifying(server, audience, list(tokens.values())) as verifier,
        SessionClient(server.address, token=server.token) as sessions,
    ):
        verifier.ready()
        watchers.ready()
        for session_id, token in tokens.items():
            verifier.expect(token)
            told_s[session_id] = time.monotonic()
            if not sessions.revoke(session_id=session_id):
                raise WrongAnswerError("a session that was created is unknown")
            acknowledged_s[session_id] = time.monotonic()
            time.sleep(random.uniform(0, 2 / _REVOCATIONS_PER_S))
        refusals = verifier.refusals()
        heard = watchers.hear(acknowledged_s).heard
    refused_s = {session_id: refusals.at_s[token] for session_id, token in tokens.items()}
    if any(refused_s[session_id] < told_s[session_id] for session_id in tokens):
        raise WrongAnswerError("a token was refused before its session was revoked")
    last_s = {session_id: max(one.at_s[session_id] for one in heard) for session_id in tokens}
    return Spread(
        _after(acknowledged_s, [refused_s]),
        _after(acknowledged_s, [one.at_s for one in heard]),
        _after(acknowledged_s, [last_s]),
        refusals,
    )


def _crowd(server: Server) -> Crowd:
    """Has to come before other watchers, whose memory it would be given."""
    with Watchers(server, 1) as first:
        first.ready()
    before = server.memory()
    with Watchers(server, CROWD) as watchers:
        watchers.ready()
        memory = (server.memory() - before) / CROWD
        return Crowd(memory, [_share(server, watchers, rate, _CROWD_S) for rate in _CROWD_RATES])


def _share(server: Server, watchers: Watchers, per_s: int, seconds: float) -> Share:
    """Write events at a rate; every watcher has to be told of each of them once."""
    theirs_s = watchers.ready().cpu_s
    ours_s, begun_s = server.cpu_s(), time.monotonic()
    written = write_events(server, per_s, seconds)
    time.sleep(max(0.0, begun_s + seconds - time.monotonic()))
    told = watchers.hear(written)
    took_s = time.monotonic() - begun_s
    return Share(
        per_s,
        len(written),
        (server.cpu_s() - ours_s) / took_s,
        (told.cpu_s - theirs_s) / took_s,
        _after(written, [heard.at_s for heard in told.heard]),
    )


def _after(begun_s: Mapping[str, float], ended_s: Sequence[Mapping[str, float]]) -> Times:
    """How long it was from each begin to its ends."""
    waits_ms = [(end[name] - at_s) * 1000 for end in ended_s for name, at_s in begun_s.items()]
    return Times(0.0, waits_ms)


def _report(costs: Costs, spread: Spread, crowd: Crowd, fast: Share) -> Iterator[str]:
    yield from _spread_report(spread)
    yield from _costs_report(costs)
    yield from _watchers_report(crowd, fast)


def _spread_report(spread: Spread) -> Iterator[str]:
    refusals = spread.refusals
    yield (
        f"{REVOCATIONS:,} revocations, about {_REVOCATIONS_PER_S} in a second, on one sessiond over"
        f" the embedded engine with {WATCHERS} watchers: {WATCHERS - 1} streams in one process and"
        " a LocalVerifier in another, which refuses when stale. It verifies every token that is"
        " about to end once a millisecond, so up to that and more is in its times; it made"
        f" {refusals.calls:,} calls of `verify` and took every token until it refused it for good."
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


def _costs_report(costs: Costs) -> Iterator[str]:
    yield (
        f"CPU time of checking an access token, medians of {verification.ROUNDS} rounds: each of"
        f" {REVOCATIONS:,} tokens once, then {verification.SIGHTS} times, and"
        f" {verification.CALLS} calls of ValidateSession in a round, one after another."
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
        f" {CROWD} watchers took {crowd.memory / 1024:.0f} KB each of the server's memory. Delays"
        " are from the engine's acknowledgement; CPU is in milliseconds for each second."
    )
    yield ""
    shares = [(CROWD, share) for share in crowd.shares] + [(1, fast)]
    header = ("watchers", "events/s", "events", "server CPU", "for a watcher", "their CPU")
    rows = [
        (
            str(count),
            f"{share.per_s:,}",
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
