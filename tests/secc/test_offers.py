"""What a station offers, to the last digit: limits derated to a vehicle's, values that just leave something
to charge with, schedules at their end; and how often it tries, asks and waits."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.values import rational, si
from iso15118.pnc.contracts import Refusal
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.schedules import allowed_w, ask_anew
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.timing import Timing
from tests.pair.contracts import issued, trust
from tests.secc.test_numbers import drive_with
from tests.secc.test_plug_and_charge import by_contract, said
from tests.secc.test_schedules import FULL, profile
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, STATION, VEHICLE, Drive

# -- limits


def offer(drive: Drive, **mode: float) -> Any:
    drive.to(State.DC_CHARGE_PARAMETER_DISCOVERY)
    fields = {name: rational(value) for name, value in mode.items()}
    answer = drive.send(
        dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=drive.cpd_mode(**fields)
    )
    return (
        answer.dc_cpd_res_energy_transfer_mode
        if answer.response_code.value == "OK"
        else answer.response_code.value
    )


@pytest.mark.parametrize(
    ("vehicle_v", "offered_v"),
    [(400.0, 450.0), (460.0, 500.0), (500.0, 500.0), (510.0, 561.0), (950.0, 1045.0), (1200.0, 1250.0)],
)
@pytest.mark.parametrize("service", [ServiceID.MCS, ServiceID.MCS_BPT])
def test_the_voltage_that_is_offered_to_an_mcs_vehicle(
    service: ServiceID, vehicle_v: float, offered_v: float
) -> None:
    given = offer(Drive(service), ev_maximum_voltage=vehicle_v, ev_minimum_voltage=200.0)
    assert si(given.evse_maximum_voltage) == pytest.approx(offered_v)
    plain = offer(Drive(ServiceID.DC), ev_maximum_voltage=vehicle_v, ev_minimum_voltage=200.0)
    assert si(plain.evse_maximum_voltage) == 1250.0


@pytest.mark.parametrize(
    ("volts", "amperes", "watts", "offered_w"),
    [
        (950.0, 1000.0, 500e3, 500e3),
        (950.0, 1000.0, 0.0, 950e3),
        (950.0, 100.0, 0.0, 200e3),
        (950.0, 3000.0, 9e6, 3.75e6),
    ],
)
def test_the_power_that_is_offered_to_an_mcs_vehicle(
    volts: float, amperes: float, watts: float, offered_w: float
) -> None:
    given = offer(
        Drive(ServiceID.MCS_BPT),
        ev_maximum_voltage=volts,
        ev_maximum_charge_current=amperes,
        ev_maximum_charge_power=watts,
    )
    assert si(given.evse_maximum_charge_power) == offered_w


@pytest.mark.parametrize(
    ("minimum", "works"),
    [
        ({"minimum_charge_power_w": VEHICLE.maximum_charge_power_w}, True),
        ({"minimum_charge_current_a": VEHICLE.maximum_charge_current_a}, True),
        ({"minimum_voltage_v": VEHICLE.maximum_voltage_v}, True),
        ({"maximum_voltage_v": VEHICLE.minimum_voltage_v}, True),
        ({"maximum_voltage_v": VEHICLE.minimum_voltage_v - 1.0}, False),
        ({"minimum_discharge_power_w": VEHICLE.maximum_discharge_power_w}, True),
        ({"minimum_discharge_power_w": VEHICLE.maximum_discharge_power_w + 10.0}, False),
        ({"minimum_discharge_current_a": VEHICLE.maximum_discharge_current_a}, True),
        ({"minimum_discharge_current_a": VEHICLE.maximum_discharge_current_a + 1.0}, False),
    ],
)
def test_a_vehicle_that_can_just_do_what_the_station_has_to_is_served(
    minimum: dict[str, float], works: bool
) -> None:
    drive = drive_with(replace(STATION, **minimum), ServiceID.DC_BPT)
    assert (offer(drive) == "FAILED_WrongChargeParameter") is not works


@pytest.mark.parametrize("field", ["ev_maximum_charge_power", "ev_maximum_charge_current"])
def test_a_vehicle_that_takes_hardly_anything_is_served(field: str) -> None:
    assert offer(Drive(), **{field: 0.5}) != "FAILED_WrongChargeParameter"
    assert offer(Drive(), **{field: 0.0}) == "FAILED_WrongChargeParameter"
    none = {"ev_maximum_voltage": 0.0, "ev_minimum_voltage": 0.0}
    anything = replace(STATION, minimum_voltage_v=0.0)
    assert offer(drive_with(anything), **none) == "FAILED_WrongChargeParameter"


def test_what_a_vehicle_cannot_give_is_no_reason_to_refuse_it() -> None:
    least = replace(STATION, minimum_discharge_power_w=1000.0, minimum_discharge_current_a=10.0)
    none = {"ev_maximum_discharge_power": 0.0, "ev_maximum_discharge_current": 0.0}
    assert offer(drive_with(least, ServiceID.DC_BPT), **none) != "FAILED_WrongChargeParameter"


# -- schedules


@pytest.mark.parametrize(("tolerance_w", "prices"), [(0.0, True), (0.5, True), (2000.0, False)])
def test_the_fields_of_a_schedule(tolerance_w: float, prices: bool) -> None:
    config = SeccConfig(services=ALL_SERVICES, power_tolerance_w=tolerance_w, price_level_schedule=prices)
    answer = Drive(config=config).to(State.SCHEDULE_EXCHANGE).send(cm.ScheduleExchangeReq)
    (one,) = answer.se_res_control_mode.schedule_tuple
    told = one.charging_schedule.power_schedule.power_tolerance
    assert (None if told is None else si(told)) == (tolerance_w or None)
    price = one.charging_schedule.price_schedule
    assert (price is not None) is prices
    if prices:
        assert isinstance(price, cm.PriceLevelSchedule)
        assert (price.price_schedule_id, price.number_of_price_levels) == (1, 1)
        (entry,) = price.price_level_schedule_entries.price_level_schedule_entry
        assert (entry.price_level, entry.duration) == (1, 3600)


def scheduled(mode: ControlMode = ControlMode.SCHEDULED, **config: Any) -> Any:
    """The context of a station in its charge loop, with an hour of schedule from the exchange on."""
    drive = Drive(control_mode=mode, config=SeccConfig(services=ALL_SERVICES, **config))
    return drive.to(State.DC_CHARGE_LOOP).context


def test_behind_its_end_a_schedule_holds_for_its_overrun() -> None:
    ctx = scheduled(schedule_overrun_s=60.0)
    over = ctx.schedule.over_at
    seen = {}
    for at in (0.0, over - 0.5, over, over + 59.5, over + 60.0, over + 1e6):
        ctx.facts.now = at
        seen[at - over] = allowed_w(ctx)
    assert list(seen.values()) == [FULL, FULL, FULL, FULL, 0.0, 0.0]
    ctx = scheduled(ControlMode.DYNAMIC)
    ctx.facts.now = 1e9
    assert allowed_w(ctx) == float("inf"), "the station itself sets the power"


def test_what_is_behind_a_schedule_holds_at_its_time_for_a_vehicle_that_says_nothing() -> None:
    patient = Timing(sequence_timeout=7200.0, sequence_timeout_loop=7200.0)
    silent = SupervisionLimits(
        off=(Rule.FROZEN_READINGS,)
    )  # its output is measured at one value all the time
    config = SeccConfig(services=ALL_SERVICES, schedule_overrun_s=60.0, timing=patient, supervision=silent)
    drive = Drive(control_mode=ControlMode.SCHEDULED, config=config).to(State.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    over = 3600.0 + 60.0
    assert drive.context.schedule is not None
    assert drive.context.schedule.over_at == 3600.0
    drive.book.wait(over - drive.book.now - 0.001)
    assert not [one for one in drive.book.actions if isinstance(one, act.SetPower)]
    drive.book.wait(0.002)
    (power,) = [one for one in drive.book.actions if isinstance(one, act.SetPower)]
    assert (power.current_a, power.power_w) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("every_s", "mode"),
    [(0.0, ControlMode.SCHEDULED), (0.5, ControlMode.SCHEDULED), (300.0, ControlMode.DYNAMIC)],
)
def test_when_another_schedule_is_asked_for(every_s: float, mode: ControlMode) -> None:
    ctx = scheduled(mode, schedule_renegotiation_s=every_s)
    asks = every_s > 0.0 and mode is ControlMode.SCHEDULED
    over = ctx.schedule.over_at if ctx.schedule is not None else 3600.0
    ctx.facts.now = over - 0.5
    assert not ask_anew(ctx)
    ctx.facts.now = over
    assert ask_anew(ctx) is asks


def test_another_schedule_is_asked_for_when_it_is_worth_it_and_not_too_often() -> None:
    ctx = scheduled(schedule_renegotiation_s=300.0)
    held = replace(ctx.facts.limits, maximum_charge_power_w=FULL / 2.0)
    ctx.schedule = type(ctx.schedule).of(0.0, ((86_400.0, FULL / 2.0),))
    ctx.facts.limits, ctx.facts.now = held, 100.0
    assert not ask_anew(ctx)
    ctx.facts.limits = replace(held, maximum_charge_power_w=FULL)
    asked = []
    for number in range(1300):
        ctx.facts.now = 100.0 + number * 0.5
        asked.append(ask_anew(ctx))
    began = [0.5 * place for place, one in enumerate(asked) if one and not (place and asked[place - 1])]
    assert began == [0.0, 300.0, 600.0]


def test_a_profile_that_gives_back_anywhere_is_none_of_a_service_that_only_charges() -> None:
    for service, code in ((ServiceID.DC, "FAILED_EVPowerProfileInvalid"), (ServiceID.DC_BPT, "OK")):
        drive = Drive(service).to(State.POWER_DELIVERY)
        drive.measure(BATTERY_V)
        answer = drive.send(cm.PowerDeliveryReq, ev_power_profile=profile((1800, FULL), (1800, -1000.0)))
        if answer is None:
            drive.book.tell(ev.ContactorsChanged(True))
            answer = drive.book.sends(cm.PowerDeliveryRes)
        assert answer.response_code.value == code


# -- contracts


def test_so_many_contracts_are_tried_and_no_more() -> None:
    config = SeccConfig(services=ALL_SERVICES, authorization_attempts=3)
    drive = Drive(config=config, trust=trust(issued("ed448"))).to(State.AUTHORIZATION)
    codes = []
    for _ in range(4):
        request = by_contract(drive)
        answer = said(drive, request)
        if answer.response_code.value == "OK":
            (asked,) = drive.book.does(act.RequestContractAuthorization)
            assert isinstance(asked, act.RequestContractAuthorization)
            drive.book.tell(ev.ContractDecided(asked.claim, Refusal.REJECTED))
            answer = said(drive, request)
        codes.append(answer.response_code.value)
    assert codes[:3] == ["WARNING_GeneralPnCAuthorizationError"] * 3
    assert codes[-1] == "FAILED"
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.AUTHORIZATION_FAILED


def in_the_loop(every_s: float) -> Drive:
    """A contract pays, and the meter says something."""
    config = SeccConfig(services=ALL_SERVICES, metering_confirmation_s=every_s)
    drive = Drive(config=config, trust=trust(issued("ed448"))).to(State.AUTHORIZATION)
    request = by_contract(drive)
    said(drive, request)
    (asked,) = drive.book.does(act.RequestContractAuthorization)
    assert isinstance(asked, act.RequestContractAuthorization)
    drive.book.tell(ev.ContractDecided(asked.claim))
    said(drive, request)
    return drive.to(State.DC_CHARGE_LOOP)


@pytest.mark.parametrize("every_s", [0.0, 0.5, 4.0])
def test_a_reading_is_to_be_confirmed_so_often(every_s: float) -> None:
    drive = in_the_loop(every_s)
    first = None
    for number in range(24):
        drive.measure(BATTERY_V)
        drive.book.tell(ev.MeterRead("M1", 4711.0, at=drive.book.now))
        answer = drive.send(dc.DCChargeLoopReq)
        if first is None and answer.evse_status is not None:
            assert answer.evse_status.evse_notification.value == "MeteringConfirmation"
            first = 0.25 * number
        drive.book.now += 0.25
    assert first == (every_s or None)


def test_without_a_contract_nothing_has_to_be_confirmed() -> None:
    drive = Drive(config=SeccConfig(services=ALL_SERVICES, metering_confirmation_s=0.1)).to(
        State.DC_CHARGE_LOOP
    )
    for _ in range(3):
        drive.measure(BATTERY_V)
        drive.book.tell(ev.MeterRead("M1", 4711.0, at=drive.book.now))
        assert drive.send(dc.DCChargeLoopReq, meter_info_requested=True).evse_status is None
        drive.book.now += 0.25
