"""Sales tariffs: the energy manager's prices as ISO 15118-2 can say them, as levels and shares,
signed with the provider's key.

There is no money in this edition: the cheapest fee is level 1, and how dear the others are is
a percentage of the dearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from iso15118.energy.price import AbsolutePrices, PriceLevels, PriceRuleStack, Prices
from iso15118.messages import iso2
from iso15118.messages.physical import floor_physical
from iso15118.secc.price_signing import PriceSigning, begin_signing
from iso15118.session.actions import UseKey
from iso15118.session.price_wire import shortened

from .context import Context

if TYPE_CHECKING:
    from iso15118.pki.keys.signer import Signer

__all__ = ["Made", "sign", "tariff_of", "wanted"]

_MOST_LEVELS: Final = 255
_DAY: Final = 86_400
_LONGEST: Final = 16_777_214
"""Of RelativeTimeInterval.start."""
_LONGEST_DESCRIPTION: Final = 32
_MOST_COSTS: Final = 3


class Made(Struct, frozen=True):
    """Schedules with tariffs that wait for their signature, ``at`` which moment they
    were made, and ``of`` what."""

    schedules: iso2.SAScheduleList
    at: float
    of: tuple[object, ...]


def wanted(ctx: Context) -> bool:
    """Tariffs are told at all: by default only to a vehicle that pays by contract, since no other
    one can know whose they are."""
    told = ctx.settings.tariffs
    return told == "always" or (told == "contract" and bool(ctx.facts.emaid))


def tariff_of(ctx: Context, prices: Prices | None, number: int, most: int) -> iso2.SalesTariff | None:
    """The tariff of schedule ``number`` from now on, with at most ``most`` entries; None where
    there are no prices any more."""
    if prices is None:
        return None
    entries = _entries(ctx, prices, most)
    if not entries:
        return None
    description = prices.description
    signed = _signer(ctx) is not None
    return iso2.SalesTariff(
        id=f"tariff{number}" if signed else None,
        sales_tariff_id=number,
        sales_tariff_description=None if description is None else description[:_LONGEST_DESCRIPTION],
        num_e_price_levels=max(entry.e_price_level or 1 for entry in entries)
        if isinstance(prices, AbsolutePrices)
        else prices.levels,
        sales_tariff_entry=tuple(entries),
    )


def _entries(ctx: Context, prices: Prices, most: int) -> list[iso2.SalesTariffEntry]:
    """Starts in whole seconds from now on; what has passed is left out, and so is what does not fit."""
    now = ctx.facts.now
    prices = shortened(_unsigned(prices), most, now) or prices
    spans: list[tuple[int, int, tuple[iso2.ConsumptionCost, ...]]]
    if isinstance(prices, PriceLevels):
        spans = [(duration, level, ()) for duration, level in prices.entries]
    else:
        # Of all that is offered together, since the vehicle compares one tariff with another by them.
        stacks = [
            stack
            for offer in ctx.facts.offers
            if isinstance(offer.charging.prices, AbsolutePrices)
            for stack in offer.charging.prices.stacks
        ]
        ranks, dearest = _ranks(stacks), max(map(_fee, stacks))
        spans = [(stack.duration_s, ranks[_fee(stack)], _costs(stack, dearest)) for stack in prices.stacks]
    found: list[iso2.SalesTariffEntry] = []
    at = prices.begins
    ends = now
    for duration, level, costs in spans:
        start = round(at - now) if at - now >= 1.0 else 0  # behind what is over within a second
        at += duration
        if at - now < 1.0 or start > _LONGEST or len(found) == most:
            continue
        ends = at
        found.append(
            iso2.SalesTariffEntry(
                time_interval=iso2.RelativeTimeInterval(start=start),
                e_price_level=level,
                consumption_cost=costs,
            )
        )
    if found:
        last = found[-1]
        start = last.time_interval.start
        lasts = min(max(round(ends - now) - start, 1), _DAY)
        found[-1] = iso2.SalesTariffEntry(
            time_interval=iso2.RelativeTimeInterval(start=start, duration=lasts),
            e_price_level=last.e_price_level,
            consumption_cost=last.consumption_cost,
        )
    return found


def _unsigned(prices: Prices) -> Prices:
    """Another edition's signature says nothing about these elements."""
    return replace(prices, id=None)


def _fee(stack: PriceRuleStack) -> float:
    """The dearest of its rules: a vehicle that takes all that it can pays this."""
    return max(float(rule.energy_fee) for rule in stack.rules)


def _ranks(stacks: Sequence[PriceRuleStack]) -> dict[float, int]:
    """Levels by the order of fees, from 1 on; of very many neighbours share one."""
    fees = sorted({_fee(stack) for stack in stacks})
    if len(fees) <= _MOST_LEVELS:
        return {fee: place for place, fee in enumerate(fees, start=1)}
    return {fee: 1 + place * _MOST_LEVELS // len(fees) for place, fee in enumerate(fees)}


def _costs(stack: PriceRuleStack, dearest: float) -> tuple[iso2.ConsumptionCost, ...]:
    """What energy costs above each power, as far as there is room: the price in percent of the dearest,
    emission, renewable share."""
    rules = sorted(stack.rules, key=lambda rule: rule.power_range_start_w)[:_MOST_COSTS]
    found = []
    for rule in rules:
        costs = []
        fee = float(rule.energy_fee)
        if dearest > 0.0 and fee >= 0.0:
            costs.append(_cost(iso2.CostKind.relativePricePercentage, min(round(100.0 * fee / dearest), 100)))
        if rule.renewable_percent is not None:
            costs.append(_cost(iso2.CostKind.RenewableGenerationPercentage, rule.renewable_percent))
        if rule.carbon_dioxide_g_per_kwh is not None:
            costs.append(_cost(iso2.CostKind.CarbonDioxideEmission, rule.carbon_dioxide_g_per_kwh))
        if costs:
            start = floor_physical(max(float(rule.power_range_start_w), 0.0), iso2.UnitSymbol.W)
            found.append(iso2.ConsumptionCost(start_value=start, cost=tuple(costs)))
    return tuple(found)


def _cost(kind: iso2.CostKind, amount: int) -> iso2.Cost:
    return iso2.Cost(cost_kind=kind, amount=amount)


def _signer(ctx: Context) -> Signer | None:
    return next((one for one in ctx.facts.price_signers if one.algorithm == "secp256r1"), None)


def sign(ctx: Context, made: Made, *, until: float) -> tuple[PriceSigning, UseKey] | None:
    """Have all tariffs of it signed, for the header; None where nobody here signs them, or there is none."""
    signer = _signer(ctx)
    listed = made.schedules.sa_schedule_tuple
    tariffs = [one.sales_tariff for one in listed if one.sales_tariff is not None]
    if signer is None or not tariffs:
        return None
    from iso15118.pnc.iso2 import signed_tariffs, tariff_elements  # here: only who has prices loads it

    work = partial(signed_tariffs, tariffs, signer)
    return begin_signing(ctx.facts, signer, tariff_elements(tariffs), work, made, until=until)
