"""EVSEStatus: what a vehicle is asked to do, and how the station is, from the facts alone.

A DC vehicle reads the end in EVSEStatusCode, an AC vehicle in EVSENotification; both are told
both ways where there are two.
"""

from __future__ import annotations

import math
from typing import Final

from iso15118.messages import iso2
from iso15118.session.actions import EndReason
from iso15118.session.supervision import Rule

from .context import Context
from .sequence import State

__all__ = ["ac_status", "asks_anew", "dc_status", "shutting_down", "vehicle_fault"]

Status = iso2.DCEVSEStatusCode
Isolation = iso2.IsolationLevel
Notification = iso2.EVSENotification

_ALARMS: Final = {
    EndReason.EMERGENCY: Status.EVSE_EmergencyShutdown,
    EndReason.SIGNAL_LOST: Status.EVSE_EmergencyShutdown,
    EndReason.HARDWARE_FAULT: Status.EVSE_Malfunction,
    EndReason.CONTACTOR_FAILED: Status.EVSE_Malfunction,
    EndReason.PRE_CHARGE_FAILED: Status.EVSE_Malfunction,
    EndReason.INTERNAL_ERROR: Status.EVSE_Malfunction,
}
"""What a decided end is called, as in DIN 70121; any other is EVSE_Shutdown."""
_EARTH: Final = (Rule.INSULATION.value, Rule.VOLTAGE_TO_EARTH.value)
_BEFORE_CHECK: Final = {"omit": None, "invalid": Isolation.Invalid, "valid": Isolation.Valid}


_SAID_NOTHING: Final = frozenset(
    {
        iso2.DCEVErrorCode.NO_ERROR,
        iso2.DCEVErrorCode.NoData,
        iso2.DCEVErrorCode.Reserved_A,
        iso2.DCEVErrorCode.Reserved_B,
        iso2.DCEVErrorCode.Reserved_C,
    }
)


def vehicle_fault(said: iso2.DCEVStatus) -> str:
    """The fault that the vehicle reports of itself; empty if it has none."""
    return "" if said.ev_error_code in _SAID_NOTHING else said.ev_error_code.value


def asks_anew(ctx: Context) -> bool:
    """The vehicle is being asked for another schedule."""
    return ctx.asked_anew is not None


def _notice(ctx: Context) -> tuple[iso2.EVSENotification, int]:
    """What the vehicle is asked to do, and within how many s. Delays count down."""
    facts = ctx.facts
    if facts.stop_wanted or facts.abort_reason is not None:
        hard_off = facts.stop_deadline or facts.now
        left = hard_off - facts.config.stop_delay_s - facts.now
        return Notification.StopCharging, max(math.ceil(left), 0)
    if asks_anew(ctx) and _in_the_loop(ctx):
        return Notification.ReNegotiation, 0
    return Notification.None_, 0


def _in_the_loop(ctx: Context) -> bool:
    """Elsewhere a vehicle ignores the wish for another schedule [V2G2-680]."""
    message = ctx.message
    asked = None if message is None else message.body.body_element
    return isinstance(asked, (iso2.CurrentDemandReq, iso2.ChargingStatusReq, iso2.MeteringReceiptReq))


def shutting_down(ctx: Context) -> bool:
    """The time that the vehicle had to stop by itself is over."""
    notification, delay = _notice(ctx)
    return notification is Notification.StopCharging and delay == 0


def dc_status(ctx: Context, code: Status | None = None) -> iso2.DCEVSEStatus:
    """DC_EVSEStatus with ``code``, unless an end says another; without one, that of a refusal."""
    facts = ctx.facts
    notification, delay = _notice(ctx)
    if facts.abort_rule in _EARTH:
        code = Status.EVSE_EmergencyShutdown
    elif facts.abort_reason in _ALARMS:
        code = _ALARMS[facts.abort_reason]
    elif facts.utility_interrupt and facts.stop_wanted:
        code = Status.EVSE_UtilityInterruptEvent
    elif code is None or facts.abort_reason is not None or shutting_down(ctx):
        code = Status.EVSE_Shutdown
    return iso2.DCEVSEStatus(
        notification_max_delay=delay,
        evse_notification=notification,
        evse_isolation_status=_isolation(ctx),
        evse_status_code=code,
    )


def _isolation(ctx: Context) -> Isolation | None:
    facts = ctx.facts
    if facts.abort_rule in _EARTH:
        return Isolation.Fault
    if facts.cable_check_ok is None:
        checking = ctx.state in (State.CABLE_CHECK, State.RENEGOTIATED)
        return Isolation.Invalid if checking else _BEFORE_CHECK[ctx.settings.cpd_isolation]
    return Isolation.Valid if facts.cable_check_ok else Isolation.Fault


def ac_status(ctx: Context) -> iso2.ACEVSEStatus:
    """AC_EVSEStatus. A residual current device reports itself as a fault of the
    hardware, which ends the session."""
    notification, delay = _notice(ctx)
    return iso2.ACEVSEStatus(notification_max_delay=delay, evse_notification=notification, rcd=False)
