"""Direct current: limits as both sides read them, what a station's limits are now, and the bounds that follow
from a wish.

A limit is rounded once, to the safe side, by ``on_wire``; everything that is asked or checked afterwards is
computed from the rounded value, so that no rounding can contradict another. Powers in W, currents in A,
voltages in V.
"""

from __future__ import annotations

import math
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Struct

from iso15118.messages.values import ceiled, floored

__all__ = [
    "LOSS",
    "QUANTITIES",
    "Bounds",
    "Common",
    "Limits",
    "PresentLimits",
    "Together",
    "cable_check_voltage",
    "charging",
    "common",
    "discharging",
    "narrow",
    "nothing",
    "on_wire",
    "reaches",
    "tightened",
]

QUANTITIES: Final = (
    "charge_power_w",
    "charge_current_a",
    "voltage_v",
    "discharge_power_w",
    "discharge_current_a",
)
"""What has a minimum and a maximum: the endings of the field names."""
_FLOWS: Final = tuple(what for what in QUANTITIES if what != "voltage_v")

_LARGEST: Final = 1e12
"""No limit on the wire is larger; one that is means "no limit" and is cut off here."""
LOSS: Final = 0.99
"""For ``loss``: both sides measure voltage at their own end of the cable and round it: a power that misses a
minimum by no more than this share meets it."""


class Limits(Protocol):
    """Limits of a station or of a vehicle; all are magnitudes."""

    @property
    def maximum_charge_power_w(self) -> float: ...
    @property
    def minimum_charge_power_w(self) -> float: ...
    @property
    def maximum_charge_current_a(self) -> float: ...
    @property
    def minimum_charge_current_a(self) -> float: ...
    @property
    def maximum_voltage_v(self) -> float: ...
    @property
    def minimum_voltage_v(self) -> float: ...
    @property
    def maximum_discharge_power_w(self) -> float: ...
    @property
    def minimum_discharge_power_w(self) -> float: ...
    @property
    def maximum_discharge_current_a(self) -> float: ...
    @property
    def minimum_discharge_current_a(self) -> float: ...


class PresentLimits(Struct, frozen=True, kw_only=True):
    """Limits of this moment, of either side: computed many times a second from values that have been checked,
    and so not checked again. A flow whose maximum is below its minimum has both at 0."""

    maximum_charge_power_w: float
    minimum_charge_power_w: float
    maximum_charge_current_a: float
    minimum_charge_current_a: float
    maximum_voltage_v: float
    minimum_voltage_v: float
    maximum_discharge_power_w: float
    minimum_discharge_power_w: float
    maximum_discharge_current_a: float
    minimum_discharge_current_a: float


class Bounds(Struct, frozen=True, gc=False):
    """What a supply has to hold: voltage, signed current (negative takes energy back), power as a
    magnitude."""

    voltage_v: float
    current_a: float
    power_w: float


L = TypeVar("L", bound=Struct)


def on_wire(limits: L) -> L:
    """``limits`` as the peer will read them: maxima rounded down, minima up, no minimum above its maximum.

    Rounding what was rounded changes nothing. ``limits`` is a ``StationLimits`` or a ``VehicleLimits``.
    """
    rounded: dict[str, float] = {}
    for what in QUANTITIES:
        most = floored(min(getattr(limits, f"maximum_{what}"), _LARGEST))
        rounded[f"maximum_{what}"] = most
        rounded[f"minimum_{what}"] = min(ceiled(min(getattr(limits, f"minimum_{what}"), _LARGEST)), most)
    return msgspec.structs.replace(limits, **rounded)


def narrow(offered: L, present: L, set_point_w: float | None = None) -> L:
    """The offer within what the station can give at present [V2G20-2654, V2G20-2655], and within a set-point
    in W if one is given.

    A positive set-point caps the charging power. A negative one asks the vehicle to give: charging power 0,
    and a minimum discharge power. What is left below a minimum cannot be given at all: that maximum becomes
    0. The result is rounded.
    """
    now: dict[str, Any] = {}
    for what in QUANTITIES:
        most, least = f"maximum_{what}", f"minimum_{what}"
        now[most] = min(getattr(offered, most), getattr(present, most))
        now[least] = max(getattr(offered, least), getattr(present, least))
    if set_point_w is not None and set_point_w < 0.0:
        now["maximum_charge_power_w"] = 0.0
        now["maximum_discharge_power_w"] = min(-set_point_w, now["maximum_discharge_power_w"])
        if now["maximum_discharge_power_w"] >= now["minimum_discharge_power_w"]:
            now["minimum_discharge_power_w"] = now["maximum_discharge_power_w"]
    elif set_point_w is not None:
        now["maximum_charge_power_w"] = min(now["maximum_charge_power_w"], set_point_w)
    for what in _FLOWS:
        if now[f"minimum_{what}"] > now[f"maximum_{what}"]:
            now[f"minimum_{what}"] = now[f"maximum_{what}"] = 0.0
    now["minimum_voltage_v"] = min(now["minimum_voltage_v"], now["maximum_voltage_v"])
    return on_wire(msgspec.structs.replace(present, **now))


