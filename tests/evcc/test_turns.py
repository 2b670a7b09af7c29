"""Between two turns of the charge loop of ISO 15118-20: what the vehicle wants itself, what the station
wants, and what of it is done now, later or not at all.

The pieces of the script are driven by hand, with a loop that only writes down what is asked of it.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.schedule import Schedule
from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Renegotiation
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20 import channels, mid_session
from iso15118.evcc.iso20.mid_session import Loop
from iso15118.evcc.iso20.plan import ChosenSchedule, Plan
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, ResponseCode
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from tests.evcc.hand import Hand
from tests.evcc.station import STATION, Host, battery

NOW = 1_000.0
SCHEDULED, DYNAMIC = ControlMode.SCHEDULED, ControlMode.DYNAMIC
NOTIFY = EvseNotification


class Desk:
    """A turn of a loop of nobody's."""

    def __init__(self, mode: ControlMode = SCHEDULED, **settings: Any) -> None:
        self.host = Host(ServiceID.DC, mode, config=EvccConfig(**settings))
        self.talk: Conversation = self.host.session._talk
        self.talk.battery, self.talk.now = battery(), NOW
        self.talk.outbox.clear()
        self.plan = Plan(
            service=SERVICES[ServiceID.DC],
            control_mode=mode,
            offer=STATION,
            station=STATION,
            power_delivered=True,
            schedule=ChosenSchedule(
                tuple_id=1,
                charging=Schedule.of(0.0, [(1e6, 1e6)]),
                discharging=None,
                anchor=0,
                names_tolerance=False,
            )
            if mode is SCHEDULED
            else None,
        )
        self.done: list[str] = []
        self.loop = Loop(rest=lambda talk, plan: self.done.append("rest"), start=self._start)

    async def _start(self, talk: Conversation, plan: Plan) -> None:
        self.done.append("start")

    def look(self, *, gives: bool = False) -> Hand:
        return Hand(self.talk, mid_session.look(self.talk, self.plan, self.loop, gives=gives))

    def heed(self, notification: NOTIFY | None, **changes: Any) -> Hand:
        status = None
        if notification is not None:
            status = EVSEStatus(notification_max_delay=7, evse_notification=notification)
        response = self.host.response(dc.DCChargeLoopRes, evse_status=status, **changes)
        return Hand(self.talk, mid_session.heed(self.talk, self.plan, self.loop, response))

    def agree(self, hand: Hand, code: ResponseCode = ResponseCode.OK) -> Hand:
        """The station answers the two requests of another exchange."""
        assert hand.request.charge_progress is cm.ChargeProgress.ScheduleRenegotiation
        hand.answer(self.host.response(cm.PowerDeliveryRes))
        return hand.answer(self.host.response(cm.ScheduleExchangeRes, response_code=code))

    def told(self, kind: type) -> list[Any]:
        return [one for one in self.talk.outbox if isinstance(one, kind)]


# -- before a turn -----------------------------------------------------------------------------------------


def test_a_turn_in_which_nobody_wants_anything() -> None:
    desk = Desk()
    assert desk.look().result == (False, None)
    assert desk.heed(None).result == (False, None)
    assert desk.heed(NOTIFY.ExitStandby).result == (False, None)
    assert desk.done == []


def test_standing_by_and_going_on() -> None:
    desk = Desk()
    desk.talk.standby_wanted = True
    hand = desk.look()
    assert hand.request.charge_progress is cm.ChargeProgress.Standby
    assert desk.done == ["rest"]
    hand.answer(desk.host.response(cm.PowerDeliveryRes))
    assert (hand.result, desk.plan.standing_by) == ((True, None), True)
    assert desk.look().result == (False, None)
    assert desk.heed(NOTIFY.ExitStandby).result == (False, None)
    assert not desk.talk.standby_wanted
    assert desk.look().result == (True, None)
    assert (desk.done, desk.plan.standing_by) == (["rest", "start"], False)
    assert [one.standing_by for one in desk.told(act.StandbyChanged)] == [True, False]


@pytest.mark.parametrize("stands", [True, False])
def test_another_schedule_with_the_power_at_rest_ends_standing_by_which_is_told(stands: bool) -> None:
    """The power comes back with it, whoever wanted the schedule."""
    desk = Desk(renegotiation=Renegotiation.STOP_AND_GO)
    desk.plan.standing_by = desk.talk.standby_wanted = stands
    assert desk.agree(desk.heed(NOTIFY.ScheduleRenegotiation)).result == (True, None)
    assert desk.done == ["rest", "start"]
    assert (desk.plan.standing_by, desk.talk.standby_wanted) == (False, False)
    assert [one.standing_by for one in desk.told(act.StandbyChanged)] == ([False] if stands else [])


