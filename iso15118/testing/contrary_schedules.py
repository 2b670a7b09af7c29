"""What a contrary station offers over time: many entries or one, gaps, anchors behind and ahead, both
directions, prices of every kind."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from iso15118.messages.iso20 import common_messages as cm
from iso15118.session.limits import StationLimits
from iso15118.testing.oddities import Hand

if TYPE_CHECKING:
    from iso15118.testing.contrary_station import StationHabits

__all__ = ["ContrarySchedules"]


class ContrarySchedules:
    """Part of ``ContraryStation``, which has all that is named here."""

    habits: StationHabits
    limits: StationLimits
    schedule: list[tuple[float, float, float]]
    offered: dict[int, list[tuple[float, float, float]]]
    _rng: random.Random
    _hand: Hand
    _now: float
    _service: int

    def _stamp(self, moment: float) -> int:
        raise NotImplementedError

    def _tuples(self) -> list[cm.ScheduleTuple]:
        rng = self._rng
        self.offered = {}
        ids = rng.sample(range(1, 4_000_000), 3)[: rng.randint(1, 3)]
        made = []
        for place, one in enumerate(ids):
            charging, spans = self._power_schedule(
                self.limits.maximum_charge_power_w * (1.0, 0.7, 0.4)[place], 1
            )
            self.offered[one] = spans
            back = None
            if self.habits.back and self._service in (6, 9):
                sign = self.habits.discharge_sign
                back, _ = self._power_schedule(self.limits.maximum_discharge_power_w, sign)
            made.append(
                cm.ScheduleTuple(schedule_tuple_id=one, charging_schedule=charging, discharging_schedule=back)
            )
        self.schedule = self.offered[ids[0]]
        return made

    def _power_schedule(
        self, most: float, sign: int
    ) -> tuple[cm.ChargingSchedule, list[tuple[float, float, float]]]:
        """An element, and its begins, ends and powers as they are meant."""
        habits, rng = self.habits, self._rng
        durations = [rng.choice((0, 1, 7, 60, 900, 3600)) for _ in range(habits.entries - 1)]
        durations.append(rng.choice((5, 60)) if habits.gaps else 100_000)
        # One that began in the past must not be over already.
        durations[-1] += max(0, 5 - int(habits.anchor_s or 0.0) - sum(durations))
        shares = (1.0, 0.0, 0.5, 0.13) if habits.gaps else (1.0, 1.0, 0.5, 0.13)
        powers = [self._hand.write(most * rng.choice(shares)) for _ in durations]
        powers[-1] = self._hand.write(most)
        entries = tuple(
            cm.PowerScheduleEntry(
                duration=duration, power=power if sign > 0 else self._hand.write(-Hand.read(power))
            )
            for duration, power in zip(durations, powers, strict=True)
        )
        begins = self._now + (habits.anchor_s or 0.0)
        spans = []
        at = begins
        for duration, power in zip(durations, powers, strict=True):
            spans.append((at, at + duration, Hand.read(power)))
            at += duration
        anchor = 0 if habits.anchor_s is None else self._stamp(begins)
        return cm.ChargingSchedule(
            power_schedule=cm.PowerSchedule(
                time_anchor=anchor,
                power_tolerance=self._hand.write(0.01 * most) if rng.random() < 0.3 else None,
                power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=entries),
            ),
            price_schedule=self._prices(anchor) if habits.prices else None,
        ), spans

    def _prices(self, anchor: int) -> Any:
        """Money or levels, with all that may stand there, in an order of its own."""
        rng, write = self._rng, self._hand.write
        count = rng.choice((1, 3, 1024))
        if rng.random() < 0.3:
            return cm.PriceLevelSchedule(
                time_anchor=anchor,
                price_schedule_id=rng.randint(1, 2**32 - 1),
                number_of_price_levels=3,
                price_level_schedule_entries=cm.PriceLevelScheduleEntryList(
                    price_level_schedule_entry=tuple(
                        cm.PriceLevelScheduleEntry(
                            duration=rng.choice((0, 30, 7200)), price_level=rng.randint(1, 3)
                        )
                        for _ in range(count)
                    )
                ),
            )
        algorithm = rng.choice(("1-Power", "2-PeakPower", "3-StackedEnergy", "4-Unheard"))
        rules = [
            cm.PriceRule(
                energy_fee=write(rng.uniform(-0.1, 0.9)),
                parking_fee=write(0.1) if rng.random() < 0.5 else None,
                parking_fee_period=rng.choice((None, 0, 900)),
                carbon_dioxide_emission=rng.choice((None, 400)),
                renewable_generation_percentage=rng.choice((None, 55)),
                power_range_start=write(float(start)),
            )
            for start in rng.sample((0, 11_000, 22_000, 150_000), rng.randint(1, 4))
        ]
        return cm.AbsolutePriceSchedule(
            id=rng.choice((None, "odd")),
            time_anchor=anchor,
            price_schedule_id=1,
            currency=rng.choice(("EUR", "JPY")),
            language="deu",
            price_algorithm=f"urn:iso:std:iso:15118:-20:PriceAlgorithm:{algorithm}",
            price_rule_stacks=cm.PriceRuleStackList(
                price_rule_stack=tuple(
                    cm.PriceRuleStack(duration=rng.choice((1, 600, 86_400)), price_rule=tuple(rules))
                    for _ in range(count)
                )
            ),
        )
