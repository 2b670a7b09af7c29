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
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.supervision import Rule

from .context import Context
from .replies import neutral
from .schedules import take_profile
from .sequence import State, key_of

__all__ = ["cable_check", "cable_check_voltage", "power_delivery", "pre_charge", "welding_detection"]

Code = ResponseCode
_ROUNDING_V = 1.0


def cable_check_voltage(vehicle_maximum_v: float, station_maximum_v: float) -> float:
    """Test voltage in V after IEC 61851-23 CC.4.1.2, from what both sides can stand."""
    if vehicle_maximum_v <= 500.0:
        return min(vehicle_maximum_v + 50.0, 500.0, station_maximum_v)
    return min(1.1 * vehicle_maximum_v, station_maximum_v)


def cable_check(request: dc.DCCableCheckReq, ctx: Context) -> Answer | Refused:
    """Start the check with the first request and answer Ongoing until the hardware has an opinion. An output that still falls, as after the
    session of another vehicle, is waited for as long as it may take anyway."""
    facts = ctx.facts
    before: tuple[Action, ...] = ()
    if facts.cable_check_started is None:
        if facts.vehicle is None or facts.limits is None or not facts.authorized:
            return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "cable check without its preconditions")
        supervision = facts.config.supervision
        if facts.cable_check_asked is None:
            facts.cable_check_asked = facts.now
        present = facts.measured.voltage_v
        if present > supervision.beyond(Rule.CABLE_CHECK_VOLTAGE, supervision.touch_safe_v):
            if facts.now < facts.cable_check_asked + supervision.discharge_s:
                return Answer(_check_answer(ctx, finished=False), State.DC_CABLE_CHECK)
            detail = (
                f"{Rule.CABLE_CHECK_VOLTAGE.value}: {present:.0f} V at the output before the cable check, "
                f"{supervision.discharge_s:g} s (supervision.discharge_s) after it was asked for"
            )
            return Refused(
                Fault.FAILED, EndReason.CABLE_CHECK_FAILED, detail, rule=Rule.CABLE_CHECK_VOLTAGE.value
            )
        facts.cable_check_started = facts.now
        deadline = facts.cable_check_asked + facts.timing.cable_check_performance
        voltage = cable_check_voltage(facts.vehicle.maximum_voltage_v, facts.limits.maximum_voltage_v)
        least_ohm = facts.isolation_ohm
        facts.cable_checks += 1
        before = (StartCableCheck(voltage, deadline, least_ohm, facts.cable_checks),)
    finished = facts.cable_check_ok is True
    response = _check_answer(ctx, finished=finished)
    return Answer(response, State.DC_PRE_CHARGE if finished else State.DC_CABLE_CHECK, before)


def _check_answer(ctx: Context, *, finished: bool) -> dc.DCCableCheckRes:
    return dc.DCCableCheckRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_processing=Processing.Finished if finished else Processing.Ongoing,
    )


def pre_charge(request: dc.DCPreChargeReq, ctx: Context) -> Answer | Refused:
    """Follow the vehicle's target within the limits; the vehicle decides when it matches [V2G20-2005,
    V2G20-2006]."""
    facts = ctx.facts
    vehicle, limits = facts.vehicle, facts.limits
    target = si(request.ev_target_voltage)
    if vehicle is None or limits is None or not facts.cable_check_ok:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "pre-charge without its preconditions")
    most = min(vehicle.maximum_voltage_v, limits.maximum_voltage_v)
    # Neither side works below its minimum, and 0 V is no battery; a volt of room, since both round.
    lowest = max(vehicle.minimum_voltage_v, limits.minimum_voltage_v) - _ROUNDING_V
    if not max(lowest, _ROUNDING_V) <= target <= most + facts.config.overvoltage_v:
        return Refused(Fault.FAILED, EndReason.PRE_CHARGE_FAILED, f"target {target:g} V is beyond the limits")
    target = min(target, most)
    facts.delivered = False
    before: tuple[Action, ...] = ()
    if facts.precharge_started is None:
        facts.precharge_started = facts.now
    if facts.precharge_target_v != target or not facts.precharging:
        before = (PreCharge(target, facts.config.precharge_current_a),)
    facts.precharge_target_v = target
    response = dc.DCPreChargeRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_present_voltage=rational(round(facts.measured.voltage_v, 1)),
    )
    done = request.ev_processing is Processing.Finished
    return Answer(response, State.POWER_DELIVERY if done else State.DC_PRE_CHARGE, before)


