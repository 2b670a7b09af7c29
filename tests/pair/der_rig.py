"""Pairs in which the vehicle is an energy resource, and a contrary peer of each role: our own session with
what it says bent by a seed."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from typing import Any

import msgspec

from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import ac, ac_der_iec, ac_der_sae
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.der import GridCode, InverterAbilities
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import (
    AcCircuit,
    Battery,
    EnergyPlan,
    SimulatedAcStation,
    SimulatedAcVehicle,
    SimulatedInverter,
    european,
    north_american,
)
from iso15118.testing import AcPair
from tests.pair.ac_rig import PACK

IEC, SAE = ServiceID.AC_DER_IEC, ServiceID.AC_DER_SAE
DER_SERVICES = (IEC, SAE)
_DEFAULT: Any = object()


def code_of(service: ServiceID) -> GridCode:
    return european() if service is IEC else north_american(230.0, 50.0)


def der_pair(
    service: ServiceID = IEC,
    mode: ControlMode = ControlMode.DYNAMIC,
    *,
    phases: int = 3,
    grid_code: GridCode | None = _DEFAULT,
    abilities: InverterAbilities | None = None,
    discharge_wh: float = 0.0,
    battery: dict[str, Any] | None = None,
    secc: dict[str, Any] | None = None,
    evcc: dict[str, Any] | None = None,
    **options: Any,
) -> AcPair:
    """11 kW of a car at 22 kW of an outlet, charged from 40 to 42 %."""
    limits = AcStationLimits.of(current_a=32.0, phases=phases, discharge_a=32.0)
    car = AcVehicleLimits.of(current_a=16.0, phases=phases, discharge_a=16.0)
    circuit = AcCircuit(phases=phases)
    cells = PACK | (battery or {})
    plan = EnergyPlan(discharge_wh) if discharge_wh else None
    code = code_of(service) if grid_code is _DEFAULT else grid_code
    wishes: dict[str, Any] = {
        "services": (service,),
        "control_modes": (mode,),
        "target_soc": int(cells["target_soc"]),
        "minimum_soc": int(cells["minimum_soc"]),
    }
    return AcPair(
        SeccConfig(**({"services": DER_SERVICES} | (secc or {}))),
        EvccConfig(**(wishes | (evcc or {}))),
        SimulatedAcStation(circuit, limits, plan=plan, grid_code=code),
        SimulatedAcVehicle(circuit, SimulatedInverter(car, abilities), Battery(**cells)),
        **options,
    )


def inverter(pair: AcPair) -> SimulatedInverter:
    charger = pair.vehicle.charger
    assert isinstance(charger, SimulatedInverter)
    return charger


def go_on(pair: AcPair, until: float) -> None:
    """Run to this moment, or to the end."""
    pair.run(until=lambda: pair.now >= until)


class Bent:
    """One of our sessions whose messages are changed before they are sent."""

    def __init__(self, session: Any, bend: Callable[[Any], Any]) -> None:
        self._session, self._bend = session, bend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def handle(self, event: Any, now: float) -> list[act.Action]:
        return self._bent(self._session.handle(event, now))

    def handle_timeout(self, now: float) -> list[act.Action]:
        return self._bent(self._session.handle_timeout(now))

    def _bent(self, actions: list[act.Action]) -> list[act.Action]:
        return [act.Send(self._bend(one.message)) if type(one) is act.Send else one for one in actions]


def bend_station(pair: AcPair, bend: Callable[[Any], Any]) -> AcPair:
    """``bend`` gets every message of the station."""
    pair.secc = Bent(pair.secc, bend)  # type: ignore[assignment]
    pair._ends = (pair.to_secc, pair.to_evcc, pair.secc, pair.evcc, pair.station, pair.vehicle)
    return pair


def bend_vehicle(pair: AcPair, bend: Callable[[Any], Any]) -> AcPair:
    """``bend`` gets every message of the vehicle."""
    pair.evcc = Bent(pair.evcc, bend)  # type: ignore[assignment]
    pair._ends = (pair.to_secc, pair.to_evcc, pair.secc, pair.evcc, pair.station, pair.vehicle)
    return pair


# -- contrary by a seed ------------------------------------------------------------------------------------

_ODD = (0.0, 0.001, -3.5, 12.3456, 230.0, 49.9, 1e4, -1e9, 3e7, 65_535.0)


def _shaken(rng: random.Random, value: Any, depth: int = 0) -> Any:
    """One or two of the numbers, flags, literals and optional elements in it are others, all of
    them legal in the schema."""
    if not isinstance(value, msgspec.Struct) or depth > 6:
        return value
    names = [name for name in value.__struct_fields__ if name != "header"]
    rng.shuffle(names)
    for name in names:
        old = getattr(value, name)
        kind = type(old).__name__
        new: Any = old
        if kind == "RationalNumber":
            new = rational(rng.choice(_ODD))
        elif isinstance(old, bool):
            new = not old
        elif kind == "CurveDataPointsList":
            points = list(old.curve_data_point)
            rng.shuffle(points)
            new = type(old)(curve_data_point=tuple(points[: rng.randint(2, len(points))]))
        elif isinstance(old, msgspec.Struct):
            new = _shaken(rng, old, depth + 1)
        elif isinstance(old, int) and not isinstance(old, enum.Enum):
            new = rng.choice((0, 1, 99, 255))
        elif isinstance(old, enum.Enum):
            new = rng.choice(list(type(old).__members__.values()))
        if new != old:
            return msgspec.structs.replace(value, **{name: new})
    return value


def contrary(rng: random.Random, pair: AcPair, *, station: bool, share: float = 0.02) -> AcPair:
    """A peer that now and then says something else of the grid code, of its limits
    or of itself than it means."""

    def bend(message: Any) -> Any:
        fields: dict[type, str] = {
            ac.ACChargeParameterDiscoveryRes: "ac_cpd_res_energy_transfer_mode",
            ac.ACChargeParameterDiscoveryReq: "ac_cpd_req_energy_transfer_mode",
            ac.ACChargeLoopRes: "cl_res_control_mode",
            ac.ACChargeLoopReq: "cl_req_control_mode",
        }
        field = fields.get(type(message))
        often = (
            0.5
            if type(message) in (ac.ACChargeParameterDiscoveryRes, ac.ACChargeParameterDiscoveryReq)
            else share
        )
        if field is None or rng.random() >= often:
            return message
        mode = getattr(message, field)
        if isinstance(mode, ac_der_iec.DERACCPDResEnergyTransferMode) and rng.random() < 0.7:
            mode = msgspec.structs.replace(mode, der_control=_shaken(rng, mode.der_control))
        elif isinstance(mode, ac_der_sae.DERACCPDResEnergyTransferMode) and rng.random() < 0.7:
            mode = msgspec.structs.replace(mode, der_control_cpd_res=_shaken(rng, mode.der_control_cpd_res))
        else:
            mode = _shaken(rng, mode)
        return msgspec.structs.replace(message, **{field: mode})

    return bend_station(pair, bend) if station else bend_vehicle(pair, bend)
