"""Further sensors of a station, where it has them: insulation while energy flows, a pole's voltage to
earth, a second voltage sensor."""

from __future__ import annotations

import math

from .limits import SupervisionLimits
from .rules import Finding, Reaction, Rule, Watch, worse

__all__ = ["SensorSupervisor"]

_INF = math.inf
_GAP_S = 15.0
"""A second sensor may be a meter on a slow bus. So long without a sample of it, and the one before proves
nothing of now."""


class SensorSupervisor:
    """Judges what is measured beside voltage and current. Times are those of the session's clock, in s."""

    def __init__(self, limits: SupervisionLimits) -> None:
        self.limits = limits
        self._insulation_at: float | None = None
        self._poor = 0.0, 0.0
        """The last level of the insulation below its threshold, and that, in ohm."""
        self.insulation_due = _INF
        """When that has lasted long enough, unless a better one is told before."""
        self._earth_seen = -_INF
        self._insulation_on = Rule.INSULATION not in limits.off
        self._sensors_v = limits.beyond(Rule.SENSORS_DISAGREE, limits.sensors_v)
        self._earth_v = limits.beyond(Rule.VOLTAGE_TO_EARTH, limits.earth_v)
        stage = (limits.sensors_s, Reaction.FAULT)
        self._w_sensors = Watch(Rule.SENSORS_DISAGREE, "V apart", stage, gap_s=_GAP_S)

    def insulation(
        self, resistance_ohm: float, least_ohm: float, to_earth_v: float | None, maximum_v: float, now: float
    ) -> Finding | None:
        """Insulation while energy flows, and the voltage of a pole to earth. What is told of the insulation
        holds until something else is told: ``insulation_late`` is to be asked at ``insulation_due``."""
        found = None
        if not resistance_ohm < least_ohm or not self._insulation_on:
            self._insulation_at, self.insulation_due = None, _INF
        else:
            share = self.limits.insulation_fault_share
            since = self._insulation_at = now if self._insulation_at is None else self._insulation_at
            self._poor, self.insulation_due = (resistance_ohm, least_ohm), since + self.limits.insulation_s
            if share is not None and resistance_ohm < share * least_ohm:
                found = self._too_low(since, Reaction.FAULT)
            else:
                found = self.insulation_late(now + 1e-9)
        if to_earth_v is None:
            return found
        limit = min(self._earth_v, self.limits.earth_factor * maximum_v)
        if self._earth_v == _INF or not abs(to_earth_v) > limit:
            return found
        seen, self._earth_seen = self._earth_seen, now
        if now - seen > self.limits.earth_s or now == seen:
            return found
        return worse(
            found, Finding(Rule.VOLTAGE_TO_EARTH, to_earth_v, limit, seen, Reaction.FAULT, "V to earth")
        )

    def insulation_late(self, now: float) -> Finding | None:
        """The insulation is below its threshold for long enough, whether it was told again or not. Once for
        each time that it is told."""
        if self._insulation_at is None or now < self.insulation_due:
            return None
        return self._too_low(self._insulation_at, Reaction.STOP)

    def _too_low(self, since: float, reaction: Reaction) -> Finding:
        self.insulation_due = _INF
        return Finding(Rule.INSULATION, *self._poor, since, reaction, "ohm to earth")

    def rest(self) -> None:
        """Nothing is looked at for now: what was seen before proves nothing of later."""
        self._insulation_at, self.insulation_due = None, _INF

    def not_compared(self) -> None:
        """A second voltage was told while the output is off: what was seen before proves nothing of later."""
        self._w_sensors.forget()

    def second_voltage(self, voltage_v: float, first_v: float, now: float) -> Finding | None:
        """The same voltage by another sensor, against a young sample of the first."""
        apart = abs(voltage_v - first_v)
        return self._w_sensors.look(apart > self._sensors_v, apart, self._sensors_v, now)
