"""Contactors: switching times, the ways in which they fail, and what is recorded when they are misused."""

from __future__ import annotations

import pytest

from iso15118.session.actions import (
    CloseContactors,
    OpenContactors,
    PreCharge,
    SetPower,
    SignalReady,
    StopPower,
    Urgency,
)
from iso15118.session.events import ContactorsChanged, SignalChanged, SignalState
from iso15118.simulation import ContactorFault, SimulatedVehicle

from .charging import Bench


def closed(bench: Bench) -> bool:
    return bench.station.outlet.closed


def answers(bench: Bench) -> list[bool]:
    return [event.closed for event in bench.events if isinstance(event, ContactorsChanged)]


def loaded() -> Bench:
    bench = Bench("mcs-max")
    bench.join()
    bench.tell_station(SetPower(875.0, 1000.0, 1e6))
    bench.run(10.0)
    assert bench.circuit.current_a == 1000.0
    bench.events.clear()
    return bench


def test_closing_takes_the_switching_time_and_is_answered_once() -> None:
    bench = Bench(contactor_s=0.08)
    bench.tell_station(CloseContactors(bench.now + 3.0))
    assert answers(bench) == []
    bench.run(0.079)
    assert not closed(bench)
    bench.run(0.002)
    assert closed(bench)
    assert answers(bench) == [True]


def test_a_repeated_request_is_answered_with_the_level() -> None:
    bench = Bench()
    bench.tell_station(OpenContactors(Urgency.ORDERLY, "already"))
    assert answers(bench) == [False]
    bench.tell_station(CloseContactors(bench.now + 3.0))
    bench.run(0.1)
    bench.tell_station(CloseContactors(bench.now + 3.0))
    assert answers(bench) == [False, True, True]
    assert bench.station.outlet.closings == 1


def test_opening_takes_a_pending_closing_back() -> None:
    bench = Bench()
    bench.tell_station(CloseContactors(bench.now + 3.0))
    bench.tell_station(OpenContactors(Urgency.EMERGENCY, "changed my mind"))
    bench.run(1.0)
    assert answers(bench) == [False]
    assert bench.station.outlet.closings == 0


@pytest.mark.parametrize("side", ["station", "vehicle"])
def test_stuck_contactors_say_that_they_are_open(side: str) -> None:
    bench = Bench()
    part = bench.station.outlet if side == "station" else bench.vehicle.inlet
    part.fault = ContactorFault.STUCK_OPEN
    bench.join()
    assert sorted(answers(bench)) == [False, True]
    bench.tell_station(SetPower(875.0, 1000.0, 1e6))
    bench.run(10.0)
    assert bench.circuit.current_a == 0.0
    assert bench.battery.charged_wh == 0.0


def test_welded_contactors_say_that_they_are_closed_and_show_the_battery_at_the_inlet() -> None:
    bench = Bench()
    bench.join()
    bench.vehicle.inlet.fault = ContactorFault.WELDED
    bench.events.clear()
    bench.part()
    assert sorted(answers(bench)) == [False, True]
    assert bench.vehicle.measure(bench.now).voltage_v == pytest.approx(bench.battery.open_circuit_v)


def test_slow_contactors_take_ten_times_as_long() -> None:
    bench = Bench(contactor_s=0.1, contactor_fault=ContactorFault.SLOW)
    bench.tell_station(CloseContactors(bench.now + 3.0))
    bench.run(0.99)
    assert answers(bench) == []
    bench.run(0.02)
    assert answers(bench) == [True]


def test_an_orderly_opening_waits_for_the_current() -> None:
    bench = loaded()
    bench.tell_station(StopPower(Urgency.ORDERLY))
    bench.tell_station(OpenContactors(Urgency.ORDERLY, "done"))
    bench.run(0.2)
    assert closed(bench)
    bench.run(1.0)
    assert not closed(bench)
    assert bench.station.outlet.opened_under_load == 0


def test_an_emergency_stop_blocks_before_the_contactors_open() -> None:
    bench = loaded()
    bench.tell_station(StopPower(Urgency.EMERGENCY))
    bench.tell_station(OpenContactors(Urgency.EMERGENCY, "button"))
    bench.run(0.06)
    assert not closed(bench)
    assert bench.station.outlet.opened_under_load == 0


