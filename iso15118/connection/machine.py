"""What both roles' connections share: the plug, the link's news, timers, and the rule that whatever makes safe comes first.

The role decides when discovery and sessions begin, and what follows a session; see ``secc`` and ``evcc``.
"""

from __future__ import annotations

from iso15118.link.deadlines import Deadlines, earliest
from iso15118.link.primitives import (
    DataLink,
    DLinkError,
    DLinkPause,
    DLinkReady,
    DLinkTerminate,
    LinkState,
    WakeUp,
)
from iso15118.link.spe.signalling import CeAndId, CeChanged, IdChanged, as_signal, is_mated
from iso15118.session.actions import Action, EndReason, SessionEnded
from iso15118.session.events import Event, SignalChanged, SignalState

from .settings import ConnectionSettings, SetupFrom
from .vocabulary import (
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    ConnectionTimer,
    DropConnection,
    Phase,
    PhaseEntered,
    SessionOver,
    SessionSetUp,
    StationFound,
    StopDiscovery,
    TimerLate,
)

__all__ = ["Connection"]

_OUTCOMES = (StationFound, ConnectionOpened, ConnectionFailed, SessionSetUp, SessionOver, ConnectionClosed)
_UP = (Phase.DISCOVERY, Phase.SETTING_UP, Phase.SESSION)
_PLUGGED = (SignalState.B, SignalState.C, SignalState.D)
_BROKEN = (SignalState.E, SignalState.F)
_OWN_FAULTS = (EndReason.HARDWARE_FAULT, EndReason.EMERGENCY, EndReason.INTERNAL_ERROR)


