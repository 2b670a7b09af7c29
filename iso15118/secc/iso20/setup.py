"""The phases before energy: session, authorization and the choice of a service, and the end of the session.

Each handler takes a request that the table allows and answers it; nothing here touches the hardware but the
question for authorization.
"""

from __future__ import annotations

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import new_session_id
from iso15118.pnc.contracts import ContractClaim
from iso15118.printable import printable
from iso15118.secc.config import EvccidMismatch
from iso15118.session import actions
from iso15118.session.actions import (
    EndReason,
    Notify,
    RequestContractAuthorization,
    ServicesSelected,
    SessionResumed,
)
from iso15118.session.edition import Answer, Fault, Refused
from iso15118.session.services import SERVICES, ParameterSet, ServiceID

from . import value_added
from .context import Context, Wireless
from .pause import join, why_no_pause
from .plug_and_charge import ask, contract_decision, judge_contract, not_offered, pnc_offer
from .sequence import State

__all__ = [
    "authorization",
    "authorization_setup",
    "service_detail",
    "service_discovery",
    "service_selection",
    "session_setup",
    "session_stop",
]

Code = ResponseCode


def session_setup(request: cm.SessionSetupReq, ctx: Context) -> Answer | Refused:
    """The paused session that the vehicle names, or a new one with an id of its own: an id that is unknown
    here is replaced [V2G20-2626, V2G20-2627]."""
    facts = ctx.facts
    facts.know_vehicle(request.evccid)
    if not request.evccid:
        if not facts.config.tolerate_odd_values:
            return Refused(Fault.FAILED, EndReason.PARAMETERS_NOT_ACCEPTED, "the EVCCID is empty")
        facts.note("evccid", "the EVCCID is empty")
    facts.certificate_name = facts.tls.peer_name if facts.tls is not None else ""
    news: tuple[Notify, ...] = ()
    if is_another(facts.evccid, facts.certificate_name):
        if facts.config.evccid_mismatch is EvccidMismatch.REFUSE:
            facts.session_id = new_session_id()
            why = f"the vehicle of certificate {facts.certificate_name} calls itself {facts.evccid}"
            why = printable(why)
            return Refused(Fault.FAILED, EndReason.AUTHORIZATION_FAILED, why, cause="evccid-mismatch")
        news = (actions.EvccidMismatch(facts.evccid, facts.certificate_name),)
    if join(request, ctx):
        joined = cm.SessionSetupRes(
            header=ctx.header(), response_code=Code.OK_OldSessionJoined, evseid=facts.config.evse_id
        )
        resumed = SessionResumed(facts.session_id, facts.evccid, facts.emaid)
        # The contract paid then; whether it still does, only the backend knows. Meanwhile the
        # vehicle is not kept waiting.
        ask = () if facts.claim is None else (RequestContractAuthorization(facts.claim),)
        return Answer(joined, ctx.part.parameters, (*news, resumed, *ask))
    facts.session_id = new_session_id()
    response = cm.SessionSetupRes(
        header=ctx.header(), response_code=Code.OK_NewSessionEstablished, evseid=facts.config.evse_id
    )
    return Answer(response, State.AUTHORIZATION_SETUP, news)


def is_another(evccid: str, certificate_name: str) -> bool:
    """True if a vehicle's certificate has an EVCCID, and it is another one than the vehicle
    says. Hyphens do not count."""
    if not certificate_name or _plain(evccid) == _plain(certificate_name):
        return False
    from iso15118.pki.chain.identifiers import is_evccid  # here: certificates are loaded by who has some

    return is_evccid(certificate_name)


def _plain(evccid: str) -> str:
    return evccid.replace("-", "").upper()


def authorization_setup(request: cm.AuthorizationSetupReq, ctx: Context) -> Answer:
    """External identification always, contracts where the station can judge them
    [V2G20-2566] to [V2G20-2568]."""
    contracts = ctx.offers_contracts
    response = cm.AuthorizationSetupRes(
        header=ctx.header(),
        response_code=Code.OK,
        authorization_services=(
            (cm.Authorization.EIM, cm.Authorization.PnC) if contracts else (cm.Authorization.EIM,)
        ),
        certificate_installation_service=ctx.offers_installation,
        as_res_authorization_mode=pnc_offer(ctx) if contracts else cm.EIMASResAuthorizationMode(),
    )
    return Answer(response, State.AUTHORIZATION)


