"""Limits of both sides of a DC charge between SI floats and the PhysicalValues of ISO 15118-2.

How they are rounded is said in ``energy.dc.on_wire``; what comes in is exact.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from iso15118.energy.dc import PresentLimits, on_wire, tightened
from iso15118.messages import iso2
from iso15118.messages.physical import LARGEST, ceil_physical, floor_physical, quantity
from iso15118.session.limits import StationLimits, VehicleLimits

__all__ = ["charge_only", "loop_limits", "maxima", "offer", "vehicle_limits"]

_U = iso2.UnitSymbol


def charge_only(limits: StationLimits) -> StationLimits:
    """``limits`` as this edition can say them: it knows no discharging, and no quantity above
    32.767 million of a unit."""
    return on_wire(
        replace(
            limits,
            maximum_charge_power_w=min(limits.maximum_charge_power_w, LARGEST),
            minimum_charge_power_w=min(limits.minimum_charge_power_w, LARGEST),
            maximum_discharge_power_w=0.0,
            maximum_discharge_current_a=0.0,
            minimum_discharge_power_w=0.0,
            minimum_discharge_current_a=0.0,
        )
    )


def vehicle_limits(said: iso2.DCEVChargeParameter) -> VehicleLimits:
    """What the vehicle declared; without a power it can take what voltage and current make. Raises
    ``ConfigError`` for negative limits."""
    voltage, current = quantity(said.ev_maximum_voltage_limit), quantity(said.ev_maximum_current_limit)
    power = max(current * voltage, 0.0)
    if said.ev_maximum_power_limit is not None:
        power = quantity(said.ev_maximum_power_limit)
    return VehicleLimits(
        maximum_voltage_v=voltage,
        maximum_charge_current_a=current,
        maximum_charge_power_w=power,
    )


def loop_limits(request: iso2.CurrentDemandReq, declared: VehicleLimits) -> PresentLimits:
    """The vehicle's limits in this turn of the loop: one that it repeats may tighten what it
    declared, never widen it."""
    repeated: dict[str, float] = {}
    for name, said in (
        ("maximum_voltage_v", request.ev_maximum_voltage_limit),
        ("maximum_charge_current_a", request.ev_maximum_current_limit),
        ("maximum_charge_power_w", request.ev_maximum_power_limit),
    ):
        if said is not None:
            repeated[name] = quantity(said)
    return tightened(declared, **repeated)


def maxima(limits: StationLimits) -> dict[str, iso2.PhysicalValue]:
    """The three limits that are told in the offer and in the loop."""
    return {
        "evse_maximum_voltage_limit": floor_physical(limits.maximum_voltage_v, _U.V),
        "evse_maximum_current_limit": floor_physical(limits.maximum_charge_current_a, _U.A),
        "evse_maximum_power_limit": floor_physical(limits.maximum_charge_power_w, _U.W),
    }


def offer(
    limits: StationLimits, status: iso2.DCEVSEStatus, ripple_a: float, tolerance_a: float | None
) -> iso2.DCEVSEChargeParameter:
    """The station's side of ChargeParameterDiscoveryRes; ripple and tolerance are told no smaller than they
    are."""
    fields: dict[str, Any] = maxima(limits)
    return iso2.DCEVSEChargeParameter(
        dc_evse_status=status,
        **fields,
        evse_minimum_current_limit=ceil_physical(limits.minimum_charge_current_a, _U.A),
        evse_minimum_voltage_limit=ceil_physical(limits.minimum_voltage_v, _U.V),
        evse_current_regulation_tolerance=None if tolerance_a is None else ceil_physical(tolerance_a, _U.A),
        evse_peak_current_ripple=ceil_physical(ripple_a, _U.A),
    )
