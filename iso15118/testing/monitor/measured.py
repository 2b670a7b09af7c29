"""Measured values against what was asked for, reckoned apart from the sessions' own supervision: whatever is
wrong for too long without an emergency stop is a violation.

The times are those of the supervision's defaults, with room for a rig that measures seldom.
"""

from __future__ import annotations

from iso15118.session import actions as act
from iso15118.session.actions import Urgency

from .violation import SafetyViolation

__all__ = ["MeasuredRules"]

_ROOM_S = 0.8  # two looks of a rig, and rounding
_RAMP_A_PER_S = 25.0
_RAMP_S = 20.0


class MeasuredRules:
    """Over-current, reverse current, and current after the stop, at an output or an inlet.
    ``rating_a``: its greatest current; ``over_s``: how long an over-current may last, since a vehicle
    first asks the station to stop."""

    def __init__(self, role: str, rating_a: float, *, over_s: float = 0.5) -> None:
        self._role, self._rating, self._over_s = role, rating_a, over_s
        self._ramp = max(_RAMP_A_PER_S, rating_a / _RAMP_S)
        self._high = self._low = 0.0
        """The currents that may flow, to the vehicle and from it, once everything has settled."""
        self._told = False
        self._quiet = True
        """Nothing is asked for, or no longer."""
        self._patience = 0.0
        """Nothing is judged before: a ramp takes its time."""
        self._since: dict[str, float] = {}
        self._excused = False
        """An emergency stop was asked for while something was wrong: what is left is the hardware's."""

    def offered(self, amperes: float) -> None:
        """The other side's greatest current: the connector has the lesser of both, and its ramp."""
        self._ramp = max(_RAMP_A_PER_S, min(self._rating, amperes) / _RAMP_S)

    def asked(self, high: float, low: float, present: float, now: float) -> None:
        """So much may flow from now on, both magnitudes."""
        if high < self._high or low < self._low:
            beyond = max(present - high, -present - low, 0.0)
            settled = now + 1.0 + beyond / self._ramp
            # A bound that is lowered again and again does not buy time for ever.
            self._patience = max(self._patience, settled) if self._patience <= now else self._patience
        self._high, self._low, self._quiet, self._told, self._excused = high, low, False, True, False

    def stopped(self, urgency: Urgency, present: float, now: float) -> None:
        """Nothing may flow any more."""
        emergency = urgency is Urgency.EMERGENCY
        if emergency:
            self._excused = bool(self._since)
            self._since.clear()
        self._high = self._low = 0.0
        self._quiet, self._told = True, True
        self._patience = now + 1.0 + (0.0 if emergency else abs(present) / self._ramp)

    def look(self, current: float, now: float) -> None:
        """One sample."""
        if not self._told or self._excused:
            return
        if -2.0 <= current <= self._high:
            if self._since:
                self._since.clear()
            return
        rules = (
            ("current without permission", self._quiet and abs(current) > 5.0, 0.1),
            ("over-current", not self._quiet and self._is_over(current), self._over_s),
            ("reverse current", not self._quiet and self._is_reverse(current), 0.2),
        )
        for rule, broken, lasts in rules:
            if not broken or now < self._patience:
                self._since.pop(rule, None)
            elif now - self._since.setdefault(rule, now) > lasts + _ROOM_S:
                raise SafetyViolation(f"{self._role}: {rule}: {current:.0f} A, and nothing was done about it")

    def _is_over(self, current: float) -> bool:
        most = self._high + max(5.0, 0.05 * self._high)
        least = self._low + max(5.0, 0.05 * self._low)
        return current > most or (self._low > 0.0 and -current > least)

    def _is_reverse(self, current: float) -> bool:
        return self._low == 0.0 and -current > max(2.0, 0.01 * self._rating)

    def see(self, action: act.Action, present: float, now: float) -> None:
        """Learn from what a session asks of its hardware."""
        kind = type(action)
        if kind is act.SetPower:
            amperes = action.current_a  # type: ignore[attr-defined]
            self.asked(max(amperes, 0.0), max(-amperes, 0.0), present, now)
        elif kind is act.StopPower:
            self.stopped(action.urgency, present, now)  # type: ignore[attr-defined]
