"""The greatest values of a reading that a session is told, each with the next one that is a fault of its
port: beyond them it is a broken sensor or a wrong unit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from iso15118.aio.ports import readings
from iso15118.aio.ports.plain import made_again, plain
from iso15118.errors import HardwareError
from iso15118.session.events import AcMeasured, BatteryChanged, InletMeasured, MeterRead, PowerMeasured

Check = Callable[[Any, str], Any]
OUTPUT = PowerMeasured(400.0, 10.0)
INLET = InletMeasured(400.0, 10.0)
BATTERY = BatteryChanged(
    soc=50.0,
    voltage_v=400.0,
    target_voltage_v=400.0,
    target_current_a=10.0,
    maximum_charge_power_w=1e5,
    maximum_charge_current_a=100.0,
    maximum_voltage_v=900.0,
    minimum_voltage_v=0.0,
    energy_to_target_wh=1.0,
    energy_to_maximum_wh=1.0,
    energy_to_minimum_wh=0.0,
    capacity_wh=1e5,
)
METER = MeterRead(charged_wh=1.0, meter_id="m")
CASES: list[tuple[Check, Any, str, float, float]] = [
    (readings.output, OUTPUT, "voltage_v", 2_000.0, 2_000.1),
    (readings.output, OUTPUT, "current_a", 5_000.0, 5_000.1),
    (readings.output, OUTPUT, "current_a", -5_000.0, -5_000.1),
    (readings.output, OUTPUT, "at", 1e10, 1.001e10),
    (readings.inlet, INLET, "voltage_v", 2_000.0, 2_000.1),
    (readings.inlet, INLET, "current_a", -5_000.0, -5_000.1),
    (readings.battery, BATTERY, "soc", -1.0, -1.1),
    (readings.battery, BATTERY, "soc", 101.0, 101.1),
    (readings.battery, BATTERY, "target_voltage_v", 2_000.0, 2_000.1),
    (readings.battery, BATTERY, "target_current_a", 5_000.0, 5_000.1),
    (readings.battery, BATTERY, "maximum_charge_power_w", 10e6, 10.1e6),
    (readings.battery, BATTERY, "capacity_wh", 1e9, 1.001e9),
    (readings.battery, BATTERY, "energy_to_target_wh", -1e9, -1.001e9),
    (readings.meter, METER, "charged_wh", 1e15, 1.001e15),
    (readings.meter, METER, "discharged_wh", 1e15, 1.001e15),
    (readings.meter, METER, "discharged_wh", 0.0, -0.1),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{type(case[1]).__name__}.{case[2]} {case[4]}")
@pytest.mark.parametrize("number", [float, int])
def test_the_greatest_value_is_one_and_the_next_is_a_fault(
    case: tuple[Check, Any, str, float, float], number: Callable[[float], float]
) -> None:
    """Whole numbers are numbers as well."""
    check, reading, field, good, bad = case
    told = msgspec.structs.replace(reading, **{field: number(good)})
    assert getattr(check(told, "port"), field) == good
    with pytest.raises(HardwareError, match=field):
        check(msgspec.structs.replace(reading, **{field: bad}), "port")


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("at", 1000.5, 1000.51),
        ("at", 700.0, 699.99),
        ("charged_wh", 499.0, 498.99),
        ("discharged_wh", 99.0, 98.99),
    ],
)
def test_a_bill_goes_on_with_a_reading_at_its_bounds_and_not_beyond(
    field: str, good: float, bad: float
) -> None:
    """Half a second ahead of the loop's clock, five minutes old, and a Wh less than before."""
    last = MeterRead("m", 500.0, 100.0, at=990.0)
    told = msgspec.structs.replace(last, at=1000.0)
    readings.follows(msgspec.structs.replace(told, **{field: good}), last, 1000.0, 0.5)
    with pytest.raises(HardwareError, match=f"meter.read({re.escape('.' + field)}| was 300 s old)"):
        readings.follows(msgspec.structs.replace(told, **{field: bad}), last, 1000.0, 0.5)


def test_a_meter_has_an_identity_of_at_most_256_characters() -> None:
    """And that is told as it is."""
    named = msgspec.structs.replace(METER, meter_id="m" * 256)
    assert readings.meter(named, "meter.read") is named
    with pytest.raises(HardwareError, match="at most 256 characters"):
        readings.meter(msgspec.structs.replace(METER, meter_id="m" * 257), "meter.read")


def nested(value: Any, times: int) -> Any:
    for _ in range(times):
        value = (value,)
    return value


def holding(value: Any) -> Any:
    """A struct with this in it, past its checks."""
    made = AcMeasured()
    msgspec.structs.force_setattr(made, "voltage_v", value)
    return made


@pytest.mark.parametrize("make", [plain, made_again])
def test_a_value_may_be_nested_nine_deep_and_have_1024_entries(make: Any) -> None:
    """Structs count as tuples do; neither costs more of the stack or of memory than that."""
    good = [
        nested(0.0, 9),
        nested(OUTPUT, 8),
        holding(nested(0.0, 8)),
        nested(holding(0.0), 7),
        (0.0,) * 1024,
        ((0.0,) * 1024, (0.0,) * 1024),
    ]
    for value in good:
        assert make(value, "port") == value
    bad = [
        nested(0.0, 10),
        nested(OUTPUT, 9),
        holding(nested(0.0, 9)),
        nested(holding(0.0), 8),
        (0.0,) * 1025,
        ((0.0,) * 1025,),
    ]
    for value in bad:
        with pytest.raises(HardwareError, match="port is nested too deeply, or has too many entries"):
            make(value, "port")
