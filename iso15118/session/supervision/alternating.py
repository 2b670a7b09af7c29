"""The supervisor of alternating current, of either role: what is measured per phase against what was told.

Sans-I/O and without any edition, as the supervisors of direct current. A vehicle draws by itself, so that
a lowered bound has its time.
"""

from __future__ import annotations

import math

from iso15118.energy.ac import Phases

from .limits import SupervisionLimits
from .rules import Ceiling, Finding, Reaction, Rule, Watch, worse

__all__ = ["AcSupervisor"]

_INF = math.inf


class AcSupervisor:
    """Judges one AC outlet, or the input of one on-board charger, in one session. ``nominal_v``: phase to
    neutral; ``most_v``: above this the voltage is too much. Times are those of the session's clock, in s."""

    def __init__(self, limits: SupervisionLimits, *, nominal_v: float, most_v: float, where: str) -> None:
        self.limits = limits
        self.sampled_at = self._waited_from = -_INF
        """When the last sample was measured, and from when on one is waited for."""
        self.fresh_until = _INF
        """Until then it is young enough; infinite if nobody minds."""
        self.closed = False
        """The contactors, as they report themselves."""
        self._phases = 0
        self._told_open = False
        self._nominal_v, self._most_v = nominal_v, most_v
        self._charge_a = (Ceiling(), Ceiling(), Ceiling())
        self._discharge_a = (Ceiling(), Ceiling(), Ceiling())
        self._charge_w, self._discharge_w = Ceiling(), Ceiling()
        beyond, at = limits.beyond, limits
        self._stale_s = beyond(Rule.STALE_READINGS, at.stale_s)
        self._over_a = beyond(Rule.OVER_CURRENT, at.ac_over_current_a)
        self._none_a = beyond(Rule.CURRENT_WITHOUT_PERMISSION, at.ac_no_current_a)
        self._reverse_w = beyond(Rule.REVERSE_CURRENT, at.ac_reverse_w)
        self._over_w = beyond(Rule.OVER_POWER, at.over_power_w)
        on = beyond(Rule.OVER_VOLTAGE, at.ac_voltage_factor) < _INF
        self._over_v = self._most_v if on else _INF
        share = at.ac_phase_lost_share
        self._lost_v = -1.0 if share is None or Rule.PHASE_LOST in at.off else share * nominal_v
        self._level_on = at.contactor_s is not None and Rule.CONTACTOR_LEVEL not in at.off
        volts, amperes, watts = f"V in a phase {where}", f"A in a phase {where}", f"W {where}"
        (
            self._w_voltage,
            self._w_current,
            self._w_power,
            self._w_reverse,
            self._w_permission,
            self._w_lost,
        ) = tuple(
            Watch(rule, what, (seconds, reaction), gap_s=limits.gap_s)
            for rule, what, seconds, reaction in (
                (Rule.OVER_VOLTAGE, volts, at.over_voltage_s, at.over_voltage_reaction),
                (Rule.OVER_CURRENT, amperes, at.ac_over_current_s, at.over_current_reaction),
                (Rule.OVER_POWER, watts, at.over_power_s, at.over_power_reaction),
                (Rule.REVERSE_CURRENT, watts, at.reverse_current_s, at.reverse_current_reaction),
                (Rule.CURRENT_WITHOUT_PERMISSION, amperes, at.no_current_s, at.no_current_reaction),
                (Rule.PHASE_LOST, volts, at.ac_phase_lost_s, Reaction.STOP),
            )
        )
        # Their level holds until they tell another one, whether anybody looks or not.
        self._w_level = Watch(Rule.CONTACTOR_LEVEL, "(1: closed)", (at.contactor_s, at.contactor_reaction))

    # -- what is told --------------------------------------------------------------------------------------

    def live_from(self, now: float) -> None:
        """The outlet or the charger comes alive: readings are waited for from now on. That makes the last one
        no younger."""
        self._waited_from = now
        self.fresh_until = max(self.sampled_at, now) + self._stale_s

    def told_power(
        self,
        phases: int,
        charge_a: Phases,
        charge_w: float,
        discharge_a: Phases,
        discharge_w: float,
        now: float,
    ) -> None:
        """These bounds are in force: currents per phase, powers of all phases."""
        if self.fresh_until == _INF:
            self.live_from(now)
        self._phases, hold = phases, self.limits.ac_adapt_s
        for index in range(3):
            self._charge_a[index].ask(charge_a[index], now, hold)
            self._discharge_a[index].ask(discharge_a[index], now, hold)
        self._charge_w.ask(charge_w, now, hold)
        self._discharge_w.ask(discharge_w, now, hold)

    def stop(self, emergency: bool, now: float) -> None:
        """Current to zero was asked for."""
        hold = self.limits.settle_s if emergency else self.limits.ac_stop_s
        for ceiling in (*self._charge_a, *self._discharge_a, self._charge_w, self._discharge_w):
            ceiling.ask(0.0, now, hold)
        self._phases = 0

    def told(self, closed: bool) -> None:
        """The contactors were told to close, or to open."""
        self._told_open = not closed

    def contactors(self, closed: bool) -> None:
        """The contactors report themselves."""
        self.closed = closed

    # -- what is measured ----------------------------------------------------------------------------------

    def measured(
        self, voltage_v: Phases, current_a: Phases, total_w: float, at: float, now: float
    ) -> Finding | None:
        """One sample, measured at ``at`` and told at ``now``. The worst of what it
        breaks, once per rule and stage. One that is older than the last is dropped."""
        if at < self.sampled_at:
            return None
        self.sampled_at, self.fresh_until = at, max(at, self._waited_from) + self._stale_s
        found = self._level(now)
        highest = max(voltage_v)
        found = worse(found, self._w_voltage.look(highest > self._over_v, highest, self._over_v, now))
        found = worse(found, self._lost(voltage_v, now))
        if self._phases == 0 or self._told_open:
            return worse(found, self._permission(current_a, now))
        self._w_permission.look(False, 0.0, 0.0, now)
        found = worse(found, self._current(current_a, total_w, now))
        return worse(found, self._power(voltage_v, current_a, total_w, now))

    def stale(self, now: float) -> Finding | None:
        """No sample is young enough; told again whenever so much time has passed again."""
        if self.fresh_until > now:
            return None
        since = max(self.sampled_at, self._waited_from)
        self.live_from(now)
        return Finding(
            Rule.STALE_READINGS,
            now - since,
            self._stale_s,
            since,
            self.limits.stale_reaction,
            "s without a reading of AC",
        )

    def _level(self, now: float) -> Finding | None:
        if not self._level_on:
            return None
        return self._w_level.look(self.closed and self._told_open, 1.0, 0.0, now)

    def _lost(self, voltage_v: Phases, now: float) -> Finding | None:
        used = voltage_v[: self._phases]
        lowest = min(used, default=self._nominal_v)
        # All of them gone is a station that is off, which shows elsewhere.
        lost = self.closed and not self._told_open and lowest < self._lost_v
        return self._w_lost.look(lost, lowest, self._lost_v, now)

    def _permission(self, current_a: Phases, now: float) -> Finding | None:
        allowed = [
            max(ahead.at(now), back.at(now)) + self._none_a
            for ahead, back in zip(self._charge_a, self._discharge_a, strict=True)
        ]
        index = max(range(3), key=lambda i: current_a[i] - allowed[i])
        broken = current_a[index] > allowed[index]
        return self._w_permission.look(broken, current_a[index], allowed[index], now)

    def _current(self, current_a: Phases, total_w: float, now: float) -> Finding | None:
        """A bound of 0 in all phases is a power of 0, which is looked at as such: chargers
        draw a little for themselves."""
        bounds = self._discharge_a if total_w < 0.0 else self._charge_a
        share = self.limits.ac_over_current_share
        worst, limit, value = -_INF, 0.0, 0.0
        for ceiling, current in zip(bounds, current_a, strict=True):
            bound = ceiling.at(now)
            most = bound + max(self._over_a, share * bound)
            if current - most > worst:
                worst, limit, value = current - most, most, current
        return self._w_current.look(worst > 0.0, value, limit, now)

    def _power(self, voltage_v: Phases, current_a: Phases, total_w: float, now: float) -> Finding | None:
        charge = self._bound_w(self._charge_w, self._charge_a, voltage_v, now)
        discharge = self._bound_w(self._discharge_w, self._discharge_a, voltage_v, now)
        back = discharge + self._reverse_w
        found = self._w_reverse.look(discharge <= 0.0 and -total_w > back, total_w, -back, now)
        bound = charge if total_w >= 0.0 else discharge
        most = bound * (1.0 + self.limits.over_power_share) + self._over_w
        over = abs(total_w) > most and not (total_w < 0.0 and discharge <= 0.0)
        # What counts as no current in any phase is no power either: a sensor shows some where none flows.
        over = over and max(current_a) > self.limits.ac_none_a
        return worse(found, self._w_power.look(over, total_w, most, now))

    def _bound_w(self, power: Ceiling, currents: tuple[Ceiling, ...], voltage_v: Phases, now: float) -> float:
        """The power bound; where it only says what the bounds of the currents give at the nominal voltage, as
        for a vehicle that is told currents, what they give at the voltage there is."""
        bound_w, amperes = power.at(now), [one.at(now) for one in currents]
        if bound_w < sum(amperes) * self._nominal_v - 1.0:
            return bound_w
        volts = [max(one, self._nominal_v) for one in voltage_v]
        return max(bound_w, sum(a * v for a, v in zip(amperes, volts, strict=True)))
