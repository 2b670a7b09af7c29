"""A vehicle that wants another schedule under current, and a station that wants the end meanwhile: contactors
open behind the current, which a slow supply takes its time to bring down."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.secc.iso2.sequence import State as OlderState
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from tests.secc.iso2.vehicle import BATTERY_V as OLDER_V
from tests.secc.iso2.vehicle import Drive as OlderDrive
from tests.secc.iso2.vehicle import settings
from tests.secc.vehicle import BATTERY_V, Drive

ORDERLY = Urgency.ORDERLY


def opens(drive: Any) -> list[Urgency]:
    return [one.urgency for one in drive.book.actions if isinstance(one, act.OpenContactors)]


def older(short: str, current_a: float) -> OlderDrive:
    """Behind PowerDelivery(Renegotiate) under this current."""
    drive = OlderDrive(settings(dc_renegotiation_short=short)).to(OlderState.CURRENT_DEMAND)
    drive.send(iso2.CurrentDemandReq)
    drive.measure(OLDER_V, current_a)
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    return drive


@pytest.mark.parametrize("short", ["accept", "refuse"])
def test_contactors_open_for_the_cable_check_when_the_current_is_gone(short: str) -> None:
    """They were told to with 250 A, and a supply of 25 A/s was blamed for a contactor that did not open."""
    drive = older(short, 100.0)
    assert [type(one) for one in drive.book.actions if isinstance(one, act.HardwareAction)] == [act.StopPower]
    drive.send(iso2.ChargeParameterDiscoveryReq)
    current_a = 100.0
    while current_a > 5.0:
        answer = drive.send(iso2.CableCheckReq)
        assert (answer.response_code.value, answer.evse_processing) == ("OK", iso2.EVSEProcessing.Ongoing)
        assert opens(drive) == []
        drive.book.wait(0.5)
        current_a -= 12.5
        drive.measure(OLDER_V, current_a)
    assert drive.session._facts.abort_reason is None
    drive.send(iso2.CableCheckReq)
    assert opens(drive) == [ORDERLY]
    drive.send(iso2.CableCheckReq)
    assert opens(drive) == [], "once"


@pytest.mark.parametrize(("short", "at_once"), [("accept", False), ("refuse", True)])
def test_without_a_current_they_open_where_they_did(short: str, at_once: bool) -> None:
    drive = older(short, 5.0)
    assert (opens(drive) == [ORDERLY]) is at_once


def agreeing_anew(current_a: float) -> Drive:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V, current_a)
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(current_a))
    drive.measure(BATTERY_V, current_a)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    return drive


def test_a_wish_to_stop_is_told_in_the_loop_while_a_current_still_falls() -> None:
    """The refusal ended the session, and contactors were told to open with 500 A."""
    drive = agreeing_anew(600.0)
    drive.book.tell(ev.StopRequested("closing time"))
    for request in (cm.ScheduleExchangeReq, cm.PowerDeliveryReq):
        answer = drive.send(request)
        assert answer.response_code.value.startswith("OK")
        assert opens(drive) == []
        drive.measure(BATTERY_V, 590.0)
    answer = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(0.0))
    assert answer.evse_status.evse_notification.value == "Terminate"
    assert drive.session.ended is None


def test_and_is_told_by_refusing_when_none_flows() -> None:
    drive = agreeing_anew(5.0)
    drive.book.tell(ev.StopRequested("closing time"))
    drive.send(cm.ScheduleExchangeReq)
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.STOPPED_BY_STATION


def test_nor_does_it_last_longer_than_the_station_has_patience() -> None:
    """A vehicle that thinks about the schedule is ended all the same."""
    drive = agreeing_anew(100.0)
    drive.book.tell(ev.StopRequested("closing time"))
    began, current_a = drive.book.now, 100.0
    drive.send(cm.ScheduleExchangeReq)
    while drive.session._facts.abort_reason is None and drive.book.now < began + 20.0:
        current_a = max(current_a - 40.0, 5.0)
        drive.measure(BATTERY_V, current_a)
        drive.book.wait(0.25)
    assert drive.session._facts.abort_reason is EndReason.STOPPED_BY_STATION
    assert drive.book.now - began == pytest.approx(drive.config.stop_delay_s, abs=0.3)
