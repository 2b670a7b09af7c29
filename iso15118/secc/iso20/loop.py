"""The DC charge loop: from what the vehicle asks or allows to the bounds that the supply holds, many times a
second.

Whatever the vehicle wants, the bounds stay within the limits of both sides and of the energy manager
[V2G20-2188].
"""

from __future__ import annotations

from typing import Any

from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import (
    EvseNotification,
    EVSEStatus,
    MeterInfo,
    RationalNumber,
    ResponseCode,
)
from iso15118.messages.values import rational, si
from iso15118.session.actions import Action, EndReason, ReadMeter, SetPower, SupervisionWarning
from iso15118.session.events import MeterRead
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import ControlMode
from iso15118.session.supervision import Rule

from .context import Context
from .plug_and_charge import metering_wanted
from .replies import Reply, refusal
from .sequence import State

__all__ = ["charge_loop"]


def charge_loop(request: dc.DCChargeLoopReq, ctx: Context) -> Reply:
    """One turn: set the bounds, tell what flows, pass on what the station wants the vehicle to know."""
    service, vehicle, limits = ctx.service, ctx.vehicle, ctx.limits
    mode: Any = request.cl_req_control_mode
    if service is None or vehicle is None or limits is None or not ctx.contactors_closed:
        return _failed(
            request,
            ctx,
            ResponseCode.FAILED,
            EndReason.INTERNAL_ERROR,
            "charge loop without its preconditions",
        )
    ctx.reported_v = si(request.ev_present_voltage)
    scheduled = ctx.control_mode is ControlMode.SCHEDULED
    kind = type(mode)
    if kind is not (service.scheduled_req if scheduled else service.dynamic_req):
        return _failed(
            request,
            ctx,
            ResponseCode.FAILED_WrongChargeParameter,
            EndReason.PARAMETERS_NOT_ACCEPTED,
            f"{kind.__name__} does not belong to the chosen service and control mode",
        )
    if scheduled:
        target_v, target_a = si(mode.ev_target_voltage), si(mode.ev_target_current)
        if target_v > vehicle.maximum_voltage_v + ctx.config.overvoltage_v or target_v < 0.0:
            return _failed(
                request,
                ctx,
                ResponseCode.FAILED_WrongChargeParameter,
                EndReason.PARAMETERS_NOT_ACCEPTED,
                f"voltage target {target_v:g} V, own maximum {vehicle.maximum_voltage_v:g} V",
            )
        if target_a < 0.0 and not service.bidirectional:
            return _failed(
                request,
                ctx,
                ResponseCode.FAILED_WrongChargeParameter,
                EndReason.PARAMETERS_NOT_ACCEPTED,
                "a negative current in a service that only charges",
            )
        bounds = _scheduled(mode, target_v, target_a, vehicle, limits, service.bidirectional)
        discharging = target_a < 0.0
    else:
        target_v, target_a = limits.maximum_voltage_v, limits.maximum_charge_current_a
        bounds = _dynamic(mode, vehicle, limits, service.bidirectional, ctx.set_point_w)
        discharging = (ctx.set_point_w or 0.0) < 0.0 and service.bidirectional and _may_discharge(mode)
    measured = ctx.measured
    power = ctx.within_power(bounds[0], abs(bounds[1]), bounds[2], discharging)
    before: tuple[Action, ...] = () if power == ctx.power else (SetPower(*power),)
    if scheduled and not -limits.maximum_discharge_current_a <= target_a <= limits.maximum_charge_current_a:
        before += _ignored(ctx, target_a, limits)
    else:
        ctx.loops_beyond = 0
    meter_info = None
    confirm = metering_wanted(ctx)
    if (request.meter_info_requested or confirm) and ctx.meter is not None:
        # Asked for, it shall be given [V2G20-1081]; the next answer carries a fresher one.
        meter_info = _meter_info(ctx, ctx.meter)
        before = (*before, ReadMeter())
        if confirm:
            ctx.metering_asked.append(meter_info)
    power_w = abs(measured.voltage_v * measured.current_a)
    response = dc.DCChargeLoopRes(
        header=ctx.header(),
        response_code=ResponseCode.OK,
        evse_status=_status(ctx, confirm=confirm),
        meter_info=meter_info,
        receipt=None,
        evse_present_current=rational(round(measured.current_a, 1)),
        evse_present_voltage=rational(round(measured.voltage_v, 1)),
        evse_power_limit_achieved=power_w >= _power_limit(measured.current_a, limits),
        evse_current_limit_achieved=target_a > limits.maximum_charge_current_a
        or -target_a > limits.maximum_discharge_current_a,
        evse_voltage_limit_achieved=target_v > limits.maximum_voltage_v,
        cl_res_control_mode=ctx.loop_mode,
    )
    return Reply(response, State.DC_CHARGE_LOOP, before)


def _ignored(ctx: Context, target_a: float, limits: StationLimits) -> tuple[Action, ...]:
    """A vehicle that goes on asking for more than it was told: worth a warning once, since the bounds hold anyway."""
    allowed = ctx.config.supervision.limits_ignored_loops
    most = limits.maximum_discharge_current_a if target_a < 0.0 else limits.maximum_charge_current_a
    # Half a per cent and half an ampere of room: both sides round.
    if (
        allowed is None
        or abs(target_a) <= most * 1.005 + 0.5
        or Rule.LIMITS_IGNORED in ctx.config.supervision.off
    ):
        ctx.loops_beyond = 0
        return ()
    ctx.loops_beyond += 1
    if ctx.loops_beyond != allowed + 1:
        return ()
    what = f"{Rule.LIMITS_IGNORED.value}: the vehicle asks for {target_a:.0f} A, limit {most:.0f} A"
    return (SupervisionWarning(Rule.LIMITS_IGNORED.value, what),)


