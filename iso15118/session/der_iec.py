"""The functions of AC_DER_IEC between their values (``energy.grid_functions``) and the
elements of its messages, both ways.

What cannot be read is named and left out: a function that makes no sense is never followed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from iso15118.energy.curves import Curve, Response
from iso15118.energy.grid_functions import (
    CurveFunction,
    DsoSetPoint,
    FrequencyWatt,
    IecGridCode,
    PowerReference,
    RideThrough,
    VoltWatt,
    ZeroCurrent,
)
from iso15118.errors import ConfigError
from iso15118.messages.iso20 import ac_der_iec as iec
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.values import ReactiveSign, floor_rational, rational, si

__all__ = ["control", "read_control", "read_set_point", "set_point"]

T = TypeVar("T")
Read = tuple[IecGridCode, tuple[str, ...]]

_MAXIMUM = iec.PowerReference.MaximumDischargePower
_OVER, _UNDER = iec.PowerFactorExcitation.OverExcited, iec.PowerFactorExcitation.UnderExcited
_COS_PHI_UNIT = iec.CurveDataPointsUnit.W
"""A power factor has no unit, and the list of units has none for it: any is read."""


def _maybe(value: float | None) -> RationalNumber | None:
    return None if value is None else rational(value)


def _number(value: RationalNumber | None) -> float | None:
    return None if value is None else si(value)


# -- from values to elements -------------------------------------------------------------------------------


def control(code: IecGridCode, sign: ReactiveSign) -> iec.DERControl:
    """All that a vehicle is told before the charge; ``sign``: of reactive power on the wire."""
    active = iec.ActivePowerSupport(
        under_frequency_watt=_frequency_watt(code.under_frequency_watt),
        over_frequency_watt=_frequency_watt(code.over_frequency_watt),
        volt_watt=_volt_watt(code.volt_watt),
    )
    reactive = iec.ReactivePowerSupport(
        volt_var=_curve(code.volt_var, sign),
        watt_var=_curve(code.watt_var, sign),
        watt_cos_phi=_curve(code.watt_cos_phi, sign, factor=True),
    )
    return iec.DERControl(
        overvoltage_fault_ride_through=_ride_through(code.over_voltage_ride_through),
        undervoltage_fault_ride_through=_ride_through(code.under_voltage_ride_through),
        zero_current=_zero_current(code.zero_current),
        reactive_power_support=None if reactive == iec.ReactivePowerSupport() else reactive,
        active_power_support=None if active == iec.ActivePowerSupport() else active,
        maximum_level_dc_injection=_maybe(code.dc_injection_a),
    )


def _frequency_watt(function: FrequencyWatt | None) -> iec.FrequencyWatt | None:
    if function is None:
        return None
    momentary = function.reference is PowerReference.MOMENTARY
    return iec.FrequencyWatt(
        fstart=rational(function.start_hz),
        fstop=rational(function.stop_hz),
        intentional_delay_fstop=function.stop_delay_s or None,
        slope=rational(function.slope_percent_per_hz),
        deactivation_time=function.deactivation_s or None,
        intentional_delay_power_control=function.delay_s or None,
        power_reference=iec.PowerReference.MomentaryPower if momentary else _MAXIMUM,
        hysteresis_control=function.hysteresis,
        power_up_ramp=function.power_up_percent_per_min,
        pt1_response_active_power=function.response.first_order,
        step_response_time_constant_active_power=rational(function.response.time_s),
    )


def _volt_watt(function: VoltWatt | None) -> iec.VoltWatt | None:
    if function is None:
        return None
    momentary = function.reference is PowerReference.MOMENTARY
    return iec.VoltWatt(
        power_reference=iec.PowerReference.MomentaryPower if momentary else _MAXIMUM,
        u_start=rational(function.start_v),
        u_stop=rational(function.stop_v),
        pt1_response_active_power=function.response.first_order,
        step_response_time_constant_active_power=rational(function.response.time_s),
        intentional_delay_power_control=function.delay_s or None,
    )


def _curve(
    function: CurveFunction | None, sign: ReactiveSign, *, factor: bool = False
) -> iec.DERCurve | None:
    if function is None:
        return None
    curve = function.curve
    excited = curve.over_excited or (False,) * len(curve.points)
    points = tuple(
        iec.DataTuple(
            x_value=rational(x),
            y_value=iec.SetpointExcitation(
                setpoint_value=rational(y if factor else sign.value * y),
                excitation=(_OVER if over else _UNDER) if factor else None,
            ),
        )
        for (x, y), over in zip(curve.points, excited, strict=True)
    )
    return iec.DERCurve(
        x_unit=iec.CurveDataPointsUnit(curve.x_unit),
        y_unit=_COS_PHI_UNIT if factor else iec.CurveDataPointsUnit(curve.y_unit),
        curve_data_points=iec.CurveDataPointsList(curve_data_point=points),
        min_cos_phi=_maybe(function.minimum_cos_phi),
        lock_value_unit=None if function.lock_unit is None else iec.LockValueUnit(function.lock_unit),
        lock_in_value=_maybe(function.lock_in),
        lock_out_value=_maybe(function.lock_out),
        pt1_response_reactive_power=function.response.first_order,
        step_response_time_constant_reactive_power=rational(function.response.time_s),
        intentional_delay=rational(function.delay_s) if function.delay_s else None,
    )


def _zero_current(function: ZeroCurrent | None) -> iec.ZeroCurrent | None:
    if function is None:
        return None
    return iec.ZeroCurrent(
        over_voltage_limit=_maybe(function.over_v),
        under_voltage_limit=_maybe(function.under_v),
        over_voltage_recovery_limit=_maybe(function.over_recovery_v),
        under_voltage_recovery_limit=_maybe(function.under_recovery_v),
        **_both(function.active, function.reactive),
    )


def _ride_through(function: RideThrough | None) -> iec.FaultRideThrough | None:
    if function is None:
        return None
    return iec.FaultRideThrough(
        voltage_limit_start_frt=rational(function.start_v),
        voltage_limit_stop_frt=_maybe(function.stop_v),
        voltage_recovery_limit=_maybe(function.recovery_v),
        voltage_ride_through_positive_curve_k_factor=rational(function.k_positive),
        voltage_ride_through_negative_curve_k_factor=rational(function.k_negative),
        **_both(function.active, function.reactive),
    )


def _both(active: Response, reactive: Response) -> dict[str, Any]:
    return {
        "pt1_response_active_power": active.first_order,
        "step_response_time_constant_active_power": rational(active.time_s),
        "pt1_response_reactive_power": reactive.first_order,
        "step_response_time_constant_reactive_power": rational(reactive.time_s),
    }


def set_point(value: DsoSetPoint, sign: ReactiveSign) -> dict[str, Any]:
    """The fields of a charge-loop response that say what the operator wants; powers are sums of all
    phases. A cap is rounded down."""
    fields: dict[str, Any] = {}
    if value.maximum_discharge_w is not None:
        fields["dso_maximum_discharge_power"] = floor_rational(value.maximum_discharge_w)
    lag: dict[str, Any] = {
        "pt1_response_reactive_power": value.response.first_order,
        "step_response_time_constant_reactive_power": rational(value.response.time_s),
    }
    if value.reactive_var is not None:
        var = rational(sign.value * value.reactive_var)
        fields["dsoq_setpoint"] = iec.DSOQSetpoint(dsoq_setpoint_value=var, **lag)
    if value.cos_phi is not None:
        fields["dso_cos_phi_setpoint"] = iec.DSOCosPhiSetpoint(
            dso_cos_phi_setpoint_value=rational(value.cos_phi),
            excitation=_OVER if value.over_excited else _UNDER,
            **lag,
        )
    return fields


# -- from elements to values -------------------------------------------------------------------------------


def read_control(told: iec.DERControl, sign: ReactiveSign, *, islanded: bool = False) -> Read:
    """What a vehicle was told, and why parts of it were left out, in words."""
    problems: list[str] = []

    def take(name: str, element: Any, make: Callable[[Any], T]) -> T | None:
        if element is None:
            return None
        try:
            return make(element)
        except ConfigError as error:
            problems.append(f"{name}: {error}")
            return None

    active = told.active_power_support or iec.ActivePowerSupport()
    reactive = told.reactive_power_support or iec.ReactivePowerSupport()
    found: dict[str, Any] = {
        "over_frequency_watt": take("OverFrequencyWatt", active.over_frequency_watt, _read_frequency),
        "under_frequency_watt": take("UnderFrequencyWatt", active.under_frequency_watt, _read_frequency),
        "volt_watt": take("VoltWatt", active.volt_watt, _read_volt_watt),
        "volt_var": take("VoltVar", reactive.volt_var, lambda one: _read_curve(one, sign)),
        "watt_var": take("WattVar", reactive.watt_var, lambda one: _read_curve(one, sign)),
        "watt_cos_phi": take("WattCosPhi", reactive.watt_cos_phi, lambda one: _read_curve(one, None)),
        "zero_current": take("ZeroCurrent", told.zero_current, _read_zero_current),
        "over_voltage_ride_through": take(
            "OvervoltageFaultRideThrough", told.overvoltage_fault_ride_through, _read_ride_through
        ),
        "under_voltage_ride_through": take(
            "UndervoltageFaultRideThrough", told.undervoltage_fault_ride_through, _read_ride_through
        ),
        "dc_injection_a": _number(told.maximum_level_dc_injection),
    }
    code = IecGridCode(islanded=islanded)
    # One by one: a function that does not go with the others, or has axes of its own, falls out alone.
    for name, value in found.items():
        if value is None:
            continue
        try:
            code = IecGridCode(
                **({one: getattr(code, one) for one in code.__struct_fields__} | {name: value})
            )
        except ConfigError as error:
            problems.append(f"{name}: {error}")
    return code, tuple(problems)


def _read_frequency(told: iec.FrequencyWatt) -> FrequencyWatt:
    return FrequencyWatt(
        start_hz=si(told.fstart),
        stop_hz=si(told.fstop),
        slope_percent_per_hz=abs(si(told.slope)),  # its sign says what its name says already
        reference=PowerReference.MAXIMUM if told.power_reference is _MAXIMUM else PowerReference.MOMENTARY,
        hysteresis=told.hysteresis_control,
        delay_s=told.intentional_delay_power_control or 0,
        stop_delay_s=told.intentional_delay_fstop or 0,
        deactivation_s=told.deactivation_time or 0,
        power_up_percent_per_min=told.power_up_ramp,
        response=_lag(told.pt1_response_active_power, told.step_response_time_constant_active_power),
    )


def _read_volt_watt(told: iec.VoltWatt) -> VoltWatt:
    return VoltWatt(
        start_v=si(told.u_start),
        stop_v=si(told.u_stop),
        reference=PowerReference.MAXIMUM if told.power_reference is _MAXIMUM else PowerReference.MOMENTARY,
        delay_s=told.intentional_delay_power_control or 0,
        response=_lag(told.pt1_response_active_power, told.step_response_time_constant_active_power),
    )


def _read_curve(told: iec.DERCurve, sign: ReactiveSign | None) -> CurveFunction:
    """``sign`` None: y is a power factor, whose direction is its excitation."""
    points = told.curve_data_points.curve_data_point
    factor = sign is None
    values = tuple((si(one.x_value), _y(si(one.y_value.setpoint_value), sign)) for one in points)
    if factor and any(not 0.0 <= y <= 1.0 for _, y in values):
        raise ConfigError("points.y", "a power factor beyond 1", "0 to 1")
    return CurveFunction(
        curve=Curve(
            points=values,
            x_unit=told.x_unit.value,
            y_unit="W" if factor else told.y_unit.value,
            over_excited=tuple(one.y_value.excitation is _OVER for one in points) if factor else (),
        ),
        minimum_cos_phi=_number(told.min_cos_phi),
        lock_unit=None if told.lock_value_unit is None else told.lock_value_unit.value,
        lock_in=_number(told.lock_in_value),
        lock_out=_number(told.lock_out_value),
        delay_s=_number(told.intentional_delay) or 0.0,
        response=_lag(told.pt1_response_reactive_power, told.step_response_time_constant_reactive_power),
    )


def _y(value: float, sign: ReactiveSign | None) -> float:
    return value if sign is None else sign.value * value + 0.0


def _read_zero_current(told: iec.ZeroCurrent) -> ZeroCurrent:
    return ZeroCurrent(
        over_v=_number(told.over_voltage_limit),
        under_v=_number(told.under_voltage_limit),
        over_recovery_v=_number(told.over_voltage_recovery_limit),
        under_recovery_v=_number(told.under_voltage_recovery_limit),
        active=_lag(told.pt1_response_active_power, told.step_response_time_constant_active_power),
        reactive=_lag(told.pt1_response_reactive_power, told.step_response_time_constant_reactive_power),
    )


def _read_ride_through(told: iec.FaultRideThrough) -> RideThrough:
    return RideThrough(
        start_v=si(told.voltage_limit_start_frt),
        stop_v=_number(told.voltage_limit_stop_frt),
        recovery_v=_number(told.voltage_recovery_limit),
        k_positive=_number(told.voltage_ride_through_positive_curve_k_factor) or 0.0,
        k_negative=_number(told.voltage_ride_through_negative_curve_k_factor) or 0.0,
        active=_lag(told.pt1_response_active_power, told.step_response_time_constant_active_power),
        reactive=_lag(told.pt1_response_reactive_power, told.step_response_time_constant_reactive_power),
    )


def _lag(first_order: bool, seconds: RationalNumber) -> Response:
    return Response(time_s=si(seconds), first_order=first_order)


def read_set_point(mode: Any, phases: int, sign: ReactiveSign) -> tuple[DsoSetPoint, tuple[str, ...]]:
    """What the operator wants by a charge-loop response, and what of it was left out."""
    problems: list[str] = []
    made = DsoSetPoint()
    cap = _sum(mode, "dso_maximum_discharge_power", phases)
    var, factor = mode.dsoq_setpoint, mode.dso_cos_phi_setpoint
    if var is not None and factor is not None:
        problems.append("DSOCosPhiSetpoint: there is a DSOQSetpoint, too")
        factor = None
    try:
        if cap is not None:
            made = DsoSetPoint(maximum_discharge_w=abs(cap))
        if var is not None:
            wanted = _sum(var, "dsoq_setpoint_value", phases) or 0.0
            lag = _lag(var.pt1_response_reactive_power, var.step_response_time_constant_reactive_power)
            made = DsoSetPoint(
                maximum_discharge_w=made.maximum_discharge_w,
                reactive_var=sign.value * wanted + 0.0,
                response=lag,
            )
        if factor is not None:
            lag = _lag(factor.pt1_response_reactive_power, factor.step_response_time_constant_reactive_power)
            made = DsoSetPoint(
                maximum_discharge_w=made.maximum_discharge_w,
                cos_phi=si(factor.dso_cos_phi_setpoint_value),
                over_excited=factor.excitation is _OVER,
                response=lag,
            )
    except ConfigError as error:
        problems.append(str(error))
    return made, tuple(problems)


def _sum(element: Any, name: str, phases: int) -> float | None:
    """A power of all phases: one sum, or one value per phase where there are twins."""
    base = getattr(element, name)
    if base is None:
        return None
    twins = (getattr(element, f"{name}_l2"), getattr(element, f"{name}_l3")) if phases == 3 else ()
    return si(base) + sum(si(one) for one in twins if one is not None)
