"""The station's way out: whatever makes a session end comes together here, and asks for current zero and open contactors before anything
else.

What the hardware says about itself is judged here too, since most of it is a reason to end.
"""

from __future__ import annotations

from typing import Any

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.printable import printable
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Action, EndReason, Urgency
from iso15118.session.checks import text, what_went_wrong
from iso15118.session.history import StateHistory
from iso15118.session.supervision import Finding, Reaction, Rule
from iso15118.session.ticket import SeccTicket
from iso15118.timing import Timer, TimerTable

from .config import SeccConfig
from .hardware import READY, HardwareBooks, reason_of
from .iso20.context import Context
from .iso20.pause import keep
from .iso20.replies import Wait
from .iso20.sequence import ENERGY_STATES, State

__all__ = ["Funnel"]

_NEEDLESS_WHEN_DOOMED = (
    Timer.CABLE_CHECK,
    Timer.PRE_CHARGE,
    Timer.CONTROL_PILOT,
    Timer.STOP,
    Timer.POWER_DELIVERY,
    Timer.WELDING_DETECTION,
)

_CONTACTORS_CLOSED = (State.DC_CHARGE_LOOP, State.SCHEDULE_RENEGOTIATION, State.POWER_DELIVERY)
"""States in which contactors that are closed stay so until they are told to open. In PowerDelivery they are closed after a renegotiation:
opened by themselves, they may not be closed again, because nothing was pre-charged since."""


