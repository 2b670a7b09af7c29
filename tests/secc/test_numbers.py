"""The station's numbers: the offer and what holds now, minima, set-points at once, schedules, profiles,
readings with their moment."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import DisplayParameters, ResponseCode
from iso15118.messages.values import TimeStampUnit, rational, si
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.limits import StationLimits
from iso15118.session.services import ControlMode, ServiceID
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, STATION, VEHICLE, Drive

NOW = 1_790_000_000


def drive_with(
    limits: StationLimits = STATION,
    service: ServiceID = ServiceID.DC,
    mode: ControlMode = ControlMode.SCHEDULED,
    *,
    hardware: StationLimits | None = None,
    **config: Any,
) -> Drive:
    """A station of these limits."""
    drive = Drive(service, mode, config=SeccConfig(services=ALL_SERVICES, **config), hardware=hardware)
    drive.session._facts.capabilities = limits
    if hardware is None:
        drive.session._facts.hardware = limits
    return drive


def charging(
    service: ServiceID = ServiceID.DC, mode: ControlMode = ControlMode.SCHEDULED, **config: Any
) -> Drive:
    return Drive(service, mode, config=SeccConfig(services=ALL_SERVICES, **config)).to(State.DC_CHARGE_LOOP)


def power_of(drive: Drive) -> tuple[float, float, float]:
    """The bounds that the last call asked for."""
    (power,) = (action for action in drive.book.actions if isinstance(action, act.SetPower))
    return power.voltage_v, power.current_a, power.power_w


# -- the offer, and what holds now

HELD_BACK = msgspec.structs.replace(
    STATION, maximum_charge_power_w=20_000.0, maximum_discharge_power_w=20_000.0
)


def test_a_station_that_is_held_back_at_plug_in_offers_its_hardware_and_charges_at_it_when_released() -> None:
    drive = drive_with(HELD_BACK, hardware=STATION, mode=ControlMode.DYNAMIC)
    drive.to(State.DC_CHARGE_PARAMETER_DISCOVERY)
    offer = drive.send(dc.DCChargeParameterDiscoveryReq).dc_cpd_res_energy_transfer_mode
    assert si(offer.evse_maximum_charge_power) == STATION.maximum_charge_power_w
    drive.to(State.DC_CHARGE_LOOP)
    answer = drive.send(dc.DCChargeLoopReq)
    assert si(answer.cl_res_control_mode.evse_maximum_charge_power) == 20_000.0
    assert power_of(drive)[2] == 20_000.0
    drive.book.tell(ev.LimitsChanged(STATION))
    assert power_of(drive)[2] == VEHICLE.maximum_charge_power_w  # at once
    answer = drive.send(dc.DCChargeLoopReq)
    assert si(answer.cl_res_control_mode.evse_maximum_charge_power) == STATION.maximum_charge_power_w


# -- minima


@pytest.mark.parametrize(
    ("minimum", "field"),
    [
        ({"minimum_charge_power_w": 1_200_001.0}, "power"),
        ({"minimum_charge_current_a": 1501.0}, "current"),
        ({"minimum_voltage_v": 951.0}, "voltage"),
    ],
)
def test_a_station_that_cannot_do_as_little_as_the_vehicle_wants_says_so_before_power(
    minimum: dict[str, float], field: str
) -> None:
    drive = drive_with(msgspec.structs.replace(STATION, **minimum)).to(State.DC_CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(dc.DCChargeParameterDiscoveryReq)
    assert answer.response_code is ResponseCode.FAILED_WrongChargeParameter
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)
    assert drive.session.ended is not None
    assert field in drive.session.ended.detail


@pytest.mark.parametrize("service", ALL_SERVICES, ids=lambda one: one.name)
def test_a_vehicle_without_charging_power_is_refused_unless_it_can_give(service: ServiceID) -> None:
    drive = Drive(service).to(State.DC_CHARGE_PARAMETER_DISCOVERY)
    mode = drive.cpd_mode(ev_maximum_charge_power=rational(0.0))
    code = drive.send(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=mode).response_code
    expected = "OK" if drive.service.bidirectional else "FAILED_WrongChargeParameter"
    assert code.value == expected


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda one: one.name)
def test_nothing_is_given_below_a_minimum_of_either_side(mode: ControlMode) -> None:
    limits = msgspec.structs.replace(STATION, minimum_charge_power_w=5000.0, minimum_charge_current_a=6.0)
    drive = drive_with(limits, mode=mode).to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)

    def ask(amperes: float, **more: Any) -> tuple[float, float]:
        make = drive.scheduled if mode is ControlMode.SCHEDULED else _dynamic(drive)
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=make(amperes, **more))
        bounds = drive.session._facts.power
        assert bounds is not None
        return bounds[1], bounds[2]

    assert ask(6.5) == (6.5, VEHICLE.maximum_charge_power_w)
    assert ask(5.9) == (0.0, 0.0)
    assert ask(100.0, ev_maximum_charge_power=rational(4999.0)) == (0.0, 0.0)
    assert ask(100.0, ev_maximum_charge_power=rational(5001.0))[1] == 5001.0
    assert ask(100.0, ev_minimum_charge_power=rational(9e4)) == (0.0, 0.0)  # 100 A are 80 kW
    drive.book.tell(ev.SetPointChanged(4000.0))
    assert ask(100.0) == (0.0, 0.0)


def _dynamic(drive: Drive) -> Any:
    return lambda amperes, **more: drive.dynamic(**({"ev_maximum_charge_current": rational(amperes)} | more))


# -- at once


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda one: one.name)
def test_a_set_point_acts_at_once_in_both_directions(mode: ControlMode) -> None:
    drive = charging(mode=mode)
    wish = drive.dynamic() if mode is ControlMode.DYNAMIC else drive.scheduled(1000.0)
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=wish)
    for point, watts in ((50_000.0, 50_000.0), (80_000.0, 80_000.0), (0.0, 0.0), (None, 1_200_000.0)):
        drive.book.tell(ev.SetPointChanged(point))
        assert power_of(drive)[2] == watts
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    drive.book.tell(ev.SetPointChanged(10_000.0))
    drive.book.does()  # the power rests, and no set-point brings it back


def test_a_set_point_turns_the_direction_at_once() -> None:
    drive = charging(ServiceID.DC_BPT, ControlMode.DYNAMIC)
    drive.send(dc.DCChargeLoopReq)
    drive.book.tell(ev.SetPointChanged(-100_000.0))
    assert power_of(drive) == (VEHICLE.minimum_voltage_v, -125.0, 100_000.0)


# -- readings


def test_a_reading_is_told_with_the_moment_when_it_was_taken() -> None:
    drive = charging()
    drive.book.tell(ev.MeterRead("M1", 10.0, at=drive.book.now - 0.5))
    drive.book.wait(0.3)
    first = drive.send(dc.DCChargeLoopReq).meter_info  # unasked [V2G20-1833]
    assert first.meter_timestamp == int(NOW - 0.5)
    assert drive.send(dc.DCChargeLoopReq).meter_info is None


def test_a_vehicle_that_cannot_read_a_meter_is_told_none_unless_it_asks() -> None:
    drive = charging(ServiceID.DC_BPT, first_meter_reading=False)
    drive.book.tell(ev.MeterRead("M1", 10.0, 4.0))
    assert drive.send(dc.DCChargeLoopReq).meter_info is None
    assert (
        drive.send(dc.DCChargeLoopReq, meter_info_requested=True).meter_info.charged_energy_reading_wh == 10
    )


def test_an_old_reading_is_not_told_but_taken_anew() -> None:
    drive = charging()
    drive.book.tell(ev.MeterRead("M1", 10.0))
    drive.send(dc.DCChargeLoopReq)
    for _ in range(4):
        drive.book.wait(0.4)
        drive.send(dc.DCChargeLoopReq)
    drive.book.wait(0.4)
    assert drive.send(dc.DCChargeLoopReq, meter_info_requested=True) is None  # it waits for the meter
    drive.book.does(act.ReadMeter)
    drive.book.wait(0.1)
    drive.book.tell(ev.MeterRead("M1", 20.0, at=drive.book.now))
    answer = drive.book.sends(dc.DCChargeLoopRes)
    assert answer.meter_info.charged_energy_reading_wh == 20
    assert answer.meter_info.meter_timestamp == int(NOW + drive.book.now)


@pytest.mark.parametrize("leaves", ["closes", "silent", "stops"])
def test_a_vehicle_that_leaves_upon_a_reading_that_it_did_not_ask_for(leaves: str) -> None:
    """The end says which setting to try; and only there."""

    def end(*, asked: bool, **config: Any) -> str:
        drive = charging(ServiceID.DC_BPT, **config)
        drive.book.tell(ev.MeterRead("M1", 10.0, 4.0))
        drive.send(dc.DCChargeLoopReq, meter_info_requested=asked)
        if leaves == "closes":
            drive.book.tell(ev.TransportLost(ev.TransportLoss.CLOSED))
        elif leaves == "stops":
            drive.send(cm.SessionStopReq, ev_termination_explanation="x" * 160)
        else:
            drive.book.wait(60.0)
        assert drive.session.ended is not None
        return drive.session.ended.detail

    assert end(asked=False).endswith("try session.first_meter_reading = false")
    assert "first_meter_reading" not in end(asked=True)
    assert "first_meter_reading" not in end(asked=False, first_meter_reading=False)


def test_a_meter_that_does_not_answer_costs_the_reading_and_not_the_loop() -> None:
    drive = charging()
    drive.book.tell(ev.MeterRead("M1", 10.0))
    drive.send(dc.DCChargeLoopReq)
    for _ in range(5):
        drive.book.wait(0.4)
        drive.send(dc.DCChargeLoopReq)
    assert drive.send(dc.DCChargeLoopReq, meter_info_requested=True) is None
    drive.book.wait(0.201)
    assert drive.book.sends(dc.DCChargeLoopRes).meter_info is None
    assert drive.session.ended is None
    # It is asked again, but not waited for again until it has answered.
    asked = 0
    for _ in range(10):
        drive.book.wait(0.3)
        assert drive.send(dc.DCChargeLoopReq, meter_info_requested=True).meter_info is None
        asked += any(isinstance(action, act.ReadMeter) for action in drive.book.actions)
    assert 3 <= asked <= 6
    drive.book.tell(ev.MeterRead("M1", 30.0))
    answer = drive.send(dc.DCChargeLoopReq, meter_info_requested=True)
    assert answer.meter_info.charged_energy_reading_wh == 30


# -- tolerance


def test_discharge_limits_with_a_minus_sign_count_by_their_magnitude() -> None:
    drive = Drive(ServiceID.DC_BPT).to(State.DC_CHARGE_PARAMETER_DISCOVERY)
    negative = {
        f"ev_maximum_discharge_{what}": rational(-value)
        for what, value in (("power", 300_000.0), ("current", 400.0))
    }
    answer = drive.send(
        dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=drive.cpd_mode(**negative)
    )
    assert answer.response_code is ResponseCode.OK
    drive.to(State.DC_CHARGE_LOOP)
    drive.send(
        dc.DCChargeLoopReq,
        cl_req_control_mode=drive.scheduled(-1000.0, ev_maximum_discharge_current=rational(-33.0)),
    )
    assert power_of(drive)[1] == -33.0


def test_a_voltage_target_that_was_rounded_apart_from_the_maximum_is_held_and_not_refused() -> None:
    drive = charging()
    answer = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(voltage_v=950.4))
    assert answer.response_code is ResponseCode.OK
    assert power_of(drive)[0] == 950.0


def test_a_vehicle_may_stop_instead_of_agreeing_on_another_schedule() -> None:
    drive = charging()
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    assert drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop) is None
    drive.book.tell(ev.ContactorsChanged(False))
    assert drive.book.sends(cm.PowerDeliveryRes).response_code is ResponseCode.OK
    drive.book.waits_for("DC_WeldingDetection")


@pytest.mark.parametrize("progress", [p for p in cm.ChargeProgress if p is not cm.ChargeProgress.Stop])
def test_nothing_but_a_stop_comes_before_the_other_schedule(progress: cm.ChargeProgress) -> None:
    drive = charging()
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    answer = drive.send(cm.PowerDeliveryReq, charge_progress=progress)
    assert answer.response_code is ResponseCode.FAILED_SequenceError


def test_standby_after_the_schedule_is_not_granted_and_not_fatal() -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    answer = drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Standby)
    assert answer.response_code is ResponseCode.WARNING_StandbyNotAllowed
    drive.to(State.DC_CHARGE_LOOP)


def test_a_vehicle_that_was_refused_may_say_goodbye_within_five_seconds() -> None:
    for waited, answered in ((0.0, True), (4.9, True), (5.1, False)):
        drive = charging()
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(voltage_v=2000.0))
        assert drive.session.ended is not None
        drive.book.wait(waited)
        goodbye = drive.send(cm.SessionStopReq)
        assert (goodbye is not None) is answered
        assert drive.send(cm.SessionStopReq) is None  # once
    drive = charging()
    drive.send(cm.SessionStopReq)
    assert drive.send(cm.SessionStopReq) is None  # it had its answer


@pytest.mark.parametrize(
    ("points", "soc", "why"), [(11, (20, 80), "Points"), (1025, (20, 80), "Points"), (12, (81, 80), "SOC")]
)
def test_needs_that_contradict_the_standard_are_refused_or_tolerated(
    points: int, soc: tuple[int, int], why: str
) -> None:
    for tolerate in (False, True):
        drive = drive_with(mode=ControlMode.DYNAMIC, tolerate_odd_values=tolerate)
        drive.to(State.SCHEDULE_EXCHANGE)
        mode = cm.DynamicSEReqControlMode(
            departure_time=1,
            minimum_soc=soc[0],
            target_soc=soc[1],
            ev_target_energy_request=rational(1.0),
            ev_maximum_energy_request=rational(1.0),
            ev_minimum_energy_request=rational(1.0),
        )
        answer = drive.send(
            cm.ScheduleExchangeReq, maximum_supporting_points=points, se_req_control_mode=mode
        )
        assert answer.response_code is (ResponseCode.OK if tolerate else ResponseCode.FAILED)
        if not tolerate:
            assert drive.session.ended is not None
            assert why in drive.session.ended.detail


def test_a_vehicle_without_a_name_is_refused_or_tolerated() -> None:
    for tolerate, code in ((False, "FAILED"), (True, "OK_NewSessionEstablished")):
        drive = drive_with(tolerate_odd_values=tolerate)
        drive.to(State.SESSION_SETUP)
        assert drive.send(cm.SessionSetupReq, evccid="").response_code.value == code


# -- told


def test_what_the_vehicle_shows_is_news_when_it_changes_and_kept() -> None:
    drive = charging()
    shown = DisplayParameters(present_soc=55, battery_energy_capacity=rational(90_000.0), inlet_hot=False)
    for parameters, news in ((None, 0), (shown, 1), (shown, 0), (None, 0)):
        drive.send(dc.DCChargeLoopReq, display_parameters=parameters)
        told = [action for action in drive.book.actions if isinstance(action, act.VehicleDisplay)]
        assert len(told) == news
        if told:
            assert (told[0].present_soc, told[0].capacity_wh) == (55, 90_000.0)
    kept = drive.session.display
    assert kept is not None
    assert (kept.present_soc, kept.capacity_wh) == (55, 90_000.0)


def test_why_the_vehicle_leaves_is_in_the_end_on_one_line() -> None:
    drive = charging()
    drive.send(
        cm.SessionStopReq,
        ev_termination_code="7\x1b[31m",
        ev_termination_explanation="had\nenough" + "!" * 300,
    )
    assert drive.session.ended is not None
    detail = drive.session.ended.detail
    assert detail.startswith("EVTerminationCode 7 [31m: had enough!")
    assert detail.isprintable()
    assert len(detail) <= 200


@pytest.mark.parametrize("unit", list(TimeStampUnit), ids=lambda unit: unit.name)
def test_time_stamps_are_sent_in_the_unit_that_was_set(unit: TimeStampUnit) -> None:
    drive = drive_with(time_stamp_unit=unit).to(State.SCHEDULE_EXCHANGE)
    answer = drive.send(cm.ScheduleExchangeReq)
    schedule = answer.se_res_control_mode.schedule_tuple[0].charging_schedule.power_schedule
    assert answer.header.time_stamp == schedule.time_anchor == NOW * unit.value
    drive.to(State.DC_CHARGE_LOOP)
    drive.book.tell(ev.MeterRead("M1", 10.0))
    assert drive.send(dc.DCChargeLoopReq).meter_info.meter_timestamp == NOW * unit.value


def test_time_stamps_in_another_unit_are_noted_once() -> None:
    drive = Drive()
    notes = []
    drive.connect()
    header = msgspec.structs.replace(drive.header(), time_stamp=NOW * 1_000_000)
    drive.send(cm.SessionSetupReq, header=header)
    notes += [action for action in drive.book.actions if isinstance(action, act.PeerDeviates)]
    drive.session_id = drive.session.session_id
    header = msgspec.structs.replace(drive.header(), time_stamp=NOW * 1_000_000)
    drive.send(cm.AuthorizationSetupReq, header=header)
    notes += [action for action in drive.book.actions if isinstance(action, act.PeerDeviates)]
    assert [note.detail for note in notes] == ["the vehicle's time stamps are microseconds"]


# -- what the answer says about limits


def test_the_flags_say_which_limit_is_reached() -> None:
    limits = msgspec.structs.replace(STATION, maximum_charge_power_w=400_000.0)
    for mode in ControlMode:
        drive = drive_with(limits, mode=mode).to(State.DC_CHARGE_LOOP)
        flags = []
        for volts, amperes in ((800.0, 100.0), (800.0, 500.0), (130.0, 3000.0)):
            drive.measure(volts, amperes)
            answer = drive.send(dc.DCChargeLoopReq)
            flags.append((answer.evse_power_limit_achieved, answer.evse_current_limit_achieved))
        assert flags == [(False, False), (True, False), (False, True)]
    drive = charging()
    asks = drive.scheduled(3001.0)
    answer = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=asks)
    assert answer.evse_current_limit_achieved
