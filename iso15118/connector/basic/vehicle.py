"""The vehicle's side of basic charging: it shows C while it wants energy and a nominal duty cycle is
there, and draws what that offers.

It takes its current back before it shows B, and at once where the pilot or anything of its own fails.
"""

from __future__ import annotations

import math
from enum import Enum

from iso15118.energy.ac import NOTHING, Phases
from iso15118.link.primitives import DutyChanged, is_digital
from iso15118.link.pwm import current_for
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits, ChargerBounds
from iso15118.session.actions import Action, EndReason, Urgency
from iso15118.session.checks import is_battery, taken_at
from iso15118.session.supervision import BatterySupervisor, Finding, SupervisionLimits, worse

from .base import BasicSession, supervisor_of
from .settings import BasicSettings

__all__ = ["BasicVehicle", "State"]

_PRESENT_SHARE = 0.5
"""A phase with less than this share of the nominal voltage is not there."""


class State:
    """The states by their names in ``states``."""

    READY = "BasicReady"
    """State C; the station's contactors are awaited."""
    CHARGING = "BasicCharging"
    HALTING = "BasicHalting"
    """Nothing is offered any more, or wanted: the current goes to zero, then the vehicle shows B."""
    WAITING = "BasicWaiting"
    """State B, until something is offered again."""


class _Timer(Enum):
    RAMP = "the current did not end"
    VOLTAGE = "no voltage came"


