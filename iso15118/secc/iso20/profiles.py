"""The vehicle's power profile: whether it keeps to the schedule that it chose, and whether
what is measured keeps to it.

A profile that leaves the schedule ends the session before power is on; power that leaves the profile is
first warned of [V2G20-1864].
"""

from __future__ import annotations

from iso15118.energy.schedule import Schedule, violation
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import anchored, si
from iso15118.session.actions import EndReason, PowerProfileTaken
from iso15118.session.edition import Fault, Refused
from iso15118.session.services import ControlMode

from .context import Context
from .offers import Offered

__all__ = ["profile_exceeded", "take_profile"]

Code = ResponseCode
_OK = ResponseCode.OK
_SHARE = 0.03
"""A measured power off the profile by this share is noise, whatever the tolerance."""
_MOST_ENTRIES = 2048


def _refused(fault: Fault, why: str, code: ResponseCode | None = None) -> Refused:
    return Refused(fault, EndReason.PARAMETERS_NOT_ACCEPTED, why, code=code)


def take_profile(request: cm.PowerDeliveryReq, ctx: Context) -> ResponseCode | Refused:
    """The code that PowerDeliveryRes says to the EVPowerProfile, and what is wrong with it. A vehicle that
    sends none follows the schedule as it stands, which it can only where there is but one."""
    facts = ctx.facts
    profile = request.ev_power_profile
    scheduled = ctx.control_mode is ControlMode.SCHEDULED
    if facts.offered_discharge_w is None or ctx.service is None:
        return _OK
    if profile is None:
        if scheduled and len(ctx.offered) > 1:
            return _refused(
                Fault.POWER_PROFILE,
                f"no power profile, where there are {len(ctx.offered)} schedules to choose from",
            )
        if scheduled and ctx.tuple_id is not None:
            facts.news.append(PowerProfileTaken(ctx.tuple_id, None))
        return _OK
    chosen = profile.evppt_control_mode
    if isinstance(chosen, cm.ScheduledEVPPTControlMode) is not scheduled:
        return _refused(Fault.POWER_PROFILE, "the power profile belongs to the other control mode")
    offered = None
    if isinstance(chosen, cm.ScheduledEVPPTControlMode):
        offered = ctx.offered.get(chosen.selected_schedule_tuple_id)
        if offered is None:
            return _refused(
                Fault.SCHEDULE, f"schedule tuple {chosen.selected_schedule_tuple_id} was not offered"
            )
    plan = _plan(profile, request.header.time_stamp, ctx)
    if isinstance(plan, Refused) or offered is None:
        return (
            plan if isinstance(plan, Refused) else _OK
        )  # the station sets the power, whatever the vehicle expects
    if plan.over_at <= facts.now:
        return _refused(Fault.POWER_PROFILE, "the power profile is over before it begins")
    wrong = violation(
        plan, offered.charging, facts.now, least_w=-facts.offered_discharge_w, back=offered.discharging
    )
    if wrong:
        return _refused(Fault.POWER_PROFILE, f"the power profile leaves the schedule: {wrong}")
    code = _tolerance(chosen, offered, ctx)
    if not isinstance(code, Refused):
        ctx.follow(offered.id)
        ctx.profile, ctx.exceeded_since = plan, None
        if code is Code.OK_PowerToleranceConfirmed:
            ctx.tolerance_w = offered.tolerance_w
        facts.news.append(PowerProfileTaken(offered.id, plan, _CONFIRMED.get(code)))
    return code


_CONFIRMED = {Code.OK_PowerToleranceConfirmed: True, Code.WARNING_PowerToleranceNotConfirmed: False}


def _plan(profile: cm.EVPowerProfile, sent: int, ctx: Context) -> Schedule | Refused:
    entries = profile.ev_power_profile_entries.ev_power_profile_entry
    if len(entries) > _MOST_ENTRIES:
        return _refused(Fault.POWER_PROFILE, f"a power profile of {len(entries)} entries")
    try:
        plan = Schedule.of(
            anchored(profile.time_anchor, sent, ctx.facts.now),
            ((float(entry.duration), _watts(entry)) for entry in entries),
        )
    except ValueError as error:
        return _refused(Fault.POWER_PROFILE, str(error))
    if ctx.service is not None and not ctx.service.bidirectional and min(plan.powers) < 0.0:
        return _refused(
            Fault.POWER_PROFILE, "the power profile gives energy back in a service that only charges"
        )
    return plan


def _watts(entry: cm.PowerScheduleEntry) -> float:
    """Of all phases together: where the others are named, ``power`` is that of the first."""
    watts = si(entry.power)
    if entry.power_l2 is not None:
        watts += si(entry.power_l2)
    if entry.power_l3 is not None:
        watts += si(entry.power_l3)
    return watts


def _tolerance(chosen: cm.EVPPTControlMode, offered: Offered, ctx: Context) -> ResponseCode | Refused:
    """A tolerance that was named is confirmed or not; where none was named there is nothing to confirm. Not
    confirmed, it does not hold."""
    said = chosen.power_tolerance_acceptance if isinstance(chosen, cm.ScheduledEVPPTControlMode) else None
    if offered.tolerance_w <= 0.0:
        return _OK
    if said is cm.PowerToleranceAcceptance.PowerToleranceConfirmed:
        return Code.OK_PowerToleranceConfirmed
    if said is None:
        return _OK
    if ctx.facts.config.schedules.require_tolerance:
        return _refused(
            Fault.POWER_PROFILE,
            f"the vehicle does not confirm the tolerance of {offered.tolerance_w:g} W",
            Code.FAILED_PowerToleranceNotConfirmed,
        )
    return Code.WARNING_PowerToleranceNotConfirmed


def profile_exceeded(ctx: Context) -> ResponseCode:
    """What the loop says about the power measured now: WARNING_EVPowerProfileViolation once it has been
    off the profile for a while, and FAILED_EVPowerProfileViolation when that goes on [V2G20-1864]. More
    than the profile to the vehicle counts, and more than the profile from it; less does not, since a
    battery takes what it can."""
    facts = ctx.facts
    profile, config, now = ctx.profile, facts.config, facts.now
    if profile is None or now < profile.begins:
        return _OK
    planned = profile.at(now) if now < profile.ends[-1] else profile.powers[-1]
    power = facts.measured_w
    point = facts.set_point_w
    if 0.0 <= power <= planned or (power < 0.0 and point is not None and point < 0.0):
        ctx.exceeded_since = (
            None  # no tolerance needed; what the station itself asks back is no fault of the vehicle
        )
        return _OK
    room = max(ctx.tolerance_w, config.profile_tolerance_w, _SHARE * abs(planned))
    if min(planned, 0.0) - room <= power <= max(planned, 0.0) + room:
        ctx.exceeded_since = None
        return _OK
    if ctx.exceeded_since is None:
        ctx.exceeded_since = now
    lasted = now - ctx.exceeded_since
    if lasted >= config.profile_failure_s:
        return Code.FAILED_EVPowerProfileViolation
    return Code.WARNING_EVPowerProfileViolation if lasted >= config.profile_warning_s else Code.OK
