"""SLAC of a station (EVSE): its pilot, its modem, and the matching processes of everybody who asks.

A value without I/O, with the contract of ``DataLink``. Nothing a peer sends raises or stops it: malformed frames are
counted, foreign ones and those out of place ignored.
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
    LinkNote,
    LinkReported,
    LinkState,
    Pilot,
    PowerOn,
    SetPilot,
    WakeUp,
)
from iso15118.session.actions import Action
from iso15118.session.events import Event, SignalChanged, SignalState

from .amplitude import AmplitudeExchange
from .events import FrameReceived, SendFrame
from .evse_matching import EvseMatching, EvsePhase
from .frames import BROADCAST, Frame, mac_text, mmtype_in, parse_frame
from .keys import Draw, draw_network
from .messages import (
    AmpMapCnf,
    AmpMapReq,
    AttenCharRsp,
    AttenProfileInd,
    MmType,
    MnbcSoundInd,
    SetKeyCnf,
    SlacMatchReq,
    SlacParmReq,
    StartAttenCharInd,
    ValidateCnf,
    ValidateReq,
    ValidateResult,
)
from .modem import KeyNews, LocalModem
from .settings import LinkDetection, SlacSettings, SlacTiming

__all__ = ["EvseSlac"]

_WANTED = frozenset(
    {
        MmType.SET_KEY_CNF,
        MmType.AMP_MAP_REQ,
        MmType.AMP_MAP_CNF,
        MmType.SLAC_PARM_REQ,
        MmType.START_ATTEN_CHAR_IND,
        MmType.MNBC_SOUND_IND,
        MmType.ATTEN_PROFILE_IND,
        MmType.ATTEN_CHAR_RSP,
        MmType.VALIDATE_REQ,
        MmType.SLAC_MATCH_REQ,
        MmType.QUALCOMM_LINK_STATUS_CNF,
        MmType.LUMISSIL_LINK_STATUS_CNF,
    }
)
_CONNECTED = (SignalState.B, SignalState.C, SignalState.D)


class _Timer(Enum):
    INIT = "TT_EVSE_SLAC_init"
    EF_END = "T_step_EF"
    ERROR_PAUSE = "steady pilot after an error"
    JOIN = "TT_match_join"
    ASSUMED = "link assumed"
    RESUME = "T_conn_resume"
    KEY_AGAIN = "another key"


class EvseSlac:
    """The station's end. ``mac``: address of the host's interface, which the messages carry. ``draw``: where keys and nonces come from.

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
        self._modem = LocalModem(self.mac, self._settings, self._timing, draw, cco=1)
        self._amplitudes = AmplitudeExchange(self.mac, self._settings, self._timing)
        self._timers: Deadlines[_Timer] = Deadlines(_Timer)
        self._state = LinkState.UNMATCHED
        self._powered = False
        self._signal = SignalState.A
        self._c_since = 0.0
        self._driving = False  # this side shows E, F or a steady pilot on purpose
        self._paused = False
        self._up = False  # what upper layers were told last
        self._no_link = 0
        self._wake_ups = 0
        self._runs: dict[tuple[bytes, bytes], EvseMatching] = {}
        self._matched: EvseMatching | None = None
        self.dropped = 0

    @property
    def state(self) -> LinkState:
        """Whether the link is there."""
        return self._state

    @property
    def peer(self) -> bytes | None:
        """The vehicle's address once it is matched or joins."""
        return self._matched.ev_mac if self._matched is not None else None

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timeout``."""
        runs = (run.deadline for run in self._runs.values())
        return earliest((self._timers.earliest, self._modem.deadline, self._amplitudes.deadline, *runs))

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event; see ``DataLink``."""
        if isinstance(event, FrameReceived):
            return self._frame_received(event.data, now) if self._powered else []
        if isinstance(event, SignalChanged):
            return self._signal_changed(event.state, now)
        if isinstance(event, PowerOn):
            return self._power_on(now)
        if isinstance(event, LinkReported):
            return self._link_seen(event.up, now, certain=True)
        if isinstance(event, DLinkTerminate):
            return self._terminate(now)
        if isinstance(event, DLinkError):
            return self._error(now)
        if isinstance(event, DLinkPause):
            return self._pause()
        if isinstance(event, WakeUp):
            return self._resume(now)
        return []

    # -- pilot and primitives

    def _power_on(self, now: float) -> list[Action]:
        if self._powered:
            return []
        self._powered = True
        actions: list[Action] = []
        if self._settings.reset_modem:
            actions += _sends(self._modem.reset())
        actions += self._renew_key(now)
        return actions + (self._open(now) if self._signal in _CONNECTED else [])

    def _signal_changed(self, signal: SignalState, now: float) -> list[Action]:
        before, self._signal = self._signal, signal
        if signal is before or not self._powered:
            return []
        if signal is SignalState.A:
            self._driving = False
            return [SetPilot(Pilot.STEADY), *self._leave(now)]
        if self._driving:
            return []
        if signal in _CONNECTED:
            self._toggle(before, signal, now)
            if self._paused and signal is SignalState.C:
                return self._resume(now)
            return self._open(now) if before not in _CONNECTED and self._state is LinkState.UNMATCHED else []
        # E or F: the end of a link, but while matching it is how an EIM wake-up looks.
        return self._leave(now) if self._state is LinkState.MATCHED else []

    def _toggle(self, before: SignalState, signal: SignalState, now: float) -> None:
        change = 0
        if before is SignalState.B and signal is SignalState.C:
            self._c_since, change = now, 1
        elif before is SignalState.C and signal is SignalState.B:
            change = -1 if now - self._c_since < self._timing.t_vald_detect / 2 else 0
        if change:
            for run in self._runs.values():
                run.toggled(change)

    def _open(self, now: float) -> list[Action]:
        """Wait for vehicles."""
        self._state = LinkState.MATCHING
        self._wake_ups = self._settings.c_sequ_retry
        self._timers.set(_Timer.INIT, now + self._timing.tt_evse_slac_init)
        keyless = self._modem.network is None and not self._modem.busy
        return [*(self._renew_key(now) if keyless else []), SetPilot(Pilot.FIVE_PERCENT)]

    def _leave(self, now: float) -> list[Action]:
        """Forget everybody and take a key that nobody knows; that is also how a node leaves a network."""
        actions = self._forget()
        self._state = LinkState.UNMATCHED
        return actions + self._renew_key(now)

    def _forget(self) -> list[Action]:
        self._timers.clear_all()
        self._runs.clear()
        self._matched, self._paused, self._no_link = None, False, 0
        self._amplitudes.stop()
        self._modem.watch(None, 0.0)
        return self._tell(False)

    def _tell(self, up: bool) -> list[Action]:
        if up is self._up:
            return []
        self._up = up
        return [DLinkReady(up)]

    def _renew_key(self, now: float) -> list[Action]:
        return _sends(self._modem.set_key(draw_network(self._draw), now))

    def _terminate(self, now: float) -> list[Action]:
        if self._state is LinkState.UNMATCHED:
            return []
        return [*self._leave(now), SetPilot(Pilot.STEADY)]

    def _error(self, now: float) -> list[Action]:
        if self._signal is SignalState.A or not self._powered:
            return []
        actions = self._leave(now)
        self._driving = True
        self._timers.set(_Timer.ERROR_PAUSE, now + self._timing.error_pause)
        return [*actions, SetPilot(Pilot.STEADY)]

    def _pause(self) -> list[Action]:
        if self._state is not LinkState.MATCHED:
            return []
        self._paused = True
        self._timers.clear_all()
        self._modem.watch(None, 0.0)
        self._up = False  # so that the wake-up is told
        return [SetPilot(Pilot.STEADY)]

    def _resume(self, now: float) -> list[Action]:
        if not self._paused:
            return []
        self._paused = False
        self._timers.set(_Timer.RESUME, now + self._timing.t_conn_resume)
        self._modem.watch(self._timing.link_poll, now)
        actions: list[Action] = [SetPilot(Pilot.FIVE_PERCENT)]
        if self._settings.link_detection is LinkDetection.ASSUMED:
            actions += self._link_seen(True, now)
        return actions

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
        if isinstance(message, SetKeyCnf):
            return self._key_news(self._modem.confirmed(message, now), now)
        status = self._modem.link_status(message)
        if status is not None:
            return self._link_seen(status, now)
        if isinstance(message, AttenProfileInd):
            return self._profile(message, now)
        if frame.source == self.mac or frame.destination not in (self.mac, BROADCAST):
            return []
        return self._from_peer(frame, now)

    def _key_news(self, news: KeyNews | None, now: float) -> list[Action]:
        if news is not KeyNews.REFUSED:
            return []
        self._timers.set(_Timer.KEY_AGAIN, now + self._timing.set_key_again)
        return [LinkNote("the modem refuses the key")]

    def _profile(self, message: AttenProfileInd, now: float) -> list[Action]:
        actions: list[Action] = []
        for run in list(self._runs.values()):
            if run.ev_mac == message.pev_mac:
                actions += _sends(run.profile(message, now))
                actions += self._settle(run, now)
        return actions

    def _from_peer(self, frame: Frame, now: float) -> list[Action]:
        message, source = frame.message, frame.source
        if isinstance(message, SlacParmReq):
            return self._parm(source, message.run_id, now)
        if isinstance(message, SlacMatchReq):
            return self._match(source, message, now)
        if isinstance(message, StartAttenCharInd | MnbcSoundInd | AttenCharRsp):
            run = self._runs.get((source, message.run_id))
            return _sends(run.handle(message, now)) if run is not None else []
        if isinstance(message, ValidateReq):
            return self._validate(source, message, now)
        if (
            isinstance(message, AmpMapReq | AmpMapCnf)
            and source == self.peer
            and self._state is LinkState.MATCHED
        ):
            return self._amplitudes.handle(message, now)
        return []

    def _parm(self, source: bytes, run_id: bytes, now: float) -> list[Action]:
        if self._state is not LinkState.MATCHING:
            return []
        awake: list[Action] = []
        if self._driving:  # the vehicle speaks while it is being woken up
            self._driving = False
            self._timers.clear(_Timer.EF_END)
            awake = [SetPilot(Pilot.FIVE_PERCENT)]
        # While somebody joins, only that vehicle may think again: it has lost our answer, or this request is late. Both can be, so the
        # link is waited for all the same.
        if self._matched is not None and source != self._matched.ev_mac:
            return awake
        key = (source, run_id)
        run = self._runs.get(key)
        if run is None:
            if len(self._runs) >= self._settings.c_evse_match_parallel:
                return awake
            run = self._runs[key] = EvseMatching(self.mac, source, run_id, self._settings, self._timing)
        self._timers.clear(_Timer.INIT)
        return awake + _sends(run.start(now))

    def _match(self, source: bytes, message: SlacMatchReq, now: float) -> list[Action]:
        run = self._runs.get((source, message.run_id))
        if run is None or (self._matched is not None and self._matched.ev_mac != source):
            return []
        frames = run.match(message, self._modem.network)
        if self._matched is not run and run.phase is EvsePhase.MATCHED:
            self._matched = run
            self._runs = {(source, message.run_id): run}
            self._timers.set(_Timer.JOIN, now + self._timing.tt_match_join)
            if self._settings.link_detection is LinkDetection.ASSUMED:
                self._timers.set(_Timer.ASSUMED, now + self._timing.link_assumed)
            self._modem.watch(self._timing.link_poll, now)
            return [*_sends(frames), LinkNote(f"matched with {mac_text(source)}")]
        return _sends(frames)

    def _validate(self, source: bytes, message: ValidateReq, now: float) -> list[Action]:
        busy = next((run for run in self._runs.values() if run.validating), None)
        for run in self._runs.values():
            if run.ev_mac == source and run.phase is EvsePhase.MATCH:
                if busy is not None and busy is not run:
                    return [SendFrame(Frame(source, self.mac, ValidateCnf(0, ValidateResult.NOT_READY)))]
                return _sends(run.handle(message, now))
        return []

    # -- the link

    def _link_seen(self, up: bool, now: float, *, certain: bool = False) -> list[Action]:
        joining = self._state is LinkState.MATCHING and self._matched is not None
        resuming = self._state is LinkState.MATCHED and _Timer.RESUME in self._timers
        if self._paused or not (joining or self._state is LinkState.MATCHED):
            return []
        if up:
            self._no_link = 0
            if not (joining or resuming):
                return []
            self._state = LinkState.MATCHED
            self._timers.clear_all()
            self._modem.watch(self._timing.link_poll_matched, now + self._timing.link_poll_matched)
            peer = self.peer
            actions = self._tell(True)
            return actions + self._amplitudes.start(peer, now) if joining and peer is not None else actions
        if joining or resuming:
            return []
        self._no_link += 1
        if certain or self._no_link >= self._settings.link_poll_losses:
            return self._lost("the link is gone", now)
        return []

    def _lost(self, reason: str, now: float) -> list[Action]:
        """Begin again with a new key while the vehicle is still there."""
        return [*self._leave(now), LinkNote(reason), *(self._open(now) if self._signal in _CONNECTED else [])]

    # -- time

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come; see ``DataLink``."""
        actions: list[Action] = []
        while (timer := self._timers.pop(now)) is not None:
            actions += self._expired(timer, now)
        frames, news = self._modem.due(now)
        actions += _sends(frames) + self._key_news(news, now)
        actions += self._amplitudes.due(now)
        for run in list(self._runs.values()):
            actions += _sends(run.due(now))
            actions += self._settle(run, now)
        return actions

    def _settle(self, run: EvseMatching, now: float) -> list[Action]:
        """Tell what a process has to say, and drop it when it failed; the wait for a vehicle goes on."""
        actions: list[Action] = [LinkNote(note) for note in run.notes]
        run.notes.clear()
        if run.phase is EvsePhase.FAILED:
            self._runs.pop((run.ev_mac, run.run_id), None)
            waiting = self._state is LinkState.MATCHING and self._matched is None and not self._driving
            if not self._runs and waiting:
                self._timers.set(_Timer.INIT, now + self._timing.tt_evse_slac_init)
        return actions

    def _expired(self, timer: _Timer, now: float) -> list[Action]:
        if timer is _Timer.INIT:
            if self._wake_ups == 0:
                actions = self._forget()
                self._state = LinkState.UNMATCHED
                return [*actions, SetPilot(Pilot.STEADY), LinkNote("no vehicle began to match")]
            self._wake_ups -= 1
            self._driving = True
            self._timers.set(_Timer.EF_END, now + self._timing.t_step_ef)
            return [SetPilot(Pilot.STATE_F), LinkNote("wake the vehicle up")]
        if timer is _Timer.ERROR_PAUSE:
            self._timers.set(_Timer.EF_END, now + self._timing.t_step_ef)
            return [SetPilot(Pilot.STATE_F)]
        if timer is _Timer.EF_END:
            self._driving = False
            wake_ups, fresh = self._wake_ups, self._state is LinkState.UNMATCHED
            actions = self._open(now)
            self._wake_ups = self._settings.c_sequ_retry if fresh else wake_ups
            return actions
        if timer is _Timer.JOIN:
            return self._lost("the vehicle did not join", now)
        if timer is _Timer.ASSUMED:
            return self._link_seen(True, now)
        if timer is _Timer.KEY_AGAIN:
            return self._renew_key(now)
        return self._lost("the link did not come back after the pause", now)


def _sends(frames: list[Frame]) -> list[Action]:
    return [SendFrame(frame) for frame in frames]
