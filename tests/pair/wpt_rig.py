"""A car over a pad, for tests: ordinary sizes, with the few knobs that tests turn."""

from __future__ import annotations

from typing import Any

from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.wireless import PadLimits, ReceiverLimits
from iso15118.simulation import Battery, WirelessCircuit, WirelessStation, WirelessVehicle
from iso15118.testing import Pair

CAR = {
    "empty_v": 330.0,
    "full_v": 420.0,
    "maximum_charge_current_a": 60.0,
    "maximum_charge_power_w": 20_000.0,
}


def pad_pair(
    mode: ControlMode = ControlMode.SCHEDULED,
    *,
    battery: dict[str, Any] | None = None,
    secc: dict[str, Any] | None = None,
    evcc: dict[str, Any] | None = None,
    circuit: dict[str, Any] | None = None,
    pad: dict[str, Any] | None = None,
    receiver: dict[str, Any] | None = None,
    station_options: dict[str, Any] | None = None,
    **options: Any,
) -> Pair:
    """A pair that has not started yet: a car that is still 2 m away, to be charged
    from 40 to 45 % with 11 kW."""
    gap = WirelessCircuit(**(circuit or {}))
    cells: dict[str, Any] = CAR | {"capacity_wh": 20e3, "soc": 40.0, "target_soc": 45.0} | (battery or {})
    station = WirelessStation(
        gap, PadLimits(**({"maximum_power_w": 11_000.0} | (pad or {}))), **(station_options or {})
    )
    vehicle = WirelessVehicle(
        gap,
        ReceiverLimits(**({"maximum_power_w": 11_000.0} | (receiver or {}))),
        Battery(**cells),
        reads=lambda: station.id_code,
    )
    wishes: dict[str, Any] = {
        "services": (ServiceID.WPT,),
        "control_modes": (mode,),
        "target_soc": int(cells["target_soc"]),
    }
    return Pair(
        SeccConfig(**({"services": (ServiceID.WPT,)} | (secc or {}))),
        EvccConfig(**(wishes | (evcc or {}))),
        station,
        vehicle,
        **options,
    )
