"""The timetable of a simulated energy manager: one clock from the first question on,
and again when it is over."""

from __future__ import annotations

from decimal import Decimal

import pytest

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.energy.price import AbsolutePrices, PriceRule, PriceRuleStack
from iso15118.errors import ConfigError
from iso15118.simulation import Timetable

PRICES = AbsolutePrices(
    begins=-5.0, stacks=(PriceRuleStack(60, (PriceRule(energy_fee=Decimal("0.2")),)),), currency="EUR"
)
OFFER = ScheduleOffer(
    charging=PowerOffer(entries=((60.0, 1000.0),), prices=PRICES),
    discharging=PowerOffer(entries=((60.0, 500.0),), begins=10.0),
)


def begins(table: Timetable, now: float) -> tuple[float | None, float, float | None]:
    (one,) = table.at(now)
    assert one.discharging is not None
    assert one.charging.prices is not None
    return one.charging.begins, one.charging.prices.begins, one.discharging.begins


def test_all_times_count_from_the_first_question_until_it_is_over() -> None:
    table = Timetable([OFFER])
    assert begins(table, 100.0) == (100.0, 95.0, 110.0)
    assert begins(table, 159.0) == (100.0, 95.0, 110.0)
    assert begins(table, 160.0) == (160.0, 155.0, 170.0)
    assert table.zero == 160.0


def test_what_is_no_offer_is_refused() -> None:
    with pytest.raises(ConfigError, match="offers"):
        Timetable([OFFER] * 4)
