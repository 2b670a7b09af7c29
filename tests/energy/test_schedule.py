"""Power over time on an absolute clock, and plans that leave it."""

from __future__ import annotations

from typing import Any, SupportsIndex

import pytest

from iso15118.energy.schedule import SLACK_S, Schedule, violation

KILO = 1000.0
SCHEDULE = Schedule.of(-4500.0, ((3600.0, 120 * KILO), (3600.0, 40 * KILO), (3600.0, 80 * KILO)))


@pytest.mark.parametrize(
    ("now", "power"),
    [
        (-4500.1, 0.0),
        (-4500.0, 120 * KILO),
        (-900.1, 120 * KILO),
        (0.0, 40 * KILO),
        (2699.9, 40 * KILO),
        (2700.0, 80 * KILO),
        (6299.9, 80 * KILO),
        (6300.0, 0.0),
    ],
)
def test_power_at_a_moment(now: float, power: float) -> None:
    assert SCHEDULE.at(now) == power


def test_an_entry_without_duration_is_left_out_and_one_is_needed() -> None:
    assert Schedule.of(0.0, ((0.0, 1.0), (5.0, 2.0), (0.0, 3.0))).at(0.0) == 2.0
    with pytest.raises(ValueError, match="no duration"):
        Schedule.of(0.0, ((0.0, 1.0),))


ALLOWED = Schedule.of(0.0, ((3600.0, 11 * KILO), (3600.0, 5 * KILO)))


@pytest.mark.parametrize(
    ("entries", "begins", "fits"),
    [
        (((5400.0, 11 * KILO), (1800.0, 5 * KILO)), 0.0, False),
        (((3600.0, 11 * KILO), (3600.0, 5.02 * KILO)), 0.0, True),  # half a per cent is rounding
        (((3600.0, 11 * KILO), (3600.0, 5.4 * KILO)), 0.0, False),
        (((1.0, 5 * KILO),), 0.0, True),  # its last power goes on
        (((1.0, 11 * KILO),), 0.0, False),
        (((3600.0, 11 * KILO), (3600.0, 5 * KILO)), SLACK_S - 0.5, True),  # clocks in whole seconds
        (((3600.0, 11 * KILO), (3600.0, 5 * KILO)), 60.0, False),
        (((7200.0, -1.0),), 0.0, False),
        (((9000.0, 5 * KILO),), 0.0, True),  # behind its end the last value holds
        (((7200.0, 5 * KILO), (1800.0, 6 * KILO)), 0.0, False),
        (((3000.0, 0.0), (600.0, 11 * KILO), (60.0, 0.0)), -3000.0, True),
    ],
)
def test_a_plan_against_what_is_allowed(
    entries: tuple[tuple[float, float], ...], begins: float, fits: bool
) -> None:
    assert (violation(Schedule.of(begins, entries), ALLOWED, 0.0) == "") is fits


def test_nothing_is_allowed_before_a_schedule_begins() -> None:
    later = Schedule.of(100.0, ((3600.0, 11 * KILO),))
    assert violation(Schedule.of(0.0, ((3600.0, 5 * KILO),)), later, 0.0)
    assert not violation(Schedule.of(0.0, ((100.0, 0.0), (3600.0, 5 * KILO))), later, 0.0)


def test_what_is_over_is_not_looked_at() -> None:
    assert not violation(Schedule.of(-100.0, ((100.0, 99 * KILO), (60.0, 5 * KILO))), ALLOWED, 0.0)


class Counting(tuple[float, ...]):
    """A tuple that counts how often it is looked at."""

    looked = 0

    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        Counting.looked += 1
        return super().__getitem__(place)


def test_long_plans_are_looked_at_once() -> None:
    entries = 2048
    ends = [Counting(step * (n + 1) for n in range(entries)) for step in (10.0, 7.0)]
    plan, allowed = (Schedule(0.0, each, Counting([1.0] * entries)) for each in ends)
    assert not violation(plan, allowed, 0.0)
    assert Counting.looked < 20 * entries
