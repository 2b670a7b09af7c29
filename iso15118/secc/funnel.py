"""The station's way out: whatever makes a session end comes together here, and asks for current zero and open
contactors before anything else.

What the hardware says about itself is judged here too, since most of it is a reason to end.
"""

from __future__ import annotations

import math
from typing import Any

from iso15118.printable import printable
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Action, EndReason, Urgency
from iso15118.session.causes import refined
from iso15118.session.checks import late_alarm, so_soon, text, what_went_wrong
from iso15118.session.edition import Stage, Wait
from iso15118.session.ends import then
from iso15118.session.history import StateHistory
from iso15118.session.supervision import Finding, Reaction, Rule
from iso15118.session.ticket import SeccTicket
from iso15118.timing import Timer, TimerTable

from .config import SeccConfig
from .connection_device import ConnectionDevice
from .dc_output import pre_charge_current
from .edition import SeccEdition
from .facts import Facts
from .hardware import READY, HardwareBooks, reason_of

__all__ = ["Funnel"]

_NEEDLESS_WHEN_DOOMED = (
    Timer.CABLE_CHECK,
    Timer.PRE_CHARGE,
    Timer.CONTROL_PILOT,
    Timer.STOP,
    Timer.SILENCE,
    Timer.SCHEDULE,
    Timer.POWER_DELIVERY,
    Timer.WELDING_DETECTION,
    Timer.PHASE,
    Timer.CONNECTION_DEVICE,
    Timer.SYSTEM_STATUS,
)

_TOLD_LATE_S = 1.0
"""So much later contactors may be told to have opened: what follows a contactor is late, bounces, and is
looked at now and then (``PortLimits.feedback_s``, ``bounce_s``, ``look_s``)."""
_BEFORE_IT_HEARD = frozenset(
    {
        EndReason.PEER_VANISHED,
        EndReason.SEQUENCE_ERROR,
        EndReason.SIGNAL_LOST,
        EndReason.UNDECODABLE,
    }
)
"""Ends in which a vehicle leaves, or goes astray, before the answer that tells it of the end."""
_AFTER_A_REFUSAL = frozenset(
    {
        EndReason.AUTHORIZATION_FAILED,
        EndReason.PEER_VANISHED,
        EndReason.REFUSED,
        EndReason.SEQUENCE_ERROR,
        EndReason.TIMEOUT,
        EndReason.UNDECODABLE,
        EndReason.UNKNOWN_SESSION,
    }
)
"""Ends of a conversation for which an earlier refusal may be the cause."""

ENDED = "Ended"
CONNECTED = Stage(name="supportedAppProtocol", first=True)
"""Until an edition is chosen."""
OVER = Stage(name=ENDED, refuses=False)


