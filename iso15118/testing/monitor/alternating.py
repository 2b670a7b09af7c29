"""The monitor of alternating current, both halves: authorization, charge parameters, the control pilot
and contactors, and what flows.

It learns what was negotiated from the messages, whatever their edition: by the names of their fields.
"""

from __future__ import annotations

from typing import Any

from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcBounds, AcStationLimits, AcVehicleLimits, ChargerBounds
from iso15118.session.actions import Urgency

from .grid import GridMonitor
from .violation import ALARMS, TOLERANCE, Causes, SafetyViolation

__all__ = ["AcStationMonitor", "AcVehicleMonitor"]

_READY = (ev.SignalState.C, ev.SignalState.D)
_NONE_A = 1.5
_ROOM_W = 520.0
_ADAPT_S, _REACTION_S, _STOP_S = 5.0, 2.0, 4.2
_NEVER = float("inf")


def _body(message: Any) -> Any:
    """In ISO 15118-2 a message is an envelope around its body."""
    body = getattr(message, "body", None)
    return message if body is None else getattr(body, "body_element", body)


class _Flow:
    """Power against what was told, and current after the stop: wrong for too long without an
    emergency stop is a violation."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._most_w = self._back_w = 0.0
        self._patience = _NEVER
        self._quiet_from = _NEVER
        self._since: float | None = None
        self._excused = False

    def told(self, most_w: float, back_w: float, now: float) -> None:
        if most_w < self._most_w or back_w < self._back_w or self._patience == _NEVER:
            self._patience = now + _ADAPT_S
        self._most_w, self._back_w, self._quiet_from, self._excused = most_w, back_w, _NEVER, False

    def stopped(self, urgency: Urgency, now: float) -> None:
        self._excused = urgency is Urgency.EMERGENCY
        self._most_w = self._back_w = 0.0
        self._quiet_from = min(self._quiet_from, now + _STOP_S)

    def look(self, values: ev.AcMeasured, now: float) -> None:
        total = values.total_w
        if self._excused:
            return
        if now >= self._quiet_from:
            wrong = max(values.current_a) > _NONE_A
            what = f"{max(values.current_a):.0f} A after the stop"
        elif self._patience == _NEVER:
            wrong, what = False, ""
        else:
            back = total < -300.0 if self._back_w <= 0.0 else -total > self._back_w * 1.05 + _ROOM_W
            over = now > self._patience and total > self._most_w * 1.05 + _ROOM_W
            wrong, what = back or over, f"{total:.0f} W, told {self._most_w:.0f} and -{self._back_w:.0f} W"
            if back and self._back_w <= 0.0 and now < self._patience:
                wrong = False
        if not wrong:
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since > _REACTION_S:
            raise SafetyViolation(f"{self._role}: {what}, and nothing was done about it")


class AcStationMonitor:
    """Watches a station with an AC outlet."""

    def __init__(self, outlet: AcStationLimits, *, resumes: bool = False) -> None:
        self._outlet = outlet
        self._resumes = resumes
        self._asked = self._authorized = self._parameters = False
        self._claim: object = None
        self._phases = 0
        self._closed = self._live = self._over = False
        self._condemned = ""
        self._pilot: ev.SignalState | None = None
        self._causes = Causes("station")
        self._flow = _Flow("station")
        self._bidirectional = False

    def measured(self, values: object, now: float | None) -> None:
        """The outlet now."""
        if now is not None and isinstance(values, ev.AcMeasured):
            self._flow.look(values, now)

    def look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> None:
        """One call of the station's session."""
        was_live, was_over, lets_go = self._live or self._closed, self._over, False
        if event is not None:
            lets_go = self._learn(event)
        alarmed = self._alarms(event, lets_go)
        for position, action in enumerate(actions):
            self._action(action, actions[:position], was_over, now)
        if alarmed and was_live and not was_over:
            kinds = [type(action) for action in actions[:2]]
            if kinds != [act.StopPower, act.OpenContactors]:
                raise SafetyViolation(f"not made safe on {event}: {actions}")
        if actions:
            self._causes.look(event, actions, alarmed=alarmed and was_live, agreed=self._agreed(event))

    def _alarms(self, event: ev.Event | None, lets_go: bool) -> bool:
        if isinstance(event, ev.SignalChanged):
            if event.state in _READY:
                return False
            return event.state is not ev.SignalState.B or ((self._live or self._closed) and not lets_go)
        return isinstance(event, ALARMS)

    def _agreed(self, event: ev.Event | None) -> bool:
        if isinstance(event, ev.SignalChanged):
            return True
        if not isinstance(event, ev.MessageReceived):
            return False
        body = _body(event.message)
        name = type(body).__name__
        return name == "SessionStopReq" or (
            name == "PowerDeliveryReq" and body.charge_progress.name != "Start"
        )

    def _learn(self, event: ev.Event) -> bool:
        """True if the vehicle lets go in the agreed way."""
        match event:
            case ev.AuthorizationDecided(accepted=True):
                self._authorized = self._authorized or self._asked
            case ev.ContractDecided(claim=claim, refusal=None):
                self._authorized = self._authorized or claim == self._claim
            case ev.ContactorsChanged(closed=closed):
                self._closed = closed is not False
            case ev.HardwareFault() | ev.EmergencyShutdown():
                self._condemned = str(event)
            case ev.SignalChanged(state=state):
                self._pilot = state
                return not self._live
            case ev.MessageReceived(message=message):
                body = _body(message)
                name = type(body).__name__
                if name in ("ACChargeParameterDiscoveryReq", "ChargeParameterDiscoveryReq"):
                    self._parameters = True
                elif name == "ServiceSelectionReq":
                    self._bidirectional = body.selected_energy_transfer_service.service_id in (5, 10, 11)
                elif name == "SessionSetupReq":
                    # A paused session may be joined, with the authorization that it had.
                    self._authorized, self._parameters, self._asked = self._resumes, False, False
                    self._bidirectional = self._resumes
            case _:
                pass
        return False

    def _action(self, action: act.Action, before: list[act.Action], was_over: bool, now: float) -> None:
        match action:
            case act.RequestAuthorization():
                self._asked = True
            case act.RequestContractAuthorization(claim=claim):
                self._claim = claim
            case act.SetAcPower(bounds=bounds):
                self._need(not self._condemned and not was_over, "bounds after the decision to stop")
                self._power(bounds)
                self._phases = bounds.phases
                self._live = True
                self._flow.told(sum(bounds.charge_w), sum(bounds.discharge_w), now)
            case act.CloseContactors():
                self._need(self._authorized, "contactors before authorization")
                self._need(self._parameters, "contactors before charge parameters")
                self._need(self._phases in (1, 3), "contactors before anybody said how many phases")
                self._need(
                    self._pilot is None or self._pilot in _READY,
                    f"contactors with the pilot in {self._pilot}",
                )
                self._need(not self._condemned and not was_over, "contactors after the decision to stop")
                self._live = True
            case act.StopPower(urgency=urgency):
                self._flow.stopped(urgency, now)
            case act.OpenContactors():
                self._need(
                    any(isinstance(earlier, act.StopPower) for earlier in before),
                    "contactors opened before current zero",
                )
                self._live = False
            case act.Send(message=message):
                self._sent(_body(message), before, was_over)
            case act.SessionEnded() | act.CloseTransport():
                self._need(not self._live, f"{type(action).__name__} before contactors open")
                if self._closed:
                    told = any(isinstance(earlier, act.OpenContactors) for earlier in before)
                    self._need(
                        told, f"{type(action).__name__} with closed contactors that nobody told to open"
                    )
                self._over = True

    def _power(self, bounds: AcBounds) -> None:
        flows = any(bounds.charge_w) or any(bounds.discharge_w)
        self._need(self._closed or not flows, "power with open contactors")
        self._need(self._parameters, "bounds before charge parameters")
        self._need(
            self._bidirectional or not any(bounds.discharge_w), "discharge in a service that only charges"
        )
        outlet = self._outlet
        for index in range(3):
            for told, most in (
                (bounds.charge_w[index], outlet.maximum_charge_power_w[index]),
                (bounds.discharge_w[index], outlet.maximum_discharge_power_w[index]),
                (bounds.charge_a[index], outlet.maximum_current_a[index]),
                (bounds.discharge_a[index], outlet.maximum_current_a[index]),
            ):
                if not 0.0 <= told <= most * TOLERANCE + 0.1:
                    raise SafetyViolation(f"{bounds} is beyond the outlet, {most:g}")
        if any(bounds.charge_w) and any(bounds.discharge_w):
            raise SafetyViolation(f"both directions at once: {bounds}")

    def _sent(self, message: Any, before: list[act.Action], was_over: bool) -> None:
        goodbye = was_over and type(message).__name__ == "SessionStopRes"
        self._need(goodbye or not was_over, "a message after the end")
        code = getattr(message, "response_code", None)
        if code is None:
            return
        if self._condemned and not goodbye and code.name.startswith("OK"):
            raise SafetyViolation(f"{type(message).__name__} {code.name} after {self._condemned}")
        told = not self._closed or any(isinstance(earlier, act.OpenContactors) for earlier in before)
        if code.name.startswith("FAILED") and (self._live or not told):
            raise SafetyViolation(f"{code.name} before current zero and contactors open")

    def _need(self, fact: bool, otherwise: str) -> None:
        if not fact:
            raise SafetyViolation(otherwise)


