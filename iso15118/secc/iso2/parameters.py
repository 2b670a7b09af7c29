"""ChargeParameterDiscovery: what both sides can do is brought together here, and schedules are offered,
before any voltage is on the cable.

AC and DC say how limits are read and offered; when the answer is Finished, and what it leads to, is the same.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec.structs import replace

from iso15118.messages import iso2
from iso15118.messages.xmldsig import Signature
from iso15118.session.actions import Action, ChargingNeeds, EndReason, RequestSchedules
from iso15118.session.edition import Answer, Fault, Refused, Wait

from .context import Context
from .schedules import offer_schedules
from .sequence import State
from .tariffs import Made, sign

__all__ = ["charge_parameter_discovery", "not_accepted"]

Code = iso2.ResponseCode
Processing = iso2.EVSEProcessing
_HOLD: Final = 0.5
"""Share of the time in which an answer is due, for which it is held back while tariffs are signed: a key that
is quick costs no further exchange."""


def charge_parameter_discovery(
    request: iso2.ChargeParameterDiscoveryReq, ctx: Context
) -> Answer | Refused | Wait:
    """The mode must be offered [V2G2-476] and is chosen once, the limits must leave something to charge with
    [V2G2-477]; without any power at present the answer is Ongoing for a while, since some vehicles
    refuse a station without power."""
    facts, part = ctx.facts, ctx.part
    mode = request.requested_energy_transfer_mode
    if mode not in ctx.modes:
        return Refused(
            Fault.ENERGY_TRANSFER_MODE, EndReason.PARAMETERS_NOT_ACCEPTED, f"{mode.value} is not offered"
        )
    if ctx.state is State.RENEGOTIATION and mode is not ctx.mode:
        # An outlet connects its phases before the contactors close, and never switches them under power.
        chosen = "nothing" if ctx.mode is None else ctx.mode.value
        why = f"{mode.value} in a renegotiation, where {chosen} was chosen"
        return Refused(Fault.ENERGY_TRANSFER_MODE, EndReason.PARAMETERS_NOT_ACCEPTED, why)
    ctx.requested = mode
    refused = part.parameters(request.ev_charge_parameter, ctx)
    if refused is not None:
        return refused
    ctx.mode = mode
    if ctx.asked_for_parameters is None:
        ctx.asked_for_parameters = facts.now
    waited = facts.now - ctx.asked_for_parameters
    before: tuple[Action, ...] = ()
    if waited == 0.0 and facts.schedules_due is None and not ctx.needs_told:
        before = _needs(request, ctx)
    if facts.schedules_due is not None and facts.now >= facts.schedules_due:
        facts.schedules_due = None
    finished = facts.schedules_due is None and (
        part.most_w(ctx, now=True) > 0.0 or waited >= ctx.settings.no_power_wait_s
    )
    return _offered(request, ctx, before) if finished else _answer(ctx, None, None, before)


def _offered(
    request: iso2.ChargeParameterDiscoveryReq, ctx: Context, before: tuple[Action, ...]
) -> Answer | Wait:
    """Schedules with their tariffs; while those are being signed the vehicle is told to wait."""
    facts, said, most_w = ctx.facts, request.ev_charge_parameter, ctx.part.most_w(ctx, now=False)
    most_entries = request.max_entries_sa_schedule_tuple
    of: tuple[object, ...] = (said.departure_time, most_entries, most_w, facts.plans)
    until, under_way = math.inf, ctx.signing
    if (
        under_way is not None and under_way.made.of != of
    ):  # something else is wanted by now: in what time is left
        until, ctx.signing = under_way.deadline, None
    if ctx.signing is None:
        made = Made(offer_schedules(ctx, said.departure_time, most_entries, most_w), facts.now, of)
        step = sign(ctx, made, until=until)
        if step is None:
            return _answer(ctx, made.schedules, None, before)
        ctx.signing, use = step
        before = (*before, use)
    signing = ctx.signing

    def finish(timed_out: bool) -> Answer | None:
        if signing.is_settled(facts.now):
            made = signing.made
            # What is said is relative to when it is read: what it was made for begins with the answer.
            later_s = facts.now - made.at
            for number, schedule in ctx.schedules.items():
                ctx.schedules[number] = schedule.later(later_s)
            return _answer(ctx, made.schedules, signing.signature(facts), ())
        return _answer(ctx, None, None, ()) if timed_out else None

    answer = finish(False)
    hold_s = _HOLD * ctx.settings.timing.answer_time
    if answer is None:
        return Wait(before, min(facts.now + hold_s, signing.deadline), finish)
    return replace(answer, before=(*before, *answer.before))


def _answer(
    ctx: Context,
    schedules: iso2.SAScheduleList | None,
    signature: Signature | None,
    before: tuple[Action, ...],
) -> Answer:
    """Finished with schedules, Ongoing without."""
    renegotiating = ctx.state is State.RENEGOTIATION
    if schedules is not None:
        ctx.asked_for_parameters, ctx.needs_told, ctx.signing = None, False, None
    response = iso2.ChargeParameterDiscoveryRes(
        response_code=Code.OK,
        evse_processing=Processing.Ongoing if schedules is None else Processing.Finished,
        sa_schedules=schedules,
        evse_charge_parameter=ctx.part.offer(ctx, refused=False),
    )
    if schedules is None:
        following = State.RENEGOTIATION if renegotiating else State.CHARGE_PARAMETER_DISCOVERY
    else:
        following = ctx.part.renegotiated if renegotiating else ctx.part.ready
    return Answer(ctx.envelope(response, signature), following, before)


def _needs(request: iso2.ChargeParameterDiscoveryReq, ctx: Context) -> tuple[Action, ...]:
    """What the vehicle wants is told once in a negotiation, and the energy manager asked for
    schedules where it wants to be."""
    facts, said = ctx.facts, request.ev_charge_parameter
    ctx.needs_told = True
    wanted, departure_s = ctx.part.wanted_wh(said), said.departure_time or None
    told = ChargingNeeds(
        wanted,
        wanted,
        0.0,
        departure_s,
        departure_at=None if departure_s is None else facts.now + departure_s,
        maximum_points=request.max_entries_sa_schedule_tuple,
    )
    if not facts.asks_schedules:
        return (told,)
    facts.schedules_asked += 1
    facts.schedules_due = facts.now + facts.config.schedules.wait_s
    return (told, RequestSchedules(told, facts.schedules_asked, facts.schedules_due))


def not_accepted(why: str) -> Refused:
    """FAILED_WrongChargeParameter."""
    return Refused(Fault.CHARGE_PARAMETER, EndReason.PARAMETERS_NOT_ACCEPTED, why)
