"""What a course of power costs by prices in money: the three algorithms, parking, taxes, bounds and
overstaying, to the last digit.

Times are taken in microseconds and powers in milliwatts, as whole numbers; amounts are exact fractions. One
rounding, half up to the minor unit of the currency, is left to whoever shows the sum.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple

from .price import AbsolutePrices, OverstayRules, PriceAlgorithm, PriceRule, TaxRule, minor_units
from .schedule import Schedule

__all__ = ["Cost", "cost", "half_up"]

_MICRO: Final = 1_000_000
_MILLI: Final = 1000
_PER_KWH: Final = 10**3 * _MILLI * 3600 * _MICRO
"""Milliwatts times microseconds in a kWh."""
_MOST_W: Final = 1e12
"""No connector has more; a power beyond it counts as this."""
_EXACT: Final = Context(prec=300, Emin=-999, Emax=999)
"""Room for every amount that a message can say, whatever the program's own context is."""
_NOTHING: Final = Fraction(0)
_HUNDRED: Final = Fraction(100)


class Cost(NamedTuple):
    """Amounts in the currency of the prices, exact. The kinds of fee are net, ``tax`` is all that is
    added to them or was in them."""

    currency: str
    energy: Fraction
    parking: Fraction
    services: Fraction
    overstay: Fraction
    tax: Fraction
    total: Fraction
    """What has to be paid: within the bounds, with tax and overstaying; below 0:
    what is paid to the driver."""
    unpriced_wh: float = 0.0
    """Energy at times for which there are no prices; it is not in the sum."""

    @property
    def rounded(self) -> Decimal:
        """The total in the minor unit of the currency."""
        return half_up(self.total, minor_units(self.currency))


def half_up(amount: Fraction, decimals: int) -> Decimal:
    """``amount`` with so many decimals, halves away from zero."""
    scaled = abs(amount) * 10**decimals
    whole = int(scaled + Fraction(1, 2))
    return Decimal(whole if amount >= 0 else -whole).scaleb(-decimals)


def cost(
    prices: AbsolutePrices,
    load: Schedule,
    *,
    stay: tuple[float, float] | None = None,
    ends: float | None = None,
    discharging: bool = False,
) -> Cost | None:
    """What ``load`` costs. None where nobody knows the algorithm.

    ``load``: power in W over time. ``discharging``: ``prices`` are those of what is given back, which counts
    where ``load`` is below zero, and is credited; there only energy counts. ``stay``: from when to when the
    vehicle is there, for parking and overstaying; None: while ``load`` runs. ``ends``: the end of the
    schedule, from which overstaying counts where it names no power; None: that of ``load``.
    """
    algorithm = prices.known_algorithm
    if algorithm is None or not prices.stacks:
        return None
    stacks = _Stacks(prices)
    pieces = [
        (begins, until, -milliwatts if discharging else milliwatts)
        for begins, until, milliwatts in _pieces(load, prices.begins)
    ]
    energy, unpriced = _energy(stacks, pieces, algorithm)
    parking = services = overstay = _NOTHING
    if discharging:
        energy = -energy
    else:
        since, until = stay if stay is not None else (load.begins, load.over_at)
        here, gone = _micros(since - prices.begins), _micros(until - prices.begins)
        parking = _parking(stacks, pieces, max(here, 0), gone)
        services = sum((_exact(one.fee) for one in prices.services), _NOTHING)
        if prices.overstay is not None and prices.overstay.rules:
            end = _micros((load.over_at if ends is None else ends) - prices.begins)
            overstay = _overstay(prices.overstay, pieces, here, gone, end)
    return _with_taxes(prices, energy, parking, services, overstay, unpriced, bounded=not discharging)


# -- energy


Piece = tuple[int, int, int]
"""Begin and end in microseconds from the begin of the prices, and milliwatts."""


