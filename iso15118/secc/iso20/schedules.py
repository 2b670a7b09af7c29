"""Schedules: when they are offered, what they allow at a moment, and when another one has to be agreed on.

Inside, every moment is on the session's clock; TimeAnchor and durations exist only where a message is read or
written.
"""

from __future__ import annotations

from msgspec.structs import replace

from iso15118.energy.schedule import Schedule
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, RationalNumber, ResponseCode
from iso15118.messages.values import si
from iso15118.messages.xmldsig import Signature
from iso15118.session.actions import Action, ChargingNeeds, EndReason, RequestSchedules, UseKey
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.price_wire import energy_offer
from iso15118.session.services import ControlMode

from .context import Context
from .offers import offer, relayed, sign
from .replies import neutral
from .sequence import State

__all__ = ["allowed_back_w", "allowed_w", "ask_anew", "schedule_exchange"]

Code = ResponseCode
_DYNAMIC, _INF = ControlMode.DYNAMIC, float("inf")
_ASKED_S = 30.0
"""How long EVSENotification ScheduleRenegotiation is repeated. No public source names a time."""
_WORTH_IT = 1.05
"""By how much more must be there than was scheduled, before the vehicle is asked for another exchange."""
_POINTS = range(12, 1025)
"""Of MaximumSupportingPoints."""
_HOLD = 0.5
"""Share of the time in which an answer is due, for which it is held back while the energy manager is asked:
one that answers at once costs no further exchange."""


def schedule_exchange(request: cm.ScheduleExchangeReq, ctx: Context) -> Answer | Refused | Wait:
    """Schedule tuples, or nothing but consent in Dynamic mode; the answer is in the kind asked
    [V2G20-1600]. While the energy manager makes them the vehicle is told to wait."""
    facts = ctx.facts
    needs = request.se_req_control_mode
    dynamic = isinstance(needs, cm.DynamicSEReqControlMode)
    if dynamic is not (ctx.control_mode is ControlMode.DYNAMIC):
        return _refused(Fault.SCHEDULE, f"{type(needs).__name__} does not fit the chosen control mode")
    odd = _odd(request)
    if odd and not facts.config.tolerate_odd_values:
        return _refused(Fault.FAILED, odd)
    if odd:
        facts.note("schedule-request", odd)
    before: tuple[Action, ...] = ()
    if not ctx.exchanging:
        ctx.exchanging, ctx.signing = True, None
        before = _needs(request, ctx)
    hold_until = facts.now + _HOLD * facts.timing.answer_time_of(type(request).__name__)

    def finish(timed_out: bool) -> Answer | Wait | None:
        if ctx.signing is None and (facts.schedules_due is None or facts.now >= facts.schedules_due):
            step = _made(request, ctx)
            if not isinstance(step, UseKey):
                return step
            if timed_out:
                return replace(_ongoing(request, ctx), before=(step,))
            return Wait((step,), min(hold_until, step.deadline), finish)
        if ctx.signing is not None and ctx.signing.is_settled(facts.now):
            return _finished(request, ctx, ctx.signing.made, ctx.signing.signature(facts))
        return _ongoing(request, ctx) if timed_out else None

    reply = finish(False)
    if reply is None:
        due = facts.schedules_due if ctx.signing is None else ctx.signing.deadline
        return Wait(before, hold_until if due is None else min(hold_until, due), finish)
    return replace(reply, before=(*before, *reply.before))


def _made(request: cm.ScheduleExchangeReq, ctx: Context) -> Answer | UseKey:
    """What is offered is made now. The answer, or what has to be done before it."""
    facts = ctx.facts
    facts.schedules_due = None
    if ctx.control_mode is _DYNAMIC:
        return _finished(request, ctx, cm.DynamicSEResControlMode(), None)
    departure_s = request.se_req_control_mode.departure_time
    mode, priced = offer(ctx, departure_s, request.maximum_supporting_points)
    use = sign(ctx, priced, mode)
    if use is None:
        return _finished(request, ctx, mode, relayed(ctx, priced))
    ctx.signing, action = use
    return action


