"""The phases before energy: session, service, payment and authorization, and the end of the session.

Each handler takes a request that the table allows and answers it; nothing here touches the hardware but
the question for authorization.
"""

from __future__ import annotations

from iso15118.messages import din
from iso15118.messages.values import new_session_id
from iso15118.session.actions import Action, EndReason
from iso15118.session.edition import Answer, Fault, Refused

from .context import SERVICE_ID, Context
from .replies import charge_service, evse_id, reply
from .sequence import State

__all__ = [
    "contract_authentication",
    "service_discovery",
    "service_payment_selection",
    "session_setup",
    "session_stop",
]

Code = din.ResponseCode


def session_setup(request: din.SessionSetupReq, ctx: Context) -> Answer:
    """Always a new session with an id of its own: DIN 70121 has no pause, so no id of
    the vehicle is gone on with."""
    facts = ctx.facts
    facts.know_vehicle(request.evccid.hex().upper())
    facts.session_id = new_session_id()
    unix = facts.unix_time
    response = din.SessionSetupRes(
        response_code=Code.OK_NewSessionEstablished,
        evseid=evse_id(ctx),
        date_time_now=None if unix is None else max(int(unix), 0),
    )
    return Answer(reply(ctx, response), State.SERVICE_DISCOVERY)


def service_discovery(request: din.ServiceDiscoveryReq, ctx: Context) -> Answer:
    """External payment and the charge service, whatever the vehicle filters by: there is nothing else."""
    response = din.ServiceDiscoveryRes(
        response_code=Code.OK,
        payment_options=din.PaymentOptions(payment_option=(din.PaymentOption.ExternalPayment,)),
        charge_service=charge_service(ctx),
    )
    return Answer(reply(ctx, response), State.SERVICE_PAYMENT_SELECTION)


def service_payment_selection(request: din.ServicePaymentSelectionReq, ctx: Context) -> Answer | Refused:
    """External payment, and the charge service alone [V2G-DC-635]."""
    if request.selected_payment_option is not din.PaymentOption.ExternalPayment:
        return _not_selected(
            Fault.PAYMENT_SELECTION, f"{request.selected_payment_option.value} is not offered"
        )
    chosen = [one.service_id for one in request.selected_service_list.selected_service]
    if chosen != [SERVICE_ID]:
        return _not_selected(Fault.SERVICE_SELECTION, f"services {chosen}, where {SERVICE_ID} is offered")
    response = din.ServicePaymentSelectionRes(response_code=Code.OK)
    return Answer(reply(ctx, response), State.CONTRACT_AUTHENTICATION)


def _not_selected(fault: Fault, why: str) -> Refused:
    return Refused(fault, EndReason.PARAMETERS_NOT_ACCEPTED, why)


def contract_authentication(request: din.ContractAuthenticationReq, ctx: Context) -> Answer | Refused:
    """Ask once, answer Ongoing until the decision is there, and then say it at once. What the request has
    of a contract is not used."""
    facts = ctx.facts
    if ctx.asked_first is None:
        ctx.asked_first = facts.now
    if facts.authorized:
        facts.turned_down = ""
        done = din.ContractAuthenticationRes(
            response_code=Code.OK, evse_processing=din.EVSEProcessing.Finished
        )
        return Answer(reply(ctx, done), State.CHARGE_PARAMETER_DISCOVERY)
    if facts.authorized is False:
        why = "the driver was refused"
        facts.forget_authorization(why)
        facts.ask_after = facts.now + facts.config.authorization_pause_s
        if ctx.settings.eim_rejected == "fail":
            return _not_authorized(why)
    waited = facts.now - ctx.asked_first
    facts.note_long_authorization(waited)
    if waited >= facts.timing.authorization_ongoing_timeout:
        late = "" if facts.turned_down else "authorization-timeout"
        return _not_authorized(facts.turned_down or "nobody decided about the driver in time", late)
    return _wait_for_driver(ctx)


def _wait_for_driver(ctx: Context) -> Answer | Refused:
    """Ongoing; and whoever decides hears of it, if nobody is deciding."""
    facts = ctx.facts
    before: tuple[Action, ...] = ()
    if facts.authorization_requested is None and (facts.ask_after is None or facts.now >= facts.ask_after):
        facts.attempts += 1
        if facts.attempts > facts.config.authorization_attempts:
            return _not_authorized(
                f"{facts.config.authorization_attempts} attempts to be authorized were refused "
                "(session.authorization_attempts)"
            )
        facts.authorization_requested = facts.now
        before = (facts.ask_driver(),)
    waiting = din.ContractAuthenticationRes(response_code=Code.OK, evse_processing=din.EVSEProcessing.Ongoing)
    return Answer(reply(ctx, waiting), State.CONTRACT_AUTHENTICATION, before)


def _not_authorized(why: str, cause: str = "") -> Refused:
    return Refused(Fault.FAILED, EndReason.AUTHORIZATION_FAILED, why, cause=cause)


def session_stop(request: din.SessionStop, ctx: Context) -> Answer:
    """The vehicle leaves. The funnel makes the hardware safe before the answer goes out, in
    whatever phase this comes."""
    facts = ctx.facts
    if ctx.state is State.CURRENT_DEMAND:
        facts.note("session-stop", "SessionStop under power, without PowerDelivery off before it")
    end, detail, cause = EndReason.STOPPED_BY_EV, "", ""
    if facts.stop_wanted:
        end, detail = EndReason.STOPPED_BY_STATION, facts.stop_wanted
    elif facts.turned_down and ctx.state is State.CONTRACT_AUTHENTICATION:
        end, cause = EndReason.AUTHORIZATION_FAILED, facts.turned_down_cause
        detail = f"the vehicle left after it was refused: {facts.turned_down}"
    response = din.SessionStopRes(response_code=Code.OK)
    return Answer(reply(ctx, response), State.ENDED, end=end, detail=detail, cause=cause)
