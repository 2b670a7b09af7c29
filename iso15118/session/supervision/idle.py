"""Between sessions: nothing is asked of the hardware, so contactors are open, nothing flows,
and the output is discharged.

A driver looks once a second. As long as there is a finding, the connector is fit for nobody.
"""

from __future__ import annotations

import math
from typing import Final

from iso15118.session.events import InletMeasured, PowerMeasured

from .limits import SupervisionLimits
from .rules import Finding, Reaction, Rule, Watch, worse

__all__ = ["NO_COIL_W", "IdleSupervisor"]

_CONTACTORS_S = 0.3
"""The feedback of contactors may be so late."""
NO_COIL_W: Final = 50.0
"""Up to this nothing flows through a pad or a coil: electronics and noise."""
_GAP_S = 5.0
"""So long without a look, which comes once a second, and what was seen before proves nothing of now."""


class IdleSupervisor:
    """Judges a connector that serves nobody, or an inlet that is not charged. It may be asked from the end of
    a session on, or at any time later. ``voltage``: look at that, too; what an inlet shows is the station's,
    and contactors stand between."""

    def __init__(self, limits: SupervisionLimits, *, voltage: bool = True) -> None:
        rule, fault = Rule.CURRENT_WITHOUT_PERMISSION, Reaction.FAULT
        self._none_a = limits.beyond(rule, limits.no_current_a)
        self._none_ac_a = limits.beyond(rule, limits.ac_no_current_a)
        self._none_w = limits.beyond(rule, NO_COIL_W)
        self._safe_v = limits.beyond(Rule.VOLTAGE_AFTER_END, limits.touch_safe_v) if voltage else math.inf
        self._level_on = limits.contactor_s is not None and Rule.CONTACTOR_LEVEL not in limits.off
        self._level, self._current, self._alternating, self._coil, self._voltage = self._watches = tuple(
            Watch(rule, what, (seconds, fault), gap_s=_GAP_S)
            for rule, what, seconds in (
                (Rule.CONTACTOR_LEVEL, "(1: closed)", _CONTACTORS_S),
                (rule, "A between sessions", limits.settle_s),
                (rule, "A in a phase between sessions", limits.settle_s),
                (rule, "W at the coil between sessions", limits.settle_s),
                (Rule.VOLTAGE_AFTER_END, "V between sessions", limits.discharge_s),
            )
        )
        self._found: dict[Watch, Finding] = {}

    def begin(self) -> None:
        """A session is over, or looking begins: what was seen before that proves nothing of now."""
        for watch in self._watches:
            watch.forget()
        self._found.clear()

    def look(
        self,
        measured: PowerMeasured | InletMeasured | None,
        contactors_closed: bool,
        now: float,
        *,
        alternating_a: float = 0.0,
        coil_w: float = 0.0,
    ) -> Finding | None:
        """One look at ``now`` (s, any monotonic clock). ``measured``: direct current and its voltage; None
        where there is none, or no reading that is young enough to show anything, which the caller judges.
        ``alternating_a``: the greatest current of a phase in A, ``coil_w``: the power of a pad or a coil in
        W, where there are such; each is judged by its own figure. The finding for as long as it holds, the
        worst of several in the order contactors, current, voltage; None when the connector is as it should
        be."""
        self._see(self._level, self._level_on and contactors_closed, 1.0, 0.0, now)
        values = [(self._alternating, alternating_a, self._none_ac_a), (self._coil, coil_w, self._none_w)]
        if measured is not None:
            values.append((self._current, measured.current_a, self._none_a))
            values.append((self._voltage, measured.voltage_v, self._safe_v))
        for watch, value, limit in values:
            # Written so that what is no number is a finding, too.
            self._see(watch, limit < math.inf and not abs(value) <= limit, abs(value), limit, now)
        found = None
        for watch in self._watches:
            found = worse(found, self._found.get(watch))
        return found

    def _see(self, watch: Watch, broken: bool, value: float, limit: float, now: float) -> None:
        finding = watch.look(broken, value, limit, now)
        if finding is not None:
            self._found[watch] = finding
        elif watch.since is None:
            self._found.pop(watch, None)
