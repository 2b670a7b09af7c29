"""PhysicalValue of ISO 15118-2 and DIN 70121: exact where it can be, otherwise rounded to
the side that was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso15118.messages import din, iso2
from iso15118.messages.physical import (
    LARGEST,
    ceil_physical,
    din_physical,
    floor_physical,
    physical,
    quantity,
    volts,
    watts,
)
from iso15118.messages.values import ceiled, floored

W = iso2.UnitSymbol.W


@pytest.mark.parametrize(
    ("value", "number", "multiplier"),
    [
        (230.04, 23004, -2),
        (350_000.0, 3500, 2),
        (400.0, 400, 0),
        (0.0, 0, 0),
        (-5.5, -55, -1),
        (32767.0, 32767, 0),
    ],
)
def test_the_form_that_is_sent(value: float, number: int, multiplier: int) -> None:
    assert physical(value, W) == iso2.PhysicalValue(multiplier=multiplier, unit=W, value=number)


@given(st.floats(-LARGEST, LARGEST))
def test_multipliers_stay_in_range_and_rounding_is_that_of_a_rational_number(value: float) -> None:
    low, high = floor_physical(value, W), ceil_physical(value, W)
    assert -3 <= low.multiplier <= 3
    assert -3 <= high.multiplier <= 3
    assert quantity(low) == floored(value)
    assert quantity(high) == ceiled(value)


@pytest.mark.parametrize("value", [1e9, -1e9])
def test_what_is_too_large_is_cut_off(value: float) -> None:
    assert abs(quantity(watts(value))) == LARGEST


@pytest.mark.parametrize("value", [float("nan")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no physical quantity"):
        volts(value)


def test_din_says_the_same() -> None:
    assert din_physical(volts(12.5)) == din.PhysicalValue(multiplier=-1, unit=din.UnitSymbol.V, value=125)
    assert quantity(din.PhysicalValue(multiplier=-128, value=1)) == pytest.approx(1e-128)
