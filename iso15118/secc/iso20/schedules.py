"""Schedules: what is offered over time, the vehicle's power profile against it, and when another one has to
be agreed on.

Inside, every moment is on the session's clock; TimeAnchor and durations exist only where a message is read or
written.
"""

from __future__ import annotations

from iso15118.energy.schedule import Schedule, violation
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, RationalNumber, ResponseCode
from iso15118.messages.values import anchored, floor_rational, rational, si, time_stamp
from iso15118.session.actions import ChargingNeeds, EndReason
from iso15118.session.edition import Answer, Fault, Refused
from iso15118.session.services import ControlMode

from .context import Context
from .sequence import State

__all__ = ["allowed_w", "ask_anew", "profile_exceeded", "schedule_exchange", "take_profile"]

Code = ResponseCode
_OK, _DYNAMIC, _INF = ResponseCode.OK, ControlMode.DYNAMIC, float("inf")
_DAY = 86_400
"""A schedule without a departure time covers a day [V2G20-1563]."""
_LONGEST = 2**32 - 1
_TUPLE = 1
"""The one schedule that is offered."""
_ASKED_S = 30.0
"""How long EVSENotification ScheduleRenegotiation is repeated. No public source names a time."""
_WORTH_IT = 1.05
"""By how much more must be there than was scheduled, before the vehicle is asked for another exchange."""
_POINTS = range(12, 1025)
"""Of MaximumSupportingPoints."""
_SHARE = 0.03
"""A measured power above the profile by this share is noise, whatever the tolerance."""


def schedule_exchange(request: cm.ScheduleExchangeReq, ctx: Context) -> Answer | Refused:
    """One schedule tuple, or nothing but consent in Dynamic mode; the answer is in the kind asked
    [V2G20-1600]."""
    renegotiating = ctx.facts.contactors_closed
    following = State.POWER_DELIVERY if renegotiating else ctx.part.ready
    needs = request.se_req_control_mode
    dynamic = isinstance(needs, cm.DynamicSEReqControlMode)
    if dynamic is not (ctx.control_mode is ControlMode.DYNAMIC):
        return _refused(Fault.SCHEDULE, f"{type(needs).__name__} does not fit the chosen control mode")
    odd = _odd(request)
    if odd and not ctx.facts.config.tolerate_odd_values:
        return _refused(Fault.FAILED, odd)
    ctx.profile, ctx.renegotiate_until = None, 0.0
    response = cm.ScheduleExchangeRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_processing=Processing.Finished,
        se_res_control_mode=cm.DynamicSEResControlMode() if dynamic else _schedule(ctx, needs.departure_time),
    )
    told = ChargingNeeds(
        target_wh=_energy(needs.ev_target_energy_request),
        maximum_wh=_energy(needs.ev_maximum_energy_request),
        minimum_wh=_energy(needs.ev_minimum_energy_request),
        departure_s=needs.departure_time,
    )
    return Answer(response, following, (told,))


def _odd(request: cm.ScheduleExchangeReq) -> str:
    """What contradicts the standard in values that nothing here depends on; empty if nothing does."""
    points = request.maximum_supporting_points
    if points not in _POINTS:
        return f"MaximumSupportingPoints {points} is not from {_POINTS[0]} to {_POINTS[-1]}"
    needs = request.se_req_control_mode
    if not isinstance(needs, cm.DynamicSEReqControlMode):
        return ""
    least, target = needs.minimum_soc, needs.target_soc
    if least is not None and target is not None and least > target:
        return f"MinimumSOC {least} is above TargetSOC {target}"  # [V2G20-1640]
    return ""


def _refused(fault: Fault, why: str) -> Refused:
    return Refused(fault, EndReason.PARAMETERS_NOT_ACCEPTED, why)


def _energy(request: RationalNumber | None) -> float:
    return si(request) if request is not None else 0.0


# -- what is offered


def _schedule(ctx: Context, departure_s: int | None) -> cm.ScheduledSEResControlMode:
    limits, service = ctx.facts.limits_w, ctx.service
    if limits is None or service is None:  # the table does not lead here without both
        raise RuntimeError("schedule exchange before charge parameter discovery")
    # Whoever leaves at once, or does not say when, is given a day.
    lasts = min(max(departure_s or _DAY, 1), _LONGEST)
    charge_w, discharge_w = limits
    ctx.schedule = Schedule.of(ctx.facts.now, ((float(lasts), charge_w),))
    discharging = _power_schedule(ctx, lasts, discharge_w) if service.bidirectional else None
    return cm.ScheduledSEResControlMode(
        schedule_tuple=(
            cm.ScheduleTuple(
                schedule_tuple_id=_TUPLE,
                charging_schedule=_power_schedule(ctx, lasts, charge_w),
                discharging_schedule=discharging,
            ),
        )
    )


def _power_schedule(ctx: Context, lasts: int, power_w: float) -> cm.ChargingSchedule:
    facts = ctx.facts
    anchor = time_stamp(facts.now + facts.epoch, facts.config.time_stamp_unit)
    tolerance_w = facts.config.power_tolerance_w
    entry = cm.PowerScheduleEntry(duration=lasts, power=floor_rational(power_w))
    return cm.ChargingSchedule(
        power_schedule=cm.PowerSchedule(
            time_anchor=anchor,
            power_tolerance=rational(tolerance_w) if tolerance_w > 0.0 else None,
            power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=(entry,)),
        ),
        price_schedule=_flat_price(anchor, lasts) if facts.config.price_level_schedule else None,
    )


