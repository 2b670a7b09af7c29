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
        self.sampled_at = self._waited_from = -_INF
        """When the last sample was measured, and from when on one is waited for."""
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
        stage = at.over_power_s, at.over_current_reaction
        self._w_power = Watch(Rule.OVER_POWER, watts, stage, gap_s=limits.gap_s)
        stage = at.no_current_s, at.no_current_reaction
        self._w_permission = Watch(Rule.CURRENT_WITHOUT_PERMISSION, watts, stage, gap_s=limits.gap_s)

    def live_from(self, now: float) -> None:
        """The pad or the coil comes alive: readings are waited for from now on. That makes the last one no
        younger."""
        self._waited_from = now
        self.fresh_until = max(self.sampled_at, now) + self._stale_s

    def told_power(self, power_w: float, now: float) -> None:
        """So much may flow from now on; less has its time to be obeyed."""
        if self.fresh_until == _INF:
            self.live_from(now)
        self._stopped = False
        self._ceiling.ask(power_w, now, self.limits.ac_adapt_s)

    def stop(self, emergency: bool, now: float) -> None:
        """Nothing may flow any more."""
        self._stopped = True
        hold = self.limits.settle_s if emergency else self.limits.ac_stop_s
        self._ceiling.ask(0.0, now, hold)

    def measured(self, power_w: float, at: float, now: float) -> Finding | None:
        """One sample, measured at ``at`` and told at ``now``. One that is older than the last is dropped."""
        if at < self.sampled_at:
            return None
        self.sampled_at, self.fresh_until = at, max(at, self._waited_from) + self._stale_s
        allowed = self._ceiling.at(now)
        over = allowed * (1.0 + self.limits.over_power_share) + self._over_w
        found = self._w_power.look(not self._stopped and power_w > over, power_w, over, now)
        none = allowed + self._none_w
        return worse(found, self._w_permission.look(self._stopped and power_w > none, power_w, none, now))

    def stale(self, now: float) -> Finding | None:
        """No sample is young enough; told again whenever so much time has passed again."""
        if self.fresh_until > now:
            return None
        since = max(self.sampled_at, self._waited_from)
        self.live_from(now)
        what = "s without a reading of the coil"
        return Finding(
            Rule.STALE_READINGS, now - since, self._stale_s, since, self.limits.stale_reaction, what
        )
