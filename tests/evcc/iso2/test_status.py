"""What the station asks for by status and notification, in every phase: an emergency is left at once, a wish
to end in an orderly way."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.evcc.iso2.station import (
    BATTERY_V,
    ISOLATION,
    NOTIFY,
    STATUS,
    Host,
    configured,
    offer,
    status,
)

PHASES = ("ChargeParameterDiscovery", "CableCheck", "PreCharge", "PowerDelivery", "CurrentDemand")
ONGOING = iso2.EVSEProcessing.Ongoing


def with_status(host: Host, said: iso2.DCEVSEStatus, **changes: Any) -> None:
    """Answer with this status, wherever the session is."""
    match host.request:
        case iso2.ChargeParameterDiscoveryReq():
            changes["evse_charge_parameter"] = offer(dc_evse_status=said)
        case iso2.PowerDeliveryReq():
            changes["evse_status"] = said
        case _:
            changes["dc_evse_status"] = said
    host.answer(**changes)


def flowing() -> Host:
    """In the charge loop, with current."""
    host = Host().to("CurrentDemand", 3)
    host.measure(BATTERY_V, 250.0)
    return host


def progresses(host: Host) -> list[str]:
    return [body.charge_progress.value for body in host.of(iso2.PowerDeliveryReq)]


@pytest.mark.parametrize("state", PHASES)
@pytest.mark.parametrize(
    "said",
    [
        status(STATUS.EVSE_EmergencyShutdown),
        status(STATUS.EVSE_Malfunction),
        status(isolation=ISOLATION.Fault),
        status(STATUS.EVSE_EmergencyShutdown, NOTIFY.StopCharging, delay=10),
    ],
    ids=["emergency", "malfunction", "isolation", "emergency and stop"],
)
def test_an_emergency_of_the_station_is_left_in_the_same_moment(state: str, said: iso2.DCEVSEStatus) -> None:
    host = Host().to(state)
    if state == "CurrentDemand":
        host.measure(BATTERY_V, 250.0)
    with_status(host, said)
    done = [one for one in host.book.actions if isinstance(one, act.HardwareAction)]
    assert [type(one) for one in done] == [act.StopPower, act.SignalReady, act.OpenContactors]
    assert [one.urgency for one in done if isinstance(one, act.StopPower | act.OpenContactors)] == [
        act.Urgency.EMERGENCY
    ] * 2
    assert not host.watch.told_closed
    demands = len(host.of(iso2.CurrentDemandReq))
    ended = host.finish()
    cable_check = state == "CableCheck" and said.evse_isolation_status is ISOLATION.Fault
    assert ended.reason is (EndReason.CABLE_CHECK_FAILED if cable_check else EndReason.EMERGENCY)
    assert len(host.of(iso2.CurrentDemandReq)) == demands
    stopped = state in ("PowerDelivery", "CurrentDemand")
    assert progresses(host) == (["Start", "Stop"] if stopped else [])
    assert host.of(iso2.SessionStopReq)


@pytest.mark.parametrize("state", PHASES)
@pytest.mark.parametrize(
    "said",
    [
        status(STATUS.EVSE_Shutdown),
        status(STATUS.EVSE_UtilityInterruptEvent),
        status(notification=NOTIFY.StopCharging),
        status(notification=NOTIFY.StopCharging, delay=10),
        status(STATUS.EVSE_Shutdown, NOTIFY.StopCharging),
    ],
    ids=["shutdown", "interrupt", "stop", "stop in 10 s", "both"],
)
def test_a_wish_of_the_station_to_end_is_followed(state: str, said: iso2.DCEVSEStatus) -> None:
    host = Host().to(state)
    with_status(host, said)
    began = host.book.now
    assert host.finish().reason is EndReason.STOPPED_BY_STATION
    assert host.book.now - began < 10.0
    assert not host.watch.told_closed
    notified = said.evse_notification is NOTIFY.StopCharging
    expected = {
        # With the schedules on the table the stop has a message of its own.
        "ChargeParameterDiscovery": ["Stop"] if notified else [],
        "PowerDelivery": ["Start", "Stop"],
        "CurrentDemand": ["Start", "Stop"],
    }
    assert progresses(host) == expected.get(state, [])
    assert bool(host.of(iso2.WeldingDetectionReq)) is (state == "CurrentDemand")


def test_a_station_that_stops_before_its_schedules_are_there_hears_sessionstop() -> None:
    host = Host().to("ChargeParameterDiscovery")
    with_status(host, status(notification=NOTIFY.StopCharging), evse_processing=ONGOING, sa_schedules=None)
    assert host.finish().reason is EndReason.STOPPED_BY_STATION
    assert progresses(host) == []


def test_the_current_is_wound_down_before_power_delivery_stop() -> None:
    host = flowing()
    with_status(host, status(notification=NOTIFY.StopCharging, delay=10))
    told = host.book.now
    host.wait(0.1)
    for _ in range(10):
        assert quantity(host.request.ev_target_current) == 0.0
        host.answer()
        host.wait(0.1)
    assert progresses(host) == ["Start"]
    host.measure(BATTERY_V, 4.0)
    host.answer()
    host.wait(0.1)
    assert progresses(host) == ["Start", "Stop"]
    assert host.book.now - told < 3.0
    assert not any(
        isinstance(one, act.OpenContactors) for one in host.hardware
    )  # until the station has answered
    host.answer()
    assert not host.watch.told_closed
    kinds = [type(one) for one in host.book.actions if isinstance(one, act.HardwareAction)]
    assert kinds == [act.StopPower, act.SignalReady, act.OpenContactors]


def test_a_current_is_waited_for_as_long_as_it_may_take_to_fall() -> None:
    """A station with a slow ramp is told Stop when it is done: contactors open on that, without a load."""
    host = flowing()
    host.full()
    began = host.book.now
    for _ in range(1000):
        if progresses(host) != ["Start"]:
            break
        if host.waiting:
            host.answer()
        else:
            host.wait(0.1)
        host.measure(BATTERY_V, max(250.0 - 25.0 * (host.book.now - began), 6.0))
    assert host.book.now - began == pytest.approx(1.0 + 250.0 / 25.0, abs=0.4)
    assert {quantity(body.ev_target_current) for body in host.of(iso2.CurrentDemandReq)[4:]} == {0.0}


def test_a_measured_zero_is_no_rest_while_current_is_asked_for() -> None:
    """The supply has not begun yet: zero is asked for all the same before PowerDelivery says Stop."""
    host = Host().to("CurrentDemand", 2)
    assert quantity(host.request.ev_target_current) > 0.0
    host.full()
    host.answer()
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == 0.0
    assert progresses(host) == ["Start"]


def test_not_ready_in_the_loop_ends_and_before_it_does_not() -> None:
    host = Host()
    for state in ("ChargeParameterDiscovery", "CableCheck", "PreCharge", "PowerDelivery"):
        host.to(state)
        if state == "PreCharge":
            host.measure(BATTERY_V)
        with_status(host, status(STATUS.EVSE_NotReady))
    host.to("CurrentDemand")
    with_status(host, status(STATUS.EVSE_NotReady))
    assert host.finish().reason is EndReason.STOPPED_BY_STATION


@pytest.mark.parametrize(
    "code", [STATUS.EVSE_IsolationMonitoringActive, STATUS.Reserved_8, STATUS.EVSE_Ready]
)
def test_other_codes_lead_on(code: iso2.DCEVSEStatusCode) -> None:
    host = Host().to("CurrentDemand")
    for _ in range(5):
        with_status(host, status(code))
        host.wait(0.1)
    assert host.session.state == "CurrentDemand"
    assert host.ended is None


@pytest.mark.parametrize(
    ("isolation", "goes_on"),
    [
        (None, True),
        (ISOLATION.Valid, True),
        (ISOLATION.Warning, True),
        (ISOLATION.No_IMD, True),
        (ISOLATION.Invalid, False),
        (ISOLATION.Fault, False),
    ],
)
@pytest.mark.parametrize("code", [STATUS.EVSE_Ready, STATUS.EVSE_NotReady])
def test_how_a_finished_cable_check_is_read(
    isolation: iso2.IsolationLevel | None, goes_on: bool, code: iso2.DCEVSEStatusCode
) -> None:
    host = Host().to("CableCheck")
    with_status(host, status(code, isolation=isolation))
    assert (host.session.state == "PreCharge") is goes_on
    if not goes_on:
        assert host.finish().reason is EndReason.CABLE_CHECK_FAILED
        assert host.watch.closings == 0
    else:
        assert host.noted("isolation") is (isolation in (ISOLATION.Warning, ISOLATION.No_IMD))


@pytest.mark.parametrize("isolation", [None, *ISOLATION])
def test_what_is_made_of_the_isolation_in_the_loop(isolation: iso2.IsolationLevel | None) -> None:
    host = Host().to("CurrentDemand")
    for _ in range(3):
        if host.ended is None and host.session.state == "CurrentDemand":
            with_status(host, status(isolation=isolation))
            host.wait(0.1)
    if isolation is ISOLATION.Fault:
        assert host.finish().reason is EndReason.EMERGENCY
    else:
        assert host.session.state == "CurrentDemand"
    borne = isolation in (ISOLATION.Invalid, ISOLATION.Warning, ISOLATION.No_IMD)
    assert host.noted("isolation-under-power") is borne


@pytest.mark.parametrize("isolation", [None, ISOLATION.Invalid])
def test_an_isolation_that_is_not_known_yet_while_the_check_runs(
    isolation: iso2.IsolationLevel | None,
) -> None:
    host = Host().to("CableCheck")
    said = status(STATUS.EVSE_IsolationMonitoringActive, isolation=isolation)
    for _ in range(100):  # 10 s
        with_status(host, said, evse_processing=ONGOING)
        host.wait(0.1)
        assert host.session.state == "CableCheck"
    host.answer()
    assert host.session.state == "PreCharge"


def test_a_fault_in_the_middle_of_the_check_is_not_waited_out() -> None:
    host = Host().to("CableCheck")
    with_status(host, status(isolation=ISOLATION.Fault), evse_processing=ONGOING)
    assert host.session.state == "SessionStop"
    assert host.finish().reason is EndReason.CABLE_CHECK_FAILED


def test_the_status_after_the_stop_says_nothing_any_more() -> None:
    host = Host().to("CurrentDemand", 2)
    host.full()
    while progresses(host) != ["Start", "Stop"]:
        host.step()
    said = status(STATUS.EVSE_Malfunction)
    host.answer(evse_status=said)
    while host.ended is None:
        if isinstance(host.request, iso2.WeldingDetectionReq) and host.waiting:
            host.answer(dc_evse_status=said)
        else:
            host.step()
    assert host.ended.reason is EndReason.STOPPED_BY_EV


def test_the_status_of_the_other_kind_of_current_ends_the_session() -> None:
    alternating = iso2.ACEVSEStatus(notification_max_delay=0, evse_notification=NOTIFY.None_, rcd=False)
    host = Host().to("PowerDelivery")
    host.answer(evse_status=alternating)
    assert host.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED
    assert not host.watch.told_closed


def test_ready_is_told_from_the_cable_check_on() -> None:
    host = Host().to("CurrentDemand", 2)
    assert [body.dc_ev_status.ev_ready for body in host.of(iso2.CableCheckReq)] == [True]
    before = host.of(iso2.ChargeParameterDiscoveryReq)[0].ev_charge_parameter
    assert before.dc_ev_status.ev_ready is False
    host.tell(ev.StopRequested("enough"))
    host.finish()
    stop = host.of(iso2.PowerDeliveryReq)[-1].ev_power_delivery_parameter
    assert stop.dc_ev_status.ev_ready is True
    assert {body.dc_ev_status.ev_ready for body in host.of(iso2.WeldingDetectionReq)} == {False}


@pytest.mark.parametrize("refuses", [True, False], ids=["FAILED", "no answer"])
def test_welding_detection_that_the_station_refuses_or_leaves_out(refuses: bool) -> None:
    host = Host().to("WeldingDetection")
    if refuses:
        host.answer(response_code=iso2.ResponseCode.FAILED)
    else:
        host.wait(2.0)
    assert host.session.state == "SessionStop"
    assert host.noted("without-weldingdetection")
    host.wait(2.0)  # it does not answer that either
    host.book.ends(EndReason.STOPPED_BY_EV)
    assert not host.watch.told_closed


def test_an_answer_that_comes_after_it_was_given_up_is_borne_with_once() -> None:
    host = Host().to("WeldingDetection")
    late = host.message(host.response(iso2.WeldingDetectionRes))
    host.wait(2.0)
    assert host.session.state == "SessionStop"
    host.tell(ev.MessageReceived(late))
    assert host.ended is None
    host.tell(ev.MessageReceived(late))
    host.book.ends(EndReason.SEQUENCE_ERROR)
    refused = Host().to("WeldingDetection")
    refused.answer(response_code=iso2.ResponseCode.FAILED)
    refused.tell(ev.MessageReceived(late))
    refused.book.ends(EndReason.SEQUENCE_ERROR)  # one answer has come


def test_a_welded_contactor_is_told_whatever_the_station_says() -> None:
    host = Host().to("WeldingDetection")
    host.measure(BATTERY_V)
    host.answer(response_code=iso2.ResponseCode.FAILED)
    assert host.finish().reason is EndReason.CONTACTOR_FAILED
    host = Host().to("WeldingDetection")
    host.measure(BATTERY_V)
    assert host.finish().reason is EndReason.CONTACTOR_FAILED
    assert 2 <= len(host.of(iso2.WeldingDetectionReq)) <= 60


def test_welding_detection_is_repeated_until_the_inlet_has_lost_its_voltage() -> None:
    host = Host().to("WeldingDetection")
    host.measure(200.0)
    host.answer()
    host.wait(0.1)
    host.measure(59.9)
    host.answer()
    assert len(host.of(iso2.WeldingDetectionReq)) == 2
    assert host.session.state == "SessionStop"
    assert host.finish().reason is EndReason.STOPPED_BY_EV


def test_a_station_that_refuses_welding_detection_leaves_the_inlet_its_time() -> None:
    host = Host().to("WeldingDetection")
    host.measure(200.0)
    host.answer(response_code=iso2.ResponseCode.FAILED)
    host.wait(1.0)
    assert host.session.state == "WeldingDetection"
    host.measure(20.0)
    host.wait(0.2)
    assert len(host.of(iso2.WeldingDetectionReq)) == 1
    assert host.session.state == "SessionStop"
    assert host.finish().reason is EndReason.STOPPED_BY_EV


def test_a_contactor_is_not_taken_for_sound_by_an_old_reading() -> None:
    host = Host().to("WeldingDetection")
    host.shown = host.shown[1:]  # the inlet is not measured any more
    host.wait(1.5)
    end = host.finish()
    assert end.reason is EndReason.CONTACTOR_FAILED
    assert "not been measured" in end.detail


def test_a_station_that_asks_for_ever_does_not_wear_the_contactors_out() -> None:
    """In the full form each negotiation opens and closes them."""
    config = configured(iso2={"renegotiation_interval_s": 0.0, "most_renegotiations": 3})
    host = Host(config=config).to("CurrentDemand", 2)
    asks = status(notification=NOTIFY.ReNegotiation)
    for _ in range(400):
        if host.request is not None and isinstance(host.request, iso2.CurrentDemandReq) and host.waiting:
            host.answer(dc_evse_status=asks)
            host.wait(0.1)
        else:
            host.step()
    assert progresses(host).count("Renegotiate") == 3
    assert len(host.of(iso2.CableCheckReq)) == 4
    assert host.noted("renegotiations")
    assert host.ended is None
