"""The vehicle's session as a value: events and the time in, actions and a deadline out.

It runs the script of the edition by hand and keeps the one way out, which takes the vehicle off the
cable before anything is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from iso15118.energy.dc import on_wire
from iso15118.errors import ConfigError
from iso15118.evcc.config import EvccConfig
from iso15118.evcc.contactors import above_battery
from iso15118.evcc.conversation import Bound, Conversation, EndSession, Exchange, Leave, Until
from iso15118.evcc.edition import Reading
from iso15118.evcc.editions import load
from iso15118.evcc.negotiation import session
from iso15118.evcc.side_stream import SideStreams
from iso15118.evcc.told import Told
from iso15118.ranges import is_number, shown
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits, check_charger
from iso15118.session.actions import Action, EndReason, Urgency
from iso15118.session.causes import LOSSES
from iso15118.session.checks import check_event, is_battery, text
from iso15118.session.couplers import carried
from iso15118.session.der import InverterAbilities, check_inverter
from iso15118.session.events import BatteryChanged, InletMeasured, MessageReceived
from iso15118.session.limits import NO_DC_SIDE, VehicleLimits
from iso15118.session.supervision import WirelessSupervisor
from iso15118.session.ticket import EvccTicket
from iso15118.session.value_added import WantedService, check_wanted
from iso15118.session.wireless import ReceiverLimits, check_receiver
from iso15118.timing import Timer

if TYPE_CHECKING:
    from iso15118.pnc.vehicle_contracts import VehicleContracts

__all__ = ["EvccSession"]

CONNECTING = "Connecting"
_END_OF_TIME = 1e15
_MESSAGE = Timer.MESSAGE
_CHECKED_LATER = frozenset({InletMeasured, BatteryChanged, MessageReceived})
"""Events that come many times a second, and are looked at where they are taken: none of them is refused."""
_BEHIND_S = 0.1
"""How long behind a request its actions follow: before it, a change of the control pilot is a fault, and so
it may be later than 0.25 s [V2G20-847]."""


class EvccSession(SideStreams, Told):
    """One session of one inlet.

    Feed it with ``handle`` and, when ``deadline`` is reached, with ``handle_timeout``; carry out the actions
    in their order. ``limits`` is what the vehicle declares, ``battery`` its state now; ``epoch`` is what must
    be added to ``now`` to get Unix time in seconds (0: no clock is set). ``contracts``: what the vehicle has
    for Plug and Charge; None: it does without. ``resume``: the session that was paused here, to go on with;
    where that does not fit, a new one begins. ``charger``: what the on-board charger declares, for AC;
    without a DC side ``limits`` is None. ``inverter``: what it can do for the grid. ``value_added``: services
    that are taken where they are offered. ``mobility``: whether a vehicle that can be charged under a
    connection device stands and is held; None: it cannot. ``receiver``: what the coil declares, for wireless
    power. Raises ``ConfigError`` for hardware and settings that do not go together.
    """

    def __init__(
        self,
        config: EvccConfig,
        limits: VehicleLimits | None,
        battery: ev.BatteryChanged,
        *,
        epoch: float = 0.0,
        contracts: VehicleContracts | None = None,
        resume: EvccTicket | None = None,
        charger: AcVehicleLimits | None = None,
        inverter: InverterAbilities | None = None,
        value_added: Iterable[WantedService] = (),
        mobility: ev.MobilityChanged | None = None,
        receiver: ReceiverLimits | None = None,
    ) -> None:
        if not isinstance(config, EvccConfig):
            raise ConfigError(
                "config", f"{type(config).__name__} is no EvccConfig", "iso15118.EvccConfig(...)"
            )
        if limits is None and (charger is not None or receiver is not None):
            limits = NO_DC_SIDE
        if not isinstance(limits, VehicleLimits):
            raise ConfigError(
                "limits", f"{type(limits).__name__} is no VehicleLimits", "iso15118.VehicleLimits(...)"
            )
        if not (isinstance(battery, BatteryChanged) and is_battery(battery)):
            hint = "iso15118.session.events.BatteryChanged(...) of finite numbers"
            raise ConfigError("battery", f"{shown(battery)} is no state of a battery", hint)
        check_charger(charger)
        check_inverter(inverter)
        check_receiver(receiver)
        if not is_number(epoch, -_END_OF_TIME, _END_OF_TIME):
            hint = "Unix time at the clock's zero in s; 0: none is set"
            raise ConfigError("epoch", f"{epoch!r} is no time", hint)
        load(config)
        # What is declared is rounded once; all that is asked for later is computed from that.
        coupler = carried(config.services, config.connectors)
        limits = limits if coupler is None else coupler.of_vehicle(limits)
        talk = Conversation(config, on_wire(limits), battery, epoch, contracts, resume, charger)
        talk.inverter, talk.wanted = inverter, check_wanted(value_added)
        if mobility is not None:
            check_event(mobility)
            talk.mobility, talk.locked, talk.apart = mobility, mobility.immobilized, True
        if receiver is not None:
            talk.receiver_limits = receiver
            talk.wireless_supervisor = WirelessSupervisor(config.supervision, where="at the coil")
        super().__init__(config, talk)
        self.states.append(CONNECTING)
        self._bound: Bound | None = None
        self._behind: tuple[Action, ...] = ()
        """What has to be done behind the request that is on its way."""
        self._given_up: type | None = None
        """A response that the script went on without, and that may still come."""

    # -- the outer contract

    @property
    def state(self) -> str:
        """What the session is doing: the exchange it waits for, named after the message."""
        return self.states[-1]

    @property
    def deadline(self) -> float | None:
        """When ``handle_timeout`` must be called, on the clock of ``now``; None when nothing runs. With every
        reading on the cable it may move."""
        timer, readings = self.timers.deadline, self.readings_until
        if timer is not None and timer <= readings:
            return timer
        return readings if readings < _END_OF_TIME else None

    @property
    def readings_until(self) -> float:
        """Until when the readings on the cable are young enough; infinite where nobody minds."""
        if not self._on_cable:
            return math.inf
        return self._supervisor.fresh_until if self._source is None else self._fresh_until

    def handle(self, event: ev.Event, now: float) -> list[Action]:
        """Take one event at time ``now`` (s) and say what has to be done, in this order.

        An event of the application that makes no sense is refused, and nothing of it is kept: raises
        ``ConfigError`` with its field. Nothing else is ever raised: a fault of this software ends the session
        with ``INTERNAL_ERROR``, off the cable first.
        """
        kind, talk = type(event), self._talk
        if kind not in _CHECKED_LATER:
            check_event(event)
        try:
            if kind is InletMeasured:  # noqa: SIM102 - in one condition it is three lines
                if event.at is None and self._supervisor.within(event.voltage_v, event.current_a, now):  # type: ignore[attr-defined]
                    talk.now, talk.inlet = now, event  # type: ignore[assignment]
                    if talk.counts_energy:
                        talk.meter.measured(event, now)  # type: ignore[arg-type]
                    return []
            if not -_END_OF_TIME < now < _END_OF_TIME:
                raise ValueError(f"{now} is no time")  # a clock that shows none is a fault
            talk.now = now
            if kind is MessageReceived:
                return [] if self.ended is not None else self._message(event.message, event.beside)  # type: ignore[attr-defined]
            if kind is BatteryChanged:
                return self._battery(event) or self._above_battery()  # type: ignore[arg-type]
            if kind is InletMeasured:
                found = self._inlet(event)  # type: ignore[arg-type]
                return [] if found is None else self._found(found)
            if kind is ev.AcMeasured or kind is ev.ReceiverMeasured:
                found = self._charger(event) if kind is ev.AcMeasured else self._coil(event)  # type: ignore[arg-type]
                return [] if found is None else self._found(found)
            if self.ended is not None:
                return self._late(event)
            actions = self._other(event)
            if self.ended is None and isinstance(self._step, Until) and self._step.is_ready():
                self.timers.clear(Timer.PACE)
                actions += self._resume(True)
            return actions
        except Exception as error:  # whatever it is, the vehicle must not stay on the cable
            return self._broken(error, event)

    def handle_timeout(self, now: float) -> list[Action]:
        """Call at ``deadline``; harmless when nothing is due. Raises nothing, as ``handle``."""
        try:
            return self._timeout(now)
        except Exception as error:  # as above
            return self._broken(error)

    def _timeout(self, now: float) -> list[Action]:
        if not -_END_OF_TIME < now < _END_OF_TIME:
            raise ValueError(f"{now} is no time")
        self._talk.now = now
        actions: list[Action] = []
        for timer in self.timers.expired(now):
            if self.ended is not None:
                break
            match timer:
                case Timer.PACE:
                    actions += self._resume(isinstance(self._step, Until) and self._step.is_ready())
                case Timer.CONTROL_PILOT:
                    actions += self._take_behind()
                case Timer.SYSTEM_STATUS:
                    actions += self._next_beside()
                case Timer.MESSAGE if isinstance(self._step, Exchange) and self._step.optional:
                    self._given_up = self._step.response_type
                    actions += self._without("no answer")
                case Timer.BESIDE:
                    actions += self._side.due() + self._take_outbox()
                case Timer.MESSAGE:
                    actions += self._timed_out("message-timeout")
                case Timer.ONGOING | Timer.WELDING_DETECTION:
                    actions += self._too_long()
                case _:
                    actions += self._timed_out("setup-timeout-vehicle")
        if self._on_cable:
            found = self._stale()
            if found is not None:
                actions += self._found(found)
        return actions

    def _timed_out(self, cause: str) -> list[Action]:
        setup = cause != "message-timeout"
        detail = "communication set-up took too long" if setup else f"no answer to {self.state}"
        return self._end(EndReason.TIMEOUT, detail, cause=cause)

    def _over(self, over: EndSession | Leave) -> list[Action]:
        return self._end(over.reason, over.detail, rule=over.rule, cause=over.cause)

    # -- the script

    def _resume(self, value: Any = None, error: EndSession | Leave | None = None) -> list[Action]:
        """Run the script to its next step, and say what it asked for on the way."""
        script, talk = self._script, self._talk
        if script is None:
            return []
        self._step = None
        try:
            step = script.send(value) if error is None else script.throw(error)
        except StopIteration as done:
            ended: act.SessionEnded = done.value
            return self._take_outbox() + self._end(
                ended.reason, ended.detail, rule=ended.rule, cause=ended.cause
            )
        except EndSession as over:
            return self._take_outbox() + self._over(over)
        actions = self._take_outbox() if talk.outbox else []
        if talk.bound is not self._bound:
            self._keep_bound()
        if talk.side is not self._stream:
            self._keep_stream()
        self._step = step
        if isinstance(step, Exchange):
            if step.state != self.states[-1]:
                self.states.append(step.state)
                actions.append(act.StateEntered(step.state))
            actions.append(act.Send(step.request))
            if step.then:
                self._behind = step.then
                self.timers.set(Timer.CONTROL_PILOT, talk.now + _BEHIND_S)
            self.timers.set(_MESSAGE, talk.now + step.timeout)
        else:
            self.timers.set(Timer.PACE, step.deadline)
        if talk.aside is not None or talk.drop_aside:
            actions += self._side.look() + self._take_outbox()
        return actions

    def _keep_bound(self) -> None:
        """The timer of what the script does follows the script."""
        if self._bound is not None:
            self.timers.clear(self._bound.timer)
        bound = self._bound = self._talk.bound
        if bound is not None:
            self.timers.set(bound.timer, bound.until)

    def _too_long(self) -> list[Action]:
        """The clock has ended what the script does."""
        bound, self._talk.bound, self._bound = self._bound, None, None
        if bound is None:
            return []
        error = bound.error() if callable(bound.error) else bound.error
        return self._over(error) if isinstance(error, EndSession) else self._leave(error)

    def _above_battery(self) -> list[Action]:
        """The battery has just said what it can stand."""
        leave = None if self.ended is not None else above_battery(self._talk)
        if leave is None:
            return []
        self._talk.bound = None
        self._keep_bound()
        return self._leave(leave)

    def _leave(self, leave: Leave) -> list[Action]:
        """The script has to take its way out now. An answer that is still on its way is waited for, off the
        cable."""
        if isinstance(self._step, Exchange):
            self._leaving = leave
            self._talk.left = act.SessionEnded(leave.reason, leave.detail, leave.rule, leave.cause)
            return self._make_safe(Urgency.EMERGENCY, leave.detail)
        self.timers.clear(Timer.PACE)
        return self._resume(error=leave)

    def _take_outbox(self) -> list[Action]:
        actions, self._talk.outbox = self._talk.outbox, []
        if actions:
            self._book(actions)
        return actions

    def _message(self, message: Any, beside: bool) -> list[Action]:
        step, talk = self._step, self._talk
        edition = talk.edition
        if edition is None:  # supportedAppProtocol has no session id and no other code than its own
            kind = type(message)
            if not isinstance(step, Exchange) or kind is not step.response_type:
                return self._out_of_turn(kind.__name__)
            return self._answered(message)
        plain = edition.plain(message, talk.session_id)
        if (
            plain is not None  # as almost all are
            and type(step) is Exchange
            and plain is step.response_type
            and not (beside or step.opens)
        ):
            return self._answered(message)
        reading = edition.read(message)
        if reading is None:
            return self._out_of_turn(type(message).__name__)
        kind = reading.kind
        if kind is talk.beside:
            return self._beside(reading)
        if kind is self._asked_beside:
            return self._heard_beside(reading, message)
        if beside and not (isinstance(step, Exchange) and step.apart and kind is step.response_type):
            return self._answered_beside(message, reading)
        if kind is self._given_up and not (isinstance(step, Exchange) and step.response_type is kind):
            self._given_up = None
            return []
        if not isinstance(step, Exchange) or kind is not step.response_type:
            return self._out_of_turn(kind.__name__)
        if step.optional and reading.failed and reading.session_id == talk.session_id:
            return self._without(reading.code)
        ended = self._envelope(step, reading)
        return self._answered(message) if ended is None else ended

    def _without(self, why: str) -> list[Action]:
        """The script goes on without an answer that it can do without."""
        self._talk.note(
            f"without-{self.state.lower()}", f"{self.state}: {why}; the vehicle goes on without it"
        )
        return self._answered(None)

    def _out_of_turn(self, name: str) -> list[Action]:
        step = self._step
        awaited = isinstance(step, Exchange)
        what = f"{name} instead of {step.response_type.__name__}" if awaited else f"{name} without a request"  # type: ignore[union-attr]
        return self._end(EndReason.SEQUENCE_ERROR, what, cause="answer-out-of-turn")

    def _other_id(self, what: str = "an answer with another session id") -> list[Action]:
        return self._end(EndReason.UNKNOWN_SESSION, what, cause="session-id-changed")

    def _answered(self, message: Any) -> list[Action]:
        self.timers.clear(_MESSAGE)
        behind = self._take_behind() if self._behind else []
        leaving, self._leaving = self._leaving, None
        actions = self._resume(message) if leaving is None else self._resume(error=leaving)
        return behind + actions if behind else actions

    def _take_behind(self) -> list[Action]:
        self.timers.clear(Timer.CONTROL_PILOT)
        actions, self._behind = list(self._behind), ()
        self._book(actions)
        return actions

    def _envelope(self, step: Exchange, reading: Reading) -> list[Action] | None:
        """What the outside of an answer comes to: an end, or None to read on.

        The station's first answer brings the id; from then on it is the same to the end [V2G20-751].
        """
        talk, refused = self._talk, f"{reading.kind.__name__}: {reading.code}"
        if reading.failed and step.opens:
            # There is no session yet, and so no id that could be right.
            return self._end(EndReason.REFUSED, refused)
        if reading.deviates is not None:
            talk.note(*reading.deviates)
        # A station that does not join the paused session gives a new id with its first answer.
        anew = step.opens and not reading.joined
        if anew or not any(talk.session_id):
            if not any(reading.session_id):
                return self._other_id("the station gave the session id zero")
            if not reading.failed:
                talk.session_id = reading.session_id
        elif reading.session_id != talk.session_id:
            return self._other_id()
        return self._end(EndReason.REFUSED, refused) if reading.failed else None

    def _answered_beside(self, message: Any, reading: Reading) -> list[Action]:
        try:
            actions = self._side.answered(message, reading)
        except EndSession as over:
            return self._over(over)
        return self._take_outbox() + actions

    def _beside(self, reading: Reading) -> list[Action]:
        """An answer on another stream: the script goes on unless it refuses."""
        talk = self._talk
        talk.beside = None
        if reading.session_id != talk.session_id:
            return self._other_id()
        if reading.failed:
            return self._end(EndReason.REFUSED, f"{reading.kind.__name__}: {reading.code}")
        return []

    # -- hardware and application

    def _given_battery(self) -> None:
        """The battery that the session was given counts as told now, unless it says when it was measured."""
        supervisor, now, at = self._supervisor, self._talk.now, self._talk.battery.at
        if math.isinf(supervisor.battery_at):  # nobody has told it since
            supervisor.battery_at = now if at is None or at > now else at

    def _other(self, event: ev.Event) -> list[Action]:
        talk = self._talk
        match event:
            case ev.Connected(secure=secure, tls=tls):
                if self._script is not None:
                    return []
                talk.secure, talk.plain, talk.tls = event.allows_iso20, not secure, tls
                talk.connected_at = talk.now
                self._given_battery()
                self.timers.set(Timer.SETUP, talk.now + self.config.timing.communication_setup_timeout)
                if self.config.departure_time_s is not None:
                    talk.departure_at = talk.now + self.config.departure_time_s
                self._script = session(talk, lambda: self.timers.clear(Timer.SETUP))
                return self._resume()
            case ev.TransportLost(how=how):
                lost = how.value if isinstance(how, ev.TransportLoss) else text(how)
                return self._end(EndReason.PEER_VANISHED, lost, connected=False, cause=LOSSES.get(how, ""))
            case ev.Undecodable(reason=reason):
                return self._end(EndReason.UNDECODABLE, text(reason))
            case ev.ContactorsChanged(closed=closed):
                return self._contactors(closed)
            case ev.KeyUsed():
                talk.key_used(event)
                return self._take_outbox()
            case ev.SignalChanged(state=state):
                return self._signal_changed(state)
            case ev.MobilityChanged(immobilized=held):
                talk.mobility = event
                if talk.held and not held and talk.locked:
                    talk.locked = False
                    moves = "the vehicle may move under the connection device"
                    return self._end(EndReason.EMERGENCY, moves, cause="vehicle-may-move")
                talk.locked = held
                return []
            case ev.HardwareFault(port=port, reason=reason):
                return self._end(EndReason.HARDWARE_FAULT, f"{text(port)}: {text(reason)}")
            case ev.EmergencyShutdown(reason=reason):
                return self._end(EndReason.EMERGENCY, text(reason))
            case ev.NeedsChanged():
                talk.changed(event)
                return []
            case ev.ScheduleRenegotiationRequested(reason=reason):
                talk.schedule_wanted = talk.schedule_wanted or text(reason) or "another schedule is wanted"
                return []
            case ev.ServiceRenegotiationRequested(reason=reason, services=services):
                talk.service_wanted = talk.service_wanted or text(reason) or "another service is wanted"
                talk.services = services or talk.services
                return []
            case ev.StandbyRequested(wanted=wanted):
                talk.standby_wanted = wanted
                return []
            case ev.StopRequested(reason=reason):
                talk.stop_wanted = talk.stop_wanted or text(reason) or "stop requested"
                return []
            case ev.PauseRequested(reason=reason):
                talk.pause_wanted = talk.pause_wanted or text(reason) or "pause requested"
                return []
            case _:
                talk.remember(event)
                return []
