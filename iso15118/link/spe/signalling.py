"""Basic signalling of MCS: the states of CE and ID, what upper layers see of them,
and what the machines ask for.

Levels stay in hardware. CE has no duty cycle: the station says that it is ready by closing its switch S3.
"""

from __future__ import annotations

from enum import Enum

from iso15118.vocabulary import Action, Event, SignalState

__all__ = [
    "CeAndId",
    "CeChanged",
    "CeState",
    "IdChanged",
    "IdState",
    "SetPhy",
    "SetS3",
    "as_signal",
    "is_emergency",
    "is_fault",
    "is_mated",
    "is_ready",
]


class CeState(Enum):
    """States of CE (IEC 61851-23-3, Tables CC.103 to CC.107). ``_AUX``: the vehicle
    asks for auxiliary power."""

    A = "A"
    B0 = "B0"
    B0_AUX = "B0_Aux"
    B = "B"
    B_AUX = "B_Aux"
    C = "C"
    C_AUX = "C_Aux"
    EC = "EC"
    EC_AUX = "EC_Aux"
    E = "E"
    INVALID = "invalid"


class CeChanged(Event, frozen=True):
    """CE shows another state."""

    state: CeState


class IdState(Enum):
    """States of ID by its voltage window, from either side. ``LIVE``: a vehicle sees a station that is
    switched on. ``AUX``: one side supplies the other through it."""

    NOT_PRESENT = "no inlet"
    UNMATED = "not mated"
    MATED = "mated"
    LIVE = "mated to a live station"
    AUX = "auxiliary supply"
    INVALID = "invalid"


class IdChanged(Event, frozen=True):
    """ID shows another state. Where nobody says anything about ID, CE alone decides."""

    state: IdState


class CeAndId:
    """Both together, as one state of CE: a connector is mated when CE and ID say so, and a fault of ID counts
    as one of CE. Either one lost while ready for energy is an emergency shutdown (IEC 61851-23-3 CC.4.3,
    CC.4.4), which is the hardware's own within 10 ms.

    A plug that goes in may have CE before ID, and is not mated until both are there. ID that is lost from a
    mated plug while CE is not contradicts CE: a fault until one of them gives way, and no unplug.
    """

    def __init__(self) -> None:
        self._ce = CeState.A
        self._id: IdState | None = None
        self._shown = CeState.A
        self._was_mated = False

    def changed(self, event: CeChanged | IdChanged) -> CeChanged | None:
        """What one of them shows now; the state that comes of it, if that is another one."""
        if isinstance(event, CeChanged):
            self._ce = event.state
        else:
            self._id = event.state
        shown = self._ce
        if self._id is not None and self._id not in _ID_MATED and is_mated(shown):
            faulty = self._id is IdState.INVALID or self._was_mated
            shown = CeState.INVALID if faulty else CeState.A
        self._was_mated = shown is not CeState.A and (self._was_mated or is_mated(shown))
        if shown is self._shown:
            return None
        self._shown = shown
        return CeChanged(shown)


class SetS3(Action, frozen=True):
    """Station: close S3 (ready: B) or open it (not ready: B0). Under power opening is an emergency shutdown,
    so it is asked for only after the session has ended."""

    closed: bool


class SetPhy(Action, frozen=True):
    """Power the transceiver and start or stop PLCA with the role's settings. Auto-negotiation and link
    training stay off [V2G10-019] [V2G10-026]."""

    up: bool


_SIGNALS = {
    CeState.A: SignalState.A,
    CeState.B0: SignalState.B,
    CeState.B0_AUX: SignalState.B,
    CeState.B: SignalState.B,
    CeState.B_AUX: SignalState.B,
    CeState.C: SignalState.C,
    CeState.C_AUX: SignalState.C,
    CeState.EC: SignalState.F,
    CeState.EC_AUX: SignalState.F,
    CeState.E: SignalState.E,
    CeState.INVALID: SignalState.E,
}
_ID_MATED = frozenset({IdState.MATED, IdState.LIVE, IdState.AUX})
_READY = frozenset({CeState.B, CeState.B_AUX, CeState.C, CeState.C_AUX})
_UNMATED = frozenset({CeState.A, CeState.E, CeState.INVALID})
_EMERGENCY = frozenset({CeState.EC, CeState.EC_AUX})


def as_signal(state: CeState) -> SignalState:
    """The control-pilot state that upper layers see in its place."""
    return _SIGNALS[state]


def is_ready(state: CeState) -> bool:
    """S3 is closed: B or C."""
    return state in _READY


def is_mated(state: CeState) -> bool:
    """A peer is plugged in, ready or not, also in an emergency shutdown. False in a fault of the contacts
    too: whether anybody is there cannot be told then (``is_fault``). Only A says that nobody is."""
    return state not in _UNMATED


def is_fault(state: CeState) -> bool:
    """CE or ID cannot be relied on: no supply, or a voltage in no window. Neither
    plugged in nor unplugged."""
    return state is CeState.E or state is CeState.INVALID


def is_emergency(state: CeState) -> bool:
    """S3 is open while the vehicle's V3 is closed: an emergency shutdown of a link in use, or a vehicle
    that wakes the station up."""
    return state in _EMERGENCY
