"""Charge parameters and schedule: what both sides can do is brought together here, before any voltage is on
the cable.

The offer made here binds the loop; every limit the loop uses is derived by ``narrow`` from the offer.
"""

from __future__ import annotations

import msgspec

from iso15118.errors import ConfigError
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, RationalNumber, ResponseCode
from iso15118.messages.values import floor_rational, si
from iso15118.session.actions import ChargingNeeds, EndReason
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import ControlMode, EnergyService, ServiceID

from .context import Context
from .replies import Reply, refusal
from .sequence import State
from .wire import StationLimitsOnWire, offer, vehicle_limits

__all__ = ["charge_parameter_discovery", "narrow", "refresh_limits", "schedule_exchange"]

Code = ResponseCode
_DAY = 86_400
"""A schedule without a departure time covers a day [V2G20-1563]."""


def charge_parameter_discovery(request: dc.DCChargeParameterDiscoveryReq, ctx: Context) -> Reply:
    """Service and message type must agree, and the limits must leave something to charge with [V2G20-2272]."""
    service = ctx.service
    mode = request.dc_cpd_req_energy_transfer_mode
    if service is None or type(mode) is not service.cpd_req_mode:
        return _wrong(request, ctx, f"{type(mode).__name__} does not belong to the chosen service")
    try:
        vehicle = vehicle_limits(mode)
        offered = _offered(ctx.capabilities, vehicle, service, ctx.config.derate_offer)
    except ConfigError as error:
        return _wrong(request, ctx, str(error))
    for name in ("maximum_voltage_v", "maximum_charge_current_a"):
        if getattr(vehicle, name) <= 0.0:
            return _wrong(request, ctx, f"{name} is 0")
    if ctx.capabilities.minimum_voltage_v > vehicle.maximum_voltage_v:
        return _wrong(request, ctx, "the vehicle's maximum voltage is below the station's minimum")
    if offered.maximum_voltage_v < vehicle.minimum_voltage_v:
        return _wrong(request, ctx, "the vehicle's minimum voltage is above the station's maximum")
    if ctx.capabilities.minimum_charge_current_a > vehicle.maximum_charge_current_a:
        return _wrong(request, ctx, "the vehicle's maximum current is below the station's minimum")
    ctx.vehicle, ctx.offered = vehicle, offered
    refresh_limits(ctx)
    response = dc.DCChargeParameterDiscoveryRes(
        header=ctx.header(), response_code=Code.OK, dc_cpd_res_energy_transfer_mode=offer(offered, service)
    )
    return Reply(response, State.SCHEDULE_EXCHANGE)


def _wrong(request: dc.DCChargeParameterDiscoveryReq, ctx: Context, why: str) -> Reply:
    return Reply(
        refusal(request, ctx, Code.FAILED_WrongChargeParameter),
        State.ENDED,
        end=EndReason.PARAMETERS_NOT_ACCEPTED,
        detail=why,
    )


def _offered(
    station: StationLimits, vehicle: VehicleLimits, service: EnergyService, derate: bool
) -> StationLimits:
    """The station's limits, for MCS derated to the vehicle's (IEC 61851-23-3 CC.5.6). Raises ``ConfigError``
    if a minimum is left above its maximum."""
    if service.id not in (ServiceID.MCS, ServiceID.MCS_BPT) or not derate:
        return station
    voltage = vehicle.maximum_voltage_v
    ceiling = min(voltage + 50.0, 500.0) if voltage <= 500.0 else 1.1 * voltage
    # A vehicle that declares no power means current times voltage, and at least 200 kW.
    power = vehicle.maximum_charge_power_w or max(voltage * vehicle.maximum_charge_current_a, 200_000.0)
    return msgspec.structs.replace(
        station,
        maximum_voltage_v=min(station.maximum_voltage_v, ceiling),
        maximum_charge_current_a=min(station.maximum_charge_current_a, vehicle.maximum_charge_current_a),
        maximum_charge_power_w=min(station.maximum_charge_power_w, power),
    )


def refresh_limits(ctx: Context) -> None:
    """Derive what holds in the loop from offer, capabilities and set-point; called whenever one of them
    changes."""
    if ctx.offered is None or ctx.service is None:
        return
    set_point = ctx.set_point_w if ctx.control_mode is ControlMode.SCHEDULED else None
    ctx.limits = narrow(ctx.offered, ctx.capabilities, set_point)
    ctx.wire = StationLimitsOnWire.of(ctx.limits)
    of_type = (
        ctx.service.dynamic_res if ctx.control_mode is ControlMode.DYNAMIC else ctx.service.scheduled_res
    )
    ctx.loop_mode = ctx.wire.control_mode(of_type)


