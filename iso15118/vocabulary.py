"""What links and sessions have in common: the bases of events and actions, and
the states of basic signalling.

It stands below ``link`` and ``session``, so that a data link knows nothing of sessions.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

__all__ = ["Action", "Event", "Notify", "SignalChanged", "SignalState"]


class Event(Struct, frozen=True):
    """Base of all events."""


class Action(Struct, frozen=True):
    """Base of all actions."""


class Notify(Action, frozen=True):
    """Base of the news; a driver may hand them to the application or drop them."""


class SignalState(Enum):
    """Control pilot states of IEC 61851-1; the CE states of MCS map onto them (``link.spe.signalling``)."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"


class SignalChanged(Event, frozen=True):
    """The control pilot (or CE of MCS) shows a new state."""

    state: SignalState
