"""The matching processes of a station, all vehicles together: who is let in, who gives way, who is matched,
and what each of them hears.

Everybody on the line may ask. A vehicle that sounds nothing, or that is heard weakly, never
keeps out one that is heard well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum

from iso15118.link.deadlines import earliest

from .evse_matching import EvseMatching, EvsePhase
from .frames import Frame, mac_text
from .keys import Network
from .messages import AttenProfileInd, SlacMatchReq, ValidateCnf, ValidateReq, ValidateResult
from .settings import SlacSettings, SlacTiming

__all__ = ["Claim", "Runs"]

Key = tuple[bytes, bytes]


class Claim(Enum):
    """What a request to be matched comes to."""

    NOTHING = "nothing new"
    MATCHED = "the vehicle has the network and joins"
    ANEW = "the matched vehicle has lost its state; another key, and its next request is answered"
    NEARER = "a nearer vehicle takes the place of who joins; another key, and its next request is answered"


class Runs:
    """Processes by vehicle and run identifier, in the order in which they came."""

    def __init__(self, mac: bytes, settings: SlacSettings, timing: SlacTiming) -> None:
        self._mac, self._settings, self._timing = mac, settings, timing
        self._runs: dict[Key, EvseMatching] = {}
        self.matched: EvseMatching | None = None
        """The process of the vehicle that is matched or joins."""
        self._matched_db = math.inf
        self.rematches = 0
        """How often the matched vehicle may still be matched anew."""

    def __iter__(self) -> Iterator[EvseMatching]:
        return iter(tuple(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def deadline(self) -> float | None:
        """When one of them has something to do."""
        return earliest(run.deadline for run in self._runs.values())

    def of(self, source: bytes, run_id: bytes) -> EvseMatching | None:
        """This process, if there is one."""
        return self._runs.get((source, run_id))

    def all_of(self, source: bytes) -> list[EvseMatching]:
        """Every process of this vehicle."""
        return [run for run in self._runs.values() if run.ev_mac == source]

    def admit(self, source: bytes, run_id: bytes) -> EvseMatching | None:
        """The process to go on with, or a new one; None where there is no room. Who
        is matched never gives way."""
        run = self._runs.get((source, run_id))
        if run is not None:
            return run
        own = [run for run in self.all_of(source) if run is not self.matched]
        if len(own) >= self._settings.c_runs_per_vehicle:
            self.drop(next((run for run in own if not run.sounded), own[0]))
        elif len(self._runs) >= self._settings.c_evse_match_parallel:
            victim = self._least()
            if victim is None:
                return None
            self.drop(victim)
        run = EvseMatching(self._mac, source, run_id, self._settings, self._timing)
        self._runs[source, run_id] = run
        return run

    def _least(self) -> EvseMatching | None:
        """The one to lose least with: the oldest without a sound, then the one that is heard the weakest."""
        others = [run for run in self._runs.values() if run is not self.matched]
        silent = next((run for run in others if not run.sounded), None)
        if silent is not None:
            return silent
        measured = [run for run in others if run.attenuation is not None and not run.validating]
        return max(measured, key=lambda run: run.attenuation or 0.0, default=None)

    def drop(self, run: EvseMatching) -> None:
        """It is over, or gives way."""
        self._runs.pop((run.ev_mac, run.run_id), None)

    def adopt(self, run: EvseMatching) -> None:
        """This one goes on, and the others are over."""
        self._runs = {(run.ev_mac, run.run_id): run}

    def clear(self) -> None:
        """All are over, and nobody is matched."""
        self._runs.clear()
        self.matched = None

    def profile(self, message: AttenProfileInd, now: float) -> list[Frame]:
        """The own modem measured a sound."""
        frames: list[Frame] = []
        for run in self.all_of(message.pev_mac):
            frames += run.profile(message, now)
        return frames

    def toggled(self, count: int) -> None:
        """The pilot was toggled, or that was a glitch (-1)."""
        for run in self._runs.values():
            run.toggled(count)

    # -- who is matched

    def request(
        self, source: bytes, message: SlacMatchReq, network: Network | None, *, linked: bool, in_b: bool
    ) -> tuple[list[Frame], list[str], Claim]:
        """CM_SLAC_MATCH.REQ: what goes out, what there is to say, and what it comes to. ``linked``: the link
        is up; ``in_b``: the pilot shows that no energy flows."""
        run = self.of(source, message.run_id)
        if run is None:
            return [], self._unknown(source, message), Claim.NOTHING
        if run.phase is EvsePhase.MATCH and self.matched is not None and run.names_us(message):
            if linked:
                return [], *self._anew(run, in_b=in_b)
            if source != self.matched.ev_mac:
                return [], *self._nearer(run, self.matched)
        if self.matched is None and self._waits_for_nearer(run):
            return [], [], Claim.NOTHING
        before = run.phase
        frames = run.match(message, network)
        if run.phase is not EvsePhase.MATCHED or before is EvsePhase.MATCHED:
            return frames, [], Claim.NOTHING
        self.matched, self._matched_db = run, run.attenuation or 0.0
        return frames, [f"matched with {mac_text(source)}"], Claim.MATCHED

    def _unknown(self, source: bytes, message: SlacMatchReq) -> list[str]:
        known = [run for run in self.all_of(source) if run is not self.matched]
        text = f"CM_SLAC_MATCH.REQ of {mac_text(source)} is for run {message.run_id.hex()}, which is not under way"
        return [note for run in known[-1:] for note in run.ignored.add(text)]

    def _anew(self, run: EvseMatching, *, in_b: bool) -> tuple[list[str], Claim]:
        """On the same cable a vehicle is heard as it was; anybody else, and any other moment, is refused."""
        as_before = abs((run.attenuation or 0.0) - self._matched_db) < self._settings.margin
        same = self.matched is not None and run.ev_mac == self.matched.ev_mac
        if not (as_before and same and in_b and self.rematches > 0):
            return [], Claim.NOTHING
        self.rematches -= 1
        self._only(run)
        return [f"{mac_text(run.ev_mac)} has lost its state and is matched anew"], Claim.ANEW

    def _nearer(self, run: EvseMatching, joining: EvseMatching) -> tuple[list[str], Claim]:
        if (run.attenuation or 0.0) > self._matched_db - self._settings.margin:
            return [], Claim.NOTHING
        self._only(run)
        note = f"{mac_text(run.ev_mac)} is nearer than {mac_text(joining.ev_mac)}, which was joining"
        return [note], Claim.NEARER

    def _only(self, run: EvseMatching) -> None:
        self.adopt(run)
        self.matched = None

    def _waits_for_nearer(self, run: EvseMatching) -> bool:
        """Somebody who is heard better is about to be matched, so this one's request
        is left to its repetition."""
        own = run.attenuation or 0.0
        return any(
            other.about_to_match and other.ev_mac != run.ev_mac and (other.attenuation or 0.0) < own
            for other in self._runs.values()
        )

    def validate(self, source: bytes, message: ValidateReq, now: float) -> list[Frame]:
        """CM_VALIDATE.REQ, which has no run identifier. One vehicle at a time; one that is heard
        better need not wait for it."""
        run = next((run for run in reversed(self.all_of(source)) if run.phase is EvsePhase.MATCH), None)
        if run is None:
            return []
        busy = next((other for other in self._runs.values() if other.validating), None)
        if busy is not None and busy is not run:
            if (run.attenuation or 0.0) >= (busy.attenuation or 0.0):
                return [Frame(source, self._mac, ValidateCnf(0, ValidateResult.NOT_READY))]
            busy.give_way()
        return run.handle(message, now)
