"""Plans, schedules and profiles at their edges: which plan is still offered, how its time is cut to seconds,
when another one is asked for, and how much power is how much off a profile."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.energy.schedule import Schedule
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.values import DischargeLimitSign, rational, si
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.profiles import profile_exceeded, take_profile
from iso15118.secc.iso20.schedules import ask_anew
from iso15118.secc.iso20.sequence import State
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import PowerProfileTaken
from iso15118.session.edition import Refused
from iso15118.session.services import ControlMode, ServiceID
from tests.secc.pad import PadDrive
from tests.secc.test_numbers import NOW
from tests.secc.test_schedules import profile
from tests.secc.vehicle import ALL_SERVICES, STATION, Drive

S = State
Entries = list[tuple[int, float]]


def plan(*entries: tuple[float, float], **more: Any) -> PowerOffer:
    return PowerOffer(entries=entries, **more)


def at_exchange(service: ServiceID = ServiceID.DC, at: float = 100.0, **settings: Any) -> Drive:
    """At the schedule exchange so many seconds after the session's clock began."""
    drive = Drive(service, config=SeccConfig(services=ALL_SERVICES, **settings)).to(S.SCHEDULE_EXCHANGE)
    drive.session.timers.clear_all()
    drive.book.now = at
    return drive


def offered(drive: Drive, *offers: ScheduleOffer, departure: int | None = 60) -> Any:
    """The first tuple of what is offered of these plans."""
    if offers:
        drive.book.tell(ev.SchedulesGiven(offers))
    needs = cm.ScheduledSEReqControlMode(departure_time=departure)
    answer = drive.send(cm.ScheduleExchangeReq, se_req_control_mode=needs)
    return answer.se_res_control_mode.schedule_tuple[0]


def entries(schedule: Any) -> Entries:
    return [
        (one.duration, si(one.power))
        for one in schedule.power_schedule.power_schedule_entries.power_schedule_entry
    ]


# -- what is offered

LIMIT = STATION.maximum_charge_power_w


@pytest.mark.parametrize(
    ("left", "powers"),
    [
        (60.0, [(60, 5_000.0)]),
        (1.0, [(60, 5_000.0)]),
        (0.99, [(60, LIMIT)]),
        (0.0, [(60, LIMIT)]),
        (-0.5, [(60, LIMIT)]),
    ],
)
def test_a_plan_is_offered_that_holds_for_another_second(left: float, powers: Entries) -> None:
    drive = at_exchange()
    begins = drive.book.now - 1_000.0
    offer = ScheduleOffer(charging=plan((1_000.0 + left, 5_000.0), begins=begins))
    assert entries(offered(drive, offer).charging_schedule) == powers


@pytest.mark.parametrize(
    ("said", "passed", "told"),
    [
        (((1.0, 9_000.0), (59.0, 1_000.0)), 0.0, [(1, 9_000.0), (59, 1_000.0)]),
        (((1.0, 9_000.0), (59.6, 1_000.0)), 0.6, [(60, 1_000.0)]),
        (((1.0, 9_000.0), (59.4, 1_000.0)), 0.4, [(1, 9_000.0), (59, 1_000.0)]),
        (((30.4, 9_000.0), (1.0, 5_000.0), (28.6, 0.0)), 0.0, [(30, 9_000.0), (1, 5_000.0), (29, 0.0)]),
    ],
)
def test_the_edges_of_a_plan_are_whole_seconds(said: Any, passed: float, told: Entries) -> None:
    drive = at_exchange()
    one = offered(drive, ScheduleOffer(charging=plan(*said, begins=drive.book.now - passed)))
    assert entries(one.charging_schedule) == told
    kept = drive.context.schedule
    assert kept is not None
    assert list(kept.powers) == [watts for _, watts in told], "what is kept is what was said"
    assert one.charging_schedule.power_schedule.time_anchor == NOW + 100


def test_no_plan_is_longer_than_can_be_said() -> None:
    most = 2**32 - 1
    one = offered(at_exchange(), ScheduleOffer(charging=plan((most, 1_000.0), (most, 2_000.0))))
    assert entries(one.charging_schedule) == [(most, 1_000.0)]


@pytest.mark.parametrize("sign", list(DischargeLimitSign), ids=lambda one: one.name)
def test_both_directions_within_their_own_limits_and_with_their_sign(sign: DischargeLimitSign) -> None:
    drive = at_exchange(ServiceID.DC_BPT, discharge_limit_sign=sign)
    both = ScheduleOffer(charging=plan((60.0, 2e6)), discharging=plan((30.0, 2e6), (30.0, 5_000.0)))
    one = offered(drive, both)
    assert entries(one.charging_schedule) == [(60, 2e6)]
    back = STATION.maximum_discharge_power_w
    assert entries(one.discharging_schedule) == [(30, back * sign.value), (30, 5_000.0 * sign.value)]
    kept = drive.context.discharging
    assert kept is not None
    assert kept.powers == (back, 5_000.0), "magnitudes"


