"""The AC charge loop: from the limits of both sides, the schedule and the set-point to the power
that the vehicle is asked for.

The vehicle draws by itself, so what it is told is also what the outlet watches [V2G20-1825].
"""

from __future__ import annotations

from typing import Any

from iso15118.energy.ac import NOTHING, Phases, each, station_target, tightened
from iso15118.energy.ac_groups import group_of, opposite
from iso15118.messages.iso20 import ac
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import si
from iso15118.session.ac_limits import AcBounds, AcVehicleLimits
from iso15118.session.actions import Action, EndReason, SetAcPower
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.services import DER_SERVICES, ControlMode

from .ac_wire import loop_limits, present, reactive_targets, targets
from .channels import closed
from .context import Context
from .mobility import answered as needs_answered
from .mobility import loop_fields, take_needs
from .profiles import profile_exceeded
from .schedules import allowed_back_w, allowed_w
from .sequence import State
from .telling import answered, lapse, meter_told, receipt_told, status, take_display

__all__ = ["charge_loop", "present_bounds"]

_DYNAMIC = ControlMode.DYNAMIC
_NAMES = ("ev_present_active_power", "ev_present_reactive_power")
_INF = float("inf")


def charge_loop(request: ac.ACChargeLoopReq, ctx: Context) -> Answer | Refused | Wait:
    """One turn: say what the vehicle may take, tell what flows, pass on what the station wants it to know."""
    facts, service, mode = ctx.facts, ctx.service, request.cl_req_control_mode
    if service is None or facts.ac_vehicle is None or facts.ac_limits is None or not facts.contactors_closed:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "charge loop without its preconditions")
    kind = type(mode)
    if kind is not (service.dynamic_req if ctx.control_mode is _DYNAMIC else service.scheduled_req):
        return Refused(
            Fault.FAILED,
            EndReason.PARAMETERS_NOT_ACCEPTED,
            f"{kind.__name__} does not belong to the chosen service and control mode",
        )
    code = profile_exceeded(ctx)
    if code is ResponseCode.FAILED_EVPowerProfileViolation:
        return Refused(
            Fault.POWER_PROFILE_VIOLATED,
            EndReason.PARAMETERS_NOT_ACCEPTED,
            "more power than the vehicle's own profile",
        )
    ctx.wish = mode
    ctx.part.heard(mode, ctx)
    for name in _NAMES:
        group = group_of(mode, name, facts.ac_limits.phases)
        if group is not None and group.odd:
            facts.note("ac-phases", f"{name}: {group.odd}")
    bounds = present_bounds(ctx)
    before: tuple[Action, ...] = () if bounds is None or bounds == facts.ac_power else (SetAcPower(bounds),)
    take_display(request.display_parameters, ctx)
    lapse(ctx)
    if ctx.control_mode is _DYNAMIC:
        take_needs(mode, ctx)
        needs_answered(mode, ctx)

    def reply(actions: tuple[Action, ...], *, told: bool, confirm: bool) -> Answer:
        meter_info = meter_told(ctx, confirm=confirm) if told else None
        response = ac.ACChargeLoopRes(
            header=ctx.header(),
            response_code=code,
            evse_status=status(ctx, confirm=confirm and meter_info is not None),
            meter_info=meter_info,
            receipt=receipt_told(ctx, meter_info, confirm=confirm),
            cl_res_control_mode=loop_mode(ctx),
        )
        return Answer(response, State.AC_CHARGE_LOOP, actions)

    return answered(ctx, "ACChargeLoopReq", before, reply, meter_asked_for=request.meter_info_requested)


# -- bounds ------------------------------------------------------------------------------------------------


