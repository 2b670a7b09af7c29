"""A file of schedules and prices, TOML or JSON, into offers: what `iso15118 loopback --schedule`
and ``station.schedule`` read.

Times count from the moment at which a vehicle first asks. Amounts keep the digits that they are written with.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from iso15118.energy.offer import MOST_ENTRIES, MOST_OFFERS, PowerOffer, ScheduleOffer, check_offers
from iso15118.energy.price import (
    AbsolutePrices,
    AdditionalService,
    OverstayRule,
    OverstayRules,
    PriceAlgorithm,
    PriceLevels,
    PriceRule,
    PriceRuleStack,
    Prices,
    TaxRule,
)
from iso15118.errors import ConfigError
from iso15118.session.services import Pricing
from iso15118.settings.choice import choose, nearest, shown
from iso15118.settings.reading import LONGEST_FILE, read_file

__all__ = ["pricing_of", "read_schedules"]

_ALGORITHMS: Final = {
    "power": PriceAlgorithm.POWER,
    "peak-power": PriceAlgorithm.PEAK_POWER,
    "stacked-energy": PriceAlgorithm.STACKED_ENERGY,
}
_UNITS: Final = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0}
_DURATION: Final = tuple(_UNITS)


def read_schedules(path: Path) -> tuple[ScheduleOffer, ...]:
    """The offers of a file: JSON if its name ends so, TOML otherwise. Raises ``ConfigError`` with the file,
    the key and the way to mend it."""
    try:
        return _offers(_read(path))
    except ConfigError as error:
        if error.key == str(path):
            raise
        raise ConfigError(f"{path}: {error.key}", error.reason, error.hint) from error


def pricing_of(offers: tuple[ScheduleOffer, ...]) -> Pricing:
    """What kind of prices these are: money if any of them is."""
    found = [one for offer in offers for one in offer.price_schedules]
    if any(isinstance(one, AbsolutePrices) for one in found):
        return Pricing.ABSOLUTE
    return Pricing.PRICE_LEVELS if found else Pricing.NONE


def _read(path: Path) -> Any:
    content = read_file(path, str(path), LONGEST_FILE)
    kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
    try:
        text = content.decode()
        if kind == "JSON":
            return json.loads(text, parse_float=Decimal)
        return tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise ConfigError(str(path), f"is no {kind}: {error}"[:200]) from error


def _offers(table: Any) -> tuple[ScheduleOffer, ...]:
    top = _Table(table, "", ("schedule",))
    listed = top.tables("schedule", 1, MOST_OFFERS)
    return check_offers(tuple(_offer(one) for one in listed), "schedule")


_POWER_KEYS: Final = ("entries", "begins_minutes", "available_kwh", "tolerance_kw", "prices", "levels")


def _offer(table: _Table) -> ScheduleOffer:
    table.allow("id", "discharging", *_POWER_KEYS)
    back = table.table("discharging")
    if back is not None:
        back.allow(*_POWER_KEYS)
    return ScheduleOffer(
        charging=_power(table), discharging=None if back is None else _power(back), id=table.whole("id", None)
    )


def _power(table: _Table) -> PowerOffer:
    prices, levels = table.table("prices"), table.table("levels")
    if prices is not None and levels is not None:
        raise ConfigError(levels.where, "there are prices in money, too", "one of the two")
    begins = table.number("begins_minutes", None)
    available, tolerance = table.number("available_kwh", None), table.number("tolerance_kw", None)
    entries = []
    for one in table.tables("entries", 1, MOST_ENTRIES):
        one.allow(*_DURATION, "kw")
        entries.append((float(one.duration()), one.number("kw") * 1000.0))
    offered: Prices | None = None
    if prices is not None:
        offered = _prices(prices)
    elif levels is not None:
        offered = _levels(levels)
    return PowerOffer(
        entries=tuple(entries),
        begins=None if begins is None else begins * 60.0,
        available_wh=None if available is None else available * 1000.0,
        tolerance_w=None if tolerance is None else tolerance * 1000.0,
        prices=offered,
    )


def _levels(table: _Table) -> PriceLevels:
    table.allow("entries", "count", "begins_minutes", "description")
    entries = []
    for one in table.tables("entries", 1, MOST_ENTRIES):
        one.allow(*_DURATION, "level")
        entries.append((one.duration(), one.whole("level")))
    count = table.whole("count", None)
    return PriceLevels(
        begins=(table.number("begins_minutes", None) or 0.0) * 60.0,
        entries=tuple(entries),
        levels=max(level for _, level in entries) if count is None else count,
        description=table.text("description", None),
    )


def _prices(table: _Table) -> AbsolutePrices:
    table.allow(
        "currency",
        "algorithm",
        "stacks",
        "begins_minutes",
        "language",
        "description",
        "minimum_cost",
        "maximum_cost",
        "taxes",
        "overstay",
        "services",
    )
    name = table.text("algorithm", "power")
    algorithm = _ALGORITHMS[choose(table.key("algorithm"), name, _ALGORITHMS)]
    overstay = table.table("overstay")
    taxes = table.tables("taxes", 0, 10)
    return AbsolutePrices(
        begins=(table.number("begins_minutes", None) or 0.0) * 60.0,
        stacks=tuple(map(_stack, table.tables("stacks", 1, MOST_ENTRIES))),
        currency=table.text("currency"),
        algorithm=algorithm.value,
        language=table.text("language", "eng"),
        description=table.text("description", None),
        minimum_cost=table.amount("minimum_cost", None),
        maximum_cost=table.amount("maximum_cost", None),
        taxes=tuple(_tax(tax, number) for number, tax in enumerate(taxes, start=1)),
        overstay=None if overstay is None else _overstay(overstay),
        services=tuple(map(_service, table.tables("services", 0, 5))),
    )


_RULE_KEYS: Final = (
    "fee",
    "from_kw",
    "parking_fee",
    "parking_minutes",
    "carbon_dioxide_g_per_kwh",
    "renewable_percent",
)


def _stack(table: _Table) -> PriceRuleStack:
    """One rule may be written in the stack itself."""
    table.allow(*_DURATION, "rules", *_RULE_KEYS)
    listed = table.tables("rules", 0, 8)
    if listed and any(table.has(key) for key in _RULE_KEYS):
        raise ConfigError(table.key("rules"), "there is a rule beside it", "one of the two")
    return PriceRuleStack(table.duration(), tuple(map(_rule, listed)) or (_rule(table, alone=True),))


def _rule(table: _Table, *, alone: bool = False) -> PriceRule:
    if not alone:
        table.allow(*_RULE_KEYS)
    minutes = table.number("parking_minutes", None)
    return PriceRule(
        energy_fee=table.amount("fee"),
        power_range_start_w=table.amount("from_kw", Decimal(0)).scaleb(3),
        parking_fee=table.amount("parking_fee", None),
        parking_fee_period_s=None if minutes is None else round(minutes * 60.0),
        carbon_dioxide_g_per_kwh=table.whole("carbon_dioxide_g_per_kwh", None),
        renewable_percent=table.whole("renewable_percent", None),
    )


_TAXED: Final = ("energy", "parking", "overstay")


def _tax(table: _Table, number: int) -> TaxRule:
    table.allow("percent", "name", "included", "on", "on_bounds")
    on = table.texts("on", _TAXED)
    return TaxRule(
        id=number,
        rate_percent=table.amount("percent"),
        name=table.text("name", None),
        included=table.flag("included", None),
        on_energy="energy" in on,
        on_parking="parking" in on,
        on_overstay="overstay" in on,
        on_bounds=table.flag("on_bounds", True) is not False,
    )


def _overstay(table: _Table) -> OverstayRules:
    table.allow("after_minutes", "below_kw", "rules")
    after, below = table.number("after_minutes", None), table.amount("below_kw", None)
    return OverstayRules(
        rules=tuple(map(_overstay_rule, table.tables("rules", 1, 5))),
        time_threshold_s=None if after is None else round(after * 60.0),
        power_threshold_w=None if below is None else below.scaleb(3),
    )


def _overstay_rule(table: _Table) -> OverstayRule:
    table.allow("from_minutes", "fee", "every_minutes", "description")
    return OverstayRule(
        start_s=round((table.number("from_minutes", None) or 0.0) * 60.0),
        fee=table.amount("fee"),
        period_s=round(table.number("every_minutes") * 60.0),
        description=table.text("description", None),
    )


def _service(table: _Table) -> AdditionalService:
    table.allow("name", "fee")
    return AdditionalService(table.text("name"), table.amount("fee"))


_MISSING: Final[Any] = object()


class _Table:
    """A table of the file and its dotted name; every way to read it refuses what does not fit."""

    def __init__(self, content: Any, where: str, keys: tuple[str, ...] = ()) -> None:
        if not isinstance(content, Mapping):
            raise ConfigError(
                where or "schedule", f"{shown(content)} is no table", "docs/schedules.md has examples"
            )
        self.content: Mapping[str, Any] = content
        self.where = where
        if keys:
            self.allow(*keys)

    def allow(self, *keys: str) -> None:
        """Refuse any other key."""
        for name in self.content:
            if name not in keys:
                said = name if name.isprintable() and len(name) <= 60 else shown(name)
                raise ConfigError(self.key(said), "no such key", f"did you mean {nearest(name, keys)!r}?")

    def key(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def has(self, name: str) -> bool:
        return name in self.content

    def _get(self, name: str, default: Any, reads: Callable[[Any], Any], wanted: str) -> Any:
        value = self.content.get(name, _MISSING)
        if value is _MISSING:
            if default is _MISSING:
                raise ConfigError(self.key(name), "is missing", wanted)
            return default
        try:
            return reads(value)
        except (TypeError, ValueError, ArithmeticError, OverflowError):
            raise ConfigError(self.key(name), f"{shown(value)} is not possible", wanted) from None

    def number(self, name: str, default: Any = _MISSING) -> Any:
        return self._get(name, default, _number, "a number")

    def whole(self, name: str, default: Any = _MISSING) -> Any:
        return self._get(name, default, _whole, "a whole number")

    def amount(self, name: str, default: Any = _MISSING) -> Any:
        return self._get(name, default, _amount, "a number, such as 0.25")

    def text(self, name: str, default: Any = _MISSING) -> Any:
        return self._get(name, default, _text, "a text")

    def flag(self, name: str, default: Any = _MISSING) -> Any:
        return self._get(name, default, _flag, "true or false")

    def texts(self, name: str, names: tuple[str, ...]) -> tuple[str, ...]:
        listed = self._get(name, list(names), _list, "a list of texts")
        return tuple(choose(self.key(name), _checked_text(self.key(name), one), names) for one in listed)

    def table(self, name: str) -> _Table | None:
        return _Table(self.content[name], self.key(name)) if name in self.content else None

    def tables(self, name: str, least: int, most: int) -> list[_Table]:
        listed = self._get(name, [] if least == 0 else _MISSING, _list, "a list of tables")
        if not least <= len(listed) <= most:
            raise ConfigError(self.key(name), f"{len(listed)} are not possible", f"{least} to {most}")
        return [_Table(one, f"{self.key(name)}[{place}]") for place, one in enumerate(listed)]

    def duration(self) -> int:
        """By the one of its units that is there, in whole seconds."""
        named = [unit for unit in _DURATION if unit in self.content]
        if len(named) != 1:
            raise ConfigError(
                self.where, f"{' and '.join(named) or 'no duration'}", f"one of {', '.join(_DURATION)}"
            )
        seconds: float = self.number(named[0]) * _UNITS[named[0]]
        if not 1.0 <= seconds <= 2**32 - 1 or abs(seconds - round(seconds)) > 1e-6:
            raise ConfigError(self.key(named[0]), f"{seconds:g} s", "1 s or more, in whole seconds")
        return round(seconds)


def _number(value: Any) -> float:
    if type(value) not in (int, float, Decimal) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _whole(value: Any) -> int:
    if type(value) is not int or not -(2**63) < value < 2**63:
        raise ValueError
    return int(value)


def _amount(value: Any) -> Decimal:
    if type(value) not in (int, str, Decimal) or (isinstance(value, int) and value.bit_length() > 64):
        raise ValueError
    amount = Decimal(value)
    if not amount.is_finite():
        raise ValueError
    return amount


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError
    return value


def _checked_text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(key, f"{shown(value)} is no text", "a list of texts")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError
    return value
