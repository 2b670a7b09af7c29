"""Limits are rounded once, to the safe side; bounds keep within both sides, and nothing is asked below a
minimum."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from iso15118.energy.dc import (
    LOSS,
    Bounds,
    charging,
    common,
    discharging,
    narrow,
    nothing,
    on_wire,
    reaches,
    tightened,
)
from iso15118.evcc.iso20.loop import loop_request
from iso15118.evcc.session import EvccSession
from iso15118.messages.iso20 import dc
from iso15118.messages.values import ceiled, floor_rational, floored, rational, si, towards_zero
from iso15118.secc.iso20.wire import StationLimitsOnWire, offer, vehicle_limits
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import SERVICES, ServiceID
from tests.evcc.station import Host

_NOISE = 1e-9
VOLTAGES = range(10_000, 125_001)
"""Every voltage of two decimals from 100 to 1250 V, in hundredths."""


def test_every_voltage_of_two_decimals_is_declared_and_asked_for_alike() -> None:
    for hundredths in VOLTAGES:
        volts = hundredths / 100.0
        declared = floored(volts)
        assert declared <= volts + _NOISE
        assert floored(declared) == declared
        # What is asked for later, from the battery's own number or from the declared one.
        for wanted in (volts, declared, volts - 0.005, volts - 0.1):
            assert si(floor_rational(min(wanted, declared))) <= declared
        assert min(ceiled(volts), declared) <= declared


def random_limits(rng: random.Random, kind: type) -> Any:
    """Limits up to 3000 A, 1250 V and 3.75 MW, with decimals, and minima anywhere below."""
    fields = {}
    for what, most in (
        ("charge_power_w", 3.75e6),
        ("charge_current_a", 3000.0),
        ("voltage_v", 1250.0),
        ("discharge_power_w", 3.75e6),
        ("discharge_current_a", 3000.0),
    ):
        value = round(rng.uniform(0.0, most), rng.choice((0, 1, 2, 3, 7)))
        fields[f"maximum_{what}"] = value
        fields[f"minimum_{what}"] = min(value, round(rng.uniform(0.0, value), rng.choice((1, 3))))
        if rng.random() < 0.2:
            fields[f"minimum_{what}"] = value  # exactly one value is possible
    return kind(**fields)


def test_twenty_thousand_limits_of_a_station_as_a_vehicle_reads_them() -> None:
    rng = random.Random(11)
    service = SERVICES[ServiceID.MCS_BPT]
    for _ in range(20_000):
        limits = random_limits(rng, StationLimits)
        rounded = on_wire(limits)
        assert on_wire(rounded) == rounded
        said = offer(limits, service)
        for name in rounded.__struct_fields__:
            if name.startswith("maximum_"):
                stem = name.removeprefix("maximum_").rpartition("_")[0]
                most = si(getattr(said, f"evse_maximum_{stem}"))
                least = si(getattr(said, f"evse_minimum_{stem}"))
                assert least <= most == getattr(rounded, name) <= getattr(limits, name) * (1 + _NOISE)
        point = rng.choice((None, rng.uniform(-4e6, 4e6), -12345.678))
        now = narrow(rounded, on_wire(random_limits(rng, StationLimits)), point)
        loop = StationLimitsOnWire.of(now).control_mode(service.scheduled_res)
        assert si(loop.evse_minimum_charge_power) <= si(loop.evse_maximum_charge_power)
        assert si(loop.evse_minimum_discharge_power) <= si(loop.evse_maximum_discharge_power)
        assert si(loop.evse_minimum_voltage) <= si(loop.evse_maximum_voltage)
        assert si(loop.evse_maximum_charge_power) <= si(said.evse_maximum_charge_power)
        if point is not None and point >= 0.0:
            assert si(loop.evse_maximum_charge_power) <= point


def test_twenty_thousand_limits_of_a_vehicle_as_a_station_reads_them() -> None:
    rng = random.Random(12)
    for _ in range(20_000):
        limits = random_limits(rng, VehicleLimits)
        rounded = on_wire(limits)
        fields: dict[str, Any] = {
            f"ev_{name.rpartition('_')[0]}": rational(getattr(rounded, name))
            for name in rounded.__struct_fields__
        }
        assert vehicle_limits(dc.BPTDCCPDReqEnergyTransferMode(**fields)) == rounded
        wanted = Bounds(
            limits.maximum_voltage_v, limits.maximum_charge_current_a, limits.maximum_charge_power_w
        )
        bounds = charging(wanted, common(rounded, rounded), rng.uniform(100.0, 1250.0))
        assert bounds.voltage_v <= rounded.maximum_voltage_v
        assert bounds.current_a <= rounded.maximum_charge_current_a
        assert si(floor_rational(bounds.voltage_v)) <= rounded.maximum_voltage_v


@pytest.mark.parametrize("full_v", [864.0, 881.3 / 1.02, 500.005, 499.99, 937.77, 333.33])
def test_a_vehicle_asks_for_no_more_than_it_declared_whatever_its_voltage(full_v: float) -> None:
    host = Host()
    limits = VehicleLimits(
        maximum_charge_power_w=1234567.8,
        maximum_charge_current_a=1234.56,
        maximum_voltage_v=full_v * 1.02,
        minimum_voltage_v=full_v * 0.8123,
    )
    host.battery(
        target_voltage_v=full_v * 1.02,
        maximum_voltage_v=full_v * 1.02,
        maximum_charge_current_a=1234.56,
        target_current_a=1234.56,
    )
    session = EvccSession(host.config, limits, host.session._talk.battery)
    talk = session._talk
    plan_offer = StationLimits(
        maximum_charge_power_w=3.75e6, maximum_charge_current_a=3000.0, maximum_voltage_v=1250.0
    )
    from iso15118.evcc.iso20.plan import Plan

    request = loop_request(talk, Plan(station=plan_offer, offer=plan_offer), False, winding_down=False)
    mode: Any = request.cl_req_control_mode
    assert si(mode.ev_target_voltage) <= talk.limits.maximum_voltage_v == floored(full_v * 1.02)
    assert si(mode.ev_target_current) <= talk.limits.maximum_charge_current_a


def test_tenths_towards_zero() -> None:
    for tenths in range(-32_767, 32_768):
        assert towards_zero(tenths / 10.0) == tenths / 10.0
    assert towards_zero(0.19) == 0.1
    assert towards_zero(-0.19) == -0.1
    assert str(towards_zero(-0.04)) == "0.0"  # a zero has no direction


STATION = StationLimits(
    maximum_charge_power_w=100_000.0,
    maximum_charge_current_a=250.0,
    maximum_voltage_v=1000.0,
    minimum_charge_power_w=4000.0,
    minimum_charge_current_a=5.0,
    minimum_voltage_v=150.0,
    maximum_discharge_power_w=50_000.0,
    maximum_discharge_current_a=100.0,
    minimum_discharge_current_a=2.0,
)
VEHICLE = VehicleLimits(
    maximum_charge_power_w=80_000.0,
    maximum_charge_current_a=200.0,
    maximum_voltage_v=900.0,
    minimum_voltage_v=600.0,
    maximum_discharge_power_w=20_000.0,
    maximum_discharge_current_a=50.0,
)


@pytest.mark.parametrize(
    ("wanted", "bounds"),
    [
        (Bounds(950.0, 300.0, 1e6), Bounds(900.0, 200.0, 80_000.0)),
        (Bounds(850.0, 5.0, 1e6), Bounds(850.0, 5.0, 80_000.0)),
        (Bounds(850.0, 4.9, 1e6), Bounds(850.0, 0.0, 0.0)),
        (Bounds(850.0, 100.0, 3900.0), Bounds(850.0, 0.0, 0.0)),
        (Bounds(850.0, 0.0, 1e6), Bounds(850.0, 0.0, 0.0)),
    ],
)
def test_a_charge_keeps_within_both_maxima_and_above_both_minima(wanted: Bounds, bounds: Bounds) -> None:
    assert charging(wanted, common(STATION, VEHICLE), 800.0) == bounds


def test_a_power_that_is_no_current_is_none() -> None:
    # 4 kW at 900 V are 4.4 A, less than the 5 A that the station can regulate.
    assert charging(Bounds(900.0, 200.0, 4000.0), common(STATION, VEHICLE), 900.0).current_a == 0.0


def test_a_discharge_has_a_lower_voltage_bound_and_a_zero_without_direction() -> None:
    assert discharging(Bounds(0.0, -80.0, 1e6), STATION, VEHICLE, 800.0) == Bounds(600.0, -50.0, 20_000.0)
    assert discharging(Bounds(0.0, -1.9, 1e6), STATION, VEHICLE, 800.0) == nothing(STATION, VEHICLE)
    assert str(discharging(Bounds(0.0, -0.0, 1e6), STATION, VEHICLE, 800.0).current_a) == "0.0"


def test_what_is_below_a_minimum_cannot_be_given_at_all() -> None:
    now = narrow(STATION, STATION, 3999.0)
    assert (now.maximum_charge_power_w, now.minimum_charge_power_w) == (0.0, 0.0)
    assert narrow(STATION, STATION, 4000.0).maximum_charge_power_w == 4000.0
    back = narrow(STATION, STATION, -12345.678)
    assert back.maximum_charge_power_w == 0.0
    assert back.minimum_discharge_power_w == back.maximum_discharge_power_w == 12345.0


def test_present_values_tighten_and_never_widen() -> None:
    now = tightened(VEHICLE, maximum_charge_power_w=1e9, maximum_charge_current_a=-3.0)
    assert (now.maximum_charge_power_w, now.maximum_charge_current_a) == (80_000.0, 0.0)
    crossed = tightened(STATION, maximum_charge_power_w=3000.0)
    assert (crossed.maximum_charge_power_w, crossed.minimum_charge_power_w) == (0.0, 0.0)


def test_a_limit_beyond_all_numbers_of_the_wire_is_no_error() -> None:
    rounded = on_wire(
        StationLimits(maximum_charge_power_w=1e15, maximum_charge_current_a=1e14, maximum_voltage_v=1e3)
    )
    assert rounded.maximum_charge_power_w == 1e12


def test_minima_are_met_over_the_drop_of_a_cable() -> None:
    assert reaches(5.0, 4000.0, 800.0, 5.0, 4000.0)
    assert not reaches(5.0, 4000.0, 795.0, 5.0, 4000.0)
    assert reaches(5.0, 4000.0, 795.0, 5.0, 4000.0, loss=LOSS)  # both ends measure their own voltage
    assert not reaches(5.0, 4000.0, 700.0, 5.0, 4000.0)
    assert not reaches(0.0, 4000.0, 800.0)


def test_rounding_keeps_the_order_of_what_it_rounds_on_one_side() -> None:
    rng = random.Random(3)
    values = sorted(rng.uniform(0.0, 3.75e6) for _ in range(5000))
    for low, high in pairwise(values):
        most = floored(high)
        assert floored(min(low, most)) <= most
