"""Measured values against what was asked for, reckoned apart from the sessions' own supervision: whatever is
wrong for too long without an emergency stop is a violation.

The times are those of the supervision's defaults, with room for a rig that measures seldom.
"""

from __future__ import annotations

import math

from iso15118.session import actions as act
from iso15118.session.actions import Urgency

from .violation import SafetyViolation

__all__ = ["MeasuredRules"]

_ROOM_S = 0.8  # two looks of a rig, and rounding
_RAMP_A_PER_S = 25.0
_RAMP_S = 20.0
_MOST_KEPT = 256  # a minute of lowered bounds, where nothing has to be looked at
_LOOK_S = 0.5  # so much later at most the end of the second is seen


class _Bound:
    """What may flow one way: what is asked for, and for a while what was asked for before."""

    def __init__(self) -> None:
        self.value = 0.0
        self._before: list[list[float]] = []
        """Of each higher one: its value, when it was replaced, the most that flowed until a second later, and
        when it has to be gone."""

    def ask(self, value: float, present: float, now: float) -> None:
        if value < self.value:
            self._before.append([self.value, now, present, math.inf])
            del self._before[:-_MOST_KEPT]
        self.value = value

    def hurry(self, now: float) -> None:
        """All of it has to be gone within a second."""
        for one in self._before:
            one[3] = min(one[3], now + 1.0)

    def may(self, flows: float, ramp: float, now: float) -> float:
        """What may flow, of which this does."""
        most = self.value
        for one in tuple(self._before):
            value, ended, peak, gone = one
            if now <= ended + 1.0 + _LOOK_S:
                one[2] = peak = max(peak, flows)
            left = value if now <= ended + 1.0 else min(value, peak) - ramp * (now - ended - 1.0)
            if now > gone or left <= self.value:
                self._before.remove(one)
            else:
                most = max(most, left)
        return most


class MeasuredRules:
    """Over-current, reverse current, and current after the stop, at an output or an inlet.
    ``rating_a``: its greatest current; ``over_s``: how long an over-current may last, since a vehicle
    first asks the station to stop."""

    def __init__(self, role: str, rating_a: float, *, over_s: float = 0.5) -> None:
        self._role, self._rating, self._over_s = role, rating_a, over_s
        self._ramp = max(_RAMP_A_PER_S, rating_a / _RAMP_S)
        self._high, self._low = _Bound(), _Bound()
        """The currents that may flow, to the vehicle and from it."""
        self._told = False
        self._quiet = True
        """Nothing is asked for, or no longer."""
        self._since: dict[str, float] = {}
        self._excused = False
        """An emergency stop was asked for while something was wrong: what is left is the hardware's."""

    def offered(self, amperes: float) -> None:
        """The other side's greatest current: the connector has the lesser of both, and its ramp."""
        self._ramp = max(_RAMP_A_PER_S, min(self._rating, amperes) / _RAMP_S)

    def asked(self, high: float, low: float, present: float, now: float) -> None:
        """So much may flow from now on, both magnitudes."""
        self._high.ask(high, max(present, 0.0), now)
        self._low.ask(low, max(-present, 0.0), now)
        self._quiet, self._told, self._excused = False, True, False

    def stopped(self, urgency: Urgency, present: float, now: float) -> None:
        """Nothing may flow any more."""
        self._high.ask(0.0, max(present, 0.0), now)
        self._low.ask(0.0, max(-present, 0.0), now)
        if urgency is Urgency.EMERGENCY:
            self._high.hurry(now)
            self._low.hurry(now)
            self._excused = bool(self._since)
            self._since.clear()
        self._quiet, self._told = True, True

    def look(self, current: float, now: float, taken_at: float | None = None) -> None:
        """One sample, which is compared with what might flow when it was taken."""
        if not self._told or self._excused:
            return
        if -2.0 <= current <= self._high.value:
            self._since.clear()
            return
        at = now if taken_at is None else min(taken_at, now)
        high = self._high.may(max(current, 0.0), self._ramp, at)
        low = self._low.may(max(-current, 0.0), self._ramp, at)
        over = current > high + max(5.0, 0.05 * high) or (low > 0.0 and -current > low + max(5.0, 0.05 * low))
        back = low == 0.0 and -current > max(2.0, 0.01 * self._rating)
        rules = (
            (
                "current without permission",
                self._quiet and (current > high + 5.0 or -current > low + 5.0),
                0.1,
            ),
            ("over-current", not self._quiet and over, self._over_s),
            ("reverse current", not self._quiet and back, 0.2),
        )
        for rule, broken, lasts in rules:
            if not broken:
                self._since.pop(rule, None)
            elif now - self._since.setdefault(rule, now) > lasts + _ROOM_S:
                raise SafetyViolation(f"{self._role}: {rule}: {current:.0f} A, and nothing was done about it")

    def see(self, action: act.Action, present: float, now: float) -> None:
        """Learn from what a session asks of its hardware."""
        kind = type(action)
        if kind is act.SetPower:
            amperes = action.current_a  # type: ignore[attr-defined]
            self.asked(max(amperes, 0.0), max(-amperes, 0.0), present, now)
        elif kind is act.StopPower:
            self.stopped(action.urgency, present, now)  # type: ignore[attr-defined]