class Funnel(ConnectionDevice):
    """What ends a session, and how. ``SeccSession`` is one with a conversation."""

    def __init__(self, config: SeccConfig, facts: Facts) -> None:
        self.config = config
        self.timers = TimerTable()
        self.ended: act.SessionEnded | None = None
        """How it ended; None while it runs."""
        self.states: list[str] = StateHistory()
        """Every state entered, in order, repeats left out."""
        self.ticket: SeccTicket | None = None
        """Once it is paused: what a later session needs to go on with it."""
        self.error: Exception | None = None
        """What was raised in this software, if that ended the session."""
        self._facts = facts
        self._books = HardwareBooks(config, facts, self.timers)
        self._supervisor = self._books.supervisor
        self._edition: SeccEdition | None = None
        """What is spoken; None before supportedAppProtocol has chosen."""
        self._state: Any = None
        """The edition's state; None before there is one."""
        self._stage: Stage = CONNECTED
        """What is to be known about it here."""
        self._waiting: Wait | None = None
        self._pending: Any = None
        self._answer_due = 0.0
        """When the answer that is waited for has to be out at the latest."""
        self._closes_at = 0.0
        """After the end: until then a vehicle that was refused may say goodbye."""

    # -- what the hardware says

    def _cable_check_finished(self, ok: bool, reason: str) -> list[Action]:
        facts = self._facts
        self.timers.clear(Timer.CABLE_CHECK)
        if facts.cable_check_started is None:
            return []
        not_tested = self._supervisor.not_tested() if ok else None
        self._supervisor.cable_check_over(facts.now)
        if not_tested is not None:
            facts.cable_check_ok = False
            return self._found(not_tested)
        if not ok:
            # Also when it had been good before: nobody goes on with a cable that somebody doubts.
            facts.cable_check_ok = False
            return self._abort(EndReason.CABLE_CHECK_FAILED, reason or EndReason.CABLE_CHECK_FAILED.value)
        if self._stage.timer is Timer.CABLE_CHECK and facts.cable_check_ok is None:
            facts.cable_check_ok = True
        return []

    def _contactors(self, closed: Any) -> list[Action]:
        facts = self._facts
        was, known = facts.contactors_closed, closed is True or closed is False
        closed = closed is not False  # what is no level counts as the worse one
        self._books.contactors(closed)
        if not known or (closed and not facts.energized):
            # Nobody asked for this, or no longer: a late or welded contactor.
            if not known:
                return self._abort(EndReason.CONTACTOR_FAILED, "the level of the contactors is unknown")
            what = "contactors did not open" if was else "contactors closed without permission"
            cause = "contactors-not-opened" if was else "contactors-unasked"
            what += so_soon(facts.told_open_at, facts.now)
            return self._abort(EndReason.CONTACTOR_FAILED, what, cause=cause)
        if was and not closed and facts.energized and (self._stage.holds or facts.precharging):
            return self._opened()
        return []

    def _opened(self) -> list[Action]:
        """Contactors open though nobody asked for it. Those that a cable check left closed may open until
        pre-charge begins, and be told a moment later: pre-charge begins anew then. Later they would be closed
        again for power, and join what nobody has pre-charged since."""
        facts = self._facts
        began = facts.precharge_started
        if self._stage.holds or began is None or facts.now - began > _TOLD_LATE_S:
            what = "contactors opened under power"
            return self._abort(EndReason.CONTACTOR_FAILED, what, cause="contactors-opened")
        return self._books.keep((act.PreCharge(facts.precharge_target_v, pre_charge_current(facts)),))

    def _signal_changed(self, signal: Any) -> list[Action]:
        if not isinstance(signal, ev.SignalState):
            what = f"control pilot state {text(signal)}"
            return self._end(EndReason.SIGNAL_LOST, what, cause="pilot-fault")
        self._facts.signal = signal
        if signal is ev.SignalState.A and self._facts.apart:
            return []  # a connection device is on its way, or has left
        if signal in READY:
            self.timers.clear(Timer.CONTROL_PILOT)
            return []
        if signal is not ev.SignalState.B:
            # A: unplugged; E, F: fault. No vehicle to talk to.
            cause = "unplugged" if signal is ev.SignalState.A else "pilot-fault"
            return self._end(EndReason.SIGNAL_LOST, f"control pilot state {signal.value}", cause=cause)
        if self._facts.lets_go:
            # Contactors that are still closed by then have to open at once, though it is no fault.
            still = self._facts.contactors_closed
            return self._make_safe(Urgency.EMERGENCY if still else Urgency.ORDERLY, "the vehicle let go")
        # Contactors that were told to open and still are closed count as power: then it is no longer an
        # orderly opening.
        if (self._facts.energized and self._stage.live) or self._facts.contactors_closed:
            what = "control pilot left C under power"
            return self._abort(EndReason.SIGNAL_LOST, what, cause="pilot-left-c")
        return []

    def _authorization_decided(self, accepted: bool) -> list[Action]:
        """Terminal or backend decided about the driver; that says nothing about a
        contract that is still open."""
        facts = self._facts
        if facts.authorization_requested is None or (facts.claim is not None and not facts.authorized):
            return []
        return self._decided(accepted)

    def _decided(self, accepted: bool, why: str = "") -> list[Action]:
        facts = self._facts
        if self._stage.authorizing:
            facts.authorized = accepted
        elif not accepted:
            return self._stop(f"authorization withdrawn{why}")
        return []

    def _stop(self, reason: str, rule: str = "") -> list[Action]:
        facts = self._facts
        if not facts.stop_wanted:
            facts.stop_wanted, facts.stop_rule = reason or "stop requested", rule
            facts.stop_deadline = facts.now + facts.stop_notice_s + self.config.stop_delay_s
            self.timers.set(Timer.STOP, facts.stop_deadline)
        return []

    def _stop_now(self) -> list[Action]:
        """The vehicle was asked to stop and had its time: the station stops by itself. A vehicle that has
        followed and asks for nothing waits for the supply, whose ramp has the time that it has anyway,
        reckoned once: who asks for power in between gains nothing. One that has ended power has as long again
        for its goodbye."""
        facts, limits = self._facts, self.config.supervision
        none: float | None
        unit, delay_s = "A", self.config.stop_delay_s
        leaves_until = facts.told_open_at + delay_s if facts.lets_go else -math.inf
        if facts.pad_vehicle is not None:
            current, none, unit = facts.pad.power_w, limits.no_power_w, "W"
        elif facts.ac_limits is not None:
            current, none = max(facts.ac_measured.current_a), limits.ac_no_current_a
        else:
            current, none = abs(facts.measured.current_a), limits.no_current_a
            if current > limits.none_a:
                leaves_until = max(leaves_until, self._ramp_until(current))
        if facts.now < leaves_until:
            self.timers.set(Timer.STOP, leaves_until)
            return []
        if current > limits.beyond(Rule.NO_DECAY, none):
            wished = (facts.stop_deadline or facts.now) - facts.stop_notice_s - delay_s
            waited = f"{current:.0f} {unit} still flow {facts.now - wished:.3g} s after the wish to stop"
            return self._abort(
                EndReason.HARDWARE_FAULT, f"{Rule.NO_DECAY.value}: {waited}", rule=Rule.NO_DECAY.value
            )
        return self._abort(
            EndReason.STOPPED_BY_STATION, facts.stop_wanted, rule=facts.stop_rule, cause="stop-not-followed"
        )

    def _ramp_until(self, current_a: float) -> float:
        """Until when that current may still be on its way down, as it is then measured; infinitely long ago
        if the vehicle asks for one."""
        facts, supervisor, settle_s = self._facts, self._books.supervisor, self.config.supervision.settle_s
        if facts.ramp_until is None:
            facts.ramp_until = facts.now + supervisor.falls_in_s(current_a) + settle_s
        return min(supervisor.falls_until + settle_s, facts.ramp_until)

    def _found(self, finding: Finding) -> list[Action]:
        """A rule of the supervision is broken."""
        facts, rule, detail = self._facts, finding.rule.value, finding.detail
        news = [act.SupervisionWarning(rule, detail)]
        if finding.reaction is not Reaction.FAULT:
            if finding.reaction is Reaction.STOP and self.ended is None and facts.abort_reason is None:
                self._stop(detail, rule)
            return list(news)
        facts.told_safe = False  # whatever was asked for did not help
        if self.ended is None and facts.decides(reason_of(finding.rule)):
            return self._abort(reason_of(finding.rule), detail, rule=rule) + news
        return self._make_safe(Urgency.EMERGENCY, detail) + news

    @property
    def _phase_s(self) -> float:
        """How long a vehicle may stay in the phase that it is in, in s. A driver has all of his attempts."""
        timing, config = self._facts.timing, self._facts.config
        longest = max(timing.phase_performance, timing.longest_phase)
        if not self._stage.authorizing:
            return longest
        attempt = timing.authorization_ongoing_timeout + config.authorization_pause_s
        return longest + config.authorization_attempts * attempt

    def _listen(self, turn: bool) -> None:
        """An answer of the main conversation goes out; ``turn``: it is one of the charge loop. Behind any
        other the next request may take longer, but direct current and the field of a pad are not asked for
        any longer than in the loop, and the loop is a phase as all others are until it turns. A vehicle that
        charges with AC draws by itself, within bounds that it was told, between any two requests."""
        facts, timers = self._facts, self.timers
        timing, now = facts.timing, facts.now
        if turn:
            timers.set(Timer.SEQUENCE, now + timing.sequence_timeout_loop)
            if self._stage.lasts:  # a receipt may be waited for
                timers.clear(Timer.PHASE)
            return
        timers.set(Timer.SEQUENCE, now + timing.sequence_timeout)
        if (
            facts.permits
            and facts.ac_power is None
            and timing.sequence_timeout_loop < timing.sequence_timeout
        ):
            timers.set(Timer.SILENCE, now + timing.sequence_timeout_loop)
        if self._stage.lasts and Timer.PHASE not in timers:
            timers.set(Timer.PHASE, now + self._phase_s)

    def _hush(self) -> list[Action]:
        """Power does not outlive what asked for it: it ends, at once, and comes back with the next request of
        the charge loop."""
        facts = self._facts
        if not facts.permits:
            return []
        limit_s = facts.timing.sequence_timeout_loop
        facts.note("silent-under-power", f"no request within {limit_s:g} s: power rests until the next one")
        return self._books.keep((act.StopPower(Urgency.EMERGENCY),))

    # -- the funnel

    def _make_safe(self, urgency: Urgency, reason: str) -> list[Action]:
        facts = self._facts
        hastened = urgency is Urgency.EMERGENCY and not self._books.at_once  # a ramp may be under way
        if facts.told_safe and not facts.contactors_closed and not hastened:
            return []
        return self._books.keep((act.StopPower(urgency), act.OpenContactors(urgency, reason)))

    def _abort(self, reason: EndReason, detail: str, *, rule: str = "", cause: str = "") -> list[Action]:
        """Safe now; the vehicle learns it with the answer to its next request, and then the session ends."""
        facts, detail = self._facts, printable(detail)
        if facts.decides(reason):
            facts.abort_reason, facts.abort_detail = reason, detail
            facts.abort_rule, facts.abort_cause = rule, cause
        for timer in _NEEDLESS_WHEN_DOOMED:
            self.timers.clear(timer)
        actions = self._make_safe(Urgency.ORDERLY if reason.orderly else Urgency.EMERGENCY, detail)
        if self._state is None:
            return actions + self._end(reason, detail, rule=rule, cause=cause)
        # A vehicle that does not come to hear of it does not keep the next one waiting for a minute.
        latest = facts.now + self.config.stop_delay_s
        if (deadline := self.timers.deadline_of(Timer.SEQUENCE)) is not None and deadline > latest:
            self.timers.set(Timer.SEQUENCE, latest)
        return actions

    def _end(
        self,
        reason: EndReason,
        detail: str = "",
        response: Any = None,
        *,
        connected: bool = True,
        rule: str = "",
        beside: bool = False,
        cause: str = "",
    ) -> list[Action]:
        """The one way out. ``beside``: the response goes out beside the main conversation."""
        facts, edition = self._facts, self._edition
        if self._stage.authorizing and reason in _AFTER_A_REFUSAL:
            detail = self._with_first_cause(detail)
        if edition is not None and (advice := edition.advice(reason, self._state)):
            detail = f"{detail}; {advice}".lstrip("; ")
        if facts.abort_reason is not None and not facts.abort_reason.orderly and reason in _BEFORE_IT_HEARD:
            # Decided already: that the vehicle goes before it has been told so changes nothing about why.
            detail = then(facts.abort_detail or facts.abort_reason.value, detail or reason.value)
            if (
                facts.abort_reason is not EndReason.SIGNAL_LOST
            ):  # by which a vehicle may have announced that it goes
                reason, rule, cause = facts.abort_reason, facts.abort_rule, facts.abort_cause
        detail = printable(detail)  # words of the vehicle may be in it, and it goes to ports and logs
        urgency = Urgency.ORDERLY if reason.orderly else Urgency.EMERGENCY
        actions = self._make_safe(urgency, detail or reason.value)
        if response is not None:
            actions.append(act.Send(response, beside))
        actions += self._retract(over=True)
        rule = rule or (facts.stop_rule if reason.orderly else "")
        self.ended = act.SessionEnded(reason, detail, rule, refined(reason, cause, rule))
        self.ticket = edition.ticket() if reason is EndReason.PAUSED and edition is not None else None
        self._stage = OVER
        self._waiting = self._pending = None
        self.states.append(ENDED)
        self.timers.clear_all()
        if facts.selected:
            facts.selected = ()
            actions.append(act.ServicesSelected(()))
        actions += [act.StateEntered(ENDED), self.ended]
        if connected:
            # After an answer the vehicle closes first; we wait for it this long [V2G20-1643].
            grace_s = self.config.timing.close_wait if response is not None else 0.0
            if edition is None or not edition.is_last(response):
                self._closes_at = self._facts.now + grace_s
            actions.append(act.CloseTransport(grace_s))
        return actions

    def _with_first_cause(self, detail: str) -> str:
        """A vehicle that was refused goes on as it likes: why it was refused is worth more than
        where it went wrong then."""
        cause = self._facts.turned_down or "; ".join(self._facts.refusals)
        return (
            detail if not cause or cause in detail else f"{detail}; it had been refused: {cause}".lstrip("; ")
        )

    def _late(self, event: ev.Event) -> list[Action]:
        """After the end three things matter: a contactor that closes late is told to open again, an alarm
        cuts a ramp short, and a vehicle that was refused may still say goodbye while it is waited for."""
        if isinstance(event, ev.ContactorsChanged):
            closed = event.closed is not False
            self._books.contactors(closed)
            if closed:
                return self._make_safe(Urgency.EMERGENCY, "contactors closed after the end")
            return self._retract()
        # Once: the fault may be that of a port that is asked.
        if not self._books.opens_at_once and (why := late_alarm(event, self._facts.contactors_closed)):
            return self._make_safe(Urgency.EMERGENCY, why)
        if isinstance(event, ev.ConnectionDeviceChanged):
            return self._device_moved(event.position)
        facts, edition = self._facts, self._edition
        if isinstance(event, ev.MessageReceived) and edition is not None and facts.now < self._closes_at:
            goodbye = edition.goodbye(event.message)
            if goodbye is not None:
                self._closes_at = facts.now  # one is enough
                return [act.Send(goodbye)]
        return []

    def _broken(self, error: Exception, event: ev.Event | None = None) -> list[Action]:
        """A fault of this software: nobody can say what is true any more, so both are asked for whatever the
        books say. Once: were it asked for with each measurement that brings the fault again, whoever answers
        at once would have the loop for ever."""
        if self.error is not None and not isinstance(event, ev.ContactorsChanged):
            return []
        self.error = error if self.error is None else self.error
        facts = self._facts
        detail = what_went_wrong(error)
        actions: list[Action] = [
            act.StopPower(Urgency.EMERGENCY),
            act.OpenContactors(Urgency.EMERGENCY, "a fault of this software"),
        ]
        facts.power, facts.precharging, facts.energized, facts.told_safe = None, False, False, True
        self._waiting = self._pending = None
        self.timers.clear_all()
        if self.ended is None:
            self.ended = act.SessionEnded(EndReason.INTERNAL_ERROR, detail)
            self._stage = OVER
            self.states.append(ENDED)
            actions += [act.StateEntered(ENDED), self.ended, act.CloseTransport(0.0)]
        return actions
