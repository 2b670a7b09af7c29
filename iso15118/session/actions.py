"""Everything a session can ask for: messages to send, requests to the hardware, news for the application.

``session.handle`` returns them in the order in which they must be carried out: whatever makes the hardware
safe stands before
whatever talks or waits. All quantities are SI floats; current and power are positive towards the vehicle.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from iso15118.energy.grid_functions import DsoSetPoint
from iso15118.moved import renamed
from iso15118.pnc.contracts import ContractClaim
from iso15118.vocabulary import Action

from .ac_limits import AcBounds, ChargerBounds
from .der import GridCode
from .value_added import Guidance

__all__ = [
    "Action",
    "ChargingNeeds",
    "CloseContactors",
    "CloseTransport",
    "EndReason",
    "EvccidMismatch",
    "FollowGrid",
    "GridReported",
    "HardwareAction",
    "InverterDeclared",
    "MeteringConfirmed",
    "MeteringRefused",
    "Notify",
    "OpenContactors",
    "ParkingSpaceShown",
    "PeerDeviates",
    "PreCharge",
    "ReadMeter",
    "RequestAuthorization",
    "RequestContractAuthorization",
    "RequestContractCertificate",
    "Send",
    "ServicesSelected",
    "SessionEnded",
    "SessionResumed",
    "SetAcPower",
    "SetCharger",
    "SetPower",
    "SignalReady",
    "StartCableCheck",
    "StateEntered",
    "StopPower",
    "StoreContract",
    "SupervisionWarning",
    "Urgency",
    "UseSchema",
    "VehicleChecksIn",
    "VehicleChecksOut",
    "VehicleDisplay",
]


# -- the link


class Send(Action, frozen=True):
    """Encode and send this message."""

    message: Any


class UseSchema(Action, frozen=True):
    """From the next message on, the link speaks this edition ("iso20-dc"); the answer to the negotiation goes
    out before it."""

    edition: str


class CloseTransport(Action, frozen=True):
    """Close the connection: at once, or after the peer did, waiting for it at most ``grace_s`` seconds
    [V2G20-1643]."""

    grace_s: float = 0.0


# -- requests to the hardware


class Urgency(Enum):
    """How fast the current has to go."""

    ORDERLY = "ramp down"
    EMERGENCY = "as fast as the hardware can"


class HardwareAction(Action, frozen=True):
    """Base of the requests that a port carries out."""


class StartCableCheck(HardwareAction, frozen=True):
    """Test the insulation of the cable at this voltage in V (``CableCheckFinished`` answers); ``deadline`` on
    the session's clock. ``insulation_ohm``: the least resistance in ohm with which the cable is good, 100 kOhm for CCS and
    125 kOhm for MCS (IEC 61851-23-3 CC.4.1.4). ``number``: which check of the session this is, from 1 on; its answer carries the same."""

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
    """Hold these bounds at the output: voltage in V, current in A and power in W (magnitude), all three of them at any time.

    A positive current charges: voltage is the upper bound. A negative current discharges: voltage is the
    lower bound. With 0 A nothing flows either way. The current keeps within the power at the present voltage, so that a supply
    that knows voltage and current only exceeds the power by no more than the voltage rises until the next bounds come;
    ``discharging`` says the direction where the sign of the current cannot, at 0 A; a negative current always discharges.
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
    """Station: what the vehicle was told that it may take and give, per phase. An outlet without electronics of its own only learns how
    many phases to connect and what to watch; bounds of 0 stand before its contactors close."""

    bounds: AcBounds


class SetCharger(HardwareAction, frozen=True):
    """Vehicle: what the on-board charger is to take or give, per phase. ``StopPower`` takes it back."""

    bounds: ChargerBounds


class StopPower(HardwareAction, frozen=True):
    """Current to zero. Always the first action of an end."""

    urgency: Urgency


class ReadMeter(HardwareAction, frozen=True):
    """Read the energy meter (``MeterRead`` answers)."""


