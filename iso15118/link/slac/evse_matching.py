"""One matching process of a station: everything between CM_SLAC_PARM.REQ and
CM_SLAC_MATCH.CNF with one vehicle's run.

A station has several at a time, keyed by vehicle and run identifier; ``evse`` owns them, the pilot and the
modem. A process that fails just ends: the station stays silent, and the vehicle begins again.
"""

from __future__ import annotations

from enum import Enum

from iso15118.link.deadlines import Deadlines

from .attenuation import GROUPS, average, mean
from .frames import Frame, mac_text
from .ignored import Ignored, named_wrong
from .keys import Network
from .messages import (
    AttenCharInd,
    AttenCharRsp,
    AttenProfileInd,
    Message,
    MnbcSoundInd,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmCnf,
    StartAttenCharInd,
    ValidateCnf,
    ValidateReq,
    ValidateResult,
)
from .settings import SlacSettings, SlacTiming, ValidationPolicy

__all__ = ["EvseMatching", "EvsePhase"]


class EvsePhase(Enum):
    """What a process waits for."""

    START_ATTEN_CHAR = "CM_START_ATTEN_CHAR.IND"
    SOUNDS = "sounds"
    ATTEN_CHAR_RSP = "CM_ATTEN_CHAR.RSP"
    MATCH = "CM_VALIDATE.REQ or CM_SLAC_MATCH.REQ"
    MATCHED = "the link"
    FAILED = "nothing"


class _Timer(Enum):
    AGAIN = "a beginning that was repeated"
    SEQUENCE = "TT_match_sequence"
    WINDOW = "TT_EVSE_match_MNBC"
    RESPONSE = "TT_match_response"
    SESSION = "TT_EVSE_match_session"
    VALIDATION = "validation"


class _Validation(Enum):
    NONE = "none"
    READY = "ready, toggles are expected"
    COUNTING = "counting"
    COUNTED = "counted"


_LONGEST_VALIDATION = 3.5  # TT_EVSE_vald_toggle


