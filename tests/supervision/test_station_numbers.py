"""The station's supervisor to the last ampere where several rules or phases meet: ratings, sensors of large
connectors, bounds that move, frozen readings, and where the short way of a sample ends."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from iso15118.session.supervision import Rule, StationSupervisor, SupervisionLimits, over_voltage_limit
from tests.supervision.test_numbers import (
    FAULT,
    STOP,
    WARN,
    charging,
    check_phase,
    feed,
    giving,
    kind,
    station,
)


def found_at(
    supervisor: StationSupervisor, volts: float, amperes: float, seconds: float = 12.0
) -> list[object]:
    return [(round(when, 6), *kind(finding)) for when, finding in feed(supervisor, volts, amperes, seconds)]


# -- what was agreed


CLASSES = [
    (500.0, 550.0),
    (750.0, 825.0),
    (850.0, 935.0),
    (1000.0, 1100.0),
    (1250.0, 1375.0),
    (1500.0, 1650.0),
]


@pytest.mark.parametrize(("greatest_v", "trip_v"), CLASSES)
def test_a_class_of_voltages_ends_with_its_greatest(greatest_v: float, trip_v: float) -> None:
    assert over_voltage_limit(greatest_v, 2.0) == trip_v
    assert over_voltage_limit(greatest_v, 1.0) == greatest_v
    assert over_voltage_limit(greatest_v, math.inf) == math.inf
    above = [trip for most, trip in CLASSES if most > greatest_v]
    assert over_voltage_limit(greatest_v + 0.1, 2.0) == (above[0] if above else 1650.0)


@pytest.mark.parametrize(("greatest_a", "none_a"), [(500.0, 5.0), (3000.0, 6.0)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_counts_as_no_current_is_no_power(greatest_a: float, none_a: float, sign: float) -> None:
    """A sensor that shows some of none ended sessions; one of 3000 A may be off by two thousandths."""
    for amperes, found in ((none_a, []), (none_a + 0.01, [(1.0, Rule.OVER_POWER, STOP)])):
        supervisor = StationSupervisor(SupervisionLimits(over_current_a=50.0, reverse_current_a=50.0))
        supervisor.negotiated(950.0, greatest_a, 0.0)
        supervisor.contactors(True)
        supervisor.told(True)
        supervisor.set_power(850.0, 0.0, 0.0, False, -100.0)
        assert found_at(supervisor, 800.0, sign * amperes, 2.0) == found


@pytest.mark.parametrize(
    ("charge_a", "discharge_a", "seconds"),
    [
        (100.0, 0.0, 2.0 + 100.0 / 25.0),
        (100.0, 300.0, 2.0 + 300.0 / 25.0),
        (500.0, 400.0, 22.0),
        (3000.0, 0.0, 22.0),
        (math.inf, 0.0, 2.0 + 5000.0 / math.inf),
    ],
)
def test_how_long_the_greatest_current_may_take_to_fall(
    charge_a: float, discharge_a: float, seconds: float
) -> None:
    """Twice the time to settle: what may rise until the supply has heard of it falls as well."""
    supervisor = StationSupervisor(SupervisionLimits())
    supervisor.negotiated(950.0, charge_a, discharge_a)
    assert supervisor.falls_within_s == pytest.approx(seconds)


def test_and_it_settles_as_slowly_as_is_set() -> None:
    supervisor = StationSupervisor(SupervisionLimits(settle_s=3.0))
    supervisor.negotiated(950.0, 100.0, 0.0)
    assert supervisor.falls_within_s == pytest.approx(6.0 + 4.0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_is_gone_may_not_come_back_though_its_last_sample_needed_no_rule(sign: float) -> None:
    off = (Rule.FROZEN_READINGS, Rule.OVER_POWER)
    supervisor = station(SupervisionLimits(off=off))
    supervisor.contactors(True)
    supervisor.told(True)
    supervisor.set_power(850.0, sign * 200.0, 1e6, sign < 0.0, -100.0)
    for now in (0.0, 0.5):
        supervisor.measured(830.0, sign * 200.0, now, now)
    supervisor.set_power(850.0, 0.0, 1e6, sign < 0.0, 1.0)
    for now in (2.0, 2.05):
        supervisor.measured(830.0, sign * 200.0, now, now)
    for now in (2.1, 2.15):
        assert supervisor.within(830.0, 0.0, now)
    bound = supervisor._charging if sign > 0.0 else supervisor._discharging
    assert bound.at(2.15) <= 25.0 + 1.0


def test_before_anything_was_agreed_it_is_a_connector_as_large_as_there_is() -> None:
    """By the ramp of a small one."""
    assert StationSupervisor(SupervisionLimits()).falls_within_s == pytest.approx(2.0 + 5000.0 / 25.0)


def test_a_rating_is_kept_at_once_whatever_is_asked_for() -> None:
    supervisor = station()
    charging(supervisor, amperes=500.0, watts=1e6)
    assert supervisor.measured(700.0, 530.0, 0.0, 0.0) is None
    assert kind(supervisor.measured(700.0, 530.1, 0.05, 0.05)) == (Rule.OVER_CURRENT, FAULT)
    supervisor = station()
    supervisor.contactors(True)
    supervisor.told(True)
    supervisor.set_power(700.0, -400.0, 1e6, True, -100.0)
    assert supervisor.measured(800.0, -425.0, 0.0, 0.0) is None
    assert kind(supervisor.measured(800.0, -425.1, 0.05, 0.05)) == (Rule.OVER_CURRENT, FAULT)


def test_beyond_what_any_connector_has_there_are_no_readings_whatever_is_switched_off() -> None:
    off = SupervisionLimits(off=tuple(Rule), over_power_w=None)
    for volts, amperes, broken in (
        (2000.0, 0.0, False),
        (2000.1, 0.0, True),
        (0.0, 5000.0, False),
        (0.0, 5000.1, True),
    ):
        for current in (amperes, -amperes):
            supervisor = station(off)
            charging(supervisor)
            assert bool(feed(supervisor, volts, current, 1.0)) is broken


@pytest.mark.parametrize("greatest", [(3000.0, 100.0), (100.0, 3000.0)])
def test_a_sensor_of_3000_a_may_show_six_where_none_flow(greatest: tuple[float, float]) -> None:
    for phase in (check_phase, lambda s: s.pre_charge(900.0, 2.0, 0.0)):
        for amperes, broken in ((6.0, False), (-6.0, False), (6.1, True), (-6.1, True)):
            supervisor = station()
            supervisor.negotiated(950.0, *greatest)
            phase(supervisor)
            assert bool(feed(supervisor, 900.0, amperes, 1.0)) is broken


def test_before_anything_is_agreed() -> None:
    supervisor = StationSupervisor(SupervisionLimits(cable_check_a=0.5, reverse_current_a=0.5))
    assert (supervisor.voltage_v, supervisor.current_a, supervisor.closed) == (0.0, 0.0, False)
    for volts in (60.0, -60.0):
        assert feed(supervisor, volts, 0.0, 10.0) == []
    for volts in (60.1, -60.1):
        supervisor = StationSupervisor(SupervisionLimits(cable_check_a=0.5, reverse_current_a=0.5))
        assert found_at(supervisor, volts, 0.0) == [(5.0, Rule.CABLE_CHECK_VOLTAGE, WARN)], (
            "nothing has ended yet"
        )
    supervisor.cable_check(500.0)
    assert found_at(supervisor, 500.0, 0.6, 1.0) == [(0.1, Rule.CABLE_CHECK_CURRENT, FAULT)]
    charging(supervisor)
    assert feed(supervisor, 800.0, -0.5, 1.0) == []
    assert found_at(supervisor, 800.0, -0.6, 1.0) == [(0.2, Rule.REVERSE_CURRENT, FAULT)]


# -- phases


def test_the_end_of_a_cable_check_is_none_of_another_phase() -> None:
    supervisor = station()
    charging(supervisor)
    supervisor.cable_check_over(-40.0)
    assert feed(supervisor, 800.0, 200.0, 2.0) == []
    supervisor = station()
    supervisor.cable_check(900.0)
    supervisor.cable_check_over(0.0)
    assert found_at(supervisor, 900.0, 0.0) == [(5.05, Rule.VOLTAGE_AFTER_END, WARN)]


def test_a_new_phase_begins_its_rules_anew_but_not_those_of_every_phase() -> None:
    supervisor = station()
    charging(supervisor)
    assert supervisor.measured(800.0, 300.0, 0.0, 0.0) is None
    supervisor.pre_charge(800.0, 2.0, 0.2)
    supervisor.set_power(850.0, 200.0, 1e6, False, 0.3)
    assert supervisor.measured(800.0, 300.0, 0.75, 0.75) is None, "0.5 s of this phase"
    supervisor = station()
    charging(supervisor)
    assert supervisor.measured(1050.0, 0.0, 0.0, 0.0) is None
    supervisor.stop_power(False, 0.05)
    assert kind(supervisor.measured(1050.0, 0.0, 0.1, 0.1))[0] is Rule.OVER_VOLTAGE


def test_the_output_has_five_seconds_to_be_discharged() -> None:
    supervisor = station()
    supervisor.stop_power(True, 0.0)
    assert found_at(supervisor, 61.0, 0.0) == [(5.05, Rule.VOLTAGE_AFTER_END, WARN)]


def test_an_emergency_gives_a_second_and_ends_an_orderly_ramp() -> None:
    supervisor = station()
    charging(supervisor)
    supervisor.stop_power(True, 0.0)
    assert supervisor.measured(800.0, 200.0, 1.0, 1.0) is None
    assert supervisor.measured(800.0, 200.0, 1.25, 1.25) is None
    found = supervisor.measured(800.0, 200.0, 1.5, 1.5)
    assert found is not None
    assert (found.rule, found.since) == (Rule.CURRENT_WITHOUT_PERMISSION, 1.25)
    supervisor = station()
    charging(supervisor)
    supervisor.stop_power(False, 0.0)
    supervisor.stop_power(True, 2.0)
    assert supervisor.measured(800.0, 150.0, 3.1, 3.1) is None
    assert kind(supervisor.measured(800.0, 150.0, 3.3, 3.3))[0] is Rule.CURRENT_WITHOUT_PERMISSION


# -- bounds of the current


@pytest.mark.parametrize("flows", [0.0, -2.0, 0.5, 200.0])
@pytest.mark.parametrize("settle_s", [1.0, 2.0])
def test_what_flows_may_go_on_rising_to_the_bound_before_until_the_supply_has_heard(
    settle_s: float, flows: float
) -> None:
    for amperes, rule in ((210.0, None), (210.1, Rule.OVER_CURRENT)):
        supervisor = station(SupervisionLimits(settle_s=settle_s))
        charging(supervisor)
        supervisor.measured(800.0, flows, -1.0, -1.0)
        supervisor.set_power(850.0, 10.0, 170_000.0, False, 0.0)
        supervisor.measured(800.0, amperes, settle_s - 0.5, settle_s - 0.5)
        assert kind(supervisor.measured(800.0, amperes, settle_s, settle_s))[0] is rule


def test_half_an_ampere_is_a_bound_like_any_other() -> None:
    for amperes, found in ((5.5, []), (5.6, [(0.5, Rule.OVER_CURRENT, FAULT)])):
        supervisor = station()
        charging(supervisor, amperes=0.5)
        assert found_at(supervisor, 800.0, amperes, 1.0) == found


@pytest.mark.parametrize("given", [1.0, 100.0])
def test_what_was_given_back_is_no_bound_for_ever(given: float) -> None:
    supervisor = station()
    supervisor.contactors(True)
    supervisor.told(True)
    supervisor.set_power(700.0, -given, 170_000.0, True, -100.0)
    supervisor.set_power(850.0, 200.0, 170_000.0, False, -50.0)
    assert found_at(supervisor, 800.0, -5.5, 1.0) == [(0.2, Rule.REVERSE_CURRENT, FAULT)]


def test_power_is_judged_once_the_current_has_settled() -> None:
    supervisor = station()
    charging(supervisor)
    supervisor.set_power(850.0, 50.0, 50_000.0, False, 0.0)
    for number in range(140):
        now = 0.05 * number
        current = max(200.0 - 25.0 * max(now - 1.0, 0.0), 50.0)
        assert supervisor.measured(800.0, current, now, now) is None, now
    supervisor.measured(850.0, 64.0, 8.0, 8.0)
    assert kind(supervisor.measured(850.0, 64.0, 9.0, 9.0))[0] in (Rule.OVER_CURRENT, Rule.OVER_POWER)


# -- bounds of the voltage


@pytest.mark.parametrize("target", [850.0, 860.0])
def test_a_target_that_is_said_again_or_raised_excuses_no_voltage(target: float) -> None:
    supervisor = station()
    charging(supervisor, watts=1e6)
    supervisor.set_power(target, 200.0, 1e6, False, 0.0)
    assert found_at(supervisor, 910.0, 200.0, 2.0) == [
        (0.5, Rule.VOLTAGE_ABOVE_ASKED, STOP),
        (1.0, Rule.VOLTAGE_ABOVE_ASKED, FAULT),
    ]


def test_the_first_target_excuses_no_voltage() -> None:
    supervisor = station()
    supervisor.contactors(True)
    supervisor.told(True)
    supervisor.set_power(850.0, 200.0, 1e6, False, 0.0)
    assert found_at(supervisor, 900.0, 200.0, 0.9) == [(0.5, Rule.VOLTAGE_ABOVE_ASKED, STOP)]


@pytest.mark.parametrize("targets", [((700.0, 0.0),), ((840.0, 0.0), (700.0, 1.0))])
def test_a_lowered_target_gives_the_current_time_to_fall(targets: tuple[tuple[float, float], ...]) -> None:
    """A second to hear of it, and 200 A at 25 A/s; a further lowering on the way buys no time."""
    supervisor = station()
    charging(supervisor, watts=1e6)
    found = []
    for number in range(48):
        now = 0.25 * number
        for volts, at in targets:
            if at == now:
                supervisor.set_power(volts, 200.0, 1e6, False, now)
        finding = supervisor.measured(800.0, 200.0, now, now)
        if finding is not None:
            found.append((now, finding.since, *kind(finding)))
    rule = Rule.VOLTAGE_ABOVE_ASKED
    assert found == [(9.5, 9.0, rule, STOP), (10.0, 9.0, rule, FAULT)]


def test_a_voltage_above_the_target_needs_a_current() -> None:
    for limits, amperes, stops in (
        (SupervisionLimits(), 5.0, False),
        (SupervisionLimits(), 5.1, True),
        (SupervisionLimits(no_current_a=None), 5.0, False),
        (SupervisionLimits(no_current_a=None), 5.1, True),
        (SupervisionLimits(no_current_a=8.0), 8.0, False),
    ):
        supervisor = station(limits)
        charging(supervisor)
        assert bool(feed(supervisor, 893.0, amperes, 0.6)) is stops


# -- frozen readings


@pytest.mark.parametrize(
    ("asked", "flows", "then", "volts", "warns"),
    [
        (200.0, 200.0, 210.0, 800.0, False),  # by 10 A, and not more
        (200.0, 200.0, 210.5, 800.0, True),
        (200.0, 200.0, 190.0, 800.0, False),
        (200.0, 200.0, 189.5, 800.0, True),
        (0.0, 0.0, 10.0, 800.0, False),
        (0.0, 0.0, 10.5, 800.0, True),
        (200.0, 190.0, 300.0, 800.0, True),  # it followed within 5 percent
        (200.0, 188.0, 300.0, 800.0, False),
        (200.0, 205.5, 210.5, 800.0, False),  # it is where it should be
        (200.0, 206.0, 210.5, 800.0, False),
        (200.0, 205.0, 210.5, 800.0, True),
        (200.0, 200.0, 300.0, 828.7, True),  # more than a fortieth below the bound of 850 V
        (200.0, 200.0, 300.0, 828.8, False),
    ],
)
def test_readings_that_do_not_follow(
    asked: float, flows: float, then: float, volts: float, warns: bool
) -> None:
    supervisor = station(SupervisionLimits(over_current_share=1.0, over_power_w=None, frozen_stop_s=None))
    charging(supervisor, amperes=asked, watts=1e6)
    supervisor.measured(volts, flows, -50.0, -50.0)
    supervisor.set_power(850.0, then, 1e6, False, 0.0)
    assert found_at(supervisor, volts, flows) == ([(5.0, Rule.FROZEN_READINGS, WARN)] if warns else [])


def test_readings_that_do_not_follow_a_vehicle_that_gives() -> None:
    """No voltage bound holds its current there."""
    supervisor = station()
    giving(supervisor)
    supervisor.measured(800.0, -200.0, -50.0, -50.0)
    supervisor.set_power(700.0, -300.0, 1e6, True, 0.0)
    assert found_at(supervisor, 800.0, -200.0, 6.0) == [(5.0, Rule.FROZEN_READINGS, WARN)]


def test_near_a_low_bound_five_volts_count() -> None:
    for volts, found in ((144.9, [(5.0, Rule.FROZEN_READINGS, WARN)]), (145.0, [])):
        supervisor = station()
        charging(supervisor)
        supervisor.set_power(150.0, 200.0, 1e6, False, -60.0)
        supervisor.measured(volts, 200.0, -40.0, -40.0)
        supervisor.set_power(150.0, 300.0, 1e6, False, 0.0)
        assert found_at(supervisor, volts, 200.0, 6.0) == found


@pytest.mark.parametrize(
    ("volts", "amperes", "warns"),
    [(802.0, 201.0, True), (798.0, 199.0, True), (802.1, 200.0, False), (800.0, 201.1, False)],
)
def test_readings_that_hardly_move_are_frozen(volts: float, amperes: float, warns: bool) -> None:
    supervisor = station()
    charging(supervisor)
    supervisor.set_power(850.0, 300.0, 1e6, False, 0.0)
    assert bool(feed(supervisor, volts, amperes, 6.0)) is warns


def test_a_second_change_does_not_begin_the_time_anew() -> None:
    supervisor = station(SupervisionLimits(frozen_a=1.0, over_power_w=None))
    charging(supervisor)
    supervisor.set_power(850.0, 208.0, 1e6, False, 0.0)
    supervisor.measured(800.0, 200.0, 0.0, 0.0)
    supervisor.set_power(850.0, 214.0, 1e6, False, 3.0)
    assert kind(supervisor.measured(800.0, 200.0, 5.0, 5.0)) == (Rule.FROZEN_READINGS, WARN)


# -- the short way


def at_rest(supervisor: StationSupervisor) -> None:
    pass


def with_contactors(supervisor: StationSupervisor) -> None:
    supervisor.contactors(True)


def much_power(supervisor: StationSupervisor) -> None:
    charging(supervisor, amperes=300.0)


def beyond_the_rating(supervisor: StationSupervisor) -> None:
    supervisor.limits = SupervisionLimits()
    charging(supervisor, amperes=600.0, watts=1e6)


@pytest.mark.parametrize(
    ("phase", "within", "outside"),
    [
        (at_rest, [(60.0, 5.0), (-60.0, -5.0)], [(60.1, 0.0), (-60.1, 0.0), (0.0, 5.1), (0.0, -5.1)]),
        (with_contactors, [(1045.0, 5.0), (-60.0, 0.0)], [(1045.1, 0.0), (-60.1, 0.0)]),
        (charging, [(0.0, 210.0), (892.5, -2.0), (-60.0, 0.0)], [(0.0, 210.1), (800.0, -2.1), (892.6, 0.0), (-60.1, 0.0)]),
        (much_power, [(800.0, 223.75)], [(800.0, 223.76)]),
        (beyond_the_rating, [(0.0, 530.0)], [(0.0, 530.1)]),
        (giving, [(665.0, 2.0), (700.0, -210.0), (1045.0, 0.0)], [(664.9, 0.0), (700.0, 2.1), (700.0, -210.1), (1045.1, 0.0)]),
        (lambda s: s.set_power(400.0, -300.0, 170_000.0, True, 0.0), [(800.0, -223.75)], [(800.0, -223.76)]),
        (check_phase, [], [(0.0, 4.0), (0.0, 0.0)]),
    ],
)  # fmt: skip
def test_where_the_short_way_ends(
    phase: Callable[[StationSupervisor], object],
    within: list[tuple[float, float]],
    outside: list[tuple[float, float]],
) -> None:
    supervisor = station()
    phase(supervisor)
    supervisor.measured(700.0 if within and phase not in (at_rest,) else 0.0, 0.0, 0.0, 0.0)
    for sample in within:
        assert supervisor.within(*sample, 1.0), sample
    for sample in outside:
        assert not supervisor.within(*sample, 1.0), sample


@pytest.mark.parametrize(
    ("before", "change", "sample"),
    [
        (at_rest, check_phase, (0.0, 4.0)),
        (at_rest, lambda s: s.contactors(True) or s.told(False), (0.0, 0.0)),
        (charging, lambda s: s.stop_power(True, 1.0), (0.0, 150.0)),
        (charging, lambda s: s.set_power(850.0, 50.0, 170_000.0, False, 1.0), (0.0, 150.0)),
        (charging, lambda s: s.set_power(700.0, 200.0, 170_000.0, False, 1.0), (800.0, 150.0)),
        (charging, lambda s: s.set_power(850.0, 200.0, 10_000.0, False, 1.0), (800.0, 150.0)),
        (charging, lambda s: s.set_power(850.0, 200.0, 170_000.0, True, 1.0), (600.0, 0.0)),
        (at_rest, lambda s: s.negotiated(40.0, 500.0, 400.0) or s.contactors(True), (50.0, 0.0)),
    ],
)
def test_what_was_within_before_a_change_is_looked_at_anew(
    before: Callable[[StationSupervisor], object],
    change: Callable[[StationSupervisor], object],
    sample: tuple[float, float],
) -> None:
    supervisor = station()
    before(supervisor)
    supervisor.measured(0.0, 0.0, 0.0, 0.0)
    assert supervisor.within(*sample, 0.5)
    change(supervisor)
    assert not supervisor.within(*sample, 5.0)


def test_a_new_phase_leaves_the_short_way_open() -> None:
    supervisor = station()
    charging(supervisor)
    supervisor.stop_power(True, 1.0)
    assert supervisor.within(800.0, 5.0, 2.0)
