"""How a vehicle uses a schedule: which power at which time, by what it wants,
until when, and what that costs.

Numbers only: a schedule, its prices and a wish in, a profile out. Which schedule of several is
the best is decided here, too.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from enum import Enum
from operator import itemgetter
from typing import Final

from msgspec import Struct

from .cost import Cost, cost
from .price import AbsolutePrices, PriceAlgorithm, PriceLevels, PriceRule, PriceRuleStack, Prices
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
    """``energy_wh`` from ``now`` until ``until`` (None: nobody knows when the vehicle leaves),
    with ``least_w`` to ``most_w``.

    ``reserve``: share of the energy that is planned beside, since a battery takes less towards its end."""

    energy_wh: float
    now: float
    most_w: float
    until: float | None = None
    least_w: float = 0.0
    reserve: float = 0.0
    wish: Wish = Wish.CHEAPEST


class Planned(Struct, frozen=True, kw_only=True):
    """``profile``: what the vehicle means to take at most, on the times of the schedule. ``course``: the part
    of it that brings what is wanted."""

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
    """The best profile on this schedule. Where nobody knows until when, or there is nothing to choose by, it
    takes what it can at once."""
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
    place = len(course.powers)
    while place > 0 and course.powers[place - 1] <= 0.0:
        place -= 1
    finished = course.ends[place - 1] if place else now
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
    """Number of the best: of those that give what is wanted, or else the most, the one that the wish
    is for; the first of equals.

    What has no price comes behind what has one; prices in different currencies are not compared, and
    neither are money and levels.
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
    weight = float(money.total)
    if money.unpriced_wh > 0.0:  # what the prices do not cover is as dear as anything in them
        dearest_fee = max(rule.energy_fee for stack in prices.stacks for rule in stack.rules)
        weight += money.unpriced_wh / 1000.0 * float(dearest_fee)
    return weight, ("money", prices.currency), money


def _levels(prices: PriceLevels) -> Schedule:
    try:
        return Schedule.of(prices.begins, ((float(lasts), float(level)) for lasts, level in prices.entries))
    except ValueError:
        return Schedule(prices.begins, (prices.begins + 1.0,), (1.0,))


def _ranked(prices: AbsolutePrices, rank: Rank) -> Schedule:
    """What a kWh weighs over time by the first rule of each stack."""
    stacks = prices.stacks
    if rank is _fee:  # which all but a few drivers want
        entries = [(stack.duration_s, float(stack.rules[0].energy_fee)) for stack in stacks]
    else:
        entries = [(stack.duration_s, rank(stack.rules[0])) for stack in stacks]
    try:
        return Schedule.of(prices.begins, entries)
    except ValueError:
        return Schedule(prices.begins, (prices.begins + 1.0,), (0.0,))


def _cut(course: Schedule, at: Schedule) -> list[tuple[float, float, float]]:
    """The pieces of ``course``, cut where ``at`` has an edge."""
    edges = (at.begins, *at.ends, math.inf)
    pieces: list[tuple[float, float, float]] = []
    place, since = bisect_right(edges, course.begins), course.begins
    for ends, power in zip(course.ends, course.powers, strict=True):
        while (edge := edges[place]) < ends:
            pieces.append((since, edge, power))
            since = edge
            place += 1
        pieces.append((since, ends, power))
        since = ends
        if edge == ends:
            place += 1
    return pieces


# -- filling


def _filled(
    charging: Schedule, wanted: Wanted, prices: Prices | None, rank: Rank, energy_wh: float, most_w: float
) -> Schedule | None:
    """The cheapest times first, and of equal ones the earliest, until the energy is there.
    None where there is no time.

    Written out in plain numbers: a schedule has up to 1,024 entries, and prices as many.
    """
    if prices is None or wanted.until is None or wanted.now >= charging.over_at:
        return None
    weights = _Weights(prices, rank)
    left = energy_wh * 3600.0
    slots = _slots(charging, wanted, weights, most_w)
    powers = [0.0] * len(slots)
    for _, slot, lower, upper in sorted(_steps(slots, weights), key=itemgetter(0)):
        if left <= 0.0:
            break
        begins, ends, _, _ = slots[slot]
        lasts = ends - begins
        part = (upper - lower) * lasts
        if part > left:
            part = left
        powers[slot] = lower + part / lasts
        left -= part
    flowing = [(slot[0], slot[1], power) for slot, power in zip(slots, powers, strict=True) if power > 0.0]
    return _profile(charging, flowing, wanted.least_w)


