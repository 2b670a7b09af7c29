"""Sales tariffs of a station: levels of all schedules together, times from now on,
signatures, and who is told them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.energy.price import AbsolutePrices, PriceLevels, PriceRule, PriceRuleStack, Prices
from iso15118.messages import iso2
from iso15118.pki import IssuedPki, issue_test_pki
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.iso2 import judge_tariffs
from iso15118.secc.iso2.sequence import State
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from tests.secc.iso2.vehicle import Drive, configured, dc_parameters, settings

ALWAYS = settings(tariffs="always")


@cache
def issued() -> IssuedPki:
    return issue_test_pki("iso2", "p256", at=datetime(2026, 11, 29, tzinfo=UTC))


def offer(prices: Prices | None) -> ScheduleOffer:
    return ScheduleOffer(charging=PowerOffer(entries=((7200.0, 50_000.0),), prices=prices))


def money(*fees: str, begins: float = 0.0, **rule: Any) -> AbsolutePrices:
    stacks = tuple(PriceRuleStack(1800, (PriceRule(energy_fee=Decimal(fee), **rule),)) for fee in fees)
    return AbsolutePrices(
        begins=begins, stacks=stacks, currency="EUR", description="A tariff with a long name, for the night"
    )


def discovered(drive: Drive, *prices: Prices | None, most: int | None = None) -> Any:
    """The whole answer, and its tuples."""
    drive.to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.book.tell(ev.SchedulesGiven(tuple(map(offer, prices))))
    return drive.send(
        iso2.ChargeParameterDiscoveryReq,
        max_entries_sa_schedule_tuple=most,
        ev_charge_parameter=dc_parameters(departure_time=7200),
    )


def tariffs(answer: Any) -> list[iso2.SalesTariff | None]:
    return [one.sales_tariff for one in answer.sa_schedules.sa_schedule_tuple]


def entries(tariff: iso2.SalesTariff | None) -> list[tuple[int, int | None, int | None]]:
    assert tariff is not None
    return [
        (one.time_interval.start, one.time_interval.duration, one.e_price_level)
        for one in tariff.sales_tariff_entry
    ]


def test_fees_become_levels_over_all_schedules_that_are_offered() -> None:
    one, two, three = tariffs(
        discovered(Drive(ALWAYS), money("0.30", "0.20", "0.40"), money("0.20", "0.20", "0.10"), None)
    )
    assert entries(one) == [(0, None, 3), (1800, None, 2), (3600, 1800, 4)]
    assert entries(two) == [(0, None, 2), (1800, None, 2), (3600, 1800, 1)]
    assert three is None
    assert one is not None
    assert (one.sales_tariff_id, one.num_e_price_levels, one.id) == (1, 4, None)
    assert one.sales_tariff_description == "A tariff with a long name, for t"
    (cost,) = one.sales_tariff_entry[0].consumption_cost
    assert [(part.cost_kind.value, part.amount) for part in cost.cost] == [("relativePricePercentage", 75)]


def test_emission_and_renewable_shares_are_told_beside() -> None:
    (one,) = tariffs(
        discovered(Drive(ALWAYS), money("0.3", carbon_dioxide_g_per_kwh=99, renewable_percent=40))
    )
    assert one is not None
    (cost,) = one.sales_tariff_entry[0].consumption_cost
    assert [(part.cost_kind.value, part.amount) for part in cost.cost] == [
        ("relativePricePercentage", 100),
        ("RenewableGenerationPercentage", 40),
        ("CarbonDioxideEmission", 99),
    ]


@pytest.mark.parametrize(
    ("begins", "expected"),
    [
        (-2000.0, [(0, None, 2), (1600, 1800, 1)]),
        (-1799.4, [(0, None, 2), (1801, 1800, 1)]),
        (600.0, [(600, None, 1), (2400, None, 2), (4200, 1800, 1)]),
        (-5400.0, None),
    ],
)
def test_times_count_from_now(begins: float, expected: Any) -> None:
    prices = PriceLevels(begins=begins, entries=((1800, 1), (1800, 2), (1800, 1)), levels=2)
    (one,) = tariffs(discovered(Drive(ALWAYS), prices))
    assert (None if one is None else entries(one)) == expected


def test_no_more_entries_than_the_vehicle_takes() -> None:
    prices = PriceLevels(begins=0.0, entries=tuple((60, 1 + number % 3) for number in range(300)), levels=3)
    (one,) = tariffs(discovered(Drive(ALWAYS), prices, most=12))
    assert entries(one)[-1] == (660, 60, 3)
    assert len(entries(one)) == 12


def test_very_many_fees_share_levels() -> None:
    fees = [str(Decimal(number).scaleb(-3)) for number in range(1, 1025)]
    (one,) = tariffs(discovered(Drive(ALWAYS), money(*fees)))
    levels = [level for _, _, level in entries(one)]
    assert levels == sorted(levels)  # type: ignore[type-var]  # all have one
    assert (levels[0], levels[-1]) == (1, 255)


def test_the_provider_signs_all_of_them_at_once() -> None:
    keys = tuple(signer_of(issued().credential(name)) for name in ("mo-sub2",))
    drive = Drive(ALWAYS, price_signers=keys)
    drive.to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.book.tell(ev.SchedulesGiven((offer(money("0.3")), offer(money("0.2")))))
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=dc_parameters(departure_time=7200))
    (use,) = (one for one in drive.book.actions if isinstance(one, act.UseKey))
    drive.book.tell(ev.KeyUsed.of(use))
    (message,) = (one.message for one in drive.book.actions if isinstance(one, act.Send))
    found = [one.sales_tariff for one in message.body.body_element.sa_schedules.sa_schedule_tuple]
    assert [one.id for one in found] == ["tariff1", "tariff2"]
    chain = signer_of(issued().credential("contract")).chain
    assert judge_tariffs(found, message.header.signature, chain).ok
    assert not judge_tariffs(found[:1], message.header.signature, chain).ok


@pytest.mark.parametrize("told", ["contract", "never"])
def test_who_pays_at_a_terminal_is_told_none(told: Any) -> None:
    assert tariffs(discovered(Drive(settings(tariffs=told)), money("0.3"))) == [None]


def test_the_energy_manager_is_asked_once_and_waited_for() -> None:
    config = configured(ALWAYS, schedules=ScheduleSeccSettings(wait_s=5.0))
    drive = Drive(config=config, schedules=True).to(State.CHARGE_PARAMETER_DISCOVERY)
    asked = []
    for _ in range(3):
        answer = drive.send(
            iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=dc_parameters(departure_time=7200)
        )
        asked += [one for one in drive.book.actions if isinstance(one, act.RequestSchedules)]
        assert answer.evse_processing is iso2.EVSEProcessing.Ongoing
        assert answer.sa_schedules is None
        drive.book.wait(0.2)
    assert [one.number for one in asked] == [1]
    assert asked[0].needs.departure_at is not None
    drive.book.tell(ev.SchedulesGiven((offer(money("0.3")),), 1))
    answer = drive.send(
        iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=dc_parameters(departure_time=7200)
    )
    assert answer.evse_processing is iso2.EVSEProcessing.Finished
    assert len(tariffs(answer)) == 1


def test_an_energy_manager_that_says_nothing_is_not_waited_for_any_longer() -> None:
    config = configured(ALWAYS, schedules=ScheduleSeccSettings(wait_s=5.0))
    drive = Drive(config=config, schedules=True).to(State.CHARGE_PARAMETER_DISCOVERY)
    began = drive.book.now
    while True:
        answer = drive.send(
            iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=dc_parameters(departure_time=7200)
        )
        if answer.evse_processing is iso2.EVSEProcessing.Finished:
            break
        drive.book.wait(0.5)
    assert 5.0 <= drive.book.now - began <= 5.6
    assert tariffs(answer) == [None]