class RequestAuthorization(HardwareAction, frozen=True):
    """Ask terminal or backend whether this vehicle may charge (``AuthorizationDecided`` answers)."""

    evccid: str
    """How the vehicle introduced itself: anybody may call himself so."""
    certificate_name: str = ""
    """Common name of the certificate that it proved in TLS, in ISO 15118-20 its EVCCID [V2G20-2598]; empty if it has proven none."""


class RequestContractAuthorization(HardwareAction, frozen=True):
    """Ask the backend whether this contract pays (``ContractDecided`` answers). Asked again when a paused session goes on, which waits for
    no answer then: a refusal ends it, and no answer changes nothing."""

    claim: ContractClaim


class RequestContractCertificate(HardwareAction, frozen=True):
    """Hand the vehicle's request for a contract to the contract-certificate service (``ContractCertificateAnswered`` answers);
    ``deadline`` on the session's clock, ``schema`` the schema set of the request: of "iso2" it is the whole V2GMessage, and so is the
    answer."""

    request: Any
    deadline: float
    schema: str = "iso20-common"


class StoreContract(HardwareAction, frozen=True):
    """Vehicle: keep this contract and its key (a ``pki.Credential``, whose repr hides the key)."""

    contract: Any


class SignalReady(HardwareAction, frozen=True):
    """Vehicle: show state C (ready for energy) or B on the control pilot, CE on MCS."""

    ready: bool


# -- news for the application


class EndReason(Enum):
    """Why a session ended: one stable list for logs, backends and tests."""

    STOPPED_BY_EV = "the vehicle ended the session"
    STOPPED_BY_STATION = "the station ended the session"
    PAUSED = "the session is paused"
    PROTOCOL_NEGOTIATION_FAILED = "no common protocol"
    AUTHORIZATION_FAILED = "not authorized"
    PARAMETERS_NOT_ACCEPTED = "charge parameters do not fit"
    CABLE_CHECK_FAILED = "the cable check failed"
    PRE_CHARGE_FAILED = "pre-charge did not reach the voltage"
    CONTACTOR_FAILED = "a contactor did not switch"
    SEQUENCE_ERROR = "a message out of sequence"
    UNKNOWN_SESSION = "a message of another session"
    REFUSED = "the other side refused a request"
    UNDECODABLE = "bytes that are no message"
    TIMEOUT = "the other side was silent for too long"
    ONGOING_TOO_LONG = "the other side was not ready in time"
    PEER_VANISHED = "the connection was lost"
    HARDWARE_FAULT = "the hardware failed"
    SIGNAL_LOST = "the control pilot left the charging states"
    EMERGENCY = "emergency shutdown"
    INTERNAL_ERROR = "a fault of this software"

    @property
    def orderly(self) -> bool:
        """The session went as one of the two sides wanted."""
        return self in (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_STATION, EndReason.PAUSED)


class FollowGrid(HardwareAction, frozen=True):
    """Vehicle: the inverter follows these functions and this set point of the grid's operator from now on, and none but these. None: no
    grid code was agreed on, or it holds no more."""

    code: GridCode | None
    set_point: DsoSetPoint = DsoSetPoint()


class Notify(Action, frozen=True):
    """Base of the news; a driver may hand them to the application or drop them."""


class StateEntered(Notify, frozen=True):
    """The session waits in another state now."""

    state: str


class ChargingNeeds(Notify, frozen=True):
    """Station: the vehicle said what it needs, in Wh from now: to its target, at most, at least; departure in
    s from now, if known."""

    target_wh: float
    maximum_wh: float
    minimum_wh: float
    departure_s: float | None = None


class VehicleDisplay(Notify, frozen=True, kw_only=True):
    """Station: what the vehicle lets it show to the customer (DisplayParameters); told again when it changes.
    None: not said.

    States of charge in percent, times in s from now, energy in Wh.
    """

    present_soc: int | None = None
    minimum_soc: int | None = None
    target_soc: int | None = None
    maximum_soc: int | None = None
    to_minimum_s: int | None = None
    to_target_s: int | None = None
    to_maximum_s: int | None = None
    charging_complete: bool | None = None
    capacity_wh: float | None = None
    inlet_hot: bool | None = None


