"""Presets, battery and energy plan on their own."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import pytest

import iso15118.simulation
from iso15118.errors import ConfigError
from iso15118.session.events import MeterRead, SetPointChanged
from iso15118.simulation import PRESETS, Battery, DcCircuit, EnergyPlan, PlanPhase, SimulatedStation, preset


@pytest.mark.parametrize(
    ("name", "watts", "volts", "amperes"),
    [
        ("ccs2", 400e3, 1000.0, 500.0),
        ("mcs-gen1", 1.0e6, 1250.0, 1500.0),
        ("mcs-gen2", 2.0e6, 1250.0, 2500.0),
        ("mcs-max", 3.75e6, 1250.0, 3000.0),
    ],
)
def test_presets_have_their_envelope_both_ways(name: str, watts: float, volts: float, amperes: float) -> None:
    limits = preset(name).limits
    assert limits.maximum_charge_power_w == limits.maximum_discharge_power_w == watts
    assert limits.maximum_charge_current_a == limits.maximum_discharge_current_a == amperes
    assert limits.maximum_voltage_v == volts
    assert limits.bidirectional


@pytest.mark.parametrize(("wrong", "near"), [("mcs-gen3", "mcs-gen"), ("CCS", "ccs2"), ("megawatt", "mcs")])
def test_an_unknown_preset_names_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ConfigError) as refused:
        preset(wrong)
    assert near in refused.value.hint
    assert all(name in refused.value.hint for name in PRESETS)


def test_open_circuit_voltage_rises_from_empty_to_full() -> None:
    volts = [Battery(soc=soc).open_circuit_v for soc in range(101)]
    assert volts[0] == pytest.approx(720.0)
    assert volts[100] == pytest.approx(860.0)
    assert all(a < b for a, b in pairwise(volts))


def test_a_battery_scales() -> None:
    car = Battery(capacity_wh=60_000.0, empty_v=350.0, full_v=420.0, soc=100.0)
    assert car.open_circuit_v == pytest.approx(420.0)
    assert car.maximum_voltage_v == pytest.approx(428.4)


def test_state_reports_energies_and_limits() -> None:
    state = Battery(soc=50.0, target_soc=80.0, minimum_soc=20.0).state()
    assert state.soc == 50.0
    assert state.energy_to_target_wh == pytest.approx(162_000.0)
    assert state.energy_to_maximum_wh == pytest.approx(270_000.0)
    assert state.energy_to_minimum_wh == pytest.approx(-162_000.0)
    assert state.maximum_discharge_power_w == 3_750_000.0
    assert not state.complete


def test_a_battery_on_target_is_complete_and_wants_nothing() -> None:
    state = Battery(soc=80.0, target_soc=80.0).state()
    assert state.complete
    assert state.target_current_a == 0.0


def test_a_vehicle_that_does_not_ask_still_reports_what_it_could_take() -> None:
    state = Battery(soc=50.0).state(asking=False)
    assert state.target_current_a == 0.0
    assert state.maximum_charge_current_a == 3000.0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("soc", 101.0),
        ("soc", float("nan")),
        ("target_soc", -1.0),
        ("minimum_soc", 300.0),
        ("capacity_wh", 0.0),
        ("capacity_wh", float("inf")),
        ("empty_v", 0.0),
        ("full_v", 700.0),
        ("resistance_ohm", -0.1),
        ("constant_power_w", 0.0),
        ("maximum_charge_current_a", float("nan")),
        ("maximum_voltage_v", float("inf")),
        ("taper_floor", 0.0),
        ("taper_from_soc", 200.0),
    ],
)
def test_impossible_batteries_are_refused_by_key(key: str, value: float) -> None:
    with pytest.raises(ConfigError) as refused:
        Battery(**{key: value})
    assert refused.value.key == key


def test_a_plan_follows_the_meter() -> None:
    plan = EnergyPlan(500.0, power_w=2e6, resume_w=1e6)
    assert plan.poll(0.0, MeterRead("M", 5000.0)) is None
    plan.begin(2000.0, MeterRead("M", 5000.0), 1.5e6)
    plan.begin(9999.0, MeterRead("M", 5000.0), 9e9)
    assert plan.poll(1.0, MeterRead("M", 5999.0)) is None
    assert plan.poll(2.0, MeterRead("M", 6000.0)) == SetPointChanged(-1.5e6)
    assert plan.poll(2.1, MeterRead("M", 6000.0, 0.0)) == SetPointChanged(-0.9e6)
    assert plan.poll(2.2, MeterRead("M", 6000.0, 50.0)) is None
    assert plan.poll(3.0, MeterRead("M", 6000.0, 490.0)) == SetPointChanged(-0.03e6)
    assert plan.poll(4.0, MeterRead("M", 6000.0, 500.0)) == SetPointChanged(1e6)
    assert plan.phase is PlanPhase.DONE
    assert plan.poll(5.0, MeterRead("M", 9000.0, 900.0)) is None


def test_a_plan_that_cannot_discharge_does_nothing() -> None:
    plan = EnergyPlan(500.0)
    plan.begin(2000.0, MeterRead("M", 0.0), 0.0)
    assert plan.poll(1.0, MeterRead("M", 2000.0)) is None
    assert not plan.active


@pytest.mark.parametrize("wrong", [{"discharge_wh": 0.0}, {"discharge_wh": 1.0, "turn": 2.0}])
def test_impossible_plans_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        EnergyPlan(**wrong)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_time_scales_are_refused(scale: float) -> None:
    with pytest.raises(ConfigError):
        DcCircuit(time_scale=scale)


def test_a_circuit_has_one_station() -> None:
    circuit = DcCircuit()
    SimulatedStation(circuit, preset("ccs2"))
    with pytest.raises(ConfigError):
        SimulatedStation(circuit, preset("ccs2"))


def test_nothing_here_imports_an_event_loop_or_the_messages() -> None:
    folder = Path(iso15118.simulation.__file__).parent
    for source in folder.glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert not name.startswith(("asyncio", "socket", "ssl", "iso15118.messages", "iso15118.aio"))
