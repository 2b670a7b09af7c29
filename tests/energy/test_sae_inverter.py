"""The functions of a North American grid code on numbers alone: trips, the return to service, and what
is given at which voltage."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from iso15118.energy.curves import Curve
from iso15118.energy.grid_support import Grid, GridEvent, Output, Ratings
from iso15118.energy.sae_functions import (
    ALL_SAE,
    USABLE_MODES,
    ConstantPower,
    ConstantPowerFactor,
    CurveMode,
    Droop,
    EnterService,
    FrequencyDroop,
    FrequencyTrip,
    LimitDischarge,
    SaeFunction,
    SaeGridCode,
    TripCurve,
    VoltageTrip,
    VoltVarMode,
)
from iso15118.energy.sae_inverter import SaeInverter
from iso15118.errors import ConfigError

RATINGS = Ratings(
    charge_w=11_000.0, discharge_w=10_000.0, reactive_var=6_000.0, apparent_va=11_000.0, nominal_v=240.0
)
VOLT_VAR = Curve(points=((92.0, -44.0), (98.0, 0.0), (102.0, 0.0), (108.0, 44.0)), x_unit="%V", y_unit="%VA")
VOLT_WATT = Curve(points=((106.0, 100.0), (110.0, 20.0)), x_unit="%V", y_unit="%W")
WATT_VAR = Curve(points=((50.0, 0.0), (100.0, 44.0)), x_unit="%W", y_unit="%VA")
ENTER = EnterService(high_v=252.0, low_v=220.0, high_hz=60.1, low_hz=59.5)


def code(**more: Any) -> SaeGridCode:
    fields: dict[str, Any] = {
        "voltage_trip": VoltageTrip(
            over=TripCurve(points=((0.16, 288.0), (2.0, 264.0))),
            under=TripCurve(points=((2.0, 108.0), (10.0, 168.0))),
        ),
        "frequency_trip": FrequencyTrip(
            over=TripCurve(points=((0.16, 62.0), (300.0, 61.2)), unit="Hz"),
            under=TripCurve(points=((0.16, 56.5), (300.0, 58.5)), unit="Hz"),
        ),
        "enter_service": ENTER,
        "volt_var": VoltVarMode(curve=VOLT_VAR),
        "watt_var": CurveMode(curve=WATT_VAR),
        "volt_watt": CurveMode(curve=VOLT_WATT),
    }
    return SaeGridCode(**(fields | more))


def at(
    it: SaeInverter, volts: float = 240.0, hertz: float = 60.0, wanted: float = -10_000.0, now: float = 0.0
) -> Output:
    return it.step(Grid((volts,), hertz), wanted, now)


def on(share: float = 0.0, **more: Any) -> SaeInverter:
    it = SaeInverter(RATINGS, code(**more), share=share)
    assert at(it).power_w != 0.0 or more
    return it


def test_all_off_it_does_what_is_wanted() -> None:
    assert at(on(), wanted=-7_000.0) == Output(power_w=-7_000.0)
    assert code().enabled == 0


@pytest.mark.parametrize(("volts", "seconds"), [(288.0, 0.16), (270.0, 2.0), (150.0, 10.0), (100.0, 2.0)])
def test_it_trips_when_the_voltage_has_been_off_for_too_long(volts: float, seconds: float) -> None:
    it = on()
    assert at(it, volts, now=1.0).power_w == -10_000.0
    assert at(it, volts, now=1.0 + seconds - 0.001).power_w == -10_000.0
    out = at(it, volts, now=1.0 + seconds)
    assert out.power_w == 0.0
    assert GridEvent.TRIPPED | GridEvent.CEASED in out.events


def test_a_short_excursion_does_not_trip_and_is_not_remembered() -> None:
    it = on()
    for begin in (1.0, 4.0, 7.0):
        at(it, 270.0, now=begin)
        assert at(it, 270.0, now=begin + 1.9).power_w == -10_000.0
        at(it, 240.0, now=begin + 1.95)


@pytest.mark.parametrize(("hertz", "seconds"), [(62.5, 0.16), (61.5, 300.0), (58.0, 300.0), (56.0, 0.16)])
def test_the_same_by_frequency(hertz: float, seconds: float) -> None:
    it = on()
    at(it, hertz=hertz, now=1.0)
    assert at(it, hertz=hertz, now=1.0 + seconds * 0.99).power_w == -10_000.0
    assert at(it, hertz=hertz, now=1.0 + seconds).power_w == 0.0


def test_it_comes_back_after_the_delay_inside_the_band_and_on_a_ramp() -> None:
    enter = EnterService(
        high_v=252.0,
        low_v=220.0,
        high_hz=60.1,
        low_hz=59.5,
        delay_s=300.0,
        randomized_delay_s=100.0,
        ramp_s=100.0,
    )
    it = SaeInverter(RATINGS, code(enter_service=enter), share=0.5)
    assert at(it, now=0.0).power_w == 0.0
    assert at(it, 255.0, now=200.0).power_w == 0.0, "out of the band: it begins anew"
    assert at(it, now=210.0).power_w == 0.0
    assert at(it, now=559.0).power_w == 0.0
    assert at(it, now=560.0).power_w == pytest.approx(0.0)
    assert at(it, now=585.0).power_w == pytest.approx(-2_500.0)
    assert at(it, now=700.0).power_w == -10_000.0


def test_without_permission_nothing_flows_either_way() -> None:
    denied = EnterService(permit=False, high_v=252.0, low_v=220.0, high_hz=60.1, low_hz=59.5)
    it = SaeInverter(RATINGS, code(enter_service=denied))
    assert at(it).power_w == at(it, wanted=5_000.0).power_w == 0.0
    it.follow(code())
    assert at(it, now=1.0).power_w == -10_000.0
    it.follow(code(enter_service=denied))
    assert at(it, now=2.0).power_w == 0.0


def test_momentary_cessation_is_over_when_the_voltage_is_back() -> None:
    trips = VoltageTrip(
        over=TripCurve(points=((0.16, 300.0), (2.0, 290.0))),
        under=TripCurve(points=((2.0, 50.0), (10.0, 60.0))),
        under_cessation=TripCurve(points=((1.0, 120.0), (2.0, 130.0))),
    )
    it = on(voltage_trip=trips)
    assert at(it, 125.0, now=1.0).power_w == 0.0
    assert at(it, 200.0, now=1.1).power_w == -10_000.0


@pytest.mark.parametrize(
    ("percent", "var"), [(90.0, -4_840.0), (95.0, -2_420.0), (100.0, 0.0), (105.0, 2_420.0)]
)
def test_volt_var_in_percent_of_reference_voltage_and_apparent_power(percent: float, var: float) -> None:
    it = on(volt_var=VoltVarMode(enable=True, curve=VOLT_VAR))
    assert at(it, 2.4 * percent, wanted=0.0, now=1.0).reactive_var == pytest.approx(var)


def test_the_reference_follows_the_voltage_where_it_may() -> None:
    mode = VoltVarMode(enable=True, curve=VOLT_VAR, adjusts_reference=True, adjustment_s=300)
    it = on(volt_var=mode)
    high = 240.0 * 1.05
    first = at(it, high, wanted=0.0, now=0.001).reactive_var
    assert first == pytest.approx(2_420.0, rel=1e-3)
    later = [at(it, high, wanted=0.0, now=float(now)).reactive_var for now in range(1, 1200)]
    assert all(a >= b - 1e-6 for a, b in pairwise(later))
    assert later[-1] == pytest.approx(0.0, abs=1e-6)


def test_open_loop_response_and_pt1_constant() -> None:
    it = on(volt_var=VoltVarMode(enable=True, curve=VOLT_VAR, open_loop_s=5.0))
    at(it, 252.0, wanted=0.0, now=1.0)
    assert at(it, 252.0, wanted=0.0, now=6.0).reactive_var == pytest.approx(0.9 * 2_420.0)
    it = on(volt_var=VoltVarMode(enable=True, curve=VOLT_VAR, open_loop_s=5.0, time_constant_s=2))
    at(it, 252.0, wanted=0.0, now=1.0)
    assert at(it, 252.0, wanted=0.0, now=3.0).reactive_var == pytest.approx(2_420.0 * (1 - math.exp(-1)))


@pytest.mark.parametrize(("percent", "power"), [(100.0, -10_000.0), (106.0, -10_000.0), (108.0, -6_000.0)])
def test_volt_watt_caps_what_is_given_back(percent: float, power: float) -> None:
    it = on(volt_watt=CurveMode(enable=True, curve=VOLT_WATT))
    assert at(it, 2.4 * percent, now=1.0).power_w == pytest.approx(power)
    assert at(it, 2.4 * percent, wanted=3_000.0, now=1.1).power_w == 3_000.0


@pytest.mark.parametrize(
    ("factor", "over", "wanted", "var"),
    [
        (0.9, True, -5_000.0, -2_421.6),
        (0.9, False, -5_000.0, 2_421.6),
        (0.9, True, 5_000.0, -2_421.6),
        (1.0, True, -5e3, 0.0),
    ],
)
def test_a_constant_power_factor_acts_in_both_directions(
    factor: float, over: bool, wanted: float, var: float
) -> None:
    it = on(constant_power_factor=ConstantPowerFactor(enable=True, factor=factor, over_excited=over))
    assert at(it, wanted=wanted, now=1.0).reactive_var == pytest.approx(var, abs=0.1)


def test_the_lowest_priority_number_wins_and_the_first_of_equals() -> None:
    factor = ConstantPowerFactor(enable=True, priority=2, factor=0.9)
    var = ConstantPower(enable=True, priority=1, set_point=-10.0, unit="%var")
    it = on(constant_power_factor=factor, constant_var=var)
    assert at(it, now=1.0).reactive_var == pytest.approx(-600.0)
    it = on(constant_power_factor=factor, constant_var=ConstantPower(enable=True, priority=2, unit="var"))
    assert at(it, wanted=-5_000.0, now=1.0).reactive_var == pytest.approx(2_421.6, abs=0.1)
    it = on(constant_power_factor=factor, constant_var=ConstantPower(enable=True, set_point=5.0, unit="var"))
    assert at(it, wanted=-5_000.0, now=1.0).reactive_var == pytest.approx(2_421.6, abs=0.1)


def test_watt_var_goes_by_what_is_given_back() -> None:
    it = on(watt_var=CurveMode(enable=True, curve=WATT_VAR))
    assert at(it, wanted=-7_500.0, now=1.0).reactive_var == pytest.approx(2_420.0)
    assert at(it, wanted=9_000.0, now=1.1).reactive_var == 0.0


def test_a_constant_power_never_asks_for_more_than_is_wanted() -> None:
    it = on(constant_watt=ConstantPower(enable=True, set_point=-40.0, unit="%W"))
    assert at(it, now=1.0).power_w == pytest.approx(-4_000.0)
    assert at(it, wanted=-1_000.0, now=1.1).power_w == -1_000.0
    assert at(it, wanted=0.0, now=1.2).power_w == 0.0


@pytest.mark.parametrize(("percent", "power"), [(100, -10_000.0), (25, -2_500.0), (0, 0.0)])
def test_the_cap_on_discharging(percent: int, power: float) -> None:
    it = on(limit_max_discharge=LimitDischarge(enable=True, percent=percent))
    assert at(it, now=1.0).power_w == pytest.approx(power)


def test_the_droop_by_frequency() -> None:
    side = Droop(dead_band_hz=0.036, factor=0.05, open_loop_s=0.0)
    it = on(frequency_droop=FrequencyDroop(enable=True, over=side, under=side))
    assert at(it, hertz=60.03, now=1.0).power_w == -10_000.0
    assert at(it, hertz=60.636, now=1.1).power_w == pytest.approx(-10_000.0 + 0.6 / 3.0 * 10_000.0)
    assert at(it, hertz=60.636, wanted=4_000.0, now=1.2).power_w == 4_000.0
    assert at(it, hertz=59.364, wanted=11_000.0, now=1.3).power_w == pytest.approx(11_000.0 * 0.8)
    assert at(it, hertz=61.1, wanted=-1_000.0, now=1.4).power_w == 0.0


def test_what_a_vehicle_does_not_have_is_off() -> None:
    it = code(
        volt_var=VoltVarMode(enable=True, curve=VOLT_VAR), limit_max_discharge=LimitDischarge(enable=True)
    )
    assert it.enabled == SaeFunction.VOLT_VAR | SaeFunction.LIMIT_MAX_DISCHARGE
    assert it.within(SaeFunction.VOLT_VAR).enabled == SaeFunction.VOLT_VAR
    assert it.within(ALL_SAE) is it
    assert ALL_SAE & ~USABLE_MODES == 0
    assert sum(SaeFunction) == ALL_SAE


@pytest.mark.parametrize(
    "make",
    [
        lambda: TripCurve(points=((2.0, 288.0), (0.16, 264.0))),
        lambda: TripCurve(points=((0.0, -1.0), (1.0, 2.0))),
        lambda: EnterService(high_v=1.0, low_v=2.0, high_hz=60.0, low_hz=59.0),
        lambda: code(nominal_v=300.0),
        lambda: code(volt_var=VoltVarMode(curve=WATT_VAR)),
        lambda: code(volt_watt=CurveMode(curve=VOLT_VAR)),
        lambda: code(constant_var=ConstantPower(unit="W")),
        lambda: LimitDischarge(percent=101),
        lambda: ConstantPowerFactor(factor=-0.5),
        lambda: CurveMode(enable=1, curve=VOLT_WATT),  # type: ignore[arg-type]
        lambda: CurveMode(priority=-1, curve=VOLT_WATT),
        lambda: Droop(factor=0.0),
        lambda: VoltVarMode(curve=VOLT_VAR, adjustment_s=-3),
    ],
)
def test_what_is_no_grid_code_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()
