"""The grid code of AC_DER_SAE between its value (``energy.sae_functions``) and the
elements of its messages, both ways.

Before the charge all of it is told; in the loop only what has changed, and a vehicle puts the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from iso15118.energy.curves import Curve
from iso15118.energy.grid_functions import PowerReference
from iso15118.energy.sae_functions import (
    ConstantPower,
    ConstantPowerFactor,
    CurveMode,
    Droop,
    EnterService,
    FrequencyDroop,
    FrequencyTrip,
    LimitDischarge,
    SaeGridCode,
    TripCurve,
    VoltageTrip,
    VoltVarMode,
)
from iso15118.errors import ConfigError
from iso15118.messages.iso20 import ac_der_sae as sae
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.values import ReactiveSign, rational, si

__all__ = ["changes", "control", "grid_limits", "read_changes", "read_control"]

_OVER, _UNDER = sae.PowerFactorExcitation.OverExcited, sae.PowerFactorExcitation.UnderExcited
_UNITS: dict[str, sae.DerUnit] = {
    "V": sae.DerUnit.V,
    "Hz": sae.DerUnit.Hz,
    "W": sae.DerUnit.W,
    "s": sae.DerUnit.s,
    "var": sae.DerUnit.var,
    "%V": sae.DerUnit.PercentageV,
    "%W": sae.DerUnit.PercentageEVMaximumConfiguredActivePower,
    "%var": sae.DerUnit.PercentageEVMaximumConfiguredReactivePower,
    "%VA": sae.DerUnit.PercentageEVMaximumConfiguredApparentPower,
    "%W now": sae.DerUnit.PercentageEVMaximumAvailableActivePower,
    "%var now": sae.DerUnit.PercentageEVMaximumAvailableReactivePower,
}
_NAMES = {unit: name for name, unit in _UNITS.items()}
_REACTIVE = ("var", "%var", "%VA", "%var now")


# -- from values to elements -------------------------------------------------------------------------------


def control(code: SaeGridCode, sign: ReactiveSign) -> sae.DERControlCPDRes:
    """All of it, before the charge."""
    enter = code.enter_service
    return sae.DERControlCPDRes(
        voltage_trip=_voltage_trip(code.voltage_trip),
        frequency_trip=_frequency_trip(code.frequency_trip),
        enter_service_cpd_res=sae.EnterServiceCPDRes(permit_service=enter.permit, **_enter(enter)),
        reactive_power_support_cpd_res=sae.ReactivePowerSupportCPDRes(
            constant_power_factor=_power_factor(code.constant_power_factor),
            volt_var=_volt_var(code.volt_var, sign),
            watt_var=_watt_var(code.watt_var, sign),
            constant_var=_constant_var(code.constant_var, sign),
        ),
        active_power_support_cpd_res=sae.ActivePowerSupportCPDRes(
            frequency_droop=_droop(code.frequency_droop),
            volt_watt=_volt_watt(code.volt_watt),
            constant_watt=_constant_watt(code.constant_watt),
            limit_max_discharge_power=_limit(code.limit_max_discharge),
        ),
    )


def changes(code: SaeGridCode, before: SaeGridCode | None, sign: ReactiveSign) -> sae.DERControlCLRes:
    """What is told in a turn of the loop: the permission always, anything else where it differs
    from ``before``, by itself."""

    def new(name: str) -> bool:
        return before is not None and getattr(code, name) != getattr(before, name)

    reactive = sae.ReactivePowerSupportCLRes(
        constant_power_factor=_power_factor(code.constant_power_factor)
        if new("constant_power_factor")
        else None,
        volt_var=_volt_var(code.volt_var, sign) if new("volt_var") else None,
        watt_var=_watt_var(code.watt_var, sign) if new("watt_var") else None,
        constant_var=_constant_var(code.constant_var, sign) if new("constant_var") else None,
    )
    active = sae.ActivePowerSupportCLRes(
        frequency_droop=_droop(code.frequency_droop) if new("frequency_droop") else None,
        volt_watt=_volt_watt(code.volt_watt) if new("volt_watt") else None,
        constant_watt=_constant_watt(code.constant_watt) if new("constant_watt") else None,
        limit_max_discharge_power=_limit(code.limit_max_discharge) if new("limit_max_discharge") else None,
    )
    enter = code.enter_service
    band = before is not None and msgspec.structs.replace(before.enter_service, permit=enter.permit) != enter
    return sae.DERControlCLRes(
        voltage_trip=_voltage_trip(code.voltage_trip) if new("voltage_trip") else None,
        frequency_trip=_frequency_trip(code.frequency_trip) if new("frequency_trip") else None,
        enter_service_cl_res=sae.EnterServiceCLRes(
            permit_service=enter.permit, **(_enter(enter) if band else {})
        ),
        reactive_power_support_cl_res=None if reactive == sae.ReactivePowerSupportCLRes() else reactive,
        active_power_support_cl_res=None if active == sae.ActivePowerSupportCLRes() else active,
    )


def grid_limits(code: SaeGridCode) -> sae.GridLimits:
    """Voltage and frequency of the site."""
    return sae.GridLimits(
        grid_nominal_frequency=rational(code.nominal_hz),
        grid_nominal_voltage=rational(code.nominal_v),
        grid_nominal_voltage_offset=rational(0.0),
        grid_maximum_voltage=rational(code.maximum_v),
        grid_minimum_voltage=rational(code.minimum_v),
    )


def _enter(enter: EnterService) -> dict[str, RationalNumber]:
    return {
        "enter_service_voltage_high": rational(enter.high_v),
        "enter_service_voltage_low": rational(enter.low_v),
        "enter_service_frequency_high": rational(enter.high_hz),
        "enter_service_frequency_low": rational(enter.low_hz),
        "enter_service_delay": rational(enter.delay_s),
        "enter_service_randomized_delay": rational(enter.randomized_delay_s),
        "enter_service_ramp_time": rational(enter.ramp_s),
    }


def _points(points: tuple[tuple[float, float], ...], sign: int = 1) -> sae.CurveDataPointsList:
    return sae.CurveDataPointsList(
        curve_data_point=tuple(
            sae.DataTuple(x_value=rational(x), y_value=rational(sign * y)) for x, y in points
        )
    )


def _trip(curve: TripCurve | None) -> sae.DERCurve | None:
    if curve is None:
        return None
    return sae.DERCurve(
        enable=curve.enable,
        x_unit=sae.DerUnit.s,
        y_unit=_UNITS[curve.unit],
        curve_data_points=_points(curve.points),
    )


def _voltage_trip(trip: VoltageTrip) -> sae.VoltageTrip:
    curves: dict[str, Any] = {
        "over_voltage_must_trip_curve": _trip(trip.over),
        "under_voltage_must_trip_curve": _trip(trip.under),
        "over_voltage_momentary_cessation_trip_curve": _trip(trip.over_cessation),
        "under_voltage_momentary_cessation_trip_curve": _trip(trip.under_cessation),
        "over_voltage_may_trip_curve": _trip(trip.over_may),
        "under_voltage_may_trip_curve": _trip(trip.under_may),
    }
    return sae.VoltageTrip(**curves)


def _frequency_trip(trip: FrequencyTrip) -> sae.FrequencyTrip:
    curves: dict[str, Any] = {
        "over_frequency_must_trip_curve": _trip(trip.over),
        "under_frequency_must_trip_curve": _trip(trip.under),
        "over_frequency_may_trip_curve": _trip(trip.over_may),
        "under_frequency_may_trip_curve": _trip(trip.under_may),
    }
    return sae.FrequencyTrip(**curves)


def _curve(mode: CurveMode | VoltVarMode, sign: ReactiveSign) -> dict[str, Any]:
    curve = mode.curve
    turned = sign.value if curve.y_unit in _REACTIVE else 1
    return {
        "enable": mode.enable,
        "priority": mode.priority,
        "x_unit": _UNITS[curve.x_unit],
        "y_unit": _UNITS[curve.y_unit],
        "curve_data_points": _points(curve.points, turned),
        "open_loop_response_time": rational(mode.open_loop_s),
        "time_constant_pt1": mode.time_constant_s,
    }


def _volt_var(mode: VoltVarMode, sign: ReactiveSign) -> sae.VoltVar:
    return sae.VoltVar(
        **_curve(mode, sign),
        reference_voltage=rational(mode.reference_v),
        autonomous_reference_voltage_adjustment_enable=mode.adjusts_reference,
        reference_voltage_adjustment_time_constant=mode.adjustment_s,
    )


def _watt_var(mode: CurveMode, sign: ReactiveSign) -> sae.WattVar:
    return sae.WattVar(**_curve(mode, sign))


def _volt_watt(mode: CurveMode) -> sae.VoltWatt:
    return sae.VoltWatt(**_curve(mode, ReactiveSign.ABSORBS))


def _power_factor(mode: ConstantPowerFactor) -> sae.ConstantPowerFactor:
    return sae.ConstantPowerFactor(
        enable=mode.enable,
        priority=mode.priority,
        power_factor_value=rational(mode.factor),
        power_factor_excitation=_OVER if mode.over_excited else _UNDER,
    )


def _constant_var(mode: ConstantPower, sign: ReactiveSign) -> sae.ConstantVar:
    return sae.ConstantVar(
        enable=mode.enable,
        priority=mode.priority,
        var_setpoint=rational(sign.value * mode.set_point),
        unit=_UNITS[mode.unit],
    )


def _constant_watt(mode: ConstantPower) -> sae.ConstantWatt:
    return sae.ConstantWatt(
        enable=mode.enable,
        priority=mode.priority,
        watt_setpoint=rational(mode.set_point),
        unit=_UNITS[mode.unit],
    )


def _droop(mode: FrequencyDroop) -> sae.FrequencyDroop:
    return sae.FrequencyDroop(
        enable=mode.enable,
        priority=mode.priority,
        over_frequency_droop=_side(mode.over),
        under_frequency_droop=_side(mode.under),
    )


def _side(side: Droop | None) -> sae.FrequencyDroopSettings | None:
    if side is None:
        return None
    momentary = side.reference is PowerReference.MOMENTARY
    return sae.FrequencyDroopSettings(
        db=rational(side.dead_band_hz),
        droop_factor=rational(side.factor),
        power_reference=sae.PowerReference.MomentaryPower
        if momentary
        else sae.PowerReference.MaximumActivePower,
        open_loop_response_time=rational(side.open_loop_s),
    )


def _limit(mode: LimitDischarge) -> sae.LimitMaxDischargePower:
    return sae.LimitMaxDischargePower(
        enable=mode.enable,
        priority=mode.priority,
        percentage_value=mode.percent,
        open_loop_response_time=None if mode.open_loop_s is None else rational(mode.open_loop_s),
    )


# -- from elements to values -------------------------------------------------------------------------------


def read_control(
    told: sae.DERControlCPDRes,
    limits: sae.GridLimits,
    sign: ReactiveSign,
    *,
    islanded: bool = False,
    forms_grid: bool = False,
) -> SaeGridCode:
    """The grid code that a vehicle was told. Raises ``ConfigError`` for one that makes no
    sense: half of one is none."""
    enter, reactive, active = (
        told.enter_service_cpd_res,
        told.reactive_power_support_cpd_res,
        told.active_power_support_cpd_res,
    )
    return SaeGridCode(
        nominal_v=si(limits.grid_nominal_voltage),
        nominal_hz=si(limits.grid_nominal_frequency),
        maximum_v=si(limits.grid_maximum_voltage),
        minimum_v=si(limits.grid_minimum_voltage),
        voltage_trip=_read_voltage_trip(told.voltage_trip),
        frequency_trip=_read_frequency_trip(told.frequency_trip),
        enter_service=_read_enter(enter, None),
        constant_power_factor=_read_power_factor(reactive.constant_power_factor),
        volt_var=_read_volt_var(reactive.volt_var, sign),
        watt_var=_read_curve_mode(reactive.watt_var, sign),
        constant_var=_read_constant_var(reactive.constant_var, sign),
        frequency_droop=_read_droop(active.frequency_droop),
        volt_watt=_read_curve_mode(active.volt_watt, sign),
        constant_watt=_read_constant_watt(active.constant_watt),
        limit_max_discharge=_read_limit(active.limit_max_discharge_power),
        islanded=islanded,
        forms_grid=forms_grid,
    )


def read_changes(
    told: sae.DERControlCLRes, before: SaeGridCode, sign: ReactiveSign
) -> tuple[SaeGridCode, tuple[str, ...]]:
    """The grid code from now on, and what of the changes was left out since it makes no
    sense: there the old one stays."""
    problems: list[str] = []
    code = before
    reactive = told.reactive_power_support_cl_res or sae.ReactivePowerSupportCLRes()
    active = told.active_power_support_cl_res or sae.ActivePowerSupportCLRes()
    blocks: tuple[tuple[str, Any, Callable[[Any], Any]], ...] = (
        ("voltage_trip", told.voltage_trip, _read_voltage_trip),
        ("frequency_trip", told.frequency_trip, _read_frequency_trip),
        ("enter_service", told.enter_service_cl_res, lambda one: _read_enter(one, before.enter_service)),
        ("constant_power_factor", reactive.constant_power_factor, _read_power_factor),
        ("volt_var", reactive.volt_var, lambda one: _read_volt_var(one, sign)),
        ("watt_var", reactive.watt_var, lambda one: _read_curve_mode(one, sign)),
        ("constant_var", reactive.constant_var, lambda one: _read_constant_var(one, sign)),
        ("frequency_droop", active.frequency_droop, _read_droop),
        ("volt_watt", active.volt_watt, lambda one: _read_curve_mode(one, sign)),
        ("constant_watt", active.constant_watt, _read_constant_watt),
        ("limit_max_discharge", active.limit_max_discharge_power, _read_limit),
    )
    for name, element, read in blocks:
        if element is None:
            continue
        try:
            value = read(element)
            if value != getattr(code, name):
                code = _replaced(code, name, value)
        except ConfigError as error:
            problems.append(f"{name}: {error}")
            if name == "enter_service":  # the permission is a word of its own
                enter = msgspec.structs.replace(
                    before.enter_service, permit=told.enter_service_cl_res.permit_service
                )
                code = _replaced(code, name, enter)
    return code, tuple(problems)


def _replaced(code: SaeGridCode, name: str, value: Any) -> SaeGridCode:
    """``structs.replace`` makes no checks."""
    return SaeGridCode(**({one: getattr(code, one) for one in code.__struct_fields__} | {name: value}))


def _read_points(points: sae.CurveDataPointsList, sign: int = 1) -> tuple[tuple[float, float], ...]:
    return tuple((si(one.x_value), sign * si(one.y_value) + 0.0) for one in points.curve_data_point)


def _read_trip(told: sae.DERCurve) -> TripCurve:
    if told.x_unit is not sae.DerUnit.s:
        raise ConfigError("x_unit", f"{told.x_unit.value} in a trip curve", "s")
    return TripCurve(
        points=_read_points(told.curve_data_points), enable=told.enable, unit=_NAMES[told.y_unit]
    )


def _maybe_trip(told: sae.DERCurve | None) -> TripCurve | None:
    return None if told is None else _read_trip(told)


def _read_voltage_trip(told: sae.VoltageTrip) -> VoltageTrip:
    return VoltageTrip(
        over=_read_trip(told.over_voltage_must_trip_curve),
        under=_read_trip(told.under_voltage_must_trip_curve),
        over_cessation=_maybe_trip(told.over_voltage_momentary_cessation_trip_curve),
        under_cessation=_maybe_trip(told.under_voltage_momentary_cessation_trip_curve),
        over_may=_maybe_trip(told.over_voltage_may_trip_curve),
        under_may=_maybe_trip(told.under_voltage_may_trip_curve),
    )


def _read_frequency_trip(told: sae.FrequencyTrip) -> FrequencyTrip:
    return FrequencyTrip(
        over=_read_trip(told.over_frequency_must_trip_curve),
        under=_read_trip(told.under_frequency_must_trip_curve),
        over_may=_maybe_trip(told.over_frequency_may_trip_curve),
        under_may=_maybe_trip(told.under_frequency_may_trip_curve),
    )


def _read_enter(told: Any, before: EnterService | None) -> EnterService:
    """Of a change, what is left out stays as it was."""
    said = {
        "high_v": told.enter_service_voltage_high,
        "low_v": told.enter_service_voltage_low,
        "high_hz": told.enter_service_frequency_high,
        "low_hz": told.enter_service_frequency_low,
        "delay_s": told.enter_service_delay,
        "randomized_delay_s": told.enter_service_randomized_delay,
        "ramp_s": told.enter_service_ramp_time,
    }
    values = {name: si(value) for name, value in said.items() if value is not None}
    if before is not None:
        values = {name: getattr(before, name) for name in said} | values
    return EnterService(permit=told.permit_service, **values)


def _read_curve(told: Any, sign: ReactiveSign) -> dict[str, Any]:
    unit = _NAMES[told.y_unit]
    seconds = told.open_loop_response_time
    return {
        "enable": told.enable,
        "priority": told.priority,
        "curve": Curve(
            points=_read_points(told.curve_data_points, sign.value if unit in _REACTIVE else 1),
            x_unit=_NAMES[told.x_unit],
            y_unit=unit,
        ),
        "open_loop_s": 0.0 if seconds is None else si(seconds),
        "time_constant_s": told.time_constant_pt1,
    }


def _read_volt_var(told: sae.VoltVar, sign: ReactiveSign) -> VoltVarMode:
    return VoltVarMode(
        **_read_curve(told, sign),
        reference_v=si(told.reference_voltage),
        adjusts_reference=told.autonomous_reference_voltage_adjustment_enable,
        adjustment_s=told.reference_voltage_adjustment_time_constant,
    )


def _read_curve_mode(told: Any, sign: ReactiveSign) -> CurveMode:
    return CurveMode(**_read_curve(told, sign))


def _read_power_factor(told: sae.ConstantPowerFactor) -> ConstantPowerFactor:
    return ConstantPowerFactor(
        enable=told.enable,
        priority=told.priority,
        factor=abs(si(told.power_factor_value)),
        over_excited=told.power_factor_excitation is _OVER,
    )


def _read_constant_var(told: sae.ConstantVar, sign: ReactiveSign) -> ConstantPower:
    return ConstantPower(
        enable=told.enable,
        priority=told.priority,
        set_point=sign.value * si(told.var_setpoint) + 0.0,
        unit=_NAMES[told.unit],
    )


def _read_constant_watt(told: sae.ConstantWatt) -> ConstantPower:
    return ConstantPower(
        enable=told.enable,
        priority=told.priority,
        set_point=si(told.watt_setpoint),
        unit=_NAMES[told.unit],
    )


def _read_droop(told: sae.FrequencyDroop) -> FrequencyDroop:
    return FrequencyDroop(
        enable=told.enable,
        priority=told.priority,
        over=_read_side(told.over_frequency_droop),
        under=_read_side(told.under_frequency_droop),
    )


def _read_side(told: sae.FrequencyDroopSettings | None) -> Droop | None:
    if told is None:
        return None
    momentary = told.power_reference is sae.PowerReference.MomentaryPower
    return Droop(
        dead_band_hz=si(told.db),
        factor=si(told.droop_factor),
        reference=PowerReference.MOMENTARY if momentary else PowerReference.MAXIMUM,
        open_loop_s=si(told.open_loop_response_time),
    )


def _read_limit(told: sae.LimitMaxDischargePower) -> LimitDischarge:
    seconds = told.open_loop_response_time
    return LimitDischarge(
        enable=told.enable,
        priority=told.priority,
        percent=told.percentage_value,
        open_loop_s=None if seconds is None else si(seconds),
    )
