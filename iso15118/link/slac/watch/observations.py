"""What a listener's parts share: the runs seen so far, the yardsticks, and the way sentences are made."""

from __future__ import annotations

from iso15118.link.slac.frames import BROADCAST, Frame, mac_text
from iso15118.link.slac.settings import SlacSettings, SlacTiming

from .labels import Kind, Sentence, message_name
from .processes import Run, Runs

__all__ = ["Notebook", "after"]


class Notebook:
    """``now`` is the time of the frame that is being read."""

    def __init__(self, settings: SlacSettings, timing: SlacTiming) -> None:
        self.settings, self.timing = settings, timing
        self.runs = Runs()
        self.now = 0.0
        self.refused = 0

    def run(self, vehicle: bytes, run_id: bytes, now: float) -> Run | None:
        """The run that a message carries; None if the vehicle is known to be in another one."""
        run = self.runs.find(vehicle, run_id)
        if run is None and self.runs.latest(vehicle) is None:
            run = self.runs.begin(vehicle, run_id, now, from_start=False)
        return run

    def who(self, mac: bytes) -> str:
        """An address, with the role that it has shown."""
        if mac == BROADCAST:
            return "all"
        if mac == self.settings.modem:
            return "own modem"
        role = self.runs.role(mac)
        return f"{role} {mac_text(mac)}" if role else mac_text(mac)

    def say(self, kind: Kind, text: str, data: dict[str, object]) -> Sentence:
        """Something that happened now."""
        return Sentence(self.now, kind, text, data)

    def refuse(self, text: str, data: dict[str, object]) -> Sentence:
        """A frame that nobody may act on."""
        self.refused += 1
        return self.say(Kind.REFUSED, text, data)

    def tell(self, kind: Kind, run: Run, text: str, **data: object) -> Sentence:
        """Something that happened in a run."""
        about: dict[str, object] = {"vehicle": mac_text(run.vehicle), "run_id": run.run_id.hex()}
        return self.say(kind, text, about | data)

    def wrong_run(self, frame: Frame, vehicle: bytes, run_id: bytes) -> Sentence:
        """A message of a run that is not the vehicle's."""
        latest = self.runs.latest(vehicle)
        asked = "" if latest is None else f", and EV {mac_text(vehicle)} is in {latest.run_id.hex()}"
        text = f"{message_name(frame.mmtype)} of {self.who(frame.source)} carries run {run_id.hex()}{asked}: it has to be ignored"
        return self.refuse(text, {"vehicle": mac_text(vehicle), "run_id": run_id.hex()})

    def outcome(self, run: Run) -> Sentence:
        """What became of a run, which nothing is expected of any more."""
        run.told = True
        began = "" if run.from_start else ", which had begun before,"
        text = f"run {run.run_id.hex()} of EV {mac_text(run.vehicle)}{began}: {run.reached()}"
        matched = None if run.matched is None else mac_text(run.matched)
        return self.tell(Kind.OUTCOME, run, text, station=matched, link=run.linked)


def after(took: float | None, allowed: float, what: str = "") -> str:
    """How long something took, and whether that is more than the standard gives it;
    nothing if that is not known."""
    if took is None:
        return ""
    text = f" {took * 1000:.0f} ms after {what}" if what else f" after {took * 1000:.0f} ms"
    return text if took <= allowed else f"{text} ({allowed * 1000:.0f} ms are allowed)"
