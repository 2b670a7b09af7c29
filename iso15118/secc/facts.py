"""What the station's session knows whatever the edition: the clock, the peer, the hardware as reported, what
was asked of it, and wishes.

The funnel owns it and every edition reads and writes it; what an edition has agreed on beside it stands in
the edition's own context. Values of the peer stand here in SI units, already checked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from iso15118.energy.grid_functions import DsoSetPoint
from iso15118.energy.offer import ScheduleOffer
from iso15118.energy.schedule import Schedule
from iso15118.messages.values import NO_SESSION
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.session.ac_limits import AcBounds, AcStationLimits, AcVehicleLimits
from iso15118.session.actions import (
    EndReason,
    Notify,
    PeerDeviates,
    RequestAuthorization,
    VehicleDisplay,
    VehicleLeaves,
)
from iso15118.session.checks import taken_at
from iso15118.session.coupling import DevicePosition, VehiclePosition
from iso15118.session.der import GridCode
from iso15118.session.edition import Fault, Refused
from iso15118.session.events import AcMeasured, MeterRead, PadMeasured, PowerMeasured, SignalState
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.quirks import told
from iso15118.session.secured import TlsPeer
from iso15118.session.supervision import Rule
from iso15118.session.ticket import SeccTicket
from iso15118.session.value_added import Guidance, ValueAddedService
from iso15118.session.wireless import PadLimits, ReceiverLimits
from iso15118.timing import Timing

from .config import SeccConfig
from .quirks import quirks_of
from .wishes import Wishes

if TYPE_CHECKING:
    from iso15118.pki.keys.signer import Signer
    from iso15118.pnc.authorization import ContractTrust

    from .price_signing import PriceSigning

__all__ = ["Facts", "Installation"]

_FRESH_S = 1.0
"""A reading older than this says nothing about now."""
_AUTHORIZATION_S = 55.0
"""What the older editions give the driver, which is too short in the field."""


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
class Facts:
    """One session. ``epoch`` is what must be added to the session's clock to get Unix time in seconds."""

    config: SeccConfig
    timing: Timing
    """That of the edition which is spoken; before it is chosen that of ISO 15118-20."""
    hardware: StationLimits
    """What the DC output can give at best, which is offered whatever holds now; all 0 without ``has_dc``."""
    capabilities: StationLimits
    """What the station can give now; changes with LimitsChanged."""
    epoch: float = 0.0
    now: float = 0.0

    # -- who and what
    session_id: bytes = NO_SESSION
    evccid: str = ""
    certificate_name: str = ""
    """Common name of the certificate that the vehicle proved in TLS."""
    secure: bool = False
    """TLS 1.3 holds: without it there is no Plug and Charge in ISO 15118-20."""
    plain: bool = True
    """There is no TLS at all; TLS 1.2 is neither this nor ``secure``."""
    tls: TlsPeer | None = None
    """What TLS agreed on, as far as the session is told."""
    trust: ContractTrust | None = None
    """Whom the station believes about contracts; None: it does not do Plug and Charge."""
    installs: bool = False
    """There is a contract-certificate service."""
    value_added: tuple[ValueAddedService, ...] = ()
    """Services beside energy."""
    selected: tuple[tuple[int, int | None], ...] = ()
    """Those that the vehicle chose, each with its parameter set."""
    guidance: Guidance = field(default_factory=Guidance)
    """Where it is to go, as the provider of the parking space last said."""
    may_check_out: bool = False
    """It may leave its parking space."""
    tickets: tuple[SeccTicket, ...] = ()
    """Sessions that were paused here."""
    used_tickets: list[SeccTicket] = field(default_factory=list)
    """Those of them that are no longer usable."""

    # -- authorization
    authorization_requested: float | None = None
    """When the authorizer was asked; None before."""
    authorizations: int = 0
    """How often it was asked: the number of the last question."""
    authorized: bool | None = None
    """What it decided; None while it has not."""
    claim: ContractClaim | None = None
    """The contract that the backend is asked about."""
    contract_refusal: Refusal | None = None
    details_asked: int = 0
    """ServiceDetailReq since the services were listed."""
    attempts: int = 0
    """Signed authorizations that were judged, and drivers who were asked about."""
    wrong_choices: int = 0
    """Ways to be authorized that were chosen and not offered."""
    ask_after: float | None = None
    """External identification: after a refusal, when the next question may go out."""
    ask_later: bool = False
    """It was asked for before that time; it goes out with a later repetition of the request."""
    turned_down: str = ""
    """Why the vehicle was first refused, human-readable; empty once it has been authorized, and
    while nobody has refused it."""
    turned_down_cause: str = ""
    """The code of ``session.causes`` for it; empty for a driver who was refused."""
    emaid: str = ""
    """The contract that pays; empty with external identification."""
    contract: bytes = b""
    """Its certificate (DER)."""
    installation: Installation | None = None
    refusals: list[str] = field(default_factory=list)
    """Human-readable reasons for refused contracts."""

    # -- the grid code, for a vehicle that is an energy resource
    grid_code: GridCode | None = None
    """What the site asks for; None: neither of the two services is offered."""
    dso: DsoSetPoint = field(default_factory=DsoSetPoint)
    """What the operator of the grid wants now."""

    # -- limits, in SI units
    vehicle: VehicleLimits | None = None
    """What the vehicle declared before charging."""
    offered: StationLimits | None = None
    """What the station offered before charging; limits of the loop never exceed it [V2G20-2654]."""
    limits: StationLimits | None = None
    """What holds in the loop now: the offer, narrowed by the capabilities and the set-point."""
    insulation_threshold_ohm: float = 100_000.0
    """The least insulation resistance of the service that was chosen."""
    set_point_w: float | None = None
    """What the energy manager wants; None leaves it to the vehicle."""
    set_point_var: float | None = None
    """AC: what it wants of reactive power, in var of all phases; None: nothing."""

    # -- the same of an AC outlet; None where there is none, or where it is not known yet
    ac_hardware: AcStationLimits | None = None
    """What the outlet can give at best: this is offered."""
    ac_capabilities: AcStationLimits | None = None
    """What it can give now; changes with AcLimitsChanged."""
    ac_vehicle: AcVehicleLimits | None = None
    ac_offered: AcStationLimits | None = None
    ac_limits: AcStationLimits | None = None

    # -- the same of a pad; None where there is none, or where it is not known yet
    pad_hardware: PadLimits | None = None
    pad_capabilities: PadLimits | None = None
    """What it can send now; changes with PadLimitsChanged."""
    pad_vehicle: ReceiverLimits | None = None
    """What the vehicle declared."""
    pad_id: int = 0
    """The code by which the vehicle knows the pad; 0: it has none."""
    pad: PadMeasured = field(default_factory=PadMeasured)
    """Its values as last measured."""
    pad_power: float | None = None
    """The power of the last SetPad; None after StopPower."""
    pad_barred: str = ""
    """Something lies or lives over the pad, or is wrong with a coil: it sends nothing any more in this
    session, for this reason."""

    plans: tuple[Schedule, ...] = ()
    """What the energy manager plans over time, the first is the default; empty: the limits hold."""
    offers: tuple[ScheduleOffer, ...] = ()
    """The same with prices, and with what may be given back; the charging powers of
    each are one of ``plans``."""
    offers_signature: bytes | None = None
    """The provider's, over the prices that have an id."""
    asks_schedules: bool = False
    """The energy manager is asked whenever a vehicle wants schedules."""
    price_signers: tuple[Signer, ...] = ()
    """Keys of the provider that prices are signed with here."""
    signing: PriceSigning | None = None
    """A signature over prices that is on its way, or the last one."""
    keys_used: int = 0
    """How often a key was to be used: the number of the last use."""
    schedules_asked: int = 0
    """How often it was asked: the number of the last question."""
    schedules_due: float | None = None
    """Until when its answer is waited for; None: it has answered, or was not asked."""

    # -- the hardware as last reported
    signal: SignalState | None = None
    """Control pilot or CE, as last shown; None: nobody tells."""
    measured: PowerMeasured = field(default_factory=lambda: PowerMeasured(0.0, 0.0))
    measured_at: float = -1e9
    """When ``measured`` was."""
    ac_measured: AcMeasured = field(default_factory=AcMeasured)
    device: DevicePosition | None = None
    """Where the connection device is; None: there is none."""
    device_down: bool = False
    """It was told to connect, or was found away from home, and has not been told to retract since."""
    device_deadline: float = 0.0
    """By when it has to be where it was told to be."""
    position: VehiclePosition | None = None
    """Where the vehicle stands, as last measured, and when that was."""
    position_at: float = -1e9
    positioning_since: float | None = None
    """When the vehicle first asked to be positioned."""
    status_heard: float | None = None
    """When the vehicle last sent its system status, or was connected; None: not by a device."""
    status_ever: bool = False
    """It has sent one."""
    cable_checks: int = 0
    """How many were asked for in this session: the number of the last one."""
    cable_check_awaited: bool = False
    """The last one has not been taken back by a stop before it was over: what is said about it counts."""
    cable_check_asked: float | None = None
    """When the vehicle first asked for it; the output may still have to be discharged then."""
    cable_check_started: float | None = None
    cable_check_ok: bool | None = None
    """Outcome of the cable check; None while there is none."""
    cable_check_v: float = 0.0
    """The voltage in V of the last cable check that was asked for."""
    cable_limit_v: float = 0.0
    """The station's own voltage limit in V when it began: for more the cable was not checked."""
    cable_checked_v: float = 0.0
    """The greatest voltage of both sides that the last cable check was for, in V."""
    precharge_started: float | None = None
    precharge_target_v: float = 0.0
    precharge_current_a: float = 0.0
    """Both as the hardware was last asked for."""
    precharge_asked_v: float = 0.0
    """The target that the vehicle named, which may have been cut."""
    precharging: bool = False
    """PreCharge was asked for and not yet taken back."""
    contactors_closed: bool = False
    meter: MeterRead | None = None
    """The last reading, with the moment when it was taken."""
    meter_asked: float = -1e9
    """When the meter was last asked."""
    leaving: VehicleLeaves | None = None
    """Why the vehicle ended or paused the session, as it said."""
    display: VehicleDisplay | None = None
    """What the vehicle last showed of itself."""

    # -- what has been asked of the hardware
    power: tuple[float, float, float, bool] | None = None
    """The bounds of the last SetPower (V, A, W, discharging); None after StopPower."""
    ac_power: AcBounds | None = None
    """The bounds of the last SetAcPower; None after StopPower."""
    delivered: bool = False
    """PowerDelivery(Start) was granted since pre-charge: the battery holds the output."""
    reported_v: float = 0.0
    """The voltage at its inlet that the vehicle told in the charge loop."""
    energized: bool = False
    """Cable check, pre-charge or power was asked for and not yet taken back."""
    told_safe: bool = False
    """Current zero and contactors open were asked for since then."""
    told_open_at: float = -1e9
    """When that began; far in the past: never."""

    # -- leaving
    lets_go: bool = False
    """The vehicle has ended power itself: state B of the control pilot is how it lets go, and no fault."""
    utility_interrupt: bool = False
    """It is the grid that wants the session to end."""
    stop_wanted: str = ""
    """The application asked for an orderly stop, for this reason."""
    stop_asked: str = ""
    """The vehicle says on its status stream that something is wrong, which counts as the same."""
    stop_rule: str = ""
    """The supervision's rule that asked for it."""
    stop_deadline: float | None = None
    stop_notice_s: float = 0.0
    ramp_until: float | None = None
    """Until when the supply was given time at the station's own stop; None before it was looked at."""
    """An edition that tells the wish to stop ahead: for so many s more the vehicle is waited for."""
    pause_until: float = 0.0
    """Until then the vehicle is asked to pause."""
    wishes: Wishes = field(default_factory=Wishes)
    """What else is wanted of it in mid-session."""
    abort_reason: EndReason | None = None
    """Decided: the next request is answered FAILED and the session ends. No OK is sent any more."""
    abort_detail: str = ""
    abort_rule: str = ""
    abort_cause: str = ""

    news: list[Notify] = field(default_factory=list)
    """For the application, once everything else is on its way."""
    noted: set[str] = field(default_factory=set)

    def within_power(
        self, voltage_v: float, current_a: float, power_w: float, discharging: bool
    ) -> tuple[float, float, float, bool]:
        """Bounds for ``SetPower`` whose current (a magnitude here) keeps the power at the present voltage.

        The voltage is the greatest of what station and vehicle measure and of the pre-charge target, in whole
        volts upwards, so that new bounds are not needed with every breath of it: a sensor that shows too
        little, or nothing yet, then does not let too much current flow. The voltage bound itself is no use:
        it is above what is there, and would give power away.
        """
        volts = self.measured.voltage_v
        if self.reported_v > volts:
            volts = self.reported_v
        if self.precharge_target_v > volts:
            volts = self.precharge_target_v
        if power_w <= 0.0:
            current_a = 0.0
        elif volts * current_a > power_w:
            current_a = power_w / math.ceil(volts)
        return voltage_v, (-current_a if discharging and current_a > 0.0 else current_a), power_w, discharging

    def hold(self, limits: StationLimits) -> StationLimits:
        """These limits of the station hold from now on. A higher voltage than the cable was checked for waits
        for another check."""
        most_v = self.cable_limit_v
        if self.cable_check_started is not None and limits.maximum_voltage_v > most_v:
            least_v = min(limits.minimum_voltage_v, most_v)
            limits = replace(limits, maximum_voltage_v=most_v, minimum_voltage_v=least_v)
        self.limits = limits
        return limits

    @property
    def permits(self) -> bool:
        """Bounds of the charge loop are in force, those of 0 included. What a pad sends to try a position is
        none: it has the time of its phase."""
        pad = self.pad_power is not None and self.delivered
        return pad or self.power is not None or self.ac_power is not None

    @property
    def apart(self) -> bool:
        """Nothing joins the two: a connection device has not reached the vehicle, or was told to leave it,
        and nothing is asked of the output. State A of the control pilot is as it should be, though the
        position may be told a moment later."""
        return (
            self.device is not None
            and not (self.device is DevicePosition.END_POSITION and self.device_down)
            and not (self.energized or self.contactors_closed)
        )

    def decides(self, reason: EndReason) -> bool:
        """Whether it counts: the first one does, but an orderly one gives way to one that is not."""
        decided = self.abort_reason
        return decided is None or (decided.orderly and not reason.orderly)

    @property
    def dead(self) -> bool:
        """Contactors open, no current and no voltage that anybody could touch, by a
        reading of a short time ago."""
        measured, limits = self.measured, self.config.supervision
        volts = limits.beyond(Rule.CABLE_CHECK_VOLTAGE, limits.touch_safe_v)
        return (
            not self.contactors_closed
            and not self.energized
            and abs(measured.current_a) <= self.config.acdp.no_current_a
            and abs(measured.voltage_v) <= volts
            and self.now - self.measured_at <= _FRESH_S
        )

    @property
    def limits_w(self) -> tuple[float, float] | None:
        """What may flow now to the vehicle and from it, in W of all phases, whatever the current;
        None before it is agreed."""
        if (pad := self.pad_vehicle) is not None and self.pad_capabilities is not None:
            return min(pad.maximum_power_w, self.pad_capabilities.maximum_power_w), 0.0
        if (ac := self.ac_limits) is not None:
            return sum(ac.maximum_charge_power_w), sum(ac.maximum_discharge_power_w)
        limits = self.limits
        return None if limits is None else (limits.maximum_charge_power_w, limits.maximum_discharge_power_w)

    @property
    def offered_charge_w(self) -> float | None:
        """What was offered to be given, in W of all phases; None before there is an offer."""
        if self.pad_vehicle is not None and self.pad_hardware is not None:
            return min(self.pad_vehicle.maximum_power_w, self.pad_hardware.maximum_power_w)
        if self.ac_offered is not None:
            return sum(self.ac_offered.maximum_charge_power_w)
        return None if self.offered is None else self.offered.maximum_charge_power_w

    @property
    def offered_discharge_w(self) -> float | None:
        """What was offered to be taken back, in W of all phases; None before there is an offer."""
        if self.pad_vehicle is not None:
            return 0.0
        if self.ac_offered is not None:
            return sum(self.ac_offered.maximum_discharge_power_w)
        return None if self.offered is None else self.offered.maximum_discharge_power_w

    @property
    def measured_w(self) -> float:
        """What flows, in W; negative from the vehicle."""
        if self.pad_vehicle is not None:
            return self.pad.power_w
        if self.ac_limits is not None:
            return self.ac_measured.total_w
        return self.measured.voltage_v * self.measured.current_a

    @property
    def has_dc(self) -> bool:
        """There is a DC output."""
        return self.hardware.maximum_voltage_v > 0.0

    @property
    def has_ac(self) -> bool:
        """There is an AC outlet."""
        return self.ac_hardware is not None

    @property
    def unix_time(self) -> float | None:
        """Seconds since 1970; None if nobody said what the clock's zero is."""
        return self.now + self.epoch if self.epoch else None

    def take_meter(self, reading: MeterRead) -> None:
        """The energy meter was read."""
        last = self.meter.at if self.meter is not None else None
        taken = taken_at(reading.at, self.now, -math.inf if last is None else last)
        if taken is not None:
            self.meter = reading if taken == reading.at else replace(reading, at=taken)

    def know_vehicle(self, evccid: str) -> None:
        """The vehicle introduces itself; one that the settings know has settings of its own from now on."""
        self.evccid = evccid
        self.config, found = quirks_of(self.config, evccid)
        self.news += [told(one.title, evccid, one.changes) for one in found]

    def one_detail_more(self) -> Refused | None:
        """A vehicle asks about a service once more; why it is asked no longer to go on with that."""
        self.details_asked += 1
        most = self.config.most_service_details
        why = f"more than {most} ServiceDetailReq (session.most_service_details)"
        return Refused(Fault.FAILED, EndReason.SEQUENCE_ERROR, why) if self.details_asked > most else None

    def one_choice_more(self) -> Refused | None:
        """A vehicle chooses a way to be authorized that is not offered; why it may not choose again."""
        self.wrong_choices += 1
        most = self.config.authorization_attempts
        why = f"more than {most} choices of an authorization that is not offered (session.authorization_attempts)"
        too_many = self.wrong_choices > most
        return Refused(Fault.FAILED, EndReason.AUTHORIZATION_FAILED, why) if too_many else None

    def ask_driver(self) -> RequestAuthorization:
        """Whoever decides about the driver is asked, once more."""
        self.authorizations += 1
        return RequestAuthorization(self.evccid, self.certificate_name, self.authorizations)

    def turn_down(self, why: str, cause: str = "") -> None:
        """The vehicle is refused because of ``why``, the first of which counts; ``cause``: a code of
        ``session.causes``."""
        if not self.turned_down:
            self.turned_down, self.turned_down_cause = why, cause

    def forget_authorization(self, why: str, cause: str = "") -> None:
        """The decision is told, and was no, because of ``why``: the vehicle may try again."""
        self.turn_down(why, cause)
        self.authorization_requested = self.authorized = None
        self.claim = self.contract_refusal = None

    def note_long_authorization(self, waited_s: float) -> None:
        """A time that only the field's preset bears with."""
        if waited_s > _AUTHORIZATION_S:
            self.note("long-authorization", f"the driver takes longer than {_AUTHORIZATION_S:g} s")

    def note_target(self, target_v: float, most_v: float) -> None:
        """A voltage target that ``SeccConfig.overvoltage_v`` bears with."""
        if target_v > most_v:
            detail = f"voltage target {target_v:g} V, own maximum {most_v:g} V, which holds"
            self.note("target-voltage", detail)

    def note(self, name: str, detail: str) -> None:
        """Tell the application once that the vehicle deviates and was understood all the same."""
        if name not in self.noted:
            self.noted.add(name)
            self.news.append(PeerDeviates(name, detail))
