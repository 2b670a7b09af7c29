"""What a session of ISO 15118-20 knows while it runs: the choices made so far, the hardware as last reported,
and what is still pending.

The handlers read and write it; the machine owns it. Values of the peer stand here in SI units, already
checked.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iso15118.contracts import ContractClaim, Refusal
from iso15118.energy.schedule import Schedule
from iso15118.messages.iso20.common_types import DisplayParameters, MessageHeader, MeterInfo
from iso15118.messages.values import NO_SESSION, time_stamp
from iso15118.secc.config import SeccConfig
from iso15118.session.actions import EndReason, Notify, PeerDeviates
from iso15118.session.events import MeterRead, PowerMeasured
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.secured import SecuredLink
from iso15118.session.services import ControlMode, EnergyService, ParameterSet
from iso15118.session.ticket import SeccTicket

from .wire import StationLimitsOnWire

if TYPE_CHECKING:
    from iso15118.pki.authorization import ContractTrust

__all__ = ["Context", "Installation"]

_READINGS_KEPT = 8


@dataclass(slots=True)
class Installation:
    """A vehicle's request for a contract that was passed on."""

    request: tuple[Any, ...]
    """All of it but the header: a repeated request must be the same."""
    asked: Any
    """The whole request as it was passed on, by which its answer is known."""
    deadline: float
    """After it nobody waits for the service any more."""
    answered: bool = False
    response: Any = None
    refusal: Refusal | None = None


