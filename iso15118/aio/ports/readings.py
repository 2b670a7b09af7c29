"""Whether what a port reports can be a reading at all: its class, real numbers, and a
range that no charger exceeds.

A look-alike of another class is a fault, and never left out in silence: the last good value would stand in
its place. What a reading means is judged elsewhere (``session.supervision``).
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from msgspec import structs

from iso15118.errors import ConfigError, HardwareError
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.checks import is_ac_reading
from iso15118.session.events import AcMeasured, BatteryChanged, InletMeasured, MeterRead, PowerMeasured
from iso15118.session.limits import StationLimits, VehicleLimits

from .guard import class_name, shown
from .plain import plain

__all__ = [
    "alternating",
    "another",
    "battery",
    "charger_limits",
    "follows",
    "inlet",
    "is_unchanged",
    "level",
    "meter",
    "no_flag",
    "outlet_limits",
    "output",
    "station_limits",
    "vehicle_limits",
    "without_noise",
]

MOST_V: Final = 2_000.0
"""MCS ends at 1,250 V; beyond this it is no voltage of a charger but a broken sensor or a wrong unit."""
MOST_A: Final = 5_000.0
"""MCS ends at 3,000 A."""
MOST_W: Final = 10e6
MOST_WH: Final = 1e9
"""Of a battery."""
MOST_METER_WH: Final = 1e15
"""Of a meter's whole life; more does not fit into a message either."""
OLDEST_METER_S: Final = 300.0
"""Of a reading of the meter: one that is polled every minute is younger. Proposal."""
METER_ROUNDS_WH: Final = 1.0
"""By so much less a counter may seem to be, where a number on its way was rounded."""
MOST_S: Final = 1e10
"""On any clock: 300 years."""
_PLAIN: Final = frozenset((float, type(None)))
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
            and value.at is None
        ):
            return value
    name = f"{port}.present"
    return _plain(_exact(value, kind, name), _MEASURED, name)


def battery(value: Any, port: str) -> BatteryChanged:
    """``battery.state``."""
    if type(value) is BatteryChanged and _is_plain(value):
        return value
    name = f"{port}.state"
    reading = _plain(_exact(value, BatteryChanged, name), _BATTERY, name)
    if not _SOC[0] <= reading.soc <= _SOC[1]:
        raise HardwareError(f"{name}.soc is {reading.soc!r}, which is no percentage")
    for field in ("complete", "inlet_hot"):
        if type(getattr(reading, field)) is not bool:
            raise HardwareError(f"{name}.{field} is {shown(getattr(reading, field))}, not True or False")
    return reading


def _is_plain(state: BatteryChanged) -> bool:
    """Plain floats within all bounds, as nearly all are. Written out: it is asked many thousand times a
    second, and a loop takes thrice as long."""
    values = structs.astuple(state)
    if [*map(type, values)] != _BATTERY_KINDS:
        return False
    numbers: tuple[float, ...] = values[: len(_BATTERY_NUMBERS)]
    soc, v, target_v, target_a, w, a, most_v, least_v, to_target, to_most, to_least, wh, back_w, back_a = (
        numbers
    )
    return (
        0.0 <= soc <= 100.0
        and -MOST_V <= v <= MOST_V
        and -MOST_V <= target_v <= MOST_V
        and -MOST_A <= target_a <= MOST_A
        and -MOST_W <= w <= MOST_W
        and -MOST_A <= a <= MOST_A
        and -MOST_V <= most_v <= MOST_V
        and -MOST_V <= least_v <= MOST_V
        and -MOST_WH <= to_target <= MOST_WH
        and -MOST_WH <= to_most <= MOST_WH
        and -MOST_WH <= to_least <= MOST_WH
        and -MOST_WH <= wh <= MOST_WH
        and -MOST_W <= back_w <= MOST_W
        and -MOST_A <= back_a <= MOST_A
    )


_BATTERY_NUMBERS: Final = (
    "soc",
    "voltage_v",
    "target_voltage_v",
    "target_current_a",
    "maximum_charge_power_w",
    "maximum_charge_current_a",
    "maximum_voltage_v",
    "minimum_voltage_v",
    "energy_to_target_wh",
    "energy_to_maximum_wh",
    "energy_to_minimum_wh",
    "capacity_wh",
    "maximum_discharge_power_w",
    "maximum_discharge_current_a",
)
"""The numbers of a battery, in the order of its fields, which a test holds."""
_BATTERY_KINDS: Final = [*(float for _ in _BATTERY_NUMBERS), bool, bool, type(None)]
"""The classes of all its fields, where they are as nearly always."""


