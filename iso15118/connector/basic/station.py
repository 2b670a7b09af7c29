"""The station's side of basic charging: the pilot's steps, the duty cycle as limits change, and a contactor
that is closed in C and D only.

One place asks to close it. It is told to open in the very turn in which the pilot
leaves C and D, or anything fails.
"""

from __future__ import annotations

from enum import Enum

from iso15118.energy.ac import NOTHING, Phases, each
from iso15118.link.primitives import Pilot, SetPilot
from iso15118.link.pwm import current_for, duty_for
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcBounds, AcStationLimits
from iso15118.session.actions import Action, EndReason, Urgency
from iso15118.session.supervision import Rule, SupervisionLimits

from .base import BasicSession, supervisor_of
from .settings import BasicSettings

__all__ = ["BasicStation", "State", "Steps"]

_C, _D, _B, _A = ev.SignalState.C, ev.SignalState.D, ev.SignalState.B, ev.SignalState.A


class Steps(Enum):
    """What the pilot has to show before a nominal duty cycle, which depends on what it showed."""

    NONE = "nothing: it rested in X1"
    REST = "X1 for t_step_x1: a vehicle was matched"
    WAKE = "F for t_step_ef, then X1 for t_step_x1: 5 % was shown, and nobody was matched"


class State:
    """The states by their names in ``states``."""

    STEPS = "BasicSteps"
    AUTHORIZATION = "BasicAuthorization"
    OFFER = "BasicOffer"
    """Duty cycle shown, or a steady pilot while there is not enough to offer; contactors open."""
    CLOSING = "BasicClosing"
    CHARGING = "BasicCharging"
    HALTING = "BasicHalting"
    """Steady pilot; the vehicle has its time to stop."""


class _Timer(Enum):
    HALT = "the vehicle did not stop"
    CLOSE = "the contactors did not close"
    OPEN = "the contactors did not open"
    STEP_F = "state F"
    STEP_X1 = "steady pilot"
    RISE = "duty cycle may rise"
    RECLOSE = "contactors may close"


