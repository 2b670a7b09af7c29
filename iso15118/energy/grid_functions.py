"""The functions by which a grid code has an inverter support the grid, as values: what is told, whoever
tells it and whoever follows.

Two sets: that of European codes (EN 50549; AC_DER_IEC) and that of North American ones (IEEE 1547, SAE J3072;
AC_DER_SAE). SI units; voltages are phase to neutral. Every value is checked when it is made
(``ConfigError``). What each function means is in ``energy.grid_support``.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, IntFlag
from typing import Any

import msgspec
from msgspec import Struct

from iso15118.errors import ConfigError

from .curves import Curve, Response, finite

__all__ = [
    "CurveFunction",
    "DsoSetPoint",
    "FrequencyWatt",
    "IecFunction",
    "IecGridCode",
    "PowerReference",
    "RideThrough",
    "VoltWatt",
    "ZeroCurrent",
]

_VOLTS, _HERTZ = 2000.0, 1000.0


class IecFunction(IntFlag):
    """DERControlFunctions of AC_DER_IEC: what a vehicle with this parameter set has to follow."""

    OVER_FREQUENCY_WATT = 1 << 0
    UNDER_FREQUENCY_WATT = 1 << 1
    VOLT_WATT = 1 << 2
    VOLT_VAR = 1 << 3
    WATT_VAR = 1 << 4
    WATT_COS_PHI = 1 << 5
    DSO_Q_SET_POINT = 1 << 6
    DSO_COS_PHI_SET_POINT = 1 << 7
    DC_INJECTION = 1 << 8
    ZERO_CURRENT = 1 << 9
    OVER_VOLTAGE_RIDE_THROUGH = 1 << 10
    UNDER_VOLTAGE_RIDE_THROUGH = 1 << 11


ALL_IEC = 0x0FFF


class PowerReference(Enum):
    """What a share of power is a share of."""

    MAXIMUM = "the greatest power that may be given back"
    MOMENTARY = "the power when the function began to act"


class FrequencyWatt(Struct, frozen=True, kw_only=True):
    """Active power by the frequency, beyond ``start_hz``."""

    start_hz: float
    stop_hz: float
    """Back beyond this it may end."""
    slope_percent_per_hz: float
    """How much of the reference each Hz takes; no public source names the unit."""
    reference: PowerReference = PowerReference.MAXIMUM
    hysteresis: bool = False
    """The least that was reached is held until the end."""
    delay_s: int = 0
    """So long the frequency has to be beyond ``start_hz`` before anything is done."""
    stop_delay_s: int = 0
    """And back beyond ``stop_hz`` before it ends."""
    deactivation_s: int = 0
    """So long the power stays where it is then."""
    power_up_percent_per_min: int | None = None
    """How fast it comes back, in percent of the reference per minute; None: at once."""
    response: Response = Response()

    def __post_init__(self) -> None:
        finite("start_hz", self.start_hz, 1.0, _HERTZ)
        finite("stop_hz", self.stop_hz, 1.0, _HERTZ)
        finite("slope_percent_per_hz", self.slope_percent_per_hz, 0.0, 1e6)
        _short(self, "delay_s", "stop_delay_s", "deactivation_s", "power_up_percent_per_min")


class VoltWatt(Struct, frozen=True, kw_only=True):
    """The limit of the power falls from 100 % at ``start_v`` to 0 at ``stop_v``: of what is given back
    where ``stop_v`` is the higher one, of what is taken where it is the lower one. Raises ``ConfigError``
    where the two are the same."""

    start_v: float
    stop_v: float
    reference: PowerReference = PowerReference.MAXIMUM
    delay_s: int = 0
    response: Response = Response()

    def __post_init__(self) -> None:
        finite("start_v", self.start_v, 0.0, _VOLTS)
        finite("stop_v", self.stop_v, 0.0, _VOLTS)
        if self.start_v == self.stop_v:
            raise ConfigError("stop_v", f"{self.stop_v:g} V is start_v, too", "another voltage")
        _short(self, "delay_s")


class CurveFunction(Struct, frozen=True, kw_only=True):
    """Reactive power by a curve: over voltage (V to var), over active power that is given back (W to var, or
    to a power factor). Raises ``ConfigError`` naming the field that is not possible."""

    curve: Curve
    minimum_cos_phi: float | None = None
    """There is never more reactive power than at this power factor."""
    lock_unit: str | None = None
    """What arms it: "V", "Hz", "W" or "var"; None: it always acts."""
    lock_in: float | None = None
    """From this value on it acts."""
    lock_out: float | None = None
    """Below this it no longer does; None: below ``lock_in``."""
    delay_s: float = 0.0
    response: Response = Response()

    def __post_init__(self) -> None:
        if not isinstance(self.curve, Curve):
            raise ConfigError("curve", f"{type(self.curve).__name__} is none", "Curve(...)")
        if self.minimum_cos_phi is not None:
            finite("minimum_cos_phi", self.minimum_cos_phi, 0.0, 1.0)
        if self.lock_unit not in (None, "V", "Hz", "W", "var"):
            raise ConfigError("lock_unit", f"{self.lock_unit!r} is none", "V, Hz, W or var")
        for name in ("lock_in", "lock_out"):
            if getattr(self, name) is not None:
                finite(name, getattr(self, name))
        finite("delay_s", self.delay_s, 0.0, 86_400.0)


class ZeroCurrent(Struct, frozen=True, kw_only=True):
    """Outside these voltages no current flows until it is back within the recovery limits. Raises
    ``ConfigError`` naming the field that is not possible."""

    over_v: float | None = None
    under_v: float | None = None
    over_recovery_v: float | None = None
    """None: ``over_v``."""
    under_recovery_v: float | None = None
    active: Response = Response()
    reactive: Response = Response()

    def __post_init__(self) -> None:
        for name in ("over_v", "under_v", "over_recovery_v", "under_recovery_v"):
            if getattr(self, name) is not None:
                finite(name, getattr(self, name), 0.0, _VOLTS)
        if self.over_v is None and self.under_v is None:
            raise ConfigError("over_v", "neither over_v nor under_v", "one of them at least")
        if self.over_v is not None and self.under_v is not None and self.over_v <= self.under_v:
            raise ConfigError("over_v", f"{self.over_v:g} V is not above under_v", "more than under_v")


class RideThrough(Struct, frozen=True, kw_only=True):
    """Beyond ``start_v`` the vehicle stays, and supports the voltage by ``k_positive`` times its deviation as
    reactive current, up to ``stop_v``."""

    start_v: float
    stop_v: float | None = None
    recovery_v: float | None = None
    """Back at this the support ends; None: ``start_v``."""
    k_positive: float = 0.0
    """Reactive current (share of the rated one) per voltage (share of the nominal one), positive sequence."""
    k_negative: float = 0.0
    """The same of the negative sequence, which a simulation of even phases does not have."""
    active: Response = Response()
    reactive: Response = Response()

    def __post_init__(self) -> None:
        finite("start_v", self.start_v, 0.0, _VOLTS)
        for name in ("stop_v", "recovery_v"):
            if getattr(self, name) is not None:
                finite(name, getattr(self, name), 0.0, _VOLTS)
        finite("k_positive", self.k_positive, 0.0, 100.0)
        finite("k_negative", self.k_negative, 0.0, 100.0)


class IecGridCode(Struct, frozen=True, kw_only=True, tag="iec"):
    """The functions of AC_DER_IEC that a site asks for; None: it does not. Of the three that
    set reactive power one at most. Raises ``ConfigError`` for more than one, and naming a
    function that is not possible."""

    over_frequency_watt: FrequencyWatt | None = None
    under_frequency_watt: FrequencyWatt | None = None
    volt_watt: VoltWatt | None = None
    volt_var: CurveFunction | None = None
    watt_var: CurveFunction | None = None
    watt_cos_phi: CurveFunction | None = None
    zero_current: ZeroCurrent | None = None
    over_voltage_ride_through: RideThrough | None = None
    under_voltage_ride_through: RideThrough | None = None
    dc_injection_a: float | None = None
    """The greatest DC part of the current; no public source names the unit, A is assumed."""
    set_points: IecFunction = IecFunction(0)
    """Whether the operator sends set points of reactive power or of cos phi in the
    loop: those two bits alone."""
    islanded: bool = False
    """There is no grid outside (GridConnectionMode)."""

    def __post_init__(self) -> None:
        for bit, name in _BY_BIT.items():
            value, kind = getattr(self, name), _KINDS[name]
            if value is not None and not isinstance(value, kind):
                raise ConfigError(name, f"{type(value).__name__} is none", f"{kind.__name__}(...)")
            del bit
        if self.dc_injection_a is not None:
            finite("dc_injection_a", self.dc_injection_a, 0.0, 1000.0)
        ways = [name for name in ("volt_var", "watt_var", "watt_cos_phi") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ConfigError(ways[1], f"{ways[0]} sets reactive power already", "one of the three")
        for name, x_units, y_units in _AXES:
            function = getattr(self, name)
            if function is not None:
                _axes(name, function.curve, x_units, y_units)
        over, under = self.over_frequency_watt, self.under_frequency_watt
        if over is not None and over.stop_hz > over.start_hz:
            raise ConfigError("over_frequency_watt.stop_hz", "above start_hz", "at most start_hz")
        if under is not None and under.stop_hz < under.start_hz:
            raise ConfigError("under_frequency_watt.stop_hz", "below start_hz", "at least start_hz")
        if self.set_points & ~_SET_POINTS:
            raise ConfigError(
                "set_points", f"{self.set_points!r}", "DSO_Q_SET_POINT and DSO_COS_PHI_SET_POINT"
            )

    @property
    def functions(self) -> IecFunction:
        """What it asks for, as bits."""
        found = self.set_points
        for bit, name in _BY_BIT.items():
            if getattr(self, name) is not None:
                found |= bit
        return found | (IecFunction.DC_INJECTION if self.dc_injection_a is not None else IecFunction(0))

    def within(self, functions: int) -> IecGridCode:
        """What of it belongs to these functions."""
        dropped: dict[str, Any] = {name: None for bit, name in _BY_BIT.items() if not functions & bit}
        if not functions & IecFunction.DC_INJECTION:
            dropped["dc_injection_a"] = None
        return msgspec.structs.replace(self, set_points=self.set_points & IecFunction(functions), **dropped)


_BY_BIT: dict[IecFunction, str] = {
    IecFunction.OVER_FREQUENCY_WATT: "over_frequency_watt",
    IecFunction.UNDER_FREQUENCY_WATT: "under_frequency_watt",
    IecFunction.VOLT_WATT: "volt_watt",
    IecFunction.VOLT_VAR: "volt_var",
    IecFunction.WATT_VAR: "watt_var",
    IecFunction.WATT_COS_PHI: "watt_cos_phi",
    IecFunction.ZERO_CURRENT: "zero_current",
    IecFunction.OVER_VOLTAGE_RIDE_THROUGH: "over_voltage_ride_through",
    IecFunction.UNDER_VOLTAGE_RIDE_THROUGH: "under_voltage_ride_through",
}
_SET_POINTS = IecFunction.DSO_Q_SET_POINT | IecFunction.DSO_COS_PHI_SET_POINT
_KINDS: dict[str, type] = {
    "over_frequency_watt": FrequencyWatt,
    "under_frequency_watt": FrequencyWatt,
    "volt_watt": VoltWatt,
    "volt_var": CurveFunction,
    "watt_var": CurveFunction,
    "watt_cos_phi": CurveFunction,
    "zero_current": ZeroCurrent,
    "over_voltage_ride_through": RideThrough,
    "under_voltage_ride_through": RideThrough,
}
_AXES = (
    ("volt_var", ("V",), ("var",)),
    ("watt_var", ("W",), ("var",)),
    ("watt_cos_phi", ("W",), ("W",)),  # a power factor has no unit
)


class DsoSetPoint(Struct, frozen=True, kw_only=True):
    """What the operator of the grid wants now, in the loop. Of reactive power and cos phi one at most. The
    factor cos phi is from 0 to 1. Raises ``ConfigError`` for both, and for what is not possible."""

    maximum_discharge_w: float | None = None
    """The most that may be given back, in W of all phases; None: no such limit."""
    reactive_var: float | None = None
    """In var of all phases, positive where the vehicle absorbs it."""
    cos_phi: float | None = None
    over_excited: bool = False
    """With ``cos_phi``: True injects reactive power, False absorbs it."""
    response: Response = Response()

    def __post_init__(self) -> None:
        if self.maximum_discharge_w is not None:
            finite("maximum_discharge_w", self.maximum_discharge_w, 0.0, 1e9)
        if self.reactive_var is not None:
            finite("reactive_var", self.reactive_var, -1e9, 1e9)
        if self.cos_phi is not None:
            finite("cos_phi", self.cos_phi, 0.0, 1.0)
        if self.reactive_var is not None and self.cos_phi is not None:
            raise ConfigError("cos_phi", "reactive_var says something else", "one of the two")

    def within(self, functions: int) -> DsoSetPoint:
        """What of it belongs to these functions; a limit always does."""
        return msgspec.structs.replace(
            self,
            reactive_var=self.reactive_var if functions & IecFunction.DSO_Q_SET_POINT else None,
            cos_phi=self.cos_phi if functions & IecFunction.DSO_COS_PHI_SET_POINT else None,
        )


def _short(value: Struct, *names: str) -> None:
    """Whole seconds or percent as the wire has them."""
    for name in names:
        number = getattr(value, name)
        if number is not None and (type(number) is not int or not 0 <= number <= 65_535):
            raise ConfigError(name, f"{number!r} is not possible", "a whole number from 0 to 65535")


def _axes(name: str, curve: Curve, x_units: Iterable[str], y_units: Iterable[str]) -> None:
    if curve.x_unit not in x_units:
        raise ConfigError(f"{name}.curve.x_unit", f"{curve.x_unit!r} does not fit", " or ".join(x_units))
    if curve.y_unit not in y_units:
        raise ConfigError(f"{name}.curve.y_unit", f"{curve.y_unit!r} does not fit", " or ".join(y_units))
