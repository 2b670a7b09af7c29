"""The monitor of wireless power, both halves: authorization, pairing and alignment before power, what
flows, and what takes it away.

It learns what was agreed from the messages.
"""

from __future__ import annotations

from typing import Any

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import Processing
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency
from iso15118.session.wireless import CoilDiagnosis, PadLimits, ReceiverLimits

from .reading import code_of, si
from .violation import ALARMS, TOLERANCE, SafetyViolation

__all__ = ["PadMonitor", "ReceiverMonitor"]

_LITTLE_W = 5_001.0
"""More than this is no trial of a position."""
_ROOM_W = 520.0
_REACTION_S, _STOP_S, _ADAPT_S = 2.0, 4.2, 5.0
_NEVER = float("inf")


class _Flow:
    """What flows against what was told."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._most_w = 0.0
        self._from = _NEVER
        self._since: float | None = None

    def told(self, power_w: float, now: float, patience_s: float) -> None:
        if power_w < self._most_w or self._from == _NEVER:
            self._from = now + patience_s
        self._most_w = power_w

    def look(self, power_w: float, now: float) -> None:
        if now < self._from or power_w <= self._most_w * 1.05 + _ROOM_W:
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since > _REACTION_S:
            raise SafetyViolation(
                f"{self._role}: {power_w:.0f} W, told {self._most_w:.0f}, and nothing was done"
            )


class PadMonitor:
    """Watches a station with a pad."""

    def __init__(self, pad: PadLimits, *, resumes: bool) -> None:
        self._pad, self._resumes = pad, resumes
        self._asked = self._authorized = self._paired = self._aligned = False
        self._claim: object = None
        self._declared_w = 0.0
        self._wanted_w = 0.0
        self._live = self._over = False
        self._barred = False
        self._flow = _Flow("station")

    def measured(self, values: object, now: float | None) -> None:
        """The pad now."""
        if now is not None and isinstance(values, ev.PadMeasured):
            self._flow.look(values.power_w, now)

    def look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> None:
        """One call of the station's session."""
        was_live, was_over = self._live, self._over
        alarm = isinstance(event, ALARMS)
        match event:
            case ev.AuthorizationDecided(accepted=True):
                self._authorized = self._authorized or self._asked
            case ev.ContractDecided(claim=claim, refusal=None):
                self._authorized = self._authorized or claim == self._claim
            case ev.PadMeasured(diagnosis=diagnosis) if diagnosis is not CoilDiagnosis.NO_ISSUE:
                alarm = alarm or not self._barred
                self._barred = True
            case ev.MessageReceived(message=message):
                self._heard(message)
            case _:
                pass
        for position, action in enumerate(actions):
            self._action(action, actions[:position], was_over, now)
        if alarm and was_live and not was_over and not any(type(one) is act.StopPower for one in actions):
            raise SafetyViolation(f"the pad was not stopped on {event}")

    def _heard(self, message: Any) -> None:
        match message:
            case wpt.WPTChargeParameterDiscoveryReq():
                self._declared_w = si(message.evpc_max_receivable_power)
            case wpt.WPTChargeLoopReq():
                self._wanted_w = si(message.evpc_power_request)
                fine = wpt.WPTEVPCChargeDiagnostics.EVPCNoIssue
                self._barred = self._barred or message.evpc_charge_diagnostics is not fine
            case wpt.WPTAlignmentCheckReq():
                good = message.ev_result_code is wpt.WPTEVResult.EVResultSuccess
                self._aligned = message.ev_processing is Processing.Finished and good
            case wpt.WPTFinePositioningSetupReq():
                self._paired = self._aligned = False
            case _:
                pass

    def _action(self, action: act.Action, before: list[act.Action], was_over: bool, now: float) -> None:
        match action:
            case act.Send(message=message):
                self._sent(message)
            case act.RequestAuthorization():
                self._asked = True
            case act.RequestContractAuthorization(claim=claim):
                self._claim = claim
            case act.SetPad(power_w=power):
                self._need(self._authorized, "power before authorization")
                self._need(self._paired, "power to a vehicle that is not paired")
                self._need(not was_over, "power after the end")
                self._need(not self._barred or power == 0.0, "power though something is wrong over the pad")
                most = min(self._declared_w, self._pad.maximum_power_w) * TOLERANCE
                self._need(0.0 <= power <= most, f"{action} beyond {most:.0f} W")
                self._need(self._aligned or power < _LITTLE_W, f"{action} before the position was tried")
                self._need(
                    not self._aligned or power <= self._wanted_w * TOLERANCE, f"{action}, not asked for"
                )
                self._live = True
                self._flow.told(power, now, _ADAPT_S)
            case act.StopPower(urgency=urgency):
                self._live = False
                self._flow.told(0.0, now, 1.2 if urgency is Urgency.EMERGENCY else _STOP_S)
            case act.SessionEnded() | act.CloseTransport():
                stopped = any(type(one) is act.StopPower for one in before)
                self._need(not self._live or stopped, "an end before the pad was stopped")
                self._over = True
            case _:
                pass

    def _sent(self, message: Any) -> None:
        code = code_of(message)
        if isinstance(message, cm.SessionSetupRes) and code == "OK_OldSessionJoined":
            self._need(self._resumes, "joined a session that was not paused")
            self._authorized = self._paired = True
        elif isinstance(message, wpt.WPTPairingRes):
            self._paired = code == "OK" and message.evse_processing is Processing.Finished

    def _need(self, fact: bool, otherwise: str) -> None:
        if not fact:
            raise SafetyViolation(otherwise)


class ReceiverMonitor:
    """Watches a vehicle over a pad."""

    def __init__(self, receiver: ReceiverLimits) -> None:
        self._receiver = receiver
        self._live = self._over = False
        self._flow = _Flow("vehicle")

    def inlet(self, values: object, now: float | None) -> None:
        """The coil now."""
        if now is not None and isinstance(values, ev.ReceiverMeasured):
            self._flow.look(values.power_w, now)

    def look(self, event: ev.Event | None, actions: list[act.Action], now: float) -> None:
        """One call of the vehicle's session."""
        was_live, was_over = self._live, self._over
        refused = type(event) is ev.MessageReceived and code_of(event.message).startswith("FAILED")
        trouble = (
            type(event) is ev.MessageReceived
            and type(event.message) is wpt.WPTChargeLoopRes
            and event.message.spc_charge_diagnostics is not wpt.WPTSPCChargeDiagnostics.SPCNoIssue
        )
        for action in actions:
            match action:
                case act.SetReceiver(power_w=power):
                    if power > self._receiver.maximum_power_w * TOLERANCE or was_over:
                        raise SafetyViolation(f"vehicle: {action} beyond what it can, or after the end")
                    self._live = True
                    self._flow.told(power, now, _ADAPT_S)
                case act.StopPower(urgency=urgency):
                    self._live = False
                    self._flow.told(0.0, now, 1.2 if urgency is Urgency.EMERGENCY else _STOP_S)
                case act.SessionEnded() | act.CloseTransport():
                    if self._live:
                        raise SafetyViolation("vehicle: an end before its coil was stopped")
                    self._over = True
                case _:
                    pass
        if was_live and not was_over and (isinstance(event, ALARMS) or refused or trouble) and self._live:
            raise SafetyViolation(f"the coil was not stopped on {event}")
