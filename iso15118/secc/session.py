"""The station's session as a value: events and the time in, actions and a deadline out.

All that can end a session comes together here in one funnel, which asks for current zero and open
contactors before anything else. What is legal when stands in the edition's table; how the hardware is
driven stands behind the actions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from iso15118.errors import ConfigError
from iso15118.pnc.contracts import Refusal
from iso15118.ranges import is_number
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import Action, EndReason
from iso15118.session.causes import LOSSES, cause_of_fault
from iso15118.session.checks import check_event, text
from iso15118.session.couplers import through
from iso15118.session.coupling import DevicePosition
from iso15118.session.der import GridCode
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.events import MessageReceived, PowerMeasured
from iso15118.session.limits import NO_DC_OUTPUT, StationLimits
from iso15118.session.ticket import SeccTicket
from iso15118.session.value_added import ValueAddedService, check_value_added
from iso15118.session.wireless import PadLimits
from iso15118.timing import Timer

from . import dc_output
from .config import SeccConfig
from .edition import SeccEdition
from .editions import load
from .facts import Facts
from .hardware import bounds_change
from .opening import NEGOTIATING, Opening
from .remembered import remember

if TYPE_CHECKING:
    from iso15118.pki.keys.signer import Signer
    from iso15118.pnc.authorization import ContractTrust

__all__ = ["SeccSession"]

CONNECTING = "Connecting"
_END_OF_TIME = 1e15
_SEQUENCE = Timer.SEQUENCE
_CHECKED_LATER = frozenset({PowerMeasured, MessageReceived})
"""Events that come many times a second, and are looked at where they are taken: none is refused."""
_OF_A_PHASE: Final = (
    Timer.CABLE_CHECK,
    Timer.PRE_CHARGE,
    Timer.POWER_DELIVERY,
    Timer.WELDING_DETECTION,
    Timer.CONNECTION_DEVICE,
)
"""Timers of which a stage has one, or none."""
PAUSE_DELAY_S: Final = 60.0
"""How long a vehicle in the charge loop is asked for a pause [V2G20-3308]; one that did not
take it by then charges on."""


class SeccSession(Opening):
    """One session of one connector.

    Feed it with ``handle`` and, when ``deadline`` is reached, with ``handle_timeout``; carry out the actions
    in their order. ``limits`` is what the station can give now, ``hardware`` what it could give at best,
    which is what the vehicle is offered (None: the same, so that a station that is held back at plug-in stays
    so for the session); ``epoch`` is what must be added to ``now`` to get Unix time in seconds (for the time
    stamps of messages, and for the validity of contracts; 0: no clock is set). ``trust``: with it, and over
    TLS, contracts are taken; ``installs``: there is a contract-certificate service. ``value_added``: services
    beside energy. ``schedules``: the energy manager is asked for schedules (``RequestSchedules``);
    ``price_signers``: keys of the provider that prices are signed with. ``resume``: sessions that were paused
    here. ``ac`` and ``ac_hardware``: the same of an AC outlet; without a DC output ``limits`` is None.
    ``grid_code``: what the site asks of a vehicle that is an energy resource. ``device``: where its
    connection device is; None: it has none. ``pad`` and ``pad_id``: what its pad can send, and the code by
    which vehicles know it. Raises ``ConfigError`` for hardware and settings that do not go together.
    """

    def __init__(
        self,
        config: SeccConfig,
        limits: StationLimits | None,
        *,
        epoch: float = 0.0,
        trust: ContractTrust | None = None,
        installs: bool = False,
        value_added: Iterable[ValueAddedService] = (),
        schedules: bool = False,
        price_signers: Iterable[Signer] = (),
        resume: SeccTicket | Iterable[SeccTicket] = (),
        hardware: StationLimits | None = None,
        ac: AcStationLimits | None = None,
        ac_hardware: AcStationLimits | None = None,
        grid_code: GridCode | None = None,
        device: DevicePosition | None = None,
        pad: PadLimits | None = None,
        pad_id: int = 0,
    ) -> None:
        if not isinstance(config, SeccConfig):
            raise ConfigError(
                "config", f"{type(config).__name__} is no SeccConfig", "iso15118.SeccConfig(...)"
            )
        has_supply = limits is not None and limits is not NO_DC_OUTPUT
        if limits is None and (ac is not None or pad is not None):
            limits = hardware = NO_DC_OUTPUT
        if not isinstance(limits, StationLimits):
            raise ConfigError(
                "limits", f"{type(limits).__name__} is no StationLimits", "iso15118.StationLimits(...)"
            )
        for name, value, wanted, hint in (
            ("ac", ac, AcStationLimits, "iso15118.AcStationLimits.of(...)"),
            ("ac_hardware", ac_hardware, AcStationLimits, "iso15118.AcStationLimits.of(...)"),
            ("pad", pad, PadLimits, "iso15118.session.wireless.PadLimits(...)"),
            ("device", device, DevicePosition, "iso15118.session.coupling.DevicePosition"),
        ):
            if value is not None and not isinstance(value, wanted):
                raise ConfigError(name, f"{type(value).__name__} is no {wanted.__name__}", hint)
        if not is_number(epoch, -_END_OF_TIME, _END_OF_TIME):
            raise ConfigError(
                "epoch", f"{epoch!r} is no time", "Unix time at the clock's zero in s; 0: none is set"
            )
        check_event(ev.GridCodeChanged(grid_code))
        load(config)
        tickets = (resume,) if isinstance(resume, SeccTicket) else tuple(resume)
        super().__init__(
            config,
            Facts(
                config=config,
                timing=config.timing,
                hardware=through(config.services, config.connector, limits if hardware is None else hardware),
                capabilities=through(config.services, config.connector, limits),
                ac_hardware=ac if ac_hardware is None else ac_hardware,
                ac_capabilities=ac,
                epoch=epoch,
                trust=trust,
                installs=installs,
                value_added=check_value_added(value_added),
                asks_schedules=schedules,
                price_signers=tuple(price_signers),
                tickets=tickets,
                grid_code=grid_code,
                device=device,
                pad_hardware=pad,
                pad_capabilities=pad,
                pad_id=pad_id,
                device_down=device is not None and device is not DevicePosition.HOME,
            ),
        )
        self.without_voltage = has_supply and not self._facts.has_dc
        self.states.append(CONNECTING)
        self._edition_name = ""
        self._step_at: float | None = None
        """When the schedule has another power next."""

    # -- the outer contract

    @property
    def state(self) -> str:
        """What the session waits for, named after the message."""
        return self.states[-1]

    @property
    def deadline(self) -> float | None:
        """When ``handle_timeout`` must be called, on the clock of ``now``; None when nothing runs. With every
        reading of live hardware it may move."""
        timer, readings = self.timers.deadline, self.readings_until
        if timer is not None and timer <= readings:
            return timer
        return readings if readings < _END_OF_TIME else None

    @property
    def readings_until(self) -> float:
        """Until when the readings of what is live are young enough; infinite where nobody minds."""
        facts = self._facts
        if not (facts.energized or facts.contactors_closed) or self.ended is not None:
            return math.inf
        return self._books.fresh_until

    def handle(self, event: ev.Event, now: float) -> list[Action]:
        """Take one event at time ``now`` (s) and say what has to be done, in this order.

        An event of the application that makes no sense is refused, and nothing of it is kept: raises
        ``ConfigError`` with its field. Nothing else is ever raised: a fault of this software ends the session
        with ``INTERNAL_ERROR``, hardware first.
        """
        kind, facts = type(event), self._facts
        if kind not in _CHECKED_LATER:
            check_event(event)
        try:
            if kind is PowerMeasured:  # noqa: SIM102 - in one condition it is three lines
                if event.at is None and self._supervisor.within(event.voltage_v, event.current_a, now):  # type: ignore[attr-defined]
                    facts.now, facts.measured, facts.measured_at = now, event, now  # type: ignore[assignment]
                    return self._retract() if facts.device_down else []
            if not -_END_OF_TIME < now < _END_OF_TIME:
                raise ValueError(f"{now} is no time")  # a clock that shows none is a fault
            facts.now = now
            if kind is PowerMeasured or kind is ev.AcMeasured or kind is ev.PadMeasured:
                found = self._books.measured(event)  # type: ignore[arg-type]
                actions = [] if found is None else self._found(found)
                actions += self._retract() if facts.device_down else []
                actions += self._over_the_pad() if kind is ev.PadMeasured else []
                if not actions and self._waiting is None:
                    return []
            elif self.ended is not None:
                return self._late(event)
            elif kind is MessageReceived:
                actions = self._message(event.message, event.beside)  # type: ignore[attr-defined]
            else:
                actions = self._other(event)
            if self._waiting is not None:
                actions += self._try_waiting(timed_out=False)
            if facts.wishes.give_up:
                actions += self._give_up()
            if facts.news:
                actions += facts.news
                facts.news.clear()
            return actions
        except Exception as error:  # whatever it is, the output must not stay as it is
            return self._broken(error, event)

    def handle_timeout(self, now: float) -> list[Action]:
        """Call at ``deadline``; harmless when nothing is due. Raises nothing, as ``handle``."""
        try:
            return self._timeout(now)
        except Exception as error:  # as above
            return self._broken(error)

    def _timeout(self, now: float) -> list[Action]:
        facts = self._facts
        if not -_END_OF_TIME < now < _END_OF_TIME:
            raise ValueError(f"{now} is no time")
        facts.now = now
        actions: list[Action] = []
        for timer in self.timers.expired(now):
            if self.ended is not None:
                break
            match timer:
                case Timer.ANSWER:
                    actions += self._try_waiting(timed_out=True)
                case Timer.SEQUENCE if facts.abort_reason is not None:
                    actions += self._aborted(facts.abort_reason)
                case Timer.SEQUENCE:
                    actions += self._silent()
                case Timer.SILENCE:
                    actions += self._hush()
                case Timer.SETUP:
                    why, late = "setup-timeout-station", "communication set-up took too long"
                    actions += self._end(EndReason.TIMEOUT, late, cause=why)
                case Timer.CABLE_CHECK:
                    late = "the cable check took too long"
                    actions += self._abort(EndReason.CABLE_CHECK_FAILED, late, cause="cable-check-timeout")
                case Timer.PRE_CHARGE:
                    late = f"pre-charge took too long: {dc_output.pre_charge_stands(facts)}"
                    actions += self._abort(EndReason.PRE_CHARGE_FAILED, late, cause="pre-charge-timeout")
                case Timer.CONNECTION_DEVICE | Timer.SYSTEM_STATUS:
                    actions += (
                        self._device_late() if timer is Timer.CONNECTION_DEVICE else self._status_silent()
                    )
                case Timer.CONTROL_PILOT:
                    late = "the control pilot did not show state C in time"
                    actions += self._abort(EndReason.SIGNAL_LOST, late, cause="pilot-late")
                case Timer.SCHEDULE:
                    actions += self._step()
                case Timer.POWER_DELIVERY | Timer.WELDING_DETECTION:
                    late = f"the vehicle did not finish {timer.value}"
                    actions += self._abort(EndReason.ONGOING_TOO_LONG, late, cause="vehicle-ongoing-timeout")
                case Timer.PHASE:
                    late = f"the vehicle stayed in {self.state} for {self._phase_s:g} s ({self._stage.bound})"
                    actions += self._abort(EndReason.ONGOING_TOO_LONG, late, cause="vehicle-ongoing-timeout")
                case _:
                    actions += self._stop_now()
        if (facts.energized or facts.contactors_closed) and self.ended is None:
            found = self._books.stale()
            if found is not None:
                actions += self._found(found)
        return actions

    def _silent(self) -> list[Action]:
        loop = self.state.endswith("_ChargeLoop")  # of ISO 15118-20, which alone has a time of its own there
        cause = "loop-sequence-timeout" if loop else "sequence-timeout"
        return self._end(EndReason.TIMEOUT, f"no request while waiting for {self.state}", cause=cause)

    def _aborted(self, reason: EndReason, failed: Any = None, *, beside: bool = False) -> list[Action]:
        """The end that was decided before, told now."""
        facts = self._facts
        rule, cause = facts.abort_rule, facts.abort_cause
        return self._end(reason, facts.abort_detail, failed, rule=rule, beside=beside, cause=cause)

    # -- messages

    def _message(self, message: Any, stream: bool = False) -> list[Action]:
        """``stream``: it came beside the main conversation."""
        edition, facts = self._edition, self._facts
        if edition is None:
            return self._negotiation(message)
        name = edition.request_of(message)
        if not name:
            return self._end(EndReason.SEQUENCE_ERROR, f"{type(message).__name__} is no request")
        beside = stream or edition.is_beside(message)  # on a stream of its own: the loop goes on
        if self._waiting is not None and not beside:
            self._waiting = None
            refused, what = (
                edition.refuse(message, Fault.SEQUENCE),
                "a second request before the answer to the first",
            )
            return self._end(EndReason.SEQUENCE_ERROR, what, refused, cause="second-request")
        if not beside:
            self.timers.clear(_SEQUENCE)
            self.timers.clear(Timer.SILENCE)
            facts.wishes.may_leave = ""
        if facts.abort_reason is not None:
            failed = edition.refuse(message, Fault.FAILED)
            return self._aborted(facts.abort_reason, failed, beside=beside)
        if beside:
            return self._reply(edition, message, edition.answer_beside(message, self._state), beside=True)
        refuses = facts.stop_wanted and self._stage.refuses and edition.leads_on(message)
        if refuses and not dc_output.still_flows(facts):  # else it is told in the loop, and has its time
            failed = edition.refuse(message, Fault.FAILED)
            return self._end(EndReason.STOPPED_BY_STATION, facts.stop_wanted, failed)
        reply = edition.answer(message, self._state)
        if type(reply) is Wait:
            self._pending, self._answer_due = message, facts.now + edition.answer_time(message)
            for timer in _OF_A_PHASE:  # the wait has a deadline of its own
                self.timers.clear(timer)
            return self._wait(reply)
        return self._reply(edition, message, reply)

    def _wait(self, wait: Wait) -> list[Action]:
        self._waiting = wait
        self.timers.set(Timer.ANSWER, min(wait.deadline, self._answer_due))
        return self._books.keep(wait.before)

    def _reply(
        self, edition: SeccEdition, request: Any, reply: Answer | Refused | Wait, *, beside: bool = False
    ) -> list[Action]:
        if isinstance(reply, Wait):
            raise RuntimeError("an answer beside the main conversation that waits")
        if isinstance(reply, Refused):
            response = edition.refuse(request, reply.fault, reply.code)
            cause = reply.cause or cause_of_fault(reply.end, reply.fault)
            return self._end(reply.end, reply.detail, response, rule=reply.rule, beside=beside, cause=cause)
        if reply.end is not None:
            return self._end(reply.end, reply.detail, reply.response, cause=reply.cause)
        actions = self._books.keep(reply.before) if reply.before else []
        actions.append(act.Send(reply.response, beside))
        if reply.next is not self._state:
            actions += self._enter(edition, reply.next)
        if not beside:  # there the vehicle has its own pace, and the loop keeps its own
            self._listen(edition.is_turn(reply.response))
        if self._stage.live and not beside and (step := edition.steps_at()) != self._step_at:
            self._await_step(step)
        if self._facts.status_heard is not None or Timer.SYSTEM_STATUS in self.timers:
            self._watch_status()
        if self._facts.stop_asked:
            actions += self._stop(self._facts.stop_asked)
        return actions

    def _try_waiting(self, *, timed_out: bool, again: bool = False) -> list[Action]:
        """``again``: the step before had no time left for this one, which has to answer at once."""
        waiting, facts, edition = self._waiting, self._facts, self._edition
        if waiting is None or edition is None or self.ended is not None:
            return []
        if facts.abort_reason is not None:
            self._waiting = None
            failed = edition.refuse(self._pending, Fault.FAILED)
            return self._aborted(facts.abort_reason, failed)
        reply = waiting.finish(timed_out)
        if reply is None:
            return []
        if isinstance(reply, Wait):
            over = timed_out and facts.now >= self._answer_due
            if over and again:
                raise RuntimeError("a wait that is over goes on")
            return self._wait(reply) + self._try_waiting(timed_out=over, again=over)
        request, self._waiting, self._pending = self._pending, None, None
        self.timers.clear(Timer.ANSWER)
        return self._reply(edition, request, reply)

    def _enter(self, edition: SeccEdition, state: Any) -> list[Action]:
        stage = edition.stage(state)
        self._state, self._stage = state, stage
        self.states.append(stage.name)
        if not stage.first:
            self.timers.clear(Timer.SETUP)
        for timer in _OF_A_PHASE:
            if timer is not stage.timer:
                self.timers.clear(timer)
        if stage.lasts:
            self.timers.clear(Timer.PHASE)
        else:
            self.timers.set(Timer.PHASE, self._facts.now + self._phase_s)
        if stage.timer is not None and stage.limit:
            self.timers.set(stage.timer, self._facts.now + getattr(self._facts.timing, stage.limit))
        return [act.StateEntered(stage.name)]

    # -- hardware and application

    def _other(self, event: ev.Event) -> list[Action]:
        facts = self._facts
        match event:
            case ev.MeterRead():  # the one that comes all the time
                facts.take_meter(event)
                return []
            case ev.Connected(secure=secure, tls=tls):
                facts.secure, facts.plain, facts.tls = event.allows_iso20, not secure, tls
                self.states.append(NEGOTIATING)
                self.timers.set(Timer.SETUP, facts.now + self.config.timing.communication_setup_performance)
                return [act.StateEntered(NEGOTIATING)]
            case ev.TransportLost(how=how):
                lost = how.value if isinstance(how, ev.TransportLoss) else text(how)
                if why := facts.wishes.may_leave:
                    lost, early = f"{why}: {lost}", "left-early"
                    return self._end(EndReason.STOPPED_BY_EV, lost, connected=False, cause=early)
                return self._end(EndReason.PEER_VANISHED, lost, connected=False, cause=LOSSES.get(how, ""))
            case ev.Undecodable(reason=reason):
                return self._end(EndReason.UNDECODABLE, text(reason))
            case ev.ContactorsChanged(closed=closed):
                return self._contactors(closed)
            case ev.CableCheckFinished(ok=ok, reason=reason, number=number):
                if not facts.cable_check_awaited or number not in (0, facts.cable_checks):
                    return []  # of an earlier check, or of one that was taken back
                return self._cable_check_finished(ok is True, text(reason))
            case ev.AuthorizationDecided(accepted=accepted, number=number):
                if number not in (0, facts.authorizations):
                    return []  # to an earlier question
                return self._authorization_decided(accepted)
            case ev.ContractDecided(claim=claim, refusal=refusal):
                if claim != facts.claim:
                    return []  # about a contract that is no longer asked about
                if refusal is Refusal.NOT_AVAILABLE and facts.authorized:
                    return []  # that nobody can be asked takes back nothing
                facts.contract_refusal = refusal
                return self._decided(refusal is None, "" if refusal is None else f": {refusal.value}")
            case ev.LimitsChanged(limits=limits):
                facts.capabilities = through(self.config.services, self.config.connector, limits)
                return self._rebound()
            case ev.AcLimitsChanged(limits=ac):
                facts.ac_capabilities = ac
                return self._rebound()
            case ev.SetPointChanged(power_w=power, reactive_var=reactive):
                facts.set_point_w, facts.set_point_var = power, reactive
                return self._rebound()
            case ev.SignalChanged(state=signal):
                return self._signal_changed(signal)
            case ev.ConnectionDeviceChanged() | ev.VehiclePositionMeasured() | ev.PadLimitsChanged():
                return self._coupling(event)
            case ev.HardwareFault(port=port, reason=reason):
                return self._abort(EndReason.HARDWARE_FAULT, f"{text(port)}: {text(reason)}")
            case ev.EmergencyShutdown(reason=reason):
                return self._abort(EndReason.EMERGENCY, text(reason))
            case ev.StopRequested(reason=reason):
                facts.utility_interrupt = facts.utility_interrupt or event.utility_interrupt is True
                return self._stop(text(reason))
            case ev.InsulationMeasured() | ev.SecondVoltageMeasured():
                found = self._books.further(event)
                return [] if found is None else self._found(found)
            case ev.DsoSetPointChanged(set_point=set_point):
                facts.dso = set_point
                return self._rebound()
            case ev.PauseRequested():
                facts.pause_until = facts.now + PAUSE_DELAY_S if self.config.allow_pause else 0.0
                return []
            case _:
                remember(event, facts)
                return []

    def _give_up(self) -> list[Action]:
        """What was asked of the vehicle in mid-session was not done: it is asked to end the session."""
        why, self._facts.wishes.give_up = self._facts.wishes.give_up, ""
        return self._stop(why) if self.ended is None else []

    def _await_step(self, step: float | None) -> None:
        self._step_at = step
        if step is None:
            self.timers.clear(Timer.SCHEDULE)
        else:
            self.timers.set(Timer.SCHEDULE, step)

    def _step(self) -> list[Action]:
        """The schedule goes on to its next power; a vehicle that says nothing does not keep the old one."""
        self._await_step(None if self._edition is None else self._edition.steps_at())
        return self._rebound()

    def _rebound(self) -> list[Action]:
        """Other limits, or another set-point, hold at once, not with the vehicle's next request: lower ones,
        and higher ones as far as its last request allows it."""
        if self._edition is None:
            return []
        bounds, facts = self._edition.rebound(), self._facts
        if why := dc_output.above_limit(facts):
            return self._abort(EndReason.STOPPED_BY_STATION, why, cause="voltage-limit-lowered")
        return self._books.keep(bounds_change(facts, bounds) + dc_output.pre_charge_change(facts))
