"""A vehicle's steps to the last digit: when contactors close, what is asked for how often in the charge
loop, and when it winds down."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, Processing, ResponseCode
from iso15118.messages.values import si
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import ControlMode, ServiceID
from tests.evcc.station import BATTERY_V, Host, battery


def did(host: Host, kind: type) -> list[Any]:
    return [action for action in host.book.actions if isinstance(action, kind)]


def next_loop(host: Host, **answer: Any) -> Any:
    """The request after this answer; None if it is no longer one of the loop."""
    host.answer(**answer)
    while not host.waiting and host.session.ended is None:
        host.wait(0.01)
    return host.request if isinstance(host.request, dc.DCChargeLoopReq) else None


def test_the_pilot_shows_c_with_the_first_request_of_the_cable_check() -> None:
    host = Host().to("ScheduleExchange")
    host.answer()
    assert isinstance(host.request, dc.DCCableCheckReq)
    assert did(host, act.SignalReady) == [act.SignalReady(True)]


@pytest.mark.parametrize(
    ("inlet_v", "battery_v", "closes"),
    [
        (820.0, BATTERY_V, True),
        (820.1, BATTERY_V, False),
        (780.0, BATTERY_V, True),
        (779.9, BATTERY_V, False),
        (800.0, 820.0, True),
        (800.0, 821.0, False),
        (815.0, 790.0, False),
        (785.0, 770.0, True),
    ],
)
def test_contactors_close_where_the_inlet_matches_the_target_and_the_battery(
    inlet_v: float, battery_v: float, closes: bool
) -> None:
    host = Host().to("DC_PreCharge")
    assert si(host.request.ev_target_voltage) == BATTERY_V
    host.battery(voltage_v=battery_v)
    host.measure(inlet_v)
    now = host.book.now
    host.answer()
    assert did(host, act.CloseContactors) == ([act.CloseContactors(now + 3.0)] if closes else [])


def test_power_is_asked_for_no_more_once_contactors_were_told_to_open() -> None:
    host = Host().to("DC_ChargeLoop", times=2)
    host.battery(energy_to_target_wh=0.0, complete=True)
    while not isinstance(host.request, cm.PowerDeliveryReq) or not host.waiting:
        host.step()
    host.answer()
    assert [action for action in host.book.actions if isinstance(action, act.HardwareAction)] == [
        act.StopPower(Urgency.ORDERLY),
        act.OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"),
    ]


# -- the charge loop


@pytest.mark.parametrize(("every", "asks"), [(0, []), (1, [0, 1, 2, 3, 4, 5]), (2, [0, 2, 4]), (4, [0, 4])])
def test_how_often_a_reading_of_the_meter_is_asked_for(every: int, asks: list[int]) -> None:
    host = Host(config=EvccConfig(meter_info_every=every)).to("DC_ChargeLoop")
    host.measure(BATTERY_V, 100.0)
    seen = [host.request.meter_info_requested]
    while len(seen) < 6:
        seen.append(next_loop(host).meter_info_requested)
    assert [turn for turn, wanted in enumerate(seen) if wanted] == asks


@pytest.mark.parametrize(
    ("amperes", "turns"), [(0.0, 5), (4.9, 5), (-4.9, 5), (5.0, 12), (-5.0, 12), (100.0, 8)]
)
def test_the_current_is_wound_down_before_the_stop_but_not_for_ever(amperes: float, turns: int) -> None:
    """A turn every quarter of a second: for a second, since what was asked for may still come; for three, or
    until the supervision finds that it does not fall."""
    service = ServiceID.DC_BPT
    host = Host(service, config=EvccConfig(services=(service,), control_modes=(ControlMode.SCHEDULED,)))
    host.to("DC_ChargeLoop", times=2)
    host.measure(BATTERY_V, amperes)
    host.tell(ev.StopRequested("the driver is back"))
    count = 0
    while (request := next_loop(host)) is not None:
        count += 1
        assert si(request.cl_req_control_mode.ev_target_current) == 0.0
    assert count == pytest.approx(turns, abs=1)
    assert isinstance(host.request, cm.PowerDeliveryReq)
    assert host.request.charge_progress is cm.ChargeProgress.Stop


@pytest.mark.parametrize(("delay_s", "seconds"), [(0, 2.2), (1, 1.0), (60, 2.2)])
def test_a_station_that_ends_it_is_given_its_delay_and_no_more_than_a_current_that_does_not_fall(
    delay_s: int, seconds: float
) -> None:
    host = Host().to("DC_ChargeLoop", times=2)
    host.measure(BATTERY_V, 100.0)
    began = host.book.now
    status = EVSEStatus(notification_max_delay=delay_s, evse_notification=EvseNotification.Terminate)
    request = next_loop(host, evse_status=status)
    while request is not None:
        request = next_loop(host)
    assert host.book.now - began == pytest.approx(seconds, abs=0.3)
    while host.session.ended is None:
        host.measure(BATTERY_V)
        host.step()
    assert (host.session.ended.reason, host.session.ended.detail) == (
        EndReason.STOPPED_BY_STATION,
        "Terminate",
    )


def test_a_warning_to_the_stop_is_no_ok() -> None:
    host = Host().to("DC_ChargeLoop", times=2)
    host.battery(energy_to_target_wh=0.0, complete=True)
    while not isinstance(host.request, cm.PowerDeliveryReq) or not host.waiting:
        host.step()
    host.answer(response_code=ResponseCode.WARNING_StandbyNotAllowed)
    assert isinstance(host.request, cm.SessionStopReq)
    host.tell(ev.ContactorsChanged(False))
    while host.session.ended is None:
        host.step()
    assert host.session.ended.reason is EndReason.REFUSED


def test_contactors_that_do_not_open_are_a_failure_though_the_inlet_is_dark() -> None:
    host = Host().to("DC_ChargeLoop", times=2)
    host.battery(energy_to_target_wh=0.0, complete=True)
    while not isinstance(host.request, cm.PowerDeliveryReq) or not host.waiting:
        host.step()
    host._contactors = None
    host.answer()
    host._contactors = None  # told to open, and nothing is heard of it
    host.measure(0.0)
    while host.session.ended is None and host.book.now < 100.0:
        host._contactors = None
        host.answer() if host.waiting else host.wait(0.25)
    assert host.session.ended is not None
    assert host.session.ended.reason is EndReason.CONTACTOR_FAILED


def test_before_the_contactors_may_close_nobody_has_to_measure() -> None:
    host = Host().to("Authorization")
    host.tell(ev.InletMeasured(0.0, at=host.book.now))
    host.tell(battery())
    host.shown = []
    for _ in range(20):
        host.answer(evse_processing=Processing.Ongoing)
        host.wait(1.0)
    assert host.session.ended is None
    assert host.session.state == "Authorization"
    assert did(host, act.SupervisionWarning) == []
