"""Cable check, pre-charge, power delivery and welding detection: the phases
between zero and charging voltage.

What is asked of the hardware in them is said in ``secc.dc_output``; here is what DIN 70121 says about it.
"""

from __future__ import annotations

from iso15118.messages import din
from iso15118.messages.physical import quantity
from iso15118.secc import dc_output
from iso15118.secc.dc_output import close_contactors, open_contactors, start_cable_check
from iso15118.secc.hardware import READY
from iso15118.session.actions import Action, EndReason, ReadMeter
from iso15118.session.edition import Answer, Fault, Refused, Wait

from .context import Context
from .replies import reply
from .sequence import State
from .status import status
from .wire import PMAX_W, schedules, volts

__all__ = ["cable_check", "power_delivery", "pre_charge", "vehicle_fault", "welding_detection"]

Code = din.ResponseCode
Status = din.DCEVSEStatusCode
_ROUNDING_V = 1.0
_MOST_A = 2.0
"""Pre-charge is for no more (IEC 61851-23, Annex CC)."""
_SAID_NOTHING = frozenset(
    {
        din.DCEVErrorCode.NO_ERROR,
        din.DCEVErrorCode.NoData,
        din.DCEVErrorCode.Reserved_A,
        din.DCEVErrorCode.Reserved_B,
        din.DCEVErrorCode.Reserved_C,
    }
)


def vehicle_fault(said: din.DCEVStatus) -> str:
    """The fault that the vehicle reports of itself; empty if it has none."""
    return "" if said.ev_error_code in _SAID_NOTHING else said.ev_error_code.value


def _refused_by_fault(fault: str) -> Refused:
    return Refused(
        Fault.FAILED, EndReason.HARDWARE_FAULT, f"the vehicle reports {fault}", cause="peer-malfunction"
    )


# -- cable check


def cable_check(request: din.CableCheckReq, ctx: Context) -> Answer | Refused | Wait:
    """Wait for state C, start the check with the first request, and answer Ongoing until the hardware
    has an opinion [V2G-DC-547]."""
    facts = ctx.facts
    if fault := vehicle_fault(request.dc_ev_status):
        return _refused_by_fault(fault)
    if facts.cable_check_started is None and facts.signal is not None and facts.signal not in READY:
        return _wait_for_c(ctx)
    return _checked(ctx)


def _wait_for_c(ctx: Context) -> Wait:
    """The vehicle has asked before it showed state C, or before that was seen: it is waited for
    within the time of the answer."""
    facts = ctx.facts

    def finish(timed_out: bool) -> Answer | Refused | None:
        if facts.signal in READY:
            return _checked(ctx)
        if timed_out:
            why = "the control pilot did not show state C in time"
            return Refused(Fault.FAILED, EndReason.SIGNAL_LOST, why, cause="pilot-late")
        return None

    return Wait((), facts.now + ctx.settings.timing.control_pilot_error, finish)


def _checked(ctx: Context) -> Answer | Refused:
    facts = ctx.facts
    before: tuple[Action, ...] = ()
    if facts.cable_check_started is None:
        started = start_cable_check(facts)
        if isinstance(started, Refused):
            return started
        before = started
    finished = facts.cable_check_ok is True
    # Vehicles go on with Ready and Valid together with Finished, and some with nothing less.
    response = din.CableCheckRes(
        response_code=Code.OK,
        dc_evse_status=status(ctx, Status.EVSE_Ready if finished else Status.EVSE_IsolationMonitoringActive),
        evse_processing=din.EVSEProcessing.Finished if finished else din.EVSEProcessing.Ongoing,
    )
    return Answer(reply(ctx, response), State.PRE_CHARGE if finished else State.CABLE_CHECK, before)


# -- pre-charge


