"""What a course of power costs, to the last digit: by each algorithm, with parking,
taxes, bounds and overstaying."""

from __future__ import annotations

import random
from decimal import Decimal as D  # noqa: N817 - amounts read better
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.cost import Cost, cost, half_up
from iso15118.energy.price import (
    AbsolutePrices,
    AdditionalService,
    OverstayRule,
    OverstayRules,
    PriceAlgorithm,
    PriceRule,
    PriceRuleStack,
    TaxRule,
    minor_units,
)
from iso15118.energy.schedule import Schedule

ZERO = 123.456
"""When everything begins: no round number, as on a running clock."""
BANDS = (
    PriceRule(energy_fee=D("0.25")),
    PriceRule(energy_fee=D("0.35"), power_range_start_w=D(11_000)),
)
POWER, PEAK, STACKED = PriceAlgorithm


def prices(*stacks: PriceRuleStack, algorithm: PriceAlgorithm = POWER, **more: Any) -> AbsolutePrices:
    return AbsolutePrices(begins=ZERO, stacks=stacks, currency="EUR", algorithm=algorithm.value, **more)


def flat(fee: str, duration: int = 7200, **more: Any) -> PriceRuleStack:
    return PriceRuleStack(duration, (PriceRule(energy_fee=D(fee), **more),))


def load(*entries: tuple[float, float], begins: float = ZERO) -> Schedule:
    return Schedule.of(begins, entries)


def of(tariff: AbsolutePrices, course: Schedule, **more: Any) -> Cost:
    found = cost(tariff, course, **more)
    assert found is not None
    return found


TWO_HOURS = load((3600, 7000.0), (3600, 22_000.0))


@pytest.mark.parametrize(
    ("algorithm", "one_stack", "two_stacks"),
    [(POWER, "9.45", "9.45"), (PEAK, "10.15", "9.45"), (STACKED, "8.35", "8.35")],
)
def test_the_three_algorithms(algorithm: PriceAlgorithm, one_stack: str, two_stacks: str) -> None:
    one = of(prices(PriceRuleStack(7200, BANDS), algorithm=algorithm), TWO_HOURS)
    assert one.total == one.energy == Fraction(one_stack)
    two = prices(PriceRuleStack(3600, BANDS), PriceRuleStack(3600, BANDS), algorithm=algorithm)
    assert of(two, TWO_HOURS).total == Fraction(two_stacks)


@pytest.mark.parametrize(
    ("watts", "by_power", "stacked"), [(11_000.0, "3.85", "2.75"), (10_999.0, "2.74975", "2.74975")]
)
def test_a_rule_holds_from_its_very_start_on(watts: float, by_power: str, stacked: str) -> None:
    stack, course = PriceRuleStack(7200, BANDS), load((3600, watts))
    assert of(prices(stack), course).energy == Fraction(by_power)
    assert of(prices(stack, algorithm=PEAK), course).energy == Fraction(by_power)
    assert of(prices(stack, algorithm=STACKED), course).energy == Fraction(stacked)


@pytest.mark.parametrize(
    ("course", "total"), [(load((3600, 10_000.0)), "3.25"), (load((900, 4000.0), (2700, 10_000.0)), "2.875")]
)
def test_prices_change_over_time(course: Schedule, total: str) -> None:
    assert of(prices(flat("0.25", 1800), flat("0.40", 1800)), course).total == Fraction(total)


@pytest.mark.parametrize(("stay", "total"), [(3600.0, 2), (3601.0, Fraction("2.5")), (1.0, Fraction("0.5"))])
def test_parking_is_due_at_the_begin_of_every_started_period(stay: float, total: Any) -> None:
    tariff = prices(flat("0", 86_400, parking_fee=D("0.50"), parking_fee_period_s=900))
    assert of(tariff, load((stay, 0.0))).total == total
    assert of(tariff, load((0.5, 0.0)), stay=(ZERO, ZERO + stay)).total == total


def test_what_parking_costs_is_said_by_the_rule_of_that_moment() -> None:
    tariff = prices(
        flat("0", 1800, parking_fee=D(1), parking_fee_period_s=1000),
        flat("0", 1800),
        flat("0", 1800, parking_fee=D(2), parking_fee_period_s=900),
        flat("0", 1800, parking_fee=D(5), parking_fee_period_s=0),
    )
    # At 0 and 1000 the first rule, at 2000 none until 3600, from then on the third one; a
    # period of none costs nothing.
    assert of(tariff, load((7200, 1000.0))).parking == 1 + 1 + 2 + 2