def power_delivery(request: cm.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    """Start, stop, standby or renegotiate, each where it makes sense."""
    state = ctx.state
    match key_of(request):
        case _, Processing.Ongoing:
            return Answer(_ok(ctx), state)
        case _, cm.ChargeProgress.Start:
            return _start(request, ctx)
        case _, cm.ChargeProgress.Standby:
            return Answer(neutral(request, ctx, Code.WARNING_StandbyNotAllowed), state)
        case _, cm.ChargeProgress.ScheduleRenegotiation:
            return Answer(_ok(ctx), State.SCHEDULE_RENEGOTIATION, (StopPower(Urgency.ORDERLY),))
    if state is State.DC_CABLE_CHECK:
        # Before any power. A cable check that still runs has voltage on the cable: it is taken away first.
        safe = (StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))
        return Answer(_ok(ctx), State.SESSION_STOP, safe)
    return _stop(ctx)


def _start(request: cm.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    facts = ctx.facts
    code = take_profile(request, ctx)
    if isinstance(code, Refused):
        return code
    if facts.contactors_closed and facts.delivered:
        # After a renegotiation: the battery holds the output, and nothing has to be compared.
        return Answer(_ok(ctx, code), State.DC_CHARGE_LOOP)
    if not (facts.authorized and facts.cable_check_ok and facts.precharge_started is not None):
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "power delivery without its preconditions")
    difference = abs(facts.measured.voltage_v - facts.precharge_target_v)
    if difference > facts.config.precharge_tolerance_v:
        return Refused(
            Fault.NOT_APPLIED,
            EndReason.PRE_CHARGE_FAILED,
            f"{Rule.CONTACTOR_VOLTAGE.value}: output is {difference:.0f} V off the pre-charge target",
            rule=Rule.CONTACTOR_VOLTAGE.value,
        )
    deadline = facts.now + facts.timing.contactor_answer

    def finish(timed_out: bool) -> Answer | Refused | None:
        if facts.contactors_closed:
            facts.delivered = True
            return Answer(_ok(ctx, code), State.DC_CHARGE_LOOP, (ReadMeter(),))
        if timed_out:
            return Refused(Fault.CONTACTOR, EndReason.CONTACTOR_FAILED, "contactors did not close in time")
        return None

    return Wait((CloseContactors(deadline),), deadline, finish)


def _stop(ctx: Context) -> Answer | Refused | Wait:
    """Current to zero and contactors open before the answer: the vehicle opens its own on it."""
    facts = ctx.facts
    before = (StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))
    deadline = facts.now + facts.timing.contactor_answer

    def finish(timed_out: bool) -> Answer | Refused | None:
        if not facts.contactors_closed:
            return Answer(_ok(ctx), State.DC_WELDING_DETECTION, (ReadMeter(),))
        if timed_out:
            return Refused(Fault.CONTACTOR, EndReason.CONTACTOR_FAILED, "contactors did not open in time")
        return None

    return Wait(before, deadline, finish)


def welding_detection(request: dc.DCWeldingDetectionReq, ctx: Context) -> Answer:
    """Tell the voltage at the output; the vehicle ends the poll."""
    response = dc.DCWeldingDetectionRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_present_voltage=rational(round(ctx.facts.measured.voltage_v, 1)),
    )
    done = request.ev_processing is Processing.Finished
    return Answer(response, State.SESSION_STOP if done else State.DC_WELDING_DETECTION)


def _ok(ctx: Context, code: ResponseCode = Code.OK) -> cm.PowerDeliveryRes:
    return cm.PowerDeliveryRes(header=ctx.header(), response_code=code)
