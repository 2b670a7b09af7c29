"""A figure: one number with its unit, what was aimed at, and how it was found.
Printed as one line of JSON."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from .machine import Machine, machine

__all__ = ["Figure", "Scale", "median", "percentile", "samples_ns"]


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How often things are repeated. ``QUICK`` shows that everything runs, and its figures mean nothing."""

    messages: int = 20_000
    """Codings of each message."""
    pairs: int = 20_000
    """Charge-loop pairs of a rate."""
    sessions: int = 5
    """Whole sessions, after one that warms up."""
    starts: int = 7
    """Processes started for a start time, after one that warms up."""
    handshakes: int = 200
    """TLS handshakes of each kind."""
    live_pairs: int = 400
    """Connections that are kept, to see what they take."""
    loops: int = 7_818
    """Charge loops of the virtual charge, about."""
    captured: int = 100_000
    """Messages in a capture that is decoded."""


QUICK = Scale(
    captured=200, handshakes=2, live_pairs=10, messages=20, pairs=20, sessions=1, starts=1, loops=200
)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the output."""

    figure: str
    """What it is, a name that stays the same."""
    case: str
    """Of what: a message, a transport; empty where there is only one."""
    value: float
    unit: str
    aim: float | None = None
    """What ``value`` should reach; None where nothing is aimed at."""
    more_is_better: bool = False
    details: dict[str, float | int | str]
    """Further numbers of the same measurement; units in the names."""
    machine: Machine = msgspec.field(default_factory=machine)

    @property
    def aim_met(self) -> bool | None:
        """None without an aim."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.more_is_better else self.value <= self.aim

    def line(self) -> str:
        """The JSON line."""
        return msgspec.json.encode(msgspec.to_builtins(self) | {"aim_met": self.aim_met}).decode()


def median(values: list[float]) -> float:
    """The middle one, or the upper of the two."""
    return sorted(values)[len(values) // 2]


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that so many per cent do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100.0))]


def samples_ns(call: Callable[[], object], times: int) -> list[float]:
    """How long each call took, in ns of wall time, one reading of the clock included. A tenth more are
    made first, and not counted."""
    clock = time.perf_counter_ns
    for _ in range(times // 10 + 1):
        call()
    taken: list[float] = []
    for _ in range(times):
        began = clock()
        call()
        taken.append(clock() - began)
    return taken
