"""Price schedules between values and the messages of ISO 15118-20, digit for digit.

A signed price counts as it was signed, so nothing is re-scaled on the way: exponent and value of
every amount stay what they were.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from iso15118.energy.offer import (
    MOST_ENTRIES,
    MOST_OVERSTAY,
    MOST_RULES,
    MOST_SERVICES,
    MOST_TAXES,
    EnergyOffer,
)
from iso15118.energy.price import (
    AbsolutePrices,
    AdditionalService,
    OverstayRule,
    OverstayRules,
    PriceLevels,
    PriceRule,
    PriceRuleStack,
    Prices,
    TaxRule,
)
from iso15118.energy.schedule import Schedule
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.values import TimeStampUnit, anchored, si, time_stamp

__all__ = [
    "PriceElement",
    "amount_of",
    "energy_offer",
    "price_element",
    "prices_of",
    "rational_of",
    "shortened",
]

PriceElement = cm.AbsolutePriceSchedule | cm.PriceLevelSchedule
_GREATEST: Final = 32767
_NOISE_S: Final = 1e-3


def rational_of(amount: Decimal) -> RationalNumber:
    """The same digits and exponent; zeros at the end of a whole number are only dropped where
    it would not fit otherwise."""
    sign, digits, exponent = amount.as_tuple()
    value, power = 0, int(exponent)
    for digit in digits:
        value = value * 10 + digit
    while value > _GREATEST and value % 10 == 0:
        value, power = value // 10, power + 1
    return RationalNumber(exponent=power, value=-value if sign else value)


def amount_of(number: RationalNumber) -> Decimal:
    """The same digits and exponent."""
    value = number.value
    digits = tuple(int(one) for one in str(abs(value)))
    return Decimal((1 if value < 0 else 0, digits, number.exponent))


# -- written


def price_element(prices: Prices, epoch: float, unit: TimeStampUnit = TimeStampUnit.SECONDS) -> PriceElement:
    """The element of a message; ``epoch``: what has to be added to the session's clock to get Unix time."""
    anchor = prices.anchor
    if anchor is None:
        # Downward, as every time stamp here: nothing that is offered from now on is without a price.
        anchor = time_stamp(math.floor(prices.begins + epoch + _NOISE_S), unit)
    if isinstance(prices, PriceLevels):
        return cm.PriceLevelSchedule(
            id=prices.id,
            time_anchor=anchor,
            price_schedule_id=prices.schedule_id,
            price_schedule_description=prices.description,
            number_of_price_levels=prices.levels,
            price_level_schedule_entries=cm.PriceLevelScheduleEntryList(
                price_level_schedule_entry=tuple(
                    cm.PriceLevelScheduleEntry(duration=duration, price_level=level)
                    for duration, level in prices.entries
                )
            ),
        )
    return cm.AbsolutePriceSchedule(
        id=prices.id,
        time_anchor=anchor,
        price_schedule_id=prices.schedule_id,
        price_schedule_description=prices.description,
        currency=prices.currency,
        language=prices.language,
        price_algorithm=prices.algorithm,
        minimum_cost=_optional(prices.minimum_cost),
        maximum_cost=_optional(prices.maximum_cost),
        tax_rules=cm.TaxRuleList(tax_rule=tuple(map(_tax, prices.taxes))) if prices.taxes else None,
        price_rule_stacks=cm.PriceRuleStackList(
            price_rule_stack=tuple(
                cm.PriceRuleStack(duration=stack.duration_s, price_rule=tuple(map(_rule, stack.rules)))
                for stack in prices.stacks
            )
        ),
        overstay_rules=None if prices.overstay is None else _overstay(prices.overstay),
        additional_selected_services=cm.AdditionalServiceList(
            additional_service=tuple(
                cm.AdditionalService(service_name=one.name, service_fee=rational_of(one.fee))
                for one in prices.services
            )
        )
        if prices.services
        else None,
    )


def _optional(amount: Decimal | None) -> RationalNumber | None:
    return None if amount is None else rational_of(amount)


