"""Watches the inlets of one vehicle from outside: what their contactors and currents really are, whatever
sessions and arbiter say."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .violation import SafetyViolation

__all__ = ["InletWatch"]

_NOTHING_A = 5.0
_RAMP_S = 2.0
"""How long the sum of the currents may be above what the battery takes, while one
comes down for another, in s."""


class InletWatch:
    """``several``: inlets may be joined to the battery at the same time. ``battery_a``:
    what it takes in all, in A."""

    def __init__(self, *, several: bool, battery_a: float) -> None:
        self._several, self._battery_a = several, battery_a
        self._above_since = math.inf
        self.seen = 0
        """How often it has looked."""
        self.together = 0
        """How often it has seen several with current."""

    def look(self, inlets: Mapping[str, tuple[bool, float]], now: float) -> None:
        """``inlets``: whether the contactors are closed, and the current in A, by name.
        Raises ``SafetyViolation``."""
        self.seen += 1
        closed = [name for name, (shut, _) in inlets.items() if shut]
        flowing = [name for name, (_, current_a) in inlets.items() if abs(current_a) > _NOTHING_A]
        self.together += len(flowing) > 1
        if not self._several and len(closed) > 1:
            raise SafetyViolation(f"inlets {' and '.join(closed)} are joined to the battery at the same time")
        if not self._several and len(flowing) > 1:
            raise SafetyViolation(f"energy flows at inlets {' and '.join(flowing)} at the same time")
        total = sum(abs(current_a) for _, current_a in inlets.values())
        if total <= self._battery_a * 1.02 + _NOTHING_A:
            self._above_since = math.inf
        else:
            self._above_since = min(self._above_since, now)
            if now - self._above_since > _RAMP_S:
                raise SafetyViolation(
                    f"the inlets have {total:.0f} A together, the battery takes {self._battery_a:.0f} A"
                )
