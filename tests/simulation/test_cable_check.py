"""The cable check: its outcomes, its voltages over time, and insulation that fails later."""

from __future__ import annotations

import pytest

from iso15118.session.actions import CloseContactors, PreCharge, SetPower, StartCableCheck, StopPower, Urgency
from iso15118.session.events import CableCheckFinished, HardwareFault

from .charging import Bench


def outcomes(bench: Bench) -> list[CableCheckFinished]:
    return [event for event in bench.events if isinstance(event, CableCheckFinished)]


def test_a_good_cable_passes_after_the_duration_of_the_check() -> None:
    bench = Bench(cable_check_s=8.0)
    bench.tell_station(StartCableCheck(950.0, bench.now + 40.0))
    bench.run(6.9)
    assert bench.station.measure(bench.now).voltage_v == 950.0
    bench.run(1.09)
    assert outcomes(bench) == []
    bench.run(0.02)
    assert outcomes(bench) == [CableCheckFinished(True)]
    assert bench.station.measure(bench.now).voltage_v < 60.0


@pytest.mark.parametrize(
    ("kind", "ohm", "ok"),
    [
        ("ccs2", 100_000.0, True),
        ("ccs2", 99_000.0, False),
        ("mcs-max", 110_000.0, False),
        ("mcs-max", 125_000.0, True),
    ],
)
def test_the_insulation_threshold_is_that_of_the_coupler(kind: str, ohm: float, ok: bool) -> None:
    bench = Bench(kind, insulation_ohm=ohm)
    bench.tell_station(StartCableCheck(900.0, bench.now + 40.0))
    bench.run(10.0)
    (outcome,) = outcomes(bench)
    assert outcome.ok is ok
    assert ("insulation" in outcome.reason) is not ok


def test_a_failed_self_test_fails_the_check() -> None:
    bench = Bench()
    bench.station.insulation.self_test_ok = False
    bench.tell_station(StartCableCheck(900.0, bench.now + 40.0))
    bench.run(10.0)
    assert "self test" in outcomes(bench)[0].reason


def test_a_voltage_beyond_the_station_fails_the_check() -> None:
    bench = Bench("ccs2")
    bench.tell_station(StartCableCheck(1200.0, bench.now + 40.0))
    bench.run(10.0)
    assert "not reached" in outcomes(bench)[0].reason


def test_voltage_at_the_inlet_before_the_check_fails_it_at_once() -> None:
    bench = Bench()
    bench.tell_vehicle(CloseContactors(bench.now + 3.0))
    bench.run(0.1)
    bench.tell_station(StartCableCheck(900.0, bench.now + 40.0))
    assert not outcomes(bench)[0].ok
    assert "before the check" in outcomes(bench)[0].reason


def test_a_stop_ends_the_check() -> None:
    bench = Bench()
    bench.tell_station(StartCableCheck(900.0, bench.now + 40.0))
    bench.run(2.0)
    bench.tell_station(StopPower(Urgency.EMERGENCY))
    assert outcomes(bench) == [CableCheckFinished(False, "stopped")]
    bench.run(20.0)
    assert len(outcomes(bench)) == 1
    assert bench.station.measure(bench.now).voltage_v < 60.0


def test_insulation_that_fails_under_power_is_a_fault_reported_once() -> None:
    bench = Bench()
    bench.join()
    bench.tell_station(SetPower(875.0, 500.0, 500_000.0))
    bench.run(5.0)
    bench.station.insulation.resistance_ohm = 80_000.0
    bench.run(0.01)
    bench.run(5.0)
    assert [event.port for event in bench.events if isinstance(event, HardwareFault)] == [
        "insulation monitor"
    ]


def test_durations_vary_with_the_seed_and_repeat_with_it() -> None:
    def ends(seed: int) -> float:
        bench = Bench(seed=seed, jitter=0.2)
        bench.tell_station(StartCableCheck(900.0, bench.now + 40.0))
        while not outcomes(bench):
            bench.run(0.01)
        return bench.now

    assert ends(1) == ends(1)
    assert len({ends(seed) for seed in range(5)}) > 1


def test_pre_charge_approaches_with_its_slope_and_holds() -> None:
    bench = Bench()
    bench.tell_station(PreCharge(780.0, 2.0))
    bench.run(1.0)
    assert bench.vehicle.measure(bench.now).voltage_v == pytest.approx(500.0)
    bench.run(1.0)
    assert bench.vehicle.measure(bench.now).voltage_v == 780.0
    assert bench.station.measure(bench.now).voltage_v == 780.0
