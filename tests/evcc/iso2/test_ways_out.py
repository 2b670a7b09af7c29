"""How a vehicle of ISO 15118-2 ends what it has begun over direct current, message by message: the ramp,
power off, state B, and contactors that take their time.

What is asked of the hardware on the way is compared in full.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc.iso2.settings import DcRenegotiation
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from tests.evcc.iso2.station import BATTERY_V, NOTIFY, STATUS, Host, status

ORDERLY, EMERGENCY = Urgency.ORDERLY, Urgency.EMERGENCY
ONGOING = iso2.EVSEProcessing.Ongoing


def hardware(host: Host) -> list[act.HardwareAction]:
    return [one for one in host.book.actions if isinstance(one, act.HardwareAction)]


def charged() -> Host:
    """A vehicle that has asked for power off."""
    host = Host().to("CurrentDemand", 2)
    host.full()
    while not isinstance(host.request, iso2.PowerDeliveryReq):
        host.step()
    return host


def test_the_cable_is_checked_in_state_c() -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer()
    assert hardware(host) == [act.SignalReady(True)]
    assert host.request.dc_ev_status.ev_ready is True


def test_power_off_ends_in_state_b_and_open_contactors() -> None:
    host = charged()
    host.answer()
    assert hardware(host) == [
        act.StopPower(ORDERLY),
        act.SignalReady(False),
        act.OpenContactors(ORDERLY, "PowerDelivery stop"),
    ]
    host.switch()
    host.to("SessionStop").answer()
    assert hardware(host) == [act.SignalReady(False)]


def test_contactors_have_their_time_to_open_and_no_more() -> None:
    longest = Host().session._talk.config.iso2.timing.contactor_close
    host = charged()
    host.answer()
    host._contactors = None
    began = host.book.now
    host.wait(longest - 0.1)
    assert not isinstance(host.request, iso2.WeldingDetectionReq)
    host.wait(0.2)
    assert isinstance(host.request, iso2.WeldingDetectionReq)
    host.measure(0.0)
    host.answer()
    for _ in range(20):
        if host.ended is not None:
            break
        host.answer() if host.waiting else host.wait(0.2)
    assert host.ended is not None
    assert (host.ended.reason, host.ended.cause) == (EndReason.CONTACTOR_FAILED, "contactors-not-opened")
    assert host.book.now < began + longest + 3.0


def test_the_way_out_in_an_emergency() -> None:
    host = Host().to("CableCheck")
    host.answer(dc_evse_status=status(STATUS.EVSE_EmergencyShutdown))
    why = "the station says EVSE_EmergencyShutdown"
    assert hardware(host) == [
        act.StopPower(EMERGENCY),
        act.SignalReady(False),
        act.OpenContactors(EMERGENCY, why),
    ]
    host = Host().to("CableCheck")
    host.tell(ev.StopRequested("driver"))
    host.answer(evse_processing=ONGOING)
    assert hardware(host) == [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "driver")]


@pytest.mark.parametrize(
    ("inlet_v", "battery_v", "closes"),
    [(400.0, 400.0, True), (400.0, 421.0, False), (421.0, 421.0, False), (400.0, 410.0, True)],
)
def test_the_inlet_has_to_match_what_was_asked_for_and_the_battery_as_it_is(
    inlet_v: float, battery_v: float, closes: bool
) -> None:
    host = Host().to("PreCharge")  # which asks for 400 V
    host.battery(voltage_v=battery_v)
    host.tell(ev.InletMeasured(inlet_v))
    host.answer()
    assert any(isinstance(one, act.CloseContactors) for one in host.book.actions) is closes


@pytest.mark.parametrize(("current_a", "lasts_s"), [(4.9, 0.2), (5.0, 3.0)])
@pytest.mark.parametrize(("delay", "most_s"), [(0, 7.0), (1, 1.0), (60, 7.0)])
def test_the_ramp_ends_with_the_current_or_with_its_time(
    current_a: float, lasts_s: float, delay: int, most_s: float
) -> None:
    host = Host().to("CurrentDemand", 3)
    host.measure(BATTERY_V, 150.0)
    began = host.book.now
    host.answer(dc_evse_status=status(notification=NOTIFY.StopCharging, delay=delay))
    host.measure(BATTERY_V, current_a)
    while isinstance(host.request, iso2.CurrentDemandReq):
        host.answer() if host.waiting else host.wait(0.1)
        host.measure(BATTERY_V, current_a)
        assert host.book.now < began + 8.0
    assert quantity(host.of(iso2.CurrentDemandReq)[-1].ev_target_current) == 0.0
    assert host.book.now - began == pytest.approx(min(lasts_s, most_s), abs=0.3)
    assert host.finish().reason is EndReason.STOPPED_BY_STATION


def test_the_driver_has_another_schedule_and_what_has_no_words_is_told() -> None:
    host = Host(iso2={"dc_renegotiation": DcRenegotiation.SHORT}).to("CurrentDemand", 2)
    host.measure(BATTERY_V, 0.0)
    host.tell(ev.StandbyRequested("test"))
    host.tell(ev.ServiceRenegotiationRequested("test"))
    host.tell(ev.ScheduleRenegotiationRequested("test"))
    for _ in range(30):
        if isinstance(host.request, iso2.PowerDeliveryReq):
            break
        host.answer() if host.waiting else host.wait(0.1)
    assert host.request.charge_progress is iso2.ChargeProgress.Renegotiate
    assert host.noted("standby")
    assert host.noted("service-renegotiation")
    assert not host.noted("schedule-renegotiation")


def test_the_test_voltage_does_not_meet_contactors_that_have_not_opened() -> None:
    host = Host(iso2={"dc_renegotiation": DcRenegotiation.FULL}).to("CurrentDemand", 2)
    host.measure(BATTERY_V, 0.0)
    host.tell(ev.ScheduleRenegotiationRequested("test"))
    for _ in range(30):
        if isinstance(host.request, iso2.PowerDeliveryReq):
            break
        host.answer() if host.waiting else host.wait(0.1)
    host.answer()
    opened = [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "new negotiation")]
    assert hardware(host) == opened
    longest = host.session._talk.timing.contactor_close
    host.wait(longest - 0.1)
    assert not host.waiting
    ends: Any = host.request
    host._contactors = None
    host.wait(0.2)
    assert host.request is not ends
    assert isinstance(host.request, iso2.SessionStopReq)
    host.answer()
    assert host.ended is not None
    assert host.ended.reason is EndReason.CONTACTOR_FAILED


def test_who_was_first_to_want_the_end_ends_it() -> None:
    host = Host().to("CurrentDemand", 2)
    host.measure(BATTERY_V, 100.0)
    host.full()
    for _ in range(3):
        host.answer()
        host.wait(0.1)
    assert quantity(host.request.ev_target_current) == 0.0
    host.answer(dc_evse_status=status(notification=NOTIFY.StopCharging))
    host.measure(BATTERY_V, 0.0)
    assert host.finish().reason is EndReason.STOPPED_BY_EV


@pytest.mark.parametrize("anew", [False, True], ids=["at the end", "for a negotiation"])
def test_open_contactors_are_waited_for_and_nothing_else(anew: bool) -> None:
    host = Host(iso2={"dc_renegotiation": DcRenegotiation.FULL}).to("CurrentDemand", 2)
    host.measure(BATTERY_V, 0.0)
    if anew:
        host.tell(ev.ScheduleRenegotiationRequested("test"))
    else:
        host.full()
    while not isinstance(host.request, iso2.PowerDeliveryReq):
        host.answer() if host.waiting else host.wait(0.1)
    host.answer()
    asked = len(host.sent)
    host.wait(0.3)
    host.tell(ev.NeedsChanged())
    assert len(host.sent) == asked
    host.switch()
    assert len(host.sent) == asked + 1
    behind = iso2.ChargeParameterDiscoveryReq if anew else iso2.WeldingDetectionReq
    assert isinstance(host.request, behind)


def test_nothing_is_asked_for_any_more_before_the_station_hears_of_the_end() -> None:
    """Also by a battery whose current is too small to be told from none."""
    host = Host().to("CurrentDemand", 2)
    host.battery(target_current_a=0.8)
    host.measure(BATTERY_V, 0.0)
    host.answer()
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == 0.8
    host.battery(target_current_a=0.8, energy_to_target_wh=0.0, complete=True)
    while not isinstance(host.request, iso2.PowerDeliveryReq):
        host.answer() if host.waiting else host.wait(0.1)
    assert quantity(host.of(iso2.CurrentDemandReq)[-1].ev_target_current) == 0.0


@pytest.mark.parametrize(("soc", "told"), [(-3.0, 0), (0.9, 0), (41.9, 41), (100.0, 100), (104.0, 100)])
def test_a_state_of_charge_is_a_percentage(soc: float, told: int) -> None:
    host = Host().to("CurrentDemand", 2)
    host.battery(soc=soc)
    host.answer()
    host.wait(0.1)
    assert host.of(iso2.CurrentDemandReq)[-1].dc_ev_status.evresssoc == told


def test_a_vehicle_that_breaks_off_says_in_its_message_that_it_is_not_ready_any_more() -> None:
    """State B is shown already; and the rest is the way out of DC."""
    host = Host().to("CurrentDemand", 2)
    host.answer(dc_evse_status=status(STATUS.EVSE_Malfunction))
    assert [type(one) for one in hardware(host)] == [act.StopPower, act.SignalReady, act.OpenContactors]
    while not isinstance(host.request, iso2.PowerDeliveryReq) or not host.waiting:
        host.step()
    told = host.request
    assert told.charge_progress is iso2.ChargeProgress.Stop
    assert told.ev_power_delivery_parameter is not None
    assert told.ev_power_delivery_parameter.dc_ev_status.ev_ready is False
    host.answer()
    assert [type(one) for one in hardware(host)] == [act.StopPower, act.SignalReady, act.OpenContactors]
