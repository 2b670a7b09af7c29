"""A bound of direct current, which hardware follows with a delay and a ramp: what may still flow of what was
asked for before.

A supply has ``hold`` s to begin with a lower bound, whatever it was doing, rising included, and falls by
``rate`` A/s at least from then on. So each bound that was in force may be given until it has been replaced
for so long, and a falling line follows: not from the bound, but from what really flowed until then.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["FallingBound"]

_INF: Final = math.inf
_MOST_HELD: Final = 16
"""Bounds that follow one another in less than this share of their time are put together."""


class _Held:
    """A bound that was replaced by a lower one, and may still be given until ``due``. ``until``: nothing of
    it flows afterwards, whatever its line says. ``peak``: the most that flowed since."""

    __slots__ = ("due", "first", "peak", "until", "value")

    def __init__(self, value: float, now: float, due: float, until: float, peak: float) -> None:
        self.value, self.first, self.due, self.until, self.peak = value, now, due, until, peak


class FallingBound:
    """Times are those of the session's clock in s, values in A and positive."""

    __slots__ = ("_held", "_line", "_line_at", "_line_until", "_rate", "_slack", "floor", "waits")

    def __init__(self, value: float = 0.0) -> None:
        self.floor = value
        """What is asked for."""
        self.waits = False
        """What flows has to be seen, since a bound was replaced that may still be given."""
        self._held: list[_Held] = []
        """From the highest to the lowest, which is also in the order of time."""
        self._line, self._line_at, self._line_until = 0.0, 0.0, -_INF
        """What is left of bounds that are due: so much at that time, falling, until then."""
        self._rate, self._slack = _INF, _INF

    def ask(self, value: float, now: float, hold: float, rate: float, flows: float) -> None:
        """``value`` is asked for from ``now`` on. ``rate``: infinite if it has to be reached after ``hold``,
        which then holds for everything that was asked for before as well. ``flows``: what was measured
        last."""
        before, self.floor, due = self.floor, value, now + hold
        at_once = rate == _INF
        if not at_once:
            self._rate, self._slack = rate, rate * hold
        for held in self._held:
            held.due = min(held.due, due)
            if at_once:
                held.until = min(held.until, due)
        if at_once:
            self._line_until = min(self._line_until, due)
        if value < before:
            self._keep(before, now, hold, due if at_once else _INF, flows)
        elif value > before:
            self._held = [held for held in self._held if held.value > value]
        self.waits = bool(self._held) or self._left(now) > value

    def _keep(self, value: float, now: float, hold: float, until: float, flows: float) -> None:
        held = self._held
        while held and held[-1].value <= value:
            held.pop()
        if held and held[-1].until == until and now - held[-1].first <= hold / _MOST_HELD:
            held[-1].due = now + hold
        else:
            held.append(_Held(value, now, now + hold, until, flows))

    def seen(self, flows: float, at: float) -> None:
        """So much was measured at that time; the samples come in the order of their times."""
        if not self.waits:
            return
        kept, left, until = [], self._left(at), self._line_until
        for held in self._held:
            if at <= held.due:
                held.peak = max(held.peak, flows)
                kept.append(held)
            elif at <= held.until:
                # What flowed at its end is not known exactly where samples are far apart: as much as can have
                # come down to what is seen now.
                fell = self._rate * (at - held.due)
                most = min(held.value, max(held.peak, flows + fell)) - fell
                if most > left:
                    left, until = most, held.until
        self._held = kept
        # What has come down faster does not rise again; a fall in steps is one, too.
        self._line, self._line_at, self._line_until = min(left, flows + self._slack), at, until
        self.waits = bool(kept) or self._line > self.floor

    def _left(self, now: float) -> float:
        """By the line."""
        if now > self._line_until:
            return -_INF  # also the first one
        return self._line - self._rate * (now - self._line_at) if now > self._line_at else self._line

    def at(self, now: float) -> float:
        """What may flow at ``now``."""
        most = self.floor
        for held in self._held:
            if held.value <= most:
                break
            if now <= held.due:
                most = held.value
            elif now <= held.until:
                most = max(most, held.value - self._rate * (now - held.due))
        return max(most, self._left(now))

    @property
    def settled_at(self) -> float:
        """When no more may flow than is asked for; infinitely long ago if that is so already. Earlier, as
        soon as less is seen to flow than was asked for before."""
        last = -_INF
        lines = [(held.value, held.due, held.until) for held in self._held]
        for value, begins, until in (*lines, (self._line, self._line_at, self._line_until)):
            if value > self.floor:
                last = max(last, min(until, begins + (value - self.floor) / self._rate))
        return last
