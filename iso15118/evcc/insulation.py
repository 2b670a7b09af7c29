"""What a vehicle makes of the insulation that a station of ISO 15118-2 or DIN 70121 reports: what is borne
with, and what is not.

A fault is left at once in every phase; in the other phases than the cable check that stands with the rest of
the status.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from iso15118.session.actions import EndReason

from .conversation import Conversation, Leave

__all__ = ["checked", "in_the_check", "under_power"]

_FAULT: Final = "Fault"
_INVALID: Final = "Invalid"
_GOOD: Final = frozenset({"", "Valid"})
"""Not all stations tell it."""


def in_the_check(said: Enum | None) -> None:
    """Raises ``Leave`` on a fault that shows before the check is finished."""
    if _word(said) == _FAULT:
        raise Leave(
            EndReason.CABLE_CHECK_FAILED,
            "the station says that the isolation is faulty",
            cause="insulation-fault-reported",
        )


def checked(talk: Conversation, said: Enum | None) -> None:
    """The check is finished. Raises ``Leave`` if its result is none; Warning, and no monitor, are noted."""
    word = _word(said)
    if word == _INVALID:
        raise Leave(EndReason.CABLE_CHECK_FAILED, "the station is finished, and its isolation is Invalid")
    if word not in _GOOD:
        talk.note("isolation", f"after the cable check the station's isolation is {word}")


def under_power(talk: Conversation, said: Enum | None) -> None:
    """In the charge loop. Invalid is what some stations say all the time: noted once, since nobody can tell
    them from one whose monitor has failed."""
    word = _word(said)
    if word not in _GOOD and word != _FAULT:
        talk.note("isolation-under-power", f"in the charge loop the station's isolation is {word}")


def _word(said: Enum | None) -> str:
    return "" if said is None else str(said.value)