def narrow(offered: StationLimits, capabilities: StationLimits, set_point_w: float | None) -> StationLimits:
    """The offer within the present capabilities [V2G20-2654, V2G20-2655], and within a set-point in W if one
    is given.

    A positive set-point caps the charging power. A negative one asks the vehicle to give: charging power 0,
    and a minimum discharge power,
    both within the offer. In Dynamic mode the station sets the power itself and its limits stay what they
    are.
    """
    low = {
        name: min(getattr(offered, name), getattr(capabilities, name))
        for name in offered.__struct_fields__
        if name.startswith("maximum_")
    }
    # A minimum may rise with the capabilities but never above the maximum that goes with it.
    high = {
        name: min(
            max(getattr(offered, name), getattr(capabilities, name)),
            low[name.replace("minimum_", "maximum_")],
        )
        for name in offered.__struct_fields__
        if name.startswith("minimum_")
    }
    if set_point_w is not None:
        if set_point_w < 0.0:
            low["maximum_charge_power_w"] = high["minimum_charge_power_w"] = 0.0
            high["minimum_discharge_power_w"] = low["maximum_discharge_power_w"] = min(
                -set_point_w, low["maximum_discharge_power_w"]
            )
        else:
            low["maximum_charge_power_w"] = min(low["maximum_charge_power_w"], set_point_w)
            high["minimum_charge_power_w"] = min(
                high["minimum_charge_power_w"], low["maximum_charge_power_w"]
            )
    return StationLimits(**low, **high, power_ramp_w_per_s=capabilities.power_ramp_w_per_s)


def schedule_exchange(request: cm.ScheduleExchangeReq, ctx: Context) -> Reply:
    """One schedule tuple at the offered power, or nothing but consent in Dynamic mode; the answer is in the
    kind asked [V2G20-1600]."""
    renegotiating = ctx.contactors_closed
    following = State.POWER_DELIVERY if renegotiating else State.DC_CABLE_CHECK
    needs = request.se_req_control_mode
    dynamic = isinstance(needs, cm.DynamicSEReqControlMode)
    if dynamic is not (ctx.control_mode is ControlMode.DYNAMIC):
        return Reply(
            refusal(request, ctx, Code.FAILED_ScheduleSelectionInvalid),
            State.ENDED,
            end=EndReason.PARAMETERS_NOT_ACCEPTED,
            detail=f"{type(needs).__name__} does not fit the chosen control mode",
        )
    response = cm.ScheduleExchangeRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_processing=Processing.Finished,
        se_res_control_mode=cm.DynamicSEResControlMode() if dynamic else _schedule(ctx),
    )
    told = ChargingNeeds(
        target_wh=_energy(needs.ev_target_energy_request),
        maximum_wh=_energy(needs.ev_maximum_energy_request),
        minimum_wh=_energy(needs.ev_minimum_energy_request),
        departure_s=needs.departure_time,
    )
    return Reply(response, following, (told,))


def _energy(request: RationalNumber | None) -> float:
    return si(request) if request is not None else 0.0


def _schedule(ctx: Context) -> cm.ScheduledSEResControlMode:
    limits, service = ctx.offered, ctx.service
    if limits is None or service is None:  # the table does not lead here without both
        raise RuntimeError("schedule exchange before charge parameter discovery")
    discharging = _power_schedule(ctx, limits.maximum_discharge_power_w) if service.bidirectional else None
    return cm.ScheduledSEResControlMode(
        schedule_tuple=(
            cm.ScheduleTuple(
                schedule_tuple_id=1,
                charging_schedule=_power_schedule(ctx, limits.maximum_charge_power_w),
                discharging_schedule=discharging,
            ),
        )
    )


def _power_schedule(ctx: Context, power_w: float) -> cm.ChargingSchedule:
    anchor = max(int(ctx.now + ctx.epoch), 0)
    entry = cm.PowerScheduleEntry(duration=_DAY, power=floor_rational(power_w))
    return cm.ChargingSchedule(
        power_schedule=cm.PowerSchedule(
            time_anchor=anchor,
            power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=(entry,)),
        ),
        price_schedule=_flat_price(anchor) if ctx.config.price_level_schedule else None,
    )


def _flat_price(anchor: int) -> cm.PriceLevelSchedule:
    """One level for the whole day: nothing to choose by. [V2G20-2176]"""
    entry = cm.PriceLevelScheduleEntry(duration=_DAY, price_level=1)
    return cm.PriceLevelSchedule(
        time_anchor=anchor,
        price_schedule_id=1,
        number_of_price_levels=1,
        price_level_schedule_entries=cm.PriceLevelScheduleEntryList(price_level_schedule_entry=(entry,)),
    )