def authorization(request: cm.AuthorizationReq, ctx: Context) -> Answer | Refused:
    """Ask once, answer Ongoing until the decision is there, and then say it at once
    [V2G20-2219, V2G20-2230]."""
    facts = ctx.facts
    body = (request.selected_authorization_service, request.a_req_authorization_mode)
    if facts.authorization_requested is None:
        facts.installation = None  # the vehicle does not wait for it any more
        return _first(request, ctx)
    if body != ctx.asked_with:
        return Refused(
            Fault.SEQUENCE,
            EndReason.SEQUENCE_ERROR,
            "another AuthorizationReq while the first is answered Ongoing",
        )
    if facts.claim is not None:
        return contract_decision(ctx, facts.claim)
    return _driver_decision(ctx)


def _first(request: cm.AuthorizationReq, ctx: Context) -> Answer | Refused:
    """Ask whoever decides."""
    facts = ctx.facts
    if request.selected_authorization_service is cm.Authorization.PnC:
        judged = judge_contract(request, ctx)
        if not isinstance(judged, ContractClaim):
            return judged
        _remember(request, ctx)
        return ask(ctx, judged)
    if not isinstance(request.a_req_authorization_mode, cm.EIMAReqAuthorizationMode):
        return not_offered(ctx)
    facts.attempts += 1
    if facts.attempts > facts.config.authorization_attempts:
        why = f"{facts.config.authorization_attempts} attempts to be authorized were refused (session.authorization_attempts)"
        return Refused(Fault.FAILED, EndReason.AUTHORIZATION_FAILED, why)
    _remember(request, ctx)
    facts.ask_later = facts.ask_after is not None and facts.now < facts.ask_after
    return _waiting_for_driver(ctx, ask=not facts.ask_later)


def _waiting_for_driver(ctx: Context, *, ask: bool) -> Answer:
    """Ongoing; ``ask``: and whoever decides hears of it now."""
    waiting = _authorized(ctx, Code.OK, Processing.Ongoing_WaitingForCustomerInteraction)
    return Answer(waiting, State.AUTHORIZATION, (ctx.facts.ask_driver(),) if ask else ())


def _remember(request: cm.AuthorizationReq, ctx: Context) -> None:
    ctx.facts.authorization_requested = ctx.facts.now
    ctx.asked_with = (request.selected_authorization_service, request.a_req_authorization_mode)


def _driver_decision(ctx: Context) -> Answer:
    """What terminal or backend say about the driver."""
    facts = ctx.facts
    asked, why, cause = facts.authorization_requested, "the driver was refused", ""
    if facts.authorized is None:
        limit = facts.timing.authorization_ongoing_timeout - 5.0
        if asked is not None and facts.now - asked < limit:
            ask = facts.ask_later and (facts.ask_after is None or facts.now >= facts.ask_after)
            facts.ask_later = facts.ask_later and not ask
            return _waiting_for_driver(ctx, ask=ask)
        # Nobody decided. Five seconds before the vehicle gives up, it learns so from us.
        facts.authorized, why = False, "nobody decided about the driver in time"
        cause = "authorization-timeout"
    if not facts.authorized:
        # Finished with a warning, not Ongoing: the vehicle may try again or stop [V2G20-2219].
        ctx.forget_authorization(why, cause)
        facts.ask_after = facts.now + facts.config.authorization_pause_s
        return Answer(
            _authorized(ctx, Code.WARNING_EIMAuthorizationFailure, Processing.Finished), State.AUTHORIZATION
        )
    facts.turned_down = ""
    return Answer(_authorized(ctx, Code.OK, Processing.Finished), State.SERVICE_DISCOVERY)


def _authorized(ctx: Context, code: ResponseCode, processing: Processing) -> cm.AuthorizationRes:
    return cm.AuthorizationRes(header=ctx.header(), response_code=code, evse_processing=processing)


