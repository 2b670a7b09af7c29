"""The session of a vehicle that charges by the duty cycle, made of what its ports say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iso15118.aio.ports import readings
from iso15118.aio.ports.guard import Port
from iso15118.connector.basic import BasicVehicle
from iso15118.errors import HardwareError

if TYPE_CHECKING:
    from iso15118.connector.basic import BasicSettings
    from iso15118.session import ports
    from iso15118.session.supervision import SupervisionLimits

__all__ = ["basic_vehicle"]


def basic_vehicle(
    vehicle: ports.Vehicle, settings: BasicSettings, supervision: SupervisionLimits, percent: float | None
) -> BasicVehicle:
    """``percent``: the duty cycle now. Raises ``HardwareError`` if a port does not say what it has to."""
    if vehicle.charger is None:
        raise HardwareError("there is no on-board charger")
    limits = Port(vehicle.charger, "charger").read("limits", readings.charger_limits)
    state = Port(vehicle.battery, "battery").read("state", readings.battery)
    return BasicVehicle(settings, limits, state, percent=percent, supervision=supervision)
