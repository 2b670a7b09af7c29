"""What a station can give and a vehicle can take, in SI units, and how both are brought together.

Limits are plain frozen values, checked when they are made: a NaN, an infinity or a negative limit never gets
further than its constructor.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import astuple

from iso15118.errors import ConfigError
from iso15118.ranges import MOST, is_number, shown

__all__ = ["NO_DC_OUTPUT", "NO_DC_SIDE", "StationLimits", "VehicleLimits"]


_LIMITS = 10
"""So many fields of both classes are limits, and they come first."""
_FLOATS = {float}


def _is_in_order(limits: StationLimits | VehicleLimits) -> bool:
    """All of them are plain floats of 0 or more, and no minimum is above its maximum: as almost always, and
    seen without a name. False says nothing: then each field is looked at."""
    values = astuple(limits)[:_LIMITS]
    return (
        {*map(type, values)} == _FLOATS
        and min(values) >= 0.0
        and sum(values) <= MOST  # which no NaN is, and no sum with an infinity
        and limits.minimum_charge_power_w <= limits.maximum_charge_power_w
        and limits.minimum_charge_current_a <= limits.maximum_charge_current_a
        and limits.minimum_voltage_v <= limits.maximum_voltage_v
        and limits.minimum_discharge_power_w <= limits.maximum_discharge_power_w
        and limits.minimum_discharge_current_a <= limits.maximum_discharge_current_a
    )


def _check(owner: object, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(owner, name)
        if not is_number(value, 0.0):
            raise ConfigError(name, f"{shown(value)} is no limit", f"a number from 0 to {MOST:g}")


def _check_pair(owner: object, low: str, high: str) -> None:
    if getattr(owner, low) > getattr(owner, high):
        raise ConfigError(
            low, f"{getattr(owner, low)} is above {high} = {getattr(owner, high)}", f"at most {high}"
        )


class StationLimits(Struct, frozen=True, kw_only=True):
    """What the station offers at its output now: V, A, W, all positive; discharge limits of 0 mean that it
    cannot take energy back.

    Raises ``ConfigError`` for a value that is no limit or a minimum above its maximum.
    """

    maximum_charge_power_w: float
    maximum_charge_current_a: float
    maximum_voltage_v: float
    minimum_charge_power_w: float = 0.0
    minimum_charge_current_a: float = 0.0
    minimum_voltage_v: float = 0.0
    maximum_discharge_power_w: float = 0.0
    maximum_discharge_current_a: float = 0.0
    minimum_discharge_power_w: float = 0.0
    minimum_discharge_current_a: float = 0.0
    power_ramp_w_per_s: float | None = None

    def __post_init__(self) -> None:
        if self.power_ramp_w_per_s is None and _is_in_order(self):
            return
        _check(self, tuple(n for n in self.__struct_fields__ if n != "power_ramp_w_per_s"))
        if self.power_ramp_w_per_s is not None:
            _check(self, ("power_ramp_w_per_s",))
        for what in (
            "charge_power_w",
            "charge_current_a",
            "voltage_v",
            "discharge_power_w",
            "discharge_current_a",
        ):
            _check_pair(self, f"minimum_{what}", f"maximum_{what}")

    def within(self, other: StationLimits) -> StationLimits:
        """What both allow: the lesser maxima and the greater minima; a minimum above
        its maximum gives way to it."""
        both: dict[str, float | None] = {}
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is None or theirs is None:
                both[name] = theirs if mine is None else mine
            else:
                both[name] = max(mine, theirs) if name.startswith("minimum_") else min(mine, theirs)
        for name, value in both.items():
            most = both.get(name.replace("minimum_", "maximum_"))
            if value is not None and most is not None and value > most:
                both[name] = most
        return StationLimits(**both)  # type: ignore[arg-type]

    @property
    def bidirectional(self) -> bool:
        """The station can take energy back."""
        return self.maximum_discharge_power_w > 0.0 and self.maximum_discharge_current_a > 0.0


class VehicleLimits(Struct, frozen=True, kw_only=True):
    """What the vehicle accepts at its inlet: V, A, W, all positive; discharge limits of 0 mean that it gives
    nothing back.

    Raises ``ConfigError`` for a value that is no limit or a minimum above its maximum.
    """

    maximum_charge_power_w: float
    maximum_charge_current_a: float
    maximum_voltage_v: float
    minimum_charge_power_w: float = 0.0
    minimum_charge_current_a: float = 0.0
    minimum_voltage_v: float = 0.0
    maximum_discharge_power_w: float = 0.0
    maximum_discharge_current_a: float = 0.0
    minimum_discharge_power_w: float = 0.0
    minimum_discharge_current_a: float = 0.0

    def __post_init__(self) -> None:
        if _is_in_order(self):
            return
        _check(self, self.__struct_fields__)
        for what in (
            "charge_power_w",
            "charge_current_a",
            "voltage_v",
            "discharge_power_w",
            "discharge_current_a",
        ):
            _check_pair(self, f"minimum_{what}", f"maximum_{what}")

    @property
    def bidirectional(self) -> bool:
        """The vehicle can give energy back."""
        return self.maximum_discharge_power_w > 0.0 and self.maximum_discharge_current_a > 0.0


NO_DC_OUTPUT = StationLimits(maximum_charge_power_w=0.0, maximum_charge_current_a=0.0, maximum_voltage_v=0.0)
"""A station without a DC output: AC is all that it has."""
NO_DC_SIDE = VehicleLimits(maximum_charge_power_w=0.0, maximum_charge_current_a=0.0, maximum_voltage_v=0.0)
"""A vehicle that charges by its on-board charger only."""
