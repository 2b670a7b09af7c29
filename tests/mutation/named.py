"""Mutants with a name: mistakes that no test noticed once. All of them must be killed.

A text of the source stands for the place, so that the list says when it has moved; what
comes of it is written beside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .mutants import Mutant, place
from .project import Project

__all__ = ["NAMED", "Named", "named"]


@dataclass(frozen=True)
class Named:
    """``was`` stands once in the files below ``where``, and becomes ``is_now``."""

    name: str
    where: str
    was: str
    is_now: str


NAMED = (
    Named(
        "every end of the station is orderly",
        "iso15118/secc",
        "urgency = Urgency.ORDERLY if reason.orderly else Urgency.EMERGENCY",
        "urgency = Urgency.ORDERLY",
    ),
    Named(
        "a vehicle that breaks off in an emergency does so in order",
        "iso15118/evcc/iso20/script.py",
        "urgency = Urgency.ORDERLY if orderly else Urgency.EMERGENCY",
        "urgency = Urgency.ORDERLY",
    ),
    Named(
        "the vehicle's stop does not stop the power",
        "iso15118/evcc/iso20/energy.py",
        'talk.act(StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))',
        'talk.act(OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))',
    ),
    Named(
        "no timer for the control pilot",
        "iso15118/secc",
        "timers.set(Timer.CONTROL_PILOT, facts.now + timing.control_pilot_change)",
        "timers.clear(Timer.CONTROL_PILOT)",
    ),
    Named(
        "the pilot leaves C while contactors still are closed, and nobody minds",
        "iso15118/secc",
        "if (self._facts.energized and self._stage.live) or self._facts.contactors_closed:",
        "if self._facts.energized and self._stage.live:",
    ),
    Named(
        "the station never stops by itself after Terminate",
        "iso15118/secc",
        "self.timers.set(Timer.STOP, facts.stop_deadline)",
        "self.timers.clear(Timer.STOP)",
    ),
    Named(
        "a cable check at 1.3 times the vehicle's voltage",
        "iso15118",
        "min(1.1 * vehicle_maximum_v, station_maximum_v)",
        "min(1.3 * vehicle_maximum_v, station_maximum_v)",
    ),
    Named(
        "opening does not cancel a closing that is under way",
        "iso15118/aio",
        'self._port.call("open", urgency, reason), RANK[urgency], anew=anew)\n        if self._lane.call is not None:\n'
        "            self._echo.after(self._lane.call)\n            self._lane.drop()",
        'self._port.call("open", urgency, reason), RANK[urgency], anew=anew)\n        if self._lane.call is not None:\n'
        "            self._echo.after(self._lane.call)",
    ),
    Named(
        "60 s are allowed after a MeteringConfirmation",
        "iso15118/secc",
        "if not beside:  # there the vehicle has its own pace, and the loop keeps its own",
        "if True:  # there the vehicle has its own pace, and the loop keeps its own",
    ),
    Named(
        "a poll does not hear a wish to stop",
        "iso15118/evcc/iso20/exchange.py",
        "if talk.stop_wanted:",
        "if False:",
    ),
    Named(
        "an inlet of 78 V is taken for one without voltage",
        "iso15118/evcc",
        "welding_voltage_v: Annotated[float, Meta(ge=1.0, le=120.0)] = 60.0",
        "welding_voltage_v: Annotated[float, Meta(ge=1.0, le=120.0)] = 78.0",
    ),
)


def named(project: Project) -> list[Mutant]:
    """The mutants of the list. Raises ``LookupError`` for a text that does not stand there once."""
    made, wrong = [], []
    for one in NAMED:
        was = one.was.encode()
        files = {
            file: project.read(file) for file in project.files() if f"{file}/".startswith(f"{one.where}/")
        }
        places = [file for file, source in files.items() for _ in range(source.count(was))]
        if len(places) != 1:
            wrong.append(f"{one.name}: its text stands {len(places)} times below {one.where}: {one.was}")
            continue
        source = files[places[0]]
        start = source.index(was)
        mutant = place(places[0], source, start, start + len(was), one.is_now)
        made.append(replace(mutant, mutation=one.name))
    if wrong:
        raise LookupError("write down in tests/mutation/named.py where it stands now: " + "; ".join(wrong))
    return made
