"""What a caller feels of another one that calls as fast as it can."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

import serving
from contender import SESSIOND
from engine import embedded
from flood import IN_FLIGHT, Flood
from load import Times
from paced import PER_S, PacedLoad
from results import record, table
from serving import Server
from sessiond.assembly.lifetimes import key_lifetimes
from sessiond.settings import Settings
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.service import ServiceTokens
from stock import fill

ROUNDS: Final = 6
ROUND_S: Final = 5.0
_SESSIONS: Final = 1_000
_PATIENT: Final = "patient"
_FLOODS: Final[Mapping[str, str]] = {
    "flood-unbounded": "max_in_flight = 1000",
    "flood-in-flight": "max_in_flight = 16",
    "flood-per-second": "calls_per_second = 200",
}
"""By caller: its limit in the callers file."""
_SCENES: Final[Mapping[str, str | None]] = {
    "nobody": None,
    "a flood without bounds": "flood-unbounded",
    "a flood, `max_in_flight = 16`": "flood-in-flight",
    "a flood, `calls_per_second = 200`": "flood-per-second",
}
"""Beside what B calls: the caller that floods."""


class Scene:
    """What came of the rounds with one flood, or none."""

    def __init__(self) -> None:
        self.rounds: list[Times] = []
        self.flood: Counter[str] = Counter()

    def row(self) -> tuple[str, ...]:
        """B's calls and latency, and what A was answered in a second."""
        spans = [self._over_rounds(percent) for percent in (50, 99, 100)]
        seconds = sum(each.seconds for each in self.rounds)
        calls = sum(len(each.latencies_ms) for each in self.rounds)
        served, all_of_them = self.flood["OK"], self.flood.total()
        rates = (f"{served / seconds:.0f}", f"{(all_of_them - served) / seconds:.0f}")
        return (f"{calls}", *spans, *rates)

    def _over_rounds(self, percent: int) -> str:
        found = [each.percentile(percent) for each in self.rounds]
        return f"{median(found):.1f} ({min(found):.1f} to {max(found):.1f})"


def _token(shared: Settings, caller: str) -> str:
    ring = KeyRing.load(shared.effective_keys_dir, key_lifetimes(shared))
    return ServiceTokens(ring).mint(caller, 3600, time.time())


def _write_callers(path: Path) -> None:
    callers = {_PATIENT: "", **_FLOODS}
    path.write_text(
        "".join(f'[callers.{name}]\nroles = ["reader"]\n{say}\n' for name, say in callers.items())
    )


async def _round(
    server: Server, flood: Flood | None, session_ids: Sequence[str]
) -> tuple[Times, Mapping[str, int]]:
    with flood or nullcontext(), PacedLoad(server, session_ids) as patient:
        if flood:
            flood.answers()
        patient.take()
        await asyncio.sleep(ROUND_S)
        return patient.take(), flood.answers() if flood else {}


async def main(command: str) -> None:
    """Let A flood a server while B calls it, again and again, and record."""
    scenes = {name: Scene() for name in _SCENES}
    with tempfile.TemporaryDirectory(prefix="ss-") as keys:
        shared = serving.shared_settings(Path(keys))
        callers = Path(keys) / "fairness.toml"
        _write_callers(callers)
        async with embedded() as engine:
            session_ids = (await fill(engine, _SESSIONS)).known
            with serving.start(SESSIOND, engine, shared, callers_file=str(callers)) as server:
                called_by_patient = replace(server, token=_token(shared, _PATIENT))
                for number in range(ROUNDS):
                    order = list(_SCENES.items())
                    for name, caller in order if number % 2 else reversed(order):
                        flood = (
                            Flood(server, _token(shared, caller), session_ids) if caller else None
                        )
                        times, answers = await _round(called_by_patient, flood, session_ids)
                        scenes[name].rounds.append(times)
                        scenes[name].flood.update(answers)
    record(
        "Fairness between callers",
        command,
        [
            f"B sends {PER_S} ValidateSession a second, and every one has to succeed; beside it A",
            f"keeps {IN_FLIGHT} in flight and tries again at once. {ROUNDS} rounds of",
            f"{ROUND_S:g} s; median of the rounds, and their range. A and B are on the server's",
            "machine.",
            "",
            *table(
                (
                    "beside B",
                    "calls of B",
                    "B's p50 ms",
                    "B's p99 ms",
                    "B's max ms",
                    "A served/s",
                    "A refused/s",
                ),
                [(name, *scene.row()) for name, scene in scenes.items()],
            ),
        ],
    )
