"""What both roles of basic charging share: the outer contract of a session, its
timers, and the one way out."""

from __future__ import annotations

import math
from enum import Enum
from typing import Generic, TypeVar

from iso15118.link.deadlines import Deadlines, earliest
from iso15118.printable import printable
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Action, EndReason, SessionEnded, Urgency
from iso15118.session.causes import LOSSES, refined
from iso15118.session.checks import check_event, is_ac_reading, taken_at, text, what_went_wrong
from iso15118.session.supervision import AcSupervisor, Finding, Reaction, Rule, SupervisionLimits

from .settings import BasicSettings

__all__ = ["ENDED", "BasicSession", "supervisor_of"]

ENDED = "Ended"
_FAILED_RULES = {Rule.CONTACTOR_LEVEL: EndReason.CONTACTOR_FAILED}

T = TypeVar("T", bound=Enum)


def supervisor_of(
    supervision: SupervisionLimits, *, nominal_v: float, most_v: float | None, where: str
) -> AcSupervisor:
    """The same judge as of a session with messages. ``most_v`` None: by ``ac_voltage_factor``."""
    if most_v is None:
        most_v = supervision.beyond(Rule.OVER_VOLTAGE, supervision.ac_voltage_factor) * nominal_v
    return AcSupervisor(supervision, nominal_v=nominal_v, most_v=most_v, where=where)


