"""Cable check, pre-charge, power delivery and welding detection: the phases in which the output comes alive
and dies again.

This is the only place that asks to close contactors, and it does so with authorization, cable check and pre-
charge on record.
"""

from __future__ import annotations

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import rational, si
from iso15118.session.actions import (
    Action,
    CloseContactors,
    EndReason,
    OpenContactors,
    PreCharge,
    ReadMeter,
    StartCableCheck,
    StopPower,
    Urgency,
)
from iso15118.session.supervision import Rule

from .context import Context
from .replies import Reply, Wait, refusal
from .schedules import take_profile
from .sequence import State

__all__ = ["cable_check", "cable_check_voltage", "power_delivery", "pre_charge", "welding_detection"]

Code = ResponseCode
_ROUNDING_V = 1.0


def cable_check_voltage(vehicle_maximum_v: float, station_maximum_v: float) -> float:
    """Test voltage in V after IEC 61851-23 CC.4.1.2, from what both sides can stand."""
    if vehicle_maximum_v <= 500.0:
        return min(vehicle_maximum_v + 50.0, 500.0, station_maximum_v)
    return min(1.1 * vehicle_maximum_v, station_maximum_v)


def cable_check(request: dc.DCCableCheckReq, ctx: Context) -> Reply:
    """Start the check with the first request and answer Ongoing until the hardware has an opinion."""
    before: tuple[Action, ...] = ()
    if ctx.cable_check_started is None:
        if ctx.vehicle is None or ctx.limits is None or not ctx.authorized:
            return _failed(
                request, ctx, Code.FAILED, EndReason.INTERNAL_ERROR, "cable check without its preconditions"
            )
        supervision = ctx.config.supervision
        present = ctx.measured.voltage_v
        if present > supervision.beyond(Rule.CABLE_CHECK_VOLTAGE, supervision.touch_safe_v):
            detail = f"{Rule.CABLE_CHECK_VOLTAGE.value}: {present:.0f} V at the output before the cable check"
            return _failed(
                request,
                ctx,
                Code.FAILED,
                EndReason.CABLE_CHECK_FAILED,
                detail,
                rule=Rule.CABLE_CHECK_VOLTAGE.value,
            )
        ctx.cable_check_started = ctx.now
        deadline = ctx.now + ctx.config.timing.cable_check_performance
        voltage = cable_check_voltage(ctx.vehicle.maximum_voltage_v, ctx.limits.maximum_voltage_v)
        least_ohm = 100_000.0 if ctx.service is None else ctx.service.isolation_ohm
        before = (StartCableCheck(voltage, deadline, least_ohm),)
    finished = ctx.cable_check_ok is True
    response = dc.DCCableCheckRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_processing=Processing.Finished if finished else Processing.Ongoing,
    )
    return Reply(response, State.DC_PRE_CHARGE if finished else State.DC_CABLE_CHECK, before)


def pre_charge(request: dc.DCPreChargeReq, ctx: Context) -> Reply:
    """Follow the vehicle's target within the limits; the vehicle decides when it matches [V2G20-2005,
    V2G20-2006]."""
    vehicle, limits = ctx.vehicle, ctx.limits
    target = si(request.ev_target_voltage)
    if vehicle is None or limits is None or not ctx.cable_check_ok:
        return _failed(
            request, ctx, Code.FAILED, EndReason.INTERNAL_ERROR, "pre-charge without its preconditions"
        )
    most = min(vehicle.maximum_voltage_v, limits.maximum_voltage_v)
    # Neither side works below its minimum, and 0 V is no battery; a volt of room, since both round.
    lowest = max(vehicle.minimum_voltage_v, limits.minimum_voltage_v) - _ROUNDING_V
    if not max(lowest, _ROUNDING_V) <= target <= most + ctx.config.overvoltage_v:
        return _failed(
            request,
            ctx,
            Code.FAILED,
            EndReason.PRE_CHARGE_FAILED,
            f"target {target:g} V is beyond the limits",
        )
    target = min(target, most)
    ctx.delivered = False
    before: tuple[Action, ...] = ()
    if ctx.precharge_started is None:
        ctx.precharge_started = ctx.now
    if ctx.precharge_target_v != target or not ctx.precharging:
        before = (PreCharge(target, ctx.config.precharge_current_a),)
    ctx.precharge_target_v = target
    response = dc.DCPreChargeRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_present_voltage=rational(round(ctx.measured.voltage_v, 1)),
    )
    done = request.ev_processing is Processing.Finished
    return Reply(response, State.POWER_DELIVERY if done else State.DC_PRE_CHARGE, before)


