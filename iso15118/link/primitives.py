"""The D-LINK primitives and the contract of every link machine: all that the layers
above may know of a data link.

The pilot (CP of IEC 61851-1, or CE of MCS mapped onto its states) is shared by the link and the charging
session: changes come in as ``SignalChanged`` and ``DutyChanged``, and a link asks for pilot states with
``ShowState`` (vehicle) and ``SetPilot`` (station).
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol, runtime_checkable

from iso15118.vocabulary import Action, Event, SignalState

__all__ = [
    "DLinkError",
    "DLinkPause",
    "DLinkReady",
    "DLinkTerminate",
    "DataLink",
    "DutyChanged",
    "LinkNote",
    "LinkReported",
    "LinkState",
    "PeerHeard",
    "Pilot",
    "PowerOn",
    "Restart",
    "SetPilot",
    "ShowState",
    "WakeUp",
    "is_digital",
]


class LinkState(Enum):
    """States of the data link as ISO 15118-3 and ISO 15118-10 name them."""

    UNMATCHED = "unmatched"
    MATCHING = "matching"
    MATCHED = "matched"


# -- what upper layers are told, and what they may ask for


class DLinkReady(Action, frozen=True):
    """D-LINK_READY.indication: the link to the peer is there (True) or gone (False)."""

    link: bool


class DLinkTerminate(Event, frozen=True):
    """D-LINK_TERMINATE.request: the session is over; leave the network within TP_match_leave (1 s)."""


class DLinkError(Event, frozen=True):
    """D-LINK_ERROR.request: the session failed; leave, and start again from the basic
    signalling. The station drives it."""


class DLinkPause(Event, frozen=True):
    """D-LINK_PAUSE.request: stay matched, while the modem may sleep. A lost link means
    nothing until ``WakeUp``."""


class WakeUp(Event, frozen=True):
    """End a pause from this side; the other side's wake-up is seen on the pilot. Ignored unless paused."""


class Restart(Event, frozen=True):
    """Begin anew without pulling the plug, whatever state this is: a station starts the basic signalling anew
    (E or F and 5 %, or S3 open and closed), a vehicle wakes the station up. No primitive of the standard;
    budgets are full again. Ignored while unplugged."""

    reason: str = "as the application asks"


# -- what a link is told from below


class PowerOn(Event, frozen=True):
    """The hardware is there. A link does nothing before it, and asserts its outputs at it; the
    second one changes nothing."""


class DutyChanged(Event, frozen=True):
    """The pilot's duty cycle in percent, None when it is steady (state X1) or
    unreadable. Seen by the vehicle."""

    percent: float | None


class LinkReported(Event, frozen=True):
    """A driver that can tell whether the peer is reachable (carrier, modem's own means) says so."""

    up: bool


# -- what a link asks for


class Pilot(Enum):
    """What the station puts on the pilot."""

    STEADY = "steady (X1)"
    FIVE_PERCENT = "5 % duty cycle"
    NOMINAL = "nominal duty cycle (10 to 96 %)"
    """Basic charging by IEC 61851-1: the duty cycle says the current."""
    STATE_E = "state E"
    STATE_F = "state F"


class SetPilot(Action, frozen=True):
    """Station: put this on the pilot. Where firmware owns the pilot, it is a wish. ``percent``: the duty
    cycle, with ``Pilot.NOMINAL`` alone."""

    pilot: Pilot
    percent: float | None = None


class ShowState(Action, frozen=True):
    """Vehicle: show state B or C. A link asks for C only in B-C-B toggles, each level 200 to 400 ms,
    with no contactor closed."""

    state: SignalState


class PeerHeard(Action, frozen=True):
    """A link hears somebody who wants to match, for the first time since it waits: it may be the peer of
    this plug, or a neighbour."""


class LinkNote(Action, frozen=True):
    """A decision or an oddity in words, for logs and people. Never carries a key."""

    text: str


_DIGITAL_LOW, _DIGITAL_HIGH = 3.0, 7.0


def is_digital(percent: float | None) -> bool:
    """Whether a duty cycle asks for digital communication: 5 %, and 3 to 7 % as
    measured (IEC 61851-1 A.3)."""
    return percent is not None and _DIGITAL_LOW <= percent <= _DIGITAL_HIGH


@runtime_checkable
class DataLink(Protocol):
    """Outer contract of a link machine, the same as a session's.

    Call ``handle`` for each event and carry out the actions in their order; call ``handle_timeout`` when
    ``deadline`` has come. ``now`` is in seconds of any monotonic clock.
    """

    @property
    def state(self) -> LinkState:
        """Whether the link is there."""
        ...

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timeout``; None if nothing is due."""
        ...

    @property
    def resting(self) -> tuple[Action, ...]:
        """What puts this side's outputs where they belong when nothing runs: shown before the start and after
        the end, whatever a process before this one left there."""
        ...

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event. Events that do not concern a link are ignored. Never raises
        for anything a peer sent."""
        ...

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come. Earlier calls are harmless."""
        ...