def present_bounds(ctx: Context) -> AcBounds | None:
    """What the vehicle may take and give by its last request and the limits of this moment; before the
    first one by what it declared: it may draw as soon as the contactors are closed. None before that."""
    facts, mode = ctx.facts, ctx.wish
    limits, declared, service = facts.ac_limits, facts.ac_vehicle, ctx.service
    if limits is None or declared is None or service is None:
        return None
    phases, vehicle = limits.phases, declared
    if mode is not None:
        said = loop_limits(mode, phases)
        if ctx.ac_now is None or said != ctx.ac_said:
            ctx.ac_now, ctx.ac_said = tightened(declared, said), said
        vehicle = ctx.ac_now
    target = _target(ctx, mode, vehicle)
    charge, back = (NOTHING, opposite(target)) if sum(target) < 0.0 else (target, NOTHING)
    # What the vehicle is told stays: by it the vehicle knows which channel to choose.
    if closed(ctx, back=False):
        charge = NOTHING
    if closed(ctx, back=True):
        back = NOTHING
    amperes = limits.maximum_current_a
    var = facts.set_point_var
    # An inverter that supports the grid has reactive current whatever its active power.
    supports = service.id in DER_SERVICES
    ctx.ac_bounds = AcBounds(
        phases=phases,
        charge_a=amperes if any(charge) or supports else NOTHING,
        charge_w=charge,
        discharge_a=amperes if any(back) or supports else NOTHING,
        discharge_w=back,
        target_w=target if _tells_target(ctx) else None,
        target_var=None if var is None else each(var / phases, phases),
    )
    return ctx.ac_bounds


def _target(ctx: Context, mode: Any, vehicle: AcVehicleLimits) -> Phases:
    """The set-point, or all that both sides can do: in Scheduled mode within the schedule, in Dynamic mode
    while the vehicle wants any. ``mode`` is None before it was told a set-point: none holds for it then."""
    facts, limits = ctx.facts, ctx.facts.ac_limits
    if limits is None or ctx.service is None or facts.wishes.standing_by:
        return NOTHING
    dynamic = ctx.control_mode is _DYNAMIC
    point = None if mode is None and not dynamic else facts.set_point_w
    if point is None or point >= 0.0:
        if dynamic and mode is not None and si(mode.ev_target_energy_request) <= 0.0:
            return NOTHING
        allowed = allowed_w(ctx)
        if allowed < _INF:
            point = allowed if point is None else min(point, allowed)
    elif (back := allowed_back_w(ctx)) < _INF:
        point = max(point, -back)
    cap = facts.dso.maximum_discharge_w
    if point is not None and cap is not None:
        point = max(point, -cap)
    return station_target(
        point,
        limits,
        vehicle,
        uneven=vehicle.uneven,
        discharge=ctx.service.bidirectional and _may_discharge(mode),
        asymmetry_w=limits.maximum_asymmetry_w,
    )


def _may_discharge(mode: Any) -> bool:
    """A vehicle below its minimum state of charge still needs energy, and so gives none; the V2X window, if
    told, narrows it further. Nobody gives before he was asked to."""
    if mode is None:
        return False
    least = mode.ev_minimum_energy_request
    if least is not None and si(least) >= 0.0:
        return False
    floor = getattr(mode, "ev_minimum_v2x_energy_request", None)
    return floor is None or si(floor) < 0.0


def _tells_target(ctx: Context) -> bool:
    """In Dynamic mode always. In Scheduled mode once something else holds than schedule and offer, which the
    vehicle knows, and from then on: a target that is left out again would say nothing."""
    facts = ctx.facts
    if ctx.control_mode is _DYNAMIC:
        return True
    ctx.target_told = (
        ctx.target_told
        or facts.wishes.standing_by
        or facts.set_point_w is not None
        or facts.ac_limits != facts.ac_offered
    )
    return ctx.target_told


# -- what is told ------------------------------------------------------------------------------------------


def loop_mode(ctx: Context) -> Any:
    """The control mode element of a charge-loop response: target, and what is measured."""
    facts, service, bounds = ctx.facts, ctx.service, ctx.ac_bounds
    if service is None:
        return ac.ScheduledACCLResControlMode()
    dynamic = ctx.control_mode is _DYNAMIC
    limits, vehicle = facts.ac_limits, facts.ac_vehicle
    phases = limits.phases if limits is not None else 1
    uneven = vehicle is not None and vehicle.uneven
    fields: dict[str, Any] = {}
    target = NOTHING if bounds is None else bounds.target_w
    if dynamic or target is not None:
        fields |= targets(target or NOTHING, phases, uneven)
    if facts.set_point_var is not None and bounds is not None:
        fields |= reactive_targets(facts.set_point_var, phases, uneven)
    measured = facts.ac_measured
    if any(measured.voltage_v):  # somebody measures
        fields |= present(measured.power_w, phases, uneven and not measured.one_meter)
    fields |= ctx.part.told(ctx)
    if dynamic:
        fields |= loop_fields(ctx)
    return (service.dynamic_res if dynamic else service.scheduled_res)(**fields)
