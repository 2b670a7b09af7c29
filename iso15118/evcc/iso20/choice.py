"""Which of the station's schedules the vehicle follows, and by which profile: what is offered is read, its
prices are judged, and the best is taken by the driver's wish.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from iso15118.energy.planning import Candidate, Planned, Wanted, choose, planned
from iso15118.energy.schedule import Schedule
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso20.needs import most_w, wanted_wh
from iso15118.evcc.iso20.plan import ChosenSchedule, Plan, read_schedule
from iso15118.evcc.schedule_settings import BelievedPrices
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import floor_rational, floored, si
from iso15118.printable import printable
from iso15118.session.actions import EndReason, PriceTrust, ScheduleChosen, ScheduleRemark
from iso15118.session.price_wire import PriceElement, prices_of
from iso15118.session.services import Pricing

__all__ = ["choose_schedule", "wanted_now"]

_MOST_TUPLES = 3
_EARLY_SHARE = 0.1


def choose_schedule(talk: Conversation, plan: Plan, response: cm.ScheduleExchangeRes) -> ChosenSchedule:
    """The best of the tuples in this answer. Raises ``Leave`` where none can be used."""
    mode: Any = response.se_res_control_mode
    sent, now = response.header.time_stamp, talk.now
    tuples = mode.schedule_tuple[:_MOST_TUPLES]
    trusts = _judged(talk, plan, tuples, response)
    found: list[ChosenSchedule] = []
    problem = "the station offers no schedule"
    for one in tuples:
        try:
            read = read_schedule(one, sent, now)
        except ValueError as error:
            problem = f"the station offers {error}"
            continue
        element = one.charging_schedule.price_schedule
        prices = None if element is None or plan.pricing == Pricing.NONE else prices_of(element, sent, now)
        trust = PriceTrust.NONE if prices is None else trusts.get(id(element), PriceTrust.UNSIGNED)
        found.append(replace(read, prices=prices, trust=trust))
    if not found:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, problem)
    wanted = wanted_now(talk, plan)
    plans = [planned(_candidate(talk, one), wanted) for one in found]
    # One that is over is only taken where there is no other.
    fit = [number for number, one in enumerate(found) if one.charging.over_at > now] or list(
        range(len(found))
    )
    number = fit[choose([plans[one] for one in fit], wanted)]
    return _taken(talk, found[number], plans[number], len(found))


def _taken(talk: Conversation, chosen: ChosenSchedule, best: Planned, offered: int) -> ChosenSchedule:
    money = best.cost
    profile = _on_wire(best.profile)
    talk.chosen = ScheduleChosen(
        schedule_id=chosen.tuple_id,
        profile=profile,
        planned_wh=round(best.given_wh, 3),
        cost=None if money is None else money.rounded,
        currency="" if money is None else printable(money.currency),
        trust=chosen.trust,
        offered=offered,
    )
    talk.act(talk.chosen)
    return replace(chosen, profile=profile, cost=money)


def _on_wire(profile: Schedule) -> Schedule:
    """As it will be written: whole seconds and rounded powers, so that what is kept is what was said."""
    begins, at = profile.begins, 0
    ends: list[float] = []
    powers: list[float] = []
    for end, power in zip(profile.ends, profile.powers, strict=True):
        until = round(end - begins)
        if until > at:
            ends.append(begins + until)
            powers.append(si(floor_rational(power)))
            at = until
    return Schedule(begins, tuple(ends), tuple(powers)) if ends else profile


def wanted_now(talk: Conversation, plan: Plan) -> Wanted:
    """What the vehicle wants of a schedule at this moment."""
    settings, until = talk.config.schedules, talk.departure_at
    if until is not None:
        until -= min(settings.early_s, _EARLY_SHARE * max(until - talk.now, 0.0))
    return Wanted(
        energy_wh=max(wanted_wh(talk), 0.0),
        now=talk.now,
        until=until,
        most_w=floored(most_w(talk, plan)),
        least_w=_least_w(talk, plan),
        reserve=settings.reserve,
        wish=settings.choice,
    )


def _least_w(talk: Conversation, plan: Plan) -> float:
    own, offer = plan.ac.own, plan.ac.offer
    if own is not None and offer is not None:
        return max(sum(own.minimum_charge_power_w), sum(offer.minimum_charge_power_w))
    least_a = max(talk.limits.minimum_charge_current_a, plan.offer.minimum_charge_current_a)
    by_current = least_a * max(talk.battery.voltage_v, 0.0)
    return max(talk.limits.minimum_charge_power_w, plan.offer.minimum_charge_power_w, by_current)


def _candidate(talk: Conversation, one: ChosenSchedule) -> Candidate:
    verified = talk.config.schedules.believed_prices is BelievedPrices.VERIFIED
    believed = one.trust is PriceTrust.VERIFIED if verified else one.trust is not PriceTrust.INVALID
    return Candidate(
        charging=one.charging, prices=one.prices if believed else None, available_wh=one.available_wh
    )


# -- whose prices they are


def _judged(
    talk: Conversation, plan: Plan, tuples: tuple[cm.ScheduleTuple, ...], response: cm.ScheduleExchangeRes
) -> dict[int, PriceTrust]:
    """What is known of each price element that has an Id; the message is at hand, so they
    are told apart as objects."""
    signed: list[PriceElement] = [
        schedule.price_schedule
        for one in tuples
        for schedule in (one.charging_schedule, one.discharging_schedule)
        if schedule is not None
        and schedule.price_schedule is not None
        and schedule.price_schedule.id is not None
    ]
    if not signed or plan.pricing == Pricing.NONE:
        return {}
    if response.header.signature is None:
        return {id(one): PriceTrust.UNSIGNED for one in signed}
    from iso15118.pnc.prices import judge_prices  # here: only who is given signed prices loads it

    # Without TLS anybody on the line may have put another provider's prices there.
    chain = talk.contract.signer.chain if talk.contract is not None and talk.secure else ()
    trusts: dict[int, PriceTrust] = {}
    for one, judged in zip(signed, judge_prices(signed, response.header.signature, chain), strict=True):
        trust = PriceTrust.VERIFIED if judged.verdict.ok else PriceTrust.UNVERIFIABLE
        if not judged.intact:
            trust = PriceTrust.INVALID
            detail = f"price schedule {printable(one.id or '')}: {printable(str(judged.verdict))}"[:300]
            talk.act(ScheduleRemark("price-signature", detail))
        trusts[id(one)] = trust
    return trusts
