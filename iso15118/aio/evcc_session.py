"""The session of a vehicle with messages, made of what its ports say when it begins."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from iso15118.aio.ports import readings
from iso15118.aio.ports.coupling_calls import coupled
from iso15118.aio.ports.guard import Port, describe
from iso15118.aio.ports.inverter import abilities_of
from iso15118.aio.ports.value_added import wanted_of
from iso15118.errors import HardwareError
from iso15118.evcc import EvccSession

if TYPE_CHECKING:
    from iso15118.evcc import EvccConfig
    from iso15118.pnc.vehicle_contracts import VehicleContracts
    from iso15118.session.ports import Vehicle
    from iso15118.session.ticket import EvccTicket

__all__ = ["new_session"]


def new_session(
    config: EvccConfig,
    vehicle: Vehicle,
    contracts: VehicleContracts | None,
    *,
    resume: EvccTicket | None,
    epoch: float | None,
) -> EvccSession:
    """``epoch``: what must be added to the loop's clock to get Unix time, in s; None: as the system's
    clock says. Raises ``HardwareError`` for what a port says that fits into no session."""
    if epoch is None:
        epoch = time.time() - asyncio.get_running_loop().time()
    battery = Port(vehicle.battery, "battery")
    limits = charger = None
    if vehicle.inlet is not None:
        limits = battery.read("limits", readings.vehicle_limits)
    if vehicle.charger is not None:
        charger = Port(vehicle.charger, "charger").read("limits", readings.charger_limits)
    mobility, receiver = coupled(vehicle)
    state = battery.read("state", readings.battery)
    inverter, wanted = abilities_of(vehicle), wanted_of(vehicle)
    try:
        return EvccSession(
            config,
            limits,
            state,
            epoch=epoch,
            contracts=contracts,
            resume=resume,
            charger=charger,
            inverter=inverter,
            value_added=wanted,
            mobility=mobility,
            receiver=receiver,
        )
    except Exception as error:  # whatever does not fit into a session of what the battery says
        raise HardwareError(f"battery: {describe(error)}") from error
