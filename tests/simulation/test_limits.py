"""Limits hold at every instant, whatever is asked for, in whichever order and however coarse the steps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iso15118.errors import MisuseError
from iso15118.session.actions import HardwareAction, SetPower, StopPower, Urgency
from iso15118.session.limits import StationLimits
from iso15118.simulation import PRESETS, Battery

from .charging import Bench

EXACT = 1.0 + 1e-9

bounds = st.builds(
    SetPower,
    st.floats(0.0, 1500.0),
    st.floats(-4000.0, 4000.0),
    st.floats(0.0, 5e6),
)
requests = st.one_of(bounds, bounds, bounds, st.builds(StopPower, st.sampled_from(Urgency)))


@settings(deadline=None, max_examples=150)
@given(
    kind=st.sampled_from(sorted(PRESETS)),
    soc=st.floats(0.0, 100.0),
    ohm=st.floats(0.0, 0.05),
    asked=st.lists(st.tuples(requests, st.floats(0.0, 20.0)), min_size=1, max_size=25),
)
def test_whatever_is_asked_for_stays_within_request_and_station(
    kind: str, soc: float, ohm: float, asked: list[tuple[HardwareAction, float]]
) -> None:
    bench = Bench(kind, battery=Battery(soc=soc, resistance_ohm=ohm))
    bench.join()
    limits = PRESETS[kind].limits
    for action, seconds in asked:
        bench.tell_station(action)
        for _ in range(3):
            seen = bench.station.measure(bench.now)
            power_w = seen.voltage_v * abs(seen.current_a)
            if isinstance(action, SetPower) and seen.current_a != 0.0:
                assert abs(seen.current_a) <= abs(action.current_a) * EXACT
                assert power_w <= action.power_w * EXACT + 1e-9
                assert math.copysign(1.0, seen.current_a) == math.copysign(1.0, action.current_a)
                if seen.current_a > 0.0:
                    assert seen.voltage_v <= action.voltage_v * EXACT
                else:
                    assert seen.voltage_v >= action.voltage_v / EXACT
            assert abs(seen.current_a) <= limits.maximum_charge_current_a
            assert power_w <= limits.maximum_charge_power_w
            bench.run(seconds / 3.0)
    record = bench.circuit.record
    assert record.beyond_station == 0
    assert record.peak_power_w <= limits.maximum_charge_power_w
    assert record.peak_discharge_power_w <= limits.maximum_discharge_power_w
    assert record.maximum_voltage_v <= limits.maximum_voltage_v
    meter, battery = bench.station.meter, bench.battery
    assert meter.charged_wh == pytest.approx(battery.charged_wh, rel=1e-9, abs=1e-9)
    assert meter.discharged_wh == pytest.approx(battery.discharged_wh, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from(sorted(PRESETS)),
    soc=st.floats(0.0, 95.0),
    power_kw=st.one_of(st.none(), st.floats(50.0, 3750.0)),
    dynamic=st.booleans(),
    set_points=st.lists(st.one_of(st.none(), st.floats(-4e6, -1e4)), min_size=1, max_size=6),
)
def test_a_vehicles_own_wishes_never_hurt_it(
    kind: str, soc: float, power_kw: float | None, dynamic: bool, set_points: list[float | None]
) -> None:
    battery = Battery(
        capacity_wh=60_000.0,
        soc=soc,
        target_soc=95.0,
        constant_power_w=None if power_kw is None else power_kw * 1e3,
    )
    bench = Bench(kind, battery=battery)
    bench.join()
    floor_wh = min(battery.stored_wh, battery.capacity_wh * battery.minimum_soc / 100.0)
    for set_point in set_points:
        bench.set_point_w = set_point
        for _ in range(60):
            bench.turn(dynamic=dynamic)
            assert battery.stored_wh >= floor_wh - 1e-6
            assert battery.soc <= 95.0
    assert bench.circuit.record.beyond_vehicle == bench.circuit.record.beyond_station == 0


def test_the_current_rises_with_the_ramp_and_not_faster() -> None:
    bench = Bench("ccs2")
    bench.join()
    bench.tell_station(SetPower(875.0, 500.0, 400_000.0))
    for second in range(1, 10):
        bench.run(1.0)
        assert bench.circuit.current_a == pytest.approx(25.0 * second)


def test_a_lowered_bound_holds_at_once() -> None:
    bench = Bench("mcs-max")
    bench.join()
    bench.tell_station(SetPower(875.0, 2000.0, 3e6))
    bench.run(20.0)
    bench.tell_station(SetPower(875.0, 300.0, 3e6))
    assert bench.station.measure(bench.now).current_a == 300.0


def test_a_derated_station_keeps_the_new_limits_at_once_and_says_so() -> None:
    bench = Bench("mcs-max")
    bench.join()
    bench.tell_station(SetPower(875.0, 2000.0, 3e6))
    bench.run(20.0)
    lower = StationLimits(
        maximum_charge_power_w=500_000.0, maximum_charge_current_a=1000.0, maximum_voltage_v=1250.0
    )
    bench.station.derate(lower, bench.now)
    seen = bench.station.measure(bench.now)
    assert seen.voltage_v * seen.current_a <= 500_000.0
    bench.run(10.0)
    assert [event.limits for event in bench.events if hasattr(event, "limits")] == [lower]
    assert bench.station.limits is lower
    assert bench.circuit.record.beyond_station == 0


def test_a_charge_only_station_takes_nothing_back() -> None:
    bench = Bench("mcs-max", bidirectional=False)
    assert not bench.station.limits.bidirectional
    bench.join()
    bench.tell_station(SetPower(600.0, -1000.0, 1e6))
    bench.run(30.0)
    assert bench.circuit.current_a == 0.0


@pytest.mark.parametrize(
    "bad",
    [
        (math.nan, 1.0, 1.0),
        (800.0, math.nan, 1.0),
        (800.0, 1.0, math.inf),
        (800.0, -math.inf, 1.0),
        (-1.0, 1.0, 1.0),
        (800.0, 1.0, -1.0),
    ],
)
def test_set_points_that_are_no_quantities_never_reach_the_supply(bad: tuple[float, float, float]) -> None:
    bench = Bench()
    bench.join()
    with pytest.raises(MisuseError):
        bench.station.perform(SetPower(*bad), bench.now)
    bench.run(10.0)
    assert bench.circuit.current_a == 0.0


def test_an_orderly_stop_ramps_and_an_emergency_blocks() -> None:
    took = {}
    for urgency in Urgency:
        bench = Bench("mcs-max")
        bench.join()
        bench.tell_station(SetPower(875.0, 3000.0, 3e6))
        bench.run(20.0)
        assert bench.circuit.current_a == 3000.0
        start = bench.now
        bench.tell_station(StopPower(urgency))
        while bench.circuit.current_a > 0.0:
            bench.run(0.005)
        took[urgency] = bench.now - start
    assert took[Urgency.ORDERLY] == pytest.approx(1.0, abs=0.02)
    assert took[Urgency.EMERGENCY] <= 0.0151


def test_the_output_is_below_60_v_one_second_after_opening() -> None:
    bench = Bench("mcs-max")
    bench.join()
    bench.part()
    assert bench.station.measure(bench.now).voltage_v < 60.0
    assert bench.vehicle.measure(bench.now).voltage_v < 60.0
