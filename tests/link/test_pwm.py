"""Duty cycles and currents: the tables of IEC 61851-1 for a station and for a vehicle, and that
neither ever makes more of them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iso15118.link.primitives import DutyChanged, Pilot, is_digital
from iso15118.link.pwm import current_for, duty_for, is_nominal
from iso15118.simulation.ccs_plug import Plug


@pytest.mark.parametrize(
    ("current_a", "percent"),
    [
        (6.0, 10.0),
        (10.0, 16.6),
        (16.0, 26.6),
        (32.0, 53.3),
        (51.0, 85.0),
        (60.0, 88.0),
        (63.0, 89.2),
        (80.0, 96.0),
    ],
)
def test_a_station_says_it_by_the_table_and_rounds_down(current_a: float, percent: float) -> None:
    assert duty_for(current_a) == pytest.approx(percent)


@pytest.mark.parametrize("current_a", [5.99, 0.0, -1.0, math.nan, math.inf, -math.inf])
def test_what_is_too_little_or_no_number_is_not_offered(current_a: float) -> None:
    assert duty_for(current_a) is None


def test_more_than_80_a_cannot_be_said() -> None:
    assert duty_for(125.0) == 96.0


@pytest.mark.parametrize(
    ("percent", "current_a"),
    [
        (None, None),
        (2.9, None),
        (5.0, None),
        (7.5, None),
        (8.0, 6.0),
        (9.9, 6.0),
        (10.0, 6.0),
        (50.0, 30.0),
        (85.0, 51.0),
        (85.1, 52.75),
        (96.0, 80.0),
        (96.5, 80.0),
        (97.1, None),
        (100.0, None),
        (math.nan, None),
    ],
)
def test_a_vehicle_reads_it_by_the_table(percent: float | None, current_a: float | None) -> None:
    assert current_for(percent) == (None if current_a is None else pytest.approx(current_a))
    assert is_nominal(percent) is (current_a is not None)
    assert not (is_nominal(percent) and is_digital(percent))


def test_what_a_vehicle_reads_is_never_more_than_was_meant() -> None:
    for tenth in range(60, 800):
        meant = tenth / 10.0
        percent = duty_for(meant)
        assert percent is not None
        read = current_for(percent)
        assert read is not None
        assert read <= meant + 1e-9
        # Between 51 A and 52.75 A the two lines of the table do not meet.
        assert read > meant - 0.3 or 51.0 < meant < 52.75


def test_every_change_of_the_duty_cycle_is_seen() -> None:
    plug = Plug()
    seen: list[Any] = []
    plug.to_vehicle = seen.append
    plug.plug_in()
    plug.set_pilot(Pilot.FIVE_PERCENT)
    plug.set_pilot(Pilot.NOMINAL, 26.6)
    plug.set_pilot(Pilot.NOMINAL, 10.0)
    plug.set_pilot(Pilot.STEADY)
    assert [event.percent for event in seen if isinstance(event, DutyChanged)] == [5.0, 26.6, 10.0, None]
