"""Sessions with peers of other habits, a seeded part of those that ``python -m tests.pair.contrary`` runs."""

from __future__ import annotations

import pytest

from iso15118.testing.contrary_station import StationHabits
from iso15118.testing.contrary_vehicle import VehicleHabits
from tests.pair.contrary import SERVICES, run

SEEDS = range(48)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_session_with_a_contrary_peer_ends_by_our_own_numbers(seed: int) -> None:
    assert run(seed)


def test_the_habits_of_the_seeded_part_differ() -> None:
    stations = [StationHabits.of(seed) for seed in SEEDS if seed % 2 == 0]
    vehicles = [VehicleHabits.of(seed, tuple(int(one) for one in SERVICES)) for seed in SEEDS if seed % 2]
    assert {station.modes for station in stations} == {(1, 2), (2, 1), (1,), (2,)}
    assert {station.loop_limits for station in stations} == {"absent", "offered", "above", "narrow"}
    assert {station.anchor_s for station in stations} >= {None, 0.0, -4500.0, 20.0}
    assert any(station.microseconds for station in stations)
    assert {vehicle.mode for vehicle in vehicles} == {1, 2}
    assert {vehicle.profile for vehicle in vehicles} == {"none", "now", "past", "ahead", "zero"}
    assert {vehicle.discharge_sign for vehicle in vehicles} == {1, -1}
    assert {vehicle.way_out for vehicle in vehicles} == {
        "stop",
        "session stop",
        "renegotiate and stop",
        "silent welding",
    }
