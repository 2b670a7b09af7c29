"""SessionSetup, and what belongs to it: a new session or the one that was paused, and what is
kept when it is paused again.

A session that goes on says everything again, with the choices that were made before; only what
is still wanted becomes less.
"""

from __future__ import annotations

from iso15118.evcc.conversation import Conversation
from iso15118.evcc.evse_id import look_at_evse_id
from iso15118.evcc.iso2.exchange import exchange
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.needs import wanted_wh
from iso15118.messages import iso2
from iso15118.session.services import ServiceID
from iso15118.session.ticket import EvccTicket, Iso2Choice

__all__ = ["keep", "session_setup"]


async def session_setup(talk: Conversation, plan: Plan) -> None:
    """A new session, whose id is zero in the request and the station's from then on; or the paused one:
    then ``plan.resumed`` is set."""
    ticket = talk.resume
    if ticket is not None and _may_go_on(talk, ticket):
        talk.session_id = ticket.session_id
    response: iso2.SessionSetupRes = await exchange(
        talk, iso2.SessionSetupReq(evccid=talk.config.iso2.evccid)
    )
    look_at_evse_id(talk, response.evseid)
    joined = (
        ticket is not None
        and talk.session_id == ticket.session_id
        and response.response_code is iso2.ResponseCode.OK_OldSessionJoined
    )
    if not joined or ticket is None:
        talk.resume = None  # all that was kept is void
        return
    plan.resumed = ticket
    if ticket.departure_at is not None:
        talk.departure_at = ticket.departure_at - talk.epoch


def _may_go_on(talk: Conversation, ticket: EvccTicket) -> bool:
    """The ticket still holds, and the vehicle can do the same as then."""
    settings = talk.config.iso2
    return (
        ticket.edition == "iso2"
        and ticket.iso2 is not None
        and ticket.is_valid(talk.now + talk.epoch)
        and ticket.belongs_to(secure=not talk.plain, tls=talk.tls)
        and ticket.evccid == settings.evccid.hex()
        and ticket.iso2.mode in {mode.value for mode in settings.energy_transfer_modes}
        and (not ticket.emaid or talk.contracts is not None)
    )


def keep(talk: Conversation, plan: Plan) -> EvccTicket | None:
    """What to keep of the session now that it is paused."""
    return EvccTicket(
        edition="iso2",
        session_id=talk.session_id,
        evccid=talk.config.iso2.evccid.hex(),
        secure=not talk.plain,
        service=ServiceID.AC if plan.alternating else ServiceID.DC,
        iso2=Iso2Choice(mode=plan.mode.value, tuple_id=plan.tuple_id),
        emaid=talk.contract.emaid if talk.contract is not None else "",
        departure_at=None if talk.departure_at is None else talk.departure_at + talk.epoch,
        energy_wh=max(wanted_wh(talk), 0.0),
        paused_at=talk.now + talk.epoch,
        valid_s=talk.config.pause_validity_s,
    )
