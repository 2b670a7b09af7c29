"""Schedules: what is offered over time, the vehicle's charging profile against it, and when
another one has to be agreed on.

Inside, every moment is on the session's clock; relative starts and durations exist only where
a message is read or written.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

from iso15118.energy.schedule import Schedule
from iso15118.messages import iso2
from iso15118.messages.physical import floor_physical, quantity
from iso15118.secc.unsaid import withdraw
from iso15118.session.actions import EndReason, ScheduleRenegotiated
from iso15118.session.edition import Fault, Refused

from .context import Context
from .pause import schedule_before
from .sequence import State
from .tariffs import tariff_of, wanted

__all__ = ["agreed_anew", "allowed_w", "ask_anew", "offer_schedules", "take_profile"]

_DAY: Final = 86_400
"""No entry lasts longer, and a schedule without departure time covers so much [V2G2-304]."""
_LONGEST: Final = 16_777_214
"""Of TimeInterval.start."""
_MOST_ENTRIES: Final = 1024
"""Where the vehicle names no number; public stacks do the same."""
_FINE: Final = 256
"""Plans of more entries are first halved until they have no more: merging them well takes time with
the square of their number."""
_ASKED_S: Final = 30.0
"""How long EVSENotification ReNegotiation is repeated. No public source names a time."""
_NOISE_W: Final = 1e-6


def offer_schedules(
    ctx: Context, departure_s: int | None, most_entries: int | None, most_w: float
) -> iso2.SAScheduleList:
    """Up to three tuples, of which the first is the default [V2G2-297]; kept in
    ``ctx.schedules`` as they are read.

    ``most_w``: the power in W that was offered, which no schedule exceeds.
    """
    facts = ctx.facts
    lasts = min(departure_s or _DAY, _LONGEST)
    ctx.schedules.clear()
    ctx.plans_offered = facts.plans
    # Each plan with its prices; a plan that was pushed by itself has none.
    priced = {id(plan): one.charging.prices for plan, one in zip(facts.plans, facts.offers, strict=False)}
    plans = [plan for plan in facts.plans if plan.over_at >= facts.now + 1.0]
    before = schedule_before(ctx) if ctx.state is State.CHARGE_PARAMETER_DISCOVERY else None
    if before is not None and not plans:
        named = [before]
    else:
        plans = plans or [Schedule.of(facts.now, ((float(lasts), most_w),))]
        named = list(enumerate(plans, start=1))
    most = max(min(most_entries or _MOST_ENTRIES, _MOST_ENTRIES), 1)
    tuples = []
    for number, plan in named:
        entries = _in_days(_shortened(_from_now(plan, facts.now, lasts, most_w), most), most)
        ctx.schedules[number] = Schedule.of(facts.now, ((float(d), quantity(p)) for d, p in entries))
        tariff = tariff_of(ctx, priced.get(id(plan)), number, most) if wanted(ctx) else None
        tuples.append(
            iso2.SAScheduleTuple(
                sa_schedule_tuple_id=number, p_max_schedule=_on_wire(entries), sales_tariff=tariff
            )
        )
    ctx.tuple_id = named[0][0]
    ctx.asked_anew = None
    ctx.offered_anew = ctx.state is not State.CHARGE_PARAMETER_DISCOVERY
    facts.wishes.schedule.done()
    return iso2.SAScheduleList(sa_schedule_tuple=tuple(tuples))


Entries = list[tuple[int, iso2.PhysicalValue]]


def _from_now(plan: Schedule, now: float, lasts: int, most_w: float) -> list[tuple[int, float]]:
    """Whole seconds and powers from now on, until the vehicle leaves or the plan is over: then there is a
    new negotiation [V2G2-305]."""
    entries: list[tuple[int, float]] = []
    at = 0
    for begins, ends, power in plan.pieces():
        if (start := round(begins - now)) > at and not entries:
            entries.append((min(start, lasts), 0.0))  # a plan of the future
            at = min(start, lasts)
        until = min(round(ends - now), lasts)
        if until > at:
            entries.append((until - at, min(power, most_w)))
            at = until
    return entries


def _shortened(entries: list[tuple[int, float]], most: int) -> Entries:
    """No more than ``most`` of them: neighbours are merged, where the least energy is lost by taking
    the lesser power of the two."""
    while len(entries) > max(_FINE, most):
        entries = [_merged(entries[i : i + 2]) for i in range(0, len(entries), 2)]
    while len(entries) > most:
        losses = [_loss(*pair) for pair in pairwise(entries)]
        place = losses.index(min(losses))
        entries[place : place + 2] = [_merged(entries[place : place + 2])]
    return [(duration, floor_physical(power, iso2.UnitSymbol.W)) for duration, power in entries]


def _merged(entries: list[tuple[int, float]]) -> tuple[int, float]:
    return sum(duration for duration, _ in entries), min(power for _, power in entries)


def _loss(one: tuple[int, float], other: tuple[int, float]) -> float:
    least = min(one[1], other[1])
    return one[0] * (one[1] - least) + other[0] * (other[1] - least)


def _in_days(entries: Entries, most: int) -> Entries:
    """Only the last entry names its duration, which is at most a day: a longer one is said as
    several, as far as there is room."""
    duration, power = entries[-1]
    said = entries[:-1]
    while duration > _DAY and len(said) + 1 < most:
        said.append((_DAY, power))
        duration -= _DAY
    return [*said, (min(duration, _DAY), power)]


def _on_wire(entries: Entries) -> iso2.PMaxSchedule:
    """Starts from now on, without gaps [V2G2-328, V2G2-329]; the last entry says how
    long it lasts [V2G2-330]."""
    start, said = 0, []
    for position, (duration, power) in enumerate(entries, start=1):
        interval = iso2.RelativeTimeInterval(
            start=start, duration=duration if position == len(entries) else None
        )
        said.append(iso2.PMaxScheduleEntry(time_interval=interval, p_max=power))
        start += duration
    return iso2.PMaxSchedule(p_max_schedule_entry=tuple(said))


# -- what the vehicle plans


def take_profile(request: iso2.PowerDeliveryReq, ctx: Context) -> Refused | None:
    """The tuple must have been offered [V2G2-479]. A profile above it is noted or refused, by
    ``profile_check`` [V2G2-225]."""
    number, settings = request.sa_schedule_tuple_id, ctx.settings
    schedule = ctx.schedules.get(number)
    if schedule is None:
        return _refused(Fault.SCHEDULE, f"schedule tuple {number} was not offered")
    ctx.tuple_id = number
    if request.charging_profile is None:
        if settings.require_profile:
            return _refused(Fault.POWER_PROFILE, "no charging profile (iso2.require_profile)")
        return None
    problem = _profile_problem(request.charging_profile, schedule, ctx.facts.now)
    if not problem:
        return None
    if settings.profile_check == "strict":
        return _refused(Fault.POWER_PROFILE, problem)
    ctx.facts.note("charging-profile", problem)
    return None


def agreed_anew(ctx: Context) -> None:
    """Power begins by the schedule that was chosen: tell it where that ends a new negotiation."""
    if ctx.offered_anew:
        ctx.offered_anew = False
        ctx.facts.news.append(ScheduleRenegotiated(beside=False, agreed=True))


def _profile_problem(profile: iso2.ChargingProfile, schedule: Schedule, now: float) -> str:
    """What is wrong with the profile; empty if nothing is. Nobody says from which moment it counts, so it may
    be from PowerDeliveryReq, or from the schedule's begin."""
    entries = profile.profile_entry
    starts = [entry.charging_profile_entry_start for entry in entries]
    if any(later <= earlier for earlier, later in pairwise(starts)):
        return "the entries of the charging profile are out of order"
    for entry in entries:
        phases = entry.charging_profile_entry_max_number_of_phases_in_use
        if phases not in (None, 1, 3):
            return f"a charging profile with {phases} phases"
        if quantity(entry.charging_profile_entry_max_power) < 0.0:
            return "a charging profile with a negative power"
    found = ""
    for anchor in (now, schedule.begins):
        found = _above(profile, starts, schedule, anchor)
        if not found:
            return ""
    return found


