"""Another schedule for a vehicle over a pad, message by message: who asks for one, and what rests or is given
up meanwhile.

What is agreed on beside the loop must not outlive the stop.
"""

from __future__ import annotations

from msgspec.structs import replace

from iso15118.evcc.config import Renegotiation
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import EvseNotification, ResponseCode
from iso15118.messages.values import rational
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import ControlMode
from tests.evcc.pad import LOOP, PAD_W, PadHost, asks, charging, progress, status, stops, taken

EMERGENCY = Urgency.EMERGENCY


def test_a_vehicle_that_is_said_to_leave_its_profile_asks_for_another_exchange() -> None:
    host = charging()
    for _ in range(3):
        host.turn(response_code=ResponseCode.WARNING_EVPowerProfileViolation)
        if isinstance(host.request, cm.PowerDeliveryReq):
            break
    assert progress(host) is cm.ChargeProgress.ScheduleRenegotiation


def test_a_station_that_asks_for_another_exchange_has_it_with_the_coil_at_rest() -> None:
    host = charging()
    host.receives(0.0)
    host.turn(evse_status=status(EvseNotification.ScheduleRenegotiation))
    assert progress(host) is cm.ChargeProgress.ScheduleRenegotiation
    assert taken(host)[-1] == 0.0
    host.answer()
    host.answer()
    assert progress(host) is cm.ChargeProgress.Start
    host.answer()
    host.wait(0.25)
    assert (host.session.state, asks(host)) == (LOOP, PAD_W)


def test_a_schedule_without_power_is_asked_anew_after_its_time() -> None:
    host = PadHost(schedule_renegotiation_s=5.0).to("ScheduleExchange")
    offered = host.response(cm.ScheduleExchangeRes).se_res_control_mode
    entry = cm.PowerScheduleEntry(duration=3600, power=rational(0.0))
    nothing = cm.PowerScheduleEntryList(power_schedule_entry=(entry,))
    (first,) = offered.schedule_tuple
    power = replace(first.charging_schedule.power_schedule, power_schedule_entries=nothing)
    schedule = replace(first, charging_schedule=replace(first.charging_schedule, power_schedule=power))
    host.answer(se_res_control_mode=replace(offered, schedule_tuple=(schedule,)))
    host.to(LOOP)
    began = host.book.now
    while isinstance(host.request, wpt.WPTChargeLoopReq):
        assert asks(host) == 0.0
        host.turn()
        assert host.book.now < began + 7.0
    assert progress(host) is cm.ChargeProgress.ScheduleRenegotiation
    assert host.book.now - began >= 5.0


def test_a_stop_gives_up_what_goes_on_beside_the_loop() -> None:
    """Otherwise its PowerDelivery(Start) would follow PowerDelivery(Stop)."""
    host = charging(renegotiation=Renegotiation.BESIDE)
    host.tell(ev.ScheduleRenegotiationRequested("test"))
    host.turn()
    assert [type(one) for one in host.beside] == [cm.ScheduleExchangeReq]
    host.tell(ev.StopRequested("driver"))
    host.receives(0.0)
    while isinstance(host.request, wpt.WPTChargeLoopReq):
        host.turn()
    assert progress(host) is cm.ChargeProgress.Stop
    host.tell(ev.MessageReceived(host.response(cm.ScheduleExchangeRes), beside=True))
    assert len(host.beside) == 1
    host.waiting = True
    assert host.finish() == act.SessionEnded(EndReason.STOPPED_BY_EV, "driver")


def test_an_alarm_is_not_followed_by_the_wish_for_a_ramp() -> None:
    host = charging()
    host.tell(ev.ScheduleRenegotiationRequested("test"))
    host.turn()
    host.answer()
    host.answer(se_res_control_mode=cm.DynamicSEResControlMode())  # of the other control mode
    assert stops(host) == [EMERGENCY]
    assert progress(host) is cm.ChargeProgress.Stop
    assert host.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED


def test_a_pause_over_a_pad_before_power_is_told_without_any() -> None:
    host = PadHost(ControlMode.DYNAMIC, pause_if_asked=True).to("ScheduleExchange")
    host.answer(go_to_pause=True)
    assert progress(host) is cm.ChargeProgress.Stop
    assert (taken(host), stops(host)) == ([], [])
    host.answer()
    assert host.request.charging_session is cm.ChargingSession.Pause