@pytest.mark.parametrize("stop", ["", "now"])
def test_a_wish_to_stop_outweighs_one_to_pause_while_another_schedule_is_agreed_on(stop: str) -> None:
    """Whoever wants to stop leaves with the next Start, in its own way."""
    desk = Desk(renegotiation=Renegotiation.STOP_AND_GO)
    hand = desk.heed(NOTIFY.ScheduleRenegotiation)
    desk.talk.pause_wanted = "later"
    hand.answer(desk.host.response(cm.PowerDeliveryRes))
    desk.talk.stop_wanted = stop
    hand.answer(desk.host.response(cm.ScheduleExchangeRes))
    paused = act.SessionEnded(EndReason.PAUSED, "later")
    assert hand.result == (True, None if stop else paused)
    assert desk.done == (["rest", "start"] if stop else ["rest"])


def test_a_station_that_lets_nobody_stand_by() -> None:
    desk = Desk()
    desk.talk.standby_wanted = True
    refused = desk.host.response(cm.PowerDeliveryRes, response_code=ResponseCode.WARNING_StandbyNotAllowed)
    assert desk.look().answer(refused).result == (True, None)
    assert (desk.plan.standing_by, desk.talk.standby_wanted) == (False, False)
    assert "standby" in desk.talk.noted


@pytest.mark.parametrize(
    ("stop", "paused", "departs_s", "ended"),
    [
        ("", "", None, None),
        ("", "", 1.0, None),
        ("", "", 0.0, act.SessionEnded(EndReason.STOPPED_BY_EV, "departure")),
        ("", "later", 0.0, act.SessionEnded(EndReason.PAUSED, "later")),
        ("now", "later", 0.0, act.SessionEnded(EndReason.STOPPED_BY_EV, "now")),
    ],
)
def test_how_a_vehicle_that_stands_by_ends(
    stop: str, paused: str, departs_s: float | None, ended: act.SessionEnded | None
) -> None:
    desk = Desk()
    desk.talk.stop_wanted, desk.talk.pause_wanted = stop, paused
    desk.talk.departure_at = None if departs_s is None else NOW + departs_s
    assert mid_session.standing_by(desk.talk, desk.plan) == ended


@pytest.mark.parametrize("mode", [SCHEDULED, DYNAMIC])
def test_a_driver_who_changes_his_mind_has_another_schedule_where_there_is_one(mode: ControlMode) -> None:
    desk = Desk(mode)
    desk.talk.needs_changed = True
    hand = desk.look()
    assert not desk.talk.needs_changed
    if mode is DYNAMIC:
        assert (hand.result, desk.talk.schedule_wanted) == ((False, None), "")
        return
    assert desk.agree(hand).result == (True, None)
    assert desk.done == ["rest", "start"]
    (news,) = desk.told(act.ScheduleRenegotiated)
    assert news == act.ScheduleRenegotiated(beside=False, agreed=True, reason="")


def test_a_wish_is_kept_while_the_station_has_refused_of_late() -> None:
    desk = Desk(schedule_renegotiation_s=300.0)
    desk.talk.schedule_wanted = "driver"
    hand = desk.agree(desk.look(), ResponseCode.WARNING_ScheduleRenegotiationFailed)
    assert hand.result == (True, None)
    assert desk.plan.refused_until == NOW + 300.0
    (news,) = desk.told(act.ScheduleRenegotiated)
    assert (news.agreed, news.reason) == (False, "the station has no other")
    desk.talk.schedule_wanted, desk.talk.now = "driver", NOW + 299.0
    assert desk.look().result == (False, None)
    assert desk.talk.schedule_wanted == "driver"
    desk.talk.now = NOW + 300.0
    assert desk.look().request is not None
    assert desk.talk.schedule_wanted == ""


def test_what_came_to_nothing_beside_the_loop_is_tried_the_other_way_once() -> None:
    desk = Desk(renegotiation=Renegotiation.BESIDE)
    desk.plan.beside_failed = True
    assert desk.agree(desk.look()).result == (True, None)
    assert desk.talk.drop_aside
    assert not desk.plan.beside_failed
    assert desk.look().result == (False, None)


def test_beside_the_loop_nothing_rests() -> None:
    desk = Desk(renegotiation=Renegotiation.BESIDE)
    desk.talk.schedule_wanted = "driver"
    assert desk.look().result == (False, None)
    assert (desk.done, desk.plan.attempt_open) == ([], True)
    assert desk.talk.aside is not None
    desk.talk.aside.close()
    desk.talk.aside, desk.talk.schedule_wanted = None, "again"
    assert desk.look().result == (False, None)  # one at a time
    assert desk.talk.aside is None
    desk.plan.attempt_open, desk.talk.aside_free, desk.talk.schedule_wanted = False, False, "again"
    assert desk.agree(desk.look()).result == (True, None)


