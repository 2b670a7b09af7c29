"""Whether what a port reports can be a reading at all: its class, real numbers, and a range that no charger exceeds.

A look-alike of another class is a fault, and never left out in silence: the last good value would stand in its place. What a reading means
is judged elsewhere (``session.supervision``).
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from iso15118.errors import HardwareError
from iso15118.session.events import BatteryChanged, InletMeasured, MeterRead, PowerMeasured
from iso15118.session.limits import StationLimits, VehicleLimits

from .guard import brief

__all__ = ["battery", "inlet", "level", "meter", "output", "station_limits", "vehicle_limits"]

MOST_V: Final = 2_000.0
"""MCS ends at 1,250 V; beyond this it is no voltage of a charger but a broken sensor or a wrong unit."""
MOST_A: Final = 5_000.0
"""MCS ends at 3,000 A."""
MOST_W: Final = 10e6
MOST_WH: Final = 1e9
"""Of a battery."""
MOST_METER_WH: Final = 1e15
"""Of a meter's whole life; more does not fit into a message either."""
_SOC: Final = (-1.0, 101.0)
"""A gauge may be a little off at its ends."""
_LONGEST_ID: Final = 256

Reading = TypeVar("Reading")


def output(value: Any, port: str) -> PowerMeasured:
    """``power.present``; ``port`` is the name of the port. Raises ``HardwareError``, as all of these do."""
    return _measured(value, PowerMeasured, port)


def inlet(value: Any, port: str) -> InletMeasured:
    """``inlet.present``."""
    return _measured(value, InletMeasured, port)


Measured = TypeVar("Measured", PowerMeasured, InletMeasured)


def _measured(value: Any, kind: type[Measured], port: str) -> Measured:
    if type(value) is kind:
        volts, amperes = value.voltage_v, value.current_a
        # Nearly all readings are plain floats: this is asked many thousand times a second.
        if (
            type(volts) is float
            and type(amperes) is float
            and -MOST_V <= volts <= MOST_V
            and -MOST_A <= amperes <= MOST_A
        ):
            return value
    name = f"{port}.present"
    reading = _exact(value, kind, name)
    _within(reading.voltage_v, MOST_V, name, "voltage_v")
    _within(reading.current_a, MOST_A, name, "current_a")
    return reading


def battery(value: Any, port: str) -> BatteryChanged:
    """``battery.state``."""
    if type(value) is BatteryChanged and _is_plain(value):
        return value
    name = f"{port}.state"
    reading = _exact(value, BatteryChanged, name)
    for field, most in _BATTERY:
        _within(getattr(reading, field), most, name, field)
    if not _SOC[0] <= reading.soc <= _SOC[1]:
        raise HardwareError(f"{name}.soc is {reading.soc!r}, which is no percentage")
    for field in ("complete", "inlet_hot"):
        if type(getattr(reading, field)) is not bool:
            raise HardwareError(
                f"{name}.{field} is {brief(repr(getattr(reading, field)))}, not True or False"
            )
    return reading


def _is_plain(state: BatteryChanged) -> bool:
    """Plain floats within all bounds, as nearly all are. Written out: it is asked many thousand times a second, and a loop takes thrice as
    long."""
    return (
        type(state.soc) is float
        and 0.0 <= state.soc <= 100.0
        and type(state.voltage_v) is float
        and -MOST_V <= state.voltage_v <= MOST_V
        and type(state.target_voltage_v) is float
        and -MOST_V <= state.target_voltage_v <= MOST_V
        and type(state.target_current_a) is float
        and -MOST_A <= state.target_current_a <= MOST_A
        and type(state.maximum_charge_power_w) is float
        and -MOST_W <= state.maximum_charge_power_w <= MOST_W
        and type(state.maximum_charge_current_a) is float
        and -MOST_A <= state.maximum_charge_current_a <= MOST_A
        and type(state.maximum_voltage_v) is float
        and -MOST_V <= state.maximum_voltage_v <= MOST_V
        and type(state.minimum_voltage_v) is float
        and -MOST_V <= state.minimum_voltage_v <= MOST_V
        and type(state.energy_to_target_wh) is float
        and -MOST_WH <= state.energy_to_target_wh <= MOST_WH
        and type(state.energy_to_maximum_wh) is float
        and -MOST_WH <= state.energy_to_maximum_wh <= MOST_WH
        and type(state.energy_to_minimum_wh) is float
        and -MOST_WH <= state.energy_to_minimum_wh <= MOST_WH
        and type(state.capacity_wh) is float
        and -MOST_WH <= state.capacity_wh <= MOST_WH
        and type(state.maximum_discharge_power_w) is float
        and -MOST_W <= state.maximum_discharge_power_w <= MOST_W
        and type(state.maximum_discharge_current_a) is float
        and -MOST_A <= state.maximum_discharge_current_a <= MOST_A
        and type(state.complete) is bool
        and type(state.inlet_hot) is bool
    )


def meter(value: Any, name: str) -> MeterRead:
    """What ``meter.read`` returned."""
    reading = _exact(value, MeterRead, name)
    for field in ("charged_wh", "discharged_wh"):
        number = getattr(reading, field)
        _within(number, MOST_METER_WH, name, field)
        if number < 0:
            raise HardwareError(f"{name}.{field} is {number!r}: a meter counts up from 0")
    if type(reading.meter_id) is not str or len(reading.meter_id) > _LONGEST_ID:
        raise HardwareError(f"{name}.meter_id is no text of at most {_LONGEST_ID} characters")
    if reading.signature is not None and type(reading.signature) is not bytes:
        raise HardwareError(f"{name}.signature is {type(reading.signature).__name__}, not bytes")
    return reading


def level(value: Any, port: str) -> bool:
    """``contactors.closed``."""
    return _exact(value, bool, f"{port}.closed")


def station_limits(value: Any, port: str) -> StationLimits:
    """``power.limits``."""
    return _limits(_exact(value, StationLimits, f"{port}.limits"), f"{port}.limits")


def vehicle_limits(value: Any, port: str) -> VehicleLimits:
    """``battery.limits``."""
    return _limits(_exact(value, VehicleLimits, f"{port}.limits"), f"{port}.limits")


Limits = TypeVar("Limits", StationLimits, VehicleLimits)


def _limits(limits: Limits, name: str) -> Limits:
    for field in limits.__struct_fields__:
        number = getattr(limits, field)
        if number is not None:
            _within(number, MOST_W, name, field)
    return limits


def _exact(value: Any, kind: type[Reading], name: str) -> Reading:
    if type(value) is not kind:
        raise HardwareError(f"{name} is {type(value).__name__}, not {kind.__name__}")
    return value


def _within(number: Any, most: float, name: str, field: str) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float) or not -most <= number <= most:
        raise HardwareError(f"{name}.{field} is {brief(repr(number))}, which is no measurement")


_BATTERY: Final = (
    ("soc", 1_000.0),
    ("voltage_v", MOST_V),
    ("target_voltage_v", MOST_V),
    ("target_current_a", MOST_A),
    ("maximum_charge_power_w", MOST_W),
    ("maximum_charge_current_a", MOST_A),
    ("maximum_voltage_v", MOST_V),
    ("minimum_voltage_v", MOST_V),
    ("energy_to_target_wh", MOST_WH),
    ("energy_to_maximum_wh", MOST_WH),
    ("energy_to_minimum_wh", MOST_WH),
    ("capacity_wh", MOST_WH),
    ("maximum_discharge_power_w", MOST_W),
    ("maximum_discharge_current_a", MOST_A),
)