@dataclass(slots=True, kw_only=True)
class Context:
    """One session. ``epoch`` is what must be added to the session's clock to get Unix time in seconds."""

    config: SeccConfig
    hardware: StationLimits
    """What the station can give at best: this is offered, whatever holds at the moment."""
    capabilities: StationLimits
    """What the station can give now; changes with LimitsChanged."""
    epoch: float = 0.0
    now: float = 0.0

    # -- who and what
    session_id: bytes = NO_SESSION
    evccid: str = ""
    certificate_name: str = ""
    """Common name of the certificate that the vehicle proved in TLS."""
    authorization_requested: float | None = None
    """When the authorizer was asked; None before."""
    authorized: bool | None = None
    """What it decided; None while it has not."""
    asked_with: object = None
    """Body of the AuthorizationReq that is being decided; its repetitions must be the same [V2G20-1582]."""
    secure: bool = False
    """TLS 1.3 holds: without it there is no Plug and Charge."""
    plain: bool = True
    """There is no TLS at all, which a laboratory may allow; TLS 1.2 is neither this nor ``secure``."""
    tls: SecuredLink | None = None
    """What TLS agreed on, as far as the session is told."""
    trust: ContractTrust | None = None
    """Whom the station believes about contracts; None: it does not do Plug and Charge."""
    installs: bool = False
    """There is a contract-certificate service."""
    tickets: tuple[SeccTicket, ...] = ()
    """Sessions that were paused here."""
    spent: list[SeccTicket] = field(default_factory=list)
    """Those of them that are good for nothing any more."""
    challenge: bytes = b""
    claim: ContractClaim | None = None
    """The contract that the backend is asked about."""
    contract_refusal: Refusal | None = None
    attempts: int = 0
    ask_after: float | None = None
    """External identification: after a refusal, when the next question may go out."""
    ask_later: bool = False
    """It was asked for before that time; it goes out with a later repetition of the request."""
    turned_down: bool = False
    """The last decision was no, and nobody has been authorized since."""
    """Signed authorizations that were judged."""
    emaid: str = ""
    """The contract that pays; empty with external identification."""
    contract: bytes = b""
    """Its certificate (DER)."""
    installation: Installation | None = None
    installations: int = 0
    refusals: list[str] = field(default_factory=list)
    """Why contracts were refused, for people."""
    metering_due: float = 0.0
    metering_asked: deque[MeterInfo] = field(default_factory=lambda: deque(maxlen=_READINGS_KEPT))
    """The last readings that the vehicle was asked to confirm: it may sign one while the next is on its way."""
    service: EnergyService | None = None
    parameter_set: ParameterSet | None = None
    detailed: set[int] = field(default_factory=set)
    """Services whose ServiceDetail the vehicle has read."""

    # -- limits, in SI units
    vehicle: VehicleLimits | None = None
    offered: StationLimits | None = None
    """What ChargeParameterDiscoveryRes said; limits of the loop never exceed it [V2G20-2654]."""
    limits: StationLimits | None = None
    """What holds in the loop now: the offer, narrowed by the capabilities and the set-point."""
    wire: StationLimitsOnWire | None = None
    """``limits`` in wire types, rebuilt when they change."""
    loop_mode: Any = None
    """The control mode element of the next charge-loop response, rebuilt with ``wire``."""
    wish: Any = None
    """The control mode element of the last charge-loop request: what the bounds are computed from when a
    limit changes between two."""
    schedule: Schedule | None = None
    """The charging power that was offered over time, on the session's clock; None in Dynamic mode."""
    profile: Schedule | None = None
    """What the vehicle means to take of it."""
    exceeded_since: float | None = None
    """Since when more flows than that."""
    renegotiate_until: float = 0.0
    """Until then the vehicle is asked for another schedule."""
    renegotiate_next: float = 0.0
    """Not before is it asked again."""
    set_point_w: float | None = None
    """What the energy manager wants; None leaves it to the vehicle."""

    # -- the hardware as last reported
    measured: PowerMeasured = field(default_factory=lambda: PowerMeasured(0.0, 0.0))
    cable_check_started: float | None = None
    cable_check_ok: bool | None = None
    """Outcome of the cable check; None while there is none."""
    precharge_started: float | None = None
    precharge_target_v: float = 0.0
    precharging: bool = False
    """PreCharge was asked for and not yet taken back."""
    contactors_closed: bool = False
    meter: MeterRead | None = None
    """The last reading, with the moment when it was taken."""
    meter_asked: float = -1e9
    """When the meter was last asked."""
    meter_silent_since: MeterRead | None = None
    """The reading after which the meter was waited for in vain."""
    meter_told: bool = False
    """A charge-loop answer of this session had a reading."""
    meter_of_interest: bool = False
    """The vehicle asks for readings, so a fresh one is kept at hand."""
    display: DisplayParameters | None = None
    """What the vehicle last showed of itself."""

    # -- what has been asked of the hardware
    power: tuple[float, float, float, bool] | None = None
    """The bounds of the last SetPower (V, A, W, discharging); None after StopPower."""
    delivered: bool = False
    """PowerDelivery(Start) was granted since pre-charge: the battery holds the output."""
    reported_v: float = 0.0
    """The voltage at its inlet that the vehicle told in the charge loop."""
    loops_beyond: int = 0
    """Charge loops in a row in which the vehicle asked for more than it was told."""
    energized: bool = False
    """Cable check, pre-charge or power was asked for and not yet taken back."""
    told_safe: bool = False
    """Current zero and contactors open were asked for since then."""

    # -- leaving
    stop_wanted: str = ""
    """The application asked for an orderly stop, for this reason."""
    stop_rule: str = ""
    """The supervision's rule that asked for it."""
    stop_deadline: float | None = None
    pause_until: float = 0.0
    """Until then the vehicle is asked to pause."""
    doom: EndReason | None = None
    """Decided: the next request is answered FAILED and the session ends. No OK is sent any more."""
    doom_detail: str = ""
    doom_rule: str = ""

    news: list[Notify] = field(default_factory=list)
    """For the application, once everything else is on its way."""
    noted: set[str] = field(default_factory=set)

    _header: MessageHeader | None = None

    @property
    def control_mode(self) -> ControlMode:
        """The mode of the chosen parameter set; Scheduled before the choice."""
        return self.parameter_set.control_mode if self.parameter_set is not None else ControlMode.SCHEDULED

    def within_power(
        self, voltage_v: float, current_a: float, power_w: float, discharging: bool
    ) -> tuple[float, float, float, bool]:
        """Bounds for ``SetPower`` whose current (a magnitude here) keeps the power at the present voltage.

        The voltage is the greatest of what station and vehicle measure and of the pre-charge target, in whole volts upwards, so
        that new bounds are not needed with every breath of it: a sensor that shows too little, or nothing yet, then does not let too
        much current flow. The voltage bound itself is no use: it is above what is there, and would give power away.
        """
        volts = max(self.measured.voltage_v, self.reported_v, self.precharge_target_v)
        if power_w <= 0.0:
            current_a = 0.0
        elif volts * current_a > power_w:
            current_a = power_w / math.ceil(volts)
        return voltage_v, (-current_a if discharging and current_a > 0.0 else current_a), power_w, discharging

    @property
    def offers_contracts(self) -> bool:
        """Plug and Charge is offered in this session: never without TLS."""
        return self.trust is not None and self.secure

    @property
    def offers_installation(self) -> bool:
        """So is contract installation."""
        return self.installs and self.offers_contracts

    @property
    def unix_time(self) -> float | None:
        """Seconds since 1970; None if nobody said what the clock's zero is."""
        return self.now + self.epoch if self.epoch else None

    def forget_authorization(self) -> None:
        """The decision is told, and was no: the vehicle may try again."""
        self.turned_down = True
        self.authorization_requested = self.authorized = self.asked_with = None
        self.claim = self.contract_refusal = None

    def note(self, name: str, detail: str) -> None:
        """Tell the application once that the vehicle deviates and was understood all the same."""
        if name not in self.noted:
            self.noted.add(name)
            self.news.append(PeerDeviates(name, detail))

    def header(self) -> MessageHeader:
        """The header of a response sent now; kept while time stamp and session id stay the same."""
        stamp = time_stamp(self.now + self.epoch, self.config.time_stamp_unit)
        header = self._header
        if header is None or header.time_stamp != stamp or header.session_id != self.session_id:
            header = self._header = MessageHeader(session_id=self.session_id, time_stamp=stamp)
        return header
