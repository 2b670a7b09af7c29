"""The electrical values that messages carry, of every edition and family, in SI
units: by side, unit and kind.

What a field is follows from its name, which the editions share: ``EVTargetCurrent``,
``EVSEMaximumCurrentLimit``, ``EVSEPresentVoltage``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator
from functools import cache
from typing import Any, Final, cast

from msgspec import Struct
from msgspec.structs import fields

from iso15118.messages import din, iso2
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.values import si
from iso15118.trace.entries import EVCC, SECC

__all__ = ["LEAST", "LIMIT", "MEASURED", "SOC", "TARGET", "Quantity", "meter_wh", "quantities"]

MEASURED, TARGET, LIMIT, LEAST = "measured", "target", "limit", "least"
"""Kinds: what is there, what is asked for, the most and the least that one side allows."""
SOC: Final = "%"
_DEEPEST: Final = 6
_UNITS: Final = ((re.compile("voltage"), "V"), (re.compile("current"), "A"), (re.compile("power"), "W"))
_KINDS: Final = (
    (re.compile("present"), MEASURED),
    (re.compile("target"), TARGET),
    (re.compile("max"), LIMIT),
    (re.compile("min"), LEAST),
)
_NOT: Final = re.compile(
    "reactive|ripple|tolerance|ramp|profile|schedule|price|nominal|regulation|soc|energy|frequency"
)
_SOC: Final = frozenset(("present_soc", "evresssoc"))
_PARTS: Final = frozenset(
    (
        "header",
        "signature",
        "sa_schedule_list",
        "ev_power_profile",
        "charging_profile",
        "receipt",
        "meter_info",
    )
)
"""Fields in which no value of the moment stands."""
_NUMBERS: Final = (RationalNumber, iso2.PhysicalValue, din.PhysicalValue)
_BEYOND: Final = 1e12


class Quantity(Struct, frozen=True, gc=False):
    """A value of one side in V, A, W or %. Of several phases it is the sum. ``discharge``: it is about
    energy that is given back."""

    side: str
    unit: str
    kind: str
    value: float
    discharge: bool = False


class _Field(Struct, frozen=True, gc=False):
    name: str
    what: tuple[str, str, str, bool] | None
    """Side, unit, kind, whether it is of discharging; None for what may hold others."""


def quantities(body: Any) -> list[Quantity]:
    """What a message says; ``body`` is without the envelope of DIN and ISO 15118-2."""
    found: dict[tuple[str, str, str, bool], float] = {}
    for what, value in _walk(body, 0):
        found[what] = found.get(what, 0.0) + value
    return [
        Quantity(side, unit, kind, value, discharge)
        for (side, unit, kind, discharge), value in found.items()
        if math.isfinite(value) and abs(value) < _BEYOND
    ]


def _walk(part: Any, depth: int) -> Iterator[tuple[tuple[str, str, str, bool], float]]:
    for one in _fields(cast("Hashable", type(part))):
        value = getattr(part, one.name)
        if value is None:
            continue
        if one.what is not None:
            if isinstance(value, _NUMBERS):
                yield one.what, _si(value)
            elif isinstance(value, int) and not isinstance(value, bool):
                yield one.what, float(value)
        elif depth < _DEEPEST and isinstance(value, Struct) and not isinstance(value, _NUMBERS):
            yield from _walk(value, depth + 1)


def _si(value: Any) -> float:
    if isinstance(value, RationalNumber):
        return si(value)
    multiplier = value.multiplier
    return float(value.value * 10.0**multiplier if multiplier >= 0 else value.value / 10.0**-multiplier)


@cache
def _fields(cls: Hashable) -> tuple[_Field, ...]:
    if not (isinstance(cls, type) and issubclass(cls, Struct)):
        return ()
    return tuple(_Field(one.name, _what(one.name)) for one in fields(cls) if one.name not in _PARTS)


def _what(name: str) -> tuple[str, str, str, bool] | None:
    if name in _SOC:
        return EVCC, SOC, MEASURED, False
    side = SECC if name.startswith("evse") else EVCC if name.startswith("ev") else ""
    if not side or _NOT.search(name):
        return None
    unit = next((unit for pattern, unit in _UNITS if pattern.search(name)), "")
    kind = next((kind for pattern, kind in _KINDS if pattern.search(name)), "")
    return (side, unit, kind, "discharge" in name) if unit and kind else None


def meter_wh(body: Any) -> float | None:
    """The reading of the meter in Wh."""
    meter = getattr(body, "meter_info", None)
    if meter is None:
        return None
    reading = getattr(meter, "charged_energy_reading_wh", None)
    if reading is None:
        reading = getattr(meter, "meter_reading", None)
    if isinstance(reading, int):
        return float(reading) if abs(reading) < _BEYOND else None
    return _si(reading) if isinstance(reading, _NUMBERS) else None
