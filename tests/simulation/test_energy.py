"""Energy: how long a charge takes, that nothing is lost between meter and battery, and that it comes back."""

from __future__ import annotations

import pytest

from iso15118.session.actions import SetPower
from iso15118.simulation import Battery, EnergyPlan, PlanPhase, preset

from .charging import Bench


def truck(**settings: float) -> Battery:
    return Battery(**({"capacity_wh": 540_000.0, "soc": 0.0, "target_soc": 100.0} | settings))


@pytest.mark.parametrize("dynamic", [False, True], ids=["scheduled", "dynamic"])
@pytest.mark.parametrize(
    ("kind", "power_w", "minutes"),
    [("mcs-max", 1_000_000.0, 32.4), ("mcs-max", 1_500_000.0, 21.6), ("ccs2", 350_000.0, 92.6)],
)
def test_a_constant_power_truck_takes_the_time_its_energy_needs(
    kind: str, power_w: float, minutes: float, dynamic: bool
) -> None:
    bench = Bench(kind, battery=truck(constant_power_w=power_w))
    bench.join()
    start = bench.now
    bench.charge(dynamic=dynamic)
    took_s = bench.now - start
    bench.part()
    record = bench.circuit.record
    assert took_s == pytest.approx(minutes * 60.0, rel=0.02)
    assert record.transfer_s == pytest.approx(minutes * 60.0, rel=0.02)
    assert power_w * 0.999 < record.peak_power_w <= power_w
    assert record.beyond_station == record.beyond_vehicle == 0
    assert bench.battery.soc == pytest.approx(100.0, abs=0.02)
    assert bench.battery.stored_wh <= bench.battery.capacity_wh


def test_losses_stay_below_one_percent_at_1500_kw() -> None:
    bench = Bench(battery=truck(constant_power_w=1_500_000.0))
    bench.join()
    bench.charge()
    stored_wh = bench.battery.stored_wh
    assert stored_wh < bench.battery.charged_wh < stored_wh * 1.01


@pytest.mark.parametrize("kind", ["ccs2", "mcs-gen1", "mcs-gen2", "mcs-max"])
def test_meter_and_battery_agree(kind: str) -> None:
    bench = Bench(kind, battery=truck(soc=40.0, target_soc=90.0), plan=EnergyPlan(20_000.0))
    bench.join()
    bench.charge()
    bench.part()
    meter, battery = bench.station.meter, bench.battery
    assert meter.discharged_wh == pytest.approx(20_000.0, rel=1e-3)
    assert meter.charged_wh == pytest.approx(battery.charged_wh, rel=1e-9)
    assert meter.discharged_wh == pytest.approx(battery.discharged_wh, rel=1e-9)


def test_cells_gain_what_the_terminals_took_less_the_heat() -> None:
    bench = Bench(battery=truck(soc=20.0, target_soc=80.0))
    bench.join()
    before_wh = bench.battery.stored_wh
    bench.charge()
    gained_wh = bench.battery.stored_wh - before_wh
    heat_wh = bench.battery.charged_wh - gained_wh
    # I squared R at the mean current; the current varies with voltage and taper, so only the
    # size can be told beforehand.
    hours = bench.circuit.record.transfer_s / 3600.0
    mean_a = gained_wh / hours / 790.0
    assert 0.9 < heat_wh / (mean_a**2 * 0.002 * hours) < 1.3


def test_the_loss_of_a_cable_lies_between_meter_and_battery() -> None:
    bench = Bench(battery=truck(soc=20.0, target_soc=30.0, constant_power_w=1_000_000.0), cable_ohm=0.001)
    bench.join()
    bench.charge()
    lost_wh = bench.station.meter.charged_wh - bench.battery.charged_wh
    current_a, hours = 1_000_000.0 / 775.0, bench.circuit.record.transfer_s / 3600.0
    assert lost_wh == pytest.approx(current_a**2 * 0.001 * hours, rel=0.05)


def test_a_vehicle_that_wants_more_gets_the_stations_limit() -> None:
    bench = Bench("mcs-gen1", battery=truck(soc=30.0, target_soc=70.0, constant_power_w=3_000_000.0))
    bench.join()
    bench.charge()
    record, limits = bench.circuit.record, preset("mcs-gen1").limits
    assert limits.maximum_charge_power_w * 0.999 < record.peak_power_w <= limits.maximum_charge_power_w
    assert record.peak_current_a <= limits.maximum_charge_current_a
    assert record.beyond_station == 0


