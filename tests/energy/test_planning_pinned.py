"""Plans on random schedules and prices, to the last digit: how they are computed may become faster, what
comes of it stays."""

from __future__ import annotations

import hashlib
import random
from decimal import Decimal

import pytest

from iso15118.energy.planning import Candidate, Planned, Wanted, Wish, planned
from iso15118.energy.price import AbsolutePrices, PriceAlgorithm, PriceRule, PriceRuleStack
from iso15118.energy.schedule import Schedule

STARTS = [Decimal(text) for text in ("0", "0.5", "1", "5000", "11000", "11000.7", "22000")]


def stack(rng: random.Random) -> PriceRuleStack:
    rules = [
        PriceRule(
            energy_fee=Decimal(rng.randint(-50, 999)).scaleb(-rng.randint(0, 4)),
            power_range_start_w=rng.choice(STARTS),
            parking_fee=rng.choice([None, Decimal("0.5")]),
            parking_fee_period_s=rng.choice([None, 0, 60]),
        )
        for _ in range(rng.choice([1, 2, 2, 2, 3, 8]))
    ]
    if rng.random() < 0.8:  # a peer may send them in any order
        rules.sort(key=lambda rule: rule.power_range_start_w)
    return PriceRuleStack(rng.choice([60, rng.randint(1, 200)]), tuple(rules))


def plan(rng: random.Random, algorithm: PriceAlgorithm) -> Planned:
    begins = rng.choice([0.0, 12.5, -50.0])
    entries = [(float(rng.randint(1, 90)), float(rng.randint(0, 60)) * 1000.0) for _ in range(30)]
    charging = Schedule.of(begins, entries)
    prices = AbsolutePrices(
        begins=begins + rng.choice([0.0, -30.0, 7.3]),
        stacks=tuple(stack(rng) for _ in range(30)),
        currency="EUR",
        algorithm=algorithm.value,
    )
    wanted = Wanted(
        energy_wh=rng.uniform(0.0, 8000.0),
        now=begins + rng.choice([0.0, 0.4, -20.0, 300.0]),
        most_w=rng.choice([7400.0, 11_000.0, 50_000.0]),
        until=begins + rng.uniform(300.0, 2000.0),
        least_w=rng.choice([0.0, 4140.0]),
        reserve=0.05,
        wish=Wish.CHEAPEST,
    )
    return planned(Candidate(charging=charging, prices=prices), wanted)


@pytest.mark.parametrize(
    ("algorithm", "pinned"),
    [
        (PriceAlgorithm.POWER, "93e16103742d058e"),
        (PriceAlgorithm.PEAK_POWER, "95a6af23d6f04c55"),
        (PriceAlgorithm.STACKED_ENERGY, "279fa876e6fde7d0"),
    ],
)
def test_plans_are_what_they_were(algorithm: PriceAlgorithm, pinned: str) -> None:
    found = hashlib.sha256()
    for seed in range(40):
        one = plan(random.Random(seed), algorithm)
        assert one.cost is not None
        found.update(
            repr((one.profile.ends, one.profile.powers, one.finished_at, one.given_wh, one.cost)).encode()
        )
    assert found.hexdigest()[:16] == pinned
