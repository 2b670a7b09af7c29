"""A bus under a pantograph, for tests: ordinary sizes, with the few knobs that tests turn."""

from __future__ import annotations

from typing import Any

from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import (
    Battery,
    Bay,
    DcCircuit,
    EnergyPlan,
    PantographStation,
    PantographVehicle,
    preset,
)
from iso15118.testing import Pair

SERVICES = (ServiceID.DC_ACDP, ServiceID.DC_ACDP_BPT)


def pantograph_pair(
    service: ServiceID = ServiceID.DC_ACDP,
    mode: ControlMode = ControlMode.SCHEDULED,
    *,
    discharge_wh: float = 0.0,
    battery: dict[str, Any] | None = None,
    secc: dict[str, Any] | None = None,
    evcc: dict[str, Any] | None = None,
    bay: dict[str, Any] | None = None,
    station_options: dict[str, Any] | None = None,
    vehicle_options: dict[str, Any] | None = None,
    **options: Any,
) -> Pair:
    """A pair that has not started yet: a bus that is still 3 m away, to be charged from 40 to 45 %."""
    circuit = DcCircuit()
    place = Bay(circuit, **(bay or {}))
    cells = {"capacity_wh": 100e3, "soc": 40.0, "target_soc": 45.0, "minimum_soc": 10.0} | (battery or {})
    wishes: dict[str, Any] = {
        "services": (service,),
        "control_modes": (mode,),
        "target_soc": int(cells["target_soc"]),
        "minimum_soc": int(cells["minimum_soc"]),
    }
    plan = EnergyPlan(discharge_wh) if discharge_wh else None
    station = PantographStation(circuit, preset("ccs2"), place, plan=plan, **(station_options or {}))
    return Pair(
        SeccConfig(**({"services": SERVICES} | (secc or {}))),
        EvccConfig(**(wishes | (evcc or {}))),
        station,
        PantographVehicle(circuit, place, Battery(**cells), **(vehicle_options or {})),
        **options,
    )
