"""Sales tariffs of ISO 15118-2 to the last digit, and which prices a vehicle of few entries is told: those to
come, never those of an hour that is over.

The same holds in ISO 15118-20, whose prices are shortened by the same function.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.price import AbsolutePrices, PriceLevels, PriceRule, PriceRuleStack
from iso15118.messages import iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.physical import quantity
from iso15118.pki.keys.signer import signer_of
from iso15118.secc.iso2.sequence import State
from iso15118.secc.iso2.tariffs import wanted
from iso15118.secc.iso20.sequence import State as State20
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.price_wire import shortened
from tests.secc import vehicle
from tests.secc.iso2.test_tariffs import ALWAYS, discovered, entries, issued, money, offer, tariffs
from tests.secc.iso2.vehicle import Drive, configured, settings

LATER = 5000.0
"""The session's clock when the vehicle asks."""


def late() -> Drive:
    drive = Drive(ALWAYS)
    drive.book.now = LATER
    drive.to(State.CHARGE_PARAMETER_DISCOVERY)
    assert drive.book.now == LATER
    return drive


def levels(begins: float, *spans: tuple[int, int]) -> PriceLevels:
    return PriceLevels(begins=begins, entries=spans, levels=max(level for _, level in spans))


# -- what has passed, and what does not fit


@pytest.mark.parametrize(
    ("begins", "expected"),
    [
        (0.0, [(0, None, 1), (60, None, 2), (120, 60, 3)]),
        (-59.0, [(0, None, 1), (1, None, 2), (61, 60, 3)]),
        (-59.1, [(0, None, 2), (61, 60, 3)]),
        (-60.0, [(0, None, 2), (60, 60, 3)]),
        (-178.0, [(0, 2, 3)]),
        (-179.0, [(0, 1, 3)]),
        (-179.1, None),
        (30.0, [(30, None, 1), (90, None, 2), (150, 60, 3)]),
    ],
)
def test_times_count_from_the_request_and_less_than_a_second_is_over(
    begins: float, expected: list[tuple[int, int | None, int | None]] | None
) -> None:
    (one,) = tariffs(discovered(late(), levels(LATER + begins, (60, 1), (60, 2), (60, 3))))
    assert (None if one is None else entries(one)) == expected


def test_a_last_entry_lasts_a_day_at_most_and_what_begins_too_late_cannot_be_said() -> None:
    (one,) = tariffs(discovered(late(), levels(LATER, (16_777_214, 1), (172_800, 2), (60, 3))))
    assert entries(one) == [(0, None, 1), (16_777_214, 86_400, 2)]


@pytest.mark.parametrize("passed", [0, 1, 14, 200])
def test_a_vehicle_of_few_entries_is_told_the_prices_to_come(passed: int) -> None:
    """A tariff of quarters of an hour from some time ago, and a vehicle that takes twelve."""
    spans = tuple((60, 1 + number % 3) for number in range(300))
    (one,) = tariffs(discovered(late(), levels(LATER - 60.0 * passed, *spans), most=12))
    told = entries(one)
    assert [start for start, _, _ in told] == [60 * number for number in range(12)]
    assert [level for _, _, level in told] == [level for _, level in spans[passed : passed + 12]]


