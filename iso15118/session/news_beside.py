"""News of what goes on beside the charge: services that were chosen, a parking space, and what a
vehicle's inverter says of the grid.

``session.actions`` has them all under its own name.
"""

from __future__ import annotations

from iso15118.vocabulary import Notify

from .value_added import Guidance

__all__ = [
    "GridReported",
    "InverterDeclared",
    "ParkingSpaceShown",
    "ServicesSelected",
    "VehicleChecksIn",
    "VehicleChecksOut",
]


class GridReported(Notify, frozen=True, kw_only=True):
    """Station: the vehicle's inverter sees something else of the grid than before. ``events``:
    GridEventCondition or DERAlarmStatus, as bits (0: nothing); ``enabled``: the functions that are on,
    as bits, where it says so."""

    events: int
    in_service: bool = True
    connected: bool = True
    enabled: int | None = None


class InverterDeclared(Notify, frozen=True, kw_only=True):
    """Station: what the vehicle said of its inverter before the charge. ``functions``: those that it follows,
    as bits of the chosen service; of AC_DER_IEC the texts are empty."""

    functions: int
    manufacturer: str = ""
    model: str = ""
    serial_number: str = ""
    certified: bool = False
    normal_category: str = ""
    abnormal_category: str = ""


class ParkingSpaceShown(Notify, frozen=True):
    """Vehicle: where it is to go in the parking space that it checks in to."""

    guidance: Guidance


class VehicleChecksIn(Notify, frozen=True, kw_only=True):
    """Station: the vehicle drives into its parking space (ParkingStatus of ISO 15118-20). ``status``:
    "CheckIn", "Processing" or "Completed"; ``method``: "AutoParking", "MVGuideManual" or "Manual". The
    numbers as the vehicle says them; None: not said. Where it is to go is answered by ``ParkingGuidance``."""

    status: str
    method: str
    vehicle_frame: int | None = None
    device_offset: int | None = None
    vehicle_travel: int | None = None


class VehicleChecksOut(Notify, frozen=True, kw_only=True):
    """Station: the vehicle wants to leave its parking space, or has. ``status``: "CheckOut", "Processing" or
    "Completed"; ``at``: when, in s since 1970. It is let go by ``CheckOutGranted``."""

    status: str
    at: float


class ServicesSelected(Notify, frozen=True):
    """The vehicle chose these value-added services, each by its id and that of its parameter set (None: it
    has none). Told on both sides; empty: those that were chosen before are no longer in use, as when another
    service is chosen or the session ends."""

    services: tuple[tuple[int, int | None], ...]
