"""Single-pair Ethernet of a vehicle: the transceiver comes up when it is plugged in, before B, and
restarts are the station's business.

READY needs CE in B or C and the link [V2G10-030]. After a failure the vehicle waits for the station to open
and close S3 again [V2G10-039].
"""

from __future__ import annotations

from enum import Enum

from iso15118.link.deadlines import Deadlines
from iso15118.link.primitives import (
    DLinkError,
    DLinkPause,
    DLinkReady,
    DLinkTerminate,
    LinkNote,
    LinkReported,
    LinkState,
    PowerOn,
    Restart,
    ShowState,
    WakeUp,
)
from iso15118.vocabulary import Action, Event, SignalState

from .settings import SpeSettings
from .signalling import CeChanged, CeState, SetPhy, is_emergency, is_fault, is_mated, is_ready

__all__ = ["EvSpe"]


class _Timer(Enum):
    DETECT = "TT_EV_link_detect"
    RESUME = "T_conn_resume"
    PULSE = "wake pulse"
    GRACE = "pause or restart"
    FAULT = "a fault that lasts"
    WAKE = "the station is woken up"


class EvSpe:
    """The vehicle's end; a ``DataLink``."""

    def __init__(self, settings: SpeSettings | None = None) -> None:
        self._settings = settings if settings is not None else SpeSettings()
        self._timers: Deadlines[_Timer] = Deadlines(_Timer)
        self._state = LinkState.UNMATCHED
        self._powered = False
        self._ce = CeState.A
        self._carrier = False
        self._paused = False
        self._up = False
        self._pulses = 0
        """Wake-ups that are left."""

    @property
    def state(self) -> LinkState:
        """Whether the link is there."""
        return self._state

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timeout``."""
        return self._timers.earliest

    @property
    def resting(self) -> tuple[Action, ...]:
        """V3 open: state B."""
        return (ShowState(SignalState.B),)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event; see ``DataLink``."""
        if isinstance(event, CeChanged):
            return self._ce_changed(event.state, now)
        if isinstance(event, LinkReported):
            return self._link_reported(event.up)
        if isinstance(event, PowerOn):
            if self._powered:
                return []
            self._powered = True
            begun = self._begin(now) if is_mated(self._ce) else [SetPhy(False)]
            return [*self.resting, *begun]
        if isinstance(event, DLinkTerminate | DLinkError):
            # Back to B within TP_sync_leave, and wait for the station [V2G10-039].
            return [*self._end(), *self.resting]
        if isinstance(event, Restart):
            return self._start_anew(event.reason, now) if is_mated(self._ce) and self._powered else []
        if isinstance(event, DLinkPause):
            return self._pause()
        if isinstance(event, WakeUp):
            return self._wake_up(now)
        return []

    # -- signalling

    def _ce_changed(self, state: CeState, now: float) -> list[Action]:
        before, self._ce = self._ce, state
        if state is before or not self._powered:
            return []
        if state is CeState.A:
            return [*self._end(), SetPhy(False)]
        if is_fault(state):
            return self._faulty(now)
        self._timers.clear(_Timer.FAULT)
        if before is CeState.A:
            return self._begin(now)
        if is_ready(state):
            if self._paused:  # S3 closes; what V3 does is this side's own
                return self._resume(now) if not is_ready(before) else []
            self._timers.clear(_Timer.GRACE, _Timer.WAKE)
            if not is_ready(before) and self._state is not LinkState.MATCHED:
                return self._begin(now)  # the station's indication to start, or to start again
            return self._check_ready()
        if self._state is LinkState.MATCHED and not self._paused:
            if is_emergency(state):
                return self._end()
            # The station opened S3: it restarts, or both are about to pause.
            self._timers.set(_Timer.GRACE, now + self._settings.pause_grace)
        return []

    def _faulty(self, now: float) -> list[Action]:
        """A fault of CE or ID: no unplug, and the transceiver stays on. The station restarts."""
        if self._paused or self._state is LinkState.UNMATCHED:
            return []
        if self._state is LinkState.MATCHED:
            return [*self._end(), LinkNote(f"state {self._ce.value} of CE; wait for the station")]
        self._timers.set(_Timer.FAULT, now + self._settings.fault_debounce)
        return []

    def _start_anew(self, why: str, now: float) -> list[Action]:
        """The application asks: where S3 is closed the link is set up again,
        otherwise the station is woken up."""
        actions = [*self._end(), *self.resting, LinkNote(f"restart {why}")]
        if is_ready(self._ce):
            return actions + self._begin(now)
        self._pulses = self._settings.c_wake_pulses
        return actions + self._wake_station(now)

    def _wake_station(self, now: float) -> list[Action]:
        if self._pulses == 0:
            return [LinkNote("the station does not wake up")]
        self._pulses -= 1
        self._timers.set(_Timer.WAKE, now + self._settings.t_conn_resume)
        if is_fault(self._ce):
            return []  # nothing would be seen of it now
        self._timers.set(_Timer.PULSE, now + self._settings.wake_pulse)
        return [ShowState(SignalState.C)]

    def _begin(self, now: float) -> list[Action]:
        """Bring the link up, also before B [V2G10-028]."""
        self._state = LinkState.MATCHING
        self._timers.set(_Timer.DETECT, now + self._settings.tt_ev_link_detect)
        return [SetPhy(True), *self._check_ready()]

    def _check_ready(self) -> list[Action]:
        resuming = self._state is LinkState.MATCHED and _Timer.RESUME in self._timers and not self._paused
        if not (self._carrier and is_ready(self._ce) and (self._state is LinkState.MATCHING or resuming)):
            return []
        if _Timer.PULSE in self._timers:
            return []  # the end of the pulse would take back the C that a quick session shows by then
        self._timers.clear(_Timer.DETECT, _Timer.RESUME)
        self._state = LinkState.MATCHED
        return self._tell(True)

    def _tell(self, up: bool) -> list[Action]:
        if up is self._up:
            return []
        self._up = up
        return [DLinkReady(up)]

    def _end(self) -> list[Action]:
        """No link until the station says so."""
        pulsing = _Timer.PULSE in self._timers
        self._timers.clear_all()
        self._state, self._paused = LinkState.UNMATCHED, False
        return [*self._tell(False), *([ShowState(SignalState.B)] if pulsing else [])]

    # -- pause

    def _pause(self) -> list[Action]:
        if self._state is not LinkState.MATCHED:
            return []
        pulsing = _Timer.PULSE in self._timers
        self._timers.clear_all()
        self._paused = True
        self._up = False  # so that the wake-up is told
        # A wake-up that is still being shown would wake the station up from this pause.
        return [ShowState(SignalState.B)] if pulsing else []

    def _wake_up(self, now: float) -> list[Action]:
        """Show C for a moment (CC.5.2.4); the station closes S3."""
        if not self._paused or _Timer.PULSE in self._timers:
            return []
        self._timers.set(_Timer.PULSE, now + self._settings.wake_pulse)
        self._timers.set(_Timer.RESUME, now + self._settings.t_conn_resume)
        return [ShowState(SignalState.C)]

    def _resume(self, now: float) -> list[Action]:
        self._paused = False
        if _Timer.RESUME not in self._timers:
            self._timers.set(_Timer.RESUME, now + self._settings.t_conn_resume)
        return [SetPhy(True), *self._check_ready()]

    # -- the link

    def _link_reported(self, up: bool) -> list[Action]:
        self._carrier = up
        if up:
            return self._check_ready()
        if self._state is LinkState.MATCHED and not self._paused and _Timer.RESUME not in self._timers:
            return [*self._end(), LinkNote("the link is gone; wait for the station")]
        return []

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come; see ``DataLink``."""
        actions: list[Action] = []
        while (timer := self._timers.pop(now)) is not None:
            if timer is _Timer.PULSE:
                actions += [ShowState(SignalState.B), *self._check_ready()]
            elif timer is _Timer.GRACE:
                actions += self._end()
            elif timer is _Timer.RESUME:
                actions += [*self._end(), LinkNote("no link after the pause; wait for the station")]
            elif timer is _Timer.FAULT:
                actions += [*self._end(), LinkNote(f"state {self._ce.value} of CE; wait for the station")]
            elif timer is _Timer.WAKE:
                actions += self._wake_station(now)
            elif self._carrier:
                continue  # the link is there, and the station takes its time until B
            else:
                actions += [*self._end(), LinkNote("no link within TT_EV_link_detect; wait for the station")]
        return actions