def test_opening_without_stopping_first_is_recorded() -> None:
    bench = loaded()
    bench.tell_station(OpenContactors(Urgency.EMERGENCY, "too early"))
    bench.run(0.06)
    assert bench.station.outlet.opened_under_load == 1
    assert bench.circuit.current_a == 0.0


def test_an_emergency_overtakes_an_orderly_opening_that_waits() -> None:
    bench = loaded()
    bench.tell_station(OpenContactors(Urgency.ORDERLY, "done"))
    bench.run(0.5)
    assert closed(bench)
    bench.tell_station(OpenContactors(Urgency.EMERGENCY, "button"))
    bench.run(0.06)
    assert not closed(bench)


def test_an_orderly_opening_without_end_happens_after_three_seconds() -> None:
    bench = loaded()
    bench.tell_vehicle(OpenContactors(Urgency.ORDERLY, "station does not stop"))
    bench.run(2.9)
    assert bench.vehicle.inlet.openings == 0
    bench.run(0.2)
    assert bench.vehicle.inlet.openings == 1
    assert bench.vehicle.inlet.opened_under_load == 1


def test_closing_without_pre_charge_is_recorded_as_inrush() -> None:
    bench = Bench()
    bench.tell_station(PreCharge(500.0, 2.0))
    bench.run(2.0)
    bench.tell_vehicle(CloseContactors(bench.now + 3.0))
    bench.run(0.1)
    assert bench.circuit.record.inrushes == 1
    assert bench.circuit.record.worst_inrush_v == pytest.approx(bench.battery.open_circuit_v - 500.0)


@pytest.mark.parametrize("first", ["station", "vehicle"])
def test_closing_after_pre_charge_is_smooth_in_either_order(first: str) -> None:
    bench = Bench()
    bench.tell_station(PreCharge(bench.battery.open_circuit_v - 10.0, 2.0))
    bench.run(2.0)
    for side in (first, "vehicle" if first == "station" else "station"):
        tell = bench.tell_station if side == "station" else bench.tell_vehicle
        tell(CloseContactors(bench.now + 3.0))
        bench.run(0.1)
    assert bench.circuit.record.inrushes == 0
    assert closed(bench)
    assert bench.vehicle.inlet.closed


def test_leaving_state_c_blocks_the_supply_without_any_software() -> None:
    bench = loaded()
    bench.tell_vehicle(SignalReady(False))
    bench.tell_vehicle(OpenContactors(Urgency.EMERGENCY, "fault"))
    bench.run(0.06)
    assert SignalChanged(SignalState.B) in bench.events
    assert bench.circuit.current_a == 0.0
    assert bench.vehicle.inlet.opened_under_load == 0


def test_pulling_the_connector_under_load_is_recorded_and_signalled() -> None:
    bench = loaded()
    bench.circuit.unplug(bench.now)
    bench.run(1.0)
    assert SignalChanged(SignalState.A) in bench.events
    assert bench.circuit.record.unplugged_under_load == 1
    assert bench.circuit.current_a == 0.0
    assert bench.vehicle.measure(bench.now).voltage_v == 0.0
    assert bench.station.measure(bench.now).voltage_v < 60.0


def test_the_next_vehicle_plugs_in_where_the_last_one_left() -> None:
    bench = loaded()
    bench.part()
    bench.circuit.unplug(bench.now)
    bench.run(1.0)
    first = bench.battery
    bench.vehicle = SimulatedVehicle(bench.circuit)
    bench.events.clear()
    bench.join()
    assert bench.events[0] == SignalChanged(SignalState.B)
    metered_wh, charged_wh = bench.station.meter.charged_wh, first.charged_wh
    bench.tell_station(SetPower(875.0, 1000.0, 1e6))
    bench.run(10.0)
    assert bench.battery.charged_wh == pytest.approx(bench.station.meter.charged_wh - metered_wh)
    assert first.charged_wh == charged_wh


def test_the_same_vehicle_charges_in_a_second_session() -> None:
    bench = loaded()
    bench.part()
    bench.tell_vehicle(SignalReady(False))
    assert bench.vehicle.battery_state(bench.now).target_current_a == 0.0
    bench.join()
    assert bench.vehicle.battery_state(bench.now).target_current_a > 0.0
    bench.turn()
    bench.turn()
    assert bench.circuit.current_a > 0.0
    assert bench.circuit.record.inrushes == 0
