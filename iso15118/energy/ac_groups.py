"""A power of three phases in messages: the plain element and its twins for L2 and L3,
between wire types and SI floats.

What a group means for the phases is said in ``energy.ac.read``; this is the one way to take it out of
an element and to put it in.
"""

from __future__ import annotations

import math
from typing import Any

from iso15118.messages.values import floored, rational, si

from .ac import Phases, Reading, read, said

__all__ = ["elements", "group_of", "magnitudes", "opposite", "tenths", "towards_zero"]


def group_of(element: Any, name: str, phases: int) -> Reading | None:
    """What the group ``name`` says per phase; None where it is left out."""
    base = getattr(element, name, None)
    if base is None:
        return None
    l2, l3 = getattr(element, f"{name}_l2"), getattr(element, f"{name}_l3")
    return read(si(base), None if l2 is None else si(l2), None if l3 is None else si(l3), phases)


def elements(
    name: str, per_phase: Phases, phases: int, *, uneven: bool, minus: bool = False
) -> dict[str, Any]:
    """The fields that say this, by name; ``minus``: with the other sign."""
    if minus:
        per_phase = opposite(per_phase)
    base, l2, l3 = said(per_phase, phases, uneven)
    made: dict[str, Any] = {name: rational(base + 0.0)}
    if l2 is not None and l3 is not None:
        made[f"{name}_l2"], made[f"{name}_l3"] = rational(l2 + 0.0), rational(l3 + 0.0)
    return made


def magnitudes(per_phase: Phases) -> Phases:
    """Without their signs: discharge limits have either."""
    return abs(per_phase[0]), abs(per_phase[1]), abs(per_phase[2])


def opposite(per_phase: Phases) -> Phases:
    """In the other direction."""
    return -per_phase[0], -per_phase[1], -per_phase[2]


def tenths(per_phase: Phases) -> Phases:
    """Measured values, to the nearest tenth."""
    return round(per_phase[0], 1), round(per_phase[1], 1), round(per_phase[2], 1)


def towards_zero(per_phase: Phases, phases: int, *, uneven: bool) -> Phases:
    """In steps that the wire can say, never further from zero: nothing that is asked for is
    rounded up beyond a limit."""
    if phases == 3 and not uneven:
        third = _towards_zero(sum(per_phase)) / 3.0
        return third, third, third
    return _towards_zero(per_phase[0]), _towards_zero(per_phase[1]), _towards_zero(per_phase[2])


def _towards_zero(value: float) -> float:
    return math.copysign(floored(abs(value)), value) if value else 0.0