def service_discovery(request: cm.ServiceDiscoveryReq, ctx: Context) -> Answer:
    """Energy services are listed whatever the vehicle says it supports; only the list of value-added services
    is filtered [V2G20-1248]."""
    ctx.facts.details_asked = 0
    response = cm.ServiceDiscoveryRes(
        header=ctx.header(),
        response_code=Code.OK,
        service_renegotiation_supported=ctx.facts.config.service_renegotiation,
        energy_transfer_service_list=cm.ServiceList(
            service=tuple(cm.Service(service_id=service, free_service=False) for service in ctx.services)
        ),
        vas_list=value_added.listed(ctx, request.supported_service_ids),
    )
    return Answer(response, State.SERVICE_DETAIL)


def service_detail(request: cm.ServiceDetailReq, ctx: Context) -> Answer | Refused:
    """The parameter sets of one offered service; anything else is FAILED_ServiceIDInvalid [V2G20-425,
    V2G20-464]."""
    if (enough := ctx.facts.one_detail_more()) is not None:
        return enough
    extra = value_added.service(ctx, request.service_id)
    if extra is not None:
        told = cm.ServiceDetailRes(
            header=ctx.header(),
            response_code=Code.OK,
            service_id=extra.id,
            service_parameter_list=value_added.detail(extra),
        )
        return Answer(told, State.SERVICE_SELECTION)
    if request.service_id not in ctx.services:
        return Refused(
            Fault.SERVICE_ID,
            EndReason.PARAMETERS_NOT_ACCEPTED,
            f"service {request.service_id} is not offered",
        )
    service = ServiceID(request.service_id)
    ctx.detailed.add(service)
    response = cm.ServiceDetailRes(
        header=ctx.header(),
        response_code=Code.OK,
        service_id=service,
        service_parameter_list=cm.ServiceParameterList(
            parameter_set=tuple(_on_wire(parameters) for parameters in ctx.parameter_sets(service))
        ),
    )
    return Answer(response, State.SERVICE_SELECTION)


def _on_wire(parameters: ParameterSet) -> cm.ParameterSet:
    values = {
        "Connector": parameters.connector,
        "ControlMode": parameters.control_mode,
        "MobilityNeedsMode": parameters.mobility_needs_mode,
        "Pricing": parameters.pricing,
        "BPTChannel": parameters.bpt_channel,
        "GeneratorMode": parameters.generator_mode,
        "GridCodeIslandingDetectionMethod": parameters.islanding,
        "EVSENominalVoltage": parameters.nominal_voltage_v,
        "DERControlFunctions": parameters.der_functions,
    }
    return cm.ParameterSet(
        parameter_set_id=parameters.id,
        parameter=tuple(
            cm.Parameter(name=name, int_value=int(value))
            for name, value in values.items()
            if value is not None
        ),
    )


def service_selection(request: cm.ServiceSelectionReq, ctx: Context) -> Answer | Refused:
    """The pair of service and parameter set must have been offered in this
    session [V2G20-433, V2G20-1216]."""
    facts = ctx.facts
    chosen = request.selected_energy_transfer_service
    if chosen.service_id not in ctx.services:
        # Not one of our energy services at all, or an id nobody knows [V2G20-1618].
        named = SERVICES.get(chosen.service_id)  # type: ignore[call-overload]
        known = named is not None and named.namespace == ctx.part.namespace
        fault = Fault.SERVICE_SELECTION if known else Fault.NO_ENERGY_SERVICE
        return _not_selected(fault, f"service {chosen.service_id} is not offered")
    service = ServiceID(chosen.service_id)
    extras = request.selected_vas_list
    selected = value_added.take(ctx, () if extras is None else extras.selected_service)
    if isinstance(selected, Refused):
        return selected
    for parameters in ctx.parameter_sets(service):
        if parameters.id == chosen.parameter_set_id and service in ctx.detailed:
            ctx.service, ctx.parameter_set = SERVICES[service], parameters
            facts.insulation_threshold_ohm = ctx.service.insulation_threshold_ohm
            response = cm.ServiceSelectionRes(header=ctx.header(), response_code=Code.OK)
            facts.selected = selected
            news = (ServicesSelected(selected),) if selected else ()
            return Answer(response, ctx.part.parameters, news)
    return _not_selected(Fault.SERVICE_SELECTION, f"parameter set {chosen.parameter_set_id} was not offered")


def _not_selected(fault: Fault, why: str) -> Refused:
    return Refused(fault, EndReason.PARAMETERS_NOT_ACCEPTED, why)


