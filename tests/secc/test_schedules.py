"""What the station offers over time, when it asks for another schedule, and what it says to the vehicle's
power profile."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import rational, si
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from tests.secc.test_numbers import HELD_BACK, NOW, drive_with, power_of
from tests.secc.vehicle import STATION, VEHICLE, Drive


def test_a_scheduled_vehicle_is_asked_for_another_schedule_when_the_station_is_released() -> None:
    drive = drive_with(HELD_BACK, hardware=STATION).to(State.SCHEDULE_EXCHANGE)
    assert scheduled_power(drive.send(cm.ScheduleExchangeReq)) == 20_000.0
    drive.to(State.DC_CHARGE_LOOP)
    assert drive.send(dc.DCChargeLoopReq).evse_status is None
    assert power_of(drive)[2] == 20_000.0
    drive.book.tell(ev.LimitsChanged(STATION))
    drive.book.does()  # the vehicle takes no more than its schedule says
    status = drive.send(dc.DCChargeLoopReq).evse_status
    assert status.evse_notification.value == "ScheduleRenegotiation"
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    assert scheduled_power(drive.send(cm.ScheduleExchangeReq)) == STATION.maximum_charge_power_w
    drive.send(cm.PowerDeliveryReq)
    answer = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(1000.0))
    assert answer.evse_status is None
    assert power_of(drive)[1:] == (1000.0, VEHICLE.maximum_charge_power_w)


def test_a_vehicle_that_does_not_listen_is_not_asked_for_ever() -> None:
    drive = drive_with(HELD_BACK, hardware=STATION).to(State.DC_CHARGE_LOOP)
    drive.book.tell(ev.LimitsChanged(STATION))
    asked = []
    for _ in range(800):
        flow(drive)
        status = drive.send(dc.DCChargeLoopReq).evse_status
        asked.append(0 if status is None else status.notification_max_delay)
        drive.book.wait(0.4)
    assert asked[0] == 30
    assert 0 < asked.count(0) < 740
    assert asked[int(290 / 0.4)] == 0
    assert asked[int(301 / 0.4)] > 0  # once more after five minutes


def flow(drive: Drive) -> None:
    """What the supply was asked for flows."""
    power = drive.session._facts.power
    drive.measure(800.0, 0.0 if power is None else power[1])


def scheduled_power(answer: cm.ScheduleExchangeRes) -> float:
    """What the only entry of the only schedule says."""
    mode = answer.se_res_control_mode
    assert isinstance(mode, cm.ScheduledSEResControlMode)
    (one,) = mode.schedule_tuple
    (entry,) = one.charging_schedule.power_schedule.power_schedule_entries.power_schedule_entry
    return si(entry.power)


@pytest.mark.parametrize(("departure", "lasts"), [(None, 86_400), (0, 86_400), (1, 1), (200_000, 200_000)])
def test_a_schedule_covers_the_departure(departure: int | None, lasts: int) -> None:
    drive = Drive().to(State.SCHEDULE_EXCHANGE)
    drive.book.tell(ev.SetPointChanged(77_777.77))
    answer = drive.send(
        cm.ScheduleExchangeReq, se_req_control_mode=cm.ScheduledSEReqControlMode(departure_time=departure)
    )
    assert scheduled_power(answer) == 77_770.0
    schedule = answer.se_res_control_mode.schedule_tuple[0].charging_schedule
    assert [e.duration for e in schedule.power_schedule.power_schedule_entries.power_schedule_entry] == [
        lasts
    ]
    assert schedule.power_schedule.time_anchor == NOW
    levels = schedule.price_schedule.price_level_schedule_entries.price_level_schedule_entry
    assert [level.duration for level in levels] == [lasts]


def test_behind_the_end_of_a_schedule_the_vehicle_is_asked_for_another_and_then_gets_nothing() -> None:
    drive = Drive().to(State.SCHEDULE_EXCHANGE)
    drive.send(cm.ScheduleExchangeReq, se_req_control_mode=cm.ScheduledSEReqControlMode(departure_time=20))
    drive.to(State.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    assert power_of(drive)[2] > 0.0
    until = drive.book.now + 20.0
    while drive.book.now < until + 61.0:
        drive.book.wait(0.4)
        flow(drive)
        answer = drive.send(dc.DCChargeLoopReq)
        if until + 1.0 < drive.book.now < until + 20.0:
            assert answer.evse_status.evse_notification.value == "ScheduleRenegotiation"
    assert drive.session._facts.power == (850.0, 0.0, 0.0, False)


# -- profiles


def profile(
    *entries: tuple[int, float], anchor: int = NOW, tuple_id: int = 1, **mode: Any
) -> cm.EVPowerProfile:
    return cm.EVPowerProfile(
        time_anchor=anchor,
        evppt_control_mode=cm.ScheduledEVPPTControlMode(selected_schedule_tuple_id=tuple_id, **mode),
        ev_power_profile_entries=cm.EVPowerProfileEntryList(
            ev_power_profile_entry=tuple(
                cm.PowerScheduleEntry(duration=seconds, power=rational(watts)) for seconds, watts in entries
            )
        ),
    )


FULL = STATION.maximum_charge_power_w


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (profile((86_400, FULL)), None),
        (profile((3600, FULL), (3600, 0.0)), None),
        (profile((86_400, FULL), anchor=0), None),
        (profile((86_400, FULL), anchor=NOW * 1_000_000), None),
        (profile((90_000, FULL), anchor=NOW - 3600), None),
        (profile((3600, FULL * 1.1)), "FAILED_EVPowerProfileInvalid"),
        (profile((10, 0.0), (3600, FULL * 1.1)), "FAILED_EVPowerProfileInvalid"),
        (profile((3600, -1000.0)), "FAILED_EVPowerProfileInvalid"),
        (profile((3600, FULL), anchor=1), "FAILED_EVPowerProfileInvalid"),
        (profile((3600, FULL), anchor=NOW - 4000), "FAILED_EVPowerProfileInvalid"),
        (profile((0, FULL)), "FAILED_EVPowerProfileInvalid"),
        (profile((3600, FULL), tuple_id=2), "FAILED_ScheduleSelectionInvalid"),
    ],
)
def test_a_power_profile_is_looked_at_over_time(one: cm.EVPowerProfile, code: str | None) -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    answer = drive.send(cm.PowerDeliveryReq, ev_power_profile=one)
    assert (None if answer is None else answer.response_code.value) == code


def test_a_profile_above_the_stations_maximum_is_no_matter_where_the_station_sets_the_power() -> None:
    drive = Drive(mode := ServiceID.DC, ControlMode.DYNAMIC).to(State.POWER_DELIVERY)
    assert mode is ServiceID.DC
    one = msgspec.structs.replace(profile((3600, FULL * 9)), evppt_control_mode=cm.DynamicEVPPTControlMode())
    assert drive.send(cm.PowerDeliveryReq, ev_power_profile=one) is None
    drive.book.does(act.CloseContactors)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (None, "OK"),
        (cm.PowerToleranceAcceptance.PowerToleranceConfirmed, "OK_PowerToleranceConfirmed"),
        (cm.PowerToleranceAcceptance.PowerToleranceNotConfirmed, "WARNING_PowerToleranceNotConfirmed"),
    ],
)
def test_a_named_tolerance_is_confirmed_or_not(said: Any, code: str) -> None:
    drive = drive_with(power_tolerance_w=500.0).to(State.SCHEDULE_EXCHANGE)
    offered = drive.send(cm.ScheduleExchangeReq).se_res_control_mode.schedule_tuple[0]
    assert si(offered.charging_schedule.power_schedule.power_tolerance) == 500.0
    drive.to(State.POWER_DELIVERY)
    drive.send(cm.PowerDeliveryReq, ev_power_profile=profile((3600, FULL), power_tolerance_acceptance=said))
    drive.book.tell(ev.ContactorsChanged(True))
    assert drive.book.sends(cm.PowerDeliveryRes).response_code.value == code


def test_more_power_than_the_own_profile_is_a_warning_after_a_while_and_the_end_after_a_minute() -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.send(cm.PowerDeliveryReq, ev_power_profile=profile((86_400, 10_000.0)))
    drive.book.tell(ev.ContactorsChanged(True))
    codes = {}
    drive.measure(800.0, 12.5)
    began = drive.book.now
    assert drive.send(dc.DCChargeLoopReq).response_code is ResponseCode.OK
    drive.measure(800.0, 13.75)  # 11 kW
    while drive.session.ended is None:
        drive.book.wait(0.4)
        codes[round(drive.book.now - began, 1)] = drive.send(dc.DCChargeLoopReq).response_code.value
    assert codes[4.0] == "OK"
    assert codes[6.0] == "WARNING_EVPowerProfileViolation"
    assert codes[60.0] == "WARNING_EVPowerProfileViolation"
    assert list(codes.values())[-1] == "FAILED_EVPowerProfileViolation"
    assert drive.session.ended.reason is EndReason.PARAMETERS_NOT_ACCEPTED
    assert not drive.session.energized


def test_contactors_that_opened_by_themselves_between_two_schedules_are_not_closed_without_a_pre_charge() -> (
    None
):
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    drive.send(cm.ScheduleExchangeReq)
    assert drive.session.state == State.POWER_DELIVERY.value
    drive.book.tell(ev.ContactorsChanged(False))
    drive.book.does(act.StopPower, act.OpenContactors)
    assert drive.send(cm.PowerDeliveryReq).response_code is ResponseCode.FAILED
    drive.book.ends(EndReason.CONTACTOR_FAILED)
