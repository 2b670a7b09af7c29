"""One matching process of a vehicle: from CM_SLAC_PARM.REQ over the sounds and the choice of a
station to CM_SLAC_MATCH.CNF.

Every process has a run identifier of its own. It ends with a network to join, or with a reason; ``ev``
decides whether another one follows.
"""

from __future__ import annotations

import math
from enum import Enum

from iso15118.link.deadlines import Deadlines
from iso15118.link.primitives import LinkNote, ShowState
from iso15118.vocabulary import Action, SignalState

from .attenuation import GROUPS, Answer, Finding, choose, mean
from .events import SendFrame
from .frames import BROADCAST, Frame, mac_text
from .ignored import Ignored, named_wrong
from .keys import Draw, Network
from .messages import (
    AttenCharInd,
    AttenCharRsp,
    Message,
    MnbcSoundInd,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
    ValidateCnf,
    ValidateReq,
    ValidateResult,
)
from .settings import SlacSettings, SlacTiming

__all__ = ["EvMatching", "EvPhase"]

_MOST_STATIONS = 64  # a car park's worth; more is somebody filling memory
_MOST_SOUNDS = 20  # that fit into a station's window of 600 ms
_SPARE = 2  # validation window beyond the toggles, in units of 100 ms


class EvPhase(Enum):
    """What a process does."""

    PARM = "ask for stations"
    START_ATTEN_CHAR = "announce sounds"
    SOUNDS = "sound"
    RESULTS = "wait for CM_ATTEN_CHAR.IND"
    VALIDATE = "ask for validation"
    TOGGLE = "toggle the pilot"
    TOGGLED = "wait for the count of toggles"
    MATCH = "ask for the match"
    MATCHED = "matched"
    FAILED = "failed"


class _Timer(Enum):
    PACE = "TP_EV_batch_msg_interval"
    RESPONSE = "TT_match_response"
    GATHER = "TP_match_sequence"
    RESULTS = "TT_EV_atten_results"
    LATECOMERS = "TP_match_session"
    TOGGLE = "TP_EV_vald_state_duration"


