"""An inverter that follows a North American grid code (``SaeGridCode``): from voltage, frequency and what is
wanted to the active and the reactive power of this moment.

See ``grid_support`` for signs, and for the order in which the functions rule.
"""

from __future__ import annotations

import math

from .curves import AT_ONCE, Follower, Response
from .grid_functions import PowerReference
from .grid_support import (
    Grid,
    GridEvent,
    Output,
    Ratings,
    between,
    of_factor,
    sine_of,
    within_apparent,
    without,
)
from .ride_through import Service
from .sae_functions import ConstantPower, ConstantPowerFactor, CurveMode, Droop, SaeGridCode, VoltVarMode

__all__ = ["SaeInverter"]

_MAXIMUM = PowerReference.MAXIMUM


class SaeInverter:
    """Follows an ``SaeGridCode``. ``share``: the part of the randomized delay that this vehicle drew."""

    def __init__(self, ratings: Ratings, code: SaeGridCode, *, share: float = 0.0) -> None:
        self.ratings = ratings
        self.code = code
        self.service = Service(code, share=share)
        self._active, self._reactive = Follower(), Follower()
        self._volt_watt, self._limit = Follower(), Follower()
        self._volt_watt.reset(ratings.discharge_w)
        self._limit.reset(ratings.discharge_w)
        self._reference_v: float | None = None
        self._at: float | None = None
        self._momentary_w: float | None = None

    def follow(self, code: SaeGridCode) -> None:
        """This grid code holds from now on."""
        if code.volt_var.reference_v != self.code.volt_var.reference_v:
            self._reference_v = None
        self.code = code
        self.service.take(code)

    def step(self, grid: Grid, wanted_w: float, now: float, wanted_var: float = 0.0) -> Output:
        """See ``IecInverter.step``."""
        lowest, highest, hertz = min(grid.voltage_v), max(grid.voltage_v), grid.frequency_hz
        self._adjust_reference(sum(grid.voltage_v) / len(grid.voltage_v), now)
        share = self.service.look(lowest, highest, hertz, now)
        if share <= 0.0:
            self._active.reset()
            self._reactive.reset()
            tripped = GridEvent.TRIPPED if self.service.tripped else GridEvent(0)
            return Output(events=self._seen(lowest, highest, hertz) | GridEvent.CEASED | tripped)
        wanted = wanted_w
        fixed = self.code.constant_watt
        if fixed.enable:
            wanted = self._watts(fixed)
            wanted = between(wanted, math.copysign(abs(wanted_w), wanted)) if wanted_w else 0.0
        wanted = self._limited(grid, wanted, now)
        power, response = self._by_frequency(hertz, wanted)
        # What lags is what the droop takes away, not what is wanted.
        power = without(wanted, self._active.follow(abs(wanted) - abs(power), response, now)) * share
        reactive, lag = self._reactive_power(grid, power, wanted_var)
        reactive = self._reactive.follow(within_apparent(power, reactive * share, self.ratings), lag, now)
        return Output(
            power_w=power,
            reactive_var=within_apparent(power, reactive, self.ratings),
            events=self._seen(lowest, highest, hertz),
        )

    def _seen(self, lowest: float, highest: float, hertz: float) -> GridEvent:
        code, found = self.code, GridEvent(0)
        found |= GridEvent.OVER_VOLTAGE if highest > code.maximum_v else GridEvent(0)
        found |= GridEvent.UNDER_VOLTAGE if lowest < code.minimum_v else GridEvent(0)
        enter = code.enter_service
        found |= GridEvent.OVER_FREQUENCY if hertz > enter.high_hz else GridEvent(0)
        return found | (GridEvent.UNDER_FREQUENCY if hertz < enter.low_hz else GridEvent(0))

    # -- active power

    def _watts(self, setting: ConstantPower) -> float:
        """In % of what the inverter can do in that direction."""
        if setting.unit == "W":
            return setting.set_point
        most = self.ratings.discharge_w if setting.set_point < 0.0 else self.ratings.charge_w
        return setting.set_point / 100.0 * most

    def _limited(self, grid: Grid, power_w: float, now: float) -> float:
        """By voltage, and by the cap: both bound what is given back."""
        code, most = self.code, self.ratings.discharge_w
        mode, cap = code.volt_watt, code.limit_max_discharge
        goal = most
        if mode.enable:
            value = mode.curve.at(self._volts(mode.curve.x_unit, max(grid.voltage_v)))
            goal = max(value if mode.curve.y_unit == "W" else value / 100.0 * most, 0.0)
        by_voltage = self._volt_watt.follow(goal, _lag(mode), now)
        response = AT_ONCE if cap.open_loop_s is None else Response.open_loop(cap.open_loop_s)
        by_cap = self._limit.follow(cap.percent / 100.0 * most if cap.enable else most, response, now)
        return max(power_w, -min(by_voltage, by_cap))

    def _by_frequency(self, hertz: float, power_w: float) -> tuple[float, Response]:
        droop, code = self.code.frequency_droop, self.code
        if not droop.enable:
            self._momentary_w = None
            return power_w, AT_ONCE
        for side, sign, flows in ((droop.over, 1.0, power_w < 0.0), (droop.under, -1.0, power_w > 0.0)):
            beyond = 0.0 if side is None else sign * (hertz - code.nominal_hz) - side.dead_band_hz
            if side is not None and beyond > 0.0:
                less = self._droop_w(side, beyond, power_w) if flows else 0.0
                moved = power_w + sign * less
                # It ends at nothing: the other direction is nobody's wish.
                return (min(moved, 0.0) if sign > 0.0 else max(moved, 0.0)) if flows else power_w, (
                    Response.open_loop(side.open_loop_s)
                )
        self._momentary_w = None
        side = droop.over or droop.under
        return power_w, AT_ONCE if side is None else Response.open_loop(side.open_loop_s)

    def _droop_w(self, side: Droop, beyond_hz: float, power_w: float) -> float:
        if side.reference is _MAXIMUM:
            reference = self.ratings.discharge_w if power_w < 0.0 else self.ratings.charge_w
        else:
            if self._momentary_w is None:
                self._momentary_w = abs(power_w)
            reference = self._momentary_w
        return beyond_hz / (self.code.nominal_hz * side.factor) * reference

    # -- reactive power

    def _adjust_reference(self, volts: float, now: float) -> None:
        mode = self.code.volt_var
        seconds = 0.0 if self._at is None else max(now - self._at, 0.0)
        self._at = now
        if self._reference_v is None or not mode.adjusts_reference:
            self._reference_v = mode.reference_v
        elif mode.adjustment_s > 0:
            self._reference_v = volts - (volts - self._reference_v) * math.exp(-seconds / mode.adjustment_s)

    def _volts(self, unit: str, volts: float, reference_v: float | None = None) -> float:
        """On the axis of a curve: in V, or in percent of the reference (or nominal) voltage."""
        return volts if unit == "V" else volts / (reference_v or self.code.nominal_v) * 100.0

    def _vars(self, value: float, unit: str) -> float:
        if unit == "var":
            return value
        return value / 100.0 * (self.ratings.apparent_va if unit == "%VA" else self.ratings.reactive_var)

    def _reactive_power(self, grid: Grid, power_w: float, wanted_var: float) -> tuple[float, Response]:
        """Of the functions that are on, that of the lowest priority number; of equal ones the first."""
        code = self.code
        listed: tuple[tuple[str, ConstantPowerFactor | VoltVarMode | CurveMode | ConstantPower], ...] = (
            ("constant_power_factor", code.constant_power_factor),
            ("volt_var", code.volt_var),
            ("watt_var", code.watt_var),
            ("constant_var", code.constant_var),
        )
        ways = [
            (one.priority if one.priority is not None else 65_536, place, name)
            for place, (name, one) in enumerate(listed)
            if one.enable
        ]
        if not ways:
            return wanted_var, AT_ONCE
        match min(ways)[2]:
            case "constant_power_factor":
                factor = code.constant_power_factor
                return of_factor(power_w, sine_of(factor.factor, factor.over_excited)), AT_ONCE
            case "volt_var":
                mode = code.volt_var
                volts = sum(grid.voltage_v) / len(grid.voltage_v)
                if mode.curve.x_unit == "V" and mode.adjusts_reference and self._reference_v is not None:
                    volts += mode.reference_v - self._reference_v  # the curve moves with its reference
                x = self._volts(mode.curve.x_unit, volts, self._reference_v)
                return self._vars(mode.curve.at(x), mode.curve.y_unit), _lag(mode)
            case "watt_var":
                curve = code.watt_var.curve
                x = -power_w
                if curve.x_unit != "W":
                    most = self.ratings.discharge_w if x >= 0.0 else self.ratings.charge_w
                    x = x / most * 100.0 if most > 0.0 else 0.0
                return self._vars(curve.at(x), curve.y_unit), _lag(code.watt_var)
        return self._vars(code.constant_var.set_point, code.constant_var.unit), AT_ONCE


def _lag(mode: CurveMode | VoltVarMode) -> Response:
    if mode.time_constant_s is not None:
        return Response(time_s=float(mode.time_constant_s))
    return Response.open_loop(mode.open_loop_s)
