"""Whole sessions of our two ends in which numbers and moments decide: released power, odd voltages,
departure, ordered control modes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.session.events import SetPointChanged
from iso15118.session.ports import capabilities_of
from iso15118.session.services import ControlMode, ServiceID
from tests.pair.rig import pair
from tests.pair.test_sessions import orderly, safe

MODES = list(ControlMode)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
def test_plugged_in_at_20_kw_and_released_to_400_kw_charges_at_400_kw(mode: ControlMode) -> None:
    rig = pair(
        ServiceID.DC,
        mode,
        station_options={"bidirectional": False},
        battery={"capacity_wh": 540e3, "soc": 30.0, "target_soc": 60.0},
        held_back_w=20e3,
    )
    rig.run(until=lambda: rig.now > 40.0)
    assert rig.station.circuit.record.peak_power_w == pytest.approx(20e3, rel=0.01)
    rig.station.derate(rig.station.capabilities, rig.now)
    rig.hear_station()
    rig.run(until=lambda: rig.now > 100.0)
    measured = rig.station.measure(rig.now)
    assert measured.voltage_v * measured.current_a > 0.95 * 390e3
    rig.run()
    orderly(rig)
    safe(rig)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
@pytest.mark.parametrize("full_v", [864.0, 881.3 / 1.02, 503.33, 700.07])
def test_no_voltage_ends_a_charge_by_its_rounding(full_v: float, mode: ControlMode) -> None:
    cells = {"full_v": full_v, "empty_v": full_v * 0.8, "soc": 94.0, "target_soc": 96.0, "capacity_wh": 20e3}
    rig = pair(ServiceID.DC, mode, battery=cells)
    rig.run()
    assert rig.secc.ended == rig.evcc.ended == SessionEnded(EndReason.STOPPED_BY_EV)
    assert rig.vehicle.battery.complete
    orderly(rig)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
def test_a_departure_ends_the_charge_on_both_sides(mode: ControlMode) -> None:
    rig = pair(ServiceID.DC, mode, evcc={"departure_time_s": 40}, battery={"target_soc": 80.0})
    rig.run()
    assert rig.evcc.ended == SessionEnded(EndReason.STOPPED_BY_EV, "departure")
    assert rig.secc.ended is not None
    assert rig.secc.ended == SessionEnded(EndReason.STOPPED_BY_EV, "departure")
    assert 40.0 < rig.now < 50.0
    orderly(rig)
    safe(rig)


@pytest.mark.parametrize("offered", MODES, ids=lambda m: m.name)
def test_a_station_with_one_control_mode_is_charged_at_by_default(offered: ControlMode) -> None:
    rig = pair(evcc={"control_modes": tuple(ControlMode)}, secc={"control_modes": (offered,)})
    rig.run()
    assert rig.evcc.ended == SessionEnded(EndReason.STOPPED_BY_EV)
    assert rig.vehicle.battery.complete


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
def test_a_set_point_changes_the_power_without_a_word_of_the_vehicle(mode: ControlMode) -> None:
    rig = pair(
        ServiceID.MCS, mode, battery={"capacity_wh": 540e3, "target_soc": 60.0, "constant_power_w": 1e6}
    )
    rig.run(until=lambda: rig.station.measure(rig.now).current_a > 1000.0)
    requests = rig.to_secc.sent
    rig.tell_secc(SetPointChanged(100e3))
    measured = rig.station.measure(rig.now)
    assert measured.voltage_v * measured.current_a <= 100e3 * 1.001
    assert rig.to_secc.sent == requests


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
def test_minima_of_both_sides_hold_to_the_end_of_a_charge(mode: ControlMode) -> None:
    rig = pair(ServiceID.DC, mode, battery={"taper_from_soc": 41.0, "taper_floor": 0.01}, least_w=30e3)
    seen: list[float] = []

    def note() -> bool:
        if rig.secc._facts.power is not None:
            seen.append(rig.secc._facts.power[2] if rig.secc._facts.power[1] else 0.0)
        return False

    rig.run(until=note)
    assert min((power for power in seen if power > 0.0), default=0.0) >= 30e3 * 0.99
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_EV
    safe(rig)


def test_the_times_of_the_profile_are_those_of_the_schedule() -> None:
    heard: list[Any] = []
    rig = pair(evcc={"departure_time_s": 1000}, on_message=lambda who, message, now: heard.append(message))
    rig.run()
    offers: list[Any] = [m.se_res_control_mode for m in heard if isinstance(m, cm.ScheduleExchangeRes)]
    profiles: list[Any] = [
        m.ev_power_profile
        for m in heard
        if isinstance(m, cm.PowerDeliveryReq) and m.charge_progress is cm.ChargeProgress.Start
    ]
    (offer,), (start,) = offers, profiles
    schedule = offer.schedule_tuple[0].charging_schedule.power_schedule
    assert start.time_anchor == schedule.time_anchor
    durations = [e.duration for e in start.ev_power_profile_entries.ev_power_profile_entry]
    assert durations == [e.duration for e in schedule.power_schedule_entries.power_schedule_entry]
    assert 990 <= durations[0] <= 1000
    first = next(m for m in heard if isinstance(m, dc.DCChargeLoopRes))
    assert first.meter_info is not None  # [V2G20-1833]


def test_a_supply_may_say_what_it_can_do_at_best() -> None:
    rig = pair()
    ports: Any = rig.station.ports(None, lambda: 0.0)  # type: ignore[arg-type] # nothing is awaited
    rig.station.supply.derate(msgspec.structs.replace(rig.station.limits, maximum_charge_power_w=1.0))
    assert capabilities_of(ports.power) == rig.station.capabilities
    assert ports.power.limits.maximum_charge_power_w == 1.0