def test_a_plan_takes_energy_back_in_mid_session_and_charges_again() -> None:
    plan = EnergyPlan(50_000.0)
    bench = Bench("mcs-max", battery=truck(soc=20.0, target_soc=80.0), plan=plan)
    bench.join()
    bench.charge()
    bench.part()
    assert plan.phase is PlanPhase.DONE
    assert not plan.gave_up
    assert 50_000.0 <= bench.station.meter.discharged_wh <= 50_050.0
    assert bench.battery.soc == pytest.approx(80.0, abs=0.02)
    assert bench.circuit.record.beyond_vehicle == bench.circuit.record.beyond_station == 0
    half_wh = 0.5 * 0.6 * 540_000.0
    assert bench.station.meter.charged_wh == pytest.approx(2 * half_wh + 50_000.0, rel=0.01)


def test_a_plan_gives_up_when_the_vehicle_has_nothing_to_give() -> None:
    plan = EnergyPlan(100_000.0)
    bench = Bench("mcs-max", battery=truck(soc=50.0, target_soc=60.0, minimum_soc=50.0), plan=plan)
    bench.join()
    bench.charge()
    assert plan.gave_up
    assert 0.0 < bench.station.meter.discharged_wh < 30_000.0
    assert bench.battery.soc == pytest.approx(60.0, abs=0.02)


def test_discharging_ends_at_the_minimum_and_not_below() -> None:
    bench = Bench("mcs-max", battery=truck(soc=12.0, target_soc=80.0, minimum_soc=10.0))
    bench.join()
    bench.set_point_w = -3_750_000.0
    lowest = bench.battery.soc
    for _ in range(1200):
        bench.turn()
        lowest = min(lowest, bench.battery.soc)
    assert lowest == pytest.approx(10.0, abs=0.02)
    assert lowest >= 10.0
    assert bench.circuit.current_a == 0.0
    assert bench.circuit.record.peak_discharge_power_w <= 3_750_000.0
    assert bench.circuit.record.beyond_vehicle == bench.circuit.record.beyond_station == 0


def test_a_taper_slows_the_last_fifth_and_constant_power_does_not() -> None:
    tapered = Bench(battery=truck(soc=80.0))
    tapered.join()
    tapered.charge()
    assert tapered.battery.state().maximum_charge_current_a == 0.0
    steady = Bench(battery=truck(soc=80.0, constant_power_w=2_400_000.0))
    steady.join()
    steady.charge()
    assert tapered.circuit.record.transfer_s > 2.0 * steady.circuit.record.transfer_s


def test_terminals_never_rise_above_the_battery_maximum() -> None:
    old = truck(soc=60.0, resistance_ohm=0.03, maximum_voltage_v=862.0)
    bench = Bench(battery=old)
    bench.join()
    bench.charge()
    assert bench.circuit.record.maximum_voltage_v <= 862.0
    assert bench.circuit.record.beyond_vehicle == 0


# The last seconds before the target are paced for the charge loop, so they take as
# long on any clock: five seconds.
@pytest.mark.parametrize(("time_scale", "tolerance"), [(10.0, 0.03), (60.0, 0.2)])
def test_a_faster_plant_gives_the_same_charge_in_less_time(time_scale: float, tolerance: float) -> None:
    slow = Bench(battery=truck(soc=20.0, constant_power_w=1_000_000.0))
    fast = Bench(battery=truck(soc=20.0, constant_power_w=1_000_000.0), time_scale=time_scale)
    took = {}
    for bench in (slow, fast):
        bench.join()
        start = bench.now
        bench.charge()
        took[bench] = bench.now - start
        bench.part()
    assert took[slow] / took[fast] == pytest.approx(time_scale, rel=tolerance)
    assert fast.circuit.record.transfer_s == pytest.approx(slow.circuit.record.transfer_s, rel=tolerance)
    assert fast.battery.soc == pytest.approx(100.0, abs=0.05)
    assert fast.circuit.record.beyond_vehicle == fast.circuit.record.beyond_station == 0


def test_one_long_step_books_what_many_short_ones_do() -> None:
    many, one = (Bench(battery=truck(soc=20.0)) for _ in range(2))
    for bench in (many, one):
        bench.join()
        state = bench.vehicle.battery_state(bench.now)
        bench.tell_station(SetPower(state.target_voltage_v, 1500.0, 900_000.0))
    for _ in range(400):
        many.run(0.25)
    one.run(100.0)
    assert one.battery.charged_wh == pytest.approx(many.battery.charged_wh, rel=1e-6)
    assert one.station.meter.charged_wh == one.battery.charged_wh