def power_delivery(request: cm.PowerDeliveryReq, ctx: Context, state: State) -> Reply | Wait:
    """Start, stop, standby or renegotiate, each where it makes sense."""
    progress = request.charge_progress
    if state is State.DC_CABLE_CHECK:
        # Before any power, the way out to a pause is the only one [V2G20-2122].
        if progress is cm.ChargeProgress.Stop:
            # A cable check that still runs has voltage on the cable: it is taken away first.
            safe = (StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))
            return Reply(_ok(ctx), State.SESSION_STOP, safe)
        if progress is cm.ChargeProgress.Standby:
            return Reply(refusal(request, ctx, Code.WARNING_StandbyNotAllowed), state)
        return _out_of_sequence(request, ctx)
    if progress is cm.ChargeProgress.Stop:
        return _stop(request, ctx)
    if state is State.SCHEDULE_RENEGOTIATION:
        return _out_of_sequence(request, ctx)  # first the schedule
    if request.ev_processing is not Processing.Finished:
        # The vehicle still computes its profile and will ask again.
        return Reply(_ok(ctx), state) if state is State.POWER_DELIVERY else _out_of_sequence(request, ctx)
    match progress:
        case cm.ChargeProgress.Start:
            return _start(request, ctx)
        case cm.ChargeProgress.Standby:
            if not ctx.contactors_closed:
                return _out_of_sequence(request, ctx)  # standby is for power that was there before
            return Reply(refusal(request, ctx, Code.WARNING_StandbyNotAllowed), state)
        case cm.ChargeProgress.ScheduleRenegotiation:
            if state is not State.DC_CHARGE_LOOP:
                return _out_of_sequence(request, ctx)
            return Reply(_ok(ctx), State.SCHEDULE_RENEGOTIATION, (StopPower(Urgency.ORDERLY),))


def _start(request: cm.PowerDeliveryReq, ctx: Context) -> Reply | Wait:
    code, wrong = take_profile(request, ctx)
    if wrong:
        return _failed(request, ctx, code, EndReason.PARAMETERS_NOT_ACCEPTED, wrong)
    if ctx.contactors_closed and ctx.delivered:
        # After a renegotiation: the battery holds the output, and nothing has to be compared.
        return Reply(_ok(ctx, code), State.DC_CHARGE_LOOP)
    if not (ctx.authorized and ctx.cable_check_ok and ctx.precharge_started is not None):
        return _failed(
            request, ctx, Code.FAILED, EndReason.INTERNAL_ERROR, "power delivery without its preconditions"
        )
    difference = abs(ctx.measured.voltage_v - ctx.precharge_target_v)
    if difference > ctx.config.precharge_tolerance_v:
        return _failed(
            request,
            ctx,
            Code.FAILED_PowerDeliveryNotApplied,
            EndReason.PRE_CHARGE_FAILED,
            f"{Rule.CONTACTOR_VOLTAGE.value}: output is {difference:.0f} V off the pre-charge target",
            rule=Rule.CONTACTOR_VOLTAGE.value,
        )
    deadline = ctx.now + ctx.config.timing.contactor_answer

    def finish(ctx: Context, timed_out: bool) -> Reply | None:
        if ctx.contactors_closed:
            ctx.delivered = True
            return Reply(_ok(ctx, code), State.DC_CHARGE_LOOP, (ReadMeter(),))
        if timed_out:
            return _failed(
                request,
                ctx,
                Code.FAILED_ContactorError,
                EndReason.CONTACTOR_FAILED,
                "contactors did not close in time",
            )
        return None

    return Wait((CloseContactors(deadline),), deadline, finish)


def _stop(request: cm.PowerDeliveryReq, ctx: Context) -> Reply | Wait:
    """Current to zero and contactors open before the answer: the vehicle opens its own on it."""
    before = (StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))
    deadline = ctx.now + ctx.config.timing.contactor_answer

    def finish(ctx: Context, timed_out: bool) -> Reply | None:
        if not ctx.contactors_closed:
            return Reply(_ok(ctx), State.DC_WELDING_DETECTION, (ReadMeter(),))
        if timed_out:
            return _failed(
                request,
                ctx,
                Code.FAILED_ContactorError,
                EndReason.CONTACTOR_FAILED,
                "contactors did not open in time",
            )
        return None

    return Wait(before, deadline, finish)


def welding_detection(request: dc.DCWeldingDetectionReq, ctx: Context) -> Reply:
    """Tell the voltage at the output; the vehicle ends the poll."""
    response = dc.DCWeldingDetectionRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_present_voltage=rational(round(ctx.measured.voltage_v, 1)),
    )
    done = request.ev_processing is Processing.Finished
    return Reply(response, State.SESSION_STOP if done else State.DC_WELDING_DETECTION)


def _ok(ctx: Context, code: ResponseCode = Code.OK) -> cm.PowerDeliveryRes:
    return cm.PowerDeliveryRes(header=ctx.header(), response_code=code)


def _out_of_sequence(request: object, ctx: Context) -> Reply:
    return _failed(
        request,
        ctx,
        Code.FAILED_SequenceError,
        EndReason.SEQUENCE_ERROR,
        "this ChargeProgress is not possible now",
    )


def _failed(
    request: object, ctx: Context, code: ResponseCode, reason: EndReason, detail: str, *, rule: str = ""
) -> Reply:
    return Reply(refusal(request, ctx, code), State.ENDED, end=reason, detail=detail, rule=rule)
