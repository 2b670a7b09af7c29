"""Schedules of ISO 15118-2 at the station to the last digit: how a plan is shortened, when a schedule is
over, what a profile may be, and when the vehicle is asked for another schedule.

The functions are called as they are where a moment has to be met exactly.
"""

from __future__ import annotations

import pytest

from iso15118.energy.schedule import Schedule
from iso15118.messages import iso2
from iso15118.messages.physical import quantity, watts
from iso15118.secc.iso2 import schedules
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from tests.secc.iso2.test_schedules import DAY, discovered, entries
from tests.secc.iso2.vehicle import BATTERY_V, Drive, configured, profile, told

KW = 1000.0


# -- what is offered


@pytest.mark.parametrize(("left_s", "counts"), [(1.0, True), (0.9, False), (1.1, True)])
def test_a_plan_counts_as_long_as_a_second_of_it_is_left(left_s: float, counts: bool) -> None:
    drive = Drive()
    drive.to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.book.tell(ev.PlanChanged((((16.0, 5000.0),),)))
    drive.book.wait(16.0 - left_s)
    (one,) = discovered(drive, departure=600)
    assert entries(one) == ([(0, 1, 5000.0)] if counts else [(0, 600, 150 * KW)])


@pytest.mark.parametrize(
    ("begins", "lasts", "expected"),
    [
        (100.0, 600, [(60, 5 * KW), (60, 9 * KW)]),
        (100.4, 600, [(60, 5 * KW), (60, 9 * KW)]),
        (110.0, 600, [(10, 0.0), (60, 5 * KW), (60, 9 * KW)]),
        (110.0, 90, [(10, 0.0), (60, 5 * KW), (20, 9 * KW)]),
        (700.0, 600, [(600, 0.0)]),
        (800.0, 600, [(600, 0.0)]),
        (50.0, 600, [(10, 5 * KW), (60, 9 * KW)]),
        (40.0, 600, [(60, 9 * KW)]),
        (100.0, 60, [(60, 5 * KW)]),
    ],
)
def test_a_plan_from_now_on_in_whole_seconds(
    begins: float, lasts: int, expected: list[tuple[int, float]]
) -> None:
    """Of 5 kW and 20 kW, where 9 kW were offered; until it begins nothing flows."""
    plan = Schedule.of(begins, ((60.0, 5 * KW), (60.0, 20 * KW)))
    assert schedules._from_now(plan, 100.0, lasts, 9 * KW) == expected


@pytest.mark.parametrize(
    ("plan", "most", "expected"),
    [
        ([(10, 10.0), (10, 10.0), (10, 100.0)], 2, [(20, 10.0), (10, 100.0)]),
        ([(10, 100.0), (10, 10.0), (10, 20.0)], 2, [(10, 100.0), (20, 10.0)]),
        ([(1, 100.0), (10, 90.0), (100, 50.0)], 2, [(11, 90.0), (100, 50.0)]),
        ([(100, 60.0), (1, 10.0), (1, 0.0)], 2, [(100, 60.0), (2, 0.0)]),
        ([(10, 100.0), (10, 0.0), (10, 100.0)], 1, [(30, 0.0)]),
        ([(10, 100.0), (10, 0.0)], 2, [(10, 100.0), (10, 0.0)]),
    ],
)
def test_neighbours_become_one_where_the_least_energy_is_lost(
    plan: list[tuple[int, float]], most: int, expected: list[tuple[int, float]]
) -> None:
    assert [(s, quantity(p)) for s, p in schedules._shortened(list(plan), most)] == expected


@pytest.mark.parametrize(
    ("one", "other", "lost"),
    [
        ((2, 30.0), (5, 10.0), 40.0),
        ((2, 10.0), (5, 30.0), 100.0),
        ((2, 10.0), (5, 10.0), 0.0),
        ((3, -5.0), (4, 5.0), 40.0),
    ],
)
def test_what_is_lost_is_what_the_lesser_power_does_not_give(
    one: tuple[int, float], other: tuple[int, float], lost: float
) -> None:
    assert schedules._loss(one, other) == lost


