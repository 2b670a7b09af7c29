"""DC_EVStatus as it is told, and what the station's DC_EVSEStatus comes to: go on, wind
down, or off the cable at once.

Stations say an end in several ways, and some say an emergency together with the code
OK: each of them is acted on.
"""

from __future__ import annotations

from typing import Final

from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.din.plan import Plan
from iso15118.messages import din
from iso15118.session.actions import EndReason, SessionEnded

__all__ = ["leave_on_alarm", "leave_on_end", "vehicle_status", "wants_to_end"]

Code = din.DCEVSEStatusCode

_ALARMS: Final = {
    Code.EVSE_EmergencyShutdown: EndReason.EMERGENCY,
    Code.EVSE_Malfunction: EndReason.HARDWARE_FAULT,
}
_ENDS: Final = frozenset({Code.EVSE_Shutdown, Code.EVSE_UtilityInterruptEvent})


def vehicle_status(talk: Conversation, plan: Plan) -> din.DCEVStatus:
    """What is told of the battery with every request from the charge parameters on."""
    every = talk.config.din.send_optional
    return din.DCEVStatus(
        ev_ready=plan.ready_to_charge,
        ev_cabin_conditioning=False if every else None,
        evress_conditioning=False if every else None,
        ev_error_code=din.DCEVErrorCode.NO_ERROR,
        evresssoc=min(max(int(talk.battery.soc), 0), 100),
    )


def leave_on_alarm(status: din.DCEVSEStatus) -> None:
    """Raises ``Leave`` where nobody may wait: emergency, malfunction, faulty isolation."""
    reason = _ALARMS.get(status.evse_status_code)
    if reason is not None:
        cause = "peer-emergency" if reason is EndReason.EMERGENCY else "peer-malfunction"
        raise Leave(reason, f"the station says {status.evse_status_code.value}", cause=cause)
    if status.evse_isolation_status is din.IsolationLevel.Fault:
        faulty = "the station says that the isolation is faulty"
        raise Leave(EndReason.HARDWARE_FAULT, faulty, cause="insulation-fault-reported")


def wants_to_end(status: din.DCEVSEStatus, *, under_power: bool = False) -> SessionEnded | None:
    """How the station wants the charge to end; None: it does not. Under power a station that is not
    ready any more ends it, too."""
    code = status.evse_status_code
    if status.evse_notification is din.EVSENotification.StopCharging:
        return SessionEnded(EndReason.STOPPED_BY_STATION, status.evse_notification.value)
    if code in _ENDS or (under_power and code is Code.EVSE_NotReady):
        return SessionEnded(EndReason.STOPPED_BY_STATION, code.value)
    return None


def leave_on_end(status: din.DCEVSEStatus) -> None:
    """Raises ``Leave`` on an alarm, and on a wish to end: before there is power, for both the
    vehicle says SessionStop."""
    leave_on_alarm(status)
    end = wants_to_end(status)
    if end is not None:
        raise Leave(end.reason, end.detail)
