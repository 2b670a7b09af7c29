"""What a run cost by the prices that were offered: the meter's energy over time, and the
schedule that the vehicle chose."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from msgspec import Struct

from iso15118.energy.cost import cost, half_up
from iso15118.energy.price import AbsolutePrices, minor_units
from iso15118.energy.schedule import Schedule
from iso15118.loopback.rig import Rig
from iso15118.session.actions import ScheduleChosen

__all__ = ["CostWatch", "RunCost"]

_EVERY_S: Final = 1.0
"""How often the meter is looked at, in s of the virtual clock."""


class RunCost(Struct, frozen=True, kw_only=True):
    """Amounts in ``currency``, net but for ``tax`` and the totals. All None but the first four where
    there are no prices in money."""

    schedule_id: int
    """Which schedule the vehicle chose at last, of how many."""
    schedules: int
    wish: str
    prices: str
    """What is known of them: none, verified, unsigned, unverifiable or invalid."""
    currency: str | None = None
    total: float | None = None
    """By the meter, from the first question for schedules to the end of the session; what
    was given back is credited."""
    planned: float | None = None
    """What the vehicle expected when it chose."""
    energy: float | None = None
    parking: float | None = None
    services: float | None = None
    overstay: float | None = None
    tax: float | None = None
    credit: float | None = None
    """For what was given back."""


class CostWatch:
    """Looks at the meter of ``plant`` while a session runs."""

    def __init__(self, plant: Rig) -> None:
        self._plant = plant
        self._since: tuple[float, float, float] | None = None
        self._charge: list[tuple[float, float]] = []
        self._back: list[tuple[float, float]] = []
        self._zero = 0.0

    def look(self, now: float, *, last: bool = False) -> None:
        """Once in every turn, with the clock's time."""
        meter = self._plant.station.meter
        since = self._since
        if since is None:
            self._zero, self._since = now, (now, meter.charged_wh, meter.discharged_wh)
            return
        lasts = now - since[0]
        if lasts <= 0.0 or (lasts < _EVERY_S and not last):
            return
        self._charge.append((lasts, (meter.charged_wh - since[1]) * 3600.0 / lasts))
        self._back.append((lasts, (meter.discharged_wh - since[2]) * 3600.0 / lasts))
        self._since = now, meter.charged_wh, meter.discharged_wh

    def result(self, chosen: ScheduleChosen | None, wish: str, edition: str) -> RunCost | None:
        """The sums; None if the vehicle chose nothing."""
        table = self._plant.station.timetable
        if chosen is None or table is None:
            return None
        common = {
            "schedule_id": chosen.schedule_id,
            "schedules": chosen.offered,
            "wish": wish,
            "prices": chosen.trust.name.lower(),
        }
        offers = table.at(self._zero)
        if edition == "iso2":  # where they are numbered by their place
            offer = offers[chosen.schedule_id - 1] if chosen.schedule_id <= len(offers) else None
        else:
            offer = next((one for one in offers if one.id == chosen.schedule_id), None)
        prices = None if offer is None else offer.charging.prices
        if offer is None or not isinstance(prices, AbsolutePrices) or not self._charge:
            return RunCost(**common)  # type: ignore[arg-type]  # texts and numbers as they are named
        load = Schedule.of(self._zero, self._charge)
        paid = cost(prices, load)
        if paid is None:
            return RunCost(**common)  # type: ignore[arg-type]
        credit = Fraction(0)
        back = None if offer.discharging is None else offer.discharging.prices
        if isinstance(back, AbsolutePrices):
            given = cost(
                back,
                Schedule.of(self._zero, ((lasts, -power) for lasts, power in self._back)),
                discharging=True,
            )
            credit = Fraction(0) if given is None else -given.total

        def shown(amount: Fraction) -> float:
            return float(half_up(amount, minor_units(prices.currency)))

        return RunCost(
            **common,  # type: ignore[arg-type]
            currency=prices.currency,
            total=shown(paid.total - credit),
            planned=None if chosen.cost is None else float(chosen.cost),
            energy=shown(paid.energy),
            parking=shown(paid.parking),
            services=shown(paid.services),
            overstay=shown(paid.overstay),
            tax=shown(paid.tax),
            credit=shown(credit),
        )
