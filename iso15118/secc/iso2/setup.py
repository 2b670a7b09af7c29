"""The phases before energy: session, services and the way to pay, and the end of the session.

Each handler takes a request that the table allows and answers it; nothing here touches the hardware.
"""

from __future__ import annotations

from iso15118.messages import iso2
from iso15118.messages.values import new_session_id
from iso15118.session.actions import EndReason, ServicesSelected, SessionResumed
from iso15118.session.edition import Answer, Fault, Refused
from iso15118.session.value_added import ServiceParameters, ValueAddedService, offered_in_iso2

from .context import Context
from .pause import join, why_no_pause
from .replies import SERVICE_CERTIFICATE, SERVICE_CHARGE, charge_service, payment_options
from .sequence import State

__all__ = [
    "payment_service_selection",
    "service_detail",
    "service_discovery",
    "session_setup",
    "session_stop",
]

Code = iso2.ResponseCode
_INSTALLATION, _UPDATE = 1, 2


def session_setup(request: iso2.SessionSetupReq, ctx: Context) -> Answer:
    """The paused session that the vehicle names, or a new one with an id of its own: an id that is
    unknown here is replaced [V2G2-756]. The EVCCID, an address, is told as hexadecimal digits;
    nothing is decided by it."""
    facts = ctx.facts
    facts.know_vehicle(request.evccid.hex().upper())
    joined = join(ctx)
    if not joined:
        facts.session_id = new_session_id()
    now = facts.unix_time
    response = iso2.SessionSetupRes(
        response_code=Code.OK_OldSessionJoined if joined else Code.OK_NewSessionEstablished,
        evseid=facts.config.evse_id,
        evse_time_stamp=None if now is None else int(now),
    )
    news = (SessionResumed(facts.session_id, facts.evccid, facts.emaid),) if joined else ()
    return Answer(ctx.envelope(response), State.SERVICE_DISCOVERY, news)


def service_discovery(request: iso2.ServiceDiscoveryReq, ctx: Context) -> Answer:
    """Charging is listed whatever the vehicle asks for; scope and category filter the services beside it."""
    category = request.service_category
    listed = [service for service in _beside(ctx) if category in (None, service.service_category)]
    if request.service_scope:
        listed = [service for service in listed if service.service_scope == request.service_scope]
    response = iso2.ServiceDiscoveryRes(
        response_code=Code.OK,
        payment_option_list=payment_options(ctx),
        charge_service=charge_service(ctx),
        service_list=iso2.ServiceList(service=tuple(listed)) if listed else None,
    )
    return Answer(ctx.envelope(response), State.PAYMENT_SERVICE_SELECTION)


def _beside(ctx: Context) -> list[iso2.Service]:
    """The services beside charging: that which brings contracts, and those of the station."""
    found = []
    if ctx.offers_certificates:
        found.append(
            iso2.Service(
                service_id=SERVICE_CERTIFICATE,
                service_name="Certificate",
                service_category=iso2.ServiceCategory.ContractCertificate,
                free_service=True,
            )
        )
    for number, service in _offered(ctx):
        found.append(
            iso2.Service(
                service_id=number,
                service_name=service.name or None,
                service_category=iso2.ServiceCategory(service.category),
                service_scope=service.scope or None,
                free_service=service.free,
            )
        )
    return found


def _value_added(ctx: Context, number: int) -> ValueAddedService | None:
    return next((service for own, service in _offered(ctx) if own == number), None)


def _offered(ctx: Context) -> tuple[tuple[int, ValueAddedService], ...]:
    """What this edition knows of the station's services, by its own ids."""
    return offered_in_iso2(ctx.facts.value_added)


def _variant(one: ServiceParameters) -> iso2.ParameterSet:
    parameters = []
    for name, value in one.values:
        if isinstance(value, bool):
            parameters.append(iso2.Parameter(name=name, bool_value=value))
        elif isinstance(value, int):
            parameters.append(iso2.Parameter(name=name, int_value=value))
        else:  # a physical value has a unit there, which nobody knows
            parameters.append(iso2.Parameter(name=name, string_value=str(value)))
    return iso2.ParameterSet(parameter_set_id=one.id, parameter=tuple(parameters))