def _rule(rule: PriceRule) -> cm.PriceRule:
    return cm.PriceRule(
        energy_fee=rational_of(rule.energy_fee),
        parking_fee=_optional(rule.parking_fee),
        parking_fee_period=rule.parking_fee_period_s,
        carbon_dioxide_emission=rule.carbon_dioxide_g_per_kwh,
        renewable_generation_percentage=rule.renewable_percent,
        power_range_start=rational_of(rule.power_range_start_w),
    )


def _tax(tax: TaxRule) -> cm.TaxRule:
    return cm.TaxRule(
        tax_rule_id=tax.id,
        tax_rule_name=tax.name,
        tax_rate=rational_of(tax.rate_percent),
        tax_included_in_price=tax.included,
        applies_to_energy_fee=tax.on_energy,
        applies_to_parking_fee=tax.on_parking,
        applies_to_overstay_fee=tax.on_overstay,
        applies_minimum_maximum_cost=tax.on_bounds,
    )


def _overstay(rules: OverstayRules) -> cm.OverstayRuleList:
    return cm.OverstayRuleList(
        overstay_time_threshold=rules.time_threshold_s,
        overstay_power_threshold=_optional(rules.power_threshold_w),
        overstay_rule=tuple(
            cm.OverstayRule(
                overstay_rule_description=rule.description,
                start_time=rule.start_s,
                overstay_fee=rational_of(rule.fee),
                overstay_fee_period=rule.period_s,
            )
            for rule in rules.rules
        ),
    )


def shortened(prices: Prices, most: int, now: float) -> Prices | None:
    """With no more than ``most`` entries: of a longer one what has passed at ``now`` is left out, equal
    neighbours become one, and what is beyond is left out, since no price may be another than it is. None for
    one that is signed and too long."""
    entries: tuple[object, ...] = prices.entries if isinstance(prices, PriceLevels) else prices.stacks
    if len(entries) <= most:
        return prices
    if prices.id is not None:
        return None
    if isinstance(prices, PriceLevels):
        passed, begins = _passed([duration for duration, _ in prices.entries], prices.begins, now)
        levels: list[tuple[int, int]] = []
        for duration, level in prices.entries[passed:]:
            if levels and levels[-1][1] == level:
                levels[-1] = (levels[-1][0] + duration, level)
            else:
                levels.append((duration, level))
        return replace(prices, begins=begins, anchor=None, entries=tuple(levels[:most]))
    passed, begins = _passed([stack.duration_s for stack in prices.stacks], prices.begins, now)
    stacks: list[PriceRuleStack] = []
    for stack in prices.stacks[passed:]:
        if stacks and stacks[-1].rules == stack.rules:
            stacks[-1] = PriceRuleStack(stacks[-1].duration_s + stack.duration_s, stack.rules)
        else:
            stacks.append(stack)
    return replace(prices, begins=begins, anchor=None, stacks=tuple(stacks[:most]))


def _passed(durations: list[int], begins: float, now: float) -> tuple[int, float]:
    """How many of these spans are over, the last one never, and when the next one begins."""
    for number, duration in enumerate(durations[:-1]):
        if begins + duration > now:
            return number, begins
        begins += duration
    return len(durations) - 1, begins


# -- read


