"""Charge parameters of AC: what outlet and on-board charger can do is brought together
here, before a contactor closes.

The offer is what the outlet can do at best, on the phases of the chosen parameter set, and binds the loop;
every limit that the loop uses is derived from it by ``energy.ac.narrow``.
"""

from __future__ import annotations

import msgspec

from iso15118.energy.ac import NOTHING, narrow, on_wire
from iso15118.errors import ConfigError
from iso15118.messages.iso20 import ac
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason
from iso15118.session.edition import Answer, Fault, Refused
from iso15118.session.services import EnergyService, phases_of

from .ac_wire import offer, vehicle_limits
from .context import Context
from .sequence import State

__all__ = [
    "NONE",
    "charge_parameter_discovery",
    "declared",
    "neutral_offer",
    "phases",
    "refresh_limits",
    "take",
    "wrong",
]


def phases(ctx: Context) -> int:
    """How many phases the chosen parameter set has."""
    return phases_of(ctx.parameter_set.connector) if ctx.parameter_set is not None else 1


def charge_parameter_discovery(request: ac.ACChargeParameterDiscoveryReq, ctx: Context) -> Answer | Refused:
    """Service and message type must agree [V2G20-2272]. Limits that leave nothing to flow are no fault: the
    target is 0 then, and rises when the station can do more."""
    refused = take(request.ac_cpd_req_energy_transfer_mode, ctx)
    facts, service = ctx.facts, ctx.service
    if refused is not None or service is None or facts.ac_vehicle is None or facts.ac_offered is None:
        return refused or wrong("no service was chosen")
    response = ac.ACChargeParameterDiscoveryRes(
        header=ctx.header(),
        response_code=ResponseCode.OK,
        ac_cpd_res_energy_transfer_mode=offer(
            facts.ac_offered, service, facts.ac_vehicle.uneven, facts.config.discharge_limit_sign
        ),
    )
    return Answer(response, State.SCHEDULE_EXCHANGE)


def take(mode: ac.AnyACCPDReqEnergyTransferMode, ctx: Context) -> Refused | None:
    """What the vehicle declares, and what it is offered: then both are in ``ctx.facts``.
    None, or why that cannot be."""
    facts, service = ctx.facts, ctx.service
    hardware = facts.ac_hardware
    if service is None or hardware is None or type(mode) is not service.cpd_req_mode:
        return wrong(f"{type(mode).__name__} does not belong to the chosen service")
    try:
        vehicle, odd = vehicle_limits(mode, phases(ctx), hardware.nominal_voltage_v)
    except ConfigError as error:
        return wrong(str(error))
    for why in odd:
        facts.note("ac-phases", why)
    facts.ac_vehicle, ctx.ac_now = vehicle, None
    facts.ac_offered = on_wire(_connected(hardware, service, ctx), uneven=vehicle.uneven)
    refresh_limits(ctx)
    if why := _why_nothing_flows(facts.ac_offered, vehicle):
        facts.note("nothing-flows", why)
    return None


def declared(request: ac.ACChargeParameterDiscoveryReq, ctx: Context) -> AcVehicleLimits | Refused:
    """What the vehicle declares when it says it again in a renegotiation; the offer stands."""
    facts, service, mode = ctx.facts, ctx.service, request.ac_cpd_req_energy_transfer_mode
    hardware, before = facts.ac_hardware, facts.ac_vehicle
    if service is None or hardware is None or before is None or type(mode) is not service.cpd_req_mode:
        return wrong(f"{type(mode).__name__} does not belong to the chosen service")
    try:
        vehicle, odd = vehicle_limits(mode, phases(ctx), hardware.nominal_voltage_v)
    except ConfigError as error:
        return wrong(str(error))
    for why in odd:
        facts.note("ac-phases", why)
    if vehicle.uneven is not before.uneven:
        return wrong("the phases may differ now, or no longer")
    return vehicle


def wrong(why: str) -> Refused:
    """Charge parameters that cannot be."""
    return Refused(Fault.CHARGE_PARAMETER, EndReason.PARAMETERS_NOT_ACCEPTED, why)


def _connected(limits: AcStationLimits, service: EnergyService, ctx: Context) -> AcStationLimits:
    """On the phases that are used, and without giving back where the service only charges."""
    if phases(ctx) == 1 and limits.phases == 3:
        limits = limits.single_phase()
    if service.bidirectional:
        return limits
    return msgspec.structs.replace(
        limits, maximum_discharge_power_w=NOTHING, minimum_discharge_power_w=NOTHING
    )


def _why_nothing_flows(station: AcStationLimits, vehicle: AcVehicleLimits) -> str:
    """Why no energy can flow to the vehicle as both stand; empty if it can."""
    least = sum(vehicle.minimum_charge_power_w)
    if sum(station.maximum_charge_power_w) < least:
        return f"the vehicle's minimum power, {least:.0f} W, is above the station's maximum"
    if sum(vehicle.maximum_charge_power_w) < sum(station.minimum_charge_power_w):
        return "the vehicle's maximum power is below the station's minimum"
    return ""


def refresh_limits(ctx: Context) -> None:
    """Derive what holds in the loop from offer and present limits; called whenever one of them changes."""
    facts, service = ctx.facts, ctx.service
    offered, now, vehicle = facts.ac_offered, facts.ac_capabilities, facts.ac_vehicle
    if offered is None or now is None or vehicle is None or service is None:
        return
    facts.ac_limits = on_wire(narrow(offered, _connected(now, service, ctx)), uneven=vehicle.uneven)


NONE = AcStationLimits(phases=1, maximum_current_a=NOTHING, maximum_charge_power_w=NOTHING)
"""An outlet that gives nothing."""


def neutral_offer(
    ctx: Context, fallback: EnergyService, *, plain: bool = False
) -> ac.AnyACCPDResEnergyTransferMode:
    """For a refusal: what was offered, or nothing; ``plain``: in the element of ``fallback``,
    whatever service was chosen."""
    vehicle = ctx.facts.ac_vehicle
    uneven = vehicle is not None and vehicle.uneven
    sign = ctx.facts.config.discharge_limit_sign
    service = fallback if plain else ctx.service or fallback
    return offer(ctx.facts.ac_offered or NONE, service, uneven, sign)