def test_a_period_of_a_second_over_a_century_is_no_work() -> None:
    tariff = prices(flat("0", 2**32 - 1, parking_fee=D(1), parking_fee_period_s=1))
    assert of(tariff, load((2.0**32 - 1, 0.0))).parking == 2**32 - 1


def taxed(**more: Any) -> AbsolutePrices:
    stack = PriceRuleStack(
        7200, tuple(replace(rule, parking_fee=D(1), parking_fee_period_s=3600) for rule in BANDS)
    )
    tax = TaxRule(id=1, rate_percent=D(19), on_parking=False, on_overstay=False, **more)
    return prices(stack, taxes=(tax,))


def test_a_tax_on_energy_alone() -> None:
    found = of(taxed(), TWO_HOURS)
    assert (found.energy, found.parking) == (Fraction("9.45"), Fraction(2))
    assert (found.tax, found.total) == (Fraction("1.7955"), Fraction("13.2455"))
    assert found.rounded == D("13.25")


def test_a_tax_that_the_price_has_in_it() -> None:
    found = of(taxed(included=True), TWO_HOURS)
    assert half_up(found.energy, 4) == D("7.9412")
    assert half_up(found.tax, 4) == D("1.5088")
    assert found.total == Fraction("11.45")


def test_several_taxes_add_up_on_the_net_amount() -> None:
    taxes = tuple(TaxRule(id=number, rate_percent=D(10)) for number in (1, 2))
    assert of(prices(flat("1"), taxes=taxes), load((3600, 10_000.0))).total == 12


@pytest.mark.parametrize(
    ("net", "on_bounds", "bounds", "total"),
    [
        ("3.25", True, {"minimum_cost": D(5)}, 6),
        ("3.25", False, {"minimum_cost": D(5)}, 5),
        ("12", True, {"maximum_cost": D(10)}, 12),
        ("12", False, {"maximum_cost": D(10)}, 10),
        ("3.25", True, {"minimum_cost": D(1), "maximum_cost": D(10)}, Fraction("3.9")),
    ],
)
def test_bounds_are_net_or_gross(net: str, on_bounds: bool, bounds: dict[str, Any], total: Any) -> None:
    tax = TaxRule(id=1, rate_percent=D(20), on_bounds=on_bounds)
    found = of(prices(flat(net), taxes=(tax,), **bounds), load((3600, 1000.0)))
    assert found.total == total


def test_who_takes_nothing_pays_the_minimum() -> None:
    tax = TaxRule(id=1, rate_percent=D(20))
    assert of(prices(flat("1"), taxes=(tax,), minimum_cost=D(5)), load((3600, 0.0))).total == 6


OVERSTAY = OverstayRules(
    time_threshold_s=600,
    power_threshold_w=D(500),
    rules=(
        OverstayRule(start_s=0, fee=D(1), period_s=600),
        OverstayRule(start_s=1800, fee=D(3), period_s=600),
    ),
)


@pytest.mark.parametrize(("leaves", "total"), [(7200.0, 9), (4201.0, 1), (4200.0, 0), (3000.0, 0)])
def test_overstaying(leaves: float, total: int) -> None:
    found = of(prices(flat("0"), overstay=OVERSTAY), load((3600, 7000.0)), stay=(ZERO, ZERO + leaves))
    assert found.total == found.overstay == total


def test_a_gap_in_mid_charge_is_no_overstaying_and_bounds_leave_it_alone() -> None:
    course = load((600, 7000.0), (3600, 0.0), (600, 7000.0))
    assert of(prices(flat("0"), overstay=OVERSTAY), course).overstay == 0
    bounded = prices(flat("0"), overstay=OVERSTAY, maximum_cost=D(2))
    assert of(bounded, load((3600, 7000.0)), stay=(ZERO, ZERO + 7200)).total == 9


def test_overstaying_without_a_power_counts_from_the_end_of_the_schedule() -> None:
    rules = replace(OVERSTAY, power_threshold_w=None)
    tariff = prices(flat("0"), overstay=rules)
    stay = (ZERO, ZERO + 7200)
    assert of(tariff, load((3600, 7000.0)), stay=stay).overstay == 9
    assert of(tariff, load((3600, 7000.0)), stay=stay, ends=ZERO + 6500).overstay == 1


def test_what_is_given_back_is_credited() -> None:
    tariff = prices(flat("0.30", parking_fee=D(9), parking_fee_period_s=900), minimum_cost=D(4))
    found = of(tariff, load((3600, -5000.0), (3600, 4000.0)), discharging=True)
    assert (found.energy, found.parking, found.total) == (Fraction("-1.5"), Fraction(0), Fraction("-1.5"))
    assert found.rounded == D("-1.50")


