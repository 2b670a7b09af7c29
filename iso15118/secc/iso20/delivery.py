"""Cable check, pre-charge, power delivery and welding detection: the phases
between zero and charging voltage.

What is asked of the hardware in them is said in ``secc.dc_output``; here is what ISO 15118-20 says about it.
"""

from __future__ import annotations

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import measured, si
from iso15118.secc import dc_output
from iso15118.secc.dc_output import close_contactors, open_contactors, start_cable_check, take_back
from iso15118.session.actions import Action, EndReason, ReadMeter, StopPower, Urgency
from iso15118.session.edition import Answer, Fault, Refused, Wait

from .channels import rebound, take_channel
from .context import Context
from .notices import agreed_at_rest, status
from .profiles import take_profile
from .sequence import State, key_of
from .standby import over as standby_over
from .standby import stand_by

__all__ = ["cable_check", "power_delivery", "pre_charge", "welding_detection"]

Code = ResponseCode
_ROUNDING_V = 1.0


def cable_check(request: dc.DCCableCheckReq, ctx: Context) -> Answer | Refused:
    """Start the check with the first request and answer Ongoing until the hardware has an opinion. An output
    that still falls, as after the session of another vehicle, is waited for as long as it may take anyway."""
    facts = ctx.facts
    before: tuple[Action, ...] = ()
    if facts.cable_check_started is None:
        started = start_cable_check(facts)
        if isinstance(started, Refused):
            return started
        before = started
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
    if vehicle is None or limits is None:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "pre-charge without its preconditions")
    most = min(vehicle.maximum_voltage_v, limits.maximum_voltage_v)
    # Neither side works below its minimum, and 0 V is no battery; a volt of room, since both round.
    lowest = max(vehicle.minimum_voltage_v, limits.minimum_voltage_v) - _ROUNDING_V
    if not max(lowest, _ROUNDING_V) <= target <= most + facts.config.overvoltage_v:
        why = (
            f"target {target:g} V is beyond the limits, {lowest + _ROUNDING_V:g} V to {most:g} V; "
            f"the output is at {facts.measured.voltage_v:.1f} V"
        )
        return Refused(Fault.FAILED, EndReason.PRE_CHARGE_FAILED, why)
    facts.note_target(target, vehicle.maximum_voltage_v)
    before = dc_output.pre_charge(facts, target, most)
    if isinstance(before, Refused):
        return before
    response = dc.DCPreChargeRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_present_voltage=measured(facts.measured.voltage_v),
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
            return stand_by(request, ctx)
        case _, cm.ChargeProgress.ScheduleRenegotiation:
            return Answer(_ok(ctx), State.SCHEDULE_RENEGOTIATION, (StopPower(Urgency.ORDERLY),))
    standby_over(ctx)
    if state is State.DC_CABLE_CHECK:
        # Before any power. A cable check that still runs has voltage on the cable: it is taken away first.
        return Answer(_ok(ctx, stops=True), State.SESSION_STOP, take_back("PowerDelivery stop"))
    return _stop(ctx)


def _start(request: cm.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    facts = ctx.facts
    code = take_profile(request, ctx)
    if isinstance(code, Refused):
        return code
    take_channel(request, ctx)
    agreed_at_rest(ctx)
    standby_over(ctx)
    if facts.contactors_closed and facts.delivered:
        # After a renegotiation: the battery holds the output, and nothing has to be compared.
        return Answer(_ok(ctx, code), State.DC_CHARGE_LOOP, rebound(ctx))
    return close_contactors(facts, lambda: Answer(_ok(ctx, code), State.DC_CHARGE_LOOP, (ReadMeter(),)))


def _stop(ctx: Context) -> Wait:
    """Current to zero and contactors open before the answer: the vehicle opens its own on it."""
    return open_contactors(
        ctx.facts, lambda: Answer(_ok(ctx, stops=True), State.DC_WELDING_DETECTION, (ReadMeter(),))
    )


def welding_detection(request: dc.DCWeldingDetectionReq, ctx: Context) -> Answer:
    """Tell the voltage at the output; the vehicle ends the poll."""
    response = dc.DCWeldingDetectionRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_present_voltage=measured(ctx.facts.measured.voltage_v),
    )
    done = request.ev_processing is Processing.Finished
    return Answer(response, State.SESSION_STOP if done else State.DC_WELDING_DETECTION)


def _ok(ctx: Context, code: ResponseCode = Code.OK, *, stops: bool = False) -> cm.PowerDeliveryRes:
    """``stops``: the vehicle ends power, and nothing else is wanted of it any more."""
    wanted = None if stops else status(ctx, confirm=False)
    return cm.PowerDeliveryRes(header=ctx.header(), response_code=code, evse_status=wanted)