def _flat_price(anchor: int, lasts: int) -> cm.PriceLevelSchedule:
    """One level for all of it: nothing to choose by. [V2G20-2176]"""
    entry = cm.PriceLevelScheduleEntry(duration=lasts, price_level=1)
    return cm.PriceLevelSchedule(
        time_anchor=anchor,
        price_schedule_id=1,
        number_of_price_levels=1,
        price_level_schedule_entries=cm.PriceLevelScheduleEntryList(price_level_schedule_entry=(entry,)),
    )


def allowed_w(ctx: Context) -> float:
    """What the schedule lets the vehicle take now, in W; without one, and in Dynamic mode, no limit. Behind its
    end the last power holds for ``SeccConfig.schedule_overrun_s``, then nothing does."""
    schedule, facts = ctx.schedule, ctx.facts
    if schedule is None or ctx.control_mode is _DYNAMIC:
        return _INF
    now = facts.now
    if now < schedule.ends[-1]:
        return schedule.at(now)
    return schedule.powers[-1] if now < schedule.over_at + facts.config.schedule_overrun_s else 0.0


def ask_anew(ctx: Context) -> bool:
    """Whether the vehicle is to be asked for another schedule now: the old one is over, or the station has
    been released to more than it says. Not more often than every ``SeccConfig.schedule_renegotiation_s``,
    because the power rests meanwhile."""
    facts = ctx.facts
    schedule, limits, every = ctx.schedule, facts.limits_w, facts.config.schedule_renegotiation_s
    if schedule is None or limits is None or ctx.control_mode is _DYNAMIC or every <= 0.0:
        return False
    if facts.now < ctx.renegotiate_until:
        return True
    more = limits[0] > _WORTH_IT * schedule.at(facts.now)
    if not (more or facts.now >= schedule.ends[-1]) or facts.now < ctx.renegotiate_next:
        return False
    ctx.renegotiate_until, ctx.renegotiate_next = facts.now + _ASKED_S, facts.now + every
    return True


# -- what the vehicle plans


def take_profile(request: cm.PowerDeliveryReq, ctx: Context) -> ResponseCode | Refused:
    """The code that PowerDeliveryRes says to the EVPowerProfile, and what is wrong with it. A vehicle that
    sends none follows the schedule as it stands."""
    facts = ctx.facts
    profile = request.ev_power_profile
    offered_w = facts.offered_discharge_w
    if profile is None or offered_w is None or ctx.service is None:
        return Code.OK
    chosen = profile.evppt_control_mode
    scheduled = ctx.control_mode is ControlMode.SCHEDULED
    if isinstance(chosen, cm.ScheduledEVPPTControlMode) is not scheduled:
        return _refused(Fault.POWER_PROFILE, "the power profile belongs to the other control mode")
    if isinstance(chosen, cm.ScheduledEVPPTControlMode) and chosen.selected_schedule_tuple_id != _TUPLE:
        return _refused(Fault.SCHEDULE, f"schedule tuple {chosen.selected_schedule_tuple_id} was not offered")
    begins = anchored(profile.time_anchor, request.header.time_stamp, facts.now)
    try:
        plan = Schedule.of(
            begins,
            (
                (float(entry.duration), si(entry.power))
                for entry in profile.ev_power_profile_entries.ev_power_profile_entry
            ),
        )
    except ValueError as error:
        return _refused(Fault.POWER_PROFILE, str(error))
    if not ctx.service.bidirectional and min(plan.powers) < 0.0:
        return _refused(
            Fault.POWER_PROFILE, "the power profile gives energy back in a service that only charges"
        )
    if not scheduled or ctx.schedule is None:
        return Code.OK  # the station sets the power, whatever the vehicle expects
    if plan.over_at <= facts.now:
        return _refused(Fault.POWER_PROFILE, "the power profile is over before it begins")
    least = -offered_w
    wrong = violation(plan, ctx.schedule, facts.now, least_w=least)
    if wrong:
        return _refused(Fault.POWER_PROFILE, f"the power profile leaves the schedule: {wrong}")
    ctx.profile = plan
    return _tolerance(chosen, ctx)


def _tolerance(chosen: cm.EVPPTControlMode, ctx: Context) -> ResponseCode:
    """A tolerance that was named is confirmed or not; where none was named there is nothing to confirm."""
    said = chosen.power_tolerance_acceptance if isinstance(chosen, cm.ScheduledEVPPTControlMode) else None
    if ctx.facts.config.power_tolerance_w <= 0.0 or said is None:
        return Code.OK
    if said is cm.PowerToleranceAcceptance.PowerToleranceConfirmed:
        return Code.OK_PowerToleranceConfirmed
    return Code.WARNING_PowerToleranceNotConfirmed


def profile_exceeded(ctx: Context) -> ResponseCode:
    """What the loop says about the power measured now: WARNING_EVPowerProfileViolation once it has been above
    the profile for a while, and FAILED_EVPowerProfileViolation when that goes on [V2G20-1864]."""
    facts = ctx.facts
    profile, config, now = ctx.profile, facts.config, facts.now
    if profile is None or now < profile.begins:
        return _OK
    planned = profile.at(now) if now < profile.ends[-1] else profile.powers[-1]
    power = facts.measured_w
    if power <= planned:  # no tolerance needed
        ctx.exceeded_since = None
        return _OK
    room = max(config.power_tolerance_w, config.profile_tolerance_w, _SHARE * abs(planned))
    if power <= max(planned, 0.0) + room:
        ctx.exceeded_since = None
        return _OK
    if ctx.exceeded_since is None:
        ctx.exceeded_since = now
    lasted = now - ctx.exceeded_since
    if lasted >= config.profile_failure_s:
        return Code.FAILED_EVPowerProfileViolation
    return Code.WARNING_EVPowerProfileViolation if lasted >= config.profile_warning_s else Code.OK
