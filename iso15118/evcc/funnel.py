"""The vehicle's way out: whatever makes a session end comes together here, and takes the vehicle off
the cable before anything else.

What its own hardware says is judged here too, since most of it is a reason to end.
"""

from __future__ import annotations

import math
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from iso15118.energy.ac import NOTHING
from iso15118.evcc.beside import SideScript
from iso15118.evcc.config import EvccConfig
from iso15118.evcc.conversation import Conversation, Leave, Step
from iso15118.printable import printable
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import ChargerBounds
from iso15118.session.actions import Action, EndReason, Urgency
from iso15118.session.causes import refined
from iso15118.session.checks import (
    PILOT_GONE,
    is_ac_reading,
    is_battery,
    is_coil_reading,
    is_reading,
    late_alarm,
    so_soon,
    taken_at,
    text,
    what_went_wrong,
)
from iso15118.session.ends import then
from iso15118.session.history import StateHistory
from iso15118.session.supervision import (
    AcSupervisor,
    BatterySupervisor,
    Finding,
    Reaction,
    Rule,
    WirelessSupervisor,
    worse,
)
from iso15118.timing import TimerTable

__all__ = ["ENDED", "Funnel"]

ENDED = "Ended"
_CONVERSATION_FAILURES = frozenset(
    {
        EndReason.REFUSED,
        EndReason.TIMEOUT,
        EndReason.SEQUENCE_ERROR,
        EndReason.UNKNOWN_SESSION,
        EndReason.UNDECODABLE,
        EndReason.PEER_VANISHED,
    }
)
"""Ways to end in which nothing but the conversation failed."""
_REASONS = {
    Rule.CONTACTOR_LEVEL: EndReason.CONTACTOR_FAILED,
    Rule.CONTACTOR_VOLTAGE: EndReason.PRE_CHARGE_FAILED,
}
"""How a session ends by these rules; by the others it is a fault of hardware."""
_AUTHORIZING = ("Authorization", "CertificateInstallation", "CertificateUpdate", "PaymentDetails")
"""States in which the vehicle may have been refused already."""
_DECIDING = ("Authorization", "PaymentDetails", "ContractAuthentication")
"""States in which a refusal means that driver or contract is refused, in every edition."""


