"""The age of a verifier, in simulated worlds: clocks that differ, drift and step, and slow ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore._verifying.freshness import DRIFT, Freshness

ROUNDING_S = 1e-3
seconds = st.floats(0, 900, allow_nan=False)


@dataclass
class World:
    """Truth: what the engine's clock shows, and what the verifier has received."""

    freshness: Freshness
    now_s: float = 1000.0
    ahead_s: float = 1.7e9
    drift: float = 0.0
    handshake_s: float = 0.0
    opened_s: float = 1000.0
    forward_s: float = 0.0
    """By how much the engine's clock was put forward unseen: since the stream was opened, or ever
    if it was also put back."""
    put_back: bool = False
    known_s: float = -inf
    waiting: list[tuple[float, float]] = field(default_factory=list)

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s

    def engine_s(self) -> float:
        return self.ahead_s + self.now_s * (1 + self.drift)

    def open(self, there_s: float, back_s: float) -> None:
        """A stream; what was on its way is lost."""
        self.waiting.clear()
        if not self.put_back:
            self.forward_s = 0.0
        self.opened_s = sent_s = self.now_s
        self.sleep(there_s)
        store_s = self.engine_s()
        self.sleep(back_s)
        self.handshake_s = there_s
        self.freshness.opened(sent_s, store_s)

    def send(self) -> None:
        """A checkpoint sets out."""
        self.waiting.append((self.now_s, self.engine_s()))

    def receive(self) -> None:
        """All that are on their way arrive at once."""
        for sent_s, store_s in self.waiting:
            self.freshness.checkpoint(store_s, self.now_s)
            self.known_s = max(self.known_s, sent_s)
        self.waiting.clear()

    def step(self, by_s: float) -> None:
        """The engine's clock is put forward or back."""
        self.ahead_s += by_s
        self.forward_s += max(0.0, by_s)
        self.put_back = self.put_back or by_s < 0

    @property
    def too_young_s(self) -> float:
        if self.known_s == -inf:
            return -self.freshness.age_s(self.now_s)
        return (self.now_s - self.known_s) - self.freshness.age_s(self.now_s)


@st.composite
def lives(draw: st.DrawFn, *steps: str) -> list[tuple[str, float, float]]:
    """What happens to a verifier: each act, and how long it takes."""
    acts = ["sleep", "send", "receive", "open", *steps]
    act = st.tuples(st.sampled_from(acts), seconds, st.floats(0, 2))
    return draw(st.lists(act, max_size=60))


def live(world: World, life: list[tuple[str, float, float]]) -> World:
    for act, long_s, short_s in life:
        match act:
            case "sleep":
                world.sleep(long_s)
            case "send":
                world.send()
                world.sleep(1.0)
            case "receive":
                world.receive()
            case "open":
                world.open(short_s, long_s)
            case "forward":
                world.step(long_s)
            case "back":
                world.step(-long_s)
        check(world)
    return world


def check(world: World) -> None:
    """Never younger than the truth, but for what the engine's clock was put forward meanwhile."""
    assert world.too_young_s <= world.forward_s + ROUNDING_S


def new_world(ahead_s: float, drift: float) -> World:
    world = World(Freshness(1000.0, 5.0), ahead_s=ahead_s, drift=drift)
    world.open(0.01, 0.01)
    return world


clocks = st.tuples(st.floats(-2e9, 2e9), st.floats(-DRIFT / 2, DRIFT / 2))


@given(clocks, lives())
def test_it_never_feels_younger_than_it_is(
    clock: tuple[float, float], life: list[tuple[str, float, float]]
) -> None:
    """Whatever is delayed, buffered or cut, with clocks that differ and drift."""
    world = live(new_world(*clock), life)
    assert world.forward_s == 0


@given(clocks, lives("forward") | lives("forward", "back"))
def test_steps_of_the_engines_clock_mislead_it_by_no_more_than_the_step(
    clock: tuple[float, float], life: list[tuple[str, float, float]]
) -> None:
    """And only by steps forward; if there are none back, by those since the stream was opened."""
    live(new_world(*clock), life)


@given(clocks, st.floats(0, 2), st.integers(1, 300))
def test_it_feels_older_by_no_more_than_the_handshake_and_the_drift(
    clock: tuple[float, float], there_s: float, checkpoints: int
) -> None:
    """On a quick way its age is the truth, and half an hour later nearly so."""
    world = new_world(*clock)
    world.open(there_s, 0.0)
    for _ in range(checkpoints):
        world.sleep(6.0)
        world.send()
        world.receive()
        drifted = 2 * DRIFT * (world.now_s - world.opened_s)
        assert -there_s - drifted - ROUNDING_S <= world.too_young_s <= ROUNDING_S


@pytest.mark.parametrize("delay_s", [0.0, 3.0, 600.0])
def test_a_constant_delay_is_part_of_the_age(delay_s: float) -> None:
    """Also if no checkpoint ever came sooner: the least delay seen is no measure."""
    world = new_world(0.0, 0.0)
    for at in range(50):
        world.freshness.checkpoint(world.engine_s() - delay_s, world.now_s)
        assert world.freshness.age_s(world.now_s) == pytest.approx(delay_s, abs=0.1), at
        world.sleep(1.0)


def test_a_step_forward_that_checkpoints_show_is_taken_up() -> None:
    """On a quick way its age stays the truth."""
    world = new_world(0.0, 0.0)
    for by_s in (0.0, 100.0, 0.0, 3600.0):
        world.step(by_s)
        world.send()
        world.receive()
        world.sleep(2.0)
        assert world.freshness.age_s(world.now_s) == pytest.approx(2.0, abs=0.1)


def test_a_step_back_makes_it_old_until_the_next_stream() -> None:
    """It would feel young if the checkpoint before were held to be later than those after."""
    world = new_world(0.0, 0.0)
    world.send()
    world.receive()
    world.step(-50.0)
    for _ in range(10):
        world.sleep(1.0)
        world.send()
        world.receive()
    assert world.freshness.age_s(world.now_s) == pytest.approx(10.0, abs=0.1)

    world.open(0.01, 0.0)
    world.send()
    world.receive()
    assert world.freshness.age_s(world.now_s) == pytest.approx(0.0, abs=0.1)


@given(clocks, lives())
def test_the_estimate_of_the_engines_clock_is_never_behind(
    clock: tuple[float, float], life: list[tuple[str, float, float]]
) -> None:
    """So a token is never taken for longer than the engine would."""
    world = live(new_world(*clock), life)
    assert world.freshness.store_s(world.now_s) >= world.engine_s() - ROUNDING_S


def test_before_the_first_checkpoint_it_has_no_age() -> None:
    """And this machine's time of day stands in for the engine's."""
    freshness = Freshness(1000.0, 5000.0)
    assert freshness.age_s(1001.0) == inf
    assert freshness.store_s(1010.0) == pytest.approx(5010.0, abs=0.1)
