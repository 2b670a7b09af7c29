"""The greatest values of a reading that a session is told, each with the next one that is a fault of its
port: beyond them it is a broken sensor or a wrong unit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from iso15118.aio.ports import readings
from iso15118.aio.ports.coil_side import _pad_measured, _receiver_measured
from iso15118.aio.ports.inbox import checked
from iso15118.aio.ports.plain import made_again, plain
from iso15118.errors import HardwareError
from iso15118.session.events import (
    AcMeasured,
    BatteryChanged,
    InletMeasured,
    MeterRead,
    PadMeasured,
    PowerMeasured,
    ReceiverMeasured,
)
from iso15118.session.limits import StationLimits, VehicleLimits

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


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_greatest_power_of_a_phase_is_one(sign: float) -> None:
    most = AcMeasured(
        voltage_v=(readings.MOST_V,) * 3,
        current_a=(readings.MOST_A,) * 3,
        power_w=(sign * readings.MOST_W,) * 3,
    )
    assert readings.alternating(most, "ac") == most
    for field, value in (
        ("voltage_v", readings.MOST_V),
        ("current_a", readings.MOST_A),
        ("power_w", sign * readings.MOST_W),
    ):
        beyond = msgspec.structs.replace(most, **{field: (1.001 * value,) * 3})
        with pytest.raises(HardwareError, match=f"{field} of L1"):
            readings.alternating(beyond, "ac")


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


LIMITS = StationLimits(maximum_charge_power_w=1e5, maximum_charge_current_a=200.0, maximum_voltage_v=900.0)
VEHICLE = VehicleLimits(maximum_charge_power_w=1e5, maximum_charge_current_a=200.0, maximum_voltage_v=900.0)


@pytest.mark.parametrize(
    ("field", "most"),
    [
        ("maximum_voltage_v", 2_000.0),
        ("maximum_charge_current_a", 5_000.0),
        ("maximum_discharge_current_a", 5_000.0),
        ("maximum_charge_power_w", 10e6),
        ("maximum_discharge_power_w", 10e6),
    ],
)
@pytest.mark.parametrize(
    ("check", "limits"), [(readings.station_limits, LIMITS), (readings.vehicle_limits, VEHICLE)]
)
def test_each_limit_has_the_bounds_of_its_unit(check: Any, limits: Any, field: str, most: float) -> None:
    """A voltage in mV, or a current in mA, is no limit of a charger."""
    good = msgspec.structs.replace(limits, **{field: most})
    assert check(good, "power") == good
    with pytest.raises(HardwareError) as raised:
        check(msgspec.structs.replace(limits, **{field: most * 1.001}), "power")
    said = str(raised.value)
    assert said.startswith(f"power.limits.{field} is ")
    assert said.endswith(f": a number from {-most:g} to {most:g} is wanted")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"voltage_v": (230.0, 2000.1, 0.0)}, "voltage_v of L2 is 2000.1: a number from 0 to 2000 V"),
        ({"voltage_v": (230.0, -1.1, 0.0)}, "voltage_v of L2 is -1.1: a number from 0 to 2000 V"),
        ({"current_a": (0.0, 0.0, 16_000.0)}, "current_a of L3 is 16000.0: a number from 0 to 5000 A"),
        ({"current_a": (-1.1, 0.0, 0.0)}, "current_a of L1 is -1.1: a number from 0 to 5000 A"),
        ({"current_a": (float("nan"), 0.0, 0.0)}, "current_a of L1 is nan: a number from 0 to 5000 A"),
        ({"current_a": (True, 0.0, 0.0)}, "current_a of L1 is True: a number from 0 to 5000 A"),
        ({"current_a": 16.0}, "current_a is 16.0: three numbers are wanted, L1, L2 and L3"),
        ({"current_a": (16.0,)}, "current_a is (16.0,): three numbers are wanted, L1, L2 and L3"),
        ({"power_w": (0.0, 1.1e7, 0.0)}, "power_w of L2 is 11000000.0: a number from -1e+07 to 1e+07 W"),
        ({"reactive_var": (0.0, "1", 0.0)}, "reactive_var of L2 is '1': a number from -1e+07 to 1e+07 var"),
        ({"one_meter": 2}, "one_meter is 2: True or False"),
        ({"frequency_hz": 50_000.0}, "frequency_hz is 50000.0: a number from 0 to 1000 Hz, or None"),
        ({"at": float("inf")}, "at is inf: a time in s, or None"),
    ],
)
def test_what_is_wrong_with_alternating_current_is_said_by_field_value_and_range(
    changes: dict[str, Any], what: str
) -> None:
    for port in ("ac", "charger"):
        with pytest.raises(HardwareError) as raised:
            readings.alternating(AcMeasured(**changes), port)
        assert str(raised.value) in (f"{port}.present.{what} is wanted", f"{port}.present.{what}")


@pytest.mark.parametrize(
    ("field", "phases", "heard"),
    [
        ("current_a", (-0.02, 16.0, 0.0), (0.02, 16.0, 0.0)),
        ("current_a", (-1.0, -1, 0.5), (1.0, 1, 0.5)),
        ("voltage_v", (230.0, -0.3, 0.0), (230.0, 0.3, 0.0)),
    ],
)
def test_a_little_less_than_nothing_counts_as_its_magnitude(field: str, phases: Any, heard: Any) -> None:
    """A sensor that is off by 0.02 A put a sound outlet out of service."""
    made: Any = AcMeasured(**{field: phases})
    assert readings.alternating(made, "ac") == AcMeasured(**{field: heard})
    assert checked(made) == AcMeasured(**{field: heard})


def test_powers_keep_their_sign_and_a_sound_reading_is_not_copied() -> None:
    made = AcMeasured(current_a=(1.0, 0.0, 0.0), power_w=(-0.5, 0.0, 0.0), reactive_var=(0.0, -0.5, 0.0))
    assert readings.alternating(made, "ac") is made


@pytest.mark.parametrize(
    ("read", "made", "what"),
    [
        (_pad_measured, PadMeasured(power_w=-0.5), "power_w is -0.5: a finite number, 0 or more"),
        (
            _pad_measured,
            PadMeasured(frequency_hz=2e6),
            "frequency_hz is 2000000.0: a number from 0 to 1e6 Hz",
        ),
        (_pad_measured, PadMeasured(vehicle_here="no"), "vehicle_here is 'no': True, False or None"),  # type: ignore[arg-type]
        (_pad_measured, PadMeasured(diagnosis="good"), "diagnosis is 'good': a CoilDiagnosis"),  # type: ignore[arg-type]
        (_receiver_measured, ReceiverMeasured(coil_a=float("nan")), "coil_a is nan: a finite number"),
        (_receiver_measured, ReceiverMeasured(in_place=None), "in_place is None: True or False"),  # type: ignore[arg-type]
        (_receiver_measured, ReceiverMeasured(pad_code=0), "pad_code is 0: a whole number from 1"),
        (_receiver_measured, ReceiverMeasured(at=float("inf")), "at is inf: a time in s"),
    ],
)
def test_what_is_wrong_with_a_coil_is_said_by_field_and_value(read: Any, made: Any, what: str) -> None:
    with pytest.raises(HardwareError) as raised:
        read(made, "pad")
    assert str(raised.value).startswith(f"pad.present.{what}")