def _or(number: RationalNumber | None, declared: float) -> float:
    """A limit repeated in the loop may tighten what was declared, never widen it."""
    return declared if number is None else max(min(si(number), declared), 0.0)


def _scheduled(
    mode: Any,
    target_v: float,
    target_a: float,
    vehicle: VehicleLimits,
    limits: StationLimits,
    bidirectional: bool,
) -> tuple[float, float, float]:
    """Bounds (V, A, W) for a vehicle that names its targets."""
    if target_a >= 0.0:
        return (
            min(target_v, limits.maximum_voltage_v, _or(mode.ev_maximum_voltage, vehicle.maximum_voltage_v)),
            min(
                target_a,
                limits.maximum_charge_current_a,
                _or(mode.ev_maximum_charge_current, vehicle.maximum_charge_current_a),
            ),
            min(
                limits.maximum_charge_power_w,
                _or(mode.ev_maximum_charge_power, vehicle.maximum_charge_power_w),
            ),
        )
    return _discharge(mode, vehicle, limits, -target_a, limits.maximum_discharge_power_w)


def _dynamic(
    mode: Any, vehicle: VehicleLimits, limits: StationLimits, bidirectional: bool, set_point_w: float | None
) -> tuple[float, float, float]:
    """Bounds (V, A, W) where the station chooses: the set-point, or all that both sides can do."""
    if set_point_w is not None and set_point_w < 0.0:
        if bidirectional and _may_discharge(mode):
            return _discharge(mode, vehicle, limits, limits.maximum_discharge_current_a, -set_point_w)
        return (
            min(_or(mode.ev_maximum_voltage, vehicle.maximum_voltage_v), limits.maximum_voltage_v),
            0.0,
            0.0,
        )
    wanted = si(mode.ev_target_energy_request) > 0.0
    power = min(
        limits.maximum_charge_power_w, _or(mode.ev_maximum_charge_power, vehicle.maximum_charge_power_w)
    )
    if set_point_w is not None:
        power = min(power, set_point_w)
    return (
        min(limits.maximum_voltage_v, _or(mode.ev_maximum_voltage, vehicle.maximum_voltage_v)),
        min(
            limits.maximum_charge_current_a,
            _or(mode.ev_maximum_charge_current, vehicle.maximum_charge_current_a),
        )
        if wanted
        else 0.0,
        power if wanted else 0.0,
    )


def _may_discharge(mode: Any) -> bool:
    """A vehicle below its minimum state of charge still needs energy, and so gives none; the V2X window, if
    told, narrows it further."""
    if si(mode.ev_minimum_energy_request) >= 0.0:
        return False
    floor = mode.ev_minimum_v2x_energy_request
    return floor is None or si(floor) < 0.0


def _discharge(
    mode: Any, vehicle: VehicleLimits, limits: StationLimits, current_a: float, power_w: float
) -> tuple[float, float, float]:
    current = min(
        current_a,
        limits.maximum_discharge_current_a,
        _or(mode.ev_maximum_discharge_current, vehicle.maximum_discharge_current_a),
    )
    power = min(
        power_w,
        limits.maximum_discharge_power_w,
        _or(mode.ev_maximum_discharge_power, vehicle.maximum_discharge_power_w),
    )
    # The lower voltage bound: neither side goes below its minimum. A minimum that the vehicle raises in the
    # loop is followed.
    voltage = max(limits.minimum_voltage_v, vehicle.minimum_voltage_v)
    if mode.ev_minimum_voltage is not None:
        # Beyond what both sides can have nothing flows anyway, and no supply is told of a voltage that it does not have.
        highest = min(limits.maximum_voltage_v, vehicle.maximum_voltage_v)
        voltage = max(voltage, min(si(mode.ev_minimum_voltage), highest))
    return voltage, -current, power


def _power_limit(current_a: float, limits: StationLimits) -> float:
    """The station's limit in the direction of the flow, less one per cent: measured power never quite reaches
    it."""
    limit = limits.maximum_charge_power_w if current_a >= 0.0 else limits.maximum_discharge_power_w
    return 0.99 * limit


def _status(ctx: Context, *, confirm: bool) -> EVSEStatus | None:
    if not ctx.stop_wanted:
        if (left := ctx.pause_until - ctx.now) > 0.0:
            return EVSEStatus(notification_max_delay=int(left), evse_notification=EvseNotification.Pause)
        if not confirm:
            return None
        return EVSEStatus(notification_max_delay=0, evse_notification=EvseNotification.MeteringConfirmation)
    delay = int(max((ctx.stop_deadline or ctx.now) - ctx.now, 0.0))
    return EVSEStatus(notification_max_delay=delay, evse_notification=EvseNotification.Terminate)


def _meter_info(ctx: Context, meter: MeterRead) -> MeterInfo:
    bidirectional = ctx.service is not None and ctx.service.bidirectional
    return MeterInfo(
        meter_id=meter.meter_id[:32],
        charged_energy_reading_wh=int(meter.charged_wh),
        bpt_discharged_energy_reading_wh=int(meter.discharged_wh) if bidirectional else None,
        meter_signature=meter.signature,
        meter_timestamp=max(int(ctx.now + ctx.epoch), 0),
    )


def _failed(request: object, ctx: Context, code: ResponseCode, reason: EndReason, detail: str) -> Reply:
    return Reply(refusal(request, ctx, code), State.ENDED, end=reason, detail=detail)
