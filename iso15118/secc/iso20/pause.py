"""Pause and resume as the station sees them: when it may be granted, what is kept, and who may go on with it.

A vehicle that cannot be joined to its old session gets a new one, never a refusal: a stranded vehicle is
worse than one that is authorized again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iso15118.session.coupling import DevicePosition
from iso15118.session.services import SERVICES
from iso15118.session.ticket import SeccTicket, peer_binding

from .sequence import PAUSE_STATES

if TYPE_CHECKING:
    from iso15118.messages.iso20 import common_messages as cm

    from .context import Context

__all__ = ["join", "keep", "why_no_pause"]


def why_no_pause(ctx: Context) -> str:
    """Why the vehicle may not pause now; empty if it may."""
    facts = ctx.facts
    if not facts.config.allow_pause:
        return "pause is not offered"
    if ctx.state not in PAUSE_STATES:
        return f"a pause while waiting for {'nothing' if ctx.state is None else ctx.state.value}"
    if ctx.service is None or ctx.parameter_set is None or not facts.authorized:
        return "there is nothing to go on with"
    if not 1 <= len(facts.evccid) <= 255:
        return "the vehicle has no name to be known by"
    if facts.energized or facts.contactors_closed:
        return "the output is not safe"
    if facts.device is not None and (facts.device_down or facts.device is not DevicePosition.HOME):
        return "the connection device is not home"
    if not facts.plain and not peer_binding(facts.session_id, facts.tls):
        return "the vehicle's certificate is not known, so it could not be recognised"
    return ""


def keep(ctx: Context) -> SeccTicket | None:
    """What is kept of a session that was paused; None if there is nothing to go on with."""
    facts = ctx.facts
    if ctx.service is None or ctx.parameter_set is None:
        return None
    return SeccTicket(
        session_id=facts.session_id,
        evccid=facts.evccid,
        secure=not facts.plain,
        binding=peer_binding(facts.session_id, facts.tls),
        service=ctx.service.id,
        parameter_set=ctx.parameter_set,
        claim=facts.claim,
        paused_at=facts.now + facts.epoch,
        valid_s=facts.config.pause_validity_s,
    )


def join(request: cm.SessionSetupReq, ctx: Context) -> bool:
    """Go on with the paused session that the vehicle names, if it is the same vehicle [V2G20-2545]
    and nothing else is in the way.

    Tickets that are no longer usable go to ``facts.used_tickets``: those that were joined, are over their
    time, or belong to a vehicle that begins anew. One that a stranger asks for stays: nobody is to lose
    his session to somebody else.
    """
    facts = ctx.facts
    joined: SeccTicket | None = None
    for ticket in facts.tickets:
        own = ticket.evccid == request.evccid and ticket.belongs_to(secure=not facts.plain, tls=facts.tls)
        over = not ticket.is_valid(facts.now + facts.epoch)
        if own or over:
            facts.used_tickets.append(ticket)
        if (
            joined is None
            and own
            and not over
            and ticket.session_id == request.header.session_id
            and _still_offered(ticket, ctx)
        ):
            joined = ticket
    if joined is None:
        return False
    facts.session_id = joined.session_id
    ctx.service, ctx.parameter_set = SERVICES[joined.service], joined.parameter_set
    facts.insulation_threshold_ohm = ctx.service.insulation_threshold_ohm
    facts.authorized = True
    ctx.wpt.paired = (
        True  # it has not moved since: whether it is still in its place, the alignment check shows
    )
    facts.authorization_requested = facts.now  # it may still be withdrawn
    if joined.claim is not None:
        facts.claim, facts.emaid, facts.contract = joined.claim, joined.claim.emaid, joined.claim.chain[0]
        ctx.metering_due = facts.now + facts.config.metering_confirmation_s
    return True


def _still_offered(ticket: SeccTicket, ctx: Context) -> bool:
    """The station may have been set up anew in between, and a contract may have expired or been revoked."""
    facts = ctx.facts
    config, claim = facts.config, ticket.claim
    if not config.allow_pause:
        return False
    if claim is not None:
        if facts.trust is None or not ctx.offers_contracts:
            return False
        if not facts.trust.still_holds(claim, facts.unix_time):
            return False  # the vehicle is authorized anew, where it is told what is wrong
    return ticket.service in ctx.services and ticket.parameter_set in ctx.parameter_sets(ticket.service)
