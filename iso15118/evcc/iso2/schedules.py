"""Schedules of the station: read onto the vehicle's clock, one chosen by price and by
what is wanted until departure.

SAScheduleList counts in seconds from the moment of the message; nothing else in the session does.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from iso15118.energy.schedule import Schedule
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2.plan import ChosenSchedule, Plan
from iso15118.evcc.iso2.settings import Plausibility, ScheduleChoice
from iso15118.evcc.needs import wanted_wh
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session.actions import EndReason

__all__ = ["choose_schedule", "implausible", "read_schedules"]

_A_DAY_S = 86_400.0
"""How long an entry lasts that does not say it: a schedule without departure covers so much [V2G2-304]."""


def implausible(talk: Conversation, what: str) -> None:
    """A value of the station makes no sense: note it, or leave where the vehicle is strict."""
    if talk.config.iso2.plausibility is Plausibility.STRICT:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, what)
    talk.note("plausibility", what)


def read_schedules(
    talk: Conversation, offered: iso2.SAScheduleList, *, believed: bool
) -> tuple[ChosenSchedule, ...]:
    """The station's schedules, in its order. ``believed``: their tariffs hold. Raises
    ``Leave`` if none can be used."""
    found = []
    for one in offered.sa_schedule_tuple:
        intervals = [
            (entry.time_interval, quantity(entry.p_max)) for entry in one.p_max_schedule.p_max_schedule_entry
        ]
        if any(power < 0.0 for _, power in intervals):
            implausible(talk, f"schedule {one.sa_schedule_tuple_id} has a PMax below zero")
        try:
            power = _schedule(talk, intervals)
        except ValueError:
            implausible(talk, f"schedule {one.sa_schedule_tuple_id} has no duration")
            continue
        found.append(
            ChosenSchedule(
                tuple_id=one.sa_schedule_tuple_id,
                power=power,
                price=_price(talk, one.sales_tariff) if believed and one.sales_tariff is not None else None,
                read_at=talk.now,
            )
        )
    if not found:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "the station offers no schedule that could be used")
    return tuple(found)


def _schedule(talk: Conversation, intervals: Sequence[tuple[iso2.RelativeTimeInterval, float]]) -> Schedule:
    """Each entry lasts until the next begins, the last one as it says [V2G2-329, V2G2-331]."""
    ordered = sorted(intervals, key=lambda interval: interval[0].start)
    starts = [float(interval.start) for interval, _ in ordered]
    duration = ordered[-1][0].duration
    starts.append(starts[-1] + (_A_DAY_S if duration is None else float(duration)))
    return Schedule.of(
        talk.now + starts[0],
        (
            (until - since, max(power, 0.0))
            for (_, power), since, until in zip(ordered, starts, starts[1:], strict=False)
        ),
    )


def _price(talk: Conversation, tariff: iso2.SalesTariff) -> Schedule | None:
    levels = [entry.e_price_level for entry in tariff.sales_tariff_entry]
    if any(level is None for level in levels):
        return None
    try:
        return _schedule(
            talk,
            [(entry.time_interval, float(entry.e_price_level or 0)) for entry in tariff.sales_tariff_entry],
        )
    except ValueError:
        return None


def choose_schedule(
    talk: Conversation, plan: Plan, offered: Sequence[ChosenSchedule], own_w: float
) -> ChosenSchedule:
    """The first that gives what is wanted until departure, or the cheapest of these; where none
    does, the one that gives most.

    ``own_w``: what the vehicle can take from this station, in W.
    """
    if plan.resumed is not None and plan.resumed.iso2 is not None and not plan.charged:
        former = plan.resumed.iso2.tuple_id  # the same as before [V2G2-740]
        for one in offered:
            if one.tuple_id == former:
                return one
        talk.note("resume", f"the station does not offer schedule {former} of the paused session any more")
    if talk.config.iso2.schedule_choice is ScheduleChoice.FIRST or len(offered) == 1:
        return offered[0]
    wanted = max(wanted_wh(talk), 0.0)
    courses = [_course(talk, one, own_w, wanted) for one in offered]
    most = max(given for given, _ in courses)
    enough = [
        (number, cost) for number, (given, cost) in enumerate(courses) if given >= min(wanted, most) - 1.0
    ]
    priced = [(number, cost) for number, cost in enough if cost is not None]
    if len(priced) < len(enough):
        return offered[enough[0][0]]  # what has no price cannot be compared
    return offered[min(priced, key=lambda pair: pair[1])[0]]


def _course(
    talk: Conversation, schedule: ChosenSchedule, own_w: float, wanted: float
) -> tuple[float, float | None]:
    """Energy in Wh that comes until departure when the vehicle takes what it can, and its
    price in levels times Wh."""
    power, price = schedule.power, schedule.price
    until = power.over_at if talk.departure_at is None else min(power.over_at, talk.departure_at)
    edges = {talk.now, until, *power.ends, power.begins}
    if price is not None:
        edges |= {price.begins, *price.ends}
    moments = sorted(edge for edge in edges if talk.now <= edge <= until)
    given = cost = 0.0
    for since, ends in itertools.pairwise(moments):
        energy = min(min(own_w, power.at(since)) * (ends - since) / 3600.0, wanted - given)
        given += energy
        if price is not None:
            inside = price.begins <= since < price.over_at
            # What the tariff does not cover is as dear as anything in it.
            cost += energy * (price.at(since) if inside else max(price.powers))
    return given, None if price is None else cost