Slots = list[tuple[float, float, float, int]]
"""Spans of time in which neither power nor prices change: begin, end, the most power, and the place of the
prices. Plain tuples: an object for each of 2,000 costs more than what is done with them."""
Steps = list[tuple[float, int, float, float]]
"""What a kWh weighs, in which slot, and from which power to which."""


def _slots(charging: Schedule, wanted: Wanted, weights: _Weights, most_w: float) -> Slots:
    """The times at which it may charge, on whole seconds from the begin of the schedule."""
    zero, horizon, least_w = charging.begins, min(wanted.until or 0.0, charging.over_at), wanted.least_w
    slots: Slots = []
    rest, over_time = charging.from_now(max(wanted.now, zero)), weights.over_time
    edges = (over_time.begins, *over_time.ends, math.inf)
    place = bisect_right(edges, rest.begins) - 1
    edge = edges[place + 1]
    since = zero + round(max(wanted.now, zero) - zero)
    # As ``_cut`` does it, without a tuple for each piece.
    for ends, power in zip(rest.ends, rest.powers, strict=True):
        usable = power if power < most_w else most_w
        fits = usable >= least_w and usable > 0.0
        while True:
            cut = edge if edge < ends else ends
            until = zero + round(cut - zero)
            if until > horizon:
                until = horizon
            if fits and until > since:
                slots.append((since, until, usable, place))
            since = until
            if edge <= ends:  # also where both have an edge
                place += 1
                edge = edges[place + 1]
                if cut < ends:
                    continue
            break
        if since >= horizon:
            break
    return slots


def _steps(slots: Slots, weights: _Weights) -> Steps:
    """The steps of each slot, one after the other."""
    steps: Steps = []
    stacked, before = weights.stacked, -2
    pair: tuple[float, float, float] | None = None
    for slot, (_, _, most_w, place) in enumerate(slots):
        if place != before:
            before, pair = place, weights.pair(place)
        if pair is None:
            lower = 0.0
            for slope, upper in weights.steps(place, most_w):
                steps.append((slope, slot, lower, upper))
                lower = upper
            continue
        fee, upper, dear = pair
        if upper >= most_w:
            steps.append((fee, slot, 0.0, most_w))
            continue
        slope = dear if stacked else (dear * most_w - fee * upper) / (most_w - upper)
        if upper > 0.0 and fee < slope:
            steps.append((fee, slot, 0.0, upper))
            steps.append((slope, slot, upper, most_w))
        else:
            flat = (fee * upper + dear * (most_w - upper)) / most_w if stacked else dear
            steps.append((flat, slot, 0.0, most_w))
    return steps


