"""The station's half of the monitor: authorization, cable check, pre-charge, contactors and bounds, in
this order or not at all."""

from __future__ import annotations

import math
from typing import Any

from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits
from iso15118.session.ticket import SeccTicket

from .measured import MeasuredRules
from .reading import Declared, Said, code_of, name_of, said, session_id_of
from .violation import ALARMS, TOLERANCE, Causes, SafetyViolation

__all__ = ["StationMonitor"]

_REACTION_S = 1.2
"""An output beyond the station's own limits has to be stopped within this: the longest
debounce, and two looks of a rig."""
_NEVER = math.inf
_READY = (ev.SignalState.C, ev.SignalState.D)


class StationMonitor:
    """Watches a station. It learns what was negotiated from the messages themselves."""

    def __init__(self, config: SeccConfig, station: StationLimits, paused: tuple[SeccTicket, ...]) -> None:
        self._paused = {ticket.session_id: ticket for ticket in paused}
        self._setup: tuple[bytes, str] | None = None
        """The session id that was asked for, and by whom."""
        self._config = config
        self._station = station
        self._now_v = station.maximum_voltage_v
        self._output = ev.PowerMeasured(0.0, 0.0)
        self._asked = self._authorized = False
        self._claim: object = None
        self._checking = self._cable_checked = False
        self._check_number = 0
        self._precharge_v: float | None = None
        self._closed = False
        self._live = False
        self._condemned = ""
        self._bidirectional = False
        self._declared: Declared | None = None
        self._offered_v = 0.0
        self._over = False
        self._pilot: ev.SignalState | None = None
        self._pilot_due = _NEVER
        self._beyond_since: float | None = None
        self._causes = Causes("station")
        self._measured = MeasuredRules("station", station.maximum_charge_current_a)
        self._closing = False
        """The contactors are on their way to close."""

    # -- measurements

    def measured(self, values: ev.PowerMeasured, now: float | None) -> None:
        """The station's output now: whatever is beyond the station's limits, or what it
        asked for, has to be stopped."""
        self._output = values
        if now is None:
            return
        self._measured.look(values.current_a, now, values.at)
        beyond = self._beyond(values)
        if not beyond or self._over or not self._live:
            self._beyond_since = None
        elif self._beyond_since is None:
            self._beyond_since = now
        elif now - self._beyond_since > _REACTION_S:
            raise SafetyViolation(f"{beyond} since {self._beyond_since:.2f} s, and nothing was done about it")

    def _beyond(self, values: ev.PowerMeasured) -> str:
        limits, voltage, current = self._station, values.voltage_v, values.current_a
        if voltage > limits.maximum_voltage_v * TOLERANCE:
            return f"output at {voltage:.1f} V, limit {limits.maximum_voltage_v:g} V"
        back = current < 0.0
        ceiling = limits.maximum_discharge_current_a if back else limits.maximum_charge_current_a
        if abs(current) > ceiling * TOLERANCE + 0.1:
            return f"output at {current:.1f} A, limit {ceiling:g} A"
        power = voltage * current
        most = limits.maximum_discharge_power_w if back else limits.maximum_charge_power_w
        if abs(power) > most * TOLERANCE + 10.0:
            return f"output at {power:.0f} W, limit {most:g} W"
        return ""

    # -- the station

    def look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> None:
        """One call of the station's session."""
        was_live, was_over = self._live or self._closed, self._over
        what = said(event.message) if type(event) is ev.MessageReceived else None
        if what is not None:
            self._heard(event.message, what)  # type: ignore[union-attr]
        elif event is not None:
            self._learn(event)
        if type(event) is ev.PowerMeasured and self._closing:
            self._on_its_way(event, actions)
        if now > self._pilot_due and self._live:
            raise SafetyViolation(
                "state C or D did not show in the cable check, and nothing was done about it"
            )
        if not actions:
            if was_live and not was_over and self._is_alarm(event):
                raise SafetyViolation(f"nothing was done on {event}")
            return
        present = self._output.current_a
        for position, action in enumerate(actions):
            self._action(action, actions[:position], was_over, now)
            self._measured.see(action, present, now)
        alarmed = self._is_alarm(event)
        if alarmed and was_live and not was_over:
            if not isinstance(actions[0], act.StopPower):
                raise SafetyViolation(f"no current zero on {event}: {actions}")
            if len(actions) < 2 or not isinstance(actions[1], act.OpenContactors):
                raise SafetyViolation(f"contactors not told to open on {event}: {actions}")
        # The vehicle itself may say that it wants no more power, for now or for good.
        agreed = what is not None and what.no_more_power
        self._causes.look(event, actions, alarmed=alarmed, agreed=agreed)

    def _on_its_way(self, event: ev.PowerMeasured, actions: list[act.Action]) -> None:
        """Contactors do not go on closing over another voltage than that of pre-charge."""
        moved = abs(event.voltage_v - (self._precharge_v or 0.0))
        told = any(isinstance(action, act.OpenContactors) for action in actions)
        if moved > self._config.precharge_tolerance_v + 0.5 and not told:
            raise SafetyViolation(f"contactors go on closing {moved:.0f} V off the target of pre-charge")

    def _is_alarm(self, event: ev.Event | None) -> bool:
        if isinstance(event, ev.SignalChanged):
            # B while nothing is live is how a vehicle takes its leave.
            return event.state not in (ev.SignalState.B, *_READY) or (
                event.state is ev.SignalState.B and (self._live or self._closed)
            )
        return isinstance(event, ALARMS)

    def _learn(self, event: ev.Event) -> None:
        match event:
            case ev.AuthorizationDecided(accepted=True):
                # An answer that nobody asked for proves nothing.
                self._authorized = self._authorized or self._asked
            case ev.ContractDecided(claim=claim, refusal=None):
                self._authorized = self._authorized or claim == self._claim
            case ev.CableCheckFinished(ok=ok, number=number):
                if number in (0, self._check_number):
                    self._cable_checked = ok and self._checking
            case ev.ContactorsChanged(closed=closed):
                if self._closed and not closed:
                    self._precharge_v = None  # whoever closes them again pre-charges again
                self._closed = closed
                self._closing = self._closing and closed is not True
            case ev.HardwareFault() | ev.EmergencyShutdown():
                self._condemned = str(event)
            case ev.SignalChanged(state=state):
                self._pilot = state
                if state in _READY:
                    self._pilot_due = _NEVER
            case ev.LimitsChanged(limits=limits):
                # A derated station still has its hardware limits; the session holds the tighter ones.
                self._now_v = limits.maximum_voltage_v
            case _:
                pass

    def _heard(self, message: Any, what: Said) -> None:
        if what.declared is not None:
            self._declared = what.declared
        elif what.bidirectional is not None:
            self._bidirectional = what.bidirectional
        elif what.setup_by is not None:
            self._authorized = self._cable_checked = self._asked = self._checking = False
            self._claim = None
            self._precharge_v = None
            self._setup = session_id_of(message), what.setup_by

    def _action(self, action: act.Action, before: list[act.Action], was_over: bool, now: float) -> None:
        if type(action) is act.SetPower:
            self._power(action)
            self._need(not self._condemned and not was_over, "power after the decision to stop")
            self._live = True
            return
        if type(action) is act.Send:
            self._sent(action.message, before, was_over)
            return
        match action:
            case act.RequestAuthorization():
                self._asked = True
            case act.RequestContractAuthorization(claim=claim):
                self._need(not was_over, "a contract asked about after the end")
                self._claim = claim
            case act.StartCableCheck(number=number):
                self._need(self._authorized, "cable check before authorization")
                self._checking, self._cable_checked, self._check_number = True, False, number
                self._need(not self._condemned and not was_over, "cable check after the decision to stop")
                self._check_voltage(action)
                self._live = True
                if self._pilot is not None and self._pilot not in _READY:
                    self._pilot_due = now + self._config.timing.control_pilot_change + 0.01
            case act.PreCharge():
                self._need(
                    self._authorized and self._cable_checked,
                    "pre-charge before authorization and cable check",
                )
                self._need(not self._condemned and not was_over, "pre-charge after the decision to stop")
                self._need(
                    0.0
                    <= action.voltage_v
                    <= min(
                        self._station.maximum_voltage_v,
                        0.0 if self._declared is None else self._declared.voltage_v,
                    )
                    * TOLERANCE,
                    f"pre-charge to {action.voltage_v} V",
                )
                self._precharge_v = action.voltage_v
                self._live = True
            case act.CloseContactors():
                self._need(self._authorized, "contactors before authorization")
                self._need(self._cable_checked, "contactors before the cable check")
                self._need(self._precharge_v is not None, "contactors before pre-charge")
                self._need(
                    abs(self._output.voltage_v - (self._precharge_v or 0.0))
                    <= self._config.precharge_tolerance_v + 0.1,
                    f"contactors at {self._output.voltage_v:.0f} V for a target of {self._precharge_v} V",
                )
                self._need(not self._condemned and not was_over, "contactors after the decision to stop")
                self._live, self._closing = True, not self._closed
            case act.OpenContactors():
                self._need(
                    any(isinstance(earlier, act.StopPower) for earlier in before),
                    "contactors opened before current zero",
                )
                self._live = self._closing = False
            case act.SessionEnded() | act.CloseTransport():
                self._need(not self._live, f"{type(action).__name__} before current zero and contactors open")
                if self._closed:
                    told = any(isinstance(earlier, act.OpenContactors) for earlier in before)
                    self._need(
                        told, f"{type(action).__name__} with closed contactors that nobody told to open"
                    )
                self._over = True

    def _sent(self, message: Any, before: list[act.Action], was_over: bool) -> None:
        # A vehicle that was refused may still say goodbye, and is answered.
        what, code = said(message), code_of(message)
        goodbye = was_over and what is not None and what.goodbye
        self._need(goodbye or not was_over, "a message after the end")
        if what is not None:
            if what.joined or what.established:
                self._set_up(what, session_id_of(message))
            if what.offered_v is not None:
                self._offered_v = what.offered_v
        if self._condemned and not goodbye and code.startswith("OK"):
            self._violation(f"{name_of(message)} {code} after {self._condemned}")
        if not code.startswith("FAILED"):
            return
        told = not self._closed or any(isinstance(earlier, act.OpenContactors) for earlier in before)
        if self._live or not told:
            self._violation(f"{name_of(message)} {code} before the hardware is safe")

    def _set_up(self, what: Said, given: bytes) -> None:
        """An old session brings its authorization along, so it has to be one that this vehicle paused; what
        is new has an id of its own."""
        if not what.joined:
            self._need(given not in self._paused, "a new session under the id of a paused one")
            return
        ticket, asked = self._paused.get(given), self._setup
        self._need(ticket is not None, "joined a session that nobody paused")
        self._need(asked is not None and asked[0] == given, "joined another session than was asked for")
        if ticket is not None and asked is not None:
            self._need(ticket.evccid == asked[1], "joined the session of another vehicle")
            self._authorized, self._bidirectional = True, int(ticket.service) in (6, 7, 9)

    def _check_voltage(self, action: act.StartCableCheck) -> None:
        """After IEC 61851-23 CC.4.1.2: 50 V above a vehicle of up to 500 V but no more than these, else a
        tenth above it; never more than the station has."""
        if self._declared is None:
            raise SafetyViolation("cable check before charge parameters")
        vehicle = self._declared.voltage_v
        wanted = min(vehicle + 50.0, 500.0) if vehicle <= 500.0 else vehicle * 1.1
        wanted = min(wanted, self._offered_v, self._now_v)
        if abs(action.voltage_v - wanted) > 0.5 or action.voltage_v > self._station.maximum_voltage_v:
            raise SafetyViolation(f"cable check at {action.voltage_v} V instead of {wanted} V")

    def _power(self, action: act.SetPower) -> None:
        volts, amperes, watts = action.voltage_v, action.current_a, action.power_w
        if not (math.isfinite(volts) and math.isfinite(amperes) and math.isfinite(watts)):
            raise SafetyViolation(f"no numbers: {action}")
        if volts < 0.0 or watts < 0.0:
            raise SafetyViolation(f"negative bounds: {action}")
        self._need(self._closed, "power with open contactors")
        station, declared = self._station, self._declared
        if declared is None:
            raise SafetyViolation("power before charge parameters")
        if not action.takes_back:
            most_v = min(station.maximum_voltage_v, declared.voltage_v + self._config.overvoltage_v)
            most_a = min(station.maximum_charge_current_a, declared.charge_a)
            most_w = min(station.maximum_charge_power_w, declared.charge_w)
        else:
            self._need(self._bidirectional, "discharge without a bidirectional service")
            most_v = station.maximum_voltage_v
            most_a = min(station.maximum_discharge_current_a, declared.discharge_a)
            most_w = min(station.maximum_discharge_power_w, declared.discharge_w)
        if volts > most_v * TOLERANCE or abs(amperes) > most_a * TOLERANCE or watts > most_w * TOLERANCE:
            raise SafetyViolation(f"{action} beyond {most_v} V, {most_a} A, {most_w} W")
        # A supply that is told current and voltage only must not exceed the power
        # at the voltage that is there.
        if abs(amperes) * self._output.voltage_v > watts * TOLERANCE + 10.0:
            raise SafetyViolation(
                f"{action} is too much current for its power at {self._output.voltage_v:.0f} V"
            )

    def _need(self, fact: bool, otherwise: str) -> None:
        if not fact:
            raise SafetyViolation(otherwise)

    def _violation(self, what: str) -> None:
        raise SafetyViolation(what)
