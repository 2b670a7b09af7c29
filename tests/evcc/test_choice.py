"""Which schedule a vehicle takes of what a station says, and how it keeps to it: ends of the types, prices
that are none, many entries."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from iso15118.energy.planning import Wish
from iso15118.energy.price import AbsolutePrices
from iso15118.evcc import EvccConfig
from iso15118.evcc.iso20.choice import choose_schedule
from iso15118.evcc.iso20.plan import Plan, read_schedule
from iso15118.evcc.schedule_settings import ScheduleEvccSettings
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import MessageHeader, RationalNumber, ResponseCode
from iso15118.messages.values import rational, si
from iso15118.session.actions import EndReason, PriceTrust
from iso15118.session.services import ControlMode
from tests.evcc.station import SESSION_ID, STATION, Host
from tests.evcc.test_numbers import SENT, go, power, profile_of, schedule, scheduled, turn
from tests.evcc.test_schedules import asks

N = RationalNumber


def several(*tuples: cm.ScheduledSEResControlMode) -> cm.ScheduledSEResControlMode:
    return cm.ScheduledSEResControlMode(
        schedule_tuple=tuple(one for mode in tuples for one in mode.schedule_tuple)
    )


def at_exchange(pricing: int = 0, **config: Any) -> Host:
    host = Host(config=EvccConfig(control_modes=(ControlMode.SCHEDULED,), **config))
    host.pricing = pricing
    return host.to("ScheduleExchange")


def answered(host: Host, mode: cm.ScheduledSEResControlMode) -> Host:
    host.answer(se_res_control_mode=mode, header=MessageHeader(session_id=SESSION_ID, time_stamp=SENT))
    return host


def test_one_that_is_over_or_of_no_duration_is_passed_over() -> None:
    over, none, good = (
        schedule(((60, 1e5),), SENT - 600, 1),
        schedule(((0, 1e5),), SENT, 2),
        schedule(((7200, 50_000.0),), SENT, 4_294_967_295),
    )
    host = answered(at_exchange(), several(over, none, good))
    assert host.session.schedule is not None
    assert host.session.schedule.schedule_id == 4_294_967_295
    host.to("DC_ChargeLoop")
    assert profile_of(host).evppt_control_mode == cm.ScheduledEVPPTControlMode(
        selected_schedule_tuple_id=4_294_967_295,
        power_tolerance_acceptance=cm.PowerToleranceAcceptance.PowerToleranceConfirmed,
    )


@pytest.mark.parametrize("number", [2, 3, 4])
def test_no_more_schedules_are_read_than_a_message_can_have(number: int) -> None:
    """The last one alone gives what is wanted; the schema ends at three, wherever the answer comes from."""
    host = at_exchange(departure_time_s=3_600)
    poor = [schedule(((7_200, 1_000.0),), SENT, one) for one in range(1, number)]
    mode = several(*poor, schedule(((7_200, 200_000.0),), SENT, number))
    header = MessageHeader(session_id=SESSION_ID, time_stamp=SENT)
    response = host.response(cm.ScheduleExchangeRes, se_res_control_mode=mode, header=header)
    chosen = choose_schedule(host.session._talk, Plan(pricing=0, offer=STATION, station=STATION), response)
    assert chosen.tuple_id == (number if number <= 3 else 1)


def test_with_nothing_that_could_be_used_it_leaves() -> None:
    host = answered(at_exchange(), schedule(((0, 1e5),), SENT))
    for _ in range(10):
        if host.session.ended is None:
            host.step()
    assert host.session.ended is not None
    assert host.session.ended.reason is EndReason.PARAMETERS_NOT_ACCEPTED


def test_a_thousand_entries_are_kept_to_one_by_one() -> None:
    rng = random.Random(3)
    entries = tuple((2 + number % 3, float(rng.choice((0, 20_000, 70_000)))) for number in range(1024))
    host = answered(at_exchange(), schedule(entries, SENT)).to("DC_ChargeLoop")
    told = profile_of(host).ev_power_profile_entries.ev_power_profile_entry
    assert [(one.duration, si(one.power)) for one in told] == [(lasts, watts) for lasts, watts in entries]
    spans, at = [], 0
    for lasts, watts in entries:
        spans.append((at, at + lasts, watts))
        at += lasts
    began = host.book.now
    seen = set()
    for _ in range(200):
        asked = power(turn(host, 0.25))
        now = host.book.now
        around = [watts for since, until, watts in spans if since - 0.01 <= now <= until + 0.01]
        assert asked <= min(around) * 1.001, now
        seen.add(round(asked / 1000.0))
    assert host.book.now > began + 40.0
    assert {0, 20} <= seen


def test_phases_that_differ_never_get_more_than_their_own() -> None:
    def tuple_of(*watts: float) -> cm.ScheduleTuple:
        entry = cm.PowerScheduleEntry(
            duration=60, power=rational(watts[0]), power_l2=rational(watts[1]), power_l3=rational(watts[2])
        )
        schedule = cm.PowerSchedule(
            time_anchor=SENT, power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=(entry,))
        )
        return cm.ScheduleTuple(
            schedule_tuple_id=1, charging_schedule=cm.ChargingSchedule(power_schedule=schedule)
        )

    assert read_schedule(tuple_of(3680.0, 3680.0, 3680.0), SENT, 0.0).charging.powers == (11_040.0,)
    assert read_schedule(tuple_of(3680.0, 1000.0, 2000.0), SENT, 0.0).charging.powers == (3000.0,)
    for below in (-1000.0, -5000.0):  # lets nothing in, however much it is
        assert read_schedule(tuple_of(3680.0, below, 2000.0), SENT, 0.0).charging.powers == (0.0,)


def price(
    fee: N, *, algorithm: str = "1-Power", identity: str | None = None, anchor: int = SENT
) -> cm.AbsolutePriceSchedule:
    rule = cm.PriceRule(energy_fee=fee, power_range_start=N(exponent=0, value=0))
    return cm.AbsolutePriceSchedule(
        id=identity,
        time_anchor=anchor,
        price_schedule_id=1,
        currency="EUR",
        language="eng",
        price_algorithm=f"urn:iso:std:iso:15118:-20:PriceAlgorithm:{algorithm}",
        price_rule_stacks=cm.PriceRuleStackList(
            price_rule_stack=(cm.PriceRuleStack(duration=86_400, price_rule=(rule,)),)
        ),
    )


def priced(one: cm.ScheduledSEResControlMode, element: Any) -> cm.ScheduledSEResControlMode:
    (only,) = one.schedule_tuple
    charging = cm.ChargingSchedule(
        power_schedule=only.charging_schedule.power_schedule, price_schedule=element
    )
    return cm.ScheduledSEResControlMode(
        schedule_tuple=(
            cm.ScheduleTuple(schedule_tuple_id=only.schedule_tuple_id, charging_schedule=charging),
        )
    )


FEE, DEARER = N(exponent=-2, value=25), N(exponent=-2, value=26)


@pytest.mark.parametrize(
    ("pricing", "trust", "cost"), [(0, PriceTrust.NONE, None), (1, PriceTrust.UNSIGNED, Decimal("25.00"))]
)
def test_prices_are_looked_at_where_they_were_promised(
    pricing: int, trust: PriceTrust, cost: Decimal | None
) -> None:
    dear, cheap = (
        priced(schedule(((7200, 50_000.0),), SENT, number), price(fee))
        for number, fee in ((1, DEARER), (2, FEE))
    )
    host = answered(at_exchange(pricing), several(dear, cheap))
    chosen = host.session.schedule
    assert chosen is not None
    assert (chosen.schedule_id, chosen.trust, chosen.cost) == (2 if pricing else 1, trust, cost)


def test_an_algorithm_that_nobody_knows_is_no_price() -> None:
    odd = priced(schedule(((7200, 50_000.0),), SENT, 1), price(N(exponent=0, value=0), algorithm="9-New"))
    known = priced(schedule(((7200, 50_000.0),), SENT, 2), price(DEARER))
    host = answered(at_exchange(1), several(odd, known))
    assert host.session.schedule is not None
    assert host.session.schedule.schedule_id == 2


@pytest.mark.parametrize("wish", list(Wish))
@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_types_allow_ends_nothing_by_a_fault_of_ours(seed: int, wish: Wish) -> None:
    rng = random.Random(f"{seed} {wish}")

    def number() -> N:
        return N(exponent=rng.choice((-128, -3, 0, 3, 127)), value=rng.choice((-32768, -1, 0, 1, 7, 32767)))

    def duration() -> int:
        return rng.choice((0, 1, 60, 3600, 2**32 - 1))

    def anchor() -> int:
        return rng.choice((0, 1, SENT, SENT - 1000, SENT + 1000, SENT * 1000, SENT * 1_000_000, 2**64 - 1))

    def stack() -> cm.PriceRuleStack:
        return cm.PriceRuleStack(
            duration=duration(),
            price_rule=tuple(
                cm.PriceRule(
                    energy_fee=number(),
                    parking_fee=rng.choice((None, number())),
                    parking_fee_period=rng.choice((None, 0, 1, 2**32 - 1)),
                    carbon_dioxide_emission=rng.choice((None, 65_535)),
                    renewable_generation_percentage=rng.choice((None, 255)),
                    power_range_start=number(),
                )
                for _ in range(rng.randint(1, 8))
            ),
        )

    def prices() -> Any:
        kind = rng.random()
        if kind < 0.2:
            return None
        if kind < 0.4:
            entries = tuple(
                cm.PriceLevelScheduleEntry(duration=duration(), price_level=rng.choice((0, 1, 255)))
                for _ in range(rng.randint(1, 5))
            )
            return cm.PriceLevelSchedule(
                time_anchor=anchor(),
                price_schedule_id=1,
                number_of_price_levels=rng.choice((0, 3)),
                price_level_schedule_entries=cm.PriceLevelScheduleEntryList(
                    price_level_schedule_entry=entries
                ),
            )
        tax = cm.TaxRule(
            tax_rule_id=1,
            tax_rate=number(),
            tax_included_in_price=rng.choice((None, True, False)),
            applies_to_energy_fee=rng.random() < 0.5,
            applies_to_parking_fee=rng.random() < 0.5,
            applies_to_overstay_fee=rng.random() < 0.5,
            applies_minimum_maximum_cost=rng.random() < 0.5,
        )
        overstay = cm.OverstayRuleList(
            overstay_time_threshold=rng.choice((None, 0, 2**32 - 1)),
            overstay_power_threshold=rng.choice((None, number())),
            overstay_rule=(
                cm.OverstayRule(start_time=duration(), overstay_fee=number(), overstay_fee_period=duration()),
            ),
        )
        return cm.AbsolutePriceSchedule(
            id=rng.choice((None, "x")),
            time_anchor=anchor(),
            price_schedule_id=1,
            currency=rng.choice(("EUR", "", "\u202e")),
            language="",
            price_algorithm=rng.choice(
                [
                    f"urn:iso:std:iso:15118:-20:PriceAlgorithm:{one}"
                    for one in ("1-Power", "2-PeakPower", "3-StackedEnergy")
                ]
                + ["x"]
            ),
            minimum_cost=rng.choice((None, number())),
            maximum_cost=rng.choice((None, number())),
            tax_rules=rng.choice((None, cm.TaxRuleList(tax_rule=(tax,) * rng.randint(1, 10)))),
            price_rule_stacks=cm.PriceRuleStackList(
                price_rule_stack=tuple(stack() for _ in range(rng.randint(1, 4)))
            ),
            overstay_rules=rng.choice((None, overstay)),
        )

    def direction() -> cm.ChargingSchedule:
        entries = tuple(
            cm.PowerScheduleEntry(
                duration=duration(), power=number(), power_l2=rng.choice((None, None, number()))
            )
            for _ in range(rng.randint(1, 6))
        )
        return cm.ChargingSchedule(
            power_schedule=cm.PowerSchedule(
                time_anchor=anchor(),
                available_energy=rng.choice((None, number())),
                power_tolerance=rng.choice((None, number())),
                power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=entries),
            ),
            price_schedule=prices(),
        )

    mode = cm.ScheduledSEResControlMode(
        schedule_tuple=tuple(
            cm.ScheduleTuple(
                schedule_tuple_id=rng.choice((1, 2, 2**32 - 1)),
                charging_schedule=direction(),
                discharging_schedule=rng.choice((None, direction())),
            )
            for _ in range(rng.randint(1, 3))
        )
    )
    host = at_exchange(
        1, departure_time_s=rng.choice((None, 60, 7200)), schedules=ScheduleEvccSettings(choice=wish)
    )
    answered(host, mode)
    for _ in range(30):
        if host.session.ended is not None or isinstance(host.request, dc.DCChargeLoopReq):
            break
        host.step()
    if host.session.ended is not None:
        assert host.session.ended.reason is EndReason.PARAMETERS_NOT_ACCEPTED, host.session.ended
        return
    asked = 0
    for _ in range(8):
        request: Any = host.request
        if isinstance(request, dc.DCChargeLoopReq):
            assert 0.0 <= si(request.cl_req_control_mode.ev_target_current) <= 1500.0  # type: ignore[union-attr]
            asked += 1
        host.step()
        assert host.session.ended is None
    assert asked > 0


def test_a_vehicle_that_is_said_to_leave_its_profile_asks_for_another_exchange_once() -> None:
    host = scheduled(((7200, 50_000.0),), SENT)
    assert power(turn(host)) > 40_000.0
    go(host, response_code=ResponseCode.WARNING_EVPowerProfileViolation)
    for _ in range(3):
        if asks(host):
            break
        go(host, response_code=ResponseCode.WARNING_EVPowerProfileViolation)
    assert asks(host)
    host.answer()
    host.answer(se_res_control_mode=schedule(((7200, 40_000.0),), 0))
    host.answer()
    for _ in range(5):
        assert power(turn(host)) == pytest.approx(40_000.0, abs=100.0)


def test_no_more_is_read_than_a_message_can_have() -> None:
    """Wherever a list comes from, it is cut before anything is computed."""
    from iso15118.session.price_wire import prices_of

    long = schedule(((1, 1000.0),) * 5000, SENT).schedule_tuple[0]
    assert len(read_schedule(long, SENT, 0.0).charging.ends) == 1024
    element = price(FEE)
    stack = element.price_rule_stacks.price_rule_stack[0]
    wide = cm.PriceRuleStack(duration=1, price_rule=stack.price_rule * 100)
    element = msgspec.structs.replace(
        element, price_rule_stacks=cm.PriceRuleStackList(price_rule_stack=(wide,) * 5000)
    )
    read = prices_of(element, SENT, 0.0)
    assert isinstance(read, AbsolutePrices)
    assert len(read.stacks) == 1024
    assert {len(one.rules) for one in read.stacks} == {8}
