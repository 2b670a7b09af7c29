"""The vehicle's connection: it looks for a station from D-LINK_READY on, runs one session, and waits for the station after a failure."""

from __future__ import annotations

from iso15118.link.primitives import DLinkError, DLinkTerminate, ShowState
from iso15118.session.actions import Action, SessionEnded
from iso15118.session.events import Event, SignalState

from .machine import Connector
from .news import ConnectionFailed, Phase, StartDiscovery, StartSession, StationFound

__all__ = ["EvccInlet"]


class EvccInlet(Connector):
    """The vehicle's end of a connector; see ``Connector``. ``setup_s``: V2G_EVCC_CommunicationSetup_Timeout (20 s) [V2G2-446]."""

    _last = 0

    @property
    def resting(self) -> tuple[Action, ...]:
        """State B: S2, or V3 on MCS, is open."""
        return (ShowState(SignalState.B),)

    def _at_rest_shown(self) -> list[Action]:
        return [*self.resting]

    def _may_start_again(self, now: float) -> bool:
        self._rested(now)
        return self._restarts >= 0  # the search for a station takes one

    def _concerns(self, event: Event) -> bool:
        return event.number == self._number  # type: ignore[attr-defined, no-any-return]

    def _discover(self, now: float) -> list[Action]:
        if self._restarts < 0:
            return self._leave(DLinkTerminate(), now)
        self._restarts -= 1
        self._last += 1
        self._number = self._last
        return [StartDiscovery(self._number)]

    def _outcome(self, event: Event, now: float) -> list[Action]:
        if isinstance(event, StationFound):
            if self.phase is not Phase.DISCOVERY:
                return []
            return [*self._enter(Phase.SETTING_UP), StartSession(event.number, event.where)]
        if isinstance(event, ConnectionFailed):
            return [*self._drop(event.reason), *self._failed(now)]
        return super()._outcome(event, now)

    def _failed(self, now: float) -> list[Action]:
        # Leave, and wait for the station to show E or F, or B0, and B again.
        return self._leave(DLinkError(), now)

    def _judge(self, ended: SessionEnded) -> Event:
        return self._after(ended) or DLinkError()
