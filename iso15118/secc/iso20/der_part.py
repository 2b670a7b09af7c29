"""The DER families of ISO 15118-20: what AC_DER_IEC and AC_DER_SAE add to the AC part,
which they are composed from.

The grid code comes from the energy manager; what the vehicle does not have is left out, or switched off. The
station regulates nothing: it tells, and hears what the inverter reports.
"""

from __future__ import annotations

from typing import Any

import msgspec

from iso15118.energy.ac_groups import elements
from iso15118.energy.grid_functions import IecGridCode
from iso15118.energy.sae_functions import ALL_SAE, USABLE_MODES, SaeGridCode
from iso15118.messages.iso20 import ac, ac_der_iec, ac_der_sae
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import rational, time_stamp
from iso15118.session import der_iec, der_sae
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import GridReported, InverterDeclared
from iso15118.session.edition import Answer, Refused
from iso15118.session.services import SERVICES, ControlMode, EnergyService, Namespace, ServiceID

from . import ac_parameters
from .ac_part import AC
from .ac_wire import offer_fields
from .context import Context
from .notices import early_status
from .sequence import Part, State, row

__all__ = ["AC_DER_IEC", "AC_DER_SAE", "why_no_grid_code"]

S = State
_MINUS = -1


def why_no_grid_code(code: object, service: ServiceID, outlet: AcStationLimits | None) -> str:
    """Why this service cannot be offered; empty if it can: at most one of the two is, by the kind
    of grid code that there is."""
    kind = IecGridCode if service is ServiceID.AC_DER_IEC else SaeGridCode
    if not isinstance(code, kind):
        return "without a grid code of its kind"
    return "" if outlet is not None and outlet.bidirectional else "at an outlet that takes nothing back"


def charge_parameter_discovery(request: ac.ACChargeParameterDiscoveryReq, ctx: Context) -> Answer | Refused:
    """The limits as with AC, and the grid code. A vehicle that still computes comes again
    [V2G20-3150, V2G20-3151]."""
    facts, service, mode = ctx.facts, ctx.service, request.ac_cpd_req_energy_transfer_mode
    refused = ac_parameters.take(mode, ctx)
    if refused is not None or service is None:
        return refused or ac_parameters.wrong("no service was chosen")
    kind: type[IecGridCode] | type[SaeGridCode] = (
        IecGridCode if service.id is ServiceID.AC_DER_IEC else SaeGridCode
    )
    code = facts.grid_code
    if not isinstance(code, kind):  # the site has changed it since the service was offered
        return ac_parameters.wrong("there is no grid code of this service any more")
    ctx.der_functions = _functions(mode, ctx)
    ctx.der_code = code.within(ctx.der_functions)
    ongoing = getattr(mode, "ev_processing", Processing.Finished) is not Processing.Finished
    response = ac.ACChargeParameterDiscoveryRes(
        header=ctx.header(),
        response_code=ResponseCode.OK,
        ac_cpd_res_energy_transfer_mode=_offer(ctx, service),
    )
    if ongoing:
        return Answer(response, S.AC_CHARGE_PARAMETER_DISCOVERY)
    return Answer(response, S.SCHEDULE_EXCHANGE, (_declared(mode, ctx.der_functions),))


def _declared_anew(request: ac.ACChargeParameterDiscoveryReq, ctx: Context) -> AcVehicleLimits | Refused:
    """The limits as with AC; of the functions that were agreed on those that the inverter has no longer
    are not asked for any more."""
    limits = ac_parameters.declared(request, ctx)
    if not isinstance(limits, Refused) and ctx.der_code is not None:
        ctx.der_functions &= _functions(request.ac_cpd_req_energy_transfer_mode, ctx)
        ctx.der_code = ctx.der_code.within(ctx.der_functions)
    return limits


def _offered_again(ctx: Context) -> dict[str, Any]:
    """The offer with the whole grid code: half of one would be another one."""
    return {} if ctx.service is None else {"ac_cpd_res_energy_transfer_mode": _offer(ctx, ctx.service)}


def _functions(mode: Any, ctx: Context) -> int:
    """What the vehicle has: by the parameter set that it chose, or by what it declares."""
    if isinstance(mode, ac_der_sae.DERACCPDReqEnergyTransferMode):
        return mode.supported_modes & USABLE_MODES & int(ALL_SAE)
    chosen = ctx.parameter_set
    return (chosen.der_functions or 0) if chosen is not None else 0


def _declared(mode: Any, functions: int) -> InverterDeclared:
    if not isinstance(mode, ac_der_sae.DERACCPDReqEnergyTransferMode):
        return InverterDeclared(functions=functions)
    details = mode.ev_inverter_details
    return InverterDeclared(
        functions=functions,
        manufacturer=details.ev_inverter_manufacturer,
        model=details.ev_inverter_model,
        serial_number=details.ev_inverter_serial_number,
        certified=mode.j3072_certified,
        normal_category=mode.ieee1547_normal_category.value,
        abnormal_category=mode.ieee1547_abnormal_category.value,
    )


