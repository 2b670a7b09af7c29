"""Physical quantities on the wire and in SI: RationalNumber of ISO 15118-20 to floats and back, and session
ids.

RationalNumber is an exponent and a 16-bit value: above 32.767 of a unit, digits get lost, and whoever rounds
must know which side is safe.
"""

from __future__ import annotations

import math
import secrets
from functools import lru_cache

from .iso20.common_types import RationalNumber

__all__ = ["NO_SESSION", "ceil_rational", "floor_rational", "new_session_id", "rational", "si"]

NO_SESSION = bytes(8)
"""The session id of the first SessionSetupReq; never the id of an open session."""

# The type allows exponents of a byte; peers in the field compute with -3..3 only, which covers 1 mV to 32.7
# MW. Beyond 32.7e6 larger ones are used.
_SMALLEST, _LARGEST = -3, 12
_SCALES = tuple(
    (exponent, 10.0**-exponent, 32767.0 * 10.0**exponent) for exponent in range(_SMALLEST, _LARGEST + 1)
)

_TENS = tuple(10.0**exponent for exponent in range(129))
"""Powers of ten for every exponent that a byte can hold."""


def si(number: RationalNumber) -> float:
    """The value in the unit of its field. Any exponent of the type gives a finite float."""
    exponent = number.exponent
    if exponent == 0:
        return float(number.value)
    # A division by an exact power of ten is correctly rounded; a multiplication by 10**-n is not.
    return number.value * _TENS[exponent] if exponent > 0 else number.value / _TENS[-exponent]


@lru_cache(maxsize=4096)
def rational(value: float) -> RationalNumber:
    """``value`` as the nearest RationalNumber: exponent 0 for whole numbers that fit, else the smallest
    exponent that fits.

    Raises ``ValueError`` for NaN, infinities and magnitudes above 32767e12.
    """
    return _pack(value, round)


@lru_cache(maxsize=4096)
def floor_rational(value: float) -> RationalNumber:
    """Like ``rational``, never above ``value``: for maxima that must not be exceeded (3.75 MW is 3750e3)."""
    return _pack(value, math.floor)


@lru_cache(maxsize=4096)
def ceil_rational(value: float) -> RationalNumber:
    """Like ``rational``, never below ``value``: for minima."""
    return _pack(value, math.ceil)


def _pack(value: float, to_int: object) -> RationalNumber:
    whole = int(value) if math.isfinite(value) else None
    if whole is None:
        raise ValueError(f"{value!r} is no physical quantity")
    if whole == value and -32767 <= whole <= 32767:
        return RationalNumber(exponent=0, value=whole)
    magnitude = abs(value)
    for exponent, scale, limit in _SCALES:
        if magnitude <= limit:
            scaled = value * scale
            nearest = round(scaled)
            # 0.1 * 1000 is 100.00000000000001: a value that is a whole step but for float noise keeps that
            # step in every direction.
            if math.isclose(nearest, scaled, rel_tol=1e-12, abs_tol=1e-9):
                return RationalNumber(exponent=exponent, value=nearest)
            return RationalNumber(exponent=exponent, value=to_int(scaled))  # type: ignore[operator]
    raise ValueError(f"{value!r} does not fit a RationalNumber")


def new_session_id() -> bytes:
    """A random session id of 8 octets, never zero [V2G20-2106, V2G20-835]."""
    while True:
        session_id = secrets.token_bytes(8)
        if session_id != NO_SESSION:
            return session_id