def test_services_are_paid_once() -> None:
    services = (AdditionalService("washing", D("3.50")), AdditionalService("air", D("0.5")))
    assert of(prices(flat("0"), services=services), load((3600, 7000.0))).total == 4


def test_energy_outside_of_the_prices_is_not_priced() -> None:
    found = of(prices(flat("0.25", 1800)), load((3600, 1000.0), (1800, 1000.0), begins=ZERO - 1800))
    assert (found.energy, found.unpriced_wh) == (Fraction("0.125"), 1000.0)


def test_an_algorithm_that_nobody_knows_has_no_cost() -> None:
    assert cost(replace(prices(flat("1")), algorithm="urn:other"), TWO_HOURS) is None


@pytest.mark.parametrize(
    ("amount", "decimals", "shown"),
    [
        ("0.005", 2, "0.01"),
        ("-0.005", 2, "-0.01"),
        ("0.0049", 2, "0.00"),
        ("2.5", 0, "3"),
        ("1.0005", 3, "1.001"),
    ],
)
def test_one_rounding_half_up(amount: str, decimals: int, shown: str) -> None:
    assert half_up(Fraction(amount), decimals) == D(shown)
    assert str(half_up(Fraction(amount), decimals)) == shown


def test_the_minor_units_of_currencies() -> None:
    assert [minor_units(code) for code in ("EUR", "jpy", "KWD", "???")] == [2, 0, 3, 2]


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_lost_between_the_pieces(seed: int) -> None:
    """Any course over any stacks, piece by piece in exact fractions by the definition, and by the module."""
    rng = random.Random(seed)
    stacks = []
    for _ in range(rng.randint(1, 12)):
        starts = sorted({0, *(rng.randrange(0, 30_000) for _ in range(rng.randint(0, 5)))})
        rules = [
            PriceRule(
                energy_fee=D(rng.randint(-200, 900)).scaleb(-rng.randint(0, 5)), power_range_start_w=D(start)
            )
            for start in starts
        ]
        rng.shuffle(rules)
        stacks.append(PriceRuleStack(rng.randint(1, 4000), tuple(rules)))
    course = load(
        *((rng.randint(1, 3000), float(rng.randrange(0, 35_000))) for _ in range(rng.randint(1, 30)))
    )
    for algorithm in (POWER, STACKED):
        assert of(prices(*stacks, algorithm=algorithm), course).energy == by_definition(
            stacks, course, algorithm
        )


def by_definition(stacks: list[PriceRuleStack], course: Schedule, algorithm: PriceAlgorithm) -> Fraction:
    edges = {0}
    powers: list[tuple[int, int, int]] = []
    at = 0
    for begins, ends, power in course.pieces():
        powers.append((at, at + round(ends - begins), int(power)))
        at += round(ends - begins)
        edges.add(at)
    spans, since = [], 0
    for stack in stacks:
        spans.append(
            (since, since + stack.duration_s, sorted(stack.rules, key=lambda r: r.power_range_start_w))
        )
        since += stack.duration_s
        edges.add(since)
    total = Fraction(0)
    ordered = sorted(edges)
    for begins, ends in pairwise(ordered):
        watts = next((power for one, other, power in powers if one <= begins < other), 0)
        rules = next((rules for one, other, rules in spans if one <= begins < other), None)
        if rules is None:
            continue
        hours = Fraction(ends - begins, 3600)
        if algorithm is POWER:
            holds = [rule for rule in rules if rule.power_range_start_w <= watts] or rules[:1]
            total += Fraction(holds[-1].energy_fee) * watts * hours / 1000
            continue
        for place, rule in enumerate(rules):
            lower = 0 if place == 0 else rule.power_range_start_w
            upper = rules[place + 1].power_range_start_w if place + 1 < len(rules) else D(10**9)
            part = min(Fraction(watts), Fraction(upper)) - Fraction(lower)
            total += Fraction(rule.energy_fee) * max(part, Fraction(0)) * hours / 1000
    return total


def test_the_greatest_numbers_that_a_message_can_say() -> None:
    rule = PriceRule(
        energy_fee=D("32767E+127"),
        power_range_start_w=D("1E-128"),
        parking_fee=D("1E-128"),
        parking_fee_period_s=1,
    )
    stack = PriceRuleStack(2**32 - 1, (rule, replace(rule, power_range_start_w=D("32767E+127"))))
    for algorithm in PriceAlgorithm:
        found = of(prices(*[stack] * 3, algorithm=algorithm), load((2.0**32 - 1, 3.2e131)))
        assert found.total > 10**130
        assert found.rounded > 0