@pytest.mark.parametrize(("many", "lossless"), [(255, True), (256, True), (257, False)])
def test_a_plan_of_up_to_256_entries_is_shortened_with_care(many: int, lossless: bool) -> None:
    """Pairs of equal neighbours that do not begin with the first entry: halving loses energy there."""
    plan = [(60, 1000.0 * (1 + (number + 1) // 2 % 7)) for number in range(many)]
    energy = sum(s * p for s, p in plan)
    kept = sum(s * quantity(p) for s, p in schedules._shortened(list(plan), 129))
    assert (kept == energy) is lossless
    assert kept <= energy


@pytest.mark.parametrize("many", [300, 512, 700, 1001])
@pytest.mark.parametrize("most", [1, 12, 200, 290])
def test_a_plan_that_is_shortened_lasts_as_long_as_before(many: int, most: int) -> None:
    """Though its entries are many: the first of them are merged by twos, and an odd one stays as it is."""
    plan = [(60 + number % 3, 1000.0 * (1 + number % 7)) for number in range(many)]
    said = schedules._shortened(list(plan), most)
    assert len(said) <= most
    assert sum(seconds for seconds, _ in said) == sum(seconds for seconds, _ in plan)


@pytest.mark.parametrize(
    ("duration", "most", "expected"),
    [
        (DAY, 12, [DAY]),
        (DAY + 1, 12, [DAY, 1]),
        (DAY + 1, 1, [DAY]),
        (3 * DAY, 2, [DAY, DAY]),
        (3 * DAY, 3, [DAY, DAY, DAY]),
        (3 * DAY, 4, [DAY, DAY, DAY]),
    ],
)
def test_an_entry_of_days_is_said_in_days_as_far_as_there_is_room(
    duration: int, most: int, expected: list[int]
) -> None:
    said = schedules._in_days([(duration, watts(5000.0))], most)
    assert [seconds for seconds, _ in said] == expected


# -- the vehicle's profile


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        (((0, 10 * KW), (3600, 5 * KW)), True),
        (((0, 10 * KW), (3601, 5 * KW)), False),
        (((0, 10 * KW), (3599, 5 * KW)), True),
        (((0, 10.001 * KW),), False),
        (((0, 5 * KW), (7200, 99 * KW)), True),
        (((0, 5 * KW), (7199, 99 * KW)), False),
    ],
)
def test_a_profile_keeps_to_the_schedule_to_the_second_and_the_watt(
    said: tuple[tuple[int, float], ...], fits: bool
) -> None:
    schedule = Schedule.of(100.0, ((3600.0, 10 * KW), (3600.0, 5 * KW)))
    problem = schedules._profile_problem(profile(*said), schedule, 100.0)
    assert (problem == "") is fits


def test_entries_of_a_profile_that_begin_at_once_are_out_of_order() -> None:
    schedule = Schedule.of(0.0, ((3600.0, 10 * KW),))
    for second in (0, 1):
        problem = schedules._profile_problem(profile((0, 1.0), (second, 1.0)), schedule, 0.0)
        assert ("out of order" in problem) is (second == 0)


# -- in the loop


@pytest.mark.parametrize(
    ("after", "power"),
    [(0.0, 9 * KW), (59.9, 9 * KW), (60.0, 4 * KW), (120.0, 4 * KW), (179.9, 4 * KW), (180.0, 0.0)],
)
def test_the_last_power_holds_a_minute_to_the_moment(after: float, power: float) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    ctx = drive.context
    ctx.schedules[1] = Schedule.of(64.0, ((60.0, 9 * KW), (60.0, 4 * KW)))
    ctx.facts.now = 64.0 + after
    assert schedules.allowed_w(ctx) == power
    ctx.tuple_id = 2
    assert schedules.allowed_w(ctx) == 0.0, "without a schedule nothing is allowed"


def test_another_schedule_is_asked_for_at_the_moment_at_which_the_old_one_is_over() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.context.schedules[1] = Schedule.of(0.0, ((64.0, 9 * KW),))
    for now, asked in ((63.9, "None"), (64.0, "ReNegotiation")):
        drive.book.now = now
        drive.session.timers.clear_all()
        drive.measure(BATTERY_V)
        assert told(drive.loop().dc_evse_status)[2] == asked


@pytest.mark.parametrize("every_s", [0.5, 100.0])
def test_it_is_asked_for_for_half_a_minute_and_then_not_more_often_than_by_setting(every_s: float) -> None:
    drive = Drive(config=configured(schedule_renegotiation_s=every_s)).to(State.CURRENT_DEMAND)
    drive.book.tell(ev.PlanChanged((((7200.0, 30_000.0),),)))
    seen = []
    for now in (64.0, 93.9, 94.0, 150.0, 163.9, 164.0, 193.9, 194.0):
        drive.book.now = now
        drive.session.timers.clear_all()
        drive.measure(BATTERY_V, now % 10.0)  # no sensor shows the same for minutes
        seen.append((now, told(drive.loop().dc_evse_status)[2] == "ReNegotiation"))
    asked = [now for now, asks in seen if asks]
    often = [64.0, 93.9, 150.0, 163.9, 164.0, 194.0]
    assert asked == (often if every_s == 0.5 else [64.0, 93.9, 164.0, 193.9])


def test_how_a_new_negotiation_ends_is_told() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    assert not any(isinstance(one, act.ScheduleRenegotiated) for one in drive.book.actions)
    drive.book.tell(ev.ScheduleRenegotiationRequested("less sun"))
    began = drive.book.now
    drive.loop()
    drive.book.now = began + 30.0
    drive.session.timers.clear_all()
    drive.measure(BATTERY_V)
    drive.loop()
    (news,) = [one for one in drive.book.actions if isinstance(one, act.ScheduleRenegotiated)]
    assert (news.beside, news.agreed) == (False, False)
    assert "in time" in news.reason
    for _ in range(2):
        drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
        drive.measure(BATTERY_V)
        drive.send(iso2.ChargeParameterDiscoveryReq)
        drive.send(iso2.PowerDeliveryReq)
        told_ = [one for one in drive.book.actions if isinstance(one, act.ScheduleRenegotiated)]
        assert told_ == [act.ScheduleRenegotiated(beside=False, agreed=True)]
        drive.loop()
        assert not any(isinstance(one, act.ScheduleRenegotiated) for one in drive.book.actions)
