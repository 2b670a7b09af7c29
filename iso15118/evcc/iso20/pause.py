"""SessionSetup, and what belongs to it: a new session or the one that was paused, and what is
kept when it is paused again.

A paused session is only named to the station that it was paused with [V2G20-2539]; whatever does not
fit, the vehicle begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iso15118.evcc.conversation import Conversation
from iso15118.evcc.evse_id import look_at_evse_id
from iso15118.evcc.iso20.exchange import exchange, header
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import NO_SESSION
from iso15118.session.services import OUTLET_SERVICES, SERVICES, Pricing
from iso15118.session.ticket import EvccTicket, peer_binding

if TYPE_CHECKING:
    from iso15118.pnc.vehicle_contracts import Contract

__all__ = ["heed_go_to_pause", "keep", "session_setup"]


async def session_setup(talk: Conversation, plan: Plan) -> bool:
    """A new session, whose id is zero in the request and the station's from then on; or the paused one: then
    True, the service is in ``plan``, and authorization and selection are behind it [V2G20-1032]."""
    ticket = talk.resume
    if ticket is not None and _may_go_on(talk, ticket, plan.namespace):
        talk.session_id = ticket.session_id
    response = await exchange(talk, cm.SessionSetupReq(header=header(talk), evccid=talk.config.evccid))
    look_at_evse_id(talk, response.evseid)
    joined = (
        ticket is not None
        and talk.session_id == ticket.session_id
        and response.response_code is ResponseCode.OK_OldSessionJoined
    )
    if not joined or ticket is None:
        # All that was kept is purged, the authorization with it [V2G20-2615 to -2617].
        talk.resume = talk.contract = None
        return False
    plan.service, plan.parameter_set_id = SERVICES[ticket.service], ticket.parameter_set_id
    plan.control_mode = ticket.control_mode
    plan.pricing = (
        Pricing.NONE
    )  # what was agreed on about prices is not kept, and a level put beside a schedule says nothing
    plan.separate_channels = ticket.separate_channels
    plan.mobility_needs_mode, plan.may_change_service = ticket.mobility_needs_mode, ticket.may_change_service
    if ticket.phases:
        plan.ac.phases, plan.ac.nominal_voltage_v = ticket.phases, ticket.nominal_voltage_v
        plan.ac.der_functions = ticket.der_functions
        plan.ac.forms_grid, plan.ac.islanding = ticket.forms_grid, ticket.islanding
    talk.contract = _contract(talk, ticket)
    if ticket.departure_at is not None:
        talk.departure_at = ticket.departure_at - talk.epoch
    return True


def _may_go_on(talk: Conversation, ticket: EvccTicket, namespace: str) -> bool:
    """The ticket still holds, this is the station it was paused with, and the
    vehicle wants the same as then."""
    config = talk.config
    return (
        ticket.edition == "iso20"
        and ticket.is_valid(talk.now + talk.epoch)
        and ticket.belongs_to(secure=not talk.plain, tls=talk.tls)
        and ticket.evccid == config.evccid
        and ticket.service in config.services
        and SERVICES[ticket.service].namespace == namespace
        and ticket.control_mode in config.control_modes
        and (not ticket.emaid or _contract(talk, ticket) is not None)
    )


def _contract(talk: Conversation, ticket: EvccTicket) -> Contract | None:
    if talk.contracts is None or not ticket.emaid:
        return None
    usable = talk.contracts.usable(preferences=(ticket.emaid,), unix_time=talk.clock)
    return next((contract for contract in usable if contract.emaid == ticket.emaid), None)


def heed_go_to_pause(talk: Conversation, plan: Plan) -> None:
    """What the last ScheduleExchangeRes said of a pause, as EVSENotification Pause."""
    if plan.go_to_pause and talk.config.pause_if_asked and not talk.stop_wanted:
        talk.pause_wanted = talk.pause_wanted or "the station asks for a pause"


def keep(talk: Conversation, plan: Plan) -> EvccTicket | None:
    """What to keep of the session now that it is paused; None if the station could not be known again."""
    binding = peer_binding(talk.session_id, talk.tls)
    if talk.session_id == NO_SESSION or bool(binding) is talk.plain:
        return None
    outlet = plan.ac if plan.service.id in OUTLET_SERVICES else None
    return EvccTicket(
        session_id=talk.session_id,
        evccid=talk.config.evccid,
        secure=not talk.plain,
        binding=binding,
        service=plan.service.id,
        parameter_set_id=plan.parameter_set_id,
        control_mode=plan.control_mode,
        separate_channels=plan.separate_channels,
        mobility_needs_mode=plan.mobility_needs_mode,
        may_change_service=plan.may_change_service,
        emaid=talk.contract.emaid if talk.contract is not None else "",
        phases=0 if outlet is None else outlet.phases,
        nominal_voltage_v=0.0 if outlet is None else outlet.nominal_voltage_v,
        der_functions=plan.ac.der_functions,
        forms_grid=plan.ac.forms_grid,
        islanding=plan.ac.islanding,
        departure_at=None if talk.departure_at is None else talk.departure_at + talk.epoch,
        paused_at=talk.now + talk.epoch,
        valid_s=talk.config.pause_validity_s,
    )
