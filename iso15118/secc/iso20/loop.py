"""The DC charge loop: from what the vehicle asks or allows to the bounds that the supply holds, many times a
second.

Whatever the vehicle wants, the bounds stay within the limits of both sides and of the energy manager
[V2G20-2188].
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from iso15118.energy.dc import LOSS, Bounds, PresentLimits, charging, discharging, nothing
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import measured, si
from iso15118.session.actions import Action, EndReason, SetPower, SupervisionWarning
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.limits import StationLimits
from iso15118.session.services import ControlMode
from iso15118.session.supervision import Rule

from .channels import closed
from .context import Context
from .mobility import answered as needs_answered
from .mobility import loop_fields, take_needs
from .profiles import profile_exceeded
from .schedules import allowed_back_w, allowed_w
from .sequence import State
from .telling import answered, lapse, meter_told, receipt_told, status, take_display

__all__ = ["charge_loop", "present_bounds"]

_SCHEDULED, _DYNAMIC = ControlMode.SCHEDULED, ControlMode.DYNAMIC
_PROFILE_VIOLATION, _LOOP = ResponseCode.FAILED_EVPowerProfileViolation, State.DC_CHARGE_LOOP
_AT_THE_LIMIT = 0.99
"""What is measured never quite reaches a limit."""


def charge_loop(request: dc.DCChargeLoopReq, ctx: Context) -> Answer | Refused | Wait:
    """One turn: set the bounds, tell what flows, pass on what the station wants the vehicle to know."""
    facts = ctx.facts
    service, vehicle, limits = ctx.service, facts.vehicle, facts.limits
    mode: Any = request.cl_req_control_mode
    if service is None or vehicle is None or limits is None or not facts.contactors_closed:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "charge loop without its preconditions")
    facts.reported_v = si(request.ev_present_voltage)
    scheduled = ctx.control_mode is _SCHEDULED
    kind = type(mode)
    if kind is not (service.scheduled_req if scheduled else service.dynamic_req):
        return _wrong(f"{kind.__name__} does not belong to the chosen service and control mode")
    target_v = target_a = 0.0
    if scheduled:
        target_v, target_a = si(mode.ev_target_voltage), si(mode.ev_target_current)
        if target_v > vehicle.maximum_voltage_v + facts.config.overvoltage_v or target_v < 0.0:
            return _wrong(f"voltage target {target_v:g} V, own maximum {vehicle.maximum_voltage_v:g} V")
        if target_v > vehicle.maximum_voltage_v:
            facts.note_target(target_v, vehicle.maximum_voltage_v)
        if target_a < 0.0 and not service.bidirectional:
            return _wrong("a negative current in a service that only charges")
    code = profile_exceeded(ctx)
    if code is _PROFILE_VIOLATION:
        return Refused(
            Fault.POWER_PROFILE_VIOLATED,
            EndReason.PARAMETERS_NOT_ACCEPTED,
            "more power than the vehicle's own profile",
        )
    ctx.wish, ctx.asked_v, ctx.asked_a = mode, target_v, target_a
    bounds = present_bounds(ctx)
    before: tuple[Action, ...] = () if bounds is None or bounds == facts.power else (SetPower(*bounds),)
    if scheduled and not -limits.maximum_discharge_current_a <= target_a <= limits.maximum_charge_current_a:
        before += _ignored(ctx, target_a, limits)
    else:
        ctx.loops_beyond = 0
    take_display(request.display_parameters, ctx)
    lapse(ctx)
    if not scheduled:
        take_needs(mode, ctx)
        needs_answered(mode, ctx)
    reply = partial(_reply, ctx, code)
    return answered(ctx, "DCChargeLoopReq", before, reply, meter_asked_for=request.meter_info_requested)


def _reply(
    ctx: Context, code: ResponseCode, before: tuple[Action, ...], *, told: bool, confirm: bool
) -> Answer:
    facts = ctx.facts
    output, limits = facts.measured, facts.limits
    meter_info = meter_told(ctx, confirm=confirm) if told else None
    power, current, voltage = (False, False, False) if limits is None else _achieved(ctx, limits)
    response = dc.DCChargeLoopRes(
        header=ctx.header(),
        response_code=code,
        evse_status=status(ctx, confirm=confirm and meter_info is not None),
        meter_info=meter_info,
        receipt=receipt_told(ctx, meter_info, confirm=confirm),
        evse_present_current=measured(output.current_a),
        evse_present_voltage=measured(output.voltage_v),
        evse_power_limit_achieved=power,
        evse_current_limit_achieved=current,
        evse_voltage_limit_achieved=voltage,
        cl_res_control_mode=_loop_mode(ctx),
    )
    return Answer(response, _LOOP, before)


def _loop_mode(ctx: Context) -> Any:
    """What was made when a limit last changed, with what the station was told of the driver's
    needs, which counts down."""
    told = loop_fields(ctx)
    return msgspec.structs.replace(ctx.loop_mode, **told) if told else ctx.loop_mode


def _ignored(ctx: Context, target_a: float, limits: StationLimits) -> tuple[Action, ...]:
    """A vehicle that goes on asking for more than it was told: worth a warning once,
    since the bounds hold anyway."""
    allowed = ctx.facts.config.supervision.limits_ignored_loops
    most = limits.maximum_discharge_current_a if target_a < 0.0 else limits.maximum_charge_current_a
    # Half a per cent and half an ampere of room: both sides round.
    if (
        allowed is None
        or abs(target_a) <= most * 1.005 + 0.5
        or Rule.LIMITS_IGNORED in ctx.facts.config.supervision.off
    ):
        ctx.loops_beyond = 0
        return ()
    ctx.loops_beyond += 1
    if ctx.loops_beyond != allowed + 1:
        return ()
    what = f"{Rule.LIMITS_IGNORED.value}: the vehicle asks for {target_a:.0f} A, limit {most:.0f} A"
    return (SupervisionWarning(Rule.LIMITS_IGNORED.value, what),)


# -- bounds


def present_bounds(ctx: Context) -> tuple[float, float, float, bool] | None:
    """What the supply has to hold by the vehicle's last request and the limits of this moment (V, A, W,
    discharging); None before the first request."""
    facts = ctx.facts
    service, vehicle, limits, mode = ctx.service, facts.vehicle, facts.limits, ctx.wish
    if service is None or vehicle is None or limits is None or mode is None:
        return None
    now, present_v, asked_a = ctx.vehicle_now.of(mode, vehicle), facts.measured.voltage_v, ctx.asked_a
    if facts.wishes.standing_by:
        bounds = nothing(limits, now)
    elif ctx.control_mode is _DYNAMIC:
        bounds = _dynamic(mode, ctx, limits, now, present_v, service.bidirectional)
    elif asked_a < 0.0:
        wanted = Bounds(0.0, asked_a, min(limits.maximum_discharge_power_w, allowed_back_w(ctx)))
        bounds = discharging(wanted, limits, now, present_v, loss=LOSS)
    else:
        # The vehicle may ask for more than the schedule has; it is not given.
        wanted = Bounds(ctx.asked_v, asked_a, allowed_w(ctx))
        bounds = charging(wanted, ctx.both.of(limits, now), present_v, loss=LOSS)
    current = bounds.current_a
    if current and closed(ctx, back=current < 0.0):
        bounds, current = nothing(limits, now), 0.0
    if current < 0.0:
        return facts.within_power(bounds.voltage_v, -current, bounds.power_w, True)
    return facts.within_power(bounds.voltage_v, current, bounds.power_w, False)


def _dynamic(
    mode: Any,
    ctx: Context,
    limits: StationLimits,
    vehicle: PresentLimits,
    present_v: float,
    bidirectional: bool,
) -> Bounds:
    """Where the station chooses: the set-point, or all that both sides can do."""
    set_point_w = ctx.facts.set_point_w
    if set_point_w is not None and set_point_w < 0.0:
        if not (bidirectional and _may_discharge(mode)):
            return nothing(limits, vehicle)
        wanted = Bounds(0.0, -limits.maximum_discharge_current_a, -set_point_w)
        return discharging(wanted, limits, vehicle, present_v, loss=LOSS)
    if si(mode.ev_target_energy_request) <= 0.0:
        return nothing(limits, vehicle)
    power = limits.maximum_charge_power_w if set_point_w is None else set_point_w
    wanted = Bounds(limits.maximum_voltage_v, limits.maximum_charge_current_a, power)
    return charging(wanted, ctx.both.of(limits, vehicle), present_v, loss=LOSS)


def _may_discharge(mode: Any) -> bool:
    """A vehicle below its minimum state of charge still needs energy, and so gives none; the V2X window, if
    told, narrows it further."""
    if si(mode.ev_minimum_energy_request) >= 0.0:
        return False
    floor = mode.ev_minimum_v2x_energy_request
    return floor is None or si(floor) < 0.0


def _achieved(ctx: Context, limits: StationLimits) -> tuple[bool, bool, bool]:
    """Whether power, current and voltage are at the station's limit: measured there, or the vehicle asks for
    more."""
    output, asked_a, most_v = ctx.facts.measured, ctx.asked_a, limits.maximum_voltage_v
    voltage, flows_a = output.voltage_v, output.current_a
    if flows_a < 0.0 or asked_a < 0.0:
        most_a, most_w = limits.maximum_discharge_current_a, limits.maximum_discharge_power_w
        flows_a, asked_a = abs(flows_a), abs(asked_a)
    else:
        most_a, most_w = limits.maximum_charge_current_a, limits.maximum_charge_power_w
    return (
        asked_a * voltage > most_w or flows_a * voltage >= _AT_THE_LIMIT * most_w > 0.0,
        asked_a > most_a or flows_a >= _AT_THE_LIMIT * most_a > 0.0,
        ctx.asked_v > most_v or (voltage >= _AT_THE_LIMIT * most_v > 0.0 and flows_a > 0.0),
    )


def _wrong(detail: str) -> Refused:
    return Refused(Fault.CHARGE_PARAMETER, EndReason.PARAMETERS_NOT_ACCEPTED, detail)
