"""A watchdog for tests: it sees every event, every action and every measurement of both ends, and knows what
must never happen.

It shares no code with the sessions it watches: it learns what was negotiated from the messages themselves.
Rules after section 3H of the
facts on robustness. The first violation raises, so that the test that caused it fails where it happened.
"""

from __future__ import annotations

import math
from typing import Any

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, RationalNumber, ResponseCode
from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.ticket import SeccTicket

__all__ = ["SafetyMonitor", "SafetyViolation"]

_ALARMS = (ev.HardwareFault, ev.EmergencyShutdown, ev.LinkLost, ev.Undecodable)
_TOLERANCE = 1.001  # limits travel as RationalNumber: a part in a thousand is rounding


class SafetyViolation(AssertionError):  # noqa: N818 - named for what happened
    """A session did what must never happen."""


class SafetyMonitor:
    """Watches one pair of sessions (either end may be missing). ``paused``: sessions that the station may be asked to go on with.
    Raises ``SafetyViolation``."""

    def __init__(
        self,
        config: SeccConfig,
        station: StationLimits,
        vehicle: VehicleLimits | None = None,
        *,
        paused: tuple[SeccTicket, ...] = (),
    ) -> None:
        self._paused = {ticket.session_id: ticket for ticket in paused}
        self._setup: cm.SessionSetupReq | None = None
        self._config = config
        self._station = station
        self._vehicle = vehicle
        self._output = ev.PowerMeasured(0.0, 0.0)
        self._inlet = ev.InletMeasured(0.0)
        # what the station has been told and has asked for
        self._asked = self._authorized = False
        self._claim: object = None
        self._checking = self._cable_checked = False
        self._precharge_v: float | None = None
        self._closed = False
        self._live = False
        self._condemned = ""
        self._bidirectional = False
        self._declared: Any = None
        self._station_over = False
        # the same for the vehicle
        self._ev_cable_checked = False
        self._ev_target_v: float | None = None
        self._ev_closed = False
        self._ev_live = False
        self._vehicle_over = False
        self.seen = 0
        """How many calls were watched: a monitor that saw nothing proves nothing."""

    # -- measurements

    def measured(self, values: ev.PowerMeasured, now: float = 0.0) -> None:
        """The station's output now: within the station's own limits, and without current when it has been
        told to be safe for good."""
        self._output = values
        limits = self._station
        if values.voltage_v > limits.maximum_voltage_v * _TOLERANCE:
            self._violation(f"output at {values.voltage_v:.1f} V, limit {limits.maximum_voltage_v:g} V")
        ceiling = (
            limits.maximum_charge_current_a if values.current_a >= 0 else limits.maximum_discharge_current_a
        )
        if abs(values.current_a) > ceiling * _TOLERANCE + 0.1:
            self._violation(f"output at {values.current_a:.1f} A, limit {ceiling:g} A")
        power = values.voltage_v * values.current_a
        most = limits.maximum_charge_power_w if power >= 0 else limits.maximum_discharge_power_w
        if abs(power) > most * _TOLERANCE + 10.0:
            self._violation(f"output at {power:.0f} W, limit {most:g} W")

    def inlet(self, values: ev.InletMeasured, now: float = 0.0) -> None:
        """The vehicle's inlet now."""
        self._inlet = values

    # -- the station

    def secc(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """One call of the station's session; returns ``actions`` unchanged."""
        self.seen += 1
        was_live, was_over = self._live or self._closed, self._station_over
        self._learn(event)
        for position, action in enumerate(actions):
            self._station_action(action, actions[:position], was_over)
        alarmed = isinstance(event, _ALARMS) or (
            isinstance(event, ev.SignalChanged) and event.state not in (ev.SignalState.C, ev.SignalState.D)
        )
        if alarmed and was_live and not was_over:
            if not actions or not isinstance(actions[0], act.StopPower):
                self._violation(f"no current zero on {event}: {actions}")
            if len(actions) < 2 or not isinstance(actions[1], act.OpenContactors):
                self._violation(f"contactors not told to open on {event}: {actions}")
        return actions

    def _learn(self, event: ev.Event | None) -> None:
        match event:
            case ev.AuthorizationDecided(accepted=True):
                # An answer that nobody asked for proves nothing.
                self._authorized = self._authorized or self._asked
            case ev.ContractDecided(claim=claim, refusal=None):
                self._authorized = self._authorized or claim == self._claim
            case ev.CableCheckFinished(ok=ok):
                self._cable_checked = ok and self._checking
            case ev.ContactorsChanged(closed=closed):
                self._closed = closed
            case ev.HardwareFault() | ev.EmergencyShutdown():
                self._condemned = str(event)
            case ev.LimitsChanged(limits=limits):
                del (
                    limits
                )  # a derated station still has its hardware limits; the session holds the tighter ones
            case ev.MessageReceived(message=message):
                match message:
                    case dc.DCChargeParameterDiscoveryReq():
                        self._declared = message.dc_cpd_req_energy_transfer_mode
                    case cm.ServiceSelectionReq():
                        self._bidirectional = message.selected_energy_transfer_service.service_id in (6, 9)
                    case cm.SessionSetupReq():
                        self._authorized = self._cable_checked = self._asked = self._checking = False
                        self._claim = None
                        self._precharge_v = None
                        self._setup = message
            case _:
                pass

    def _station_action(self, action: act.Action, before: list[act.Action], was_over: bool) -> None:
        match action:
            case act.RequestAuthorization():
                self._asked = True
            case act.RequestContractAuthorization(claim=claim):
                self._need(not was_over, "a contract asked about after the end")
                self._claim = claim
            case act.StartCableCheck():
                self._need(self._authorized, "cable check before authorization")
                self._checking = True
                self._need(not self._condemned and not was_over, "cable check after the decision to stop")
                self._need(
                    0.0 < action.voltage_v <= self._station.maximum_voltage_v,
                    f"cable check at {action.voltage_v} V",
                )
                self._live = True
            case act.PreCharge():
                self._need(
                    self._authorized and self._cable_checked,
                    "pre-charge before authorization and cable check",
                )
                self._need(not self._condemned and not was_over, "pre-charge after the decision to stop")
                self._need(
                    0.0
                    <= action.voltage_v
                    <= min(self._station.maximum_voltage_v, _si(self._declared.ev_maximum_voltage))
                    * _TOLERANCE,
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
                self._live = True
            case act.SetPower():
                self._power(action)
                self._need(not self._condemned and not was_over, "power after the decision to stop")
                self._live = True
            case act.OpenContactors():
                self._need(
                    any(isinstance(earlier, act.StopPower) for earlier in before),
                    "contactors opened before current zero",
                )
                self._live = False
            case act.Send(message=message):
                self._need(not was_over, "a message after the end")
                if isinstance(message, cm.SessionSetupRes):
                    self._set_up(message)
                code = getattr(message, "response_code", None)
                if self._condemned and code is not None and code.value.startswith("OK"):
                    self._violation(f"{type(message).__name__} {code.value} after {self._condemned}")
                told = not self._closed or any(isinstance(earlier, act.OpenContactors) for earlier in before)
                if code is not None and code.value.startswith("FAILED") and (self._live or not told):
                    self._violation(f"{type(message).__name__} {code.value} before the hardware is safe")
            case act.SessionEnded() | act.CloseLink():
                self._need(not self._live, f"{type(action).__name__} before current zero and contactors open")
                if self._closed:
                    told = any(isinstance(earlier, act.OpenContactors) for earlier in before)
                    self._need(
                        told, f"{type(action).__name__} with closed contactors that nobody told to open"
                    )
                self._station_over = True

    def _set_up(self, response: cm.SessionSetupRes) -> None:
        """An old session brings its authorization along, so it has to be one that this vehicle paused; what is new has an id of its own."""
        asked, given = self._setup, response.header.session_id
        if response.response_code is not ResponseCode.OK_OldSessionJoined:
            new = response.response_code is ResponseCode.OK_NewSessionEstablished
            self._need(not (new and given in self._paused), "a new session under the id of a paused one")
            return
        ticket = self._paused.get(given)
        self._need(ticket is not None, "joined a session that nobody paused")
        self._need(
            asked is not None and asked.header.session_id == given,
            "joined another session than was asked for",
        )
        if ticket is not None and asked is not None:
            self._need(ticket.evccid == asked.evccid, "joined the session of another vehicle")
            self._authorized, self._bidirectional = True, int(ticket.service) in (6, 9)

    def _power(self, action: act.SetPower) -> None:
        values = (action.voltage_v, action.current_a, action.power_w)
        self._need(all(math.isfinite(value) for value in values), f"no numbers: {values}")
        self._need(action.voltage_v >= 0.0 and action.power_w >= 0.0, f"negative bounds: {values}")
        self._need(self._closed, "power with open contactors")
        self._need(self._declared is not None, "power before charge parameters")
        station, declared = self._station, self._declared
        if action.current_a >= 0.0:
            volts = min(
                station.maximum_voltage_v, _si(declared.ev_maximum_voltage) + self._config.overvoltage_v
            )
            amperes = min(station.maximum_charge_current_a, _si(declared.ev_maximum_charge_current))
            watts = min(station.maximum_charge_power_w, _si(declared.ev_maximum_charge_power))
            self._need(action.voltage_v <= volts * _TOLERANCE, f"{action.voltage_v} V above {volts} V")
        else:
            self._need(self._bidirectional, "discharge without a bidirectional service")
            amperes = min(station.maximum_discharge_current_a, _si(declared.ev_maximum_discharge_current))
            watts = min(station.maximum_discharge_power_w, _si(declared.ev_maximum_discharge_power))
            volts = station.maximum_voltage_v
            self._need(action.voltage_v <= volts * _TOLERANCE, f"{action.voltage_v} V above {volts} V")
        self._need(abs(action.current_a) <= amperes * _TOLERANCE, f"{action.current_a} A beyond {amperes} A")
        self._need(action.power_w <= watts * _TOLERANCE, f"{action.power_w} W beyond {watts} W")

    # -- the vehicle

    def evcc(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """One call of the vehicle's session; returns ``actions`` unchanged."""
        self.seen += 1
        was_live, was_over = self._ev_live or self._ev_closed, self._vehicle_over
        refused = False
        match event:
            case ev.ContactorsChanged(closed=closed):
                self._ev_closed = closed
            case ev.MessageReceived(message=message):
                code = getattr(message, "response_code", None)
                refused = code is not None and code.value.startswith("FAILED")
                if isinstance(message, dc.DCCableCheckRes) and message.evse_processing is Processing.Finished:
                    self._ev_cable_checked = not refused
            case _:
                pass
        for position, action in enumerate(actions):
            before = actions[:position]
            match action:
                case act.CloseContactors():
                    self._need(self._ev_cable_checked, "vehicle contactors before the cable check")
                    self._need(self._ev_target_v is not None, "vehicle contactors before pre-charge")
                    difference = abs(self._inlet.voltage_v - (self._ev_target_v or 0.0))
                    self._need(difference <= 20.5, f"vehicle contactors with {difference:.0f} V across them")
                    self._need(not was_over and not refused, "vehicle contactors after the end")
                    self._ev_live = True
                case act.OpenContactors():
                    self._ev_live = False
                case act.Send(message=dc.DCPreChargeReq() as message):
                    self._ev_target_v = _si(message.ev_target_voltage)
                case act.Send():
                    self._need(not was_over, "a message of the vehicle after the end")
                case act.SessionEnded() | act.CloseLink():
                    self._need(not self._ev_live, f"vehicle: {type(action).__name__} before contactors open")
                    if self._ev_closed:
                        told = any(isinstance(earlier, act.OpenContactors) for earlier in before)
                        self._need(told, "the vehicle ended with closed contactors that nobody told to open")
                    self._vehicle_over = True
        if (isinstance(event, _ALARMS) or refused) and was_live and not was_over:
            told = any(isinstance(action, act.OpenContactors) for action in actions)
            self._need(
                told or not (self._ev_live or self._ev_closed),
                f"vehicle contactors not told to open on {event}",
            )
        return actions

    def _need(self, fact: bool, otherwise: str) -> None:
        if not fact:
            self._violation(otherwise)

    def _violation(self, what: str) -> None:
        raise SafetyViolation(what)


def _si(number: RationalNumber) -> float:
    return float(number.value * 10.0**number.exponent)