# -- what is told before the charge ------------------------------------------------------------------------


def _offer(ctx: Context, service: EnergyService) -> Any:
    facts, code = ctx.facts, ctx.der_code
    limits, sign = facts.ac_offered, facts.config.discharge_limit_sign
    if limits is None:
        limits = ac_parameters.NONE
    uneven = facts.ac_vehicle is not None and facts.ac_vehicle.uneven
    # Nominal and greatest power are the same [V2G20-3229].
    nominal: dict[str, Any] = {}
    for name, value, back in (
        ("evse_nominal_charge_power", limits.maximum_charge_power_w, False),
        ("evse_nominal_discharge_power", limits.maximum_discharge_power_w, True),
    ):
        minus = back and sign.value == _MINUS
        nominal |= elements(name, value, limits.phases, uneven=uneven, minus=minus)
    more = _sae(ctx, limits, code) if isinstance(code, SaeGridCode) else _iec(ctx, code)
    fields = offer_fields(limits, service, uneven, sign) | nominal | more
    make: Any = service.cpd_res_mode
    return make(**{name: value for name, value in fields.items() if name in make.__struct_fields__})


def _iec(ctx: Context, code: IecGridCode | None) -> dict[str, Any]:
    code = code or IecGridCode()
    chosen = ctx.parameter_set
    forms = chosen is not None and chosen.generator_mode is not None and chosen.generator_mode.value == 2
    modes, connections = ac_der_iec.EvOperatingMode, ac_der_iec.GridConnectionMode
    return {
        "ev_operating_mode": modes.GridForming if forms else modes.GridFollowing,
        "grid_connection_mode": connections.GridIslanded if code.islanded else connections.GridConnected,
        "der_control": der_iec.control(code, ctx.facts.config.ac.reactive_sign),
    }


def _sae(ctx: Context, limits: AcStationLimits, code: SaeGridCode) -> dict[str, Any]:
    facts = ctx.facts
    charge, back = (
        rational(sum(limits.maximum_charge_power_w)),
        rational(sum(limits.maximum_discharge_power_w)),
    )
    modes, connections = ac_der_sae.RequiredDEROperatingMode, ac_der_sae.GridConnectionMode
    return {
        "evse_processing": Processing.Finished,
        "evse_status": early_status(ctx),
        "der_control_cpd_res": der_sae.control(code, facts.config.ac.reactive_sign),
        # What the outlet bears is a current, whatever its phase angle.
        "evse_reactive_power_limits": ac_der_sae.EVSEReactivePowerLimits(
            evse_maximum_var_absorption_during_charging=charge,
            evse_maximum_var_injection_during_charging=charge,
            evse_maximum_var_absorption_during_discharging=back,
            evse_maximum_var_injection_during_discharging=back,
        ),
        "grid_limits": der_sae.grid_limits(code),
        "required_der_operating_mode": modes.GridForming if code.forms_grid else modes.GridFollowing,
        "grid_connection_mode": connections.GridIslanded if code.islanded else connections.GridConnected,
        "evse_update_time": time_stamp(facts.now + facts.epoch, facts.config.time_stamp_unit),
    }


# -- the loop ----------------------------------------------------------------------------------------------


def _heard_iec(mode: Any, ctx: Context) -> None:
    _report(ctx, GridReported(events=mode.grid_event_condition))


def _heard_sae(mode: Any, ctx: Context) -> None:
    states, connections = ac_der_sae.DerOperationalState, ac_der_sae.DerConnectionStatus
    _report(
        ctx,
        GridReported(
            events=mode.der_alarm_status,
            in_service=mode.der_operational_state is states.On,
            connected=mode.der_connection_status is connections.Connected,
            enabled=mode.enabled_modes & USABLE_MODES,
        ),
    )


_QUIET = GridReported(events=0)


def _report(ctx: Context, said: GridReported) -> None:
    """Once for each rise and each fall."""
    before = ctx.der_reported
    if said != before and (before is not None or said != _QUIET):
        ctx.facts.news.append(said)
    ctx.der_reported = said


def _limits(ctx: Context) -> dict[str, Any]:
    """The limits of this moment, which the loop of these services has."""
    facts = ctx.facts
    limits, vehicle = facts.ac_limits or ac_parameters.NONE, facts.ac_vehicle
    uneven = vehicle is not None and vehicle.uneven
    minus = facts.config.discharge_limit_sign.value == _MINUS
    fields = elements(
        "evse_maximum_charge_power", limits.maximum_charge_power_w, limits.phases, uneven=uneven
    )
    return fields | elements(
        "evse_maximum_discharge_power",
        limits.maximum_discharge_power_w,
        limits.phases,
        uneven=uneven,
        minus=minus,
    )