class _Weights:
    """What energy weighs over time, and by power where prices are by power. Places are those of
    ``over_time``; -1 and the one behind the last are outside."""

    def __init__(self, prices: Prices, rank: Rank) -> None:
        self.over_time = _levels(prices) if isinstance(prices, PriceLevels) else _ranked(prices, rank)
        self._unknown = max(self.over_time.powers)
        self._stacks: list[PriceRuleStack] = []
        self.stacked = False
        """The fee of each band is for the part of the power in it."""
        if isinstance(prices, AbsolutePrices) and rank is _fee:
            # As ``over_time`` has them: what lasts for no time is left out.
            self._stacks = [stack for stack in prices.stacks if stack.duration_s > 0]
            self.stacked = prices.known_algorithm is PriceAlgorithm.STACKED_ENERGY
        self._rules: dict[int, list[tuple[float, float]]] = {}
        self._starts: dict[Decimal, float] = {}
        self._said: Decimal | None = None
        self._above: Decimal | None = None
        self._read = 0.0, 0.0

    def steps(self, place: int, most_w: float) -> list[tuple[float, float]]:
        """What the next kW weighs, up to which power: never less than that of the power below it."""
        powers = self.over_time.powers
        if not 0 <= place < len(powers):
            return [(self._unknown, most_w)]
        if not self._stacks or len(self._stacks[place].rules) == 1:
            return [(powers[place], most_w)]
        rules = self._rules.get(place)
        if rules is None:
            rules = self._rules[place] = self._by_power(self._stacks[place].rules)
        return self._hull(rules, most_w)

    def pair(self, place: int) -> tuple[float, float, float] | None:
        """Where two rules hold: the fee of the lower one, up to which power it holds, and the fee above; None
        elsewhere. Most prices by power are such, and there are 1,024 of them."""
        if not self._stacks or not 0 <= place < len(self._stacks):
            return None
        rules = self._stacks[place].rules
        if len(rules) != 2:
            return None
        first, second = rules
        fee, dear = self.over_time.powers[place], float(second.energy_fee)
        said, above = first.power_range_start_w, second.power_range_start_w
        if said != self._said or above != self._above:  # mostly as before, and a Decimal is slow to read
            self._said, self._above = said, above
            self._read = float(said), float(above)
        lower, start = self._read
        if start < lower:
            fee, start, dear = dear, lower, fee
        below = 0.0 if self.stacked else _BELOW_W
        return fee, (start - below if start > below else 0.0), dear

    def _by_power(self, rules: tuple[PriceRule, ...]) -> list[tuple[float, float]]:
        """Fee of each rule, and up to which power it holds."""
        known = self._starts
        fees: list[float] = []
        starts: list[float] = []
        rises = True
        for rule in rules:
            fees.append(float(rule.energy_fee))
            said = rule.power_range_start_w
            start = known.get(said)  # there are few of them, and a Decimal is slow to read
            if start is None:
                start = known[said] = float(said)
            if starts and start < starts[-1]:
                rises = False
            starts.append(start)
        if not rises:
            order = sorted(range(len(starts)), key=starts.__getitem__)
            fees, starts = [fees[one] for one in order], [starts[one] for one in order]
        below = 0.0 if self.stacked else _BELOW_W
        uppers = [start - below if start > below else 0.0 for start in starts[1:]]
        uppers.append(math.inf)
        return list(zip(fees, uppers, strict=True))

    def _hull(self, rules: list[tuple[float, float]], most_w: float) -> list[tuple[float, float]]:
        """Slopes of the lower convex hull of what is paid by power, each with the
        power up to which it holds."""
        hull: list[tuple[float, float]] = []
        power = paid = 0.0
        points = [(0.0, 0.0)]
        for fee, holds_to in rules:
            upper = holds_to if holds_to < most_w else most_w
            if upper <= power:
                continue
            paid = paid + fee * (upper - power) if self.stacked else fee * upper
            power = upper
            since, was = points[-1]
            while hull and hull[-1][0] * (power - since) >= paid - was:
                hull.pop()
                points.pop()
                since, was = points[-1]
            hull.append(((paid - was) / (power - since), power))
            points.append((power, paid))
        return hull


def _profile(charging: Schedule, slots: Iterable[tuple[float, float, float]], least_w: float) -> Schedule:
    """From the begin of the schedule to its end, with power in these slots alone (begin, end, power); less
    than the least is taken as the least for a shorter time."""
    entries: list[tuple[float, float]] = []
    at, before = charging.begins, -1.0
    for begins, ends, power in slots:
        if power < least_w:
            ends = min(begins + max(round(power * (ends - begins) / least_w), 1), ends)
            power = least_w
        if begins > at:
            entries.append((begins - at, 0.0))
            at, before = begins, 0.0
        if power == before:
            entries[-1] = (entries[-1][0] + ends - at, power)
        else:
            entries.append((ends - at, power))
        at, before = ends, power
    if charging.over_at > at:
        entries.append((charging.over_at - at, 0.0))
    return Schedule.of(charging.begins, entries)
