"""Single-pair Ethernet of a station: S3, the transceiver, and a budget of restarts.

READY needs the link and CE in B or C, in whichever order they come [V2G10-023]. The driver reports the link
(``LinkReported``) when the carrier is there and the interface has a usable address. A fault of CE or ID opens
S3 and is followed by a guard time and a restart within the budget; only A is an unplug.
"""

from __future__ import annotations

import math
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
    WakeUp,
)
from iso15118.vocabulary import Action, Event

from .settings import SpeSettings
from .signalling import CeChanged, CeState, SetPhy, SetS3, is_emergency, is_fault, is_mated, is_ready

__all__ = ["EvseSpe"]


class _Timer(Enum):
    DETECT = "TT_EV_link_detect"
    GUARD = "restart guard"
    RESUME = "T_conn_resume"
    FAULT = "a fault that lasts"
    WAKE = "a wake-up that lasts"


class EvseSpe:
    """The station's end; a ``DataLink``."""

    def __init__(self, settings: SpeSettings | None = None) -> None:
        self._settings = settings if settings is not None else SpeSettings()
        self._timers: Deadlines[_Timer] = Deadlines(_Timer)
        self._state = LinkState.UNMATCHED
        self._powered = False
        self._ce = CeState.A
        self._plugged = False
        """A plug-in has begun and nobody has shown A since."""
        self._gone_at = -math.inf
        self._carrier = False
        self._paused = False
        self._guarding = False
        """S3 is open until the guard time is over and CE shows a vehicle that waits."""
        self._open_since = -math.inf
        self._closed = False
        self._up = False
        self._restarts = self._settings.c_conn_retry
        self._since = 0.0

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
        """S3 open."""
        return (SetS3(False),)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event; see ``DataLink``."""
        if isinstance(event, CeChanged):
            return self._ce_changed(event.state, now)
        if isinstance(event, LinkReported):
            return self._link_reported(event.up, now)
        if isinstance(event, PowerOn):
            return self._power_on(now)
        if isinstance(event, DLinkTerminate):
            return self._stop(now)
        if isinstance(event, DLinkError):
            return self._restart("after an error", now) if self._plugged else []
        if isinstance(event, Restart):
            return self._start_anew(event.reason, now) if self._plugged else []
        if isinstance(event, DLinkPause):
            return self._pause(now)
        if isinstance(event, WakeUp):
            return self._resume(now)
        return []

    def _power_on(self, now: float) -> list[Action]:
        if self._powered:
            return []
        self._powered = True
        outputs = self._open_s3(now)  # whatever a process before this one left there
        return outputs + self._mated(now) if is_mated(self._ce) else [*outputs, SetPhy(False)]

    # -- signalling

    def _ce_changed(self, state: CeState, now: float) -> list[Action]:
        before, self._ce = self._ce, state
        if state is before or not self._powered:
            return []
        if state is CeState.A:
            self._plugged, self._gone_at = False, now
            return self._stop(now)
        if is_fault(state):
            return self._faulty(now)
        self._timers.clear(_Timer.FAULT)
        if not self._plugged:
            return self._mated(now)
        if self._guarding:
            if not (is_mated(before) and not is_emergency(before)) and not is_emergency(state):
                self._timers.set(_Timer.GUARD, now + self._settings.restart_guard)  # clean from now on
            return []
        if self._paused:
            # The vehicle closes V3 for a moment; with S3 open that looks like EC from here.
            return self._resume(now) if state in _WAKING else []
        if is_emergency(state):
            if self._state is LinkState.MATCHED:
                return [*self._restart("after an emergency shutdown", now), LinkNote("emergency shutdown")]
            if self._state is LinkState.UNMATCHED and before in (CeState.B0, CeState.B0_AUX):
                self._timers.set(_Timer.WAKE, now + self._settings.wake_detect)
            return []
        self._timers.clear(_Timer.WAKE)
        return self._check_ready()

    def _mated(self, now: float) -> list[Action]:
        """Plugged in, or in again after a contact that bounced, or there already when this began."""
        self._plugged = True
        if now - self._gone_at < self._settings.replug_debounce or is_emergency(self._ce):
            self._state, self._guarding = LinkState.MATCHING, True
            self._timers.set(_Timer.GUARD, now + self._settings.restart_guard)
            return [SetPhy(True)]
        self._restarts = self._settings.c_conn_retry
        return self._begin(now)

    def _faulty(self, now: float) -> list[Action]:
        """No supply on CE, or a voltage in no window; ID as well. No unplug."""
        if self._paused or self._guarding or self._state is LinkState.UNMATCHED:
            return []
        if self._state is LinkState.MATCHED:
            return self._restart(f"after state {self._ce.value} of CE", now)
        self._timers.set(_Timer.FAULT, now + self._settings.fault_debounce)
        return []

    def _begin(self, now: float) -> list[Action]:
        self._state, self._guarding = LinkState.MATCHING, False
        self._since = now
        self._timers.set(_Timer.DETECT, now + self._settings.tt_ev_link_detect)
        self._closed = True
        return [SetPhy(True), SetS3(True), *self._check_ready()]

    def _check_ready(self) -> list[Action]:
        waiting = self._state is LinkState.MATCHING and not self._guarding
        resuming = self._state is LinkState.MATCHED and _Timer.RESUME in self._timers
        if not (self._carrier and is_ready(self._ce) and (waiting or resuming)):
            return []
        self._timers.clear_all()
        self._state = LinkState.MATCHED
        if self._settings.refund_retries:
            self._restarts = self._settings.c_conn_retry
        return self._tell(True)

    def _tell(self, up: bool) -> list[Action]:
        if up is self._up:
            return []
        self._up = up
        return [DLinkReady(up)]

    def _open_s3(self, now: float) -> list[Action]:
        """Asserted also where it is open already."""
        if self._closed or self._open_since == -math.inf:
            self._open_since = now
        self._closed = False
        return [SetS3(False)]

    def _stop(self, now: float) -> list[Action]:
        """To rest, in any state: the next plug-in, a wake-up of the vehicle, or
        the application begins anew."""
        self._timers.clear_all()
        self._state, self._paused, self._guarding = LinkState.UNMATCHED, False, False
        return [*self._tell(False), *self._open_s3(now), SetPhy(False)]

    def _restart(self, why: str, now: float) -> list[Action]:
        """S3 open, a guard time, S3 closed (CC.5.2.3.2), as often as the budget allows."""
        if self._restarts == 0:
            return [*self._stop(now), LinkNote(f"no restart left {why}")]
        self._restarts -= 1
        return self._guard(why, now, now)

    def _start_anew(self, why: str, now: float) -> list[Action]:
        """The application asks: budgets are full, and an S3 that has been open for the
        guard time is closed at once."""
        self._restarts = self._settings.c_conn_retry
        return self._guard(why, now, self._open_since if not self._closed else now)

    def _guard(self, why: str, now: float, since: float) -> list[Action]:
        self._timers.clear_all()
        self._paused = False
        self._state, self._guarding = LinkState.MATCHING, True
        actions = [*self._tell(False), *self._open_s3(now), LinkNote(f"restart {why}")]
        self._timers.set(_Timer.GUARD, max(now, since + self._settings.restart_guard))
        return actions

    # -- pause

    def _pause(self, now: float) -> list[Action]:
        if self._state is not LinkState.MATCHED:
            return []
        self._timers.clear_all()
        self._paused = True
        self._up = False  # so that the wake-up is told [V2G10-043]
        return self._open_s3(now)

    def _resume(self, now: float) -> list[Action]:
        if not self._paused:
            return []
        self._paused = False
        self._timers.set(_Timer.RESUME, now + self._settings.t_conn_resume)
        self._closed = True
        return [SetPhy(True), SetS3(True), *self._check_ready()]

    # -- the link

    def _link_reported(self, up: bool, now: float) -> list[Action]:
        self._carrier = up
        if up:
            return self._check_ready()
        if self._state is LinkState.MATCHED and not self._paused and _Timer.RESUME not in self._timers:
            return self._restart("after the loss of the link", now)  # [V2G10-036] to [V2G10-038]
        return []

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come; see ``DataLink``."""
        actions: list[Action] = []
        while (timer := self._timers.pop(now)) is not None:
            actions += self._expired(timer, now)
        return actions

    def _expired(self, timer: _Timer, now: float) -> list[Action]:
        if timer is _Timer.GUARD:
            waits = is_mated(self._ce) and not is_emergency(self._ce)
            return self._begin(now) if waits else []  # CE has to be clean for the guard time first
        if timer is _Timer.RESUME:
            return self._restart("after a pause", now)
        if timer is _Timer.FAULT:
            return self._restart(f"after state {self._ce.value} of CE", now)
        if timer is _Timer.WAKE:
            self._restarts = self._settings.c_conn_retry
            return [LinkNote("the vehicle wakes the station up"), *self._begin(now)]
        if now - self._since < self._settings.tt_sync_repetition:
            self._timers.set(_Timer.DETECT, now + self._settings.tt_ev_link_detect)
            return [SetPhy(False), SetPhy(True), LinkNote("repeat the communication initialisation")]
        note = LinkNote("no link within TT_EV_link_detect")
        if self._settings.retry_setup:
            return [note, *self._restart("after a set-up without link", now)]
        return [*self._stop(now), note]  # [V2G10-054] to [V2G10-058]


_WAKING = (CeState.C, CeState.C_AUX, CeState.EC, CeState.EC_AUX)
