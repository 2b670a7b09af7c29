"""AuthorizationReq: the driver at the terminal, or the contract whose challenge the vehicle signs.

A refused driver is not told so while another card may come [V2G2-854]; a refused contract
ends the session with its code.
"""

from __future__ import annotations

from iso15118.messages import iso2
from iso15118.session.actions import Action, EndReason
from iso15118.session.edition import Answer, Fault, Refused

from . import plug_and_charge
from .context import Context
from .sequence import State

__all__ = ["authorization"]

Code = iso2.ResponseCode
Processing = iso2.EVSEProcessing


def authorization(request: iso2.AuthorizationReq, ctx: Context) -> Answer | Refused:
    """Ask once, answer Ongoing until the decision is there."""
    if ctx.waited_since is None:
        ctx.waited_since = ctx.facts.now
    if ctx.payment is iso2.PaymentOption.Contract:
        return plug_and_charge.contract_authorization(request, ctx)
    return _driver(ctx)


def _driver(ctx: Context) -> Answer | Refused:
    facts = ctx.facts
    if facts.authorized:
        facts.turned_down = ""
        return _answer(ctx, Processing.Finished, State.CHARGE_PARAMETER_DISCOVERY)
    if facts.authorized is False:
        if ctx.settings.eim_rejected == "fail":
            return _failed("the driver was refused")
        facts.forget_authorization("the driver was refused")
        facts.ask_after = facts.now + facts.config.authorization_pause_s
    waited = facts.now - (facts.now if ctx.waited_since is None else ctx.waited_since)
    facts.note_long_authorization(waited)
    if waited >= facts.timing.authorization_ongoing_timeout:
        late = "" if facts.turned_down else "authorization-timeout"
        return _failed(facts.turned_down or "nobody authorized the driver in time", late)
    before: tuple[Action, ...] = ()
    if facts.authorization_requested is None and (facts.ask_after is None or facts.now >= facts.ask_after):
        facts.attempts += 1
        if facts.attempts > facts.config.authorization_attempts:
            attempts = facts.config.authorization_attempts
            return _failed(
                f"{attempts} attempts to be authorized were refused (session.authorization_attempts)"
            )
        facts.authorization_requested = facts.now
        before = (facts.ask_driver(),)
    return _answer(ctx, Processing.Ongoing_WaitingForCustomerInteraction, State.AUTHORIZATION, before)


def _answer(
    ctx: Context, processing: iso2.EVSEProcessing, following: State, before: tuple[Action, ...] = ()
) -> Answer:
    response = iso2.AuthorizationRes(response_code=Code.OK, evse_processing=processing)
    return Answer(ctx.envelope(response), following, before)


def _failed(why: str, cause: str = "") -> Refused:
    return Refused(Fault.FAILED, EndReason.AUTHORIZATION_FAILED, why, cause=cause)
