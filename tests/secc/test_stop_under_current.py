"""A vehicle that says Stop while current flows, and a station that wants the end while its supply still comes
down: contactors open without a load, and nobody is blamed for a ramp that is as slow as it may be."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import din, iso2
from iso15118.messages.iso20 import ac, dc
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc import SeccConfig
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.sequence import State as OlderState
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.limits import StationLimits
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.timing import Timer, Timing
from tests.secc.ac_vehicle import AcDrive
from tests.secc.din.vehicle import BATTERY_V as DIN_V
from tests.secc.din.vehicle import Drive as DinDrive
from tests.secc.iso2.vehicle import BATTERY_V as OLDER_V
from tests.secc.iso2.vehicle import Drive as OlderDrive
from tests.secc.iso2.vehicle import settings
from tests.secc.vehicle import BATTERY_V, STATION, Drive

ORDERLY, EMERGENCY = Urgency.ORDERLY, Urgency.EMERGENCY
STOPS: dict[str, tuple[Any, float, Any, dict[str, Any], float]] = {
    "iso20": (
        lambda: Drive().to(State.DC_CHARGE_LOOP),
        BATTERY_V,
        cm.PowerDeliveryReq,
        {"charge_progress": cm.ChargeProgress.Stop},
        1.4,
    ),
    "iso2": (
        lambda: OlderDrive().to(OlderState.CURRENT_DEMAND),
        OLDER_V,
        iso2.PowerDeliveryReq,
        {"charge_progress": iso2.ChargeProgress.Stop},
        3.0,
    ),
    "din": (
        lambda: DinDrive().to(DinState.CURRENT_DEMAND),
        DIN_V,
        din.PowerDeliveryReq,
        {"ready_to_charge_state": False},
        1.4,
    ),
}


def stops(drive: Any) -> list[Urgency]:
    return [one.urgency for one in drive.book.actions if isinstance(one, act.StopPower)]


def opens(drive: Any) -> list[Urgency]:
    return [one.urgency for one in drive.book.actions if isinstance(one, act.OpenContactors)]


def begin(edition: str, current_a: float) -> tuple[Any, float, float]:
    make, volts, request, fields, answer_s = STOPS[edition]
    drive = make()
    if edition == "iso2":
        drive.send(iso2.CurrentDemandReq)
    drive.measure(volts, current_a)
    message = drive.request(request, **fields)
    drive.book.tell(ev.MessageReceived(message))
    return drive, volts, answer_s


@pytest.mark.parametrize("edition", STOPS)
@pytest.mark.parametrize(("current_a", "hastens"), [(0.0, False), (5.0, False), (5.1, True), (40.0, True)])
def test_what_still_flows_is_taken_away_before_the_contactors_open(
    edition: str, current_a: float, hastens: bool
) -> None:
    """They were told to open under it at the end of the time for the answer."""
    drive, volts, answer_s = begin(edition, current_a)
    assert (stops(drive), opens(drive)) == ([ORDERLY], [ORDERLY])
    before = answer_s - SupervisionLimits().settle_s
    drive.book.wait(before - 0.01)
    drive.measure(volts, current_a)
    assert stops(drive) == []
    drive.book.wait(0.011)
    assert stops(drive) == ([EMERGENCY] if hastens else [])
    assert opens(drive) == []
    assert drive.session.ended is None
    drive.measure(volts, 0.0)
    drive.book.tell(ev.ContactorsChanged(False))
    assert [type(one) for one in drive.book.actions if isinstance(one, act.Send)] == [act.Send]
    assert drive.session._facts.abort_reason is None


@pytest.mark.parametrize("edition", STOPS)
def test_contactors_that_do_not_open_all_the_same_are_a_fault_in_the_time_of_the_answer(edition: str) -> None:
    drive, volts, answer_s = begin(edition, 40.0)
    drive.book.wait(answer_s - 1.0)
    drive.measure(volts, 0.0)
    drive.book.wait(0.99)
    assert not any(isinstance(one, act.SessionEnded) for one in drive.book.actions)
    drive.book.wait(0.01)
    assert opens(drive) == [EMERGENCY]
    drive.book.ends(EndReason.CONTACTOR_FAILED)


@pytest.mark.parametrize("settle_s", [1.4, 5.0])
def test_where_an_emergency_has_all_the_time_there_is_the_current_is_taken_away_at_once(
    settle_s: float,
) -> None:
    drive = Drive(config=SeccConfig(supervision=SupervisionLimits(settle_s=settle_s)))
    drive.to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V, 200.0)
    request = drive.request(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.tell(ev.MessageReceived(request))
    drive.book.wait(0.001)
    assert stops(drive)[-1] is EMERGENCY
    assert drive.session.ended is None


def test_an_answer_that_is_due_before_is_given_in_time() -> None:
    """A station that answers within less than its contactors have has no step left; that is no fault of its
    software."""
    drive = Drive(config=SeccConfig(timing=Timing(answer_time=0.3)))
    drive.to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V, 200.0)
    request = drive.request(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.tell(ev.MessageReceived(request))
    drive.book.wait(0.3)
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.CONTACTOR_FAILED


# -- the station wants the end


def wound_down(drive: Drive, current_a: float) -> None:
    drive.measure(BATTERY_V, current_a)
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(0.0))
    drive.measure(BATTERY_V, current_a)


@pytest.mark.parametrize(("slower", "breaks"), [(0.0, False), (100.0, True)])
def test_a_vehicle_that_asks_for_nothing_waits_for_the_supply_to_come_down(
    slower: float, breaks: bool
) -> None:
    """Its 10 s are over before a ramp that is as slow as it may be: it was a fault, and contactors opened
    under what still flowed."""
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V, 1500.0)
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(1500.0))
    drive.measure(BATTERY_V, 1500.0)
    drive.book.tell(ev.StopRequested("closing time"))
    began = drive.book.now
    while drive.book.now < began + 11.2 and drive.session._facts.abort_reason is None:
        since = drive.book.now - began
        wound_down(drive, max(1500.0 - 150.0 * max(since - 1.0, 0.0), slower))
        drive.book.wait(0.25)
    facts = drive.session._facts
    if breaks:
        assert facts.abort_rule == Rule.OVER_CURRENT.value
        return
    assert facts.abort_reason is None
    drive.measure(BATTERY_V, 0.0)
    request = drive.request(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.tell(ev.MessageReceived(request))
    drive.book.tell(ev.ContactorsChanged(False))
    assert drive.session.state == State.DC_WELDING_DETECTION.value


def test_one_that_asks_for_nothing_when_it_is_looked_at_and_for_power_in_between_gains_nothing() -> None:
    """It put off the station's own stop for ever."""
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V, 1500.0)
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(1500.0))
    drive.measure(BATTERY_V, 1500.0)
    drive.book.tell(ev.StopRequested("closing time"))
    facts, began = drive.session._facts, drive.book.now
    while facts.abort_reason is None and drive.book.now < began + 200.0:
        due = drive.session.timers.deadline_of(Timer.STOP)
        assert due is not None
        rests = due - drive.book.now < 0.6
        wish = drive.scheduled(0.0 if rests else 1500.0)
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=wish)
        drive.measure(BATTERY_V, 1450.0 if rests else 1500.0)
        drive.book.wait(0.25)
    assert facts.abort_rule == Rule.NO_DECAY.value
    # 10 s, what the current of then may take to fall, and a second to measure it
    assert drive.book.now - began == pytest.approx(10.0 + 2.0 + 1500.0 / 150.0 + 1.0, abs=0.3)


