"""Events that only change what the station knows: plans and schedules, answers of services far
away, what a parking place says.

Nothing is done at once; the next request, or the next notification, finds it in the facts.
"""

from __future__ import annotations

from iso15118.energy.offer import ScheduleOffer, check_offers, offers_of
from iso15118.energy.schedule import Schedule
from iso15118.session import events as ev

from .facts import Facts

__all__ = ["remember"]


def remember(event: ev.Event, facts: Facts) -> None:
    """Keep what this event says; what is none of these is a wish of the application."""
    match event:
        case ev.PlanChanged(plans=plans, begins=begins):
            start = facts.now if begins is None else begins
            _take(offers_of(Schedule.of(start, plan) for plan in plans), None, facts)
        case ev.SchedulesGiven(offers=offers, number=number, signature=signature):
            if number and (facts.schedules_due is None or number != facts.schedules_asked):
                return  # an answer that comes too late, or to an earlier question
            facts.schedules_due = None
            _take(check_offers(offers), signature, facts)
        case ev.SchedulesMissing(number=number):
            if number == facts.schedules_asked:
                facts.schedules_due = None
        case ev.KeyUsed():
            if facts.signing is not None:
                facts.signing.done(event)
        case ev.ContractCertificateAnswered(response=response, refusal=refusal, request=asked):
            pending = facts.installation
            if pending is not None and pending.asked == asked:
                pending.answered, pending.response, pending.refusal = True, response, refusal
        case ev.GridCodeChanged(code=code):
            facts.grid_code = code
        case ev.ParkingGuidance(guidance=guidance):
            facts.guidance = guidance
        case ev.CheckOutGranted():
            facts.may_check_out = True
        case _:
            facts.wishes.take(event, facts.now)


def _take(offers: tuple[ScheduleOffer, ...], signature: bytes | None, facts: Facts) -> None:
    """The energy manager plans this from now on; what has no begin begins now."""
    facts.plans = tuple(offer.charging.schedule(facts.now) for offer in offers)
    facts.offers, facts.offers_signature = offers, signature
