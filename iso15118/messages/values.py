"""Physical quantities, moments and session ids on the wire and in SI: RationalNumber and time stamps of ISO
15118-20 to floats and back.

RationalNumber is an exponent and a 16-bit value: above 32.767 of a unit, digits get lost, and whoever rounds
must know which side is safe.
"""

from __future__ import annotations

import math
import secrets
from bisect import bisect_left
from collections.abc import Callable
from enum import Enum
from functools import lru_cache

from iso15118.messages.iso20.common_types import RationalNumber

__all__ = [
    "BEYOND_SECONDS",
    "NO_SESSION",
    "DischargeLimitSign",
    "ReactiveSign",
    "TimeStampUnit",
    "anchored",
    "ceil_rational",
    "ceiled",
    "floor_rational",
    "floored",
    "measured",
    "new_session_id",
    "rational",
    "same_stamp_s",
    "si",
    "time_stamp",
    "towards_zero",
    "unit_of",
    "unix_time",
]

NO_SESSION = bytes(8)
"""The session id of the first SessionSetupReq; never the id of an open session."""

# The type allows exponents of a byte; peers in the field compute with -3..3 only, which covers 1 mV to 32.7
# MW. Beyond 32.7e6 larger ones are used.
_SMALLEST, _LARGEST = -3, 12
_SCALES = tuple((exponent, 10.0**-exponent) for exponent in range(_SMALLEST, _LARGEST + 1))
_REACH = tuple(32767.0 * 10.0**exponent for exponent in range(_SMALLEST, _LARGEST + 1))
"""The greatest magnitude that fits each of these exponents."""

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


@lru_cache(maxsize=4096)
def floored(value: float) -> float:
    """The greatest quantity that the wire can say and that is not above ``value``, as the peer will read it.
    The one way to round a maximum: what is asked or checked later is compared with this."""
    return si(floor_rational(value))


@lru_cache(maxsize=4096)
def ceiled(value: float) -> float:
    """The least quantity that the wire can say and that is not below ``value``: the one way to round a
    minimum."""
    return si(ceil_rational(value))


def towards_zero(value: float) -> float:
    """``value`` in tenths, never further from zero than it was: a tenth of an ampere is what a megawatt cable
    resolves, and rounding asks for no more than is wanted."""
    # 16.1 * 10 is 161.00000000000003, other products fall short of the tenth that they are.
    tenths = math.floor(abs(value) * 10.0 + 1e-7)
    if not tenths:
        return 0.0
    return tenths / 10.0 if value > 0.0 else -tenths / 10.0


def _pack(value: float, to_int: Callable[[float], int]) -> RationalNumber:
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is no physical quantity")
    if -32767.0 <= value <= 32767.0 and (whole := int(value)) == value:
        return RationalNumber(exponent=0, value=whole)
    place = bisect_left(_REACH, abs(value))
    if place == len(_REACH):
        raise ValueError(f"{value!r} does not fit a RationalNumber")
    exponent, scale = _SCALES[place]
    scaled = value * scale
    nearest = round(scaled)
    # 0.1 * 1000 is 100.00000000000001: a value that is a whole step but for float noise keeps that step in
    # every direction.
    if math.isclose(nearest, scaled, rel_tol=1e-12, abs_tol=1e-9):
        return RationalNumber(exponent=exponent, value=nearest)
    return RationalNumber(exponent=exponent, value=to_int(scaled))


class DischargeLimitSign(Enum):
    """The sign of every discharge limit that is sent, power and current, maxima and minima. Unsettled: public
    stacks send positive values, some vehicles and stations in the field send and expect negative ones, so
    both are read by their magnitude and one is sent."""

    PLUS = 1
    MINUS = -1

    def of(self, magnitude: RationalNumber) -> RationalNumber:
        """A discharge limit with this sign."""
        return magnitude if self is DischargeLimitSign.PLUS else _negative(magnitude)


@lru_cache(maxsize=4096)
def _negative(number: RationalNumber) -> RationalNumber:
    return RationalNumber(exponent=number.exponent, value=-number.value) if number.value else number


class ReactiveSign(Enum):
    """What a positive reactive power of a grid code's curves and set points means. Unsettled: generators are
    commonly counted by what they inject, vehicles by what they absorb."""

    ABSORBS = 1
    INJECTS = -1


class TimeStampUnit(Enum):
    """The unit of TimeStamp, TimeAnchor and MeterTimestamp. Unsettled: public stacks send seconds since 1970,
    one commercial station microseconds, so both are read and one is sent."""

    SECONDS = 1
    MICROSECONDS = 1_000_000


_SECONDS = TimeStampUnit.SECONDS


def time_stamp(unix_s: float, unit: TimeStampUnit = TimeStampUnit.SECONDS) -> int:
    """``unix_s`` (s since 1970) as it is sent; never negative."""
    # A session asks with every message; a second times 1 is the second itself.
    stamp = int(unix_s) if unit is _SECONDS else int(unix_s * unit.value)
    return stamp if stamp > 0 else 0


def same_stamp_s(unix_s: float, unit: TimeStampUnit) -> float:
    """For how many s from ``unix_s`` on the time stamp stays the same; 0 where that is not worth asking."""
    return 1.0 - unix_s % 1.0 if unit is _SECONDS else 0.0


_MICROSECONDS_FROM, BEYOND_SECONDS = 10**14, 10**11
# A stamp of the second or more is not in seconds. As seconds these are the years 5138 and later, as
# microseconds 1973: no stamp of one unit is taken for one of another.


def unix_time(stamp: int) -> float:
    """A time stamp of the peer in s since 1970, whatever unit it has: microseconds and milliseconds are known
    by their size."""
    if stamp >= _MICROSECONDS_FROM:
        return stamp / 1e6
    return stamp / 1e3 if stamp >= BEYOND_SECONDS else float(stamp)


def measured(value: float) -> RationalNumber:
    """A voltage or current that was measured, and is a finite number, as the other side is told
    it: to the nearest tenth."""
    return _tenths(round(value * 10.0))


@lru_cache(maxsize=4096)
def _tenths(count: int) -> RationalNumber:
    return rational(count / 10.0)


def unit_of(stamp: int) -> str:
    """The unit that ``unix_time`` reads it in, human-readable; empty for seconds."""
    if stamp >= _MICROSECONDS_FROM:
        return "microseconds"
    return "milliseconds" if stamp >= BEYOND_SECONDS else ""


def anchored(anchor: int, sent: int, now: float) -> float:
    """When a TimeAnchor is, on the clock of ``now``: the moment at which the message came in, whose header
    says that it was sent at ``sent``.

    Only the difference of the two counts, so that the peer's clock need not be right. An anchor of 0 is the
    moment of the message, and so is every anchor of a peer whose header has no time.
    """
    return now + unix_time(anchor) - unix_time(sent) if anchor and sent else now


def new_session_id() -> bytes:
    """A random session id of 8 octets, never zero [V2G20-2106, V2G20-835]."""
    while True:
        session_id = secrets.token_bytes(8)
        if session_id != NO_SESSION:
            return session_id
