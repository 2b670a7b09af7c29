"""An emergency while an orderly stop still ramps down: it is asked of the hardware as one, in every kind of
session and in both roles, and once only.

An output whose contactors say that they are open, or that has none, may still carry current.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.events import SignalState, TransportLoss
from iso15118.session.wireless import CoilDiagnosis
from tests.evcc.pad import charging as coil_charging
from tests.evcc.station import Host
from tests.secc.pad import PadDrive
from tests.secc.vehicle import Drive

S = State
EMERGENCY, ORDERLY = Urgency.EMERGENCY, Urgency.ORDERLY
OFF = [(act.StopPower, EMERGENCY), (act.OpenContactors, EMERGENCY)]
RAMP = [(act.StopPower, ORDERLY), (act.OpenContactors, ORDERLY)]
ALARMS = [ev.EmergencyShutdown("button"), ev.HardwareFault("power", "hot"), ev.SignalChanged(SignalState.F)]
EACH_ALARM = pytest.mark.parametrize("alarm", ALARMS, ids=lambda one: type(one).__name__)


def asked(actions: list[act.Action]) -> list[tuple[type, Urgency]]:
    """What was asked of the hardware."""
    return [
        (type(one), one.urgency) for one in actions if isinstance(one, (act.StopPower, act.OpenContactors))
    ]


def stopped_pad() -> PadDrive:
    drive = PadDrive()
    drive.to(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    drive.pad = ev.PadMeasured(power_w=5000.0, vehicle_here=True)
    drive.book.tell(drive.pad)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    assert asked(drive.book.actions) == RAMP
    return drive


@EACH_ALARM
def test_a_pad_is_stopped_at_once_though_it_was_told_to_ramp_down(alarm: ev.Event) -> None:
    drive = stopped_pad()
    drive.book.tell(alarm)
    assert asked(drive.book.actions) == OFF
    drive.book.tell(alarm)
    assert asked(drive.book.actions) == []


def test_a_pad_whose_vehicle_is_lost_in_mid_ramp_is_stopped_at_once() -> None:
    drive = stopped_pad()
    drive.book.tell(ev.TransportLost(TransportLoss.LINK_DOWN))
    assert asked(drive.book.actions) == OFF


@pytest.mark.parametrize(
    "found",
    [
        {"diagnosis": next(one for one in CoilDiagnosis if one is not CoilDiagnosis.NO_ISSUE)},
        {"vehicle_here": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("over", [False, True])
def test_what_comes_between_pad_and_vehicle_ends_the_ramp(found: dict[str, Any], over: bool) -> None:
    drive = stopped_pad()
    if over:
        drive.session._end(EndReason.STOPPED_BY_EV, "enough")
    seen: dict[str, Any] = {"power_w": 4000.0, "vehicle_here": True} | found
    drive.book.tell(ev.PadMeasured(**seen))
    assert asked(drive.book.actions)[:1] == [(act.StopPower, EMERGENCY)]
    drive.book.tell(ev.PadMeasured(**(seen | {"power_w": 0.0})))
    assert asked(drive.book.actions) == [], "once"


@EACH_ALARM
def test_an_output_whose_contactors_say_open_is_stopped_at_once(alarm: ev.Event) -> None:
    drive = Drive().to(S.DC_CHARGE_LOOP)
    drive.measure(800.0, 60.0)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    assert asked(drive.book.actions) == RAMP
    drive.book.tell(ev.ContactorsChanged(False))
    drive.book.tell(alarm)
    assert asked(drive.book.actions) == OFF
    drive.book.tell(alarm)
    assert asked(drive.book.actions) == []


@pytest.mark.parametrize("alarm", [*ALARMS, ev.SignalChanged(SignalState.A)], ids=str)
def test_an_alarm_behind_the_end_of_a_session_reaches_what_is_still_closed(alarm: ev.Event) -> None:
    drive = Drive().to(S.DC_CHARGE_LOOP)
    drive.measure(800.0, 60.0)
    drive.send(cm.SessionStopReq)
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.STOPPED_BY_EV
    for nothing in (SignalState.B, SignalState.C):
        drive.book.tell(ev.SignalChanged(nothing))
        assert asked(drive.book.actions) == []
    drive.book.tell(alarm)
    assert asked(drive.book.actions) == OFF
    drive.book.tell(alarm)  # of the port that was asked, if it does not answer
    assert asked(drive.book.actions) == []


def test_who_unplugs_when_all_is_open_is_no_alarm() -> None:
    drive = Drive().to(S.SESSION_STOP)
    drive.send(cm.SessionStopReq)
    drive.book.tell(ev.SignalChanged(SignalState.A))
    assert asked(drive.book.actions) == []
    host = Host().to("DC_ChargeLoop")
    host.tell(ev.EmergencyShutdown("button"))
    host.tell(ev.ContactorsChanged(False))
    host.tell(ev.SignalChanged(SignalState.A))
    assert asked(host.book.actions) == []


@pytest.mark.parametrize("alarm", [*ALARMS, ev.SignalChanged(SignalState.A)], ids=str)
def test_a_vehicle_that_has_left_in_order_hears_an_alarm_while_it_is_joined(alarm: ev.Event) -> None:
    host = Host().to("DC_ChargeLoop")
    session = host.session
    session._end(EndReason.STOPPED_BY_EV, "enough")
    assert (session.ended is not None, session._talk.contactors_closed) == (True, True)
    host.tell(alarm)
    assert asked(host.book.actions) == OFF
    host.tell(ev.ContactorsChanged(False))
    host.tell(ev.EmergencyShutdown("button"))
    assert asked(host.book.actions) == [], "once"


@EACH_ALARM
def test_a_coil_that_ramps_down_is_stopped_at_once(alarm: ev.Event) -> None:
    host = coil_charging()
    host.session._book([act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "PowerDelivery stop")])
    host.tell(alarm)
    assert asked(host.book.actions) == OFF
