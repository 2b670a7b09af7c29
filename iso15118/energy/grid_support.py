"""What inverters that support the grid have in common, whichever grid code they follow
(``iec_inverter``, ``sae_inverter``).

Active power is positive to the vehicle, reactive power where the vehicle absorbs it. The order in which the
functions rule: out of service or zero current, ride-through, frequency, voltage, the operator's cap, and last
what is wanted. They curtail: none makes the vehicle take or give more than is wanted, or the other way round.
Numbers only, no clock: ``now`` in s is an argument.
"""

from __future__ import annotations

import math
from enum import IntFlag

from msgspec import Struct

__all__ = [
    "Grid",
    "GridEvent",
    "Output",
    "Ratings",
    "between",
    "of_factor",
    "sine_of",
    "within_apparent",
    "without",
]


class GridEvent(IntFlag):
    """What of the grid makes the inverter act. The bits of GridEventCondition and DERAlarmStatus are in no
    public source: these places are ours."""

    OVER_VOLTAGE = 1 << 0
    UNDER_VOLTAGE = 1 << 1
    OVER_FREQUENCY = 1 << 2
    UNDER_FREQUENCY = 1 << 3
    CEASED = 1 << 4
    """No current flows because of it."""
    TRIPPED = 1 << 5
    """It left the grid, and has not come back."""


class Grid(Struct, frozen=True):
    """The grid of this moment: voltages of the phases that are used, in V, and the frequency in Hz."""

    voltage_v: tuple[float, ...]
    frequency_hz: float


class Ratings(Struct, frozen=True, kw_only=True):
    """What the inverter can do, of all phases."""

    charge_w: float
    discharge_w: float
    reactive_var: float
    apparent_va: float
    nominal_v: float = 230.0


class Output(Struct, frozen=True, kw_only=True):
    """What it does."""

    power_w: float = 0.0
    reactive_var: float = 0.0
    events: GridEvent = GridEvent(0)


def within_apparent(power_w: float, reactive_var: float, ratings: Ratings) -> float:
    """Active power goes first: what is left of the apparent power bounds the reactive
    one. Powers in W, var and VA."""
    room = math.sqrt(max(ratings.apparent_va**2 - power_w**2, 0.0))
    most = min(ratings.reactive_var, room)
    return max(-most, min(most, reactive_var))


def of_factor(power_w: float, sine: float) -> float:
    """Reactive power of this share of the apparent power beside an active power."""
    cosine = math.sqrt(max(1.0 - sine * sine, 0.0))
    return abs(power_w) * sine / cosine if cosine > 1e-9 else math.copysign(math.inf, sine)


def sine_of(factor: float, over_excited: bool) -> float:
    """Reactive as a share of apparent power at this power factor: negative injects."""
    return math.copysign(math.sqrt(max(1.0 - factor * factor, 0.0)), -1.0 if over_excited else 1.0)


def without(wanted_w: float, less_w: float) -> float:
    """What is wanted with so many W (a magnitude) taken away: never more, and
    never in the other direction."""
    return math.copysign(max(abs(wanted_w) - max(less_w, 0.0), 0.0), wanted_w) if wanted_w else 0.0


def between(power_w: float, wanted_w: float) -> float:
    """``power_w``, no further from zero than what is wanted, and on its side. In W."""
    return max(min(power_w, wanted_w), 0.0) if wanted_w >= 0.0 else min(max(power_w, wanted_w), 0.0)
