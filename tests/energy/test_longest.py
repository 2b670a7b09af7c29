"""What the longest schedules and profiles take, counted in lines of Python that are run and in calls: numbers
that no busy machine changes. Twice as long takes twice as much, not four times."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from decimal import Decimal
from types import FrameType
from typing import Any

import pytest

from iso15118.energy.cost import cost
from iso15118.energy.planning import Candidate, Wanted, Wish, planned
from iso15118.energy.price import AbsolutePrices, PriceAlgorithm, PriceRule, PriceRuleStack
from iso15118.energy.schedule import Schedule, fewer, violation

LONGEST = 1024
PROFILE = 2048


def lines_of(call: Callable[[], object]) -> int:
    """How many lines of this package it runs."""
    count = 0

    def local(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return local

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        return local if "/iso15118/" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def calls_of(call: Callable[[], object]) -> int:
    """How many calls it makes, those of functions of C as well, which Decimals are slow in."""
    count = 0

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(before)
    return count


def schedule(count: int, seed: int = 1) -> Schedule:
    rng = random.Random(seed)
    return Schedule.of(
        12.5, ((float(rng.randint(30, 90)), float(rng.randint(20_000, 99_000))) for _ in range(count))
    )


def prices(count: int, algorithm: PriceAlgorithm, rules: int = 2) -> AbsolutePrices:
    rng = random.Random(2)
    stacks = tuple(
        PriceRuleStack(
            60,
            tuple(
                PriceRule(
                    energy_fee=Decimal(rng.randint(1, 999)).scaleb(-3),
                    power_range_start_w=Decimal(11_000 * number),
                )
                for number in range(rules)
            ),
        )
        for _ in range(count)
    )
    return AbsolutePrices(begins=12.5, stacks=stacks, currency="EUR", algorithm=algorithm.value)


def wanted(share: float, count: int) -> Wanted:
    return Wanted(
        energy_wh=share * count * 60 * 50_000.0 / 3600.0,
        now=13.0,
        most_w=50_000.0,
        until=12.5 + 60.0 * count,
        wish=Wish.CHEAPEST,
    )


@pytest.mark.parametrize("algorithm", list(PriceAlgorithm))
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_planning_on_the_longest_schedule_takes_a_few_lines_for_each_entry(
    algorithm: PriceAlgorithm, share: float
) -> None:
    def planning(count: int) -> Callable[[], object]:
        one = Candidate(charging=schedule(count), prices=prices(count, algorithm))
        return lambda: planned(one, wanted(share, count))

    longest, half = planning(LONGEST), planning(LONGEST // 2)
    assert calls_of(longest) < 80 * LONGEST  # before: 99 to 124
    assert calls_of(longest) < 2.2 * calls_of(half)
    assert lines_of(longest) < 300 * LONGEST
    assert lines_of(longest) < 2.2 * lines_of(half)


def test_a_cost_takes_a_few_lines_for_each_entry() -> None:
    def lines(count: int) -> int:
        load, money = schedule(2 * count), prices(count, PriceAlgorithm.POWER)
        return lines_of(lambda: cost(money, load))

    assert lines(LONGEST) < 60 * PROFILE
    assert lines(LONGEST) < 2.2 * lines(LONGEST // 2)


def test_a_gap_costs_nothing_however_many_prices_it_spans() -> None:
    rests = Schedule(12.5, (12.5 + 60.0 * LONGEST,), (0.0,))
    charges = Schedule(12.5, (12.5 + 60.0 * LONGEST,), (9000.0,))
    money = prices(LONGEST, PriceAlgorithm.POWER)
    assert lines_of(lambda: cost(money, charges)) > lines_of(lambda: cost(money, rests)) + 5 * LONGEST


def test_a_profile_of_2048_entries_is_judged_in_a_few_lines_for_each() -> None:
    def lines(count: int) -> int:
        allowed = schedule(count)
        profile = Schedule.of(
            12.5, ((float(begins), 15_000.0 + begins % 7) for begins in range(20, 20 + 2 * count))
        )
        return lines_of(lambda: violation(profile, allowed, 13.0))

    assert lines(LONGEST) < 20 * PROFILE
    assert lines(LONGEST) < 2.2 * lines(LONGEST // 2)


def test_shortening_the_longest_schedule_grows_no_faster_than_its_length() -> None:
    def lines(count: int) -> int:
        return lines_of(lambda: fewer(schedule(count), 12))

    assert lines(LONGEST) < 40 * LONGEST
    assert lines(LONGEST) < 2.4 * lines(LONGEST // 2)
