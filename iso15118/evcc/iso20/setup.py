"""The vehicle's phases before energy: protocol, session, authorization, service, charge parameters and
schedule.

The vehicle ranks the services by its own order; what the station offers beyond it does not matter.
"""

from __future__ import annotations

from typing import Any

from iso15118.energy.planning import Wish
from iso15118.errors import ConfigError
from iso15118.evcc.config import Identification
from iso15118.evcc.conversation import Conversation, EndSession, Leave
from iso15118.evcc.iso20 import value_added
from iso15118.evcc.iso20.ac_setup import take_parameters
from iso15118.evcc.iso20.choice import choose_schedule
from iso15118.evcc.iso20.exchange import exchange, header, poll
from iso15118.evcc.iso20.mobility import take_station_needs
from iso15118.evcc.iso20.needs import departure_or_a_day, departure_s, energies, v2x
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.iso20.plug_and_charge import plug_and_charge
from iso15118.evcc.no_contract import leave_without_contract
from iso15118.evcc.wind_down import take_most
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import rational, si, unit_of
from iso15118.session.actions import EndReason
from iso15118.session.limits import StationLimits
from iso15118.session.services import (
    OUTLET_SERVICES,
    SERVICES,
    WPT_SERVICES,
    BptChannel,
    ControlMode,
    GeneratorMode,
    MobilityNeedsMode,
    Pricing,
    ServiceID,
    phases_of,
)

__all__ = ["authorization", "charge_parameters", "choose_service", "schedule"]


def _stop_if_wanted(talk: Conversation) -> None:
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)


async def authorization(talk: Conversation) -> None:
    """By contract or at a terminal, in the vehicle's order; what the station does
    not offer is passed over."""
    _stop_if_wanted(talk)
    offered = await exchange(talk, cm.AuthorizationSetupReq(header=header(talk)))
    # Never without TLS: anybody on the line could be the one who asks for the signature.
    contracts = talk.secure and cm.Authorization.PnC in offered.authorization_services
    for way in talk.config.identification:
        if way is Identification.PNC:
            if contracts and await plug_and_charge(talk, offered):
                return
        elif cm.Authorization.EIM in offered.authorization_services:
            await _external(talk)
            return
    if talk.refusals:
        raise leave_without_contract(talk)
    wanted = {Identification.PNC: "Plug and Charge", Identification.EIM: "external identification"}
    names = " or ".join(wanted[way] for way in talk.config.identification)
    raise Leave(
        EndReason.AUTHORIZATION_FAILED, f"the station does not offer {names}", cause="no-common-authorization"
    )


async def _external(talk: Conversation) -> None:
    """External identification, repeated unaltered while the station waits for the driver [V2G20-1582]."""
    response = await poll(
        talk,
        lambda: cm.AuthorizationReq(
            header=header(talk),
            selected_authorization_service=cm.Authorization.EIM,
            a_req_authorization_mode=cm.EIMAReqAuthorizationMode(),
        ),
        lambda response: response.evse_processing is Processing.Finished,
        limit=talk.timing.authorization_ongoing_timeout,
        reason=EndReason.ONGOING_TOO_LONG,
    )
    if response.response_code.value.startswith("WARNING"):
        raise Leave(EndReason.AUTHORIZATION_FAILED, response.response_code.value)


async def choose_service(talk: Conversation, plan: Plan) -> None:
    """The first of the vehicle's services that the station has, with a parameter set in the wanted control
    mode."""
    _stop_if_wanted(talk)
    response = await exchange(talk, cm.ServiceDiscoveryReq(header=header(talk)))
    plan.may_change_service = response.service_renegotiation_supported
    offered = {service.service_id for service in response.energy_transfer_service_list.service}
    for wanted in talk.services:
        if wanted not in offered or SERVICES[wanted].namespace != plan.namespace:
            continue
        detail = await exchange(talk, cm.ServiceDetailReq(header=header(talk), service_id=wanted))
        if detail.service_id != wanted:
            raise EndSession(EndReason.REFUSED, f"asked for service {wanted}, told about {detail.service_id}")
        for mode in talk.config.control_modes:
            fitting = [
                parameters
                for parameters in detail.service_parameter_list.parameter_set
                if _number(parameters, "ControlMode") == mode and _can(talk, wanted, parameters)
            ]
            if not fitting:
                continue
            chosen = min(
                fitting,
                key=lambda one: (
                    _phases_lost(talk, wanted, one),
                    *_nuisance(talk, wanted, one),
                    _unpriced(talk, one),
                ),
            )
            plan.service, plan.parameter_set_id = SERVICES[wanted], chosen.parameter_set_id
            plan.control_mode, plan.pricing = mode, _number(chosen, "Pricing") or 0
            plan.mobility_needs_mode = _needs_mode(chosen) or MobilityNeedsMode.PROVIDED_BY_EVCC
            plan.separate_channels = _separate(wanted, chosen)
            if wanted in OUTLET_SERVICES:
                take_parameters(talk, plan.ac, {one.name: one.int_value for one in chosen.parameter})
            selected = cm.SelectedService(service_id=wanted, parameter_set_id=chosen.parameter_set_id)
            extras = await value_added.choose(talk, response.vas_list)
            await exchange(
                talk,
                cm.ServiceSelectionReq(
                    header=header(talk), selected_energy_transfer_service=selected, selected_vas_list=extras
                ),
            )
            value_added.told(talk, extras)
            return
    wishes = ", ".join(service.name for service in talk.services)
    raise Leave(
        EndReason.PARAMETERS_NOT_ACCEPTED,
        f"no service for {wishes} in {' or '.join(mode.name for mode in talk.config.control_modes)}"
        + (
            f" with connector {' or '.join(map(str, talk.config.connectors))}"
            if talk.config.connectors
            else ""
        ),
    )


