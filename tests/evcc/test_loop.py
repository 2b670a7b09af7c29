"""What a vehicle asks for in the charge loop: never more than battery, station and schedule allow, and
energy back only when it may."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.values import rational, si
from iso15118.session import actions as act
from iso15118.session.services import ControlMode, ServiceID
from tests.evcc.station import BATTERY_V, STATION, VEHICLE, Host


def turn(host: Host, **limits: Any) -> Any:
    """One more turn, after an answer with these limits; the control mode of the next request."""
    host.answer(cl_res_control_mode=host.loop_mode(**limits))
    host.wait(0.25)
    assert isinstance(host.request, dc.DCChargeLoopReq)
    return host.request.cl_req_control_mode


def charging(
    service: ServiceID = ServiceID.MCS_BPT, mode: ControlMode = ControlMode.SCHEDULED, **config: Any
) -> Host:
    host = Host(service, mode, config=EvccConfig(services=(service,), control_modes=(mode,), **config))
    host.to("DC_ChargeLoop")
    host.measure(BATTERY_V, 100.0)
    return host


def test_the_target_is_what_the_battery_wants() -> None:
    host = charging()
    host.battery(target_current_a=321.5)
    mode = turn(host)
    assert si(mode.ev_target_current) == 321.5
    assert si(mode.ev_target_voltage) == 900.0


@pytest.mark.parametrize(
    ("limits", "current"),
    [
        ({"evse_maximum_charge_current": rational(250.0)}, 250.0),
        ({"evse_maximum_charge_power": rational(80_000.0)}, 100.0),
        ({"evse_maximum_charge_power": rational(0.0)}, 0.0),
        ({"evse_maximum_charge_current": rational(9000.0)}, 1000.0),
    ],
)
def test_the_target_keeps_to_the_stations_limits(limits: dict[str, Any], current: float) -> None:
    host = charging()
    host.battery(target_current_a=1000.0)
    assert si(turn(host, **limits).ev_target_current) == current


def test_the_target_keeps_to_the_schedule() -> None:
    host = Host(ServiceID.DC).to("ScheduleExchange")
    entries = tuple(
        cm.PowerScheduleEntry(duration=seconds, power=rational(watts))
        for seconds, watts in ((10, 400e3), (3600, 40e3))
    )
    power = cm.PowerSchedule(
        time_anchor=0, power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=entries)
    )
    tuple_ = cm.ScheduleTuple(
        schedule_tuple_id=5, charging_schedule=cm.ChargingSchedule(power_schedule=power)
    )
    host.answer(se_res_control_mode=cm.ScheduledSEResControlMode(schedule_tuple=(tuple_,)))
    host.to("PowerDelivery")
    profile = host.request.ev_power_profile
    assert profile.evppt_control_mode.selected_schedule_tuple_id == 5
    assert [si(e.power) for e in profile.ev_power_profile_entries.ev_power_profile_entry] == [400e3, 40e3]
    host.to("DC_ChargeLoop")
    host.measure(BATTERY_V, 50.0)
    assert si(turn(host).ev_target_current) == pytest.approx(500.0)
    for _ in range(45):
        mode = turn(host)
    assert si(mode.ev_target_current) == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("tolerance", "promise", "told"),
    [
        (None, False, "PowerToleranceConfirmed"),
        (rational(2000.0), False, "PowerToleranceNotConfirmed"),
        (rational(2000.0), True, "PowerToleranceConfirmed"),
    ],
)
def test_a_power_tolerance_is_promised_where_it_binds_to_nothing_or_as_the_owner_says(
    tolerance: Any, promise: bool, told: str
) -> None:
    host = Host(ServiceID.DC, config=EvccConfig(confirm_power_tolerance=promise)).to("ScheduleExchange")
    entry = cm.PowerScheduleEntry(duration=3600, power=rational(40e3))
    power = cm.PowerSchedule(
        time_anchor=0,
        power_tolerance=tolerance,
        power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=(entry,)),
    )
    tuple_ = cm.ScheduleTuple(
        schedule_tuple_id=1, charging_schedule=cm.ChargingSchedule(power_schedule=power)
    )
    host.answer(se_res_control_mode=cm.ScheduledSEResControlMode(schedule_tuple=(tuple_,)))
    mode = host.to("PowerDelivery").request.ev_power_profile.evppt_control_mode
    assert mode.power_tolerance_acceptance.value == told


ASKS = {
    "evse_maximum_charge_power": rational(0.0),
    "evse_minimum_discharge_power": rational(200_000.0),
    "evse_maximum_discharge_power": rational(200_000.0),
}


def test_energy_is_given_back_when_the_station_asks_for_it() -> None:
    host = charging()
    assert si(turn(host, **ASKS).ev_target_current) == -250.0
    assert si(turn(host).ev_target_current) > 0.0


def test_never_more_is_given_than_both_sides_allow() -> None:
    host = charging()
    much = ASKS | {
        "evse_maximum_discharge_power": rational(900_000.0),
        "evse_minimum_discharge_power": rational(900_000.0),
    }
    current = si(turn(host, **much).ev_target_current)
    assert current == -VEHICLE.maximum_discharge_power_w / BATTERY_V
    little = much | {"evse_maximum_discharge_current": rational(33.0)}
    assert si(turn(host, **little).ev_target_current) == -33.0


@pytest.mark.parametrize(
    "battery", [{"energy_to_minimum_wh": 0.0}, {"energy_to_minimum_wh": 10.0}, {"soc": 15.0}]
)
def test_nothing_is_given_below_the_minimum_state_of_charge(battery: dict[str, float]) -> None:
    host = charging()
    host.battery(**battery)
    assert si(turn(host, **ASKS).ev_target_current) >= 0.0


def test_nothing_is_given_by_a_driver_who_does_not_allow_it() -> None:
    host = charging(allow_discharge=False)
    assert si(turn(host, **ASKS).ev_target_current) == 0.0


def test_nothing_is_given_in_a_charge_only_service() -> None:
    host = charging(ServiceID.MCS)
    assert si(turn(host, evse_maximum_charge_power=rational(0.0)).ev_target_current) == 0.0


def test_discharge_limits_with_a_sign_count_by_their_magnitude() -> None:
    host = charging()
    signed = ASKS | {
        "evse_maximum_discharge_power": rational(-200_000.0),
        "evse_minimum_discharge_power": rational(-200_000.0),
    }
    assert si(turn(host, **signed).ev_target_current) == -250.0


@pytest.mark.parametrize("limit", ["evse_maximum_charge_power", "evse_maximum_charge_current"])
def test_a_charging_limit_below_zero_lets_nothing_in(limit: str) -> None:
    host = charging()
    assert si(turn(host, **{limit: rational(-30_000.0)}).ev_target_current) == 0.0


def test_dynamic_mode_says_what_the_battery_can_take_and_give() -> None:
    mode = turn(charging(mode=ControlMode.DYNAMIC))
    assert si(mode.ev_maximum_charge_current) == 1000.0
    assert si(mode.ev_maximum_discharge_power) == 300_000.0
    assert si(mode.ev_minimum_energy_request) == -100_000.0


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda m: m.name)
def test_winding_down_asks_for_nothing_in_either_direction(mode: ControlMode) -> None:
    host = charging(mode=mode)
    host.battery(energy_to_target_wh=0.0, complete=True)
    last = turn(host)
    if mode is ControlMode.SCHEDULED:
        assert si(last.ev_target_current) == 0.0
    else:
        assert si(last.ev_maximum_charge_current) == 0.0
        assert si(last.ev_target_energy_request) == 0.0
        assert si(last.ev_maximum_discharge_current) == 0.0
    host.measure(BATTERY_V, 200.0)  # current still flows: no stop yet
    turn(host)
    host.measure(BATTERY_V, 1.0)
    host.answer()
    host.wait(0.25)
    assert host.request.charge_progress is cm.ChargeProgress.Stop


def test_an_inlet_above_the_declared_maximum_takes_the_vehicle_off_at_once() -> None:
    host = charging()
    host.answer()
    host.measure(VEHICLE.maximum_voltage_v * 1.06, 100.0)
    host.wait(0.25)
    kinds = [type(action) for action in host.book.actions if isinstance(action, act.HardwareAction)]
    assert kinds == [act.StopPower, act.SignalReady, act.OpenContactors]


def test_contactors_close_only_on_a_matching_inlet_and_before_finished() -> None:
    host = Host().to("DC_PreCharge")
    host.measure(BATTERY_V - 21.0)
    host.answer()
    host.wait(0.1)
    assert host.request.ev_processing.value == "Ongoing"
    host.measure(BATTERY_V - 19.0)
    host.answer()
    host.book.does(act.CloseContactors)
    assert host.request.ev_processing.value == "Ongoing"


def test_contactors_that_do_not_close_end_the_session_in_an_orderly_way() -> None:
    host = Host().to("DC_PreCharge")
    host.measure(BATTERY_V)
    host.answer()
    host.wait(3.1)
    assert isinstance(host.request, cm.SessionStopReq)
    host.answer()
    host.book.ends(act.EndReason.CONTACTOR_FAILED)


def test_the_vehicles_order_of_services_counts() -> None:
    config = EvccConfig(services=(ServiceID.MCS_BPT, ServiceID.MCS))
    host = Host(ServiceID.MCS_BPT, config=config).to("ServiceDiscovery")
    both = tuple(cm.Service(service_id=each, free_service=False) for each in (2, 8, 9))
    host.answer(energy_transfer_service_list=cm.ServiceList(service=both))
    assert host.request.service_id == 9


def test_no_silent_drop_from_mcs_to_dc() -> None:
    host = Host(ServiceID.MCS).to("ServiceDiscovery")
    only_dc = cm.ServiceList(service=(cm.Service(service_id=2, free_service=False),))
    host.answer(energy_transfer_service_list=only_dc)
    assert isinstance(host.request, cm.SessionStopReq)
    host.answer()
    host.book.ends(act.EndReason.PARAMETERS_NOT_ACCEPTED)


def test_a_station_that_cannot_reach_the_battery_is_left() -> None:
    host = Host().to("DC_ChargeParameterDiscovery")
    offer = host.response(dc.DCChargeParameterDiscoveryRes).dc_cpd_res_energy_transfer_mode
    low = type(offer)(
        **{name: getattr(offer, name) for name in offer.__struct_fields__}
        | {"evse_maximum_voltage": rational(500.0)}
    )
    host.answer(dc_cpd_res_energy_transfer_mode=low)
    host.answer()
    host.book.ends(act.EndReason.PARAMETERS_NOT_ACCEPTED)


def test_station_limits_are_taken_as_they_come() -> None:
    host = charging()
    assert si(turn(host).ev_target_current) <= STATION.maximum_charge_current_a
