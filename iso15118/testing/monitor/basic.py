"""The monitor of basic charging, both roles: it knows IEC 61851-1 for itself, and shares
no code with what it watches.

What it holds: contactors close in C and D only, behind an authorization and a nominal duty cycle, and are
told to open in the very turn in which the pilot leaves them; behind a stop at once no ramp is asked for; a
nominal duty cycle comes behind the steps of ISO 15118-3 and never says more than may flow.
"""

from __future__ import annotations

from iso15118.link.primitives import DutyChanged, Pilot, SetPilot
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import Urgency

from .alternating import _Flow
from .violation import ALARMS, AtOnce, SafetyViolation

__all__ = ["BasicStationMonitor", "BasicVehicleMonitor"]

_READY = (ev.SignalState.C, ev.SignalState.D)
_EXACT = 1e-6
_OPEN_S = 1.3
"""Contactors that were told to open may take so long to say that they are: switching, feedback, and
the sample that shows it."""


def _amperes(percent: float | None) -> float:
    """Table A.8 of IEC 61851-1."""
    if percent is None or percent < 8.0 or percent > 97.0:
        return 0.0
    if percent <= 85.0:
        return max(percent, 10.0) * 0.6
    return min((percent - 64.0) * 2.5, 80.0)


def _need(fact: bool, otherwise: str) -> None:
    if not fact:
        raise SafetyViolation(otherwise)


class BasicStationMonitor:
    """Watches a station. ``before``: what the pilot showed when it began; ``matched``: a
    vehicle was matched then."""

    def __init__(
        self,
        outlet: AcStationLimits,
        *,
        most_a: float,
        before: Pilot,
        matched: bool,
        accepts_d: bool = True,
    ) -> None:
        self._outlet, self._most_a = outlet, most_a
        self._ready = _READY if accepts_d else _READY[:1]
        self._before, self._matched = before, matched
        self._shown: list[tuple[float, Pilot]] = []
        self._percent: float | None = None
        self._pilot: ev.SignalState | None = None
        self._asked = self._authorized = self._over = False
        self._live = self._closed = False
        self._told_open_at: float | None = None
        self._flow, self._at_once = _Flow("station"), AtOnce("station")
        self.seen = 0

    def look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """One call of the session; returns ``actions`` unchanged."""
        self.seen += 1
        was_live, was_over = self._live or self._closed, self._over
        self._learn(event, now)
        self._at_once.look(event, actions)
        for position, action in enumerate(actions):
            self._action(action, actions[:position], was_over, now)
        if self._alarms(event) and was_live and not was_over:
            first = actions[:2]
            _need(
                [type(one) for one in first] == [act.StopPower, act.OpenContactors],
                f"not off on {event}: {actions}",
            )
            _need(
                all(one.urgency is Urgency.EMERGENCY for one in first),  # type: ignore[attr-defined]
                f"{event} is no emergency: {actions}",
            )
        if not self._over:
            _need(
                _amperes(self._percent) <= self._may_a + _EXACT,
                f"{self._percent} % where {self._may_a:g} A may flow",
            )
        return actions

    @property
    def _may_a(self) -> float:
        outlet = self._outlet
        found = [self._most_a]
        for index in range(outlet.phases):
            found += [
                outlet.maximum_current_a[index],
                outlet.maximum_charge_power_w[index] / outlet.nominal_voltage_v,
            ]
        return min(found)

    def _alarms(self, event: ev.Event | None) -> bool:
        if isinstance(event, ev.SignalChanged):
            return event.state not in self._ready
        return isinstance(event, ALARMS)

    def _learn(self, event: ev.Event | None, now: float) -> None:
        match event:
            case ev.SignalChanged(state=state):
                self._pilot = state
            case ev.AuthorizationDecided(accepted=accepted):
                self._authorized = self._asked and accepted
            case ev.AcLimitsChanged(limits=limits):
                self._outlet = limits
            case ev.ContactorsChanged(closed=closed):
                self._closed = closed is not False
            case ev.AcMeasured() if not self._over:  # then its hardware is settled by whoever runs it
                self._flow.look(event, now)
                late = self._told_open_at is not None and now > self._told_open_at + _OPEN_S
                _need(
                    not (late and self._closed and not self._over),
                    "contactors stay closed, and nothing is done",
                )
            case _:
                pass

    def _action(self, action: act.Action, before: list[act.Action], was_over: bool, now: float) -> None:
        match action:
            case act.RequestAuthorization():
                self._asked = True
            case SetPilot(pilot=pilot, percent=percent):
                self._pilot_shown(pilot, percent, was_over, now)
            case act.SetAcPower(bounds=bounds):
                most = max(bounds.charge_a)
                _need(not was_over and not self._over, "bounds after the end")
                _need(
                    self._told_open_at is None or self._closes_next(bounds),
                    "bounds while the contactors open",
                )
                _need(most == 0.0 or self._closed, "current offered with open contactors")
                _need(
                    most <= _amperes(self._percent) + _EXACT,
                    f"{most:g} A told, the pilot says {self._percent} %",
                )
                _need(not any(bounds.discharge_a), "nothing can be taken back by the duty cycle")
                self._flow.told(sum(bounds.charge_w), 0.0, now)
                self._live = True
            case act.CloseContactors():
                _need(self._pilot in self._ready, f"contactors with the pilot in {self._pilot}")
                _need(self._authorized, "contactors before authorization")
                _need(_amperes(self._percent) > 0.0, "contactors without a nominal duty cycle")
                _need(not was_over, "contactors after the end")
                self._live, self._told_open_at = True, None
            case act.StopPower(urgency=urgency):
                self._flow.stopped(urgency, now)
            case act.OpenContactors():
                _need(any(isinstance(one, act.StopPower) for one in before), "opened before current zero")
                self._live = False
                self._told_open_at = now if self._told_open_at is None else self._told_open_at
            case act.SessionEnded():
                _need(not self._live, "the end before contactors open")
                _need(
                    any(isinstance(one, act.OpenContactors) for one in before) or not self._closed,
                    "ends closed",
                )
                _need(bool(self._shown) and self._shown[-1][1] is Pilot.STEADY, "ends without a steady pilot")
                self._over = True
            case act.StartCableCheck() | act.PreCharge() | act.SetPower():
                raise SafetyViolation(f"{action} in basic charging")
            case _:
                pass

    def _closes_next(self, bounds: object) -> bool:
        """Bounds of 0 stand before the contactors close again."""
        return not self._closed and not any(bounds.charge_a)  # type: ignore[attr-defined]

    def _pilot_shown(self, pilot: Pilot, percent: float | None, was_over: bool, now: float) -> None:
        _need(pilot is not Pilot.FIVE_PERCENT, "5 % in basic charging")
        if pilot is Pilot.STATE_F or pilot is Pilot.STATE_E:
            _need(not (self._live or self._closed), f"{pilot} with closed contactors")
        if pilot is Pilot.NOMINAL:
            _need(percent is not None and 10.0 <= percent <= 96.0, f"{percent} is no nominal duty cycle")
            _need(self._authorized and not was_over, "a nominal duty cycle without authorization")
            if self._percent is None and not any(one is Pilot.NOMINAL for _, one in self._shown):
                self._steps(now)
        self._percent = percent if pilot is Pilot.NOMINAL else None
        self._shown.append((now, pilot))

    def _steps(self, now: float) -> None:
        """ISO 15118-3: what lies between 5 % and the first nominal duty cycle."""
        if self._before is not Pilot.FIVE_PERCENT:
            return
        _need(
            bool(self._shown) and self._shown[-1][1] is Pilot.STEADY, "5 % to nominal without a steady pilot"
        )
        if self._matched:
            since = next(at for at, pilot in self._shown if pilot is Pilot.STEADY)
            _need(now - since >= 3.0 - _EXACT, "less than 3 s of steady pilot after a matching")
            return
        begins = [at for at, pilot in self._shown if pilot in (Pilot.STATE_F, Pilot.STATE_E)]
        ends = [at for at, pilot in self._shown if pilot is Pilot.STEADY]
        _need(
            bool(begins) and ends[-1] - begins[0] >= 4.0 - _EXACT,
            "less than 4 s of E or F without a matching",
        )


