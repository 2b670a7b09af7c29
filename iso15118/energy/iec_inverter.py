"""An inverter that follows the functions of a European grid code (``IecGridCode``): from voltage, frequency
and what is wanted to the active and the reactive power of this moment.

See ``grid_support`` for signs, and for the order in which the functions rule.
"""

from __future__ import annotations

from .curves import AT_ONCE, Follower, Response
from .grid_functions import (
    CurveFunction,
    DsoSetPoint,
    FrequencyWatt,
    IecGridCode,
    PowerReference,
    RideThrough,
    VoltWatt,
)
from .grid_support import Grid, GridEvent, Output, Ratings, of_factor, sine_of, within_apparent, without
from .ride_through import Cessation

__all__ = ["IecInverter"]

_MAXIMUM = PowerReference.MAXIMUM


class _Held:
    """A condition that has to hold for some time, and its end that has to hold for some time."""

    __slots__ = ("_changes", "on")

    def __init__(self) -> None:
        self.on = False
        self._changes: float | None = None

    def look(self, begins: bool, ends: bool, delay_s: float, stop_delay_s: float, now: float) -> bool:
        wanted = begins if not self.on else not ends
        if wanted is self.on:
            self._changes = None
        else:
            if self._changes is None:
                self._changes = now
            if now - self._changes >= (stop_delay_s if self.on else delay_s):
                self.on, self._changes = wanted, None
        return self.on


class _Curtailment:
    """The share of the wanted power that one frequency function takes away, with its memory."""

    def __init__(self, over: bool) -> None:
        self._sign = 1.0 if over else -1.0
        self._held, self._deepest_w = _Held(), 0.0
        self._reference_w = 0.0
        self._ends_at: float | None = None
        self._left_w, self._at = 0.0, 0.0

    def look(
        self, setting: FrequencyWatt | None, hertz: float, power_w: float, most_w: float, now: float
    ) -> float:
        """How many W have to go, 0 or more. ``power_w``: the magnitude that flows; ``most_w``:
        the reference for MAXIMUM."""
        seconds, self._at = now - self._at, now
        if setting is None:
            self._deepest_w = self._left_w = 0.0
            return 0.0
        beyond = self._sign * (hertz - setting.start_hz)
        was = self._held.on
        back = self._sign * (hertz - setting.stop_hz) <= 0.0
        if not self._held.look(beyond > 0.0, back, setting.delay_s, setting.stop_delay_s, now):
            return self._recover(setting, was, now, seconds)
        if not was:
            self._reference_w = most_w if setting.reference is _MAXIMUM else power_w
            self._deepest_w = 0.0
        due = setting.slope_percent_per_hz / 100.0 * self._reference_w * max(beyond, 0.0)
        self._deepest_w = max(self._deepest_w, due) if setting.hysteresis else due
        self._ends_at, self._left_w = None, self._deepest_w
        return self._deepest_w

    def _recover(self, setting: FrequencyWatt, was: bool, now: float, seconds: float) -> float:
        if was:
            self._ends_at = now + setting.deactivation_s
        if self._ends_at is None:
            return 0.0
        if now < self._ends_at:
            return self._left_w
        per_min = setting.power_up_percent_per_min
        if per_min is None:
            self._left_w = 0.0
        else:
            past = min(now - self._ends_at, max(seconds, 0.0))
            self._left_w = max(self._left_w - per_min / 100.0 * self._reference_w * past / 60.0, 0.0)
        if self._left_w <= 0.0:
            self._ends_at = None
        return self._left_w


