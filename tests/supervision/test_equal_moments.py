"""Readings of one moment that are told more than once, as by a sensor that is asked more often than it
measures, and bounds that are just met."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.evcc.contactors import pre_charged
from iso15118.session.supervision import Rule, StationSupervisor, SupervisionLimits, VehicleSupervisor
from iso15118.session.supervision.alternating import AcSupervisor
from iso15118.session.supervision.battery import BatterySupervisor
from iso15118.session.supervision.wireless import WirelessSupervisor

LIMITS = SupervisionLimits()
V3 = (230.0,) * 3


def test_a_phase_that_is_shown_again_has_flowed_on() -> None:
    outlet = AcSupervisor(LIMITS, nominal_v=230.0, most_v=264.5, where="at the outlet")
    outlet.told(True)
    outlet.contactors(True)
    outlet.told_power(3, (16.0,) * 3, 11_040.0, (0.0,) * 3, 0.0, 0.0)
    assert outlet.measured(V3, (20.0,) * 3, 11_000.0, 10.0, 10.0) is None
    found = outlet.measured(V3, (20.0,) * 3, 11_000.0, 10.0, 11.0)
    assert found is not None
    assert found.rule is Rule.OVER_CURRENT


def test_a_power_that_is_shown_again_has_flowed_on() -> None:
    pad = WirelessSupervisor(LIMITS, where="at the pad")
    pad.told_power(3_000.0, 0.0)
    assert pad.measured(9_000.0, 10.0, 10.0) is None
    found = pad.measured(9_000.0, 10.0, 11.0)
    assert found is not None
    assert found.rule is Rule.OVER_POWER


def test_of_two_reports_of_one_moment_the_later_one_counts() -> None:
    battery = BatterySupervisor(LIMITS)
    battery.told(False, 10.0)
    battery.told(True, 10.0)
    assert battery.charger(16.0, 10.0) is None
    found = battery.charger(16.0, 15.0)
    assert found is not None
    assert found.rule is Rule.INLET_HOT


def test_an_inlet_that_nobody_has_told_of_is_not_hot() -> None:
    battery = BatterySupervisor(LIMITS)
    assert [battery.charger(16.0, 0.5 * step) for step in range(100)] == [None] * 100


@pytest.mark.parametrize(("target_v", "above"), [(404.9, False), (405.0, False), (405.1, True)])
def test_pre_charge_to_what_the_battery_just_stands_is_not_above_it(target_v: float, above: bool) -> None:
    vehicle = VehicleSupervisor(LIMITS, maximum_v=500.0, charge_a=300.0, discharge_a=0.0)
    vehicle.battery(400.0, 100.0, False, 0.0, 0.0)
    assert vehicle.most_v == 405.0
    vehicle.pre_charge(target_v)
    assert bool(vehicle.above_battery) is above


@pytest.mark.parametrize(("volts", "bears"), [(404.9, True), (405.0, True), (405.1, False)])
def test_contactors_close_over_what_the_battery_just_stands(volts: float, bears: bool) -> None:
    vehicle = VehicleSupervisor(LIMITS, maximum_v=500.0, charge_a=300.0, discharge_a=0.0)
    vehicle.battery(400.0, 100.0, False, 0.0, 0.0)
    talk: Any = SimpleNamespace(
        supervisor=vehicle,
        inlet=SimpleNamespace(voltage_v=volts),
        battery=SimpleNamespace(voltage_v=400.0),
        config=SimpleNamespace(precharge_tolerance_v=20.0),
        inlet_is_fresh=True,
        now=0.0,
        stop_wanted="",
    )
    assert pre_charged(talk, 400.0) is bears


@pytest.mark.parametrize("current_a", [0.9, 1.1])
def test_the_last_of_a_current_that_falls_may_take_its_power_with_it(current_a: float) -> None:
    """Less than an ampere to the vehicle is still a current to it, and not one from it."""
    station = StationSupervisor(SupervisionLimits(over_power_w=100.0))
    station.negotiated(1000.0, 500.0, 500.0)
    station.contactors(True)
    station.told(True)
    station.set_power(1000.0, 100.0, 100_000.0, False, 0.0)
    station.measured(900.0, 100.0, 0.0, 0.0)
    station.set_power(1000.0, 0.0, 0.0, False, 1.0)
    found = [station.measured(900.0, current_a, at, at) for at in (1.1, 1.5, 2.0, 2.5, 3.0)]
    assert found == [None] * 5


@pytest.mark.parametrize(("current_a", "kept"), [(-1.0, True), (-1.5, False)])
def test_who_can_give_but_little_is_held_to_it_by_the_short_way_too(current_a: float, kept: bool) -> None:
    station = StationSupervisor(SupervisionLimits(over_current_a=0.0, over_current_share=0.0))
    station.negotiated(1000.0, 500.0, 1.0)
    station.contactors(True)
    station.told(True)
    station.set_power(1000.0, 100.0, 100_000.0, False, 0.0)
    station.measured(900.0, 50.0, 0.5, 0.5)
    assert station.within(900.0, 60.0, 0.6)
    short = station.within(900.0, current_a, 0.7)
    found = None if short else station.measured(900.0, current_a, 0.7, 0.7)
    assert (found is None) is kept
    assert found is None or found.rule is Rule.OVER_CURRENT
