"""Pause and resume in ISO 15118-2: when it may be granted, what is kept, and who may go on with it.

A vehicle that goes on says everything again and finds only what it chose before [V2G2-741]; a driver need
not be authorized again, a contract signs another challenge. Whoever cannot be joined to his old session
gets a new one, never a refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iso15118.energy.schedule import Schedule
from iso15118.session.services import ServiceID
from iso15118.session.ticket import Iso2Choice, SeccTicket

from .sequence import PAUSE_STATES
from .settings import AC_MODES

if TYPE_CHECKING:
    from .context import Context

__all__ = ["join", "keep", "schedule_before", "why_no_pause"]


def why_no_pause(ctx: Context) -> str:
    """Why the vehicle may not pause now; empty if it may."""
    facts = ctx.facts
    if not facts.config.allow_pause:
        return "pause is not offered"
    if ctx.state not in PAUSE_STATES:
        return f"a pause while waiting for {'nothing' if ctx.state is None else ctx.state.value}"
    if ctx.mode is None or not facts.authorized:
        return "there is nothing to go on with"
    if not facts.evccid:
        return "the vehicle has no name to be known by"
    if facts.energized or facts.contactors_closed:
        return "the output is not safe"
    return ""


def keep(ctx: Context) -> SeccTicket | None:
    """What is kept of a session that was paused; None if there is nothing to go on with."""
    facts, mode = ctx.facts, ctx.mode
    if mode is None:
        return None
    schedule = ctx.schedules.get(ctx.tuple_id)
    entries = () if schedule is None else tuple(zip(schedule.ends, schedule.powers, strict=True))
    return SeccTicket(
        edition="iso2",
        session_id=facts.session_id,
        evccid=facts.evccid,
        secure=not facts.plain,
        service=ServiceID.AC if mode in AC_MODES else ServiceID.DC,
        iso2=Iso2Choice(
            mode=mode.value,
            tuple_id=ctx.tuple_id,
            schedule=tuple((ends + facts.epoch, power) for ends, power in entries),
        ),
        claim=facts.claim,
        paused_at=facts.now + facts.epoch,
        valid_s=facts.config.pause_validity_s,
    )


def join(ctx: Context) -> bool:
    """Go on with the paused session that the vehicle names, if nothing is in the way.

    Tickets that are no longer usable go to ``facts.used_tickets``: those that were joined, and
    those that are over their time.
    """
    facts, message = ctx.facts, ctx.message
    joined: SeccTicket | None = None
    for ticket in facts.tickets:
        if ticket.edition != "iso2":
            continue
        over = not ticket.is_valid(facts.now + facts.epoch)
        if (
            joined is None
            and not over
            and message is not None
            and ticket.session_id == message.header.session_id
            and ticket.belongs_to(secure=not facts.plain, tls=facts.tls)
            and (ticket.evccid == facts.evccid or not ctx.settings.resume_checks_evccid)
            and _still_offered(ticket, ctx)
        ):
            joined = ticket
        if over or joined is ticket:
            facts.used_tickets.append(ticket)
    if joined is None:
        return False
    ctx.resumed, facts.session_id = joined, joined.session_id
    if joined.claim is None:
        facts.authorized = True
        facts.authorization_requested = facts.now  # it may still be withdrawn
    return True


def _still_offered(ticket: SeccTicket, ctx: Context) -> bool:
    """The station may have been set up anew in between."""
    if not ctx.facts.config.allow_pause or ticket.iso2 is None:
        return False
    if ticket.claim is not None and not ctx.offers_contracts:
        return False
    return ticket.iso2.mode in {mode.value for mode in ctx.all_modes}


def schedule_before(ctx: Context) -> tuple[int, Schedule] | None:
    """The schedule of the session that goes on, on this session's clock, as far as it is not over: offered
    again under its own id, and shorter by the time that has passed [V2G2-740]."""
    facts = ctx.facts
    choice = None if ctx.resumed is None else ctx.resumed.iso2
    if choice is None:
        return None
    left: list[tuple[float, float]] = []
    begins = facts.now
    for ends_unix, power in choice.schedule:
        ends = ends_unix - facts.epoch
        if ends > begins:
            left.append((ends - begins, power))
            begins = ends
    return (choice.tuple_id, Schedule.of(facts.now, left)) if left else None
