"""What a station wants in mid-session, at the very moments at which it changes; what leads on and so is
refused while the end is wanted; and when a schedule steps next."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.energy.schedule import Schedule
from iso15118.messages.iso20 import acdp, dc, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MessageHeader, Processing, ResponseCode
from iso15118.messages.values import BEYOND_SECONDS
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.machine import Iso20
from iso15118.secc.iso20.sequence import State
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, PeerDeviates, ScheduleRenegotiated, SupervisionWarning
from iso15118.session.edition import Answer
from iso15118.session.services import ControlMode, ServiceID
from iso15118.timing import Timing
from tests.secc.pad import PadDrive
from tests.secc.pantograph import PantographDrive
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, Drive

S = State
AGAIN = {"charge_progress": cm.ChargeProgress.ScheduleRenegotiation}
PATIENT = Timing(sequence_timeout_loop=60.0)
OFFER = ScheduleOffer(charging=PowerOffer(entries=((86_400.0, 50_000.0),)))


def config(**settings: Any) -> SeccConfig:
    return SeccConfig(
        services=ALL_SERVICES,
        timing=PATIENT,
        service_renegotiation=True,
        renegotiation=RenegotiationSettings(**settings),
    )


def looping(**settings: Any) -> Drive:
    drive = Drive(config=config(**settings)).to(S.DC_CHARGE_LOOP)
    asked(drive, 0.0)
    return drive


def asked(drive: Drive, at: float) -> tuple[str, int] | None:
    """What the answer to a turn of the loop at this moment asks for."""
    drive.book.now = at
    drive.measure(BATTERY_V)
    status = drive.send(dc.DCChargeLoopReq).evse_status
    return None if status is None else (status.evse_notification.value, status.notification_max_delay)


def news(drive: Drive, kind: type) -> list[Any]:
    return [one for one in drive.book.actions if isinstance(one, kind)]


# -- notices


def test_a_schedule_that_nobody_asked_for_in_time_is_news() -> None:
    drive = looping(schedule_delay_s=3.0)
    drive.book.tell(ev.ScheduleRenegotiationRequested("x"))
    assert asked(drive, 1.0) == ("ScheduleRenegotiation", 3)
    assert asked(drive, 3.999) == ("ScheduleRenegotiation", 0)
    assert news(drive, ScheduleRenegotiated) == []
    assert asked(drive, 4.0) is None, "at the very moment its time is over"
    why = "the vehicle did not ask for another schedule in time"
    assert news(drive, ScheduleRenegotiated) == [ScheduleRenegotiated(beside=False, agreed=False, reason=why)]


def test_a_service_that_nobody_chose_in_time_is_a_warning() -> None:
    drive = looping(service_delay_s=3.0)
    drive.book.tell(ev.ServiceRenegotiationRequested("x"))
    assert asked(drive, 1.0) == ("ServiceRenegotiation", 3)
    assert asked(drive, 4.0) is None
    assert len(news(drive, SupervisionWarning)) == 1


def test_who_does_not_leave_standby_in_time_is_asked_to_stop() -> None:
    drive = looping(exit_standby_delay_s=3.0)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Standby)
    drive.book.tell(ev.StandbyRequested("x", wanted=False))
    assert asked(drive, 1.0) == ("ExitStandby", 3)
    assert asked(drive, 3.999) == ("ExitStandby", 0)
    assert drive.session._facts.stop_wanted == ""
    asked(drive, 4.0)
    assert drive.session._facts.stop_wanted == "the vehicle did not leave standby in time"


def test_a_vehicle_has_a_minute_to_pause_from_when_it_is_told() -> None:
    drive = looping()
    drive.session._facts.pause_until = 1_000.0  # wanted until then
    assert asked(drive, 10.0) == ("Pause", 60)
    assert asked(drive, 11.5) == ("Pause", 58)
    assert drive.session._facts.pause_until == 70.0


@pytest.mark.parametrize("family", ["dc", "pad"])
def test_another_schedule_is_agreed_on_where_power_rested_and_nowhere_else(family: str) -> None:
    drive: Drive = Drive() if family == "dc" else PadDrive()
    turn = dc.DCChargeLoopReq if family == "dc" else wpt.WPTChargeLoopReq
    drive.to(S.POWER_DELIVERY)
    if family == "dc":
        drive.send(cm.PowerDeliveryReq)
        assert news(drive, ScheduleRenegotiated) == []
        drive.book.tell(ev.ContactorsChanged(True))
    else:
        drive.send(cm.PowerDeliveryReq)
    assert news(drive, ScheduleRenegotiated) == [], "the first one is none anew"
    drive.send(turn)
    drive.send(cm.PowerDeliveryReq)
    assert news(drive, ScheduleRenegotiated) == [], "nor is a start in the loop"
    drive.send(cm.PowerDeliveryReq, **AGAIN)
    drive.send(cm.ScheduleExchangeReq)
    drive.send(cm.PowerDeliveryReq)
    assert news(drive, ScheduleRenegotiated) == [ScheduleRenegotiated(beside=False, agreed=True)]


# -- the schedule exchange


def test_a_vehicle_that_is_to_pause_is_told_with_the_schedule_and_has_a_minute() -> None:
    drive = Drive(config=config(), schedules=True).to(S.SCHEDULE_EXCHANGE)
    facts = drive.session._facts
    facts.pause_until = 1_000.0
    drive.book.now = 5.0
    drive.send(cm.ScheduleExchangeReq)
    drive.book.wait(2.0)
    (ongoing,) = (one.message for one in drive.book.actions if isinstance(one, act.Send))
    assert (ongoing.evse_processing, ongoing.go_to_pause) == (Processing.Ongoing, None)
    assert facts.pause_until == 1_000.0
    drive.book.tell(ev.SchedulesGiven((OFFER,)))
    answer = drive.send(cm.ScheduleExchangeReq)
    assert (answer.evse_processing, answer.go_to_pause) == (Processing.Finished, True)
    assert facts.pause_until == drive.book.now + 60.0


@pytest.mark.parametrize(("until", "told"), [(5.0, None), (5.01, True), (30.0, True)], ids=str)
def test_a_pause_is_told_as_long_as_it_is_wanted(until: float, told: bool | None) -> None:
    drive = Drive(config=config()).to(S.SCHEDULE_EXCHANGE)
    drive.session._facts.pause_until = until
    drive.book.now = 5.0
    assert drive.send(cm.ScheduleExchangeReq).go_to_pause is told
    assert drive.session._facts.pause_until == until, "never later than it was wanted"


def test_another_schedule_is_not_wanted_any_more_once_there_is_one() -> None:
    drive = Drive(config=config(), schedules=True).to(S.SCHEDULE_EXCHANGE)
    wish = drive.session._facts.wishes.schedule
    wish.ask("there is more power")
    drive.send(cm.ScheduleExchangeReq)
    drive.book.wait(2.0)
    assert wish.why, "it is being made"
    drive.book.tell(ev.SchedulesGiven((OFFER,)))
    drive.send(cm.ScheduleExchangeReq)
    assert not wish.why


def test_after_another_choice_of_service_schedules_are_asked_for_anew() -> None:
    drive = Drive(config=config(), schedules=True).to(S.SCHEDULE_EXCHANGE)
    drive.send(cm.ScheduleExchangeReq)
    drive.book.wait(2.0)  # the vehicle was told to wait
    again = {"charging_session": cm.ChargingSession.ServiceRenegotiation}
    assert drive.send(cm.SessionStopReq, **again).response_code.value == "OK"
    for kind in (cm.ServiceDiscoveryReq, cm.ServiceDetailReq, cm.ServiceSelectionReq):
        drive.send(kind)
    drive.send(dc.DCChargeParameterDiscoveryReq)
    drive.send(cm.ScheduleExchangeReq)
    assert len(news(drive, act.RequestSchedules)) == 1


# -- what leads on


def test_what_leads_on_is_refused_while_the_end_is_wanted() -> None:
    onward = {
        cm.AuthorizationReq,
        cm.ServiceSelectionReq,
        cm.ScheduleExchangeReq,
        dc.DCChargeParameterDiscoveryReq,
        dc.DCCableCheckReq,
        dc.DCPreChargeReq,
        acdp.ACDPConnectReq,
        acdp.ACDPVehiclePositioningReq,
        cm.PowerDeliveryReq,
    }
    not_onward = {
        cm.SessionStopReq,
        cm.MeteringConfirmationReq,
        cm.VehicleCheckInReq,
        cm.VehicleCheckOutReq,
        dc.DCChargeLoopReq,
        acdp.ACDPSystemStatusReq,
        acdp.ACDPDisconnectReq,
    }
    drive = PantographDrive().to(S.AUTHORIZATION_SETUP)
    edition = drive.session._edition
    assert isinstance(edition, Iso20)
    for kind in onward | not_onward:
        assert edition.leads_on(drive.request(kind)) is (kind in onward), kind
    stop = drive.request(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    assert not edition.leads_on(stop)


def test_a_handler_that_leads_where_the_table_does_not_is_a_fault_of_ours() -> None:
    drive = Drive().to(S.DC_CABLE_CHECK)
    edition = drive.session._edition
    assert isinstance(edition, Iso20)

    def astray(request: Any, ctx: Any) -> Answer:
        answer = cm.PowerDeliveryRes(header=ctx.header(), response_code=ResponseCode.OK)
        return Answer(answer, S.POWER_DELIVERY)

    edition._handlers[dc.DCCableCheckReq] = astray
    drive.send(dc.DCCableCheckReq)
    drive.book.ends(EndReason.INTERNAL_ERROR)


@pytest.mark.parametrize(("stamp", "noted"), [(BEYOND_SECONDS - 1, False), (BEYOND_SECONDS, True)])
def test_a_time_stamp_that_is_not_in_seconds_is_noted(stamp: int, noted: bool) -> None:
    drive = Drive().to(S.AUTHORIZATION_SETUP)
    header = MessageHeader(session_id=drive.session_id, time_stamp=stamp)
    drive.send(cm.AuthorizationSetupReq, header=header)
    assert [one.name for one in news(drive, PeerDeviates)] == (["time-stamp-unit"] if noted else [])


# -- steps


@pytest.mark.parametrize(
    ("charging", "discharging", "mode", "steps_at"),
    [
        (None, None, ControlMode.SCHEDULED, None),
        ((100.0, 50.0), None, ControlMode.SCHEDULED, 100.0),
        (None, (70.0, 50.0), ControlMode.SCHEDULED, 70.0),
        ((100.0, 50.0), (70.0, 50.0), ControlMode.SCHEDULED, 70.0),
        ((60.0, 50.0), (70.0, 50.0), ControlMode.SCHEDULED, 60.0),
        ((100.0, 50.0), (70.0, 50.0), ControlMode.DYNAMIC, None),
    ],
    ids=str,
)
def test_when_the_power_is_another_one_next(
    charging: Any, discharging: Any, mode: ControlMode, steps_at: float | None
) -> None:
    drive = Drive(ServiceID.DC_BPT, mode).to(S.DC_CHARGE_LOOP)
    edition = drive.session._edition
    assert isinstance(edition, Iso20)

    def schedule(durations: tuple[float, float] | None) -> Schedule | None:
        if durations is None:
            return None
        return Schedule.of(0.0, ((durations[0], 1_000.0), (durations[1], 2_000.0)))

    drive.context.schedule, drive.context.discharging = schedule(charging), schedule(discharging)
    assert edition.steps_at() == steps_at
