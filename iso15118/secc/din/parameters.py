"""Charge parameters: what both sides can do is brought together here, before any voltage is on the cable.

The offer is what the hardware can do, whatever holds at the moment, and binds the loop; every limit that the
loop uses is derived from it by ``energy.dc.narrow``.
"""

from __future__ import annotations

from iso15118.energy.dc import narrow
from iso15118.errors import ConfigError
from iso15118.messages import din
from iso15118.messages.physical import quantity
from iso15118.session.actions import ChargingNeeds, EndReason
from iso15118.session.edition import Answer, Fault, Refused
from iso15118.session.limits import StationLimits, VehicleLimits

from .context import Context
from .display import take_display
from .replies import reply
from .sequence import State
from .status import status
from .wire import LimitsOnWire, offer, offered_limits, schedules, vehicle_limits

__all__ = ["charge_parameter_discovery", "refresh_limits"]


def charge_parameter_discovery(request: din.ChargeParameterDiscoveryReq, ctx: Context) -> Answer | Refused:
    """The way to charge is the one that was offered, and the limits leave something to charge with."""
    facts = ctx.facts
    wanted, offered_type = request.ev_requested_energy_transfer_type, ctx.settings.energy_transfer
    if wanted.value != offered_type:
        why = f"{wanted.value} was not offered, but {offered_type}"
        return Refused(Fault.ENERGY_TRANSFER_MODE, EndReason.PARAMETERS_NOT_ACCEPTED, why)
    parameters = request.ev_charge_parameter
    if not isinstance(parameters, din.DCEVChargeParameter):
        return _wrong("AC parameters for DC")
    try:
        vehicle = vehicle_limits(parameters)
    except ConfigError as error:
        return _wrong(str(error))
    offered = offered_limits(facts.hardware)
    if why := _why_nothing_flows(offered, vehicle):
        return _wrong(why)
    odd = _odd(parameters)
    if odd and ctx.settings.plausibility == "strict":
        return _wrong(odd)
    if odd:
        facts.note("charge-parameters", odd)
    if parameters.ev_maximum_power_limit is None:
        facts.note(
            "no-maximum-power", "the vehicle tells no maximum power: voltage times current stands for it"
        )
    facts.vehicle, facts.offered = vehicle, offered
    refresh_limits(ctx)
    take_display(ctx, parameters.dc_ev_status, parameters)
    first = ctx.parameters_asked is None
    if ctx.parameters_asked is None:
        ctx.parameters_asked = facts.now
    needs = _needs(parameters) if first else None
    waits = _has_no_power(ctx) and facts.now - ctx.parameters_asked < ctx.settings.no_power_wait_s
    response = din.ChargeParameterDiscoveryRes(
        response_code=din.ResponseCode.OK,
        evse_processing=din.EVSEProcessing.Ongoing if waits else din.EVSEProcessing.Finished,
        sa_schedules=schedules(offered),
        evse_charge_parameter=offer(offered, status(ctx), ctx.settings),
    )
    following = State.CHARGE_PARAMETER_DISCOVERY if waits else State.CABLE_CHECK
    return Answer(reply(ctx, response), following, () if needs is None else (needs,))


def _wrong(why: str) -> Refused:
    return Refused(Fault.CHARGE_PARAMETER, EndReason.PARAMETERS_NOT_ACCEPTED, why)


def _why_nothing_flows(offered: StationLimits, vehicle: VehicleLimits) -> str:
    """Why no energy could ever flow between the two; empty if it could."""
    if vehicle.maximum_voltage_v <= 0.0:
        return "EVMaximumVoltageLimit is 0"
    if offered.minimum_voltage_v > vehicle.maximum_voltage_v:
        return "the vehicle's maximum voltage is below the station's minimum"
    if vehicle.maximum_charge_current_a <= 0.0:
        return "EVMaximumCurrentLimit is 0"
    if vehicle.maximum_charge_power_w <= 0.0:
        return "EVMaximumPowerLimit is 0"
    if offered.minimum_charge_current_a > vehicle.maximum_charge_current_a:
        return "the vehicle's maximum current is below the station's minimum"
    if offered.minimum_charge_power_w > vehicle.maximum_charge_power_w:
        return "the vehicle's maximum power is below the station's minimum"
    return ""


def _odd(parameters: din.DCEVChargeParameter) -> str:
    """What of it makes no sense, though nothing here depends on it."""
    full, bulk, soc = parameters.full_soc, parameters.bulk_soc, parameters.dc_ev_status.evresssoc
    for name, percent in (("FullSOC", full), ("BulkSOC", bulk), ("EVRESSSOC", soc)):
        if percent is not None and not 0 <= percent <= 100:
            return f"{name} {percent} is no percentage"
    if full is not None and bulk is not None and bulk > full:
        return f"BulkSOC {bulk} is above FullSOC {full}"
    request, capacity = parameters.ev_energy_request, parameters.ev_energy_capacity
    if request is not None and quantity(request) < 0.0:
        return f"EVEnergyRequest {quantity(request):g} Wh"
    if request is not None and capacity is not None and quantity(request) > quantity(capacity):
        return f"EVEnergyRequest {quantity(request):g} Wh is above EVEnergyCapacity {quantity(capacity):g} Wh"
    return ""


def _needs(parameters: din.DCEVChargeParameter) -> ChargingNeeds | None:
    """What the vehicle says it needs; it knows no minimum and no departure."""
    if parameters.ev_energy_request is None:
        return None
    wanted = max(quantity(parameters.ev_energy_request), 0.0)
    most, capacity = wanted, parameters.ev_energy_capacity
    if capacity is not None:
        lacks = quantity(capacity) * (100 - min(max(parameters.dc_ev_status.evresssoc, 0), 100)) / 100.0
        most = max(wanted, lacks)
    return ChargingNeeds(wanted, most, 0.0)


def _has_no_power(ctx: Context) -> bool:
    limits = ctx.facts.limits
    return limits is not None and 0.0 in (limits.maximum_charge_power_w, limits.maximum_charge_current_a)


def refresh_limits(ctx: Context) -> None:
    """Derive what holds in the loop from offer, present limits and set-point; called
    whenever one of them changes."""
    facts = ctx.facts
    if facts.offered is None:
        return
    limits = facts.hold(narrow(facts.offered, offered_limits(facts.capabilities), facts.set_point_w))
    ctx.wire = LimitsOnWire.of(limits)
