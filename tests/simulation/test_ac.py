"""The simulated AC circuit by itself: phases, ramps, what charger and battery allow, energies, and
the ways in which it fails."""

from __future__ import annotations

import pytest

from iso15118.energy.ac import NOTHING, each
from iso15118.errors import ConfigError, MisuseError
from iso15118.session.ac_limits import AcBounds, AcStationLimits, AcVehicleLimits, ChargerBounds
from iso15118.session.actions import (
    CloseContactors,
    OpenContactors,
    PreCharge,
    SetAcPower,
    SetCharger,
    StopPower,
    Urgency,
)
from iso15118.session.events import AcLimitsChanged, ContactorsChanged, SignalChanged, SignalState
from iso15118.simulation import (
    AcCircuit,
    Battery,
    ContactorFault,
    OnBoardCharger,
    SimulatedAcStation,
    SimulatedAcVehicle,
)
from tests.pair.ac_rig import PACK


class Bench:
    """An outlet and a vehicle without sessions."""

    def __init__(self, phases: int = 3, *, efficiency: float = 1.0, **pack: float) -> None:
        self.circuit = AcCircuit(phases=phases)
        outlet = AcStationLimits.of(current_a=32.0, phases=phases, discharge_a=32.0)
        car = AcVehicleLimits.of(current_a=16.0, phases=phases, discharge_a=16.0)
        self.phases, self.now = phases, 0.0
        self.station = SimulatedAcStation(self.circuit, outlet)
        self.vehicle = SimulatedAcVehicle(
            self.circuit, OnBoardCharger(car, efficiency=efficiency), Battery(**(PACK | pack))
        )

    def close(self, phases: int | None = None) -> None:
        self.station.perform(SetAcPower(AcBounds(phases=phases or self.phases)), self.now)
        self.station.perform(CloseContactors(1.0), self.now)
        self.let_pass(0.1)

    def take(self, watts: float, phases: int | None = None) -> None:
        used = phases or self.phases
        bounds = ChargerBounds(phases=used, power_w=each(watts / used, used), current_a=each(16.0, used))
        self.vehicle.perform(SetCharger(bounds), self.now)

    def let_pass(self, seconds: float) -> None:
        self.now += seconds
        self.station.advance(self.now)
        self.vehicle.advance(self.now)

    @property
    def total_w(self) -> float:
        return sum(self.circuit.power_w)


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_power_follows_with_a_ramp_in_both_directions(phases: int, sign: float) -> None:
    bench = Bench(phases)
    bench.close()
    bench.take(sign * 3_000.0 * phases)
    bench.let_pass(0.3)
    assert bench.total_w == pytest.approx(sign * 1_500.0)
    bench.let_pass(5.0)
    assert bench.total_w == pytest.approx(sign * 3_000.0 * phases)
    shown = bench.station.measure(bench.now)
    assert max(shown.current_a) == pytest.approx(3_000.0 / 230.0)
    assert shown.voltage_v == each(230.0, phases)
    assert shown.total_w == pytest.approx(sign * 3_000.0 * phases)


@pytest.mark.parametrize("efficiency", [1.0, 0.92])
@pytest.mark.parametrize("watts", [9_000.0, -9_000.0])
def test_no_energy_is_lost_without_a_name(efficiency: float, watts: float) -> None:
    bench = Bench(efficiency=efficiency)
    bench.close()
    bench.take(watts)
    for seconds in (0.01, 0.3, 1.0, 7.77, 100.0, 33.3):
        bench.let_pass(seconds)
    meter, battery = bench.station.meter, bench.vehicle.battery
    metered = meter.charged_wh - meter.discharged_wh
    stored = battery.charged_wh - battery.discharged_wh
    assert metered == pytest.approx(stored + bench.vehicle.charger.lost_wh, rel=1e-9)
    assert (bench.vehicle.charger.lost_wh > 1.0) is (efficiency < 1.0)
    assert metered == pytest.approx(watts * 141.0 / 3600.0, rel=0.02)


def test_nothing_flows_through_an_open_contactor_or_without_a_word() -> None:
    bench = Bench()
    bench.take(9_000.0)
    bench.let_pass(5.0)
    assert bench.total_w == 0.0
    assert bench.station.measure(bench.now).voltage_v == NOTHING
    bench.close()
    bench.let_pass(5.0)
    assert bench.total_w == pytest.approx(9_000.0)
    bench.vehicle.perform(StopPower(Urgency.ORDERLY), bench.now)
    bench.let_pass(5.0)
    assert bench.total_w == 0.0


