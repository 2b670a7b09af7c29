"""Pairs for tests: a station and a vehicle of ordinary size, with the few knobs that tests turn."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import Battery, DcCircuit, EnergyPlan, SimulatedStation, SimulatedVehicle, preset
from iso15118.testing import Pair

ALL_SERVICES = (ServiceID.DC, ServiceID.DC_BPT, ServiceID.MCS, ServiceID.MCS_BPT)


def pair(
    service: ServiceID = ServiceID.DC,
    mode: ControlMode = ControlMode.SCHEDULED,
    *,
    station: str | None = None,
    battery: dict[str, Any] | None = None,
    discharge_wh: float = 0.0,
    held_back_w: float | None = None,
    least_w: float = 0.0,
    secc: dict[str, Any] | None = None,
    evcc: dict[str, Any] | None = None,
    station_options: dict[str, Any] | None = None,
    vehicle_options: dict[str, Any] | None = None,
    **options: Any,
) -> Pair:
    """A pair that has not started yet: by default a small battery, charged from 40 to 45 %. ``held_back_w``:
    the station gives no more at plug-in; ``least_w``: the least that its supply can give."""
    circuit = DcCircuit()
    megawatt = service in (ServiceID.MCS, ServiceID.MCS_BPT)
    cells = {"capacity_wh": 100e3, "soc": 40.0, "target_soc": 45.0, "minimum_soc": 10.0} | (battery or {})
    plan = EnergyPlan(discharge_wh) if discharge_wh else None
    wishes: dict[str, Any] = {
        "services": (service,),
        "control_modes": (mode,),
        "target_soc": int(cells["target_soc"]),
        "minimum_soc": int(cells["minimum_soc"]),
    }
    offers: dict[str, Any] = {"services": ALL_SERVICES}
    kind = preset(station or ("mcs-max" if megawatt else "ccs2"))
    kind = replace(kind, limits=replace(kind.limits, minimum_charge_power_w=least_w))
    plant = SimulatedStation(circuit, kind, plan=plan, **(station_options or {}))
    if held_back_w is not None:
        plant.supply.derate(replace(plant.limits, maximum_charge_power_w=held_back_w))
    return Pair(
        SeccConfig(**(offers | (secc or {}))),
        EvccConfig(**(wishes | (evcc or {}))),
        plant,
        SimulatedVehicle(circuit, battery=Battery(**cells), **(vehicle_options or {})),
        **options,
    )