class Connection:
    """One connector, from plug-in to unplug and over again. The contract is that of every value here: ``handle`` for each event,
    ``handle_timeout`` at ``deadline``, actions carried out in their order; ``now`` in seconds of any monotonic clock.

    Events for the link go through here; its actions come out among the others. ``setup_s``: the communication set-up time of the role.
    """

    def __init__(self, link: DataLink, setup_s: float, settings: ConnectionSettings | None = None) -> None:
        self.link = link
        self.settings = settings if settings is not None else ConnectionSettings()
        self.phase = Phase.UNPLUGGED
        self.plugged_at: float | None = None
        """When it was plugged in, if it is."""
        self.linked_at: float | None = None
        """When the link was ready last, since then."""
        self._setup_s = setup_s
        self._timers: Deadlines[ConnectionTimer] = Deadlines(ConnectionTimer)
        self._number: int | None = None
        """The connection that is under way."""
        self._dropped: int | None = None
        """The last one that was dropped."""
        self._verdict: Event = DLinkTerminate()
        """What the link is told once the connection is closed."""
        self._restarts = self.settings.restarts
        self._contacts = CeAndId()

    # -- the contract

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timeout``; None if nothing is due."""
        return earliest((self._timers.earliest, self.link.deadline))

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event. Never raises for anything a peer sent."""
        if isinstance(event, SessionOver) and event.number == self._dropped:
            return self._over_after_all(event.ended, now)
        if isinstance(event, _OUTCOMES):
            return self._outcome(event, now) if self._concerns(event) else []
        if isinstance(event, DLinkTerminate | DLinkError | DLinkPause):
            return [*self._drop("as the application asks"), *self._leave(event, now)]
        first: list[Action] = []
        if isinstance(event, CeChanged | IdChanged):
            changed = self._contacts.changed(event)
            if changed is None:
                return []
            event = changed
        if isinstance(event, WakeUp) and self.phase is Phase.PAUSED:
            self._run(ConnectionTimer.RESUME, self.settings.t_conn_resume, now)
        elif isinstance(event, SignalChanged):
            plugged = True if event.state in _PLUGGED else False if event.state is SignalState.A else None
            first = self._signalled(plugged, event.state, now)
        elif isinstance(event, CeChanged):
            first = self._signalled(is_mated(event.state), as_signal(event.state), now)
        return first + self._follow(self.link.handle(event, now), now)

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come. Earlier calls are harmless."""
        actions: list[Action] = []
        while (timer := self._timers.pop(now)) is not None:
            actions += self._expired(timer, now)
        due = self.link.deadline
        if due is not None and due <= now:
            actions += self._follow(self.link.handle_timeout(now), now)
        return actions

    @property
    def at_rest(self) -> bool:
        """Plugged in, and nothing will come of it unless the basic signalling changes."""
        idle = self.link.state is LinkState.UNMATCHED and self.link.deadline is None
        return self.phase in (Phase.FINISHED, Phase.LINKING) and idle

    # -- the plug

    def _signalled(self, plugged: bool | None, signal: SignalState, now: float) -> list[Action]:
        """``plugged``: None if the signal does not tell."""
        if plugged is False:
            return self._unplugged() if self.phase is not Phase.UNPLUGGED else []
        if plugged and self.phase is Phase.UNPLUGGED:
            self.plugged_at, self._restarts = now, self.settings.restarts
            self._run(ConnectionTimer.MAX_COMM, self.settings.t_conn_max_comm, now)
            if self.settings.setup_from is SetupFrom.PLUG_IN:
                self._run(ConnectionTimer.SETUP, self._setup_s, now)
            return self._enter(Phase.LINKING)
        if signal in _BROKEN and self.phase in _UP:
            return self._lost(f"basic signalling in state {signal.value}", now)
        return []

    def _unplugged(self) -> list[Action]:
        actions = self._drop("unplugged")
        self._timers.clear_all()
        self.plugged_at = self.linked_at = self._dropped = None
        return [*actions, *self._enter(Phase.UNPLUGGED)]

    # -- the link

    def _follow(self, actions: list[Action], now: float) -> list[Action]:
        """The link's actions, and what they mean for discovery and session. What makes safe comes before all of them."""
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
        self._timers.clear(ConnectionTimer.MAX_COMM, ConnectionTimer.RESUME, ConnectionTimer.RESETUP)
        if ConnectionTimer.SETUP not in self._timers:
            self._run(ConnectionTimer.SETUP, self._setup_s, now)
        return [*self._enter(Phase.DISCOVERY), *self._discover(now)]

    def _lost(self, why: str, now: float) -> list[Action]:
        """No more data link while it is plugged in: the session ends at once, and the link comes back by its own rules."""
        actions = self._drop(why)
        self._timers.clear(ConnectionTimer.SETUP, ConnectionTimer.CLOSE)
        self._run(ConnectionTimer.RESETUP, self.settings.t_conn_resetup, now)
        return [*actions, *self._enter(Phase.LINKING)]

    def _leave(self, request: Event, now: float) -> list[Action]:
        """Hand a D-LINK request down, and be where it leads."""
        self._timers.clear(ConnectionTimer.SETUP, ConnectionTimer.CLOSE)
        self._number = None
        if self.phase is Phase.UNPLUGGED:
            return self._follow(self.link.handle(request, now), now)
        if isinstance(request, DLinkPause):
            self._restarts = self.settings.restarts
            phase = Phase.PAUSED
        elif isinstance(request, DLinkError):
            self._run(ConnectionTimer.RESETUP, self.settings.t_conn_resetup, now)
            phase = Phase.LINKING
        else:
            self._timers.clear_all()
            phase = Phase.FINISHED
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
            self._number = event.number
            return self._enter(Phase.SETTING_UP)
        if isinstance(event, SessionSetUp):
            self._timers.clear(ConnectionTimer.SETUP)
            return self._enter(Phase.SESSION)
        if isinstance(event, SessionOver):
            self._timers.clear(ConnectionTimer.SETUP)
            self._run(ConnectionTimer.CLOSE, self.settings.close_s, now)
            self._verdict = self._judge(event.ended)
            return [StopDiscovery(), *self._enter(Phase.CLOSING)]
        if isinstance(event, ConnectionClosed):
            return self._conclude(now) if self.phase is Phase.CLOSING else []
        return []

    def _conclude(self, now: float) -> list[Action]:
        """The session and its connection are over: leave the link as the session's end wants it."""
        return self._leave(self._verdict, now)

    def _over_after_all(self, ended: SessionEnded, now: float) -> list[Action]:
        """The session had come to its end when its link went: the other side was quicker to leave."""
        self._dropped = None
        if self.phase in (Phase.UNPLUGGED, Phase.FINISHED) or not isinstance(
            self._after(ended), DLinkTerminate
        ):
            return []
        return [*self._drop("the session is over"), *self._leave(DLinkTerminate(), now)]

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
        if self._number is not None and self.phase in (*_UP, Phase.CLOSING):
            actions.append(DropConnection(self._number, why))
            self._dropped = self._number
        self._number = None
        if self.phase in _UP:
            actions.append(StopDiscovery())
        return actions

    # -- time

    def _run(self, timer: ConnectionTimer, seconds: float, now: float) -> None:
        self._timers.set(timer, now + seconds)

    def _expired(self, timer: ConnectionTimer, now: float) -> list[Action]:
        if timer is ConnectionTimer.SETUP:
            if self.phase in _UP:
                why = f"no session within {self._setup_s:g} s"
                return [*self._drop(why), *self._failed(now)]
            return self._failed(now) if self.phase is Phase.LINKING else []
        if timer is ConnectionTimer.CLOSE:
            actions = self._drop("the connection was not closed in time")
            return actions + self._conclude(now)
        limits = {
            ConnectionTimer.MAX_COMM: self.settings.t_conn_max_comm,
            ConnectionTimer.RESUME: self.settings.t_conn_resume,
            ConnectionTimer.RESETUP: self.settings.t_conn_resetup,
        }
        return [TimerLate(timer, limits[timer])]

    def _enter(self, phase: Phase) -> list[Action]:
        if phase is self.phase:
            return []
        self.phase = phase
        return [PhaseEntered(phase)]