def test_one_that_asks_on_does_not() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.book.tell(ev.StopRequested("closing time"))
    while drive.session._facts.abort_reason is None and drive.book.now < 20.0:
        drive.measure(BATTERY_V, 100.0)
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(100.0))
        drive.measure(BATTERY_V, 100.0)
        drive.book.wait(0.25)
    facts = drive.session._facts
    assert facts.abort_rule == Rule.NO_DECAY.value
    assert facts.abort_detail == "no-decay: 100 A still flow 10 s after the wish to stop"


SMALL = StationLimits(
    maximum_charge_power_w=20_000.0,
    maximum_charge_current_a=25.0,
    maximum_voltage_v=STATION.maximum_voltage_v,
    minimum_voltage_v=STATION.minimum_voltage_v,
)
"""A current that falls in less time than a goodbye has."""


@pytest.mark.parametrize(("late_s", "leaves"), [(9.9, True), (10.1, False)])
@pytest.mark.parametrize("limits", [STATION, SMALL], ids=["large", "small"])
def test_who_has_ended_power_has_as_long_again_for_its_goodbye(
    limits: StationLimits, late_s: float, leaves: bool
) -> None:
    """It had followed, and was told at the tenth second that it had not."""
    drive = Drive()
    drive.book.tell(ev.LimitsChanged(limits))
    drive.to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V, 0.0)
    drive.book.tell(ev.StopRequested("closing time"))
    while drive.book.now < 9.7:
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(0.0))
        drive.measure(BATTERY_V, 0.0)
        drive.book.wait(0.25)
    request = drive.request(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.tell(ev.MessageReceived(request))
    drive.book.tell(ev.ContactorsChanged(False))
    told = drive.book.now
    while drive.book.now < told + late_s - 0.01 and drive.session._facts.abort_reason is None:
        drive.book.wait(min(0.5, told + late_s - drive.book.now))
        drive.measure(0.0, 0.0)
    facts = drive.session._facts
    assert facts.abort_reason is (None if leaves else EndReason.STOPPED_BY_STATION)


@pytest.mark.parametrize(("late_s", "leaves"), [(9.9, True), (10.1, False)])
def test_and_so_has_one_that_charged_with_alternating_current(late_s: float, leaves: bool) -> None:
    drive = AcDrive().to(State.AC_CHARGE_LOOP)
    drive.send(ac.ACChargeLoopReq)
    drive.book.tell(ev.StopRequested("closing time"))
    began = drive.book.now
    while drive.book.now < began + 9.7:
        drive.send(ac.ACChargeLoopReq)
        drive.book.wait(0.25)
    request = drive.request(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.tell(ev.MessageReceived(request))
    drive.book.tell(ev.ContactorsChanged(False))
    told = drive.book.now
    while drive.book.now < told + late_s - 0.01 and drive.session._facts.abort_reason is None:
        drive.book.wait(min(0.5, told + late_s - drive.book.now))
    assert drive.session._facts.abort_reason is (None if leaves else EndReason.STOPPED_BY_STATION)


@pytest.mark.parametrize(("current_a", "waits"), [(5.0, False), (5.01, True)])
def test_what_counts_as_no_current_is_not_waited_for(current_a: float, waits: bool) -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V, current_a)
    drive.book.tell(ev.StopRequested("closing time"))
    began = drive.book.now
    wish_a = 5.0
    while drive.book.now < began + 10.2 and drive.session._facts.abort_reason is None:
        if drive.book.now >= began + 9.5:
            wish_a = 0.0
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(wish_a))
        drive.measure(BATTERY_V, current_a)
        drive.book.wait(0.1)
    reason = None if waits else EndReason.STOPPED_BY_STATION
    assert drive.session._facts.abort_reason is reason


