"""The bounds a station sets in the charge loop: always within the vehicle's limits, its own,
and the energy manager's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.values import rational, si
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.services import ControlMode, ServiceID
from tests.secc.vehicle import BATTERY_V, STATION, VEHICLE, Drive


def bounds(drive: Drive, mode: Any) -> tuple[float, float, float]:
    """The bounds set for this request."""
    response = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=mode)
    assert response.response_code.value == "OK"
    (power,) = drive.book.does(act.SetPower)
    assert isinstance(power, act.SetPower)
    return power.voltage_v, power.current_a, power.power_w


def charging(service: ServiceID = ServiceID.MCS_BPT, mode: ControlMode = ControlMode.SCHEDULED) -> Drive:
    return Drive(service, mode).to(State.DC_CHARGE_LOOP)


def test_a_scheduled_target_within_all_limits_is_followed() -> None:
    assert bounds(charging(), charging().scheduled(250.0, 850.0)) == (
        850.0,
        250.0,
        VEHICLE.maximum_charge_power_w,
    )


def test_a_scheduled_target_above_the_vehicles_own_current_is_capped() -> None:
    drive = charging()
    assert bounds(drive, drive.scheduled(2500.0))[1] == VEHICLE.maximum_charge_current_a


def test_mcs_offers_no_more_than_the_vehicle_declared() -> None:
    drive = Drive(ServiceID.MCS).to(State.DC_CHARGE_PARAMETER_DISCOVERY)
    offer = drive.send(dc.DCChargeParameterDiscoveryReq).dc_cpd_res_energy_transfer_mode
    assert si(offer.evse_maximum_charge_current) == VEHICLE.maximum_charge_current_a
    assert si(offer.evse_maximum_charge_power) == VEHICLE.maximum_charge_power_w
    assert si(offer.evse_maximum_voltage) == pytest.approx(1.1 * VEHICLE.maximum_voltage_v)


def test_dc_offers_what_the_station_has() -> None:
    drive = Drive(ServiceID.DC).to(State.DC_CHARGE_PARAMETER_DISCOVERY)
    offer = drive.send(dc.DCChargeParameterDiscoveryReq).dc_cpd_res_energy_transfer_mode
    assert si(offer.evse_maximum_charge_current) == STATION.maximum_charge_current_a
    assert si(offer.evse_maximum_charge_power) == STATION.maximum_charge_power_w


@pytest.mark.parametrize("told", [True, False])
def test_every_schedule_offered_has_a_price_level_unless_told_otherwise(told: bool) -> None:
    config = SeccConfig(services=(ServiceID.DC_BPT,), price_level_schedule=told)
    drive = Drive(ServiceID.DC_BPT, config=config).to(State.SCHEDULE_EXCHANGE)
    (offered,) = drive.send(cm.ScheduleExchangeReq).se_res_control_mode.schedule_tuple
    for schedule in (offered.charging_schedule, offered.discharging_schedule):
        assert (schedule.price_schedule is not None) is told


def test_limits_repeated_in_the_loop_tighten_and_never_widen() -> None:
    drive = charging()
    tighter = drive.scheduled(
        1000.0, ev_maximum_charge_current=rational(300.0), ev_maximum_charge_power=rational(2e5)
    )
    assert bounds(drive, tighter)[1:] == (2e5 / BATTERY_V, 2e5)  # 250 A are all that the power leaves
    wider = drive.scheduled(
        2000.0, ev_maximum_charge_current=rational(2500.0), ev_maximum_charge_power=rational(3e6)
    )
    assert bounds(drive, wider)[1:] == (VEHICLE.maximum_charge_current_a, VEHICLE.maximum_charge_power_w)


def test_a_voltage_limit_tightened_in_the_loop_caps_the_target() -> None:
    drive = charging()
    assert bounds(drive, drive.scheduled(100.0, 850.0, ev_maximum_voltage=rational(820.0)))[0] == 820.0
    assert bounds(drive, drive.scheduled(100.0, 850.0, ev_maximum_voltage=rational(1200.0)))[0] == 850.0


def test_equal_bounds_are_not_set_twice() -> None:
    drive = charging()
    bounds(drive, drive.scheduled(250.0))
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(250.0))
    drive.book.does()


def test_a_lower_limit_of_the_station_holds_before_the_next_request() -> None:
    drive = charging()
    bounds(drive, drive.scheduled(1000.0))
    lower = msgspec.structs.replace(STATION, maximum_charge_current_a=120.0, maximum_charge_power_w=9e4)
    drive.book.tell(ev.LimitsChanged(lower))
    (power,) = drive.book.does(act.SetPower)
    assert power == act.SetPower(850.0, 9e4 / BATTERY_V, 9e4)
    answer = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(1000.0))
    assert si(answer.cl_res_control_mode.evse_maximum_charge_current) == 120.0
    assert answer.evse_current_limit_achieved


def test_limits_of_the_loop_never_exceed_the_offer() -> None:
    drive = charging(ServiceID.DC)
    higher = msgspec.structs.replace(STATION, maximum_charge_current_a=9000.0, maximum_charge_power_w=9e6)
    drive.book.tell(ev.LimitsChanged(higher))
    answer = drive.send(dc.DCChargeLoopReq)
    assert si(answer.cl_res_control_mode.evse_maximum_charge_current) == STATION.maximum_charge_current_a
    assert si(answer.cl_res_control_mode.evse_maximum_charge_power) == STATION.maximum_charge_power_w


def test_a_scheduled_vehicle_may_give_within_both_sides_limits() -> None:
    drive = charging()
    voltage, current, power = bounds(drive, drive.scheduled(-5000.0))
    assert current == -VEHICLE.maximum_discharge_power_w / BATTERY_V  # 375 A; 400 A would be too much power
    assert power == VEHICLE.maximum_discharge_power_w
    assert voltage == VEHICLE.minimum_voltage_v


@pytest.mark.parametrize("mode", [ControlMode.SCHEDULED, ControlMode.DYNAMIC])
def test_a_vehicle_that_gives_raises_no_bound_above_what_both_sides_can_have(mode: ControlMode) -> None:
    drive = charging(mode=mode)
    drive.book.tell(ev.SetPointChanged(-100_000.0))
    for wanted, held in ((700.0, 700.0), (900_000.0, VEHICLE.maximum_voltage_v)):
        more: dict[str, Any] = {"ev_minimum_voltage": rational(wanted)}
        asked = drive.scheduled(-100.0, **more) if mode is ControlMode.SCHEDULED else drive.dynamic(**more)
        voltage, current, _ = bounds(drive, asked)
        assert voltage == min(held, STATION.maximum_voltage_v)
        assert current < 0.0


def test_a_negative_set_point_asks_a_scheduled_vehicle_to_give() -> None:
    drive = charging()
    drive.book.tell(ev.SetPointChanged(-250e3))
    limits = drive.send(dc.DCChargeLoopReq).cl_res_control_mode
    assert si(limits.evse_maximum_charge_power) == 0.0
    assert si(limits.evse_minimum_discharge_power) == 250e3
    assert si(limits.evse_maximum_discharge_power) == 250e3


def test_while_the_station_wants_energy_a_charging_target_gets_none() -> None:
    drive = charging()
    drive.book.tell(ev.SetPointChanged(-250e3))
    assert bounds(drive, drive.scheduled(500.0))[2] == 0.0


def test_a_positive_set_point_caps_the_power_in_both_modes() -> None:
    for mode in ControlMode:
        drive = charging(mode=mode)
        drive.book.tell(ev.SetPointChanged(1e5))
        wish = drive.dynamic() if mode is ControlMode.DYNAMIC else drive.scheduled(1000.0)
        assert bounds(drive, wish)[2] == 1e5


def test_dynamic_charges_with_all_that_both_sides_have() -> None:
    drive = charging(mode=ControlMode.DYNAMIC)
    assert bounds(drive, drive.dynamic()) == (
        VEHICLE.maximum_voltage_v,
        VEHICLE.maximum_charge_current_a,
        VEHICLE.maximum_charge_power_w,
    )


def test_dynamic_stops_when_the_vehicle_needs_no_more() -> None:
    drive = charging(mode=ControlMode.DYNAMIC)
    assert bounds(drive, drive.dynamic(energy_wh=0.0))[1:] == (0.0, 0.0)


@pytest.mark.parametrize(("minimum_wh", "discharges"), [(-1000.0, True), (0.0, False), (5000.0, False)])
def test_dynamic_takes_back_only_above_the_minimum_state_of_charge(
    minimum_wh: float, discharges: bool
) -> None:
    drive = charging(mode=ControlMode.DYNAMIC)
    drive.book.tell(ev.SetPointChanged(-1e6))
    _, current, power = bounds(drive, drive.dynamic(minimum_wh=minimum_wh))
    if discharges:
        assert current == -VEHICLE.maximum_discharge_power_w / BATTERY_V
        assert power == VEHICLE.maximum_discharge_power_w
    else:
        assert (current, power) == (0.0, 0.0)


def test_dynamic_keeps_to_the_window_the_vehicle_gives_for_v2x() -> None:
    drive = charging(mode=ControlMode.DYNAMIC)
    drive.book.tell(ev.SetPointChanged(-1e5))
    closed = drive.dynamic(ev_minimum_v2x_energy_request=rational(100.0))
    assert bounds(drive, closed)[1] == 0.0
    open_ = drive.dynamic(ev_minimum_v2x_energy_request=rational(-100.0))
    assert bounds(drive, open_)[1] < 0.0


def test_a_charge_only_service_never_discharges_whatever_the_set_point() -> None:
    drive = charging(ServiceID.MCS, ControlMode.DYNAMIC)
    drive.book.tell(ev.SetPointChanged(-1e6))
    assert bounds(drive, drive.dynamic())[1:] == (0.0, 0.0)


def test_a_fresh_reading_is_told_when_asked_and_kept_fresh_from_then_on() -> None:
    drive = charging()
    drive.send(dc.DCChargeLoopReq)
    drive.book.tell(ev.MeterRead("M1", 1234.9, 56.7))
    answer = drive.send(dc.DCChargeLoopReq, meter_info_requested=True)
    assert answer.meter_info.charged_energy_reading_wh == 1234
    assert answer.meter_info.bpt_discharged_energy_reading_wh == 56
    assert answer.meter_info.meter_timestamp == 1_790_000_000
    assert drive.send(dc.DCChargeLoopReq).meter_info is None
    for _ in range(2):
        drive.book.wait(0.3)
        drive.send(dc.DCChargeLoopReq)
    drive.book.does(act.ReadMeter)


def test_the_answer_tells_what_flows() -> None:
    drive = charging()
    drive.measure(BATTERY_V + 12.34, 987.65)
    answer = drive.send(dc.DCChargeLoopReq)
    assert si(answer.evse_present_voltage) == pytest.approx(812.3)
    assert si(answer.evse_present_current) == pytest.approx(987.6, abs=0.1)


@pytest.mark.parametrize("volts", [0.0, 1.0, 199.0])
@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda one: one.name)
def test_no_supply_is_told_of_a_voltage_below_its_own_minimum(mode: ControlMode, volts: float) -> None:
    drive = charging(mode=mode)
    if mode is ControlMode.DYNAMIC:
        wish = drive.dynamic(ev_maximum_voltage=rational(volts), ev_minimum_voltage=rational(0.0))
    else:
        wish = drive.scheduled(100.0, volts)
    assert bounds(drive, wish) == (STATION.minimum_voltage_v, 0.0, 0.0)
