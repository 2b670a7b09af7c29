"""Sessions with peers that change their minds, a seeded part of those that ``python -m
tests.pair.contrary --mid-session`` runs."""

from __future__ import annotations

import pytest

from iso15118.messages.iso20.common_types import EvseNotification
from iso15118.testing.contrary_mid_session import MidSessionHabits, MindedStation, MindedVehicle
from tests.pair.contrary import run, station_session, vehicle_session

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_session_with_one_ends_by_our_own_numbers(seed: int) -> None:
    assert run(seed, minds=True)


def test_the_habits_of_the_seeded_part_differ() -> None:
    vehicles = [MidSessionHabits.of(seed) for seed in SEEDS if seed % 2]
    stations = [MidSessionHabits.of(seed) for seed in SEEDS if seed % 2 == 0]
    assert {one.service for one in vehicles} == {"", "again", "hangs up", "looks"}
    assert {len(one.turns) for one in vehicles} == {0, 1, 2, 5}
    assert {one.beside for one in stations} == {"well", "slowly", "warning", "never", "late"}
    told = {what for one in stations for _, what in one.notifies}
    assert told >= {EvseNotification.ScheduleRenegotiation, EvseNotification.ServiceRenegotiation}
    assert {one.says_needs for one in stations} == {one.go_to_pause for one in stations} == {True, False}


def test_what_they_have_in_mind_is_said_and_answered() -> None:
    """Otherwise none of it would be tried."""
    said: set[str] = set()
    for seed in SEEDS:
        if seed % 2:
            vehicle = station_session(seed, minds=True)[2]
            assert isinstance(vehicle, MindedVehicle)
            said |= set(vehicle.beside_codes)
        elif seed < 20:
            station = vehicle_session(seed, minds=True)[2]
            assert isinstance(station, MindedStation)
            said |= {"asked"} if station.beside_asked else set()
    assert said >= {"OK", "WARNING_ScheduleRenegotiationFailed", "asked"}
