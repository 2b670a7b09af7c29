"""What a rule of the supervision is made of: its name, what it does about a finding, how long something has
to last, and how fast a lowered bound can be followed.

Nothing here knows which quantity is looked at.
"""

from __future__ import annotations

import math
from enum import Enum, StrEnum

from msgspec import Struct

__all__ = ["HIGHEST_A", "HIGHEST_V", "Ceiling", "Finding", "Reaction", "Rule", "Watch", "worse"]

HIGHEST_V, HIGHEST_A = 2000.0, 5000.0
"""Beyond these no DC connector has anything to measure: a value is then no reading."""
_MOST_STEPS = 16
"""A bound that is lowered with every message has about so many values at a time."""
_NO_TIME = 1e-9  # sums of sample intervals are not exact


class Rule(StrEnum):
    """Every rule by its stable name, which ``SessionEnded.rule`` carries. "S" and "V": whether
    station or vehicle keep it."""

    OVER_VOLTAGE = "over-voltage"
    """S: above what both sides can stand. V: above what battery or declaration can stand. S, V: the wrong
    way round."""
    VOLTAGE_ABOVE_ASKED = "voltage-above-asked"
    """S: the supply is not where its bound is, with current flowing (when
    discharging: below the lower bound)."""
    OVER_CURRENT = "over-current"
    """S, V: more than is asked for, or more than the rating."""
    REVERSE_CURRENT = "reverse-current"
    """S, V: energy comes back though nobody asked for it."""
    WRONG_DIRECTION = "wrong-direction"
    """S: the vehicle is charged though it was asked to give."""
    CURRENT_WITHOUT_PERMISSION = "current-without-permission"
    """S, V: it flows though nothing was asked for, or it was told to stop."""
    VOLTAGE_AFTER_END = "voltage-after-end"
    """S: the output is not discharged though everything is off."""
    CABLE_CHECK_VOLTAGE = "cable-check-voltage"
    """S: voltage before the cable check, more than its test voltage, or never so much."""
    CABLE_CHECK_CURRENT = "cable-check-current"
    """S: current in the cable check."""
    PRE_CHARGE_VOLTAGE = "pre-charge-voltage"
    """S: above the target of pre-charge."""
    PRE_CHARGE_CURRENT = "pre-charge-current"
    """S: more current than pre-charge may have."""
    CONTACTOR_VOLTAGE = "contactor-voltage"
    """S, V: contactors are on their way, and what they were to close over changes. What is compared before
    they are told to close cannot be switched off, since that is pre-charge itself: ``precharge_tolerance_v``.
    A station names this rule then, too."""
    STALE_READINGS = "stale-readings"
    """S, V: no reading young enough."""
    FROZEN_READINGS = "frozen-readings"
    """S: readings do not move though another current was asked for."""
    UNUSABLE_READINGS = "unusable-readings"
    """S, V: what should be a reading is no number, or none that hardware could show."""
    CONTACTOR_LEVEL = "contactor-level"
    """S, V: contactors are not where they were told to be."""
    INSULATION = "insulation"
    """S: insulation resistance too low while energy flows."""
    SENSORS_DISAGREE = "sensors-disagree"
    """S: two sensors of the same voltage."""
    VOLTAGE_TO_EARTH = "voltage-to-earth"
    """S: one pole too far from earth."""
    OVER_POWER = "over-power"
    """S: more than the power bound."""
    LIMITS_IGNORED = "limits-ignored"
    """S: the vehicle asks for more than it was told."""
    NO_DECAY = "no-decay"
    """S: current still flows when the time to stop is over."""
    BATTERY_WANTS_NONE = "battery-wants-none"
    """V: direct current flows though the battery's management wants none."""
    INLET_HOT = "inlet-hot"
    """V: current, or the power of a coil, flows through an inlet that is reported hot."""
    PHASE_LOST = "phase-lost"
    """S: a phase of the AC outlet has no voltage though the contactors are closed."""
    STATION_REPORTS_OTHER = "station-reports-other"
    """V: the station tells other values than the vehicle measures."""


class Reaction(Enum):
    """What is done about a finding."""

    WARN = "tell the application"
    STOP = "end the session in an orderly way"
    FAULT = "current to zero and contactors open at once"

    @property
    def rank(self) -> int:
        """1 to 3, the more the worse."""
        return _RANK[self]


_RANK = {Reaction.WARN: 1, Reaction.STOP: 2, Reaction.FAULT: 3}


