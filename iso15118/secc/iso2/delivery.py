"""Cable check, pre-charge, power delivery and welding detection of a DC charge: the phases
between zero and charging voltage.

What is asked of the hardware in them is said in ``secc.dc_output``; here is what ISO 15118-2 says about it.
"""

from __future__ import annotations

from msgspec.structs import replace

from iso15118.messages import iso2
from iso15118.messages.physical import quantity, volts
from iso15118.secc import dc_output
from iso15118.secc.dc_output import close_contactors, open_contactors, start_cable_check, take_back
from iso15118.session.actions import Action, EndReason, ReadMeter, StopPower, Urgency
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.events import SignalState

from .context import Context
from .schedules import agreed_anew, take_profile
from .sequence import State
from .status import dc_status, vehicle_fault

__all__ = ["cable_check", "power_delivery", "pre_charge", "still_delivers", "welding_detection"]

Code = iso2.ResponseCode
Status = iso2.DCEVSEStatusCode
Processing = iso2.EVSEProcessing

_READY = (SignalState.C, SignalState.D)
_PRECHARGE_A = 2.0
"""More current may not be asked for in PreChargeReq."""
_ROUNDING_V = 1.0


def _refused_by_fault(said: iso2.DCEVStatus) -> Refused | None:
    """A vehicle with a fault of its own is given no voltage and no contactors."""
    if not (fault := vehicle_fault(said)):
        return None
    why = f"the vehicle reports {fault}"
    return Refused(Fault.FAILED, EndReason.HARDWARE_FAULT, why, cause="peer-malfunction")


# -- cable check


def cable_check(request: iso2.CableCheckReq, ctx: Context) -> Answer | Refused | Wait:
    """State C or D first [V2G2-917], then the check; Ongoing until the hardware has an opinion."""
    facts = ctx.facts
    if (faulty := _refused_by_fault(request.dc_ev_status)) is not None:
        return faulty
    if ctx.state is State.RENEGOTIATED:
        _begin_anew(ctx)
    if facts.cable_check_started is not None or _shows_ready(ctx):
        return _check(ctx)
    deadline = facts.now + ctx.settings.timing.control_pilot_error

    def finish(timed_out: bool) -> Answer | Refused | None:
        if _shows_ready(ctx):
            return _check(ctx)
        if timed_out:
            why = "the control pilot did not show state C in time"
            return Refused(Fault.FAILED, EndReason.SIGNAL_LOST, why, cause="pilot-late")
        return None

    return Wait((), deadline, finish)


def _shows_ready(ctx: Context) -> bool:
    return ctx.facts.signal is None or ctx.facts.signal in _READY


def _begin_anew(ctx: Context) -> None:
    """After a renegotiation nothing of the last check counts."""
    facts = ctx.facts
    facts.cable_check_asked = facts.cable_check_started = facts.cable_check_ok = None
    facts.precharge_started = None
    facts.delivered, facts.precharge_target_v, facts.precharge_asked_v = False, 0.0, 0.0
    ctx.part.refresh(ctx)  # the check is for what holds now


def _check(ctx: Context) -> Answer | Refused:
    facts = ctx.facts
    before: tuple[Action, ...] = ()
    if facts.contactors_closed and facts.cable_check_started is None:
        # After a renegotiation: contactors open behind the current, and the output is discharged before the
        # test voltage.
        waits = facts.told_safe or dc_output.still_flows(facts)
        before = () if waits else take_back("cable check after a renegotiation")
    elif facts.cable_check_started is None:
        started = start_cable_check(facts)
        if isinstance(started, Refused):
            return started
        before = started
    return _checked(ctx, before)


def _checked(ctx: Context, before: tuple[Action, ...]) -> Answer:
    finished = ctx.facts.cable_check_ok is True
    ctx.state = State.CABLE_CHECK  # for the status: what was checked before a renegotiation does not count
    response = iso2.CableCheckRes(
        response_code=Code.OK,
        dc_evse_status=dc_status(
            ctx, Status.EVSE_Ready if finished else Status.EVSE_IsolationMonitoringActive
        ),
        evse_processing=Processing.Finished if finished else Processing.Ongoing,
    )
    return Answer(ctx.envelope(response), State.PRE_CHARGE if finished else State.CABLE_CHECK, before)


# -- pre-charge


