"""Limits of an AC charge: the vehicle's parameters are judged, and what holds in the
loop is derived from the offer.

This edition says one current for all phases, and powers of all of them together; where the phases of an
outlet differ the least is said.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from iso15118.energy.ac import NOTHING, current_within, narrow
from iso15118.messages import iso2
from iso15118.messages.physical import floor_physical, quantity, volts
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.edition import Refused

from .context import Context
from .parameters import not_accepted
from .status import ac_status

__all__ = ["most_w", "offered", "present_a", "refresh", "take_parameters", "told_a", "wanted_wh"]

_A = iso2.UnitSymbol.A
_LARGEST_A = 1000.0
"""No connector has more; a vehicle that names more means "no limit"."""
_LARGEST_WH = 200_000.0


def take_parameters(said: Any, ctx: Context) -> Refused | None:
    """The vehicle's parameters, and the offer to it."""
    facts, settings, hardware = ctx.facts, ctx.settings, ctx.facts.ac_hardware
    if not isinstance(said, iso2.ACEVChargeParameter):
        return not_accepted(f"{type(said).__name__} in an AC charge")
    most, least = quantity(said.ev_max_current), quantity(said.ev_min_current)
    if hardware is None:
        return not_accepted("there is no AC outlet")
    if most <= 0.0 or least < 0.0 or least > most:
        return not_accepted(f"EVMaxCurrent {most:g} A, EVMinCurrent {least:g} A")
    odd = _odd(said, hardware)
    if odd and settings.plausibility == "strict":
        return not_accepted(odd)
    if odd:
        facts.note("charge-parameters", odd)
    offer = _connected(hardware, ctx)
    facts.ac_vehicle = AcVehicleLimits.of(
        current_a=min(most, _LARGEST_A),
        phases=offer.phases,
        minimum_a=min(least, _LARGEST_A),
        nominal_voltage_v=offer.nominal_voltage_v,
    )
    facts.ac_offered = offer
    refresh(ctx)
    return None


def _odd(said: iso2.ACEVChargeParameter, hardware: AcStationLimits) -> str:
    """What makes no sense in values that nothing here depends on; empty if all does. Vehicles name voltages
    between phases, or of their battery."""
    voltage, energy = quantity(said.ev_max_voltage), quantity(said.e_amount)
    if not hardware.nominal_voltage_v * 0.9 <= voltage <= hardware.nominal_voltage_v * 1.1:
        return f"EVMaxVoltage {voltage:g} V at {hardware.nominal_voltage_v:g} V between phase and neutral"
    if not 0.0 <= energy <= _LARGEST_WH:
        return f"EAmount {energy:g} Wh"
    return "" if quantity(said.ev_max_current) <= 400.0 else "EVMaxCurrent above 400 A"


def _connected(limits: AcStationLimits, ctx: Context) -> AcStationLimits:
    """On the phases of the mode that the vehicle chose; giving back has no words here."""
    if ctx.requested is iso2.EnergyTransferMode.AC_single_phase_core and limits.phases == 3:
        limits = limits.single_phase()
    return replace(limits, maximum_discharge_power_w=NOTHING, minimum_discharge_power_w=NOTHING)


def refresh(ctx: Context) -> None:
    """What holds in the loop: the offer within what the outlet can give at present."""
    facts = ctx.facts
    if facts.ac_offered is not None and facts.ac_capabilities is not None:
        facts.ac_limits = narrow(facts.ac_offered, _connected(facts.ac_capabilities, ctx))


def _least_a(limits: AcStationLimits) -> float:
    """The one current that holds in every phase, in A, as it is told."""
    used = range(limits.phases)
    amperes = min(
        min(limits.maximum_current_a[n], limits.maximum_charge_power_w[n] / limits.nominal_voltage_v)
        for n in used
    )
    return quantity(floor_physical(amperes, _A))


def present_a(ctx: Context, schedule_w: float) -> float:
    """What the vehicle may take per phase now, in A: within limits, set-point and schedule, and 0 where
    that is less than it can use."""
    facts = ctx.facts
    limits, vehicle = facts.ac_limits, facts.ac_vehicle
    if limits is None or vehicle is None:
        return 0.0
    power = schedule_w if facts.set_point_w is None else min(schedule_w, max(facts.set_point_w, 0.0))
    least = max(vehicle.minimum_current_a, max(limits.minimum_charge_power_w) / limits.nominal_voltage_v)
    amperes = current_within(_least_a(limits), least, limits.phases, limits.nominal_voltage_v, power)
    return quantity(floor_physical(amperes, _A))


def told_a(amperes: float) -> iso2.PhysicalValue:
    """A current as it is told; ``amperes`` has been rounded."""
    return floor_physical(amperes, _A)


def most_w(ctx: Context, *, now: bool) -> float:
    """See ``Part``: of all phases together, from the current that is told."""
    facts = ctx.facts
    limits = facts.ac_limits if now else facts.ac_offered
    if limits is None:
        return 0.0
    return round(limits.phases * limits.nominal_voltage_v * _least_a(limits), 6)


def wanted_wh(said: iso2.ACEVChargeParameter) -> float:
    """EAmount."""
    return max(quantity(said.e_amount), 0.0)


def offered(ctx: Context, *, refused: bool) -> iso2.ACEVSEChargeParameter:
    """AC_EVSEChargeParameter."""
    limits = ctx.facts.ac_offered or ctx.facts.ac_hardware
    if limits is None:  # an AC part without an outlet is not made
        raise RuntimeError("an offer of AC without an outlet")
    return iso2.ACEVSEChargeParameter(
        ac_evse_status=ac_status(ctx),
        evse_nominal_voltage=volts(limits.nominal_voltage_v),
        evse_max_current=told_a(_least_a(limits)),
    )