def test_a_plan_for_giving_back_that_is_over_gives_nothing_any_more() -> None:
    drive = at_exchange(ServiceID.DC_BPT)
    over = plan((50.0, 5_000.0), begins=drive.book.now - 50.0)
    one = offered(drive, ScheduleOffer(charging=plan((60.0, 9_000.0)), discharging=over))
    assert entries(one.discharging_schedule) == [(60, 0.0)]


def test_one_level_of_price_from_now_on() -> None:
    one = offered(at_exchange(price_level_schedule=True))
    said = one.charging_schedule.price_schedule
    assert (said.time_anchor, said.number_of_price_levels, said.price_schedule_id) == (NOW + 100, 1, 1)
    (entry,) = said.price_level_schedule_entries.price_level_schedule_entry
    assert (entry.duration, entry.price_level) == (60, 1)


# -- while the energy manager is asked


def test_an_answer_is_held_back_for_half_its_time() -> None:
    drive = at_exchange()
    drive.session._facts.asks_schedules = True
    assert drive.send(cm.ScheduleExchangeReq) is None
    held = 0.5 * drive.config.timing.answer_time_of("ScheduleExchangeReq")
    drive.book.wait(held - 0.01)
    assert not [one for one in drive.book.actions if isinstance(one, act.Send)]
    drive.book.wait(0.02)
    assert drive.book.sends(cm.ScheduleExchangeRes).evse_processing is Processing.Ongoing


def test_at_the_moment_when_the_plans_are_due_it_goes_on_without_them() -> None:
    drive = at_exchange(schedules=ScheduleSeccSettings(wait_s=0.25))
    drive.session._facts.asks_schedules = True
    assert drive.send(cm.ScheduleExchangeReq) is None
    drive.book.wait(0.25)
    assert drive.book.sends(cm.ScheduleExchangeRes).evse_processing is Processing.Finished


# -- another schedule


@pytest.mark.parametrize(
    ("scheduled", "limit", "every", "at", "asks"),
    [
        (20_000.0, 20_999.0, 300.0, 10.0, False),
        (20_000.0, 21_000.0, 300.0, 10.0, False),
        (20_000.0, 21_001.0, 300.0, 10.0, True),
        (20_000.0, 21_001.0, 0.0, 10.0, False),
        (20_000.0, 20_000.0, 300.0, 99.9, False),
        (20_000.0, 20_000.0, 300.0, 100.0, True),
        (20_000.0, 20_000.0, 0.0, 100.0, False),
    ],
)
def test_another_schedule_is_asked_for_once_it_is_worth_it(
    scheduled: float, limit: float, every: float, at: float, asks: bool
) -> None:
    settings = SeccConfig(services=ALL_SERVICES, schedule_renegotiation_s=every)
    drive = Drive(config=settings).to(S.DC_CHARGE_LOOP)
    ctx = drive.context
    ctx.schedule = Schedule.of(0.0, ((100.0, scheduled),))
    assert ctx.facts.limits is not None
    ctx.facts.limits = replace(ctx.facts.limits, maximum_charge_power_w=limit)
    ctx.facts.now = at
    assert ask_anew(ctx) is asks
    ctx.facts.now = at + 29.9
    assert ask_anew(ctx) is asks or at + 29.9 >= 100.0
    ctx.managed = True
    ctx.renegotiate_until, ctx.facts.now = 0.0, 50.0
    assert not ask_anew(ctx), "the energy manager has planned it so"
    for now, over in ((99.9, False), (100.0, True)):
        ctx.renegotiate_until, ctx.renegotiate_next, ctx.facts.now = 0.0, 0.0, now
        assert ask_anew(ctx) is (over and every > 0.0)


# -- profiles


def taken(drive: Drive, one: cm.EVPowerProfile | None) -> Any:
    request = drive.request(cm.PowerDeliveryReq, ev_power_profile=one)
    return take_profile(request, drive.context)


@pytest.mark.parametrize(
    ("seconds", "said"), [(9, "over before it begins"), (10, "over before it begins"), (11, "")], ids=str
)
def test_a_profile_that_is_over(seconds: int, said: str) -> None:
    drive = at_exchange()
    offered(drive, departure=3_600)
    found = taken(drive, profile((seconds, 0.0), anchor=NOW - 10))
    assert (said in found.detail) if said else "over before" not in getattr(found, "detail", "")


@pytest.mark.parametrize(("number", "works"), [(2_048, True), (2_049, False)])
def test_a_profile_has_so_many_entries_and_no_more(number: int, works: bool) -> None:
    drive = at_exchange()
    offered(drive, departure=3_000)
    found = taken(drive, profile(*[(2, 1_000.0)] * number))
    assert isinstance(found, Refused) is not works


