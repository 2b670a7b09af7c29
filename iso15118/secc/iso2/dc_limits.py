"""Limits of a DC charge: the vehicle's parameters are judged, and what holds in the
loop is derived from the offer.

The offer is what the hardware can do, whatever holds at the moment, and binds the loop; every limit that the
loop uses is derived from it by ``energy.dc.narrow``.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from iso15118.energy.dc import narrow
from iso15118.errors import ConfigError
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session.edition import Refused
from iso15118.session.limits import StationLimits, VehicleLimits

from .context import Context
from .display import show_parameters
from .parameters import not_accepted
from .status import dc_status
from .wire import charge_only, offer, vehicle_limits

__all__ = ["most_w", "offered", "refresh", "take_parameters", "wanted_wh"]


def take_parameters(said: Any, ctx: Context) -> Refused | None:
    """The vehicle's parameters, and the offer to it."""
    facts, settings = ctx.facts, ctx.settings
    if not isinstance(said, iso2.DCEVChargeParameter):
        return not_accepted(f"{type(said).__name__} in a DC charge")
    try:
        vehicle = vehicle_limits(said)
    except ConfigError as error:
        return not_accepted(str(error))
    odd = _odd(said)
    if odd and settings.plausibility == "strict":
        return not_accepted(odd)
    if odd:
        facts.note("charge-parameters", odd)
    station = charge_only(facts.hardware)
    why = _why_nothing_flows(station, vehicle)
    if why:
        return not_accepted(why)
    facts.vehicle, facts.offered = vehicle, station
    refresh(ctx)
    show_parameters(said, ctx)
    return None


def _odd(said: iso2.DCEVChargeParameter) -> str:
    """What contradicts itself in values that nothing here depends on; empty if nothing does."""
    full, bulk = said.full_soc, said.bulk_soc
    for name, soc in (("FullSOC", full), ("BulkSOC", bulk), ("EVRESSSOC", said.dc_ev_status.evresssoc)):
        if soc is not None and not 0 <= soc <= 100:
            return f"{name} {soc} is no percentage"
    if full is not None and bulk is not None and bulk > full:
        return f"BulkSOC {bulk} is above FullSOC {full}"
    for name, energy in (
        ("EVEnergyCapacity", said.ev_energy_capacity),
        ("EVEnergyRequest", said.ev_energy_request),
    ):
        if energy is not None and energy.value < 0:
            return f"{name} is negative"
    return ""


def _why_nothing_flows(station: StationLimits, vehicle: VehicleLimits) -> str:
    """Why no energy could ever flow between the two; empty if it could."""
    if vehicle.maximum_voltage_v <= 0.0:
        return "EVMaximumVoltageLimit is 0"
    if vehicle.maximum_charge_current_a <= 0.0:
        return "EVMaximumCurrentLimit is 0"
    if vehicle.maximum_charge_power_w <= 0.0:
        return "EVMaximumPowerLimit is 0"
    if station.minimum_voltage_v > vehicle.maximum_voltage_v:
        return "the vehicle's maximum voltage is below the station's minimum"
    if station.minimum_charge_current_a > vehicle.maximum_charge_current_a:
        return "the vehicle's maximum current is below the station's minimum"
    if station.minimum_charge_power_w > vehicle.maximum_charge_power_w:
        return "the vehicle's maximum power is below the station's minimum"
    return ""


def refresh(ctx: Context) -> None:
    """What holds in the loop: the offer within what the station can give at present, and within the
    set-point. Without power there is no current: vehicles look at the current."""
    facts = ctx.facts
    if facts.offered is None:
        return
    set_point = None if facts.set_point_w is None else max(facts.set_point_w, 0.0)
    limits = charge_only(narrow(facts.offered, charge_only(facts.capabilities), set_point))
    if limits.maximum_charge_power_w <= 0.0:
        limits = replace(limits, maximum_charge_current_a=0.0, minimum_charge_current_a=0.0)
    facts.hold(limits)


def most_w(ctx: Context, *, now: bool) -> float:
    """See ``Part``."""
    facts = ctx.facts
    limits = facts.limits if now else facts.offered
    if limits is None:
        return 0.0
    return limits.maximum_charge_power_w if limits.maximum_charge_current_a > 0.0 else 0.0


def wanted_wh(said: iso2.DCEVChargeParameter) -> float:
    """EVEnergyRequest."""
    return 0.0 if said.ev_energy_request is None else max(quantity(said.ev_energy_request), 0.0)


def offered(ctx: Context, *, refused: bool) -> iso2.DCEVSEChargeParameter:
    """DC_EVSEChargeParameter: the limits are valid from the first answer on."""
    facts, settings = ctx.facts, ctx.settings
    limits = facts.offered or charge_only(facts.hardware)
    status = dc_status(ctx, None if refused else iso2.DCEVSEStatusCode.EVSE_Ready)
    return offer(limits, status, settings.peak_current_ripple_a, settings.current_tolerance_a)
