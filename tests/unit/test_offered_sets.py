"""Parameter sets that a station offers: their numbers, and what each of them says by its service and
its mode. Prices as wire numbers, and price schedules that are too long.

A number that moves between two answers would make a vehicle choose another set than it read.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from iso15118.energy.price import AbsolutePrices, PriceLevels, PriceRule, PriceRuleStack
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.session.ac_limits import AcStationLimits, Islanding
from iso15118.session.price_wire import amount_of, rational_of, shortened
from iso15118.session.services import (
    SERVICES,
    ControlMode,
    GeneratorMode,
    MobilityNeedsMode,
    Pricing,
    ServiceID,
    ac_parameter_sets,
    parameter_sets,
    phases_of,
)

SCHEDULED, DYNAMIC = ControlMode.SCHEDULED, ControlMode.DYNAMIC
CAR, BOTH = MobilityNeedsMode.PROVIDED_BY_EVCC, MobilityNeedsMode.PROVIDED_BY_SECC


def shown(sets: object) -> list[tuple[int, ControlMode, MobilityNeedsMode, Pricing]]:
    return [(one.id, one.control_mode, one.mobility_needs_mode, one.pricing) for one in sets]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("modes", "needs", "wanted"),
    [
        ((SCHEDULED,), (CAR,), [(SCHEDULED, CAR)]),
        ((DYNAMIC,), (CAR,), [(DYNAMIC, CAR)]),
        ((SCHEDULED, DYNAMIC), (CAR,), [(SCHEDULED, CAR), (DYNAMIC, CAR)]),
        ((DYNAMIC, SCHEDULED), (CAR,), [(DYNAMIC, CAR), (SCHEDULED, CAR)]),
        ((SCHEDULED, DYNAMIC), (CAR, BOTH), [(SCHEDULED, CAR), (DYNAMIC, CAR), (DYNAMIC, BOTH)]),
        ((SCHEDULED, DYNAMIC), (BOTH,), [(SCHEDULED, CAR), (DYNAMIC, BOTH)]),
        ((DYNAMIC, SCHEDULED), (BOTH, CAR), [(DYNAMIC, CAR), (SCHEDULED, CAR), (DYNAMIC, BOTH)]),
        ((SCHEDULED,), (CAR, BOTH), [(SCHEDULED, CAR)]),
    ],
)
def test_one_set_for_each_mode_and_in_dynamic_mode_for_each_source_of_needs(
    modes: tuple[ControlMode, ...],
    needs: tuple[MobilityNeedsMode, ...],
    wanted: list[tuple[ControlMode, MobilityNeedsMode]],
) -> None:
    for service in (ServiceID.DC, ServiceID.MCS_BPT):
        sets = parameter_sets(
            SERVICES[service],
            connector=2,
            control_modes=modes,
            mobility_needs_modes=needs,
            pricing=Pricing.ABSOLUTE,
        )
        assert shown(sets) == [
            (number, mode, who, Pricing.ABSOLUTE if mode is SCHEDULED else Pricing.NONE)
            for number, (mode, who) in enumerate(wanted, 1)
        ]
    for phases in (1, 3):
        outlet = AcStationLimits.of(current_a=16.0, phases=phases)
        sets = ac_parameter_sets(
            SERVICES[ServiceID.AC],
            outlet,
            control_modes=modes,
            mobility_needs_modes=needs,
            pricing=Pricing.PRICE_LEVELS,
        )
        by_connector = [one for one in sets if one.connector == 1]
        assert {(one.control_mode, one.mobility_needs_mode) for one in by_connector} == set(wanted)
        assert all(
            one.pricing is (Pricing.PRICE_LEVELS if one.control_mode is SCHEDULED else Pricing.NONE)
            for one in sets
        )
        assert [one.id for one in sets] == list(range(1, len(wanted) * (2 if phases == 3 else 1) + 1))


@pytest.mark.parametrize("three", [2, 3])
def test_an_outlet_of_three_phases_comes_first_with_three_and_then_with_one(three: int) -> None:
    outlet = AcStationLimits.of(current_a=16.0, nominal_voltage_v=230.6)
    sets = ac_parameter_sets(
        SERVICES[ServiceID.AC], outlet, three_phase_connector=three, mobility_needs_modes=(CAR, BOTH)
    )
    assert [(one.connector, one.control_mode, one.mobility_needs_mode) for one in sets] == [
        (three, SCHEDULED, CAR),
        (three, DYNAMIC, CAR),
        (1, SCHEDULED, CAR),
        (1, DYNAMIC, CAR),
        (three, DYNAMIC, BOTH),
        (1, DYNAMIC, BOTH),
    ]
    assert {one.nominal_voltage_v for one in sets} == {231}
    single = ac_parameter_sets(SERVICES[ServiceID.AC], AcStationLimits.of(current_a=16.0, phases=1))
    assert [(one.id, one.connector) for one in single] == [(1, 1), (2, 1)]


@pytest.mark.parametrize("service", [ServiceID.AC, ServiceID.AC_BPT])
def test_only_a_service_both_ways_says_how_islands_are_noticed(service: ServiceID) -> None:
    ways = (GeneratorMode.GRID_FOLLOWING, GeneratorMode.GRID_FORMING)
    sets = ac_parameter_sets(
        SERVICES[service],
        AcStationLimits.of(current_a=16.0, phases=1),
        control_modes=(DYNAMIC,),
        generator_modes=ways,
        islanding=Islanding.PASSIVE,
    )
    both = service is ServiceID.AC_BPT
    assert [one.generator_mode for one in sets] == (list(ways) if both else [None])
    assert {one.islanding for one in sets} == {Islanding.PASSIVE if both else None}
    assert {one.bpt_channel is not None for one in sets} == {both}


@pytest.mark.parametrize(
    ("connector", "phases"), [(None, 0), (0, 0), (1, 1), (2, 3), (3, 3), (4, 0), (5, 0), (-1, 0)]
)
def test_phases_of_a_connector(connector: int | None, phases: int) -> None:
    assert phases_of(connector) == phases


# -- prices as numbers of the wire


@pytest.mark.parametrize(
    ("amount", "value", "exponent"),
    [
        ("0", 0, 0),
        ("0.25", 25, -2),
        ("-0.25", -25, -2),
        ("0.250", 250, -3),  # the same digits as they were written
        ("32767", 32767, 0),
        ("32768", 32768, 0),  # does not fit, and says so where it is sent
        ("32770", 3277, 1),
        ("327670", 32767, 1),
        ("3276700", 32767, 2),
        ("-3276700", -32767, 2),
        ("100", 100, 0),
        ("100000", 10000, 1),
        ("1000000", 10000, 2),
        ("123450", 12345, 1),
        ("1.00000", 10000, -4),
    ],
)
def test_an_amount_keeps_its_digits(amount: str, value: int, exponent: int) -> None:
    assert rational_of(Decimal(amount)) == RationalNumber(exponent=exponent, value=value)


@pytest.mark.parametrize(
    ("value", "exponent", "amount"),
    [(0, 0, "0"), (0, -2, "0.00"), (25, -2, "0.25"), (-25, -2, "-0.25"), (1, 3, "1E+3"), (-1, 0, "-1")],
)
def test_an_amount_that_was_read_has_the_same_digits(value: int, exponent: int, amount: str) -> None:
    found = amount_of(RationalNumber(exponent=exponent, value=value))
    assert str(found) == amount
    assert found.as_tuple().sign == (1 if value < 0 else 0)


# -- price schedules that are too long


def rules(fee: int) -> tuple[PriceRule, ...]:
    return (PriceRule(energy_fee=Decimal(fee)),)


def money(*stacks: tuple[int, int], **fields: str) -> AbsolutePrices:
    made = tuple(PriceRuleStack(duration, rules(fee)) for duration, fee in stacks)
    return AbsolutePrices(begins=0.0, stacks=made, currency="EUR", **fields)  # type: ignore[arg-type]


def levels(*entries: tuple[int, int], **fields: str) -> PriceLevels:
    return PriceLevels(begins=0.0, entries=entries, levels=3, **fields)  # type: ignore[arg-type]


SHORTENED = [
    (((60, 1), (60, 1)), 2, ((60, 1), (60, 1))),  # short enough: as it is
    (((60, 1), (60, 2), (60, 2)), 2, ((60, 1), (120, 2))),
    (((60, 1), (30, 1), (60, 2)), 2, ((90, 1), (60, 2))),
    (((60, 1), (60, 2), (60, 1)), 2, ((60, 1), (60, 2))),
    (((60, 1), (60, 1), (60, 1)), 1, ((180, 1),)),
]


@pytest.mark.parametrize(("entries", "most", "wanted"), SHORTENED)
def test_equal_neighbours_become_one_and_the_rest_is_left_out(
    entries: tuple[tuple[int, int], ...], most: int, wanted: tuple[tuple[int, int], ...]
) -> None:
    assert shortened(levels(*entries), most, 0.0) == levels(*wanted)
    assert shortened(money(*entries), most, 0.0) == money(*wanted)


def test_what_is_signed_is_sent_whole_or_not_at_all() -> None:
    for prices in (levels((60, 1), (60, 1), id="p"), money((60, 1), (60, 1), id="p")):
        assert shortened(prices, 2, 0.0) is prices
        assert shortened(prices, 1, 0.0) is None


@pytest.mark.parametrize(
    ("now", "begins", "wanted"),
    [
        (59.9, 0.0, ((60, 1), (60, 2))),
        (60.0, 60.0, ((60, 2), (60, 3))),
        (120.0, 120.0, ((60, 3),)),
        (1e6, 120.0, ((60, 3),)),  # the last price stays
    ],
)
def test_of_what_is_too_long_the_prices_that_have_passed_are_left_out_first(
    now: float, begins: float, wanted: tuple[tuple[int, int], ...]
) -> None:
    entries = ((60, 1), (60, 2), (60, 3))
    for make in (levels, money):
        assert shortened(make(*entries), 2, now) == replace(make(*wanted), begins=begins)
        assert shortened(make(*entries), 3, now) == make(*entries), "short enough: as it is"
