"""Basic signalling of MCS: the states of CE, what upper layers see of them, and what the machines ask for.

Levels stay in hardware. CE has no duty cycle: the station says that it is ready by closing its switch S3.
"""

from __future__ import annotations

from enum import Enum

from iso15118.session.actions import Action
from iso15118.session.events import Event, SignalState

__all__ = ["CeChanged", "CeState", "SetPhy", "SetS3", "as_signal", "is_mated", "is_ready"]


class CeState(Enum):
    """States of CE (IEC 61851-23-3, Tables CC.103 to CC.107). ``_AUX``: the vehicle asks for auxiliary power."""

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


class SetS3(Action, frozen=True):
    """Station: close S3 (ready: B) or open it (not ready: B0). Under power opening is an emergency shutdown, so it is asked for only after
    the session has ended."""

    closed: bool


class SetPhy(Action, frozen=True):
    """Power the transceiver and start or stop PLCA with the role's settings. Auto-negotiation and link training stay off [V2G10-019]
    [V2G10-026]."""

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
_READY = frozenset({CeState.B, CeState.B_AUX, CeState.C, CeState.C_AUX})
_UNMATED = frozenset({CeState.A, CeState.E, CeState.INVALID})


def as_signal(state: CeState) -> SignalState:
    """The control-pilot state that upper layers see in its place."""
    return _SIGNALS[state]


def is_ready(state: CeState) -> bool:
    """S3 is closed: B or C."""
    return state in _READY


def is_mated(state: CeState) -> bool:
    """A peer is plugged in, ready or not, also in an emergency shutdown."""
    return state not in _UNMATED
