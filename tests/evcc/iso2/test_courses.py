"""Which of the schedules of ISO 15118-2 is taken, to the watt-hour and to the level, and the profile that is
told of it.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.schedule import Schedule
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso2 import profile, schedules
from iso15118.evcc.iso2.pause import _may_go_on
from iso15118.evcc.iso2.plan import ChosenSchedule, Plan
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session.services import ServiceID
from iso15118.session.ticket import EvccTicket, Iso2Choice
from tests.evcc.iso2.contracts import held
from tests.evcc.iso2.station import SESSION_ID, Host, battery
from tests.evcc.iso2.station import schedules as offered

NOW = 100.0
OWN_W = 100_000.0


def talk_of(lacks_wh: float = 10_000.0, **settings: Any) -> Conversation:
    talk = Host(**settings).session._talk
    talk.battery, talk.now = battery(energy_to_target_wh=lacks_wh), NOW
    return talk


def chosen(number: int, *powers: tuple[float, float], price: Schedule | None = None) -> ChosenSchedule:
    power = Schedule.of(NOW, powers or ((1.0, 0.0),))
    return ChosenSchedule(tuple_id=number, power=power, price=price, read_at=NOW)


def taken(talk: Conversation, *offers: ChosenSchedule) -> int:
    return schedules.choose_schedule(talk, Plan(), offers, OWN_W).tuple_id


# -- enough ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_wh", "second_wh", "number"),
    [
        (10_000.0, 50_000.0, 1),
        (9_999.0, 50_000.0, 1),
        (9_998.9, 50_000.0, 2),
        (5_000.0, 5_001.0, 1),
        (5_000.0, 5_001.1, 2),
        (50_000.0, 60_000.0, 1),
    ],
)
def test_the_first_that_gives_enough_to_the_watt_hour(first_wh: float, second_wh: float, number: int) -> None:
    assert taken(talk_of(), chosen(1, (3600.0, first_wh)), chosen(2, (3600.0, second_wh))) == number


def test_whoever_wants_nothing_takes_the_first() -> None:
    for lacks_wh in (0.0, -5_000.0):
        assert taken(talk_of(lacks_wh), chosen(1, (3600.0, 0.0)), chosen(2, (3600.0, 9_000.0))) == 1


def test_what_comes_behind_the_departure_does_not_count() -> None:
    talk = talk_of()
    offers = (chosen(1, (1800.0, 1_000.0), (1800.0, 90_000.0)), chosen(2, (3600.0, 21_000.0)))
    assert taken(talk, *offers) == 1
    talk.departure_at = NOW + 1800.0
    assert taken(talk, *offers) == 2


# -- the price ---------------------------------------------------------------------------------------------


def levels(*entries: tuple[float, float], begins: float = NOW) -> Schedule:
    return Schedule.of(begins, entries)


def cost(schedule: ChosenSchedule, lacks_wh: float = 10_000.0) -> tuple[float, float | None]:
    return schedules._course(talk_of(lacks_wh), schedule, OWN_W, lacks_wh)


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (None, None),
        (levels((3600.0, 2.0)), 20_000.0),
        (levels((1800.0, 2.0), (1800.0, 4.0)), 28_000.0),
        # It is full after 50 minutes: what follows costs nothing.
        (levels((3000.0, 2.0), (600.0, 9.0)), 20_000.0),
        # What the tariff does not cover is as dear as anything in it.
        (levels((1500.0, 2.0)), 20_000.0),
        (levels((750.0, 2.0), (750.0, 4.0)), 0.25 * 20_000.0 + 0.75 * 40_000.0),
        (levels((3600.0, 2.0), begins=NOW + 1500.0), 20_000.0),
        (levels((750.0, 2.0), (3600.0, 4.0), begins=NOW + 1500.0), 0.5 * 40_000.0 + 0.5 * 30_000.0),
    ],
)
def test_what_a_course_costs_in_levels_times_watt_hours(
    price: Schedule | None, expected: float | None
) -> None:
    given, found = cost(chosen(1, (3600.0, 12_000.0), price=price))
    assert given == pytest.approx(10_000.0)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_cheapest_of_those_that_give_enough() -> None:
    dear, cheap = levels((7200.0, 5.0)), levels((7200.0, 1.0))
    offers = (
        chosen(1, (3600.0, 20_000.0), price=dear),
        chosen(2, (3600.0, 20_000.0), price=cheap),
        chosen(3, (3600.0, 2_000.0), price=levels((7200.0, 0.0))),
    )
    assert taken(talk_of(), *offers) == 2
    assert taken(talk_of(), *offers, chosen(4, (3600.0, 20_000.0))) == 1  # without a price none is compared
    assert taken(talk_of(), *offers, chosen(4, (3600.0, 2_000.0))) == 2


# -- reading -----------------------------------------------------------------------------------------------


def test_a_schedule_counts_from_its_message_and_each_entry_to_the_next() -> None:
    talk = talk_of()
    said = offered((7, [(30, 9_000.0), (60, 5_000.0)], 40), (8, [(0, 1_000.0)], None))
    first, second = schedules.read_schedules(talk, said, believed=False)
    assert (first.tuple_id, first.read_at) == (7, NOW)
    powers = [first.power.at(NOW + at) for at in (29.0, 30.0, 59.0, 60.0, 99.0, 100.0)]
    assert powers == [0.0, 9_000.0, 9_000.0, 5_000.0, 5_000.0, 0.0]
    assert second.power.over_at == NOW + 86_400.0


def test_a_tariff_of_level_nothing_is_one() -> None:
    def tariff(*found: int | None) -> iso2.SalesTariff:
        return iso2.SalesTariff(
            sales_tariff_id=1,
            sales_tariff_entry=tuple(
                iso2.SalesTariffEntry(
                    time_interval=iso2.RelativeTimeInterval(start=60 * place, duration=60),
                    e_price_level=level,
                )
                for place, level in enumerate(found)
            ),
        )

    price = schedules._price(talk_of(), tariff(0, 3))
    assert price is not None
    assert price.powers == (0.0, 3.0)
    assert schedules._price(talk_of(), tariff(0, None)) is None


# -- the profile -------------------------------------------------------------------------------------------


def told(plan: Plan, own_w: float = OWN_W, later_s: float = 0.0) -> list[tuple[int, float]]:
    talk = talk_of()
    talk.now += later_s
    made = profile.charging_profile(talk, plan, own_w)
    return [
        (entry.charging_profile_entry_start, quantity(entry.charging_profile_entry_max_power))
        for entry in made.profile_entry
    ]


def test_without_a_schedule_the_profile_is_what_the_vehicle_can_take() -> None:
    plan = Plan()
    assert told(plan, 7_000.0) == [(0, 7_000.0)]
    assert plan.profile is None


@pytest.mark.parametrize(
    ("later_s", "expected"),
    [
        (0.0, [(0, 9_000.0), (60, 5_000.0)]),
        # Either way of reading its times stays below the schedule.
        (10.0, [(0, 9_000.0), (50, 5_000.0)]),
        (0.5, [(0, 9_000.0), (59, 5_000.0)]),
        (60.0, [(0, 5_000.0)]),
        (119.5, [(0, 5_000.0)]),
    ],
)
def test_the_profile_follows_the_schedule_from_now_on(
    later_s: float, expected: list[tuple[int, float]]
) -> None:
    plan = Plan(schedule=chosen(1, (60.0, 9_000.0), (60.0, 5_000.0)))
    assert told(plan, later_s=later_s) == expected
    assert plan.profile is not None
    assert plan.profile.begins == NOW + later_s
    assert plan.profile.over_at == pytest.approx(NOW + max(120.0, later_s + 1.0))
    assert told(plan, 4_000.0, later_s) == [(0, 4_000.0)]


def test_a_schedule_that_is_still_to_come_has_nothing_until_then() -> None:
    plan = Plan(schedule=replace(chosen(1), power=Schedule.of(NOW + 30.0, [(60.0, 9_000.0)])))
    assert told(plan) == [(0, 0.0), (30, 9_000.0)]
    assert told(plan, later_s=10.0) == [(0, 0.0), (30, 9_000.0)]


def test_a_power_that_rises_is_taken_when_both_ways_of_reading_have_it() -> None:
    plan = Plan(schedule=chosen(1, (60.0, 5_000.0), (60.0, 9_000.0)))
    assert told(plan, later_s=10.0) == [(0, 5_000.0), (60, 9_000.0)]


# -- a paused session --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "contracts", "goes_on"),
    [
        ({}, False, True),
        ({"emaid": "DE8AA1"}, False, False),
        ({"emaid": "DE8AA1"}, True, True),
        ({}, True, True),
        ({"edition": "iso20", "iso2": None}, False, False),
        ({"evccid": "00"}, False, False),
        ({"secure": True}, False, False),
        ({"iso2": Iso2Choice(mode="AC_three_phase_core", tuple_id=1)}, False, False),
        ({"paused_at": 0.0}, False, False),
    ],
    ids=str,
)
def test_a_ticket_holds_where_everything_is_as_it_was(
    changes: dict[str, Any], contracts: bool, goes_on: bool
) -> None:
    settings = {"energy_transfer_modes": (iso2.EnergyTransferMode.DC_extended,)}
    talk = talk_of(iso2=settings)
    talk.contracts = held("contract-0") if contracts else None
    ticket = EvccTicket(
        edition="iso2",
        session_id=SESSION_ID,
        evccid=talk.config.iso2.evccid.hex(),
        secure=False,
        service=ServiceID.DC,
        iso2=Iso2Choice(mode="DC_extended", tuple_id=1),
        paused_at=talk.epoch,
    )
    assert _may_go_on(talk, replace(ticket, **changes)) is goes_on
