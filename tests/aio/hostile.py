"""Values, exceptions and classes that nobody foresees, for the tests of what the drivers take
from ports and applications."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

__all__ = ["NO_NUMBERS", "FloatLike", "Lying", "Unprintable", "UnprintableError"]


class UnprintableError(Exception):
    """Has no text and no representation."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Unprintable:
    """The same as a value."""

    def __repr__(self) -> str:
        raise ValueError("no text")

    __str__ = __repr__


class FloatLike(float):
    """A float of a numeric library: a subclass, and as good as one."""


class Lying(float):
    """A float that is whatever it is asked to be, until somebody computes with it."""

    def __le__(self, other: object) -> bool:
        return True

    __ge__ = __lt__ = __gt__ = __le__

    def __abs__(self) -> Any:
        raise ZeroDivisionError("no absolute value")

    def __sub__(self, other: object) -> Any:
        raise ZeroDivisionError("no difference")

    __add__ = __mul__ = __truediv__ = __rsub__ = __radd__ = __rmul__ = __sub__
    __float__ = __abs__
    __repr__ = __abs__


NO_NUMBERS: Final[tuple[Any, ...]] = (
    math.nan,
    math.inf,
    -math.inf,
    1e30,
    10**400,
    "800",
    b"800",
    None,
    True,
    Decimal(800),
    Fraction(800, 3),
    800j,
    [800.0],
    object(),
    Unprintable(),
)
"""None of them is a voltage or a current of a charger."""
