"""How a vehicle uses a schedule: which power at which time, by what it wants, until when, and what that costs.

Numbers only: a schedule, its prices and a wish in, a profile out. Which schedule of several is the best is decided here, too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from enum import Enum
from itertools import accumulate, pairwise
from typing import Final

from msgspec import Struct

from .cost import Cost, cost
from .price import AbsolutePrices, PriceAlgorithm, PriceLevels, PriceRule, Prices
from .schedule import Schedule, fewer

__all__ = ["Candidate", "Planned", "Wanted", "Wish", "choose", "planned"]

MOST_ENTRIES: Final = 2048
"""Of a power profile."""
_ENOUGH_WH: Final = 1.0
"""So much less than wanted is as much as wanted."""
_BELOW_W: Final = 1.0
"""A rule holds from its very start on: who wants the rule below stays so much away from it."""


class Wish(Enum):
    """What the driver wants of a schedule."""

    CHEAPEST = "what is wanted until departure for the least money"
    FASTEST = "what is wanted as soon as possible"
    GREENEST = "what is wanted until departure with the least emission"
    FIRST = "the station's default, as fast as possible"


class Wanted(Struct, frozen=True, kw_only=True):
    """``energy_wh`` from ``now`` until ``until`` (None: nobody knows when the vehicle leaves), with ``least_w`` to ``most_w``.

    ``reserve``: share of the energy that is planned beside, since a battery takes less towards its end."""

    energy_wh: float
    now: float
    most_w: float
    until: float | None = None
    least_w: float = 0.0
    reserve: float = 0.0
    wish: Wish = Wish.CHEAPEST


class Planned(Struct, frozen=True, kw_only=True):
    """``profile``: what the vehicle means to take at most, on the times of the schedule. ``course``: the part of it that brings what is
    wanted."""

    profile: Schedule
    course: Schedule
    given_wh: float
    finished_at: float
    """When it has what is wanted, or the end."""
    cost: Cost | None
    weight: float | None
    """By which two of one ``kind`` compare, less is better; None: there is nothing to compare."""
    kind: tuple[str, ...] = ()


class Candidate(Struct, frozen=True, kw_only=True):
    """One schedule to choose."""

    charging: Schedule
    prices: Prices | None = None
    """None: there are none, or they are not believed."""
    available_wh: float | None = None


def planned(one: Candidate, wanted: Wanted) -> Planned:
    """The best profile on this schedule. Where nobody knows until when, or there is nothing to choose by, it takes what it can at once."""
    now, charging = wanted.now, one.charging
    room_wh = float("inf") if one.available_wh is None else one.available_wh
    energy_wh = min(max(wanted.energy_wh, 0.0), room_wh)
    most_w = max(wanted.most_w, 0.0)
    profile = None
    if (
        wanted.until is not None
        and now < charging.over_at
        and (rank := _rank(one.prices, wanted.wish)) is not None
    ):
        reserved = min(energy_wh * (1.0 + wanted.reserve), room_wh)
        profile = _filled(charging, wanted, one.prices, rank, reserved, most_w)
    if profile is None:
        profile = charging.changed(lambda power: min(power, most_w))
        if one.available_wh is not None:
            profile = profile.within_energy(room_wh)
    profile = fewer(profile, MOST_ENTRIES)
    return _judged(profile, one, wanted, energy_wh)


def _judged(profile: Schedule, one: Candidate, wanted: Wanted, energy_wh: float) -> Planned:
    now, until = wanted.now, wanted.until
    if now >= profile.over_at:
        nothing = Schedule(now, (now + 1.0,), (0.0,))
        return Planned(profile=profile, course=nothing, given_wh=0.0, finished_at=now, cost=None, weight=None)
    rest = profile.from_now(now)
    if until is not None and until < rest.over_at:
        place = bisect_right(rest.ends, until)
        rest = Schedule(now, (*rest.ends[:place], max(until, now + 1.0)), rest.powers[: place + 1])
    course = rest.within_energy(energy_wh)
    given_wh = course.energy_wh(now, course.over_at)
    flowing = [ends for _, ends, power in course.pieces() if power > 0.0]
    finished = flowing[-1] if flowing else now
    if given_wh < energy_wh - _ENOUGH_WH:
        finished = course.over_at
    weight, kind, money = _weight(one.prices, course, wanted)
    return Planned(
        profile=profile,
        course=course,
        given_wh=given_wh,
        finished_at=finished,
        cost=money,
        weight=weight,
        kind=kind,
    )


def choose(plans: Sequence[Planned], wanted: Wanted) -> int:
    """Number of the best: of those that give what is wanted, or else the most, the one that the wish is for; the first of equals.

    What has no price comes behind what has one; prices in different currencies are not compared, and neither are money and levels.
    """
    if wanted.wish is Wish.FIRST:
        return 0
    most = max(plan.given_wh for plan in plans)
    enough = min(max(wanted.energy_wh, 0.0), most) - _ENOUGH_WH
    fit = [number for number, plan in enumerate(plans) if plan.given_wh >= enough]
    if wanted.wish is Wish.FASTEST:
        return min(fit, key=lambda number: (plans[number].finished_at, number))
    kind = next((plans[number].kind for number in fit if plans[number].weight is not None), None)
    if kind is None:
        return fit[0]
    weights = {
        number: weight
        for number in fit
        if plans[number].kind == kind and (weight := plans[number].weight) is not None
    }
    return min(weights, key=lambda number: (weights[number], number))


# -- what is compared

Rank = Callable[[PriceRule | int], float]
"""What a kWh weighs by this rule, or at this level."""


def _rank(prices: Prices | None, wish: Wish) -> Rank | None:
    if prices is None or wish in (Wish.FASTEST, Wish.FIRST):
        return None
    if isinstance(prices, PriceLevels):
        return float  # type: ignore[return-value]  # there are numbers only
    if wish is Wish.GREENEST:
        rules = [rule for stack in prices.stacks for rule in stack.rules]
        for emission in (_carbon, _fossil):
            if all(emission(rule) is not None for rule in rules):
                return emission  # type: ignore[return-value]  # as has just been looked at
        return None
    return None if prices.known_algorithm is None else _fee


def _fee(rule: PriceRule | int) -> float:
    return float(rule.energy_fee) if isinstance(rule, PriceRule) else float(rule)


def _carbon(rule: PriceRule | int) -> float | None:
    return rule.carbon_dioxide_g_per_kwh if isinstance(rule, PriceRule) else None


def _fossil(rule: PriceRule | int) -> float | None:
    if not isinstance(rule, PriceRule) or rule.renewable_percent is None:
        return None
    return 100.0 - rule.renewable_percent


def _weight(
    prices: Prices | None, course: Schedule, wanted: Wanted
) -> tuple[float | None, tuple[str, ...], Cost | None]:
    if prices is None:
        return None, (), None
    if isinstance(prices, PriceLevels):
        if not prices.entries:
            return None, (), None
        levels = _levels(prices)
        dearest = max(levels.powers)
        weight = sum(
            (levels.at(begins) or dearest) * power * (ends - begins)
            for begins, ends, power in _cut(course, levels)
        )
        return weight, ("levels", str(prices.levels)), None
    leaves = course.over_at if wanted.until is None else max(wanted.until, wanted.now)
    money = cost(prices, course, stay=(wanted.now, leaves))
    if wanted.wish is Wish.GREENEST:
        rank = _rank(prices, wanted.wish)
        if rank is None:
            return None, (), money
        green = _ranked(prices, rank)
        weight = sum(
            (green.at(begins) if green.begins <= begins < green.over_at else max(green.powers))
            * power
            * (ends - begins)
            for begins, ends, power in _cut(course, green)
        )
        return weight, ("emission",), money
    if money is None:
        return None, (), None
    # What the prices do not cover is as dear as anything in them.
    dearest_fee = max(float(rule.energy_fee) for stack in prices.stacks for rule in stack.rules)
    return float(money.total) + money.unpriced_wh / 1000.0 * dearest_fee, ("money", prices.currency), money


def _levels(prices: PriceLevels) -> Schedule:
    try:
        return Schedule.of(prices.begins, ((float(lasts), float(level)) for lasts, level in prices.entries))
    except ValueError:
        return Schedule(prices.begins, (prices.begins + 1.0,), (1.0,))


def _ranked(prices: AbsolutePrices, rank: Rank) -> Schedule:
    """What a kWh weighs over time by the first rule of each stack."""
    try:
        return Schedule.of(
            prices.begins, ((float(stack.duration_s), rank(stack.rules[0])) for stack in prices.stacks)
        )
    except ValueError:
        return Schedule(prices.begins, (prices.begins + 1.0,), (0.0,))


def _cut(course: Schedule, at: Schedule) -> list[tuple[float, float, float]]:
    """The pieces of ``course``, cut where ``at`` has an edge."""
    edges = (at.begins, *at.ends)
    pieces: list[tuple[float, float, float]] = []
    for begins, ends, power in course.pieces():
        since = begins
        for edge in edges[bisect_right(edges, begins) :]:
            if edge >= ends:
                break
            pieces.append((since, edge, power))
            since = edge
        pieces.append((since, ends, power))
    return pieces


# -- filling


def _filled(
    charging: Schedule, wanted: Wanted, prices: Prices | None, rank: Rank, energy_wh: float, most_w: float
) -> Schedule | None:
    """The cheapest times first, and of equal ones the earliest, until the energy is there. None where there is no time."""
    if prices is None or wanted.until is None:
        return None
    over_time = _levels(prices) if isinstance(prices, PriceLevels) else _ranked(prices, rank)
    zero, horizon = charging.begins, min(wanted.until, charging.over_at)
    rest = charging.from_now(max(wanted.now, zero)) if wanted.now < charging.over_at else None
    if rest is None:
        return None
    slots: list[_Slot] = []
    rules = _rules_over_time(prices)
    dearest = max(over_time.powers)
    for begins, ends, power in _cut(rest, over_time):
        since, until = _second(begins, zero), min(_second(ends, zero), horizon)
        usable = min(power, most_w)
        if until > since and usable > 0.0 and usable >= wanted.least_w:
            slots.append(_Slot(since, until, usable, rules(begins), over_time, dearest))
    steps = sorted(
        (slope, slot.begins, lower, upper, number)
        for number, slot in enumerate(slots)
        for slope, lower, upper in slot.steps(prices, rank)
    )
    left = energy_wh * 3600.0
    for _, _, lower, upper, number in steps:
        if left <= 0.0:
            break
        slot = slots[number]
        part = min(left, (upper - lower) * (slot.ends - slot.begins))
        slot.power = lower + part / (slot.ends - slot.begins)
        left -= part
    return _profile(charging, slots, wanted.least_w)


def _second(moment: float, zero: float) -> float:
    return zero + round(moment - zero)


class _Slot:
    """A span of time in which neither power nor prices change, and the power that it has got."""

    __slots__ = ("begins", "ends", "most_w", "over_time", "power", "rules", "unknown")

    def __init__(
        self,
        begins: float,
        ends: float,
        most_w: float,
        rules: tuple[PriceRule, ...],
        over_time: Schedule,
        dearest: float,
    ) -> None:
        self.begins, self.ends, self.most_w = begins, ends, most_w
        self.rules, self.over_time, self.unknown = rules, over_time, dearest
        self.power = 0.0

    def steps(self, prices: Prices, rank: Rank) -> list[tuple[float, float, float]]:
        """What the next kW weighs, from which power to which: never less than that of the power below it."""
        flat = self.over_time
        inside = flat.begins <= self.begins < flat.over_at
        if not self.rules or rank is not _fee or not isinstance(prices, AbsolutePrices):
            return [(flat.at(self.begins) if inside else self.unknown, 0.0, self.most_w)]
        rules = sorted(self.rules, key=lambda rule: rule.power_range_start_w)
        points = [(0.0, 0.0)]
        stacked = prices.known_algorithm is PriceAlgorithm.STACKED_ENERGY
        paid = 0.0
        for rule, follows in zip(rules, [*rules[1:], None], strict=True):
            upper = self.most_w
            if follows is not None:
                upper = min(
                    upper, max(float(follows.power_range_start_w) - (0.0 if stacked else _BELOW_W), 0.0)
                )
            if upper <= points[-1][0]:
                continue
            paid = (
                paid + float(rule.energy_fee) * (upper - points[-1][0])
                if stacked
                else float(rule.energy_fee) * upper
            )
            points.append((upper, paid))
        return _hull(points)


def _hull(points: list[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """Slopes of the lower convex hull."""
    hull: list[tuple[float, float]] = []
    for power, paid in points:
        while len(hull) > 1:
            (p0, c0), (p1, c1) = hull[-2:]
            if (c1 - c0) * (power - p0) < (paid - c0) * (p1 - p0):
                break
            hull.pop()
        hull.append((power, paid))
    return [((c1 - c0) / (p1 - p0), p0, p1) for (p0, c0), (p1, c1) in pairwise(hull)]


def _rules_over_time(prices: Prices) -> Callable[[float], tuple[PriceRule, ...]]:
    """Those that hold at a moment; none where the prices do not reach."""
    if isinstance(prices, PriceLevels):
        return lambda moment: ()
    begins, stacks = prices.begins, prices.stacks
    ends = list(accumulate((stack.duration_s for stack in stacks), initial=begins))[1:]

    def rules(moment: float) -> tuple[PriceRule, ...]:
        place = bisect_right(ends, moment)
        return stacks[place].rules if moment >= begins and place < len(stacks) else ()

    return rules


def _profile(charging: Schedule, slots: list[_Slot], least_w: float) -> Schedule:
    """From the begin of the schedule to its end; less than the least is taken as the least for a shorter time."""
    entries: list[tuple[float, float]] = []
    at = charging.begins
    for slot in slots:
        ends, power = slot.ends, slot.power
        if 0.0 < power < least_w:
            ends = min(slot.begins + max(round(power * (ends - slot.begins) / least_w), 1), ends)
            power = least_w
        for until, watts in ((slot.begins, 0.0), (ends, power), (slot.ends, 0.0)):
            if until > at:
                if entries and entries[-1][1] == watts:
                    entries[-1] = (entries[-1][0] + until - at, watts)
                else:
                    entries.append((until - at, watts))
                at = until
    if charging.over_at > at:
        if entries and entries[-1][1] == 0.0:
            entries[-1] = (entries[-1][0] + charging.over_at - at, 0.0)
        else:
            entries.append((charging.over_at - at, 0.0))
    return Schedule.of(charging.begins, entries)
