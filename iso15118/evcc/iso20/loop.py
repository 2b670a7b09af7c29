"""What the vehicle says in a turn of the charge loop, and what it takes from the answer.

Targets stay within the battery's present limits, the station's limits and the schedule, all as they were
rounded for the wire; the sign of the current is decided here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from iso15118.energy.dc import QUANTITIES, Bounds, PresentLimits, charging, discharging, reaches, tightened
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20.channels import closed
from iso15118.evcc.iso20.exchange import header
from iso15118.evcc.iso20.needs import departure_s, energies, lowest_soc, target_energy, v2x
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.iso20.shown import shown
from iso15118.messages.iso20 import dc
from iso15118.messages.values import ceiled, floor_rational, floored, measured, rational, si, towards_zero
from iso15118.session.events import BatteryChanged
from iso15118.session.services import ControlMode

__all__ = ["discharging_wanted", "loop_request", "take_limits"]

_SCHEDULED = ControlMode.SCHEDULED  # looked up in its class, a member costs ten times as much


def loop_request(
    talk: Conversation, plan: Plan, meter_info: bool, *, winding_down: bool
) -> dc.DCChargeLoopReq:
    """The next DC_ChargeLoopReq; ``winding_down``: no current is wanted any more."""
    battery = talk.battery
    mode = (
        _scheduled(talk, plan, battery, winding_down)
        if plan.control_mode is _SCHEDULED
        else _dynamic(talk, plan, battery, winding_down)
    )
    return dc.DCChargeLoopReq(
        header=header(talk),
        display_parameters=shown(talk, plan, talk.inlet.voltage_v * talk.inlet.current_a),
        meter_info_requested=meter_info,
        ev_present_voltage=measured(talk.inlet.voltage_v),
        cl_req_control_mode=mode,
    )


def discharging_wanted(talk: Conversation, plan: Plan) -> bool:
    """The station asks for energy, the driver allows it, and the battery is above its minimum."""
    battery = talk.battery
    return (
        plan.ask_to_discharge_w > 0.0
        and plan.service.bidirectional
        and talk.config.allow_discharge
        and battery.energy_to_minimum_wh < 0.0
        and battery.soc > lowest_soc(talk, plan)
    )


def _now(battery: BatteryChanged, talk: Conversation, plan: Plan) -> PresentLimits:
    """What the battery takes and gives now, within what the vehicle declared. Computed when the battery says
    something else; the declaration is fixed for the session."""
    target_v, most_v = battery.target_voltage_v, battery.maximum_voltage_v
    said = (
        battery.maximum_charge_power_w,
        battery.maximum_charge_current_a,
        battery.maximum_discharge_power_w,
        battery.maximum_discharge_current_a,
        most_v if most_v < target_v else target_v,
    )
    own = plan.own
    if own is None or said != plan.battery_said:
        plan.battery_said = said
        own = plan.own = tightened(
            talk.limits,
            maximum_charge_power_w=said[0],
            maximum_charge_current_a=said[1],
            maximum_discharge_power_w=said[2],
            maximum_discharge_current_a=said[3],
            maximum_voltage_v=said[4],
        )
        plan.own_on_wire = (
            floor_rational(own.maximum_voltage_v),
            floor_rational(own.maximum_charge_power_w),
            floor_rational(own.maximum_charge_current_a),
            rational(talk.limits.maximum_voltage_v),
        )
    return own


def _scheduled(talk: Conversation, plan: Plan, battery: BatteryChanged, winding_down: bool) -> Any:
    station, own = plan.station, _now(battery, talk, plan)
    present = battery.voltage_v if battery.voltage_v > 1.0 else 1.0
    current, gives = 0.0, discharging_wanted(talk, plan)
    if winding_down or closed(plan, back=gives):
        pass
    elif gives:
        wanted = Bounds(0.0, -battery.maximum_discharge_current_a, plan.scheduled_discharge_w(talk.now))
        # What it asks for is a wish: only its hardware needs a minimum.
        least_w = min(plan.offer.minimum_discharge_power_w, station.maximum_discharge_power_w)
        hardware = msgspec.structs.replace(station, minimum_discharge_power_w=least_w)
        bounds = discharging(wanted, hardware, own, present)
        current = towards_zero(-min(-bounds.current_a, bounds.power_w / present))
    else:
        wanted = Bounds(own.maximum_voltage_v, battery.target_current_a, plan.scheduled_power_w(talk.now))
        both = plan.both.of(station, own)
        bounds = charging(wanted, both, present)
        amperes, within_power = bounds.current_a, bounds.power_w / present
        current = towards_zero(within_power if within_power < amperes else amperes)
        if both.has_minimum and not reaches(
            current, bounds.power_w, present, both.minimum_current_a, both.minimum_power_w
        ):
            current = 0.0  # what is left after rounding is less than one of the two can do
    voltage, most_w, most_a, declared_v = plan.own_on_wire
    if not plan.service.bidirectional:
        return dc.ScheduledDCCLReqControlMode(
            ev_target_energy_request=target_energy(talk),
            ev_target_current=rational(current),
            ev_target_voltage=voltage,
            ev_maximum_charge_power=most_w,
            ev_maximum_charge_current=most_a,
            ev_maximum_voltage=declared_v,
        )
    sign = talk.config.discharge_limit_sign
    return dc.BPTScheduledDCCLReqControlMode(
        ev_target_energy_request=target_energy(talk),
        ev_target_current=rational(current),
        ev_target_voltage=voltage,
        ev_maximum_charge_power=most_w,
        ev_maximum_charge_current=most_a,
        ev_maximum_voltage=declared_v,
        ev_maximum_discharge_power=sign.of(floor_rational(own.maximum_discharge_power_w)),
        ev_maximum_discharge_current=sign.of(floor_rational(own.maximum_discharge_current_a)),
    )


def _dynamic(talk: Conversation, plan: Plan, battery: BatteryChanged, winding_down: bool) -> Any:
    own = _now(battery, talk, plan)
    current = 0.0 if winding_down else min(battery.target_current_a, own.maximum_charge_current_a)
    power, least = floored(own.maximum_charge_power_w), own.minimum_charge_power_w
    voltage = floored(own.maximum_voltage_v)
    charge: dict[str, Any] = {
        "departure_time": departure_s(talk),
        # Winding down, nothing may be taken either: a minimum not yet reached says so.
        **energies(talk, nothing=winding_down),
        **v2x(talk, plan),
        "ev_maximum_charge_power": rational(power),
        "ev_minimum_charge_power": rational(min(ceiled(least), power)),
        # The station sets the current: taper and constant power reach it as the vehicle's present maximum.
        "ev_maximum_charge_current": rational(max(towards_zero(current), 0.0)),
        "ev_maximum_voltage": rational(voltage),
        "ev_minimum_voltage": rational(min(talk.limits.minimum_voltage_v, voltage)),
    }
    if not plan.service.bidirectional:
        return dc.DynamicDCCLReqControlMode(**charge)
    above = battery.soc > lowest_soc(talk, plan)
    allowed = talk.config.allow_discharge and not winding_down and above
    most = floored(own.maximum_discharge_power_w) if allowed else 0.0
    sign = talk.config.discharge_limit_sign
    return dc.BPTDynamicDCCLReqControlMode(
        **charge,
        ev_maximum_discharge_power=sign.of(rational(most)),
        ev_minimum_discharge_power=sign.of(rational(min(ceiled(own.minimum_discharge_power_w), most))),
        ev_maximum_discharge_current=sign.of(
            floor_rational(own.maximum_discharge_current_a if allowed else 0.0)
        ),
    )


def take_limits(plan: Plan, mode: Any) -> None:
    """The station's limits of this turn, within its offer; one that it leaves out stays as it was."""
    if mode == plan.last_mode:
        return
    plan.last_mode = mode
    offer, now = plan.offer, plan.station
    said: dict[str, float] = {}
    for name, field in _FIELDS:
        number = getattr(mode, field, None)
        if number is not None:
            # Some stations give discharge limits a sign: there the magnitude counts. A charging limit below
            # zero lets nothing in.
            said[name] = abs(si(number)) if "discharge" in name else max(si(number), 0.0)
    changed: dict[str, float] = {}
    for what in QUANTITIES:
        most, least = f"maximum_{what}", f"minimum_{what}"
        # The loop narrows the offer and never widens it [V2G20-2654, V2G20-2655]. The values are the peer's:
        # a minimum above its maximum must not stop us, so the minimum follows.
        changed[most] = min(said.get(most, getattr(now, most)), getattr(offer, most))
        changed[least] = min(said.get(least, getattr(now, least)), changed[most])
        if changed[most] < getattr(offer, least) and what != "voltage_v":
            changed[most] = changed[least] = 0.0  # less than the station's hardware can do
        else:
            changed[least] = min(max(changed[least], getattr(offer, least)), changed[most])
    plan.station = now = msgspec.structs.replace(offer, **changed)
    # A station that lets nothing in and wants a minimum out asks for energy (docs/sources.md, "Hardware").
    asks = now.maximum_charge_power_w == 0.0 and now.minimum_discharge_power_w > 0.0
    plan.ask_to_discharge_w = now.minimum_discharge_power_w if asks else 0.0


_FIELDS = (
    ("maximum_charge_power_w", "evse_maximum_charge_power"),
    ("minimum_charge_power_w", "evse_minimum_charge_power"),
    ("maximum_charge_current_a", "evse_maximum_charge_current"),
    ("maximum_voltage_v", "evse_maximum_voltage"),
    ("maximum_discharge_power_w", "evse_maximum_discharge_power"),
    ("minimum_discharge_power_w", "evse_minimum_discharge_power"),
    ("maximum_discharge_current_a", "evse_maximum_discharge_current"),
    ("minimum_voltage_v", "evse_minimum_voltage"),
)