def _number(parameters: cm.ParameterSet, name: str) -> int | None:
    for parameter in parameters.parameter:
        if parameter.name == name:
            return parameter.int_value
    return None


def _needs_mode(parameters: cm.ParameterSet) -> MobilityNeedsMode | None:
    """Who says when the vehicle leaves; without a word it is the vehicle. None: nobody that the standard
    knows."""
    said = _number(parameters, "MobilityNeedsMode") or MobilityNeedsMode.PROVIDED_BY_EVCC
    return _NEEDS_MODES.get(said)


_NEEDS_MODES: dict[int, MobilityNeedsMode] = {mode.value: mode for mode in MobilityNeedsMode}


def _separate(service: ServiceID, parameters: cm.ParameterSet) -> bool:
    """Charging and discharging have channels of their own."""
    return SERVICES[service].bidirectional and _number(parameters, "BPTChannel") == BptChannel.SEPARATED


def _can(talk: Conversation, service: ServiceID, parameters: cm.ParameterSet) -> bool:
    """The vehicle knows, and has, what this set asks for."""
    if _needs_mode(parameters) is None:
        return False
    charger = talk.charger
    forms = _number(parameters, "GeneratorMode") == GeneratorMode.GRID_FORMING
    if service not in OUTLET_SERVICES:
        if service not in WPT_SERVICES and not _plugs_in(talk, parameters):
            return False
        if _separate(service, parameters) and _number(parameters, "ControlMode") == ControlMode.DYNAMIC:
            return False  # it would not know when to change channels (docs/sources.md)
        return not forms  # a vehicle that follows the grid cannot form one
    if charger is None:
        return False
    if service is ServiceID.AC_DER_IEC:
        wanted = _number(parameters, "DERControlFunctions") or 0
        if talk.inverter is None or wanted & ~talk.inverter.iec_functions:
            return False  # it would have to follow what it does not have
    phases = phases_of(_number(parameters, "Connector"))
    return 0 < phases <= charger.phases and (charger.forms_grid or not forms)


def _plugs_in(talk: Conversation, parameters: cm.ParameterSet) -> bool:
    fitting = talk.config.connectors
    return not fitting or _number(parameters, "Connector") in fitting


def _phases_lost(talk: Conversation, service: ServiceID, parameters: cm.ParameterSet) -> int:
    """A vehicle takes the set with its own number of phases, wherever it stands in the list."""
    if service not in OUTLET_SERVICES or talk.charger is None:
        return 0
    return talk.charger.phases - phases_of(_number(parameters, "Connector"))


def _nuisance(talk: Conversation, service: ServiceID, parameters: cm.ParameterSet) -> tuple[int, bool]:
    """The vehicle takes the set in which its needs are known to whom it wants, and it changes channels to
    give energy back only where there are two."""
    liked, needs = talk.config.mobility_needs, _needs_mode(parameters)
    return (
        liked.index(needs) if needs in liked else len(liked),
        _separate(service, parameters),
    )


def _unpriced(talk: Conversation, parameters: cm.ParameterSet) -> int:
    """A vehicle that chooses by prices takes the set that promises some, money before levels."""
    if talk.config.schedules.choice not in (Wish.CHEAPEST, Wish.GREENEST):
        return 0
    return {int(Pricing.ABSOLUTE): 0, int(Pricing.PRICE_LEVELS): 1}.get(
        _number(parameters, "Pricing") or 0, 2
    )