def test_equal_neighbours_are_one_entry_for_a_vehicle_of_few() -> None:
    spans = tuple((60, 1 + number // 10 % 2) for number in range(100))
    (one,) = tariffs(discovered(late(), levels(LATER, *spans), most=12))
    assert [start for start, _, _ in entries(one)] == [600 * number for number in range(10)]


def test_the_same_in_iso_15118_20() -> None:
    drive = vehicle.Drive().to(State20.SCHEDULE_EXCHANGE)
    spans = tuple((60, 1 + number % 3) for number in range(300))
    prices = levels(drive.book.now - 60.0 * 14, *spans)
    drive.book.tell(ev.SchedulesGiven((offer(prices),)))
    answer = drive.send(cm.ScheduleExchangeReq, maximum_supporting_points=12)
    (one,) = answer.se_res_control_mode.schedule_tuple
    said = one.charging_schedule.price_schedule
    assert said.time_anchor == one.charging_schedule.power_schedule.time_anchor
    got = said.price_level_schedule_entries.price_level_schedule_entry
    assert [one.price_level for one in got] == [level for _, level in spans[14:26]]


@pytest.mark.parametrize(
    ("now", "begins", "first"),
    [(-5.0, 0.0, 0), (59.9, 0.0, 0), (60.0, 60.0, 1), (180.0, 180.0, 3), (240.0, 180.0, 3), (1e6, 180.0, 3)],
)
def test_what_is_left_of_prices_that_are_too_many(now: float, begins: float, first: int) -> None:
    """Of those that are over, too, the last stays: an offer has one price at least."""
    spans = ((60, 1), (60, 2), (60, 3), (60, 4))
    stacks = tuple(PriceRuleStack(60, (PriceRule(energy_fee=Decimal(fee)),)) for _, fee in spans)
    some = replace(levels(0.0, *spans), anchor=7)
    money_ = AbsolutePrices(begins=0.0, stacks=stacks, currency="EUR", anchor=7)
    for most in (1, 2, 3):
        short = shortened(some, most, now)
        assert short == replace(some, begins=begins, anchor=None, entries=spans[first : first + most])
        dear = shortened(money_, most, now)
        assert dear == replace(money_, begins=begins, anchor=None, stacks=stacks[first : first + most])
    assert shortened(some, 4, now) is some
    assert shortened(replace(some, id="signed"), 3, now) is None


def test_a_last_entry_lasts_a_second_at_least_however_its_edges_are_rounded() -> None:
    (one,) = tariffs(discovered(late(), levels(LATER + 0.5, (1, 1), (1, 2))))
    assert entries(one) == [(0, None, 1), (2, 1, 2)]


@pytest.mark.parametrize(
    ("setting", "emaid", "told"),
    [
        ("always", "", True),
        ("always", "DE8AAC12345678", True),
        ("contract", "", False),
        ("contract", "DE8AAC12345678", True),
        ("never", "", False),
        ("never", "DE8AAC12345678", False),
    ],
)
def test_who_is_told_tariffs_by_setting(setting: Any, emaid: str, told: bool) -> None:
    ctx = Drive(settings(tariffs=setting)).to(State.CHARGE_PARAMETER_DISCOVERY).context
    ctx.facts.emaid = emaid
    assert wanted(ctx) is told


# -- what energy costs


def costs(*rules: PriceRule, **more: Any) -> list[tuple[float, dict[str, int]]]:
    """What the first entry of these rules says: powers, and what holds from them on."""
    prices = AbsolutePrices(begins=LATER, stacks=(PriceRuleStack(1800, rules),), currency="EUR")
    (one,) = tariffs(discovered(late(), prices))
    assert one is not None
    return [
        (quantity(cost.start_value), {part.cost_kind.value: part.amount for part in cost.cost})
        for cost in one.sales_tariff_entry[0].consumption_cost
    ]


PERCENT, GREEN = (
    iso2.CostKind.relativePricePercentage.value,
    iso2.CostKind.RenewableGenerationPercentage.value,
)


def rule(fee: str, start_w: float = 0.0, **more: Any) -> PriceRule:
    return PriceRule(energy_fee=Decimal(fee), power_range_start_w=Decimal(f"{start_w:g}"), **more)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((rule("0.4"),), [(0.0, {PERCENT: 100})]),
        ((rule("0.1"), rule("0.4", 11_000.0)), [(0.0, {PERCENT: 25}), (11_000.0, {PERCENT: 100})]),
        ((rule("0.4", 11_000.0), rule("0.1", 0.4)), [(0.4, {PERCENT: 25}), (11_000.0, {PERCENT: 100})]),
        ((rule("0.0"), rule("0.4", 5000.0)), [(0.0, {PERCENT: 0}), (5000.0, {PERCENT: 100})]),
        ((rule("-0.1", renewable_percent=9), rule("0.4", 5000.0)), [(0.0, {GREEN: 9}), (5000.0, {PERCENT: 100})]),
        ((rule("-0.1"), rule("0.4", 5000.0)), [(5000.0, {PERCENT: 100})]),
        ((rule("0.0"),), []),
        ((rule("0.0", renewable_percent=50),), [(0.0, {GREEN: 50})]),
        (
            tuple(rule("0.1", 1000.0 * number) for number in range(4)),
            [(1000.0 * number, {PERCENT: 100}) for number in range(3)],
        ),
    ],
    ids=["one", "two", "out of order", "free", "paid and green", "paid", "all free", "free and green", "four"],
)  # fmt: skip
def test_prices_in_percent_of_the_dearest_as_far_as_there_is_room(
    rules: tuple[PriceRule, ...], expected: list[tuple[float, dict[str, int]]]
) -> None:
    assert costs(*rules) == expected


