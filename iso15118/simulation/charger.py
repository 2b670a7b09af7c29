"""An on-board charger: what it is told, what the battery takes, and the power per phase
that comes of both, with a ramp.

It keeps within its own limits and below its minimum takes nothing. All quantities are SI
floats, per phase (L1, L2, L3).
"""

from __future__ import annotations

import math

from iso15118.energy.ac import NOTHING, Phases
from iso15118.errors import ConfigError
from iso15118.session.ac_limits import AcVehicleLimits, ChargerBounds

__all__ = ["OnBoardCharger"]

_EXACT_W = 1e-6


class OnBoardCharger:
    """``ramp_w_per_s``: how fast the power of all phases follows, in W/s. ``efficiency``: share of
    the AC power that reaches the battery, or of the battery's that reaches the grid. Raises
    ``ConfigError`` for impossible values."""

    def __init__(
        self, limits: AcVehicleLimits, *, ramp_w_per_s: float = 5_000.0, efficiency: float = 1.0
    ) -> None:
        if not (math.isfinite(ramp_w_per_s) and ramp_w_per_s > 0.0):
            raise ConfigError("ramp_w_per_s", f"{ramp_w_per_s!r} is no ramp", "a finite number above 0")
        if not 0.0 < efficiency <= 1.0:
            raise ConfigError("efficiency", f"{efficiency!r} is no share", "above 0, at most 1")
        self.limits = limits
        """What it can take and give now."""
        self.ramp_w_per_s = ramp_w_per_s
        self.efficiency = efficiency
        self.power_w: Phases = NOTHING
        """Active power now, positive to the battery."""
        self.reactive_var: Phases = NOTHING
        self.lost_wh = 0.0
        """What became heat."""
        self.ignores = 0.0
        """A fault: it takes so many W per phase more than it was told."""
        self.stuck = False
        """A fault: it does not hear what it is told any more, neither a bound nor a stop."""
        self._bounds: ChargerBounds | None = None
        self.time, self.grid_hz = 0.0, 50.0
        """The plant's time in s and the frequency of the grid, for chargers that act by them."""

    @property
    def longest_step_s(self) -> float:
        """It need not be looked at more often while its power stays as it is, in s."""
        return 10.0

    def reactive(self) -> Phases:
        """Reactive power beside the active one that flows now."""
        told = self._bounds
        return told.reactive_var if told is not None and any(self.power_w) else NOTHING

    @property
    def bounds(self) -> ChargerBounds | None:
        """What it was last told; None: to stop."""
        return self._bounds

    def set_power(self, bounds: ChargerBounds) -> None:
        """Take or give this."""
        if not self.stuck:
            self._bounds = bounds

    def stop(self, *, at_once: bool) -> None:
        """Nothing flows any more."""
        if self.stuck:
            return
        self._bounds = None
        if at_once:
            self.cut()

    def cut(self) -> None:
        """The grid is gone."""
        self.power_w = self.reactive_var = NOTHING

    def goal(self, grid_v: Phases, most_w: float, most_back_w: float) -> Phases:
        """The power per phase that it goes for with these voltages, where the battery takes ``most_w`` W
        and gives ``most_back_w`` W."""
        bounds, limits = self._bounds, self.limits
        if bounds is None:
            return NOTHING
        back = sum(bounds.power_w) < 0.0
        sign = -1.0 if back else 1.0
        rated = limits.maximum_discharge_power_w if back else limits.maximum_charge_power_w
        least = limits.minimum_discharge_power_w if back else limits.minimum_charge_power_w
        found = []
        for told, most, amperes, volts in zip(bounds.power_w, rated, bounds.current_a, grid_v, strict=True):
            wanted = max(sign * told, 0.0)
            if wanted > 0.0:
                wanted += self.ignores
            found.append(
                min(wanted, most + self.ignores, amperes * volts + self.ignores) if volts > 0.0 else 0.0
            )
        total = sum(found)
        room = most_back_w * self.efficiency if back else most_w / self.efficiency
        if total > room:
            share = room / total
            found = [value * share for value in found]
        if sum(found) < sum(low for low, value in zip(least, found, strict=True) if value > 0.0) - _EXACT_W:
            return NOTHING
        return sign * found[0], sign * found[1], sign * found[2]

    def approach(self, goal: Phases, seconds: float) -> tuple[Phases, float]:
        """How far it comes in so much time: power at the end, and how many of the seconds that took."""
        change = sum(abs(to - now) for to, now in zip(goal, self.power_w, strict=True))
        if change < _EXACT_W:
            return goal, seconds
        needed = change / self.ramp_w_per_s
        if needed <= seconds:
            return goal, needed
        share = seconds / needed
        moved = [now + (to - now) * share for to, now in zip(goal, self.power_w, strict=True)]
        return (moved[0], moved[1], moved[2]), seconds