class Funnel:
    """What ends a session, and how. ``EvccSession`` is one with a script."""

    def __init__(self, config: EvccConfig, talk: Conversation) -> None:
        self.config = config
        self.timers = TimerTable()
        self.ended: act.SessionEnded | None = None
        """How it ended; None while it runs."""
        self.states: list[str] = StateHistory()
        """Every state entered, in order, repeats left out."""
        self.error: Exception | None = None
        """What was raised in this software, if that ended the session."""
        self._talk = talk
        self._side = SideScript(talk, self.timers)
        """What runs beside the script."""
        self._supervisor = talk.supervisor
        self._script: Coroutine[Step, Any, act.SessionEnded] | None = None
        self._step: Step | None = None
        self._told_safe = False
        self._told_open_at = -math.inf
        self._at_once = False
        """An emergency stop was asked for, and nothing since that flows."""
        self._may_close = False
        """The script has asked to close the contactors at some time."""
        self._may_draw = False
        """The on-board charger, or the coil, was told to take or give power at some time."""
        self._source: AcSupervisor | WirelessSupervisor | None = None
        """Of what energy comes by, where that is the charger or the coil; None: the inlet."""
        self._behind_source = BatterySupervisor(config.supervision)
        """Of the battery then: with an inlet it is the inlet's supervisor."""
        self._ready = False
        self._follows = False
        """The inverter was told a grid code, and not yet to leave it."""
        self._leaving: Leave | None = None
        """The clock has ended a poll while its answer is still awaited."""
        self._on_cable = False
        """Asked to close and not to open since, or the contactors are closed: readings are needed."""

    @property
    def energized(self) -> bool:
        """The vehicle was asked to close its contactors, or its charger to take power, and
        not yet to take that back."""
        return (self._may_close or self._may_draw) and not self._told_safe

    # -- what is asked of the hardware, and what it says

    def _book(self, actions: list[Action]) -> None:
        """Keep the books on what the hardware is asked for. No stop behind one at once is a slower one."""
        talk = self._talk
        supervisor, now = talk.supervisor, talk.now
        for place, action in enumerate(actions):
            kind = type(action)
            if kind is act.CloseContactors:
                self._told_safe, self._may_close, self._at_once = False, True, False
                self._source = None
                over_v, within_v = talk.battery.voltage_v, self.config.precharge_tolerance_v
                supervisor.told(True, now, over_v, within_v)
            elif kind is act.SetCharger:
                self._draw_by(talk.ac_supervisor)
                self._draws(action.bounds)  # type: ignore[attr-defined]
            elif kind is act.SetReceiver:
                self._draw_by(talk.wireless_supervisor)
                if talk.wireless_supervisor is not None:
                    talk.wireless_supervisor.told_power(action.power_w, now)  # type: ignore[attr-defined]
            elif kind is act.FollowGrid:
                self._follows = action.code is not None  # type: ignore[attr-defined]
            elif kind is act.SignalReady:
                self._ready = action.ready  # type: ignore[attr-defined]
            elif kind is act.StopPower:
                if self._at_once:
                    actions[place] = action = act.StopPower(Urgency.EMERGENCY)
                emergency = self._at_once = action.urgency is Urgency.EMERGENCY  # type: ignore[attr-defined]
                supervisor.stop(emergency, now)
                if talk.ac_supervisor is not None:
                    talk.ac_supervisor.stop(emergency, now)
                if talk.wireless_supervisor is not None:
                    talk.wireless_supervisor.stop(emergency, now)
            elif kind is act.OpenContactors:
                if self._at_once:
                    actions[place] = replace(action, urgency=Urgency.EMERGENCY)
                if not self._told_safe:
                    self._told_open_at = now
                self._told_safe = True
                supervisor.told(False, now)
        self._on_cable = self.ended is None and (self.energized or self._talk.contactors_closed)

    def _draw_by(self, source: AcSupervisor | WirelessSupervisor | None) -> None:
        """What this one judges was told to take or give power."""
        if not self.energized or self._source is not source:
            self._behind_source.wait_from(self._talk.now)
            if source is not None:
                source.live_from(self._talk.now)
        self._source = source
        self._told_safe, self._may_draw, self._at_once = False, True, False

    def _draws(self, bounds: ChargerBounds) -> None:
        ac = self._talk.ac_supervisor
        if ac is None:
            return
        ahead, back = (NOTHING, bounds.power_w) if sum(bounds.power_w) < 0.0 else (bounds.power_w, NOTHING)
        ac.told_power(
            bounds.phases,
            bounds.current_a if any(ahead) or bounds.supports_grid else NOTHING,
            sum(ahead),
            bounds.current_a if any(back) or bounds.supports_grid else NOTHING,
            -sum(back),
            self._talk.now,
        )

    @property
    def _fresh_until(self) -> float:
        """Until when what is measured of the energy and of the battery is young enough."""
        if self._source is None:
            return self._supervisor.fresh_until
        return min(self._source.fresh_until, self._behind_source.fresh_until)

    def _stale(self) -> Finding | None:
        now = self._talk.now
        if self._source is None:
            return self._supervisor.stale(now)
        return worse(self._source.stale(now), self._behind_source.stale(now))

    def _signal_changed(self, state: Any) -> list[Action]:
        if not isinstance(state, ev.SignalState):
            what = f"control pilot state {text(state)}"
            return self._end(EndReason.SIGNAL_LOST, what, cause="pilot-fault")
        self._talk.signal = state
        if state is ev.SignalState.A and self._talk.apart and not self.energized:
            return []  # a connection device is on its way, or leaves
        if state in PILOT_GONE:
            cause = "unplugged" if state is ev.SignalState.A else "pilot-fault"
            return self._end(EndReason.SIGNAL_LOST, f"control pilot state {state.value}", cause=cause)
        return []

    def _contactors(self, level: Any) -> list[Action]:
        talk = self._talk
        closed = level is not False  # what is no level counts as the worse one
        was, talk.contactors_closed = talk.contactors_closed, closed
        talk.supervisor.contactors(closed)
        self._on_cable = self.ended is None and (closed or self.energized)
        if closed and level is not True:
            return self._end(EndReason.CONTACTOR_FAILED, "the level of the contactors is unknown")
        if closed and (self._told_safe or not self._may_close):
            what = "contactors did not open" if was else "contactors closed without permission"
            cause = "contactors-not-opened" if was else "contactors-unasked"
            what += so_soon(self._told_open_at, talk.now)
            return self._end(EndReason.CONTACTOR_FAILED, what, cause=cause)
        if was and not closed and not self._told_safe:
            what = "contactors opened by themselves"
            return self._end(EndReason.CONTACTOR_FAILED, what, cause="contactors-opened")
        return []

    # -- what is measured

    def _inlet(self, event: ev.InletMeasured) -> Finding | None:
        talk = self._talk
        voltage, current, now = event.voltage_v, event.current_a, talk.now
        if not is_reading(voltage, current, event.at):
            return self._unusable("InletMeasured")
        taken = taken_at(event.at, now, talk.supervisor.inlet_at)
        if taken is None:
            return None
        talk.inlet = event
        if talk.counts_energy:
            talk.meter.measured(event, now)
        found = talk.supervisor.measured(voltage, current, taken, now)
        if found is not None and found.rule is Rule.CONTACTOR_VOLTAGE:  # it knows how far apart they are
            at = f"{voltage:.1f} V at the inlet, {talk.battery.voltage_v:.1f} V at the battery"
            found = replace(found, what=f"{found.what} ({at})")
        return found

    def _charger(self, event: ev.AcMeasured) -> Finding | None:
        if not is_ac_reading(event):
            return self._unusable("AcMeasured")
        talk, now, charger = self._talk, self._talk.now, self._talk.ac_supervisor
        taken = taken_at(event.at, now, -math.inf if charger is None else charger.sampled_at)
        if taken is None:
            return None
        talk.charger_measured = event
        if talk.counts_energy:
            talk.meter.power("charger", event.total_w, taken, now)
        if charger is None:
            return None
        found = charger.measured(event.voltage_v, event.current_a, event.total_w, taken, now)
        return worse(found, self._behind_source.charger(max(event.current_a), now))

    def _coil(self, event: ev.ReceiverMeasured) -> Finding | None:
        if not is_coil_reading(event):
            return self._unusable("ReceiverMeasured")
        talk, now, coil = self._talk, self._talk.now, self._talk.wireless_supervisor
        taken = taken_at(event.at, now, -math.inf if coil is None else coil.sampled_at)
        if taken is None:
            return None
        talk.receiver = event
        talk.meter.power("coil", event.power_w, taken, now)
        if coil is None:
            return None
        found = coil.measured(event.power_w, taken, now)
        return worse(found, self._behind_source.coil(event.power_w, now))

    def _battery(self, event: ev.BatteryChanged) -> list[Action]:
        if not is_battery(event):
            found = self._unusable("BatteryChanged")
            return [] if found is None else self._found(found)
        talk, now = self._talk, self._talk.now
        last, given = self._supervisor.battery_at, talk.battery.at
        if math.isinf(last) and given is not None:  # the one that the session was given
            last = given
        taken = taken_at(event.at, now, last)
        if taken is None:
            return []
        talk.battery = event
        self._supervisor.battery(event.maximum_voltage_v, event.target_current_a, event.inlet_hot, taken, now)
        self._behind_source.told(event.inlet_hot, taken)
        return []

    def _unusable(self, name: str) -> Finding | None:
        if Rule.UNUSABLE_READINGS in self.config.supervision.off:
            return None
        what = f"a field of {name} is no finite number"
        return Finding(Rule.UNUSABLE_READINGS, math.nan, math.nan, self._talk.now, Reaction.FAULT, what)

    def _found(self, finding: Finding) -> list[Action]:
        """A rule of the supervision is broken."""
        talk, rule, detail = self._talk, finding.rule.value, finding.detail
        news: list[Action] = [act.SupervisionWarning(rule, detail)]
        if finding.reaction is not Reaction.FAULT:
            talk.urged += finding.reaction is Reaction.STOP
            if finding.reaction is Reaction.STOP and self.ended is None and not talk.stop_wanted:
                talk.stop_wanted, talk.stop_rule = detail, rule
            return news
        self._told_safe = False  # whatever was asked for did not help
        if self.ended is not None:
            return self._make_safe(Urgency.EMERGENCY, detail) + news
        reason = _REASONS.get(finding.rule, EndReason.HARDWARE_FAULT)
        return self._end(reason, detail, rule=rule) + news

    # -- the funnel

    def _make_safe(self, urgency: Urgency, reason: str) -> list[Action]:
        hastened = urgency is Urgency.EMERGENCY and not self._at_once  # a ramp may be under way
        if self._told_safe and not self._talk.contactors_closed and not hastened and not self._ready:
            return []
        actions: list[Action] = [
            act.StopPower(urgency),
            act.SignalReady(False),
            act.OpenContactors(urgency, reason),
        ]
        self._book(actions)
        return actions

    def _end(
        self,
        reason: EndReason,
        detail: str = "",
        *,
        connected: bool = True,
        rule: str = "",
        cause: str = "",
    ) -> list[Action]:
        """The one way out."""
        detail = printable(detail)  # words of the station may be in it, and it goes to ports and logs
        actions = self._make_safe(
            Urgency.ORDERLY if reason.orderly else Urgency.EMERGENCY, detail or reason.value
        )
        left = self._talk.left
        if left is not None and not left.reason.orderly and reason in _CONVERSATION_FAILURES - {left.reason}:
            # Some stations refuse SessionStopReq in pre-charge and in the charge loop. Why the vehicle left
            # is worth more than how the station took it.
            reason, detail = left.reason, then(left.detail or left.reason.value, detail or reason.value)
            rule, cause = left.rule, left.cause
        if reason in _CONVERSATION_FAILURES and self.states[-1] in _AUTHORIZING and self._talk.refusals:
            # The first cause: what the station says to the next attempt is often
            # only that it did not expect one.
            detail = printable(f"{detail or reason.value}; before that: {'; '.join(self._talk.refusals)}")
        if reason is EndReason.REFUSED and self.states[-1] in _DECIDING:
            cause = cause or "authorization-refused-by-station"
        if reason is EndReason.REFUSED and self._talk.shown:
            self._talk.refused = self._talk.shown
            self._talk.refusals.append(f"{self._talk.shown}: {detail}")
        rule = rule or (self._talk.stop_rule if reason.orderly else "")
        self.ended = act.SessionEnded(reason, detail, rule, refined(reason, cause, rule))
        script, self._script, self._step = self._script, None, None
        self._side.close()
        if script is not None:
            script.close()
        self.timers.clear_all()
        self._on_cable = False
        self.states.append(ENDED)
        if self._follows:  # what holds without a session is the inverter's own
            self._follows = False
            actions.append(act.FollowGrid(None))
        if self._talk.selected:
            self._talk.selected = ()
            actions.append(act.ServicesSelected(()))
        actions += [act.StateEntered(ENDED), self.ended]
        if connected:
            actions.append(act.CloseTransport())
        return actions

    def _late(self, event: ev.Event) -> list[Action]:
        """After the end two things matter: a contactor that closes late is told to open again, and an alarm
        cuts a ramp short."""
        if isinstance(event, ev.ContactorsChanged):
            closed = self._talk.contactors_closed = event.closed is not False
            self._talk.supervisor.contactors(closed)
            if closed:
                return self._make_safe(Urgency.EMERGENCY, "contactors closed after the end")
        # Once: the fault may be that of a port that is asked.
        if not self._at_once and (why := late_alarm(event, self._talk.contactors_closed)):
            return self._make_safe(Urgency.EMERGENCY, why)
        return []

    def _broken(self, error: Exception, event: ev.Event | None = None) -> list[Action]:
        """A fault of this software: nobody can say what is true any more, so all is asked for whatever the
        books say. Once: were it asked for with each measurement that brings the fault again, whoever answers
        at once would have the loop for ever."""
        if self.error is not None and not isinstance(event, ev.ContactorsChanged):
            return []
        self.error = error if self.error is None else self.error
        detail = what_went_wrong(error)
        actions: list[Action] = [
            act.StopPower(Urgency.EMERGENCY),
            act.SignalReady(False),
            act.OpenContactors(Urgency.EMERGENCY, "a fault of this software"),
        ]
        self._told_safe, self._ready, self._leaving = True, False, None
        self._step, script, self._script = None, self._script, None
        self.timers.clear_all()
        self._on_cable = False
        if self.ended is None:
            self.ended = act.SessionEnded(EndReason.INTERNAL_ERROR, detail)
            self.states.append(ENDED)
            actions += [act.StateEntered(ENDED), self.ended, act.CloseTransport()]
        self._side.close()
        if script is not None:
            with suppress(Exception):  # it is what failed
                script.close()
        return actions