_LONGEST = 200
"""Of what the vehicle says about its leaving, in characters; the schema allows 80 and 160."""


def _termination(request: cm.SessionStopReq) -> str:
    """Why the vehicle leaves, in its own words, on one line of printable characters: it goes to logs,
    terminals and ports."""
    code, why = request.ev_termination_code, request.ev_termination_explanation
    if code == EndReason.STOPPED_BY_EV.name:  # as ours says it: no more than that it leaves
        code = None
    said = ": ".join(part for part in (f"EVTerminationCode {code}" if code else "", why or "") if part)
    return printable(said, _LONGEST)


def _leaving(request: cm.SessionStopReq) -> actions.VehicleLeaves:
    code, why = request.ev_termination_code or "", request.ev_termination_explanation or ""
    return actions.VehicleLeaves(printable(code, _LONGEST), printable(why, _LONGEST))


def session_stop(request: cm.SessionStopReq, ctx: Context) -> Answer | Refused:
    """The vehicle leaves. The machine makes the hardware safe before the answer goes out, in whatever phase
    this comes."""
    facts = ctx.facts
    detail = _termination(request)
    if request.charging_session is not cm.ChargingSession.ServiceRenegotiation:
        facts.leaving = _leaving(request)
        facts.news.append(facts.leaving)
    end, refused, cause = EndReason.STOPPED_BY_EV, "", ""
    if facts.stop_wanted:
        end = EndReason.STOPPED_BY_STATION
    elif facts.turned_down:  # it leaves because it was not let in
        end, cause = EndReason.AUTHORIZATION_FAILED, facts.turned_down_cause
        refused = f"the vehicle left after it was refused: {facts.turned_down}"
    match request.charging_session:
        case cm.ChargingSession.Terminate:
            return Answer(
                cm.SessionStopRes(header=ctx.header(), response_code=Code.OK),
                State.ENDED,
                end=end,
                detail=facts.stop_wanted or refused or detail,
                cause=cause,
            )
        case cm.ChargingSession.ServiceRenegotiation:
            # Legal only once a service was selected, otherwise it would be a way round authorization, and
            # never under power [V2G20-1477].
            if facts.config.service_renegotiation and ctx.service is not None and not facts.energized:
                ctx.service = ctx.parameter_set = facts.vehicle = facts.offered = facts.limits = None
                facts.ac_vehicle = facts.ac_offered = facts.ac_limits = facts.pad_vehicle = None
                # It stands where it stood; where the conversation was left belongs to the old choice.
                ctx.wpt = Wireless(paired=ctx.wpt.paired, warnings=ctx.wpt.warnings)
                ctx.ac_now = ctx.ac_bounds = ctx.der_code = ctx.der_reported = None
                ctx.wire = ctx.loop_mode = ctx.wish = None
                ctx.forget_schedules()
                facts.cable_check_asked = facts.cable_check_started = facts.precharge_started = None
                facts.cable_check_ok = None
                ctx.renegotiate_until = ctx.renegotiate_next = 0.0
                ctx.needs_told = None
                ctx.target_told = ctx.discharge_channel = False
                ctx.detailed.clear()
                facts.wishes.service_anew()
                # Some vehicles say so and hang up: that is an ordinary end.
                facts.wishes.may_leave = "the vehicle left where it would have chosen another service"
                facts.news.append(actions.ServiceRenegotiated())
                value_added.forget(ctx)
                return Answer(
                    cm.SessionStopRes(header=ctx.header(), response_code=Code.OK), State.SERVICE_DISCOVERY
                )
            return Refused(
                Fault.SERVICE_RENEGOTIATION, EndReason.REFUSED, "service renegotiation is not offered"
            )
        case cm.ChargingSession.Pause:
            # Who wants the session to end, or took the authorization back, does not leave it to be resumed.
            why = facts.stop_wanted or why_no_pause(ctx)
            if not why:
                response = cm.SessionStopRes(header=ctx.header(), response_code=Code.OK)
                return Answer(response, State.ENDED, end=EndReason.PAUSED, detail=detail)
            return Refused(
                Fault.PAUSE, EndReason.STOPPED_BY_STATION if facts.stop_wanted else EndReason.REFUSED, why
            )
