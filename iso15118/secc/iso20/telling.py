"""What a charge-loop answer tells beside power: the meter, what the vehicle shows, and
what the station wants of it.

The same for DC and AC.
"""

from __future__ import annotations

from typing import Protocol

from iso15118.messages.iso20.common_types import (
    DetailedCost,
    DetailedTax,
    DisplayParameters,
    MeterInfo,
    Receipt,
)
from iso15118.messages.values import rational, si, time_stamp
from iso15118.session.actions import Action, EndReason, ReadMeter, VehicleDisplay
from iso15118.session.edition import Answer, Refused, Wait
from iso15118.session.events import Cost, MeterRead

from .context import Context
from .notices import lapse, status
from .plug_and_charge import metering_wanted

__all__ = ["answered", "lapse", "meter_told", "receipt_told", "status", "take_display", "unasked_reading"]

_METER_SHARE = 0.8
"""Of the time in which a charge-loop answer is due, spent at most on waiting for the meter."""


class Reply(Protocol):
    """Makes the answer. ``told``: with the meter's reading; ``confirm``: which the vehicle has to sign."""

    def __call__(self, before: tuple[Action, ...], /, *, told: bool, confirm: bool) -> Answer: ...


def answered(
    ctx: Context, request: str, before: tuple[Action, ...], reply: Reply, *, meter_asked_for: bool
) -> Answer | Wait:
    """The answer at once, or as soon as the meter has said what it has to tell."""
    facts = ctx.facts
    meter, most, confirm = facts.meter, facts.config.meter_age_s, metering_wanted(ctx)
    if meter_asked_for or confirm:
        ctx.meter_of_interest = True
    if meter is None:
        ctx.meter_unasked = False
        return reply(before, told=False, confirm=False)
    # Asked for, it shall be given [V2G20-1081]; a station with a meter tells it in the first answer in any
    # case [V2G20-1833].
    wanted = meter_asked_for or confirm or (facts.config.first_meter_reading and not ctx.meter_told)
    # A meter that was waited for in vain is not waited for again until it has said something.
    age = _age(ctx)
    silent = wanted and meter is ctx.meter_silent_since and age > most
    if not wanted or silent or age <= most:
        if ctx.meter_of_interest and age >= most / 2.0 and facts.now - facts.meter_asked >= most / 2.0:
            before = (*before, ReadMeter())  # so that the next one that is asked for need not wait
        told = wanted and not silent
        ctx.meter_unasked = told and not (meter_asked_for or confirm)
        return reply(before, told=told, confirm=confirm)
    deadline = facts.now + _METER_SHARE * facts.timing.answer_time_of(request)

    def finish(timed_out: bool) -> Answer | Refused | None:
        fresh = _age(ctx) <= most
        if not fresh and not timed_out:
            return None
        if not fresh:
            ctx.meter_silent_since = facts.meter
        ctx.meter_unasked = fresh and not (meter_asked_for or confirm)
        return reply((), told=fresh, confirm=confirm and fresh)

    return Wait((*before, ReadMeter()), deadline, finish)


_LEAVES = frozenset(
    {EndReason.PEER_VANISHED, EndReason.TIMEOUT, EndReason.STOPPED_BY_EV, EndReason.UNDECODABLE}
)
"""Ends that are a vehicle's own doing."""


def unasked_reading(ctx: Context, reason: EndReason) -> str:
    """What to try where a vehicle leaves upon an answer with a meter reading that it had not asked for;
    empty where that is not so."""
    if not ctx.meter_unasked or ctx.facts.stop_wanted or reason not in _LEAVES:
        return ""
    return (
        "the last answer had a meter reading unasked: if that is why, try session.first_meter_reading = false"
    )


def _age(ctx: Context) -> float:
    """How long ago the last reading was taken, in s."""
    facts = ctx.facts
    taken = facts.meter.at if facts.meter is not None else None
    return facts.now - taken if taken is not None else float("inf")


def take_display(shown: DisplayParameters | None, ctx: Context) -> None:
    """What the vehicle lets the station show is kept, and told when it changes."""
    if shown is None or shown == ctx.display:
        return
    ctx.display = shown
    capacity = shown.battery_energy_capacity
    told = ctx.facts.display = VehicleDisplay(
        present_soc=shown.present_soc,
        minimum_soc=shown.minimum_soc,
        target_soc=shown.target_soc,
        maximum_soc=shown.maximum_soc,
        to_minimum_s=shown.remaining_time_to_minimum_soc,
        to_target_s=shown.remaining_time_to_target_soc,
        to_maximum_s=shown.remaining_time_to_maximum_soc,
        charging_complete=shown.charging_complete,
        capacity_wh=None if capacity is None else si(capacity),
        inlet_hot=shown.inlet_hot,
    )
    ctx.facts.news.append(told)


def meter_told(ctx: Context, *, confirm: bool) -> MeterInfo | None:
    """The reading for this answer; what was told is remembered."""
    meter = ctx.facts.meter
    if meter is None:
        return None
    meter_info, ctx.meter_told = _meter_info(ctx, meter), True
    if confirm:
        if ctx.metering_until is None:
            ctx.metering_until = ctx.facts.now + ctx.facts.config.renegotiation.metering_delay_s
        ctx.receipt = _receipt(ctx)
        ctx.metering_asked.append((meter_info, ctx.receipt))
    return meter_info


def receipt_told(ctx: Context, meter_info: MeterInfo | None, *, confirm: bool) -> Receipt | None:
    """What goes with this reading: the receipt that belongs to it, which is signed with it
    where it is to be signed."""
    if meter_info is None:
        return None
    if confirm:
        return ctx.receipt
    receipt, ctx.receipt = _receipt(ctx), None
    return receipt


def _receipt(ctx: Context) -> Receipt | None:
    """The one that was issued last; until the vehicle has signed it, it is told again."""
    facts = ctx.facts
    issued, facts.wishes.receipt = facts.wishes.receipt, None
    if issued is None:
        return ctx.receipt
    anchor = time_stamp(facts.now + facts.epoch, facts.config.time_stamp_unit)
    return Receipt(
        time_anchor=anchor,
        energy_costs=_cost(issued.energy),
        occupancy_costs=_cost(issued.occupancy),
        additional_services_costs=_cost(issued.services),
        overstay_costs=_cost(issued.overstay),
        tax_costs=tuple(DetailedTax(tax_rule_id=rule, amount=rational(sum_)) for rule, sum_ in issued.taxes),
    )


def _cost(cost: Cost | None) -> DetailedCost | None:
    if cost is None:
        return None
    return DetailedCost(amount=rational(cost.amount), cost_per_unit=rational(cost.per_unit))


def _meter_info(ctx: Context, meter: MeterRead) -> MeterInfo:
    facts = ctx.facts
    bidirectional = ctx.service is not None and ctx.service.bidirectional
    taken = facts.now if meter.at is None else meter.at
    return MeterInfo(
        meter_id=meter.meter_id[:32],
        charged_energy_reading_wh=int(meter.charged_wh),
        bpt_discharged_energy_reading_wh=int(meter.discharged_wh) if bidirectional else None,
        meter_signature=meter.signature,
        meter_timestamp=time_stamp(taken + facts.epoch, facts.config.time_stamp_unit),
    )
