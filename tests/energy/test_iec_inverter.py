"""The functions of a European grid code on numbers alone: what the inverter does at which voltage and
frequency, and after how long."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iso15118.energy.curves import Curve, Response
from iso15118.energy.grid_functions import (
    CurveFunction,
    DsoSetPoint,
    FrequencyWatt,
    IecFunction,
    IecGridCode,
    PowerReference,
    RideThrough,
    VoltWatt,
    ZeroCurrent,
)
from iso15118.energy.grid_support import Grid, GridEvent, Output, Ratings
from iso15118.energy.iec_inverter import IecInverter
from iso15118.errors import ConfigError

RATINGS = Ratings(charge_w=11_000.0, discharge_w=10_000.0, reactive_var=6_000.0, apparent_va=11_000.0)
OVER = FrequencyWatt(start_hz=50.2, stop_hz=50.1, slope_percent_per_hz=40.0)
UNDER = FrequencyWatt(start_hz=49.8, stop_hz=49.9, slope_percent_per_hz=40.0)
VOLT_VAR = CurveFunction(
    curve=Curve(
        points=((212.0, -4_000.0), (222.0, 0.0), (238.0, 0.0), (248.0, 4_000.0)), x_unit="V", y_unit="var"
    )
)


def inverter(dso: DsoSetPoint | None = None, **functions: Any) -> IecInverter:
    made = IecInverter(RATINGS, IecGridCode(**functions))
    made.dso = dso or DsoSetPoint()
    return made


def at(
    it: IecInverter, volts: float = 230.0, hertz: float = 50.0, wanted: float = -10_000.0, now: float = 0.0
) -> Output:
    return it.step(Grid((volts, volts, volts), hertz), wanted, now)


def test_without_functions_it_does_what_is_wanted() -> None:
    it = IecInverter(RATINGS)
    assert at(it, wanted=-3_000.0) == Output(power_w=-3_000.0)
    assert it.step(Grid((100.0,), 47.0), 5_000.0, 1.0, 800.0) == Output(power_w=5_000.0, reactive_var=800.0)


@pytest.mark.parametrize(
    ("hertz", "power"),
    [(50.0, -10_000.0), (50.2, -10_000.0), (50.7, -8_000.0), (51.7, -4_000.0), (54.0, 0.0)],
)
def test_above_its_start_the_frequency_takes_power_away_and_never_turns_it_round(
    hertz: float, power: float
) -> None:
    out = at(inverter(over_frequency_watt=OVER), hertz=hertz)
    assert out.power_w == pytest.approx(power)
    assert (GridEvent.OVER_FREQUENCY in out.events) is (hertz > 50.2)
    assert at(inverter(over_frequency_watt=OVER), hertz=hertz, wanted=4_000.0).power_w == 4_000.0


@pytest.mark.parametrize(("hertz", "power"), [(49.8, 11_000.0), (49.3, 8_800.0), (45.0, 0.0)])
def test_below_its_start_charging_is_what_goes(hertz: float, power: float) -> None:
    assert at(inverter(under_frequency_watt=UNDER), hertz=hertz, wanted=11_000.0).power_w == pytest.approx(
        power
    )
    assert at(inverter(under_frequency_watt=UNDER), hertz=hertz, wanted=-2_000.0).power_w == -2_000.0


def test_the_momentary_power_is_that_when_the_function_began() -> None:
    code = {"start_hz": 50.2, "stop_hz": 50.1, "slope_percent_per_hz": 50.0}
    it = inverter(over_frequency_watt=FrequencyWatt(reference=PowerReference.MOMENTARY, **code))  # type: ignore[arg-type]
    assert at(it, wanted=-4_000.0, hertz=51.2).power_w == pytest.approx(-2_000.0)
    assert at(it, wanted=-9_000.0, hertz=51.2, now=1.0).power_w == pytest.approx(-7_000.0)


def test_the_way_back_has_hysteresis_delays_and_a_ramp() -> None:
    setting = FrequencyWatt(
        start_hz=50.2,
        stop_hz=50.05,
        slope_percent_per_hz=40.0,
        hysteresis=True,
        delay_s=2,
        stop_delay_s=30,
        deactivation_s=10,
        power_up_percent_per_min=10,
    )
    it = inverter(over_frequency_watt=setting)
    assert at(it, hertz=51.2, now=0.0).power_w == -10_000.0, "the delay runs"
    assert at(it, hertz=51.2, now=2.0).power_w == pytest.approx(-6_000.0)
    assert at(it, hertz=50.3, now=3.0).power_w == pytest.approx(-6_000.0), "held"
    assert at(it, hertz=50.0, now=4.0).power_w == pytest.approx(-6_000.0)
    assert at(it, hertz=50.0, now=33.9).power_w == pytest.approx(-6_000.0), "the delay of the stop"
    assert at(it, hertz=50.0, now=34.0).power_w == pytest.approx(-6_000.0), "deactivation"
    assert at(it, hertz=50.0, now=43.9).power_w == pytest.approx(-6_000.0)
    assert at(it, hertz=50.0, now=104.0).power_w == pytest.approx(-7_000.0), "10 % in a minute"
    assert at(it, hertz=50.0, now=344.0).power_w == pytest.approx(-10_000.0)


def test_the_frequency_has_its_time_constant() -> None:
    setting = FrequencyWatt(
        start_hz=50.2, stop_hz=50.2, slope_percent_per_hz=40.0, response=Response(time_s=2.0)
    )
    it = inverter(over_frequency_watt=setting)
    at(it, now=0.0)
    at(it, hertz=51.2, now=1.0)
    assert at(it, hertz=51.2, now=3.0).power_w == pytest.approx(-6_000.0 - 4_000.0 * math.exp(-1))


@pytest.mark.parametrize(
    ("volts", "power"),
    [(240.0, -10_000.0), (244.0, -10_000.0), (248.5, -5_000.0), (253.0, 0.0), (260.0, 0.0)],
)
def test_the_limit_falls_with_the_voltage(volts: float, power: float) -> None:
    it = inverter(volt_watt=VoltWatt(start_v=244.0, stop_v=253.0))
    assert at(it, volts).power_w == pytest.approx(power)
    assert at(it, volts, wanted=2_000.0).power_w == 2_000.0


def test_a_falling_limit_is_one_of_charging() -> None:
    it = inverter(volt_watt=VoltWatt(start_v=216.0, stop_v=207.0))
    assert at(it, 211.5, wanted=11_000.0).power_w == pytest.approx(5_500.0)
    assert at(it, 211.5, wanted=-3_000.0).power_w == -3_000.0


@pytest.mark.parametrize(
    ("volts", "var"), [(200.0, -4e3), (217.0, -2e3), (230.0, 0.0), (243.0, 2e3), (260.0, 4e3)]
)
def test_reactive_power_over_the_voltage(volts: float, var: float) -> None:
    assert at(inverter(volt_var=VOLT_VAR), volts, wanted=0.0).reactive_var == pytest.approx(var)


def test_active_power_goes_first() -> None:
    out = at(inverter(volt_var=VOLT_VAR), 260.0, wanted=-10_900.0)
    assert out.power_w == -10_900.0
    assert out.reactive_var == pytest.approx(math.sqrt(11_000.0**2 - 10_900.0**2))


def test_the_least_power_factor_bounds_the_curve() -> None:
    it = inverter(volt_var=CurveFunction(curve=VOLT_VAR.curve, minimum_cos_phi=0.9))
    assert at(it, 260.0, wanted=-2_000.0).reactive_var == pytest.approx(2_000.0 * math.tan(math.acos(0.9)))


def test_a_curve_is_armed_by_its_lock_in_and_disarmed_by_its_lock_out() -> None:
    function = CurveFunction(curve=VOLT_VAR.curve, lock_unit="W", lock_in=2_000.0, lock_out=500.0)
    it = inverter(volt_var=function)
    assert at(it, 260.0, wanted=-1_000.0).reactive_var == 0.0
    assert at(it, 260.0, wanted=-2_000.0, now=1.0).reactive_var == pytest.approx(4_000.0)
    assert at(it, 260.0, wanted=-600.0, now=2.0).reactive_var == pytest.approx(4_000.0)
    assert at(it, 260.0, wanted=-400.0, now=3.0).reactive_var == 0.0


def test_a_curve_has_its_delay_and_its_time_constant() -> None:
    it = inverter(volt_var=CurveFunction(curve=VOLT_VAR.curve, delay_s=3.0, response=Response(time_s=5.0)))
    assert at(it, 260.0, wanted=0.0, now=0.0).reactive_var == 0.0
    assert at(it, 260.0, wanted=0.0, now=3.0).reactive_var == 0.0
    assert at(it, 260.0, wanted=0.0, now=8.0).reactive_var == pytest.approx(4_000.0 * (1 - math.exp(-1)))


def test_watt_var_and_watt_cos_phi_go_by_what_is_given_back() -> None:
    curve = Curve(points=((0.0, 0.0), (10_000.0, 4_000.0)), x_unit="W", y_unit="var")
    assert at(inverter(watt_var=CurveFunction(curve=curve)), wanted=-5_000.0).reactive_var == pytest.approx(
        2e3
    )
    assert at(inverter(watt_var=CurveFunction(curve=curve)), wanted=5_000.0).reactive_var == 0.0
    factor = Curve(
        points=((5_000.0, 1.0), (10_000.0, 0.9)), x_unit="W", y_unit="W", over_excited=(False, False)
    )
    it = inverter(watt_cos_phi=CurveFunction(curve=factor))
    assert at(it, wanted=-4_000.0).reactive_var == pytest.approx(0.0, abs=1e-3)
    assert at(it, wanted=-7_500.0).reactive_var == pytest.approx(7_500.0 * math.tan(math.acos(0.95)))


@pytest.mark.parametrize(
    ("set_point", "var"),
    [
        (DsoSetPoint(reactive_var=-1_500.0), -1_500.0),
        (DsoSetPoint(cos_phi=0.8, over_excited=True), -3_000.0),
        (DsoSetPoint(cos_phi=0.8), 3_000.0),
    ],
)
def test_the_operators_set_point_excludes_the_curves(set_point: DsoSetPoint, var: float) -> None:
    it = inverter(set_point, volt_var=VOLT_VAR)
    assert at(it, 260.0, wanted=-4_000.0).reactive_var == pytest.approx(var)


def test_the_operators_cap_bounds_what_is_given_back() -> None:
    it = inverter(DsoSetPoint(maximum_discharge_w=2_500.0))
    assert at(it).power_w == -2_500.0
    assert at(it, wanted=9_000.0).power_w == 9_000.0


def test_zero_current_until_the_recovery_limits() -> None:
    setting = ZeroCurrent(over_v=264.0, under_v=184.0, over_recovery_v=253.0, under_recovery_v=195.0)
    it = inverter(zero_current=setting, volt_var=VOLT_VAR)
    assert at(it, 264.0).power_w == -10_000.0
    assert at(it, 264.1) == Output(events=GridEvent.CEASED | GridEvent.OVER_VOLTAGE)
    assert at(it, 260.0).power_w == 0.0
    assert at(it, 253.0).power_w == -10_000.0
    assert at(it, 183.0) == Output(events=GridEvent.CEASED | GridEvent.UNDER_VOLTAGE)
    assert at(it, 190.0).power_w == 0.0
    assert at(it, 196.0).power_w == -10_000.0


def test_one_phase_beyond_is_enough() -> None:
    it = inverter(zero_current=ZeroCurrent(over_v=264.0))
    assert it.step(Grid((230.0, 270.0, 230.0), 50.0), -5_000.0, 0.0).power_w == 0.0


def test_a_voltage_off_its_band_is_supported_up_to_the_stop_limit() -> None:
    low = RideThrough(start_v=207.0, stop_v=115.0, recovery_v=210.0, k_positive=2.0)
    high = RideThrough(start_v=253.0, stop_v=276.0, k_positive=2.0)
    it = inverter(under_voltage_ride_through=low, over_voltage_ride_through=high)
    assert at(it, 208.0, wanted=0.0).reactive_var == 0.0
    out = at(it, 200.0, wanted=0.0)
    assert out.reactive_var == pytest.approx(-2.0 * 30.0 / 230.0 * 11_000.0)
    assert out.events is GridEvent.UNDER_VOLTAGE
    assert at(it, 209.0, wanted=0.0).reactive_var < 0.0, "until the recovery limit"
    assert at(it, 211.0, wanted=0.0).reactive_var == 0.0
    assert at(it, 100.0, wanted=0.0).reactive_var == 0.0, "beyond the stop limit"
    assert at(it, 260.0, wanted=0.0).reactive_var == pytest.approx(2.0 * 30.0 / 230.0 * 11_000.0)


def test_functions_within_a_mask_and_the_mask_of_functions() -> None:
    code = IecGridCode(
        over_frequency_watt=OVER,
        volt_var=VOLT_VAR,
        dc_injection_a=0.05,
        set_points=IecFunction.DSO_Q_SET_POINT,
    )
    assert code.functions == 0b1_0100_1001
    assert code.within(code.functions) == code
    assert code.within(0b1000).functions == 0b1000
    assert code.within(0) == IecGridCode()
    both = DsoSetPoint(maximum_discharge_w=1.0, reactive_var=2.0)
    assert both.within(0) == DsoSetPoint(maximum_discharge_w=1.0)
    assert both.within(1 << 6) == both


@pytest.mark.parametrize(
    "make",
    [
        lambda: IecGridCode(volt_var=VOLT_VAR, watt_var=VOLT_VAR),
        lambda: IecGridCode(watt_var=VOLT_VAR),
        lambda: IecGridCode(volt_watt=VOLT_VAR),  # type: ignore[arg-type]
        lambda: IecGridCode(set_points=IecFunction.VOLT_VAR),
        lambda: IecGridCode(over_frequency_watt=UNDER),
        lambda: IecGridCode(dc_injection_a=math.nan),
        lambda: VoltWatt(start_v=240.0, stop_v=240.0),
        ZeroCurrent,
        lambda: ZeroCurrent(over_v=100.0, under_v=200.0),
        lambda: DsoSetPoint(reactive_var=1.0, cos_phi=0.9),
        lambda: DsoSetPoint(cos_phi=1.1),
        lambda: DsoSetPoint(maximum_discharge_w=-1.0),
        lambda: FrequencyWatt(start_hz=50.2, stop_hz=50.1, slope_percent_per_hz=1.0, delay_s=70_000),
        lambda: RideThrough(start_v=-1.0),
        lambda: CurveFunction(curve=VOLT_VAR.curve, lock_unit="K"),
    ],
)
def test_what_is_no_function_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()