class BasicSession(Generic[T]):
    """One plug-in by the duty cycle. It has the outer contract of a session: ``handle``, ``handle_timeout``,
    ``deadline``, ``ended``. It begins with ``Connected``."""

    edition = "basic"
    """What is spoken: nothing."""
    session_id = bytes(8)
    ticket = None

    def __init__(self, settings: BasicSettings, supervisor: AcSupervisor, timers: type[T]) -> None:
        self.settings = settings
        self.ended: SessionEnded | None = None
        """How it ended; None while it runs."""
        self.error: Exception | None = None
        """What was raised in this software, if that ended it."""
        self.states: list[str] = []
        self.signal: ev.SignalState | None = None
        """What the pilot shows; None before anybody said so."""
        self._supervisor = supervisor
        self._timers: Deadlines[T] = Deadlines(timers)
        self._begun = False
        self._live = False
        """Something that lets current flow was asked for, and not taken back."""
        self._used = False
        """It was at some time."""
        self._at_once = False
        """An emergency stop was asked for, and nothing since that lets current flow."""
        self._measured = ev.AcMeasured()

    # -- the contract

    @property
    def state(self) -> str:
        """Where it stands."""
        return self.states[-1] if self.states else "Connecting"

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timeout``."""
        if self.ended is not None:
            return None
        fresh = self.readings_until
        return earliest((self._timers.earliest, None if math.isinf(fresh) else fresh))

    @property
    def readings_until(self) -> float:
        """Until when the readings are young enough; infinite while nothing is live, or nobody minds."""
        return self._fresh_until if self._live else math.inf

    def handle(self, event: ev.Event, now: float) -> list[Action]:
        """Take an event. An event of the application that makes no sense is refused, and nothing of it is
        kept: raises ``ConfigError`` with its field. Nothing else is ever raised: a fault of this software
        ends it with ``INTERNAL_ERROR``, hardware first."""
        check_event(event)
        try:
            if not math.isfinite(now):
                raise ValueError(f"{now} is no time")  # a clock that shows none is a fault
            return self._take(event, now)
        except Exception as error:  # whatever it is, the contactors must not stay closed
            return self._broken(error, event)

    def _take(self, event: ev.Event, now: float) -> list[Action]:
        if self.ended is not None:
            return self._late(event, now)
        match event:
            case ev.HardwareFault(port=port, reason=reason):
                return self._fail(EndReason.HARDWARE_FAULT, f"{text(port)}: {text(reason)}", now)
            case ev.EmergencyShutdown(reason=reason):
                return self._fail(EndReason.EMERGENCY, text(reason), now)
            case ev.TransportLost(how=how):
                lost = how.value if isinstance(how, ev.TransportLoss) else text(how)
                cause = LOSSES.get(how, "")
                return self._fail(EndReason.PEER_VANISHED, f"dropped: {lost}", now, cause=cause)
            case ev.SignalChanged(state=state):
                return self._signalled(state, now)
            case ev.AcMeasured():
                return self._judge(event, now)
            case ev.Connected():
                if self._begun:
                    return []
                self._begun = True
                return self._begin(now)
            case _:
                return self._told(event, now)

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come. Earlier calls are harmless, and nothing is raised."""
        try:
            return self._timeout(now)
        except Exception as error:  # as above
            return self._broken(error)

    def _timeout(self, now: float) -> list[Action]:
        if not math.isfinite(now):
            raise ValueError(f"{now} is no time")
        actions: list[Action] = []
        while self.ended is None and (timer := self._timers.pop(now)) is not None:
            actions += self._expired(timer, now)
        if self.ended is None and self._live and (finding := self._stale(now)) is not None:
            actions += self._found(finding, now)
        return actions

    # -- for the roles

    def _begin(self, now: float) -> list[Action]:
        raise NotImplementedError

    def _signalled(self, state: ev.SignalState, now: float) -> list[Action]:
        raise NotImplementedError

    def _told(self, event: ev.Event, now: float) -> list[Action]:
        raise NotImplementedError

    @property
    def _fresh_until(self) -> float:
        """Until when what is measured is young enough."""
        return self._supervisor.fresh_until

    def _stale(self, now: float) -> Finding | None:
        """Something was not measured for too long."""
        return self._supervisor.stale(now)

    def _sampled(self, measured: ev.AcMeasured, at: float, now: float) -> Finding | None:
        """What a reading breaks that was taken at ``at``."""
        return self._supervisor.measured(measured.voltage_v, measured.current_a, measured.total_w, at, now)

    def _flows(self, measured: ev.AcMeasured, now: float) -> list[Action]:
        """A reading that no rule forbids."""
        raise NotImplementedError

    def _expired(self, timer: T, now: float) -> list[Action]:
        raise NotImplementedError

    def _stop(self, reason: str, now: float) -> list[Action]:
        """Come to an orderly end."""
        raise NotImplementedError

    def _off(self, urgency: Urgency, reason: str, now: float) -> list[Action]:
        """What makes the hardware safe, and what the pilot has to show then."""
        raise NotImplementedError

    def _late(self, event: ev.Event, now: float) -> list[Action]:
        """An event after the end: an emergency makes an orderly end one at once, whatever flows by then; and
        what is measured is judged as before, since asking once may not have helped."""
        if isinstance(event, ev.AcMeasured):
            return self._judge(event, now)
        if not isinstance(event, ev.HardwareFault | ev.EmergencyShutdown):
            return []
        if not self._used or self._at_once:
            return []
        return self._off(Urgency.EMERGENCY, printable(text(event.reason)), now)

    def _energises(self) -> None:
        """Something is asked for that lets current flow."""
        self._live, self._used, self._at_once = True, True, False

    def _haste(self, urgency: Urgency) -> Urgency:
        """How urgent a stop is: none behind one at once is a slower one."""
        self._live, self._at_once = False, self._at_once or urgency is Urgency.EMERGENCY
        return Urgency.EMERGENCY if self._at_once else urgency

    def _enter(self, state: str) -> list[Action]:
        if self.state == state:
            return []
        self.states.append(state)
        return [act.StateEntered(state)]

    def _judge(self, measured: ev.AcMeasured, now: float) -> list[Action]:
        if not is_ac_reading(measured):
            return self._unusable("AcMeasured", now)
        at = taken_at(measured.at, now, self._supervisor.sampled_at)
        if at is None:
            return []
        self._measured = measured
        finding = self._sampled(measured, at, now)
        actions = [] if finding is None else self._found(finding, now)
        return actions if self.ended is not None else [*actions, *self._flows(measured, now)]

    def _unusable(self, name: str, now: float) -> list[Action]:
        if Rule.UNUSABLE_READINGS in self._supervisor.limits.off:
            return []
        what = f"a field of {name} is no finite number"
        finding = Finding(Rule.UNUSABLE_READINGS, math.nan, math.nan, now, Reaction.FAULT, what)
        return self._found(finding, now)

    def _found(self, finding: Finding, now: float) -> list[Action]:
        """A rule of the supervision is broken."""
        rule, detail = finding.rule.value, finding.detail
        news: list[Action] = [act.SupervisionWarning(rule, detail)]
        if self.ended is not None:
            fault = finding.reaction is Reaction.FAULT
            return [*self._off(Urgency.EMERGENCY, printable(detail), now), *news] if fault else news
        if finding.reaction is Reaction.FAULT:
            reason = _FAILED_RULES.get(finding.rule, EndReason.HARDWARE_FAULT)
            return [*self._fail(reason, detail, now, rule=rule), *news]
        return [*self._stop(detail, now), *news] if finding.reaction is Reaction.STOP else news

    def _fail(
        self, reason: EndReason, detail: str, now: float, *, rule: str = "", cause: str = ""
    ) -> list[Action]:
        return self._end(reason, detail, now, rule=rule, cause=cause)

    def _end(
        self, reason: EndReason, detail: str, now: float, *, rule: str = "", cause: str = ""
    ) -> list[Action]:
        """The one way out: safe first, whatever was asked for before."""
        urgency = Urgency.ORDERLY if reason.orderly else Urgency.EMERGENCY
        detail = printable(detail)
        actions = self._off(urgency, detail or reason.value, now)
        self.ended = SessionEnded(reason, detail, rule, refined(reason, cause, rule))
        self._timers.clear_all()
        return [*actions, *self._enter(ENDED), self.ended, act.CloseTransport()]

    def _broken(self, error: Exception, event: ev.Event | None = None) -> list[Action]:
        """A fault of this software: nobody can say what is true any more, so what makes safe is asked for
        whatever is known. Once, as in a session with messages: who answers at once would have the loop for
        ever."""
        if self.error is not None and not isinstance(event, ev.ContactorsChanged):
            return []
        self.error = error
        self._timers.clear_all()
        urgency = self._haste(Urgency.EMERGENCY)
        actions: list[Action] = [
            act.StopPower(urgency),
            act.OpenContactors(urgency, "a fault of this software"),
            *self._rests(),
        ]
        if self.ended is None:
            self.ended = SessionEnded(EndReason.INTERNAL_ERROR, what_went_wrong(error))
            actions += [*self._enter(ENDED), self.ended, act.CloseTransport()]
        return actions

    def _rests(self) -> list[Action]:
        """What the pilot shows when nothing may flow."""
        raise NotImplementedError

    @property
    def _none_flows(self) -> bool:
        """The last reading shows no current that counts."""
        return max(self._measured.current_a) < self._supervisor.limits.ac_none_a
