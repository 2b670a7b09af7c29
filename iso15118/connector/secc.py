"""The station's connection: it can be found from D-LINK_READY on, takes sessions as they come, and restarts the basic signalling after a
failure, so often and no more.
"""

from __future__ import annotations

from iso15118.link.primitives import DLinkError, DLinkTerminate
from iso15118.session.actions import Action, EndReason, SessionEnded
from iso15118.session.events import Event

from .machine import Connector
from .news import ConnectionFailed, ConnectionOpened, DropConnection, Phase, StartDiscovery

__all__ = ["SeccConnector"]

_TALK_FAILED = frozenset(
    {
        EndReason.TIMEOUT,
        EndReason.ONGOING_TOO_LONG,
        EndReason.SEQUENCE_ERROR,
        EndReason.UNKNOWN_SESSION,
        EndReason.UNDECODABLE,
        EndReason.PEER_VANISHED,
        EndReason.SIGNAL_LOST,
    }
)
"""Ends after which the same vehicle may do better with a fresh start; any other would only be repeated."""


class SeccConnector(Connector):
    """The station's end of a connector; see ``Connector``. ``setup_s``: V2G_SECC_CommunicationSetup_Performance_Time (18 s)
    [V2G2-716]."""

    def _concerns(self, event: Event) -> bool:
        return isinstance(event, ConnectionOpened) or event.number == self._number  # type: ignore[attr-defined]

    def _discover(self, now: float) -> list[Action]:
        return [StartDiscovery()]

    def _outcome(self, event: Event, now: float) -> list[Action]:
        if isinstance(event, ConnectionOpened) and self.phase is not Phase.DISCOVERY:
            return [DropConnection(event.number, f"it came while {self.phase.value}")]
        if isinstance(event, ConnectionFailed):
            # The vehicle may try again until the set-up time is over.
            self._number = None
            return self._enter(Phase.DISCOVERY) if self.phase is Phase.SETTING_UP else []
        return super()._outcome(event, now)

    def _failed(self, now: float) -> list[Action]:
        return self._leave(self._restart(), now)

    def _judge(self, ended: SessionEnded) -> Event:
        return self._after(ended) or (self._restart() if ended.reason in _TALK_FAILED else DLinkTerminate())

    def _restart(self) -> Event:
        if self._restarts == 0:
            return DLinkTerminate()
        self._restarts -= 1
        return DLinkError()
