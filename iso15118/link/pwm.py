"""What the duty cycle of the control pilot says: how much current a station offers, by IEC 61851-1 Table A.7
(station) and A.8 (vehicle).

Currents are effective values per phase in A, duty cycles in percent. 5 % asks for digital communication
and offers nothing by itself.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["LARGEST_A", "LEAST_A", "current_for", "duty_for", "is_nominal"]

LEAST_A: Final = 6.0
"""Less cannot be offered by a duty cycle."""
LARGEST_A: Final = 80.0
"""More neither."""

_BREAK_A, _BREAK_PERCENT = 51.0, 85.0
_STEPS_PER_PERCENT = 10.0
"""A station shows tenths of a percent: 0.06 A below 51 A, and IEC 61851-1 allows an
error of one percent point."""


def duty_for(current_a: float) -> float | None:
    """The duty cycle of a station that offers ``current_a``, 10 to 96; rounded down, so that never more is
    offered. None: too little to be offered, or no number."""
    if not math.isfinite(current_a) or current_a < LEAST_A:
        return None
    amperes = min(current_a, LARGEST_A)
    percent = amperes / 0.6 if amperes <= _BREAK_A else amperes / 2.5 + 64.0
    return max(math.floor(percent * _STEPS_PER_PERCENT + 1e-6) / _STEPS_PER_PERCENT, 10.0)


def current_for(percent: float | None) -> float | None:
    """What a vehicle may draw per phase with this duty cycle as it was measured; None where it may draw
    nothing: no oscillation, 5 %, and what the table has no current for."""
    if percent is None or not math.isfinite(percent):
        return None
    if 8.0 <= percent < 10.0:
        return LEAST_A
    if 10.0 <= percent <= _BREAK_PERCENT:
        return percent * 0.6
    if _BREAK_PERCENT < percent <= 96.0:
        return (percent - 64.0) * 2.5
    return LARGEST_A if 96.0 < percent <= 97.0 else None


def is_nominal(percent: float | None) -> bool:
    """Whether this duty cycle offers current."""
    return current_for(percent) is not None