class Funnel:
    """What ends a session, and how. ``SeccSession`` is one with a conversation."""

    def __init__(self, config: SeccConfig, ctx: Context) -> None:
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
        self._ctx = ctx
        self._books = HardwareBooks(config, ctx, self.timers)
        self._supervisor = self._books.supervisor
        self._state: State | None = None
        self._waiting: Wait | None = None
        self._pending: Any = None
        self._closes_at = 0.0
        """After the end: until then a vehicle that was refused may say goodbye."""

    # -- what the hardware says

    def _cable_check_finished(self, ok: bool, reason: str) -> list[Action]:
        ctx = self._ctx
        self.timers.clear(Timer.CABLE_CHECK)
        if ctx.cable_check_started is None:
            return []
        self._supervisor.cable_check_over(ctx.now)
        if not ok:
            # Also when it had been good before: nobody goes on with a cable that somebody doubts.
            ctx.cable_check_ok = False
            return self._doom(EndReason.CABLE_CHECK_FAILED, reason or EndReason.CABLE_CHECK_FAILED.value)
        if self._state is State.DC_CABLE_CHECK and ctx.cable_check_ok is None:
            ctx.cable_check_ok = True
        return []

    def _contactors(self, closed: Any) -> list[Action]:
        ctx = self._ctx
        was, known = ctx.contactors_closed, closed is True or closed is False
        closed = closed is not False  # what is no level counts as the worse one
        self._books.contactors(closed)
        if not known or (closed and not ctx.energized):
            # Nobody asked for this, or no longer: a late or welded contactor.
            what = (
                "contactors closed without permission" if known else "the level of the contactors is unknown"
            )
            return self._doom(EndReason.CONTACTOR_FAILED, what)
        if was and not closed and self._state in _CONTACTORS_CLOSED and ctx.energized:
            return self._doom(EndReason.CONTACTOR_FAILED, "contactors opened under power")
        return []

    def _signal_changed(self, signal: Any) -> list[Action]:
        if not isinstance(signal, ev.SignalState):
            return self._end(EndReason.SIGNAL_LOST, f"control pilot state {text(signal)}")
        self._books.signal = signal
        if signal in READY:
            self.timers.clear(Timer.CONTROL_PILOT)
            return []
        if signal is not ev.SignalState.B:
            # A: unplugged; E, F: fault. No vehicle to talk to.
            return self._end(EndReason.SIGNAL_LOST, f"control pilot state {signal.value}")
        # Contactors that were told to open and still are closed count as power: then it is no longer an
        # orderly opening.
        if (self._ctx.energized and self._state in ENERGY_STATES) or self._ctx.contactors_closed:
            return self._doom(EndReason.SIGNAL_LOST, "control pilot left C under power")
        return []

    def _stop(self, reason: str, rule: str = "") -> list[Action]:
        ctx = self._ctx
        if not ctx.stop_wanted:
            ctx.stop_wanted, ctx.stop_rule = reason or "stop requested", rule
            ctx.stop_deadline = ctx.now + self.config.stop_delay_s
            self.timers.set(Timer.STOP, ctx.stop_deadline)
        return []

    def _stop_now(self) -> list[Action]:
        """The vehicle was asked to stop and had its time: the station stops by itself."""
        ctx, limits = self._ctx, self.config.supervision
        current = ctx.measured.current_a
        if abs(current) > limits.beyond(Rule.NO_DECAY, limits.no_current_a):
            waited = f"{current:.0f} A still flow {self.config.stop_delay_s:g} s after the wish to stop"
            return self._doom(
                EndReason.HARDWARE_FAULT, f"{Rule.NO_DECAY.value}: {waited}", rule=Rule.NO_DECAY.value
            )
        return self._doom(EndReason.STOPPED_BY_STATION, ctx.stop_wanted, rule=ctx.stop_rule)

    def _found(self, finding: Finding) -> list[Action]:
        """A rule of the supervision is broken."""
        ctx, rule, detail = self._ctx, finding.rule.value, finding.detail
        news = [act.SupervisionWarning(rule, detail)]
        if finding.reaction is not Reaction.FAULT:
            if finding.reaction is Reaction.STOP and self.ended is None and ctx.doom is None:
                self._stop(detail, rule)
            return list(news)
        if self.ended is None and ctx.doom is None:
            ctx.told_safe = False  # whatever was asked for did not help
            return self._doom(reason_of(finding.rule), detail, rule=rule) + news
        ctx.told_safe = False
        return self._make_safe(Urgency.EMERGENCY, detail) + news

    # -- the funnel

    def _make_safe(self, urgency: Urgency, reason: str) -> list[Action]:
        ctx = self._ctx
        if ctx.told_safe and not ctx.contactors_closed:
            return []
        return self._books.keep((act.StopPower(urgency), act.OpenContactors(urgency, reason)))

    def _doom(self, reason: EndReason, detail: str, *, rule: str = "") -> list[Action]:
        """Safe now; the vehicle learns it with the answer to its next request, and then the session ends."""
        ctx, detail = self._ctx, printable(detail)
        if ctx.doom is None:
            ctx.doom, ctx.doom_detail, ctx.doom_rule = reason, detail, rule
        for timer in _NEEDLESS_WHEN_DOOMED:
            self.timers.clear(timer)
        actions = self._make_safe(Urgency.ORDERLY if reason.orderly else Urgency.EMERGENCY, detail)
        if self._state is None:
            return actions + self._end(reason, detail, rule=rule)
        # A vehicle that does not come to hear of it does not keep the next one waiting for a minute.
        latest = ctx.now + self.config.stop_delay_s
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
    ) -> list[Action]:
        """The one way out."""
        detail = printable(detail)  # words of the vehicle may be in it, and it goes to ports and logs
        urgency = Urgency.ORDERLY if reason.orderly else Urgency.EMERGENCY
        actions = self._make_safe(urgency, detail or reason.value)
        if response is not None:
            actions.append(act.Send(response))
        self.ended = act.SessionEnded(reason, detail, rule or (self._ctx.stop_rule if reason.orderly else ""))
        self.ticket = keep(self._ctx) if reason is EndReason.PAUSED else None
        self._state = State.ENDED
        self._waiting = self._pending = None
        self.states.append(State.ENDED.value)
        self.timers.clear_all()
        actions += [act.StateEntered(State.ENDED.value), self.ended]
        if connected:
            # After an answer the vehicle closes first; we wait for it this long [V2G20-1643].
            grace_s = self.config.timing.close_wait if response is not None else 0.0
            if type(response) is not cm.SessionStopRes:
                self._closes_at = self._ctx.now + grace_s
            actions.append(act.CloseLink(grace_s))
        return actions

    def _late(self, event: ev.Event) -> list[Action]:
        """After the end two things matter: a contactor that closes late is told to open again, and a vehicle
        that was refused may still say goodbye while it is waited for."""
        if isinstance(event, ev.ContactorsChanged):
            closed = event.closed is not False
            self._books.contactors(closed)
            if closed:
                return self._make_safe(Urgency.EMERGENCY, "contactors closed after the end")
        ctx = self._ctx
        stop = event.message if isinstance(event, ev.MessageReceived) else None
        waited_for = ctx.now < self._closes_at
        if type(stop) is cm.SessionStopReq and waited_for and stop.header.session_id == ctx.session_id:
            self._closes_at = ctx.now  # one is enough
            return [act.Send(cm.SessionStopRes(header=ctx.header(), response_code=ResponseCode.OK))]
        return []

    def _broken(self, error: Exception) -> list[Action]:
        """A fault of this software: nobody can say what is true any more, so both are asked for whatever the books say."""
        self.error = self.error or error
        ctx = self._ctx
        detail = what_went_wrong(error)
        actions: list[Action] = [
            act.StopPower(Urgency.EMERGENCY),
            act.OpenContactors(Urgency.EMERGENCY, "a fault of this software"),
        ]
        ctx.power, ctx.precharging, ctx.energized, ctx.told_safe = None, False, False, True
        self._waiting = self._pending = None
        self.timers.clear_all()
        if self.ended is None:
            self.ended = act.SessionEnded(EndReason.INTERNAL_ERROR, detail)
            self._state = State.ENDED
            self.states.append(State.ENDED.value)
            actions += [act.StateEntered(State.ENDED.value), self.ended, act.CloseLink(0.0)]
        return actions
