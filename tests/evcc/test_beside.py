"""A schedule renegotiation beside the charge loop, as the vehicle sees it: which answers belong
there, and what silence costs."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Renegotiation
from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import (
    EvseNotification,
    EVSEStatus,
    Processing,
    ResponseCode,
)
from iso15118.messages.values import rational, si
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, ScheduleRenegotiated
from iso15118.session.services import ControlMode, ServiceID
from tests.evcc.station import ANSWERS, BATTERY_V, Host

AWAITED = {"ScheduleExchange": cm.ScheduleExchangeRes, "PowerDelivery": cm.PowerDeliveryRes}


class Side(Host):
    """A vehicle in the charge loop that agrees on schedules beside it."""

    def __init__(self) -> None:
        config = EvccConfig(
            services=(ServiceID.DC,),
            control_modes=(ControlMode.SCHEDULED,),
            renegotiation=Renegotiation.BESIDE,
        )
        super().__init__(config=config)
        self.beside: list[Any] = []
        self.news: list[ScheduleRenegotiated] = []
        self.to("DC_ChargeLoop", 3)

    def _note(self) -> None:
        for action in self.book.actions:
            if isinstance(action, act.Send) and action.beside:
                getattr(self, "beside", []).append(action.message)
            elif isinstance(action, ScheduleRenegotiated):
                self.news.append(action)
        kept = self.book.actions
        self.book.actions = [one for one in kept if not (isinstance(one, act.Send) and one.beside)]
        super()._note()
        self.book.actions = kept

    def turns(self, count: int) -> None:
        """So many turns of the loop."""
        for _ in range(count):
            while not self.waiting and self.session.ended is None:
                self.wait(0.05)
            if self.session.ended is None:
                self.answer()

    def begun(self, waits_for: str = "ScheduleExchange") -> Side:
        self.tell(ev.ScheduleRenegotiationRequested("test"))
        self.turns(2)
        assert [type(one) for one in self.beside] == [cm.ScheduleExchangeReq]
        if waits_for == "PowerDelivery":
            self.say(cm.ScheduleExchangeRes)
            assert type(self.beside[-1]) is cm.PowerDeliveryReq
        return self

    def say(self, kind: type, **changes: Any) -> None:
        """An answer beside the loop; a request on the main stream may be unanswered meanwhile."""
        waiting = self.waiting
        self.tell(ev.MessageReceived(self.response(kind, **changes), beside=True))
        self.waiting = waiting and self.session.ended is None


def test_the_loop_goes_on_and_the_new_schedule_holds_in_the_end() -> None:
    host = Side().begun()
    host.turns(4)
    host.say(cm.ScheduleExchangeRes, evse_processing=Processing.Ongoing)
    host.turns(2)
    assert [type(one) for one in host.beside] == [cm.ScheduleExchangeReq] * 2
    host.say(cm.ScheduleExchangeRes)
    request = host.beside[-1]
    assert request.charge_progress is cm.ChargeProgress.Start
    assert request.ev_power_profile is not None
    assert host.news == []
    host.say(cm.PowerDeliveryRes)
    assert host.news == [ScheduleRenegotiated(beside=True, agreed=True)]
    host.turns(10)
    assert host.session.ended is None
    assert len(host.beside) == 3


def offered(watts: float, duration_s: int = 86_400) -> cm.ScheduledSEResControlMode:
    entry = cm.PowerScheduleEntry(duration=duration_s, power=rational(watts))
    schedule = cm.PowerSchedule(
        time_anchor=0, power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=(entry,))
    )
    charging = cm.ChargingSchedule(power_schedule=schedule)
    return cm.ScheduledSEResControlMode(
        schedule_tuple=(cm.ScheduleTuple(schedule_tuple_id=1, charging_schedule=charging),)
    )


def test_what_is_asked_for_follows_the_new_schedule_from_when_it_holds() -> None:
    host = Side().begun()

    def asks_a() -> float:
        host.turns(2)
        last: Any = [one for one in host.sent if isinstance(one, dc.DCChargeLoopReq)][-1]
        return si(last.cl_req_control_mode.ev_target_current)

    before = asks_a()
    host.say(cm.ScheduleExchangeRes, se_res_control_mode=offered(80_000.0))
    assert asks_a() == before
    host.say(cm.PowerDeliveryRes)
    assert asks_a() == 80_000.0 / BATTERY_V
    host.turns(20)
    assert asks_a() == 80_000.0 / BATTERY_V


@pytest.mark.parametrize("waits_for", AWAITED)
@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: kind.__name__)
def test_only_the_awaited_response_is_taken_there(kind: type, waits_for: str) -> None:
    host = Side().begun(waits_for)
    if kind is app.SupportedAppProtocolRes:
        answer: Any = app.SupportedAppProtocolRes(
            response_code=app.ResponseCode.OK_SuccessfulNegotiation, schema_id=1
        )
        host.tell(ev.MessageReceived(answer, beside=True))
    else:
        host.say(kind)
    if kind is AWAITED[waits_for]:
        assert host.session.ended is None
        return
    assert host.session.ended is not None
    assert host.session.ended.reason is EndReason.SEQUENCE_ERROR
    assert not host.session.energized


@pytest.mark.parametrize("kind", [cm.ScheduleExchangeRes, cm.PowerDeliveryRes, dc.DCChargeLoopRes])
def test_an_answer_that_nobody_asked_for_ends_the_session(kind: type) -> None:
    host = Side()
    host.say(kind)
    host.book.ends(EndReason.SEQUENCE_ERROR)


@pytest.mark.parametrize("waits_for", AWAITED)
@pytest.mark.parametrize("code", list(ResponseCode), ids=lambda code: code.value)
def test_every_code_there(code: ResponseCode, waits_for: str) -> None:
    """A refusal ends the session; WARNING_ScheduleRenegotiationFailed ends the attempt, and the
    vehicle asks the other way."""
    host = Side().begun(waits_for)
    host.say(AWAITED[waits_for], response_code=code)
    if code.value.startswith("FAILED"):
        host.book.ends(EndReason.REFUSED)
        assert not host.session.energized
        return
    assert host.session.ended is None
    if code is ResponseCode.WARNING_ScheduleRenegotiationFailed:
        assert [one.agreed for one in host.news] == [False]
        host.turns(2)
        progress = [one.charge_progress for one in host.sent if isinstance(one, cm.PowerDeliveryReq)]
        assert progress[-2:] == [cm.ChargeProgress.ScheduleRenegotiation, cm.ChargeProgress.Start]


@pytest.mark.parametrize("waits_for", AWAITED)
@pytest.mark.parametrize("session_id", [bytes(8), b"\xee" * 8], ids=["zero", "other"])
def test_an_answer_of_another_session_ends_this_one(session_id: bytes, waits_for: str) -> None:
    host = Side().begun(waits_for)
    host.session_id = session_id
    host.say(AWAITED[waits_for])
    host.book.ends(EndReason.UNKNOWN_SESSION)
    assert not host.session.energized


@pytest.mark.parametrize("waits_for", AWAITED)
def test_silence_costs_the_attempt_after_two_seconds_and_a_late_answer_is_nobodys(waits_for: str) -> None:
    host = Side().begun(waits_for)
    began = host.book.now
    while not host.news and host.book.now < began + 3.0:
        host.turns(1)
    assert [one.agreed for one in host.news] == [False]
    assert 1.5 <= host.book.now - began <= 2.3
    host.say(AWAITED[waits_for])
    assert host.session.ended is None


def test_a_station_that_asks_again_meanwhile_is_not_asked_twice() -> None:
    host = Side().begun()
    wanted = EVSEStatus(notification_max_delay=30, evse_notification=EvseNotification.ScheduleRenegotiation)
    for _ in range(3):
        while not host.waiting:
            host.wait(0.05)
        host.answer(evse_status=wanted)
    assert len(host.beside) == 1


def test_a_schedule_that_is_over_costs_the_attempt_only() -> None:
    host = Side().begun()
    host.say(cm.ScheduleExchangeRes, se_res_control_mode=offered(0.0, duration_s=0))
    assert host.session.ended is None
    assert [one.agreed for one in host.news] == [False]
