"""How a vehicle uses a schedule, and which of several it takes."""

from __future__ import annotations

import random
from decimal import Decimal as D  # noqa: N817 - amounts read better
from typing import Any

import pytest

from iso15118.energy.planning import Candidate, Planned, Wanted, Wish, choose, planned
from iso15118.energy.price import AbsolutePrices, PriceAlgorithm, PriceLevels, PriceRule, PriceRuleStack
from iso15118.energy.schedule import Schedule, fewer, violation

ZERO = 50.25
HOUR = 3600.0


def schedule(*entries: tuple[float, float], begins: float = ZERO) -> Schedule:
    return Schedule.of(begins, entries)


def levels(*one: int, begins: float = ZERO) -> PriceLevels:
    return PriceLevels(begins=begins, entries=tuple((3600, level) for level in one), levels=max(one))


def money(*fees: str, currency: str = "EUR", begins: float = ZERO, **rule: Any) -> AbsolutePrices:
    return AbsolutePrices(
        begins=begins,
        stacks=tuple(PriceRuleStack(3600, (PriceRule(energy_fee=D(fee), **rule),)) for fee in fees),
        currency=currency,
    )


def wanted(energy_wh: float, hours: float | None = 3.0, **more: Any) -> Wanted:
    until = None if hours is None else ZERO + hours * HOUR
    return Wanted(**({"energy_wh": energy_wh, "now": ZERO, "most_w": 22_000.0, "until": until} | more))


def hours(plan: Planned) -> list[float]:
    """kW at the begin of each hour."""
    return [round(plan.profile.at(ZERO + hour * HOUR + 1.0) / 1000.0, 3) for hour in range(3)]


def test_the_cheapest_level_is_filled_first_and_of_equal_ones_the_earliest() -> None:
    limited = schedule((3 * HOUR, 7000.0))
    plan = planned(Candidate(charging=limited, prices=levels(2, 1, 3)), wanted(15_000.0))
    assert hours(plan) == [7.0, 7.0, 1.0]
    assert plan.given_wh == pytest.approx(15_000.0)
    plan = planned(Candidate(charging=limited, prices=levels(2, 2, 1)), wanted(8000.0))
    assert hours(plan) == [1.0, 0.0, 7.0]


def test_less_than_the_least_is_taken_as_the_least_for_a_shorter_time() -> None:
    plan = planned(
        Candidate(charging=schedule((3 * HOUR, 7000.0)), prices=levels(2, 1, 3)),
        wanted(15_000.0, least_w=4000.0),
    )
    assert hours(plan) == [7.0, 7.0, 4.0]
    assert plan.profile.at(ZERO + 2 * HOUR + 901.0) == 0.0
    assert plan.given_wh == pytest.approx(15_000.0)


@pytest.mark.parametrize("wish", [Wish.FASTEST, Wish.FIRST])
def test_who_is_in_a_hurry_takes_what_there_is(wish: Wish) -> None:
    course = schedule((HOUR, 30_000.0), (HOUR, 0.0), (HOUR, 10_000.0))
    plan = planned(Candidate(charging=course, prices=money("0.9", "0.1", "0.1")), wanted(25_000.0, wish=wish))
    assert hours(plan) == [22.0, 0.0, 10.0]
    assert plan.finished_at == pytest.approx(ZERO + 2 * HOUR + 1080.0)
    assert plan.cost is not None
    assert float(plan.cost.total) == pytest.approx(22 * 0.9 + 3 * 0.1)


@pytest.mark.parametrize("known", [{"hours": None}, {"energy_wh": 1e9}])
def test_without_a_departure_or_with_too_little_time_it_takes_what_there_is(known: Any) -> None:
    course = schedule((3 * HOUR, 7000.0))
    plan = planned(
        Candidate(charging=course, prices=levels(3, 2, 1)), wanted(**({"energy_wh": 7000.0} | known))
    )
    assert hours(plan) == [7.0, 7.0, 7.0]


def test_green_times_come_first_by_emission_or_by_the_renewable_share() -> None:
    def stack(fee: str, **rule: Any) -> PriceRuleStack:
        return PriceRuleStack(3600, (PriceRule(energy_fee=D(fee), **rule),))

    course = schedule((3 * HOUR, 7000.0))
    for kind in (
        [{"carbon_dioxide_g_per_kwh": value} for value in (300, 20, 500)],
        [{"renewable_percent": value} for value in (50, 90, 10)],
    ):
        stacks = tuple(stack(fee, **rule) for fee, rule in zip(("0.1", "0.9", "0.1"), kind, strict=True))
        prices = AbsolutePrices(begins=ZERO, stacks=stacks, currency="EUR")
        plan = planned(Candidate(charging=course, prices=prices), wanted(7000.0, wish=Wish.GREENEST))
        assert hours(plan) == [0.0, 7.0, 0.0]
        assert hours(planned(Candidate(charging=course, prices=prices), wanted(7000.0)))[1] == 0.0


