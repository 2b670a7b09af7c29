"""Charge parameters: what both sides can do is brought together here, before any voltage is on the cable.

The offer is what the hardware can do, whatever holds at the moment, and binds the loop; every limit that the
loop uses is derived from it by ``energy.dc.narrow``.
"""

from __future__ import annotations

import msgspec

from iso15118.energy.dc import narrow, on_wire
from iso15118.errors import ConfigError
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.session.actions import EndReason
from iso15118.session.edition import Answer, Fault, Refused
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import ControlMode, EnergyService, ServiceID

from .context import Context
from .sequence import State
from .wire import StationLimitsOnWire, offer, vehicle_limits

__all__ = ["charge_parameter_discovery", "declared", "present_limits", "refresh_limits"]

Code = ResponseCode


def charge_parameter_discovery(request: dc.DCChargeParameterDiscoveryReq, ctx: Context) -> Answer | Refused:
    """Service and message type must agree, and the limits must leave something to
    charge with [V2G20-2272]."""
    facts = ctx.facts
    service = ctx.service
    mode = request.dc_cpd_req_energy_transfer_mode
    if service is None or type(mode) is not service.cpd_req_mode:
        return _wrong(f"{type(mode).__name__} does not belong to the chosen service")
    try:
        vehicle = vehicle_limits(mode)
        offered = _offered(facts.hardware, vehicle, service, facts.config.derate_offer)
    except ConfigError as error:
        return _wrong(str(error))
    why = _why_nothing_flows(offered, vehicle, service)
    if why:
        return _wrong(why)
    facts.vehicle, facts.offered = vehicle, offered
    refresh_limits(ctx)
    response = dc.DCChargeParameterDiscoveryRes(
        header=ctx.header(),
        response_code=Code.OK,
        dc_cpd_res_energy_transfer_mode=offer(offered, service, facts.config.discharge_limit_sign),
    )
    return Answer(response, State.SCHEDULE_EXCHANGE)


def declared(request: dc.DCChargeParameterDiscoveryReq, ctx: Context) -> VehicleLimits | Refused:
    """What the vehicle declares when it says it again in a renegotiation; the offer stands, and has to leave
    something to charge with."""
    facts, service, mode = ctx.facts, ctx.service, request.dc_cpd_req_energy_transfer_mode
    if service is None or facts.offered is None or type(mode) is not service.cpd_req_mode:
        return _wrong(f"{type(mode).__name__} does not belong to the chosen service")
    try:
        vehicle = vehicle_limits(mode)
    except ConfigError as error:
        return _wrong(str(error))
    why = _why_nothing_flows(facts.offered, vehicle, service)
    return _wrong(why) if why else vehicle


def _wrong(why: str) -> Refused:
    return Refused(Fault.CHARGE_PARAMETER, EndReason.PARAMETERS_NOT_ACCEPTED, why)


def _why_nothing_flows(offered: StationLimits, vehicle: VehicleLimits, service: EnergyService) -> str:
    """Why no energy could ever flow between the two; empty if it could."""
    if vehicle.maximum_voltage_v <= 0.0:
        return "maximum_voltage_v is 0"
    if offered.minimum_voltage_v > vehicle.maximum_voltage_v:
        return "the vehicle's maximum voltage is below the station's minimum"
    if offered.maximum_voltage_v < vehicle.minimum_voltage_v:
        return "the vehicle's minimum voltage is above the station's maximum"
    if service.bidirectional and vehicle.bidirectional and offered.bidirectional:
        if offered.minimum_discharge_power_w > vehicle.maximum_discharge_power_w:
            return "the vehicle's maximum discharge power is below the station's minimum"
        if offered.minimum_discharge_current_a > vehicle.maximum_discharge_current_a:
            return "the vehicle's maximum discharge current is below the station's minimum"
        if 0.0 in (vehicle.maximum_charge_power_w, vehicle.maximum_charge_current_a):
            return ""  # a full battery may still give
    # A vehicle that takes no power at all is refused here and not led into a loop in which nothing can ever
    # flow: one that only wants to wait asks for a pause after ScheduleExchange [V2G20-2122].
    if vehicle.maximum_charge_power_w <= 0.0:
        return "maximum_charge_power_w is 0"
    if vehicle.maximum_charge_current_a <= 0.0:
        return "maximum_charge_current_a is 0"
    if offered.minimum_charge_power_w > vehicle.maximum_charge_power_w:
        return "the vehicle's maximum power is below the station's minimum"
    if offered.minimum_charge_current_a > vehicle.maximum_charge_current_a:
        return "the vehicle's maximum current is below the station's minimum"
    return ""


def _offered(
    station: StationLimits, vehicle: VehicleLimits, service: EnergyService, derate: bool
) -> StationLimits:
    """The station's limits as they are sent, for MCS derated to the vehicle's (IEC 61851-23-3 CC.5.6). Raises
    ``ConfigError`` if a minimum is left above its maximum."""
    if service.id not in (ServiceID.MCS, ServiceID.MCS_BPT) or not derate:
        return on_wire(station)
    voltage = vehicle.maximum_voltage_v
    ceiling = min(voltage + 50.0, 500.0) if voltage <= 500.0 else 1.1 * voltage
    # A vehicle that declares no power means current times voltage, and at least 200 kW.
    power = vehicle.maximum_charge_power_w or max(voltage * vehicle.maximum_charge_current_a, 200_000.0)
    derated = msgspec.structs.replace(
        station,
        maximum_voltage_v=min(station.maximum_voltage_v, ceiling),
        maximum_charge_current_a=min(
            station.maximum_charge_current_a,
            vehicle.maximum_charge_current_a or station.maximum_charge_current_a,
        ),
        maximum_charge_power_w=min(station.maximum_charge_power_w, power),
    )
    return on_wire(derated)


def present_limits(ctx: Context) -> StationLimits | None:
    """What holds now: the offer within what the station can give at present, and within the set-point. In
    Dynamic mode the station sets the power itself, and its limits stay what they are. None before there is an
    offer."""
    facts = ctx.facts
    if facts.offered is None:
        return None
    set_point = facts.set_point_w if ctx.control_mode is ControlMode.SCHEDULED else None
    return narrow(facts.offered, facts.capabilities, set_point)


def refresh_limits(ctx: Context) -> None:
    """Derive what holds in the loop from offer, present limits and set-point; called whenever one of them
    changes."""
    limits = present_limits(ctx)
    if limits is None or ctx.service is None:
        return
    facts = ctx.facts
    limits = facts.hold(limits)
    ctx.wire = StationLimitsOnWire.of(limits, facts.config.discharge_limit_sign)
    of_type = (
        ctx.service.dynamic_res if ctx.control_mode is ControlMode.DYNAMIC else ctx.service.scheduled_res
    )
    ctx.loop_mode = ctx.wire.control_mode(of_type)