def pre_charge(request: din.PreChargeReq, ctx: Context) -> Answer | Refused:
    """Follow the vehicle's target, which some vehicles tell wrong at first: above the limits the limits hold,
    and below what the supply has nothing is done. The vehicle decides when it matches."""
    facts = ctx.facts
    vehicle, limits = facts.vehicle, facts.limits
    if vehicle is None or limits is None:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "pre-charge without its preconditions")
    if fault := vehicle_fault(request.dc_ev_status):
        return _refused_by_fault(fault)
    wanted_a = quantity(request.ev_target_current)
    if wanted_a > _MOST_A:
        why = f"{wanted_a:g} A wanted for pre-charge, at most {_MOST_A:g} A are given"
        if ctx.settings.precharge_over_2a == "fail":
            return Refused(Fault.FAILED, EndReason.PARAMETERS_NOT_ACCEPTED, why)
        facts.note("pre-charge-current", why)
    target = quantity(request.ev_target_voltage)
    most = min(vehicle.maximum_voltage_v, limits.maximum_voltage_v)
    if target > most:
        facts.note("pre-charge-voltage", f"target {target:g} V is above {most:g} V, which hold")
    # The supply does not work below its minimum, and 0 V is no battery; a volt of room, since both round.
    ctx.target_fits = target >= max(limits.minimum_voltage_v - _ROUNDING_V, _ROUNDING_V)
    before: tuple[Action, ...] = ()
    if ctx.target_fits:
        asked = dc_output.pre_charge(facts, target, most)
        if isinstance(asked, Refused):
            return asked
        before = asked
    else:
        facts.note("pre-charge-voltage", f"target {target:g} V is below what the supply has")
        before = dc_output.no_pre_charge(facts)
    response = din.PreChargeRes(
        response_code=Code.OK,
        dc_evse_status=status(ctx),
        evse_present_voltage=volts(round(facts.measured.voltage_v, 1)),
    )
    return Answer(reply(ctx, response), State.POWER_DELIVERY, before)


# -- power delivery


def power_delivery(request: din.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    """On after pre-charge, off at any time from the cable check on. What the vehicle says of itself when
    it stops changes nothing."""
    if not request.ready_to_charge_state:
        # Also before there was any power: a cable check that still runs has voltage on the cable.
        return open_contactors(
            ctx.facts, lambda: Answer(_switched(ctx), State.WELDING_DETECTION, (ReadMeter(),))
        )
    if refused := _judge_profile(request.charging_profile, ctx):
        return refused
    parameter = request.ev_power_delivery_parameter
    if parameter is not None and (fault := vehicle_fault(parameter.dc_ev_status)):
        return _refused_by_fault(fault)
    if not ctx.target_fits:
        stands = dc_output.pre_charge_stands(ctx.facts)
        why = f"the last target of pre-charge was no voltage of the supply: {stands}"
        return Refused(Fault.NOT_APPLIED, EndReason.PRE_CHARGE_FAILED, why)
    return close_contactors(ctx.facts, lambda: Answer(_switched(ctx), State.CURRENT_DEMAND, (ReadMeter(),)))


def _switched(ctx: Context) -> din.V2GMessage:
    code = Status.EVSE_Shutdown if ctx.facts.lets_go else Status.EVSE_Ready
    response = din.PowerDeliveryRes(response_code=Code.OK, evse_status=status(ctx, code))
    return reply(ctx, response)


def _judge_profile(profile: din.ChargingProfile | None, ctx: Context) -> Refused | None:
    """The schedule has to be the one that was offered; above its power is noted by default,
    since PMax is no limit here."""
    offered = ctx.facts.offered
    if profile is None or offered is None:
        return None
    (schedule,) = schedules(offered).sa_schedule_tuple
    if profile.sa_schedule_tuple_id != schedule.sa_schedule_tuple_id:
        why = f"schedule {profile.sa_schedule_tuple_id} was not offered"
        return Refused(Fault.SCHEDULE, EndReason.PARAMETERS_NOT_ACCEPTED, why)
    (entry,) = schedule.p_max_schedule.p_max_schedule_entry
    most = max((one.charging_profile_entry_max_power for one in profile.profile_entry), default=0)
    if most <= entry.p_max or entry.p_max == PMAX_W:
        return None
    why = f"a charging profile of {most} W, PMax {entry.p_max} W"
    if ctx.settings.profile_check == "strict":
        return Refused(Fault.POWER_PROFILE, EndReason.PARAMETERS_NOT_ACCEPTED, why)
    ctx.facts.note("charging-profile", why)
    return None


# -- welding detection


def welding_detection(request: din.WeldingDetectionReq, ctx: Context) -> Answer | Refused:
    """Tell the voltage at the output; the vehicle repeats the request as often as it
    likes, within the time for it."""
    facts = ctx.facts
    if facts.signal in READY:
        why = "the vehicle still shows state C in welding detection"
        if ctx.settings.welding_needs_cp_b == "fail":
            return Refused(Fault.FAILED, EndReason.SIGNAL_LOST, why, cause="pilot-late")
        facts.note("welding-detection-pilot", why)
    response = din.WeldingDetectionRes(
        response_code=Code.OK,
        dc_evse_status=status(ctx, Status.EVSE_Shutdown),
        evse_present_voltage=volts(round(facts.measured.voltage_v, 1)),
    )
    return Answer(reply(ctx, response), State.WELDING_DETECTION)