def test_an_alarm_behind_the_end_opens_contactors_that_an_orderly_opening_still_waits_with() -> None:
    """That the current was taken away at once before says nothing of them."""
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V, 100.0)
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(100.0))
    drive.send(cm.PowerDeliveryReq)
    drive.book.wait(0.6)
    assert stops(drive) == [EMERGENCY]
    ended = drive.session._end(EndReason.STOPPED_BY_STATION, "closing time")
    assert [one.urgency for one in ended if isinstance(one, act.OpenContactors)] == [ORDERLY]
    drive.book.tell(ev.EmergencyShutdown("button"))
    assert opens(drive) == [EMERGENCY]


def test_what_counts_as_no_current_is_known_where_its_rule_is_off() -> None:
    """A sensor that shows 0.3 A of none hastens nothing."""
    supervision = SupervisionLimits(no_current_a=None)
    drive = Drive(config=SeccConfig(supervision=supervision)).to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V, 0.3)
    request = drive.request(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.tell(ev.MessageReceived(request))
    drive.book.wait(0.5)
    assert stops(drive) == []


def test_how_long_a_current_has_flowed_since_the_wish_is_said_as_it_is() -> None:
    """The ramp was waited for, and it is none."""
    supervision = SupervisionLimits(off=(Rule.OVER_CURRENT, Rule.FROZEN_READINGS, Rule.OVER_POWER))
    drive = Drive(config=SeccConfig(supervision=supervision)).to(State.DC_CHARGE_LOOP)
    drive.book._watch = None  # the monitor has these rules as well
    drive.measure(BATTERY_V, 1500.0)
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(1500.0))
    drive.measure(BATTERY_V, 1500.0)
    drive.book.tell(ev.StopRequested("closing time"))
    while drive.session._facts.abort_reason is None and drive.book.now < 20.0:
        wound_down(drive, 1500.0)
        drive.book.wait(0.25)
    facts = drive.session._facts
    assert facts.abort_rule == Rule.NO_DECAY.value
    said = float(facts.abort_detail.split("flow ")[1].split(" s")[0])
    assert said == pytest.approx(12.0, abs=0.5)


def test_the_time_that_was_told_ahead_is_part_of_it() -> None:
    drive = OlderDrive(settings(stop_notice_s=5)).to(OlderState.CURRENT_DEMAND)
    drive.send(iso2.CurrentDemandReq)
    drive.book.tell(ev.StopRequested("closing time"))
    while drive.session._facts.abort_reason is None and drive.book.now < 30.0:
        drive.measure(OLDER_V, 50.0)
        drive.send(iso2.CurrentDemandReq)
        drive.measure(OLDER_V, 50.0)
        drive.book.wait(0.5)
    assert drive.session._facts.abort_detail == "no-decay: 50 A still flow 15 s after the wish to stop"
