"""Everything a session can ask for: messages to send, requests to the hardware, news for the application.

``session.handle`` returns them in the order in which they must be carried out: whatever makes the hardware
safe stands before
whatever talks or waits. All quantities are SI floats; current and power are positive towards the vehicle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from iso15118.energy.offer import EnergyOffer
from iso15118.moved import renamed
from iso15118.pnc.contracts import ContractClaim
from iso15118.vocabulary import Action, Notify

from .ends import EndReason
from .hardware_actions import (
    CloseContactors,
    ConnectDevice,
    DisconnectDevice,
    FollowGrid,
    GuideVehicle,
    HardwareAction,
    Immobilize,
    OpenContactors,
    PreCharge,
    SetAcPower,
    SetCharger,
    SetPad,
    SetPower,
    SetReceiver,
    StartCableCheck,
    StopPower,
    Urgency,
)
from .news_beside import (
    GridReported,
    InverterDeclared,
    ParkingSpaceShown,
    ServicesSelected,
    VehicleChecksIn,
    VehicleChecksOut,
)
from .schedule_news import PowerProfileTaken, PriceTrust, ReceiptTold, ScheduleChosen, ScheduleRemark

__all__ = [
    "Action",
    "ChargingNeeds",
    "CloseContactors",
    "CloseTransport",
    "ConnectDevice",
    "DisconnectDevice",
    "EndReason",
    "EvccidMismatch",
    "EvseNotified",
    "FollowGrid",
    "GridReported",
    "GuideVehicle",
    "HardwareAction",
    "Immobilize",
    "InverterDeclared",
    "MeteringConfirmed",
    "MeteringRefused",
    "MobilityNeeds",
    "MobilityNeedsAnswered",
    "Notify",
    "OpenContactors",
    "ParkingSpaceShown",
    "PeerDeviates",
    "PowerProfileTaken",
    "PreCharge",
    "PriceTrust",
    "QuirkApplied",
    "ReadMeter",
    "ReceiptTold",
    "RequestAuthorization",
    "RequestContractAuthorization",
    "RequestContractCertificate",
    "RequestSchedules",
    "ScheduleChosen",
    "ScheduleRemark",
    "ScheduleRenegotiated",
    "Send",
    "ServiceRenegotiated",
    "ServicesSelected",
    "SessionEnded",
    "SessionResumed",
    "SetAcPower",
    "SetCharger",
    "SetPad",
    "SetPower",
    "SetReceiver",
    "SignalReady",
    "StandbyChanged",
    "StartCableCheck",
    "StateEntered",
    "StopPower",
    "StoreContract",
    "SupervisionWarning",
    "Urgency",
    "UseKey",
    "UseSchema",
    "VehicleChecksIn",
    "VehicleChecksOut",
    "VehicleDisplay",
    "VehicleLeaves",
]


# -- the link


class Send(Action, frozen=True):
    """Encode and send this message; ``beside``: on the stream of its own that it
    has beside the charge loop."""

    message: Any
    beside: bool = False


class UseSchema(Action, frozen=True):
    """From the next message on, the link speaks this edition ("iso20-dc"); the answer to the negotiation goes
    out before it."""

    edition: str


class CloseTransport(Action, frozen=True):
    """Close the connection: at once, or after the peer did, waiting for it at most ``grace_s`` seconds
    [V2G20-1643]."""

    grace_s: float = 0.0


# -- requests to the hardware


class ReadMeter(HardwareAction, frozen=True):
    """Read the energy meter (``MeterRead`` answers)."""


class RequestAuthorization(HardwareAction, frozen=True):
    """Ask terminal or backend whether this vehicle may charge (``AuthorizationDecided`` answers)."""

    evccid: str
    """How the vehicle introduced itself: anybody may call himself so."""
    certificate_name: str = ""
    """Common name of the certificate that it proved in TLS, in ISO 15118-20 its EVCCID [V2G20-2598];
    empty if it has proven none."""
    number: int = 0
    """Which question of the session this is, from 1 on: a vehicle may try again after a refusal.
    Its answer carries the same."""


class RequestContractAuthorization(HardwareAction, frozen=True):
    """Ask the backend whether this contract pays (``ContractDecided`` answers). Asked again when a paused
    session goes on, which waits for no answer then: a refusal ends it, and no answer changes nothing."""

    claim: ContractClaim


class RequestContractCertificate(HardwareAction, frozen=True):
    """Hand the vehicle's request for a contract to the contract-certificate service
    (``ContractCertificateAnswered`` answers); ``deadline`` on the session's clock, ``schema`` the schema set
    of the request: of "iso2" it is the whole V2GMessage, and so is the answer."""

    request: Any
    deadline: float
    schema: str = "iso20-common"


class RequestSchedules(HardwareAction, frozen=True):
    """Ask the energy manager for schedules (``SchedulesGiven`` answers, with the same
    ``number``); ``deadline`` on the session's clock: without an answer by then what it had
    planned before holds, or the limits."""

    needs: ChargingNeeds
    number: int
    deadline: float


class StoreContract(HardwareAction, frozen=True):
    """Vehicle: keep this contract and its key (a ``pki.Credential``, whose repr hides the key)."""

    contract: Any


class UseKey(HardwareAction, frozen=True):
    """Call ``work``, which signs or agrees on a secret with a private key (of the vehicle's, or of the
    provider whose prices a station signs), and tell what came of it (``KeyUsed.of`` does both). A key in
    a token may take its time or hang: it is used away from the loop that guards the hardware.
    ``deadline`` on the session's clock: later than that nobody waits for it. ``number``: which use of the
    session this is, from 1 on."""

    purpose: str
    work: Callable[[], Any]
    deadline: float
    number: int

    def __repr__(self) -> str:
        return f"UseKey({self.purpose!r}, deadline={self.deadline!r}, number={self.number})"


class SignalReady(HardwareAction, frozen=True):
    """Vehicle: show state C (ready for energy) or B on the control pilot, CE on MCS."""

    ready: bool


# -- news for the application


class StateEntered(Notify, frozen=True):
    """The session waits in another state now."""

    state: str


class ChargingNeeds(Notify, frozen=True):
    """Station: the vehicle said what it needs, in Wh from now: to its target, at most, at least; departure in
    s from now, if known.

    In Dynamic mode it is told again when the vehicle changes its mind. ``minimum_soc`` and ``target_soc``
    in percent, as it said them with the schedule. ``maximum_v2x_wh`` and ``minimum_v2x_wh``: energy to the
    upper and to the lower end of the range in which the vehicle lets its battery be cycled: above 0 it is
    below that end. None: not said.
    """

    target_wh: float
    maximum_wh: float
    minimum_wh: float
    departure_s: float | None = None
    departure_at: float | None = None
    """The same moment on the session's clock."""
    maximum_points: int | None = None
    """How many entries of a schedule the vehicle can take, where it says so."""
    energy_offer: EnergyOffer | None = None
    """ISO 15118-20: what it would give back over time, and what it wants for it."""
    minimum_soc: int | None = None
    target_soc: int | None = None
    maximum_v2x_wh: float | None = None
    minimum_v2x_wh: float | None = None


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


