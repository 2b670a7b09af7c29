"""When what the application tells of a level was measured, judged while a session runs.

A session drops a reading that is older than the last one. Of readings that come in a stream the next one
takes its place, and a rule ends a session that gets none. The insulation holds until another one is told, and
a second voltage is compared only where there is one: nothing would notice that each one is dropped.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec.structs import replace

from iso15118.session import events as ev
from iso15118.session.checks import taken_at

__all__ = ["ToldTimes"]

_OUT_OF_ORDER_S: Final = 5.0
"""So late a reading may overtake another one on its way here."""
_TOO_OLD_S: Final = 60.0
_PORTS: Final = {ev.InsulationMeasured: "insulation", ev.SecondVoltageMeasured: "second voltage"}


class ToldTimes:
    """The times of one session's ``InsulationMeasured`` and ``SecondVoltageMeasured``."""

    def __init__(self) -> None:
        self._last: dict[type[ev.Event], float] = {}
        self._insulation = ev.InsulationMeasured(math.inf)
        self._faults: dict[type[ev.Event], ev.HardwareFault] = {}

    def judged(self, event: ev.Event, now: float) -> ev.Event:
        """What the session is to be told at ``now``, a time of the loop's clock in s: the event, or a
        ``HardwareFault`` for a time of another clock, always the same one.

        An insulation that is worse than the last one and a little older counts as measured now, since it may
        be the only word of a monitor that tells changes.
        """
        kind = type(event)
        if not isinstance(event, ev.InsulationMeasured | ev.SecondVoltageMeasured):
            return event
        at, last = event.at, self._last.get(kind, -math.inf)
        why = ""
        if at is not None and last - at > _OUT_OF_ORDER_S:
            why = f"{last - at:.1f} s older than the one before"
        elif at is not None and now - at > _TOO_OLD_S and isinstance(event, ev.SecondVoltageMeasured):
            why = f"{now - at:.1f} s old"
        if why:
            what = f"{kind.__name__}.at is {why}: the time is of another clock than loop.time()"
            return self._faults.setdefault(kind, ev.HardwareFault(_PORTS[kind], what))
        taken = taken_at(at, now, last)
        if isinstance(event, ev.InsulationMeasured):
            if taken is None and _is_worse(event, self._insulation):
                event, taken = replace(event, at=None), now
            if taken is not None:
                self._insulation = event
        if taken is not None:
            self._last[kind] = taken
        return event


def _is_worse(one: ev.InsulationMeasured, other: ev.InsulationMeasured) -> bool:
    return one.resistance_ohm < other.resistance_ohm or (one.to_earth_v or 0.0) > (other.to_earth_v or 0.0)