def test_levels_go_by_the_dearest_rule_of_each_span() -> None:
    """A vehicle that takes all that it can pays this."""
    stacks = (
        PriceRuleStack(60, (rule("0.1"), rule("0.5", 5000.0))),
        PriceRuleStack(60, (rule("0.3"), rule("0.4", 5000.0))),
    )
    (one,) = tariffs(discovered(late(), AbsolutePrices(begins=LATER, stacks=stacks, currency="EUR")))
    assert [level for _, _, level in entries(one)] == [2, 1]
    assert one is not None
    assert one.num_e_price_levels == 2


@pytest.mark.parametrize(
    ("many", "first", "last"), [(254, 1, 254), (255, 1, 255), (256, 1, 255), (1000, 1, 255)]
)
def test_as_many_levels_as_the_message_can_say(many: int, first: int, last: int) -> None:
    fees = [str(Decimal(number).scaleb(-3)) for number in range(1, many + 1)]
    (one,) = tariffs(discovered(Drive(ALWAYS), money(*fees)))
    told = [level for _, _, level in entries(one)]
    assert (told[0], told[-1]) == (first, last)
    assert len(set(told)) == min(many, 255)


# -- while tariffs are signed


def signing(key_use_s: float = 5.0) -> Drive:
    """A station that was asked for schedules whose tariffs it signs, half a minute after the vehicle came."""
    keys = (signer_of(issued().credential("mo-sub2")),)
    config = configured(ALWAYS, schedules=ScheduleSeccSettings(key_use_s=key_use_s))
    drive = Drive(config=config, price_signers=keys).to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.book.wait(30.0)
    drive.book.tell(ev.SchedulesGiven((offer(money("0.3", begins=30.0)),)))
    assert drive.send(iso2.ChargeParameterDiscoveryReq) is None
    return drive


@pytest.mark.parametrize(("key_use_s", "held_s"), [(5.0, 0.75), (0.3, 0.3)])
def test_the_answer_is_held_back_for_half_its_time_while_a_key_is_used(
    key_use_s: float, held_s: float
) -> None:
    drive = signing(key_use_s)
    drive.book.wait(held_s - 0.001)
    assert drive.heard() is None
    drive.book.wait(0.001)
    waits = held_s < key_use_s
    assert drive.heard().evse_processing is (
        iso2.EVSEProcessing.Ongoing if waits else iso2.EVSEProcessing.Finished
    )


def test_a_schedule_begins_when_it_is_told_and_not_when_it_was_made() -> None:
    drive = signing()
    (use,) = [one for one in drive.book.actions if isinstance(one, act.UseKey)]
    drive.book.wait(0.5)
    drive.book.tell(ev.KeyUsed.of(use))
    assert drive.heard().evse_processing is iso2.EVSEProcessing.Finished
    (schedule,) = drive.context.schedules.values()
    assert (schedule.begins, schedule.over_at) == (30.5, 30.5 + 3600.0)
