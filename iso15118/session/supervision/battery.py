"""The battery behind an on-board charger or a coil: what its management reports is judged while energy comes
that way. With direct current the supervisor of the inlet does so.

Sans-I/O and without any edition, as the other supervisors.
"""

from __future__ import annotations

import math

from .limits import SupervisionLimits
from .rules import Finding, Reaction, Rule, Watch

__all__ = ["BatterySupervisor"]

_INF = math.inf


class BatterySupervisor:
    """Judges the reports of one battery while its vehicle takes or gives energy by AC or without a wire.
    Times are those of the session's clock, in s."""

    def __init__(self, limits: SupervisionLimits) -> None:
        self.limits = limits
        self.told_at = self._waited_from = -_INF
        """When the last report was made, and from when on one is waited for."""
        self.fresh_until = _INF
        """Until then it is young enough; infinite if nobody minds."""
        self._hot = False
        self._stale_s = limits.beyond(Rule.STALE_READINGS, limits.stale_s)
        self._hot_on = Rule.INLET_HOT not in limits.off
        stages = (limits.hot_stop_s, Reaction.STOP), (limits.battery_fault_s, Reaction.FAULT)
        self._w_charger = Watch(Rule.INLET_HOT, "A in a phase at the charger", *stages, gap_s=limits.gap_s)
        self._w_coil = Watch(Rule.INLET_HOT, "W at the coil", *stages, gap_s=limits.gap_s)

    def wait_from(self, now: float) -> None:
        """Energy may flow: reports are waited for from now on. That makes the last one no younger."""
        self._waited_from = now
        self.fresh_until = max(self.told_at, now) + self._stale_s

    def told(self, hot: bool, at: float) -> None:
        """The battery's management reports at ``at`` whether the inlet is hot. A report that is older than
        the last is dropped."""
        if at < self.told_at:
            return
        self._hot, self.told_at = hot, at
        if self.fresh_until < _INF:
            self.fresh_until = max(at, self._waited_from) + self._stale_s

    def charger(self, current_a: float, now: float) -> Finding | None:
        """The greatest current of a phase at the on-board charger, in A."""
        return self._flows(self._w_charger, current_a, self.limits.ac_none_a, now)

    def coil(self, power_w: float, now: float) -> Finding | None:
        """The power of the coil, in W; what counts as none is ``no_power_w``, as when it has to stop."""
        return self._flows(self._w_coil, power_w, self.limits.no_power_w, now)

    def _flows(self, watch: Watch, value: float, none: float, now: float) -> Finding | None:
        return watch.look(self._hot_on and self._hot and value > none, value, none, now)

    def stale(self, now: float) -> Finding | None:
        """No report is young enough; told again whenever so much time has passed again."""
        if self.fresh_until > now:
            return None
        since = max(self.told_at, self._waited_from)
        self.wait_from(now)
        what, reaction = "s without a reading of the battery", self.limits.stale_reaction
        return Finding(Rule.STALE_READINGS, now - since, self._stale_s, since, reaction, what)
