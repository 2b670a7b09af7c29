"""What a station offers of its energy manager's plans: tuples, prices, waiting, points, both directions;
and the profile against it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.energy.price import AbsolutePrices, PriceLevels, PriceRule, PriceRuleStack
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import rational, si
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.services import ControlMode, ServiceID
from tests.secc.test_numbers import NOW, drive_with
from tests.secc.test_schedules import flow, profile
from tests.secc.vehicle import STATION, Drive

HOURS = ((3600.0, 100_000.0), (3600.0, 0.0), (3600.0, 50_000.0))


def plan(*entries: tuple[float, float], **more: Any) -> PowerOffer:
    return PowerOffer(entries=entries or HOURS, **more)


def offering(*offers: ScheduleOffer, service: ServiceID = ServiceID.DC, **config: Any) -> Drive:
    """A station that plans this, at its schedule exchange."""
    drive = Drive(service, config=SeccConfig(services=(service,), **config)) if config else Drive(service)
    drive.to(State.SCHEDULE_EXCHANGE)
    drive.book.tell(ev.SchedulesGiven(offers))
    return drive


def exchange(drive: Drive, departure: int | None = 10_800, **more: Any) -> cm.ScheduleExchangeRes:
    answer: cm.ScheduleExchangeRes = drive.send(
        cm.ScheduleExchangeReq,
        se_req_control_mode=cm.ScheduledSEReqControlMode(departure_time=departure),
        **more,
    )
    return answer


def news(drive: Drive, kind: type) -> Any:
    """The one of this kind that the last call had."""
    (found,) = (action for action in drive.book.actions if isinstance(action, kind))
    return found


def tuples(answer: cm.ScheduleExchangeRes) -> tuple[cm.ScheduleTuple, ...]:
    mode = answer.se_res_control_mode
    assert isinstance(mode, cm.ScheduledSEResControlMode)
    return mode.schedule_tuple


def entries(schedule: cm.ChargingSchedule | None) -> list[tuple[int, float]]:
    assert schedule is not None
    return [
        (one.duration, si(one.power))
        for one in schedule.power_schedule.power_schedule_entries.power_schedule_entry
    ]


def test_up_to_three_plans_are_offered_with_the_ids_that_they_have() -> None:
    drive = offering(
        ScheduleOffer(charging=plan(), id=7),
        ScheduleOffer(charging=plan((3600.0, 20_000.0)), id=4_000_000_000),
        ScheduleOffer(charging=plan((60.0, 1e9))),
    )
    one, two, three = tuples(exchange(drive))
    assert [one.schedule_tuple_id, two.schedule_tuple_id, three.schedule_tuple_id] == [7, 4_000_000_000, 3]
    assert entries(one.charging_schedule) == [(3600, 100_000.0), (3600, 0.0), (3600, 50_000.0)]
    assert entries(two.charging_schedule) == [(10_800, 20_000.0)], "the last power goes on until departure"
    assert entries(three.charging_schedule) == [(10_800, STATION.maximum_charge_power_w)], "within the offer"
    assert one.charging_schedule.power_schedule.time_anchor == NOW


@pytest.mark.parametrize(
    ("departure", "lasts"), [(None, 86_400), (0, 86_400), (600, 10_800), (20_000, 20_000)]
)
def test_the_plan_covers_the_departure_or_a_day(departure: int | None, lasts: int) -> None:
    (one,) = tuples(exchange(offering(ScheduleOffer(charging=plan())), departure))
    assert sum(duration for duration, _ in entries(one.charging_schedule)) == lasts


@pytest.mark.parametrize(
    ("begins", "expected"),
    [
        (-1800.0, [(1800, 100_000.0), (3600, 0.0), (3600, 50_000.0)]),
        (-3600.0, [(3600, 0.0), (3600, 50_000.0)]),
        (600.0, [(600, 0.0), (3600, 100_000.0), (3600, 0.0), (3600, 50_000.0)]),
    ],
)
def test_what_has_passed_is_left_out_and_before_the_begin_nothing_flows(begins: float, expected: Any) -> None:
    drive = Drive().to(State.SCHEDULE_EXCHANGE)
    drive.book.tell(ev.SchedulesGiven((ScheduleOffer(charging=plan(begins=drive.book.now + begins)),)))
    (one,) = tuples(exchange(drive, 60))
    assert entries(one.charging_schedule) == expected


def test_a_plan_that_is_over_is_not_offered_and_without_any_the_limits_hold() -> None:
    drive = Drive().to(State.SCHEDULE_EXCHANGE)
    over = ScheduleOffer(charging=plan(begins=drive.book.now - 20_000.0))
    drive.book.tell(ev.SchedulesGiven((over, ScheduleOffer(charging=plan((3600.0, 5000.0)), id=9))))
    assert [one.schedule_tuple_id for one in tuples(exchange(drive))] == [9]
    drive = Drive().to(State.SCHEDULE_EXCHANGE)
    drive.book.tell(ev.SchedulesGiven((over,)))
    (one,) = tuples(exchange(drive))
    assert entries(one.charging_schedule) == [(10_800, STATION.maximum_charge_power_w)]


@pytest.mark.parametrize("points", [12, 13, 500, 1024])
def test_no_more_entries_than_the_vehicle_takes_and_nowhere_more_power(points: int) -> None:
    many = tuple((60.0, 1000.0 * (1 + number * 37 % 101)) for number in range(1024))
    drive = offering(ScheduleOffer(charging=PowerOffer(entries=many)))
    (one,) = tuples(exchange(drive, maximum_supporting_points=points))
    got = entries(one.charging_schedule)
    assert len(got) == points
    ours = [power for duration, power in got for _ in range(duration // 60)]
    theirs = [power for _, power in many]
    assert len(ours) == len(theirs)
    assert all(mine <= its for mine, its in zip(ours, theirs, strict=True))


def test_both_directions_of_a_bidirectional_service() -> None:
    offer = ScheduleOffer(
        charging=plan(),
        discharging=plan((3600.0, 0.0), (7200.0, 30_000.0), tolerance_w=250.0, available_wh=9000.0),
    )
    (one,) = tuples(exchange(offering(offer, service=ServiceID.DC_BPT)))
    assert entries(one.discharging_schedule) == [(3600, 0.0), (7200, 30_000.0)]
    assert one.discharging_schedule is not None
    said = one.discharging_schedule.power_schedule
    assert said.power_tolerance is not None
    assert said.available_energy is not None
    assert (si(said.power_tolerance), si(said.available_energy)) == (250.0, 9000.0)
    (one,) = tuples(exchange(offering(offer)))
    assert one.discharging_schedule is None, "a service that only charges"


# -- waiting for the energy manager


def asking(**schedules: Any) -> Drive:
    config = SeccConfig(schedules=ScheduleSeccSettings(**schedules))
    drive = Drive(config=config)
    drive.session._facts.asks_schedules = True
    return drive.to(State.SCHEDULE_EXCHANGE)


def test_the_energy_manager_is_asked_once_and_the_vehicle_waits_meanwhile() -> None:
    drive = asking()
    assert exchange(drive) is None, "held back for a moment"
    asked = news(drive, act.RequestSchedules)
    assert asked.number == 1
    assert asked.needs.departure_at == drive.book.now + 10_800
    assert asked.needs.maximum_points == 100
    drive.book.wait(1.0)
    assert drive.book.sends(cm.ScheduleExchangeRes).evse_processing is Processing.Ongoing
    assert exchange(drive) is None
    assert not [one for one in drive.book.actions if isinstance(one, act.RequestSchedules)]
    drive.book.tell(ev.SchedulesGiven((ScheduleOffer(charging=plan(), id=5),), 1))
    answer = drive.book.sends(cm.ScheduleExchangeRes)
    assert answer.evse_processing is Processing.Finished
    assert [one.schedule_tuple_id for one in tuples(answer)] == [5]
    assert drive.session.state == State.DC_CABLE_CHECK.value


@pytest.mark.parametrize("number", [0, 2, 99])
def test_an_answer_to_another_question_is_none_but_what_is_pushed_counts(number: int) -> None:
    drive = asking()
    exchange(drive)
    drive.book.tell(ev.SchedulesGiven((ScheduleOffer(charging=plan(), id=5),), number))
    if number:
        drive.book.wait(1.0)
        assert drive.book.sends(cm.ScheduleExchangeRes).evse_processing is Processing.Ongoing
    else:
        assert [one.schedule_tuple_id for one in tuples(drive.book.sends(cm.ScheduleExchangeRes))] == [5]


def test_an_energy_manager_that_has_nothing_to_say_holds_nobody_up() -> None:
    drive = asking()
    exchange(drive)
    drive.book.tell(ev.SchedulesMissing(1))
    (one,) = tuples(drive.book.sends(cm.ScheduleExchangeRes))
    assert entries(one.charging_schedule) == [(10_800, STATION.maximum_charge_power_w)]


def test_the_wait_is_bounded() -> None:
    drive = asking(wait_s=5.0)
    began = drive.book.now
    ongoing = 0
    while True:
        answer: Any = exchange(drive)
        if answer is None:
            while not any(isinstance(one, act.Send) for one in drive.book.actions):
                drive.book.wait(0.25)
            answer = drive.book.sends(cm.ScheduleExchangeRes)
        if answer.evse_processing is Processing.Finished:
            break
        ongoing += 1
    assert ongoing > 2
    assert 4.9 <= drive.book.now - began <= 6.0
    drive.book.tell(ev.SchedulesGiven((ScheduleOffer(charging=plan(), id=5),), 1))
    assert drive.session._facts.offers == (), "that comes too late"


# -- prices

FEES = (
    PriceRuleStack(1800, (PriceRule(energy_fee=Decimal("0.250")),)),
    PriceRuleStack(1800, (PriceRule(energy_fee=Decimal("4E+1")),)),
)


def test_prices_keep_their_digits_and_their_time() -> None:
    drive = Drive().to(State.SCHEDULE_EXCHANGE)
    prices = AbsolutePrices(begins=drive.book.now - 60.0, stacks=FEES, currency="EUR", schedule_id=3)
    drive.book.tell(ev.SchedulesGiven((ScheduleOffer(charging=plan(prices=prices)),)))
    (one,) = tuples(exchange(drive))
    said = one.charging_schedule.price_schedule
    assert isinstance(said, cm.AbsolutePriceSchedule)
    fees = [stack.price_rule[0].energy_fee for stack in said.price_rule_stacks.price_rule_stack]
    assert [(fee.value, fee.exponent) for fee in fees] == [(250, -3), (4, 1)]
    assert (said.time_anchor, said.price_schedule_id, said.id) == (NOW - 60, 3, None)


def test_prices_that_are_too_many_are_cut_and_never_altered() -> None:
    levels = tuple((60, 1 + number // 4 % 2) for number in range(100))
    prices = PriceLevels(begins=0.0, entries=levels, levels=2)
    drive = offering(ScheduleOffer(charging=plan(prices=prices)))
    (one,) = tuples(exchange(drive, maximum_supporting_points=12))
    said = one.charging_schedule.price_schedule
    assert isinstance(said, cm.PriceLevelSchedule)
    got = said.price_level_schedule_entries.price_level_schedule_entry
    assert [(entry.duration, entry.price_level) for entry in got] == [(240, 1 + n % 2) for n in range(12)]
    drive = offering(ScheduleOffer(charging=plan(prices=replace(prices, id="signed", anchor=NOW))))
    (one,) = tuples(exchange(drive, maximum_supporting_points=12))
    assert one.charging_schedule.price_schedule is None
    assert news(drive, act.ScheduleRemark).name == "price-points"


def test_what_kind_of_prices_there_are_is_a_parameter_of_the_service() -> None:
    settings = ScheduleSeccSettings(pricing=cm_pricing("ABSOLUTE"))
    sets = SeccConfig(schedules=settings).parameter_sets(ServiceID.DC)
    assert {(one.control_mode, int(one.pricing)) for one in sets} == {
        (ControlMode.SCHEDULED, 1),
        (ControlMode.DYNAMIC, 0),
    }


def cm_pricing(name: str) -> Any:
    from iso15118.session.services import Pricing

    return Pricing[name]


# -- profiles against several schedules


def started(drive: Drive, one: cm.EVPowerProfile | None, **more: Any) -> str:
    """The code that PowerDelivery says to this profile."""
    drive.to(State.POWER_DELIVERY)
    answer = drive.send(cm.PowerDeliveryReq, ev_power_profile=one, **more)
    if answer is None:
        drive.book.tell(ev.ContactorsChanged(True))
        answer = drive.book.sends(cm.PowerDeliveryRes)
    return str(answer.response_code.value)


TWO = (
    ScheduleOffer(charging=plan((3600.0, 11_000.0), (3600.0, 5000.0)), id=1),
    ScheduleOffer(charging=plan((7200.0, 20_000.0), tolerance_w=500.0), id=2),
)


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (profile((5400, 11_000.0), (1800, 5000.0)), "FAILED_EVPowerProfileInvalid"),
        (profile((3600, 11_000.0), (3600, 5020.0)), "OK"),
        (profile((3600, 11_000.0), (3600, 5400.0)), "FAILED_EVPowerProfileInvalid"),
        (profile((7200, 20_000.0), tuple_id=2), "OK"),
        (profile((7200, 20_500.0), tuple_id=2), "FAILED_EVPowerProfileInvalid"),
        (profile(*[(1, 30_000.0)] * 2048, tuple_id=2), "FAILED_EVPowerProfileInvalid"),
        (profile((7200, 1000.0), tuple_id=3), "FAILED_ScheduleSelectionInvalid"),
        (None, "FAILED_EVPowerProfileInvalid"),
    ],
    ids=["late", "rounded", "tolerance", "second", "above", "many", "unknown", "none"],
)
def test_a_profile_belongs_to_the_schedule_that_was_chosen(one: cm.EVPowerProfile | None, code: str) -> None:
    drive = offering(*TWO)
    exchange(drive, 7200)
    assert started(drive, one) == code


def test_the_chosen_schedule_is_what_the_vehicle_gets() -> None:
    drive = offering(*TWO)
    exchange(drive, 7200)
    drive.to(State.POWER_DELIVERY)
    drive.send(cm.PowerDeliveryReq, ev_power_profile=profile((7200, 18_000.0), tuple_id=2))
    taken = news(drive, act.PowerProfileTaken)
    drive.book.tell(ev.ContactorsChanged(True))
    assert (taken.schedule_id, taken.profile.powers, taken.tolerance) == (2, (18_000.0,), None)
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(1000.0))
    assert drive.session._facts.power is not None
    assert drive.session._facts.power[2] == 20_000.0


CONFIRMED, NOT = (
    cm.PowerToleranceAcceptance.PowerToleranceConfirmed,
    cm.PowerToleranceAcceptance.PowerToleranceNotConfirmed,
)


@pytest.mark.parametrize(
    ("said", "required", "code"),
    [
        (CONFIRMED, False, "OK_PowerToleranceConfirmed"),
        (CONFIRMED, True, "OK_PowerToleranceConfirmed"),
        (NOT, False, "WARNING_PowerToleranceNotConfirmed"),
        (NOT, True, "FAILED_PowerToleranceNotConfirmed"),
        (None, True, "OK"),
    ],
)
def test_a_tolerance_that_has_to_be_confirmed(said: Any, required: bool, code: str) -> None:
    drive = offering(*TWO, schedules=ScheduleSeccSettings(require_tolerance=required))
    exchange(drive, 7200)
    assert started(drive, profile((7200, 5000.0), tuple_id=2, power_tolerance_acceptance=said)) == code
    assert drive.context.tolerance_w == (500.0 if said is CONFIRMED else 0.0)


def test_a_gap_is_a_gap() -> None:
    drive = offering(ScheduleOffer(charging=plan((60.0, 50_000.0), (60.0, 0.0), (3600.0, 20_000.0))))
    exchange(drive)
    drive.to(State.DC_CHARGE_LOOP)
    began = drive.book.now
    seen = []
    for seconds in (1.0, 61.0, 121.0):
        while drive.book.now < began + seconds:
            drive.book.wait(0.25)
            flow(drive)
            drive.send(dc.DCChargeLoopReq)
        power = drive.session._facts.power
        assert power is not None, drive.session.ended
        seen.append(power[2] if power[1] else 0.0)
    assert seen == [50_000.0, 0.0, 20_000.0]


# -- discharging


@pytest.mark.parametrize(
    ("powers", "code"),
    [
        (((7200, -8000.0),), "FAILED_EVPowerProfileInvalid"),
        (((3600, 10_000.0), (3600, -8000.0)), "OK"),
        (((3600, 10_000.0), (3600, -9000.0)), "FAILED_EVPowerProfileInvalid"),
        (((3600, 0.0), (3600, 1000.0)), "FAILED_EVPowerProfileInvalid"),
    ],
)
def test_the_sign_of_a_profile_tells_the_direction(powers: Any, code: str) -> None:
    offer = ScheduleOffer(
        charging=plan((3600.0, 11_000.0), (3600.0, 0.0)), discharging=plan((3600.0, 0.0), (3600.0, 8000.0))
    )
    drive = offering(offer, service=ServiceID.DC_BPT)
    exchange(drive, 7200)
    assert started(drive, profile(*powers)) == code


def test_more_back_than_planned_is_a_violation_and_what_the_station_asks_for_is_none() -> None:
    offer = ScheduleOffer(charging=plan((7200.0, 11_000.0)), discharging=plan((7200.0, 8000.0)))
    drive = offering(offer, service=ServiceID.DC_BPT)
    exchange(drive, 7200)
    assert started(drive, profile((7200, -4000.0))) == "OK"
    codes = []
    for _ in range(40):
        drive.book.wait(0.25)
        drive.measure(800.0, -7.0)  # 5.6 kW
        codes.append(drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(-10.0)).response_code)
    assert codes[0] is ResponseCode.OK
    assert codes[-1] is ResponseCode.WARNING_EVPowerProfileViolation
    power = drive.session._facts.power
    assert power is not None
    assert power[2] <= 8000.0, "what the schedule takes back"
    drive.book.tell(ev.SetPointChanged(-6000.0))
    assert (
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(-10.0)).response_code
        is ResponseCode.OK
    )


# -- other plans


def test_other_plans_ask_for_a_new_exchange_and_lower_ones_than_the_limits_do_not() -> None:
    drive = offering(ScheduleOffer(charging=plan()))
    exchange(drive)
    drive.to(State.DC_CHARGE_LOOP)
    assert drive.send(dc.DCChargeLoopReq).evse_status is None, (
        "the station could give more, and does not want to"
    )
    drive.book.tell(ev.SchedulesGiven((ScheduleOffer(charging=plan((10_800.0, 70_000.0))),)))
    status = drive.send(dc.DCChargeLoopReq).evse_status
    assert status is not None
    assert status.evse_notification.value == "ScheduleRenegotiation"
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    (one,) = tuples(exchange(drive))
    assert entries(one.charging_schedule) == [(10_800, 70_000.0)]
    drive.send(cm.PowerDeliveryReq, ev_power_profile=None)
    assert drive.send(dc.DCChargeLoopReq).evse_status is None


def test_a_plan_without_prices_does_the_same_in_this_edition() -> None:
    drive = drive_with().to(State.SCHEDULE_EXCHANGE)
    drive.book.tell(ev.PlanChanged(plans=(((60.0, 5000.0), (60.0, 0.0)), ((120.0, 2000.0),))))
    one, two = tuples(exchange(drive, 120))
    assert entries(one.charging_schedule) == [(60, 5000.0), (60, 0.0)]
    assert entries(two.charging_schedule) == [(120, 2000.0)]


def test_a_vehicle_that_would_sell_is_told_to_the_energy_manager() -> None:
    drive = Drive(ServiceID.DC_BPT).to(State.SCHEDULE_EXCHANGE)
    rule = cm.EVPriceRule(energy_fee=rational(0.5), power_range_start=rational(0.0))
    offer = cm.EVEnergyOffer(
        ev_power_schedule=cm.EVPowerSchedule(
            time_anchor=NOW,
            ev_power_schedule_entries=cm.EVPowerScheduleEntryList(
                ev_power_schedule_entry=(cm.EVPowerScheduleEntry(duration=600, power=rational(-7000.0)),)
            ),
        ),
        ev_absolute_price_schedule=cm.EVAbsolutePriceSchedule(
            time_anchor=NOW,
            currency="EUR",
            price_algorithm="urn:iso:std:iso:15118:-20:PriceAlgorithm:1-Power",
            ev_price_rule_stacks=cm.EVPriceRuleStackList(
                ev_price_rule_stack=(cm.EVPriceRuleStack(duration=600, ev_price_rule=(rule,)),)
            ),
        ),
    )
    drive.send(
        cm.ScheduleExchangeReq, se_req_control_mode=cm.ScheduledSEReqControlMode(ev_energy_offer=offer)
    )
    told = news(drive, act.ChargingNeeds).energy_offer
    assert told is not None
    assert told.power.powers == (-7000.0,)
    assert told.prices.stacks[0].rules[0].energy_fee == Decimal("0.5")