class EvseMatching:
    """``frames`` that each call returns go out at once; ``notes`` collects what happened, in words."""

    def __init__(
        self, mac: bytes, ev_mac: bytes, run_id: bytes, settings: SlacSettings, timing: SlacTiming
    ) -> None:
        self._mac, self.ev_mac, self.run_id = mac, ev_mac, run_id
        self.attenuation: float | None = None
        """How the own modem hears the vehicle, mean in dB; None until it has sounded."""
        self.ignored = Ignored()
        self._settings, self._timing = settings, timing
        self._timers: Deadlines[_Timer] = Deadlines(_Timer)
        self.phase = EvsePhase.START_ATTEN_CHAR
        self.notes: list[str] = []
        self._profiles: list[bytes] = []
        self._sounds_wanted = settings.c_match_mnbc
        self._window_end = 0.0
        self._indication: AttenCharInd | None = None
        self._sends = 0
        self._validation = _Validation.NONE
        self._toggles = 0
        self._cnf: SlacMatchCnf | None = None

    @property
    def deadline(self) -> float | None:
        """When ``due`` has something to do."""
        return self._timers.earliest

    @property
    def validating(self) -> bool:
        """A validation goes on, so that no other vehicle can have one."""
        return self._validation in (_Validation.READY, _Validation.COUNTING) and self.phase is EvsePhase.MATCH

    @property
    def about_to_match(self) -> bool:
        """A validation goes on, or has been answered: the vehicle's request follows within
        seconds, or the process fails."""
        return self._validation is not _Validation.NONE and self.phase is EvsePhase.MATCH

    @property
    def sounded(self) -> bool:
        """The own modem has heard a sound of this vehicle."""
        return bool(self._profiles)

    def start(self, now: float) -> list[Frame]:
        """Answer CM_SLAC_PARM.REQ. A repeated one starts the process again [V2G3-A09-16], with
        the next CM_START_ATTEN_CHAR.IND: a request that was late, or that a stranger repeats,
        undoes nothing by itself."""
        if self.phase is EvsePhase.START_ATTEN_CHAR:
            self._timers.set(_Timer.SEQUENCE, now + self._timing.tt_match_sequence)
        else:
            self._timers.set(_Timer.AGAIN, now + self._timing.tt_match_sequence)
        return [self._frame(SlacParmCnf(self.run_id, self.ev_mac, num_sounds=self._settings.c_match_mnbc))]

    def _start_again(self) -> None:
        self._timers.clear_all()
        self.phase = EvsePhase.START_ATTEN_CHAR
        self._profiles.clear()
        self.attenuation = None
        self._indication, self._cnf, self._validation = None, None, _Validation.NONE

    def handle(self, message: Message, now: float) -> list[Frame]:
        """A message of this vehicle and run, except CM_SLAC_PARM and CM_SLAC_MATCH.
        What does not fit is ignored."""
        if isinstance(message, StartAttenCharInd):
            self._start_atten_char(message, now)
        elif isinstance(message, MnbcSoundInd):
            pass  # the profiles of the modem are what counts
        elif isinstance(message, AttenCharRsp):
            if message.source_address != self.ev_mac:
                self._names_wrong("CM_ATTEN_CHAR.RSP", "vehicle", message.source_address, self.ev_mac)
            elif self.phase is EvsePhase.ATTEN_CHAR_RSP and message.result == 0:
                self._timers.clear(_Timer.RESPONSE)
                self.phase = EvsePhase.MATCH
                self._timers.set(_Timer.SESSION, self._window_end + self._timing.tt_evse_match_session)
        elif isinstance(message, ValidateReq):
            return self._validate(message, now)
        return []

    def _start_atten_char(self, message: StartAttenCharInd, now: float) -> None:
        # TIME_OUT is the vehicle's idea of our window; some send 10, and stations that insist on 6 lose them.
        if message.resp_type != 1 or message.num_sounds == 0:
            return
        if message.forwarding_sta != self.ev_mac:
            self._names_wrong("CM_START_ATTEN_CHAR.IND", "vehicle", message.forwarding_sta, self.ev_mac)
            return
        if _Timer.AGAIN in self._timers:
            self._start_again()
        if self.phase is not EvsePhase.START_ATTEN_CHAR:
            return
        self._timers.clear(_Timer.SEQUENCE)
        self.phase = EvsePhase.SOUNDS
        self._sounds_wanted = min(message.num_sounds, self._settings.c_match_mnbc)
        self._window_end = now + self._timing.tt_evse_match_mnbc
        self._timers.set(_Timer.WINDOW, self._window_end)

    def profile(self, message: AttenProfileInd, now: float) -> list[Frame]:
        """The own modem measured a sound of this vehicle."""
        if self.phase is not EvsePhase.SOUNDS or len(message.aag) != GROUPS:
            return []
        self._profiles.append(message.aag)
        return self._indicate(now) if len(self._profiles) >= self._sounds_wanted else []

    def _indicate(self, now: float) -> list[Frame]:
        self._timers.clear(_Timer.WINDOW)
        if not self._profiles:
            # Invented values would make a vehicle join whom it does not hear.
            return self._fail("the modem measured no sound")
        aag = average(self._profiles, self._settings.receive_correction)
        self._indication = AttenCharInd(self.ev_mac, self.run_id, min(len(self._profiles), 255), aag)
        self.attenuation = mean(aag)
        self.notes.append(f"{len(self._profiles)} sounds of {mac_text(self.ev_mac)}: {mean(aag):.1f} dB")
        self.phase = EvsePhase.ATTEN_CHAR_RSP
        self._sends = 0
        return self._send_indication(now)

    def _send_indication(self, now: float) -> list[Frame]:
        self._sends += 1
        self._timers.set(_Timer.RESPONSE, now + self._timing.tt_match_response)
        return [] if self._indication is None else [self._frame(self._indication)]

    def _names_wrong(self, message: str, who: str, there: bytes, wanted: bytes) -> None:
        self.notes += self.ignored.add(named_wrong(message, self.ev_mac, who, there, wanted))

    # -- validation

    def give_way(self) -> None:
        """A nearer vehicle has the validation now."""
        self._validation = _Validation.NONE
        self._timers.clear(_Timer.VALIDATION)

    def _validate(self, message: ValidateReq, now: float) -> list[Frame]:
        if self.phase is not EvsePhase.MATCH:
            return []
        if self._settings.validation is not ValidationPolicy.SUPPORTED:
            declined = self._settings.validation is ValidationPolicy.DECLINED
            return [
                self._frame(
                    ValidateCnf(0, ValidateResult.FAILURE if declined else ValidateResult.NOT_REQUIRED)
                )
            ]
        if message.result is not ValidateResult.READY:
            if self._validation is not _Validation.NONE:
                self._validation = _Validation.NONE
                self._timers.clear(_Timer.VALIDATION)
            return []
        if message.timer == 0:  # step 1, or its repetition
            if self._validation is _Validation.COUNTING:
                return []
            if (
                self._validation is not _Validation.READY
            ):  # a repetition takes nothing back that was seen since the first
                self._toggles = 0
            self._validation, self._sends = _Validation.READY, 0
            self._timers.clear(_Timer.SESSION)
            return self._send_ready(now)
        if self._validation is _Validation.READY:  # step 2
            self._validation = _Validation.COUNTING
            window = min((message.timer + 1) * 0.1, _LONGEST_VALIDATION)
            self._timers.set(_Timer.VALIDATION, now + window)
        elif self._validation is _Validation.COUNTED:
            return self._counted(now)
        return []

    def _send_ready(self, now: float) -> list[Frame]:
        self._sends += 1
        self._timers.set(_Timer.VALIDATION, now + self._timing.tt_match_sequence)
        return [self._frame(ValidateCnf(0, ValidateResult.READY))]

    def _counted(self, now: float) -> list[Frame]:
        self._validation = _Validation.COUNTED
        self._timers.set(_Timer.SEQUENCE, now + self._timing.tt_match_sequence)
        return [self._frame(ValidateCnf(min(self._toggles, 255), ValidateResult.SUCCESS))]

    def toggled(self, count: int) -> None:
        """The pilot went from B to C (1), or that was a glitch after all (-1). Counted from step 1 on: a
        vehicle may be quicker than its own request."""
        if self.validating:
            self._toggles = max(0, self._toggles + count)

    # -- the match

    def names_us(self, message: SlacMatchReq) -> bool:
        """It is for this vehicle and this station."""
        return message.pev_mac == self.ev_mac and message.evse_mac == self._mac

    def match(self, message: SlacMatchReq, network: Network | None) -> list[Frame]:
        """CM_SLAC_MATCH.REQ of this vehicle and run; repeated ones get the same answer. Without a network
        that the modem confirmed nothing is answered, and the vehicle asks again."""
        for who, there, wanted in (
            ("vehicle", message.pev_mac, self.ev_mac),
            ("station", message.evse_mac, self._mac),
        ):
            if there != wanted:
                self._names_wrong("CM_SLAC_MATCH.REQ", who, there, wanted)
                return []
        if self.phase is EvsePhase.MATCH and network is not None and not self.validating:
            self._timers.clear_all()
            self.phase = EvsePhase.MATCHED
            self._cnf = SlacMatchCnf(self.ev_mac, self._mac, self.run_id, network.nid, network.nmk)
        if self.phase is EvsePhase.MATCHED and self._cnf is not None:
            return [self._frame(self._cnf)]
        return []

    # -- time

    def due(self, now: float) -> list[Frame]:
        """What the deadline brings."""
        frames: list[Frame] = []
        while (timer := self._timers.pop(now)) is not None:
            frames += self._expired(timer, now)
        return frames

    def _expired(self, timer: _Timer, now: float) -> list[Frame]:
        repeats = self._settings.c_ev_match_retry
        if timer is _Timer.AGAIN:
            return []  # nothing came of it
        if timer is _Timer.WINDOW:
            return self._indicate(now)
        if timer is _Timer.RESPONSE and self._sends <= repeats:
            return self._send_indication(now)
        if timer is _Timer.VALIDATION:
            if self._validation is _Validation.COUNTING:
                return self._counted(now)
            if self._sends <= repeats:
                return self._send_ready(now)
        return self._fail(f"{timer.value} is over while waiting for {self.phase.value}")

    def _fail(self, reason: str) -> list[Frame]:
        self._timers.clear_all()
        self.phase = EvsePhase.FAILED
        self.notes.append(f"matching with {mac_text(self.ev_mac)} ended: {self.ignored.told_with(reason)}")
        return []

    def _frame(self, message: Message) -> Frame:
        return Frame(self.ev_mac, self._mac, message)
