"""EVSEID, by which a station names its outlet: whether it is formed as the standards say, and what a vehicle
makes of one that is not."""

from __future__ import annotations

import re

from iso15118.evcc.conversation import Conversation, EndSession
from iso15118.session.actions import EndReason

__all__ = ["look_at_evse_id"]

_EVSE_ID = re.compile(r"[A-Z]{2}\*?[A-Z0-9]{3}\*?E[A-Z0-9*]{1,30}", re.IGNORECASE)
_UNNAMED = "ZZ00000"  # [V2G20-192]


def look_at_evse_id(talk: Conversation, evse_id: str) -> None:
    """An EVSEID that is none is noted, or leads away from the station, as ``EvccConfig.strict_evse_id`` says.
    A station that is known by it is treated accordingly."""
    talk.know_station(evse_id)
    if evse_id == _UNNAMED or _EVSE_ID.fullmatch(evse_id):
        return
    said = f"the station's EVSEID {evse_id[:40]!r} is not formed as the standard says"
    if talk.config.strict_evse_id:
        raise EndSession(EndReason.REFUSED, said)
    talk.note("evse-id", said)
