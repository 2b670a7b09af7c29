"""What the longest schedules cost: a station judges a profile of 2,048 entries, a vehicle reads
and judges schedules of 1,024.

Without EXI, which has figures of its own; medians of single calls.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal

from iso15118.energy.cost import cost
from iso15118.energy.planning import Candidate, Wanted, planned
from iso15118.energy.price import AbsolutePrices, PriceAlgorithm, PriceRule, PriceRuleStack
from iso15118.energy.schedule import Schedule, fewer, violation
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import rational, si

from .figure import Figure, Scale, median, samples_ns

__all__ = ["run"]

_AIM_MS = 5.0
_ENTRIES, _PROFILE = 1024, 2048
_SENT = 1_790_000_000


def _schedule(rng: random.Random, count: int, least: int, most: int) -> tuple[cm.PowerScheduleEntry, ...]:
    return tuple(
        cm.PowerScheduleEntry(duration=rng.randint(30, 90), power=rational(float(rng.randint(least, most))))
        for _ in range(count)
    )


def _read(entries: tuple[cm.PowerScheduleEntry, ...]) -> Schedule:
    return Schedule.of(12.5, ((float(entry.duration), si(entry.power)) for entry in entries))


def run(scale: Scale) -> Iterator[Figure]:
    """Milliseconds of each, with the processor's share beside it."""
    rng = random.Random(1)  # noqa: S311 - repeatable numbers, no secrets
    offered, back = _schedule(rng, _ENTRIES, 20_000, 99_000), _schedule(rng, _ENTRIES, 5000, 9000)
    profile = _schedule(rng, _PROFILE, -4000, 19_000)
    charging, discharging = _read(offered), _read(back)
    stacks = tuple(
        PriceRuleStack(
            60,
            tuple(
                PriceRule(
                    energy_fee=Decimal(rng.randint(1, 999)).scaleb(-3), power_range_start_w=Decimal(start)
                )
                for start in (0, 11_000)
            ),
        )
        for _ in range(_ENTRIES)
    )
    prices = AbsolutePrices(begins=12.5, stacks=stacks, currency="EUR", algorithm=PriceAlgorithm.POWER.value)
    wanted = Wanted(energy_wh=90_000.0, now=13.0, most_w=50_000.0, until=60_000.0, reserve=0.05)
    load = _read(profile)

    one = Candidate(charging=charging, prices=prices)

    def judge() -> None:
        if violation(_read(profile), charging, 13.0, least_w=-1e6, back=discharging):
            raise RuntimeError("the profile keeps to its schedule")

    cases: tuple[tuple[str, Callable[[], object], float | None], ...] = (
        ("station: profile of 2,048 entries against schedules of 1,024", judge, _AIM_MS),
        ("station: schedule of 1,024 entries for a vehicle that takes 12", lambda: fewer(charging, 12), _AIM_MS),
        ("vehicle: schedule of 1,024 entries read", lambda: _read(offered), _AIM_MS),
        ("vehicle: cheapest profile on 1,024 entries and 1,024 prices", lambda: planned(one, wanted), _AIM_MS),
        ("cost of 2,048 entries by 1,024 prices", lambda: cost(prices, load), None),
    )  # fmt: skip
    times = max(scale.messages // 200, 1)
    for name, call, aim in cases:
        before = time.process_time()
        taken = samples_ns(call, times)
        cpu_ms = (time.process_time() - before) * 1000.0 / (times + times // 10 + 1)
        yield Figure(
            figure="schedules",
            case=name,
            value=median(taken) / 1e6,
            unit="ms",
            aim=aim,
            details={"cpu_ms": cpu_ms},
        )
