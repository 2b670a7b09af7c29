"""Rules that nobody can put off: what is asked for may change with every message, contactors may be on their
way, poles may be the wrong way round, and a sample of long ago is not one of now.

The supervisors alone, and where it takes more than one of them, a session by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import ServiceID
from iso15118.session.supervision import (
    Rule,
    SupervisionLimits,
)
from iso15118.testing import SafetyViolation
from tests.evcc.station import BATTERY_V, Host
from tests.secc.vehicle import ALL_SERVICES, Drive
from tests.supervision.test_numbers import (
    FAULT,
    STOP,
    WARN,
    charging,
    check_phase,
    feed,
    kind,
    pre_charge,
    station,
)
from tests.supervision.test_vehicle_numbers import stopped, vehicle

EMERGENCY = Urgency.EMERGENCY
OFF = SupervisionLimits(off=(Rule.OVER_VOLTAGE, Rule.CABLE_CHECK_VOLTAGE, Rule.VOLTAGE_AFTER_END))


def found(supervisor: Any, volts: float, amperes: float, seconds: float = 1.0) -> list[object]:
    return [(round(when, 6), *kind(finding)) for when, finding in feed(supervisor, volts, amperes, seconds)]


# -- the wrong way round


@pytest.mark.parametrize(
    ("phase", "rule"),
    [
        (charging, Rule.OVER_VOLTAGE),
        (pre_charge, Rule.OVER_VOLTAGE),
        (check_phase, Rule.CABLE_CHECK_VOLTAGE),
    ],
    ids=["power", "pre-charge", "cable check"],
)
def test_a_station_does_not_take_a_voltage_the_wrong_way_round_for_a_low_one(phase: Any, rule: Rule) -> None:
    for volts, when in ((-60.0, []), (-60.1, [(0.1, rule, FAULT)])):
        supervisor = station()
        phase(supervisor)
        assert found(supervisor, volts, 0.0) == when
    supervisor = station(OFF)
    phase(supervisor)
    assert found(supervisor, -2000.0, 0.0) == []


@pytest.mark.parametrize(
    ("settings", "least_v"),
    [
        ({}, -60.0),
        ({"reversed_v": 20.0}, -20.0),
        ({"reversed_v": None}, -2000.0),
        ({"touch_safe_v": None}, -60.0),
        ({"touch_safe_v": 120.0}, -60.0),
        ({"over_voltage_factor": None, "inlet_voltage_v": None}, -60.0),
        ({"off": (Rule.OVER_VOLTAGE,)}, -2000.0),
    ],
)
def test_the_wrong_way_round_has_a_setting_of_its_own(settings: dict[str, Any], least_v: float) -> None:
    limits = SupervisionLimits(**settings)
    charged, charging_vehicle = station(limits), vehicle(limits)
    charging(charged)
    for supervisor in (charged, charging_vehicle):
        assert found(supervisor, least_v, 0.0) == []
        if least_v > -2000.0:
            assert [one[1] for one in found(supervisor, least_v - 0.1, 0.0)] == [Rule.OVER_VOLTAGE]  # type: ignore[index]


def test_neither_does_it_after_the_end_or_a_vehicle_with_closed_contactors() -> None:
    supervisor = station()
    charging(supervisor)
    supervisor.stop_power(True, -100.0)
    supervisor.contactors(False)
    assert found(supervisor, -60.1, 0.0) == [(0.0, Rule.VOLTAGE_AFTER_END, WARN)]
    for volts, when in ((-60.0, []), (-60.1, [(0.2, Rule.OVER_VOLTAGE, FAULT)])):
        assert found(vehicle(), volts, 0.0) == when
    off = vehicle()
    stopped(off)
    assert found(off, -2000.0, 0.0) == [], "behind open contactors it is the station's"


@pytest.mark.parametrize("ended", [False, True], ids=["before", "behind"])
def test_the_short_way_at_rest_keeps_the_rule_that_holds_there(ended: bool) -> None:
    """Before the cable check that of the check, behind the end that of the end; and of both signs, whatever
    becomes of the rule of poles."""
    own, other = Rule.CABLE_CHECK_VOLTAGE, Rule.VOLTAGE_AFTER_END
    if ended:
        own, other = other, own
    for off, short in (((own,), True), ((other,), False), ((other, Rule.OVER_VOLTAGE), False)):
        supervisor = station(SupervisionLimits(off=off))
        if ended:
            supervisor.stop_power(True, -100.0)
        supervisor.measured(0.0, 0.0, 0.0, 0.0)
        assert supervisor.within(61.0, 0.0, 1.0) is short
        supervisor.measured(0.0, 0.0, 2.0, 2.0)
        assert supervisor.within(-59.0, 0.0, 3.0)
        assert supervisor.within(-61.0, 0.0, 4.0) is (short and Rule.OVER_VOLTAGE in off)


# -- on their way


def test_contactors_of_a_station_do_not_go_on_closing_over_another_voltage() -> None:
    supervisor = station()
    pre_charge(supervisor)
    supervisor.told(True, 800.0, 20.0)
    for volts in (780.0, 820.0):
        assert supervisor.measured(volts, 0.0, 0.0, 0.0) is None
    finding = supervisor.measured(779.9, 0.0, 0.05, 0.05)
    assert kind(finding) == (Rule.CONTACTOR_VOLTAGE, FAULT)
    assert finding is not None
    assert finding.value == pytest.approx(20.1)
    assert finding.limit == 20.0
    ends: tuple[Callable[[Any], Any], ...] = (lambda s: s.contactors(True), lambda s: s.told(False))
    for over in ends:
        supervisor = station()
        pre_charge(supervisor)
        supervisor.told(True, 800.0, 20.0)
        over(supervisor)
        assert found(supervisor, 700.0, 0.0, 0.1) == []
    supervisor = station(SupervisionLimits(off=(Rule.CONTACTOR_VOLTAGE,)))
    pre_charge(supervisor)
    supervisor.told(True, 800.0, 20.0)
    assert found(supervisor, 0.0, 0.0) == []


def test_those_of_a_vehicle_do_not_either() -> None:
    def closing(**settings: Any) -> Any:
        supervisor = vehicle(SupervisionLimits(**settings))
        supervisor.told(False, -100.0)
        supervisor.contactors(False)
        supervisor.measured(800.0, 0.0, -50.0, -50.0)
        supervisor.told(True, -50.0, 800.0, 20.0)
        return supervisor

    supervisor = closing()
    assert not supervisor.within(800.0, 0.0, 0.0), "each sample is looked at"
    for volts in (780.0, 820.0):
        assert supervisor.measured(volts, 0.0, 0.0, 0.0) is None
        assert not supervisor.within(800.0, 0.0, 0.0)
    assert kind(supervisor.measured(820.1, 0.0, 0.05, 0.05)) == (Rule.CONTACTOR_VOLTAGE, FAULT)
    ends: tuple[Callable[[Any], Any], ...] = (lambda s: s.contactors(True), lambda s: s.told(False, 0.0))
    for over in ends:
        supervisor = closing()
        over(supervisor)
        assert found(supervisor, 700.0, 0.0, 0.1) == []
    assert found(closing(off=(Rule.CONTACTOR_VOLTAGE,)), 0.0, 0.0) == []


def test_a_station_whose_output_falls_while_contactors_close_opens_them_at_once() -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.send(cm.PowerDeliveryReq)
    drive.book.does(act.CloseContactors)
    target = drive.session._facts.precharge_target_v
    drive.measure(target - 20.0)
    assert drive.book.actions == []
    drive.measure(target - 20.1)
    stop, opened = drive.book.does(act.StopPower, act.OpenContactors)
    assert isinstance(stop, act.StopPower)
    assert isinstance(opened, act.OpenContactors)
    assert (stop.urgency, opened.urgency) == (EMERGENCY, EMERGENCY)
    drive.book.ends(EndReason.PRE_CHARGE_FAILED)
    assert drive.session.ended is not None
    assert drive.session.ended.rule == Rule.CONTACTOR_VOLTAGE.value
    stands = f"(the output is at {target - 20.1:.1f} V, the target is {target:g} V)"
    assert stands in drive.session.ended.detail


def test_a_vehicle_whose_inlet_falls_while_contactors_close_opens_them_at_once() -> None:
    host: Any = Host().to("DC_PreCharge")
    while host._contactors is None:
        host.step()
    host.measure(BATTERY_V - 20.0)
    assert host.session.energized
    host.measure(0.0)
    host.book.does(act.StopPower, act.SignalReady, act.OpenContactors)
    host.book.ends(EndReason.PRE_CHARGE_FAILED)
    assert host.session.ended.rule == Rule.CONTACTOR_VOLTAGE.value
    assert f"(0.0 V at the inlet, {BATTERY_V:.1f} V at the battery)" in host.session.ended.detail


# -- again and again


def test_who_negotiates_again_and_again_gains_no_time() -> None:
    """A supply above its bound, and a vehicle that has power at rest four times a second: the time with power
    counts."""
    supervisor = station()
    charging(supervisor, watts=300_000.0)
    seen: list[object] = []
    for number in range(40):
        now = number * 0.05
        if number % 5 == 4:
            supervisor.stop_power(False, now)
        elif number % 5 == 0:
            supervisor.set_power(850.0, 200.0, 300_000.0, False, now)
        finding = supervisor.measured(900.0, 200.0, now, now)
        if finding is not None:
            seen.append((round(now, 6), *kind(finding)))
    assert seen[:2] == [(0.8, Rule.VOLTAGE_ABOVE_ASKED, STOP), (1.6, Rule.VOLTAGE_ABOVE_ASKED, FAULT)]


def test_a_pre_charge_with_less_current_is_followed_in_its_time() -> None:
    """The order alone may take as long as a supply has for one, and each further one puts off nothing."""
    for again in (False, True):
        supervisor = station()
        supervisor.pre_charge(400.0, 10.0, 0.0)
        seen: list[object] = []
        for number in range(40):
            at = 0.05 * number
            supervisor.pre_charge(400.0, 1.0 - (0.01 * number if again else 0.0), at)
            finding = supervisor.measured(300.0, 9.5, at, at)
            if finding is not None:
                seen.append((round(at, 6), *kind(finding)))
        assert seen == [(1.25, Rule.PRE_CHARGE_CURRENT, FAULT)], again
    supervisor = station()
    supervisor.pre_charge(400.0, 10.0, 0.0)
    supervisor.set_power(400.0, 1.0, 400.0, False, 0.5)
    supervisor.pre_charge(400.0, 1.0, 1.0)
    assert [supervisor.measured(300.0, 9.5, at, at) is None for at in (1.0, 1.2)] == [True, False]


def test_the_time_of_a_lower_current_excuses_none_above_the_one_before() -> None:
    supervisor = station()
    supervisor.pre_charge(400.0, 10.0, 0.0)
    supervisor.pre_charge(400.0, 1.0, 0.0)
    seen = [supervisor.measured(300.0, 15.1, at, at) for at in (0.0, 0.2)]
    assert [kind(one)[0] for one in seen] == [None, Rule.PRE_CHARGE_CURRENT]
    for off in ({"off": (Rule.PRE_CHARGE_CURRENT,)}, {"pre_charge_factor": None}):
        supervisor = station(SupervisionLimits(**off))
        supervisor.pre_charge(400.0, 0.0, 0.0)
        assert [supervisor.measured(300.0, 15.1, at, at) for at in (0.0, 2.0)] == [None, None]


def test_a_pre_charge_begins_anew_behind_power() -> None:
    supervisor = station()
    pre_charge(supervisor)
    assert supervisor.measured(821.0, 0.0, 0.0, 0.0) is None
    charging(supervisor)
    pre_charge(supervisor)
    assert supervisor.measured(821.0, 0.0, 0.3, 0.3) is None


@pytest.mark.parametrize("changes", [False, True])
def test_more_power_than_the_bound_is_found_though_the_current_asked_for_changes(changes: bool) -> None:
    supervisor = station()
    charging(supervisor, amperes=1.2, watts=1_000.0)
    seen: list[object] = []
    for number in range(60):
        now = number * 0.05
        if changes:
            supervisor.set_power(850.0, 1.0 if number % 2 else 1.2, 1_000.0, False, now)
        finding = supervisor.measured(800.0, 6.0, now, now)
        if finding is not None:
            seen.append((round(now, 6), *kind(finding)))
    assert seen == [(1.0, Rule.OVER_POWER, STOP)]


def test_a_current_that_has_still_to_turn_may_take_its_power_with_it() -> None:
    """From 200 A into the vehicle to 10 A out of it, by the slowest ramp that is allowed, and not at all."""
    for rate, over in ((25.0, []), (0.0, [2.45])):
        supervisor = station()
        charging(supervisor, amperes=200.0, watts=160_000.0)
        supervisor.set_power(700.0, -10.0, 8_000.0, True, 0.0)
        seen = []
        for number in range(240):
            now = number * 0.05
            flows = max(200.0 - rate * max(0.0, now - 1.0), -10.0)
            finding = supervisor.measured(800.0, flows, now, now)
            if finding is not None and finding.rule is Rule.OVER_POWER:
                seen.append(round(now, 6))
        assert seen == over


def test_frozen_readings_are_found_though_the_target_comes_back_to_them() -> None:
    supervisor = station()
    charging(supervisor, amperes=100.0)
    supervisor.measured(800.0, 100.0, -1.0, -1.0)
    seen: list[object] = []
    for number in range(800):
        now = number * 0.05
        if number % 60 == 0:  # every 3 s
            supervisor.set_power(850.0, 100.0 if number // 60 % 2 else 150.0, 170_000.0, False, now)
        finding = supervisor.measured(800.0, 100.0, now, now)
        if finding is not None:
            seen.append((round(now), *kind(finding)))
    assert seen == [(8, Rule.FROZEN_READINGS, WARN), (19, Rule.FROZEN_READINGS, STOP)]


# -- who watches the sessions


@pytest.mark.parametrize("role", ["secc", "evcc"])
@pytest.mark.parametrize("opens", [True, False])
def test_the_safety_monitor_sees_contactors_go_on_closing_over_another_voltage(
    role: str, opens: bool
) -> None:
    """A session whose supervision is switched off, under the monitor of every session test."""
    off = SupervisionLimits(off=() if opens else (Rule.CONTACTOR_VOLTAGE,))
    side: Any
    if role == "secc":
        side = Drive(config=SeccConfig(services=ALL_SERVICES, supervision=off)).to(State.POWER_DELIVERY)
        side.send(cm.PowerDeliveryReq)
        near, far = side.session._facts.precharge_target_v, 0.0
    else:
        side = Host(config=EvccConfig(services=(ServiceID.DC,), supervision=off)).to("DC_PreCharge")
        while side._contactors is None:
            side.step()
        near, far = BATTERY_V, BATTERY_V - 50.0
    side.measure(near)
    if opens:
        side.measure(far)
        return
    with pytest.raises(SafetyViolation, match="go on closing"):
        side.measure(far)
