"""The vehicle's connection: it looks for a station from D-LINK_READY on, runs one session, and waits for
the station after a failure. Where basic charging is allowed it begins with the station's nominal duty
cycle, when no session runs.
"""

from __future__ import annotations

from iso15118.link.primitives import DLinkError, DLinkTerminate, DutyChanged, ShowState
from iso15118.link.pwm import is_nominal
from iso15118.session.actions import Action, EndReason, SessionEnded
from iso15118.session.events import Event, SignalChanged, SignalState

from .machine import Connector
from .news import ConnectionFailed, Phase, StartBasic, StartDiscovery, StartSession, StationFound

__all__ = ["EvccInlet"]

_PLUGGED = (SignalState.B, SignalState.C, SignalState.D)


class EvccInlet(Connector):
    """The vehicle's end of a connector; see ``Connector``. ``setup_s``:
    V2G_EVCC_CommunicationSetup_Timeout (20 s) [V2G2-446]."""

    _last = 0
    _percent: float | None = None
    """The duty cycle that is seen."""
    _signal = SignalState.A
    _had_enough = False
    """This vehicle ended its last session by itself."""

    @property
    def resting(self) -> tuple[Action, ...]:
        """State B: S2, or V3 on MCS, is open."""
        return (ShowState(SignalState.B),)

    def _at_rest_shown(self) -> list[Action]:
        return [*self.resting]

    # -- basic charging

    def _by_duty_cycle(self, event: Event, now: float) -> list[Action] | None:
        if isinstance(event, DutyChanged):
            self._percent = event.percent
        elif isinstance(event, SignalChanged):
            self._signal = event.state
        if self._basic:
            return []
        again = self.phase is Phase.FINISHED and isinstance(event, DutyChanged)
        if not self._offered or not (again or self.phase in (Phase.LINKING, Phase.DISCOVERY)):
            return None
        told = self._follow(self.link.handle(event, now), now)
        if again and (self._own_fault or (self._had_enough and not self._may_have_more(now))):
            return told
        return [*told, *self._begin_basic(now)]

    @property
    def _offered(self) -> bool:
        """A station offers current by the duty cycle, and this vehicle takes that."""
        return self.settings.basic.wanted and is_nominal(self._percent) and self._signal in _PLUGGED

    def _begin_basic(self, now: float) -> list[Action]:
        self._last += 1
        return self._go_basic(StartBasic(self._last, percent=self._percent), now)

    def _after_basic(self, ended: SessionEnded) -> Event:
        """The station may have ended it to talk, or to show its fault; what this side ended is over."""
        self._had_enough = ended.reason is EndReason.STOPPED_BY_EV
        return DLinkTerminate() if self._own_fault or self._had_enough else DLinkError()

    def _leave(self, request: Event, now: float) -> list[Action]:
        was_basic = self._basic
        actions = super()._leave(request, now)
        if not was_basic:
            return actions
        for event in (SignalChanged(self._signal), DutyChanged(self._percent)):  # which the link was not told
            actions += self._follow(self.link.handle(event, now), now)
        if self.phase is Phase.LINKING and self._offered and self._once_more(now):
            actions += self._begin_basic(now)
        return actions

    def _may_have_more(self, now: float) -> bool:
        return self.settings.start_again and self._once_more(now)

    def _once_more(self, now: float) -> bool:
        """Within the budget, which is full again after a rest."""
        self._rested(now)
        if self._restarts <= 0:
            return False
        self._restarts -= 1
        return True

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
        self._had_enough = ended.reason is EndReason.STOPPED_BY_EV
        if self.settings.basic.wanted and ended.reason is EndReason.STOPPED_BY_STATION:
            return DLinkError()  # it may go on by the duty cycle
        return self._after(ended) or DLinkError()