def _told_iec(ctx: Context) -> dict[str, Any]:
    facts = ctx.facts
    wanted = facts.dso.within(ctx.der_functions)
    return _limits(ctx) | der_iec.set_point(wanted, facts.config.ac.reactive_sign)


def _told_sae(ctx: Context) -> dict[str, Any]:
    """The permission always, what has changed once, and then it is what the vehicle was told."""
    facts, before = ctx.facts, ctx.der_code
    code = facts.grid_code if isinstance(facts.grid_code, SaeGridCode) else None
    if not isinstance(before, SaeGridCode):
        return _limits(ctx) | {"der_control_cl_res": _no_service()}
    now = before if code is None else code.within(ctx.der_functions)
    fields: dict[str, Any] = {
        "der_control_cl_res": der_sae.changes(now, before, facts.config.ac.reactive_sign)
    }
    modes, connections = ac_der_sae.RequiredDEROperatingMode, ac_der_sae.GridConnectionMode
    if now.forms_grid is not before.forms_grid:
        fields["required_der_operating_mode"] = modes.GridForming if now.forms_grid else modes.GridFollowing
    if now.islanded is not before.islanded:
        fields["grid_connection_mode"] = (
            connections.GridIslanded if now.islanded else connections.GridConnected
        )
    ctx.der_code = now
    return _limits(ctx) | fields


def _no_service() -> ac_der_sae.DERControlCLRes:
    return ac_der_sae.DERControlCLRes(enter_service_cl_res=ac_der_sae.EnterServiceCLRes(permit_service=False))


# -- refusals ----------------------------------------------------------------------------------------------


def _neutral_loop(ctx: Context, service: EnergyService) -> dict[str, Any]:
    """Nothing may flow, and nothing of the grid code is told."""
    zero = rational(0.0)
    fields: dict[str, Any] = {"evse_maximum_charge_power": zero, "evse_maximum_discharge_power": zero}
    if service.id is ServiceID.AC_DER_SAE:
        fields["der_control_cl_res"] = _no_service()
    if ctx.control_mode is ControlMode.DYNAMIC:
        return {"cl_res_control_mode": service.dynamic_res(evse_target_active_power=zero, **fields)}
    return {"cl_res_control_mode": service.scheduled_res(**fields)}


def _neutral_offer(ctx: Context, service: EnergyService) -> dict[str, Any]:
    """Of AC_DER_SAE the plain element of AC: whoever refuses has no grid code to
    tell, and half of one is none."""
    if service.id is ServiceID.AC_DER_SAE:
        plain = ac_parameters.neutral_offer(ctx, SERVICES[ServiceID.AC], plain=True)
        return {"ac_cpd_res_energy_transfer_mode": plain}
    kept, ctx.der_code = ctx.der_code, IecGridCode()
    offer, ctx.der_code = _offer(ctx, service), kept
    return {"ac_cpd_res_energy_transfer_mode": offer}


def _part(service: EnergyService, namespace: Namespace, schema: str, heard: Any, told: Any) -> Part:
    return msgspec.structs.replace(
        AC,
        name=service.id.name,
        schema=schema,
        namespace=namespace.value,
        rows=dict(AC.rows)
        | {
            S.AC_CHARGE_PARAMETER_DISCOVERY: {
                ac.ACChargeParameterDiscoveryReq: row(
                    "V2G20-3150, -3151", S.AC_CHARGE_PARAMETER_DISCOVERY, S.SCHEDULE_EXCHANGE
                ),
            },
        },
        handlers=dict(AC.handlers) | {ac.ACChargeParameterDiscoveryReq: charge_parameter_discovery},
        responses=dict(AC.responses)
        | {
            ac.ACChargeParameterDiscoveryReq: (
                ac.ACChargeParameterDiscoveryRes,
                lambda ctx: _neutral_offer(ctx, service),
            ),
            ac.ACChargeLoopReq: (ac.ACChargeLoopRes, lambda ctx: _neutral_loop(ctx, service)),
        },
        declared=_declared_anew,
        offered_again=_offered_again,
        heard=heard,
        told=told,
    )


AC_DER_IEC = _part(
    SERVICES[ServiceID.AC_DER_IEC], Namespace.AC_DER_IEC, "iso20-ac-der-iec", _heard_iec, _told_iec
)
AC_DER_SAE = _part(
    SERVICES[ServiceID.AC_DER_SAE], Namespace.AC_DER_SAE, "iso20-ac-der-sae", _heard_sae, _told_sae
)