def meter(value: Any, name: str) -> MeterRead:
    """What ``meter.read`` returned."""
    reading = _plain(_exact(value, MeterRead, name), _METER, name)
    for field in ("charged_wh", "discharged_wh"):
        number = getattr(reading, field)
        if number < 0:
            raise HardwareError(f"{name}.{field} is {number!r}: a meter counts up from 0")
    if type(reading.meter_id) is not str or len(reading.meter_id) > _LONGEST_ID:
        raise HardwareError(f"{name}.meter_id is no text of at most {_LONGEST_ID} characters")
    if reading.signature is not None and type(reading.signature) is not bytes:
        raise HardwareError(f"{name}.signature is {type(reading.signature).__name__}, not bytes")
    return reading


def follows(reading: MeterRead, last: MeterRead | None, now: float, ahead_s: float) -> None:
    """Whether a bill may go on with this reading of a meter, which comes at ``now`` (s), after the ``last``.
    Raises ``HardwareError`` for the time of another clock, for one that is too old to be of this session's
    energy, for counters that ran back and for another meter."""
    at = reading.at
    if at is not None and at > now + ahead_s:
        raise HardwareError(f"meter.read.at is {at - now:.1f} s ahead of the event loop's clock, loop.time()")
    if at is not None and at < now - OLDEST_METER_S:
        raise HardwareError(
            f"meter.read was {now - at:.0f} s old, more than {OLDEST_METER_S:g} s: "
            f"it is frozen, or its time is of another clock than the event loop's, loop.time()"
        )
    if last is None:
        return
    if reading.meter_id and last.meter_id and reading.meter_id != last.meter_id:
        raise HardwareError(
            f"meter.read.meter_id was {shown(last.meter_id)}, and is {shown(reading.meter_id)}"
        )
    for field in ("charged_wh", "discharged_wh"):
        before, number = getattr(last, field), getattr(reading, field)
        if number < before - METER_ROUNDS_WH:
            raise HardwareError(f"meter.read.{field} ran back from {before:.1f} to {number:.1f} Wh")


def level(value: Any, port: str) -> bool:
    """``contactors.closed``."""
    return _exact(value, bool, f"{port}.closed")


def station_limits(value: Any, port: str) -> StationLimits:
    """``power.limits``."""
    return _limits(
        _plain(_exact(value, StationLimits, f"{port}.limits"), _STATION_LIMITS, f"{port}.limits"), port
    )


def alternating(value: Any, port: str) -> AcMeasured:
    """``ac.present`` or ``charger.present``, as ``without_noise`` has it."""
    name = f"{port}.present"
    reading = without_noise(plain(_exact(value, AcMeasured, name), name))
    if not is_ac_reading(reading):
        raise HardwareError(f"{name}{_why_no_reading(reading)}")
    return reading


def without_noise(reading: AcMeasured) -> AcMeasured:
    """Effective values have no sign, and a sensor that is off by a little shows less than 0 where there is
    nothing: down to -1 V and -1 A a phase counts as its magnitude."""
    changed = {}
    for field in _EFFECTIVE:
        phases = getattr(reading, field)
        if type(phases) is tuple and any(map(_is_noise, phases)):
            changed[field] = tuple(-one if _is_noise(one) else one for one in phases)
    return structs.replace(reading, **changed) if changed else reading


def _is_noise(value: Any) -> bool:
    return type(value) in _NUMBERS and -_MOST_NOISE <= value < 0.0


def _why_no_reading(reading: AcMeasured) -> str:
    """The first field of it that cannot be, with its value and what is wanted."""
    for field, least, most in _PHASES:
        phases, unit = getattr(reading, field), field.rpartition("_")[2]
        if type(phases) not in (tuple, list) or len(phases) != 3:
            return f".{field} is {shown(phases)}: three numbers are wanted, L1, L2 and L3"
        for number, phase in zip(phases, ("L1", "L2", "L3"), strict=True):
            if type(number) not in _NUMBERS or not least <= number <= most:
                wanted = f"a number from {least:g} to {most:g} {_UNITS[unit]}"
                return f".{field} of {phase} is {shown(number)}: {wanted} is wanted"
    for field, wanted in (
        ("one_meter", "True or False"),
        ("frequency_hz", "a number from 0 to 1000 Hz, or None"),
        ("at", "a time in s, or None"),
    ):
        found = structs.replace(_NOTHING, **{field: getattr(reading, field)})
        if not is_ac_reading(found):
            return f".{field} is {shown(getattr(reading, field))}: {wanted} is wanted"
    return " is no measurement"


_NUMBERS: Final = (float, int)
_MOST_NOISE: Final = 1.0
_EFFECTIVE: Final = ("voltage_v", "current_a")
_PHASES: Final = (
    ("voltage_v", 0.0, MOST_V),
    ("current_a", 0.0, MOST_A),
    ("power_w", -MOST_W, MOST_W),
    ("reactive_var", -MOST_W, MOST_W),
)
_UNITS: Final = {"v": "V", "a": "A", "w": "W", "var": "var"}
_NOTHING: Final = AcMeasured()


