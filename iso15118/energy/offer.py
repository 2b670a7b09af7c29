"""What an energy manager offers a vehicle: up to three schedules of power and price,
one of which the vehicle takes.

Values with absolute times on the session's clock, and the check of those that come from an application.
Nothing here knows a message.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from iso15118.errors import ConfigError

from .price import AbsolutePrices, OverstayRules, PriceLevels, PriceRule, PriceRuleStack, Prices, TaxRule
from .schedule import Schedule

__all__ = [
    "MOST_ENTRIES",
    "MOST_OFFERS",
    "MOST_OVERSTAY",
    "MOST_RULES",
    "MOST_SERVICES",
    "MOST_TAXES",
    "EnergyOffer",
    "PowerOffer",
    "ScheduleOffer",
    "SignedOffers",
    "begun",
    "check_offers",
    "offers_of",
]

MOST_OFFERS: Final = 3
"""Schedules in one message."""
MOST_ENTRIES: Final = 1024
"""Periods in one schedule."""
MOST_S: Final = 2**32 - 1
"""The longest time that a message can say, in s."""
_GREATEST: Final = 1e12
"""W, Wh or money: far above all that a connector has, far below what a message cannot say."""
MOST_RULES: Final = 8
"""Price rules that hold at once."""
MOST_TAXES: Final = 10
"""Tax rules of one schedule."""
MOST_OVERSTAY: Final = 5
"""Rules for staying too long."""
MOST_SERVICES: Final = 5
"""Additional services that cost something."""
_LEAST_EXPONENT, _MOST_EXPONENT, _MOST_VALUE = -128, 127, 32767


class PowerOffer(Struct, frozen=True, kw_only=True):
    """Power over time in one direction, with what it costs."""

    entries: tuple[tuple[float, float], ...]
    """Durations in s (1 or more) and powers in W (0 or more) of all phases together, one after the
    other; a power of 0 is a gap."""
    begins: float | None = None
    """On the session's clock; None: when it is offered. What has passed by then is left out, and before
    it begins nothing may flow."""
    available_wh: float | None = None
    """No more than this energy in all; None: no such bound."""
    tolerance_w: float | None = None
    """How far the vehicle may be off its own power profile (PowerTolerance); None: that of the settings."""
    prices: Prices | None = None

    def schedule(self, now: float) -> Schedule:
        """The power as a function of time."""
        return Schedule.of(now if self.begins is None else self.begins, self.entries)


class ScheduleOffer(Struct, frozen=True, kw_only=True):
    """One schedule to choose (ScheduleTuple)."""

    charging: PowerOffer
    discharging: PowerOffer | None = None
    """What the vehicle may give back, as magnitudes; for bidirectional services. None:
    whatever the limits allow."""
    id: int | None = None
    """ScheduleTupleID, 1 to 4294967295 (ISO 15118-2: 255); None: its place in the list."""

    @property
    def price_schedules(self) -> tuple[Prices, ...]:
        """Those of both directions."""
        both = (self.charging, self.discharging)
        return tuple(one.prices for one in both if one is not None and one.prices is not None)


class SignedOffers(Struct, frozen=True):
    """Schedules whose prices the provider signed: ``signature`` is the value of the XML signature over all
    price schedules with an ``id``, in their order, r and s of ECDSA side by side."""

    offers: tuple[ScheduleOffer, ...]
    signature: bytes


class EnergyOffer(Struct, frozen=True):
    """What a vehicle would give back (EVEnergyOffer): powers in W over time, negative where it is willing,
    and the prices that it asks."""

    power: Schedule
    prices: AbsolutePrices


def offers_of(plans: Iterable[Schedule]) -> tuple[ScheduleOffer, ...]:
    """Mere power over time, the first is the default."""
    return tuple(
        ScheduleOffer(
            charging=PowerOffer(
                begins=plan.begins,
                entries=tuple((ends - begins, power) for begins, ends, power in plan.pieces()),
            )
        )
        for plan in plans
    )


def begun(offers: Iterable[ScheduleOffer], now: float) -> tuple[ScheduleOffer, ...]:
    """The same, where what has no begin begins at ``now``."""
    return tuple(
        replace(
            offer,
            charging=_begun(offer.charging, now),
            discharging=None if offer.discharging is None else _begun(offer.discharging, now),
        )
        for offer in offers
    )


def _begun(offer: PowerOffer, now: float) -> PowerOffer:
    return offer if offer.begins is not None else replace(offer, begins=now)


def check_offers(offers: Any, name: str = "offers") -> tuple[ScheduleOffer, ...]:
    """What an application offers, numbered. Raises ``ConfigError`` naming the field."""
    if not isinstance(offers, Sequence) or isinstance(offers, (str, bytes)) or len(offers) > MOST_OFFERS:
        raise ConfigError(
            name, f"{_shown(offers)} is not possible", f"a list of at most {MOST_OFFERS} schedules"
        )
    found: list[ScheduleOffer] = []
    for place, offer in enumerate(offers):
        where = f"{name}[{place}]"
        if not isinstance(offer, ScheduleOffer):
            raise ConfigError(
                where, f"{type(offer).__name__} is no ScheduleOffer", "energy.offer.ScheduleOffer(...)"
            )
        _power(offer.charging, f"{where}.charging")
        if offer.discharging is not None:
            _power(offer.discharging, f"{where}.discharging")
        number = place + 1 if offer.id is None else offer.id
        _whole(f"{where}.id", number, 1, MOST_S)
        if any(number == other.id for other in found):
            raise ConfigError(
                f"{where}.id", f"{number} is listed twice", "an id of its own for each schedule"
            )
        found.append(replace(offer, id=number))
    ids = [one.id for offer in found for one in offer.price_schedules if one.id is not None]
    if len(set(ids)) != len(ids):
        raise ConfigError(name, "two price schedules have one id", "an id of its own for each, or none")
    return tuple(found)


def _power(offer: Any, where: str) -> None:
    if not isinstance(offer, PowerOffer):
        raise ConfigError(where, f"{type(offer).__name__} is no PowerOffer", "energy.offer.PowerOffer(...)")
    entries = offer.entries
    _list(f"{where}.entries", entries, 1, MOST_ENTRIES)
    for entry in entries:
        if type(entry) is not tuple or len(entry) != 2:
            raise ConfigError(
                f"{where}.entries", f"{_shown(entry)} is no entry", "a duration in s and a power in W"
            )
        duration, power = entry
        _number(f"{where}.entries", duration, 1.0, MOST_S, "durations of 1 s to 136 years")
        _number(f"{where}.entries", power, 0.0, _GREATEST, "powers of 0 W or more")
    for name, most in (("begins", 1e15), ("available_wh", _GREATEST), ("tolerance_w", _GREATEST)):
        value = getattr(offer, name)
        if value is not None:
            _number(f"{where}.{name}", value, -most if name == "begins" else 0.0, most, "a number, or None")
    prices, at = offer.prices, f"{where}.prices"
    if isinstance(prices, AbsolutePrices):
        _absolute(prices, at)
    elif isinstance(prices, PriceLevels):
        _levels(prices, at)
    elif prices is not None:
        raise ConfigError(at, f"{type(prices).__name__} is no price", "AbsolutePrices, PriceLevels or None")


def _common(prices: Prices, at: str) -> None:
    _number(f"{at}.begins", prices.begins, -1e15, 1e15, "a time in s on the session's clock")
    _whole(f"{at}.schedule_id", prices.schedule_id, 1, MOST_S)
    _text(f"{at}.description", prices.description, 160)
    _text(f"{at}.id", prices.id, 255, least=1)
    if prices.anchor is not None:
        _whole(f"{at}.anchor", prices.anchor, 0, 2**64 - 1)


def _levels(prices: PriceLevels, at: str) -> None:
    _common(prices, at)
    _whole(f"{at}.levels", prices.levels, 1, 255)
    _list(f"{at}.entries", prices.entries, 1, MOST_ENTRIES)
    for entry in prices.entries:
        if type(entry) is not tuple or len(entry) != 2:
            raise ConfigError(f"{at}.entries", f"{_shown(entry)} is no entry", "a duration in s and a level")
        _whole(f"{at}.entries", entry[0], 1, MOST_S)
        _whole(f"{at}.entries", entry[1], 1, prices.levels)


def _absolute(prices: AbsolutePrices, at: str) -> None:
    _common(prices, at)
    if not (isinstance(prices.currency, str) and len(prices.currency) == 3 and prices.currency.isascii()):
        raise ConfigError(
            f"{at}.currency", f"{_shown(prices.currency)} is none", "three letters, such as EUR"
        )
    _text(f"{at}.language", prices.language, 3, least=1)
    _text(f"{at}.algorithm", prices.algorithm, 255, least=1)
    for name in ("minimum_cost", "maximum_cost"):
        _amount(f"{at}.{name}", getattr(prices, name), optional=True)
    _list(f"{at}.stacks", prices.stacks, 1, MOST_ENTRIES)
    for stack in prices.stacks:
        if not isinstance(stack, PriceRuleStack):
            raise ConfigError(f"{at}.stacks", f"{type(stack).__name__} is none", "PriceRuleStack(...)")
        _whole(f"{at}.stacks.duration_s", stack.duration_s, 1, MOST_S)
        _list(f"{at}.stacks.rules", stack.rules, 1, MOST_RULES)
        for rule in stack.rules:
            _rule(rule, f"{at}.stacks.rules")
    _list(f"{at}.taxes", prices.taxes, 0, MOST_TAXES)
    for tax in prices.taxes:
        _tax(tax, f"{at}.taxes")
    _list(f"{at}.services", prices.services, 0, MOST_SERVICES)
    for service in prices.services:
        _text(f"{at}.services.name", service.name, 80, least=1)
        _amount(f"{at}.services.fee", service.fee)
    if prices.overstay is not None:
        _overstay(prices.overstay, f"{at}.overstay")


def _rule(rule: Any, at: str) -> None:
    if not isinstance(rule, PriceRule):
        raise ConfigError(at, f"{type(rule).__name__} is none", "PriceRule(...)")
    _amount(f"{at}.energy_fee", rule.energy_fee)
    _amount(f"{at}.power_range_start_w", rule.power_range_start_w)
    _amount(f"{at}.parking_fee", rule.parking_fee, optional=True)
    for name, most in (
        ("parking_fee_period_s", MOST_S),
        ("carbon_dioxide_g_per_kwh", 65_535),
        ("renewable_percent", 100),
    ):
        value = getattr(rule, name)
        if value is not None:
            _whole(f"{at}.{name}", value, 0, most)


def _tax(tax: Any, at: str) -> None:
    if not isinstance(tax, TaxRule):
        raise ConfigError(at, f"{type(tax).__name__} is none", "TaxRule(...)")
    _whole(f"{at}.id", tax.id, 1, MOST_S)
    _text(f"{at}.name", tax.name, 80)
    _amount(f"{at}.rate_percent", tax.rate_percent)


def _overstay(overstay: OverstayRules, at: str) -> None:
    _list(f"{at}.rules", overstay.rules, 1, MOST_OVERSTAY)
    if overstay.time_threshold_s is not None:
        _whole(f"{at}.time_threshold_s", overstay.time_threshold_s, 0, MOST_S)
    _amount(f"{at}.power_threshold_w", overstay.power_threshold_w, optional=True)
    for rule in overstay.rules:
        _whole(f"{at}.rules.start_s", rule.start_s, 0, MOST_S)
        _whole(f"{at}.rules.period_s", rule.period_s, 1, MOST_S)
        _amount(f"{at}.rules.fee", rule.fee)
        _text(f"{at}.rules.description", rule.description, 160)


def _amount(name: str, value: Any, *, optional: bool = False) -> None:
    """A number that a message can say with all its digits: a value of 16 bits and an exponent of 8."""
    if value is None and optional:
        return
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ConfigError(name, f"{_shown(value)} is no amount", 'a Decimal, such as Decimal("0.25")')
    _, digits, exponent = value.as_tuple()
    whole = 0
    for digit in digits[:6]:
        whole = whole * 10 + digit
    if len(digits) > 5 or whole > _MOST_VALUE or not _LEAST_EXPONENT <= int(exponent) <= _MOST_EXPONENT:
        raise ConfigError(
            name, f"{value} has too many digits", f"at most {_MOST_VALUE} without its decimal point"
        )


def _list(name: str, value: Any, least: int, most: int) -> None:
    if type(value) is not tuple or not least <= len(value) <= most:
        raise ConfigError(name, f"{_shown(value)} is not possible", f"a tuple of {least} to {most}")


def _number(name: str, value: Any, least: float, most: float, wanted: str) -> None:
    if type(value) not in (float, int) or not least <= value <= most or not math.isfinite(value):
        raise ConfigError(name, f"{_shown(value)} is not possible", wanted)


def _whole(name: str, value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(name, f"{_shown(value)} is not possible", f"a whole number from {least} to {most}")


def _text(name: str, value: Any, most: int, *, least: int = 0) -> None:
    if value is not None and not (isinstance(value, str) and least <= len(value) <= most):
        raise ConfigError(name, f"{_shown(value)} is not possible", f"a text of {least} to {most} characters")


def _shown(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return f"a list of {len(value)}"
    return (
        repr(value)[:60]
        if type(value) in (float, int, bool, str, type(None), Decimal)
        else type(value).__name__
    )
