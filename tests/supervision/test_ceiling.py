"""A bound that is lowered several times, where it steps down: of an outlet, an on-board charger, a pad. Each
lowering has its own time, and what is due stays due."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from iso15118.energy.ac import NOTHING, each
from iso15118.session.supervision import (
    AcSupervisor,
    Ceiling,
    Reaction,
    Rule,
    StationSupervisor,
    SupervisionLimits,
)
from iso15118.session.supervision.rules import _MOST_STEPS
from iso15118.session.supervision.sensors import SensorSupervisor

INF = math.inf
HOLD = 5.0


def lowered(*asked: tuple[float, float], start: float = 32.0, hold: float = HOLD) -> Ceiling:
    """A bound that was asked for at these times: (time, value)."""
    ceiling = Ceiling(start)
    for at, value in asked:
        ceiling.ask(value, at, hold)
    return ceiling


def test_each_lowering_has_its_own_time() -> None:
    ceiling = lowered((10.0, 16.0), (14.0, 10.0))
    assert [ceiling.at(now) for now in (14.0, 15.0, 15.1, 19.0, 19.1, 100.0)] == [32, 32, 16, 16, 10, 10]


def test_what_is_looked_at_late_is_as_it_would_have_been() -> None:
    assert lowered((10.0, 16.0), (12.0, 12.0), (14.0, 10.0)).at(18.0) == 12.0
    assert lowered((10.0, 16.0), (12.0, 12.0), (14.0, 10.0)).at(19.5) == 10.0


def test_a_bound_that_is_lowered_with_every_message_is_still_one() -> None:
    ceiling, now, value = Ceiling(32.0), 0.0, 32.0
    while value > 6.0:
        now, value = now + 0.25, value - 0.25
        ceiling.ask(value, now, HOLD)
        assert ceiling.at(now) <= min(value + HOLD + 0.75, 32.0), "what was asked 5 s before, and a step"
        assert len(ceiling._steps) < 20
    assert ceiling.at(now + HOLD + 0.01) == 6.0


def test_one_that_is_lowered_very_often_keeps_few_steps() -> None:
    ceiling, value = Ceiling(1000.0), 1000.0
    for turn in range(10_000):
        now, value = turn * 0.01, value - 0.05
        ceiling.ask(value, now, HOLD)
        assert len(ceiling._steps) < 20
        assert value <= ceiling.at(now) <= min(value + 0.05 * 600, 1000.0)


def test_what_rises_below_the_bound_leaves_what_is_above() -> None:
    ceiling = lowered((10.0, 16.0), (11.0, 8.0), (12.0, 20.0))
    assert [ceiling.at(now) for now in (12.0, 15.0, 15.1, 16.1)] == [32, 32, 20, 20]
    ceiling.ask(10.0, 17.0, HOLD)
    assert [ceiling.at(now) for now in (22.0, 22.1)] == [20, 10]
    over = lowered((10.0, 16.0), (11.0, 8.0), (12.0, 40.0))
    assert [over.at(now) for now in (12.0, 100.0)] == [40, 40]


def test_more_haste_shortens_all_that_is_under_way_and_less_lengthens_nothing() -> None:
    ceiling = lowered((10.0, 16.0), (12.0, 10.0))
    ceiling.ask(0.0, 13.0, 1.0)
    assert [ceiling.at(now) for now in (13.9, 14.0)] == [32, 32]
    ceiling.ask(0.0, 13.5, 3.0)
    assert ceiling.at(14.01) == 0.0
    slow = lowered((10.0, 16.0))
    slow.ask(0.0, 14.0, 3.0)
    assert [slow.at(now) for now in (15.0, 15.1, 17.0, 17.1)] == [32, 16, 16, 0]


@pytest.mark.parametrize("seed", range(30))
def test_it_is_never_below_what_was_asked_within_the_hold_nor_far_above(seed: int) -> None:
    chance = random.Random(seed)
    ceiling, now, asked = Ceiling(20.0), 0.0, [(-INF, 20.0)]
    for _ in range(300):
        now += chance.choice((0.05, 0.2, 1.0, 3.0))
        value = float(chance.randrange(0, 33))
        reset = value >= ceiling.at(now)
        ceiling.ask(value, now, HOLD)
        asked = [(now, value)] if reset else [*asked, (now, value)]
        look = now + chance.choice((0.0, 0.1, 2.0, 6.0))
        if look > now:
            now = look
        # A value may flow until the hold is over that began when a lower one took its place.
        least = most = asked[-1][1]
        for (_, old), (since, new) in pairwise(asked):
            if new < old and now <= since + HOLD:
                least = max(least, old)
            if new < old and now <= since + HOLD * (1.0 + 1 / 16):
                most = max(most, old)
        assert least <= ceiling.at(now) <= most


# -- in the supervisors


def followed(*lowerings: tuple[float, float], after_s: float) -> list[tuple[Rule, Reaction]]:
    """What is found of a vehicle that follows each lowering (time, A) so much later."""
    made = AcSupervisor(SupervisionLimits(), nominal_v=230.0, most_v=264.5, where="at the outlet")
    made.contactors(True)
    made.told(True)

    def told(amperes: float, now: float) -> None:
        made.told_power(3, each(amperes, 3), 690.0 * amperes, NOTHING, 0.0, now)

    told(32.0, 0.0)
    draws, found, pending = 32.0, [], list(lowerings)
    for turn in range(1, 300):
        now = turn * 0.1
        while pending and pending[0][0] <= now:
            told(pending.pop(0)[1], now)
        for since, amperes in lowerings:
            if now >= since + after_s:
                draws = min(draws, amperes)
        finding = made.measured(each(230.0, 3), each(draws, 3), 690.0 * draws, now, now)
        if finding is not None:
            found.append((finding.rule, finding.reaction))
    return found


@pytest.mark.parametrize("second_at", [10.1, 12.0, 14.0, 14.9, 15.5])
def test_a_vehicle_that_follows_each_of_two_lowerings_in_time_is_left_alone(second_at: float) -> None:
    assert followed((10.0, 16.0), (second_at, 10.0), after_s=4.5) == []
    assert followed((10.0, 24.0), (second_at, 16.0), (second_at + 1.0, 8.0), after_s=4.5) == []


@pytest.mark.parametrize("second_at", [10.1, 14.0, 15.5])
def test_one_that_follows_neither_is_found_by_the_first(second_at: float) -> None:
    late = followed((10.0, 16.0), (second_at, 10.0), after_s=8.0)
    assert (Rule.OVER_CURRENT, Reaction.FAULT) in late


def test_steps_as_short_as_the_shortest_are_put_together() -> None:
    hold = _MOST_STEPS / 16.0  # the shortest step is 1/16 s then, which every float shows
    ceiling = Ceiling(32.0)
    ceiling.ask(20.0, 0.0, hold)
    ceiling.ask(16.0, 0.5, hold)
    ceiling.ask(12.0, 0.5 + 1 / 16, hold)
    assert ceiling.at(hold) == 32.0
    assert ceiling.at(hold + 0.5 + 1 / 32) == 20.0, "the one before, for as long as both together"
    assert ceiling.at(hold + 0.5 + 1 / 8) == 12.0


@pytest.mark.parametrize(
    ("charge_a", "discharge_a", "falls"),
    [(0.0, 0.0, True), (0.5, 0.0, False), (0.0, -0.5, False), (100.0, 0.0, False)],
)
def test_a_current_that_nobody_asks_for_any_more_falls_until_then(
    charge_a: float, discharge_a: float, falls: bool
) -> None:
    station = StationSupervisor(SupervisionLimits())
    station.negotiated(1000.0, 500.0, 500.0)
    station.set_power(1000.0, 400.0, 400_000.0, False, 0.0)
    station.measured(800.0, 400.0, 1.0, 1.0)
    assert station.falls_until == -INF
    station.set_power(1000.0, charge_a + discharge_a, 400_000.0, discharge_a < 0.0, 10.0)
    until = station.falls_until
    assert (until == pytest.approx(10.0 + 1.0 + 400.0 / 25.0)) is falls
    assert falls or until == -INF


def test_an_insulation_of_a_whole_second_is_one_however_the_clock_rounds() -> None:
    since, now = 0.1, 0.1
    for _ in range(10):
        now += 0.1
    assert since + 1.0 > now
    sensors = SensorSupervisor(SupervisionLimits())
    assert sensors.insulation(90_000.0, 100_000.0, None, 800.0, since) is None
    found = sensors.insulation(90_000.0, 100_000.0, None, 800.0, now)
    assert found is not None
    assert found.rule is Rule.INSULATION
    assert sensors.insulation_late(now) is None, "once for each time that it is told"