class GridReported(Notify, frozen=True, kw_only=True):
    """Station: the vehicle's inverter sees something else of the grid than before. ``events``: GridEventCondition or DERAlarmStatus, as
    bits (0: nothing); ``enabled``: the functions that are on, as bits, where it says so."""

    events: int
    in_service: bool = True
    connected: bool = True
    enabled: int | None = None


class InverterDeclared(Notify, frozen=True, kw_only=True):
    """Station: what the vehicle said of its inverter before the charge. ``functions``: those that it follows, as bits of the chosen
    service; of AC_DER_IEC the texts are empty."""

    functions: int
    manufacturer: str = ""
    model: str = ""
    serial_number: str = ""
    certified: bool = False
    normal_category: str = ""
    abnormal_category: str = ""


class EvccidMismatch(Notify, frozen=True):
    """Station: the vehicle goes by another name than its certificate says; ``SeccConfig.evccid_mismatch`` decides what comes of it."""

    evccid: str
    certificate_name: str


class MeteringRefused(Notify, frozen=True):
    """Vehicle: it does not sign a meter reading, and charges on; ``reason`` is human-readable."""

    meter_id: str
    reason: str


class MeteringConfirmed(Notify, frozen=True):
    """Station: the vehicle signed a meter reading with the key of its contract."""

    emaid: str
    meter_id: str
    charged_wh: float
    message: Any
    """The MeteringConfirmationReq as received: element and signature."""


class ServicesSelected(Notify, frozen=True):
    """The vehicle chose these value-added services, each by its id and that of its parameter set (None: it has none). Told on both sides;
    empty: those that were chosen before are no longer in use, as when another service is chosen or the session ends."""

    services: tuple[tuple[int, int | None], ...]


class ParkingSpaceShown(Notify, frozen=True):
    """Vehicle: where it is to go in the parking space that it checks in to."""

    guidance: Guidance


class VehicleChecksIn(Notify, frozen=True, kw_only=True):
    """Station: the vehicle drives into its parking space (ParkingStatus of ISO 15118-20). ``status``: "CheckIn", "Processing" or
    "Completed"; ``method``: "AutoParking", "MVGuideManual" or "Manual". The numbers as the vehicle says them; None: not said. Where it is
    to go is answered by ``ParkingGuidance``."""

    status: str
    method: str
    vehicle_frame: int | None = None
    device_offset: int | None = None
    vehicle_travel: int | None = None


class VehicleChecksOut(Notify, frozen=True, kw_only=True):
    """Station: the vehicle wants to leave its parking space, or has. ``status``: "CheckOut", "Processing" or "Completed"; ``at``: when, in
    s since 1970. It is let go by ``CheckOutGranted``."""

    status: str
    at: float


class SessionResumed(Notify, frozen=True):
    """Station: the vehicle goes on with a session that it had paused, with the authorization that it had then. To withdraw that, say
    ``AuthorizationDecided(False)``, or ``ContractDecided`` with a refusal."""

    session_id: bytes
    evccid: str
    emaid: str = ""
    """The contract that pays; empty with external identification."""


class SupervisionWarning(Notify, frozen=True):
    """A measured value, or what the peer does, broke a rule of the supervision that only warns. ``rule`` is its stable name
    (``session.supervision.Rule``), ``detail`` is human-readable."""

    rule: str
    detail: str


class PeerDeviates(Notify, frozen=True):
    """The other side does not do what the standard says, and it was tolerated. ``name`` is stable, ``detail`` is human-readable."""

    name: str
    detail: str


class SessionEnded(Notify, frozen=True):
    """The session is over; hardware was told to be safe before this. ``detail`` is human-readable, ``reason`` for
    programs, and so is ``rule``: the name of the supervision's rule (``session.supervision.Rule``) that ended it, empty for
    any other cause."""

    reason: EndReason
    detail: str = ""
    rule: str = ""


if not TYPE_CHECKING:  # old names, for one release
    __getattr__ = renamed(__name__, {"CloseLink": "CloseTransport"})
