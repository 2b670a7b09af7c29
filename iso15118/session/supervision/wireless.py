"""The supervisor of wireless power, of either role: what is measured against what was told.

Sans-I/O and without any edition, as the other supervisors. Where nothing was told, nothing may flow.
"""

from __future__ import annotations

import math

from .limits import SupervisionLimits
from .rules import Ceiling, Finding, Rule, Watch, worse

__all__ = ["WirelessSupervisor"]

_INF = math.inf


class WirelessSupervisor:
    """Judges one pad, or one coil in a vehicle, in one session. Times are those of
    the session's clock, in s."""

    def __init__(self, limits: SupervisionLimits, *, where: str) -> None:
        self.limits = limits
        self.sampled_at = -_INF
        """When the youngest sample was measured."""
        self.fresh_until = _INF
        """Until then it is young enough; infinite if nobody minds."""
        self._ceiling = Ceiling()
        self._stopped = True
        beyond, at = limits.beyond, limits
        self._stale_s = beyond(Rule.STALE_READINGS, at.stale_s)
        self._over_w = beyond(Rule.OVER_POWER, at.over_power_w)
        self._none_w = beyond(Rule.CURRENT_WITHOUT_PERMISSION, at.no_power_w)
        watts = f"W {where}"
        # The power is all that is measured of a coil: too much of it is what too much current is elsewhere.
        self._w_power = Watch(Rule.OVER_POWER, watts, (at.over_power_s, at.over_current_reaction))
        self._w_permission = Watch(
            Rule.CURRENT_WITHOUT_PERMISSION, watts, (at.no_current_s, at.no_current_reaction)
        )

    def told_power(self, power_w: float, now: float) -> None:
        """So much may flow from now on; less has its time to be obeyed."""
        if self.fresh_until == _INF:
            self._sampled(max(self.sampled_at, now))
        self._stopped = False
        self._ceiling.ask(power_w, now, self.limits.ac_adapt_s, _INF, _INF)

    def stop(self, emergency: bool, now: float) -> None:
        """Nothing may flow any more."""
        self._stopped = True
        hold = self.limits.settle_s if emergency else self.limits.ac_stop_s
        self._ceiling.ask(0.0, now, hold, _INF, _INF)

    def measured(self, power_w: float, at: float, now: float) -> Finding | None:
        """One sample, measured at ``at`` and told at ``now``."""
        if at > self.sampled_at:
            self._sampled(at)
        allowed = self._ceiling.at(now)
        over = allowed * (1.0 + self.limits.over_power_share) + self._over_w
        found = self._w_power.look(not self._stopped and power_w > over, power_w, over, now)
        none = allowed + self._none_w
        return worse(found, self._w_permission.look(self._stopped and power_w > none, power_w, none, now))

    def stale(self, now: float) -> Finding | None:
        """No sample is young enough; told again whenever so much time has passed again."""
        if self.fresh_until > now:
            return None
        age = now - self.sampled_at
        self._sampled(now)
        what = "s without a reading of the coil"
        return Finding(Rule.STALE_READINGS, age, self._stale_s, now - age, self.limits.stale_reaction, what)

    def _sampled(self, at: float) -> None:
        self.sampled_at, self.fresh_until = at, at + self._stale_s
