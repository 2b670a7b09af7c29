"""Grid functions between their values and the elements of both AC_DER services: each field
reaches the other side, what is not set is not sent, and zero has no sign.

Both ways are judged against the element itself and not only against each other, since two mistakes of one
kind would hide in a round trip.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from iso15118.energy.curves import Curve, Response
from iso15118.energy.grid_functions import (
    CurveFunction,
    DsoSetPoint,
    FrequencyWatt,
    IecFunction,
    IecGridCode,
    RideThrough,
    VoltWatt,
)
from iso15118.energy.sae_functions import ConstantPower, SaeGridCode
from iso15118.messages.iso20 import ac_der_iec as iec
from iso15118.messages.values import ReactiveSign, rational, si
from iso15118.session import der_iec, der_sae
from iso15118.simulation import european, north_american

SIGNS = list(ReactiveSign)
MINUS = next(one for one in ReactiveSign if one.value < 0)
PLUS = next(one for one in ReactiveSign if one.value > 0)


def unsigned(value: float) -> bool:
    return value != 0.0 or math.copysign(1.0, value) > 0.0


def replaced(code: IecGridCode, **fields: Any) -> IecGridCode:
    return IecGridCode(**({name: getattr(code, name) for name in code.__struct_fields__} | fields))


def told(code: IecGridCode, sign: ReactiveSign = PLUS) -> iec.DERControl:
    return der_iec.control(code, sign)


def read(control: iec.DERControl, sign: ReactiveSign = PLUS) -> IecGridCode:
    code, problems = der_iec.read_control(control, sign)
    assert problems == ()
    return code


# -- AC_DER_IEC


def frequency(**fields: Any) -> FrequencyWatt:
    return FrequencyWatt(**({"start_hz": 50.2, "stop_hz": 50.1, "slope_percent_per_hz": 40.0} | fields))


def test_delays_of_a_frequency_function_are_sent_where_there_are_any() -> None:
    def element(function: FrequencyWatt) -> iec.FrequencyWatt:
        support = told(IecGridCode(over_frequency_watt=function)).active_power_support
        assert support is not None
        assert support.over_frequency_watt is not None
        return support.over_frequency_watt

    none = element(frequency())
    assert none.intentional_delay_fstop is None
    assert none.deactivation_time is None
    assert none.intentional_delay_power_control is None
    some = element(frequency(stop_delay_s=1, deactivation_s=2, delay_s=3))
    assert some.intentional_delay_fstop == 1
    assert some.deactivation_time == 2
    assert some.intentional_delay_power_control == 3
    for one in (frequency(), frequency(stop_delay_s=1, deactivation_s=2, delay_s=3)):
        assert read(told(IecGridCode(over_frequency_watt=one))).over_frequency_watt == one


@pytest.mark.parametrize("delay_s", [0, 1, 7])
def test_the_delay_of_volt_watt(delay_s: int) -> None:
    code = IecGridCode(volt_watt=VoltWatt(start_v=250.0, stop_v=260.0, delay_s=delay_s))
    support = told(code).active_power_support
    assert support is not None
    assert support.volt_watt is not None
    assert support.volt_watt.intentional_delay_power_control == (delay_s or None)
    assert read(told(code)).volt_watt == code.volt_watt


def volt_var(**fields: Any) -> IecGridCode:
    curve = Curve(points=((210.0, -900.0), (225.0, 0.0), (250.0, 900.0)), x_unit="V", y_unit="var")
    return IecGridCode(volt_var=CurveFunction(curve=curve, **fields))


def element_of(code: IecGridCode, sign: ReactiveSign = PLUS) -> iec.DERCurve:
    support = told(code, sign).reactive_power_support
    assert support is not None
    found = support.volt_var or support.watt_cos_phi
    assert found is not None
    return found


@pytest.mark.parametrize("sign", SIGNS)
def test_points_of_reactive_power_have_the_sign_of_the_setting_and_zero_has_none(sign: ReactiveSign) -> None:
    points = element_of(volt_var(), sign).curve_data_points.curve_data_point
    assert [si(one.y_value.setpoint_value) for one in points] == [
        -900.0 * sign.value,
        0.0,
        900.0 * sign.value,
    ]
    assert all(one.y_value.excitation is None for one in points)
    function = read(told(volt_var(), sign), sign).volt_var
    assert function is not None
    assert function.curve.points == ((210.0, -900.0), (225.0, 0.0), (250.0, 900.0))
    assert all(unsigned(y) for _, y in function.curve.points)


@pytest.mark.parametrize("delay_s", [0.0, 0.5, 2.0])
def test_the_delay_of_a_curve(delay_s: float) -> None:
    delay = element_of(volt_var(delay_s=delay_s)).intentional_delay
    assert (None if delay is None else si(delay)) == (delay_s or None)
    function = read(told(volt_var(delay_s=delay_s))).volt_var
    assert function is not None
    assert function.delay_s == delay_s


def cos_phi(*points: tuple[float, float], over: tuple[bool, ...] = ()) -> IecGridCode:
    curve = Curve(points=points, x_unit="W", y_unit="W", over_excited=over)
    return IecGridCode(watt_cos_phi=CurveFunction(curve=curve))


def test_power_factors_are_under_excited_where_nothing_is_said_and_have_no_sign() -> None:
    code = cos_phi((0.0, 1.0), (5000.0, 0.9))
    for sign in SIGNS:
        points = element_of(code, sign).curve_data_points.curve_data_point
        assert [one.y_value.excitation for one in points] == [iec.PowerFactorExcitation.UnderExcited] * 2
        assert [si(one.y_value.setpoint_value) for one in points] == [1.0, 0.9]
    mixed = cos_phi((0.0, 1.0), (5000.0, 0.9), over=(False, True))
    points = element_of(mixed).curve_data_points.curve_data_point
    assert points[0].y_value.excitation is iec.PowerFactorExcitation.UnderExcited
    assert points[1].y_value.excitation is iec.PowerFactorExcitation.OverExcited
    assert read(told(mixed)).watt_cos_phi == mixed.watt_cos_phi


@pytest.mark.parametrize(("factor", "good"), [(0.0, True), (1.0, True), (1.01, False), (-0.01, False)])
def test_a_power_factor_is_from_0_to_1(factor: float, good: bool) -> None:
    control = told(cos_phi((0.0, 1.0), (5000.0, 0.5)))
    support = control.reactive_power_support
    assert support is not None
    assert support.watt_cos_phi is not None
    first, last = support.watt_cos_phi.curve_data_points.curve_data_point
    value = msgspec.structs.replace(last.y_value, setpoint_value=rational(factor))
    last = msgspec.structs.replace(last, y_value=value)
    curve = msgspec.structs.replace(
        support.watt_cos_phi, curve_data_points=iec.CurveDataPointsList(curve_data_point=(first, last))
    )
    support = msgspec.structs.replace(support, watt_cos_phi=curve)
    code, problems = der_iec.read_control(
        msgspec.structs.replace(control, reactive_power_support=support), PLUS
    )
    assert (code.watt_cos_phi is not None) is good
    assert [one.partition(":")[0] for one in problems] == ([] if good else ["WattCosPhi"])


@pytest.mark.parametrize(("positive", "negative"), [(0.0, 0.0), (2.0, 0.0), (0.0, 3.5), (2.0, 3.5)])
def test_both_factors_of_a_ride_through(positive: float, negative: float) -> None:
    function = RideThrough(start_v=200.0, k_positive=positive, k_negative=negative)
    assert read(told(IecGridCode(under_voltage_ride_through=function))).under_voltage_ride_through == function
    element = told(IecGridCode(under_voltage_ride_through=function)).undervoltage_fault_ride_through
    assert element is not None
    bare = msgspec.structs.replace(
        element,
        voltage_ride_through_positive_curve_k_factor=None,
        voltage_ride_through_negative_curve_k_factor=None,
    )
    code = read(iec.DERControl(undervoltage_fault_ride_through=bare))
    assert code.under_voltage_ride_through == RideThrough(start_v=200.0)


def test_a_code_of_nothing_tells_nothing() -> None:
    assert told(IecGridCode()) == iec.DERControl()
    assert read(iec.DERControl()) == IecGridCode()
    assert der_iec.read_control(iec.DERControl(), PLUS, islanded=True)[0] == IecGridCode(islanded=True)


# -- set points of the operator


class Mode:
    """What a charge-loop response says of set points, with or without twins for L2 and L3."""

    def __init__(self, **fields: Any) -> None:
        for name in ("dso_maximum_discharge_power", "dsoq_setpoint", "dso_cos_phi_setpoint"):
            setattr(self, name, fields.pop(name, None))
        self.dso_maximum_discharge_power_l2 = fields.pop("l2", None)
        self.dso_maximum_discharge_power_l3 = fields.pop("l3", None)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("var", [900.0, 0.0, -900.0])
def test_a_reactive_set_point_has_the_sign_of_the_setting(sign: ReactiveSign, var: float) -> None:
    fields = der_iec.set_point(DsoSetPoint(reactive_var=var), sign)
    assert si(fields["dsoq_setpoint"].dsoq_setpoint_value) == sign.value * var
    found, problems = der_iec.read_set_point(Mode(**fields), 1, sign)
    assert problems == ()
    assert found.reactive_var == var
    assert found.reactive_var is not None
    assert unsigned(found.reactive_var)


def test_of_two_set_points_the_power_counts_and_the_factor_is_told_to_be_left_out() -> None:
    lag = Response(time_s=3.0, first_order=False)
    var = der_iec.set_point(DsoSetPoint(reactive_var=900.0, response=lag), PLUS)
    factor = der_iec.set_point(DsoSetPoint(cos_phi=0.9, over_excited=True, response=lag), PLUS)
    both, problems = der_iec.read_set_point(Mode(**(var | factor)), 1, PLUS)
    assert both == DsoSetPoint(reactive_var=900.0, response=lag)
    assert problems == ("DSOCosPhiSetpoint: there is a DSOQSetpoint, too",)
    alone, problems = der_iec.read_set_point(Mode(**factor), 1, PLUS)
    assert alone == DsoSetPoint(cos_phi=0.9, over_excited=True, response=lag)
    assert problems == ()
    one, problems = der_iec.read_set_point(Mode(**var), 1, PLUS)
    assert one == DsoSetPoint(reactive_var=900.0, response=lag)
    assert problems == ()
    assert der_iec.read_set_point(Mode(), 1, PLUS) == (DsoSetPoint(), ())


@pytest.mark.parametrize(
    ("phases", "l2", "l3", "total"),
    [(1, None, None, 1000.0), (1, 500.0, 250.0, 1000.0), (3, None, None, 1000.0), (3, 500.0, 250.0, 1750.0)],
)
def test_a_cap_is_the_sum_of_its_phases(
    phases: int, l2: float | None, l3: float | None, total: float
) -> None:
    mode = Mode(
        dso_maximum_discharge_power=rational(1000.0),
        l2=None if l2 is None else rational(l2),
        l3=None if l3 is None else rational(l3),
    )
    found, problems = der_iec.read_set_point(mode, phases, PLUS)
    assert problems == ()
    assert found.maximum_discharge_w == total


# -- AC_DER_SAE


@pytest.mark.parametrize("sign", SIGNS)
def test_zero_has_no_sign_in_the_other_service_either(sign: ReactiveSign) -> None:
    code = north_american()
    back = der_sae.read_control(der_sae.control(code, sign), der_sae.grid_limits(code), sign)
    assert all(unsigned(y) for curve in (back.volt_var, back.watt_var) for _, y in curve.curve.points)
    assert unsigned(back.constant_var.set_point)


@pytest.mark.parametrize("sign", SIGNS)
def test_reactive_power_of_the_other_service_has_the_sign_of_the_setting(sign: ReactiveSign) -> None:
    code = sae(constant_var=ConstantPower(enable=True, set_point=700.0, unit="var"))
    support = der_sae.control(code, sign).reactive_power_support_cpd_res
    assert si(support.constant_var.var_setpoint) == 700.0 * sign.value
    points = support.volt_var.curve_data_points.curve_data_point
    assert [si(one.y_value) for one in points] == [-44.0 * sign.value, 0.0, 0.0, 44.0 * sign.value]


def sae(**fields: Any) -> SaeGridCode:
    code = north_american()
    return SaeGridCode(**({name: getattr(code, name) for name in code.__struct_fields__} | fields))


def test_the_voltage_of_the_site_is_told_without_an_offset() -> None:
    limits = der_sae.grid_limits(north_american())
    assert si(limits.grid_nominal_voltage) == 240.0
    assert si(limits.grid_nominal_voltage_offset) == 0.0
    assert si(limits.grid_maximum_voltage) > 240.0 > si(limits.grid_minimum_voltage)


def changed(**fields: Any) -> tuple[Any, SaeGridCode]:
    before = north_american()
    return der_sae.changes(sae(**fields), before, PLUS), before


def test_of_a_code_that_stays_only_the_permission_is_told() -> None:
    same, before = changed()
    assert same.enter_service_cl_res.permit_service is True
    assert same.enter_service_cl_res.enter_service_delay is None
    bare = msgspec.structs.replace(same, enter_service_cl_res=None)
    assert all(getattr(bare, name) is None for name in bare.__struct_fields__)
    assert der_sae.read_changes(same, before, PLUS) == (before, ())
    assert der_sae.changes(before, None, PLUS) == same


def test_what_has_changed_is_told_by_itself() -> None:
    enter = north_american().enter_service
    trips = north_american().frequency_trip
    news_of: list[tuple[str, Any]] = [
        ("enter_service", msgspec.structs.replace(enter, delay_s=enter.delay_s + 1.0)),
        ("enter_service", msgspec.structs.replace(enter, permit=False)),
        ("frequency_trip", msgspec.structs.replace(trips, over_may=trips.over)),
        ("constant_var", ConstantPower(enable=True, set_point=700.0, unit="var")),
    ]
    for name, value in news_of:
        news, before = changed(**{name: value})
        assert der_sae.read_changes(news, before, PLUS) == (sae(**{name: value}), ())
        assert (news.frequency_trip is not None) is (name == "frequency_trip")
        permitted = news.enter_service_cl_res
        assert (permitted.enter_service_delay is not None) is (
            name == "enter_service" and value.permit  # a permission alone is a word of its own
        )


def test_a_band_that_makes_no_sense_leaves_the_permission_that_was_told() -> None:
    enter = north_american().enter_service
    news, before = changed(enter_service=msgspec.structs.replace(enter, permit=False, delay_s=9.0))
    broken = msgspec.structs.replace(
        news.enter_service_cl_res, enter_service_voltage_low=rational(enter.high_v + 50.0)
    )
    code, problems = der_sae.read_changes(
        msgspec.structs.replace(news, enter_service_cl_res=broken), before, PLUS
    )
    assert code == sae(enter_service=msgspec.structs.replace(enter, permit=False))
    assert len(problems) == 1
    assert problems[0].startswith("enter_service: ")


def test_a_curve_that_makes_no_sense_leaves_the_permission_alone() -> None:
    news, before = changed(constant_var=ConstantPower(enable=True, set_point=700.0, unit="var"))
    support = news.reactive_power_support_cl_res
    broken = msgspec.structs.replace(support.constant_var, priority=-1, var_setpoint=rational(1e12))
    support = msgspec.structs.replace(support, constant_var=broken)
    enter = msgspec.structs.replace(news.enter_service_cl_res, permit_service=False)
    news = msgspec.structs.replace(news, reactive_power_support_cl_res=support, enter_service_cl_res=enter)
    code, problems = der_sae.read_changes(news, before, PLUS)
    assert [one.partition(":")[0] for one in problems] == ["constant_var"]
    assert code == sae(enter_service=msgspec.structs.replace(before.enter_service, permit=False))


def test_a_curve_without_a_response_time_has_none() -> None:
    code = north_american()
    control = der_sae.control(code, PLUS)
    support = control.active_power_support_cpd_res
    watt = msgspec.structs.replace(support.volt_watt, open_loop_response_time=None)
    support = msgspec.structs.replace(support, volt_watt=watt)
    control = msgspec.structs.replace(control, active_power_support_cpd_res=support)
    back = der_sae.read_control(control, der_sae.grid_limits(code), PLUS)
    assert back.volt_watt.open_loop_s == 0.0 != code.volt_watt.open_loop_s


def test_what_is_told_has_no_set_points() -> None:
    assert read(told(european())) == replaced(european(), set_points=IecFunction(0))
