"""What was seen long ago proves nothing of now: samples that lie far apart, and insulation behind a rest."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency
from iso15118.session.supervision import (
    AcSupervisor,
    BatterySupervisor,
    Finding,
    Rule,
    SensorSupervisor,
    SupervisionLimits,
    VehicleSupervisor,
    WirelessSupervisor,
)
from tests.secc.test_cable_checks import Checked
from tests.secc.vehicle import Drive
from tests.supervision.test_numbers import FAULT, STOP, charging, kind, station

EMERGENCY = Urgency.EMERGENCY

# -- long ago


@pytest.mark.parametrize(("gap", "at_once"), [(4.9, True), (5.1, False)])
def test_a_sample_of_long_ago_proves_nothing_of_now(gap: float, at_once: bool) -> None:
    supervisor = station()
    charging(supervisor)
    assert supervisor.measured(1100.0, 0.0, 0.0, 0.0) is None
    again = supervisor.measured(1100.0, 0.0, gap, gap)
    assert (kind(again) == (Rule.OVER_VOLTAGE, FAULT)) is at_once
    assert kind(supervisor.measured(1100.0, 0.0, gap + 0.1, gap + 0.1)) == (
        (None, None) if at_once else (Rule.OVER_VOLTAGE, FAULT)
    )


@pytest.mark.parametrize("stale_s", [0.1, 1.0])
def test_looks_that_are_a_second_apart_show_what_lasts(stale_s: float) -> None:
    """However short a reading is young: a rule whose samples each began anew would never be broken."""
    supervisor = station(SupervisionLimits(stale_s=stale_s))
    charging(supervisor)
    found = [supervisor.measured(1100.0, 0.0, float(at), float(at)) for at in range(2)]
    assert [kind(one) for one in found] == [(None, None), (Rule.OVER_VOLTAGE, FAULT)]


def of_phases(supervisor: AcSupervisor, volts: float, amperes: float, watts: float, at: float) -> Any:
    return supervisor.measured((volts,) * 3, (amperes,) * 3, watts, at, at)


OVER_GAP: dict[str, Any] = {
    "outlet, voltage": (lambda ac, at: of_phases(ac, 300.0, 0.0, 0.0, at), Rule.OVER_VOLTAGE),
    "outlet, current": (lambda ac, at: of_phases(ac, 230.0, 30.0, 0.0, at), Rule.OVER_CURRENT),
    "outlet, power": (lambda ac, at: of_phases(ac, 230.0, 16.0, 20e3, at), Rule.OVER_POWER),
    "outlet, reverse": (lambda ac, at: of_phases(ac, 230.0, 0.0, -1e3, at), Rule.REVERSE_CURRENT),
    "outlet, phase": (lambda ac, at: of_phases(ac, 10.0, 0.0, 0.0, at), Rule.PHASE_LOST),
}


@pytest.mark.parametrize("case", OVER_GAP)
@pytest.mark.parametrize(("gap", "found"), [(5.0, True), (5.1, False)])
def test_two_samples_of_an_outlet_that_lie_far_apart_are_no_time(case: str, gap: float, found: bool) -> None:
    look, rule = OVER_GAP[case]
    outlet = AcSupervisor(SupervisionLimits(), nominal_v=230.0, most_v=265.0, where="at the outlet")
    outlet.told_power(3, (16.0,) * 3, 11e3, (0.0,) * 3, 0.0, -9.0)
    outlet.contactors(True)
    assert look(outlet, 0.0) is None
    assert (kind(look(outlet, gap))[0] is rule) is found


@pytest.mark.parametrize(("gap", "found"), [(5.0, True), (5.1, False)])
@pytest.mark.parametrize("stopped", [False, True])
def test_two_samples_of_a_pad_that_lie_far_apart_are_no_time(stopped: bool, gap: float, found: bool) -> None:
    pad = WirelessSupervisor(SupervisionLimits(), where="at the pad")
    pad.told_power(1000.0, -9.0)
    if stopped:
        pad.stop(True, -9.0)
    assert pad.measured(5000.0, 0.0, 0.0) is None
    rule = Rule.CURRENT_WITHOUT_PERMISSION if stopped else Rule.OVER_POWER
    assert (kind(pad.measured(5000.0, gap, gap))[0] is rule) is found


@pytest.mark.parametrize(("gap", "found"), [(5.0, True), (5.1, False)])
def test_two_samples_behind_a_hot_inlet_that_lie_far_apart_are_no_time(gap: float, found: bool) -> None:
    battery = BatterySupervisor(SupervisionLimits())
    battery.told(True, 0.0)
    assert battery.charger(16.0, 0.0) is None
    assert battery.coil(5000.0, 0.0) is None
    assert (battery.charger(16.0, gap) is not None) is found
    assert (battery.coil(5000.0, gap) is not None) is found


@pytest.mark.parametrize(("gap", "found"), [(5.0, True), (5.1, False)])
def test_two_reports_of_a_station_that_lie_far_apart_are_no_time(gap: float, found: bool) -> None:
    vehicle = VehicleSupervisor(SupervisionLimits(), maximum_v=900.0, charge_a=200.0, discharge_a=0.0)
    assert vehicle.station_reports(400.0, 0.0, 0.0) is None
    assert (vehicle.station_reports(400.0, 0.0, gap) is not None) is found


# -- insulation


POOR = ev.InsulationMeasured(1_000.0, 799.0)


def test_insulation_is_looked_at_wherever_the_output_has_a_voltage_behind_the_cable_check() -> None:
    def at_pre_charge() -> Drive:
        drive = Drive().to(State.DC_PRE_CHARGE)
        drive.send(dc.DCPreChargeReq, ev_processing=Processing.Ongoing)
        return drive

    def at_rest() -> Drive:
        drive = Drive().to(State.DC_CHARGE_LOOP)
        drive.send(dc.DCChargeLoopReq)
        drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
        assert drive.session._facts.power is None
        return drive

    for bring in (at_pre_charge, at_rest):
        drive = bring()
        drive.book.tell(POOR)
        (stop,) = [one for one in drive.book.actions if isinstance(one, act.StopPower)]
        assert stop.urgency is EMERGENCY
        assert drive.session._facts.abort_rule == Rule.INSULATION.value


def test_insulation_that_was_poor_long_ago_is_not_poor_since_then() -> None:
    supervisor = SensorSupervisor(SupervisionLimits())

    def look(now: float) -> Finding | None:
        return supervisor.insulation(95_000.0, 100_000.0, None, 900.0, now)

    assert look(0.0) is None
    supervisor.rest()
    assert look(10.0) is None
    assert kind(look(11.0)) == (Rule.INSULATION, STOP)


@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
@pytest.mark.parametrize("better", [False, True])
def test_an_insulation_that_is_told_once_holds_until_a_better_one_is_told(edition: str, better: bool) -> None:
    """As of a monitor that tells what changes: the rule is kept by the clock."""
    rig = Checked(edition)
    rig.pre_charge(over=False)
    session, began = rig.drive.session, rig.drive.book.now
    volts = rig.drive.output.voltage_v

    def told_by(event: ev.Event, at: float) -> None:
        assert not any(isinstance(one, act.StopPower) for one in session.handle(event, began + at))

    told_by(ev.InsulationMeasured(90e3), 0.0)
    for turn in range(1, 20):
        told_by(ev.PowerMeasured(volts, 0.0), 0.05 * turn)
        assert session.deadline <= began + 1.0
    if better:
        told_by(ev.InsulationMeasured(100e3), 0.96)
        assert session.deadline > began + 1.0
    session.handle_timeout(began + 1.0)
    rule = None if better else Rule.INSULATION.value
    assert (session._facts.stop_rule or None) == rule
    if not better:
        assert session.deadline > began + 1.0, "once"
        assert "insulation: 90000.0 ohm to earth, limit 100000.0" in session._facts.stop_wanted


def test_an_insulation_that_was_told_before_the_output_was_off_is_no_finding_of_the_clock() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    books, facts = drive.session._books, drive.session._facts
    assert books.further(ev.InsulationMeasured(90e3)) is None
    facts.power, facts.precharging, facts.contactors_closed = None, False, False
    facts.now += 1.0
    books.supervisor.live_from(facts.now)
    assert books.stale() is None
    facts.contactors_closed = True
    assert books.stale() is None
    assert books.fresh_until == facts.now + 1.0


def test_an_insulation_that_is_too_low_is_found_once_for_each_time_that_it_is_told() -> None:
    supervisor = SensorSupervisor(SupervisionLimits())

    def tell(ohm: float, now: float) -> Finding | None:
        return supervisor.insulation(ohm, 100e3, None, 900.0, now)

    assert supervisor.insulation_due == math.inf
    assert supervisor.insulation_late(1e9) is None
    assert tell(90e3, 5.0) is None
    assert supervisor.insulation_due == 6.0
    assert tell(85e3, 5.5) is None
    assert supervisor.insulation_due == 6.0, "since it was first too low"
    assert supervisor.insulation_late(5.99) is None
    late = supervisor.insulation_late(6.0)
    assert late is not None
    assert (late.rule, late.reaction, late.value, late.limit, late.since) == (
        Rule.INSULATION,
        STOP,
        85e3,
        100e3,
        5.0,
    )
    assert supervisor.insulation_late(7.0) is None
    assert kind(tell(90e3, 7.5)) == (Rule.INSULATION, STOP)
    assert supervisor.insulation_late(8.0) is None
    assert kind(tell(79e3, 8.5)) == (Rule.INSULATION, FAULT)
    assert supervisor.insulation_due == math.inf
    assert tell(1e6, 9.0) is None
    off = SensorSupervisor(SupervisionLimits(off=(Rule.INSULATION,)))
    assert off.insulation(1.0, 100e3, None, 900.0, 0.0) is None
    assert off.insulation_due == math.inf


def test_an_outlet_and_a_pad_have_no_insulation_of_their_own() -> None:
    """What a DC side beside them measures then is not of what is alive."""
    drive = Drive().to(State.DC_CHARGE_LOOP)
    for name in ("_alternates", "_wireless"):
        setattr(drive.session._books, name, True)
        drive.book.tell(POOR)
        assert drive.session._facts.abort_reason is None
        setattr(drive.session._books, name, False)
    drive.book.tell(POOR)
    assert drive.session._facts.abort_rule == Rule.INSULATION.value
