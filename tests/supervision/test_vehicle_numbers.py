"""The vehicle's supervisor on numbers alone: every rule at its threshold, above it for less than its time, and for as long."""

from __future__ import annotations

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
    "the battery wants none": (
        lambda s: s.battery(880.0, 0.0, False, -50.0, -50.0),
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
    off = vehicle(SupervisionLimits(off=(rule,)))
    bring(off)
    assert [finding for _, finding in feed(off, *above, 12.0) if finding.rule is rule] == []


def test_voltage_behind_open_contactors_is_not_the_vehicles() -> None:
    supervisor = vehicle()
    stopped(supervisor)
    assert feed(supervisor, 1200.0, 0.0, 5.0) == []


def test_either_reading_of_the_vehicle_grows_stale() -> None:
    for youngest in ("inlet", "battery"):
        supervisor = vehicle()
        if youngest == "inlet":
            supervisor.measured(800.0, 0.0, 5.0, 5.0)
            supervisor.battery(880.0, 300.0, False, 4.5, 5.0)
        else:
            supervisor.measured(800.0, 0.0, 4.5, 5.0)
            supervisor.battery(880.0, 300.0, False, 5.0, 5.0)
        assert supervisor.stale(5.499) is None
        found = supervisor.stale(5.5)
        assert kind(found)[0] is Rule.STALE_READINGS
        assert found is None or youngest not in found.what


def test_a_station_that_tells_other_values() -> None:
    supervisor = vehicle()
    supervisor.measured(800.0, 100.0, 0.0, 0.0)
    assert [supervisor.station_reports(849.0, 114.0, t) for t in (0.0, 9.0)] == [None, None]
    assert supervisor.station_reports(851.0, 100.0, 10.0) is None
    found = supervisor.station_reports(851.0, 100.0, 15.0)
    assert kind(found)[1] is WARN
    assert supervisor.station_reports(800.0, 100.0, 16.0) is None
    assert supervisor.station_reports(800.0, 116.0, 20.0) is None
    assert supervisor.station_reports(800.0, 116.0, 25.0) is not None


def test_a_sample_within_all_bounds_looks_at_no_rule() -> None:
    """Such a sample needs a handful of comparisons; one that is outside, or no number, is left to the rules."""
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