class _Stacks:
    """The stacks of rules with their times, made ready for being looked up."""

    def __init__(self, prices: AbsolutePrices) -> None:
        self.ends: list[int] = []
        self.rules: list[tuple[PriceRule, ...]] = []
        """Of each stack as the prices have them; ``sorted`` has them by power."""
        self._sorted: dict[int, list[PriceRule]] = {}
        self._starts: dict[int, list[int]] = {}
        self._said: list[Decimal] = []
        self._found: list[int] = []
        at = 0
        for stack in prices.stacks:
            if stack.duration_s > 0 and stack.rules:
                at += stack.duration_s * _MICRO
                self.ends.append(at)
                self.rules.append(stack.rules)

    def at(self, moment: int) -> int | None:
        """Number of the stack that holds then; None: there is none."""
        place = bisect_right(self.ends, moment)
        return place if moment >= 0 and place < len(self.ends) else None

    def sorted(self, place: int) -> list[PriceRule]:
        """The rules of this stack by the power from which they hold; of most stacks nobody asks."""
        found = self._sorted.get(place)
        if found is None:
            found = self._sorted[place] = sorted(self.rules[place], key=_start)
        return found

    def starts(self, place: int) -> list[int]:
        """From which milliwatts on the rules of this stack hold, rounded up."""
        found = self._starts.get(place)
        if found is None:
            said = [rule.power_range_start_w for rule in self.sorted(place)]
            if said != self._said:  # mostly as in the stack before
                self._said = said
                self._found = [_milliwatts(one, ROUND_CEILING) for one in said]
            found = self._starts[place] = self._found
        return found

    def rule(self, place: int, milliwatts: int) -> PriceRule:
        """The one that holds at this power; below the first the first one."""
        rules = self.rules[place]
        if len(rules) == 1:
            return rules[0]
        number = bisect_right(self.starts(place), milliwatts)
        return self.sorted(place)[number - 1 if number else 0]


_start: Final = attrgetter("power_range_start_w")


def _energy(stacks: _Stacks, pieces: Iterable[Piece], algorithm: PriceAlgorithm) -> tuple[Fraction, float]:
    """Fee for all energy, and energy in Wh outside of the stacks."""
    charged: dict[Decimal, int] = {}
    unpriced = 0
    peaks: dict[int, int] = {}
    energies: dict[int, int] = {}
    flowing = [piece for piece in pieces if piece[2] > 0]  # a gap is not cut where stacks end
    for place, begins, ends, milliwatts in _in_stacks(stacks, flowing):
        energy = milliwatts * (ends - begins)
        if place is None:
            unpriced += energy
        elif algorithm is PriceAlgorithm.POWER:
            fee = stacks.rule(place, milliwatts).energy_fee
            charged[fee] = charged.get(fee, 0) + energy
        elif algorithm is PriceAlgorithm.PEAK_POWER:
            peaks[place] = max(peaks.get(place, 0), milliwatts)
            energies[place] = energies.get(place, 0) + energy
        else:
            starts = [0, *stacks.starts(place)[1:], milliwatts]
            for rule, lower, upper in zip(stacks.sorted(place), starts, starts[1:], strict=False):
                part = min(upper, milliwatts) - max(lower, 0)
                if part > 0:
                    charged[rule.energy_fee] = charged.get(rule.energy_fee, 0) + part * (ends - begins)
    for place, energy in energies.items():
        fee = stacks.rule(place, peaks[place]).energy_fee
        charged[fee] = charged.get(fee, 0) + energy
    return _sum(charged) / _PER_KWH, unpriced / (_PER_KWH / 1000)


def _sum(charged: dict[Decimal, int]) -> Fraction:
    """Of fee times number; fees of one exponent are added as whole numbers, which is what most are."""
    by_exponent: dict[int, int] = {}
    before, exponent = None, 0
    for fee, number in charged.items():
        if before is None or not fee.same_quantum(before):  # taking a Decimal apart is slow
            before, exponent = fee, int(fee.as_tuple().exponent)
        value = int(fee.scaleb(-exponent, _EXACT))
        by_exponent[exponent] = by_exponent.get(exponent, 0) + value * number
    return sum((value * Fraction(10) ** exponent for exponent, value in by_exponent.items()), _NOTHING)


def _in_stacks(stacks: _Stacks, pieces: Iterable[Piece]) -> Iterator[tuple[int | None, int, int, int]]:
    """The pieces cut where stacks end."""
    ends = stacks.ends
    for begins, until, milliwatts in pieces:
        at = begins
        place = bisect_right(ends, at)
        while at < until:
            if at < 0:
                end, found = min(0, until), None
                place = 0
            elif place < len(ends):
                end, found = min(ends[place], until), place
            else:
                end, found = until, None
            yield found, at, end, milliwatts
            if found is not None and end == ends[found]:
                place += 1
            at = end


def _pieces(load: Schedule, zero: float) -> Iterator[Piece]:
    begins = _micros(load.begins - zero)
    for ends, power in zip(load.ends, load.powers, strict=True):
        until = round((ends - zero) * _MICRO)
        if not -_MOST_W <= power <= _MOST_W:
            power = min(max(power, -_MOST_W), _MOST_W)
        yield begins, until, round(power * _MILLI)
        begins = until


# -- parking and overstaying


