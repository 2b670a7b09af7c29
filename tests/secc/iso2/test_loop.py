"""The DC charge loop: bounds, limits that change, what is told beside them, the wish
to stop, and the way out."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.messages.physical import amperes, quantity, volts, watts
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.iso2.vehicle import (
    BATTERY_V,
    READY,
    STATION,
    VEHICLE_V,
    Drive,
    replace,
    settings,
    told,
)

SIGNAL_B, SIGNAL_C = ev.SignalChanged(ev.SignalState.B), ev.SignalChanged(ev.SignalState.C)


# -- the loop


def test_limits_of_the_vehicle_in_the_loop_tighten_what_it_declared() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop(250.0, ev_maximum_current_limit=amperes(799.0))
    assert drive.session._facts.power is not None
    assert drive.session._facts.power[1] == pytest.approx(100_000.0 / 400.0)
    drive.loop(250.0, ev_maximum_current_limit=amperes(9.0), ev_maximum_power_limit=watts(90_000.0))
    volts_, amperes_, watts_, back = drive.session._facts.power
    assert (volts_, amperes_, watts_, back) == (430.0, 9.0, 90_000.0, False)


def test_a_request_above_the_stations_limit_is_cut_and_flagged() -> None:
    drive = Drive(limits=replace(STATION, maximum_charge_current_a=80.0)).to(State.CURRENT_DEMAND)
    drive.loop(85.0)
    (power,) = [a for a in drive.book.actions if isinstance(a, act.SetPower)]
    assert power.current_a == 80.0
    answer = drive.loop(85.0)
    flags = (
        answer.evse_current_limit_achieved,
        answer.evse_voltage_limit_achieved,
        answer.evse_power_limit_achieved,
    )
    assert flags == (True, False, False)
    assert quantity(answer.evse_present_current) == 80.0
    assert quantity(answer.evse_maximum_current_limit) == 80.0


def test_lower_limits_hold_before_the_next_request_and_are_told_with_it() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    answer = drive.loop(100.0)
    assert quantity(answer.evse_maximum_power_limit) == 150_000.0
    lower = replace(
        STATION,
        maximum_charge_power_w=20_000.0,
        maximum_charge_current_a=60.0,
        maximum_voltage_v=500.0,
    )
    drive.book.tell(ev.LimitsChanged(lower))
    (power,) = drive.book.does(act.SetPower)
    assert isinstance(power, act.SetPower)
    assert (round(power.current_a, 3), power.power_w) == (50.0, 20_000.0)
    drive.output = ev.PowerMeasured(BATTERY_V, 50.0)
    answer = drive.loop(100.0)
    told_limits = (
        answer.evse_maximum_power_limit,
        answer.evse_maximum_current_limit,
        answer.evse_maximum_voltage_limit,
    )
    assert [quantity(one) for one in told_limits] == [20_000.0, 60.0, 500.0]
    assert answer.evse_power_limit_achieved
    drive.book.tell(ev.LimitsChanged(STATION))
    answer = drive.loop(100.0)
    assert quantity(answer.evse_maximum_power_limit) == 150_000.0


def test_limits_in_the_loop_are_left_out_by_setting() -> None:
    drive = Drive(settings(send_loop_limits=False)).to(State.CURRENT_DEMAND)
    answer = drive.loop()
    assert answer.evse_maximum_power_limit is None
    assert answer.evse_maximum_current_limit is None
    assert answer.evse_maximum_voltage_limit is None


def test_a_step_of_the_schedule_holds_at_its_time_for_a_vehicle_that_says_nothing() -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.book.tell(ev.PlanChanged((((30.0, 40_000.0), (10.0, 20_000.0), (86_400.0, 8_000.0)),)))
    drive.to(State.CURRENT_DEMAND)
    drive.loop(100.0)
    schedule, facts = drive.context.schedules[1], drive.session._facts
    assert facts.power is not None
    assert facts.power[2] == 40_000.0
    for edge, watts_ in ((schedule.ends[0], 20_000.0), (schedule.ends[1], 8_000.0)):
        drive.book.wait(edge - drive.book.now - 0.001)
        assert facts.power[2] != watts_
        drive.book.wait(0.002)
        (power,) = [one for one in drive.book.actions if isinstance(one, act.SetPower)]
        assert power.power_w == watts_
        assert power.current_a == pytest.approx(watts_ / BATTERY_V)
        drive.output = ev.PowerMeasured(BATTERY_V, power.current_a)


@pytest.mark.parametrize("set_point", [0.0, -10_000.0])
def test_a_set_point_of_nothing_or_less_gives_nothing(set_point: float) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop(100.0)
    drive.book.tell(ev.SetPointChanged(set_point))
    (power,) = drive.book.does(act.SetPower)
    assert isinstance(power, act.SetPower)
    assert (power.current_a, power.takes_back) == (0.0, False)
    answer = drive.loop(100.0)
    assert quantity(answer.evse_maximum_power_limit) == 0.0
    assert quantity(answer.evse_maximum_current_limit) == 0.0, "vehicles look at the current"
    assert answer.evse_current_limit_achieved
    drive.book.tell(ev.SetPointChanged(None))
    assert quantity(drive.loop(100.0).evse_maximum_current_limit) == STATION.maximum_charge_current_a


@pytest.mark.parametrize(
    "changes",
    [
        {"ev_target_current": amperes(-5.0)},
        {"ev_target_voltage": volts(800.0)},
        {"ev_target_voltage": volts(-1.0)},
    ],
    ids=["negative current", "above its own maximum", "negative voltage"],
)
def test_strange_targets_are_cut_and_noted_or_refused_by_setting(changes: dict[str, Any]) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.send(iso2.CurrentDemandReq, **changes)
    (power,) = [a for a in drive.book.actions if isinstance(a, act.SetPower)]
    assert power.voltage_v <= VEHICLE_V
    assert 0.0 <= power.current_a <= 100.0
    assert any(isinstance(a, act.PeerDeviates) and a.name == "loop-target" for a in drive.book.actions)
    drive = Drive(settings(plausibility="strict")).to(State.CURRENT_DEMAND)
    assert drive.send(iso2.CurrentDemandReq, **changes).response_code.value == "FAILED"
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


def test_a_vehicle_with_a_fault_in_the_loop_is_given_nothing_and_answered() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop(100.0)
    error = replace(READY, ev_error_code=iso2.DCEVErrorCode.FAILED_RESSTemperatureInhibit)
    answer = drive.loop(100.0, dc_ev_status=error)
    assert answer.response_code.value == "OK"
    assert drive.session._facts.power is not None
    assert drive.session._facts.power[1] == 0.0
    unknown = replace(READY, ev_error_code=iso2.DCEVErrorCode.NoData)
    drive.loop(100.0, dc_ev_status=unknown)
    assert drive.session._facts.power[1] == 100.0


def test_what_the_vehicle_says_of_its_battery_is_told_once() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    minutes = iso2.PhysicalValue(multiplier=1, unit=iso2.UnitSymbol.s, value=90)
    drive.loop(remaining_time_to_full_soc=minutes)
    (shown,) = [a for a in drive.book.actions if isinstance(a, act.VehicleDisplay)]
    assert (shown.present_soc, shown.to_maximum_s, shown.charging_complete) == (40, 900, False)
    drive.loop(remaining_time_to_full_soc=minutes)
    assert not [a for a in drive.book.actions if isinstance(a, act.VehicleDisplay)]


@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_the_answer_of_the_loop_may_be_held_back_but_never_the_hardware(delay: float) -> None:
    drive = Drive(settings(loop_answer_delay_s=delay)).to(State.CURRENT_DEMAND)
    answer = drive.send(iso2.CurrentDemandReq)
    drive.book.does(act.SetPower)
    if delay:
        assert answer is None
        drive.book.wait(0.099)
        assert drive.heard() is None
        drive.book.wait(0.002)
        answer = drive.heard()
    assert answer.response_code.value == "OK"


# -- the wish to stop


def test_a_wish_to_stop_in_the_loop_is_told_and_after_the_stop_time_the_station_stops() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.book.tell(ev.StopRequested("operator"))
    assert told(drive.loop().dc_evse_status) == ("EVSE_Shutdown", "Valid", "StopCharging", 0)
    drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    drive.loop(0.0)
    drive.book.wait(10.01)
    drive.book.does(act.StopPower, act.OpenContactors)
    drive.book.tell(ev.ContactorsChanged(False))
    answer = drive.loop(0.0)
    assert (answer.response_code.value, told(answer.dc_evse_status)) == (
        "FAILED",
        ("EVSE_Shutdown", "Valid", "StopCharging", 0),
    )
    drive.book.ends(EndReason.STOPPED_BY_STATION)


@pytest.mark.parametrize("notice", [0, 10])
def test_an_interrupt_of_the_grid_is_told_as_such_and_gone_through_as_any_wish_to_stop(notice: int) -> None:
    drive = Drive(settings(stop_notice_s=notice)).to(State.CURRENT_DEMAND)
    drive.loop()
    drive.book.tell(ev.StopRequested("the grid", utility_interrupt=True))
    code = "EVSE_UtilityInterruptEvent"
    assert told(drive.loop().dc_evse_status) == (code, "Valid", "StopCharging", notice)
    assert drive.session.energized, "the vehicle is given its time"
    drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    drive.book.wait(notice + 10.01)
    drive.book.does(act.StopPower, act.OpenContactors)
    drive.book.tell(ev.ContactorsChanged(False))
    answer = drive.loop(0.0)
    assert (answer.response_code.value, answer.dc_evse_status.evse_status_code.value) == ("FAILED", code)
    drive.book.ends(EndReason.STOPPED_BY_STATION)


@pytest.mark.parametrize(
    ("event", "code", "isolation"),
    [
        (ev.EmergencyShutdown("button"), "EVSE_EmergencyShutdown", "Valid"),
        (ev.HardwareFault("power", "hot"), "EVSE_Malfunction", "Valid"),
        (ev.ContactorsChanged(False), "EVSE_Malfunction", "Valid"),
        (ev.SignalChanged(ev.SignalState.B), "EVSE_EmergencyShutdown", "Valid"),
        (ev.InsulationMeasured(10_000.0), "EVSE_EmergencyShutdown", "Fault"),
        (ev.InsulationMeasured(1e6, to_earth_v=900.0), "EVSE_EmergencyShutdown", "Fault"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_alarm_is_named_in_the_next_answer_as_in_din_70121(
    event: ev.Event, code: str, isolation: str
) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    for _ in range(40):
        drive.book.tell(event)
        if any(isinstance(one, act.StopPower) for one in drive.book.actions):
            break
        drive.book.wait(0.1)
    answer = drive.send(iso2.CurrentDemandReq)
    assert answer.response_code.value == "FAILED"
    assert told(answer.dc_evse_status)[:2] == (code, isolation)


def test_an_emergency_says_more_than_the_grid() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.book.tell(ev.StopRequested("the grid", utility_interrupt=True))
    drive.book.tell(ev.EmergencyShutdown("button"))
    assert told(drive.loop().dc_evse_status)[0] == "EVSE_EmergencyShutdown"


def test_an_interrupt_before_power_is_told_by_refusing() -> None:
    drive = Drive().to(State.CABLE_CHECK)
    drive.book.tell(ev.StopRequested("the grid", utility_interrupt=True))
    answer = drive.send(iso2.CableCheckReq)
    assert (answer.response_code.value, answer.dc_evse_status.evse_status_code.value) == (
        "FAILED",
        "EVSE_UtilityInterruptEvent",
    )


def test_a_notice_counts_down_before_shutdown_is_told_and_prolongs_the_time() -> None:
    drive = Drive(settings(stop_notice_s=10)).to(State.CURRENT_DEMAND)
    drive.loop()
    drive.book.tell(ev.StopRequested("operator"))
    assert told(drive.loop(0.0).dc_evse_status) == ("EVSE_Ready", "Valid", "StopCharging", 10)
    drive.book.wait(4.0)
    assert told(drive.loop(0.0).dc_evse_status) == ("EVSE_Ready", "Valid", "StopCharging", 6)
    drive.book.wait(6.0)
    assert told(drive.loop(0.0).dc_evse_status) == ("EVSE_Shutdown", "Valid", "StopCharging", 0)
    drive.book.wait(9.9)
    assert drive.session.energized
    drive.stopped()
    drive.book.waits_for("WeldingDetection")
    assert drive.send(iso2.SessionStopReq).response_code.value == "OK"
    drive.book.ends(EndReason.STOPPED_BY_STATION)


@pytest.mark.parametrize(
    "state",
    [State.SERVICE_DISCOVERY, State.CHARGE_PARAMETER_DISCOVERY, State.CABLE_CHECK, State.POWER_DELIVERY],
    ids=lambda s: s.name,
)
def test_a_wish_to_stop_before_power_is_told_by_refusing(state: State) -> None:
    requests = {
        State.SERVICE_DISCOVERY: iso2.ServiceDiscoveryReq,
        State.CHARGE_PARAMETER_DISCOVERY: iso2.ChargeParameterDiscoveryReq,
        State.CABLE_CHECK: iso2.CableCheckReq,
        State.POWER_DELIVERY: iso2.PowerDeliveryReq,
    }
    drive = Drive().to(state)
    drive.book.tell(ev.StopRequested("operator"))
    assert drive.send(requests[state]).response_code.value == "FAILED"
    drive.book.ends(EndReason.STOPPED_BY_STATION)
    assert "CloseContactors" not in drive.done


# -- the control pilot at the end


def test_state_b_right_after_the_request_to_stop_is_how_a_vehicle_lets_go() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.book.tell(SIGNAL_C)
    drive.loop()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Stop)
    drive.book.tell(SIGNAL_B)  # before contactors have opened
    drive.book.tell(ev.ContactorsChanged(False))
    assert drive.heard().response_code.value == "OK"
    drive.book.waits_for("WeldingDetection")


def test_state_b_in_the_loop_without_a_stop_is_a_loss() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.book.tell(SIGNAL_C)
    drive.loop()
    drive.book.tell(SIGNAL_B)
    drive.book.does(act.StopPower, act.OpenContactors)
    assert drive.loop().response_code.value == "FAILED"
    drive.book.ends(EndReason.SIGNAL_LOST)


@pytest.mark.parametrize(("setting", "code"), [("note", "OK"), ("fail", "FAILED")])
@pytest.mark.parametrize("times", [0, 1, 4])
def test_welding_detection_any_number_of_times_and_in_state_c_by_setting(
    setting: Any, code: str, times: int
) -> None:
    drive = Drive(settings(welding_needs_cp_b=setting)).to(State.CURRENT_DEMAND)
    drive.book.tell(SIGNAL_C)
    drive.stopped()
    for _ in range(times):
        drive.measure(30.0)
        answer = drive.send(iso2.WeldingDetectionReq)
        assert answer.response_code.value == code
        if code == "FAILED":
            drive.book.ends(EndReason.SIGNAL_LOST)
            return
        assert quantity(answer.evse_present_voltage) == 30.0
    assert drive.send(iso2.SessionStopReq).response_code.value == "OK"