def test_a_dear_band_of_power_is_avoided_where_there_is_time() -> None:
    bands = (PriceRule(energy_fee=D("0.2")), PriceRule(energy_fee=D("0.9"), power_range_start_w=D(5000)))
    for algorithm in PriceAlgorithm:
        prices = AbsolutePrices(
            begins=ZERO, stacks=(PriceRuleStack(10_800, bands),), currency="EUR", algorithm=algorithm.value
        )
        plan = planned(Candidate(charging=schedule((3 * HOUR, 22_000.0)), prices=prices), wanted(14_000.0))
        assert max(plan.profile.powers) <= 5000.0
        assert plan.cost is not None
        assert float(plan.cost.total) == pytest.approx(2.8)


def test_no_more_than_the_available_energy_is_planned() -> None:
    one = Candidate(charging=schedule((3 * HOUR, 7000.0)), prices=levels(1, 2, 3), available_wh=5000.0)
    for wish in Wish:
        plan = planned(one, wanted(15_000.0, wish=wish))
        assert plan.profile.energy_wh(ZERO, ZERO + 3 * HOUR) <= 5000.1
        assert plan.given_wh == pytest.approx(5000.0)


# -- the choice


def chosen(candidates: list[Candidate], want: Wanted) -> int:
    return choose([planned(one, want) for one in candidates], want)


def flat(fee: str, currency: str = "EUR") -> AbsolutePrices:
    return money(fee, fee, fee, currency=currency)


def on(charging: Schedule, prices: Any = None) -> Candidate:
    return Candidate(charging=charging, prices=prices)


FULL = schedule((3 * HOUR, 10_000.0))
THIN = schedule((3 * HOUR, 2000.0))


FULL_LATE = schedule((HOUR, 0.0), (2 * HOUR, 10_000.0))


@pytest.mark.parametrize(
    ("candidates", "wish", "number"),
    [
        pytest.param([on(FULL), on(FULL)], Wish.CHEAPEST, 0, id="plain"),
        pytest.param([on(FULL, flat("0.4")), on(FULL, flat("0.3"))], Wish.CHEAPEST, 1, id="cheaper"),
        pytest.param([on(THIN, flat("0.1")), on(FULL, flat("0.3"))], Wish.CHEAPEST, 1, id="too little"),
        pytest.param([on(FULL), on(FULL, flat("0.9"))], Wish.CHEAPEST, 1, id="priced first"),
        pytest.param(
            [on(FULL, flat("0.9")), on(FULL, flat("0.1", "USD"))], Wish.CHEAPEST, 0, id="currencies"
        ),
        pytest.param([on(FULL, flat("0.3")), on(FULL, flat("0.3"))], Wish.CHEAPEST, 0, id="equal"),
        pytest.param([on(THIN), on(FULL_LATE)], Wish.CHEAPEST, 1, id="most"),
        pytest.param([on(FULL_LATE), on(FULL, flat("9"))], Wish.FASTEST, 1, id="fastest"),
        pytest.param([on(THIN), on(FULL)], Wish.FIRST, 0, id="first"),
        pytest.param([on(FULL, levels(3, 3, 3)), on(FULL, levels(1, 3, 3))], Wish.GREENEST, 1, id="levels"),
        pytest.param([on(FULL, flat("0.4")), on(FULL, levels(1, 1, 1))], Wish.CHEAPEST, 0, id="kinds"),
    ],
)
def test_which_schedule_is_taken(candidates: list[Candidate], wish: Wish, number: int) -> None:
    assert chosen(candidates, wanted(10_000.0, wish=wish)) == number


def test_what_the_prices_do_not_cover_is_dear() -> None:
    short = Candidate(charging=FULL, prices=money("0.2"))
    whole = Candidate(charging=FULL, prices=money("0.2", "0.2", "0.2"))
    late = Candidate(charging=schedule((HOUR, 0.0), (2 * HOUR, 10_000.0)), prices=money("0.2"))
    assert chosen([late, Candidate(charging=FULL, prices=money("0.1", "0.1", "0.1"))], wanted(10_000.0)) == 1
    assert chosen([short, whole], wanted(10_000.0)) == 0
    unpriced = planned(late, wanted(10_000.0))
    assert unpriced.weight == pytest.approx(2.0)
    assert unpriced.cost is not None
    assert unpriced.cost.total == 0


