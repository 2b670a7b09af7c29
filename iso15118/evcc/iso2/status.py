"""What the station's status asks of the vehicle, and what the vehicle says about itself.

The rules stand in one place for every phase: an emergency is left at once, a wish to end in an orderly way.
"""

from __future__ import annotations

from typing import Final

from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2.plan import Plan
from iso15118.messages import iso2
from iso15118.session.actions import EndReason, SessionEnded

__all__ = ["asks_to_end", "asks_to_renegotiate", "battery_status", "leave_if_asked", "same_kind"]

_Code = iso2.DCEVSEStatusCode
_EMERGENCIES: Final = frozenset({_Code.EVSE_EmergencyShutdown, _Code.EVSE_Malfunction})
_ENDS: Final = frozenset({_Code.EVSE_Shutdown, _Code.EVSE_UtilityInterruptEvent})
"""EVSE_Shutdown alone is how some stations tell that the driver wants to end."""


def asks_to_end(status: iso2.EVSEStatus, *, under_power: bool = False) -> SessionEnded | None:
    """How the station wants the session to end; None if it does not. ``under_power``: a station that is not
    ready any more wants it, too.

    Raises ``Leave`` where nothing may flow for another moment.
    """
    if isinstance(status, iso2.DCEVSEStatus):
        code = status.evse_status_code
        if code in _EMERGENCIES:
            raise Leave(EndReason.EMERGENCY, f"the station says {code.value}", cause="peer-emergency")
        if status.evse_isolation_status is iso2.IsolationLevel.Fault:
            faulty = "the station says that the isolation is faulty"
            raise Leave(EndReason.EMERGENCY, faulty, cause="insulation-fault-reported")
        if code in _ENDS or (under_power and code is _Code.EVSE_NotReady):
            return SessionEnded(EndReason.STOPPED_BY_STATION, code.value)
    if status.evse_notification is iso2.EVSENotification.StopCharging:
        return SessionEnded(EndReason.STOPPED_BY_STATION, status.evse_notification.value)
    return None


def leave_if_asked(status: iso2.EVSEStatus) -> None:
    """Before power, and when it begins: leave where the station wants it."""
    end = asks_to_end(status)
    if end is not None:
        raise Leave(end.reason, end.detail)


def asks_to_renegotiate(status: iso2.EVSEStatus) -> bool:
    """Counts in the charge loop and in MeteringReceiptRes, and is ignored elsewhere [V2G2-680, V2G2-841]."""
    return status.evse_notification is iso2.EVSENotification.ReNegotiation


def same_kind(status: iso2.EVSEStatus, plan: Plan) -> None:
    """AC or DC, as the chosen mode has it. Raises ``Leave`` if it is the other."""
    if isinstance(status, iso2.DCEVSEStatus) is plan.alternating:
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED, f"{type(status).__name__} does not belong to {plan.mode.value}"
        )


def battery_status(talk: Conversation, plan: Plan) -> iso2.DCEVStatus:
    """DC_EVStatus of this moment."""
    return iso2.DCEVStatus(
        ev_ready=plan.ready,
        ev_error_code=plan.error,
        evresssoc=min(max(int(talk.battery.soc), 0), 100),
    )
