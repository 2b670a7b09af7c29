"""What a connection is told beside what its link is told, and what it asks for beside what its link asks for.

Connections are numbered, by the station's driver as they come in and by the vehicle's machine as it asks for
them: news of one that was dropped is then never taken for news of the one after it.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from iso15118.session.actions import Action, Notify, SessionEnded
from iso15118.session.events import Event

from .basic.station import Steps

__all__ = [
    "ConnectionClosed",
    "ConnectionFailed",
    "ConnectionOpened",
    "ConnectorTimer",
    "DropConnection",
    "Phase",
    "PhaseEntered",
    "SessionFinished",
    "SessionSetUp",
    "StartBasic",
    "StartDiscovery",
    "StartSession",
    "StationFound",
    "StopDiscovery",
    "TimerLate",
    "is_set_up",
]


class Phase(Enum):
    """Where a connection stands. In all but ``SESSION`` the hardware is safe, or on its way there."""

    UNPLUGGED = "unplugged"
    LINKING = "plugged in; the data link is awaited"
    DISCOVERY = "linked; the vehicle looks for the station"
    SETTING_UP = "connecting, up to SessionSetup"
    SESSION = "in a session"
    BASIC = "basic charging by the duty cycle; no messages"
    CLOSING = "the session is over; the connection is being closed"
    PAUSED = "paused; linked, and asleep"
    FINISHED = "over until it is unplugged or started again"


class ConnectorTimer(Enum):
    """The timers of a connection, in the order in which they fire at the same moment."""

    MAX_COMM = "T_conn_max_comm"
    """Plug-in to data link."""
    RESUME = "T_conn_resume"
    """Wake-up to data link."""
    RESETUP = "T_conn_resetup"
    """Loss of the data link to data link."""
    SETUP = "V2G_CommunicationSetup"
    """Up to SessionSetupRes."""
    GIVE_UP = "SLAC is given up"
    """Plug-in, or another start, to basic charging, where that is wanted and no link came."""
    CLOSE = "close wait"
    """End of the session to the end of its connection."""


# -- what it is told by whoever drives discovery and sessions


class StationFound(Event, frozen=True):
    """Vehicle: discovery was answered; ``where`` is the driver's own word for the station's address."""

    number: int
    where: Any


class ConnectionOpened(Event, frozen=True):
    """A transport connection is there; TLS, where there is any, and the session follow."""

    number: int


class ConnectionFailed(Event, frozen=True):
    """Discovery found nobody, or the connection ended before a session began."""

    number: int
    reason: str


class SessionSetUp(Event, frozen=True):
    """SessionSetupRes went over the wire: the communication is set up."""

    number: int


class SessionFinished(Event, frozen=True):
    """The session has ended and its hardware is safe."""

    number: int
    ended: SessionEnded


class ConnectionClosed(Event, frozen=True):
    """The transport of a session is closed."""

    number: int


# -- what it asks for


class StartDiscovery(Action, frozen=True):
    """Station: be found and accept connections. Vehicle: look for a station, and tell
    ``StationFound`` or ``ConnectionFailed``."""

    number: int = 0


class StopDiscovery(Action, frozen=True):
    """Be found no more; look no further."""


class StartSession(Action, frozen=True):
    """Vehicle: connect to ``where`` and run a session."""

    number: int
    where: Any


class StartBasic(Action, frozen=True):
    """Charge by the duty cycle from now on, without messages: a ``BasicStation`` or ``BasicVehicle`` has the
    pilot until it has ended. The end is told by ``SessionFinished`` and ``ConnectionClosed``, of a station
    after ``ConnectionOpened`` with its number. ``steps``: what a station's pilot has to show first."""

    number: int = 0
    steps: Steps = Steps.NONE
    percent: float | None = None
    """Vehicle: the duty cycle that is seen."""


class DropConnection(Action, frozen=True):
    """The data link or the plug is gone: end the session now, hardware first, and drop the transport
    without waiting for anybody."""

    number: int
    reason: str


class PhaseEntered(Notify, frozen=True):
    """News: the connection stands there now."""

    phase: Phase


class TimerLate(Notify, frozen=True):
    """News: a time that the standard sets was not kept. The link keeps trying, within its own limits."""

    timer: ConnectorTimer
    after_s: float


_BEFORE_SET_UP = ("Connecting", "supportedAppProtocol", "SessionSetup", "Ended")


def is_set_up(state: str) -> bool:
    """Whether a session in this state, as either role names its states, has SessionSetup behind it."""
    return state not in _BEFORE_SET_UP
