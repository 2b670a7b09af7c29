"""When a vehicle asks for another schedule: where it gains something by it, once, and
not again before a while."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.schedule import Schedule, violation
from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, ResponseCode
from iso15118.messages.values import anchored, si, unix_time
from iso15118.session.actions import EndReason
from tests.evcc.station import BATTERY_V, Host
from tests.evcc.test_numbers import SENT, _until, finish, go, power, schedule, scheduled, turn

NONE_AT_ALL = ((3600, 0.0), (3600, 0.0))
ASKS = EVSEStatus(notification_max_delay=0, evse_notification=EvseNotification.ScheduleRenegotiation)


def asks(host: Host) -> bool:
    """The vehicle wants another schedule now."""
    progress = getattr(host.request, "charge_progress", None)
    return progress is cm.ChargeProgress.ScheduleRenegotiation


def refuse(host: Host) -> None:
    """The station has no other schedule; then the loop goes on."""
    host.answer()
    host.answer(response_code=ResponseCode.WARNING_ScheduleRenegotiationFailed)
    host.answer()
    assert isinstance(host.request, dc.DCChargeLoopReq)


def jump(host: Host, seconds: float) -> None:
    """So much later, and one turn more."""
    _until(host, host.book.now + seconds)
    go(host)


def test_a_schedule_without_power_is_not_waited_for_to_its_end() -> None:
    host = scheduled(NONE_AT_ALL, SENT, config=EvccConfig(schedule_renegotiation_s=120.0))
    host.measure(BATTERY_V, 0.0)
    began = host.book.now
    for _ in range(8):
        assert power(turn(host)) == 0.0, "it has just been agreed on"
    jump(host, 110.0)
    assert not asks(host)
    jump(host, 10.0)
    assert asks(host)
    assert host.book.now - began < 130.0
    host.answer()
    host.answer(se_res_control_mode=schedule(NONE_AT_ALL, 0))
    host.answer()
    for _ in range(8):
        assert power(turn(host)) == 0.0
    jump(host, 120.0)
    assert asks(host), "another time after another two minutes"
    host.answer()
    host.answer(se_res_control_mode=schedule(((3600, 70_000.0),), 0))
    host.answer()
    last: Any = host.request
    assert power(last.cl_req_control_mode) == pytest.approx(70_000.0, abs=100.0)


@pytest.mark.parametrize(("entries", "every"), [(((3600, 0.0), (3600, 50_000.0)), 120.0), (NONE_AT_ALL, 0.0)])
def test_what_was_agreed_on_is_waited_for(entries: Any, every: float) -> None:
    """Power comes later, as both know; or nobody wants the vehicle to ask."""
    host = scheduled(entries, SENT, config=EvccConfig(schedule_renegotiation_s=every, no_power_s=100.0))
    host.measure(BATTERY_V, 0.0)
    for _ in range(5):
        jump(host, 500.0)
        assert not asks(host)
        assert host.session.ended is None


def test_a_station_without_another_schedule_is_asked_once_and_again_after_a_while() -> None:
    host = scheduled(((2, 100_000.0),), SENT, config=EvccConfig(schedule_renegotiation_s=60.0))
    while not asks(host):
        go(host)
    refuse(host)
    host.measure(BATTERY_V, 0.0)
    for _ in range(20):
        assert power(turn(host)) == 0.0, "nothing is agreed on any more"
    assert power(turn(host, evse_status=ASKS)) == 0.0, "nor does it follow who has just refused"
    jump(host, 60.0)
    assert asks(host)
    refuse(host)
    assert power(turn(host)) == 0.0
    jump(host, 60.0)
    host.answer()
    host.answer(se_res_control_mode=schedule(((3600, 70_000.0),), 0))
    host.answer()
    last: Any = host.request
    assert power(last.cl_req_control_mode) == pytest.approx(70_000.0, abs=100.0)
    host.measure(BATTERY_V, 80.0)
    go(host, evse_status=ASKS)
    assert asks(host), "a station that has another one is followed at once"


def test_behind_the_end_of_a_schedule_the_profile_is_not_that_of_the_schedule() -> None:
    """A profile that is over before it begins is one that a station has to refuse."""
    host = scheduled(((2, 100_000.0),), SENT, config=EvccConfig(schedule_renegotiation_s=60.0))
    while not asks(host):
        go(host)
    host.answer()
    host.answer(response_code=ResponseCode.WARNING_ScheduleRenegotiationFailed)
    profile = host.request.ev_power_profile
    (entry,) = profile.ev_power_profile_entries.ev_power_profile_entry
    sent = host.request.header.time_stamp
    assert abs(unix_time(profile.time_anchor) - unix_time(sent)) <= 1.0
    assert (entry.duration, si(entry.power)) == (86_400, 0.0)


def test_a_station_takes_the_profile_that_follows_its_own_refusal() -> None:
    """Both ends of the cable: the station has the profile checked by its own rules."""
    host = scheduled(((2, 100_000.0),), SENT, config=EvccConfig(schedule_renegotiation_s=60.0))
    while not asks(host):
        go(host)
    host.answer()
    host.answer(response_code=ResponseCode.WARNING_ScheduleRenegotiationFailed)
    profile = host.request.ev_power_profile
    begins = anchored(profile.time_anchor, host.request.header.time_stamp, host.book.now)
    plan = Schedule.of(
        begins,
        (
            (float(entry.duration), si(entry.power))
            for entry in profile.ev_power_profile_entries.ev_power_profile_entry
        ),
    )
    assert plan.over_at > host.book.now
    assert not violation(plan, Schedule.of(host.book.now - 4.0, ((2.0, 100_000.0),)), host.book.now)


def test_a_vehicle_does_not_wait_for_ever_behind_the_end_of_its_schedule() -> None:
    config = EvccConfig(schedule_renegotiation_s=0.0, no_power_s=30.0)
    host = scheduled(((2, 100_000.0),), SENT, config=config)
    _until(host, 3.0)
    host.measure(BATTERY_V, 0.0)
    for _ in range(8):
        assert power(turn(host)) == 0.0
    jump(host, 31.0)
    ended = finish(host)
    assert (ended.reason, ended.detail) == (EndReason.STOPPED_BY_EV, "no power for 30 s")


@pytest.mark.parametrize("seconds", [-1.0, 1e9, float("nan")])
def test_an_interval_that_is_none(seconds: float) -> None:
    with pytest.raises(ConfigError, match="schedule_renegotiation_s"):
        EvccConfig(schedule_renegotiation_s=seconds)
