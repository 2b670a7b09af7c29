"""What a station's session makes of its hardware: contactors without permission, the end of a cable check,
ramps, and readings that stay away while the vehicle goes on asking."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import ServiceID
from iso15118.session.supervision import Rule
from iso15118.timing import Timing
from tests.secc.test_numbers import drive_with
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, STATION, Drive

ORDERLY, EMERGENCY = Urgency.ORDERLY, Urgency.EMERGENCY


def urgencies(drive: Drive) -> list[Urgency]:
    return [action.urgency for action in drive.book.actions if isinstance(action, act.StopPower)]


def ends(drive: Drive) -> tuple[EndReason, str]:
    """Let the vehicle hear of it; why the session ended."""
    if drive.session.ended is None:
        drive.send(cm.SessionStopReq)
    ended = drive.session.ended
    assert ended is not None
    return ended.reason, ended.detail


# -- contactors


@pytest.mark.parametrize(
    "state",
    [State.SESSION_SETUP, State.AUTHORIZATION, State.SCHEDULE_EXCHANGE, State.DC_CABLE_CHECK],
    ids=str,
)
def test_contactors_that_close_before_they_may_end_the_session(state: State) -> None:
    drive = Drive().to(state)
    drive.book.tell(ev.ContactorsChanged(True))
    assert urgencies(drive) == [EMERGENCY]
    assert ends(drive) == (EndReason.CONTACTOR_FAILED, "contactors closed without permission")


@pytest.mark.parametrize("later_s", [0.9, 5.0, 5.1])
def test_contactors_whose_level_follows_late_are_no_others_that_closed(later_s: float) -> None:
    """They were seen to be closed all the time, and a setting says how late their level may be."""
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.book.tell(ev.EmergencyShutdown("button"))
    drive.session._facts.abort_reason = None  # what is looked at here is the end by the level alone
    drive.book.now += later_s
    drive.book.tell(ev.ContactorsChanged(True))
    facts = drive.session._facts
    assert facts.abort_cause == "contactors-not-opened"
    late = f", and are closed {later_s:.1f} s after they were told to: is PortLimits.feedback_s too short?"
    assert facts.abort_detail == "contactors did not open" + (late if later_s <= 5.0 else "")


@pytest.mark.parametrize("level", [None, "closed", 1])
def test_a_level_that_is_none_counts_as_closed(level: Any) -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.book.tell(ev.ContactorsChanged(level))
    assert urgencies(drive) == [EMERGENCY]
    assert ends(drive) == (EndReason.CONTACTOR_FAILED, "the level of the contactors is unknown")


def test_contactors_that_are_still_closed_when_the_pilot_leaves_c_open_at_once() -> None:
    """They were told to in order, and the vehicle has not let go: it counts as power."""
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.book.tell(ev.StopRequested("enough"))
    stopped: list[Urgency] = []
    for _ in range(800):
        drive.book.wait(0.25)
        if stopped := urgencies(drive):
            break
        drive.measure(BATTERY_V)
        drive.send(dc.DCChargeLoopReq)
    assert stopped == [ORDERLY]
    assert (drive.session.energized, drive.session._facts.contactors_closed) == (False, True)
    drive.book.tell(ev.SignalChanged(ev.SignalState.B))
    assert drive.book.actions[:2] == [
        act.StopPower(EMERGENCY),
        act.OpenContactors(EMERGENCY, "control pilot left C under power"),
    ]


def test_contactors_that_stay_closed_after_the_stop_are_found() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.measure(BATTERY_V)
    drive.book.now += 3.25
    drive.measure(BATTERY_V)
    assert urgencies(drive) == []
    drive.book.now += 0.1
    drive.measure(BATTERY_V)
    assert set(urgencies(drive)) == {EMERGENCY}
    ends(drive)
    assert drive.session.ended is not None
    assert drive.session.ended.rule == Rule.CONTACTOR_LEVEL.value


def test_what_is_off_already_is_not_asked_for_again() -> None:
    drive = Drive().to(State.SESSION_STOP)
    drive.send(cm.SessionStopReq)
    drive.book.does()
    assert drive.session.ended is not None


# -- stopping


def test_an_orderly_stop_is_given_its_ramp_and_an_emergency_a_second() -> None:
    """150 A/s on a connector of 3000 A."""
    for urgent in (False, True):
        drive = Drive().to(State.DC_CHARGE_LOOP)
        drive.measure(BATTERY_V)
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(1000.0))
        drive.measure(BATTERY_V, 1000.0)
        if urgent:
            drive.book.tell(ev.EmergencyShutdown("button"))
        else:
            drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
        assert urgencies(drive) == [EMERGENCY if urgent else ORDERLY]
        drive.measure(BATTERY_V, 1000.0)
        for seconds, amperes in ((1.1, 900.0), (0.2, 900.0)):
            drive.book.now += seconds
            drive.measure(BATTERY_V, amperes)
        assert urgencies(drive) == ([EMERGENCY] if urgent else [])


@pytest.mark.parametrize("orderly", [True, False])
@pytest.mark.parametrize("late", ["contactors close", "a reading that is none"])
def test_what_comes_behind_the_end_is_answered_at_once(late: str, orderly: bool) -> None:
    """And again where the end was an emergency: whatever was asked for did not help."""
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    if not orderly:
        drive.book.tell(ev.EmergencyShutdown("button"))
    assert ends(drive)[0].orderly is orderly
    drive.book.tell(ev.ContactorsChanged(False))
    if late == "contactors close":
        drive.book.tell(ev.ContactorsChanged(True))
    else:
        drive.book.tell(ev.PowerMeasured(math.nan, 0.0))
    assert urgencies(drive) == [EMERGENCY]
    (opened,) = (action for action in drive.book.actions if isinstance(action, act.OpenContactors))
    assert opened.urgency is EMERGENCY


@pytest.mark.parametrize(
    "first", [ev.EmergencyShutdown("button"), ev.SignalChanged(ev.SignalState.B), ev.StopRequested("enough")]
)
def test_a_fault_before_the_vehicle_has_heard_of_the_end_is_asked_of_the_hardware_anew(first: Any) -> None:
    """Whatever was asked for did not help, also where contactors say that they are open."""
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.book.tell(first)
    drive.book.tell(ev.ContactorsChanged(False))
    assert drive.session.ended is None
    drive.book.tell(ev.PowerMeasured(math.nan, 0.0))
    assert urgencies(drive) == [EMERGENCY]
    assert any(isinstance(action, act.OpenContactors) for action in drive.book.actions)


@pytest.mark.parametrize(("reason", "said"), [("closing time", "closing time"), ("", "stop requested")])
def test_why_a_station_stops(reason: str, said: str) -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    drive.book.tell(ev.StopRequested(reason))
    drive.send(dc.DCCableCheckReq)
    assert ends(drive) == (EndReason.STOPPED_BY_STATION, said)


# -- cable check


@pytest.mark.parametrize(
    ("reason", "said"), [("40 kOhm", "40 kOhm"), ("", EndReason.CABLE_CHECK_FAILED.value)]
)
def test_a_cable_check_that_fails_says_why(reason: str, said: str) -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    drive.send(dc.DCCableCheckReq)
    drive.book.tell(ev.CableCheckFinished(False, reason))
    assert urgencies(drive) == [EMERGENCY]
    assert ends(drive) == (EndReason.CABLE_CHECK_FAILED, said)


def test_a_cable_check_that_is_done_is_not_too_long_though_the_vehicle_takes_its_time() -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    drive.send(dc.DCCableCheckReq)
    drive.book.tell(ev.CableCheckFinished(True))
    drive.book.wait(50.0)
    assert urgencies(drive) == []
    assert drive.send(dc.DCCableCheckReq).evse_processing.value == "Finished"


# -- readings and limits


def test_readings_that_stay_away_end_a_charge_whose_vehicle_goes_on_asking() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.output = None
    for _ in range(9):
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled())
        assert urgencies(drive) == []
        drive.book.wait(0.11)
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(120.0))
    drive.book.wait(0.02)
    assert urgencies(drive) == [EMERGENCY]
    ends(drive)
    assert drive.session.ended is not None
    assert drive.session.ended.rule == Rule.STALE_READINGS.value


def test_a_station_that_is_held_back_at_plug_in_may_be_given_its_current_back_later() -> None:
    held_back = replace(STATION, maximum_charge_current_a=10.0, maximum_discharge_current_a=10.0)
    for amperes in (1000.0, -400.0):
        drive = drive_with(held_back, ServiceID.DC_BPT, hardware=STATION).to(State.DC_CHARGE_LOOP)
        drive.book.tell(ev.LimitsChanged(STATION))
        drive.measure(BATTERY_V)
        mode = drive.scheduled(amperes, 850.0 if amperes > 0.0 else 700.0)
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=mode)
        drive.measure(BATTERY_V, amperes)
        assert urgencies(drive) == []
        assert drive.session.ended is None


# -- the clock, and the first message


def test_a_timer_without_anything_due_is_harmless() -> None:
    drive = Drive().to(State.SERVICE_DISCOVERY)
    drive.measure(0.0)
    assert drive.session.handle_timeout(30.0) == [], "readings are not needed where nothing is live"


def test_the_answer_is_due_whatever_the_contactors_are_given() -> None:
    config = SeccConfig(services=ALL_SERVICES, timing=Timing(contactor_answer=3.0))
    drive = Drive(config=config).to(State.POWER_DELIVERY)
    drive.measure(BATTERY_V)
    assert drive.send(cm.PowerDeliveryReq) is None
    drive.book.wait(1.49)
    assert drive.book.actions == []
    drive.book.wait(0.02)
    drive.book.sends(cm.PowerDeliveryRes)


def test_the_first_message_chooses_the_protocol() -> None:
    drive = Drive()
    drive.book.tell(ev.Connected(secure=True))
    drive.send(cm.SessionSetupReq)
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    entry = app.AppProtocol(
        protocol_namespace="urn:iso:std:iso:15118:-20:DC",
        version_number_major=1,
        version_number_minor=0,
        schema_id=7,
        priority=1,
    )
    drive = Drive()
    drive.book.receive(app.SupportedAppProtocolReq(app_protocol=(entry,)))
    drive.book.ends(EndReason.SEQUENCE_ERROR)


@pytest.mark.parametrize("how", [*ev.TransportLoss, "pulled"])
def test_how_the_link_was_lost_is_said(how: Any) -> None:
    drive = Drive().to(State.AUTHORIZATION)
    drive.book.tell(ev.TransportLost(how))
    assert ends(drive) == (EndReason.PEER_VANISHED, how if isinstance(how, str) else how.value)


@pytest.mark.parametrize(
    "state", [State.AUTHORIZATION, State.DC_PRE_CHARGE, State.POWER_DELIVERY, State.SESSION_STOP]
)
def test_other_limits_where_no_energy_flows_ask_for_nothing(state: State) -> None:
    drive = Drive().to(state)
    drive.book.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=10.0)))
    assert drive.book.actions == []


def test_limits_that_change_nothing_ask_for_nothing() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.send(dc.DCChargeLoopReq)
    drive.book.tell(ev.LimitsChanged(STATION))
    assert drive.book.actions == []
    drive.book.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=10.0)))
    drive.book.does(act.SetPower)
