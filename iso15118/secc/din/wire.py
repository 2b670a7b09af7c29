"""Limits of both sides between SI floats and the messages of DIN 70121.

How they are rounded is said in one place, ``energy.dc.on_wire``; what comes in is exact.
"""

from __future__ import annotations

import math

import msgspec
from msgspec import Struct

from iso15118.energy.dc import PresentLimits, on_wire, tightened
from iso15118.messages import din, physical
from iso15118.messages.iso2 import UnitSymbol
from iso15118.messages.physical import LARGEST, din_physical, quantity
from iso15118.session.limits import StationLimits, VehicleLimits

from .settings import DinSeccSettings

__all__ = [
    "PMAX_W",
    "LimitsOnWire",
    "amperes",
    "loop_limits",
    "offer",
    "offered_limits",
    "schedules",
    "vehicle_limits",
    "volts",
    "watts",
]

PMAX_W = 32_767
"""The most that PMax can say."""
_A_DAY = 86_400
_ENTRY_ID = 1


def volts(value: float) -> din.PhysicalValue:
    """``value`` V, to the nearest."""
    return din_physical(physical.volts(value))


def amperes(value: float) -> din.PhysicalValue:
    """``value`` A, to the nearest."""
    return din_physical(physical.amperes(value))


def watts(value: float) -> din.PhysicalValue:
    """``value`` W, to the nearest."""
    return din_physical(physical.watts(value))


def offered_limits(hardware: StationLimits) -> StationLimits:
    """What the vehicle is offered, as it will read it; discharging has no words here."""
    charging = msgspec.structs.replace(
        hardware,
        maximum_charge_power_w=min(hardware.maximum_charge_power_w, LARGEST),
        maximum_discharge_power_w=0.0,
        maximum_discharge_current_a=0.0,
        minimum_discharge_power_w=0.0,
        minimum_discharge_current_a=0.0,
    )
    return on_wire(charging)


def vehicle_limits(parameters: din.DCEVChargeParameter) -> VehicleLimits:
    """What the vehicle declared; without a power it can take what voltage and current make. Raises
    ``ConfigError`` for negative values."""
    current, voltage = (
        quantity(parameters.ev_maximum_current_limit),
        quantity(parameters.ev_maximum_voltage_limit),
    )
    power = max(current * voltage, 0.0)
    if parameters.ev_maximum_power_limit is not None:
        power = quantity(parameters.ev_maximum_power_limit)
    return VehicleLimits(
        maximum_charge_power_w=power,
        maximum_charge_current_a=current,
        maximum_voltage_v=voltage,
    )


def loop_limits(request: din.CurrentDemandReq, declared: VehicleLimits) -> PresentLimits:
    """The vehicle's limits in this turn of the loop: one that it repeats may tighten what it
    declared, never widen it."""
    return tightened(
        declared,
        maximum_voltage_v=_repeated(request.ev_maximum_voltage_limit),
        maximum_charge_current_a=_repeated(request.ev_maximum_current_limit),
        maximum_charge_power_w=_repeated(request.ev_maximum_power_limit),
    )


def _repeated(limit: din.PhysicalValue | None) -> float:
    """One that is left out is no limit, and one below zero lets nothing in."""
    return math.inf if limit is None else max(quantity(limit), 0.0)


class LimitsOnWire(Struct, frozen=True, kw_only=True):
    """The limits of a CurrentDemandRes in wire types, made once per change and not once per message."""

    current_a: float
    """As the vehicle reads it."""
    voltage: din.PhysicalValue
    current: din.PhysicalValue
    power: din.PhysicalValue

    @classmethod
    def of(cls, limits: StationLimits) -> LimitsOnWire:
        """``limits``, which are rounded already. Without power there is no current:
        vehicles look at the current."""
        current_a = limits.maximum_charge_current_a if limits.maximum_charge_power_w > 0.0 else 0.0
        return cls(
            current_a=current_a,
            voltage=volts(limits.maximum_voltage_v),
            current=amperes(current_a),
            power=watts(limits.maximum_charge_power_w),
        )


def offer(
    limits: StationLimits, status: din.DCEVSEStatus, settings: DinSeccSettings
) -> din.DCEVSEChargeParameter:
    """The station's side of ChargeParameterDiscoveryRes; ``limits`` are rounded already."""
    tolerance = settings.current_tolerance_a
    return din.DCEVSEChargeParameter(
        dc_evse_status=status,
        evse_maximum_current_limit=amperes(limits.maximum_charge_current_a),
        evse_maximum_power_limit=watts(limits.maximum_charge_power_w),
        evse_maximum_voltage_limit=volts(limits.maximum_voltage_v),
        evse_minimum_current_limit=amperes(limits.minimum_charge_current_a),
        evse_minimum_voltage_limit=volts(limits.minimum_voltage_v),
        evse_current_regulation_tolerance=None
        if tolerance is None
        else din_physical(physical.ceil_physical(tolerance, UnitSymbol.A)),
        evse_peak_current_ripple=din_physical(
            physical.ceil_physical(settings.peak_current_ripple_a, UnitSymbol.A)
        ),
    )


def schedules(limits: StationLimits) -> din.SAScheduleList:
    """One schedule of a day with the offered power, as far as PMax can say it: it is no limit for
    anybody, and has to be there."""
    entry = din.PMaxScheduleEntry(
        time_interval=din.RelativeTimeInterval(start=0, duration=_A_DAY),
        p_max=min(int(limits.maximum_charge_power_w), PMAX_W),
    )
    schedule = din.PMaxSchedule(p_max_schedule_id=_ENTRY_ID, p_max_schedule_entry=(entry,))
    return din.SAScheduleList(
        sa_schedule_tuple=(din.SAScheduleTuple(sa_schedule_tuple_id=_ENTRY_ID, p_max_schedule=schedule),)
    )
