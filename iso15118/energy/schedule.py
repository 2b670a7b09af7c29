"""Power over time, on one absolute clock: what a schedule allows at a moment, and whether a plan keeps to it.

Entries follow one another without gaps. All moments are seconds on the clock of the session that asks; powers
in W, negative from the vehicle. Looking something up takes O(log n), comparing two schedules O(n).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from msgspec import Struct

__all__ = ["ROOM", "SLACK_S", "Schedule", "fewer", "violation"]

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

    def changes_at(self, now: float, overrun_s: float) -> float | None:
        """When the power is another one next, where the last one holds for ``overrun_s`` behind the end and
        then nothing does; None: never again."""
        ends = self.ends
        if now < self.begins:
            return self.begins
        if len(ends) > 1 and now < ends[-2]:
            return ends[bisect_right(ends, now)]
        over = ends[-1] + overrun_s
        return over if now < over else None

    def around(self, now: float, room_s: float) -> float:
        """The least power from ``room_s`` before ``now``, but not before it begins, to ``room_s`` after it:
        what both sides may take for the power of now, when each reads moments in whole seconds."""
        begins, ends = self.begins, self.ends
        if begins <= now < ends[0] - room_s:  # mostly there is but one entry
            return self.powers[0]
        if not begins <= now < ends[-1]:
            return 0.0
        first = bisect_right(ends, max(now - room_s, begins))
        last = min(bisect_right(ends, now + room_s), len(ends) - 1)
        return self.powers[first] if first == last else min(self.powers[first : last + 1])

    def pieces(self) -> Iterator[tuple[float, float, float]]:
        """Begin, end and power of each entry."""
        begins = self.begins
        for ends, power in zip(self.ends, self.powers, strict=True):
            yield begins, ends, power
            begins = ends

    def later(self, seconds: float) -> Schedule:
        """The same powers, begun so much later."""
        return Schedule(self.begins + seconds, tuple(end + seconds for end in self.ends), self.powers)

    def changed(self, change: Callable[[float], float]) -> Schedule:
        """The same times with other powers."""
        return Schedule(self.begins, self.ends, tuple(change(power) for power in self.powers))

    def from_now(self, now: float) -> Schedule:
        """What is left of it at ``now``, with nothing until it begins. Raises
        ``ValueError`` if it is over."""
        if now >= self.ends[-1]:
            raise ValueError("a schedule that is over")
        if now < self.begins:
            return Schedule(now, (self.begins, *self.ends), (0.0, *self.powers))
        place = bisect_right(self.ends, now)
        return Schedule(now, self.ends[place:], self.powers[place:])

    def lasting(self, until: float) -> Schedule:
        """The same, with its last power going on to ``until`` at least."""
        if until <= self.ends[-1]:
            return self
        return Schedule(self.begins, (*self.ends[:-1], until), self.powers)

    def energy_wh(self, since: float, until: float) -> float:
        """Energy between two moments, in Wh."""
        total, begins = 0.0, self.begins
        for ends, power in zip(self.ends, self.powers, strict=True):
            if begins >= until:
                break
            if ends > since:
                # Written out: there are up to 2,048 entries.
                last, first = (until if until < ends else ends), (since if since > begins else begins)
                total += power * (last - first)
            begins = ends
        return total / 3600.0

    def within_energy(self, available_wh: float) -> Schedule:
        """The same as long as the energy since its begin is no more than ``available_wh``, then nothing."""
        left = max(available_wh, 0.0) * 3600.0
        entries: list[tuple[float, float]] = []
        begins = self.begins
        for ends, power in zip(self.ends, self.powers, strict=True):
            lasts = ends - begins
            begins = ends
            if power > 0.0:
                energy = power * lasts
                if energy > left:
                    flows = left / power
                    entries += [(flows, power), (lasts - flows, 0.0)]
                    left = 0.0
                    continue
                left -= energy
            entries.append((lasts, power))
        return Schedule.of(self.begins, entries)


def fewer(schedule: Schedule, most: int) -> Schedule:
    """The same with no more than ``most`` entries: neighbours become one with the lesser power of the two,
    those first where the least energy is lost. Nowhere is it above the original."""
    powers, ends = list(schedule.powers), schedule.ends
    count = len(powers)
    if count <= max(most, 1):
        return schedule
    begins = [schedule.begins, *ends[:-1]]
    last = list(ends)
    after, before = list(range(1, count + 1)), list(range(-1, count - 1))
    stamps = [0] * count

    def loss(one: int, other: int) -> float:
        mine, its = powers[one], powers[other]
        if mine > its:
            return (mine - its) * (last[one] - begins[one])
        return (its - mine) * (last[other] - begins[other])

    heap = [(loss(place, place + 1), place, place + 1, 0, 0) for place in range(count - 1)]
    heapify(heap)
    left = count
    while left > most:
        _, one, other, mine, its = heappop(heap)
        if stamps[one] != mine or stamps[other] != its:
            continue  # one of the two has become another since
        if powers[other] < powers[one]:
            powers[one] = powers[other]
        last[one] = last[other]
        stamps[other] = -1
        stamps[one] += 1
        follows = after[one] = after[other]
        if follows < count:
            before[follows] = one
            heappush(heap, (loss(one, follows), one, follows, stamps[one], stamps[follows]))
        if (earlier := before[one]) >= 0:
            heappush(heap, (loss(earlier, one), earlier, one, stamps[earlier], stamps[one]))
        left -= 1
    kept = [place for place in range(count) if stamps[place] >= 0]
    return Schedule(
        schedule.begins, tuple(last[place] for place in kept), tuple(powers[place] for place in kept)
    )


def violation(
    plan: Schedule,
    allowed: Schedule,
    now: float,
    *,
    most_w: float = float("inf"),
    least_w: float = 0.0,
    back: Schedule | None = None,
) -> str:
    """Where ``plan`` leaves ``allowed`` or ``least_w`` to ``most_w`` from ``now`` on, in words; empty if it
    keeps to them.

    The last power of each goes on behind its end. Before ``allowed`` begins nothing is allowed.
    ``least_w``: 0, or what may be given back at most as a negative power; ``back``: the same over time, as
    magnitudes, None: at any time alike.
    """
    begins = max(now, plan.begins)
    if (found := _beyond(plan, allowed, begins, most_w)) is not None:
        at, power, upper = found
        return f"{power:.0f} W from {at - begins:.0f} s on, where {least_w:.0f} to {upper:.0f} W are allowed"
    if min(plan.powers) >= 0.0:
        return ""
    if back is None:
        back = Schedule(begins, (plan.over_at,), (math.inf,))
    if (found := _beyond(plan, back, begins, -least_w, -1.0)) is not None:
        at, power, upper = found
        return f"{-power:.0f} W from {at - begins:.0f} s on, where {upper:.0f} W may be given back"
    return ""


def _beyond(
    plan: Schedule, allowed: Schedule, at: float, most_w: float, sign: float = 1.0
) -> tuple[float, float, float] | None:
    """When ``plan``, times ``sign``, is first above ``allowed`` or ``most_w``, its power
    then, and what is allowed."""
    mine, theirs = bisect_right(plan.ends, at), bisect_right(allowed.ends, at)
    plan_ends, powers = (*plan.ends, math.inf), (*plan.powers, plan.powers[-1])
    ends, uppers = (*allowed.ends, math.inf), (*allowed.powers, allowed.powers[-1])
    until = max(plan.ends[-1], allowed.ends[-1])
    if at < allowed.begins:  # nothing is allowed until then
        ends, uppers, theirs = (allowed.begins, *ends), (0.0, *uppers), 0
    since, most, bound, beyond = at, 0.0, 0.0, False
    while at < until:
        edge, other = plan_ends[mine], ends[theirs]
        power, upper = sign * powers[mine], uppers[theirs]
        if upper > most_w:
            upper = most_w
        if edge <= other:
            end = edge
            mine += 1
            if edge == other:
                theirs += 1
        else:
            end = other
            theirs += 1
        if power > upper * ROOM and power > 0.0:
            if not beyond:
                since, most, bound, beyond = at, power, upper, True
            if min(end, until) - since > SLACK_S:
                return since, most, max(bound, 0.0)
        else:
            beyond = False
        at = end
    return None
