"""The supervisors on numbers alone: every rule at its threshold, above it for less than its time,
and above it for as long."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from iso15118.errors import ConfigError
from iso15118.session.supervision import (
    Finding,
    Reaction,
    Rule,
    SensorSupervisor,
    StationSupervisor,
    SupervisionLimits,
    VehicleSupervisor,
    over_voltage_limit,
)
from iso15118.session.supervision.rules import worse

LOOK_S = 0.05
FAULT, STOP, WARN = Reaction.FAULT, Reaction.STOP, Reaction.WARN


def station(limits: SupervisionLimits | None = None) -> StationSupervisor:
    """950 V between the two, 500 A each way, everything open."""
    supervisor = StationSupervisor(limits or SupervisionLimits())
    supervisor.negotiated(950.0, 500.0, 400.0)
    return supervisor


def charging(supervisor: StationSupervisor, *, amperes: float = 200.0, watts: float = 170_000.0) -> None:
    supervisor.contactors(True)
    supervisor.told(True)
    supervisor.set_power(850.0, amperes, watts, amperes < 0.0, -100.0)
    supervisor.measured(800.0, min(amperes, 200.0), -50.0, -50.0)


def after_stop(supervisor: StationSupervisor, *, emergency: bool, closed: bool = True) -> None:
    charging(supervisor)
    supervisor.stop_power(emergency, -100.0)
    supervisor.contactors(closed)


def feed(
    supervisor: StationSupervisor | VehicleSupervisor, voltage: float, current: float, seconds: float
) -> list[tuple[float, Finding]]:
    """Samples every 50 ms from 0 to ``seconds``; what was found, and when. Each has a clock of its own: no
    sample of an earlier one is newer."""
    if isinstance(supervisor, StationSupervisor):
        supervisor.sampled_at = -math.inf
    else:
        supervisor.inlet_at = -math.inf
    found = []
    for number in range(round(seconds / LOOK_S) + 1):
        now = number * LOOK_S
        finding = supervisor.measured(voltage, current, now, now)
        if finding is not None:
            found.append((now, finding))
    return found


def kind(finding: Finding | None) -> tuple[Rule | None, Reaction | None]:
    return (None, None) if finding is None else (finding.rule, finding.reaction)


def check_phase(supervisor: StationSupervisor) -> None:
    supervisor.cable_check(900.0)


def pre_charge(supervisor: StationSupervisor) -> None:
    supervisor.pre_charge(800.0, 2.0, -100.0)


def giving(supervisor: StationSupervisor) -> None:
    supervisor.contactors(True)
    supervisor.told(True)
    supervisor.set_power(700.0, -200.0, 170_000.0, True, -100.0)


STATION: dict[
    str, tuple[Callable[[StationSupervisor], Any], tuple[float, float], tuple[float, float], Rule, Any]
] = {
    # how it is brought about, the threshold itself, just above (V, A), the rule, and when it does what
    "over-voltage": (
        charging,
        (over_voltage_limit(950.0, 1.1), 0.0),
        (1045.1, 0.0),
        Rule.OVER_VOLTAGE,
        [(0.1, FAULT)],
    ),
    "over-voltage at rest": (
        lambda s: after_stop(s, emergency=False),
        (over_voltage_limit(950.0, 1.1), 0.0),
        (1045.1, 0.0),
        Rule.OVER_VOLTAGE,
        [(0.1, FAULT)],
    ),
    "voltage above asked": (
        lambda s: charging(s, watts=300_000.0),
        (892.5, 200.0),
        (892.6, 200.0),
        Rule.VOLTAGE_ABOVE_ASKED,
        [(0.5, STOP), (1.0, FAULT)],
    ),
    "voltage above a low bound": (
        lambda s: s.set_power(300.0, 200.0, 170_000.0, False, -100.0),
        (320.0, 200.0),
        (320.1, 200.0),
        Rule.VOLTAGE_ABOVE_ASKED,
        [(0.5, STOP), (1.0, FAULT)],
    ),
    "voltage below the lower bound": (
        giving,
        (665.0, -200.0),
        (664.9, -200.0),
        Rule.VOLTAGE_ABOVE_ASKED,
        [(0.5, STOP), (1.0, FAULT)],
    ),
    "over-current": (charging, (800.0, 210.0), (800.0, 210.1), Rule.OVER_CURRENT, [(0.5, FAULT)]),
    "over the rating": (
        lambda s: charging(s, amperes=500.0, watts=400_000.0),
        (700.0, 525.0),
        (700.0, 530.1),
        Rule.OVER_CURRENT,
        [(0.0, FAULT), (0.5, FAULT)],
    ),
    "over-current when giving": (giving, (800.0, -210.0), (800.0, -210.1), Rule.OVER_CURRENT, [(0.5, FAULT)]),
    "reverse": (charging, (800.0, -5.0), (800.0, -5.1), Rule.REVERSE_CURRENT, [(0.2, FAULT)]),
    "wrong direction": (giving, (800.0, 5.0), (800.0, 5.1), Rule.WRONG_DIRECTION, [(1.0, STOP)]),
    "without permission": (
        lambda s: None,
        (0.0, 5.0),
        (0.0, 5.1),
        Rule.CURRENT_WITHOUT_PERMISSION,
        [(0.1, FAULT)],
    ),
    "after an emergency": (
        lambda s: after_stop(s, emergency=True),
        (800.0, -5.0),
        (800.0, -5.1),
        Rule.CURRENT_WITHOUT_PERMISSION,
        [(0.1, FAULT)],
    ),
    "voltage after the end": (
        lambda s: after_stop(s, emergency=False, closed=False),
        (60.0, 0.0),
        (60.1, 0.0),
        Rule.VOLTAGE_AFTER_END,
        [(0.0, WARN)],
    ),
    "cable check voltage": (
        check_phase,
        (910.0, 0.0),
        (910.1, 0.0),
        Rule.CABLE_CHECK_VOLTAGE,
        [(0.1, FAULT)],
    ),
    "cable check current": (
        check_phase,
        (900.0, 2.0),
        (900.0, 2.1),
        Rule.CABLE_CHECK_CURRENT,
        [(0.1, FAULT)],
    ),
    "pre-charge voltage": (pre_charge, (820.0, 0.0), (820.1, 0.0), Rule.PRE_CHARGE_VOLTAGE, [(0.2, FAULT)]),
    "pre-charge current": (pre_charge, (800.0, 3.0), (800.0, 3.1), Rule.PRE_CHARGE_CURRENT, [(0.2, FAULT)]),
    "pre-charge back": (pre_charge, (800.0, -3.0), (800.0, -3.1), Rule.PRE_CHARGE_CURRENT, [(0.2, FAULT)]),
    "over-power": (
        lambda s: charging(s, amperes=300.0),
        (800.0, 223.75),
        (800.0, 223.8),
        Rule.OVER_POWER,
        [(1.0, STOP)],
    ),
}


@pytest.mark.parametrize("name", STATION)
def test_a_rule_of_the_station(name: str) -> None:
    bring, below, above, rule, stages = STATION[name]
    supervisor = station()
    bring(supervisor)
    assert feed(supervisor, *below, 15.0) == []
    for seconds, _ in stages:
        supervisor = station()
        bring(supervisor)
        if seconds > 0.0:
            earlier = [when for when, _ in stages if when < seconds]
            assert len(feed(supervisor, *above, seconds - LOOK_S)) == len(earlier), "not before its time"
            supervisor.measured(*below, seconds, seconds)
            assert feed(supervisor, *below, 1.0) == [], "over when it is over"
    supervisor = station()
    bring(supervisor)
    found = feed(supervisor, *above, 15.0)
    assert [(pytest.approx(when), finding.reaction) for when, finding in found] == stages
    assert {finding.rule for _, finding in found} == {rule}
    assert found[0][1].since == 0.0
    assert found[0][1].detail.startswith(rule.value)
    thresholds = (*below, below[0] * below[1])
    assert any(abs(finding.limit) == pytest.approx(abs(one)) for one in thresholds for _, finding in found)
    assert all(finding.value in (*above, above[0] * above[1]) for _, finding in found)
    assert rule is not Rule.CURRENT_WITHOUT_PERMISSION or found[0][1].limit * found[0][1].value > 0.0


@pytest.mark.parametrize("name", STATION)
def test_a_rule_that_is_switched_off_is_not_kept(name: str) -> None:
    bring, _, above, rule, _ = STATION[name]
    supervisor = station(SupervisionLimits(off=(rule,)))
    bring(supervisor)
    assert [finding for _, finding in feed(supervisor, *above, 5.0) if finding.rule is rule] == []


@pytest.mark.parametrize(
    ("negotiated", "limit"),
    [
        (400.0, 440.0),
        (500.0, 550.0),
        (700.0, 770.0),
        (850.0, 935.0),
        (950.0, 1045.0),
        (1000.0, 1100.0),
        (1250.0, 1375.0),
        (1500.0, 1650.0),
    ],
)
def test_the_lesser_of_a_tenth_and_the_trip(negotiated: float, limit: float) -> None:
    assert over_voltage_limit(negotiated, 1.1) == pytest.approx(limit)
    assert over_voltage_limit(negotiated, 9.9) <= 1650.0


def test_a_trip_holds_up_to_its_maximum() -> None:
    trips = {500.0: 550.0, 500.1: 825.0, 750.0: 825.0, 750.1: 935.0, 850.0: 935.0, 850.1: 1100.0}
    trips |= {0.5: 550.0, 1000.0: 1100.0, 1000.1: 1375.0, 1250.1: 1650.0, 5000.0: 1650.0}
    assert {most: over_voltage_limit(most, 1e6) for most in trips} == trips
    assert over_voltage_limit(500.0, float("inf")) == float("inf"), "the rule is switched off"


def test_a_lowered_bound_gives_the_supply_time_and_no_more() -> None:
    supervisor = station()
    charging(supervisor)
    supervisor.set_power(850.0, 50.0, 170_000.0, False, 0.0)
    # A second, then 25 A/s from 200 A on: at 4 s 125 A may flow, and 6.25 A on top.
    assert all(supervisor.measured(800.0, 200.0, t, t) is None for t in (0.1, 0.5, 1.0))
    assert supervisor.measured(800.0, 131.0, 4.0, 4.0) is None
    assert supervisor.measured(800.0, 140.0, 4.1, 4.1) is None
    finding = supervisor.measured(800.0, 140.0, 4.7, 4.7)
    assert kind(finding)[0] is Rule.OVER_CURRENT


def test_a_bound_lowered_with_every_message_buys_no_time() -> None:
    supervisor = station()
    charging(supervisor)
    found = None
    for turn in range(80):  # 10 A less every quarter of a second; the supply does not move
        now = turn * 0.25
        supervisor.set_power(850.0, max(190.0 - 10.0 * turn, 0.0), 170_000.0, False, now)
        found = supervisor.measured(800.0, 200.0, now, now)
        if found is not None:
            break
    assert kind(found)[0] is Rule.OVER_CURRENT
    assert now <= 3.0


def test_an_orderly_stop_may_ramp_and_an_emergency_has_a_second() -> None:
    for emergency, allowed in ((False, 1.0 + 195.0 / 25.0), (True, 1.0)):
        supervisor = station()
        charging(supervisor)
        supervisor.stop_power(emergency, 0.0)
        last = 0.0
        for number in range(400):
            now = number * LOOK_S
            current = 200.0 if emergency else max(200.0 - 25.0 * max(now - 1.0, 0.0), 10.0)
            if supervisor.measured(800.0, current, now, now) is not None:
                break
            last = now
        assert allowed <= last + LOOK_S <= allowed + 0.3


def test_ramps_of_a_megawatt_connector_are_steeper() -> None:
    assert SupervisionLimits().ramp(500.0) == 25.0
    assert SupervisionLimits().ramp(3000.0) == 150.0


def test_the_direction_may_be_turned() -> None:
    supervisor = station()
    charging(supervisor)
    supervisor.set_power(700.0, -100.0, 170_000.0, True, 0.0)
    assert supervisor.measured(800.0, 150.0, 1.0, 1.0) is None
    assert supervisor.measured(800.0, -90.0, 12.0, 12.0) is None
    supervisor.set_power(850.0, 100.0, 170_000.0, False, 20.0)
    assert supervisor.measured(800.0, -60.0, 21.0, 21.0) is None
    assert supervisor.measured(800.0, 60.0, 30.0, 30.0) is None
    assert supervisor.measured(800.0, -10.0, 30.1, 30.1) is None
    finding = supervisor.measured(800.0, -10.0, 30.3, 30.3)
    assert kind(finding)[0] is Rule.REVERSE_CURRENT


def test_a_battery_that_holds_its_voltage_is_no_fault_of_the_supply() -> None:
    supervisor = station()
    charging(supervisor)
    supervisor.set_power(400.0, 0.0, 170_000.0, False, 0.0)  # the vehicle wants nothing any more
    assert feed(supervisor, 800.0, 0.0, 5.0) == []


def test_frozen_readings_warn_and_then_stop() -> None:
    supervisor = station()
    charging(supervisor)
    supervisor.set_power(850.0, 300.0, 250_000.0, False, 0.0)
    found = feed(supervisor, 800.0, 200.0, 12.0)
    assert [(round(when, 6), finding.reaction) for when, finding in found] == [(5.0, WARN), (10.0, STOP)]
    supervisor = station()
    charging(supervisor)
    supervisor.set_power(850.0, 209.0, 250_000.0, False, 0.0)  # by less than 10 A
    assert feed(supervisor, 800.0, 200.0, 12.0) == []
    supervisor = station()
    charging(supervisor)
    supervisor.set_power(850.0, 300.0, 280_000.0, False, 0.0)
    assert feed(supervisor, 848.0, 200.0, 12.0) == []  # the voltage bound holds it


def test_readings_grow_stale_on_the_clock_of_the_readings() -> None:
    supervisor = station()
    supervisor.live_from(10.0)
    assert supervisor.fresh_until == 11.0
    supervisor.measured(0.0, 0.0, 10.5, 10.9)
    assert supervisor.fresh_until == 11.5
    supervisor.measured(0.0, 0.0, 10.2, 11.2)  # an older one changes nothing
    assert supervisor.stale(11.499) is None
    finding = supervisor.stale(11.5)
    assert kind(finding)[0] is Rule.STALE_READINGS
    assert finding is not None
    assert finding.value == pytest.approx(1.0)
    assert finding.since == 10.5
    assert StationSupervisor(SupervisionLimits(stale_s=None)).stale(1e9) is None


def test_contactors_that_stay_closed() -> None:
    supervisor = station()
    after_stop(supervisor, emergency=True)
    supervisor.told(False)
    found = [
        (round(when, 6), finding.rule, finding.detail) for when, finding in feed(supervisor, 800.0, 0.0, 5.0)
    ]
    assert found == [(3.3, Rule.CONTACTOR_LEVEL, "contactor-level: 1.0 (1: closed), limit 0.0")]
    for limits in (SupervisionLimits(off=(Rule.CONTACTOR_LEVEL,)), SupervisionLimits(contactor_s=None)):
        supervisor = station(limits)
        after_stop(supervisor, emergency=True)
        supervisor.told(False)
        assert feed(supervisor, 800.0, 0.0, 5.0) == []
    supervisor = station()
    supervisor.contactors(True)
    assert feed(supervisor, 0.0, 0.0, 5.0) == [], "nobody told them to open"


def test_insulation_and_voltage_to_earth() -> None:
    supervisor = SensorSupervisor(SupervisionLimits())

    def ask(ohm: float, now: float, earth: float | None = None, maximum: float = 950.0) -> Finding | None:
        return supervisor.insulation(ohm, 100e3, earth, maximum, now)

    assert ask(100e3, 0.0) is None
    assert ask(99e3, 0.4) is None
    assert ask(99e3, 1.35) is None
    assert kind(ask(99e3, 1.4)) == (Rule.INSULATION, STOP)  # the difference of the two is just below a second
    assert kind(ask(80e3, 2.9)) == (Rule.INSULATION, STOP)
    assert kind(ask(79e3, 3.0)) == (Rule.INSULATION, FAULT)
    assert ask(1e6, 4.0, 551.0) is None, "once is no time"
    assert kind(ask(1e6, 6.0, -551.0)) == (Rule.VOLTAGE_TO_EARTH, FAULT)
    supervisor = SensorSupervisor(SupervisionLimits())
    assert ask(1e6, 4.0, 551.0) is None
    assert ask(1e6, 6.1, 551.0) is None
    assert ask(1e6, 6.1, 551.0) is None, "the same reading once more"
    supervisor = SensorSupervisor(SupervisionLimits())
    assert [ask(1e6, now, 550.0) for now in (1.0, 2.0)] == [None, None]
    assert [kind(ask(1e6, now, 440.1, 400.0))[0] for now in (3.0, 4.0)] == [None, Rule.VOLTAGE_TO_EARTH]
    supervisor = SensorSupervisor(SupervisionLimits(off=(Rule.INSULATION, Rule.VOLTAGE_TO_EARTH)))
    assert [ask(1.0, now, 2000.0) for now in (0.0, 1.0, 2.0)] == [None, None, None]


def test_two_sensors_of_one_voltage() -> None:
    supervisor = SensorSupervisor(SupervisionLimits())
    for now in (0.0, 5.0):
        assert supervisor.second_voltage(850.0, 800.0, now) is None
        assert supervisor.second_voltage(750.0, 800.0, now) is None
    assert supervisor.second_voltage(851.0, 800.0, 10.1) is None
    assert supervisor.second_voltage(851.0, 800.0, 11.05) is None
    found = supervisor.second_voltage(851.0, 800.0, 11.1)
    assert kind(found)[0] is Rule.SENSORS_DISAGREE


@pytest.mark.parametrize(("later_s", "found"), [(15.0, True), (15.1, False), (30.0, False)])
def test_two_moments_in_which_two_sensors_disagree_are_no_time(later_s: float, found: bool) -> None:
    supervisor = SensorSupervisor(SupervisionLimits())
    assert supervisor.second_voltage(740.0, 800.0, 0.0) is None
    assert (supervisor.second_voltage(740.0, 800.0, later_s) is not None) is found
    assert supervisor.second_voltage(740.0, 800.0, later_s + 1.0) is None or not found
    supervisor = SensorSupervisor(SupervisionLimits())
    assert supervisor.second_voltage(740.0, 800.0, 0.0) is None
    supervisor.not_compared()
    assert supervisor.second_voltage(740.0, 800.0, 2.0) is None


# -- settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SupervisionLimits.__struct_fields__)
def test_settings_that_make_no_sense_are_named(name: str) -> None:
    for value in (-1.0, float("nan"), float("inf"), "5", True, object()):
        with pytest.raises(ConfigError, match=name):
            msgspec.structs.replace(SupervisionLimits(), **{name: value})


def test_a_ramp_is_more_than_nothing() -> None:
    assert SupervisionLimits(ramp_a_per_s=0.5, ramp_full_s=0.5).ramp(0.1) == 0.5
    for name in ("ramp_a_per_s", "ramp_full_s"):
        with pytest.raises(ConfigError, match=name):
            msgspec.structs.replace(SupervisionLimits(), **{name: 0.0})


def test_the_worse_of_two_findings_and_of_equals_the_first() -> None:
    assert [reaction.rank for reaction in (WARN, STOP, FAULT)] == [1, 2, 3]
    warn, stop, other = (
        Finding(Rule.OVER_POWER, value, 0.0, 0.0, reaction)
        for value, reaction in ((1.0, WARN), (2.0, STOP), (3.0, STOP))
    )
    assert worse(warn, stop) is stop
    assert worse(stop, warn) is stop
    assert worse(stop, other) is stop
    assert (worse(None, warn), worse(warn, None), worse(None, None)) == (warn, warn, None)


@pytest.mark.parametrize("targets", [(700.0,), (700.0, 700.5), (700.0, 699.9, 699.8)])
def test_a_target_that_is_lowered_again_and_again_excuses_no_voltage(targets: tuple[float, ...]) -> None:
    supervisor = StationSupervisor(SupervisionLimits())
    charging(supervisor, watts=300_000.0)
    supervisor.measured(800.0, 200.0, 0.0, 0.0)
    found: list[Finding] = []
    now = 0.0
    for turn in range(200):
        now = 0.1 * turn
        supervisor.set_power(targets[turn % len(targets)] - 0.001 * turn, 200.0, 300_000.0, False, now)
        finding = supervisor.measured(800.0, 200.0, now, now)
        if finding is not None:
            found.append(finding)
        assert finding is None or now == pytest.approx(9.5 if len(found) == 1 else 10.0, abs=0.11)
    # 1 s to hear of it, 8 s at 25 A/s, and then the time of the rule.
    assert [kind(one) for one in found] == [
        (Rule.VOLTAGE_ABOVE_ASKED, STOP),
        (Rule.VOLTAGE_ABOVE_ASKED, FAULT),
    ]