def tightened(
    declared: Limits,
    *,
    maximum_charge_power_w: float = math.inf,
    minimum_charge_power_w: float = 0.0,
    maximum_charge_current_a: float = math.inf,
    minimum_charge_current_a: float = 0.0,
    maximum_voltage_v: float = math.inf,
    minimum_voltage_v: float = 0.0,
    maximum_discharge_power_w: float = math.inf,
    minimum_discharge_power_w: float = 0.0,
    maximum_discharge_current_a: float = math.inf,
    minimum_discharge_current_a: float = 0.0,
) -> PresentLimits:
    """``declared`` within the values given, of which any may be left out: they tighten what was declared, and
    never widen it."""
    most_w, least_w = _flow(
        declared.maximum_charge_power_w,
        declared.minimum_charge_power_w,
        maximum_charge_power_w,
        minimum_charge_power_w,
    )
    most_a, least_a = _flow(
        declared.maximum_charge_current_a,
        declared.minimum_charge_current_a,
        maximum_charge_current_a,
        minimum_charge_current_a,
    )
    back_w, least_back_w = _flow(
        declared.maximum_discharge_power_w,
        declared.minimum_discharge_power_w,
        maximum_discharge_power_w,
        minimum_discharge_power_w,
    )
    back_a, least_back_a = _flow(
        declared.maximum_discharge_current_a,
        declared.minimum_discharge_current_a,
        maximum_discharge_current_a,
        minimum_discharge_current_a,
    )
    most_v, least_v = _narrower(
        declared.maximum_voltage_v, declared.minimum_voltage_v, maximum_voltage_v, minimum_voltage_v
    )
    return PresentLimits(
        maximum_charge_power_w=most_w,
        minimum_charge_power_w=least_w,
        maximum_charge_current_a=most_a,
        minimum_charge_current_a=least_a,
        maximum_voltage_v=most_v,
        # A voltage always has some value.
        minimum_voltage_v=least_v if least_v < most_v else most_v,
        maximum_discharge_power_w=back_w,
        minimum_discharge_power_w=least_back_w,
        maximum_discharge_current_a=back_a,
        minimum_discharge_current_a=least_back_a,
    )


def _narrower(most: float, least: float, upper: float, lower: float) -> tuple[float, float]:
    """A maximum and a minimum within ``upper`` and ``lower``."""
    if upper < most:
        most = upper if upper > 0.0 else 0.0
    return most, (lower if lower > least else least)


def _flow(most: float, least: float, upper: float, lower: float) -> tuple[float, float]:
    """The same for what flows: less than can be used at all is nothing."""
    most, least = _narrower(most, least, upper, lower)
    return (0.0, 0.0) if least > most else (most, least)


def cable_check_voltage(vehicle_maximum_v: float, station_maximum_v: float) -> float:
    """Test voltage in V after IEC 61851-23 CC.4.1.2, from what both sides can stand."""
    if vehicle_maximum_v <= 500.0:
        return min(vehicle_maximum_v + 50.0, 500.0, station_maximum_v)
    return min(1.1 * vehicle_maximum_v, station_maximum_v)


def nothing(station: Limits, vehicle: Limits) -> Bounds:
    """No current, at a voltage that both sides can have."""
    return Bounds(min(station.maximum_voltage_v, vehicle.maximum_voltage_v), 0.0, 0.0)


class Common(Struct, frozen=True, kw_only=True):
    """What station and vehicle can do together in charging. Made by ``common``."""

    maximum_voltage_v: float
    maximum_current_a: float
    maximum_power_w: float
    minimum_voltage_v: float
    """Of the station alone: at less than its own minimum a vehicle is charged all the same."""
    minimum_current_a: float
    minimum_power_w: float
    has_minimum: bool
    """One of the two is above 0; where none is, whatever flows is enough."""
    idle: Bounds
    """What the supply holds while nothing can flow because the wish is below its minimum voltage."""