def _above(profile: iso2.ChargingProfile, starts: list[int], schedule: Schedule, anchor: float) -> str:
    """Where the profile exceeds the schedule; what equals it is fine, and behind its end
    there is nothing to exceed."""
    ends = [*(float(start) for start in starts[1:]), math.inf]
    for entry, start, end in zip(profile.profile_entry, starts, ends, strict=True):
        power = quantity(entry.charging_profile_entry_max_power)
        for begins, over, most in schedule.pieces():
            meets = begins < anchor + end and anchor + start < over
            if meets and power > most + _NOISE_W:
                return f"the charging profile has {power:g} W from {start} s on, where {most:g} W are allowed"
    return ""


def _refused(fault: Fault, why: str) -> Refused:
    return Refused(fault, EndReason.PARAMETERS_NOT_ACCEPTED, why)


# -- in the loop


def allowed_w(ctx: Context) -> float:
    """What the schedule lets the vehicle take now, in W. Behind its end the last power holds for
    ``SeccConfig.schedule_overrun_s``, then nothing does."""
    facts = ctx.facts
    schedule = ctx.schedules.get(ctx.tuple_id)
    if schedule is None:
        return 0.0
    if facts.now < schedule.over_at:
        return schedule.at(facts.now)
    return schedule.powers[-1] if facts.now < schedule.over_at + facts.config.schedule_overrun_s else 0.0


def ask_anew(ctx: Context) -> None:
    """Ask the vehicle for a new negotiation where the application wants one, the schedule is over, or the
    plans are others; of itself not more often than every ``SeccConfig.schedule_renegotiation_s``, because
    power may rest meanwhile."""
    facts = ctx.facts
    wish = facts.wishes.schedule
    withdraw(facts, "ISO 15118-2", renegotiates=True)
    schedule, every = ctx.schedules.get(ctx.tuple_id), facts.config.schedule_renegotiation_s
    if wish.why and wish.until is None:  # it has all of its time, whatever was asked before
        wish.told(facts.now, _ASKED_S)
        ctx.asked_anew = facts.now
    if ctx.asked_anew is not None:
        if facts.now - ctx.asked_anew >= _ASKED_S:
            ctx.asked_anew = None
            if wish.why:
                wish.done()
                why = "the vehicle did not ask for another schedule in time"
                facts.news.append(ScheduleRenegotiated(beside=False, agreed=False, reason=why))
        return
    if schedule is None or every <= 0.0 or facts.now < ctx.ask_not_before:
        return
    if facts.now >= schedule.over_at or facts.plans is not ctx.plans_offered:
        ctx.asked_anew, ctx.ask_not_before = facts.now, facts.now + every