class EvMatching:
    """Calls return what has to be done at once. ``phase`` is ``MATCHED`` when ``network`` and ``evse_mac``
    are there, ``FAILED`` when ``reason`` says why."""

    def __init__(self, mac: bytes, settings: SlacSettings, timing: SlacTiming, draw: Draw) -> None:
        self._mac, self._settings, self._timing, self._draw = mac, settings, timing, draw
        self.run_id = draw(8)
        self._timers: Deadlines[_Timer] = Deadlines(_Timer)
        self.phase = EvPhase.PARM
        self.reason = ""
        self.network: Network | None = None
        self.evse_mac: bytes | None = None
        self._announced: dict[bytes, SlacParmCnf] = {}
        self._answers: dict[bytes, Answer] = {}
        self._candidates: list[Answer] = []
        self._fallbacks: list[Answer] = []
        """Whom to take where validation settles nothing."""
        self._ignored = Ignored()
        self._sends = 0
        self._left = 0
        self._sounds = settings.c_match_mnbc
        self._half_toggles = 0
        self._refusals = 0
        self._toggles = 0
        self._timer_field = 0

    @property
    def deadline(self) -> float | None:
        """When ``due`` has something to do."""
        return self._timers.earliest

    def start(self, now: float) -> list[Action]:
        """Ask for stations."""
        self._sends = 1
        self._timers.set(_Timer.RESPONSE, now + self._timing.tt_match_response)
        return [self._send(BROADCAST, SlacParmReq(self.run_id))]

    # -- answers

    def handle(self, message: Message, source: bytes, now: float) -> list[Action]:
        """A message to this vehicle. What is not of this run, or out of place, is ignored."""
        if isinstance(message, SlacParmCnf):
            return self._parm_cnf(message, source, now)
        if isinstance(message, AttenCharInd):
            return self._atten_char(message, source, now)
        if isinstance(message, ValidateCnf):
            return self._validated(message, source, now)
        if isinstance(message, SlacMatchCnf):
            return self._match_cnf(message, source)
        return []

    def _parm_cnf(self, message: SlacParmCnf, source: bytes, now: float) -> list[Action]:
        # RESP_TYPE and FORWARDING_STA are not looked at: old stations send zeros
        # there and match all the same.
        if message.run_id != self.run_id or self.phase not in (
            EvPhase.PARM,
            EvPhase.START_ATTEN_CHAR,
            EvPhase.SOUNDS,
            EvPhase.RESULTS,
        ):
            return []
        if source not in self._announced and len(self._announced) < _MOST_STATIONS:
            self._announced[source] = message
            if self.phase is EvPhase.PARM and len(self._announced) == 1:
                self._timers.clear(_Timer.RESPONSE)
                self._timers.set(_Timer.GATHER, now + self._timing.tp_parm_gather)
        return []

    def _atten_char(self, message: AttenCharInd, source: bytes, now: float) -> list[Action]:
        if self.phase is EvPhase.PARM or message.run_id != self.run_id:
            return []
        if message.source_address != self._mac:
            return self._names_wrong(
                "CM_ATTEN_CHAR.IND", source, "vehicle", message.source_address, self._mac
            )
        if len(message.aag) != GROUPS or message.num_sounds == 0:
            return []
        known = source in self._answers
        answer = Answer(source, mean(message.aag))
        if not known and len(self._answers) >= _MOST_STATIONS:
            farthest = max(self._answers.values(), key=lambda a: a.attenuation)
            if farthest.attenuation <= answer.attenuation:
                return []
            del self._answers[farthest.evse_mac]
        actions: list[Action] = [self._send(source, AttenCharRsp(self._mac, self.run_id))]
        collecting = self.phase in (EvPhase.START_ATTEN_CHAR, EvPhase.SOUNDS, EvPhase.RESULTS)
        if collecting and not known:
            self._answers[source] = answer
            actions.append(LinkNote(f"{mac_text(source)} hears us with {answer.attenuation:.1f} dB"))
        self._all_answered(now)
        return actions

    def _all_answered(self, now: float) -> None:
        """Every announced station has answered the sounds: decide soon. One whose announcement
        was lost may still answer."""
        complete = self.phase is EvPhase.RESULTS and self._announced.keys() <= self._answers.keys()
        if complete and _Timer.LATECOMERS not in self._timers:
            self._timers.set(_Timer.LATECOMERS, now + self._timing.tp_atten_gather)

    # -- sounding

    def _announce(self, now: float) -> list[Action]:
        if self.phase is EvPhase.PARM:
            self.phase = EvPhase.START_ATTEN_CHAR
            self._left = self._settings.c_start_atten_char_inds
            wanted = max(cnf.num_sounds for cnf in self._announced.values())
            self._sounds = min(max(self._settings.c_match_mnbc, wanted), _MOST_SOUNDS)
            self._timers.set(_Timer.RESULTS, now + self._timing.tt_ev_atten_results)
        self._left -= 1
        self._timers.set(_Timer.PACE, now + self._timing.tp_batch_interval)
        return [self._send(BROADCAST, StartAttenCharInd(self.run_id, self._mac, self._sounds))]

    def _pace(self, now: float) -> list[Action]:
        if self.phase is EvPhase.START_ATTEN_CHAR:
            if self._left > 0:
                return self._announce(now)
            self.phase, self._left = EvPhase.SOUNDS, self._sounds
        self._left -= 1
        sound = self._send(BROADCAST, MnbcSoundInd(self.run_id, self._left, self._draw(16)))
        if self._left > 0:
            self._timers.set(_Timer.PACE, now + self._timing.tp_batch_interval)
            return [sound]
        self.phase = EvPhase.RESULTS
        self._all_answered(now)
        return [sound]

    # -- the choice

    def _decide(self, now: float) -> list[Action]:
        self._timers.clear(_Timer.RESULTS)
        self._timers.clear(_Timer.LATECOMERS)
        silent = len(self._announced.keys() - self._answers.keys())
        choice = choose(list(self._answers.values()), self._settings, silent=silent)
        note = LinkNote(f"{choice.finding.value}: {choice.reason}")
        self._candidates, self._fallbacks = list(choice.candidates), list(choice.fallbacks)
        if choice.finding is Finding.NOT_FOUND:
            return [note, *self._fail(choice.reason)]
        if choice.finding is Finding.FOUND:
            return [note, *self._ask_match(now)]
        return [note, *self._ask_validation(now)]

    def _next_candidate(self, why: str, now: float, *, contradicted: bool = False) -> list[Action]:
        """``contradicted``: it has seen other toggles than ours, so it is not ours
        whatever else can be said for it."""
        refused = self._candidates.pop(0)
        if contradicted and refused in self._fallbacks:
            self._fallbacks.remove(refused)
        self._refusals = 0
        note = LinkNote(f"not {mac_text(refused.evse_mac)}: {why}")
        if self._candidates:
            return [note, *self._ask_validation(now)]
        if not self._fallbacks:
            return [note, *self._fail("no station passed the validation")]
        best = self._fallbacks[0]
        self._candidates = [best]
        taken = LinkNote(
            f"validation settled nothing: {mac_text(best.evse_mac)} is the nearest with {best.attenuation:.1f} dB"
        )
        return [note, taken, *self._ask_match(now)]

    # -- validation

    def _ask_validation(self, now: float) -> list[Action]:
        self.phase = EvPhase.VALIDATE
        self._sends = 0
        self._toggles = self._settings.c_vald_toggles or 1 + self._draw(1)[0] % 3
        self._timer_field = math.ceil(self._toggles * 2 * self._timing.tp_vald_level * 10 - 1e-9) + _SPARE
        return self._send_validation(0, now)

    def _send_validation(self, timer: int, now: float) -> list[Action]:
        self._sends += 1
        self._timers.set(_Timer.RESPONSE, now + self._timing.tt_match_response)
        return [self._send(self._candidates[0].evse_mac, ValidateReq(timer))]

    def _validated(self, message: ValidateCnf, source: bytes, now: float) -> list[Action]:
        if not self._candidates or source != self._candidates[0].evse_mac:
            return []
        if self.phase is EvPhase.VALIDATE:
            return self._first_step(message, now)
        if self.phase is EvPhase.TOGGLE and message.result is ValidateResult.READY:
            # It has not heard our second request, and counts all the same. It gives up after three of these.
            return [self._send(source, ValidateReq(self._timer_field))]
        if self.phase is EvPhase.TOGGLED:
            if message.result is ValidateResult.SUCCESS:
                self._timers.clear(_Timer.RESPONSE)
                if message.toggle_num == self._toggles:
                    return self._ask_match(now)
                return self._next_candidate(f"it saw {message.toggle_num} toggles", now, contradicted=True)
            if message.result is ValidateResult.READY:  # it has not heard our second request
                return self._second_step(now)
            return self._next_candidate("it gave the validation up", now)
        return []

    def _first_step(self, message: ValidateCnf, now: float) -> list[Action]:
        if message.result is ValidateResult.READY:
            self._timers.clear(_Timer.RESPONSE)
            self.phase = EvPhase.TOGGLE
            self._half_toggles = 0
            request = self._send(self._candidates[0].evse_mac, ValidateReq(self._timer_field))
            return [request, *self._toggle(now)]
        if message.result is ValidateResult.NOT_REQUIRED:
            return self._not_required(now)
        if message.result is ValidateResult.NOT_READY:
            self._refusals += 1
            if self._refusals <= self._settings.c_ev_match_retry:
                self._timers.set(_Timer.RESPONSE, now + self._timing.tt_matching_rate)
                self._sends = 0
                return []
        return self._next_candidate("it declined the validation", now)

    def _not_required(self, now: float) -> list[Action]:
        """It proves nothing, but the station would take us [V2G3-A09-51]."""
        candidate = self._candidates[0]
        if not self._settings.always_validate and candidate not in self._fallbacks:
            self._fallbacks.append(candidate)
        return self._next_candidate("it says that none is required", now)

    def _toggle(self, now: float) -> list[Action]:
        if self._half_toggles == 2 * self._toggles:
            self.phase = EvPhase.TOGGLED
            self._sends = 0
            spare = (_SPARE + 1) * 0.1
            self._timers.set(_Timer.RESPONSE, now + spare + self._timing.tt_match_response)
            return []
        shown = SignalState.B if self._half_toggles % 2 else SignalState.C
        self._half_toggles += 1
        self._timers.set(_Timer.TOGGLE, now + self._timing.tp_vald_level)
        return [ShowState(shown)]

    def _second_step(self, now: float) -> list[Action]:
        self._sends += 1
        window = (self._timer_field + 1) * 0.1
        self._timers.set(_Timer.RESPONSE, now + window + self._timing.tt_match_response)
        return [self._send(self._candidates[0].evse_mac, ValidateReq(self._timer_field))]

    # -- the match

    def _ask_match(self, now: float) -> list[Action]:
        self.phase = EvPhase.MATCH
        self._sends = 0
        return self._send_match(now)

    def _send_match(self, now: float) -> list[Action]:
        self._sends += 1
        evse_mac = self._candidates[0].evse_mac
        self._timers.set(_Timer.RESPONSE, now + self._timing.tt_match_response)
        return [self._send(evse_mac, SlacMatchReq(self._mac, evse_mac, self.run_id))]

    def _match_cnf(self, message: SlacMatchCnf, source: bytes) -> list[Action]:
        if self.phase is not EvPhase.MATCH or message.run_id != self.run_id:
            return []
        asked = self._candidates[0].evse_mac
        for who, there, wanted in (
            ("vehicle", message.pev_mac, self._mac),
            ("station", message.evse_mac, asked),
            ("sender", source, asked),
        ):
            if there != wanted:
                return self._names_wrong("CM_SLAC_MATCH.CNF", source, who, there, wanted)
        self._timers.clear_all()
        self.phase = EvPhase.MATCHED
        self.evse_mac = source
        # The NID as it comes: some stations choose one that is not derived from the
        # key, and theirs is the network.
        self.network = Network(message.nid, message.nmk)
        return [LinkNote(f"matched with {mac_text(source)}")]

    # -- time

    def due(self, now: float) -> list[Action]:
        """What the deadline brings."""
        actions: list[Action] = []
        while (timer := self._timers.pop(now)) is not None:
            actions += self._expired(timer, now)
        return actions

    def _expired(self, timer: _Timer, now: float) -> list[Action]:
        if timer is _Timer.PACE:
            return self._pace(now)
        if timer is _Timer.GATHER:
            return self._announce(now)
        if timer in (_Timer.RESULTS, _Timer.LATECOMERS):
            return self._decide(now)
        if timer is _Timer.TOGGLE:
            return self._toggle(now)
        return self._unanswered(now)

    def _unanswered(self, now: float) -> list[Action]:
        again = self._sends <= self._settings.c_ev_match_retry
        if self.phase is EvPhase.PARM:
            if not again:
                return self._fail("no station answered CM_SLAC_PARM.REQ")
            self._sends += 1
            self._timers.set(_Timer.RESPONSE, now + self._timing.tt_match_response)
            return [self._send(BROADCAST, SlacParmReq(self.run_id))]
        if self.phase is EvPhase.VALIDATE:
            return self._send_validation(0, now) if again else self._next_candidate("it is silent", now)
        if self.phase is EvPhase.TOGGLED:
            return self._second_step(now) if again else self._next_candidate("it is silent", now)
        return self._send_match(now) if again else self._fail("no answer to CM_SLAC_MATCH.REQ")

    def _names_wrong(
        self, message: str, source: bytes, who: str, there: bytes, wanted: bytes
    ) -> list[Action]:
        return [
            LinkNote(text) for text in self._ignored.add(named_wrong(message, source, who, there, wanted))
        ]

    def _fail(self, reason: str) -> list[Action]:
        self._timers.clear_all()
        self.phase = EvPhase.FAILED
        self.reason = self._ignored.told_with(reason)
        return []

    def _send(self, destination: bytes, message: Message) -> Action:
        return SendFrame(Frame(destination, self._mac, message))
