"""What a port reports is a reading only if its class, its numbers and its ranges can be one; nothing else
gets past, and nothing raises but ``HardwareError``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from iso15118.aio.ports import readings
from iso15118.aio.ports.guard import Port
from iso15118.errors import HardwareError
from iso15118.session.events import BatteryChanged, InletMeasured, MeterRead, PowerMeasured
from iso15118.session.limits import StationLimits, VehicleLimits

from .hostile import NO_NUMBERS, FloatLike, Lying, Unprintable

Check = Callable[[Any, str], Any]

READINGS: dict[str, tuple[Check, Any]] = {
    "power.present": (readings.output, PowerMeasured(800.0, 200.0, 1.0)),
    "inlet.present": (readings.inlet, InletMeasured(800.0, -200.0, 1.0)),
    "battery.state": (
        readings.battery,
        BatteryChanged(
            soc=50.0,
            voltage_v=800.0,
            target_voltage_v=850.0,
            target_current_a=100.0,
            maximum_charge_power_w=1e5,
            maximum_charge_current_a=200.0,
            maximum_voltage_v=900.0,
            minimum_voltage_v=600.0,
            energy_to_target_wh=1e4,
            energy_to_maximum_wh=2e4,
            energy_to_minimum_wh=-1e4,
            capacity_wh=1e5,
            at=1.0,
        ),
    ),
    "meter.read": (readings.meter, MeterRead("M1", 1e6, 0.0, b"x")),
    "power.limits": (
        readings.station_limits,
        StationLimits(maximum_charge_power_w=1e5, maximum_charge_current_a=200.0, maximum_voltage_v=900.0),
    ),
    "battery.limits": (
        readings.vehicle_limits,
        VehicleLimits(maximum_charge_power_w=1e5, maximum_charge_current_a=200.0, maximum_voltage_v=900.0),
    ),
}
OPTIONAL = {"at", "power_ramp_w_per_s", "signature"}


def numbers(reading: Any) -> list[str]:
    return [
        name
        for name in reading.__struct_fields__
        if isinstance(getattr(reading, name), float) or name in OPTIONAL - {"signature"}
    ]


def with_field(reading: Any, name: str, value: Any) -> Any:
    """As a port may hand it in: made by the class, or changed afterwards, which its checks do not see."""
    broken = msgspec.structs.replace(reading)
    msgspec.structs.force_setattr(broken, name, value)
    return broken


PLACES = [(what, name) for what, (_, reading) in READINGS.items() for name in numbers(reading)]


def read(what: str, value: Any) -> Any:
    """Read it as the drivers do."""
    if what == "meter.read":
        return readings.meter(value, what)
    port, attribute = what.split(".")

    class Ports:
        pass

    holder = Ports()
    setattr(holder, attribute, value)
    return Port(holder, port).read(attribute, READINGS[what][0])


@pytest.mark.parametrize("what", READINGS)
def test_a_reading_passes(what: str) -> None:
    assert read(what, READINGS[what][1]) == READINGS[what][1]


@pytest.mark.parametrize(("what", "name"), PLACES)
def test_what_is_no_number_is_no_reading(what: str, name: str) -> None:
    for value in NO_NUMBERS:
        if value is not None or name not in OPTIONAL:
            with pytest.raises(HardwareError, match=re.escape(f"{what}.{name}")):
                read(what, with_field(READINGS[what][1], name, value))


@pytest.mark.parametrize(("what", "name"), PLACES)
@pytest.mark.parametrize("kind", [FloatLike, Lying, int])
def test_numbers_of_other_classes_become_plain_ones(what: str, name: str, kind: type[float]) -> None:
    """A numeric library's own float is a number; nothing that comes after has to trust its arithmetic."""
    plain = float(1.0 if getattr(READINGS[what][1], name) is None else getattr(READINGS[what][1], name))
    got = getattr(read(what, with_field(READINGS[what][1], name, kind(plain))), name)
    assert type(got) is float or kind is int
    assert got == plain


@pytest.mark.parametrize("what", [*READINGS, "contactors.closed"])
def test_another_class_is_no_reading(what: str) -> None:
    check = READINGS[what][0] if what in READINGS else readings.level
    kind = type(READINGS[what][1]) if what in READINGS else bool

    class Alike:
        """The same attributes, and another class, whatever it says."""

        def __getattribute__(self, name: str) -> Any:
            return kind if name == "__class__" else 1.0

    class Holder:
        value: Any

    value: Any
    for value in (Alike(), None, {}, 0, 1, "closed", (800.0, 200.0), Unprintable()):
        holder = Holder()
        holder.value = value
        with pytest.raises(HardwareError, match=r"is .*, not "):
            Port(holder, "port").read("value", check)


