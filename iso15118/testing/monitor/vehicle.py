"""The vehicle's half of the monitor: cable check, pre-charge and contactors, and how it leaves."""

from __future__ import annotations

from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import VehicleLimits

from .measured import MeasuredRules
from .reading import code_of, said
from .violation import ALARMS, Causes, SafetyViolation

__all__ = ["VehicleMonitor"]


class VehicleMonitor:
    """Watches a vehicle."""

    def __init__(self, vehicle: VehicleLimits | None) -> None:
        self._inlet = ev.InletMeasured(0.0)
        self._cable_checked = False
        self._target_v: float | None = None
        self._closed = self._live = self._over = False
        self._closing_v: float | None = None
        """What the inlet showed when the contactors were told to close, as long as they are on their way."""
        self._causes = Causes("vehicle")
        rating = 0.0 if vehicle is None else vehicle.maximum_charge_current_a
        self._measured = MeasuredRules("vehicle", rating, over_s=2.0)

    def inlet(self, values: ev.InletMeasured, now: float | None) -> None:
        """The vehicle's inlet now."""
        self._inlet = values
        if now is not None:
            self._measured.look(values.current_a, now, values.at)

    def look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> None:
        """One call of the vehicle's session."""
        was_live, was_over = self._live or self._closed, self._over
        refused = agreed = False
        if type(event) is ev.MessageReceived:
            refused = code_of(event.message).startswith("FAILED")
            what = said(event.message)
            if what is not None and what.checked:
                self._cable_checked = not refused
            if what is not None and what.offered_a is not None:
                self._measured.offered(what.offered_a)
            agreed = what is not None and what.power_answer and not refused
        elif type(event) is ev.ContactorsChanged:
            self._closed = event.closed
            self._closing_v = None if event.closed is True else self._closing_v
        for position, action in enumerate(actions):
            self._action(action, actions[:position], was_over or refused, now)
        if type(event) is ev.InletMeasured and self._closing_v is not None:
            moved = abs(event.voltage_v - self._closing_v)
            self._need(
                moved <= 45.0, f"vehicle contactors go on closing while the inlet moves by {moved:.0f} V"
            )
        alarmed = isinstance(event, ALARMS) or (
            type(event) is ev.SignalChanged
            and event.state in (ev.SignalState.A, ev.SignalState.E, ev.SignalState.F)
        )
        if (alarmed or refused) and was_live and not was_over:
            told = any(isinstance(action, act.OpenContactors) for action in actions)
            if not told and (self._live or self._closed):
                raise SafetyViolation(f"vehicle contactors not told to open on {event}")
        if actions:
            self._causes.look(event, actions, alarmed=(alarmed or refused) and was_live, agreed=agreed)

    def _action(self, action: act.Action, before: list[act.Action], is_over: bool, now: float) -> None:
        if type(action) is act.Send:
            self._sent(action.message, now)
            return
        match action:
            case act.CloseContactors():
                self._need(self._cable_checked, "vehicle contactors before the cable check")
                self._need(self._target_v is not None, "vehicle contactors before pre-charge")
                difference = abs(self._inlet.voltage_v - (self._target_v or 0.0))
                self._need(difference <= 20.5, f"vehicle contactors with {difference:.0f} V across them")
                self._need(not is_over, "vehicle contactors after the end")
                self._live, self._closing_v = True, None if self._closed else self._inlet.voltage_v
                self._measured.asked(0.0, 0.0, self._inlet.current_a, now)
            case act.OpenContactors():
                self._need(
                    any(isinstance(earlier, act.StopPower) for earlier in before),
                    "vehicle contactors opened before current zero",
                )
                self._live, self._closing_v = False, None
            case act.StopPower(urgency=urgency):
                self._measured.stopped(urgency, self._inlet.current_a, now)
            case act.SessionEnded() | act.CloseTransport():
                self._need(not self._live, f"vehicle: {type(action).__name__} before contactors open")
                if self._closed:
                    told = any(isinstance(earlier, act.OpenContactors) for earlier in before)
                    self._need(told, "the vehicle ended with closed contactors that nobody told to open")
                self._over = True

    def _sent(self, message: object, now: float) -> None:
        self._need(not self._over, "a message of the vehicle after the end")
        if (what := said(message)) is not None:
            if what.asked is not None:
                self._measured.asked(*what.asked, self._inlet.current_a, now)
            elif what.target_v is not None:
                self._target_v = what.target_v

    def _need(self, fact: bool, otherwise: str) -> None:
        if not fact:
            raise SafetyViolation(otherwise)
