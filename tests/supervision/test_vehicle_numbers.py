"""The vehicle's supervisor on numbers alone: every rule at its threshold, above it for less than
its time, and for as long."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.session.supervision import Rule, SupervisionLimits, VehicleSupervisor
from tests.supervision.test_numbers import FAULT, LOOK_S, STOP, WARN, charging, feed, kind, station


def vehicle(limits: SupervisionLimits | None = None) -> VehicleSupervisor:
    """On the cable: 900 V declared, the battery stands 880 V, 300 A asked for."""
    supervisor = VehicleSupervisor(
        limits or SupervisionLimits(), maximum_v=900.0, charge_a=500.0, discharge_a=400.0
    )
    supervisor.told(True, -100.0)
    supervisor.contactors(True)
    supervisor.battery(880.0, 300.0, False, -100.0, -100.0)
    supervisor.asked(300.0, 0.0, -100.0)
    return supervisor


def bidirectional(supervisor: VehicleSupervisor) -> None:
    supervisor.asked(300.0, 200.0, -50.0)


def wants_none(supervisor: VehicleSupervisor) -> None:
    supervisor.battery(880.0, 0.0, False, -50.0, -50.0)
    supervisor.measured(0.0, 0.0, -40.0, -40.0)


def stopped(supervisor: VehicleSupervisor) -> None:
    supervisor.stop(False, -50.0)
    supervisor.told(False, -50.0)
    supervisor.contactors(False)


VEHICLE: dict[
    str, tuple[Callable[[VehicleSupervisor], Any], tuple[float, float], tuple[float, float], Rule, Any]
] = {
    "over-voltage": (lambda s: None, (888.8, 100.0), (888.9, 100.0), Rule.OVER_VOLTAGE, [(0.2, FAULT)]),
    "over-current": (
        lambda s: None,
        (800.0, 315.0),
        (800.0, 315.1),
        Rule.OVER_CURRENT,
        [(0.5, STOP), (2.0, FAULT)],
    ),
    "over the rating": (
        lambda s: s.asked(500.0, 0.0, -50.0),
        (800.0, 525.0),
        (800.0, 530.1),
        Rule.OVER_CURRENT,
        [(0.5, FAULT), (2.0, FAULT)],
    ),
    "over-current when giving": (
        bidirectional,
        (800.0, -210.0),
        (800.0, -210.1),
        Rule.OVER_CURRENT,
        [(0.5, STOP), (2.0, FAULT)],
    ),
    "reverse": (lambda s: None, (800.0, -5.0), (800.0, -5.1), Rule.REVERSE_CURRENT, [(0.2, FAULT)]),
    "after the stop": (stopped, (0.0, 5.0), (0.0, 5.1), Rule.CURRENT_WITHOUT_PERMISSION, [(0.1, FAULT)]),
    "after the stop, back": (
        stopped,
        (0.0, -5.0),
        (0.0, -5.1),
        Rule.CURRENT_WITHOUT_PERMISSION,
        [(0.1, FAULT)],
    ),
    "the battery wants none": (
        wants_none,
        (800.0, 5.0),
        (800.0, 5.1),
        Rule.BATTERY_WANTS_NONE,
        [(2.0, STOP), (10.0, FAULT)],
    ),
    "a hot inlet": (
        lambda s: s.battery(880.0, 300.0, True, -50.0, -50.0),
        (800.0, 5.0),
        (800.0, 5.1),
        Rule.INLET_HOT,
        [(5.0, STOP), (10.0, FAULT)],
    ),
}


@pytest.mark.parametrize("name", VEHICLE)
def test_a_rule_of_the_vehicle(name: str) -> None:
    bring, below, above, rule, stages = VEHICLE[name]
    supervisor = vehicle()
    bring(supervisor)
    assert feed(supervisor, *below, 15.0) == []
    for seconds, _ in stages:
        supervisor = vehicle()
        bring(supervisor)
        earlier = [when for when, _ in stages if when < seconds]
        assert len(feed(supervisor, *above, seconds - LOOK_S)) == len(earlier), "not before its time"
        supervisor.measured(*below, seconds, seconds)
        assert feed(supervisor, *below, 1.0) == [], "over when it is over"
    supervisor = vehicle()
    bring(supervisor)
    found = feed(supervisor, *above, 15.0)
    assert [(pytest.approx(when), finding.reaction) for when, finding in found] == stages
    assert {finding.rule for _, finding in found} == {rule}
    assert any(abs(finding.limit) == pytest.approx(abs(one)) for one in below for _, finding in found)
    assert all(finding.value in above and finding.limit * finding.value > 0.0 for _, finding in found)
    off = vehicle(SupervisionLimits(off=(rule,)))
    bring(off)
    assert [finding for _, finding in feed(off, *above, 12.0) if finding.rule is rule] == []


def test_voltage_behind_open_contactors_is_not_the_vehicles() -> None:
    supervisor = vehicle()
    stopped(supervisor)
    assert feed(supervisor, 1200.0, 0.0, 5.0) == []


@pytest.mark.parametrize("youngest", ["inlet", "battery"])
@pytest.mark.parametrize("last", ["inlet", "battery"])
@pytest.mark.parametrize("short", [True, False])
def test_either_reading_of_the_vehicle_grows_stale(youngest: str, last: str, short: bool) -> None:
    supervisor = vehicle()
    supervisor.measured(800.0, 0.0, 4.0, 4.0)
    for reading in ("inlet", "battery") if last == "battery" else ("battery", "inlet"):
        at = 5.0 if reading == youngest else 4.5
        if reading == "battery":
            supervisor.battery(880.0, 300.0, False, at, 5.0)
        elif not (short and supervisor.within(800.0, 0.0, at)):
            supervisor.measured(800.0, 0.0, at, 5.0)
    assert supervisor.fresh_until == 5.5
    assert supervisor.stale(5.499) is None
    found = supervisor.stale(5.5)
    assert found is not None
    assert (found.rule, found.value, found.since) == (Rule.STALE_READINGS, 1.0, 4.5)
    assert youngest not in found.what
    assert supervisor.fresh_until == 6.5, "told again when so much time has passed again"


def test_readings_are_waited_for_from_the_moment_on_that_contactors_are_told_to_close() -> None:
    supervisor = VehicleSupervisor(SupervisionLimits(), maximum_v=900.0, charge_a=500.0, discharge_a=0.0)
    supervisor.told(True, 10.0)
    assert supervisor.fresh_until == 11.0
    found = supervisor.stale(11.0)
    assert found is not None
    assert found.what == "s without a reading of the inlet"
    supervisor.told(False, 11.5)
    assert supervisor.fresh_until == 12.0


# -- to the last ampere


def found_at(
    supervisor: VehicleSupervisor, volts: float, amperes: float, seconds: float = 1.0
) -> list[object]:
    return [(round(when, 6), *kind(finding)) for when, finding in feed(supervisor, volts, amperes, seconds)]


def test_before_anything_is_told() -> None:
    supervisor = VehicleSupervisor(SupervisionLimits(), maximum_v=900.0, charge_a=500.0, discharge_a=0.0)
    assert (supervisor.voltage_v, supervisor.current_a, supervisor.closed) == (0.0, 0.0, False)
    assert found_at(supervisor, 0.0, 5.1, 0.3) == [(0.1, Rule.CURRENT_WITHOUT_PERMISSION, FAULT)]
    supervisor.contactors(True)
    assert found_at(supervisor, 0.0, 0.0, 5.0) == [], "nobody told them to open"
    supervisor.told(True, 0.0)
    supervisor.asked(300.0, 0.0, 0.0)
    assert found_at(supervisor, 800.0, 100.0, 12.0) == [], "the battery has not said that it is hot"


def test_a_rating_is_kept_whatever_is_asked_for() -> None:
    for amperes, reaction in ((530.0, STOP), (530.1, FAULT), (-425.0, STOP), (-425.1, FAULT)):
        supervisor = vehicle()
        supervisor.asked(500.0, 400.0, -50.0)
        assert found_at(supervisor, 700.0, amperes) == [(0.5, Rule.OVER_CURRENT, reaction)]
    off = SupervisionLimits(off=tuple(Rule))
    for amperes, found in ((5000.0, []), (5000.1, [(0.5, Rule.OVER_CURRENT, FAULT)])):
        assert found_at(vehicle(off), 700.0, amperes) == found
        assert found_at(vehicle(off), 700.0, -amperes) == found
    for volts, found in ((2000.0, []), (2000.1, [(0.2, Rule.OVER_VOLTAGE, FAULT)])):
        assert found_at(vehicle(off), volts, 0.0) == found


@pytest.mark.parametrize("greatest", [(3000.0, 100.0), (100.0, 3000.0)])
def test_a_current_of_a_megawatt_connector_falls_within_twenty_seconds(greatest: tuple[float, float]) -> None:
    charge, discharge = greatest
    sign = 1.0 if charge > discharge else -1.0
    for amperes, rule in ((945.0, None), (946.0, Rule.OVER_CURRENT)):
        supervisor = VehicleSupervisor(
            SupervisionLimits(reverse_current_a=None), maximum_v=900.0, charge_a=charge, discharge_a=discharge
        )
        supervisor.told(True, -100.0)
        supervisor.asked(*greatest, -100.0)
        supervisor.measured(800.0, sign * 1500.0, 0.0, 0.0)
        supervisor.stop(False, 0.0)
        supervisor.measured(800.0, sign * 1500.0, 1.000001, 1.000001)
        supervisor.measured(800.0, sign * amperes, 5.0, 5.0)
        assert kind(supervisor.measured(800.0, sign * amperes, 5.5, 5.5))[0] is rule


@pytest.mark.parametrize("flows", [0.0, -4.0, 0.5, 300.0])
@pytest.mark.parametrize("settle_s", [1.0, 2.0])
def test_what_flows_may_go_on_rising_to_the_bound_before_until_the_station_has_heard(
    settle_s: float, flows: float
) -> None:
    for amperes, rule in ((315.0, None), (315.1, Rule.OVER_CURRENT)):
        supervisor = vehicle(SupervisionLimits(settle_s=settle_s))
        supervisor.measured(800.0, flows, -1.0, -1.0)
        supervisor.asked(10.0, 0.0, 0.0)
        supervisor.measured(800.0, amperes, settle_s - 0.5, settle_s - 0.5)
        assert kind(supervisor.measured(800.0, amperes, settle_s, settle_s))[0] is rule


@pytest.mark.parametrize(
    ("emergency", "flows", "now", "allowed"),
    [
        (False, 100.0, 0.5, 315.0),
        (True, 100.0, 0.5, 315.0),
        (False, 100.0, 3.0, 55.0),
        (True, 100.0, 3.0, 5.0),
        (False, 0.5, 0.5, 315.0),
        (False, 0.5, 1.25, 5.0),
    ],
)
def test_what_may_flow_after_a_stop(emergency: bool, flows: float, now: float, allowed: float) -> None:
    """As much as was asked for during a second, and then 25 A/s less than flowed until then, or nothing."""
    for amperes, broken in ((allowed, False), (allowed + 0.1, True)):
        supervisor = vehicle()
        supervisor.measured(800.0, flows, 0.0, 0.0)
        supervisor.stop(emergency, 0.0)
        if now > 1.0:
            for at in (1.0, 1.000001):
                supervisor.measured(800.0, 0.0 if emergency else flows, at, at)
        supervisor.measured(800.0, amperes, now, now)
        found = supervisor.measured(800.0, max(300.0, amperes), now + 0.5, now + 0.5)
        assert (found is not None and found.since == now) is broken


def test_a_battery_that_wants_no_more_is_left_the_time_to_ramp() -> None:
    """Two seconds until the station has heard of it and has begun, and then 25 A/s."""
    for flows, amperes, since in ((100.0, 55.0, 6.0), (100.0, 56.0, 4.0), (-5.0, 5.1, 4.0), (0.5, 5.1, 4.0)):
        supervisor = vehicle()
        supervisor.measured(800.0, flows, -1.0, -1.0)
        supervisor.battery(880.0, 0.0, False, 0.0, 0.0)
        for now in (2.0, 2.000001):
            assert supervisor.measured(800.0, flows, now, now) is None
        found = [supervisor.measured(800.0, amperes, now, now) for now in (4.0, 6.0, 8.0)]
        told = next(one for one in found if one is not None)
        assert (told.rule, told.reaction, told.since) == (Rule.BATTERY_WANTS_NONE, STOP, since)


def test_a_battery_that_wants_no_more_lets_flow_what_flowed() -> None:
    """And what still rises meanwhile."""
    supervisor = vehicle()
    supervisor.battery(880.0, 0.0, False, 0.0, 0.0)
    for now, amperes in ((0.0, 0.5), (1.0, 200.0), (2.0, 300.0), (3.0, 279.9), (4.0, 254.9)):
        assert supervisor.measured(800.0, amperes, now, now) is None
        assert supervisor._w_battery.since is None
    supervisor.measured(800.0, 230.1, 5.0, 5.0)
    assert supervisor._w_battery.since is None
    supervisor.measured(800.0, 210.0, 6.0, 6.0)
    assert supervisor._w_battery.since == 6.0


def test_nor_may_it_come_back_once_it_is_gone() -> None:
    """Also where what is gone needs no look at the rules."""
    supervisor = vehicle()
    supervisor.battery(880.0, 0.0, False, 0.0, 0.0)
    for now in (0.0, 2.0, 2.05):
        supervisor.measured(800.0, 200.0, now, now)
    assert supervisor.within(800.0, 0.0, 2.1)
    supervisor.measured(800.0, 100.0, 2.15, 2.15)
    assert supervisor._w_battery.since == 2.15


@pytest.mark.parametrize("settle_s", [0.5, 3.0])
def test_and_twice_the_time_to_settle_before(settle_s: float) -> None:
    supervisor = vehicle(SupervisionLimits(settle_s=settle_s))
    supervisor.measured(800.0, 200.0, -1.0, -1.0)
    supervisor.battery(880.0, 0.0, False, 0.0, 0.0)
    for now in (0.0, 2.0 * settle_s):
        supervisor.measured(800.0, 300.0, now, now)
        assert supervisor._w_battery.since is None
    supervisor.measured(800.0, 300.0, 2.0 * settle_s + 1.0, 2.0 * settle_s + 1.0)
    supervisor.measured(800.0, 300.0, 2.0 * settle_s + 2.0, 2.0 * settle_s + 2.0)
    assert supervisor._w_battery.since == 2.0 * settle_s + 2.0


@pytest.mark.parametrize(("charge_a", "discharge_a"), [(0.5, 0.0), (0.0, 0.5), (300.0, 0.0)])
def test_what_is_asked_for_does_not_fall_however_little_it_is(charge_a: float, discharge_a: float) -> None:
    supervisor = vehicle()
    assert supervisor.falls_until == math.inf
    supervisor.asked(charge_a, discharge_a, 1.0)
    assert (supervisor.falls_until, supervisor.nothing_since) == (math.inf, math.inf)
    supervisor.asked(0.0, 0.0, 2.0)
    assert supervisor.nothing_since == 2.0
    assert 3.0 <= supervisor.falls_until < math.inf
    supervisor.asked(0.0, 0.0, 2.5)
    assert supervisor.nothing_since == 2.0, "since when, and not how often"


@pytest.mark.parametrize(
    ("settle_s", "current_a", "seconds"), [(1.0, 0.0, 22.0), (3.0, 0.0, 26.0), (1.0, 600.0, 26.0)]
)
def test_how_long_a_current_may_take_to_fall_at_most(
    settle_s: float, current_a: float, seconds: float
) -> None:
    """By the greatest that was declared, or by what flows."""
    supervisor = vehicle(SupervisionLimits(settle_s=settle_s))
    supervisor.measured(800.0, current_a, 0.0, 0.0)
    assert supervisor.falls_within_s == pytest.approx(seconds)


def test_every_word_of_the_battery_counts() -> None:
    supervisor = vehicle()
    supervisor.battery(880.0, 0.5, False, -50.0, -50.0)
    assert found_at(supervisor, 800.0, 100.0, 5.0) == [], "half an ampere is wanted"
    supervisor.battery(700.0, 0.5, False, 6.0, 6.0)
    assert found_at(supervisor, 800.0, 100.0, 0.5) == [(0.2, Rule.OVER_VOLTAGE, FAULT)]
    for wanted, hot, rule, seconds in (
        (0.0, False, Rule.BATTERY_WANTS_NONE, 2.0),
        (1.0, True, Rule.INLET_HOT, 5.0),
    ):
        for no_current_a, amperes, found in (
            (None, 5.0, []),  # a rule that is switched off makes no other one stricter
            (None, 5.1, [(seconds, rule, STOP)]),
            (8.0, 8.0, []),
            (8.0, 8.1, [(seconds, rule, STOP)]),
        ):
            supervisor = vehicle(SupervisionLimits(no_current_a=no_current_a))
            supervisor.battery(880.0, wanted, hot, -50.0, -50.0)
            supervisor.measured(800.0, 0.0, -40.0, -40.0)
            assert found_at(supervisor, 800.0, amperes, 6.0) == found


def test_half_an_ampere_that_is_given_is_a_bound_like_any_other() -> None:
    for amperes, found in ((-5.5, []), (-5.6, [(0.5, Rule.OVER_CURRENT, STOP)])):
        supervisor = vehicle()
        supervisor.asked(300.0, 0.5, -50.0)
        assert found_at(supervisor, 800.0, amperes) == found


def test_contactors_of_the_vehicle_that_stay_closed() -> None:
    for limits, told in (
        (SupervisionLimits(), ["contactor-level: 1.0 (1: closed), limit 0.0"]),
        (SupervisionLimits(off=(Rule.CONTACTOR_LEVEL,)), []),
        (SupervisionLimits(contactor_s=None), []),
    ):
        supervisor = vehicle(limits)
        supervisor.stop(True, -50.0)
        supervisor.told(False, 0.0)
        found = feed(supervisor, 800.0, 0.0, 5.0)
        assert [finding.detail for _, finding in found] == told
        assert all(round(when, 6) == 3.3 for when, _ in found)


@pytest.mark.parametrize(
    ("bring", "within", "outside"),
    [
        (
            lambda s: None,
            [(888.8, 305.0), (-60.0, 0.0), (0.0, -5.0)],
            [(888.9, 0.0), (-60.1, 0.0), (0.0, 305.1), (0.0, -5.1)],
        ),
        (bidirectional, [(0.0, -205.0)], [(0.0, -205.1)]),
        (
            lambda s: s.asked(600.0, 600.0, -50.0),
            [(0.0, 530.0), (0.0, -425.0)],
            [(0.0, 530.1), (0.0, -425.1)],
        ),
        (lambda s: s.battery(880.0, 0.0, False, -50.0, -50.0), [(0.0, 5.0)], [(0.0, 5.1)]),
        (lambda s: s.battery(880.0, 300.0, True, -50.0, -50.0), [(0.0, 5.0)], [(0.0, 5.1)]),
        (stopped, [(2000.0, 5.0), (0.0, -5.0)], [(2000.1, 0.0), (0.0, 5.1), (0.0, -5.1)]),
    ],
)
def test_where_the_short_way_of_a_vehicle_ends(
    bring: Callable[[VehicleSupervisor], Any],
    within: list[tuple[float, float]],
    outside: list[tuple[float, float]],
) -> None:
    supervisor = vehicle()
    bring(supervisor)
    supervisor.measured(0.0, 0.0, 0.0, 0.0)
    for sample in within:
        assert supervisor.within(*sample, 1.0), sample
    for sample in outside:
        assert not supervisor.within(*sample, 1.0), sample


@pytest.mark.parametrize(("over_a", "least"), [(5.0, 2.0), (2.0, 2.0), (1.0, 1.0)])
def test_of_two_rules_for_what_flows_back_the_short_way_keeps_the_tighter(
    over_a: float, least: float
) -> None:
    supervisor = vehicle(SupervisionLimits(over_current_a=over_a, reverse_current_share=0.0))
    supervisor.measured(0.0, 0.0, 0.0, 0.0)
    assert supervisor.within(0.0, -least, 1.0)
    assert not supervisor.within(0.0, -least - 0.1, 1.0)


def test_before_contactors_were_told_anything_nothing_may_flow_though_it_was_asked_for() -> None:
    supervisor = VehicleSupervisor(SupervisionLimits(), maximum_v=900.0, charge_a=500.0, discharge_a=0.0)
    supervisor.asked(300.0, 0.0, -100.0)
    supervisor.battery(880.0, 300.0, False, -100.0, -100.0)
    supervisor.measured(0.0, 0.0, 0.0, 0.0)
    assert supervisor.within(0.0, 5.0, 1.0)
    assert not supervisor.within(0.0, 5.1, 1.0)


@pytest.mark.parametrize(
    ("before", "change", "sample"),
    [
        (lambda s: None, lambda s: s.stop(True, 1.0), (0.0, 300.0)),
        (lambda s: None, lambda s: s.told(False, 1.0), (0.0, 300.0)),
        (lambda s: s.contactors(False), lambda s: s.contactors(True), (1200.0, 0.0)),
        (lambda s: None, lambda s: s.battery(700.0, 300.0, False, 1.0, 1.0), (800.0, 0.0)),
        (lambda s: None, lambda s: s.battery(880.0, 300.0, True, 1.0, 1.0), (0.0, 300.0)),
        (lambda s: None, lambda s: s.asked(10.0, 0.0, 1.0), (0.0, 300.0)),
    ],
)
def test_what_was_within_before_a_change_is_looked_at_anew(
    before: Callable[[VehicleSupervisor], Any],
    change: Callable[[VehicleSupervisor], Any],
    sample: tuple[float, float],
) -> None:
    supervisor = vehicle()
    before(supervisor)
    supervisor.measured(0.0, 0.0, 0.0, 0.0)
    assert supervisor.within(*sample, 0.5)
    change(supervisor)
    assert not supervisor.within(*sample, 5.0)


def test_a_hot_inlet_without_a_threshold_for_no_current_allows_what_is_none_by_default() -> None:
    supervisor = vehicle(SupervisionLimits(no_current_a=None))
    supervisor.battery(880.0, 300.0, True, -50.0, -50.0)
    supervisor.measured(0.0, 0.0, 0.0, 0.0)
    assert supervisor.within(0.0, 5.0, 0.5)
    assert not supervisor.within(0.0, 5.1, 1.0)


def test_a_station_that_tells_other_values() -> None:
    supervisor = vehicle()
    supervisor.measured(800.0, 100.0, 0.0, 0.0)
    assert [supervisor.station_reports(850.0, 100.0, t) for t in (0.0, 3.0, 6.0)] == [None] * 3
    assert [supervisor.station_reports(800.0, 115.0, t) for t in (6.0, 9.0, 12.0)] == [None] * 3
    off = vehicle(SupervisionLimits(off=(Rule.STATION_REPORTS_OTHER,)))
    off.measured(800.0, 100.0, 0.0, 0.0)
    assert [off.station_reports(900.0, 500.0, t) for t in (0.0, 3.0, 6.0, 9.0)] == [None] * 4
    assert supervisor.station_reports(851.0, 100.0, 20.0) is None
    found = supervisor.station_reports(851.0, 100.0, 25.0)
    assert kind(found)[1] is WARN
    assert supervisor.station_reports(800.0, 100.0, 26.0) is None
    assert supervisor.station_reports(800.0, 116.0, 30.0) is None
    assert supervisor.station_reports(800.0, 116.0, 35.0) is not None


def test_a_sample_within_all_bounds_looks_at_no_rule() -> None:
    """Such a sample needs a handful of comparisons; one that is outside, or no
    number, is left to the rules."""
    supervisor, other = station(), vehicle()
    charging(supervisor)
    for one in (supervisor, other):
        one.measured(800.0, 100.0, 0.0, 0.0)
        assert one.within(800.0, 100.0, 0.1)
        assert (one.voltage_v, one.current_a) == (800.0, 100.0)
        for voltage, current, now in (
            (3000.0, 0.0, 0.2),
            (800.0, 400.0, 0.2),
            (800.0, -50.0, 0.2),
            (float("nan"), 0.0, 0.2),
            (800.0, float("nan"), 0.2),
            (800.0, 0.0, float("nan")),
            (800.0, 0.0, 0.05),
            ("800", 0.0, 0.2),
        ):
            assert not one.within(voltage, current, now)  # type: ignore[arg-type]


def test_a_pre_charge_above_the_battery_is_known_until_contactors_are_told_to_open() -> None:
    one = vehicle()
    one.contactors(False)
    one.pre_charge(1000.0)
    one.told(True, 0.0)  # on their way to close it matters most
    assert one.above_battery == "the battery can stand 880 V now, pre-charge is to 1000 V"
    one.told(False, 0.0)
    assert one.above_battery == ""