def outlet_limits(value: Any, port: str) -> AcStationLimits:
    """``ac.limits``."""
    return _judged(plain(_exact(value, AcStationLimits, f"{port}.limits"), f"{port}.limits"), port)


def charger_limits(value: Any, port: str) -> AcVehicleLimits:
    """``charger.limits``."""
    return _judged(plain(_exact(value, AcVehicleLimits, f"{port}.limits"), f"{port}.limits"), port)


AcLimits = TypeVar("AcLimits", AcStationLimits, AcVehicleLimits)


def _judged(limits: AcLimits, port: str) -> AcLimits:
    try:
        limits.__post_init__()
    except ConfigError as error:
        raise HardwareError(f"{port}.limits: {error}") from error
    except Exception as error:  # a field of another class
        raise HardwareError(f"{port}.limits cannot be judged: {type(error).__name__}") from error
    return limits


def is_unchanged(value: Any, known: StationLimits) -> bool:
    """The same plain numbers as in ``known``, which was judged before. Classes are looked at first: what is
    no plain number may say that it equals anything."""
    return (
        type(value) is StationLimits
        and _PLAIN.issuperset(map(type, structs.astuple(value)))
        and value == known
    )


def vehicle_limits(value: Any, port: str) -> VehicleLimits:
    """``battery.limits``."""
    return _limits(
        _plain(_exact(value, VehicleLimits, f"{port}.limits"), _VEHICLE_LIMITS, f"{port}.limits"), port
    )


Limits = TypeVar("Limits", StationLimits, VehicleLimits)


def _limits(limits: Limits, port: str) -> Limits:
    """Limits judge themselves when they are made; a port may have changed its own in place since then."""
    try:
        limits.__post_init__()
    except ConfigError as error:
        raise HardwareError(f"{port}.limits: {error}") from error
    return limits


def _exact(value: Any, kind: type[Reading], name: str) -> Reading:
    if type(value) is not kind:
        raise HardwareError(f"{name} is {another(value, kind)}")
    return value


def no_flag(value: object) -> str:
    """What was returned where True or False is wanted, in words."""
    found = class_name(value)
    return another(value, bool) if found.strip("_") == "bool" else f"{found}, not True or False"


def another(value: object, kind: type) -> str:
    """What a value is that is of another class than ``kind``, in words: with its module where the names alone
    do not tell, and how to mend that."""
    found, wanted = class_name(value), kind.__name__
    if found.strip("_") != wanted:
        return f"{found}, not {wanted}"
    module = type.__dict__["__module__"].__get__(type(value))
    if kind is bool:
        return f"{module}.{found}, not Python's own True or False: return bool(...)"
    return f"{module}.{found}, not {kind.__module__}.{wanted}: import that one"


def _plain(reading: Reading, fields: tuple[tuple[str, float], ...], name: str) -> Reading:
    """The reading with plain numbers in these fields, each within its magnitude.

    A numeric library's own float is a number too, but nothing that comes after should
    have to trust its arithmetic.
    """
    changed = {}
    for field, most in fields:
        number = getattr(reading, field)
        if number is None and field in _MAY_BE_ABSENT:
            continue
        kind = type(number)
        if kind is not float and kind is not int and issubclass(kind, float):
            changed[field] = number = float.__float__(number)
            kind = float
        if (kind is not float and kind is not int) or not -most <= number <= most:
            raise HardwareError(
                f"{name}.{field} is {shown(number)}: a number from {-most:g} to {most:g} is wanted"
            )
    return structs.replace(reading, **changed) if changed else reading  # type: ignore[type-var]  # all of them are structs


_MAY_BE_ABSENT: Final = frozenset(("at", "power_ramp_w_per_s"))
_MEASURED: Final = (("voltage_v", MOST_V), ("current_a", MOST_A), ("at", MOST_S))
_METER: Final = (("charged_wh", MOST_METER_WH), ("discharged_wh", MOST_METER_WH), ("at", MOST_S))
_MOST: Final = {"v": MOST_V, "a": MOST_A}
"""Of limits, by the unit at the end of a field's name; all others are powers, and ramps of them."""
_STATION_LIMITS: Final = tuple(
    (field, _MOST.get(field.rpartition("_")[2], MOST_W)) for field in StationLimits.__struct_fields__
)
_VEHICLE_LIMITS: Final = tuple(
    (field, _MOST.get(field.rpartition("_")[2], MOST_W)) for field in VehicleLimits.__struct_fields__
)
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
    ("at", MOST_S),
)