def common(station: Limits, vehicle: Limits) -> Common:
    """The lesser maxima and the greater minima of both sides."""
    least_a = max(station.minimum_charge_current_a, vehicle.minimum_charge_current_a)
    least_w = max(station.minimum_charge_power_w, vehicle.minimum_charge_power_w)
    return Common(
        maximum_voltage_v=min(station.maximum_voltage_v, vehicle.maximum_voltage_v),
        maximum_current_a=min(station.maximum_charge_current_a, vehicle.maximum_charge_current_a),
        maximum_power_w=min(station.maximum_charge_power_w, vehicle.maximum_charge_power_w),
        minimum_voltage_v=station.minimum_voltage_v,
        minimum_current_a=least_a,
        minimum_power_w=least_w,
        has_minimum=least_a > 0.0 or least_w > 0.0,
        # No supply is told of a voltage that it does not have.
        idle=Bounds(min(station.minimum_voltage_v, station.maximum_voltage_v), 0.0, 0.0),
    )


class Together:
    """What both sides can do together, put together anew when the limits of either are others. Limits are
    frozen: the same object says the same."""

    __slots__ = ("_common", "_station", "_vehicle")

    def __init__(self) -> None:
        self._station: Limits | None = None
        self._vehicle: Limits | None = None
        self._common: Common | None = None

    def of(self, station: Limits, vehicle: Limits) -> Common:
        """``common(station, vehicle)``."""
        both = self._common
        if both is None or station is not self._station or vehicle is not self._vehicle:
            both = self._common = common(station, vehicle)
            self._station, self._vehicle = station, vehicle
        return both


def charging(wanted: Bounds, both: Common, present_v: float, *, loss: float = 1.0) -> Bounds:
    """The bounds for ``wanted`` within what both sides can do; no current where a minimum of either would
    not be reached, or where ``wanted`` is below the station's minimum voltage: nothing flows at one that the
    vehicle did not ask for.

    ``present_v`` is the voltage at which the current would flow.
    """
    volts, amperes, watts = wanted.voltage_v, wanted.current_a, wanted.power_w
    # The least of two each; written out, since it is computed in every turn of a loop by both sides.
    if volts > both.maximum_voltage_v:
        volts = both.maximum_voltage_v
    if amperes > both.maximum_current_a:
        amperes = both.maximum_current_a
    if watts > both.maximum_power_w:
        watts = both.maximum_power_w
    if volts < both.minimum_voltage_v:
        return both.idle
    if (
        amperes <= 0.0
        or watts <= 0.0
        or (
            both.has_minimum
            and not reaches(
                amperes, watts, present_v, both.minimum_current_a, both.minimum_power_w, loss=loss
            )
        )
    ):
        return Bounds(volts, 0.0, 0.0)
    return Bounds(volts, amperes, watts)


def discharging(
    wanted: Bounds, station: Limits, vehicle: Limits, present_v: float, *, loss: float = 1.0
) -> Bounds:
    """The same in the other direction: the voltage is the lower bound, the current of ``wanted`` and of the
    result negative."""
    amperes = min(-wanted.current_a, station.maximum_discharge_current_a, vehicle.maximum_discharge_current_a)
    watts = min(wanted.power_w, station.maximum_discharge_power_w, vehicle.maximum_discharge_power_w)
    least_a = max(station.minimum_discharge_current_a, vehicle.minimum_discharge_current_a)
    # A minimum that equals the maximum is a wish for that much, not something that the hardware needs.
    asked_w = station.minimum_discharge_power_w
    least_w = max(
        0.0 if asked_w == station.maximum_discharge_power_w else asked_w, vehicle.minimum_discharge_power_w
    )
    if not reaches(amperes, watts, present_v, least_a, least_w, loss=loss):
        return nothing(station, vehicle)  # a current of -0.0 has no direction
    # Beyond what both sides can have nothing flows anyway, and no supply is told of a voltage that it does
    # not have.
    highest = min(station.maximum_voltage_v, vehicle.maximum_voltage_v)
    lowest = max(wanted.voltage_v, station.minimum_voltage_v, vehicle.minimum_voltage_v)
    return Bounds(min(lowest, highest), -amperes, watts)


def reaches(
    amperes: float,
    watts: float,
    present_v: float,
    least_a: float = 0.0,
    least_w: float = 0.0,
    *,
    loss: float = 1.0,
) -> bool:
    """Something flows within these magnitudes, and it meets both minima at ``present_v``; where voltage
    decides, by ``loss`` of them."""
    if amperes <= 0.0 or watts <= 0.0:
        return False
    if least_a <= 0.0 and least_w <= 0.0:
        return True
    if not (math.isfinite(present_v) and present_v >= 1.0):
        return amperes >= least_a and watts >= least_w
    return (
        amperes >= least_a
        and watts >= least_w
        and watts / present_v >= least_a * loss
        and amperes * present_v >= least_w * loss
    )
