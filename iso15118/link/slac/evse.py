"""SLAC of a station (EVSE): its pilot, its modem, and the matching processes of everybody who asks.

A value without I/O, with the contract of ``DataLink``. Nothing a peer sends raises or stops it: malformed
frames are counted, foreign ones and those out of place ignored. The pilot is asserted at power-on and at
every end, and is never left in E or F.
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
    PeerHeard,
    Pilot,
    PowerOn,
    Restart,
    SetPilot,
    WakeUp,
)
from iso15118.vocabulary import Action, Event, SignalChanged, SignalState

from .amplitude import AmplitudeExchange
from .events import FrameReceived, SendFrame
from .evse_matching import EvseMatching, EvsePhase
from .evse_pilot import Demand, StationPilot
from .evse_runs import Claim, Runs
from .frames import BROADCAST, Frame, mmtype_in, parse_frame
from .ignored import Ignored
from .keys import Draw, draw_network
from .messages import (
    AmpMapCnf,
    AmpMapReq,
    AttenCharRsp,
    AttenProfileInd,
    LumissilLinkStatusCnf,
    MmType,
    MnbcSoundInd,
    QualcommLinkStatusCnf,
    SetKeyCnf,
    SlacMatchReq,
    SlacParmReq,
    StartAttenCharInd,
    ValidateReq,
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
_MODEM_ONLY = (SetKeyCnf, AttenProfileInd, QualcommLinkStatusCnf, LumissilLinkStatusCnf)
"""What only the own modem has to say."""


class _Timer(Enum):
    JOIN = "TT_match_join"
    ASSUMED = "link assumed"
    RESUME = "T_conn_resume"
    KEY_AGAIN = "another key"


class EvseSlac:
    """The station's end. ``mac``: address of the host's interface, which the messages carry. ``draw``:
    where keys and nonces come from.

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
        self._pilot = StationPilot(self._settings, self._timing)
        self._paused = False
        self._up = False  # what upper layers were told last
        self._no_link = 0
        self._runs = Runs(self.mac, self._settings, self._timing)
        self._ignored = Ignored()
        self.dropped = 0

    @property
    def state(self) -> LinkState:
        """Whether the link is there."""
        return self._state

    @property
    def peer(self) -> bytes | None:
        """The vehicle's address once it is matched or joins."""
        return self._runs.matched.ev_mac if self._runs.matched is not None else None

    @property
    def deadline(self) -> float | None:
        """When to call ``handle_timeout``."""
        parts = (self._modem.deadline, self._amplitudes.deadline, self._runs.deadline, self._pilot.deadline)
        return earliest((self._timers.earliest, *parts))

    @property
    def resting(self) -> tuple[Action, ...]:
        """A steady pilot (X1)."""
        return (SetPilot(Pilot.STEADY),)

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
        if isinstance(event, Restart):
            return self._start_anew(event.reason, now)
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
        actions: list[Action] = [*self.resting]  # whatever a process before this one left there
        if self._settings.reset_modem:
            actions += _sends(self._modem.reset())
        actions += self._renew_key(now)
        return actions + (self._open(now) if self._pilot.connected else [])

    def _signal_changed(self, signal: SignalState, now: float) -> list[Action]:
        before = self._pilot.signal
        if signal is before:
            return []
        if not self._powered:
            self._pilot.signal = signal
            return []
        demand = self._pilot.changed(signal, now, self._state, paused=self._paused)
        if toggle := self._pilot.toggle(before, now):
            self._runs.toggled(toggle)
        return self._demanded(demand, now)

    def _demanded(self, demand: Demand, now: float) -> list[Action]:
        if demand is Demand.OPEN or demand is Demand.AGAIN:
            return self._open(now, again=demand is Demand.AGAIN)
        if demand is Demand.LEAVE:
            return [*self._pilot.rest(asked=False), *self._leave(now)]
        if demand is Demand.FAILED:
            state = self._pilot.signal.value
            if not self._pilot.may_restart():
                note = LinkNote(f"no restart left after state {state} of the pilot")
                return [*self._leave(now), *self._pilot.rest(asked=True), note]
            return [*self._error(now), LinkNote(f"restart after state {state} of the pilot")]
        if demand is Demand.RESUME:
            return self._resume(now)
        if demand is Demand.GIVE_UP:
            actions = self._forget()
            self._state = LinkState.UNMATCHED
            return [*actions, *self._pilot.rest(asked=False)]
        return []

    def _open(self, now: float, wait_s: float | None = None, *, again: bool = False) -> list[Action]:
        """Wait for vehicles."""
        if self._pilot.is_new_plug_in(now):
            self._refill()
        self._state = LinkState.MATCHING
        keyless = self._modem.network is None and not self._modem.busy
        return [*(self._renew_key(now) if keyless else []), *self._pilot.invite(now, wait_s, again=again)]

    def _refill(self) -> None:
        self._pilot.refill()
        self._runs.rematches = self._settings.c_rematch

    def _leave(self, now: float) -> list[Action]:
        """Forget everybody and take a key that nobody knows; that is also how a node leaves a network."""
        actions = self._forget()
        self._state = LinkState.UNMATCHED
        return actions + self._renew_key(now)

    def _forget(self) -> list[Action]:
        self._runs.clear()
        return self._unlink()

    def _unlink(self) -> list[Action]:
        self._timers.clear_all()
        self._paused, self._no_link = False, 0
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
        """To rest, in any state: a restart that is under way is broken off."""
        handed_out = self._state is not LinkState.UNMATCHED
        return [*(self._leave(now) if handed_out else self._forget()), *self._pilot.rest(asked=True)]

    def _error(self, now: float, *, rested: bool = False) -> list[Action]:
        if self._pilot.signal is SignalState.A or not self._powered:
            return []
        return [*self._leave(now), *self._pilot.start_anew(now, rested=rested)]

    def _start_anew(self, why: str, now: float) -> list[Action]:
        """The application asks: budgets are full."""
        rested = self._state is LinkState.UNMATCHED and not self._pilot.driving
        actions = self._error(now, rested=rested)
        if not actions:
            return []
        self._refill()
        return [*actions, LinkNote(f"restart {why}")]

    def _pause(self) -> list[Action]:
        if self._state is not LinkState.MATCHED:
            return []
        self._paused = True
        self._timers.clear_all()
        self._modem.watch(None, 0.0)
        self._up = False  # so that the wake-up is told
        return [*self.resting]

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
        if isinstance(message, _MODEM_ONLY):
            return self._from_modem(frame, now)
        if frame.source == self.mac or frame.destination not in (self.mac, BROADCAST):
            return []
        return self._from_peer(frame, now)

    def _from_modem(self, frame: Frame, now: float) -> list[Action]:
        message = frame.message
        if isinstance(message, SetKeyCnf):
            return self._key_news(self._modem.confirmed(message, frame.source, now), now)
        if not self._modem.is_own(frame.source):
            return self._modem.foreign(frame, self._ignored)
        if isinstance(message, AttenProfileInd):
            return _sends(self._runs.profile(message, now)) + self._settle_all(now)
        status = self._modem.link_status(message, frame.source)
        return self._link_seen(status, now) if status is not None else []

    def _key_news(self, news: KeyNews | None, now: float) -> list[Action]:
        if news is not KeyNews.REFUSED:
            return []
        self._timers.set(_Timer.KEY_AGAIN, now + self._timing.set_key_again)
        return [LinkNote("the modem refuses the key")]

    def _from_peer(self, frame: Frame, now: float) -> list[Action]:
        message, source = frame.message, frame.source
        if isinstance(message, SlacParmReq):
            return self._parm(source, message.run_id, now)
        if isinstance(message, SlacMatchReq):
            return self._match(source, message, now)
        if isinstance(message, StartAttenCharInd | MnbcSoundInd | AttenCharRsp):
            run = self._runs.of(source, message.run_id)
            return _sends(run.handle(message, now)) + self._settle(run) if run is not None else []
        if isinstance(message, ValidateReq):
            return _sends(self._runs.validate(source, message, now))
        if (
            isinstance(message, AmpMapReq | AmpMapCnf)
            and source == self.peer
            and self._state is LinkState.MATCHED
        ):
            return self._amplitudes.handle(message, now)
        return []

    def _parm(self, source: bytes, run_id: bytes, now: float) -> list[Action]:
        if self._state is LinkState.MATCHED:
            if source != self.peer or self._paused:
                return []
            # It has lost its state, or somebody speaks in its name. The modem is asked at once,
            # and sees a link that is gone.
            self._modem.watch(self._timing.link_poll_matched, now)
            if self._pilot.signal is not SignalState.B or self._runs.rematches == 0:
                return []
        elif self._state is not LinkState.MATCHING:
            return []
        # Others may be measured while somebody joins: only who is heard better takes its place.
        first = self._state is LinkState.MATCHING and not self._runs
        run = self._runs.admit(source, run_id)
        heard: list[Action] = [PeerHeard()] if first and run is not None else []
        return heard + _sends(run.start(now)) if run is not None else []

    def _match(self, source: bytes, message: SlacMatchReq, now: float) -> list[Action]:
        linked = self._state is LinkState.MATCHED
        in_b = self._pilot.signal is SignalState.B
        frames, notes, claim = self._runs.request(
            source, message, self._modem.network, linked=linked, in_b=in_b
        )
        actions = [*_sends(frames), *self._settle_all(now), *(LinkNote(note) for note in notes)]
        if claim is Claim.MATCHED:
            actions += self._pilot.matched()
            self._timers.set(_Timer.JOIN, now + self._timing.tt_match_join)
            if self._settings.link_detection is LinkDetection.ASSUMED:
                self._timers.set(_Timer.ASSUMED, now + self._timing.link_assumed)
            self._modem.watch(self._timing.link_poll, now)
        elif claim is not Claim.NOTHING:  # the one that has the key is not who gets the network
            actions += self._unlink()
            self._state = LinkState.MATCHING
            self._pilot.wait_on(now)
            actions += self._renew_key(now)
        return actions

    # -- the link

    def _link_seen(self, up: bool, now: float, *, certain: bool = False) -> list[Action]:
        joining = self._state is LinkState.MATCHING and self._runs.matched is not None
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
            if self._runs.matched is not None:
                self._runs.adopt(self._runs.matched)
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
        """Begin again with a new key while the vehicle is still there; one that
        waits for E or F gets it soon."""
        actions = [*self._leave(now), LinkNote(reason)]
        if not self._pilot.connected:
            return actions + self._pilot.rest(asked=False)
        return actions + self._open(now, self._timing.lost_wait)

    # -- time

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has come; see ``DataLink``."""
        actions: list[Action] = []
        while (timer := self._timers.pop(now)) is not None:
            actions += self._expired(timer, now)
        while (at := self._pilot.deadline) is not None and at <= now:
            asked = len(self._runs) > 0
            done, demand = self._pilot.due(now, hearing=any(r.sounded for r in self._runs), asked=asked)
            actions += [*done, *self._demanded(demand, now)]
        frames, news = self._modem.due(now)
        actions += _sends(frames) + self._key_news(news, now)
        actions += self._amplitudes.due(now)
        for run in self._runs:
            actions += _sends(run.due(now))
        return actions + self._settle_all(now)

    def _settle_all(self, now: float) -> list[Action]:
        """Tell what the processes have to say, and drop those that failed; the wait for a vehicle goes on."""
        actions: list[Action] = []
        for run in self._runs:
            actions += self._settle(run)
            if run.phase is EvsePhase.FAILED:
                self._runs.drop(run)
                if run.sounded:
                    self._pilot.heard_out(now)
        return actions

    @staticmethod
    def _settle(run: EvseMatching) -> list[Action]:
        notes, run.notes = run.notes, []
        return [LinkNote(note) for note in notes]

    def _expired(self, timer: _Timer, now: float) -> list[Action]:
        if timer is _Timer.JOIN:
            return self._lost("the vehicle did not join", now)
        if timer is _Timer.ASSUMED:
            return self._link_seen(True, now)
        if timer is _Timer.KEY_AGAIN:
            return self._renew_key(now)
        return self._lost("the link did not come back after the pause", now)


def _sends(frames: list[Frame]) -> list[Action]:
    return [SendFrame(frame) for frame in frames]
