"""The station's DC power supply: bounds as ceilings, a current ramp, a pre-charge ramp and the discharge of
its output.

It holds set-points and says which current they allow; the circuit joins it with cable and battery and keeps
the time.
"""

from __future__ import annotations

import math
from enum import Enum

from iso15118.errors import MisuseError
from iso15118.session.limits import StationLimits

from .battery import charge_current_for, discharge_current_for
from .presets import StationPreset

__all__ = ["Mode", "Supply"]

BLOCKING_S = 0.01
"""An emergency stop blocks the converter within this time: 10 ms, as IEC 61851-23-3 asks for in an emergency
shutdown of MCS."""

_BELOW = 1.0 - 1e-12  # keeps the product of voltage and current on the safe side of a power bound


class Mode(Enum):
    """What the supply does."""

    OFF = "off; the output discharges itself"
    PRE_CHARGE = "hold a voltage through the pre-charge path"
    POWER = "hold the bounds of SetPower"
    STOPPING = "ramp the current down, then off"


class Supply:
    """One supply. ``current_a`` is positive towards the vehicle; ``output_v`` its own output before the
    contactors."""

    def __init__(self, kind: StationPreset) -> None:
        self.kind = kind
        self.limits: StationLimits = kind.limits
        self.mode = Mode.OFF
        self.current_a = 0.0
        self.output_v = 0.0
        self.fall_a_per_s = kind.stop_ramp_a_per_s
        self._asked = (0.0, 0.0, 0.0)
        self._bound_v = self._bound_a = self._bound_w = 0.0
        self._charging = True

    # -- requests ------------------------------------------------------------------------------------------

    def pre_charge(self, voltage_v: float) -> None:
        """Bring the unloaded output to ``voltage_v``, at most the rated voltage."""
        _check(voltage_v, 0.0, 0.0)
        self.mode = Mode.PRE_CHARGE
        self._bound_v = min(voltage_v, self.limits.maximum_voltage_v)

    def set_power(self, voltage_v: float, current_a: float, power_w: float) -> None:
        """Hold these bounds, never more than the supply's own. A negative current takes energy back; the
        voltage is then the lower bound."""
        _check(voltage_v, current_a, power_w)
        self.mode = Mode.POWER
        self._asked = (voltage_v, current_a, power_w)
        self._bind()

    def stop(self, *, at_once: bool) -> None:
        """Current to zero: with the stop ramp, or ``at_once`` as fast as the converter blocks."""
        if self.mode is Mode.STOPPING and not at_once:
            return
        self.fall_a_per_s = self.kind.stop_ramp_a_per_s
        if at_once:
            ceiling = max(
                self.kind.limits.maximum_charge_current_a, self.kind.limits.maximum_discharge_current_a
            )
            self.fall_a_per_s = ceiling / BLOCKING_S
        self.mode = Mode.OFF if self.current_a == 0.0 else Mode.STOPPING

    def derate(self, limits: StationLimits) -> None:
        """Other limits from now on."""
        self.limits = limits
        if self.mode in (Mode.POWER, Mode.STOPPING):
            self._bind()

    def _bind(self) -> None:
        limits = self.limits
        voltage_v, current_a, power_w = self._asked
        self._charging = current_a >= 0.0
        if self._charging:
            self._bound_v = min(voltage_v, limits.maximum_voltage_v)
            self._bound_a = min(current_a, limits.maximum_charge_current_a)
            self._bound_w = min(power_w, limits.maximum_charge_power_w)
        else:
            self._bound_v = max(voltage_v, limits.minimum_voltage_v)
            self._bound_a = min(-current_a, limits.maximum_discharge_current_a)
            self._bound_w = min(power_w, limits.maximum_discharge_power_w)

    # -- what follows from them ----------------------------------------------------------------------------

    def allowed_current(self, source_v: float, resistance_ohm: float) -> float:
        """The current that the bounds allow now into (or out of) a source of ``source_v`` behind
        ``resistance_ohm``, without the ramp."""
        if self.mode not in (Mode.POWER, Mode.STOPPING) or source_v > self.limits.maximum_voltage_v:
            return 0.0
        headroom_v = self._bound_v - source_v if self._charging else source_v - self._bound_v
        if headroom_v <= 0.0:
            return 0.0
        if self._charging:
            by_power_a = charge_current_for(self._bound_w, source_v, resistance_ohm)
        else:
            by_power_a = discharge_current_for(self._bound_w, source_v, resistance_ohm)
        amperes = min(self._bound_a, by_power_a * _BELOW)
        if resistance_ohm > 0.0 and amperes * resistance_ohm > headroom_v:
            amperes = headroom_v / resistance_ohm * _BELOW
        return amperes if self._charging else -amperes

    def settle(self, source_v: float, resistance_ohm: float) -> None:
        """Follow lowered bounds at once, unless there is a ramp for that as for what they raise."""
        self.settle_to(self.allowed_current(source_v, resistance_ohm))

    def settle_to(self, allowed_a: float) -> None:
        """Shed what is above ``allowed_a``, or flows the other way; not where a ramp does that."""
        if self.kind.bound_ramp_a_per_s < math.inf:
            return
        if self.current_a > 0.0:
            self.current_a = max(0.0, min(self.current_a, allowed_a))
        elif self.current_a < 0.0:
            self.current_a = min(0.0, max(self.current_a, allowed_a))

    def idle(self, seconds: float) -> None:
        """Time passes with nothing but the cable at the output: the voltage moves towards where the mode
        wants it."""
        self.current_a = 0.0
        if self.mode is Mode.STOPPING:
            self.mode = Mode.OFF
        if self.mode is Mode.OFF:
            self.output_v *= math.exp(-seconds / self.kind.discharge_tau_s)
        elif self.mode is Mode.PRE_CHARGE or self._charging:
            step = self.kind.pre_charge_v_per_s * seconds
            self.output_v += max(-step, min(step, self._bound_v - self.output_v))


def _check(voltage_v: float, current_a: float, power_w: float) -> None:
    if not (math.isfinite(voltage_v) and math.isfinite(current_a) and math.isfinite(power_w)):
        raise MisuseError(
            f"a supply takes finite set-points only, not {voltage_v} V, {current_a} A, {power_w} W"
        )
    if voltage_v < 0.0 or power_w < 0.0:
        raise MisuseError(f"voltage and power are magnitudes, not {voltage_v} V, {power_w} W")
