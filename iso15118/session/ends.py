"""Why sessions end: one stable list for logs, backends and tests."""

from __future__ import annotations

from enum import Enum

__all__ = ["EndReason", "then"]


class EndReason(Enum):
    """Why a session ended: one stable list for logs, backends and tests."""

    STOPPED_BY_EV = "the vehicle ended the session"
    STOPPED_BY_STATION = "the station ended the session"
    PAUSED = "the session is paused"
    PROTOCOL_NEGOTIATION_FAILED = "no common protocol"
    AUTHORIZATION_FAILED = "not authorized"
    PARAMETERS_NOT_ACCEPTED = "charge parameters do not fit"
    CABLE_CHECK_FAILED = "the cable check failed"
    COUPLING_FAILED = "vehicle and station could not be joined"
    PRE_CHARGE_FAILED = "pre-charge did not reach the voltage"
    CONTACTOR_FAILED = "a contactor did not switch"
    SEQUENCE_ERROR = "a message out of sequence"
    UNKNOWN_SESSION = "a message of another session"
    REFUSED = "the other side refused a request"
    UNDECODABLE = "bytes that are no message"
    TIMEOUT = "the other side was silent for too long"
    ONGOING_TOO_LONG = "the other side was not ready in time"
    PEER_VANISHED = "the connection was lost"
    HARDWARE_FAULT = "the hardware failed"
    SIGNAL_LOST = "the control pilot left the charging states"
    EMERGENCY = "emergency shutdown"
    INTERNAL_ERROR = "a fault of this software"

    @property
    def orderly(self) -> bool:
        """The session went as one of the two sides wanted."""
        return self in (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_STATION, EndReason.PAUSED)


def then(first: str, later: str) -> str:
    """Why something ended, and what came of that; a cause that both name is told once."""
    if not later or later == first or first.endswith((f"; then {later}", f": {later}")):
        return first
    return f"{first}; then {later}" if first else later