def test_a_tolerance_of_half_a_watt_is_one() -> None:
    drive = at_exchange()
    offered(drive, ScheduleOffer(charging=plan((60.0, 9_000.0), tolerance_w=0.5)))
    confirmed = cm.PowerToleranceAcceptance.PowerToleranceConfirmed
    found = taken(drive, profile((60, 9_000.0), power_tolerance_acceptance=confirmed))
    assert found.value == "OK_PowerToleranceConfirmed"
    assert drive.context.tolerance_w == 0.5


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda one: one.name)
def test_who_sends_no_profile_follows_the_schedule_if_there_is_one(mode: ControlMode) -> None:
    drive = Drive(control_mode=mode).to(S.POWER_DELIVERY)
    drive.send(cm.PowerDeliveryReq)
    found = [one for one in drive.book.actions if isinstance(one, PowerProfileTaken)]
    assert found == ([PowerProfileTaken(1, None)] if mode is ControlMode.SCHEDULED else [])


@pytest.mark.parametrize(
    ("planned", "watts", "point", "within"),
    [
        (10_000.0, 10_000.0, None, True),
        (10_000.0, 0.0, None, True),
        (10_000.0, 10_300.0, None, True),
        (10_000.0, 10_304.0, None, False),
        (10_000.0, -200.0, None, True),
        (10_000.0, -300.0, None, True),
        (10_000.0, -304.0, None, False),
        (-10_000.0, -10_300.0, None, True),
        (-10_000.0, -10_304.0, None, False),
        (-10_000.0, 304.0, None, False),
        (10_000.0, -5_000.0, -1.0, True),
        (10_000.0, -5_000.0, 0.0, False),
        (10_000.0, -5_000.0, 0.5, False),
        (10_000.0, 10_304.0, -1.0, False),
    ],
)
def test_how_far_power_is_off_a_profile(
    planned: float, watts: float, point: float | None, within: bool
) -> None:
    ctx = (
        Drive(config=SeccConfig(services=ALL_SERVICES, profile_tolerance_w=300.0)).to(S.SESSION_SETUP).context
    )
    ctx.profile = Schedule.of(0.0, ((100.0, planned),))
    ctx.facts.measured, ctx.facts.set_point_w = ev.PowerMeasured(800.0, watts / 800.0), point
    for now in (99.0, 100.0, 101.0):  # its last power holds beyond its end
        ctx.facts.now, ctx.exceeded_since = now, None
        assert profile_exceeded(ctx).value == "OK", "not at once"
        assert (ctx.exceeded_since is None) is within, now


# -- standby


def test_standby_is_for_power_that_was_there() -> None:
    for drive in (Drive(), PadDrive()):
        drive.to(S.POWER_DELIVERY)
        answer = drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Standby)
        assert answer.response_code.value == "FAILED_SequenceError"
    drive = PadDrive()
    drive.to(S.WPT_CHARGE_LOOP)
    answer = drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Standby)
    assert answer.response_code.value == "OK"


def test_a_profile_of_three_phases_is_their_sum() -> None:
    drive = at_exchange()
    offered(drive, ScheduleOffer(charging=plan((60.0, 9_000.0))))
    for peers, works in (((3_000.0, 3_000.0), True), ((3_000.0, 4_000.0), False)):
        entry = cm.PowerScheduleEntry(
            duration=60, power=rational(3_000.0), power_l2=rational(peers[0]), power_l3=rational(peers[1])
        )
        one = profile((60, 0.0))
        one = replace(
            one, ev_power_profile_entries=cm.EVPowerProfileEntryList(ev_power_profile_entry=(entry,))
        )
        assert isinstance(taken(drive, one), Refused) is not works


@pytest.mark.parametrize(("points", "works"), [(11, False), (12, True), (1_024, True), (1_025, False)])
def test_how_many_points_a_vehicle_may_support(points: int, works: bool) -> None:
    drive = at_exchange(tolerate_odd_values=False)
    answer = drive.send(cm.ScheduleExchangeReq, maximum_supporting_points=points)
    assert (answer.response_code.value == "OK") is works


@pytest.mark.parametrize("confirms", [True, False])
def test_whether_a_tolerance_was_confirmed_is_news(confirms: bool) -> None:
    drive = at_exchange()
    offered(drive, ScheduleOffer(charging=plan((60.0, 9_000.0), tolerance_w=500.0)))
    kinds = cm.PowerToleranceAcceptance
    said = kinds.PowerToleranceConfirmed if confirms else kinds.PowerToleranceNotConfirmed
    taken(drive, profile((60, 9_000.0), power_tolerance_acceptance=said))
    (found,) = (one for one in drive.context.facts.news if isinstance(one, PowerProfileTaken))
    assert found.tolerance is confirms
