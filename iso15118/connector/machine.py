"""What both roles' connections share: the plug, the link's news, timers, and the rule that
whatever makes safe comes first.

The role decides when discovery and sessions begin, and what follows a session; see ``secc`` and ``evcc``.
"""

from __future__ import annotations

import math

from iso15118.link.deadlines import Deadlines, earliest
from iso15118.link.primitives import (
    DataLink,
    DLinkError,
    DLinkPause,
    DLinkReady,
    DLinkTerminate,
    DutyChanged,
    LinkNote,
    LinkState,
    Restart,
    SetPilot,
    WakeUp,
)
from iso15118.link.spe.signalling import CeAndId, CeChanged, IdChanged, as_signal, is_fault, is_mated
from iso15118.session.actions import Action, EndReason, SessionEnded
from iso15118.session.events import Event, SignalChanged, SignalState

from .news import (
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    ConnectorTimer,
    DropConnection,
    Phase,
    PhaseEntered,
    SessionFinished,
    SessionSetUp,
    StartBasic,
    StationFound,
    StopDiscovery,
    TimerLate,
)
from .settings import ConnectorSettings, SetupFrom

__all__ = ["Connector"]

_OUTCOMES = (
    StationFound,
    ConnectionOpened,
    ConnectionFailed,
    SessionSetUp,
    SessionFinished,
    ConnectionClosed,
)
_SIGNALLING = (SignalChanged, DutyChanged, CeChanged)
_UP = (Phase.DISCOVERY, Phase.SETTING_UP, Phase.SESSION)
_RUNNING = (Phase.SESSION, Phase.BASIC)
"""The hardware is in somebody's hands, who has to come to an end first."""
_PLUGGED = (SignalState.B, SignalState.C, SignalState.D)
_BROKEN = (SignalState.E, SignalState.F)
_OWN_FAULTS = (EndReason.HARDWARE_FAULT, EndReason.EMERGENCY, EndReason.INTERNAL_ERROR)


