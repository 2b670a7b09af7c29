"""Physical quantities of ISO 15118-2 and DIN 70121 to floats and back: PhysicalValue is a RationalNumber
with few exponents and a unit.

Rounding is that of ``values``: what a RationalNumber says exactly, a PhysicalValue says
exactly, up to 32.767e6 of a unit.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from iso15118.messages.iso20.common_types import RationalNumber

from . import din, iso2
from .values import ceil_rational, floor_rational, rational

__all__ = [
    "LARGEST",
    "amperes",
    "ceil_physical",
    "din_physical",
    "floor_physical",
    "physical",
    "quantity",
    "volts",
    "watt_hours",
    "watts",
]

LARGEST: Final = 32_767_000.0
"""No quantity is larger in either edition; one that is counts as "no limit" and is cut off here."""

_TENS = {n: 10.0**n for n in range(129)}
_Unit = iso2.UnitSymbol


def quantity(number: iso2.PhysicalValue | din.PhysicalValue) -> float:
    """The value in the unit of its field, whatever unit it names: V, A, W, Wh. Any multiplier of the
    type gives a finite float."""
    multiplier = number.multiplier
    # A division by an exact power of ten is correctly rounded; a multiplication by 10**-n is not.
    return number.value * _TENS[multiplier] if multiplier >= 0 else number.value / _TENS[-multiplier]


def _capped(value: float) -> float:
    return max(min(value, LARGEST), -LARGEST)


def _shortest(number: RationalNumber, unit: iso2.UnitSymbol) -> iso2.PhysicalValue:
    """Of all exact forms that with the multiplier nearest 0."""
    multiplier, value = number.exponent, number.value
    while multiplier < 0 and value % 10 == 0:
        multiplier, value = multiplier + 1, value // 10
    return iso2.PhysicalValue(multiplier=multiplier, unit=unit, value=value)


@lru_cache(maxsize=4096)
def physical(value: float, unit: iso2.UnitSymbol) -> iso2.PhysicalValue:
    """``value`` as the nearest PhysicalValue of ISO 15118-2. Raises ``ValueError`` for NaN and infinities."""
    return _shortest(rational(_capped(value)), unit)


@lru_cache(maxsize=4096)
def floor_physical(value: float, unit: iso2.UnitSymbol) -> iso2.PhysicalValue:
    """Like ``physical``, never above ``value``: for maxima."""
    return _shortest(floor_rational(_capped(value)), unit)


@lru_cache(maxsize=4096)
def ceil_physical(value: float, unit: iso2.UnitSymbol) -> iso2.PhysicalValue:
    """Like ``physical``, never below ``value``: for minima."""
    return _shortest(ceil_rational(_capped(value)), unit)


def volts(value: float) -> iso2.PhysicalValue:
    """``value`` V, to the nearest."""
    return physical(value, _Unit.V)


def amperes(value: float) -> iso2.PhysicalValue:
    """``value`` A, to the nearest."""
    return physical(value, _Unit.A)


def watts(value: float) -> iso2.PhysicalValue:
    """``value`` W, to the nearest."""
    return physical(value, _Unit.W)


def watt_hours(value: float) -> iso2.PhysicalValue:
    """``value`` Wh, to the nearest."""
    return physical(value, _Unit.Wh)


@lru_cache(maxsize=4096)
def din_physical(number: iso2.PhysicalValue) -> din.PhysicalValue:
    """The same quantity in DIN 70121."""
    return din.PhysicalValue(
        multiplier=number.multiplier, unit=din.UnitSymbol(number.unit.value), value=number.value
    )