# -- after a turn ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notification", "settings", "may_change", "ends"),
    [
        (NOTIFY.Terminate, {}, False, True),
        (NOTIFY.Pause, {"pause_if_asked": False}, False, True),
        (NOTIFY.Pause, {"pause_if_asked": True}, False, False),
        (NOTIFY.ServiceRenegotiation, {}, False, True),
        (NOTIFY.ServiceRenegotiation, {}, True, False),
        (NOTIFY.ServiceRenegotiation, {"service_renegotiation": False}, True, True),
    ],
    ids=str,
)
def test_what_the_station_wants_is_done_or_ends_the_charge(
    notification: NOTIFY, settings: dict[str, Any], may_change: bool, ends: bool
) -> None:
    desk = Desk(**settings)
    desk.plan.may_change_service = may_change
    rested, over = desk.heed(notification).result
    assert rested is False
    assert (over is not None) is ends
    assert over is None or over.reason is EndReason.STOPPED_BY_STATION
    assert bool(desk.talk.pause_wanted) is (notification is NOTIFY.Pause and not ends)
    assert bool(desk.talk.service_wanted) is (notification is NOTIFY.ServiceRenegotiation and not ends)
    (news,) = desk.told(act.EvseNotified)
    assert (news.notification, news.max_delay_s) == (notification.value, 7.0)


def test_a_pause_is_no_answer_to_whoever_wants_to_stop() -> None:
    desk = Desk(pause_if_asked=True)
    desk.talk.stop_wanted = "driver"
    _, over = desk.heed(NOTIFY.Pause).result
    assert over is not None
    assert desk.talk.pause_wanted == ""


def test_news_is_told_once_until_it_is_something_else() -> None:
    desk = Desk(pause_if_asked=True)
    for notification in (NOTIFY.Pause, NOTIFY.Pause, None, NOTIFY.Pause, NOTIFY.ExitStandby):
        desk.heed(notification)
    told = [one.notification for one in desk.told(act.EvseNotified)]
    assert told == [NOTIFY.Pause.value, NOTIFY.Pause.value, NOTIFY.ExitStandby.value]


def test_a_wish_for_another_schedule_that_stands_is_followed_once_a_minute() -> None:
    desk = Desk()
    wish = NOTIFY.ScheduleRenegotiation
    assert desk.agree(desk.heed(wish)).result == (True, None)
    for later, asks in ((1.0, False), (59.9, False), (60.0, True)):
        desk.talk.now = NOW + later
        hand = desk.heed(wish)
        assert (hand.request is not None) is asks
        if asks:
            desk.agree(hand)
    desk.talk.now += 1.0
    assert desk.heed(wish).request is None
    assert desk.heed(None).result == (False, None)  # withdrawn
    assert desk.heed(wish).request is not None  # and meant anew
    desk = Desk()
    desk.plan.followed_until = NOW + 60.0
    assert desk.heed(NOTIFY.ExitStandby).result == (False, None)
    assert desk.heed(wish).request is not None


@pytest.mark.parametrize(
    ("refused_s", "open_", "asks"), [(0.0, False, True), (1.0, False, False), (0.0, True, False)]
)
def test_a_station_that_has_no_other_schedule_is_not_asked_for_one(
    refused_s: float, open_: bool, asks: bool
) -> None:
    desk = Desk()
    desk.plan.refused_until, desk.plan.attempt_open = NOW + refused_s, open_
    assert (desk.heed(NOTIFY.ScheduleRenegotiation).request is not None) is asks


def test_a_service_is_changed_where_the_station_can_and_ten_times_at_most() -> None:
    for may, changes, wanted in ((True, 9, True), (True, 10, False), (False, 0, False)):
        desk = Desk()
        desk.plan.may_change_service, desk.talk.service_changes = may, changes
        _, over = desk.heed(NOTIFY.ServiceRenegotiation).result
        assert (over is None) is wanted
    desk = Desk()
    desk.talk.service_wanted = "driver"
    assert mid_session.service_wanted(desk.talk, desk.plan) is None
    assert desk.talk.service_wanted == ""
    desk.talk.service_wanted, desk.plan.may_change_service = "driver", True
    over = mid_session.service_wanted(desk.talk, desk.plan)
    assert over == act.SessionEnded(EndReason.STOPPED_BY_EV, "driver")
    assert desk.plan.service_anew


# -- two channels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("back", "flows", "fields", "turns"),
    [
        (True, False, {}, True),
        (None, False, {}, False),
        (True, True, {}, False),
        (True, False, {"standing_by": True}, False),
        (True, False, {"attempt_open": True}, False),
        (False, False, {}, False),
        (False, False, {"discharge_channel": True}, True),
        (True, False, {"separate_channels": False}, False),
    ],
    ids=str,
)
def test_the_other_channel_is_chosen_at_rest(
    back: bool | None, flows: bool, fields: dict[str, bool], turns: bool
) -> None:
    plan = Plan(separate_channels=True)
    for name, value in fields.items():
        setattr(plan, name, value)
    before = plan.discharge_channel
    assert channels.turns(plan, back, flows=flows) is turns
    assert plan.discharge_channel is (bool(back) if turns else before)


def test_what_is_measured_meanwhile_changes_nothing() -> None:
    desk = Desk()
    desk.talk.inlet = ev.InletMeasured(800.0, 100.0)
    assert desk.look(gives=True).result == (False, None)
