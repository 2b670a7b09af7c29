"""Connectors with an AC outlet and an on-board charger for tests of basic charging,
unplugged, in virtual time."""

from __future__ import annotations

from typing import Any

from iso15118.connector import ConnectorSettings, Phase
from iso15118.connector.basic import BasicMode, BasicSettings
from iso15118.connector.news import PhaseEntered
from iso15118.evcc import EvccConfig
from iso15118.link.primitives import DataLink, Pilot, SetPilot
from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import AcCircuit, Battery, OnBoardCharger, SimulatedAcStation, SimulatedAcVehicle
from iso15118.simulation.cable import CcsCable, PlainCable
from iso15118.testing.plugged import PluggedPair, Side
from tests.connector.rig import links_of

CELLS: dict[str, Any] = {
    "capacity_wh": 20e3,
    "soc": 40.0,
    "target_soc": 41.0,
    "minimum_soc": 10.0,
    "empty_v": 330.0,
    "full_v": 420.0,
    "resistance_ohm": 0.0,
    "maximum_charge_current_a": 200.0,
    "maximum_charge_power_w": 60e3,
}
Modes = tuple[BasicMode, BasicMode]
BOTH: Modes = (BasicMode.FALLBACK, BasicMode.FALLBACK)


class BasicRig(PluggedPair):
    """With AC at both ends."""

    station: SimulatedAcStation
    vehicle: SimulatedAcVehicle


def basic_rig(
    modes: Modes = BOTH,
    *,
    kind: str = "slac",
    phases: int = 3,
    car_phases: int | None = None,
    outlet_a: float = 32.0,
    car_a: float = 16.0,
    deaf: bool = False,
    accept: bool = True,
    authorization_s: float = 0.0,
    target_soc: float = 41.0,
    links: tuple[DataLink, DataLink] | None = None,
    secc: dict[str, Any] | None = None,
    evcc: dict[str, Any] | None = None,
    **basic: Any,
) -> BasicRig:
    """An outlet of 22 kW and a car of 11 kW that wants 200 Wh. ``deaf``: the power line carries nothing."""
    circuit = AcCircuit(phases=phases)
    station = SimulatedAcStation(
        circuit,
        AcStationLimits.of(current_a=outlet_a, phases=phases),
        accept=accept,
        authorization_s=authorization_s,
    )
    charger = OnBoardCharger(AcVehicleLimits.of(current_a=car_a, phases=car_phases or phases))
    vehicle = SimulatedAcVehicle(circuit, charger, Battery(**(CELLS | {"target_soc": target_soc})))

    def cable(clock: Any) -> Any:
        return CcsCable(clock, circuit) if kind == "slac" else PlainCable(clock, circuit)

    def of(mode: BasicMode) -> ConnectorSettings:
        return ConnectorSettings(basic=BasicSettings(mode=mode, **basic))

    wishes: dict[str, Any] = {
        "services": (ServiceID.AC,),
        "control_modes": (ControlMode.SCHEDULED,),
        "target_soc": int(target_soc),
        "minimum_soc": 10,
    }
    rig = BasicRig(
        SeccConfig(**({"services": (ServiceID.AC,)} | (secc or {}))),
        EvccConfig(**(wishes | (evcc or {}))),
        station,
        vehicle,
        cable,
        links or links_of(kind),
        settings=(of(modes[0]), of(modes[1])),
    )
    if deaf:
        rig.cable.cut(True)
    rig.run(1.0)
    return rig


def shown(rig: BasicRig) -> list[tuple[float, Pilot, float | None]]:
    """What the station put on the pilot: when, what, and the duty cycle."""
    asked = list(rig.secc.journal)
    if rig.secc.basic is not None:
        asked += rig.secc.basic.journal
    pilots = [(at, action) for at, action in asked if isinstance(action, SetPilot)]
    return [(at, action.pilot, action.percent) for at, action in sorted(pilots, key=lambda one: one[0])]


def phases_of(side: Side) -> list[Phase]:
    return [action.phase for _, action in side.journal if isinstance(action, PhaseEntered)]


def when(side: Side, kind: type[act.Action]) -> list[float]:
    """When basic charging asked for this."""
    assert side.basic is not None
    return [at for at, action in side.basic.journal if isinstance(action, kind)]


def ended(side: Side) -> act.SessionEnded:
    assert side.basic is not None
    assert side.basic.session.ended is not None, side.basic.session.states
    assert side.basic.monitor.seen > 5
    return side.basic.session.ended


def until_charging(rig: BasicRig, at_least_w: float = 3_000.0, within_s: float = 60.0) -> BasicRig:
    rig.plug_in()
    assert rig.run(within_s, lambda: sum(rig.station.circuit.power_w) >= at_least_w), (
        rig.phases(),
        rig.secc.basic and rig.secc.basic.session.states,
        rig.evcc.basic and rig.evcc.basic.session.states,
    )
    rig.run(2.0)
    return rig