def test_an_orderly_opening_waits_for_the_current_and_an_emergency_does_not() -> None:
    for urgency, loaded in ((Urgency.ORDERLY, 0), (Urgency.EMERGENCY, 1)):
        bench = Bench()
        bench.close()
        bench.take(9_000.0)
        bench.let_pass(5.0)
        bench.vehicle.perform(StopPower(Urgency.ORDERLY), bench.now)
        bench.station.perform(OpenContactors(urgency, "test"), bench.now)
        bench.let_pass(5.0)
        assert not bench.station.outlet.closed
        assert bench.station.outlet.opened_under_load == loaded


def test_below_its_minimum_a_charger_takes_nothing() -> None:
    bench = Bench()
    bench.close()
    for watts, taken in ((4_100.0, 0.0), (4_140.0, 4_140.0), (20_000.0, 11_040.0), (-4_000.0, 0.0)):
        bench.take(watts)
        bench.let_pass(6.0)
        assert bench.total_w == pytest.approx(taken), watts


def test_a_full_battery_takes_nothing_and_an_empty_one_gives_nothing() -> None:
    full = Bench(soc=42.0)
    full.close()
    full.take(9_000.0)
    full.let_pass(5.0)
    assert full.total_w == 0.0
    empty = Bench(soc=10.0)
    empty.close()
    empty.take(-9_000.0)
    empty.let_pass(5.0)
    assert empty.total_w == 0.0


def test_long_steps_do_not_pass_the_target() -> None:
    bench = Bench()
    bench.close()
    bench.take(11_000.0)
    bench.let_pass(3_600.0)
    assert bench.vehicle.battery.complete
    assert bench.vehicle.battery.soc == pytest.approx(42.0, abs=0.01)


def test_one_phase_of_three() -> None:
    bench = Bench()
    bench.close(phases=1)
    bench.take(3_000.0, phases=1)
    bench.let_pass(5.0)
    assert bench.circuit.power_w == pytest.approx((3_000.0, 0.0, 0.0))
    assert bench.station.measure(bench.now).voltage_v == (230.0, 0.0, 0.0)


def test_a_phase_that_is_lost_carries_nothing() -> None:
    bench = Bench()
    bench.close()
    bench.take(9_000.0)
    bench.let_pass(5.0)
    bench.station.lose_phase(2, bench.now)
    events = bench.station.advance(bench.now)
    (changed,) = [event for event in events if isinstance(event, AcLimitsChanged)]
    assert changed.limits.maximum_charge_power_w == (7_360.0, 7_360.0, 0.0)
    bench.let_pass(2.0)
    assert bench.circuit.power_w == pytest.approx((3_000.0, 3_000.0, 0.0))


def test_contactors_that_fail() -> None:
    bench = Bench()
    bench.station.outlet.fault = ContactorFault.STUCK_OPEN
    bench.close()
    assert ContactorsChanged(False) not in bench.station.perform(CloseContactors(1.0), bench.now)
    assert not bench.station.outlet.closed
    welded = Bench()
    welded.close()
    welded.station.outlet.fault = ContactorFault.WELDED
    welded.station.perform(OpenContactors(Urgency.EMERGENCY, "test"), welded.now)
    welded.let_pass(1.0)
    assert welded.station.outlet.closed


def test_unplugged_under_load() -> None:
    bench = Bench()
    bench.close()
    bench.take(9_000.0)
    bench.let_pass(5.0)
    bench.circuit.unplug(bench.now)
    assert bench.total_w == 0.0
    assert bench.circuit.record.unplugged_under_load == 1
    assert SignalChanged(SignalState.A) in bench.station.advance(bench.now)


def test_what_neither_side_carries_out_is_a_misuse() -> None:
    bench = Bench()
    with pytest.raises(MisuseError):
        bench.station.perform(PreCharge(400.0, 2.0), 0.0)
    with pytest.raises(MisuseError):
        bench.vehicle.perform(PreCharge(400.0, 2.0), 0.0)
    for options in ({"phases": 2}, {"voltage_v": 0.0}, {"time_scale": -1.0}):
        with pytest.raises(ConfigError):
            AcCircuit(**options)
