"""The matching processes of a station, all vehicles together: who is let in, who gives way, and what each of them hears.

Everybody on the line may ask. A vehicle that sounds nothing, or that is heard weakly, never keeps out one that is heard well.
"""

from __future__ import annotations

from collections.abc import Iterator

from iso15118.link.deadlines import earliest

from .evse_matching import EvseMatching, EvsePhase
from .frames import Frame
from .messages import AttenProfileInd, ValidateCnf, ValidateReq, ValidateResult
from .settings import SlacSettings, SlacTiming

__all__ = ["Runs"]

Key = tuple[bytes, bytes]


class Runs:
    """Processes by vehicle and run identifier, in the order in which they came."""

    def __init__(self, mac: bytes, settings: SlacSettings, timing: SlacTiming) -> None:
        self._mac, self._settings, self._timing = mac, settings, timing
        self._runs: dict[Key, EvseMatching] = {}

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

    def admit(self, source: bytes, run_id: bytes, *, keep: EvseMatching | None) -> EvseMatching | None:
        """The process to go on with, or a new one; None where there is no room. ``keep`` never gives way."""
        run = self._runs.get((source, run_id))
        if run is not None:
            return run
        own = [run for run in self.all_of(source) if run is not keep]
        if len(own) >= self._settings.runs_per_vehicle:
            self.drop(next((run for run in own if not run.sounded), own[0]))
        elif len(self._runs) >= self._settings.c_evse_match_parallel:
            victim = self._least(keep)
            if victim is None:
                return None
            self.drop(victim)
        run = EvseMatching(self._mac, source, run_id, self._settings, self._timing)
        self._runs[source, run_id] = run
        return run

    def _least(self, keep: EvseMatching | None) -> EvseMatching | None:
        """The one to lose least with: the oldest without a sound, then the one that is heard the weakest."""
        others = [run for run in self._runs.values() if run is not keep]
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
        """All are over."""
        self._runs.clear()

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

    def waits_for_nearer(self, run: EvseMatching) -> bool:
        """Somebody who is heard better is about to be matched, so this one's request is left to its repetition."""
        own = run.attenuation or 0.0
        return any(
            other.about_to_match and other.ev_mac != run.ev_mac and (other.attenuation or 0.0) < own
            for other in self._runs.values()
        )

    def validate(self, source: bytes, message: ValidateReq, now: float) -> list[Frame]:
        """CM_VALIDATE.REQ, which has no run identifier. One vehicle at a time; one that is heard better need not wait for it."""
        run = next((run for run in reversed(self.all_of(source)) if run.phase is EvsePhase.MATCH), None)
        if run is None:
            return []
        busy = next((other for other in self._runs.values() if other.validating), None)
        if busy is not None and busy is not run:
            if (run.attenuation or 0.0) >= (busy.attenuation or 0.0):
                return [Frame(source, self._mac, ValidateCnf(0, ValidateResult.NOT_READY))]
            busy.give_way()
        return run.handle(message, now)
