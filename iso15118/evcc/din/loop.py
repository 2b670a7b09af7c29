"""What the vehicle says in a turn of CurrentDemand, and what it takes from the answer.

Targets stay within the battery's present limits and the station's limits, all as
they were rounded for the wire.
"""

from __future__ import annotations

import msgspec

from iso15118.energy.dc import Bounds, PresentLimits, charging, common, reaches, tightened
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.din.plan import Plan
from iso15118.evcc.din.status import vehicle_status
from iso15118.evcc.needs import target_voltage, wanted_wh
from iso15118.messages import din, physical
from iso15118.messages.iso2 import UnitSymbol
from iso15118.messages.physical import din_physical, floor_physical, quantity
from iso15118.messages.values import towards_zero

__all__ = ["below_minimum", "current_demand", "take_limits"]

_LONGEST_S = 86_400.0


def current_demand(talk: Conversation, plan: Plan, *, winding_down: bool) -> din.CurrentDemandReq:
    """The next CurrentDemandReq; ``winding_down``: no current is wanted any more."""
    battery, own = talk.battery, _now(talk)
    current = 0.0 if winding_down else _current(talk, plan, own)
    every = talk.config.din.send_optional
    return din.CurrentDemandReq(
        dc_ev_status=vehicle_status(talk, plan),
        ev_target_current=din_physical(physical.amperes(current)),
        ev_maximum_voltage_limit=_most(talk.limits.maximum_voltage_v, UnitSymbol.V) if every else None,
        ev_maximum_current_limit=_most(own.maximum_charge_current_a, UnitSymbol.A) if every else None,
        ev_maximum_power_limit=_most(own.maximum_charge_power_w, UnitSymbol.W) if every else None,
        bulk_charging_complete=battery.soc >= talk.target_soc if every else None,
        charging_complete=battery.complete,
        remaining_time_to_full_soc=_seconds(talk, battery.energy_to_maximum_wh, current) if every else None,
        remaining_time_to_bulk_soc=_seconds(talk, wanted_wh(talk), current) if every else None,
        ev_target_voltage=_most(target_voltage(talk, talk.config.din.voltage_headroom_v), UnitSymbol.V),
    )


def _most(value: float, unit: UnitSymbol) -> din.PhysicalValue:
    return din_physical(floor_physical(value, unit))


def _now(talk: Conversation) -> PresentLimits:
    """What the battery takes now, within what the vehicle declared."""
    battery = talk.battery
    return tightened(
        talk.limits,
        maximum_charge_power_w=battery.maximum_charge_power_w,
        maximum_charge_current_a=battery.maximum_charge_current_a,
        maximum_voltage_v=min(battery.target_voltage_v, battery.maximum_voltage_v),
    )


def _current(talk: Conversation, plan: Plan, own: PresentLimits) -> float:
    battery, station = talk.battery, plan.station
    present = max(battery.voltage_v, 1.0)
    wanted = Bounds(own.maximum_voltage_v, battery.target_current_a, plan.scheduled_power_w(talk.now))
    bounds = charging(wanted, common(station, own), present)
    current = towards_zero(min(bounds.current_a, bounds.power_w / present))
    least_a = max(station.minimum_charge_current_a, own.minimum_charge_current_a)
    # What is left after rounding may be less than one of the two can do.
    fits = reaches(current, bounds.power_w, present, least_a, own.minimum_charge_power_w)
    return current if fits else 0.0


def _seconds(talk: Conversation, energy_wh: float, current_a: float) -> din.PhysicalValue:
    """How long this energy takes at the present current, a day at most; 0 where none is lacking."""
    power_w = current_a * talk.battery.voltage_v
    lacking_wh = max(energy_wh, 0.0)
    seconds = 0.0
    if lacking_wh > 0.0:
        seconds = min(lacking_wh / power_w * 3600.0, _LONGEST_S) if power_w > 0.0 else _LONGEST_S
    return din_physical(physical.physical(float(round(seconds)), UnitSymbol.s))


def below_minimum(talk: Conversation, plan: Plan) -> bool:
    """The battery takes less than the least that the two sides can charge with."""
    battery, own = talk.battery, talk.limits
    least_a = max(own.minimum_charge_current_a, plan.station.minimum_charge_current_a)
    if least_a <= 0.0 and own.minimum_charge_power_w <= 0.0:
        return False
    most = min(battery.target_current_a, battery.maximum_charge_current_a)
    return not reaches(
        most, battery.maximum_charge_power_w, battery.voltage_v, least_a, own.minimum_charge_power_w
    )


def take_limits(talk: Conversation, plan: Plan, response: din.CurrentDemandRes) -> None:
    """The station's limits of this turn; one that it leaves out stays as it was, and
    below zero nothing flows."""
    said = (
        response.evse_maximum_voltage_limit,
        response.evse_maximum_current_limit,
        response.evse_maximum_power_limit,
    )
    if said == plan.last_limits:
        return
    plan.last_limits = said
    names = ("maximum_voltage_v", "maximum_charge_current_a", "maximum_charge_power_w")
    now = {
        name: max(quantity(value), 0.0) for name, value in zip(names, said, strict=True) if value is not None
    }
    if any(value is not None and value.value < 0 for value in said):
        talk.note("loop-limits", "a limit of the station is below zero in CurrentDemandRes")
    station, offer = plan.station, plan.offer
    volts = now.get("maximum_voltage_v", station.maximum_voltage_v)
    current = now.get("maximum_charge_current_a", station.maximum_charge_current_a)
    now["minimum_voltage_v"] = min(offer.minimum_voltage_v, volts)
    now["minimum_charge_current_a"] = offer.minimum_charge_current_a
    if current < offer.minimum_charge_current_a:  # less than the station's hardware can do
        now["maximum_charge_current_a"] = now["minimum_charge_current_a"] = 0.0
    plan.station = msgspec.structs.replace(station, **now)
