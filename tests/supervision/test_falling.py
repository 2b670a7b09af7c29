"""A bound of direct current that hardware follows with a delay and a ramp: legal supplies of every kind keep
to it, and one that does not follow is found."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from iso15118.session.supervision.falling import _MOST_HELD, FallingBound

INF = math.inf
HOLD_S, RATE = 1.0, 25.0
LOOK_S = 0.05


class Supply:
    """Follows a bound ``dead_s`` later, with ramps of its own in A/s."""

    def __init__(self, dead_s: float, up: float, down: float, current_a: float = 0.0) -> None:
        self.dead_s, self._up, self._down = dead_s, up, down
        self.current_a, self._now = current_a, 0.0
        self._asked = [(-INF, current_a)]

    def ask(self, value: float, now: float) -> None:
        self._asked.append((now + self.dead_s, value))

    def at(self, now: float) -> float:
        """Exact where no bound changes between two looks."""
        edges = [when for when, _ in self._asked if self._now < when < now]
        for until in (*edges, now):
            target = [value for when, value in self._asked if when <= self._now + 1e-12][-1]
            seconds = until - self._now
            if target > self.current_a:
                self.current_a = min(target, self.current_a + self._up * seconds)
            else:
                self.current_a = max(target, self.current_a - self._down * seconds)
            self._now = until
        return self.current_a


def excess(
    asked: Callable[[float], float | None], supply: Supply, seconds: float, *, look_s: float = LOOK_S
) -> float:
    """By how much the supply is beyond its bound at worst. ``asked``: a new bound at that time, if there is
    one."""
    bound, worst, turn = FallingBound(supply.current_a), -INF, 0
    while (now := turn * LOOK_S) < seconds:
        if (value := asked(now)) is not None:
            bound.ask(value, now, HOLD_S, RATE, supply.at(now))
            supply.ask(value, now)
        if turn % round(look_s / LOOK_S) == 0:
            current_a = supply.at(now)
            bound.seen(current_a, now)
            worst = max(worst, current_a - bound.at(now))
            assert bound.at(now) >= bound.floor
        turn += 1
    return worst


@pytest.mark.parametrize("seed", range(40))
def test_a_supply_that_is_as_slow_as_it_may_be_keeps_to_every_sequence_of_bounds(seed: int) -> None:
    chance = random.Random(seed)
    supply = Supply(
        chance.choice((0.0, 0.1, 0.5, 0.9, 0.99)),
        chance.choice((10.0, 25.0, 200.0, 1e4)),
        chance.choice((RATE, RATE, 60.0, 500.0, 1e4)),
        chance.choice((0.0, 100.0)),
    )
    every_s, most = chance.choice((0.25, 1.0, 4.0)), chance.choice((50, 300))

    def asked(now: float) -> float | None:
        return float(chance.randrange(0, most)) if round(now % every_s, 6) == 0.0 else None

    assert excess(asked, supply, 60.0, look_s=chance.choice((0.05, 0.25, 1.0))) < 1e-6


@pytest.mark.parametrize("dead_s", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("slope", [5.0, 20.0, 24.9, 40.0, 400.0])
def test_one_keeps_to_a_bound_that_is_lowered_with_every_turn(slope: float, dead_s: float) -> None:
    supply = Supply(dead_s, 500.0, RATE, 200.0)

    def asked(now: float) -> float | None:
        return max(200.0 - slope * now, 0.0) if round(now % 0.25, 6) == 0.0 else None

    assert excess(asked, supply, 30.0) < 1e-6


@pytest.mark.parametrize("first", [0.01, 1.0, 79.0])
def test_a_little_less_does_not_use_up_the_time_of_much_less(first: float) -> None:
    bound = FallingBound(80.0)
    bound.ask(80.0 - first, 0.0, HOLD_S, RATE, 80.0)
    bound.ask(0.0, 1.0, HOLD_S, RATE, 80.0 - first)
    least = max(80.0 - first, 80.0 - RATE)
    for now in (1.0, 1.5, 2.0):
        bound.seen(80.0 - first, now)
        assert bound.at(now) >= min(least, 80.0 - first)


@pytest.mark.parametrize("flows", [0.0, 30.0, 200.0])
def test_what_still_rises_may_do_so_until_the_hold_is_over_and_falls_from_there(flows: float) -> None:
    bound = FallingBound(200.0)
    bound.ask(0.0, 10.0, HOLD_S, RATE, flows)
    assert bound.at(11.0) == 200.0
    for now, current in ((10.5, 90.0), (11.0, 120.0)):
        bound.seen(current, now)
    most = max(flows, 120.0)
    bound.seen(most - 5.0, 11.2)
    assert bound.at(11.2) == pytest.approx(most - 5.0)
    assert bound.at(12.0) == pytest.approx(most - 25.0)
    assert bound.at(20.0) == 0.0


def test_what_came_down_faster_does_not_rise_again() -> None:
    bound = FallingBound(500.0)
    bound.ask(0.0, 0.0, HOLD_S, RATE, 500.0)
    for now, current in ((1.0, 500.0), (1.05, 20.0)):
        bound.seen(current, now)
    assert bound.at(1.05) == pytest.approx(20.0 + RATE * HOLD_S), "nearly: a fall in steps is one, too"
    bound.seen(0.0, 1.1)
    assert bound.at(2.1) == 0.0
    assert not bound.waits or bound.at(2.2) == 0.0


def test_an_emergency_has_all_of_its_time_and_no_more_whatever_fell_before() -> None:
    """It took away what was left at once where an orderly ramp was under way."""
    bound = FallingBound(200.0)
    bound.ask(0.0, 0.0, HOLD_S, RATE, 200.0)
    for turn in range(41):
        bound.seen(200.0 - RATE * max(turn * LOOK_S - 1.0, 0.0), turn * LOOK_S)
    bound.ask(0.0, 2.0, HOLD_S, INF, 175.0)
    bound.seen(175.0, 2.5)
    assert bound.at(2.5) == pytest.approx(162.5)
    assert bound.at(3.0) == pytest.approx(150.0)
    assert bound.at(3.001) == 0.0
    assert bound.settled_at == pytest.approx(3.0)
    at_once = FallingBound(200.0)
    at_once.ask(0.0, 0.0, HOLD_S, INF, 10.0)
    assert [at_once.at(now) for now in (0.0, 1.0, 1.001)] == [200.0, 200.0, 0.0]
    at_once.seen(10.0, 1.5)
    assert at_once.at(1.5) == 0.0


def test_an_emergency_does_not_shorten_what_is_asked_for_after_it() -> None:
    bound = FallingBound(200.0)
    bound.ask(0.0, 0.0, HOLD_S, INF, 200.0)
    bound.ask(50.0, 0.5, HOLD_S, RATE, 100.0)
    bound.ask(0.0, 0.75, HOLD_S, RATE, 60.0)
    assert bound.at(1.0) == 200.0
    bound.seen(50.0, 1.0)
    assert bound.at(1.2) == 50.0
    bound.seen(50.0, 1.76)
    assert bound.at(1.76) == pytest.approx(50.0, abs=0.3)
    assert bound.at(3.0) == pytest.approx(19.0, abs=0.3)


def test_more_haste_begins_earlier_and_less_lengthens_nothing() -> None:
    bound = FallingBound(100.0)
    bound.ask(50.0, 0.0, 10.0, RATE, 100.0)
    bound.ask(0.0, 1.0, 1.0, RATE, 100.0)
    assert bound.at(2.0) == 100.0
    assert bound.at(3.0) == pytest.approx(75.0)
    bound.ask(0.0, 2.5, 10.0, RATE, 90.0)
    assert [bound.at(now) for now in (3.0, 4.0, 5.0)] == pytest.approx([75.0, 50.0, 25.0])


@pytest.mark.parametrize("stuck", [30.0, 100.0, 500.0])
def test_one_that_does_not_follow_is_beyond_its_bound_when_the_hold_is_over(stuck: float) -> None:
    bound = FallingBound(500.0)
    bound.ask(0.0, 0.0, HOLD_S, RATE, stuck)
    for turn in range(1, 41):
        now = turn * LOOK_S
        bound.seen(stuck, now)
        beyond = stuck - bound.at(now)
        assert beyond <= 0.0 or now > HOLD_S + 1e-9
        assert now < 1.5 or beyond > 10.0


def test_what_rises_below_a_higher_one_leaves_it_and_what_is_above_ends_it() -> None:
    bound = FallingBound(100.0)
    bound.ask(10.0, 0.0, HOLD_S, RATE, 100.0)
    bound.ask(40.0, 0.5, HOLD_S, RATE, 100.0)
    assert [bound.at(now) for now in (0.9, 1.0)] == [100.0, 100.0]
    assert bound.at(2.0) == pytest.approx(75.0)
    bound.ask(100.0, 0.6, HOLD_S, RATE, 100.0)
    assert not bound.waits
    assert bound.at(50.0) == 100.0


def test_when_no_more_may_flow_than_is_asked_for() -> None:
    assert FallingBound(16.0).settled_at == -INF
    bound = FallingBound(500.0)
    bound.ask(100.0, 10.0, HOLD_S, RATE, 500.0)
    assert bound.settled_at == pytest.approx(10.0 + 1.0 + 400.0 / RATE)
    bound.seen(150.0, 11.0)
    bound.seen(150.0, 11.000001)
    assert bound.settled_at == pytest.approx(11.0 + 75.0 / RATE, abs=1e-3), "with what a step may be"
    for now in (11.5, 12.0, 13.0):
        bound.seen(100.0, now)
    assert bound.at(bound.settled_at + 1e-6) == 100.0


def test_bounds_that_follow_one_another_closely_are_few() -> None:
    bound, value = FallingBound(1000.0), 1000.0
    for turn in range(5_000):
        value -= 0.1
        bound.ask(value, turn * 0.01, HOLD_S, RATE, value)
        bound.seen(value, turn * 0.01)
        assert len(bound._held) <= _MOST_HELD + 2
        assert value <= bound.at(turn * 0.01) <= value + 10.0 * (1.0 + 2.0 / _MOST_HELD)


def test_two_that_are_put_together_have_the_time_of_the_later_one() -> None:
    assert _MOST_HELD == 16
    bound = FallingBound(100.0)
    bound.ask(90.0, 0.0, HOLD_S, RATE, 100.0)
    bound.ask(0.0, HOLD_S / _MOST_HELD, HOLD_S, RATE, 100.0)
    assert len(bound._held) == 1
    due = HOLD_S + HOLD_S / _MOST_HELD
    assert bound.at(due) == 100.0
    assert bound.at(due + 0.2) == pytest.approx(95.0)
    apart = FallingBound(100.0)
    apart.ask(90.0, 0.0, HOLD_S, RATE, 100.0)
    apart.ask(0.0, HOLD_S / _MOST_HELD + 0.001, HOLD_S, RATE, 100.0)
    assert len(apart._held) == 2
    emergency = FallingBound(100.0)
    emergency.ask(90.0, 0.0, HOLD_S, INF, 100.0)
    emergency.ask(0.0, 0.01, HOLD_S, RATE, 100.0)
    assert len(emergency._held) == 2, "what has to be gone at once is apart"
    assert [emergency.at(now) for now in (1.0, 1.005)] == [100.0, 90.0]
    assert emergency.at(1.41) == pytest.approx(80.0)


@pytest.mark.parametrize("hold_s", [0.5, 2.0])
def test_a_step_of_a_fall_may_be_as_long_as_the_hold(hold_s: float) -> None:
    bound = FallingBound(500.0)
    bound.ask(0.0, 0.0, hold_s, RATE, 500.0)
    for now, current in ((hold_s, 500.0), (hold_s + 0.05, 100.0)):
        bound.seen(current, now)
    assert bound.at(hold_s + 0.05) == pytest.approx(100.0 + RATE * hold_s)


def test_a_late_sample_is_compared_with_what_was_allowed_when_it_was_taken() -> None:
    bound = FallingBound(100.0)
    bound.ask(0.0, 10.0, HOLD_S, RATE, 100.0)
    for at in (10.4, 10.8, 11.2, 11.6):  # told a second later
        current = 100.0 - RATE * max(at - 11.0, 0.0)
        bound.seen(current, at)
        assert current <= bound.at(at) + 1e-9
