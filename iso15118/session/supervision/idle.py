"""Between sessions: nothing is asked of the hardware, so contactors are open, nothing flows,
and the output is discharged.

A driver looks once a second. As long as there is a finding, the connector is fit for nobody.
"""

from __future__ import annotations

import math

from iso15118.session.events import InletMeasured, PowerMeasured

from .limits import SupervisionLimits
from .rules import Finding, Reaction, Rule, Watch, worse

__all__ = ["IdleSupervisor"]

_CONTACTORS_S = 0.3
"""The feedback of contactors may be so late."""


class IdleSupervisor:
    """Judges a connector that serves nobody, or an inlet that is not charged. It may be asked from the end of
    a session on, or at any time later. ``voltage``: look at that, too; what an inlet shows is the station's,
    and contactors stand between. ``alternating``: there is another side than direct current, so that less
    counts as one; what a sensor of direct current shows of none comes as 0 A then."""

    def __init__(self, limits: SupervisionLimits, *, voltage: bool = True, alternating: bool = False) -> None:
        none_a = limits.ac_no_current_a if alternating else limits.no_current_a
        self._none_a = limits.beyond(Rule.CURRENT_WITHOUT_PERMISSION, none_a)
        self._safe_v = limits.beyond(Rule.VOLTAGE_AFTER_END, limits.touch_safe_v) if voltage else math.inf
        self._level_on = limits.contactor_s is not None and Rule.CONTACTOR_LEVEL not in limits.off
        fault = Reaction.FAULT
        self._level = Watch(Rule.CONTACTOR_LEVEL, "(1: closed)", (_CONTACTORS_S, fault))
        self._current = Watch(Rule.CURRENT_WITHOUT_PERMISSION, "A between sessions", (limits.settle_s, fault))
        self._voltage = Watch(Rule.VOLTAGE_AFTER_END, "V between sessions", (limits.discharge_s, fault))
        self._found: dict[Watch, Finding] = {}

    def look(
        self, measured: PowerMeasured | InletMeasured | None, contactors_closed: bool, now: float
    ) -> Finding | None:
        """One look at ``now`` (s, any monotonic clock); ``measured`` None: there is no reading, or none that
        is young enough to show anything, which the caller judges. The finding for as long as it holds, the
        worst of several in the order contactors, current, voltage; None when the connector is as it should
        be."""
        self._see(self._level, self._level_on and contactors_closed, 1.0, 0.0, now)
        if measured is not None:
            current, voltage = measured.current_a, measured.voltage_v
            # Written so that what is no number is a finding, too.
            for watch, value, limit in (
                (self._current, abs(current), self._none_a),
                (self._voltage, abs(voltage), self._safe_v),
            ):
                self._see(watch, limit < math.inf and not value <= limit, value, limit, now)
        found = None
        for watch in (self._level, self._current, self._voltage):
            found = worse(found, self._found.get(watch))
        return found

    def _see(self, watch: Watch, broken: bool, value: float, limit: float, now: float) -> None:
        finding = watch.look(broken, value, limit, now)
        if finding is not None:
            self._found[watch] = finding
        elif watch.since is None:
            self._found.pop(watch, None)
