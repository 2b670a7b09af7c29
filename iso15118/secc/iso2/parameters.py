"""ChargeParameterDiscovery: what both sides can do is brought together here, and schedules are offered, before any voltage is on the cable.

AC and DC say how limits are read and offered; when the answer is Finished, and what it leads to, is the same.
"""

from __future__ import annotations

from iso15118.messages import iso2
from iso15118.session.actions import Action, ChargingNeeds, EndReason, RequestSchedules
from iso15118.session.edition import Answer, Fault, Refused

from .context import Context
from .schedules import offer_schedules
from .sequence import State
from .tariffs import signature_of

__all__ = ["charge_parameter_discovery", "not_accepted"]

Code = iso2.ResponseCode
Processing = iso2.EVSEProcessing


def charge_parameter_discovery(request: iso2.ChargeParameterDiscoveryReq, ctx: Context) -> Answer | Refused:
    """The mode must be offered [V2G2-476], the limits must leave something to charge with [V2G2-477]; without any power at present the
    answer is Ongoing for a while, since some vehicles refuse a station without power."""
    facts, part = ctx.facts, ctx.part
    mode = request.requested_energy_transfer_mode
    if mode not in ctx.modes:
        return Refused(
            Fault.ENERGY_TRANSFER_MODE, EndReason.PARAMETERS_NOT_ACCEPTED, f"{mode.value} is not offered"
        )
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
    renegotiating = ctx.state is State.RENEGOTIATION
    following = part.renegotiated if renegotiating else part.ready
    schedules = signature = None
    if finished:
        ctx.asked_for_parameters, ctx.needs_told = None, False
        said = request.ev_charge_parameter
        schedules = offer_schedules(
            ctx, said.departure_time, request.max_entries_sa_schedule_tuple, part.most_w(ctx, now=False)
        )
        tariffs = [one.sales_tariff for one in schedules.sa_schedule_tuple if one.sales_tariff is not None]
        signature = signature_of(ctx, tariffs)
    response = iso2.ChargeParameterDiscoveryRes(
        response_code=Code.OK,
        evse_processing=Processing.Finished if finished else Processing.Ongoing,
        sa_schedules=schedules,
        evse_charge_parameter=part.offer(ctx, refused=False),
    )
    here = State.RENEGOTIATION if renegotiating else State.CHARGE_PARAMETER_DISCOVERY
    return Answer(ctx.envelope(response, signature), following if finished else here, before)


def _needs(request: iso2.ChargeParameterDiscoveryReq, ctx: Context) -> tuple[Action, ...]:
    """What the vehicle wants is told once in a negotiation, and the energy manager asked for schedules where it wants to be."""
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
