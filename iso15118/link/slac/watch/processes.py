"""What a listener remembers: matching processes, the stations in each, and who is nearest. When there
is no room the oldest goes."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct, field

from iso15118.link.slac.attenuation import Answer, Choice, choose
from iso15118.link.slac.frames import mac_text
from iso15118.link.slac.settings import SlacSettings

__all__ = ["Run", "Runs", "StationSeen"]

_MOST_RUNS = 32
_MOST_STATIONS = 64
MOST_PROFILES = 64


class StationSeen(Struct):
    """A station in one run. ``answer``: the mean attenuation that it told, in dB."""

    mac: bytes
    offered_at: float | None = None
    answer: float | None = None
    told_at: float | None = None
    accepted_at: float | None = None


class Run(Struct):
    """One matching process: a vehicle and its run identifier."""

    vehicle: bytes
    run_id: bytes
    began: float
    from_start: bool
    stations: dict[bytes, StationSeen] = field(default_factory=dict)
    requests: int = 0
    requested_at: float = 0.0
    announcements: int = 0
    announced_at: float | None = None
    sounds: int = 0
    profiles: list[bytes] = field(default_factory=list)
    empty_profiles: int = 0
    validating: bytes | None = None
    chosen: bytes | None = None
    choices: int = 0
    chosen_at: float = 0.0
    matched: bytes | None = None
    matched_at: float = 0.0
    linked: bool = False
    told: bool = False
    """Whether its outcome has been told."""

    def station(self, mac: bytes) -> StationSeen:
        """The station with this address, from now on known."""
        found = self.stations.get(mac)
        if found is None:
            found = StationSeen(mac)
            if len(self.stations) < _MOST_STATIONS:
                self.stations[mac] = found
        return found

    def ranked(self) -> list[tuple[StationSeen, float]]:
        """Stations that told an attenuation, nearest first."""
        answers = [(s, s.answer) for s in self.stations.values() if s.answer is not None]
        return sorted(answers, key=lambda pair: pair[1])

    def judged(self, settings: SlacSettings) -> Choice:
        """What a vehicle of ours would decide on what was told so far."""
        answers = [Answer(station.mac, answer) for station, answer in self.ranked()]
        silent = sum(s.offered_at is not None and s.answer is None for s in self.stations.values())
        return choose(answers, settings, silent=silent)

    def reached(self) -> str:
        """How far it went."""
        if self.linked:
            return f"matched with {mac_text(self.matched or b'')}, link up"
        if self.matched is not None:
            return f"matched with {mac_text(self.matched)}; no link status seen"
        if self.chosen is not None:
            return f"not matched: {mac_text(self.chosen)} did not answer CM_SLAC_MATCH.REQ"
        if self.validating is not None:
            return f"not matched: it ended in the validation with {mac_text(self.validating)}"
        if self.ranked():
            return "not matched: stations told their attenuation, and none was asked for the match"
        if self.sounds:
            return "not matched: no station told what it heard of the sounds"
        if self.announcements:
            return "not matched: sounds were announced and none was seen"
        if any(s.offered_at is not None for s in self.stations.values()):
            return "not matched: a station answered, and the vehicle did not sound"
        return "not matched: no station answered CM_SLAC_PARM.REQ of this run"


class Runs:
    """All of them."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[bytes, bytes], Run] = OrderedDict()

    def find(self, vehicle: bytes, run_id: bytes) -> Run | None:
        """The run of this vehicle with this identifier."""
        return self._runs.get((vehicle, run_id))

    def begin(self, vehicle: bytes, run_id: bytes, now: float, *, from_start: bool) -> Run:
        """A run that is new. ``from_start``: its first message was seen."""
        self._runs.pop((vehicle, run_id), None)  # some vehicles use one identifier for ever
        run = self._runs[(vehicle, run_id)] = Run(vehicle, run_id, now, from_start)
        return run

    def crowded(self) -> Run | None:
        """The oldest run, forgotten now, when there are too many."""
        return self._runs.popitem(last=False)[1] if len(self._runs) > _MOST_RUNS else None

    def latest(self, vehicle: bytes) -> Run | None:
        """The vehicle's newest run."""
        return next((run for run in reversed(self._runs.values()) if run.vehicle == vehicle), None)

    def sounding(self, vehicle: bytes) -> Run | None:
        """The vehicle's newest run if it sounds: profiles carry no run identifier."""
        run = self.latest(vehicle)
        return run if run is not None and run.announcements and run.chosen is None else None

    def role(self, mac: bytes) -> str:
        """EV or EVSE, by what this address did last; empty if it is not known."""
        for run in reversed(self._runs.values()):
            if run.vehicle == mac:
                return "EV"
            if mac in run.stations:
                return "EVSE"
        return ""

    def all(self) -> list[Run]:
        """In the order in which they began."""
        return list(self._runs.values())
