"""The schedule that a vehicle of ISO 15118-20 follows, and the profile and the ticket that are made of its
plan, at their edges.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.planning import Wish
from iso15118.energy.schedule import Schedule
from iso15118.evcc import EvccConfig
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.din.plan import Plan as OfDin
from iso15118.evcc.iso2.plan import Plan as OfIso2
from iso15118.evcc.iso20 import choice, meter, pause, profile, shown
from iso15118.evcc.iso20.plan import ChosenSchedule, Plan, read_schedule
from iso15118.evcc.schedule_settings import ScheduleEvccSettings
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import DetailedCost, MeterInfo, Receipt
from iso15118.messages.values import rational, si
from iso15118.session import actions as act
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.events import Cost
from iso15118.session.limits import VehicleLimits
from iso15118.session.secured import TlsPeer
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from tests.evcc.station import SESSION_ID, STATION, VEHICLE, Host, battery

NOW = 1_000.0
EPOCH = 1_790_000_000
HOUR = 3600.0


def talk_of(cells: Any = None, limits: VehicleLimits = VEHICLE, **settings: Any) -> Conversation:
    talk = Host(config=EvccConfig(**settings), limits=limits).session._talk
    talk.battery, talk.now = battery(**(cells or {})), NOW
    talk.outbox.clear()
    return talk


def chosen(*powers: tuple[float, float], told: Any = None, anchor: int = EPOCH + 1_000) -> ChosenSchedule:
    return ChosenSchedule(
        tuple_id=3,
        charging=Schedule.of(NOW, powers),
        discharging=None,
        anchor=anchor,
        names_tolerance=False,
        profile=None if told is None else Schedule.of(NOW, told),
    )


def plan_of(*powers: tuple[float, float], **fields: Any) -> Plan:
    return Plan(offer=STATION, station=STATION, schedule=chosen(*powers), **fields)


# -- the schedule ------------------------------------------------------------------------------------------


def test_what_was_told_holds_and_the_schedule_where_nothing_was() -> None:
    plan = plan_of((HOUR, 9_000.0))
    assert plan.scheduled_power_w(NOW + 60.0) == 9_000.0
    plan.schedule = chosen((HOUR, 9_000.0), told=((HOUR, 5_000.0),))
    assert plan.scheduled_power_w(NOW + 60.0) == 5_000.0
    assert Plan().scheduled_power_w(NOW) == float("inf")
    assert plan.scheduled_discharge_w(NOW) == float("inf")


@pytest.mark.parametrize(
    ("powers", "at", "nothing"),
    [
        (((HOUR, 0.0),), 0.0, True),
        (((HOUR, 0.5),), 0.0, False),
        (((HOUR, 0.0), (HOUR, 0.5)), 0.0, False),
        (((HOUR, 9.0), (HOUR, 0.0)), HOUR, True),
        (((HOUR, 9.0), (HOUR, 0.0)), HOUR - 2.0, False),
        (((HOUR, 0.0),), HOUR - 0.1, True),
        (((HOUR, 0.0),), HOUR, False),
    ],
)
def test_a_schedule_without_power_from_now_to_its_end(powers: Any, at: float, nothing: bool) -> None:
    assert plan_of(*powers).nothing_scheduled(NOW + at) is nothing
    assert plan_of(*powers).schedule_over(NOW + at) is (at >= HOUR * len(powers))
    assert not Plan().nothing_scheduled(NOW)


@pytest.mark.parametrize(
    ("at", "allowed_w"),
    [
        (HOUR - 1.1, 9_000.0),
        (HOUR - 1.0, 5_000.0),
        (HOUR + 0.9, 5_000.0),
        (2 * HOUR + 0.9, 5_000.0),
        (2 * HOUR + 1.1, 7_000.0),
    ],
)
def test_a_second_around_a_step_the_lesser_power_holds(at: float, allowed_w: float) -> None:
    plan = plan_of((HOUR, 9_000.0), (HOUR, 5_000.0), (HOUR, 7_000.0))
    assert plan.scheduled_power_w(NOW + at) == allowed_w
    assert plan.schedule is not None
    plan.schedule = replace(plan.schedule, discharging=plan.schedule.charging)
    assert plan.scheduled_discharge_w(NOW + at) == allowed_w


def tuple_of(*watts: float, available: float | None = None, back: float | None = None) -> cm.ScheduleTuple:
    def one(*powers: float) -> cm.ChargingSchedule:
        entry = cm.PowerScheduleEntry(
            duration=60,
            power=rational(powers[0]),
            power_l2=rational(powers[1]) if len(powers) > 1 else None,
            power_l3=rational(powers[2]) if len(powers) > 2 else None,
        )
        return cm.ChargingSchedule(
            power_schedule=cm.PowerSchedule(
                time_anchor=EPOCH,
                available_energy=None if available is None else rational(available),
                power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=(entry,)),
            )
        )

    return cm.ScheduleTuple(
        schedule_tuple_id=1,
        charging_schedule=one(*watts),
        discharging_schedule=None if back is None else one(back),
    )


@pytest.mark.parametrize(
    ("watts", "back", "powers"),
    [
        ((7_000.0,), None, (7_000.0, None)),
        ((-7_000.0,), None, (0.0, None)),
        ((7_000.0,), -3_000.0, (7_000.0, 3_000.0)),
        ((7_000.0,), 3_000.0, (7_000.0, 3_000.0)),
        ((7_000.0, 5_000.0), None, (10_000.0, None)),
        ((1_000.0, -9_000.0, 2_000.0), None, (0.0, None)),
    ],
)
def test_the_powers_that_are_read(watts: Any, back: float | None, powers: tuple[float, float | None]) -> None:
    read = read_schedule(tuple_of(*watts, back=back), EPOCH, NOW)
    assert read.charging.powers == (powers[0],)
    assert (None if read.discharging is None else read.discharging.powers[0]) == powers[1]
    assert read.charging.begins == NOW


@pytest.mark.parametrize(
    ("said", "kept"), [(None, None), (5_000.0, 5_000.0), (0.0, 0.0), (-5.0, 0.0), (0.5, 0.5)]
)
def test_the_energy_that_is_there(said: float | None, kept: float | None) -> None:
    assert read_schedule(tuple_of(1.0, available=said), EPOCH, NOW).available_wh == kept


@pytest.mark.parametrize("kind", [Plan, OfIso2, OfDin], ids=lambda one: one.__module__)
def test_a_station_that_has_said_nothing_yet_can_do_nothing(kind: Any) -> None:
    for limits in (kind().offer, kind().station):
        most = limits.maximum_charge_power_w, limits.maximum_charge_current_a, limits.maximum_voltage_v
        assert most == (0.0, 0.0, 0.0)


# -- what is planned ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("departs_s", "early_s", "until_s"),
    [
        (None, 60.0, None),
        (HOUR, 60.0, HOUR - 60.0),
        (300.0, 60.0, 270.0),
        (0.0, 60.0, 0.0),
        (-50.0, 60.0, -50.0),
    ],
)
def test_a_plan_is_done_a_little_before_departure(
    departs_s: float | None, early_s: float, until_s: float | None
) -> None:
    talk = talk_of(schedules=ScheduleEvccSettings(early_s=early_s, choice=Wish.FASTEST, reserve=0.1))
    talk.departure_at = None if departs_s is None else NOW + departs_s
    wanted = choice.wanted_now(talk, plan_of((HOUR, 1.0)))
    assert wanted.until == (None if until_s is None else pytest.approx(NOW + until_s))
    assert (wanted.now, wanted.wish, wanted.reserve) == (NOW, Wish.FASTEST, 0.1)
    assert wanted.energy_wh == 100_000.0


def test_nobody_plans_to_give_back_what_is_too_much() -> None:
    assert choice.wanted_now(talk_of({"energy_to_target_wh": -5.0}), plan_of((HOUR, 1.0))).energy_wh == 0.0


@pytest.mark.parametrize(
    ("own_a", "own_w", "station_a", "station_w", "volts", "least_w"),
    [
        (0.0, 0.0, 0.0, 0.0, 800.0, 0.0),
        (5.0, 0.0, 0.0, 0.0, 800.0, 4_000.0),
        (0.0, 0.0, 6.0, 0.0, 800.0, 4_800.0),
        (5.0, 0.0, 6.0, 0.0, 800.0, 4_800.0),
        (5.0, 9_000.0, 6.0, 0.0, 800.0, 9_000.0),
        (5.0, 9_000.0, 6.0, 9_500.0, 800.0, 9_500.0),
        (5.0, 1.0, 6.0, 2.0, -800.0, 2.0),
    ],
)
def test_the_least_that_the_two_can_charge_with(
    own_a: float, own_w: float, station_a: float, station_w: float, volts: float, least_w: float
) -> None:
    limits = replace(VEHICLE, minimum_charge_current_a=own_a, minimum_charge_power_w=own_w)
    plan = plan_of((HOUR, 1.0))
    plan.offer = replace(STATION, minimum_charge_current_a=station_a, minimum_charge_power_w=station_w)
    talk = talk_of({"voltage_v": volts}, limits)
    assert choice._least_w(talk, plan) == least_w
    plan.ac.own = AcVehicleLimits.of(current_a=16.0)
    assert choice._least_w(talk, plan) == least_w  # there is no outlet
    plan.ac.offer = replace(AcStationLimits.of(current_a=16.0), minimum_charge_power_w=(2_000.0,) * 3)
    assert choice._least_w(talk, plan) == pytest.approx(6_000.0)
    plan.ac.offer = AcStationLimits.of(current_a=16.0)
    assert choice._least_w(talk, plan) == pytest.approx(3 * 6.0 * 230.0)


def test_a_profile_is_kept_as_it_is_written() -> None:
    made = choice._on_wire(Schedule(NOW, (NOW + 10.4, NOW + 10.6, NOW + 60.0), (1_000.04, 2_000.0, 32_768.0)))
    assert made.ends == (NOW + 10.0, NOW + 11.0, NOW + 60.0)
    assert made.powers == (1_000.0, 2_000.0, 32_760.0)
    short = Schedule(NOW, (NOW + 0.4,), (1.0,))
    assert choice._on_wire(short) is short
    merged = choice._on_wire(Schedule(NOW, (NOW + 0.4, NOW + 5.0), (1.0, 2.0)))
    assert (merged.ends, merged.powers) == ((NOW + 5.0,), (2.0,))
    assert choice._on_wire(brief := Schedule(NOW, (NOW + 1.0, NOW + 5.0), (1.0, 2.0))) == brief


# -- the profile that is told ------------------------------------------------------------------------------


def told(talk: Conversation, plan: Plan) -> tuple[int, list[tuple[int, float]]]:
    made = profile.power_profile(talk, plan)
    entries = made.ev_power_profile_entries.ev_power_profile_entry
    return made.time_anchor, [(entry.duration, si(entry.power)) for entry in entries]


@pytest.mark.parametrize(
    ("anchor", "said"),
    [
        (EPOCH + 1_000, EPOCH + 1_000),
        (EPOCH + 1_001, EPOCH + 1_001),
        (EPOCH + 1_002, EPOCH + 1_000),
        (0, EPOCH + 1_000),
    ],
)
def test_the_profile_begins_as_the_station_wrote_it_where_the_clocks_agree(anchor: int, said: int) -> None:
    plan = plan_of((HOUR, 9_000.0))
    plan.schedule = chosen((HOUR, 9_000.0), (60.0, 7e6), anchor=anchor)
    assert told(talk_of(), plan) == (said, [(3600, 9_000.0), (60, 1_000_000.0)])
    plan.schedule = chosen((HOUR, 9_000.0), told=((HOUR, 4_000.0),), anchor=anchor)
    assert told(talk_of(), plan) == (said, [(3600, 4_000.0)])


@pytest.mark.parametrize(("departs_s", "lasts"), [(None, 86_400), (600.0, 600), (0.0, 1), (-5.0, 1)])
def test_nothing_is_left_of_a_schedule_that_is_over_and_without_one_all_is_told(
    departs_s: float | None, lasts: int
) -> None:
    talk, plan = talk_of(), plan_of((10.0, 9_000.0))
    talk.now = NOW + 10.0
    talk.departure_at = None if departs_s is None else talk.now + departs_s
    assert told(talk, plan) == (EPOCH + 1_010, [(lasts, 0.0)])
    plan.schedule = None
    assert told(talk, plan) == (EPOCH + 1_010, [(lasts, 1_000_000.0)])


# -- what is kept of a pause, what is shown, what the meter says -------------------------------------------


@pytest.mark.parametrize(
    ("service", "phases", "volts"),
    [(ServiceID.AC, 3, 231.0), (ServiceID.AC_BPT, 3, 231.0), (ServiceID.DC, 0, 0.0), (ServiceID.WPT, 0, 0.0)],
)
def test_a_ticket_has_the_outlet_where_there_is_one(service: ServiceID, phases: int, volts: float) -> None:
    talk, plan = talk_of(), Plan(service=SERVICES[service], control_mode=ControlMode.DYNAMIC)
    talk.session_id, talk.plain = SESSION_ID, False
    talk.tls = TlsPeer(version="TLSv1.3", peer_chain=(b"station",))
    plan.ac.phases, plan.ac.nominal_voltage_v = 3, 231.0
    ticket = pause.keep(talk, plan)
    assert ticket is not None
    assert (ticket.service, ticket.phases, ticket.nominal_voltage_v) == (service, phases, volts)
    talk.tls = None
    assert pause.keep(talk, plan) is None  # the station could not be known again


@pytest.mark.parametrize(
    ("energy_wh", "power_w", "seconds"),
    [
        (0.0, 5_000.0, 0),
        (-1.0, 0.0, 0),
        (1.0, 99.9, None),
        (1.0, 100.0, 40),
        (1e9, 100.0, 604_800),
        (50_000.0, 50_000.0, 3_600),
    ],
)
def test_how_long_it_will_take_is_told_in_steps(
    energy_wh: float, power_w: float, seconds: int | None
) -> None:
    assert shown._time(energy_wh, power_w) == seconds


def test_a_receipt_is_told_when_it_is_another_one() -> None:
    talk, plan = talk_of(), Plan()
    reading = MeterInfo(meter_id="m", charged_energy_reading_wh=7)
    costs = DetailedCost(amount=rational(1.5), cost_per_unit=rational(0.3))
    first = Receipt(time_anchor=5, energy_costs=costs)
    for receipt, news in ((None, 0), (first, 1), (first, 1), (None, 1), (replace(first, time_anchor=6), 2)):
        meter.heard(talk, plan, reading, receipt)
        receipts = [one for one in talk.outbox if isinstance(one, act.ReceiptTold)]
        assert len(receipts) == news
    assert [one.at for one in receipts] == [5.0, 6.0]
    assert (receipts[0].energy, receipts[0].overstay) == (Cost(1.5, 0.3), None)


@pytest.mark.parametrize(
    ("cells", "highest"),
    [
        ({}, 87),
        ({"energy_to_maximum_wh": 270_000.0}, 100),
        ({"energy_to_maximum_wh": 1e6}, 100),
        ({"energy_to_maximum_wh": -1e6}, 0),
        ({"energy_to_maximum_wh": 0.0}, 50),
        ({"capacity_wh": 0.0}, None),
        ({"capacity_wh": 0.5, "energy_to_maximum_wh": 0.1}, 70),
    ],
)
def test_the_highest_state_of_charge_that_is_shown(cells: dict[str, float], highest: int | None) -> None:
    assert shown.shown(talk_of(cells), Plan(), 1_000.0).maximum_soc == highest


def test_times_are_computed_anew_every_ten_seconds_and_the_rest_at_once() -> None:
    talk, plan = talk_of(), Plan()
    first = shown.shown(talk, plan, 50_000.0)
    times = (first.remaining_time_to_minimum_soc, first.remaining_time_to_target_soc)
    assert times == (0, 7_200)
    assert first.remaining_time_to_maximum_soc == 14_400
    for later, changes in ((9.9, False), (10.0, True)):
        talk.now = NOW + later
        again = shown.shown(talk, plan, 100_000.0)
        assert (again is first) is not changes
        assert again.remaining_time_to_target_soc == (3_600 if changes else 7_200)
    talk.battery = battery(soc=51.0, inlet_hot=True)
    hot = shown.shown(talk, plan, 100_000.0)
    assert (hot.present_soc, hot.inlet_hot, hot.charging_complete) == (51, True, False)
    for soc, told_soc in ((-1.0, 0), (104.0, 100)):
        talk.battery = battery(soc=soc)
        assert shown.shown(talk, plan, 0.0).present_soc == told_soc
