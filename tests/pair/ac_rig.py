"""Pairs with alternating current for tests: an outlet and a vehicle with an on-board
charger of ordinary size."""

from __future__ import annotations

from typing import Any

from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import (
    AcCircuit,
    Battery,
    ContactorFault,
    EnergyPlan,
    OnBoardCharger,
    SimulatedAcStation,
    SimulatedAcVehicle,
)
from iso15118.testing import AcPair

AC_SERVICES = (ServiceID.AC, ServiceID.AC_BPT)
PACK = {
    "capacity_wh": 50e3,
    "soc": 40.0,
    "target_soc": 42.0,
    "minimum_soc": 10.0,
    "empty_v": 330.0,
    "full_v": 420.0,
    "resistance_ohm": 0.05,
    "maximum_charge_current_a": 200.0,
    "maximum_charge_power_w": 60e3,
    "maximum_discharge_current_a": 200.0,
    "maximum_discharge_power_w": 60e3,
}


def ac_pair(
    service: ServiceID = ServiceID.AC,
    mode: ControlMode = ControlMode.SCHEDULED,
    *,
    phases: int = 3,
    car_phases: int | None = None,
    station_a: float = 32.0,
    car_a: float = 16.0,
    voltage_v: float = 230.0,
    frequency_hz: float = 50.0,
    uneven: bool = False,
    discharge_wh: float = 0.0,
    battery: dict[str, Any] | None = None,
    outlet: AcStationLimits | None = None,
    charger: AcVehicleLimits | None = None,
    secc: dict[str, Any] | None = None,
    evcc: dict[str, Any] | None = None,
    charger_options: dict[str, Any] | None = None,
    station_options: dict[str, Any] | None = None,
    **options: Any,
) -> AcPair:
    """A pair that has not started yet: by default 11 kW of a car at 22 kW of an
    outlet, charged from 40 to 42 %."""
    back = service is ServiceID.AC_BPT
    limits = outlet or AcStationLimits.of(
        current_a=station_a,
        phases=phases,
        nominal_voltage_v=voltage_v,
        nominal_frequency_hz=frequency_hz,
        discharge_a=station_a if back else 0.0,
    )
    car = charger or AcVehicleLimits.of(
        current_a=car_a,
        phases=car_phases or phases,
        discharge_a=car_a if back else 0.0,
        nominal_voltage_v=voltage_v,
        maximum_voltage_v=voltage_v * 1.1,
        uneven=uneven,
    )
    circuit = AcCircuit(phases=limits.phases, voltage_v=voltage_v, frequency_hz=frequency_hz)
    cells = PACK | (battery or {})
    plan = EnergyPlan(discharge_wh) if discharge_wh else None
    wishes: dict[str, Any] = {
        "services": (service,),
        "control_modes": (mode,),
        "target_soc": int(cells["target_soc"]),
        "minimum_soc": int(cells["minimum_soc"]),
    }
    return AcPair(
        SeccConfig(**({"services": AC_SERVICES} | (secc or {}))),
        EvccConfig(**(wishes | (evcc or {}))),
        SimulatedAcStation(circuit, limits, plan=plan, **(station_options or {})),
        SimulatedAcVehicle(circuit, OnBoardCharger(car, **(charger_options or {})), Battery(**cells)),
        **options,
    )


def ended(pair: AcPair) -> tuple[EndReason, EndReason]:
    assert pair.secc.ended is not None
    assert pair.evcc.ended is not None
    assert pair.secc.error is None, pair.secc.error
    assert pair.evcc.error is None, pair.evcc.error
    reasons = pair.secc.ended.reason, pair.evcc.ended.reason
    pair.let_pass(1.0)
    assert not pair.station.outlet.closed or pair.station.outlet.fault is ContactorFault.WELDED
    return reasons


def total_w(pair: AcPair) -> float:
    return sum(pair.station.circuit.power_w)


def until_charging(pair: AcPair, at_least_w: float = 3_000.0) -> AcPair:
    pair.run(until=lambda: total_w(pair) >= at_least_w)
    pair.let_pass(5.0)
    return pair