class AcVehicleMonitor:
    """Watches a vehicle with an on-board charger."""

    def __init__(self, charger: AcVehicleLimits) -> None:
        self._charger = charger
        self._started = self._live = self._over = False
        self._causes = Causes("vehicle")
        self._flow = _Flow("vehicle")
        self._grid = GridMonitor()

    def inlet(self, values: object, now: float | None) -> None:
        """The charger's input now."""
        if now is not None and isinstance(values, ev.AcMeasured):
            self._flow.look(values, now)

    def look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> None:
        """One call of the vehicle's session."""
        was_live, was_over = self._live, self._over
        refused = agreed = False
        if isinstance(event, ev.MessageReceived):
            body = _body(event.message)
            self._grid.received(body)
            code = getattr(body, "response_code", None)
            refused = code is not None and code.name.startswith("FAILED")
            agreed = type(body).__name__ == "PowerDeliveryRes" and not refused
            self._started = self._started or agreed
        for position, action in enumerate(actions):
            self._action(action, actions[:position], was_over or refused, now)
        alarmed = isinstance(event, ALARMS) or (
            isinstance(event, ev.SignalChanged)
            and event.state in (ev.SignalState.A, ev.SignalState.E, ev.SignalState.F)
        )
        if (alarmed or refused) and was_live and not was_over and self._live:
            raise SafetyViolation(f"the charger was not told to stop on {event}")
        if actions:
            self._causes.look(event, actions, alarmed=(alarmed or refused) and was_live, agreed=agreed)

    def _action(self, action: act.Action, before: list[act.Action], is_over: bool, now: float) -> None:
        self._grid.act(action)
        match action:
            case act.SetCharger(bounds=bounds):
                self._need(self._started, "the charger was told to take power before PowerDeliveryRes")
                self._need(not is_over, "the charger was told to take power after the end")
                self._power(bounds)
                self._live = True
                total = sum(bounds.power_w)
                self._flow.told(max(total, 0.0), max(-total, 0.0), now)
            case act.CloseContactors():
                raise SafetyViolation("the contactors of the battery were told to close with AC")
            case act.StopPower(urgency=urgency):
                self._flow.stopped(urgency, now)
                self._live = False
            case act.Send(message=message):
                self._grid.sent(_body(message))
                self._need(not self._over, "a message of the vehicle after the end")
            case act.SessionEnded() | act.CloseTransport():
                self._need(
                    not self._live, f"vehicle: {type(action).__name__} before the charger was told to stop"
                )
                self._over = True
            case _:
                pass

    def _power(self, bounds: ChargerBounds) -> None:
        back = sum(bounds.power_w) < 0.0
        limits = self._charger
        most = limits.maximum_discharge_power_w if back else limits.maximum_charge_power_w
        for told, rated in zip(bounds.power_w, most, strict=True):
            if abs(told) > rated * TOLERANCE + 0.1 or (told < 0.0) is not (back and told != 0.0):
                raise SafetyViolation(f"{bounds} is beyond the charger, {rated:g} W")

    def _need(self, fact: bool, otherwise: str) -> None:
        if not fact:
            raise SafetyViolation(otherwise)
