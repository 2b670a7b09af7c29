"""What a session is told of a connection device, of a pad and its coil, and of the place of the vehicle;
``session.events`` has them all.

Quantities are SI floats; lengths are cm.
"""

from __future__ import annotations

from iso15118.vocabulary import Event

from .coupling import DevicePosition, VehiclePosition
from .wireless import CoilDiagnosis, PadLimits

__all__ = [
    "ConnectionDeviceChanged",
    "MobilityChanged",
    "PadLimitsChanged",
    "PadMeasured",
    "ReceiverMeasured",
    "VehiclePositionMeasured",
]


class ConnectionDeviceChanged(Event, frozen=True):
    """Station: its connection device is here now; sent when a session begins and on every change. A session
    that is never told has none."""

    position: DevicePosition


class VehiclePositionMeasured(Event, frozen=True):
    """Station: where the vehicle stands now, as the station measures it. ``at`` as in ``PowerMeasured``."""

    position: VehiclePosition
    at: float | None = None


class PadMeasured(Event, frozen=True, kw_only=True):
    """Station: present values of the pad. ``power_w``: what it sends. ``coil_a``,
    ``frequency_hz``: of its coil. ``vehicle_here``: a vehicle stands over it; None: nobody can
    tell. ``at`` as in ``PowerMeasured``."""

    power_w: float = 0.0
    coil_a: float = 0.0
    frequency_hz: float | None = None
    diagnosis: CoilDiagnosis = CoilDiagnosis.NO_ISSUE
    vehicle_here: bool | None = None
    at: float | None = None


class ReceiverMeasured(Event, frozen=True, kw_only=True):
    """Vehicle: present values of its coil. ``power_w``: what it gives to the battery; ``coil_a``,
    ``frequency_hz``: of the coil; ``voltage_v``, ``current_a``: at its output. ``in_place``: it is over a
    pad; ``pad_code``: whose code it reads there, None if it reads none. ``at`` as in ``PowerMeasured``."""

    power_w: float = 0.0
    coil_a: float = 0.0
    voltage_v: float = 0.0
    current_a: float = 0.0
    frequency_hz: float | None = None
    diagnosis: CoilDiagnosis = CoilDiagnosis.NO_ISSUE
    in_place: bool = False
    pad_code: int | None = None
    at: float | None = None


class PadLimitsChanged(Event, frozen=True):
    """Station: what the pad can send from now on."""

    limits: PadLimits


class MobilityChanged(Event, frozen=True):
    """Vehicle: whether it stands, and whether its drive is locked; sent when a session begins and on every
    change. A session that is never told belongs to a vehicle that charges by a plug."""

    stands: bool
    immobilized: bool
