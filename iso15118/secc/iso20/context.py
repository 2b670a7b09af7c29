"""What a session of ISO 15118-20 has agreed on so far, beside the facts that every edition has.

The handlers read and write it; the machine owns it. Values of the peer stand here in SI units, already
checked.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iso15118.energy.ac import Phases
from iso15118.energy.dc import Together
from iso15118.energy.grid_functions import IecGridCode
from iso15118.energy.schedule import Schedule
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import DisplayParameters, MessageHeader, MeterInfo, Receipt
from iso15118.messages.values import same_stamp_s, time_stamp
from iso15118.secc.facts import Facts
from iso15118.session.ac_limits import AcBounds, AcVehicleLimits
from iso15118.session.actions import GridReported
from iso15118.session.der import GridCode
from iso15118.session.events import MeterRead
from iso15118.session.services import SERVICES, ControlMode, EnergyService, ParameterSet, ServiceID

from .wire import LoopLimits, StationLimitsOnWire

if TYPE_CHECKING:
    from iso15118.energy.offer import ScheduleOffer
    from iso15118.secc.price_signing import PriceSigning

    from .beside import Attempt
    from .mobility import NeedsTold
    from .offers import Offered
    from .sequence import Part, State

__all__ = ["Context", "Wireless"]

_READINGS_KEPT = 8
_SCHEDULED = ControlMode.SCHEDULED


@dataclass(slots=True, kw_only=True)
class Wireless:
    """Where a vehicle is on its way over the pad."""

    paired: bool = False
    """The vehicle knows the pad, and the pad is ours."""
    aligned: bool = False
    """Power was tried, and arrives."""
    back: State | None = None
    """Where the conversation goes on once they are paired; None: nobody is being positioned."""
    since: float | None = None
    """When positioning began."""
    aligning: bool = False
    """The pad sends a little to try the position."""
    warnings: int = 0
    """How often the vehicle was told WARNING_WPT."""
    offered: tuple[Any, Any, Any] | None = None
    """The methods that the vehicle chose: positioning, pairing, alignment."""


@dataclass(slots=True, kw_only=True)
class Context:
    """The choices of one session, and the ``facts`` that they are made by."""

    facts: Facts
    part: Part
    """The family of services."""
    state: State | None = None
    """What the station waited for when the request came."""

    asked_with: object = None
    """Body of the AuthorizationReq that is being decided; its repetitions must be the same [V2G20-1582]."""
    challenge: bytes = b""
    """What a signed authorization has to contain."""
    installations: int = 0
    """Contracts that were asked for."""
    metering_due: float = 0.0
    metering_until: float | None = None
    """How long the vehicle has to confirm a reading; None: it is not asked to."""
    metering_unanswered: int = 0
    """How often it did not."""
    metering_asked: deque[tuple[MeterInfo, Receipt | None]] = field(
        default_factory=lambda: deque(maxlen=_READINGS_KEPT)
    )
    """The last readings that the vehicle was asked to confirm, each with its receipt: it may sign one
    while the next is on its way."""
    service: EnergyService | None = None
    parameter_set: ParameterSet | None = None
    discharge_channel: bool = False
    """Where charging and discharging have channels of their own: the one for discharging is chosen."""
    checks_in: cm.EvCheckInStatus | None = None
    """How far the vehicle has checked in to its parking space; None: it has not begun."""
    checks_out: cm.EvCheckOutStatus | None = None
    detailed: set[int] = field(default_factory=set)
    """Services whose ServiceDetail the vehicle has read."""

    wire: StationLimitsOnWire | None = None
    """The limits of the loop in wire types, rebuilt when they change."""
    loop_mode: Any = None
    """The control mode element of the next charge-loop response, rebuilt with ``wire``."""
    wish: Any = None
    """The control mode element of the last charge-loop request: what the bounds are computed from when a
    limit changes between two."""
    asked_v: float = 0.0
    asked_a: float = 0.0
    """Voltage and signed current that ``wish`` asks for; 0 in Dynamic mode, where it asks for neither."""
    vehicle_now: LoopLimits = field(default_factory=LoopLimits)
    """What ``wish`` leaves of the vehicle's limits."""
    both: Together = field(default_factory=Together)
    """What these and ``limits`` have in common."""
    exchanging: bool = False
    """A schedule exchange has begun, and the vehicle is told to wait for its end."""
    signing: PriceSigning | None = None
    """The prices of what is offered in this exchange are being signed."""
    offered: dict[int, Offered] = field(default_factory=dict)
    """The schedules of the last exchange by their ids; the first is the default."""
    offers_made: tuple[ScheduleOffer, ...] = ()
    """The energy manager's plans that they were made of."""
    managed: bool = False
    """They are the energy manager's; otherwise the limits of that moment."""
    tuple_id: int | None = None
    """The one that holds."""
    tolerance_w: float = 0.0
    """How far the vehicle may be off its profile by it."""
    schedule: Schedule | None = None
    """Its charging power over time, on the session's clock; None in Dynamic mode."""
    discharging: Schedule | None = None
    """What it lets the vehicle give back, as magnitudes; None: the limits alone count."""
    profile: Schedule | None = None
    """What the vehicle means to take of it."""
    exceeded_since: float | None = None
    """Since when more flows than that."""
    minimum_soc: int | None = None
    """States of charge that the vehicle last said in Dynamic mode, in percent."""
    target_soc: int | None = None
    needs_told: NeedsTold | None = None
    """What was last passed on of its needs."""
    attempt: Attempt | None = None
    """An attempt to agree on another schedule beside the charge loop."""
    renegotiate_until: float = 0.0
    """Until then the vehicle is asked for another schedule."""
    renegotiate_next: float = 0.0
    """Not before is it asked again."""

    receipt: Receipt | None = None
    """What the next reading is told with, and signed."""
    meter_silent_since: MeterRead | None = None
    """The reading after which the meter was waited for in vain."""
    meter_told: bool = False
    """A charge-loop answer of this session had a reading."""
    meter_unasked: bool = False
    """So had the last one, though the vehicle had not asked for any."""
    meter_of_interest: bool = False
    """The vehicle asks for readings, so a fresh one is kept at hand."""
    wpt: Wireless = field(default_factory=Wireless)
    """What positioning, pairing and alignment have come to."""
    display: DisplayParameters | None = None
    """What the vehicle last showed of itself."""
    ac_said: dict[str, Phases] = field(default_factory=dict)
    """AC: the vehicle's limits in its last request, and in ``ac_now`` what they leave
    of those that it declared."""
    ac_now: AcVehicleLimits | None = None
    ac_bounds: AcBounds | None = None
    """AC: what follows from the last request and the limits of now; what the next answer tells."""
    der_code: GridCode | None = None
    """The grid code that the vehicle was told, without what it does not have; with AC_DER_SAE as it stands
    after the last loop answer."""
    der_functions: int = 0
    """The functions that the vehicle has, as bits of the chosen service."""
    der_reported: GridReported | None = None
    """What its inverter last said of the grid."""
    target_told: bool = False
    """AC, Scheduled mode: the vehicle was told a target, and is from then on."""
    loops_beyond: int = 0
    """Charge loops in a row in which the vehicle asked for more than it was told."""

    _header: MessageHeader | None = None
    _header_from: float = 0.0
    _header_until: float = 0.0
    """Between these the time stamp of the header is that of now."""

    @property
    def control_mode(self) -> ControlMode:
        """The mode of the chosen parameter set; Scheduled before the choice."""
        chosen = self.parameter_set
        return chosen.control_mode if chosen is not None else _SCHEDULED

    def follow(self, number: int) -> None:
        """This schedule of those that were offered holds from now on, without a tolerance until the
        vehicle has confirmed it."""
        chosen = self.offered[number]
        self.tuple_id, self.tolerance_w = number, 0.0
        self.schedule, self.discharging = chosen.charging, chosen.discharging

    def forget_schedules(self) -> None:
        """Nothing was offered, and nothing is planned."""
        self.offered = {}
        self.schedule = self.discharging = self.profile = self.tuple_id = None
        self.offers_made, self.managed, self.exchanging, self.tolerance_w = (), False, False, 0.0
        self.signing = None

    @property
    def services(self) -> tuple[ServiceID, ...]:
        """Energy services that run over the messages of this session, in the order offered."""
        namespace = self.part.namespace
        return tuple(one for one in self.facts.config.services if SERVICES[one].namespace == namespace)

    def parameter_sets(self, service: ServiceID) -> tuple[ParameterSet, ...]:
        """What the station lists for this service."""
        code = self.facts.grid_code
        functions = int(code.functions) if isinstance(code, IecGridCode) else None
        return self.facts.config.parameter_sets(service, self.facts.ac_hardware, functions)

    @property
    def offers_contracts(self) -> bool:
        """Plug and Charge is offered in this session: never without TLS."""
        return self.facts.trust is not None and self.facts.secure

    @property
    def offers_installation(self) -> bool:
        """So is contract installation."""
        return self.facts.installs and self.offers_contracts

    def forget_authorization(self, why: str, cause: str = "") -> None:
        """The decision is told, and was no, because of ``why``; the vehicle may try again. ``cause``: a code
        of ``session.causes``."""
        self.asked_with = None
        self.facts.forget_authorization(why, cause)

    def header(self) -> MessageHeader:
        """The header of a response sent now; kept while time stamp and session id stay the same."""
        facts, header = self.facts, self._header
        if (
            header is None
            or not self._header_from <= facts.now < self._header_until
            or header.session_id != facts.session_id
        ):
            unix_s, unit = facts.now + facts.epoch, facts.config.time_stamp_unit
            stamp = time_stamp(unix_s, unit)
            header = self._header = MessageHeader(session_id=facts.session_id, time_stamp=stamp)
            self._header_from, self._header_until = facts.now, facts.now + same_stamp_s(unix_s, unit)
        return header
