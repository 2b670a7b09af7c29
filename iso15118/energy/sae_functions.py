"""The grid code of AC_DER_SAE as a value: the functions of IEEE 1547 and SAE J3072, each on or off, and when
to leave and to join the grid.

It is complete or it is none: a station without one part of it cannot offer the service. SI units,
voltages phase to neutral; axes may be in percent of what the inverter can do. Every value is checked when
it is made (``ConfigError``).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntFlag
from typing import Any

import msgspec
from msgspec import Struct

from iso15118.errors import ConfigError

from .curves import Curve, finite
from .grid_functions import PowerReference

__all__ = [
    "USABLE_MODES",
    "ConstantPower",
    "ConstantPowerFactor",
    "CurveMode",
    "Droop",
    "EnterService",
    "FrequencyDroop",
    "FrequencyTrip",
    "LimitDischarge",
    "SaeFunction",
    "SaeGridCode",
    "TripCurve",
    "VoltVarMode",
    "VoltageTrip",
]

USABLE_MODES = 0x05FF_FDFB
"""The bits of SupportedModes and EnabledModes that have a meaning in public
implementations; the others are ignored."""


class SaeFunction(IntFlag):
    """Bits of SupportedModes and EnabledModes. Which bit is which function is in no public source: these
    places are assumed, in the order of the schema and within ``USABLE_MODES``."""

    CONSTANT_POWER_FACTOR = 1 << 0
    VOLT_VAR = 1 << 1
    WATT_VAR = 1 << 3
    CONSTANT_VAR = 1 << 4
    FREQUENCY_DROOP = 1 << 5
    VOLT_WATT = 1 << 6
    CONSTANT_WATT = 1 << 7
    LIMIT_MAX_DISCHARGE = 1 << 8


ALL_SAE = SaeFunction(0x1FB)
_LONGEST_S = 86_400.0


def _on(value: Any) -> None:
    if type(value.enable) is not bool:
        raise ConfigError("enable", f"{value.enable!r}", "True or False")
    if value.priority is not None and (type(value.priority) is not int or not 0 <= value.priority <= 65_535):
        raise ConfigError(
            "priority", f"{value.priority!r} is not possible", "0 to 65535, the lower goes first"
        )


class CurveMode(Struct, frozen=True, kw_only=True):
    """Volt-watt (share of the power that may be given back, over the voltage) or watt-var."""

    enable: bool = False
    priority: int | None = None
    curve: Curve
    open_loop_s: float = 0.0
    """After so long the output has gone 90 % of its way."""
    time_constant_s: int | None = None
    """Time constant of a first-order lag in place of ``open_loop_s``."""

    def __post_init__(self) -> None:
        _on(self)
        finite("open_loop_s", self.open_loop_s, 0.0, _LONGEST_S)
        _whole(self, "time_constant_s")


class VoltVarMode(Struct, frozen=True, kw_only=True):
    """Reactive power over the voltage; the reference voltage may follow that of the grid."""

    enable: bool = False
    priority: int | None = None
    curve: Curve
    open_loop_s: float = 0.0
    time_constant_s: int | None = None
    reference_v: float = 240.0
    adjusts_reference: bool = False
    adjustment_s: int = 300
    """Time constant with which the reference follows the voltage."""

    def __post_init__(self) -> None:
        _on(self)
        finite("open_loop_s", self.open_loop_s, 0.0, _LONGEST_S)
        finite("reference_v", self.reference_v, 1.0, 2000.0)
        _whole(self, "time_constant_s", "adjustment_s")


class ConstantPowerFactor(Struct, frozen=True, kw_only=True):
    """A fixed power factor, in both directions of the active power."""

    enable: bool = False
    priority: int | None = None
    factor: float = 1.0
    over_excited: bool = False
    """True injects reactive power, False absorbs it."""

    def __post_init__(self) -> None:
        _on(self)
        finite("factor", self.factor, 0.0, 1.0)


class ConstantPower(Struct, frozen=True, kw_only=True):
    """A fixed active power (positive to the vehicle) or reactive power (positive
    where the vehicle absorbs it)."""

    enable: bool = False
    priority: int | None = None
    set_point: float = 0.0
    unit: str = "W"

    def __post_init__(self) -> None:
        _on(self)
        finite("set_point", self.set_point, -1e9, 1e9)
        if self.unit not in ("W", "%W", "%W now", "var", "%var", "%var now"):
            raise ConfigError("unit", f"{self.unit!r} is no unit of power", "W, %W, var or %var")


class Droop(Struct, frozen=True, kw_only=True):
    """One side of the droop: outside the dead band the power changes by 1/``factor`` of the reference for all
    of the nominal frequency."""

    dead_band_hz: float = 0.036
    factor: float = 0.05
    reference: PowerReference = PowerReference.MAXIMUM
    open_loop_s: float = 5.0

    def __post_init__(self) -> None:
        finite("dead_band_hz", self.dead_band_hz, 0.0, 50.0)
        finite("factor", self.factor, 0.001, 100.0)
        finite("open_loop_s", self.open_loop_s, 0.0, _LONGEST_S)


class FrequencyDroop(Struct, frozen=True, kw_only=True):
    """Active power over the frequency."""

    enable: bool = False
    priority: int | None = None
    over: Droop | None = None
    under: Droop | None = None

    def __post_init__(self) -> None:
        _on(self)


class LimitDischarge(Struct, frozen=True, kw_only=True):
    """A cap on what is given back, in percent of the greatest."""

    enable: bool = False
    priority: int | None = None
    percent: int = 100
    open_loop_s: float | None = None

    def __post_init__(self) -> None:
        _on(self)
        if type(self.percent) is not int or not 0 <= self.percent <= 100:
            raise ConfigError("percent", f"{self.percent!r} is no share", "0 to 100")
        if self.open_loop_s is not None:
            finite("open_loop_s", self.open_loop_s, 0.0, _LONGEST_S)


class TripCurve(Struct, frozen=True, kw_only=True):
    """Durations in s and the voltage in V or frequency in Hz beyond which so long is too long."""

    points: tuple[tuple[float, float], ...]
    enable: bool = True
    unit: str = "V"

    def __post_init__(self) -> None:
        Curve(points=self.points, x_unit="s", y_unit=self.unit)
        if self.unit not in ("V", "%V", "Hz") or any(at < 0.0 or limit < 0.0 for at, limit in self.points):
            raise ConfigError("points", "a unit or a value that no trip has", "V, %V or Hz, 0 or more")


class VoltageTrip(Struct, frozen=True, kw_only=True):
    """When to leave the grid by its voltage."""

    over: TripCurve
    under: TripCurve
    over_cessation: TripCurve | None = None
    under_cessation: TripCurve | None = None
    over_may: TripCurve | None = None
    under_may: TripCurve | None = None


class FrequencyTrip(Struct, frozen=True, kw_only=True):
    """When to leave the grid by its frequency."""

    over: TripCurve
    under: TripCurve
    over_may: TripCurve | None = None
    under_may: TripCurve | None = None


class EnterService(Struct, frozen=True, kw_only=True):
    """When to join the grid: permitted, and voltage and frequency inside the band for the delay. Then the
    power rises over the ramp."""

    permit: bool = True
    high_v: float
    low_v: float
    high_hz: float
    low_hz: float
    delay_s: float = 0.0
    randomized_delay_s: float = 0.0
    """A share of this, drawn once by the vehicle, is waited in addition."""
    ramp_s: float = 0.0

    def __post_init__(self) -> None:
        if type(self.permit) is not bool:
            raise ConfigError("permit", f"{self.permit!r}", "True or False")
        for name in ("high_v", "low_v"):
            finite(name, getattr(self, name), 0.0, 2000.0)
        for name in ("high_hz", "low_hz"):
            finite(name, getattr(self, name), 0.0, 1000.0)
        for name in ("delay_s", "randomized_delay_s", "ramp_s"):
            finite(name, getattr(self, name), 0.0, _LONGEST_S)
        if self.high_v <= self.low_v or self.high_hz <= self.low_hz:
            raise ConfigError(
                "high_v", "a band without inside", "more than low_v, and high_hz more than low_hz"
            )


class SaeGridCode(Struct, frozen=True, kw_only=True, tag="sae"):
    """The whole grid code."""

    nominal_v: float = 240.0
    nominal_hz: float = 60.0
    maximum_v: float = 264.0
    minimum_v: float = 211.2
    voltage_trip: VoltageTrip
    frequency_trip: FrequencyTrip
    enter_service: EnterService
    constant_power_factor: ConstantPowerFactor = ConstantPowerFactor()
    volt_var: VoltVarMode
    watt_var: CurveMode
    constant_var: ConstantPower = ConstantPower(unit="var")
    frequency_droop: FrequencyDroop = FrequencyDroop()
    volt_watt: CurveMode
    constant_watt: ConstantPower = ConstantPower()
    limit_max_discharge: LimitDischarge = LimitDischarge()
    islanded: bool = False
    forms_grid: bool = False
    """RequiredDEROperatingMode: the vehicle has to form the grid, and not to follow it."""

    def __post_init__(self) -> None:
        for name in ("nominal_v", "maximum_v", "minimum_v"):
            finite(name, getattr(self, name), 1.0, 2000.0)
        finite("nominal_hz", self.nominal_hz, 45.0, 65.0)
        if not self.minimum_v < self.nominal_v < self.maximum_v:
            raise ConfigError("nominal_v", "outside minimum_v and maximum_v", "a voltage between them")
        for name, units in (
            ("volt_var", ("V", "%V")),
            ("volt_watt", ("V", "%V")),
            ("watt_var", ("W", "%W", "%W now")),
        ):
            curve = getattr(self, name).curve
            if curve.x_unit not in units:
                raise ConfigError(
                    f"{name}.curve.x_unit", f"{curve.x_unit!r} does not fit", " or ".join(units)
                )
            powers = ("W", "%W", "%W now") if name == "volt_watt" else ("var", "%var", "%VA", "%var now")
            if curve.y_unit not in powers:
                raise ConfigError(
                    f"{name}.curve.y_unit", f"{curve.y_unit!r} does not fit", " or ".join(powers)
                )
        if self.constant_watt.unit.startswith(("var", "%var")) or not self.constant_var.unit.endswith(
            ("var", "var now")
        ):
            raise ConfigError("constant_var.unit", "a unit of the other power", "var or %var, and W or %W")

    def modes(self) -> Iterator[tuple[SaeFunction, str, Any]]:
        """Bit, name and value of every function."""
        for function in SaeFunction:
            name = str(function.name).lower()
            yield function, name, getattr(self, name)

    @property
    def enabled(self) -> SaeFunction:
        """Those that are on."""
        found = SaeFunction(0)
        for bit, _, value in self.modes():
            found |= bit if value.enable else SaeFunction(0)
        return found

    def within(self, functions: int) -> SaeGridCode:
        """The same with all off that the vehicle does not have."""
        off = {
            name: msgspec.structs.replace(value, enable=False)
            for bit, name, value in self.modes()
            if value.enable and not functions & bit
        }
        return msgspec.structs.replace(self, **off) if off else self


def _whole(value: Struct, *names: str) -> None:
    for name in names:
        number = getattr(value, name)
        if number is not None and (type(number) is not int or not 0 <= number <= 86_400):
            raise ConfigError(name, f"{number!r} is not possible", "whole seconds up to a day")
