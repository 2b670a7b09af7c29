"""What a session asks of the hardware: supply, contactors, connection device, pad and coil,
charger and the vehicle's drive.

``session.actions`` has them all, with what is asked of backends and told to the application. Quantities are
SI floats; deadlines are on the session's clock.
"""

from __future__ import annotations

from enum import Enum

from iso15118.energy.grid_functions import DsoSetPoint
from iso15118.vocabulary import Action

from .ac_limits import AcBounds, ChargerBounds
from .coupling import VehiclePosition
from .der import GridCode

__all__ = [
    "CloseContactors",
    "ConnectDevice",
    "DisconnectDevice",
    "FollowGrid",
    "GuideVehicle",
    "HardwareAction",
    "Immobilize",
    "OpenContactors",
    "PreCharge",
    "SetAcPower",
    "SetCharger",
    "SetPad",
    "SetPower",
    "SetReceiver",
    "StartCableCheck",
    "StopPower",
    "Urgency",
]


class HardwareAction(Action, frozen=True):
    """Base of the requests that a port carries out."""


class ConnectDevice(HardwareAction, frozen=True):
    """Station: bring the connection device to the vehicle by ``deadline``
    (``ConnectionDeviceChanged`` answers)."""

    deadline: float


class DisconnectDevice(HardwareAction, frozen=True):
    """Station: retract the connection device by ``deadline`` (``ConnectionDeviceChanged``
    answers); only with a dead output."""

    deadline: float


class GuideVehicle(HardwareAction, frozen=True):
    """Vehicle: where the station sees it, for whoever drives it to the place."""

    position: VehiclePosition


class Immobilize(HardwareAction, frozen=True):
    """Vehicle: lock its drive, or let it go (``MobilityChanged`` answers); the latter
    with the device home only."""

    immobile: bool


class SetPad(HardwareAction, frozen=True):
    """Station: send this power in W without a wire, as the vehicle asks and both sides can.
    ``StopPower`` takes it back."""

    power_w: float


class SetReceiver(HardwareAction, frozen=True):
    """Vehicle: take this power in W at most from its coil. ``StopPower`` takes it back."""

    power_w: float


class Urgency(Enum):
    """How fast the current has to go."""

    ORDERLY = "ramp down"
    EMERGENCY = "as fast as the hardware can"


class StartCableCheck(HardwareAction, frozen=True):
    """Test the insulation of the cable at this voltage in V (``CableCheckFinished`` answers); ``deadline`` on
    the session's clock. ``insulation_ohm``: the least resistance in ohm with which the cable is good, 100
    kOhm for CCS and 125 kOhm for MCS (IEC 61851-23-3 CC.4.1.4). ``number``: which check of the session this
    is, from 1 on; its answer carries the same."""

    voltage_v: float
    deadline: float
    insulation_ohm: float = 100_000.0
    number: int = 0


class PreCharge(HardwareAction, frozen=True):
    """Bring the output to this voltage in V with at most ``current_a`` A (the pre-charge path; main
    contactors stay open)."""

    voltage_v: float
    current_a: float


class CloseContactors(HardwareAction, frozen=True):
    """Close the main contactors by ``deadline`` (``ContactorsChanged`` answers). It is a permission: hardware
    interlocks have the last word."""

    deadline: float


class OpenContactors(HardwareAction, frozen=True):
    """Take the permission back: open as soon as the current allows, at once in an emergency. Valid in any
    state, harmless when repeated."""

    urgency: Urgency
    reason: str


class SetPower(HardwareAction, frozen=True):
    """Hold these bounds at the output: voltage in V, current in A and power in W (magnitude),
    all three of them at any time.

    A positive current charges: voltage is the upper bound. A negative current discharges: voltage is the
    lower bound. With 0 A nothing flows either way. The current keeps within the power at the present voltage,
    so that a supply that knows voltage and current only exceeds the power by no more than the voltage rises
    until the next bounds come; ``discharging`` says the direction where the sign of the current cannot, at 0
    A; a negative current always discharges.
    """

    voltage_v: float
    current_a: float
    power_w: float
    discharging: bool = False

    @property
    def takes_back(self) -> bool:
        """The vehicle gives, and the voltage is the lower bound."""
        return self.discharging or self.current_a < 0.0


class SetAcPower(HardwareAction, frozen=True):
    """Station: what the vehicle was told that it may take and give, per phase. An outlet without
    electronics of its own only learns how many phases to connect and what to watch; bounds of 0 stand
    before its contactors close."""

    bounds: AcBounds


class SetCharger(HardwareAction, frozen=True):
    """Vehicle: what the on-board charger is to take or give, per phase. ``StopPower`` takes it back."""

    bounds: ChargerBounds


class StopPower(HardwareAction, frozen=True):
    """Current to zero. Always the first action of an end."""

    urgency: Urgency


class FollowGrid(HardwareAction, frozen=True):
    """Vehicle: the inverter follows these functions and this set point of the grid's operator from now on,
    and none but these. None: the session is over, and what it was told holds no more."""

    code: GridCode | None
    set_point: DsoSetPoint = DsoSetPoint()