class BasicStation(BasicSession[_Timer]):
    """One plug-in at an outlet. Asks for ``SetPilot`` beside what a session asks of the hardware.

    ``outlet``: what it can give now, ``hardware``: what it could give at best. ``evccid`` and
    ``certificate_name``: what an earlier session read of the vehicle, for the authorizer. Raises nothing.
    """

    def __init__(
        self,
        settings: BasicSettings,
        outlet: AcStationLimits,
        *,
        hardware: AcStationLimits | None = None,
        steps: Steps = Steps.REST,
        evccid: str = "",
        certificate_name: str = "",
        supervision: SupervisionLimits | None = None,
    ) -> None:
        nominal_v = (hardware or outlet).nominal_voltage_v
        supervision = supervision if supervision is not None else SupervisionLimits()
        judge = supervisor_of(supervision, nominal_v=nominal_v, most_v=None, where="at the outlet")
        super().__init__(settings, judge, _Timer)
        self.evccid = evccid
        """As it was read before; empty if nobody said."""
        self._certificate_name = certificate_name
        self._outlet, self._steps = outlet, steps
        self._set_point_w: float | None = None
        """What the energy manager allows, of all phases together."""
        self._authorized = False
        self._driving_f = False
        self._percent: float | None = None
        """The duty cycle that is shown; None: none."""
        self._closing = self._closed = self._opening = False
        """Told to close and not closed yet; the level; told to open and not open yet."""
        self._stop_reason: str | None = None
        self._phases = outlet.phases
        """How many are connected; they stay while the contactors are closed."""

    # -- the beginning

    def _begin(self, now: float) -> list[Action]:
        asked: list[Action] = [act.RequestAuthorization(self.evccid, self._certificate_name)]
        if self._steps is Steps.WAKE:
            self._driving_f = True
            self._timers.set(_Timer.STEP_F, now + self.settings.t_step_ef)
            return [SetPilot(Pilot.STATE_F), *self._enter(State.STEPS), *asked]
        return [*self._rest(now), *asked]

    def _rest(self, now: float) -> list[Action]:
        self._driving_f = False
        steady = SetPilot(Pilot.STEADY)
        if self._steps is Steps.NONE:
            return [steady, *self._enter(State.AUTHORIZATION)]
        self._timers.set(_Timer.STEP_X1, now + self.settings.t_step_x1)
        return [steady, *self._enter(State.STEPS)]

    @property
    def _stepping(self) -> bool:
        return _Timer.STEP_F in self._timers or _Timer.STEP_X1 in self._timers

    # -- what it is told

    def _told(self, event: ev.Event, now: float) -> list[Action]:
        match event:
            case ev.ContactorsChanged(closed=closed):
                return self._contactors(closed, now)
            case ev.AuthorizationDecided(accepted=accepted):
                return self._decided(accepted, now)
            case ev.AcLimitsChanged(limits=limits):
                self._outlet = limits
                return self._offer(now)
            case ev.SetPointChanged(power_w=power_w):
                self._set_point_w = None if power_w is None else max(power_w, 0.0)
                return self._offer(now)
            case ev.StopRequested(reason=reason):
                return self._stop(reason, now)
            case _:
                return []

    def _decided(self, accepted: bool, now: float) -> list[Action]:
        if accepted is not True and self._live:
            return self._stop("the authorization was withdrawn", now)
        if accepted is not True:
            return self._end(EndReason.AUTHORIZATION_FAILED, "not authorized", now)
        if self._authorized:
            return []
        self._authorized = True
        return self._ready(now)

    def _ready(self, now: float) -> list[Action]:
        """Behind the steps, and authorized: offer."""
        if self._stepping or self._stop_reason is not None:
            return []
        if not self._authorized:
            return self._enter(State.AUTHORIZATION)
        return [*self._enter(State.OFFER), *self._offer(now)]

    # -- the pilot

    def _signalled(self, state: ev.SignalState, now: float) -> list[Action]:
        self.signal = state
        if state is _A:
            orderly = not (self._live or self._closed)
            reason = EndReason.STOPPED_BY_EV if orderly else EndReason.SIGNAL_LOST
            cause = "" if orderly else "unplugged"
            return self._end(reason, "unplugged", now, cause=cause)
        if state in (ev.SignalState.E, ev.SignalState.F):
            # What this side drives is no fault; the port may report it a moment longer.
            if self._driving_f or (self._stepping and not self._live):
                return []
            what = f"control pilot state {state.value}"
            return self._end(EndReason.SIGNAL_LOST, what, now, cause="pilot-fault")
        if self._wants_energy:
            return self._close(now)
        return self._let_go(now)

    @property
    def _wants_energy(self) -> bool:
        return self.signal is _C or (self.signal is _D and self.settings.accept_d)

    def _let_go(self, now: float) -> list[Action]:
        """The vehicle does not want energy, or no longer: open at once, whatever flows."""
        actions: list[Action] = []
        if self._live or self._closed:
            why = "the vehicle wants ventilation" if self.signal is _D else "the vehicle shows B"
            actions = self._open(Urgency.EMERGENCY, why, now)
        self._timers.clear(_Timer.HALT)
        if self._stop_reason is not None:
            return [*actions, *self._stopped(now)]
        if self._authorized and not self._stepping:
            actions += self._enter(State.OFFER)
        return actions

    # -- what is offered

    @property
    def _available_a(self) -> float:
        """What may be offered per phase: the least of settings, outlet and set-point, in the phases that are
        connected, or would be."""
        outlet, volts = self._outlet, self._outlet.nominal_voltage_v
        phases = self._phases if self._closed or self._closing else outlet.phases
        found = [self.settings.maximum_current_a]
        for index in range(phases):
            found += [outlet.maximum_current_a[index], outlet.maximum_charge_power_w[index] / volts]
        if self._set_point_w is not None:
            found.append(self._set_point_w / volts / phases)
        available = min(found)
        least_w = max(outlet.minimum_charge_power_w)
        return available if available * volts + 1e-6 >= least_w else 0.0

    def _offer(self, now: float) -> list[Action]:
        """Show what may be offered now: lowered at once, raised when the vehicle had its time to follow."""
        if not self._authorized or self._stepping or self._stop_reason is not None:
            return []
        percent = duty_for(self._available_a)
        if percent == self._percent:
            return []
        if percent is None:
            return self._halt(now)
        if self._percent is None or percent > self._percent:
            if _Timer.RISE in self._timers:
                return []
            if self._percent is None and _Timer.HALT in self._timers:
                return []  # a vehicle that is stopping comes to its stop first
        return [*self._show(percent, now), *self._close(now)]

    def _show(self, percent: float, now: float) -> list[Action]:
        self._percent = percent
        self._timers.set(_Timer.RISE, now + self.settings.rise_s)
        actions: list[Action] = [SetPilot(Pilot.NOMINAL, percent)]
        if self._closed and self._live:
            actions += self._bounds(now)
        return actions

    def _halt(self, now: float) -> list[Action]:
        """Steady pilot: the vehicle has to stop, and the contactors open when it did,
        or when its time is over."""
        self._percent = None
        actions: list[Action] = [SetPilot(Pilot.STEADY)]
        if not self._live:
            return actions
        self._timers.set(_Timer.HALT, now + self.settings.stops_s)
        return [*actions, *self._bounds(now), *self._enter(State.HALTING)]

    def _bounds(self, now: float, *, nothing: bool = False) -> list[Action]:
        """Tell the outlet what the vehicle was told: what it reads from the duty cycle that is shown."""
        amperes = 0.0 if nothing else current_for(self._percent) or 0.0
        charge_a: Phases = each(amperes, self._phases)
        charge_w: Phases = each(amperes * self._outlet.nominal_voltage_v, self._phases)
        if not self._live:
            self._supervisor.live_from(now)
        self._energises()
        self._supervisor.told_power(self._phases, charge_a, sum(charge_w), NOTHING, 0.0, now)
        return [act.SetAcPower(AcBounds(phases=self._phases, charge_a=charge_a, charge_w=charge_w))]

    # -- contactors

    def _close(self, now: float) -> list[Action]:
        """The only place that asks to close the contactors."""
        offered = self._authorized and self._percent is not None and not self._stepping
        busy = self._closing or self._closed or self._opening or _Timer.RECLOSE in self._timers
        if not (offered and self._wants_energy) or busy or self._stop_reason is not None:
            return []
        self._closing = True
        self._phases = self._outlet.phases
        deadline = now + self.settings.closes_s
        self._timers.set(_Timer.CLOSE, deadline)
        told = self._bounds(now, nothing=True)
        self._supervisor.told(True)
        return [*told, act.CloseContactors(deadline), *self._enter(State.CLOSING)]

    def _open(self, urgency: Urgency, reason: str, now: float) -> list[Action]:
        """Current to zero and contactors open: asked for in this order, and whatever they seem to do."""
        self._timers.clear(_Timer.CLOSE, _Timer.HALT)
        self._timers.set(_Timer.RECLOSE, now + self.settings.reclose_s)
        if self._closed:
            self._timers.set(_Timer.OPEN, now + self.settings.opens_s)
        self._opening, self._closing = self._closed or self._closing, False
        urgency = self._haste(urgency)
        self._supervisor.stop(urgency is Urgency.EMERGENCY, now)
        self._supervisor.told(False)
        return [act.StopPower(urgency), act.OpenContactors(urgency, reason)]

    def _contactors(self, closed: object, now: float) -> list[Action]:
        known = closed is True or closed is False
        was, self._closed = self._closed, closed is not False  # what is no level counts as the worse one
        self._supervisor.contactors(self._closed)
        if not known:
            return self._end(EndReason.CONTACTOR_FAILED, "the level of the contactors is unknown", now)
        if self._closed:
            return self._have_closed(now)
        self._timers.clear(_Timer.OPEN)
        self._opening = False
        if self._closing:
            what = "the contactors did not close"
            return self._end(EndReason.CONTACTOR_FAILED, what, now, cause="contactors-not-closed")
        if was and self._live:
            what = "contactors opened under power"
            return self._end(EndReason.CONTACTOR_FAILED, what, now, cause="contactors-opened")
        return [*self._lowered(now), *self._close(now)]

    def _lowered(self, now: float) -> list[Action]:
        """What is shown may be too much for the phases that are connected next."""
        shown, allowed = self._percent, duty_for(self._available_a)
        return self._offer(now) if shown is not None and (allowed is None or allowed < shown) else []

    def _have_closed(self, now: float) -> list[Action]:
        if self._closing:
            self._closing = False
            self._timers.clear(_Timer.CLOSE)
            if self._percent is None:  # it was to stop meanwhile
                return self._enter(State.HALTING)
            return [*self._bounds(now), *self._enter(State.CHARGING)]
        if self._opening:
            # They closed in the moment in which they were told to open; they have
            # been told, and are waited for.
            self._timers.set(_Timer.OPEN, now + self.settings.opens_s)
            return []
        if self._live:
            return []
        what = "contactors closed without permission"
        return self._end(EndReason.CONTACTOR_FAILED, what, now, cause="contactors-unasked")

    # -- measurement and time

    def _flows(self, measured: ev.AcMeasured, now: float) -> list[Action]:
        if self._stop_reason is not None and self._closed and self._none_flows and self._percent is None:
            return self._stopped(now)
        return []

    def _expired(self, timer: _Timer, now: float) -> list[Action]:
        match timer:
            case _Timer.STEP_F:
                return self._rest(now)
            case _Timer.STEP_X1:
                return self._ready(now)
            case _Timer.RISE:
                return self._offer(now)
            case _Timer.RECLOSE:
                return [*self._offer(now), *self._close(now)]
            case _Timer.CLOSE:
                detail = f"the contactors did not close within {self.settings.closes_s:g} s"
                return self._end(EndReason.CONTACTOR_FAILED, detail, now, cause="contactors-not-closed")
            case _Timer.OPEN:
                detail = f"the contactors did not open within {self.settings.opens_s:g} s"
                return self._end(EndReason.CONTACTOR_FAILED, detail, now, cause="contactors-not-opened")
            case _Timer.HALT:
                return self._did_not_stop(now)

    # -- the end

    def _stop(self, reason: str, now: float) -> list[Action]:
        if self._stop_reason is not None:
            return []
        self._stop_reason = reason or "stop requested"
        if not self._live:
            return self._stopped(now)
        halted = self._halt(now) if self._percent is not None else []
        if _Timer.HALT not in self._timers:
            self._timers.set(_Timer.HALT, now + self.settings.stops_s)
        return halted

    def _did_not_stop(self, now: float) -> list[Action]:
        """Its time to stop is over. An orderly opening waits for the current to fall, so this is one only
        where none flows."""
        seconds = self.settings.stops_s
        if self._stop_reason is None:
            why = f"the vehicle did not stop within {seconds:g} s of a steady pilot"
            return [*self._open(Urgency.EMERGENCY, why, now), *self._enter(State.OFFER)]
        if self._none_flows:
            return self._stopped(now)
        rule = Rule.NO_DECAY
        flow = f"{max(self._measured.current_a):.0f} A still flow {seconds:g} s after the wish to stop"
        if rule in self._supervisor.limits.off:  # it says why it ends, not how
            return [*self._open(Urgency.EMERGENCY, flow, now), *self._stopped(now)]
        return self._fail(EndReason.HARDWARE_FAULT, f"{rule.value}: {flow}", now, rule=rule.value)

    def _stopped(self, now: float) -> list[Action]:
        return self._end(EndReason.STOPPED_BY_STATION, self._stop_reason or "", now)

    def _off(self, urgency: Urgency, reason: str, now: float) -> list[Action]:
        """Also where nothing is asked of it: a contactor that somebody else closed is told to open."""
        told = self._opening and urgency is Urgency.ORDERLY
        actions = [] if told else self._open(urgency, reason, now)
        return [*actions, *self._rests()]

    def _rests(self) -> list[Action]:
        self._percent, self._driving_f = None, False
        return [SetPilot(Pilot.STEADY)]

    def _late(self, event: ev.Event, now: float) -> list[Action]:
        """A contactor that closes late is told to open again, and one that is still closed
        when the vehicle lets go has no time left."""
        if isinstance(event, ev.ContactorsChanged):
            self._closed = event.closed is not False
            if not self._closed:
                return []
            return self._open(Urgency.EMERGENCY, "contactors closed after the end", now)
        if isinstance(event, ev.SignalChanged):
            self.signal = event.state
            if self._closed and not self._wants_energy and not self._at_once:
                return self._open(Urgency.EMERGENCY, "the vehicle let go", now)
            return []
        return super()._late(event, now)