def prices_of(element: PriceElement, sent: int, now: float) -> Prices:
    """The value of an element in a message that came in at ``now`` and whose header says ``sent``."""
    begins = anchored(element.time_anchor, sent, now)
    if isinstance(element, cm.PriceLevelSchedule):
        return PriceLevels(
            begins=begins,
            anchor=element.time_anchor,
            entries=tuple(
                (entry.duration, entry.price_level)
                for entry in element.price_level_schedule_entries.price_level_schedule_entry[:MOST_ENTRIES]
            ),
            levels=element.number_of_price_levels,
            schedule_id=element.price_schedule_id,
            description=element.price_schedule_description,
            id=element.id,
        )
    services = element.additional_selected_services
    taxes = element.tax_rules
    return AbsolutePrices(
        begins=begins,
        anchor=element.time_anchor,
        stacks=tuple(
            PriceRuleStack(stack.duration, tuple(map(_read_rule, stack.price_rule[:MOST_RULES])))
            for stack in element.price_rule_stacks.price_rule_stack[:MOST_ENTRIES]
        ),
        currency=element.currency,
        algorithm=element.price_algorithm,
        schedule_id=element.price_schedule_id,
        language=element.language,
        description=element.price_schedule_description,
        minimum_cost=_read(element.minimum_cost),
        maximum_cost=_read(element.maximum_cost),
        taxes=() if taxes is None else tuple(map(_read_tax, taxes.tax_rule[:MOST_TAXES])),
        overstay=None if element.overstay_rules is None else _read_overstay(element.overstay_rules),
        services=()
        if services is None
        else tuple(
            AdditionalService(one.service_name, amount_of(one.service_fee))
            for one in services.additional_service[:MOST_SERVICES]
        ),
        id=element.id,
    )


def _read(number: RationalNumber | None) -> Decimal | None:
    return None if number is None else amount_of(number)


def _read_rule(rule: cm.PriceRule) -> PriceRule:
    return PriceRule(
        energy_fee=amount_of(rule.energy_fee),
        power_range_start_w=amount_of(rule.power_range_start),
        parking_fee=_read(rule.parking_fee),
        parking_fee_period_s=rule.parking_fee_period,
        carbon_dioxide_g_per_kwh=rule.carbon_dioxide_emission,
        renewable_percent=rule.renewable_generation_percentage,
    )


def _read_tax(tax: cm.TaxRule) -> TaxRule:
    return TaxRule(
        id=tax.tax_rule_id,
        rate_percent=amount_of(tax.tax_rate),
        name=tax.tax_rule_name,
        included=tax.tax_included_in_price,
        on_energy=tax.applies_to_energy_fee,
        on_parking=tax.applies_to_parking_fee,
        on_overstay=tax.applies_to_overstay_fee,
        on_bounds=tax.applies_minimum_maximum_cost,
    )


def _read_overstay(rules: cm.OverstayRuleList) -> OverstayRules:
    return OverstayRules(
        rules=tuple(
            OverstayRule(
                start_s=rule.start_time,
                fee=amount_of(rule.overstay_fee),
                period_s=rule.overstay_fee_period,
                description=rule.overstay_rule_description,
            )
            for rule in rules.overstay_rule[:MOST_OVERSTAY]
        ),
        time_threshold_s=rules.overstay_time_threshold,
        power_threshold_w=_read(rules.overstay_power_threshold),
    )


def energy_offer(offer: cm.EVEnergyOffer, sent: int, now: float) -> EnergyOffer | None:
    """What a vehicle would give back; None for one of no duration."""
    said, asks = offer.ev_power_schedule, offer.ev_absolute_price_schedule
    try:
        power = Schedule.of(
            anchored(said.time_anchor, sent, now),
            (
                (float(entry.duration), si(entry.power))
                for entry in said.ev_power_schedule_entries.ev_power_schedule_entry[:MOST_ENTRIES]
            ),
        )
    except ValueError:
        return None
    stacks = tuple(
        PriceRuleStack(
            stack.duration,
            tuple(
                PriceRule(
                    energy_fee=amount_of(rule.energy_fee),
                    power_range_start_w=amount_of(rule.power_range_start),
                )
                for rule in stack.ev_price_rule[:MOST_RULES]
            ),
        )
        for stack in asks.ev_price_rule_stacks.ev_price_rule_stack[:MOST_ENTRIES]
    )
    return EnergyOffer(
        power,
        AbsolutePrices(
            begins=anchored(asks.time_anchor, sent, now),
            anchor=asks.time_anchor,
            stacks=stacks,
            currency=asks.currency,
            algorithm=asks.price_algorithm,
        ),
    )
