"""What the vehicle says in a turn of the charge loop over direct current, and what it takes from the answer.

Targets stay within the battery's present limits, the station's limits and the schedule, all as
they were rounded for the wire.
"""

from __future__ import annotations

from typing import Final

import msgspec

from iso15118.energy.dc import Bounds, PresentLimits, charging, common, reaches, tightened
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.schedules import implausible
from iso15118.evcc.iso2.status import battery_status
from iso15118.evcc.needs import target_voltage
from iso15118.messages import iso2
from iso15118.messages.physical import amperes, floor_physical, physical, quantity
from iso15118.messages.values import towards_zero

__all__ = ["below_minimum", "demand", "take_limits"]

_V, _A, _W, _S = iso2.UnitSymbol.V, iso2.UnitSymbol.A, iso2.UnitSymbol.W, iso2.UnitSymbol.s
_LONGEST_S: Final = 30 * 86_400.0


def demand(talk: Conversation, plan: Plan, *, winding_down: bool) -> iso2.CurrentDemandReq:
    """The next CurrentDemandReq; ``winding_down``: no current is wanted any more."""
    own = _now(talk)
    current = 0.0 if winding_down else _current(talk, plan, own)
    remaining = _remaining_s(talk, current)
    return iso2.CurrentDemandReq(
        dc_ev_status=battery_status(talk, plan),
        ev_target_current=amperes(current),
        ev_maximum_voltage_limit=floor_physical(talk.limits.maximum_voltage_v, _V),
        ev_maximum_current_limit=floor_physical(own.maximum_charge_current_a, _A),
        ev_maximum_power_limit=floor_physical(own.maximum_charge_power_w, _W),
        charging_complete=talk.battery.complete,
        remaining_time_to_full_soc=None if remaining is None else physical(remaining, _S),
        ev_target_voltage=floor_physical(target_voltage(talk, talk.config.iso2.voltage_headroom_v), _V),
    )


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


def _remaining_s(talk: Conversation, current_a: float) -> float | None:
    power_w = current_a * talk.battery.voltage_v
    if power_w <= 0.0:
        return None
    return float(round(min(max(talk.battery.energy_to_maximum_wh, 0.0) / power_w * 3600.0, _LONGEST_S)))


def below_minimum(talk: Conversation, plan: Plan) -> bool:
    """The battery takes less than the least that the two sides can charge with."""
    battery, own = talk.battery, talk.limits
    least_a = max(own.minimum_charge_current_a, plan.station.minimum_charge_current_a)
    least_w = own.minimum_charge_power_w
    if least_a <= 0.0 and least_w <= 0.0:
        return False
    most = min(battery.target_current_a, battery.maximum_charge_current_a)
    return not reaches(most, battery.maximum_charge_power_w, battery.voltage_v, least_a, least_w)


def take_limits(talk: Conversation, plan: Plan, response: iso2.CurrentDemandRes) -> None:
    """The station's limits of this turn; one that it leaves out stays as it was."""
    limits = (
        response.evse_maximum_power_limit,
        response.evse_maximum_current_limit,
        response.evse_maximum_voltage_limit,
    )
    if limits == plan.last_limits:
        return
    plan.last_limits = limits
    said = {
        name: quantity(number)
        for name, number in zip(
            ("maximum_charge_power_w", "maximum_charge_current_a", "maximum_voltage_v"), limits, strict=True
        )
        if number is not None
    }
    if any(value < 0.0 for value in said.values()):
        implausible(talk, "a limit of the station is below zero in CurrentDemandRes")
    now = {name: max(value, 0.0) for name, value in said.items()}
    offer = plan.offer
    volts = now.get("maximum_voltage_v", plan.station.maximum_voltage_v)
    current = now.get("maximum_charge_current_a", plan.station.maximum_charge_current_a)
    now["minimum_voltage_v"] = min(offer.minimum_voltage_v, volts)
    now["minimum_charge_current_a"] = offer.minimum_charge_current_a
    if current < offer.minimum_charge_current_a:  # less than the station's hardware can do
        now["maximum_charge_current_a"] = now["minimum_charge_current_a"] = 0.0
    plan.station = msgspec.structs.replace(plan.station, **now)
