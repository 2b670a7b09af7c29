"""A link that needs no matching: none at all (a laboratory's Ethernet, the loopback interface), or a
simulated one that takes its time.

It is up ``delay_s`` after the basic signalling shows a peer, and goes with it, so that upper layers see the
same primitives as on a cable.
"""

from __future__ import annotations

import math

from iso15118.errors import ConfigError
from iso15118.vocabulary import Action, Event, SignalChanged, SignalState

from .primitives import (
    DLinkError,
    DLinkPause,
    DLinkReady,
    DLinkTerminate,
    LinkReported,
    LinkState,
    Pilot,
    PowerOn,
    Restart,
    SetPilot,
    WakeUp,
)

__all__ = ["PlainLink"]

_CONNECTED = (SignalState.B, SignalState.C, SignalState.D)


class PlainLink:
    """Either role; a ``DataLink``.

    ``delay_s``: from plug-in until it is up, in s. ``signalled=False``: nobody shows a pilot, and the link is
    up from power-on. ``pilot=True``: a station with a real control pilot, which offers a duty cycle of 5 %
    while somebody is plugged in; without it the pilot is left to others. Raises ``ConfigError`` for a delay
    that is negative or not finite.
    """

    def __init__(self, *, delay_s: float = 0.0, signalled: bool = True, pilot: bool = False) -> None:
        if not (math.isfinite(delay_s) and delay_s >= 0.0):
            raise ConfigError("delay_s", f"{delay_s!r} is no delay", "a finite number, 0 or more")
        self._delay_s, self._signalled, self._pilot = delay_s, signalled, pilot
        self._state = LinkState.UNMATCHED
        self._powered = False
        self._signal = SignalState.A
        self._paused = False
        self._deadline: float | None = None

    @property
    def state(self) -> LinkState:
        """Whether the link is there."""
        return self._state

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timeout``."""
        return self._deadline

    @property
    def resting(self) -> tuple[Action, ...]:
        """The pilot without a duty cycle, where it is this link's; else it has no outputs."""
        return (SetPilot(Pilot.STEADY),) if self._pilot else ()

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event; see ``DataLink``."""
        if isinstance(event, PowerOn) and not self._powered:
            self._powered = True
            return self._begin(now)
        if isinstance(event, SignalChanged):
            before, self._signal = self._signal, event.state
            if event.state not in _CONNECTED:
                return self._end()
            return self._begin(now) if before not in _CONNECTED else []
        if isinstance(event, DLinkTerminate):
            return self._end()
        if isinstance(event, DLinkError | Restart):
            return self._end() + self._begin(now)
        if isinstance(event, LinkReported) and not self._paused:
            if not event.up:
                return self._end()
            return self._begin(now) if self._state is LinkState.UNMATCHED else []
        if isinstance(event, DLinkPause) and self._state is LinkState.MATCHED:
            self._paused = True
        elif isinstance(event, WakeUp) and self._paused:
            self._paused = False
            return [DLinkReady(True)]
        return []

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come; see ``DataLink``."""
        if self._deadline is None or now < self._deadline:
            return []
        self._deadline = None
        self._state = LinkState.MATCHED
        return [DLinkReady(True)]

    def _begin(self, now: float) -> list[Action]:
        if not self._powered or (self._signalled and self._signal not in _CONNECTED):
            return []
        self._state = LinkState.MATCHING
        self._deadline = now + self._delay_s
        offered: list[Action] = [SetPilot(Pilot.FIVE_PERCENT)] if self._pilot else []
        return offered + self.handle_timeout(now)

    def _end(self) -> list[Action]:
        was, self._state = self._state, LinkState.UNMATCHED
        self._deadline, self._paused = None, False
        ended: list[Action] = [DLinkReady(False)] if was is LinkState.MATCHED else []
        return [*ended, *self.resting]
