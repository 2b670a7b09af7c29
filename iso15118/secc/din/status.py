"""DC_EVSEStatus: what the station says of itself beside every answer with voltage in it, derived from the
facts and from nothing else.

A vehicle reads an end from here: most stations say it by EVSE_Shutdown alone, and vehicles stop on that.
"""

from __future__ import annotations

from typing import Final

from iso15118.messages import din
from iso15118.session.actions import EndReason
from iso15118.session.supervision import Rule

from .context import Context

__all__ = ["refusing", "status"]

Code = din.DCEVSEStatusCode
Level = din.IsolationLevel

_ALARMS: Final = {
    EndReason.EMERGENCY: Code.EVSE_EmergencyShutdown,
    EndReason.SIGNAL_LOST: Code.EVSE_EmergencyShutdown,
    EndReason.HARDWARE_FAULT: Code.EVSE_Malfunction,
    EndReason.CONTACTOR_FAILED: Code.EVSE_Malfunction,
    EndReason.PRE_CHARGE_FAILED: Code.EVSE_Malfunction,
    EndReason.INTERNAL_ERROR: Code.EVSE_Malfunction,
}
"""What a decided end is called; any other is EVSE_Shutdown."""
_BEFORE: Final = {"omit": None, "invalid": Level.Invalid, "valid": Level.Valid}


def isolation(ctx: Context) -> din.IsolationLevel | None:
    """What is known about the insulation of the cable; a doubt is a fault."""
    facts = ctx.facts
    if facts.cable_check_ok is False or facts.abort_rule in (
        Rule.INSULATION.value,
        Rule.VOLTAGE_TO_EARTH.value,
    ):
        return Level.Fault
    if facts.cable_check_ok:
        return Level.Valid
    if facts.cable_check_asked is not None:
        return Level.Invalid
    return _BEFORE[ctx.settings.cpd_isolation]


def status(ctx: Context, code: din.DCEVSEStatusCode = Code.EVSE_Ready) -> din.DCEVSEStatus:
    """``code``, or a wish to stop if there is one. The delay is 0: DIN 70121 wants it so,
    and a vehicle stops at once."""
    stops = bool(ctx.facts.stop_wanted)
    return din.DCEVSEStatus(
        evse_isolation_status=isolation(ctx),
        evse_status_code=_orderly(ctx) if stops else code,
        notification_max_delay=0,
        evse_notification=din.EVSENotification.StopCharging if stops else din.EVSENotification.None_,
    )


def _orderly(ctx: Context) -> din.DCEVSEStatusCode:
    """What an end is called that nothing is wrong with."""
    facts = ctx.facts
    grid = facts.utility_interrupt and bool(facts.stop_wanted)
    return Code.EVSE_UtilityInterruptEvent if grid else Code.EVSE_Shutdown


def refusing(ctx: Context) -> din.DCEVSEStatus:
    """The status of a refusal: power is off, or about to be."""
    facts = ctx.facts
    code = _orderly(ctx)
    if facts.abort_rule in (Rule.INSULATION.value, Rule.VOLTAGE_TO_EARTH.value):
        code = Code.EVSE_EmergencyShutdown
    elif facts.abort_reason is not None:
        code = _ALARMS.get(facts.abort_reason, Code.EVSE_Shutdown)
    return din.DCEVSEStatus(
        evse_isolation_status=isolation(ctx),
        evse_status_code=code,
        notification_max_delay=0,
        evse_notification=din.EVSENotification.StopCharging
        if facts.stop_wanted
        else din.EVSENotification.None_,
    )