class BasicVehicleMonitor:
    """Watches a vehicle. ``percent``: the duty cycle that it saw when it began."""

    def __init__(self, charger: AcVehicleLimits, *, percent: float | None, nominal_v: float = 230.0) -> None:
        self._charger, self._percent, self._nominal_v = charger, percent, nominal_v
        self._ready = self._live = self._over = False
        self._steady_at: float | None = None
        self._flow, self._at_once = _Flow("vehicle"), AtOnce("vehicle")
        self.seen = 0

    def look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """One call of the session; returns ``actions`` unchanged."""
        self.seen += 1
        was_live, was_over = self._live, self._over
        if isinstance(event, ev.AcMeasured) and not was_over:
            self._flow.look(event, now)
            late = self._steady_at is not None and now > self._steady_at + 3.6
            _need(not (late and self._ready and not was_over), "state C 3 s after the duty cycle ended")
        if isinstance(event, DutyChanged):
            self._percent = event.percent
            self._steady_at = None if _amperes(event.percent) else now
        self._at_once.look(event, actions)
        for position, action in enumerate(actions):
            self._action(action, actions[:position], was_over, now)
        if isinstance(event, ev.SignalChanged):
            alarmed = event.state not in (ev.SignalState.B, *_READY)
        else:
            alarmed = isinstance(event, ALARMS) or (
                isinstance(event, DutyChanged) and not _amperes(event.percent)
            )
        _need(not (alarmed and was_live and self._live), f"the charger was not told to stop on {event}")
        return actions

    def _action(self, action: act.Action, before: list[act.Action], was_over: bool, now: float) -> None:
        match action:
            case act.SetCharger(bounds=bounds):
                _need(self._ready and not was_over, "the charger takes power while the vehicle is not ready")
                most = _amperes(self._percent)
                for watts, amperes, rated in zip(
                    bounds.power_w, bounds.current_a, self._charger.maximum_charge_power_w, strict=True
                ):
                    _need(
                        0.0 <= watts <= min(most * self._nominal_v, rated) + 1.0,
                        f"{bounds} at {self._percent} %",
                    )
                    _need(amperes <= most + _EXACT, f"{bounds} at {self._percent} %")
                self._live = True
                self._flow.told(sum(bounds.power_w), 0.0, now)
            case act.StopPower(urgency=urgency):
                self._live = False
                self._flow.stopped(urgency, now)
            case act.SignalReady(ready=ready):
                _need(ready or not self._live, "state B before the charger was told to stop")
                _need(not (ready and was_over), "state C after the end")
                self._ready = ready
            case act.CloseContactors():
                raise SafetyViolation("the contactors of the battery were told to close with AC")
            case act.SessionEnded():
                _need(not self._live and not self._ready, "the end before the charger stopped and state B")
                self._over = True
            case _:
                pass