@pytest.mark.parametrize(
    ("what", "name", "value"),
    [
        ("power.present", "voltage_v", 2_000.1),
        ("power.present", "current_a", -5_000.1),
        ("inlet.present", "voltage_v", -2_000.1),
        ("battery.state", "soc", 101.1),
        ("battery.state", "soc", -1.1),
        ("battery.state", "complete", 1),
        ("battery.state", "inlet_hot", None),
        ("meter.read", "charged_wh", -0.1),
        ("meter.read", "charged_wh", 1e15 * 1.01),
        ("meter.read", "meter_id", 5),
        ("meter.read", "meter_id", "x" * 257),
        ("meter.read", "signature", "x"),
        ("power.limits", "maximum_voltage_v", 1e7 + 1),
    ],
)
def test_what_no_charger_has_is_no_reading(what: str, name: str, value: Any) -> None:
    with pytest.raises(HardwareError, match=name):
        read(what, with_field(READINGS[what][1], name, value))


@pytest.mark.parametrize("value", [1, 0, None, "no"])
@pytest.mark.parametrize("name", ["complete", "inlet_hot"])
def test_a_flag_on_the_short_way_is_true_or_false(name: str, value: Any) -> None:
    state = with_field(READINGS["battery.state"][1], "at", None)
    with pytest.raises(HardwareError, match=name):
        read("battery.state", with_field(state, name, value))


@pytest.mark.parametrize("what", ["power.limits", "battery.limits"])
@pytest.mark.parametrize(("name", "value"), [("maximum_voltage_v", -1.0), ("minimum_voltage_v", 1000.0)])
def test_limits_that_were_changed_in_place_are_judged_again(what: str, name: str, value: float) -> None:
    with pytest.raises(HardwareError, match=rf"{what}: {name}"):
        read(what, with_field(READINGS[what][1], name, value))


@pytest.mark.parametrize("name", numbers(READINGS["power.limits"][1]))
def test_only_the_same_plain_limits_are_not_judged_again(name: str) -> None:
    known = READINGS["power.limits"][1]
    assert readings.is_unchanged(msgspec.structs.replace(known), known)
    for other in (*NO_NUMBERS, FloatLike(900.0), Lying(900.0), 900, 1.0):
        same = other is None and getattr(known, name) is None
        assert readings.is_unchanged(with_field(known, name, other), known) is same


def test_what_equals_everything_is_judged_again() -> None:
    class Anything:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    known = READINGS["power.limits"][1]
    assert not readings.is_unchanged(Anything(), known)
    assert not readings.is_unchanged(with_field(known, "maximum_voltage_v", Anything()), known)


BOUNDS = {
    "power.present": readings._MEASURED,
    "inlet.present": readings._MEASURED,
    "battery.state": readings._BATTERY,
    "meter.read": readings._METER,
}


@pytest.mark.parametrize("at", [None, 1.0])
@pytest.mark.parametrize("what", BOUNDS)
def test_a_reading_at_its_greatest_passes_and_one_beyond_does_not(what: str, at: float | None) -> None:
    """Without a time of its own it takes the short way, if nothing else is unusual."""
    reading = with_field(READINGS[what][1], "at", at)
    for name, most in BOUNDS[what]:
        low, high = (-1.0, 101.0) if name == "soc" else (-most, most)
        if what == "meter.read" and name != "at":
            low = 0.0
        for number in (low, high, int(low), int(high)):
            given = with_field(reading, name, number)
            assert read(what, given) == given
        for number in (math.nextafter(low, -math.inf), math.nextafter(high, math.inf)):
            with pytest.raises(HardwareError, match=name):
                read(what, with_field(reading, name, number))


def test_a_name_of_a_meter_is_as_long_as_may_be() -> None:
    assert read("meter.read", MeterRead("x" * 256, 0.0)).meter_id == "x" * 256
    with pytest.raises(HardwareError, match="256 characters"):
        read("meter.read", MeterRead("x" * 257, 0.0))


def test_the_quick_look_at_a_battery_knows_all_its_fields_in_their_order() -> None:
    """It takes them by their place; of one more, each battery would take the long way."""
    rest = ("complete", "inlet_hot", "at")
    assert BatteryChanged.__struct_fields__ == (*readings._BATTERY_NUMBERS, *rest)
    reading = READINGS["battery.state"][1]
    assert readings._is_plain(msgspec.structs.replace(reading, at=None))