class EvseNotified(Notify, frozen=True):
    """Vehicle: the station wants something (EVSENotification); ``max_delay_s``: within which time."""

    notification: str
    max_delay_s: float


class ScheduleRenegotiated(Notify, frozen=True):
    """Both: an attempt to agree on another schedule is over. ``beside``: it ran beside the charge loop;
    ``agreed``: the new one holds; otherwise the old one stays, for ``reason``."""

    beside: bool
    agreed: bool
    reason: str = ""


class ServiceRenegotiated(Notify, frozen=True):
    """Both: the vehicle chooses a service anew in the same session."""


class StandbyChanged(Notify, frozen=True):
    """Both: the vehicle stands by, with contactors closed and no power, or no longer does."""

    standing_by: bool


class MobilityNeeds(Notify, frozen=True):
    """Vehicle: what the station was told about this charge (MobilityNeedsMode 2), and whether the vehicle
    takes it over; the rest as in ``events.MobilityNeedsChanged``."""

    departure_s: float | None = None
    minimum_soc: int | None = None
    target_soc: int | None = None
    adopted: bool = False
    reason: str = ""
    """Why not."""


class MobilityNeedsAnswered(Notify, frozen=True):
    """Station: the vehicle took over what it was told, or did not in time: then its own needs hold."""

    adopted: bool


class VehicleLeaves(Notify, frozen=True):
    """Station: the vehicle ends or pauses the session, and says why: EVTerminationCode and
    EVTerminationExplanation, its own words."""

    code: str = ""
    explanation: str = ""


class EvccidMismatch(Notify, frozen=True):
    """Station: the vehicle goes by another name than its certificate says; ``SeccConfig.evccid_mismatch``
    decides what comes of it."""

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


class SessionResumed(Notify, frozen=True):
    """Station: the vehicle goes on with a session that it had paused, with the authorization that it had
    then. To withdraw that, say ``AuthorizationDecided(False)``, or ``ContractDecided`` with a refusal."""

    session_id: bytes
    evccid: str
    emaid: str = ""
    """The contract that pays; empty with external identification."""


class SupervisionWarning(Notify, frozen=True):
    """A measured value, or what the peer does, broke a rule of the supervision that only warns. ``rule`` is
    its stable name (``session.supervision.Rule``), ``detail`` is human-readable."""

    rule: str
    detail: str


class PeerDeviates(Notify, frozen=True):
    """The other side does not do what the standard says, and it was tolerated. ``name`` is stable,
    ``detail`` is human-readable."""

    name: str
    detail: str


class QuirkApplied(Notify, frozen=True):
    """The other side is one that the settings know by its name, and is treated as they say. ``name``: of the
    quirk, ``peer``: what the other side calls itself, ``settings``: what holds in this session, such as
    "send_loop_limits = True"."""

    name: str
    peer: str
    settings: tuple[str, ...]


class SessionEnded(Notify, frozen=True):
    """The session is over; hardware was told to be safe before this. ``detail`` is human-readable, ``reason``
    for programs, and so is ``rule``: the name of the supervision's rule (``session.supervision.Rule``) that
    ended it, empty for any other cause. ``cause``: a code of ``session.causes``, where that says more than
    the reason; ``causes.cause_of`` has its row."""

    reason: EndReason
    detail: str = ""
    rule: str = ""
    cause: str = ""


if not TYPE_CHECKING:  # old names, for one release
    __getattr__ = renamed(__name__, {"CloseLink": "CloseTransport"})
