"""What a vehicle's session makes of its hardware: contactors that move by themselves, ramps,
and readings that stay away."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.supervision import Rule
from iso15118.timing import Timing
from tests.evcc.station import BATTERY_V, Host, battery

ORDERLY, EMERGENCY = Urgency.ORDERLY, Urgency.EMERGENCY


def urgencies(host: Host) -> list[Urgency]:
    return [action.urgency for action in host.book.actions if isinstance(action, act.StopPower)]


def ended(host: Host) -> tuple[EndReason, str]:
    assert host.session.ended is not None
    return host.session.ended.reason, host.session.ended.detail


def charging() -> Host:
    host = Host().to("DC_ChargeLoop", times=2)
    host.measure(BATTERY_V)
    return host


def asked_to_close() -> Host:
    """The contactors were told to close and have not said anything yet."""
    host = Host()
    while host._contactors is None:
        host.step()
    return host


def asked_to_stop() -> Host:
    """PowerDelivery stop was answered: current to zero, contactors told to open."""
    host = charging()
    host.battery(energy_to_target_wh=0.0, complete=True)
    while not isinstance(host.request, cm.PowerDeliveryReq) or not host.waiting:
        host.step()
    host.answer()
    return host


# -- contactors


def test_contactors_of_a_vehicle_that_close_before_they_may_end_the_session() -> None:
    host = Host().to("DC_CableCheck")
    host.tell(ev.ContactorsChanged(True))
    assert urgencies(host) == [EMERGENCY]
    assert ended(host) == (EndReason.CONTACTOR_FAILED, "contactors closed without permission")


def test_contactors_that_say_closed_after_they_were_told_to_open() -> None:
    host = asked_to_stop()
    host.tell(ev.ContactorsChanged(True))
    assert urgencies(host) == [EMERGENCY]
    late = ", and are closed 0.0 s after they were told to: is PortLimits.feedback_s too short?"
    assert ended(host) == (EndReason.CONTACTOR_FAILED, f"contactors did not open{late}")


def test_contactors_that_open_by_themselves_end_the_session_and_those_that_say_it_twice_do_not() -> None:
    host = charging()
    host.tell(ev.ContactorsChanged(True))
    assert host.session.ended is None
    host.tell(ev.ContactorsChanged(False))
    assert urgencies(host) == [EMERGENCY]
    assert ended(host) == (EndReason.CONTACTOR_FAILED, "contactors opened by themselves")


@pytest.mark.parametrize("level", [None, "open", 0])
def test_a_level_that_is_none_counts_as_closed(level: Any) -> None:
    host = charging()
    host.tell(ev.ContactorsChanged(level))
    assert urgencies(host) == [EMERGENCY]
    assert ended(host) == (EndReason.CONTACTOR_FAILED, "the level of the contactors is unknown")


# -- stopping


def test_an_orderly_stop_is_given_its_ramp_and_an_emergency_a_second() -> None:
    """75 A/s for a vehicle of 1500 A."""
    for urgent in (False, True):
        host = charging()
        host.measure(BATTERY_V, 500.0)
        if urgent:
            host.tell(ev.EmergencyShutdown("button"))
        else:
            host.battery(energy_to_target_wh=0.0, complete=True)
            while not isinstance(host.request, cm.PowerDeliveryReq) or not host.waiting:
                host.measure(BATTERY_V, 500.0 if isinstance(host.request, cm.PowerDeliveryReq) else 0.0)
                host.step()
            host.measure(BATTERY_V, 500.0)
            host.answer()
        assert urgencies(host) == [EMERGENCY if urgent else ORDERLY]
        for seconds, amperes in ((0.0, 500.0), (1.1, 490.0), (0.1, 480.0)):
            host.book.now += seconds
            host.measure(BATTERY_V, amperes)
        assert urgencies(host) == ([EMERGENCY] if urgent else [])


# -- readings that stay away, and a station that does

SLOW = EvccConfig(timing=Timing(message_timeout=500.0, message_timeout_loop=500.0))


@pytest.mark.parametrize("off_s", [-0.01, 0.01])
def test_the_set_up_of_the_communication_has_its_time(off_s: float) -> None:
    host = Host(config=SLOW)
    limit_s = SLOW.timing.communication_setup_timeout
    host.wait(limit_s + off_s)
    assert (host.session.ended is not None) is (off_s > 0.0)
    host = Host(config=SLOW).to("ServiceDiscovery")
    host.wait(2.0 * limit_s)
    assert host.session.ended is None, "that time is over with the authorization"


def silent(host: Host, seconds: float) -> str:
    """Nobody measures any more; the rule that ended the session, if one did."""
    host.shown = []
    host.wait(seconds)
    return "" if host.session.ended is None else host.session.ended.rule


@pytest.mark.parametrize("said", [None, False, True])
def test_readings_are_needed_from_the_moment_on_that_contactors_are_told_to_close(said: bool | None) -> None:
    host = asked_to_close()
    if said is not None:
        host.tell(ev.ContactorsChanged(said))
    assert silent(host, 0.999) == ""
    host.wait(0.002)
    assert urgencies(host) == [EMERGENCY]
    assert host.session.ended is not None
    assert host.session.ended.rule == Rule.STALE_READINGS.value


def test_readings_are_not_needed_where_nothing_is_connected() -> None:
    assert silent(Host().to("ServiceDiscovery"), 1.9) == ""
    assert silent(Host(config=SLOW).to("DC_CableCheck"), 1.9) == ""
    host = asked_to_stop()
    host.tell(ev.ContactorsChanged(False))
    assert silent(host, 1.9) == ""


def test_after_the_end_there_is_nothing_to_wait_for() -> None:
    host = charging()
    host.tell(ev.TransportLost(ev.TransportLoss.RESET))
    assert host.session.ended is not None
    assert host.session.deadline is None


@pytest.mark.parametrize("late", ["contactors close", "a reading that is none"])
def test_what_comes_behind_an_orderly_end_is_answered_at_once(late: str) -> None:
    host = asked_to_stop()
    while host.session.ended is None:
        host.step()
    assert ended(host) == (EndReason.STOPPED_BY_EV, "")
    if late == "contactors close":
        host.tell(ev.ContactorsChanged(True))
    else:
        host.tell(ev.InletMeasured(math.nan, 0.0))
    assert urgencies(host) == [EMERGENCY]
    (opened,) = (action for action in host.book.actions if isinstance(action, act.OpenContactors))
    assert opened.urgency is EMERGENCY


@pytest.mark.parametrize("age_s", [0.0, 0.8])
def test_a_reading_of_the_battery_is_as_old_as_it_says(age_s: float) -> None:
    host = asked_to_close()
    host.book.now += 0.9
    host.measure(BATTERY_V)
    host.shown = []
    host.tell(battery(at=host.book.now - age_s))
    host.wait(0.99 - age_s)
    assert host.session.ended is None
    host.wait(0.02)
    assert urgencies(host) == [EMERGENCY]


# -- the pilot


def test_the_pilot_leaves_c_at_the_end_and_is_told_once() -> None:
    host = asked_to_stop()
    said: list[bool] = []
    while host.session.ended is None:
        host.step()
        said += [action.ready for action in host.book.actions if isinstance(action, act.SignalReady)]
    assert said == [False]
    host.tell(ev.TransportLost(ev.TransportLoss.CLOSED))
    assert host.book.actions == []


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (["the driver is back"], "the driver is back"),
        ([""], "stop requested"),
        (["first", "second"], "first"),
    ],
)
def test_a_vehicle_that_stops_before_energy_flows_does_so_in_order(reasons: list[str], said: str) -> None:
    host = Host().to("Authorization")
    for reason in reasons:
        host.tell(ev.StopRequested(reason))
    asked: list[Urgency] = []
    while host.session.ended is None:
        host.step()
        asked += urgencies(host)
    assert ended(host) == (EndReason.STOPPED_BY_EV, said)
    assert asked == [ORDERLY]


@pytest.mark.parametrize(
    ("reasons", "said"), [(["lunch"], "lunch"), ([""], "pause requested"), (["first", "second"], "first")]
)
def test_why_a_vehicle_pauses(reasons: list[str], said: str) -> None:
    host = charging()
    for reason in reasons:
        host.tell(ev.PauseRequested(reason))
    while host.session.ended is None:
        host.step()
    assert ended(host) == (EndReason.PAUSED, said)


def done(host: Host) -> list[act.HardwareAction]:
    return [action for action in host.book.actions if isinstance(action, act.HardwareAction)]


def test_a_vehicle_that_breaks_off_is_off_the_cable_before_it_says_so() -> None:
    host = Host().to("DC_PreCharge")
    host.measure(BATTERY_V)
    host.answer()
    host.wait(3.1)  # the contactors say nothing
    why = "the vehicle's contactors did not close in time"
    assert done(host)[-3:] == [
        act.StopPower(EMERGENCY),
        act.SignalReady(False),
        act.OpenContactors(EMERGENCY, why),
    ]
    assert isinstance(host.request, cm.SessionStopReq)
    assert host.request.ev_termination_explanation == why
    host.answer()
    assert ended(host) == (EndReason.CONTACTOR_FAILED, why)


def test_a_mere_wish_to_stop_holds_the_pilot_until_the_station_has_heard_of_it() -> None:
    host = Host().to("DC_CableCheck")
    host.tell(ev.StopRequested("the driver is back"))
    host.answer(evse_processing=Processing.Ongoing)
    said = done(host)
    host.wait(0.2)
    assert said + done(host) == [
        act.StopPower(ORDERLY),
        act.OpenContactors(ORDERLY, "the driver is back"),
    ]
    said.clear()
    while host.session.ended is None:
        host.step()
        said += done(host)
    assert said == [act.SignalReady(False)]


def test_a_contactor_is_not_taken_for_sound_by_an_old_reading() -> None:
    host = asked_to_stop()
    host.measure(200.0)
    host._contactors = None
    host.tell(ev.ContactorsChanged(False))
    assert isinstance(host.request, dc.DCWeldingDetectionReq)
    host.measure(0.0)
    host.shown = host.shown[1:]  # the inlet is not measured any more
    host.wait(1.5)
    for _ in range(200):
        if host.session.ended is not None:
            break
        host.answer() if host.waiting else host.wait(0.1)
    reason, detail = ended(host)
    assert reason is EndReason.CONTACTOR_FAILED
    assert "not been measured" in detail


def test_whoever_wants_to_stop_is_not_joined_to_the_cable_any_more() -> None:
    host = Host().to("DC_PreCharge")
    host.measure(BATTERY_V)
    host.tell(ev.StopRequested("driver"))
    host.answer()
    host.book.does(act.StopPower, act.OpenContactors)
    assert isinstance(host.request, cm.SessionStopReq)
    host.answer()
    host.book.ends(EndReason.STOPPED_BY_EV)
