"""SLAC of a vehicle (EV): when to match, how often, and the network it joins in the end.

A value without I/O, with the contract of ``DataLink``. Nothing a peer sends raises or stops it: malformed
frames are counted, foreign ones and those out of place ignored.
"""

from __future__ import annotations

import secrets
from enum import Enum

from iso15118.errors import SlacError
from iso15118.link.deadlines import Deadlines, earliest
from iso15118.link.primitives import (
    DLinkError,
    DLinkPause,
    DLinkReady,
    DLinkTerminate,
    DutyChanged,
    LinkNote,
    LinkReported,
    LinkState,
    PowerOn,
    Restart,
    ShowState,
    WakeUp,
    is_digital,
)
from iso15118.vocabulary import Action, Event, SignalChanged, SignalState

from .amplitude import AmplitudeExchange
from .ev_matching import EvMatching, EvPhase
from .events import FrameReceived, SendFrame
from .frames import Frame, mmtype_in, parse_frame
from .ignored import Ignored
from .keys import Draw, draw_network
from .messages import AmpMapCnf, AmpMapReq, LumissilLinkStatusCnf, MmType, QualcommLinkStatusCnf, SetKeyCnf
from .modem import KeyNews, LocalModem
from .settings import LinkDetection, SlacSettings, SlacTiming

__all__ = ["EvSlac"]

_WANTED = frozenset(
    {
        MmType.SET_KEY_CNF,
        MmType.AMP_MAP_REQ,
        MmType.AMP_MAP_CNF,
        MmType.SLAC_PARM_CNF,
        MmType.ATTEN_CHAR_IND,
        MmType.VALIDATE_CNF,
        MmType.SLAC_MATCH_CNF,
        MmType.QUALCOMM_LINK_STATUS_CNF,
        MmType.LUMISSIL_LINK_STATUS_CNF,
    }
)
_MODEM_ONLY = (SetKeyCnf, QualcommLinkStatusCnf, LumissilLinkStatusCnf)
"""What only the own modem has to say."""
_CONNECTED = (SignalState.B, SignalState.C, SignalState.D)


class _Timer(Enum):
    RATE = "TT_matching_rate"
    JOIN = "TT_match_join"
    ASSUMED = "link assumed"
    RESUME = "T_conn_resume"
    TOGGLE = "wake-up toggle"
    WAKE = "the station is woken up"


