"""Everything a session can be told: messages of the peer, answers of the hardware, commands of the
application.

Each is a small frozen value handed to ``session.handle(event, now)``; none carries a wire type except
``MessageReceived``.
All quantities are SI floats (V, A, W, Wh, s); current and power are positive towards the vehicle.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from iso15118.energy.ac import NOTHING, Phases
from iso15118.moved import renamed
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.vocabulary import Event, SignalChanged, SignalState

from .ac_limits import AcStationLimits, AcVehicleLimits
from .coupling_events import (
    ConnectionDeviceChanged,
    MobilityChanged,
    PadLimitsChanged,
    PadMeasured,
    ReceiverMeasured,
    VehiclePositionMeasured,
)
from .keys import KeyUsed
from .limits import StationLimits
from .mid_session_events import (
    Cost,
    MobilityNeedsChanged,
    NeedsChanged,
    ReceiptIssued,
    ScheduleRenegotiationRequested,
    ServiceRenegotiationRequested,
    StandbyRequested,
)
from .schedule_events import PlanChanged, SchedulesGiven, SchedulesMissing
from .secured import TlsPeer
from .site_events import (
    CheckOutGranted,
    DsoSetPointChanged,
    GridCodeChanged,
    GridConditionChanged,
    ParkingGuidance,
    SetPointChanged,
)

__all__ = [
    "AcLimitsChanged",
    "AcMeasured",
    "AuthorizationDecided",
    "BatteryChanged",
    "CableCheckFinished",
    "ChargerChanged",
    "CheckOutGranted",
    "Connected",
    "ConnectionDeviceChanged",
    "ContactorsChanged",
    "ContractCertificateAnswered",
    "ContractDecided",
    "Cost",
    "DsoSetPointChanged",
    "EmergencyShutdown",
    "Event",
    "GridCodeChanged",
    "GridConditionChanged",
    "HardwareFault",
    "InletMeasured",
    "InsulationMeasured",
    "KeyUsed",
    "LimitsChanged",
    "MessageReceived",
    "MeterRead",
    "MobilityChanged",
    "MobilityNeedsChanged",
    "NeedsChanged",
    "PadLimitsChanged",
    "PadMeasured",
    "ParkingGuidance",
    "PauseRequested",
    "PlanChanged",
    "PowerMeasured",
    "ReceiptIssued",
    "ReceiverMeasured",
    "ScheduleRenegotiationRequested",
    "SchedulesGiven",
    "SchedulesMissing",
    "SecondVoltageMeasured",
    "ServiceRenegotiationRequested",
    "SetPointChanged",
    "SignalChanged",
    "SignalState",
    "StandbyRequested",
    "StopRequested",
    "TransportLoss",
    "TransportLost",
    "Undecodable",
    "VehiclePositionMeasured",
]


# -- the link


class Connected(Event, frozen=True):
    """The transport to the peer is open. ``secure``: by TLS. ``tls``: what it agreed on; where that is not
    told, TLS 1.3 with both certificates verified."""

    secure: bool
    tls: TlsPeer | None = None

    @property
    def allows_iso20(self) -> bool:
        """TLS 1.3 holds. [V2G20-1237, V2G20-2356]"""
        return self.secure and (self.tls is None or self.tls.allows_iso20)


class MessageReceived(Event, frozen=True):
    """A message of the peer, decoded under the negotiated schema. ``beside``: it came on a stream of its own,
    such as that of a schedule renegotiation beside the charge loop."""

    message: Any
    beside: bool = False


class Undecodable(Event, frozen=True):
    """A frame of the peer that is no message of the negotiated protocol; ``reason`` says why."""

    reason: str


class TransportLoss(Enum):
    """How the connection to the peer went away."""

    CLOSED = "the peer closed the connection"
    RESET = "the connection was reset"
    TLS_ALERT = "the peer sent a TLS alert"
    LINK_DOWN = "the data link went down"
    CONNECTED_ANEW = "the vehicle connected anew: it had started again, or lost its connection without a word"


class TransportLost(Event, frozen=True):
    """The connection to the peer is gone; nothing can be sent any more."""

    how: TransportLoss


# -- answers of the hardware


class CableCheckFinished(Event, frozen=True):
    """The cable check asked for by ``StartCableCheck`` is over. ``ok``: insulation is good and the output
    is below 60 V again. ``number``: that of the ``StartCableCheck`` which this is the answer to; 0: the
    last one. The answer to an earlier one is ignored, and so is one to a check that the session has taken
    back itself by ``StopPower``."""

    ok: bool
    reason: str = ""
    number: int = 0


class ContactorsChanged(Event, frozen=True):
    """The contactors of this side report their level; sent on every change and after every request."""

    closed: bool


class PowerMeasured(Event, frozen=True):
    """Present values at the station's output: voltage in V, current in A (negative: from the vehicle).

    ``at``: when they were measured, in s on the session's clock; None: now. A value of the
    future counts as one of now.
    """

    voltage_v: float
    current_a: float
    at: float | None = None


class InletMeasured(Event, frozen=True):
    """Present values at the vehicle's inlet: voltage in V, current in A (negative: out of the battery).
    ``at`` as in ``PowerMeasured``. ``charged_wh`` and ``discharged_wh``: counters of a meter in the vehicle,
    from whenever it began to count; without one the energy is found from voltage and current."""

    voltage_v: float
    current_a: float = 0.0
    at: float | None = None
    charged_wh: float | None = None
    discharged_wh: float | None = None


class AcMeasured(Event, frozen=True, kw_only=True):
    """Present values of alternating current, at the station's outlet or at the vehicle's on-board charger:
    per phase (L1, L2, L3; with one phase L1, and 0).

    ``voltage_v``: phase to neutral. ``current_a``: effective values, 0 or more, since the direction is that
    of the power. ``power_w``: active power, negative from the vehicle. ``reactive_var``: positive where the
    vehicle absorbs it. ``one_meter``: the powers are one measurement of all phases, spread evenly, and are
    told to the other side as one sum. ``at`` as in ``PowerMeasured``.
    """

    voltage_v: Phases = NOTHING
    current_a: Phases = NOTHING
    power_w: Phases = NOTHING
    reactive_var: Phases = NOTHING
    frequency_hz: float | None = None
    one_meter: bool = False
    at: float | None = None

    @property
    def total_w(self) -> float:
        """Active power of all phases in W, negative from the vehicle."""
        return self.power_w[0] + self.power_w[1] + self.power_w[2]

    @property
    def total_var(self) -> float:
        """Reactive power of all phases in var."""
        return self.reactive_var[0] + self.reactive_var[1] + self.reactive_var[2]


class ChargerChanged(Event, frozen=True):
    """Vehicle: what the on-board charger can take and give from now on; within what it declared."""

    limits: AcVehicleLimits


class InsulationMeasured(Event, frozen=True):
    """Station: insulation resistance of the output against earth in ohm, from an insulation monitor that
    measures while energy flows; infinite where it is more than the monitor can measure. ``to_earth_v``: the
    greatest voltage between one pole and earth in V, if it is measured. ``at`` as in ``PowerMeasured``. The
    resistance holds until another one is told, so that a monitor may tell changes only; nothing notices one
    that has fallen silent."""

    resistance_ohm: float
    to_earth_v: float | None = None
    at: float | None = None


class SecondVoltageMeasured(Event, frozen=True):
    """Station: the voltage at the output in V by a second sensor, such as the energy meter, to
    compare with ``PowerMeasured``."""

    voltage_v: float
    at: float | None = None


class MeterRead(Event, frozen=True):
    """A reading of the station's energy meter: energy to and from the vehicle in Wh, with an optional
    signature of the meter. ``at``: when it was taken, on the session's clock; None: just now."""

    meter_id: str
    charged_wh: float
    discharged_wh: float = 0.0
    signature: bytes | None = None
    at: float | None = None


