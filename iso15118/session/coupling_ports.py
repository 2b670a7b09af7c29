"""What a team with a connection device, such as a pantograph, implements: the device and a sensor for the
vehicle's place at the station, and the drive's lock in the vehicle.

As with the other ports (``session.ports``): methods that take time are coroutines with a deadline, properties
answer at once, and hardware interlocks never depend on these calls.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from .coupling import DevicePosition, VehiclePosition
from .events import MobilityChanged

__all__ = ["ConnectionDevicePort", "MobilityPort", "VehiclePositionPort"]


@runtime_checkable
class ConnectionDevicePort(Protocol):
    """The station's automatic connection device. It is moved while contactors are
    open and nothing flows only."""

    async def connect(self) -> bool:
        """Bring it to the vehicle; True when it is in contact, False when it could not be."""
        ...

    async def disconnect(self) -> bool:
        """Retract it; True when it is home. Must be harmless when it is home already, and while a movement is
        under way, which it contradicts."""
        ...

    @property
    def position(self) -> DevicePosition:
        """Where it is now, as fed back by its own sensors."""
        ...


@runtime_checkable
class VehiclePositionPort(Protocol):
    """What measures where a vehicle stands under the connection device."""

    @property
    def present(self) -> VehiclePosition:
        """Where it stands now, and whether it is the vehicle that is talked to."""
        ...


@runtime_checkable
class MobilityPort(Protocol):
    """The vehicle's drive, as far as charging needs it: whether it stands, and a lock."""

    def guide(self, position: VehiclePosition) -> None:
        """The station sees the vehicle here: for a display, or for whatever drives it to its place."""
        ...

    async def immobilize(self, immobile: bool) -> None:
        """Lock the drive, or let it go. It is let go only when the device is home; a session that ends
        otherwise leaves it locked, and whoever drives has to see for himself."""
        ...

    @property
    def present(self) -> MobilityChanged:
        """Whether it stands and is held now."""
        ...
