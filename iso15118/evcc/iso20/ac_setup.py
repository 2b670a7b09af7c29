"""AC before energy: what the chosen parameter set says, and the charge parameters of both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from iso15118.energy.ac import NOTHING, Phases, on_wire
from iso15118.energy.ac_groups import elements, group_of, magnitudes
from iso15118.errors import ConfigError
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso20.exchange import exchange, header
from iso15118.evcc.iso20.plan import AcPlan, Plan
from iso15118.messages.iso20 import ac
from iso15118.messages.values import DischargeLimitSign, si
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits, Islanding
from iso15118.session.actions import EndReason
from iso15118.session.services import GeneratorMode, phases_of

__all__ = ["charge_parameters", "declare", "limits_of", "take_offer", "take_parameters"]

_GRID_HZ = (45.0, 65.0)
_MINUS = DischargeLimitSign.MINUS


def take_parameters(talk: Conversation, plan: AcPlan, parameters: Mapping[str, int | None]) -> None:
    """What the chosen parameter set says about the outlet."""
    plan.phases = phases_of(parameters.get("Connector")) or 1
    volts = parameters.get("EVSENominalVoltage")
    if volts is None or not 50 <= volts <= 1000:
        talk.note(
            "nominal-voltage", f"EVSENominalVoltage is {volts}: {plan.nominal_voltage_v:g} V is assumed"
        )
    else:
        plan.nominal_voltage_v = float(volts)
    plan.der_functions = parameters.get("DERControlFunctions") or 0
    plan.forms_grid = parameters.get("GeneratorMode") == GeneratorMode.GRID_FORMING
    method = parameters.get("GridCodeIslandingDetectionMethod")
    plan.islanding = Islanding(method) if method in (1, 2) else None


def declared(talk: Conversation, plan: Plan) -> AcVehicleLimits:
    """What the on-board charger can do on the phases that are used, rounded once."""
    charger = talk.charger
    if charger is None:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "there is no on-board charger")
    if charger.phases > plan.ac.phases:
        charger = charger.single_phase()
    if not plan.service.bidirectional or not talk.config.allow_discharge:
        charger = msgspec.structs.replace(
            charger, maximum_discharge_power_w=NOTHING, minimum_discharge_power_w=NOTHING
        )
    return on_wire(charger, uneven=charger.uneven)


async def charge_parameters(talk: Conversation, plan: Plan) -> None:
    """Declare the vehicle's limits and take the station's; types must belong to the service on both sides."""
    own = declare(talk, plan)
    response = await exchange(
        talk,
        ac.ACChargeParameterDiscoveryReq(
            header=header(talk),
            ac_cpd_req_energy_transfer_mode=plan.service.cpd_req_mode(**limits_of(talk, plan, own)),
        ),
    )
    take_offer(talk, plan, response)


def declare(talk: Conversation, plan: Plan) -> AcVehicleLimits:
    """What the vehicle declares from now on."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    own = plan.ac.own = declared(talk, plan)
    return own


def take_offer(talk: Conversation, plan: Plan, response: ac.ACChargeParameterDiscoveryRes) -> Any:
    """The station's limits, which are in ``plan`` then; the element that they came in."""
    offer = response.ac_cpd_res_energy_transfer_mode
    if type(offer) is not plan.service.cpd_res_mode:
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED, f"{type(offer).__name__} does not belong to the chosen service"
        )
    try:
        plan.ac.offer = _station_limits(talk, plan, offer)
    except ConfigError as error:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, str(error)) from error
    return offer


def limits_of(talk: Conversation, plan: Plan, own: AcVehicleLimits) -> dict[str, Any]:
    """The vehicle's limits as elements of a request; they have been rounded."""
    phases, uneven = plan.ac.phases, own.uneven
    fields = elements("ev_maximum_charge_power", own.maximum_charge_power_w, phases, uneven=uneven)
    fields |= elements("ev_minimum_charge_power", own.minimum_charge_power_w, phases, uneven=uneven)
    if plan.service.bidirectional:
        minus = talk.config.discharge_limit_sign is _MINUS
        for name, value in (
            ("ev_maximum_discharge_power", own.maximum_discharge_power_w),
            ("ev_minimum_discharge_power", own.minimum_discharge_power_w),
        ):
            fields |= elements(name, value, phases, uneven=uneven, minus=minus)
    return fields


_OFFERED = (
    ("maximum_charge_power_w", "evse_maximum_charge_power"),
    ("minimum_charge_power_w", "evse_minimum_charge_power"),
    ("maximum_discharge_power_w", "evse_maximum_discharge_power"),
    ("minimum_discharge_power_w", "evse_minimum_discharge_power"),
)


def _station_limits(talk: Conversation, plan: Plan, offer: Any) -> AcStationLimits:
    """Raises ``ConfigError`` for limits that contradict each other."""
    phases, volts = plan.ac.phases, plan.ac.nominal_voltage_v
    frequency = si(offer.evse_nominal_frequency)
    if not _GRID_HZ[0] <= frequency <= _GRID_HZ[1]:
        raise ConfigError("evse_nominal_frequency", f"{frequency:g} Hz is no grid's", "45 to 65 Hz")
    values: dict[str, Phases] = {}
    for name, element in _OFFERED:
        group = group_of(offer, element, phases)
        if group is None:
            continue
        if group.odd:
            talk.note("ac-phases", f"{element}: {group.odd}")
        values[name] = magnitudes(group.per_phase) if "discharge" in name else group.per_phase
    back = values.get("maximum_discharge_power_w", NOTHING)
    most = [
        max(charge, other) / volts
        for charge, other in zip(values["maximum_charge_power_w"], back, strict=True)
    ]
    asymmetry, ramp = offer.maximum_power_asymmetry, offer.evse_power_ramp_limitation
    ramp_percent = None if ramp is None or si(ramp) <= 0.0 else si(ramp)
    limits: dict[str, Any] = dict(values)
    return AcStationLimits(
        phases=phases,
        nominal_voltage_v=volts,
        nominal_frequency_hz=frequency,
        maximum_current_a=(max(most[0], 0.0), max(most[1], 0.0), max(most[2], 0.0)),
        maximum_asymmetry_w=None if asymmetry is None else max(si(asymmetry), 0.0),
        power_ramp_percent_per_min=ramp_percent,
        **limits,
    )