def _parking(stacks: _Stacks, pieces: list[Piece], here: int, gone: int) -> Fraction:
    """At the begin of every started period the fee of the rule that holds then."""
    if not any(rule.parking_fee_period_s for rules in stacks.rules for rule in rules):
        return _NOTHING
    total, due = _NOTHING, here
    spans = [*pieces, (pieces[-1][1], gone, 0)] if pieces else [(here, gone, 0)]
    spans = [(min(here, spans[0][0]), spans[0][0], 0), *spans]
    for place, _, ends, milliwatts in _in_stacks(stacks, spans):
        until = min(ends, gone)
        if place is None or until <= due:
            continue
        rule = stacks.rule(place, max(milliwatts, 0))
        if rule.parking_fee is None or not rule.parking_fee_period_s:
            due = max(due, until)
            continue
        period = rule.parking_fee_period_s * _MICRO
        count = -((due - until) // period)
        total += _exact(rule.parking_fee) * count
        due += count * period
    return total


def _overstay(rules: OverstayRules, pieces: list[Piece], here: int, gone: int, end: int) -> Fraction:
    """Counts from when the power has been low for long enough, and low until the vehicle leaves: a gap in
    mid-charge is no overstaying."""
    quiet = end
    if rules.power_threshold_w is not None:
        threshold = _milliwatts(rules.power_threshold_w, ROUND_FLOOR)
        quiet = here
        for _, until, milliwatts in pieces:
            if milliwatts > threshold:
                quiet = max(quiet, until)
    trigger = quiet + (rules.time_threshold_s or 0) * _MICRO
    total = _NOTHING
    steps = sorted(rules.rules, key=lambda rule: rule.start_s)
    for rule, follows in zip(steps, [*steps[1:], None], strict=True):
        begins = trigger + rule.start_s * _MICRO
        ends = gone if follows is None else min(gone, trigger + follows.start_s * _MICRO)
        if ends > begins and rule.period_s > 0:
            total += _exact(rule.fee) * -((begins - ends) // (rule.period_s * _MICRO))
    return total


# -- taxes and bounds


def _with_taxes(
    prices: AbsolutePrices,
    energy: Fraction,
    parking: Fraction,
    services: Fraction,
    overstay: Fraction,
    unpriced_wh: float,
    *,
    bounded: bool,
) -> Cost:
    """Each kind of fee is taken apart into net and tax; then the bounds hold, and overstaying is added.

    A bound is net for the taxes that say so, which come on top of it, in the share that the taxed fees have
    of all, and gross for the others. Services are not taxed by any rule.
    """
    net_energy, in_energy, on_energy = _net(energy, [tax for tax in prices.taxes if tax.on_energy])
    net_parking, in_parking, on_parking = _net(parking, [tax for tax in prices.taxes if tax.on_parking])
    net_overstay, in_overstay, on_overstay = _net(overstay, [tax for tax in prices.taxes if tax.on_overstay])
    gross_tax, top_tax = in_energy + in_parking, on_energy + on_parking
    inside = net_energy + net_parking + services + gross_tax
    kept = inside
    if bounded and prices.minimum_cost is not None:
        kept = max(kept, _exact(prices.minimum_cost))
    if bounded and prices.maximum_cost is not None:
        kept = min(kept, _exact(prices.maximum_cost))
    if kept != inside:
        if inside:
            top_tax, gross_tax = top_tax * kept / inside, gross_tax * kept / inside
        else:  # nothing was used: the minimum is for what the taxes would apply to
            top_tax = kept * sum((_rate(tax) for tax in prices.taxes if tax.on_bounds), _NOTHING)
    tax = gross_tax + top_tax + in_overstay + on_overstay
    total = kept + top_tax + net_overstay + in_overstay + on_overstay
    return Cost(prices.currency, net_energy, net_parking, services, net_overstay, tax, total, unpriced_wh)


def _net(amount: Fraction, taxes: list[TaxRule]) -> tuple[Fraction, Fraction, Fraction]:
    """The net amount, the tax that bounds have in them, and the tax that comes on top of bounds."""
    included = sum((_rate(tax) for tax in taxes if tax.included), _NOTHING)
    net = amount / (1 + included) if included > -1 else amount
    inside = net * sum((_rate(tax) for tax in taxes if not tax.on_bounds), _NOTHING)
    on_top = net * sum((_rate(tax) for tax in taxes if tax.on_bounds), _NOTHING)
    return net, inside, on_top


def _rate(tax: TaxRule) -> Fraction:
    return _exact(tax.rate_percent) / _HUNDRED


# -- numbers


def _exact(amount: Decimal) -> Fraction:
    return Fraction(amount)


def _micros(seconds: float) -> int:
    return round(seconds * _MICRO)


@lru_cache(maxsize=1024)
def _milliwatts(watts: Decimal, rounding: str) -> int:
    return int(watts.scaleb(3, _EXACT).to_integral_value(rounding, _EXACT))
