"""A driver who ends the session, or a station that sends the vehicle into a pause, while a new schedule is
agreed on and the current of before still falls: the vehicle opens behind it, and says Stop then."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Renegotiation
from iso15118.messages.iso20 import common_messages as cm
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency
from iso15118.session.services import ControlMode, ServiceID
from tests.evcc.station import BATTERY_V, Host


def agreeing_anew(current_a: float) -> Host:
    """The station is asked for another schedule, with the power at rest."""
    host = Host(
        config=EvccConfig(
            services=(ServiceID.DC,),
            control_modes=(ControlMode.SCHEDULED,),
            renegotiation=Renegotiation.STOP_AND_GO,
            pause_if_asked=True,
        )
    ).to("DC_ChargeLoop", 3)
    host.measure(BATTERY_V, current_a)
    for _ in range(3):
        host.answer()
        host.wait(0.25)
    host.tell(ev.ScheduleRenegotiationRequested("test"))
    while not isinstance(host.request, cm.PowerDeliveryReq):
        host.answer() if host.waiting else host.wait(0.25)
    assert host.request.charge_progress is cm.ChargeProgress.ScheduleRenegotiation
    host.answer()
    assert isinstance(host.request, cm.ScheduleExchangeReq)
    return host


def opened(host: Host) -> list[Any]:
    return [one.urgency for one in host.book.actions if isinstance(one, act.OpenContactors)]


@pytest.mark.parametrize("pauses", [False, True])
@pytest.mark.parametrize("falls", [60.0, 200.0])
def test_contactors_are_told_to_open_when_the_current_is_gone(pauses: bool, falls: float) -> None:
    """They were told to under 575 A, before the station heard of it."""
    host = agreeing_anew(600.0)
    if pauses:
        host.answer(go_to_pause=True)
    else:
        host.tell(ev.StopRequested("driver"))
        assert opened(host) == []
        host.answer()
    current_a, told = 600.0, False
    began = host.book.now
    while not told and host.book.now < began + 20.0:
        told = bool(opened(host))
        assert not told or current_a < 5.0
        if isinstance(host.request, cm.PowerDeliveryReq) and host.waiting:
            assert host.request.charge_progress is cm.ChargeProgress.Stop
            assert current_a < 5.0
            host.answer()
            told = told or bool(opened(host))
            continue
        host.wait(0.05)
        current_a = max(current_a - falls * 0.05, 0.0)
        host.measure(BATTERY_V, current_a)
    assert told
    assert host.session.ended is None


def test_a_current_that_does_not_fall_is_not_waited_for_for_ever() -> None:
    host = agreeing_anew(100.0)
    host.tell(ev.StopRequested("driver"))
    host.answer()
    began = host.book.now
    while not opened(host) and host.book.now < began + 20.0:
        host.wait(0.05)
        host.measure(BATTERY_V, 100.0)
    assert host.book.now - began < 3.0, "the supervision finds it"


def test_an_alarm_waits_for_nothing() -> None:
    host = agreeing_anew(600.0)
    host.tell(ev.EmergencyShutdown("button"))
    assert opened(host) == [Urgency.EMERGENCY]
