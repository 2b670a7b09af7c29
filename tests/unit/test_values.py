"""RationalNumber and session ids: what fits, which way is rounded, and that nothing absurd gets through."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.values import (
    NO_SESSION,
    TimeStampUnit,
    ceil_rational,
    ceiled,
    floor_rational,
    floored,
    new_session_id,
    rational,
    si,
    time_stamp,
    towards_zero,
)


@pytest.mark.parametrize(
    ("value", "exponent", "number"),
    [
        (0.0, 0, 0),
        (3000.0, 0, 3000),
        (1250.0, 0, 1250),
        (812.3, -1, 8123),
        (0.5, -3, 500),
        (3_750_000.0, 3, 3750),  # above 3.2767 MW only exponent 3 fits
        (1_000_000.0, 2, 10_000),
        (-987.6, -1, -9876),
        (32_767.0, 0, 32_767),
        (32_768.0, 1, 3277),
        (2_000_000.0, 2, 20_000),
    ],
)
def test_known_values(value: float, exponent: int, number: int) -> None:
    assert rational(value) == RationalNumber(exponent=exponent, value=number)


@given(st.floats(min_value=-3e12, max_value=3e12, allow_nan=False))
def test_rounding_keeps_to_its_side(value: float) -> None:
    slack = abs(value) * 1e-9 + 1e-9
    assert si(floor_rational(value)) <= value + slack
    assert si(ceil_rational(value)) >= value - slack
    step = max(abs(value) / 3276.7, 1e-3)
    for number in (rational(value), floor_rational(value), ceil_rational(value)):
        assert abs(si(number) - value) <= step * 1.001
        assert -32768 <= number.value <= 32767
        assert -128 <= number.exponent <= 127


def plainly_packed(value: float, to_int: Callable[[float], int]) -> RationalNumber:
    """One exponent after another, until one fits."""
    if value == int(value) and abs(value) <= 32767:
        return RationalNumber(exponent=0, value=int(value))
    for exponent in range(-3, 13):
        if abs(value) <= 32767.0 * 10.0**exponent:
            scaled = value * 10.0**-exponent
            nearest = round(scaled)
            noise = math.isclose(nearest, scaled, rel_tol=1e-12, abs_tol=1e-9)
            return RationalNumber(exponent=exponent, value=nearest if noise else to_int(scaled))
    raise ValueError("does not fit")


_EDGES = [32767.0 * 10.0**exponent for exponent in range(-3, 13)]


@given(
    st.floats(min_value=-3e16, max_value=3e16)
    | st.builds(round, st.floats(min_value=-1e5, max_value=1e5), st.integers(0, 3))
    | st.integers(-70_000, 70_000)
    | st.builds(math.nextafter, st.sampled_from(_EDGES), st.sampled_from((0.0, 1e16)))
    | st.sampled_from([*_EDGES[:-1], *(-edge for edge in _EDGES[:-1]), -0.0])
)
def test_the_exponent_is_the_smallest_that_fits(value: float) -> None:
    for pack, to_int in ((rational, round), (floor_rational, math.floor), (ceil_rational, math.ceil)):
        assert pack(value) == plainly_packed(value, to_int)


@given(st.integers(-3, 3), st.integers(-32767, 32767))
def test_what_was_a_rational_number_stays_that_value(exponent: int, number: int) -> None:
    value = si(RationalNumber(exponent=exponent, value=number))
    for pack in (rational, floor_rational, ceil_rational):
        assert si(pack(value)) == value


@given(st.integers(-128, 127), st.integers(-32768, 32767))
def test_any_number_a_peer_can_send_is_a_finite_float(exponent: int, number: int) -> None:
    assert math.isfinite(si(RationalNumber(exponent=exponent, value=number)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e17, -1e17])
def test_what_is_no_quantity_is_refused(value: float) -> None:
    for pack in (rational, floor_rational, ceil_rational):
        with pytest.raises(ValueError, match=r"no physical quantity|does not fit"):
            pack(value)


@given(st.floats(min_value=-3e12, max_value=3e12, allow_nan=False) | st.integers(-40_000, 40_000))
def test_what_is_remembered_is_what_is_rounded_anew(value: float) -> None:
    for _ in range(2):
        assert floored(value) == si(floor_rational(value))
        assert ceiled(value) == si(ceil_rational(value))
        assert type(floored(value)) is type(ceiled(value)) is float


@given(st.floats(min_value=-3e12, max_value=3e12, allow_nan=False))
def test_tenths_keep_the_sign_of_their_value(value: float) -> None:
    tenths = math.floor(abs(value) * 10.0 + 1e-7)
    expected = math.copysign(tenths / 10.0, value) if tenths else 0.0
    assert str(towards_zero(value)) == str(expected)
    assert towards_zero(towards_zero(value)) == towards_zero(value)


@given(st.floats(min_value=-1e15, max_value=1e15, allow_nan=False), st.sampled_from(TimeStampUnit))
def test_a_time_stamp_is_whole_and_never_negative(unix_s: float, unit: TimeStampUnit) -> None:
    assert time_stamp(unix_s, unit) == max(int(unix_s * unit.value), 0)


def test_session_ids_are_eight_octets_and_never_zero() -> None:
    ids = {new_session_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(each) == 8 for each in ids)
    assert NO_SESSION not in ids
