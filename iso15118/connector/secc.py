"""The station's connection: it can be found from D-LINK_READY on, takes sessions as they come, and restarts
the basic signalling after a failure, so often and no more. Where basic charging has a place, it gives SLAC up
early, or goes on by the duty cycle.
"""

from __future__ import annotations

from iso15118.link.primitives import DLinkError, DLinkTerminate, LinkState, PeerHeard, Restart
from iso15118.session.actions import Action, EndReason, SessionEnded
from iso15118.session.events import Event, SignalState

from .basic import BasicMode, Steps
from .machine import Connector
from .news import (
    ConnectionFailed,
    ConnectionOpened,
    ConnectorTimer,
    DropConnection,
    Phase,
    StartBasic,
    StartDiscovery,
)

__all__ = ["SeccConnector"]

_RETRY_AFTER = frozenset(
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

_NO_MESSAGES = _RETRY_AFTER | {EndReason.PROTOCOL_NEGOTIATION_FAILED, EndReason.PARAMETERS_NOT_ACCEPTED}
"""Ends after which a vehicle may still charge by the duty cycle: it and this station do
not understand each other."""
_FOR_GOOD = (EndReason.PAUSED, EndReason.HARDWARE_FAULT, EndReason.EMERGENCY, EndReason.INTERNAL_ERROR)
"""Ends after which a station that only wanted to read does not go on."""


class SeccConnector(Connector):
    """The station's end of a connector; see ``Connector``. ``setup_s``:
    V2G_SECC_CommunicationSetup_Performance_Time (18 s) [V2G2-716]."""

    _heard = _then_basic = False

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event. Never raises for anything a peer sent."""
        before = self.phase
        return self._with_patience(super().handle(event, now), before, now)

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come. Earlier calls are harmless."""
        before = self.phase
        return self._with_patience(super().handle_timeout(now), before, now)

    @property
    def at_rest(self) -> bool:
        """Plugged in, and nothing will come of it unless the basic signalling changes."""
        return super().at_rest and ConnectorTimer.GIVE_UP not in self._timers

    @property
    def _mode(self) -> BasicMode:
        return self.settings.basic.mode

    def _with_patience(self, actions: list[Action], before: Phase, now: float) -> list[Action]:
        """A data link is waited for no longer than basic charging may wait; somebody who asks to match
        gets a little more, once."""
        linking = self.phase is Phase.LINKING
        if not linking or not self.settings.basic.wanted:
            self._timers.clear(ConnectorTimer.GIVE_UP)
        elif before is not Phase.LINKING:
            self._heard = False
            self._run(ConnectorTimer.GIVE_UP, self.settings.basic.give_up_s, now)
        heard = [action for action in actions if isinstance(action, PeerHeard)]
        if heard and not self._heard and ConnectorTimer.GIVE_UP in self._timers:
            self._heard = True
            self._run(ConnectorTimer.GIVE_UP, self.settings.basic.match_s, now)
        return [action for action in actions if action not in heard] if heard else actions

    def _signalled(self, plugged: bool | None, signal: SignalState, now: float) -> list[Action]:
        before = self.phase
        actions = super()._signalled(plugged, signal, now)
        if before is Phase.UNPLUGGED and self.phase is Phase.LINKING and self._mode is BasicMode.ONLY:
            return [*actions, *self._go_basic(StartBasic(), now)]
        return actions

    def _expired(self, timer: ConnectorTimer, now: float) -> list[Action]:
        if timer is ConnectorTimer.GIVE_UP:
            return self._without_messages(now) if self.phase is Phase.LINKING else []
        return super()._expired(timer, now)

    def _without_messages(self, now: float) -> list[Action]:
        steps = Steps.REST if self.link.state is LinkState.MATCHED else Steps.WAKE
        return self._go_basic(StartBasic(steps=steps), now)

    def _concerns(self, event: Event) -> bool:
        return isinstance(event, ConnectionOpened) or event.number == self._number  # type: ignore[attr-defined]

    def _discover(self, now: float) -> list[Action]:
        return [StartDiscovery()]

    def _outcome(self, event: Event, now: float) -> list[Action]:
        if self.phase is Phase.BASIC and self._number is None and isinstance(event, ConnectionOpened):
            self._number = event.number
            return []
        if isinstance(event, ConnectionFailed) and self.phase is Phase.BASIC:
            return self._leave(DLinkTerminate(), now)  # the hardware could not be had
        if isinstance(event, ConnectionOpened) and self.phase is not Phase.DISCOVERY:
            return [DropConnection(event.number, f"it came while {self.phase.value}")]
        if isinstance(event, ConnectionFailed):
            # The vehicle may try again until the set-up time is over.
            self._number = None
            return self._enter(Phase.DISCOVERY) if self.phase is Phase.SETTING_UP else []
        return super()._outcome(event, now)

    def _failed(self, now: float) -> list[Action]:
        if self.settings.basic.wanted:
            return self._without_messages(now)
        return self._leave(self._restart(), now)

    def _leave(self, request: Event, now: float) -> list[Action]:
        again = isinstance(request, DLinkError | Restart) and self.phase is not Phase.UNPLUGGED
        if again and self._mode is BasicMode.ONLY:
            return self._go_basic(StartBasic(steps=Steps.REST), now)
        return super()._leave(request, now)

    def _conclude(self, now: float) -> list[Action]:
        if self._then_basic:
            self._then_basic = False
            return self._go_basic(StartBasic(steps=Steps.REST), now)
        return super()._conclude(now)

    def _over_after_all(self, ended: SessionEnded, now: float) -> list[Action]:
        if self.phase is Phase.LINKING and self._goes_on(ended):
            self._dropped = None
            return self._go_basic(StartBasic(steps=Steps.REST), now)
        return super()._over_after_all(ended, now)

    def _goes_on(self, ended: SessionEnded) -> bool:
        """By the duty cycle, after this session."""
        if self._mode is BasicMode.READ:
            return ended.reason not in _FOR_GOOD
        return self._mode is BasicMode.FALLBACK and ended.reason in _NO_MESSAGES

    def _judge(self, ended: SessionEnded) -> Event:
        self._then_basic = self._goes_on(ended)
        if self._then_basic:
            return DLinkTerminate()
        return self._after(ended) or (self._restart() if ended.reason in _RETRY_AFTER else DLinkTerminate())

    def _restart(self) -> Event:
        if self._restarts == 0:
            return DLinkTerminate()
        self._restarts -= 1
        return DLinkError()
