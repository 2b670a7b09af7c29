"""Single-pair Ethernet of a station: S3, the transceiver, and a budget of restarts.

READY needs the link and CE in B or C, in whichever order they come [V2G10-023]. The driver reports the link (``LinkReported``) when the
carrier is there and the interface has a usable address.
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
    WakeUp,
)
from iso15118.session.actions import Action
from iso15118.session.events import Event

from .settings import SpeSettings
from .signalling import CeChanged, CeState, SetPhy, SetS3, is_mated, is_ready

__all__ = ["EvseSpe"]


class _Timer(Enum):
    DETECT = "TT_EV_link_detect"
    GUARD = "restart guard"
    RESUME = "T_conn_resume"


class EvseSpe:
    """The station's end; a ``DataLink``."""

    def __init__(self, settings: SpeSettings | None = None) -> None:
        self._settings = settings if settings is not None else SpeSettings()
        self._timers: Deadlines[_Timer] = Deadlines(_Timer)
        self._state = LinkState.UNMATCHED
        self._powered = False
        self._ce = CeState.A
        self._carrier = False
        self._paused = False
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

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event; see ``DataLink``."""
        if isinstance(event, CeChanged):
            return self._ce_changed(event.state, now)
        if isinstance(event, LinkReported):
            return self._link_reported(event.up, now)
        if isinstance(event, PowerOn):
            if self._powered:
                return []
            self._powered = True
            return self._begin(now) if is_mated(self._ce) else []
        if isinstance(event, DLinkTerminate):
            return self._stop() if self._state is not LinkState.UNMATCHED else []
        if isinstance(event, DLinkError):
            return self._restart("after an error", now) if is_mated(self._ce) and self._powered else []
        if isinstance(event, DLinkPause):
            return self._pause()
        if isinstance(event, WakeUp):
            return self._resume(now)
        return []

    # -- signalling

    def _ce_changed(self, state: CeState, now: float) -> list[Action]:
        before, self._ce = self._ce, state
        if state is before or not self._powered:
            return []
        if not is_mated(state):
            return self._stop() if is_mated(before) else []
        if not is_mated(before):
            self._restarts = self._settings.c_conn_retry
            return self._begin(now)
        if self._paused and state in (CeState.C, CeState.C_AUX, CeState.EC, CeState.EC_AUX):
            # The vehicle closes V3 for a moment; with S3 open that looks like EC from here.
            return self._resume(now)
        if state in (CeState.EC, CeState.EC_AUX) and self._state is LinkState.MATCHED and not self._paused:
            return [*self._stop(), LinkNote("emergency shutdown")]
        return self._check_ready()

    def _begin(self, now: float) -> list[Action]:
        self._state = LinkState.MATCHING
        self._since = now
        self._timers.set(_Timer.DETECT, now + self._settings.tt_ev_link_detect)
        return [SetPhy(True), SetS3(True), *self._check_ready()]

    def _check_ready(self) -> list[Action]:
        waiting = self._state is LinkState.MATCHING and _Timer.GUARD not in self._timers
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

    def _stop(self) -> list[Action]:
        """Back to the beginning; the next plug-in starts again."""
        self._timers.clear_all()
        self._state, self._paused = LinkState.UNMATCHED, False
        return [*self._tell(False), SetS3(False), SetPhy(False)]

    def _restart(self, why: str, now: float) -> list[Action]:
        """S3 open, a guard time, S3 closed (CC.5.2.3.2), as often as the budget allows."""
        self._timers.clear_all()
        self._paused = False
        if self._restarts == 0:
            return [*self._stop(), LinkNote(f"no restart left {why}")]
        self._restarts -= 1
        self._state = LinkState.MATCHING
        self._timers.set(_Timer.GUARD, now + self._settings.restart_guard)
        return [*self._tell(False), SetS3(False), LinkNote(f"restart {why}")]

    # -- pause

    def _pause(self) -> list[Action]:
        if self._state is not LinkState.MATCHED:
            return []
        self._timers.clear_all()
        self._paused = True
        self._up = False  # so that the wake-up is told [V2G10-043]
        return [SetS3(False)]

    def _resume(self, now: float) -> list[Action]:
        if not self._paused:
            return []
        self._paused = False
        self._timers.set(_Timer.RESUME, now + self._settings.t_conn_resume)
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
            if timer is _Timer.GUARD:
                actions += self._begin(now)
            elif timer is _Timer.RESUME:
                actions += self._restart("after a pause", now)
            elif now - self._since < self._settings.tt_sync_repetition:
                self._timers.set(_Timer.DETECT, now + self._settings.tt_ev_link_detect)
                actions += [SetPhy(False), SetPhy(True), LinkNote("repeat the communication initialisation")]
            else:
                actions += [
                    *self._stop(),
                    LinkNote("no link within TT_EV_link_detect"),
                ]  # [V2G10-054] to [V2G10-058]
        return actions
