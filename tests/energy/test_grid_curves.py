"""Curves of grid codes and what follows them, on numbers alone."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from iso15118.energy.curves import Curve, Follower, Response
from iso15118.errors import ConfigError


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (0.0, 4.0),
        (100.0, 4.0),
        (150.0, 2.0),
        (200.0, 0.0),
        (250.0, 0.0),
        (300.0, 0.0),
        (325.0, -1.0),
        (999.0, -2.0),
    ],
)
def test_a_curve_is_linear_between_its_points_and_flat_outside(x: float, y: float) -> None:
    curve = Curve(points=((100.0, 4.0), (200.0, 0.0), (300.0, 0.0), (350.0, -2.0)))
    assert curve.at(x) == pytest.approx(y)


@pytest.mark.parametrize(
    "points",
    [
        (),
        ((1.0, 1.0),),
        tuple((float(x), 0.0) for x in range(11)),
        ((1.0, 0.0), (1.0, 1.0)),
        ((2.0, 0.0), (1.0, 1.0)),
        ((math.nan, 0.0), (1.0, 1.0)),
        ((0.0, math.inf), (1.0, 1.0)),
        ((0.0, True), (1.0, 1.0)),
        ((0.0, 1e300), (1.0, 1.0)),
        [(0.0, 1.0), (1.0, 1.0)],
        ((0.0, 1.0, 2.0), (1.0, 1.0)),
    ],
    ids=str,
)
def test_what_is_no_curve_is_refused(points: Any) -> None:
    with pytest.raises(ConfigError, match="points"):
        Curve(points=points)


@pytest.mark.parametrize("more", [{"x_unit": "K"}, {"y_unit": ""}, {"over_excited": (True,)}])
def test_axes_and_excitations_are_checked(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(more))):
        Curve(points=((0.0, 1.0), (1.0, 1.0)), **more)


def test_a_power_factor_goes_through_one_between_the_two_excitations() -> None:
    curve = Curve(points=((0.0, 0.9), (10.0, 0.9)), over_excited=(True, False))
    assert curve.sine_at(0.0) == pytest.approx(-math.sqrt(1 - 0.81))
    assert curve.sine_at(5.0) == pytest.approx(0.0, abs=1e-6)
    assert curve.sine_at(10.0) == pytest.approx(math.sqrt(1 - 0.81))
    assert -curve.sine_at(2.5) == pytest.approx(math.sqrt(1 - 0.95**2))


def test_a_first_order_lag_after_its_time_constant() -> None:
    follower, response = Follower(), Response(time_s=5.0)
    follower.follow(100.0, response, 0.0)
    assert follower.follow(100.0, response, 5.0) == pytest.approx(100.0 * (1 - math.exp(-1)))
    assert follower.follow(100.0, response, 50.0) == pytest.approx(100.0, rel=1e-4)


def test_the_open_loop_response_time_is_that_of_ninety_percent() -> None:
    follower, response = Follower(), Response.open_loop(10.0)
    follower.follow(1.0, response, 0.0)
    assert follower.follow(1.0, response, 10.0) == pytest.approx(0.9)


def test_a_ramp_takes_its_time_for_the_whole_step() -> None:
    follower, response = Follower(), Response(time_s=4.0, first_order=False)
    follower.reset(20.0)
    follower.follow(100.0, response, 1.0)
    assert [follower.follow(100.0, response, now) for now in (2.0, 3.0, 5.0, 9.0)] == pytest.approx(
        [40.0, 60.0, 100.0, 100.0]
    )


@pytest.mark.parametrize("first_order", [True, False])
def test_how_the_time_is_cut_does_not_matter(first_order: bool) -> None:
    response = Response(time_s=3.0, first_order=first_order)
    rng = random.Random(4)
    fine, coarse = Follower(), Follower()
    fine.follow(50.0, response, 0.0)
    coarse.follow(50.0, response, 0.0)
    now = 0.0
    while now < 2.0:
        now = min(now + rng.uniform(0.001, 0.2), 2.0)
        fine.follow(50.0, response, now)
    assert fine.value == pytest.approx(coarse.follow(50.0, response, 2.0))


def test_without_time_it_is_there_at_once_and_a_clock_that_goes_back_moves_nothing() -> None:
    follower = Follower()
    assert follower.follow(7.0, Response(), 3.0) == 7.0
    assert follower.follow(9.0, Response(time_s=1.0), 2.0) == 7.0


@pytest.mark.parametrize("seconds", [-1.0, math.nan, 1e9])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigError, match="time_s"):
        Response(time_s=seconds)
