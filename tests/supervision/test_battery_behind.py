"""The battery of a vehicle that takes energy by AC or without a wire: its reports have to come, and nothing
flows through an inlet that is reported hot. And which readings count where a session goes over to another
kind of energy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import ChargerBounds
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.supervision import BatterySupervisor, Reaction, Rule, SupervisionLimits
from tests.connector.test_basic_stops import BOTH_AT_ONCE, End
from tests.connector.test_basic_stops import vehicle as basic
from tests.evcc.station import VEHICLE, battery
from tests.evcc.test_outlet import CHARGER
from tests.pair.ac_rig import ac_pair, until_charging
from tests.pair.wpt_rig import pad_pair
from tests.secc.test_facts import NOW
from tests.secc.test_hardware_books import THREE, Books

STOP, FAULT = Reaction.STOP, Reaction.FAULT
OFF = SupervisionLimits(off=(Rule.STALE_READINGS, Rule.INLET_HOT))
NO_FIGURES = SupervisionLimits(ac_no_current_a=None, over_power_w=None)


# -- numbers


def test_reports_are_waited_for_from_when_energy_may_flow() -> None:
    one = BatterySupervisor(SupervisionLimits())
    one.told(False, 3.0)
    assert (one.told_at, one.fresh_until) == (3.0, math.inf), "nobody minds before"
    one.wait_from(10.0)
    assert (one.told_at, one.fresh_until) == (3.0, 11.0)
    one.told(False, 9.5)
    assert one.fresh_until == 11.0, "one from before then shortens no time"
    one.told(False, 10.5)
    assert one.stale(11.499) is None
    found = one.stale(11.5)
    assert found is not None
    assert found.detail == "stale-readings: 1.0 s without a reading of the battery, limit 1.0"
    assert (found.since, found.reaction, one.told_at) == (10.5, FAULT, 10.5)
    assert one.stale(12.4) is None
    assert one.stale(12.5) is not None


def test_an_older_report_changes_nothing() -> None:
    one = BatterySupervisor(SupervisionLimits())
    one.wait_from(10.0)
    one.told(True, 10.5)
    one.told(False, 10.4)
    assert (one.told_at, one.fresh_until) == (10.5, 11.5)
    assert [found(one, 0.1 * step, one.charger, 16.0) for step in range(51)][-1] == (Rule.INLET_HOT, STOP)


def found(one: BatterySupervisor, now: float, look: Callable[[float, float], Any], value: float) -> Any:
    finding = look(value, round(now, 3))
    return None if finding is None else (finding.rule, finding.reaction)


@pytest.mark.parametrize(("quantity", "none"), [("charger", 1.0), ("coil", 500.0)])
def test_a_hot_inlet_stops_in_order_and_is_a_fault_later(quantity: str, none: float) -> None:
    for value, hot, limits, wanted in (
        (none, True, SupervisionLimits(), []),
        (none + 0.1, False, SupervisionLimits(), []),
        (none + 0.1, True, OFF, []),
        (none + 0.1, True, SupervisionLimits(), [(5.0, STOP), (10.0, FAULT)]),
        (none + 0.1, True, SupervisionLimits(hot_stop_s=2.0, battery_fault_s=None), [(2.0, STOP)]),
        (none, True, NO_FIGURES, []),  # a rule that is switched off makes no other one stricter
        (none + 0.1, True, NO_FIGURES, [(5.0, STOP), (10.0, FAULT)]),
    ):
        one = BatterySupervisor(limits)
        one.told(hot, 0.0)
        seen = []
        for step in range(121):
            result = found(one, 0.1 * step, getattr(one, quantity), value)
            if result is not None:
                seen.append((round(0.1 * step, 3), result[1]))
        assert seen == wanted


def test_one_that_cools_down_in_time_is_none() -> None:
    one = BatterySupervisor(SupervisionLimits())
    one.told(True, 0.0)
    assert found(one, 0.0, one.charger, 16.0) is None
    one.told(False, 4.0)
    assert found(one, 4.0, one.charger, 16.0) is None
    one.told(True, 4.1)
    assert found(one, 4.1, one.charger, 16.0) is None
    assert found(one, 9.0, one.charger, 16.0) is None
    assert found(one, 9.1, one.charger, 16.0) == (Rule.INLET_HOT, STOP)


def test_rules_that_are_off() -> None:
    one = BatterySupervisor(OFF)
    one.wait_from(0.0)
    assert one.fresh_until == math.inf
    assert one.stale(1e9) is None


# -- sessions


def by_ac() -> Any:
    return until_charging(ac_pair())


def by_pad() -> Any:
    pair = pad_pair()
    pair.run(until=lambda: pair.evcc.state == "WPT_ChargeLoop" and pair.loops > 5)
    return pair


def shown(pair: Any, changed: Callable[[ev.BatteryChanged, ev.BatteryChanged], ev.BatteryChanged]) -> float:
    """The battery shows this from now on (``then``: as it was just now); after how many s it ended."""
    state, begun = pair.vehicle.battery_state, pair.now
    then = replace(state(begun), at=begun)
    pair.vehicle.battery_state = lambda now: changed(then, state(now))
    while pair.evcc.ended is None and pair.now < begun + 60.0 and pair.step():
        pass
    return float(pair.now - begun)


@pytest.mark.parametrize("make", [by_ac, by_pad])
def test_a_battery_that_tells_nothing_more_ends_the_session_at_once(make: Callable[[], Any]) -> None:
    pair = make()
    assert shown(pair, lambda then, now: then) == pytest.approx(1.0, abs=0.15)
    assert (pair.evcc.ended.reason, pair.evcc.ended.rule) == (EndReason.HARDWARE_FAULT, "stale-readings")
    assert "battery" in pair.evcc.ended.detail


@pytest.mark.parametrize("make", [by_ac, by_pad])
def test_a_hot_inlet_ends_the_session_in_order(make: Callable[[], Any]) -> None:
    pair = make()
    assert 5.0 <= shown(pair, lambda then, now: replace(now, inlet_hot=True)) < 10.0
    assert (pair.evcc.ended.reason, pair.evcc.ended.rule) == (EndReason.STOPPED_BY_EV, "inlet-hot")


def session_with(*services: act.Action) -> EvccSession:
    """One that was asked for this, of a vehicle with inlet and charger."""
    session = EvccSession(EvccConfig(), VEHICLE, battery(), charger=CHARGER)
    session._talk.now = NOW
    session._book(list(services))
    return session


DRAW = act.SetCharger(ChargerBounds(phases=3, power_w=(3680.0,) * 3, current_a=(16.0,) * 3))
REST = (act.StopPower(Urgency.ORDERLY), act.OpenContactors(Urgency.ORDERLY, "another service"))


@pytest.mark.parametrize("silent", ["charger", "battery", None])
def test_the_deadline_is_that_of_the_older_of_charger_and_battery(silent: str | None) -> None:
    session = session_with(DRAW)
    assert session.deadline == NOW + 1.0
    for later in (0.5, 0.9):
        if silent != "charger":
            session.handle(ev.AcMeasured(), NOW + later)
        if silent != "battery":
            session.handle(battery(), NOW + later)
    assert session.deadline == NOW + (1.9 if silent is None else 1.0)
    session.handle_timeout(NOW + 1.0)
    assert (session.ended is None) is (silent is None)


def test_a_pause_of_the_energy_is_none_of_the_time() -> None:
    session = session_with(DRAW, *REST)
    session._talk.now = NOW + 9.0
    session._book([DRAW])
    assert session.deadline == NOW + 10.0, "the charger and the battery have it again"
    session.handle(ev.AcMeasured(), NOW + 9.5)
    assert session.deadline == NOW + 10.0


def test_a_vehicle_that_goes_over_to_direct_current_needs_readings_of_the_inlet() -> None:
    session = session_with(DRAW, *REST, act.CloseContactors(NOW + 3.0))
    for later in (0.5, 0.9):
        session.handle(ev.AcMeasured(), NOW + later)
        session.handle(battery(), NOW + later)
    assert session.deadline == NOW + 1.0
    session.handle_timeout(NOW + 1.0)
    assert session.ended is not None
    assert "inlet" in session.ended.detail
    back = session_with(act.CloseContactors(NOW + 3.0), *REST, DRAW)
    back.handle(ev.InletMeasured(0.0), NOW + 0.9)
    back.handle(battery(), NOW + 0.9)
    back.handle_timeout(NOW + 1.0)
    assert back.ended is not None
    assert "reading of AC" in back.ended.detail


@pytest.mark.parametrize("before", [act.SetAcPower(THREE), act.SetPad(500.0)])
@pytest.mark.parametrize(
    "direct",
    [
        act.StartCableCheck(500.0, NOW + 38.0, 100_000.0, 1),
        act.PreCharge(400.0, 2.0),
        act.SetPower(400.0, 9.0, 4e3),
    ],
)
def test_a_station_that_goes_over_to_direct_current_needs_readings_of_the_output(
    before: Any, direct: Any
) -> None:
    rig = Books("dc", "ac", "pad")
    rig.keep(
        before, act.StopPower(Urgency.ORDERLY), act.OpenContactors(Urgency.ORDERLY, "another service"), direct
    )
    rig.facts.now = NOW + 0.9
    rig.books.measured(ev.AcMeasured())
    rig.books.measured(ev.PadMeasured())
    assert rig.books.fresh_until == NOW + 1.0
    rig.facts.now = NOW + 1.0
    stale = rig.books.stale()
    assert stale is not None
    assert stale.what == "s without a reading"


def test_a_station_that_goes_over_to_another_kind_needs_readings_of_that() -> None:
    rig = Books("ac", "pad")
    rest = act.StopPower(Urgency.ORDERLY), act.OpenContactors(Urgency.ORDERLY, "another service")
    rig.keep(act.SetAcPower(THREE), *rest, act.SetPad(500.0))
    rig.facts.now = NOW + 1.0
    found_one = rig.books.stale()
    assert found_one is not None
    assert "coil" in found_one.what
    rig.keep(*rest, act.SetAcPower(THREE))
    assert rig.books.stale() is None, "it comes alive"
    rig.facts.now = NOW + 2.0
    found_one = rig.books.stale()
    assert found_one is not None
    assert "AC" in found_one.what


# -- basic charging


def until_over(end: End) -> float:
    begun = end.now
    end.run(30.0)
    return round(end.now - begun, 1)


def test_basic_charging_needs_the_battery_too() -> None:
    end = basic()
    end.battery = replace(end.battery, at=end.now)
    assert until_over(end) == 1.0
    assert (end.ended.reason, end.ended.rule) == (EndReason.HARDWARE_FAULT, "stale-readings")


def test_basic_charging_stops_by_a_hot_inlet() -> None:
    end = basic()
    end.battery = replace(end.battery, inlet_hot=True)
    asked: list[Any] = []
    begun = end.now
    while not asked and end.now < begun + 9.0:
        asked = end.run(0.1)
    assert asked == [(act.StopPower, Urgency.ORDERLY)]
    assert end.now == pytest.approx(begun + 5.1, abs=0.2)
    end.amperes = 0.0
    assert until_over(end) == 0.1
    assert end.ended.reason is EndReason.STOPPED_BY_EV
    assert "inlet-hot" in end.ended.detail


def test_basic_charging_keeps_the_newest_report() -> None:
    end = basic()
    end.tell(replace(end.battery, complete=True, at=end.now - 1.0))
    assert end.session.ended is None
    assert end.session._battery == end.battery  # type: ignore[union-attr]


def test_a_report_without_numbers_ends_basic_charging() -> None:
    end = basic()
    assert end.tell(replace(end.battery, soc=math.nan)) == BOTH_AT_ONCE
    assert end.ended.rule == "unusable-readings"
    assert "BatteryChanged" in end.ended.detail


@pytest.mark.parametrize("phases", [(16.0, 0.0, 0.0), (0.0, 0.0, 16.0)])
def test_one_phase_is_enough_to_make_an_inlet_hot(phases: tuple[float, float, float]) -> None:
    session = session_with(DRAW)
    wishes: list[str] = []
    for step in range(1, 61):
        now = NOW + 0.1 * step
        session.handle(replace(battery(), inlet_hot=True), now)
        session.handle(ev.AcMeasured(voltage_v=(230.0,) * 3, current_a=phases, power_w=(0.0,) * 3), now)
        wishes.append(session._talk.stop_rule)
    assert wishes[-1] == "inlet-hot"
    assert wishes[48] == ""


def test_a_wish_that_is_repeated_makes_no_reading_younger() -> None:
    """Only what comes alive has time to be read."""
    session = session_with(DRAW)
    session.handle(ev.AcMeasured(), NOW + 0.5)
    session._talk.now = NOW + 0.9
    session._book([DRAW])
    assert session.deadline == NOW + 1.0, "the battery has told nothing since"