class Finding(Struct, frozen=True):
    """A rule is broken: ``value`` went beyond ``limit`` (both in the rule's own unit) at
    ``since``, on the session's clock."""

    rule: Rule
    value: float
    limit: float
    since: float
    reaction: Reaction
    what: str = ""
    """The quantity and its unit, such as "A at the output"."""
    against: str = "limit"
    """What ``limit`` is, in words."""

    @property
    def detail(self) -> str:
        """For people; begins with the rule's name."""
        if math.isnan(self.value):  # nothing was measured
            return f"{self.rule.value}: {self.what}"
        return f"{self.rule.value}: {self.value:.1f} {self.what}, {self.against} {self.limit:.1f}"


def worse(one: Finding | None, other: Finding | None) -> Finding | None:
    """The one that asks for more."""
    if one is None or (other is not None and other.reaction.rank > one.reaction.rank):
        return other
    return one


class Watch:
    """One rule: ``look`` at every sample; it tells a finding once per stage. ``stages``: how long it has to
    last in s, and what is done. ``gap_s``: so long without a look, and what was seen before proves nothing
    of now. ``against``: what the limit is, in words."""

    __slots__ = ("_against", "_gap_s", "_looked", "_stage", "_stages", "_what", "rule", "since")

    def __init__(
        self,
        rule: Rule,
        what: str,
        *stages: tuple[float | None, Reaction],
        gap_s: float = math.inf,
        against: str = "limit",
    ) -> None:
        self.rule, self._against = rule, against
        self.since: float | None = None
        """Since when it is broken without a pause; None while it is kept."""
        self._what = what
        self._stages = tuple((seconds, reaction) for seconds, reaction in stages if seconds is not None)
        self._stage = 0
        self._gap_s = gap_s
        self._looked = -math.inf

    def look(self, broken: bool, value: float, limit: float, now: float) -> Finding | None:
        """One sample."""
        if not broken:
            self.since = None
            return None
        looked, self._looked = self._looked, now
        if self.since is None or now - looked > self._gap_s:
            self.since, self._stage = now, 0
        found = None
        while self._stage < len(self._stages) and now - self.since >= self._stages[self._stage][0] - _NO_TIME:
            reaction = self._stages[self._stage][1]
            found = Finding(self.rule, value, limit, self.since, reaction, self._what, self._against)
            self._stage += 1
        return found

    def hold(self, now: float) -> None:
        """One sample that says nothing, for or against: its time does not count."""
        if self.since is not None:
            self.since += now - self._looked
            self._looked = now

    def forget(self) -> None:
        """What is looked at begins anew."""
        self.since = None


class Ceiling:
    """A bound that may be lowered faster than hardware can follow: each lowering has ``hold`` s, until which
    what was asked before it may still flow, if that is not due already. For direct current, which falls with
    a ramp, see ``FallingBound``.
    """

    __slots__ = ("_begin", "_from", "_steps", "floor")

    def __init__(self, value: float = 0.0) -> None:
        self.floor = value
        """What was asked for."""
        self._from = value
        self._begin = -math.inf
        """What may flow, until then."""
        self._steps: list[tuple[float, float, float]] = []
        """What may still flow behind that: the value, until when by the first lowering from it, and until
        when."""

    def at(self, now: float) -> float:
        """What may still flow at ``now``."""
        if self._from <= self.floor:
            return self.floor
        if now <= self._begin:
            return self._from
        while self._steps:
            self._from, _, self._begin = self._steps.pop(0)
            if now <= self._begin:
                return self._from
        self._from = self.floor
        return self.floor

    def ask(self, value: float, now: float, hold: float) -> None:
        """``value`` is asked from ``now`` on."""
        allowed = self.at(now)
        before, self.floor = self.floor, value
        if value >= allowed:
            self._from = value
            self._steps.clear()
        elif allowed > before:
            self._step(before, now + hold, hold / _MOST_STEPS)
        else:
            self._from, self._begin = allowed, now + hold

    def _step(self, before: float, due: float, least_s: float) -> None:
        """Lowered again: ``before`` may flow until ``due``, and nothing for longer. Steps that would be
        shorter than ``least_s`` are put together, so that there are few."""
        value, steps = self.floor, self._steps
        self._begin = min(self._begin, due)
        steps[:] = [(most, first, min(until, due)) for most, first, until in steps if most > value]
        if before <= value:
            return
        if steps and due - steps[-1][1] <= least_s:
            steps[-1] = (*steps[-1][:2], due)
        else:
            steps.append((before, due, due))
