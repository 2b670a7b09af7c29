"""The charge loop and its end in the vehicle, DIN 70121: what the station's status and limits come to,
and how welding is found."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.messages import din
from iso15118.messages.physical import quantity
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.events import ContactorsChanged
from tests.evcc.din.station import BATTERY_V, VEHICLE, Host, offer, status, value


def config(**settings: Any) -> EvccConfig:
    return EvccConfig(editions=("din",), din=DinEvccSettings(**settings))


def urgencies(host: Host) -> list[Urgency]:
    return [one.urgency for one in host.asked if isinstance(one, act.StopPower)]


# -- the charge loop ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "isolation", "notification", "reason"),
    [
        ("EVSE_EmergencyShutdown", "Valid", "None", EndReason.EMERGENCY),
        ("EVSE_EmergencyShutdown", "Fault", "StopCharging", EndReason.EMERGENCY),
        ("EVSE_Malfunction", "Valid", "None", EndReason.HARDWARE_FAULT),
        ("EVSE_Ready", "Fault", "None", EndReason.HARDWARE_FAULT),
    ],
)
def test_an_alarm_of_the_station_with_the_code_ok_opens_in_the_same_turn(
    code: str, isolation: str, notification: str, reason: EndReason
) -> None:
    host = Host().to("CurrentDemand", 3)
    host.measure(BATTERY_V, 150.0)
    host.answer(dc_evse_status=status(code, isolation, notification))
    kinds = [type(one) for one in host.book.actions if isinstance(one, act.HardwareAction)]
    assert kinds == [act.StopPower, act.SignalReady, act.OpenContactors]
    assert urgencies(host) == [Urgency.EMERGENCY]
    assert isinstance(host.request, din.PowerDeliveryReq)
    assert not host.request.ready_to_charge_state
    assert host.finish().reason is reason
    assert isinstance(host.request, din.SessionStop)


@pytest.mark.parametrize(
    ("code", "notification", "delay"),
    [
        ("EVSE_Shutdown", "None", 0),
        ("EVSE_Shutdown", "StopCharging", 0),
        ("EVSE_Ready", "StopCharging", 10),
        ("EVSE_Ready", "StopCharging", 0),
        ("EVSE_UtilityInterruptEvent", "None", 0),
        ("EVSE_NotReady", "None", 0),
    ],
)
def test_a_wish_of_the_station_to_end_is_followed_with_a_ramp(
    code: str, notification: str, delay: int
) -> None:
    host = Host().to("CurrentDemand", 3)
    host.measure(BATTERY_V, 150.0)
    began = host.book.now
    host.answer(dc_evse_status=status(code, "Valid", notification, delay))
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == 0.0
    for _ in range(300):
        if isinstance(host.request, din.PowerDeliveryReq):
            break
        host.measure(BATTERY_V, 20.0)
        host.answer()
        host.wait(0.1)
    assert isinstance(host.request, din.PowerDeliveryReq)
    assert host.book.now - began <= (7.3 if delay == 0 else min(delay, 7.0) + 0.3)
    host.measure(BATTERY_V, 0.0)
    ended = host.finish()
    assert ended.reason is EndReason.STOPPED_BY_STATION
    assert set(urgencies(host)) == {Urgency.ORDERLY}
    assert "WeldingDetection" in host.session.states


@pytest.mark.parametrize(
    ("isolation", "notification"), [("Warning", "None"), ("Invalid", "None"), (None, "ReNegotiation")]
)
def test_what_is_no_reason_to_end(isolation: str | None, notification: str) -> None:
    host = Host().to("CurrentDemand", 3)
    host.measure(BATTERY_V, 150.0)
    for _ in range(5):
        host.answer(dc_evse_status=status("EVSE_Ready", isolation, notification))
        host.wait(0.1)
    assert host.session.state == "CurrentDemand"
    assert quantity(host.request.ev_target_current) == 200.0
    told = "isolation-under-power" in host.noted
    assert told is (isolation is not None)


@pytest.mark.parametrize(
    ("said", "current"),
    [
        ({}, 200.0),
        ({"evse_maximum_current_limit": value(80.0, "A")}, 80.0),
        ({"evse_maximum_power_limit": value(20_000.0, "W")}, 52.6),
        ({"evse_maximum_power_limit": value(-20_000.0, "W")}, 0.0),
        ({"evse_maximum_current_limit": value(0.0, "A")}, 0.0),
        ({"evse_maximum_current_limit": value(900.0, "A")}, 200.0),
        ({"evse_maximum_voltage_limit": value(140.0)}, 200.0),
    ],
)
def test_the_stations_limits_hold_from_the_next_request_on(said: dict[str, Any], current: float) -> None:
    host = Host().to("CurrentDemand", 2)
    host.measure(BATTERY_V, 150.0)
    host.answer(**said)
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == current
    host.answer()  # what is left out stays
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == current


def test_what_the_vehicle_tells_of_itself_in_the_loop() -> None:
    host = Host().to("CurrentDemand", 2)
    said = host.request
    assert said.dc_ev_status.ev_ready
    assert said.dc_ev_status.evresssoc == 40
    assert (said.bulk_charging_complete, said.charging_complete) == (False, False)
    # 200 A at 380 V for 36 kWh and for 24 kWh.
    assert quantity(said.remaining_time_to_full_soc) == 1705.0
    assert quantity(said.remaining_time_to_bulk_soc) == 1137.0
    assert quantity(said.ev_maximum_current_limit) == 300.0
    assert quantity(said.ev_maximum_power_limit) == 120_000.0
    host.battery(soc=80.0, energy_to_target_wh=-1.0, target_current_a=0.0, energy_to_maximum_wh=1000.0)
    host.answer()
    host.wait(0.1)
    said = host.request
    assert said.bulk_charging_complete
    assert quantity(said.remaining_time_to_bulk_soc) == 0.0
    assert quantity(said.remaining_time_to_full_soc) == 86_400.0


def test_the_time_to_the_bulk_is_that_to_what_the_driver_wants() -> None:
    """BulkSOC is told as his target; the battery itself would take twice as much."""
    host = Host().to("CurrentDemand", 2)
    host.battery(energy_to_target_wh=48_000.0)
    host.tell(ev.NeedsChanged(target_soc=60))
    host.answer()
    host.wait(0.1)
    assert quantity(host.request.remaining_time_to_bulk_soc) == round(12_000.0 * 3600.0 / 76_000.0)


@pytest.mark.parametrize(
    ("field", "number", "notes"),
    [
        ("evse_maximum_power_limit", value(-1.0, "W"), ["loop-limits"]),
        ("evse_maximum_current_limit", value(-1.0, "A"), ["loop-limits"]),
        ("evse_maximum_voltage_limit", value(0.0), []),
    ],
)
def test_limits_below_zero_are_noted(field: str, number: din.PhysicalValue, notes: list[str]) -> None:
    host = Host().to("CurrentDemand", 2)
    host.answer(**{field: number})
    assert host.noted == notes


@pytest.mark.parametrize(("soc", "told"), [(-3.0, 0), (0.0, 0), (41.9, 41), (100.0, 100), (104.0, 100)])
def test_a_state_of_charge_is_a_percentage(soc: float, told: int) -> None:
    host = Host().to("CurrentDemand", 2)
    host.battery(soc=soc)
    host.answer()
    host.wait(0.1)
    assert host.request.dc_ev_status.evresssoc == told


def test_a_battery_that_takes_less_than_the_least_ends_the_charge_after_a_minute() -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(evse_charge_parameter=offer(evse_minimum_current_limit=value(5.0, "A")))
    host.to("CurrentDemand", 2)
    host.measure(BATTERY_V, 3.0)
    host.battery(target_current_a=4.9)
    began = host.book.now
    while host.session.state == "CurrentDemand" and host.book.now < began + 70.0:
        assert quantity(host.request.ev_target_current) in (0.0, 200.0)
        host.measure(BATTERY_V, 0.0)
        if host.waiting:
            host.answer()
        else:
            host.wait(0.1)
    assert 59.0 < host.book.now - began < 62.0
    assert "less than the least" in host.finish().detail


def test_limits_that_rise_again_are_used() -> None:
    host = Host().to("CurrentDemand", 2)
    host.measure(BATTERY_V, 150.0)
    for limit, current in ((50.0, 50.0), (120.0, 120.0), (400.0, 200.0)):
        host.answer(evse_maximum_current_limit=value(limit, "A"))
        host.wait(0.1)
        assert quantity(host.request.ev_target_current) == current


def test_a_current_below_the_least_of_the_station_is_none() -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(evse_charge_parameter=offer(evse_minimum_current_limit=value(5.0, "A")))
    host.to("CurrentDemand", 2)
    host.measure(BATTERY_V, 150.0)
    host.answer(evse_maximum_current_limit=value(4.0, "A"))
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == 0.0


def test_the_leasts_of_the_station_hold_again_when_its_limits_rise_again() -> None:
    host = Host().to("ChargeParameterDiscovery")
    least = {"evse_minimum_current_limit": value(5.0, "A"), "evse_minimum_voltage_limit": value(300.0)}
    host.answer(evse_charge_parameter=offer(**least))
    host.to("CurrentDemand", 2)
    host.measure(BATTERY_V, 150.0)
    host.battery(target_current_a=4.0)
    for limit_a, limit_v in ((2.0, 200.0), (400.0, 920.0)):
        host.answer(evse_maximum_current_limit=value(limit_a, "A"), evse_maximum_voltage_limit=value(limit_v))
        host.wait(0.1)
        assert quantity(host.request.ev_target_current) == 0.0
    host.battery(target_current_a=5.0)
    host.answer(evse_maximum_current_limit=value(5.0, "A"))
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == 5.0


@pytest.mark.parametrize(
    ("target_v", "battery_v", "told"),
    [(430.0, 380.0, 430.0), (449.0, 380.0, 440.0), (449.0, 445.0, 447.0), (460.0, 450.0, 450.0)],
)
def test_the_target_keeps_off_the_maximum_where_that_costs_no_charge(
    target_v: float, battery_v: float, told: float
) -> None:
    host = Host().to("CurrentDemand", 2)
    host.battery(target_voltage_v=target_v, voltage_v=battery_v)
    host.measure(battery_v, 50.0)
    host.answer()
    host.wait(0.1)
    assert quantity(host.request.ev_target_voltage) == told
    assert quantity(host.request.ev_maximum_voltage_limit) == VEHICLE.maximum_voltage_v


def test_the_pace_of_the_loop_is_a_setting() -> None:
    for interval, expected in ((0.1, 10), (0.02, 50), (0.4, 3)):
        host = Host(config(loop_interval_s=interval)).to("CurrentDemand")
        began = len(host.sent)
        until = host.book.now + 1.0
        while host.book.now < until - 1e-9:
            if host.waiting:
                host.answer()
            host.wait(0.01)
        assert abs(len(host.sent) - began - expected) <= 1


# -- after power -------------------------------------------------------------------------------------------


def test_the_answer_to_power_off_comes_before_state_b_and_open_contactors() -> None:
    host = Host().to("CurrentDemand", 2)
    host.battery(energy_to_target_wh=0.0, complete=True)
    host.to("PowerDelivery")
    assert urgencies(host) == []
    host.answer(evse_status=status("EVSE_NotReady", "Invalid"))  # which means nothing any more
    kinds = [type(one) for one in host.book.actions if isinstance(one, act.HardwareAction)]
    assert kinds == [act.StopPower, act.SignalReady, act.OpenContactors]


@pytest.mark.parametrize("answer", ["none", "refused", "left out"])
def test_welding_detection_may_be_left_out_refused_or_not_answered(answer: str) -> None:
    host = Host(config(welding_detection=answer != "left out"))
    if answer == "left out":
        assert host.to("SessionStop").finish().reason is EndReason.STOPPED_BY_EV
        assert "WeldingDetection" not in host.session.states
        return
    host.to("WeldingDetection")
    if answer == "none":
        host.wait(2.0)
    else:
        host.answer(response_code=din.ResponseCode.FAILED)
    assert host.finish().reason is EndReason.STOPPED_BY_EV
    assert host.noted == ["without-weldingdetection"]
    assert host.session.states[-2:] == ["SessionStop", "Ended"]


def test_a_contactor_is_not_taken_for_sound_by_an_old_reading() -> None:
    host = Host().to("CurrentDemand", 2)
    host.battery(energy_to_target_wh=0.0, complete=True)
    host.to("PowerDelivery")
    host.answer()
    host.measure(200.0)
    host._contactors = None
    host.tell(ContactorsChanged(False))
    assert host.session.state == "WeldingDetection"
    host.measure(0.0)
    host.shown = host.shown[1:]  # the inlet is not measured any more
    host.wait(1.5)
    for _ in range(200):
        if host.session.ended is not None:
            break
        host.answer() if host.waiting else host.wait(0.1)
    assert host.session.ended is not None
    assert host.session.ended.reason is EndReason.CONTACTOR_FAILED
    assert "not been measured" in host.session.ended.detail


@pytest.mark.parametrize("asks", [True, False])
def test_a_contactor_that_is_welded_is_found_whether_the_station_is_asked_or_not(asks: bool) -> None:
    host = Host(config(welding_detection=asks)).to("CurrentDemand", 2)
    host.battery(energy_to_target_wh=0.0, complete=True)
    host.to("PowerDelivery")
    host.answer()
    host.measure(BATTERY_V)
    host._contactors = None
    host.tell(ContactorsChanged(False))
    for _ in range(200):
        if host.session.ended is not None:
            break
        if host.waiting:
            host.answer()
        else:
            host.wait(0.1)
    assert host.session.ended is not None
    assert host.session.ended.reason is EndReason.CONTACTOR_FAILED
    assert "welded" in host.session.ended.detail