class EvSlac:
    """The vehicle's end. ``mac``: address of the host's interface, which the messages carry. ``draw``: source
    of keys, nonces and run identifiers.

    ``dropped`` counts frames that were malformed.
    """

    def __init__(
        self,
        mac: bytes,
        *,
        settings: SlacSettings | None = None,
        timing: SlacTiming | None = None,
        draw: Draw = secrets.token_bytes,
    ) -> None:
        self.mac = bytes(mac)
        self._settings = settings if settings is not None else SlacSettings()
        self._timing = timing if timing is not None else SlacTiming()
        self._draw = draw
        self._modem = LocalModem(self.mac, self._settings, self._timing, draw, cco=0)
        self._amplitudes = AmplitudeExchange(self.mac, self._settings, self._timing)
        self._timers: Deadlines[_Timer] = Deadlines(_Timer)
        self._state = LinkState.UNMATCHED
        self._powered = False
        self._signal = SignalState.A
        self._digital = False
        self._run: EvMatching | None = None
        self._runs_done = 0
        self._since = 0.0
        self._peer: bytes | None = None
        self._paused = False
        self._up = False
        self._no_link = 0
        self._shows_c = False
        self._seen_early = False
        """The link is back while the wake-up still shows C."""
        self._toggles = 0
        """Wake-ups that are left."""
        self._ignored = Ignored()
        self.dropped = 0

    @property
    def state(self) -> LinkState:
        """Whether the link is there."""
        return self._state

    @property
    def peer(self) -> bytes | None:
        """The station's address once this vehicle joins its network."""
        return self._peer

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timeout``."""
        run = self._run.deadline if self._run is not None else None
        return earliest((self._timers.earliest, self._modem.deadline, self._amplitudes.deadline, run))

    @property
    def resting(self) -> tuple[Action, ...]:
        """State B."""
        return (ShowState(SignalState.B),)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event; see ``DataLink``."""
        return self._back_to_b(self._handle(event, now))

    def _back_to_b(self, actions: list[Action]) -> list[Action]:
        """A toggle that is broken off must not leave the pilot at C."""
        for action in actions:
            if isinstance(action, ShowState):
                self._shows_c = action.state is SignalState.C
        toggling = self._run is not None and self._run.phase is EvPhase.TOGGLE
        if self._shows_c and not toggling and _Timer.TOGGLE not in self._timers:
            self._shows_c = False
            return [*actions, ShowState(SignalState.B)]
        return actions

    def _handle(self, event: Event, now: float) -> list[Action]:
        if isinstance(event, FrameReceived):
            return self._frame_received(event.data, now) if self._powered else []
        if isinstance(event, SignalChanged):
            return self._signal_changed(event.state, now)
        if isinstance(event, DutyChanged):
            return self._duty_changed(is_digital(event.percent), now)
        if isinstance(event, PowerOn):
            return self._power_on(now)
        if isinstance(event, LinkReported):
            return self._link_seen(event.up, now, certain=True)
        if isinstance(event, DLinkTerminate | DLinkError):
            # After an error the station shows E or F and B again, and that is where matching begins anew.
            left = self._leave(now) if self._state is not LinkState.UNMATCHED else self._give_up()
            return [*left, *self.resting]
        if isinstance(event, Restart):
            return self._start_anew(event.reason, now)
        if isinstance(event, DLinkPause):
            return self._pause()
        if isinstance(event, WakeUp):
            return self._wake_up(now)
        return []

    # -- pilot and primitives

    def _power_on(self, now: float) -> list[Action]:
        if self._powered:
            return []
        self._powered = True
        reset = _sends(self._modem.reset()) if self._settings.reset_modem else []
        return [*self.resting, *reset, *self._begin_if_asked(now)]

    def _begin_if_asked(self, now: float) -> list[Action]:
        if not (self._powered and self._digital and self._signal in _CONNECTED):
            return []
        return self._begin(now)

    def _signal_changed(self, signal: SignalState, now: float) -> list[Action]:
        before, self._signal = self._signal, signal
        if signal is before:
            return []
        if signal is SignalState.A:
            self._digital = False
            return self._leave(now) if self._state is not LinkState.UNMATCHED else []
        if signal in _CONNECTED:
            restart = before not in _CONNECTED and self._state is not LinkState.MATCHED
            return self._begin_if_asked(now) if restart else []
        if self._state is LinkState.MATCHED or self._peer is not None:
            return self._leave(now)  # also while joining: the key is no longer worth anything
        # A wake-up by the station: it has not heard us, so begin again when B is back.
        self._cancel_run()
        return []

    def _duty_changed(self, digital: bool, now: float) -> list[Action]:
        if digital is self._digital:
            return []
        self._digital = digital
        if self._paused:
            return self._resume(now) if digital else []
        if self._state is LinkState.MATCHED:
            return []
        if digital:
            return self._begin_if_asked(now)
        joining = self._run is not None and self._run.phase is EvPhase.MATCHED
        return [] if joining else self._give_up()

    def _start_anew(self, why: str, now: float) -> list[Action]:
        """The application asks: match anew where the station shows 5 %, otherwise wake it up."""
        if not self._powered or self._signal not in _CONNECTED:
            return []
        left = self._leave(now) if self._state is not LinkState.UNMATCHED else self._give_up()
        actions = [*left, *self.resting, LinkNote(f"restart {why}")]
        if self._digital:
            return actions + self._begin(now)
        self._toggles = self._settings.c_wake_toggles
        return actions + self._wake_station(now)

    def _wake_station(self, now: float) -> list[Action]:
        if self._toggles == 0:
            return [LinkNote("the station does not wake up")]
        self._toggles -= 1
        self._timers.set(_Timer.TOGGLE, now + self._timing.tp_vald_level)
        self._timers.set(_Timer.WAKE, now + self._timing.t_conn_resume)
        return [ShowState(SignalState.C)]

    def _begin(self, now: float) -> list[Action]:
        """The station wants to talk: match, as often as it takes."""
        self._state = LinkState.MATCHING
        self._runs_done, self._since = 0, now
        return self._next_run(now)

    def _next_run(self, now: float) -> list[Action]:
        self._cancel_run()
        self._run = EvMatching(self.mac, self._settings, self._timing, self._draw)
        return self._run.start(now)

    def _cancel_run(self) -> None:
        self._run = None
        self._timers.clear_all()

    def _give_up(self) -> list[Action]:
        self._cancel_run()
        self._state = LinkState.UNMATCHED
        return []

    def _leave(self, now: float) -> list[Action]:
        """Forget the station and take a key that nobody knows, which is how a node leaves a network."""
        self._cancel_run()
        self._state = LinkState.UNMATCHED
        self._peer, self._paused, self._no_link = None, False, 0
        self._amplitudes.stop()
        self._modem.watch(None, now)
        actions = self._tell(False)
        return actions + _sends(self._modem.set_key(draw_network(self._draw), now))

    def _tell(self, up: bool) -> list[Action]:
        if up is self._up:
            return []
        self._up = up
        return [DLinkReady(up)]

    def _pause(self) -> list[Action]:
        if self._state is not LinkState.MATCHED:
            return []
        self._paused = True
        self._timers.clear_all()
        self._modem.watch(None, 0.0)
        self._up = False  # so that the wake-up is told
        return []

    def _wake_up(self, now: float) -> list[Action]:
        """Show C for a moment: the station answers with 5 %."""
        if not self._paused:
            return []
        if self._digital:
            return self._resume(now)
        self._timers.set(_Timer.RESUME, now + self._timing.t_conn_resume)
        self._timers.set(_Timer.TOGGLE, now + self._timing.tp_vald_level)
        return [ShowState(SignalState.C)]

    def _resume(self, now: float) -> list[Action]:
        self._paused = self._seen_early = False
        if _Timer.RESUME not in self._timers:
            self._timers.set(_Timer.RESUME, now + self._timing.t_conn_resume)
        self._modem.watch(self._timing.link_poll, now)
        return self._link_seen(True, now) if self._settings.link_detection is LinkDetection.ASSUMED else []

    # -- frames

    def _frame_received(self, data: bytes, now: float) -> list[Action]:
        if mmtype_in(data) not in _WANTED:
            return []
        try:
            frame = parse_frame(data)
        except SlacError:
            self.dropped += 1
            return []
        message = frame.message
        if isinstance(message, _MODEM_ONLY):
            return self._from_modem(frame, now)
        if frame.destination != self.mac or frame.source == self.mac:
            return []
        if isinstance(message, AmpMapReq | AmpMapCnf):
            if frame.source == self._peer and self._state is LinkState.MATCHED:
                return self._amplitudes.handle(message, now)
            return []
        if self._run is None:
            return []
        return self._follow(self._run, self._run.handle(message, frame.source, now), now)

    def _from_modem(self, frame: Frame, now: float) -> list[Action]:
        message = frame.message
        if isinstance(message, SetKeyCnf):
            return self._key_news(self._modem.confirmed(message, frame.source, now), now)
        if not self._modem.is_own(frame.source):
            return self._modem.foreign(frame, self._ignored)
        status = self._modem.link_status(message, frame.source)
        return self._link_seen(status, now) if status is not None else []

    def _follow(self, run: EvMatching, actions: list[Action], now: float) -> list[Action]:
        """What the process did, and what that means for the vehicle."""
        if run.phase is EvPhase.FAILED:
            return [*actions, LinkNote(f"matching failed: {run.reason}"), *self._again(now)]
        if run.phase is EvPhase.MATCHED and self._peer is None and run.network is not None:
            self._peer = run.evse_mac
            self._timers.set(_Timer.JOIN, now + self._timing.tt_match_join)
            return actions + _sends(self._modem.set_key(run.network, now))
        return actions

    def _again(self, now: float) -> list[Action]:
        self._cancel_run()
        self._runs_done += 1
        if (
            self._runs_done < self._settings.c_conn_max_match
            or now - self._since < self._timing.tt_matching_repetition
        ):
            self._timers.set(_Timer.RATE, now + self._timing.tt_matching_rate)
            return []
        return [*self._give_up(), LinkNote("no station was found; wait for the basic signalling")]

    def _key_news(self, news: KeyNews | None, now: float) -> list[Action]:
        joining = self._peer is not None and self._state is LinkState.MATCHING
        if news is KeyNews.REFUSED:
            note = LinkNote("the modem refuses the key")
            return [note, *self._not_joined(now)] if joining else [note]
        if news is KeyNews.SET and joining:
            self._modem.watch(self._timing.link_poll, now)
            if self._settings.link_detection is LinkDetection.ASSUMED:
                self._timers.set(_Timer.ASSUMED, now + self._timing.link_assumed)
        return []

    def _not_joined(self, now: float) -> list[Action]:
        done, since = self._runs_done, self._since
        actions = self._leave(now)
        self._state = LinkState.MATCHING
        self._runs_done, self._since = done, since
        return actions + self._again(now)

    # -- the link

    def _link_seen(self, up: bool, now: float, *, certain: bool = False) -> list[Action]:
        joining = self._state is LinkState.MATCHING and self._peer is not None and not self._modem.busy
        resuming = self._state is LinkState.MATCHED and _Timer.RESUME in self._timers
        if self._paused or not (joining or self._state is LinkState.MATCHED):
            return []
        if up:
            self._no_link = 0
            if not (joining or resuming):
                return []
            if resuming and _Timer.TOGGLE in self._timers:
                # The end of the toggle would take back the C that a quick session shows by
                # then: B first, and then ready.
                self._seen_early = True
                return []
            self._run = None
            self._timers.clear(_Timer.RATE, _Timer.JOIN, _Timer.ASSUMED, _Timer.RESUME)
            self._state = LinkState.MATCHED
            self._modem.watch(self._timing.link_poll_matched, now + self._timing.link_poll_matched)
            actions = self._tell(True)
            return actions + self._amplitudes.start(self._peer, now) if joining and self._peer else actions
        self._seen_early = False
        if joining or resuming:
            return []
        self._no_link += 1
        if certain or self._no_link >= self._settings.link_poll_losses:
            return self._lost("the link is gone", now)
        return []

    def _lost(self, reason: str, now: float) -> list[Action]:
        return [*self._leave(now), LinkNote(reason), *self._begin_if_asked(now)]

    # -- time

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come; see ``DataLink``."""
        actions: list[Action] = []
        while (timer := self._timers.pop(now)) is not None:
            actions += self._expired(timer, now)
        frames, news = self._modem.due(now)
        actions += _sends(frames) + self._key_news(news, now)
        actions += self._amplitudes.due(now)
        if self._run is not None:
            actions += self._follow(self._run, self._run.due(now), now)
        return self._back_to_b(actions)

    def _expired(self, timer: _Timer, now: float) -> list[Action]:
        if timer is _Timer.RATE:
            return self._next_run(now)
        if timer is _Timer.JOIN:
            return [LinkNote("the link did not come up"), *self._not_joined(now)]
        if timer is _Timer.ASSUMED:
            return self._link_seen(True, now)
        if timer is _Timer.TOGGLE:
            early, self._seen_early = self._seen_early, False
            return [ShowState(SignalState.B), *(self._link_seen(True, now) if early else [])]
        if timer is _Timer.WAKE:
            return self._wake_station(now)
        return self._lost("the link did not come back after the pause", now)


def _sends(frames: list[Frame]) -> list[Action]:
    return [SendFrame(frame) for frame in frames]