def service_detail(request: iso2.ServiceDetailReq, ctx: Context) -> Answer | Refused:
    """The parameter sets of a service that is offered, filtered or not; charging has
    none [V2G2-425, V2G2-464]."""
    if (enough := ctx.facts.one_detail_more()) is not None:
        return enough
    sets: iso2.ServiceParameterList | None = None
    if request.service_id == SERVICE_CERTIFICATE and ctx.offers_certificates:
        sets = iso2.ServiceParameterList(
            parameter_set=tuple(
                iso2.ParameterSet(
                    parameter_set_id=number, parameter=(iso2.Parameter(name="Service", string_value=name),)
                )
                for number, name in ((_INSTALLATION, "Installation"), (_UPDATE, "Update"))
            )
        )
    elif (service := _value_added(ctx, request.service_id)) is not None:
        variants = tuple(_variant(one) for one in service.parameter_sets)
        sets = iso2.ServiceParameterList(parameter_set=variants) if variants else None
    elif request.service_id != SERVICE_CHARGE:
        return _not_accepted(Fault.SERVICE_ID, f"service {request.service_id} is not offered")
    response = iso2.ServiceDetailRes(
        response_code=Code.OK, service_id=request.service_id, service_parameter_list=sets
    )
    return Answer(ctx.envelope(response), State.PAYMENT_SERVICE_SELECTION)


def payment_service_selection(request: iso2.PaymentServiceSelectionReq, ctx: Context) -> Answer | Refused:
    """The way to pay, then every service by itself, then that charging is among them."""
    option = request.selected_payment_option
    if option not in ctx.payments:
        return _not_accepted(Fault.PAYMENT_SELECTION, f"{option.value} is not offered")
    chosen = request.selected_service_list.selected_service
    selected: list[tuple[int, int | None]] = []
    for service in chosen:
        number, parameters = service.service_id, service.parameter_set_id
        if number == SERVICE_CHARGE:
            continue
        extra = _value_added(ctx, number)
        if extra is not None:
            if not extra.has(parameters):
                return _not_accepted(Fault.SERVICE_SELECTION, f"service {number} has no set {parameters}")
            if (extra.id, parameters) in selected:
                return _not_accepted(Fault.SERVICE_SELECTION, f"service {number} is selected twice")
            selected.append((extra.id, parameters))
            continue
        if number != SERVICE_CERTIFICATE or not ctx.offers_certificates:
            return _not_accepted(Fault.SERVICE_SELECTION, f"service {number} is not offered")
        if parameters not in (None, _INSTALLATION, _UPDATE):
            why = f"parameter set {parameters} of service {number} is not offered"
            return _not_accepted(Fault.SERVICE_SELECTION, why)
    numbers = {service.service_id for service in chosen}
    if SERVICE_CHARGE not in numbers:
        return _not_accepted(Fault.NO_ENERGY_SERVICE, "charging was not selected")
    ctx.payment = option
    ctx.wants_certificate = SERVICE_CERTIFICATE in numbers
    following = State.AUTHORIZATION
    if option is iso2.PaymentOption.Contract:
        following = State.CONTRACT_CERTIFICATE if ctx.wants_certificate else State.PAYMENT_DETAILS
    response = iso2.PaymentServiceSelectionRes(response_code=Code.OK)
    ctx.facts.selected = tuple(selected)
    news = (ServicesSelected(tuple(selected)),) if selected else ()
    return Answer(ctx.envelope(response), following, news)


def _not_accepted(fault: Fault, why: str) -> Refused:
    return Refused(fault, EndReason.PARAMETERS_NOT_ACCEPTED, why)


def session_stop(request: iso2.SessionStopReq, ctx: Context) -> Answer | Refused:
    """The vehicle leaves. The funnel makes the hardware safe before the answer goes out, in
    whatever phase this comes."""
    facts = ctx.facts
    if ctx.state in (ctx.part.loop, State.METERING_RECEIPT):
        facts.note("session-stop", "SessionStop under power, without PowerDelivery(Stop) before it")
    response = ctx.envelope(iso2.SessionStopRes(response_code=Code.OK))
    end, refused, cause = EndReason.STOPPED_BY_EV, "", ""
    if facts.stop_wanted:
        end = EndReason.STOPPED_BY_STATION
    elif facts.turned_down:  # it leaves because it was not let in
        end, cause = EndReason.AUTHORIZATION_FAILED, facts.turned_down_cause
        refused = f"the vehicle left after it was refused: {facts.turned_down}"
    if request.charging_session is iso2.ChargingSession.Terminate:
        return Answer(response, State.ENDED, end=end, detail=facts.stop_wanted or refused, cause=cause)
    # Who wants the session to end, or took the authorization back, does not leave it to be resumed.
    why = facts.stop_wanted or why_no_pause(ctx)
    if not why:
        return Answer(response, State.ENDED, end=EndReason.PAUSED)
    return Refused(Fault.PAUSE, EndReason.STOPPED_BY_STATION if facts.stop_wanted else EndReason.REFUSED, why)