class BatteryChanged(Event, frozen=True):
    """The vehicle's battery reports: state of charge in percent and what it can take and give now.

    Powers in W, currents in A, voltages in V, energies in Wh; all positive. ``energy_to_*_wh`` are what the
    battery must still receive to reach its minimum, target and maximum state of charge (negative: it is
    above). ``at`` as in ``PowerMeasured``.
    """

    soc: float
    voltage_v: float
    target_voltage_v: float
    target_current_a: float
    maximum_charge_power_w: float
    maximum_charge_current_a: float
    maximum_voltage_v: float
    minimum_voltage_v: float
    energy_to_target_wh: float
    energy_to_maximum_wh: float
    energy_to_minimum_wh: float
    capacity_wh: float
    maximum_discharge_power_w: float = 0.0
    maximum_discharge_current_a: float = 0.0
    complete: bool = False
    inlet_hot: bool = False
    at: float | None = None


class HardwareFault(Event, frozen=True):
    """A port failed, raised or answered too late, or a protection tripped. Always ends the session."""

    port: str
    reason: str


# -- decisions and commands of the application


class AuthorizationDecided(Event, frozen=True):
    """The backend or the terminal decided about the driver: charge or not. ``number``: that
    of the ``RequestAuthorization`` which this is the answer to; 0: the last one. The answer
    to an earlier one is ignored."""

    accepted: bool
    number: int = 0


class ContractDecided(Event, frozen=True):
    """The backend decided about this claim; ``refusal`` is None if the contract pays. Said again later, a
    refusal withdraws; only ``Refusal.NOT_AVAILABLE`` does not, which says that nobody could be asked."""

    claim: ContractClaim
    refusal: Refusal | None = None


class ContractCertificateAnswered(Event, frozen=True):
    """The contract-certificate service answered: with its response message as it signed it, or with a
    refusal. ``request``: that of the ``RequestContractCertificate`` which this is the answer to; one to a
    request that is not pending, or to none, is ignored."""

    response: Any = None
    refusal: Refusal | None = None
    request: Any = None


class LimitsChanged(Event, frozen=True):
    """What the station can give from now on (derating, energy management)."""

    limits: StationLimits


class AcLimitsChanged(Event, frozen=True):
    """Station: what the AC outlet can give from now on (a phase lost, load management)."""

    limits: AcStationLimits


class StopRequested(Event, frozen=True):
    """The application wants an orderly end of the session. ``utility_interrupt``, at a station: it is the
    grid that wants it; a vehicle of ISO 15118-2 or DIN 70121 on DC is told so (EVSE_UtilityInterruptEvent),
    every other one only that it is to stop."""

    reason: str
    utility_interrupt: bool = False


class PauseRequested(Event, frozen=True):
    """Vehicle: pause the session as soon as that is possible, which is before power was asked for, or
    in the charge loop. Station: ask the vehicle for a pause in the charge loop; it may end the
    session instead, or charge on."""

    reason: str


class EmergencyShutdown(Event, frozen=True):
    """Power off now; the peer is told afterwards."""

    reason: str


if not TYPE_CHECKING:  # old names, for one release
    __getattr__ = renamed(__name__, {"LinkLoss": "TransportLoss", "LinkLost": "TransportLost"})
