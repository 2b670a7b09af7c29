"""The vehicle's supervisor: what its inlet and battery show against what it asked for and what it can stand.

It is told every measurement and every wish, and says which rule is broken; what
follows is the session's business.
"""

from __future__ import annotations

import math

from .falling import FallingBound
from .limits import SupervisionLimits
from .rules import HIGHEST_A, HIGHEST_V, Finding, Reaction, Rule, Watch, worse

__all__ = ["VehicleSupervisor"]

_INF = math.inf
_NEVER = 1e15


class VehicleSupervisor:
    """Judges one inlet in one session. ``maximum_v``, ``charge_a``, ``discharge_a``: what the vehicle
    declares. Times are those of the session's clock, in s."""

    def __init__(
        self, limits: SupervisionLimits, *, maximum_v: float, charge_a: float, discharge_a: float
    ) -> None:
        self.limits = limits
        self.voltage_v = self.current_a = 0.0
        """The last sample."""
        self.closed = False
        """The contactors, as they report themselves."""
        self.inlet_at = self.battery_at = -_INF
        """When the last readings were taken."""
        self._waited_from = -_INF
        self.fresh_until = _INF
        """Until then the older of them is young enough; infinite if nobody minds."""
        self._declared_v, self._charge_a, self._discharge_a = maximum_v, charge_a, discharge_a
        self._greatest_a = max(charge_a, discharge_a)
        self._rate = limits.ramp(self._greatest_a)
        self.nothing_since = -_INF
        """Since when the station is asked for nothing; infinite while it is asked for something."""
        self._charging, self._discharging = FallingBound(), FallingBound()
        self._wanted = FallingBound(_INF)
        self._told_open = self._was_told = False
        self._closing: tuple[float, float] | None = None
        """The contactors are on their way to close over this voltage, and what it may be off."""
        self._battery_v = _INF
        self._hot = False
        beyond, at = limits.beyond, limits
        self._stale_s = beyond(Rule.STALE_READINGS, at.stale_s)
        self._pre_charge_v = 0.0
        """What the station was asked for in pre-charge; 0: nothing."""
        self._over_v = beyond(Rule.OVER_VOLTAGE, at.inlet_voltage_v)
        self._over_a = beyond(Rule.OVER_CURRENT, at.over_current_a)
        self._rated = beyond(Rule.OVER_CURRENT, at.rating_factor)
        self._reverse_a = max(
            beyond(Rule.REVERSE_CURRENT, at.reverse_current_a),
            at.reverse_current_share * max(charge_a, discharge_a),
        )
        self._none_a = beyond(Rule.CURRENT_WITHOUT_PERMISSION, at.no_current_a)
        # Beyond what any connector can have there are no readings, whatever the rules say.
        self._most_ahead = min(charge_a * self._rated + self._over_a, HIGHEST_A)
        self._most_back = min(discharge_a * self._rated + self._over_a, HIGHEST_A)
        if discharge_a <= 0.0 and self._reverse_a < _INF:
            self._most_back = HIGHEST_A  # what comes back from who gives nothing has a rule of its own
        self._least_a = min(self._none_a, limits.none_a, self._over_a, HIGHEST_A)
        self._ceiling_v = self._most_v()
        self._battery_on = Rule.BATTERY_WANTS_NONE not in at.off
        self._hot_on = Rule.INLET_HOT not in at.off
        self._reported_v = beyond(Rule.STATION_REPORTS_OTHER, at.reported_voltage_v)
        self._level_on = at.contactor_s is not None and Rule.CONTACTOR_LEVEL not in at.off
        self._least_v = limits.least_v
        fault, stop, amperes = Reaction.FAULT, Reaction.STOP, "A at the inlet"
        (
            self._w_voltage,
            self._w_current,
            self._w_rating,
            self._w_reverse,
            self._w_permission,
            self._w_close,
            self._w_battery,
            self._w_hot,
        ) = measured = tuple(
            Watch(rule, what, *stages, gap_s=limits.gap_s)
            for rule, what, *stages in (
                (Rule.OVER_VOLTAGE, "V at the inlet", (at.inlet_voltage_s, at.over_voltage_reaction)),
                (Rule.OVER_CURRENT, amperes, (at.over_current_s, stop), (at.over_current_fault_s, fault)),
                (Rule.OVER_CURRENT, amperes, (at.inlet_rating_s, at.over_current_reaction)),
                (Rule.REVERSE_CURRENT, amperes, (at.reverse_current_s, at.reverse_current_reaction)),
                (Rule.CURRENT_WITHOUT_PERMISSION, amperes, (at.no_current_s, at.no_current_reaction)),
                (Rule.CONTACTOR_VOLTAGE, "V between inlet and battery", (0.0, fault)),
                (Rule.BATTERY_WANTS_NONE, amperes, (at.battery_stop_s, stop), (at.battery_fault_s, fault)),
                (Rule.INLET_HOT, amperes, (at.hot_stop_s, stop), (at.battery_fault_s, fault)),
            )
        )
        # Their level holds until they tell another one, whether anybody looks or not.
        self._w_level = Watch(Rule.CONTACTOR_LEVEL, "(1: closed)", (at.contactor_s, at.contactor_reaction))
        self._watches = (*measured, self._w_level)
        what, stage = "V or A reported by the station", (at.reported_s, Reaction.WARN)
        self._w_reported = Watch(Rule.STATION_REPORTS_OTHER, what, stage, gap_s=limits.gap_s)
        self._quick = self._pending = False
        self._low_a = self._high_a = self._low_v = self._high_v = 0.0
        self._shorten()

    # -- what is asked for ---------------------------------------------------------------------------------

    def offered(self, charge_a: float, discharge_a: float) -> None:
        """The station's greatest currents. Its ramp is that of the connector, which has the lesser of what
        both sides can do: no small station falls as fast as a vehicle for a large one may expect."""
        self._greatest_a = max(min(self._charge_a, charge_a), min(self._discharge_a, discharge_a))
        self._rate = self.limits.ramp(self._greatest_a)

    @property
    def falls_until(self) -> float:
        """Until when a current may still fall that nobody asks for any more; infinite while some is."""
        if self._charging.floor > 0.0 or self._discharging.floor > 0.0:
            return _INF
        return max(self._charging.settled_at, self._discharging.settled_at)

    @property
    def falls_within_s(self) -> float:
        """How long the greatest current of this connector may take to fall to nothing once nothing is asked
        for, in s."""
        return 2.0 * self.limits.settle_s + max(self._greatest_a, abs(self.current_a)) / self._rate

    def may_flow_a(self, now: float) -> float:
        """The greatest current, either way, that the station may give at ``now`` (A): what is asked for, or
        was until a moment ago."""
        return max(self._charging.at(now), self._discharging.at(now))

    def asked(self, charge_a: float, discharge_a: float, now: float) -> None:
        """The station was asked for at most these currents (magnitudes), or both 0: for none."""
        if charge_a > 0.0 or discharge_a > 0.0:
            self.nothing_since = _INF
        elif self.nothing_since == _INF:
            self.nothing_since = now
        if charge_a != self._charging.floor:
            self._charging.ask(charge_a, now, self.limits.settle_s, self._rate, self._seen(self._charging))
        if discharge_a != self._discharging.floor:
            flows = self._seen(self._discharging)
            self._discharging.ask(discharge_a, now, self.limits.settle_s, self._rate, flows)
        self._shorten()

    def _seen(self, bound: FallingBound) -> float:
        """The last sample, which is also what flows in the direction of this bound."""
        flows = max(-self.current_a if bound is self._discharging else self.current_a, 0.0)
        bound.seen(flows, self.inlet_at)
        return flows

    def stop(self, emergency: bool, now: float) -> None:
        """Power is no longer wanted, or the vehicle takes itself off the cable."""
        rate = _INF if emergency else self._rate
        for bound in (self._charging, self._discharging):
            bound.ask(0.0, now, self.limits.settle_s, rate, self._seen(bound))
        self._quick = False

    def pre_charge(self, voltage_v: float) -> None:
        """The station is asked for this voltage in V, until contactors are closed, or told to open."""
        self._pre_charge_v = voltage_v

    @property
    def above_battery(self) -> str:
        """Why that may not stay: with closed contactors it would be over-voltage. Empty if it may."""
        if self._pre_charge_v <= self._ceiling_v:
            return ""
        most_v = min(self._battery_v, self._declared_v)
        return f"the battery can stand {most_v:g} V now, pre-charge is to {self._pre_charge_v:g} V"

    @property
    def most_v(self) -> float:
        """Above this many V at the inlet the battery has over-voltage."""
        return self._ceiling_v

    def told(self, closed: bool, now: float, over_v: float | None = None, within_v: float = 0.0) -> None:
        """The contactors were told to close, or to open. ``over_v``, ``within_v``: until they report
        themselves closed the inlet has to stay so near to this voltage, in V."""
        if not closed:
            self._pre_charge_v = 0.0
        self._told_open, self._was_told, self._quick = not closed, True, False
        self._closing = (over_v, within_v) if closed and over_v is not None and not self.closed else None
        if closed:
            self._wait_from(now)

    def _wait_from(self, now: float) -> None:
        """Readings are waited for from now on. That makes the last ones no younger."""
        self._waited_from = now
        self._read()

    def _read(self) -> None:
        oldest = self.inlet_at if self.inlet_at < self.battery_at else self.battery_at
        self.fresh_until = max(oldest, self._waited_from) + self._stale_s

    def contactors(self, closed: bool) -> None:
        """The contactors report themselves."""
        self.closed, self._quick = closed, False
        if closed:
            self._closing = None
            self._pre_charge_v = 0.0  # over-voltage has a rule of its own then

    # -- what is measured ----------------------------------------------------------------------------------

    def battery(self, maximum_v: float, target_a: float, hot: bool, at: float, now: float) -> None:
        """The battery's management reports what it can stand and what it wants. A report that is older than
        the last is dropped."""
        if at < self.battery_at:
            return
        self.battery_at = at
        self._read()
        wanted = 0.0 if target_a <= 0.0 else _INF
        if maximum_v == self._battery_v and hot is self._hot and wanted == self._wanted.floor:
            return
        self._battery_v, self._hot, self._quick = maximum_v, hot, False
        self._ceiling_v = self._most_v()
        if wanted != self._wanted.floor:
            # The station hears of it by the next request, and begins then.
            hold = 2.0 * self.limits.settle_s
            self._wanted.ask(wanted, now, hold, self._rate, self._seen(self._wanted))

    def within(self, voltage: float, current: float, now: float) -> bool:
        """One sample of now that breaks no rule, as almost all do: True, and it is taken. False says nothing:
        ``measured`` has to look."""
        try:
            if (
                self._quick
                and self.inlet_at <= now < _NEVER
                and self._low_a <= current <= self._high_a
                and self._low_v <= voltage <= self._high_v
            ):
                self.voltage_v, self.current_a, self.inlet_at = voltage, current, now
                oldest = now if now < self.battery_at else self.battery_at
                waited = self._waited_from
                self.fresh_until = (oldest if oldest > waited else waited) + self._stale_s
                if self._charging.waits:
                    self._charging.seen(current if current > 0.0 else 0.0, now)
                if self._discharging.waits:
                    self._discharging.seen(-current if current < 0.0 else 0.0, now)
                if self._wanted.waits:
                    self._wanted.seen(current if current > 0.0 else 0.0, now)
                return True
        except (TypeError, ArithmeticError):
            pass  # no numbers
        return False

    def measured(self, voltage: float, current: float, at: float, now: float) -> Finding | None:
        """One sample of the inlet, measured at ``at`` and told at ``now``. The worst of what it
        breaks, once per rule and stage. One that is older than the last is dropped."""
        if at < self.inlet_at:
            return None
        self.voltage_v, self.current_a, self.inlet_at = voltage, current, at
        self._read()
        found = self._judge(voltage, current, at, now)
        self._pending = any([watch.since is not None for watch in self._watches])  # noqa: C419 - a list is faster
        self._shorten()
        return found

    def _shorten(self) -> None:
        """What is within the tightest bounds breaks no rule: then a sample needs a few comparisons only."""
        none = self._none_a if self._none_a < HIGHEST_A else HIGHEST_A
        self._low_a, self._high_a = -none, none
        self._low_v, self._high_v = (
            (self._least_v, self._ceiling_v) if self.closed else (-HIGHEST_V, HIGHEST_V)
        )
        if self._was_told and not self._told_open:
            bound, back, over = self._charging.floor, self._discharging.floor, self._over_a
            high = bound + over
            high = high if high < self._most_ahead else self._most_ahead
            self._high_a = self._least_a if self._hot or self._wanted.floor == 0.0 else high
            # A bound that is taken back still falls, and is kept by its own rule meanwhile.
            low = back + over if back > 0.0 or over < self._reverse_a else self._reverse_a
            low = low if low < self._most_back else self._most_back
            self._low_a = -(self._least_a if self._hot and self._least_a < low else low)
        self._quick = not (self._pending or self._closing is not None or (self.closed and self._told_open))

    def _most_v(self) -> float:
        most = min(self._battery_v, self._declared_v)
        return min(most + max(self._over_v, self.limits.inlet_voltage_share * most), HIGHEST_V)

    def _judge(self, voltage: float, current: float, at: float, now: float) -> Finding | None:
        """A sample is compared with what was allowed when it was taken, and lasts as long as it is told."""
        limits = self.limits
        for bound in (self._charging, self._discharging, self._wanted):
            self._seen(bound)
        found = None
        if self.closed:
            most = self._ceiling_v if voltage >= 0.0 else self._least_v
            off = voltage > most if voltage >= 0.0 else voltage < most
            found = self._w_voltage.look(off, voltage, most, now)
        elif self._closing is not None:
            over_v, within_v = self._closing
            apart, most = abs(voltage - over_v), limits.beyond(Rule.CONTACTOR_VOLTAGE, within_v)
            found = self._w_close.look(apart > most, apart, most, now)
        if self._level_on:
            found = worse(found, self._w_level.look(self.closed and self._told_open, 1.0, 0.0, now))
        charge, discharge = self._charging.at(at), self._discharging.at(at)
        if self._told_open or not self._was_told:
            broken = current > charge + self._none_a or -current > discharge + self._none_a
            limit = charge + self._none_a if current >= 0.0 else -discharge - self._none_a
            return worse(found, self._w_permission.look(broken, current, limit, now))
        most = charge + max(self._over_a, limits.over_current_share * charge)
        least = discharge + max(self._over_a, limits.over_current_share * discharge)
        over = current > most or (discharge > 0.0 and -current > least)
        found = worse(found, self._w_current.look(over, current, most if current >= 0.0 else -least, now))
        rating = self._most_ahead if current >= 0.0 else self._most_back
        found = worse(found, self._w_rating.look(abs(current) > rating, current, rating, now))
        back = discharge + self._reverse_a
        found = worse(
            found,
            self._w_reverse.look(self._discharging.floor <= 0.0 and -current > back, current, -back, now),
        )
        if self._battery_on:
            wanted = self._wanted.at(at) + limits.none_a
            found = worse(found, self._w_battery.look(current > wanted, current, wanted, now))
        if self._hot_on:
            none = limits.none_a
            found = worse(found, self._w_hot.look(self._hot and abs(current) > none, current, none, now))
        return found

    def station_reports(self, voltage_v: float, current_a: float, now: float) -> Finding | None:
        """What the station says it gives, against the last sample."""
        off_v = abs(voltage_v - self.voltage_v)
        off_a = abs(current_a - self.current_a)
        room_v = self._reported_v + 0.05 * self.voltage_v
        room_a = self.limits.reported_current_a + 0.1 * abs(self.current_a)
        if off_v > room_v:
            return self._w_reported.look(True, voltage_v, self.voltage_v, now)
        wrong = off_a > room_a and self._reported_v < _INF
        return self._w_reported.look(wrong, current_a, self.current_a, now)

    def stale(self, now: float) -> Finding | None:
        """Readings of the inlet or the battery are too old; told again whenever so
        much time has passed again."""
        if self.fresh_until > now:
            return None
        what = "s without a reading of the " + ("inlet" if self.inlet_at <= self.battery_at else "battery")
        since = max(min(self.inlet_at, self.battery_at), self._waited_from)
        self._wait_from(now)
        reaction = self.limits.stale_reaction
        return Finding(Rule.STALE_READINGS, now - since, self._stale_s, since, reaction, what)