def _needs(request: cm.ScheduleExchangeReq, ctx: Context) -> tuple[Action, ...]:
    """What the vehicle wants is told, and the energy manager asked for schedules where it wants to be."""
    facts, needs = ctx.facts, request.se_req_control_mode
    asks = None if isinstance(needs, cm.DynamicSEReqControlMode) else needs.ev_energy_offer
    told = ChargingNeeds(
        target_wh=_energy(needs.ev_target_energy_request),
        maximum_wh=_energy(needs.ev_maximum_energy_request),
        minimum_wh=_energy(needs.ev_minimum_energy_request),
        departure_s=needs.departure_time,
        departure_at=None if needs.departure_time is None else facts.now + needs.departure_time,
        maximum_points=request.maximum_supporting_points,
        energy_offer=None if asks is None else energy_offer(asks, request.header.time_stamp, facts.now),
    )
    if ctx.control_mode is _DYNAMIC or not facts.asks_schedules:
        return (told,)
    facts.schedules_asked += 1
    facts.schedules_due = facts.now + facts.config.schedules.wait_s
    return (told, RequestSchedules(told, facts.schedules_asked, facts.schedules_due))


def _ongoing(request: cm.ScheduleExchangeReq, ctx: Context) -> Answer:
    """Until the energy manager has made up its mind; what such an answer has as a
    schedule carries no meaning."""
    response = replace(neutral(request, ctx, Code.OK), evse_processing=Processing.Ongoing)
    return Answer(response, ctx.state)


def _finished(
    request: cm.ScheduleExchangeReq, ctx: Context, mode: cm.SEResControlMode, signature: Signature | None
) -> Answer:
    facts = ctx.facts
    again = facts.contactors_closed or ctx.state is State.SCHEDULE_RENEGOTIATION
    following = State.POWER_DELIVERY if again else ctx.part.ready
    ctx.exchanging, ctx.signing, facts.schedules_due = False, None, None
    ctx.profile, ctx.renegotiate_until = None, 0.0
    header = ctx.header()
    if signature is not None:
        header = replace(header, signature=signature)
    response = cm.ScheduleExchangeRes(
        header=header,
        response_code=Code.OK,
        evse_processing=Processing.Finished,
        se_res_control_mode=mode,
    )
    return Answer(response, following)


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


# -- in the loop


def allowed_w(ctx: Context) -> float:
    """What the schedule lets the vehicle take now, in W; without one, and in Dynamic mode, no limit. Behind
    its end the last power holds for ``SeccConfig.schedule_overrun_s``, then nothing does."""
    schedule = ctx.schedule
    return _INF if schedule is None or ctx.control_mode is _DYNAMIC else _now(schedule, ctx)


def allowed_back_w(ctx: Context) -> float:
    """The same of what it may give back, as a magnitude."""
    schedule = ctx.discharging
    return _INF if schedule is None or ctx.control_mode is _DYNAMIC else _now(schedule, ctx)


def _now(schedule: Schedule, ctx: Context) -> float:
    facts = ctx.facts
    now = facts.now
    if now < schedule.ends[-1]:
        return schedule.at(now)
    return schedule.powers[-1] if now < schedule.over_at + facts.config.schedule_overrun_s else 0.0


def ask_anew(ctx: Context) -> bool:
    """Whether the vehicle is to be asked for another schedule now: the old one is over, the energy manager
    has others, or, where it has none, the station has been released to more than was scheduled. Not more
    often than every ``SeccConfig.schedule_renegotiation_s``, because the power rests meanwhile."""
    facts = ctx.facts
    schedule, limits, every = ctx.schedule, facts.limits_w, facts.config.schedule_renegotiation_s
    if schedule is None or limits is None or ctx.control_mode is _DYNAMIC or every <= 0.0:
        return False
    if facts.now < ctx.renegotiate_until:
        return True
    changed = facts.offers is not ctx.offers_made
    more = not ctx.managed and limits[0] > _WORTH_IT * schedule.at(facts.now)
    if not (changed or more or facts.now >= schedule.ends[-1]) or facts.now < ctx.renegotiate_next:
        return False
    ctx.renegotiate_until, ctx.renegotiate_next = facts.now + _ASKED_S, facts.now + every
    return True
