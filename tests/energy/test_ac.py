"""Alternating current in numbers: what a power on the wire means for the phases, and what may flow
within both sides' limits."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from typing import Any

import pytest

from iso15118.energy.ac import (
    NOTHING,
    Phases,
    balanced,
    current_within,
    each,
    follow,
    least_current,
    narrow,
    on_wire,
    power_of,
    read,
    said,
    spread,
    station_target,
    tightened,
)
from iso15118.errors import ConfigError
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits

STATION_22 = AcStationLimits.of(current_a=32.0)
STATION_7 = AcStationLimits.of(current_a=32.0, phases=1)
CAR_11 = AcVehicleLimits.of(current_a=16.0)
CAR_3 = AcVehicleLimits.of(current_a=16.0, phases=1)


@pytest.mark.parametrize(
    ("group", "phases", "meaning", "even", "odd"),
    [
        ((3680.0, None, None), 1, (3680.0, 0.0, 0.0), True, False),
        ((3680.0, 100.0, None), 1, (3680.0, 0.0, 0.0), True, True),
        ((11040.0, None, None), 3, (3680.0, 3680.0, 3680.0), True, False),
        ((3680.0, 2000.0, 1000.0), 3, (3680.0, 2000.0, 1000.0), False, False),
        ((3680.0, 2000.0, None), 3, (3680.0, 2000.0, 0.0), False, True),
        ((-3680.0, 0.0, 0.0), 3, (-3680.0, 0.0, 0.0), False, False),
    ],
)
def test_a_group_is_read_in_three_ways(
    group: tuple[float, float | None, float | None], phases: int, meaning: Phases, even: bool, odd: bool
) -> None:
    reading = read(*group, phases)
    assert (reading.per_phase, reading.even, bool(reading.odd)) == (meaning, even, odd)


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("uneven", [False, True])
def test_what_is_said_is_read_as_it_was_meant(phases: int, uneven: bool) -> None:
    rng = random.Random(7)
    for _ in range(500):
        one = round(rng.uniform(-12_000.0, 12_000.0), 1)
        meant = each(one, phases)
        if uneven and phases == 3:
            meant = (one, round(rng.uniform(-9e3, 9e3), 1), 0.0)
        assert read(*said(meant, phases, uneven), phases).per_phase == pytest.approx(meant)


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("phases", [1, 3])
def test_limits_are_rounded_once_and_to_the_safe_side(phases: int, uneven: bool) -> None:
    rng = random.Random(11)
    for _ in range(500):
        volts = rng.uniform(100.0, 480.0)
        limits = AcStationLimits.of(
            current_a=rng.uniform(6.0, 80.0),
            minimum_a=rng.uniform(0.0, 6.0),
            discharge_a=rng.uniform(0.0, 80.0),
            phases=phases,
            nominal_voltage_v=volts,
        )
        wire = on_wire(limits, uneven=uneven)
        for index in range(phases):
            assert wire.maximum_charge_power_w[index] <= limits.maximum_charge_power_w[index] + 1e-6
            assert wire.maximum_discharge_power_w[index] <= limits.maximum_discharge_power_w[index] + 1e-6
            assert (
                limits.minimum_charge_power_w[index]
                <= wire.minimum_charge_power_w[index] + 1e-6
                <= wire.maximum_charge_power_w[index] + 2e-6
            )
        again = on_wire(wire, uneven=uneven)
        assert again.maximum_charge_power_w == pytest.approx(wire.maximum_charge_power_w, abs=1e-9)
        assert again.minimum_discharge_power_w == pytest.approx(wire.minimum_discharge_power_w, abs=1e-9)


def test_only_the_least_phase_can_be_said_of_three_as_one_sum() -> None:
    lame = AcStationLimits(
        maximum_current_a=(32.0, 16.0, 32.0), maximum_charge_power_w=(7360.0, 3680.0, 7360.0)
    )
    assert on_wire(lame, uneven=False).maximum_charge_power_w == each(3680.0, 3)
    assert on_wire(lame, uneven=True).maximum_charge_power_w == (7360.0, 3680.0, 7360.0)


def test_the_loop_never_widens_the_offer() -> None:
    weaker = AcStationLimits.of(current_a=10.0)
    assert narrow(STATION_22, weaker).maximum_charge_power_w == each(2300.0, 3)
    assert narrow(weaker, STATION_22).maximum_charge_power_w == each(2300.0, 3)
    assert narrow(weaker, STATION_22).maximum_current_a == each(10.0, 3)
    lost = AcStationLimits(maximum_current_a=(32.0, 0.0, 32.0), maximum_charge_power_w=(7360.0, 0.0, 7360.0))
    floor = AcStationLimits.of(current_a=32.0, minimum_a=6.0)
    assert narrow(floor, lost).maximum_charge_power_w == (7360.0, 0.0, 7360.0)
    assert narrow(floor, lost).minimum_charge_power_w == (1380.0, 0.0, 1380.0)


def test_what_the_vehicle_repeats_tightens_and_never_widens() -> None:
    now = tightened(CAR_11, {"maximum_charge_power_w": each(9000.0, 3), "minimum_charge_power_w": NOTHING})
    assert now.maximum_charge_power_w == CAR_11.maximum_charge_power_w
    assert now.minimum_charge_power_w == CAR_11.minimum_charge_power_w
    now = tightened(CAR_11, {"maximum_charge_power_w": each(1000.0, 3)})
    assert (now.maximum_charge_power_w, now.minimum_charge_power_w) == (NOTHING, NOTHING)
    now = tightened(CAR_11, {"maximum_charge_power_w": each(-5.0, 3)})
    assert now.maximum_charge_power_w == NOTHING


@pytest.mark.parametrize(
    ("set_point", "target"),
    [
        (None, 11_040.0),
        (30_000.0, 11_040.0),
        (6_000.0, 6_000.0),
        (4_140.0, 4_140.0),
        (4_139.0, 0.0),
        (0.0, 0.0),
        (-5_000.0, 0.0),
    ],
)
def test_a_target_is_within_both_and_never_below_the_vehicles_minimum(
    set_point: float | None, target: float
) -> None:
    asked = station_target(set_point, STATION_22, CAR_11, uneven=False, discharge=False)
    assert sum(asked) == pytest.approx(target)
    assert asked[0] == asked[1] == asked[2]


def test_a_negative_target_asks_for_energy_where_that_is_allowed() -> None:
    station = AcStationLimits.of(current_a=16.0, discharge_a=16.0)
    car = AcVehicleLimits.of(current_a=16.0, discharge_a=10.0)
    assert sum(station_target(-5_000.0, station, car, uneven=False, discharge=True)) == pytest.approx(
        -5_000.0
    )
    assert sum(station_target(-9_000.0, station, car, uneven=False, discharge=True)) == pytest.approx(
        -6_900.0
    )
    assert station_target(-4_000.0, station, car, uneven=False, discharge=True) == NOTHING
    assert station_target(-5_000.0, station, car, uneven=False, discharge=False) == NOTHING


def test_uneven_phases_share_what_one_cannot_take_within_the_asymmetry() -> None:
    assert spread(9_000.0, (7_360.0, 1_000.0, 7_360.0), 3, True) == (4_000.0, 1_000.0, 4_000.0)
    assert spread(9_000.0, (7_360.0, 1_000.0, 7_360.0), 3, False) == each(1_000.0, 3)
    assert spread(9_000.0, (7_360.0, 0.0, 0.0), 1, True) == (7_360.0, 0.0, 0.0)
    assert balanced((4_000.0, 1_000.0, 4_000.0), 3, 2_000.0) == (3_000.0, 1_000.0, 3_000.0)
    assert balanced((-4_000.0, -1_000.0, -4_000.0), 3, 2_000.0) == (-3_000.0, -1_000.0, -3_000.0)
    assert balanced((4_000.0, 0.0, 0.0), 1, 2_000.0) == (4_000.0, 0.0, 0.0)
    assert balanced((4_000.0, 0.0, 0.0), 3, None) == (4_000.0, 0.0, 0.0)


def test_each_phase_has_its_own_minimum_where_they_may_be_uneven() -> None:
    car = AcVehicleLimits.of(current_a=32.0, uneven=True)
    lame = AcStationLimits(
        maximum_current_a=(32.0, 4.0, 32.0), maximum_charge_power_w=(7_360.0, 920.0, 7_360.0)
    )
    assert station_target(9_000.0, lame, car, uneven=True, discharge=False) == (4_040.0, 0.0, 4_040.0)
    assert station_target(9_000.0, lame, car, uneven=False, discharge=False) == NOTHING


@pytest.mark.parametrize(
    ("target", "power"),
    [(1_000.0, 0.0), (1_379.9, 0.0), (1_380.0, 1_380.0), (2_000.0, 2_000.0), (30_000.0, 3_680.0), (0.0, 0.0)],
)
def test_the_vehicle_follows_a_target_or_takes_nothing(target: float, power: float) -> None:
    taken = follow((target, 0.0, 0.0), CAR_3, STATION_7, uneven=False, discharge=False)
    assert taken == pytest.approx((power, 0.0, 0.0))


def test_the_vehicle_gives_only_in_a_service_for_it() -> None:
    car = AcVehicleLimits.of(current_a=16.0, discharge_a=16.0)
    station = AcStationLimits.of(current_a=16.0, discharge_a=16.0)
    assert sum(follow(each(-2_000.0, 3), car, station, uneven=False, discharge=True)) == pytest.approx(
        -6_000.0
    )
    assert follow(each(-2_000.0, 3), car, station, uneven=False, discharge=False) == NOTHING
    assert follow(each(-500.0, 3), car, station, uneven=False, discharge=True) == NOTHING


@pytest.mark.parametrize(
    ("schedule", "power"),
    [(None, 11_040.0), (20_000.0, 11_040.0), (6_000.0, 6_000.0), (4_000.0, 0.0), (-1.0, 0.0)],
)
def test_without_a_target_the_schedule_and_both_limits_decide(schedule: float | None, power: float) -> None:
    taken = follow(None, CAR_11, STATION_22, uneven=False, discharge=False, schedule_w=schedule)
    assert sum(taken) == pytest.approx(power)


def test_a_vehicle_keeps_within_the_stations_limits_whatever_the_target() -> None:
    weak = AcStationLimits.of(current_a=8.0)
    assert sum(follow(each(3_680.0, 3), CAR_11, weak, uneven=False, discharge=False)) == pytest.approx(
        5_520.0
    )
    assert (
        follow(each(3_680.0, 3), CAR_11, AcStationLimits.of(current_a=5.0), uneven=False, discharge=False)
        == NOTHING
    )


@pytest.mark.parametrize("seed", range(20))
def test_no_target_is_beyond_a_limit_or_below_a_minimum(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(200):
        phases, uneven = rng.choice((1, 3)), rng.random() < 0.5
        station = AcStationLimits.of(
            current_a=rng.uniform(0.0, 80.0),
            discharge_a=rng.uniform(0.0, 80.0),
            minimum_a=rng.uniform(0.0, 8.0),
            phases=phases,
        )
        car = AcVehicleLimits.of(
            current_a=rng.uniform(0.0, 64.0), discharge_a=rng.uniform(0.0, 64.0), phases=phases
        )
        point = rng.choice((None, rng.uniform(-50e3, 50e3)))
        asymmetry = rng.choice((None, rng.uniform(0.0, 5e3)))
        target = station_target(point, station, car, uneven=uneven, discharge=True, asymmetry_w=asymmetry)
        what = "discharge_power_w" if sum(target) < 0.0 else "charge_power_w"
        total = abs(sum(target))
        for index, value in enumerate(target):
            for side in (station, car):
                assert abs(value) <= getattr(side, f"maximum_{what}")[index] + 1e-6
        if total > 0.0:
            least = max(sum(getattr(side, f"minimum_{what}")) for side in (station, car))
            if not uneven:
                assert total >= least - 1e-5
        assert point is None or total <= abs(point) + 1e-6
        taken = follow(target, car, station, uneven=uneven, discharge=True)
        assert sum(taken) == pytest.approx(sum(target), abs=1e-5)


def test_a_current_per_phase_is_the_least_of_all_that_holds() -> None:
    assert least_current((32.0, 16.0, 20.0), 3) == 16.0
    assert least_current((32.0, 0.0, 0.0), 1) == 32.0
    assert current_within(32.0, 6.0, 3, 230.0) == 32.0
    assert current_within(32.0, 6.0, 3, 230.0, 11_040.0) == pytest.approx(16.0)
    assert current_within(32.0, 6.0, 1, 230.0, 1_380.0) == pytest.approx(6.0)
    assert current_within(32.0, 6.0, 1, 230.0, 1_379.0) == 0.0
    assert current_within(5.9, 6.0, 3, 230.0) == 0.0
    assert current_within(32.0, 6.0, 3, 230.0, -5.0) == 0.0
    assert power_of((16.0, 16.0, 0.0), 230.0) == (3680.0, 3680.0, 0.0)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"phases": 2}, "phases"),
        ({"maximum_current_a": (32.0, 32.0)}, "maximum_current_a"),
        ({"maximum_current_a": 32.0}, "maximum_current_a"),
        ({"maximum_charge_power_w": (float("nan"), 0.0, 0.0)}, "maximum_charge_power_w"),
        ({"minimum_charge_power_w": each(8000.0, 3)}, "minimum_charge_power_w"),
        ({"phases": 1}, "maximum_current_a"),
        ({"nominal_voltage_v": 0.0}, "nominal_voltage_v"),
        ({"nominal_frequency_hz": 16.7}, "nominal_frequency_hz"),
        ({"maximum_asymmetry_w": -1.0}, "maximum_asymmetry_w"),
    ],
)
def test_a_limit_that_is_none_is_named(wrong: dict[str, object], named: str) -> None:
    right: dict[str, object] = {"maximum_current_a": each(32.0, 3), "maximum_charge_power_w": each(7360.0, 3)}
    AcStationLimits(**right)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as error:
        AcStationLimits(**(right | wrong))  # type: ignore[arg-type]
    assert error.value.key == named


def test_a_vehicle_of_one_phase_is_not_uneven() -> None:
    with pytest.raises(ConfigError) as error:
        AcVehicleLimits.of(current_a=16.0, phases=1, uneven=True)
    assert error.value.key == "uneven"


def test_a_station_of_three_phases_has_one_for_a_vehicle_of_one() -> None:
    one = STATION_22.single_phase()
    assert one == STATION_7


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -1.0, True, "16", None, Decimal(16), 10**400], ids=repr
)
@pytest.mark.parametrize("field", ["current_a", "discharge_a", "minimum_a", "nominal_voltage_v"])
@pytest.mark.parametrize("kind", [AcStationLimits, AcVehicleLimits])
def test_the_short_way_to_limits_takes_numbers_alone(kind: Any, field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field):
        kind.of(**({"current_a": 16.0} | {field: value}))