class IecInverter:
    """Follows the functions of ``IecGridCode``. With none it does what is wanted."""

    def __init__(self, ratings: Ratings, code: IecGridCode | None = None) -> None:
        self.ratings = ratings
        self.code = code or IecGridCode()
        self.dso = DsoSetPoint()
        self._over, self._under = _Curtailment(True), _Curtailment(False)
        self._cessation = Cessation()
        self._volt_watt, self._armed = _Held(), False
        self._support = {True: False, False: False}
        self._active, self._reactive = Follower(), Follower()
        self._curve_goal = 0.0
        self._waits_since: float | None = None

    def follow(self, code: IecGridCode) -> None:
        """This grid code holds from now on."""
        self.code = code

    def step(self, grid: Grid, wanted_w: float, now: float, wanted_var: float = 0.0) -> Output:
        """What it does at ``now``; called again and again, since delays and lags have a memory."""
        code, ratings = self.code, self.ratings
        lowest, highest = min(grid.voltage_v), max(grid.voltage_v)
        events = GridEvent(0)
        if self._cessation.look(code.zero_current, lowest, highest):
            over = (
                code.zero_current is not None
                and code.zero_current.over_v is not None
                and highest > (code.zero_current.over_recovery_v or code.zero_current.over_v)
            )
            self._active.reset()
            self._reactive.reset()
            return Output(
                events=GridEvent.CEASED | (GridEvent.OVER_VOLTAGE if over else GridEvent.UNDER_VOLTAGE)
            )
        if self.dso.maximum_discharge_w is not None:
            wanted_w = max(wanted_w, -self.dso.maximum_discharge_w)
        power, events, response = self._active_power(grid, wanted_w, now)
        # What lags is what the functions take away, not what is wanted.
        power = without(wanted_w, self._active.follow(abs(wanted_w) - abs(power), response, now))
        reactive, lag = self._reactive_power(grid, power, wanted_var, now)
        support, more, quick = self._ride_through(lowest, highest)
        events |= more
        if support:
            reactive, lag = reactive + support, quick
        reactive = within_apparent(power, reactive, ratings)
        reactive = self._reactive.follow(reactive, lag, now)
        return Output(power_w=power, reactive_var=within_apparent(power, reactive, ratings), events=events)

    def _active_power(self, grid: Grid, wanted_w: float, now: float) -> tuple[float, GridEvent, Response]:
        code, ratings, hertz = self.code, self.ratings, grid.frequency_hz
        power, events, response = wanted_w, GridEvent(0), AT_ONCE
        if code.volt_watt is not None:
            limited = self._by_voltage(code.volt_watt, grid, power, now)
            if limited != power:
                events |= GridEvent.OVER_VOLTAGE if power < 0.0 else GridEvent.UNDER_VOLTAGE
            power, response = limited, code.volt_watt.response
        given, taken = max(-power, 0.0), max(power, 0.0)
        less = self._over.look(code.over_frequency_watt, hertz, given, ratings.discharge_w, now)
        if less > 0.0:
            events |= GridEvent.OVER_FREQUENCY
            power = min(power + less, 0.0) if power < 0.0 else power
        less = self._under.look(code.under_frequency_watt, hertz, taken, ratings.charge_w, now)
        if less > 0.0:
            events |= GridEvent.UNDER_FREQUENCY
            power = max(power - less, 0.0) if power > 0.0 else power
        if code.over_frequency_watt is not None and GridEvent.OVER_FREQUENCY in events:
            response = code.over_frequency_watt.response
        elif code.under_frequency_watt is not None and GridEvent.UNDER_FREQUENCY in events:
            response = code.under_frequency_watt.response
        return power, events, response

    def _by_voltage(self, setting: VoltWatt, grid: Grid, power_w: float, now: float) -> float:
        rising = setting.stop_v > setting.start_v
        volts = max(grid.voltage_v) if rising else min(grid.voltage_v)
        share = (setting.stop_v - volts) / (setting.stop_v - setting.start_v)
        beyond = share < 1.0
        acts = self._volt_watt.look(beyond, not beyond, setting.delay_s, 0.0, now)
        if not acts or (power_w < 0.0) is not rising:
            return power_w
        if setting.reference is _MAXIMUM:
            most = self.ratings.discharge_w if rising else self.ratings.charge_w
        else:
            most = abs(power_w)
        limit = max(share, 0.0) * most
        return max(power_w, -limit) if rising else min(power_w, limit)

    def _reactive_power(
        self, grid: Grid, power_w: float, wanted_var: float, now: float
    ) -> tuple[float, Response]:
        dso = self.dso
        # The operator's set point excludes the curves.
        if dso.reactive_var is not None:
            return dso.reactive_var, dso.response
        if dso.cos_phi is not None:
            return of_factor(power_w, sine_of(dso.cos_phi, dso.over_excited)), dso.response
        code = self.code
        function = code.volt_var or code.watt_var or code.watt_cos_phi
        if function is None:
            return wanted_var, AT_ONCE
        if not self._is_armed(function, grid, power_w):
            return 0.0, function.response
        if function is code.volt_var:
            goal = function.curve.at(sum(grid.voltage_v) / len(grid.voltage_v))
        elif function is code.watt_var:
            goal = function.curve.at(-power_w)
        else:
            goal = of_factor(power_w, function.curve.sine_at(-power_w))
        if function.minimum_cos_phi is not None:
            most = abs(of_factor(power_w, sine_of(function.minimum_cos_phi, False)))
            goal = max(-most, min(most, goal))
        # The goal of before holds until the delay is over; from then on it goes with the
        # grid until that comes to rest.
        if goal == self._curve_goal:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = now
        if self._waits_since is not None and now - self._waits_since >= function.delay_s:
            self._curve_goal = goal
        return self._curve_goal, function.response

    def _is_armed(self, function: CurveFunction, grid: Grid, power_w: float) -> bool:
        if function.lock_unit is None or function.lock_in is None:
            self._armed = True
            return True
        value = {
            "V": sum(grid.voltage_v) / len(grid.voltage_v),
            "Hz": grid.frequency_hz,
            "W": abs(power_w),
            "var": abs(self._reactive.value),
        }[function.lock_unit]
        leaves = function.lock_in if function.lock_out is None else function.lock_out
        self._armed = value >= leaves if self._armed else value >= function.lock_in
        return self._armed

    def _ride_through(self, lowest: float, highest: float) -> tuple[float, GridEvent, Response]:
        code, found, events, response = self.code, 0.0, GridEvent(0), AT_ONCE
        for setting, over, event in (
            (code.over_voltage_ride_through, True, GridEvent.OVER_VOLTAGE),
            (code.under_voltage_ride_through, False, GridEvent.UNDER_VOLTAGE),
        ):
            support = 0.0 if setting is None else self._support_of(setting, over, highest if over else lowest)
            if support and setting is not None:
                found, events, response = found + support, events | event, setting.reactive
        return found, events, response

    def _support_of(self, setting: RideThrough, over: bool, volts: float) -> float:
        """Absorbs where the voltage is too high, injects where it is too low."""
        sign = 1.0 if over else -1.0
        back = setting.start_v if setting.recovery_v is None else setting.recovery_v
        acts = self._support[over]
        acts = sign * (volts - back) > 0.0 if acts else sign * (volts - setting.start_v) > 0.0
        self._support[over] = acts
        if not acts or (setting.stop_v is not None and sign * (volts - setting.stop_v) > 0.0):
            return 0.0
        nominal = self.ratings.nominal_v
        return setting.k_positive * (volts - nominal) / nominal * self.ratings.apparent_va
