"""Grid codes for simulations: the functions of a European site and of a North American one, with the values
that their standards begin with.

EN 50549-1 and IEEE 1547-2018 (category B, III) name these defaults; what holds at a real
site its grid operator says.
"""

from __future__ import annotations

from iso15118.energy.curves import Curve, Response
from iso15118.energy.grid_functions import (
    CurveFunction,
    FrequencyWatt,
    IecFunction,
    IecGridCode,
    RideThrough,
    VoltWatt,
    ZeroCurrent,
)
from iso15118.energy.sae_functions import (
    CurveMode,
    Droop,
    EnterService,
    FrequencyDroop,
    FrequencyTrip,
    SaeGridCode,
    TripCurve,
    VoltageTrip,
    VoltVarMode,
)

__all__ = ["european", "north_american"]


def _volts(value: float) -> float:
    """In tenths of a volt, as a message can say it."""
    return round(value, 1)


def european(
    nominal_v: float = 230.0, nominal_hz: float = 50.0, *, reactive_var: float = 4_000.0
) -> IecGridCode:
    """Frequency both ways, volt-watt, volt-var up to ``reactive_var``, ride-through, and
    set points of the operator."""
    slow = Response(time_s=5.0)
    return IecGridCode(
        over_frequency_watt=FrequencyWatt(
            start_hz=nominal_hz + 0.2, stop_hz=nominal_hz + 0.1, slope_percent_per_hz=40.0
        ),
        under_frequency_watt=FrequencyWatt(
            start_hz=nominal_hz - 0.2, stop_hz=nominal_hz - 0.1, slope_percent_per_hz=40.0
        ),
        volt_watt=VoltWatt(start_v=_volts(1.09 * nominal_v), stop_v=_volts(1.13 * nominal_v), response=slow),
        volt_var=CurveFunction(
            curve=Curve(
                points=(
                    (_volts(0.92 * nominal_v), -reactive_var),
                    (_volts(0.97 * nominal_v), 0.0),
                    (_volts(1.03 * nominal_v), 0.0),
                    (_volts(1.08 * nominal_v), reactive_var),
                ),
                x_unit="V",
                y_unit="var",
            ),
            response=slow,
        ),
        zero_current=ZeroCurrent(
            over_v=_volts(1.25 * nominal_v),
            under_v=_volts(0.5 * nominal_v),
            over_recovery_v=_volts(1.1 * nominal_v),
            under_recovery_v=_volts(0.85 * nominal_v),
        ),
        over_voltage_ride_through=RideThrough(
            start_v=_volts(1.15 * nominal_v), stop_v=_volts(1.25 * nominal_v)
        ),
        under_voltage_ride_through=RideThrough(
            start_v=_volts(0.85 * nominal_v), stop_v=_volts(0.5 * nominal_v), k_positive=2.0
        ),
        dc_injection_a=0.16,
        set_points=IecFunction.DSO_Q_SET_POINT | IecFunction.DSO_COS_PHI_SET_POINT,
    )


def north_american(
    nominal_v: float = 240.0, nominal_hz: float = 60.0, *, delay_s: float = 0.0
) -> SaeGridCode:
    """Volt-var and droop on, all else off. ``delay_s``: of the return to service; 300 s by the standard."""

    def volts(*shares: tuple[float, float]) -> tuple[tuple[float, float], ...]:
        return tuple((seconds, _volts(share * nominal_v)) for seconds, share in shares)

    droop = Droop(dead_band_hz=0.036, factor=0.05, open_loop_s=5.0)
    return SaeGridCode(
        nominal_v=nominal_v,
        nominal_hz=nominal_hz,
        maximum_v=_volts(1.1 * nominal_v),
        minimum_v=_volts(0.88 * nominal_v),
        voltage_trip=VoltageTrip(
            over=TripCurve(points=volts((0.16, 1.2), (13.0, 1.1))),
            under=TripCurve(points=volts((2.0, 0.5), (21.0, 0.88))),
            under_cessation=TripCurve(points=volts((1.0, 0.3), (2.0, 0.5))),
        ),
        frequency_trip=FrequencyTrip(
            over=TripCurve(points=((0.16, nominal_hz + 2.0), (300.0, nominal_hz + 1.2)), unit="Hz"),
            under=TripCurve(points=((0.16, nominal_hz - 3.5), (300.0, nominal_hz - 1.5)), unit="Hz"),
        ),
        enter_service=EnterService(
            high_v=_volts(1.05 * nominal_v),
            low_v=_volts(0.917 * nominal_v),
            high_hz=nominal_hz + 0.1,
            low_hz=nominal_hz - 0.5,
            delay_s=delay_s,
        ),
        volt_var=VoltVarMode(
            enable=True,
            curve=Curve(
                points=((92.0, -44.0), (98.0, 0.0), (102.0, 0.0), (108.0, 44.0)), x_unit="%V", y_unit="%VA"
            ),
            open_loop_s=5.0,
            reference_v=nominal_v,
        ),
        watt_var=CurveMode(
            curve=Curve(points=((50.0, 0.0), (100.0, 44.0)), x_unit="%W", y_unit="%VA"), open_loop_s=10.0
        ),
        volt_watt=CurveMode(
            curve=Curve(points=((106.0, 100.0), (110.0, 20.0)), x_unit="%V", y_unit="%W"), open_loop_s=10.0
        ),
        frequency_droop=FrequencyDroop(enable=True, over=droop, under=droop),
    )