class BasicVehicle(BasicSession[_Timer]):
    """One plug-in of a vehicle with an on-board charger. ``percent``: the duty cycle that is seen
    now; ``battery``: as it is now.

    Beside what a session is told it is told ``DutyChanged``.
    """

    def __init__(
        self,
        settings: BasicSettings,
        charger: AcVehicleLimits,
        battery: ev.BatteryChanged,
        *,
        percent: float | None = None,
        supervision: SupervisionLimits | None = None,
    ) -> None:
        supervision = supervision if supervision is not None else SupervisionLimits()
        judge = supervisor_of(
            supervision,
            nominal_v=settings.nominal_voltage_v,
            most_v=charger.maximum_voltage_v,
            where="at the charger",
        )
        super().__init__(settings, judge, _Timer)
        self._charger, self._battery = charger, battery
        self._behind_charger = BatterySupervisor(supervision)
        self._nominal_v = settings.nominal_voltage_v
        self._percent = percent
        self._bounds: ChargerBounds | None = None
        """What the charger was last told; None: to stop."""
        self._leaving: tuple[EndReason, str] | None = None
        """Why it ends as soon as no current flows."""

    # -- the beginning, and what it is told

    def _begin(self, now: float) -> list[Action]:
        if self._full:
            return self._leave(EndReason.STOPPED_BY_EV, "the battery has what it wants", now)
        if self._offered_a is None:
            return self._enter(State.WAITING)
        return self._want(now)

    @property
    def _full(self) -> bool:
        return self._battery.complete or self._battery.energy_to_target_wh <= 0.0

    @property
    def _offered_a(self) -> float | None:
        """What the duty cycle offers; None where that is nothing, or less than the charger can do with."""
        offered = current_for(self._percent)
        if offered is None or offered + 1e-6 < self._charger.minimum_current_a:
            return None
        return offered

    def _want(self, now: float) -> list[Action]:
        self._timers.set(_Timer.VOLTAGE, now + self.settings.closes_s)
        return [act.SignalReady(True), *self._enter(State.READY), *self._follow(now)]

    def _told(self, event: ev.Event, now: float) -> list[Action]:
        match event:
            case DutyChanged(percent=percent):
                self._percent = percent
                return self._duty(now)
            case ev.BatteryChanged():
                if not is_battery(event):
                    return self._unusable("BatteryChanged", now)
                last, given = self._behind_charger.told_at, self._battery.at
                if math.isinf(last) and given is not None:  # the one that the session was given
                    last = given
                if (at := taken_at(event.at, now, last)) is None:
                    return []
                self._battery = event
                self._behind_charger.told(event.inlet_hot, at)
                if self._full and self._leaving is None:
                    return self._leave(EndReason.STOPPED_BY_EV, "the battery has what it wants", now)
                return []
            case ev.ChargerChanged(limits=limits):
                self._charger = limits
                return self._duty(now)
            case ev.StopRequested(reason=reason) | ev.PauseRequested(reason=reason):
                return self._stop(reason, now)
            case _:
                return []

    def _duty(self, now: float) -> list[Action]:
        if self._leaving is not None:
            return []
        if is_digital(self._percent):
            return self._leave(
                EndReason.STOPPED_BY_STATION, "the station asks for digital communication", now
            )
        if self._offered_a is None:
            return self._halt(now) if self.state in (State.READY, State.CHARGING) else []
        if self.state in (State.WAITING, State.HALTING):
            self._timers.clear(_Timer.RAMP)
            return self._want(now)
        return self._follow(now)

    # -- the pilot and the current

    def _signalled(self, state: ev.SignalState, now: float) -> list[Action]:
        self.signal = state
        if state is ev.SignalState.A:
            drew = self._live or not self._none_flows
            reason = EndReason.SIGNAL_LOST if drew else EndReason.STOPPED_BY_EV
            return self._end(reason, "unplugged", now, cause="unplugged" if drew else "")
        if state in (ev.SignalState.E, ev.SignalState.F):
            what = f"control pilot state {state.value}"
            return self._end(EndReason.SIGNAL_LOST, what, now, cause="pilot-fault")
        return []

    @property
    def _present(self) -> tuple[bool, bool, bool]:
        """The phases that have voltage and that the charger uses."""
        least = _PRESENT_SHARE * self._nominal_v
        one, two, three = (volts >= least for volts in self._measured.voltage_v)
        several = self._charger.phases == 3 and two and three
        return one, several, several

    def _follow(self, now: float) -> list[Action]:
        """Draw what is offered, on the phases that are there."""
        offered, present = self._offered_a, self._present
        if offered is None or not present[0] or self._leaving is not None:
            return []
        phases = 3 if present[1] else 1
        charger = self._charger
        amperes = [
            min(offered, most) if there else 0.0
            for most, there in zip(charger.maximum_current_a, present, strict=True)
        ]
        watts = [
            min(current * self._nominal_v, most)
            for current, most in zip(amperes, charger.maximum_charge_power_w, strict=True)
        ]
        if watts[0] + 1e-6 < charger.minimum_charge_power_w[0]:
            return self._halt(now)
        bounds = ChargerBounds(phases=phases, power_w=_three(watts), current_a=_three(amperes))
        if bounds == self._bounds:
            return []
        self._bounds = bounds
        if not self._live:
            self._behind_charger.wait_from(now)
            self._supervisor.live_from(now)
        self._energises()
        self._timers.clear(_Timer.VOLTAGE)
        self._supervisor.told_power(phases, bounds.current_a, sum(watts), NOTHING, 0.0, now)
        return [act.SetCharger(bounds), *self._enter(State.CHARGING)]

    def _cease(self, urgency: Urgency, now: float) -> list[Action]:
        self._bounds, urgency = None, self._haste(urgency)
        self._supervisor.stop(urgency is Urgency.EMERGENCY, now)
        return [act.StopPower(urgency)]

    def _halt(self, now: float) -> list[Action]:
        """The current to zero, then state B."""
        self._timers.clear(_Timer.VOLTAGE)
        ceased = self._cease(Urgency.ORDERLY, now)
        if self._none_flows:
            return [*ceased, *self._show_b(now)]
        self._timers.set(_Timer.RAMP, now + self.settings.ramp_s)
        return [*ceased, *self._enter(State.HALTING)]

    def _show_b(self, now: float) -> list[Action]:
        self._timers.clear(_Timer.RAMP)
        if self._leaving is not None:
            return self._end(*self._leaving, now)
        return [act.SignalReady(False), *self._enter(State.WAITING)]

    @property
    def _fresh_until(self) -> float:
        return min(self._supervisor.fresh_until, self._behind_charger.fresh_until)

    def _stale(self, now: float) -> Finding | None:
        return worse(self._supervisor.stale(now), self._behind_charger.stale(now))

    def _sampled(self, measured: ev.AcMeasured, at: float, now: float) -> Finding | None:
        found = super()._sampled(measured, at, now)
        return worse(found, self._behind_charger.charger(max(measured.current_a), now))

    def _flows(self, measured: ev.AcMeasured, now: float) -> list[Action]:
        if self.state == State.HALTING and self._none_flows:
            return self._show_b(now)
        if self.state == State.READY:
            return self._follow(now)
        if self.state == State.CHARGING and not self._present[0]:
            # The station has opened; the vehicle stays ready.
            self._timers.set(_Timer.VOLTAGE, now + self.settings.closes_s)
            return [*self._cease(Urgency.ORDERLY, now), *self._enter(State.READY)]
        return self._follow(now) if self.state == State.CHARGING else []

    def _expired(self, timer: _Timer, now: float) -> list[Action]:
        if timer is _Timer.RAMP:
            return [*self._cease(Urgency.EMERGENCY, now), *self._show_b(now)]
        late = f"no voltage {self.settings.closes_s:g} s after state C"
        return [act.PeerDeviates("basic-no-voltage", late)]

    # -- the end

    def _leave(self, reason: EndReason, detail: str, now: float) -> list[Action]:
        self._leaving = reason, detail
        return self._halt(now)

    def _stop(self, reason: str, now: float) -> list[Action]:
        if self._leaving is not None:
            return []
        return self._leave(EndReason.STOPPED_BY_EV, reason or "stop requested", now)

    def _off(self, urgency: Urgency, reason: str, now: float) -> list[Action]:
        if urgency is Urgency.EMERGENCY:
            return [*self._cease(urgency, now), *self._rests(), act.OpenContactors(urgency, reason)]
        return [*([] if self._at_once else self._cease(urgency, now)), *self._rests()]

    def _rests(self) -> list[Action]:
        return [act.SignalReady(False)]


def _three(values: list[float]) -> Phases:
    return values[0], values[1], values[2]
