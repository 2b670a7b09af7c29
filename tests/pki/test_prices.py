"""Signed price schedules: digits that survive, signatures of the provider, and every way
to tamper with one price."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

import msgspec
import pytest

from iso15118 import exi
from iso15118.energy.price import (
    AbsolutePrices,
    AdditionalService,
    OverstayRule,
    OverstayRules,
    PriceLevels,
    PriceRule,
    PriceRuleStack,
    TaxRule,
)
from iso15118.errors import MisuseError
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.pki import IssuedPki, issue_test_pki
from iso15118.pki.keys.signer import signer_of
from iso15118.pnc.prices import judge_prices, relayed_prices, signed_prices
from iso15118.session.price_wire import PriceElement, amount_of, price_element, prices_of, rational_of

DAY = datetime(2026, 11, 29, tzinfo=UTC)
EPOCH = 1_790_000_000.0


@cache
def issued(algorithm: str = "p521") -> IssuedPki:
    return issue_test_pki("iso20", algorithm, at=DAY)


PRICES = AbsolutePrices(
    begins=12.0,
    stacks=(
        PriceRuleStack(
            3600,
            (
                PriceRule(energy_fee=Decimal("0.250"), parking_fee=Decimal("1E-1"), parking_fee_period_s=900),
                PriceRule(
                    energy_fee=Decimal("-0.05"),
                    power_range_start_w=Decimal("11E+3"),
                    carbon_dioxide_g_per_kwh=12,
                    renewable_percent=99,
                ),
            ),
        ),
        PriceRuleStack(1800, (PriceRule(energy_fee=Decimal(0)),)),
    ),
    currency="EUR",
    description="night",
    minimum_cost=Decimal("0.5"),
    maximum_cost=Decimal(99),
    taxes=(TaxRule(id=1, name="VAT", rate_percent=Decimal(19), included=False, on_parking=False),),
    overstay=OverstayRules(
        rules=(OverstayRule(start_s=0, fee=Decimal("1.00"), period_s=60, description="go"),),
        time_threshold_s=60,
        power_threshold_w=Decimal(500),
    ),
    services=(AdditionalService("washing", Decimal("3.50")),),
    id="p1",
)
LEVELS = PriceLevels(begins=0.0, entries=((60, 1), (60, 3)), levels=3, id="p2", description="levels")


def elements() -> list[PriceElement]:
    return [price_element(one, EPOCH) for one in (PRICES, LEVELS)]


@pytest.mark.parametrize("prices", [PRICES, LEVELS], ids=["money", "levels"])
def test_what_is_read_is_what_was_written(prices: AbsolutePrices | PriceLevels) -> None:
    element = price_element(prices, EPOCH)
    wire = exi.encode("iso20-common", element, fragment=True)
    decoded = exi.decode("iso20-common", wire, fragment=True)
    assert decoded == element
    read = prices_of(decoded, 1_790_000_000, 0.0)
    assert msgspec.structs.replace(read, anchor=None) == prices
    assert exi.encode("iso20-common", price_element(read, 0.0), fragment=True) == wire, (
        "its anchor is kept, too"
    )


@pytest.mark.parametrize("seed", range(200))
def test_every_amount_keeps_exponent_and_value(seed: int) -> None:
    rng = random.Random(seed)
    number = RationalNumber(exponent=rng.randint(-128, 127), value=rng.randint(-32768, 32767))
    assert rational_of(amount_of(number)) == number or number.value == -32768
    assert amount_of(number) == Decimal(number.value).scaleb(number.exponent)


def test_a_whole_number_that_does_not_fit_loses_zeros_only() -> None:
    assert rational_of(Decimal(50_000)) == RationalNumber(exponent=1, value=5000)
    assert rational_of(Decimal(-1_000_000)) == RationalNumber(exponent=2, value=-10_000)


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
def test_the_provider_signs_all_prices_with_one_signature(algorithm: str) -> None:
    pki = issued(algorithm)
    signed = elements()
    signature = signed_prices(signed, signer_of(pki.credential("mo-sub2")))
    judged = judge_prices(signed, signature, signer_of(pki.credential("contract")).chain)
    assert [(one.intact, one.verdict.ok) for one in judged] == [(True, True)] * 2
    # A backend that signs brings the value only; what it covers follows from the elements.
    again = relayed_prices(signed, signature.signature_value.value)
    assert again == signature


def fee(element: cm.AbsolutePriceSchedule, value: int, exponent: int) -> cm.AbsolutePriceSchedule:
    first, *others = element.price_rule_stacks.price_rule_stack
    rule = msgspec.structs.replace(
        first.price_rule[0], energy_fee=RationalNumber(exponent=exponent, value=value)
    )
    stack = msgspec.structs.replace(first, price_rule=(rule, *first.price_rule[1:]))
    return msgspec.structs.replace(
        element, price_rule_stacks=cm.PriceRuleStackList(price_rule_stack=(stack, *others))
    )


@pytest.mark.parametrize(("value", "exponent"), [(251, -3), (25, -2), (2500, -4)])
def test_one_digit_or_another_exponent_spoils_that_price_alone(value: int, exponent: int) -> None:
    pki = issued()
    signed = elements()
    signature = signed_prices(signed, signer_of(pki.credential("mo-sub2")))
    money = signed[0]
    assert isinstance(money, cm.AbsolutePriceSchedule)
    chain = signer_of(pki.credential("contract")).chain
    spoilt, good = judge_prices([fee(money, value, exponent), signed[1]], signature, chain)
    assert not spoilt.intact
    assert [fault for fault, _ in spoilt.verdict.faults] == ["digest"]
    assert good.intact
    assert good.verdict.ok


def test_whose_signature_it_is() -> None:
    pki, other = issued(), issue_test_pki("iso20", "p521", at=DAY)
    signed = elements()
    signature = signed_prices(signed, signer_of(other.credential("mo-sub2")))
    judged = judge_prices(signed, signature, signer_of(pki.credential("contract")).chain)
    assert [one.intact for one in judged] == [False, False], "with the key at hand it is proof"
    assert {one.verdict.faults[-1][0] for one in judged} == {"signature"}
    unknown = judge_prices(signed, signature, ())
    assert [one.intact for one in unknown] == [True, True]
    assert {one.verdict.faults[-1][0] for one in unknown} == {"key"}
    higher = signed_prices(signed, signer_of(pki.credential("mo-sub1")))
    assert all(
        one.verdict.ok for one in judge_prices(signed, higher, signer_of(pki.credential("contract")).chain)
    )


def test_signatures_that_are_none() -> None:
    chain = signer_of(issued().credential("contract")).chain
    signed = elements()
    signature = signed_prices(signed, signer_of(issued().credential("mo-sub2")))
    assert not any(one.intact for one in judge_prices(signed, None, chain))
    assert judge_prices([], signature, chain) == ()
    info = signature.signed_info
    many = msgspec.structs.replace(info, reference=info.reference * 100)
    method = msgspec.structs.replace(
        info, signature_method=msgspec.structs.replace(info.signature_method, algorithm="none")
    )
    for odd in (many, method, msgspec.structs.replace(info, reference=info.reference * 2)):
        spoilt = msgspec.structs.replace(signature, signed_info=odd)
        assert not any(one.intact for one in judge_prices(signed, spoilt, chain))
    twins = [signed[0], msgspec.structs.replace(signed[1], id="p1")]
    assert not any(one.intact for one in judge_prices(twins, signature, chain))
    assert not any(one.verdict.ok for one in judge_prices(signed, signature, (b"x", b"\x30\x00", b"")))
    with pytest.raises(MisuseError, match="no price"):
        signed_prices([], signer_of(issued().credential("mo-sub2")))
    with pytest.raises(MisuseError, match="no price"):
        relayed_prices([], b"x")
