"""The station's supervisor: it is told what is asked of the hardware and every measurement,
and says which rule is broken.

It keeps no books of the session's and ends nothing. Almost every sample is within all bounds
and costs a few comparisons.
"""

from __future__ import annotations

import math
from enum import Enum

from .falling import FallingBound
from .limits import SupervisionLimits
from .over_voltage import over_voltage_limit
from .rules import HIGHEST_A, HIGHEST_V, Ceiling, Finding, Reaction, Rule, worse
from .station_watches import station_watches

__all__ = ["StationSupervisor"]

_INF = math.inf
_NEVER = 1e15
_STILL_A, _STILL_V = 1.0, 2.0
"""A reading that moves by more is not frozen."""
_NEAR_V, _NEAR_SHARE = 5.0, 0.025
"""So near to the bound of the voltage it is that which holds the current: sensors are off by so much."""
_TESTED_SHARE = 0.9
"""Of a test voltage: an output that rises by 1000 V/s and falls at once is seen 50 V below it, since it is
looked at every 50 ms."""


class _Asked(Enum):
    """What the hardware was asked for last."""

    NOTHING = 0
    CABLE_CHECK = 1
    PRE_CHARGE = 2
    POWER = 3
    STOPPED = 4


class StationSupervisor:
    """Judges the output of one station in one session. Times are those of the session's clock, in s."""

    def __init__(self, limits: SupervisionLimits) -> None:
        self.limits = limits
        self.voltage_v = self.current_a = 0.0
        """The last sample."""
        self.sampled_at = -_INF
        """When it was measured."""
        self.fresh_until = _INF
        """Until then it is young enough; infinite if nobody minds."""
        self.closed = False
        """The contactors, as they report themselves."""
        self._asked = _Asked.NOTHING
        self._stopped_at = self._waited_from = -_INF
        self._told_open = False
        self._charging, self._discharging = FallingBound(), FallingBound()
        self._charge_rating = self._discharge_rating = _INF
        self._rate = limits.ramp(0.0)
        self._offset_a = 0.0
        self._ceiling_v = HIGHEST_V
        self._bound_v = self._bound_w = 0.0
        self._bound_v_from = -_INF
        self._takes_back = False
        self._pre_charge_v, self._pre_charge_a = Ceiling(), Ceiling()
        self._closing: tuple[float, float] | None = None
        """The contactors are on their way to close over this voltage, and what it may be off."""
        self._frozen: tuple[float, float] | None = None
        self._asked_a = 0.0
        self._quick = self._pending = False
        self._low_a = self._high_a = self._low_v = self._high_v = self._most_w = 0.0
        self._prepare(limits)
        self._shorten()

    def _prepare(self, limits: SupervisionLimits) -> None:
        beyond = limits.beyond
        self._stale_s = beyond(Rule.STALE_READINGS, limits.stale_s)
        self._factor = beyond(Rule.OVER_VOLTAGE, limits.over_voltage_factor)
        self._over_a = beyond(Rule.OVER_CURRENT, limits.over_current_a)
        self._rated = beyond(Rule.OVER_CURRENT, limits.rating_factor)
        self._reverse_a = beyond(Rule.REVERSE_CURRENT, limits.reverse_current_a)
        self._none_a = beyond(Rule.CURRENT_WITHOUT_PERMISSION, limits.no_current_a)
        self._wrong_a = beyond(Rule.WRONG_DIRECTION, limits.wrong_direction_a)
        self._asked_v = beyond(Rule.VOLTAGE_ABOVE_ASKED, limits.asked_voltage_v)
        self._check_v = beyond(Rule.CABLE_CHECK_VOLTAGE, limits.cable_check_v)
        self._checked_v = 0.0
        """The greatest voltage since the cable check began."""
        self._check_a = beyond(Rule.CABLE_CHECK_CURRENT, limits.cable_check_a)
        self._end_v = beyond(Rule.VOLTAGE_AFTER_END, limits.touch_safe_v)
        self._before_v = beyond(Rule.CABLE_CHECK_VOLTAGE, limits.touch_safe_v)
        self._least_v = limits.least_v
        self._over_w = beyond(Rule.OVER_POWER, limits.over_power_w)
        self._frozen_a = beyond(Rule.FROZEN_READINGS, limits.frozen_a)
        self._watches = watch = station_watches(limits)
        (
            self._w_voltage,
            self._w_asked_voltage,
            self._w_current,
            self._w_rating,
            self._w_reverse,
            self._w_direction,
            self._w_permission,
            self._w_end,
            self._w_before,
            self._w_check_v,
            self._w_check_a,
            self._w_pre_v,
            self._w_pre_a,
            self._w_close,
            self._w_power,
            self._w_frozen,
            self._w_level,
        ) = watch
        self._back = min(self._reverse_a, self._wrong_a, HIGHEST_A)
        self._most_ahead = self._most_back = HIGHEST_A
        self._level_on = limits.contactor_s is not None and Rule.CONTACTOR_LEVEL not in limits.off

    # -- what is agreed and asked for ----------------------------------------------------------------------

    def negotiated(self, maximum_v: float, charge_a: float, discharge_a: float) -> None:
        """What both sides can stand, and the greatest currents that were offered."""
        # Beyond what any connector can have there are no readings, whatever the rules say.
        self._ceiling_v = min(over_voltage_limit(maximum_v, self._factor), HIGHEST_V)
        self._charge_rating, self._discharge_rating = charge_a, discharge_a
        self._most_ahead = min(charge_a * self._rated + self._over_a, HIGHEST_A)
        self._most_back = min(discharge_a * self._rated + self._over_a, HIGHEST_A)
        if discharge_a <= 0.0 and self._reverse_a < _INF:
            self._most_back = HIGHEST_A  # what comes back where nobody can give has a rule of its own
        greatest = max(charge_a, discharge_a)
        self._rate = self.limits.ramp(greatest)
        self._offset_a = self.limits.offset_share * greatest
        self._shorten()

    def cable_check(self, voltage_v: float) -> None:
        """The cable check begins at this voltage."""
        self._turn(_Asked.CABLE_CHECK)
        self._bound_v, self._checked_v = voltage_v, 0.0

    def not_tested(self) -> Finding | None:
        """The check that was begun is told to have gone well, and its test voltage was never measured: an
        insulation that nobody tried."""
        least = min(_TESTED_SHARE * self._bound_v, self._bound_v - self._check_v)
        if self._asked is not _Asked.CABLE_CHECK or self._checked_v >= least:
            return None
        what, rule = "V at most at the output during the cable check", Rule.CABLE_CHECK_VOLTAGE
        return Finding(rule, self._checked_v, least, self.sampled_at, Reaction.FAULT, what, "at least")

    def cable_check_over(self, now: float) -> None:
        """It is over, and the output is to be discharged."""
        if self._asked is _Asked.CABLE_CHECK:
            self._turn(_Asked.STOPPED, now)
            self._stopped_at = now
            self._nothing(now, emergency=True)

    def pre_charge(self, voltage_v: float, current_a: float, now: float) -> None:
        """Pre-charge to this voltage with at most so much current."""
        factor = self.limits.beyond(Rule.PRE_CHARGE_CURRENT, self.limits.pre_charge_factor)
        most_a = factor * current_a if factor < _INF else _INF
        if self._asked is not _Asked.PRE_CHARGE:
            self._turn(_Asked.PRE_CHARGE)
            self._pre_charge_v, self._pre_charge_a = Ceiling(voltage_v), Ceiling(most_a)
        # An unloaded output discharges itself slowly, and a supply takes its time to follow.
        self._pre_charge_v.ask(voltage_v, now, self.limits.discharge_s)
        self._pre_charge_a.ask(most_a, now, self.limits.settle_s)

    def set_power(
        self, voltage_v: float, current_a: float, power_w: float, takes_back: bool, now: float
    ) -> None:
        """These bounds are in force."""
        fresh = self._asked is not _Asked.POWER
        if fresh:
            self._turn(_Asked.POWER, now)
            self._bound_v, self._asked_a = voltage_v, 0.0
        ahead, other = self._charging, self._discharging
        if takes_back:
            ahead, other = other, ahead
        asked_a = -current_a if current_a < 0.0 else current_a
        if asked_a != ahead.floor:
            self._lower(ahead, asked_a, now)
        if other.floor != 0.0:
            self._lower(other, 0.0, now)
        if voltage_v < self._bound_v or takes_back is not self._takes_back:
            # The battery holds the voltage: what has to fall is the current. A supply that did not follow the
            # last bound in its time is given no other: else a vehicle that lowers its target again and again
            # would keep the rule from ever being broken.
            at_most = now + self.limits.settle_s + abs(self.current_a) / self._rate
            if now < self._bound_v_from:
                self._bound_v_from = min(self._bound_v_from, at_most)
            elif takes_back is not self._takes_back or not self._off_bound(self.voltage_v, self.current_a)[0]:
                self._bound_v_from = at_most
        self._bound_v, self._bound_w, self._takes_back = voltage_v, power_w, takes_back
        if not -self._frozen_a <= current_a - self._asked_a <= self._frozen_a:
            if self._frozen is None and self._follows():
                self._frozen = (self.current_a, self.voltage_v)
                self._w_frozen.forget()
            self._asked_a = current_a
        self._shorten()

    def stop_power(self, emergency: bool, now: float) -> None:
        """Current to zero was asked for."""
        if self._asked is not _Asked.STOPPED:
            self._turn(_Asked.STOPPED, now)
            self._stopped_at = now
        self._nothing(now, emergency=emergency)

    def told(self, closed: bool, over_v: float | None = None, within_v: float = 0.0) -> None:
        """The contactors were told to close, or to open. ``over_v``, ``within_v``: until they report
        themselves closed the output has to stay so near to this voltage, in V."""
        self._told_open = not closed
        self._closing = (over_v, within_v) if closed and over_v is not None and not self.closed else None
        self._shorten()

    def contactors(self, closed: bool) -> None:
        """The contactors report themselves."""
        self.closed = closed
        if closed:
            self._closing = None
        self._shorten()

    def _turn(self, asked: _Asked, now: float = -_INF) -> None:
        # Who rests and goes on again and again, as for a new schedule, gains no time by it; nor does what was
        # seen before and behind a rest count as if it had lasted.
        goes_on = {self._asked, asked} == {_Asked.POWER, _Asked.STOPPED}
        self._asked, self._frozen = asked, None
        self._quick = False
        for watch in self._watches:
            if watch is self._w_frozen or not (
                goes_on or watch in (self._w_permission, self._w_level, self._w_voltage)
            ):
                watch.forget()
            elif goes_on and watch not in (self._w_level, self._w_voltage):
                watch.hold(now)
        self._pending = any([watch.since is not None for watch in self._watches])  # noqa: C419 - as below

    def _nothing(self, now: float, *, emergency: bool) -> None:
        for ceiling in (self._charging, self._discharging):
            self._lower(ceiling, 0.0, now, _INF if emergency else self._rate)
        self._shorten()

    def _lower(self, ceiling: FallingBound, value: float, now: float, rate: float | None = None) -> None:
        flows = self._seen(ceiling)
        ceiling.ask(value, now, self.limits.settle_s, self._rate if rate is None else rate, flows)

    def _seen(self, ceiling: FallingBound) -> float:
        """The last sample, which is also what flows in the direction of this bound."""
        flows = max(self.current_a if ceiling is self._charging else -self.current_a, 0.0)
        ceiling.seen(flows, self.sampled_at)
        return flows

    @property
    def falls_until(self) -> float:
        """Until when a current may still fall that nobody asks for any more; infinitely long ago if none may,
        or some is asked for."""
        if self._charging.floor > 0.0 or self._discharging.floor > 0.0:
            return -_INF
        self._seen(self._charging)
        self._seen(self._discharging)
        return max(self._charging.settled_at, self._discharging.settled_at)

    @property
    def falls_within_s(self) -> float:
        """How long the greatest current that was offered may take to fall to nothing, in s, with what may
        still rise until the supply has heard of it."""
        return self.falls_in_s(min(max(self._charge_rating, self._discharge_rating), HIGHEST_A))

    def falls_in_s(self, current_a: float) -> float:
        """The same of this current (a magnitude)."""
        return 2.0 * self.limits.settle_s + current_a / self._rate

    def _follows(self) -> bool:
        """The current is where its bound is: then a changed bound has to move it."""
        return abs(self.current_a - self._asked_a) <= max(self._over_a, 0.05 * abs(self._asked_a))

    # -- what is measured ----------------------------------------------------------------------------------

    def within(self, voltage_v: float, current_a: float, now: float) -> bool:
        """One sample of now that breaks no rule, as almost all do: True, and it is taken. False says nothing:
        ``measured`` has to look."""
        try:
            if (
                self._quick
                and self.sampled_at <= now < _NEVER
                and self._low_a <= current_a <= self._high_a
                and self._low_v <= voltage_v <= self._high_v
                and -self._most_w <= voltage_v * current_a <= self._most_w
            ):
                self.voltage_v, self.current_a, self.sampled_at = voltage_v, current_a, now
                self.fresh_until = now + self._stale_s
                if self._charging.waits:
                    self._charging.seen(current_a if current_a > 0.0 else 0.0, now)
                if self._discharging.waits:
                    self._discharging.seen(-current_a if current_a < 0.0 else 0.0, now)
                return True
        except (TypeError, ArithmeticError):
            pass  # no numbers
        return False

    def measured(self, voltage_v: float, current_a: float, at: float, now: float) -> Finding | None:
        """One sample, measured at ``at`` and told at ``now``. The worst of what it
        breaks, once per rule and stage. One that is older than the last is dropped."""
        if at < self.sampled_at:
            return None
        self.voltage_v, self.current_a, self.sampled_at = voltage_v, current_a, at
        self.fresh_until = max(at, self._waited_from) + self._stale_s
        found = self._judge(voltage_v, current_a, at, now)
        self._pending = any([watch.since is not None for watch in self._watches])  # noqa: C419 - a list is faster
        self._shorten()
        return found

    def stale(self, now: float) -> Finding | None:
        """No reading is young enough; told again whenever so much time has passed again."""
        if self.fresh_until > now:
            return None
        since = max(self.sampled_at, self._waited_from)
        self.live_from(now)
        what, reaction = "s without a reading", self.limits.stale_reaction
        return Finding(Rule.STALE_READINGS, now - since, self._stale_s, since, reaction, what)

    def live_from(self, now: float) -> None:
        """The output comes alive: readings are waited for from now on. That makes the last one no younger."""
        self._waited_from = now
        self.fresh_until = max(self.sampled_at, now) + self._stale_s

    def _judge(self, voltage: float, current: float, at: float, now: float) -> Finding | None:
        """A sample is compared with what was allowed when it was taken, and lasts as long as it is told."""
        self._seen(self._charging)
        self._seen(self._discharging)
        found = self._level(now)
        if self._closing is not None:
            found = worse(found, self._close(self._closing, voltage, now))
        match self._asked:
            case _Asked.CABLE_CHECK:
                self._checked_v = max(self._checked_v, voltage)
                limit = self._bound_v + self._check_v if voltage >= 0.0 else self._least_v
                off = voltage > limit if voltage >= 0.0 else voltage < limit
                found = worse(found, self._w_check_v.look(off, voltage, limit, now))
                limit = max(self._check_a, self._offset_a)
                return worse(found, self._w_check_a.look(abs(current) > limit, current, limit, now))
            case _Asked.PRE_CHARGE:
                limit = self._pre_charge_v.at(now) + self.limits.beyond(
                    Rule.PRE_CHARGE_VOLTAGE, self.limits.pre_charge_v
                )
                found = worse(found, self._w_pre_v.look(voltage > limit, voltage, limit, now))
                limit = max(self._pre_charge_a.at(now), self._offset_a)
                found = worse(found, self._w_pre_a.look(abs(current) > limit, current, limit, now))
                return worse(found, self._over_voltage(voltage, now))
            case _Asked.POWER:
                return worse(found, self._power(voltage, current, at, now))
            case _:
                return worse(found, self._rest(voltage, current, at, now))

    def _over_voltage(self, voltage: float, now: float) -> Finding | None:
        if voltage < self._least_v:
            return self._w_voltage.look(True, voltage, self._least_v, now)
        return self._w_voltage.look(voltage > self._ceiling_v, voltage, self._ceiling_v, now)

    def _close(self, closing: tuple[float, float], voltage: float, now: float) -> Finding | None:
        """Contactors are on their way: what they were told to close over has to stay as it was."""
        over_v, within_v = closing
        limit = self.limits.beyond(Rule.CONTACTOR_VOLTAGE, within_v)
        return self._w_close.look(abs(voltage - over_v) > limit, abs(voltage - over_v), limit, now)

    def _power(self, voltage: float, current: float, at: float, now: float) -> Finding | None:
        limits = self.limits
        charge, discharge = self._charging.at(at), self._discharging.at(at)
        taking = self._takes_back
        found = self._over_voltage(voltage, now)

        ahead = discharge if taking else charge
        allowed = ahead + max(self._over_a, limits.over_current_share * ahead)
        forth = -current if taking else current
        found = worse(found, self._w_current.look(forth > allowed, current, allowed, now))
        most = self._most_back if current < 0.0 else self._most_ahead
        found = worse(found, self._w_rating.look(abs(current) > most, current, most, now))

        if taking:
            back = charge + self._wrong_a
            found = worse(found, self._w_direction.look(current > back, current, back, now))
        else:
            greatest = max(self._charge_rating, self._discharge_rating)
            room = limits.reverse_current_share * greatest if greatest < _INF else 0.0
            back = discharge + max(self._reverse_a, room)
            found = worse(found, self._w_reverse.look(-current > back, current, -back, now))

        off, edge = self._off_bound(voltage, current)
        off = off and at >= self._bound_v_from
        found = worse(found, self._w_asked_voltage.look(off, voltage, edge, now))

        # A current that still falls, in either direction, may take its power with it.
        falls, floor = (
            (charge, self._charging.floor) if current >= 0.0 else (discharge, self._discharging.floor)
        )
        bound_w = self._bound_w if falls <= floor else max(self._bound_w, falls * abs(voltage))
        most_w = bound_w * (1.0 + limits.over_power_share) + self._over_w
        power = abs(voltage * current)
        # What counts as no current is no power either: a sensor shows some where none flows.
        over = power > most_w and abs(current) > max(limits.none_a, self._offset_a)
        found = worse(found, self._w_power.look(over, power, most_w, now))
        return worse(found, self._still(voltage, current, now))

    def _off_bound(self, voltage: float, current: float) -> tuple[bool, float]:
        """Whether current flows beyond the voltage that is asked for, and where that begins."""
        room = max(self._asked_v, self.limits.asked_voltage_share * self._bound_v)
        flows = abs(current) > self.limits.none_a
        if self._takes_back:
            return flows and voltage < self._bound_v - room, self._bound_v - room
        return flows and voltage > self._bound_v + room, self._bound_v + room

    def _still(self, voltage: float, current: float, now: float) -> Finding | None:
        """Frozen readings: the bound that the current kept to has moved, and
        neither current nor voltage did."""
        if self._frozen is None:
            return None
        was_a, was_v = self._frozen
        near_bound = not self._takes_back and voltage >= self._bound_v - max(
            _NEAR_V, _NEAR_SHARE * self._bound_v
        )
        moved = abs(current - was_a) > _STILL_A or abs(voltage - was_v) > _STILL_V
        if moved or near_bound:
            self._frozen = None
            self._w_frozen.forget()
            return None
        if abs(current - self._asked_a) <= self._over_a:
            self._w_frozen.hold(now)  # the bound came back to where they stand: that shows nothing
            return None
        return self._w_frozen.look(True, current, self._asked_a, now)

    def _shorten(self) -> None:
        """What is within the tightest bounds breaks no rule: then a sample needs a few comparisons only. What
        is outside, or was a moment ago, is looked at rule by rule."""
        self._quick = False
        if self._frozen is not None or self._closing is not None or (self.closed and self._told_open):
            return
        if self._asked is _Asked.POWER:
            limits, taking = self.limits, self._takes_back
            bound = self._discharging.floor if taking else self._charging.floor
            room = limits.over_current_share * bound
            most = bound + (room if room > self._over_a else self._over_a)
            rating = self._most_back if taking else self._most_ahead
            most = rating if rating < most else most
            back, rating = self._back, self._most_ahead if taking else self._most_back
            back = rating if rating < back else back
            self._low_a, self._high_a = (-most, back) if taking else (-back, most)
            bound = self._bound_v
            room = limits.asked_voltage_share * bound
            room = self._asked_v if self._asked_v > room else room
            low = bound - room if taking else self._least_v
            self._low_v = low if low > self._least_v else self._least_v
            high = bound + room
            self._high_v = self._ceiling_v if taking or self._ceiling_v < high else high
            self._most_w = self._bound_w * (1.0 + limits.over_power_share) + self._over_w
        elif self._asked in (_Asked.NOTHING, _Asked.STOPPED):
            most = self._none_a if self._none_a < HIGHEST_A else HIGHEST_A
            self._low_a, self._high_a = -most, most
            rest = self._before_v if self._asked is _Asked.NOTHING else self._end_v
            self._high_v = self._ceiling_v if self.closed else min(rest, HIGHEST_V)
            self._low_v = self._least_v if self.closed else max(self._least_v, -self._high_v)
            self._most_w = _INF
        else:
            return
        self._quick = not self._pending

    def _rest(self, voltage: float, current: float, at: float, now: float) -> Finding | None:
        """Nothing is asked for, or it was taken back."""
        up, down = self._charging.at(at) + self._none_a, self._discharging.at(at) + self._none_a
        limit = up if current >= 0.0 else -down
        broken = current > up or -current > down
        found = self._w_permission.look(broken, current, limit, now)
        if self.closed:
            return worse(found, self._over_voltage(voltage, now))
        present = abs(voltage)
        if self._asked is _Asked.NOTHING:
            return worse(found, self._w_before.look(present > self._before_v, voltage, self._before_v, now))
        late = now - self._stopped_at > self.limits.discharge_s
        return worse(found, self._w_end.look(late and present > self._end_v, voltage, self._end_v, now))

    def _level(self, now: float) -> Finding | None:
        if not self._level_on:
            return None
        return self._w_level.look(self.closed and self._told_open, 1.0, 0.0, now)