@pytest.mark.parametrize("seed", range(60))
def test_a_profile_never_leaves_its_schedule_and_brings_what_it_says(seed: int) -> None:
    rng = random.Random(seed)
    entries = [
        (float(rng.randint(1, 4000)), float(rng.choice((0, 500, 7000, 22_000))))
        for _ in range(rng.randint(1, 60))
    ]
    charging = schedule(*entries, begins=ZERO + rng.randint(-3000, 900))
    if charging.over_at <= ZERO + 5.0:
        return
    stacks = tuple(
        PriceRuleStack(
            rng.randint(1, 5000),
            tuple(
                PriceRule(
                    energy_fee=D(rng.randint(-9, 90)).scaleb(-2),
                    power_range_start_w=D(start),
                    carbon_dioxide_g_per_kwh=rng.randint(0, 900),
                )
                for start in rng.sample((0, 4000, 9000, 15_000), rng.randint(1, 4))
            ),
        )
        for _ in range(rng.randint(1, 40))
    )
    prices = AbsolutePrices(
        begins=charging.begins + rng.randint(-4000, 4000),
        stacks=stacks,
        currency="EUR",
        algorithm=rng.choice(list(PriceAlgorithm)).value,
    )
    want = wanted(
        float(rng.randint(0, 90_000)),
        rng.uniform(0.01, 20.0),
        most_w=float(rng.choice((3000, 11_000, 50_000))),
        least_w=float(rng.choice((0, 0, 1400, 4200))),
        reserve=rng.choice((0.0, 0.05)),
        wish=rng.choice(list(Wish)),
    )
    plan = planned(Candidate(charging=charging, prices=prices), want)
    assert violation(plan.profile, charging, ZERO) == ""
    for begins, ends, power in plan.profile.pieces():
        for moment in (begins + 0.01, (begins + ends) / 2.0, ends - 0.01):
            assert power <= charging.at(moment) + 1e-6
    assert max(plan.profile.powers) <= want.most_w
    assert plan.profile.over_at == pytest.approx(charging.over_at)
    assert want.until is not None
    assert plan.given_wh == pytest.approx(
        min(want.energy_wh, plan.profile.energy_wh(ZERO, min(max(want.until, ZERO + 1.0), charging.over_at))),
        abs=0.5,
    )


# -- schedules


@pytest.mark.parametrize("seed", range(20))
def test_fewer_entries_never_mean_more_power(seed: int) -> None:
    rng = random.Random(seed)
    one = schedule(
        *((float(rng.randint(1, 900)), float(rng.randrange(0, 22_000))) for _ in range(rng.randint(1, 300)))
    )
    most = rng.randint(1, 40)
    less = fewer(one, most)
    assert len(less.ends) == min(len(one.ends), most)
    assert (less.begins, less.over_at) == (one.begins, one.over_at)
    for begins, ends, power in one.pieces():
        assert less.at((begins + ends) / 2.0) <= power


def test_a_moment_around_an_edge_the_lesser_power_holds() -> None:
    one = schedule((10.0, 5000.0), (10.0, 9000.0), (10.0, 0.0))
    seen = [one.around(ZERO + at, 1.0) for at in (-0.1, 0.0, 8.9, 9.5, 10.5, 11.5, 18.9, 19.5, 29.9, 30.0)]
    assert seen == [0.0, 5000.0, 5000.0, 5000.0, 5000.0, 9000.0, 9000.0, 0.0, 0.0, 0.0]


def test_what_is_left_of_a_schedule() -> None:
    one = schedule((10.0, 5000.0), (10.0, 9000.0))
    assert one.from_now(ZERO + 4.0) == Schedule(ZERO + 4.0, one.ends, one.powers)
    assert one.from_now(ZERO - 4.0).pieces().__next__() == (ZERO - 4.0, ZERO, 0.0)
    with pytest.raises(ValueError, match="over"):
        one.from_now(ZERO + 20.0)
    assert one.lasting(ZERO + 100.0).at(ZERO + 99.0) == 9000.0
    assert one.energy_wh(ZERO + 5.0, ZERO + 15.0) == pytest.approx((5 * 5000 + 5 * 9000) / 3600)
    assert one.within_energy(20.0).energy_wh(0.0, 1e9) == pytest.approx(20.0)
    assert one.within_energy(0.0).powers == (0.0, 0.0)
