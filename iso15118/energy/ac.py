"""Alternating current: limits per phase as both sides read them, what a power on the wire means for
the phases, and what may flow.

Everything is per phase (L1, L2, L3; 0 for a phase that is not there): currents in A, active powers in
W, magnitudes in limits; in what flows or is asked for, positive to the vehicle. Voltages are phase to
neutral, in V. Powers and currents are converted by the nominal voltage [V2G20-1823]. A limit is
rounded once, by ``on_wire``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct

from iso15118.messages.values import ceiled, floored

__all__ = [
    "NOTHING",
    "AcLimits",
    "Phases",
    "Reading",
    "balanced",
    "current_within",
    "each",
    "follow",
    "least_current",
    "narrow",
    "on_wire",
    "power_of",
    "read",
    "said",
    "spread",
    "station_target",
    "tightened",
]

Phases = tuple[float, float, float]
"""One value per phase: L1, L2, L3."""
NOTHING: Final[Phases] = (0.0, 0.0, 0.0)

_FLOWS: Final = ("charge_power_w", "discharge_power_w")
"""What has a minimum and a maximum per phase: the endings of the field names."""
_LARGEST: Final = 1e9
"""No power on the wire is larger; one that is means "no limit"."""
_NOISE: Final = 1e-6
"""Thirds of a watt do not add up exactly."""


class AcLimits(Protocol):
    """Limits of a station or of a vehicle; all are magnitudes, those of the flows per phase."""

    @property
    def phases(self) -> int: ...
    @property
    def maximum_current_a(self) -> Phases: ...
    @property
    def maximum_charge_power_w(self) -> Phases: ...
    @property
    def minimum_charge_power_w(self) -> Phases: ...
    @property
    def maximum_discharge_power_w(self) -> Phases: ...
    @property
    def minimum_discharge_power_w(self) -> Phases: ...


L = TypeVar("L", bound=Struct)


def each(value: float, phases: int) -> Phases:
    """The same value in every phase that is used: 1 or 3."""
    return (value, value, value) if phases == 3 else (value, 0.0, 0.0)


def power_of(current_a: Phases, nominal_voltage_v: float) -> Phases:
    """Active power in W that these currents are at the nominal voltage and a power factor of 1."""
    return (
        current_a[0] * nominal_voltage_v,
        current_a[1] * nominal_voltage_v,
        current_a[2] * nominal_voltage_v,
    )


# -- one power on the wire, three phases -------------------------------------------------------------------


class Reading(NamedTuple):
    """What one group of elements (the plain one and its twins for L2 and L3) means for the phases."""

    per_phase: Phases
    even: bool
    """The group is one sum, spread evenly; or there is but one phase."""
    odd: str
    """What the peer does not do by the standard, in words; empty if nothing."""


def read(base: float, l2: float | None, l3: float | None, phases: int) -> Reading:
    """The three readings of a power in W or var: L1 alone with one phase [V2G20-1815], the sum of three
    without twins [V2G20-1817], L1 with them [V2G20-1818].

    Twins where there is one phase are left out of account; a missing one beside the other counts as 0.
    """
    if phases != 3:
        odd = "" if l2 is None and l3 is None else "a power of L2 or L3 where there is one phase"
        return Reading((base, 0.0, 0.0), True, odd)
    if l2 is None and l3 is None:
        third = base / 3.0
        return Reading((third, third, third), True, "")
    odd = "a power of L2 without one of L3, or the reverse" if l2 is None or l3 is None else ""
    return Reading((base, 0.0 if l2 is None else l2, 0.0 if l3 is None else l3), False, odd)


def said(per_phase: Phases, phases: int, uneven: bool) -> tuple[float, float | None, float | None]:
    """The elements that say this: ``read`` turned round. Without ``uneven`` three
    phases are told as their sum."""
    if phases != 3:
        return per_phase[0], None, None
    if uneven:
        return per_phase
    return sum(per_phase), None, None


def _rounded(per_phase: Phases, phases: int, uneven: bool, most: bool) -> Phases:
    """Maxima down, minima up; where only a sum can be said, the phases are made alike, to the safe side."""
    bring = floored if most else ceiled
    capped = [min(value, _LARGEST) for value in per_phase]
    if phases != 3:
        return bring(capped[0]), 0.0, 0.0
    if uneven:
        return bring(capped[0]), bring(capped[1]), bring(capped[2])
    third = bring(3.0 * (min(capped) if most else max(capped))) / 3.0
    return third, third, third


def on_wire(limits: L, *, uneven: bool) -> L:
    """``limits`` as the peer will read them: maxima rounded down, minima up, no minimum above its maximum.

    ``uneven``: both sides can do different powers in the phases; without it a limit is one sum [V2G20-1820,
    V2G20-1822]. Rounding what was rounded changes nothing.
    """
    phases: int = limits.phases  # type: ignore[attr-defined]
    rounded: dict[str, Phases] = {}
    for what in _FLOWS:
        most = _rounded(getattr(limits, f"maximum_{what}"), phases, uneven, True)
        least = _rounded(getattr(limits, f"minimum_{what}"), phases, uneven, False)
        rounded[f"maximum_{what}"] = most
        rounded[f"minimum_{what}"] = _each_least(least, most)
    return msgspec.structs.replace(limits, **rounded)


# -- narrowing ---------------------------------------------------------------------------------------------


def _each_least(a: Phases, b: Phases) -> Phases:
    return min(a[0], b[0]), min(a[1], b[1]), min(a[2], b[2])


def _each_greatest(a: Phases, b: Phases) -> Phases:
    return max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2])


def narrow(offered: L, present: L) -> L:
    """The offer within what the station can give at present. What is left of a phase below its minimum cannot
    be given at all: that maximum becomes 0, and its minimum too."""
    now: dict[str, Any] = {
        "maximum_current_a": _each_least(offered.maximum_current_a, present.maximum_current_a)  # type: ignore[attr-defined]
    }
    for what in _FLOWS:
        most = _each_least(getattr(offered, f"maximum_{what}"), getattr(present, f"maximum_{what}"))
        least = _each_greatest(getattr(offered, f"minimum_{what}"), getattr(present, f"minimum_{what}"))
        now[f"maximum_{what}"], now[f"minimum_{what}"] = _possible(most, least)
    return msgspec.structs.replace(offered, **now)


def _possible(most: Phases, least: Phases) -> tuple[Phases, Phases]:
    kept = [high >= low for high, low in zip(most, least, strict=True)]
    return (
        (most[0] * kept[0], most[1] * kept[1], most[2] * kept[2]),
        (least[0] * kept[0], least[1] * kept[1], least[2] * kept[2]),
    )


def tightened(declared: L, present: Mapping[str, Phases]) -> L:
    """``declared`` within ``present``, values by field name of which any may be missing: they tighten what
    was declared, and never widen it."""
    now: dict[str, Any] = {}
    for what in _FLOWS:
        most: Phases = getattr(declared, f"maximum_{what}")
        least: Phases = getattr(declared, f"minimum_{what}")
        if (value := present.get(f"maximum_{what}")) is not None:
            most = _each_greatest(_each_least(most, value), NOTHING)
        if (value := present.get(f"minimum_{what}")) is not None:
            least = _each_greatest(least, value)
        now[f"maximum_{what}"], now[f"minimum_{what}"] = _possible(most, least)
    return msgspec.structs.replace(declared, **now)


# -- what may flow -----------------------------------------------------------------------------------------


def balanced(power_w: Phases, phases: int, asymmetry_w: float | None) -> Phases:
    """``power_w`` with the greater ones lowered until no two phases differ by more than ``asymmetry_w``
    [V2G20-1828]; None: no limit. Only with three phases is there anything to compare."""
    if phases != 3 or asymmetry_w is None:
        return power_w
    sign = -1.0 if sum(power_w) < 0.0 else 1.0
    most = min(abs(value) for value in power_w) + asymmetry_w
    lowered = [sign * min(abs(value), most) for value in power_w]
    return lowered[0], lowered[1], lowered[2]


def spread(power_w: float, most_w: Phases, phases: int, uneven: bool) -> Phases:
    """A power in W (a magnitude) over the phases, none above ``most_w``: evenly, and with ``uneven`` the
    rest where there is room."""
    if phases != 3:
        return min(power_w, most_w[0]), 0.0, 0.0
    if not uneven:
        third = min(power_w / 3.0, *most_w)
        return third, third, third
    left, result = power_w, [0.0, 0.0, 0.0]
    # The narrowest phase first: what it cannot take is shared by the others.
    for place, index in enumerate(sorted(range(3), key=lambda i: most_w[i])):
        result[index] = min(left / (3 - place), most_w[index])
        left -= result[index]
    return result[0], result[1], result[2]


def _at_least(power_w: Phases, least_w: Phases, uneven: bool) -> Phases:
    """0 in place of what is below a minimum: nothing is ever rounded up. Phases that
    go together stop together."""
    if not uneven:
        return NOTHING if sum(power_w) < sum(least_w) - _NOISE else power_w
    kept = [value if value >= low - _NOISE else 0.0 for value, low in zip(power_w, least_w, strict=True)]
    return kept[0], kept[1], kept[2]


def station_target(
    set_point_w: float | None,
    station: AcLimits,
    vehicle: AcLimits,
    *,
    uneven: bool,
    discharge: bool,
    asymmetry_w: float | None = None,
) -> Phases:
    """What a station that sets the power asks for, per phase, negative: from the vehicle. None as
    set-point: all that both sides can do.

    Within the limits of both, and 0 where it would be below a minimum of either: a vehicle that cannot go so
    low pauses. ``discharge``: energy may be taken back now; without it a negative set-point asks for nothing.
    """
    back = set_point_w is not None and set_point_w < 0.0
    if back and not discharge:
        return NOTHING
    what = "discharge_power_w" if back else "charge_power_w"
    most = _each_least(getattr(station, f"maximum_{what}"), getattr(vehicle, f"maximum_{what}"))
    least = _each_greatest(getattr(station, f"minimum_{what}"), getattr(vehicle, f"minimum_{what}"))
    power = most if set_point_w is None else spread(abs(set_point_w), most, station.phases, uneven)
    if not uneven:
        power = spread(sum(power), most, station.phases, False)
    power = _at_least(balanced(power, station.phases, asymmetry_w), least, uneven)
    return (-power[0], -power[1], -power[2]) if back and any(power) else power


def follow(
    target_w: Phases | None,
    own: AcLimits,
    station: AcLimits,
    *,
    uneven: bool,
    discharge: bool,
    schedule_w: float | None = None,
) -> Phases:
    """What the vehicle takes (negative: gives), per phase: the station's target, or without one all that the
    limits of both sides and the schedule (W, of all phases) let in.

    Above its own maximum it does that maximum; below its own minimum nothing. Without ``discharge``
    a negative target is nothing.
    """
    back = target_w is not None and sum(target_w) < 0.0
    if back and not discharge:
        return NOTHING
    what = "discharge_power_w" if back else "charge_power_w"
    most = _each_least(getattr(own, f"maximum_{what}"), getattr(station, f"maximum_{what}"))
    if target_w is not None:
        sign = -1.0 if back else 1.0
        wanted = max(sign * target_w[0], 0.0), max(sign * target_w[1], 0.0), max(sign * target_w[2], 0.0)
        most = _each_least(most, wanted)
    power = most if schedule_w is None else spread(max(schedule_w, 0.0), most, own.phases, uneven)
    if not uneven:
        power = spread(sum(power), most, own.phases, False)
    power = _at_least(power, getattr(own, f"minimum_{what}"), uneven)
    return (-power[0], -power[1], -power[2]) if back and any(power) else power


# -- currents: where a station says a maximum per phase and nothing else -----------------------------------


def least_current(current_a: Phases, phases: int) -> float:
    """The one current that holds in every phase that is used, in A: the least."""
    return min(current_a) if phases == 3 else current_a[0]


def current_within(
    current_a: float, least_a: float, phases: int, nominal_voltage_v: float, power_w: float | None = None
) -> float:
    """A current per phase in A within ``current_a`` and within a power of all phases in W; 0 where that is
    below ``least_a``, which is commonly 6 A: a vehicle that cannot go so low pauses."""
    amperes = current_a
    if power_w is not None:
        amperes = min(amperes, max(power_w, 0.0) / (nominal_voltage_v * phases))
    if not math.isfinite(amperes) or amperes < least_a - _NOISE:
        return 0.0
    return max(amperes, 0.0)
