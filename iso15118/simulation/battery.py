"""A traction battery: open-circuit voltage over state of charge, one internal resistance, and what its
management system asks for.

It knows nothing of cables or contactors; the circuit tells it the energy that passed. All quantities are SI
floats (V, A, W, Wh).
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.session.events import BatteryChanged
from iso15118.session.limits import VehicleLimits

__all__ = ["Battery", "charge_current_for", "discharge_current_for"]

# Shape of the open-circuit voltage: state of charge -> part of the way from the empty to the full voltage. A
# plain lithium-ion curve, steep at both ends and flat in between.
_SHAPE = (
    (0.0, 0.0),
    (0.05, 0.17),
    (0.1, 0.26),
    (0.3, 0.43),
    (0.5, 0.55),
    (0.7, 0.70),
    (0.9, 0.88),
    (1.0, 1.0),
)

# Part of the capacity: closer to the target than this is on target.
_COMPLETE = 5e-5
# Time constant of the last seconds before the target, so that charge loops of 0.25 s do not overshoot it.
_CHARGE_LANDING_S = 1.0
# The same before the minimum, which protects the battery and is approached more gently.
_DISCHARGE_LANDING_S = 2.0
# A current asked for now is still in force two charge loops later: limits are met at the voltage of then.
_AHEAD_S = 0.5


def charge_current_for(power_w: float, source_v: float, resistance_ohm: float) -> float:
    """Current in A that carries ``power_w`` at the terminals into a source of
    ``source_v`` behind a resistance."""
    # This form of the root loses no digits when the resistance is small, and needs no exception for none.
    return 2.0 * power_w / (source_v + math.sqrt(source_v * source_v + 4.0 * resistance_ohm * power_w))


def discharge_current_for(power_w: float, source_v: float, resistance_ohm: float) -> float:
    """Current in A that draws ``power_w`` at the terminals, or that of the greatest power if it is less."""
    inside = source_v * source_v - 4.0 * resistance_ohm * power_w
    if inside <= 0.0:
        return source_v / (2.0 * resistance_ohm)
    return 2.0 * power_w / (source_v + math.sqrt(inside))


class Battery:
    """The pack, its charge, and its management system.

    The default is a truck pack of 540 kWh, 720 V empty and 860 V full. States of charge are in percent. The
    pack tapers its current from ``taper_from_soc`` linearly down to ``taper_floor`` of the rated current at
    100 % and never lets its terminals rise above ``maximum_voltage_v`` (default 2 % above the full voltage).
    ``constant_power_w``: it asks for this power at its terminals all the way to ``target_soc``, without
    taper. Below ``minimum_soc`` it gives nothing back. Raises ``ConfigError`` for impossible values.
    """

    def __init__(
        self,
        *,
        capacity_wh: float = 540_000.0,
        soc: float = 20.0,
        target_soc: float = 80.0,
        minimum_soc: float = 10.0,
        empty_v: float = 720.0,
        full_v: float = 860.0,
        resistance_ohm: float = 0.002,
        maximum_voltage_v: float | None = None,
        minimum_voltage_v: float | None = None,
        maximum_charge_current_a: float = 3000.0,
        maximum_charge_power_w: float = 3_750_000.0,
        maximum_discharge_current_a: float = 3000.0,
        maximum_discharge_power_w: float = 3_750_000.0,
        taper_from_soc: float = 80.0,
        taper_floor: float = 0.1,
        constant_power_w: float | None = None,
    ) -> None:
        for key, percent in (("soc", soc), ("target_soc", target_soc), ("minimum_soc", minimum_soc)):
            if not 0.0 <= percent <= 100.0:
                raise ConfigError(key, f"{percent!r} is no state of charge", "0 to 100 percent")
        for key, value in (("capacity_wh", capacity_wh), ("empty_v", empty_v)):
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(key, f"{value!r} is not possible", "a finite number above 0")
        if not (math.isfinite(full_v) and full_v > empty_v):
            raise ConfigError(
                "full_v", f"{full_v!r} is not above empty_v = {empty_v}", f"more than {empty_v}"
            )
        if not (math.isfinite(resistance_ohm) and resistance_ohm >= 0.0):
            raise ConfigError("resistance_ohm", f"{resistance_ohm!r} is no resistance", "0 or more")
        if constant_power_w is not None and not (math.isfinite(constant_power_w) and constant_power_w > 0.0):
            raise ConfigError(
                "constant_power_w", f"{constant_power_w!r} is no power", "a finite number above 0"
            )
        if not 0.0 < taper_floor <= 1.0:
            raise ConfigError("taper_floor", f"{taper_floor!r} is not possible", "above 0, at most 1")
        if not 0.0 <= taper_from_soc <= 100.0:
            raise ConfigError(
                "taper_from_soc", f"{taper_from_soc!r} is no state of charge", "0 to 100 percent"
            )
        self.capacity_wh = capacity_wh
        self.target_soc = target_soc
        self.minimum_soc = minimum_soc
        self.resistance_ohm = resistance_ohm
        self.maximum_voltage_v = full_v * 1.02 if maximum_voltage_v is None else maximum_voltage_v
        self.minimum_voltage_v = empty_v * 0.95 if minimum_voltage_v is None else minimum_voltage_v
        self.taper_from_soc = taper_from_soc
        self.taper_floor = taper_floor
        self.constant_power_w = constant_power_w
        self.charged_wh = 0.0
        """Energy taken in at the terminals so far."""
        self.discharged_wh = 0.0
        """Energy given back at the terminals so far."""
        self.stored_wh = capacity_wh * soc / 100.0
        """Energy in the cells now; the state of charge is its share of the capacity."""
        self._nodes = tuple(
            (part * capacity_wh, empty_v + (full_v - empty_v) * rise) for part, rise in _SHAPE
        )
        self._segment_from = self._segment_to = math.nan
        self._offset_v = self._slope_v_per_wh = 0.0
        self._limits = VehicleLimits(
            maximum_charge_power_w=maximum_charge_power_w if constant_power_w is None else constant_power_w,
            maximum_charge_current_a=maximum_charge_current_a,
            maximum_voltage_v=self.maximum_voltage_v,
            minimum_voltage_v=self.minimum_voltage_v,
            maximum_discharge_power_w=maximum_discharge_power_w,
            maximum_discharge_current_a=maximum_discharge_current_a,
        )
        self._present = self._limits

    # -- cells ---------------------------------------------------------------------------------------------

    @property
    def open_circuit_v(self) -> float:
        """Voltage of the cells without current, in V."""
        if not self._segment_from <= self.stored_wh < self._segment_to:
            self._find_segment()
        return self._offset_v + self._slope_v_per_wh * self.stored_wh

    def _find_segment(self) -> None:
        # Outside 0 to 100 % the outer segments go on: a pack that is overfilled shows it in its voltage.
        nodes = self._nodes
        last = len(nodes) - 2
        index = next((n for n in range(last) if self.stored_wh < nodes[n + 1][0]), last)
        (from_wh, from_v), (to_wh, to_v) = nodes[index], nodes[index + 1]
        self._segment_from = -math.inf if index == 0 else from_wh
        self._segment_to = math.inf if index == last else to_wh
        self._slope_v_per_wh = (to_v - from_v) / (to_wh - from_wh)
        self._offset_v = from_v - self._slope_v_per_wh * from_wh

    @property
    def soc(self) -> float:
        """State of charge in percent, as the gauge shows it (0 to 100)."""
        return min(100.0, max(0.0, 100.0 * self.stored_wh / self.capacity_wh))

    def add(self, cells_wh: float, terminals_wh: float) -> None:
        """Energy that passed: into the cells and at the terminals; both negative when the battery gives."""
        self.stored_wh += cells_wh
        if terminals_wh >= 0.0:
            self.charged_wh += terminals_wh
        else:
            self.discharged_wh -= terminals_wh

    # -- management system ---------------------------------------------------------------------------------

    @property
    def limits(self) -> VehicleLimits:
        """What the vehicle declares before charging; a constant-power vehicle declares that power."""
        return self._limits

    def derate(self, *, current_a: float | None = None, power_w: float | None = None) -> None:
        """The management system takes and gives no more than this from now on, as when the pack is hot: A and
        W, both ways. None, None: all that was declared again. Raises ``ConfigError`` for what is no limit."""
        for key, value in (("current_a", current_a), ("power_w", power_w)):
            if value is not None and not (math.isfinite(value) and value >= 0.0):
                raise ConfigError(key, f"{value!r} is no limit", "a finite number, 0 or more")
        full = self._limits
        amperes = math.inf if current_a is None else current_a
        watts = math.inf if power_w is None else power_w
        self._present = replace(
            full,
            maximum_charge_current_a=min(full.maximum_charge_current_a, amperes),
            maximum_charge_power_w=min(full.maximum_charge_power_w, watts),
            maximum_discharge_current_a=min(full.maximum_discharge_current_a, amperes),
            maximum_discharge_power_w=min(full.maximum_discharge_power_w, watts),
        )

    @property
    def energy_to_target_wh(self) -> float:
        """What the cells lack until the target."""
        return self.capacity_wh * self.target_soc / 100.0 - self.stored_wh

    @property
    def complete(self) -> bool:
        """The target is reached."""
        return self.energy_to_target_wh <= _COMPLETE * self.capacity_wh

    def state(
        self, current_a: float = 0.0, *, asking: bool = True, time_scale: float = 1.0
    ) -> BatteryChanged:
        """What the management system reports at ``current_a`` (positive: charging).

        ``asking`` False: the vehicle wants no current. ``time_scale`` is the pace of the circuit: how many of
        the battery's seconds pass in one second of the charge loop that will read this.
        """
        limits = self._present
        source_v = self.open_circuit_v
        ohm = self.resistance_ohm
        target_wh = self.energy_to_target_wh
        done = target_wh <= _COMPLETE * self.capacity_wh

        charge_a = charge_w = wanted_a = 0.0
        if not done:
            ahead_wh = limits.maximum_charge_power_w * (_AHEAD_S * time_scale / 3600.0)
            ahead_v = source_v + self._slope_v_per_wh * min(ahead_wh, target_wh)
            landing_w = target_wh * 3600.0 / (_CHARGE_LANDING_S * time_scale)
            charge_w = min(limits.maximum_charge_power_w, landing_w)
            charge_a = min(limits.maximum_charge_current_a, landing_w / source_v)
            if ohm > 0.0:
                charge_a = min(charge_a, max(0.0, (self.maximum_voltage_v - ahead_v) / ohm))
            elif ahead_v > self.maximum_voltage_v:
                charge_a = 0.0
            if self.constant_power_w is None:
                charge_a = min(charge_a, self._tapered_a())
            if asking:
                wanted_a = min(charge_a, charge_current_for(charge_w, ahead_v, ohm))

        discharge_a = discharge_w = 0.0
        spare_wh = self.stored_wh - self.capacity_wh * self.minimum_soc / 100.0
        if spare_wh > _COMPLETE * self.capacity_wh and limits.maximum_discharge_power_w > 0.0:
            landing_w = spare_wh * 3600.0 / (_DISCHARGE_LANDING_S * time_scale)
            discharge_w = min(limits.maximum_discharge_power_w, landing_w)
            discharge_a = min(limits.maximum_discharge_current_a, landing_w / source_v)
            if ohm > 0.0:
                discharge_a = min(discharge_a, max(0.0, (source_v - self.minimum_voltage_v) / ohm))

        return BatteryChanged(
            self.soc,
            source_v + ohm * current_a,
            self.maximum_voltage_v,
            wanted_a,
            charge_w,
            charge_a,
            self.maximum_voltage_v,
            self.minimum_voltage_v,
            target_wh,
            self.capacity_wh - self.stored_wh,
            -spare_wh,
            self.capacity_wh,
            discharge_w,
            discharge_a,
            done,
        )

    def _tapered_a(self) -> float:
        rated = self._limits.maximum_charge_current_a
        span = 100.0 - self.taper_from_soc
        over = self.soc - self.taper_from_soc
        if over <= 0.0 or span <= 0.0:
            return rated
        return rated * (1.0 - (1.0 - self.taper_floor) * over / span)