def pre_charge(request: iso2.PreChargeReq, ctx: Context) -> Answer | Refused:
    """Follow the vehicle's target, each time, within the limits; the vehicle decides when it matches. One
    that no battery has is not followed: some vehicles send a wrong one first."""
    facts, settings = ctx.facts, ctx.settings
    vehicle, limits = facts.vehicle, facts.limits
    if vehicle is None or limits is None:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "pre-charge without its preconditions")
    if (faulty := _refused_by_fault(request.dc_ev_status)) is not None:
        return faulty
    if quantity(request.ev_target_current) > _PRECHARGE_A:
        if settings.precharge_over_2a == "fail":
            return Refused(
                Fault.FAILED,
                EndReason.PRE_CHARGE_FAILED,
                "more than 2 A for pre-charge (iso2.precharge_over_2a)",
            )
        facts.note("precharge-current", "the vehicle asks for more than 2 A in pre-charge")
    target = quantity(request.ev_target_voltage)
    most = min(vehicle.maximum_voltage_v, limits.maximum_voltage_v)
    before: tuple[Action, ...]
    if target < max(limits.minimum_voltage_v - _ROUNDING_V, _ROUNDING_V):
        facts.note("precharge-target", f"a pre-charge target of {target:g} V is not followed")
        before = dc_output.no_pre_charge(facts)
    else:
        if target > most:
            facts.note("precharge-target", f"a pre-charge target of {target:g} V is cut to {most:g} V")
        followed = dc_output.pre_charge(facts, target, most)
        if isinstance(followed, Refused):
            return followed
        before = followed
    response = iso2.PreChargeRes(
        response_code=Code.OK,
        dc_evse_status=dc_status(ctx, Status.EVSE_Ready),
        evse_present_voltage=volts(round(facts.measured.voltage_v, 1)),
    )
    return Answer(ctx.envelope(response), State.POWER_DELIVERY, before)


# -- power delivery


def power_delivery(request: iso2.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    """Start, stop or renegotiate, each where it makes sense."""
    match request.charge_progress:
        case iso2.ChargeProgress.Start:
            return _start(request, ctx)
        case iso2.ChargeProgress.Renegotiate:
            return _renegotiate(ctx)
    return open_contactors(
        ctx.facts, lambda: Answer(_ok(ctx, Status.EVSE_Shutdown), State.WELDING_DETECTION, (ReadMeter(),))
    )


def still_delivers(ctx: Context) -> str:
    """Why power may not come back without cable check and pre-charge; empty if it may: contactors
    stayed closed all the time."""
    if ctx.settings.dc_renegotiation_short != "accept":
        return 'cable check and pre-charge come first (iso2.dc_renegotiation_short = "accept" does without)'
    if not (ctx.facts.contactors_closed and ctx.facts.delivered) or ctx.facts.told_safe:
        return "contactors are open: cable check and pre-charge come first"
    return ""


def _start(request: iso2.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    facts = ctx.facts
    refused = take_profile(request, ctx)
    parameter = request.ev_power_delivery_parameter
    if refused is None and parameter is not None:
        refused = _refused_by_fault(parameter.dc_ev_status)
    if refused is not None:
        return refused
    if ctx.state is State.RENEGOTIATED:  # the table asks ``still_delivers`` before
        facts.lets_go = False
        facts.note("short-renegotiation", "power again without cable check and pre-charge")
        if facts.vehicle is not None:  # which may have declared more since the cable was checked
            most_v = min(facts.vehicle.maximum_voltage_v, facts.cable_checked_v)
            facts.vehicle = replace(facts.vehicle, maximum_voltage_v=most_v)
        agreed_anew(ctx)
        return Answer(_ok(ctx, Status.EVSE_Ready), State.CURRENT_DEMAND)
    if not facts.precharging:
        why = f"there was no pre-charge: {dc_output.pre_charge_stands(facts)}"
        return Refused(Fault.NOT_APPLIED, EndReason.PRE_CHARGE_FAILED, why)

    def closed() -> Answer:
        agreed_anew(ctx)
        return Answer(_ok(ctx, Status.EVSE_Ready), State.CURRENT_DEMAND, (ReadMeter(),))

    return close_contactors(facts, closed)


def _renegotiate(ctx: Context) -> Answer:
    """The current goes. Where the short form is taken, and as long as some flows, contactors stay closed
    until cable check, or state B, opens them."""
    facts = ctx.facts
    facts.lets_go, ctx.wish = True, None
    stays = ctx.settings.dc_renegotiation_short == "accept" or dc_output.still_flows(facts)
    before = (StopPower(Urgency.ORDERLY),) if stays else take_back("PowerDelivery renegotiate")
    return Answer(_ok(ctx, Status.EVSE_Ready), State.RENEGOTIATION, before)


def _ok(ctx: Context, code: iso2.DCEVSEStatusCode) -> iso2.V2GMessage:
    return ctx.envelope(iso2.PowerDeliveryRes(response_code=Code.OK, evse_status=dc_status(ctx, code)))


# -- welding detection


def welding_detection(request: iso2.WeldingDetectionReq, ctx: Context) -> Answer | Refused:
    """Tell the voltage at the output; the vehicle ends the poll by SessionStop, or leaves it out."""
    facts = ctx.facts
    if facts.signal in _READY:
        if ctx.settings.welding_needs_cp_b == "fail":
            why = "welding detection in state C (iso2.welding_needs_cp_b)"
            return Refused(Fault.FAILED, EndReason.SIGNAL_LOST, why, cause="pilot-late")
        facts.note("welding-state", "the control pilot still shows state C in welding detection")
    response = iso2.WeldingDetectionRes(
        response_code=Code.OK,
        dc_evse_status=dc_status(ctx, Status.EVSE_Shutdown),
        evse_present_voltage=volts(round(facts.measured.voltage_v, 1)),
    )
    return Answer(ctx.envelope(response), State.WELDING_DETECTION)