async def charge_parameters(talk: Conversation, plan: Plan) -> None:
    """Declare the vehicle's limits and take the station's; types must belong to the service on both sides."""
    _stop_if_wanted(talk)
    limits = talk.limits  # rounded when the session began
    mode: dict[str, Any] = {
        "ev_maximum_charge_power": rational(limits.maximum_charge_power_w),
        "ev_minimum_charge_power": rational(limits.minimum_charge_power_w),
        "ev_maximum_charge_current": rational(limits.maximum_charge_current_a),
        "ev_minimum_charge_current": rational(limits.minimum_charge_current_a),
        "ev_maximum_voltage": rational(limits.maximum_voltage_v),
        "ev_minimum_voltage": rational(limits.minimum_voltage_v),
        "target_soc": talk.target_soc,
    }
    if plan.service.bidirectional:
        allowed = 1.0 if talk.config.allow_discharge else 0.0
        sign = talk.config.discharge_limit_sign
        mode |= {
            "ev_maximum_discharge_power": sign.of(rational(limits.maximum_discharge_power_w * allowed)),
            "ev_minimum_discharge_power": sign.of(rational(limits.minimum_discharge_power_w * allowed)),
            "ev_maximum_discharge_current": sign.of(rational(limits.maximum_discharge_current_a * allowed)),
            "ev_minimum_discharge_current": sign.of(rational(limits.minimum_discharge_current_a * allowed)),
        }
    response = await exchange(
        talk,
        dc.DCChargeParameterDiscoveryReq(
            header=header(talk), dc_cpd_req_energy_transfer_mode=plan.service.cpd_req_mode(**mode)
        ),
    )
    offer = response.dc_cpd_res_energy_transfer_mode
    if type(offer) is not plan.service.cpd_res_mode:
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED, f"{type(offer).__name__} does not belong to the chosen service"
        )
    try:
        plan.station = plan.offer = _station_limits(offer)
    except ConfigError as error:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, str(error)) from error
    take_most(talk, plan.offer)
    if plan.station.minimum_voltage_v > limits.maximum_voltage_v:
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED, "the station's minimum voltage is above the vehicle's maximum"
        )
    for what in ("charge_power_w", "charge_current_a"):
        if getattr(plan.station, f"minimum_{what}") > getattr(limits, f"maximum_{what}") > 0.0:
            raise Leave(
                EndReason.PARAMETERS_NOT_ACCEPTED,
                f"the station's minimum_{what} is above the vehicle's maximum",
            )
    if plan.station.maximum_voltage_v < talk.battery.voltage_v:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "the station cannot reach the battery's voltage")


def _station_limits(offer: Any) -> StationLimits:
    limits = {
        "maximum_charge_power_w": si(offer.evse_maximum_charge_power),
        "minimum_charge_power_w": si(offer.evse_minimum_charge_power),
        "maximum_charge_current_a": si(offer.evse_maximum_charge_current),
        "minimum_charge_current_a": si(offer.evse_minimum_charge_current),
        "maximum_voltage_v": si(offer.evse_maximum_voltage),
        "minimum_voltage_v": si(offer.evse_minimum_voltage),
    }
    if isinstance(offer, dc.BPTDCCPDResEnergyTransferMode):
        # Some stations give discharge limits a negative sign: the magnitude is what counts.
        limits |= {
            "maximum_discharge_power_w": abs(si(offer.evse_maximum_discharge_power)),
            "minimum_discharge_power_w": abs(si(offer.evse_minimum_discharge_power)),
            "maximum_discharge_current_a": abs(si(offer.evse_maximum_discharge_current)),
            "minimum_discharge_current_a": abs(si(offer.evse_minimum_discharge_current)),
        }
    return StationLimits(**limits)


async def schedule(talk: Conversation, plan: Plan) -> bool:
    """Say what is needed; in Scheduled mode take the best schedule that the station offers. False: it has no
    other one, and the old one stays."""
    _stop_if_wanted(talk)
    talk.needs_changed = False
    response = await poll(
        talk,
        lambda: cm.ScheduleExchangeReq(
            header=header(talk),
            maximum_supporting_points=talk.config.schedules.maximum_points,
            se_req_control_mode=_needs(talk, plan),
        ),
        lambda response: response.evse_processing is Processing.Finished,
        limit=talk.timing.ongoing_timeout,
        reason=EndReason.ONGOING_TOO_LONG,
    )
    if response.response_code is ResponseCode.WARNING_ScheduleRenegotiationFailed:
        if plan.power_delivered:
            return False
        raise Leave(EndReason.REFUSED, response.response_code.value)
    plan.go_to_pause = response.go_to_pause is True
    answer = response.se_res_control_mode
    scheduled = plan.control_mode is ControlMode.SCHEDULED
    if isinstance(answer, cm.ScheduledSEResControlMode) is not scheduled:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, f"{type(answer).__name__} in the other control mode")
    if not isinstance(answer, cm.ScheduledSEResControlMode):
        take_station_needs(talk, plan, answer)
        return True
    plan.schedule = choose_schedule(talk, plan, response)
    plan.warned = False
    plan.look_again_at, plan.falls_short = talk.now + talk.config.schedules.look_again_s, False
    if unit := unit_of(plan.schedule.anchor):
        talk.note("time-stamp-unit", f"the station's time stamps are {unit}")
    if plan.schedule_over(talk.now):
        # Before the charge there is nothing to agree on; in the middle of it the vehicle leaves as if it had
        # enough.
        reason = EndReason.STOPPED_BY_EV if plan.power_delivered else EndReason.PARAMETERS_NOT_ACCEPTED
        raise Leave(reason, "the schedule that the station offers is over")
    return True


def _needs(talk: Conversation, plan: Plan) -> cm.SEReqControlMode:
    if plan.control_mode is ControlMode.SCHEDULED:
        return cm.ScheduledSEReqControlMode(departure_time=departure_s(talk), **energies(talk))
    return cm.DynamicSEReqControlMode(
        departure_time=departure_or_a_day(talk),
        minimum_soc=talk.minimum_soc,
        target_soc=talk.target_soc,
        **energies(talk),
        **v2x(talk, plan),
    )
