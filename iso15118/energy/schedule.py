"""Power over time, on one absolute clock: what a schedule allows at a moment, and whether a plan keeps to it.

Entries follow one another without gaps. All moments are seconds on the clock of the session that asks; powers
in W, negative from the vehicle. Looking something up takes O(log n), comparing two schedules O(n).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct

__all__ = ["ROOM", "SLACK_S", "Schedule", "violation"]

ROOM: Final = 1.005
"""Half a per cent: both sides round the same power to a RationalNumber."""
SLACK_S: Final = 2.0
"""Moments travel as whole seconds: for so long two schedules may disagree where both have an edge."""


class Schedule(Struct, frozen=True):
    """``powers[n]`` holds until ``ends[n]``, the first one from ``begins`` on. Made by ``of``."""

    begins: float
    ends: tuple[float, ...]
    powers: tuple[float, ...]

    @classmethod
    def of(cls, begins: float, entries: Iterable[tuple[float, float]]) -> Schedule:
        """From durations in s and powers in W; an entry without duration is left out. Raises ``ValueError``
        if nothing remains."""
        ends: list[float] = []
        powers: list[float] = []
        at = begins
        for duration, power in entries:
            if duration > 0.0:
                at += duration
                ends.append(at)
                powers.append(power)
        if not ends:
            raise ValueError("a schedule of no duration")
        return cls(begins, tuple(ends), tuple(powers))

    @property
    def over_at(self) -> float:
        """When the last entry ends."""
        return self.ends[-1]

    def at(self, now: float) -> float:
        """Power at ``now``: nothing before it begins, and nothing once it is over."""
        ends = self.ends
        if now < ends[0]:  # mostly there is but one entry
            return self.powers[0] if now >= self.begins else 0.0
        return self.powers[bisect_right(ends, now)] if now < ends[-1] else 0.0

    def pieces(self) -> Iterator[tuple[float, float, float]]:
        """Begin, end and power of each entry."""
        begins = self.begins
        for ends, power in zip(self.ends, self.powers, strict=True):
            yield begins, ends, power
            begins = ends

    def changed(self, change: Callable[[float], float]) -> Schedule:
        """The same times with other powers."""
        return Schedule(self.begins, self.ends, tuple(change(power) for power in self.powers))


def violation(
    plan: Schedule, allowed: Schedule, now: float, *, most_w: float = float("inf"), least_w: float = 0.0
) -> str:
    """Where ``plan`` leaves ``allowed`` or ``least_w`` to ``most_w`` from ``now`` on, in words; empty if it
    keeps to them.

    The last power of each goes on behind its end. Before ``allowed`` begins nothing is allowed.
    """
    begins = at = max(now, plan.begins)
    mine, theirs = bisect_right(plan.ends, at), bisect_right(allowed.ends, at)
    until = max(plan.over_at, allowed.over_at)
    while at < until:
        power = plan.powers[min(mine, len(plan.powers) - 1)]
        edge = plan.ends[mine] if mine < len(plan.ends) else until
        if at < allowed.begins:
            upper, other = 0.0, allowed.begins
        else:
            upper = min(allowed.powers[min(theirs, len(allowed.powers) - 1)], most_w)
            other = allowed.ends[theirs] if theirs < len(allowed.ends) else until
        ends = min(edge, other, until)
        if ends - at > SLACK_S and not least_w * ROOM <= power <= max(upper, 0.0) * ROOM:
            return (
                f"{power:.0f} W from {at - begins:.0f} s on, where {least_w:.0f} to {upper:.0f} W are allowed"
            )
        at = ends
        mine += edge <= at
        theirs += allowed.begins < at and other <= at
    return ""
