"""What energy costs over time, as values: prices in money with all their rules, or mere price levels.

Amounts are ``Decimal``, because a signed price counts with the digits that it was signed with: "0.250" is
another number on the wire than "0.25". What follows from them is computed in ``energy.cost``.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Final

from msgspec import Struct

__all__ = [
    "ALGORITHM_URN",
    "AbsolutePrices",
    "AdditionalService",
    "OverstayRule",
    "OverstayRules",
    "PriceAlgorithm",
    "PriceLevels",
    "PriceRule",
    "PriceRuleStack",
    "Prices",
    "TaxRule",
    "minor_units",
]

ALGORITHM_URN: Final = "urn:iso:std:iso:15118:-20:PriceAlgorithm:"
"""Beginning of the names of the price algorithms."""
_NO_DECIMALS: Final = frozenset(
    (
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    )
)
_THREE_DECIMALS: Final = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


class PriceAlgorithm(Enum):
    """Which power decides about the fee for energy where a fee depends on power."""

    POWER = f"{ALGORITHM_URN}1-Power"
    """The momentary one, for all energy of that moment."""
    PEAK_POWER = f"{ALGORITHM_URN}2-PeakPower"
    """The greatest within a stack of rules, for all energy of that stack. Whether of a stack or of the
    session is unsettled: public sources do not say."""
    STACKED_ENERGY = f"{ALGORITHM_URN}3-StackedEnergy"
    """Each part of the energy at the fee of the band that its power lies in."""


class PriceRule(Struct, frozen=True, kw_only=True):
    """What holds from one power on, up to the next rule of the stack."""

    energy_fee: Decimal
    """Per kWh, in the currency of the schedule. In a schedule for discharging a positive
    fee is paid to the driver."""
    power_range_start_w: Decimal = Decimal(0)
    """From which power on, in W; at this very power it holds already. Below the least of a
    stack that rule holds, too."""
    parking_fee: Decimal | None = None
    """Due at the begin of every started period."""
    parking_fee_period_s: int | None = None
    """That period in s; None or 0: nothing is due."""
    carbon_dioxide_g_per_kwh: int | None = None
    """Emission, 0 to 65535."""
    renewable_percent: int | None = None
    """Share of renewable generation, 0 to 100."""


class PriceRuleStack(Struct, frozen=True):
    """The rules of one span of time in s, 1 to 8 of them."""

    duration_s: int
    rules: tuple[PriceRule, ...]


class TaxRule(Struct, frozen=True, kw_only=True):
    """One tax. Several add up on the net amount, and are not taken of each other."""

    id: int
    """1 to 4294967295."""
    rate_percent: Decimal
    """Percent is what public stacks send; the unit is unsettled."""
    name: str | None = None
    included: bool | None = None
    """The prices have it in them already; None: no."""
    on_energy: bool = True
    on_parking: bool = True
    on_overstay: bool = True
    on_bounds: bool = True
    """True: minimum and maximum cost are net, and this tax comes on top; False: they have it in them."""


class OverstayRule(Struct, frozen=True, kw_only=True):
    """What staying costs from ``start_s`` after the trigger on, up to the next rule."""

    start_s: int
    fee: Decimal
    """For every started period."""
    period_s: int
    description: str | None = None


class OverstayRules(Struct, frozen=True, kw_only=True):
    """When staying too long begins, and what it costs; 1 to 5 rules."""

    rules: tuple[OverstayRule, ...]
    time_threshold_s: int | None = None
    """For how long the power has to be low before; None: no time."""
    power_threshold_w: Decimal | None = None
    """What counts as low; None: the time counts from the end of the schedule."""


class AdditionalService(Struct, frozen=True):
    """One other service, paid once."""

    name: str
    fee: Decimal


class AbsolutePrices(Struct, frozen=True, kw_only=True, tag=True):
    """Prices in money (AbsolutePriceSchedule)."""

    begins: float
    """When the first stack begins, in s on the session's clock."""
    stacks: tuple[PriceRuleStack, ...]
    """One after the other without gaps, 1 to 1024."""
    currency: str
    """ISO 4217, three letters."""
    algorithm: str = PriceAlgorithm.POWER.value
    """One of ``PriceAlgorithm``; with any other nobody can compute a cost."""
    schedule_id: int = 1
    """PriceScheduleID, 1 to 4294967295."""
    language: str = "eng"
    """ISO 639-2/T, of the descriptions."""
    description: str | None = None
    minimum_cost: Decimal | None = None
    maximum_cost: Decimal | None = None
    """Both bound energy, parking and additional services together, not what overstaying costs."""
    taxes: tuple[TaxRule, ...] = ()
    """At most 10."""
    overstay: OverstayRules | None = None
    services: tuple[AdditionalService, ...] = ()
    """At most 5."""
    id: str | None = None
    """What a signature refers to; None: nobody signed it, and a station that signs gives it one."""
    anchor: int | None = None
    """TimeAnchor as it was signed, in s since 1970; None: it follows from ``begins``."""

    @property
    def known_algorithm(self) -> PriceAlgorithm | None:
        """The algorithm, None where nobody knows it."""
        return _ALGORITHMS.get(self.algorithm)

    @property
    def lasts_s(self) -> int:
        """The stacks together, in s."""
        return sum(stack.duration_s for stack in self.stacks)


class PriceLevels(Struct, frozen=True, kw_only=True, tag=True):
    """Prices that can only be compared (PriceLevelSchedule): 1 is the cheapest."""

    begins: float
    """When the first entry begins, in s on the session's clock."""
    entries: tuple[tuple[int, int], ...]
    """Durations in s and levels, one after the other without gaps, 1 to 1024."""
    levels: int
    """How many there are."""
    schedule_id: int = 1
    description: str | None = None
    id: str | None = None
    anchor: int | None = None
    """As in ``AbsolutePrices``."""

    @property
    def lasts_s(self) -> int:
        """The entries together, in s."""
        return sum(duration for duration, _ in self.entries)


Prices = AbsolutePrices | PriceLevels
"""Either kind of prices."""
_ALGORITHMS: Final = {one.value: one for one in PriceAlgorithm}


def minor_units(currency: str) -> int:
    """Decimals of an amount in this currency, by ISO 4217; 2 where it is not known."""
    code = currency.upper()
    return 0 if code in _NO_DECIMALS else 3 if code in _THREE_DECIMALS else 2
