"""What joins a station and a vehicle where no plug does: an automatic connection device such as a pantograph,
the place where the vehicle stands, and whether it may move.

Values only, without messages. Lengths are cm, as ISO 15118-20 has them; X is across the
driving direction and Y along it.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

__all__ = ["DevicePosition", "MobilityStatus", "PositioningPlace", "VehiclePosition"]


class DevicePosition(Enum):
    """Where the moving part of the connection device is."""

    HOME = "retracted: the vehicle may drive"
    MOVING = "on its way"
    END_POSITION = "in contact with the vehicle"


class VehiclePosition(Struct, frozen=True, kw_only=True):
    """Where a vehicle stands under the connection device, as the station measures it.

    ``x_cm`` and ``y_cm``: how far it is off, across and along its driving direction. ``window_x_cm`` and
    ``window_y_cm``: how far off it may be for a contact. ``in_position``: it is near enough. ``associated``:
    the vehicle that stands here is the one that is talked to; False: another one does.
    """

    x_cm: float = 0.0
    y_cm: float = 0.0
    window_x_cm: float = 0.0
    window_y_cm: float = 0.0
    in_position: bool = False
    associated: bool = True


class MobilityStatus(Enum):
    """What EVMobilityStatus true says. Public sources disagree: the one running implementation ends
    positioning when it is true, so there it says that the vehicle stands; by its name it could say
    that the vehicle can move."""

    STANDS = "the vehicle stands"
    CAN_MOVE = "the vehicle can move"

    def says(self, stands: bool) -> bool:
        """The flag for a vehicle that stands, or does not; and the other way round."""
        return stands if self is MobilityStatus.STANDS else not stands


class PositioningPlace(Enum):
    """Where ACDP_VehiclePositioning, or the positioning and pairing of WPT, stand in the order of messages.
    It is not settled in any public source: one running implementation sends ACDP_VehiclePositioning right
    after SessionSetup, another accepts it only once a service is chosen. For WPT nobody has published a
    session; pairing tells which pad is meant, so that it has to come before anybody pays."""

    BEFORE_AUTHORIZATION = "between SessionSetup and AuthorizationSetup"
    AFTER_SERVICE_SELECTION = "once the service is chosen"
