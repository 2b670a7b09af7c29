"""What a script can do: send a request and have the answer, wait for the hardware, pause. Nothing else, and
no event loop.

Each awaitable yields one step to ``EvccSession``, which resumes the script when the step is done or throws
``EndSession`` into it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from iso15118.errors import MisuseError, PkiError, V2GError
from iso15118.evcc.config import EvccConfig
from iso15118.evcc.metering import MeterWatch
from iso15118.evcc.quirks import quirks_of
from iso15118.messages.values import NO_SESSION
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import (
    Action,
    EndReason,
    PeerDeviates,
    ScheduleChosen,
    Send,
    SessionEnded,
    SupervisionWarning,
    UseKey,
)
from iso15118.session.checks import what_went_wrong
from iso15118.session.der import GridCondition, InverterAbilities
from iso15118.session.events import (
    AcMeasured,
    BatteryChanged,
    ChargerChanged,
    Event,
    GridConditionChanged,
    InletMeasured,
    KeyUsed,
    MobilityChanged,
    NeedsChanged,
    ReceiverMeasured,
    SignalState,
)
from iso15118.session.limits import VehicleLimits
from iso15118.session.quirks import told
from iso15118.session.secured import TlsPeer
from iso15118.session.services import ServiceID
from iso15118.session.supervision import AcSupervisor, VehicleSupervisor, WirelessSupervisor
from iso15118.session.ticket import EvccTicket
from iso15118.session.value_added import Guidance, WantedService
from iso15118.session.wireless import ReceiverLimits
from iso15118.timing import Timer, Timing

if TYPE_CHECKING:
    from iso15118.evcc.edition import EvccEdition
    from iso15118.pnc.vehicle_contracts import Contract, VehicleContracts

__all__ = [
    "Bound",
    "Conversation",
    "EndSession",
    "Exchange",
    "KeyUse",
    "Leave",
    "SideStream",
    "Step",
    "Until",
]


T = TypeVar("T")


class EndSession(V2GError):  # noqa: N818 - an ending, not an error
    """The session cannot go on: nothing more is sent. Raised by the conversation, or by a script that finds a
    reason."""

    def __init__(self, reason: EndReason, detail: str = "", rule: str = "", cause: str = "") -> None:
        self.reason = reason
        self.detail = detail
        self.rule = rule
        self.cause = cause
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)


class Leave(V2GError):  # noqa: N818 - a wish, not an error
    """The vehicle wants its orderly way out. ``told``: what the station is told for the detail, if less."""

    def __init__(
        self, reason: EndReason, detail: str = "", rule: str = "", cause: str = "", told: str | None = None
    ) -> None:
        self.reason = reason
        self.detail = detail
        self.rule = rule
        self.cause = cause
        self.told = detail if told is None else told
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)


class Exchange(Struct, frozen=True, gc=False):
    """Send ``request`` and wait for a ``response_type`` for ``timeout`` s. ``opens``: it is SessionSetup,
    whose answer brings the session id. ``optional``: nothing depends on the answer any more; where the
    station refuses or is silent, that is noted and the result is None. ``then``: what has to be done a moment
    behind the request, such as another state of the control pilot [V2G20-847]. ``apart``: the two have a
    stream of their own, and the script waits for them all the same."""

    request: Any
    response_type: type
    timeout: float
    state: str
    opens: bool = False
    optional: bool = False
    then: tuple[Action, ...] = ()
    apart: bool = False

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)


class Until:
    """Go on when ``ready`` says so, asked after every event, or at ``deadline``; the result is whether it did
    say so."""

    __slots__ = ("deadline", "ready")

    def __init__(self, deadline: float, ready: Callable[[], bool] | None = None) -> None:
        self.deadline = deadline
        self.ready = ready

    def is_ready(self) -> bool:
        """What is waited for has happened; a plain pause waits for nothing but its deadline."""
        return self.ready is not None and self.ready()

    def __await__(self) -> Generator[Any, Any, bool]:
        return (yield self)  # type: ignore[no-any-return]


Step = Exchange | Until


class SideStream(Struct, frozen=True, kw_only=True):
    """An exchange that goes on beside the script on a stream of its own. ``ask`` makes the request, every
    ``every_s`` seconds after an answer of ``response_type`` which ``hear`` took; without an answer for
    ``silence_s`` seconds ``lost`` is called, once."""

    response_type: type
    every_s: float
    silence_s: float
    ask: Callable[[], Any]
    hear: Callable[[Any], None]
    lost: Callable[[], None]


class Bound(Struct, frozen=True):
    """The script may be where it is until ``until``; then ``error``, or what makes it then, is thrown into
    it, whether an answer comes or not."""

    until: float
    error: Leave | EndSession | Callable[[], Leave | EndSession]
    timer: Timer = Timer.ONGOING


class KeyUse:
    """A use of a private key that was asked for. ``kind``: of what comes of it. ``then``: what to do with it,
    where the script does not wait."""

    __slots__ = ("deadline", "error", "is_over", "kind", "number", "purpose", "result", "then")

    def __init__(
        self,
        number: int,
        purpose: str,
        kind: type,
        deadline: float,
        then: Callable[[KeyUse], None] | None,
    ) -> None:
        self.number = number
        self.purpose = purpose
        self.kind = kind
        self.deadline = deadline
        self.then = then
        self.is_over = False
        self.result: Any = None
        self.error: V2GError | None = None

    def done(self, event: KeyUsed) -> None:
        """This came of it."""
        self.is_over, self.result, error = True, event.result, event.error
        if isinstance(error, PkiError | MisuseError):
            self.error = error
        elif error is not None:
            self.error = PkiError(f"the key for {self.purpose} cannot be used: {what_went_wrong(error)}")
        elif not isinstance(self.result, self.kind):
            self.error = PkiError(f"the key for {self.purpose} gave {type(self.result).__name__}")

    def late(self) -> None:
        """Nobody waits for it any more."""
        self.is_over = True
        self.error = PkiError(f"the key for {self.purpose} was not used in time (session.key_use_s)")


class Conversation:
    """The script's view of the session: what is known, and the few things that can be done."""

    def __init__(
        self,
        config: EvccConfig,
        limits: VehicleLimits,
        battery: BatteryChanged,
        epoch: float,
        contracts: VehicleContracts | None = None,
        resume: EvccTicket | None = None,
        charger: AcVehicleLimits | None = None,
    ) -> None:
        self.config = config
        self.limits = limits
        """What the vehicle declares for DC; fixed for the session. All 0 without a DC side (``has_dc``)."""
        self.charger = charger
        """What the on-board charger declares for AC; fixed for the session. None: there is none."""
        self.charger_now = charger
        """What it can take and give now, within that."""
        self.inverter: InverterAbilities | None = None
        """What the charger can do for the grid; None: nothing."""
        self.grid_condition = GridCondition()
        """What it last said of the grid."""
        self.wanted: tuple[WantedService, ...] = ()
        """Services that are taken where they are offered, beside energy."""
        self.selected: tuple[tuple[int, int | None], ...] = ()
        """Those that were chosen."""
        self.parking: frozenset[int] = frozenset()
        """The ways of parking status that were chosen: 1 check-in, 2 check-out."""
        self.guidance = Guidance()
        """Where the station last said the vehicle is to go."""
        self.charger_measured = AcMeasured()
        """Its input as last measured."""
        self.battery = battery
        """The battery as last reported."""
        self.inlet = InletMeasured(0.0)
        """The inlet as last measured."""
        self.meter = MeterWatch(config)
        """The vehicle's own count of energy, and the station's readings beside it."""
        self.counts_energy = contracts is not None
        """Without contracts no reading is ever signed, and nobody asks for the count."""
        self.unsigned: set[str] = set()
        """Why meter readings were not signed, without numbers: each reason is told once."""
        self.contactors_closed = False
        self.receiver_limits: ReceiverLimits | None = None
        """What the coil declares for wireless power; fixed for the session. None: there is none."""
        self.receiver: ReceiverMeasured | None = None
        """The coil as last measured."""
        self.wireless_supervisor: WirelessSupervisor | None = None
        self.mobility: MobilityChanged | None = None
        """Whether the vehicle stands and is held, as last told; None: it charges by a plug."""
        self.signal: SignalState | None = None
        """The control pilot as the vehicle last saw it; None: nobody tells."""
        self.apart = False
        """A connection device has not reached the vehicle yet, or is to leave it: state A of the control
        pilot is as it should be."""
        self.held = False
        """The drive has to be locked: a connection device is on its way to the vehicle, or touches it."""
        self.locked = False
        """It is."""
        self.side: SideStream | None = None
        """What is asked again and again on a stream of its own, beside the conversation."""
        self.secure = False
        """TLS 1.3 holds."""
        self.plain = True
        """There is no TLS at all; TLS 1.2 is neither this nor ``secure``."""
        self.tls: TlsPeer | None = None
        """What TLS agreed on, as far as the session is told."""
        self.now = 0.0
        self.session_id = NO_SESSION
        self.contracts = contracts
        """What the vehicle has for Plug and Charge, with what was installed in this session."""
        self.contract: Contract | None = None
        """The contract that pays."""
        self.shown = ""
        """EMAID of a contract on which the station has not decided yet, where its
        refusal ends the session."""
        self.refused = ""
        """EMAID of the contract whose refusal ended the session."""
        self.installed = 0
        """Contracts taken in this session."""
        self.chosen: ScheduleChosen | None = None
        """The schedule that the vehicle took last."""
        self.refusals: list[str] = []
        """Why contracts did not come to be, human-readable."""
        self.set_aside: tuple[str, ...] = ()
        """The same of contracts that the station was not shown; it is not told."""
        self.stop_wanted = ""
        """Not empty: somebody wants the session to end in an orderly way, for this reason."""
        self.stop_rule = ""
        """The supervision's rule that wants it."""
        self.urged = 0  # how often a rule has wanted it, whoever wanted it first
        self.bound: Bound | None = None
        """How long the script may go on with what it does."""
        self.supervisor = VehicleSupervisor(
            config.supervision,
            maximum_v=limits.maximum_voltage_v,
            charge_a=limits.maximum_charge_current_a,
            discharge_a=limits.maximum_discharge_current_a,
        )
        self.ac_supervisor = (
            None
            if charger is None
            else AcSupervisor(
                config.supervision,
                nominal_v=0.0,
                most_v=charger.maximum_voltage_v,
                where="at the charger",
            )
        )
        self.pause_wanted = ""
        """Not empty: somebody wants the session to be paused, for this reason."""
        self.resume = resume
        """The paused session that the vehicle would like to go on with."""
        self.ticket: EvccTicket | None = None
        """What to keep if the session is paused: made when the station granted it."""
        self.left: SessionEnded | None = None
        """Why the vehicle breaks off, once it does."""
        self.outbox: list[Action] = []
        """What the session will hand out with its next list of actions."""
        self.connected_at = 0.0
        """When the transport opened, on the session's clock."""
        self.departure_at: float | None = None
        """When the vehicle leaves, on the session's clock; None: nobody knows."""
        self.minimum_soc, self.target_soc = config.minimum_soc, config.target_soc
        """What the driver wants now, in percent."""
        self.needs_changed = False
        """He said so in the charge loop: a schedule that was made by what he had
        wanted before is out of date."""
        self.schedule_wanted = ""
        """Not empty: another schedule is wanted, for this reason; so for another service."""
        self.service_wanted = ""
        self.services: tuple[ServiceID, ...] = config.services
        """Acceptable services, best first."""
        self.service_changes = 0
        """How often a service was chosen anew in this session."""
        self.standby_wanted = False
        self.aside: Coroutine[Step, Any, None] | None = None
        """A script that is to run beside this one."""
        self.drop_aside = False
        """The one that runs is to be given up."""
        self.aside_free = True
        """None runs, and the station owes no answer there."""
        self.beside: type | None = None
        """The response awaited on another stream, beside the conversation."""
        self.beside_until = 0.0
        """Afterwards nobody waits for it any more."""
        self.key_uses: dict[int, KeyUse] = {}
        """Uses of private keys that are awaited, by their numbers."""
        self.keys_used = 0
        self.noted: set[str] = set()
        self.epoch = epoch
        """What must be added to ``now`` to get Unix time in s; 0 if nobody knows."""
        self.edition: EvccEdition | None = None
        """What is spoken; None until supportedAppProtocol has chosen."""
        self.edition_name = ""
        """Its name in ``EvccConfig.editions``."""
        self.timing: Timing = config.timing
        """That of the edition which is spoken; before it is chosen that of ISO 15118-20."""
        self.awaited: dict[type, tuple[type, float, str, bool, bool]] = {}
        """For the edition: what answers a request of this class, within how many s by ``timing``, in which
        state, and whether it opens the session; each is looked up once."""
        self.kept: Any = None
        """For the edition: what it does not make anew with every message."""

    @property
    def clock(self) -> float | None:
        """Seconds since 1970 to judge certificates by; None if nobody said what the clock's zero is."""
        return self.now + self.epoch if self.epoch else None

    def know_station(self, evse_id: str) -> None:
        """The station introduces itself; one that the settings know by its name has
        settings of its own from now on."""
        self.config, found = quirks_of(self.config, evse_id)
        self.act(*(told(one.title, evse_id, one.changes) for one in found))

    def remember(self, event: Event) -> None:
        """What changes nothing by itself, but what is known."""
        match event:
            case ChargerChanged(limits=limits):
                self.charger_now = limits
            case GridConditionChanged(condition=condition):
                self.grid_condition = condition
            case _:
                pass

    def act(self, *actions: Action) -> None:
        """Ask the hardware for something; whether it happened shows in the state of the hardware."""
        self.outbox.extend(actions)

    def note(self, name: str, detail: str) -> None:
        """Tell the application once that the station deviates and was understood all the same."""
        if name not in self.noted:
            self.noted.add(name)
            self.act(PeerDeviates(name, detail))

    def send_beside(self, request: Any, response_type: type) -> None:
        """Send ``request`` on a stream of its own: the script goes on, and its answer is only looked at for a
        refusal."""
        self.beside, self.beside_until = response_type, self.now + self.config.timing.message_timeout
        self.act(Send(request, beside=True))

    async def with_key(self, purpose: str, kind: type, work: Callable[[], T]) -> T:
        """What ``work`` returns, a ``kind``, which uses a private key of the vehicle's: away from here, for
        as long as the settings allow.

        Raises ``PkiError`` and ``MisuseError`` as ``work`` does; of any other error, and of a key that takes
        too long, it makes a ``PkiError``.
        """
        use = self._use_key(purpose, kind, work, None)
        if not await Until(use.deadline, lambda: use.is_over):
            use.late()
        self.key_uses.pop(use.number, None)
        if use.error is not None:
            raise use.error
        return use.result  # type: ignore[no-any-return]

    def key_beside(
        self, purpose: str, kind: type, work: Callable[[], Any], then: Callable[[KeyUse], None]
    ) -> None:
        """The same beside the script, which goes on; ``then`` is called when it is over, if it is in time."""
        self._use_key(purpose, kind, work, then)

    def key_is_used(self, purpose: str) -> bool:
        """A use of this purpose is awaited beside the script."""
        return any(use.purpose == purpose and self.now < use.deadline for use in self.key_uses.values())

    def key_used(self, event: KeyUsed) -> None:
        """The answer to a use."""
        use = self.key_uses.get(event.number)
        if use is None or use.is_over:
            return
        if use.then is None:
            use.done(event)
            return
        del self.key_uses[event.number]
        if self.now < use.deadline:
            use.done(event)
            use.then(use)

    def _use_key(
        self, purpose: str, kind: type, work: Callable[[], Any], then: Callable[[KeyUse], None] | None
    ) -> KeyUse:
        self.keys_used += 1
        use = KeyUse(self.keys_used, purpose, kind, self.now + self.config.key_use_s, then)
        self.key_uses[use.number] = use
        self.act(UseKey(purpose, work, use.deadline, use.number))
        return use

    def changed(self, needs: NeedsChanged) -> None:
        """The driver changed his mind: in Dynamic mode the station reads it in the next request, in Scheduled
        mode another schedule is taken."""
        if needs.departure_s is not None:
            self.departure_at = self.now + needs.departure_s
        target = self.target_soc if needs.target_soc is None else needs.target_soc
        least = self.minimum_soc if needs.minimum_soc is None else needs.minimum_soc
        self.target_soc, self.minimum_soc = target, min(least, target)  # [V2G20-1640]
        self.needs_changed = True

    def asked(self, charge_a: float, discharge_a: float) -> None:
        """The station is asked for at most these currents in A from now on."""
        self.supervisor.asked(charge_a, discharge_a, self.now)

    def reported(self, voltage_v: float, current_a: float) -> None:
        """The station says that it gives this."""
        found = self.supervisor.station_reports(voltage_v, current_a, self.now)
        if found is not None:
            self.act(SupervisionWarning(found.rule.value, found.detail))

    @property
    def has_dc(self) -> bool:
        """The vehicle has a DC side."""
        return self.limits.maximum_voltage_v > 0.0

    @property
    def inlet_is_fresh(self) -> bool:
        """The inlet was measured a short time ago."""
        oldest = self.supervisor.limits.stale_s
        return oldest is None or self.now - self.supervisor.inlet_at <= oldest

    @property
    def perhaps_welded(self) -> str:
        """Why one of the vehicle's contactors may be welded after they were told to open; empty once
        the inlet is seen without voltage."""
        if not self.inlet_is_fresh:
            return "the inlet has not been measured of late: a contactor may be welded"
        volts = abs(self.inlet.voltage_v)
        return (
            ""
            if volts < self.config.welding_voltage_v
            else f"the inlet kept {volts:.0f} V: a contactor may be welded"
        )

    def pause(self, seconds: float) -> Until:
        """Wait; a wish to stop does not shorten it."""
        return Until(self.now + seconds)
