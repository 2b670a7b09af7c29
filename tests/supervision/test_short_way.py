"""The short way of a sample against the rules: a supervisor that may take it finds, at every moment,
what one that never does finds.

Commands and samples are drawn from values at which rules begin; both supervisors of a pair get the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from iso15118.session.supervision import (
    Finding,
    Rule,
    StationSupervisor,
    SupervisionLimits,
    VehicleSupervisor,
    over_voltage_limit,
)

WALKS, STEPS = 60, 60
VOLTS: tuple[float, ...] = (
    -5001.0,
    -5000.0,
    0.0,
    60.0,
    60.1,
    664.9,
    665.0,
    700.0,
    800.0,
    850.0,
    882.9,
    883.0,
    888.8,
    888.9,
    892.5,
    892.6,
    1045.1,
    1400.0,
    5001.0,
)
VOLTS += (over_voltage_limit(950.0, 1.1),)
AMPERES: tuple[float, ...] = (
    0.0,
    1.0,
    2.0,
    2.1,
    3.0,
    3.1,
    5.0,
    5.1,
    10.0,
    200.0,
    210.0,
    210.1,
    300.0,
    315.0,
    315.1,
    425.0,
    425.1,
    525.0,
    525.1,
    530.0,
    530.1,
)
AMPERES += (223.75, 223.76, 2000.0, 20_000.0)
LIMITS = (
    SupervisionLimits(),
    SupervisionLimits(off=tuple(Rule)),
    SupervisionLimits(off=(Rule.OVER_CURRENT, Rule.VOLTAGE_ABOVE_ASKED)),
    SupervisionLimits(off=(Rule.OVER_VOLTAGE, Rule.REVERSE_CURRENT, Rule.WRONG_DIRECTION)),
    SupervisionLimits(off=(Rule.CURRENT_WITHOUT_PERMISSION, Rule.VOLTAGE_AFTER_END, Rule.OVER_POWER)),
    SupervisionLimits(reverse_current_a=20.0, wrong_direction_a=20.0),
    SupervisionLimits(rating_factor=1.0, no_current_a=1.0, over_current_share=0.0, wrong_direction_a=1.0),
)


def station(limits: SupervisionLimits) -> StationSupervisor:
    made = StationSupervisor(limits)
    made.negotiated(950.0, 500.0, 400.0)
    return made


def vehicle(limits: SupervisionLimits) -> VehicleSupervisor:
    return VehicleSupervisor(limits, maximum_v=900.0, charge_a=500.0, discharge_a=400.0)


def of_the_station(chance: random.Random, now: float) -> Callable[[StationSupervisor], object]:
    """One command, for both."""
    closed, emergency, back = chance.random() < 0.7, chance.random() < 0.5, chance.random() < 0.3
    volts, amperes = (
        chance.choice((400.0, 700.0, 850.0)),
        chance.choice((0.0, 50.0, 200.0, 209.0, 300.0, 500.0)),
    )
    watts = chance.choice((0.0, 170_000.0, 300_000.0, 1e6))
    return chance.choice(
        [
            lambda one: one.set_power(volts, -amperes if back else amperes, watts, back, now),
            lambda one: one.set_power(volts, -amperes if back else amperes, watts, back, now),
            lambda one: one.stop_power(emergency, now),
            lambda one: one.told(closed),
            lambda one: one.contactors(closed),
            lambda one: one.pre_charge(volts, 2.0, now),
            lambda one: one.cable_check(volts),
            lambda one: one.cable_check_over(now),
            lambda one: one.negotiated(950.0, 500.0, 400.0),
            lambda one: one.live_from(now),
        ]
    )


def of_the_vehicle(chance: random.Random, now: float) -> Callable[[VehicleSupervisor], object]:
    closed, emergency, hot = chance.random() < 0.7, chance.random() < 0.3, chance.random() < 0.2
    amperes, back = chance.choice((0.0, 50.0, 300.0, 500.0)), chance.choice((0.0, 0.0, 200.0, 400.0))
    most, wanted = chance.choice((880.0, 950.0, 500.0)), chance.choice((0.0, -1.0, 300.0))
    return chance.choice(
        [
            lambda one: one.asked(amperes, back, now),
            lambda one: one.asked(amperes, back, now),
            lambda one: one.stop(emergency, now),
            lambda one: one.told(closed, now),
            lambda one: one.contactors(closed),
            lambda one: one.battery(most, wanted, hot, now, now),
        ]
    )


def walk(
    chance: random.Random,
    short: StationSupervisor | VehicleSupervisor,
    long: StationSupervisor | VehicleSupervisor,
    command: Callable[[random.Random, float], Callable[..., object]],
) -> tuple[Sequence[Finding], int]:
    """What was found, and how often the short way was taken."""
    now, found, taken = 0.0, [], 0
    for _ in range(STEPS):
        now += chance.choice((0.05, 0.1, 0.5, 1.5))
        if chance.random() < 0.3:
            step = command(chance, now)
            step(short)
            step(long)
        volts = chance.choice(VOLTS if chance.random() < 0.3 else (0.0, 60.0, 700.0, 800.0))
        amperes = chance.choice((-1.0, 1.0)) * chance.choice(
            AMPERES if chance.random() < 0.7 else AMPERES[:5]
        )
        for _ in range(chance.choice((1, 1, 4))):
            now += 0.05
            quick = short.within(volts, amperes, now)
            here = None if quick else short.measured(volts, amperes, now, now)
            there = long.measured(volts, amperes, now, now)
            assert here == there
            assert repr((short.voltage_v, short.current_a, short.fresh_until)) == repr(
                (long.voltage_v, long.current_a, long.fresh_until)
            )
            taken += quick
            found += [there] if there is not None else []
    return found, taken


@pytest.mark.parametrize(
    "limits", LIMITS, ids=["all", "none", "no current", "no voltage", "no rest", "wide back", "tight"]
)
@pytest.mark.parametrize("role", ["station", "vehicle"])
def test_the_short_way_finds_what_the_rules_find(role: str, limits: SupervisionLimits) -> None:
    make, command = {"station": (station, of_the_station), "vehicle": (vehicle, of_the_vehicle)}[role]
    taken = 0
    found: list[Finding] = []
    for seed in range(WALKS):
        some, often = walk(random.Random(seed), make(limits), make(limits), command)  # type: ignore[arg-type]
        found += some
        taken += often
    assert taken > WALKS, "the short way is taken"
    assert len({finding.rule for finding in found}) >= (0 if len(limits.off) == len(Rule) else 4), (
        "and rules are broken"
    )