class Connector:
    """One connector, from plug-in to unplug and over again. The contract is that of every value here:
    ``handle`` for each event, ``handle_timeout`` at ``deadline``, actions carried out in their order; ``now``
    in seconds of any monotonic clock.

    Events for the link go through here; its actions come out among the others. ``setup_s``: the
    communication set-up time of the role.
    """

    def __init__(self, link: DataLink, setup_s: float, settings: ConnectorSettings | None = None) -> None:
        self.link = link
        self.settings = settings if settings is not None else ConnectorSettings()
        self.phase = Phase.UNPLUGGED
        self.plugged_at: float | None = None
        """When it was plugged in, if it is."""
        self.linked_at: float | None = None
        """When the link was ready last, since then."""
        self._setup_s = setup_s
        self._timers: Deadlines[ConnectorTimer] = Deadlines(ConnectorTimer)
        self._number: int | None = None
        """The connection that is under way."""
        self._dropped: int | None = None
        """The last one that was dropped."""
        self._verdict: Event = DLinkTerminate()
        """What the link is told once the connection is closed."""
        self._restarts = self.settings.restarts
        self._gone_at = self._finished_at = -math.inf
        self._own_fault = False
        """The last session ended by a fault of this side: only the application, or
        another plug-in, begins anew."""
        self._contacts = CeAndId()
        self._basic = False
        """Basic charging has the pilot, until its hardware is safe."""

    # -- the contract

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timeout``; None if nothing is due."""
        return earliest((self._timers.earliest, self.link.deadline))

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event. Never raises for anything a peer sent."""
        if isinstance(event, SessionFinished) and event.number == self._dropped:
            return self._over_after_all(event.ended, now)
        if isinstance(event, _OUTCOMES):
            return self._outcome(event, now) if self._concerns(event) else []
        if isinstance(event, DLinkTerminate | DLinkError | DLinkPause | Restart):
            return self._asked(event, now)
        first: list[Action] = []
        if isinstance(event, CeChanged | IdChanged):
            changed = self._contacts.changed(event)
            if changed is None:
                return []
            event = changed
        if isinstance(event, WakeUp) and self.phase is Phase.PAUSED:
            self._run(ConnectorTimer.RESUME, self.settings.t_conn_resume, now)
        elif isinstance(event, SignalChanged):
            plugged = True if event.state in _PLUGGED else False if event.state is SignalState.A else None
            first = self._signalled(plugged, event.state, now)
        elif isinstance(event, CeChanged):
            plugged = None if is_fault(event.state) else is_mated(event.state)
            first = self._signalled(plugged, as_signal(event.state), now)
        if isinstance(event, _SIGNALLING) and (basic := self._by_duty_cycle(event, now)) is not None:
            return first + basic
        before = self.link.state
        actions = self.link.handle(event, now)
        if isinstance(event, _SIGNALLING):
            return first + self._noticed(before, actions, now)
        return first + self._follow(actions, now)

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come. Earlier calls are harmless."""
        actions: list[Action] = []
        while (timer := self._timers.pop(now)) is not None:
            actions += self._expired(timer, now)
        due = self.link.deadline
        if due is not None and due <= now:
            before = self.link.state
            actions += self._noticed(before, self.link.handle_timeout(now), now)
        return actions

    @property
    def resting(self) -> tuple[Action, ...]:
        """What puts the outputs of this side where they belong when nothing runs; see ``DataLink``."""
        return self.link.resting

    @property
    def at_rest(self) -> bool:
        """Plugged in, and nothing will come of it unless the basic signalling changes."""
        idle = self.link.state is LinkState.UNMATCHED and self.link.deadline is None
        return self.phase in (Phase.FINISHED, Phase.LINKING) and idle

    def _by_duty_cycle(self, event: Event, now: float) -> list[Action] | None:
        """A change of the signalling that is none of the link's, because nothing is said by messages, or no
        longer. None: it is the link's."""
        return [] if self._basic else None

    # -- the application

    def _asked(self, event: Event, now: float) -> list[Action]:
        """A request of the application. A session that runs comes to its end first, for its
        hardware's sake, but not for ever."""
        if isinstance(event, Restart):
            if self.phase is Phase.UNPLUGGED:
                return []
            self._restarts, self._own_fault = self.settings.restarts, False
        running = self.phase in _RUNNING
        actions = self._drop("as the application asks")
        if not running:
            return actions + self._leave(event, now)
        self._timers.clear(ConnectorTimer.SETUP)
        self._run(ConnectorTimer.CLOSE, self.settings.close_s, now)
        self._verdict = event
        return [*actions, *self._enter(Phase.CLOSING)]

    # -- the plug

    def _signalled(self, plugged: bool | None, signal: SignalState, now: float) -> list[Action]:
        """``plugged``: None if the signal does not tell."""
        if plugged is False:
            return self._unplugged(now) if self.phase is not Phase.UNPLUGGED else []
        if plugged and self.phase is Phase.UNPLUGGED:
            self.plugged_at = now
            if now - self._gone_at >= self.settings.replug_s:
                self._restarts = self.settings.restarts
            self._run(ConnectorTimer.MAX_COMM, self.settings.t_conn_max_comm, now)
            if self.settings.setup_from is SetupFrom.PLUG_IN:
                self._run(ConnectorTimer.SETUP, self._setup_s, now)
            return self._enter(Phase.LINKING)
        if (
            self.phase is Phase.BASIC
        ):  # whoever has the hardware sees the signal, too, and knows which fault is none
            return []
        if signal in _BROKEN and self.phase in _UP:
            return self._lost(f"basic signalling in state {signal.value}", now)
        return []

    def _unplugged(self, now: float) -> list[Action]:
        actions = [*self._drop("unplugged"), *self._at_rest_shown(), *(self.resting if self._basic else ())]
        self._timers.clear_all()
        self._basic = False
        self._gone_at, self._own_fault = now, False
        self.plugged_at = self.linked_at = self._dropped = None
        return [*actions, *self._enter(Phase.UNPLUGGED)]

    # -- the link

    def _noticed(self, before: LinkState, actions: list[Action], now: float) -> list[Action]:
        """A link that begins anew by itself after the end: the other side asks for it
        through the basic signalling."""
        asleep = self.phase is Phase.FINISHED and before is LinkState.UNMATCHED
        if not asleep or self.link.state is LinkState.UNMATCHED:
            return self._follow(actions, now)
        if self._own_fault or not (self.settings.start_again and self._may_start_again(now)):
            why = "a fault of this side" if self._own_fault else "the settings, or the budget"
            note = LinkNote(f"the other side starts again, which is refused because of {why}")
            return self._follow([*actions, note, *self.link.handle(DLinkTerminate(), now)], now)
        self._run(ConnectorTimer.RESUME, self.settings.t_conn_resume, now)
        return [*self._enter(Phase.LINKING), *self._follow(actions, now)]

    def _may_start_again(self, now: float) -> bool:
        """Within the budget, which is full again after a rest."""
        self._rested(now)
        if self._restarts <= 0:
            return False
        self._restarts -= 1
        return True

    def _rested(self, now: float) -> None:
        if now - self._finished_at >= self.settings.rest_s:
            self._restarts = self.settings.restarts

    def _at_rest_shown(self) -> list[Action]:
        """What a side's own outputs have to show once its session is over."""
        return []

    def _follow(self, actions: list[Action], now: float) -> list[Action]:
        """The link's actions, and what they mean for discovery and session. What makes safe
        comes before all of them."""
        safe: list[Action] = []
        then: list[Action] = []
        for action in actions:
            if not isinstance(action, DLinkReady):
                continue
            if action.link:
                then += self._linked(now)
            elif self.phase is Phase.CLOSING:
                then += self._conclude(now)  # the other side left first
            elif self.phase in _UP:
                safe += self._lost("the data link is lost", now)
        return safe + actions + then

    def _linked(self, now: float) -> list[Action]:
        if self.phase is Phase.FINISHED:
            # The other side wants to go on, or does not know that this one has finished.
            return self._follow(self.link.handle(DLinkTerminate(), now), now)
        if self.phase not in (Phase.LINKING, Phase.PAUSED):
            return []
        self.linked_at = now
        self._timers.clear(ConnectorTimer.MAX_COMM, ConnectorTimer.RESUME, ConnectorTimer.RESETUP)
        if ConnectorTimer.SETUP not in self._timers:
            self._run(ConnectorTimer.SETUP, self._setup_s, now)
        return [*self._enter(Phase.DISCOVERY), *self._discover(now)]

    def _lost(self, why: str, now: float) -> list[Action]:
        """No more data link while it is plugged in: the session ends at once, and the link
        comes back by its own rules."""
        actions = self._drop(why)
        self._timers.clear(ConnectorTimer.SETUP, ConnectorTimer.CLOSE)
        self._run(ConnectorTimer.RESETUP, self.settings.t_conn_resetup, now)
        return [*actions, *self._enter(Phase.LINKING)]

    def _leave(self, request: Event, now: float) -> list[Action]:
        """Hand a D-LINK request down, and be where it leads."""
        self._basic = False
        self._timers.clear(ConnectorTimer.SETUP, ConnectorTimer.CLOSE)
        self._number = None
        if self.phase is Phase.UNPLUGGED:
            return self._follow(self.link.handle(request, now), now)
        if isinstance(request, DLinkPause):
            self._restarts = self.settings.restarts
            phase = Phase.PAUSED
        elif isinstance(request, DLinkError | Restart):
            self._run(ConnectorTimer.RESETUP, self.settings.t_conn_resetup, now)
            phase = Phase.LINKING
        else:
            self._timers.clear_all()
            phase, self._finished_at = Phase.FINISHED, now
        entered = self._enter(phase)
        return entered + self._follow(self.link.handle(request, now), now)

    # -- sessions

    def _concerns(self, event: Event) -> bool:
        """Whether this is news of the connection that is under way; the roles number them differently."""
        raise NotImplementedError

    def _discover(self, now: float) -> list[Action]:
        """The link is ready: let the station be found, or look for one."""
        raise NotImplementedError

    def _failed(self, now: float) -> list[Action]:
        """The set-up or a connection failed before a session."""
        raise NotImplementedError

    def _judge(self, ended: SessionEnded) -> Event:
        """What the link is told after this session."""
        raise NotImplementedError

    def _outcome(self, event: Event, now: float) -> list[Action]:
        if isinstance(event, ConnectionOpened):
            if self._basic:  # nobody is spoken to
                return []
            self._number = event.number
            return self._enter(Phase.SETTING_UP)
        if isinstance(event, SessionSetUp):
            if self._basic:  # nothing was set up
                return []
            self._timers.clear(ConnectorTimer.SETUP)
            return self._enter(Phase.SESSION)
        if isinstance(event, SessionFinished):
            if self.phase is Phase.BASIC:
                return self._basic_over(event.ended, now)
            self._timers.clear(ConnectorTimer.SETUP)
            self._run(ConnectorTimer.CLOSE, self.settings.close_s, now)
            self._own_fault = event.ended.reason in _OWN_FAULTS
            self._verdict = self._judge(event.ended)
            return [*self._at_rest_shown(), StopDiscovery(), *self._enter(Phase.CLOSING)]
        if isinstance(event, ConnectionClosed):
            return self._conclude(now) if self.phase is Phase.CLOSING else []
        return []

    def _conclude(self, now: float) -> list[Action]:
        """The session and its connection are over: leave the link as the session's end wants it."""
        return self._leave(self._verdict, now)

    def _over_after_all(self, ended: SessionEnded, now: float) -> list[Action]:
        """The session had come to its end when its link went: the other side was quicker to leave."""
        self._dropped = None
        if self.phase is Phase.BASIC:  # what it was going to be told is over as well
            return []
        self._own_fault = self._own_fault or ended.reason in _OWN_FAULTS
        shown = self._at_rest_shown()
        if self.phase is Phase.CLOSING and self._number is None:
            return [*shown, *self._conclude(now)]  # the application waits for that
        over = self.phase in (Phase.UNPLUGGED, Phase.FINISHED)
        if over or not isinstance(self._after(ended), DLinkTerminate):
            return shown
        return [*shown, *self._drop("the session is over"), *self._leave(DLinkTerminate(), now)]

    def _go_basic(self, start: StartBasic, now: float) -> list[Action]:
        """Leave the link, and hand the pilot over: what the link would show now is not shown."""
        self._timers.clear_all()
        dropped = self._drop("basic charging begins")
        self._basic, self._number = True, start.number or None
        entered = self._enter(Phase.BASIC)
        left = self._follow(self.link.handle(DLinkTerminate(), now), now)
        return [*dropped, *entered, *(action for action in left if not isinstance(action, SetPilot)), start]

    def _basic_over(self, ended: SessionEnded, now: float) -> list[Action]:
        """Basic charging has come to its end, and its hardware is safe."""
        self._own_fault = ended.reason in _OWN_FAULTS
        self._verdict = self._after_basic(ended)
        self._run(ConnectorTimer.CLOSE, self.settings.close_s, now)
        return [*self.resting, *self._enter(Phase.CLOSING)]

    def _after_basic(self, ended: SessionEnded) -> Event:
        """What the link is told after that."""
        return DLinkTerminate()

    def _after(self, ended: SessionEnded) -> Event | None:
        """What both roles do after a session; None where they differ."""
        if ended.reason is EndReason.PAUSED:
            return DLinkPause()
        if ended.reason.orderly or ended.reason in _OWN_FAULTS:
            return DLinkTerminate()
        return None

    def _drop(self, why: str) -> list[Action]:
        """End whatever is under way above the link."""
        actions: list[Action] = []
        if self._number is not None and self.phase in (*_UP, Phase.BASIC, Phase.CLOSING):
            actions.append(DropConnection(self._number, why))
            self._dropped = self._number
        self._number = None
        if self.phase in _UP:
            actions.append(StopDiscovery())
        return actions

    # -- time

    def _run(self, timer: ConnectorTimer, seconds: float, now: float) -> None:
        self._timers.set(timer, now + seconds)

    def _expired(self, timer: ConnectorTimer, now: float) -> list[Action]:
        if timer is ConnectorTimer.SETUP:
            if self.phase in _UP:
                why = f"no session within {self._setup_s:g} s"
                return [*self._drop(why), *self._failed(now)]
            return self._failed(now) if self.phase is Phase.LINKING else []
        if timer is ConnectorTimer.CLOSE:
            actions = self._drop("the connection was not closed in time")
            return actions + self._conclude(now)
        limits = {
            ConnectorTimer.MAX_COMM: self.settings.t_conn_max_comm,
            ConnectorTimer.RESUME: self.settings.t_conn_resume,
            ConnectorTimer.RESETUP: self.settings.t_conn_resetup,
        }
        return [TimerLate(timer, limits[timer])]

    def _enter(self, phase: Phase) -> list[Action]:
        if phase is self.phase:
            return []
        self.phase = phase
        return [PhaseEntered(phase)]
