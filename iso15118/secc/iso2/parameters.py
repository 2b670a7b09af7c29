"""ChargeParameterDiscovery: what both sides can do is brought together here, and schedules are offered, before any voltage is on the cable.

AC and DC say how limits are read and offered; when the answer is Finished, and what it leads to, is the same.
"""

from __future__ import annotations

from iso15118.messages import iso2
from iso15118.session.actions import ChargingNeeds, EndReason
from iso15118.session.edition import Answer, Fault, Refused

from .context import Context
from .schedules import offer_schedules
from .sequence import State

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
    finished = part.most_w(ctx, now=True) > 0.0 or waited >= ctx.settings.no_power_wait_s
    renegotiating = ctx.state is State.RENEGOTIATION
    following = part.renegotiated if renegotiating else part.ready
    before: tuple[ChargingNeeds, ...] = ()
    schedules = None
    if finished:
        ctx.asked_for_parameters = None
        said = request.ev_charge_parameter
        schedules = offer_schedules(
            ctx, said.departure_time, request.max_entries_sa_schedule_tuple, part.most_w(ctx, now=False)
        )
        wanted = part.wanted_wh(said)
        before = (ChargingNeeds(wanted, wanted, 0.0, said.departure_time or None),)
    response = iso2.ChargeParameterDiscoveryRes(
        response_code=Code.OK,
        evse_processing=Processing.Finished if finished else Processing.Ongoing,
        sa_schedules=schedules,
        evse_charge_parameter=part.offer(ctx, refused=False),
    )
    here = State.RENEGOTIATION if renegotiating else State.CHARGE_PARAMETER_DISCOVERY
    return Answer(ctx.envelope(response), following if finished else here, before)


def not_accepted(why: str) -> Refused:
    """FAILED_WrongChargeParameter."""
    return Refused(Fault.CHARGE_PARAMETER, EndReason.PARAMETERS_NOT_ACCEPTED, why)
