"""Readings of an outlet, a pad and its coil, and what a battery says: just within what makes
sense, and just beyond it.

A reading that makes no sense is a fault of the hardware, so a bound that is off by one step either takes
nonsense for a value or ends a session for a good one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from iso15118.session import events as ev
from iso15118.session.checks import is_ac_reading, is_battery, is_coil_reading, is_reading
from iso15118.session.supervision.rules import HIGHEST_A, HIGHEST_V
from iso15118.session.wireless import CoilDiagnosis
from tests.evcc.station import battery

NAN, INF = float("nan"), float("inf")
HIGHEST_W = HIGHEST_V * HIGHEST_A


class Plain:
    """Neither a number nor anything else; what is done with it raises ``TypeError``."""

    def __repr__(self) -> str:
        return "Plain()"


class Unequal:
    """What cannot even be compared."""

    def __eq__(self, other: object) -> bool:
        raise TypeError

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return "Unequal()"


def ac(**changes: Any) -> ev.AcMeasured:
    fields: dict[str, Any] = {
        "voltage_v": (230.0, 231.0, 229.0),
        "current_a": (10.0, 9.0, 8.0),
        "power_w": (2300.0, 2000.0, 1800.0),
        "reactive_var": (-10.0, 0.0, 10.0),
        "frequency_hz": 50.0,
        "at": 1.0,
    }
    return ev.AcMeasured(**(fields | changes))


_AC_RANGES = (
    ("voltage_v", 0.0, HIGHEST_V),
    ("current_a", 0.0, HIGHEST_A),
    ("power_w", -HIGHEST_W, HIGHEST_W),
    ("reactive_var", -HIGHEST_W, HIGHEST_W),
)


def test_highest_values_are_those_of_no_connector() -> None:
    assert (HIGHEST_V, HIGHEST_A) == (2000.0, 5000.0)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize(("field", "least", "most"), _AC_RANGES)
def test_each_phase_of_an_outlet_has_its_bounds(field: str, least: float, most: float, index: int) -> None:
    for value, good in ((least, True), (most, True), (least - 0.5, False), (most + 0.5, False), (NAN, False)):
        phases = [0.0, 0.0, 0.0]
        phases[index] = value
        assert is_ac_reading(ac(**{field: tuple(phases)})) is good, (field, value)


@pytest.mark.parametrize("field", [one for one, _, _ in _AC_RANGES])
def test_an_outlet_has_three_phases(field: str) -> None:
    for phases in (
        (),
        (1.0, 1.0),
        (1.0, 1.0, 1.0, 1.0),
        None,
        Plain(),
        (Decimal(1), 1.0, 1.0),
        ("1", 1.0, 1.0),
    ):
        assert is_ac_reading(ac(**{field: phases})) is False, phases


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"frequency_hz": None, "at": None}, True),
        ({"frequency_hz": 0.0}, True),
        ({"frequency_hz": 0.5}, True),
        ({"frequency_hz": -0.5}, False),
        ({"frequency_hz": 1000.0}, True),
        ({"frequency_hz": 1000.5}, False),
        ({"frequency_hz": Decimal(50)}, False),
        ({"frequency_hz": Plain()}, False),
        ({"frequency_hz": NAN}, False),
        ({"one_meter": True}, True),
        ({"one_meter": "no"}, False),
        ({"one_meter": Unequal()}, False),
        ({"voltage_v": (230, 230, 230), "current_a": (16, 16, 16)}, True),
        ({"power_w": (True, 0.0, 0.0)}, False),
        ({"at": 0.0}, True),
        ({"at": -5.0}, True),
        ({"at": INF}, False),
        ({"at": Decimal(1)}, False),
        ({"at": Plain()}, False),
    ],
    ids=str,
)
def test_the_rest_of_an_outlet_reading(changes: dict[str, Any], good: bool) -> None:
    assert is_ac_reading(ac(**changes)) is good


# -- over a pad

_PAD_NUMBERS = ("power_w", "coil_a")
_COIL_NUMBERS = (*_PAD_NUMBERS, "voltage_v", "current_a")


def pad(**changes: Any) -> ev.PadMeasured:
    return ev.PadMeasured(**({"power_w": 11e3, "coil_a": 40.0, "frequency_hz": 85e3, "at": 1.0} | changes))


def coil(**changes: Any) -> ev.ReceiverMeasured:
    fields = {"power_w": 10e3, "coil_a": 40.0, "voltage_v": 400.0, "current_a": 25.0, "frequency_hz": 85e3}
    return ev.ReceiverMeasured(**(fields | {"in_place": True, "pad_code": 7, "at": 1.0} | changes))


_EDGES = (
    (0.0, True),
    (0, True),
    (7, True),
    (0.5, True),
    (-0.5, False),
    (HIGHEST_W, True),
    (HIGHEST_W + 1.0, False),
    (NAN, False),
    (INF, False),
    (Decimal(1), False),
    (Plain(), False),
    (None, False),
)


@pytest.mark.parametrize(("value", "good"), _EDGES, ids=str)
def test_numbers_of_pad_and_coil_have_their_bounds(value: Any, good: bool) -> None:
    for field in _PAD_NUMBERS:
        assert is_coil_reading(pad(**{field: value})) is good, field
    for field in _COIL_NUMBERS:
        assert is_coil_reading(coil(**{field: value})) is good, field


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"frequency_hz": None, "at": None}, True),
        ({"frequency_hz": 0.0}, True),
        ({"frequency_hz": 0.5}, True),
        ({"frequency_hz": -0.5}, False),
        ({"frequency_hz": 1e6}, True),
        ({"frequency_hz": 1e6 + 1.0}, False),
        ({"frequency_hz": Decimal(85_000)}, False),
        ({"diagnosis": next(one for one in CoilDiagnosis if one is not CoilDiagnosis.NO_ISSUE)}, True),
        ({"diagnosis": None}, False),
        ({"diagnosis": "fine"}, False),
        ({"at": 0.0}, True),
        ({"at": INF}, False),
        ({"at": Decimal(1)}, False),
        ({"at": Plain()}, False),
    ],
    ids=str,
)
def test_the_rest_of_both_readings(changes: dict[str, Any], good: bool) -> None:
    assert is_coil_reading(pad(**changes)) is good
    assert is_coil_reading(coil(**changes)) is good


@pytest.mark.parametrize(
    ("here", "good"),
    [(None, True), (True, True), (False, True), ("yes", False), (2, False), (Plain(), False)],
)
def test_a_pad_says_whether_a_vehicle_is_there_or_nothing(here: Any, good: bool) -> None:
    assert is_coil_reading(pad(vehicle_here=here)) is good


@pytest.mark.parametrize("nonsense", [{"vehicle_here": []}, {"at": 10**400}, {"coil_a": 10**400}])
def test_what_cannot_even_be_compared_is_no_reading_of_a_pad(nonsense: Any) -> None:
    assert is_coil_reading(pad(**nonsense)) is False


@pytest.mark.parametrize(("place", "good"), [(True, True), (False, True), (None, False), ("yes", False)])
def test_a_coil_is_in_place_or_is_not(place: Any, good: bool) -> None:
    assert is_coil_reading(coil(in_place=place)) is good


@pytest.mark.parametrize(
    ("code", "good"),
    [
        (None, True),
        (1, True),
        (0, False),
        (-1, False),
        (2**32 - 1, True),
        (2**32, False),
        (7.0, False),
        (True, False),
        ("7", False),
    ],
)
def test_the_code_of_a_pad_has_32_bits_and_is_not_zero(code: Any, good: bool) -> None:
    assert is_coil_reading(coil(pad_code=code)) is good


# -- on a cable, and in the battery


def test_a_reading_that_cannot_be_compared_is_none() -> None:
    assert is_reading(Plain(), 0.0, None) is is_reading(0.0, Plain(), None) is False
    assert is_reading(0.0, 0.0, Plain()) is False


@pytest.mark.parametrize("field", [one for one in ev.BatteryChanged.__struct_fields__ if one != "at"])
def test_each_field_of_a_battery_is_looked_at(field: str) -> None:
    assert is_battery(battery(**{field: Plain()})) is False
