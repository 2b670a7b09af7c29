"""What the vehicle says in a turn of the charge loop, and what it takes from the answer.

Targets stay within the battery's present limits, the station's limits and the schedule; the sign of the
current is decided here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import DisplayParameters, RationalNumber
from iso15118.messages.values import floor_rational, rational, si
from iso15118.session.events import BatteryChanged
from iso15118.session.services import ControlMode

__all__ = ["loop_request", "take_limits"]


def loop_request(
    talk: Conversation, plan: Plan, meter_info: bool, *, winding_down: bool
) -> dc.DCChargeLoopReq:
    """The next DC_ChargeLoopReq; ``winding_down``: no current is wanted any more."""
    battery = talk.battery
    mode = (
        _scheduled(talk, plan, battery, winding_down)
        if talk.config.control_mode is ControlMode.SCHEDULED
        else _dynamic(talk, plan, battery, winding_down)
    )
    return dc.DCChargeLoopReq(
        header=talk.header(),
        display_parameters=_display(
            int(battery.soc),
            talk.config.minimum_soc,
            talk.config.target_soc,
            battery.capacity_wh,
            battery.complete,
            battery.inlet_hot,
        ),
        meter_info_requested=meter_info,
        ev_present_voltage=rational(round(talk.inlet.voltage_v, 1)),
        cl_req_control_mode=mode,
    )


@lru_cache(maxsize=8)
def _display(
    soc: int, minimum: int, target: int, capacity_wh: float, complete: bool, inlet_hot: bool
) -> DisplayParameters:
    """Changes once per percent, and so is made once per percent."""
    return DisplayParameters(
        present_soc=min(max(soc, 0), 100),
        minimum_soc=minimum,
        target_soc=target,
        charging_complete=complete,
        battery_energy_capacity=rational(round(capacity_wh)),
        inlet_hot=inlet_hot,
    )


def _discharging(talk: Conversation, plan: Plan, battery: BatteryChanged) -> bool:
    """The station asks for energy, the driver allows it, and the battery is above its minimum."""
    return (
        plan.ask_to_discharge_w > 0.0
        and plan.service.bidirectional
        and talk.config.allow_discharge
        and battery.energy_to_minimum_wh < 0.0
        and battery.soc > talk.config.minimum_soc
    )


def _scheduled(talk: Conversation, plan: Plan, battery: BatteryChanged, winding_down: bool) -> Any:
    station, limits = plan.station, talk.limits
    voltage = min(battery.target_voltage_v, limits.maximum_voltage_v)
    present = max(battery.voltage_v, 1.0)
    if winding_down:
        current = 0.0
    elif _discharging(talk, plan, battery):
        power = min(
            station.maximum_discharge_power_w,
            battery.maximum_discharge_power_w,
            limits.maximum_discharge_power_w,
        )
        current = -min(
            power / present,
            station.maximum_discharge_current_a,
            battery.maximum_discharge_current_a,
            limits.maximum_discharge_current_a,
        )
    else:
        power = min(
            station.maximum_charge_power_w,
            battery.maximum_charge_power_w,
            limits.maximum_charge_power_w,
            plan.scheduled_power_w(talk.now),
        )
        current = min(
            battery.target_current_a,
            power / present,
            station.maximum_charge_current_a,
            battery.maximum_charge_current_a,
            limits.maximum_charge_current_a,
        )
    charge: dict[str, Any] = {
        "ev_target_energy_request": rational(round(battery.energy_to_target_wh)),
        "ev_target_current": _towards_zero(current),
        "ev_target_voltage": floor_rational(round(voltage, 1)),
        "ev_maximum_charge_power": floor_rational(battery.maximum_charge_power_w),
        "ev_maximum_charge_current": floor_rational(battery.maximum_charge_current_a),
        "ev_maximum_voltage": floor_rational(limits.maximum_voltage_v),
    }
    if not plan.service.bidirectional:
        return dc.ScheduledDCCLReqControlMode(**charge)
    return dc.BPTScheduledDCCLReqControlMode(
        **charge,
        ev_maximum_discharge_power=floor_rational(battery.maximum_discharge_power_w),
        ev_maximum_discharge_current=floor_rational(battery.maximum_discharge_current_a),
    )


def _towards_zero(current: float) -> RationalNumber:
    """A tenth of an ampere is what a megawatt cable resolves; rounding never asks for more."""
    tenths = int(current * 10.0)
    return rational(tenths / 10.0)


def _dynamic(talk: Conversation, plan: Plan, battery: BatteryChanged, winding_down: bool) -> Any:
    limits = talk.limits
    target = 0.0 if winding_down else battery.energy_to_target_wh
    current = 0.0 if winding_down else battery.target_current_a
    charge: dict[str, Any] = {
        "departure_time": talk.config.departure_time_s,
        "ev_target_energy_request": rational(round(target)),
        "ev_maximum_energy_request": rational(round(battery.energy_to_maximum_wh)),
        # Winding down, nothing may be taken either: a minimum not yet reached says so.
        "ev_minimum_energy_request": rational(0.0 if winding_down else round(battery.energy_to_minimum_wh)),
        "ev_maximum_charge_power": floor_rational(battery.maximum_charge_power_w),
        "ev_minimum_charge_power": rational(0.0),
        # The station sets the current: taper and constant power reach it as the vehicle's present maximum.
        "ev_maximum_charge_current": _towards_zero(min(current, battery.maximum_charge_current_a)),
        "ev_maximum_voltage": floor_rational(
            round(min(battery.target_voltage_v, limits.maximum_voltage_v), 1)
        ),
        "ev_minimum_voltage": floor_rational(limits.minimum_voltage_v),
    }
    if not plan.service.bidirectional:
        return dc.DynamicDCCLReqControlMode(**charge)
    allowed = talk.config.allow_discharge and not winding_down
    return dc.BPTDynamicDCCLReqControlMode(
        **charge,
        ev_maximum_discharge_power=floor_rational(battery.maximum_discharge_power_w if allowed else 0.0),
        ev_minimum_discharge_power=rational(0.0),
        ev_maximum_discharge_current=floor_rational(battery.maximum_discharge_current_a if allowed else 0.0),
    )


def take_limits(plan: Plan, mode: Any) -> None:
    """The station's limits of this turn; one that it leaves out stays as it was."""
    if mode == plan.last_mode:
        return
    plan.last_mode = mode
    changed: dict[str, float] = {}
    for name, field in _FIELDS:
        number = getattr(mode, field, None)
        if number is not None:
            # Some stations give discharge limits a sign: there the magnitude counts. A charging limit below
            # zero lets nothing in.
            changed[name] = abs(si(number)) if "discharge" in name else max(si(number), 0.0)
    # The values are the peer's: a minimum above its maximum must not stop us, so the minima follow.
    for name in [name for name in changed if name.startswith("minimum_")]:
        upper = name.replace("minimum_", "maximum_")
        changed[name] = min(changed[name], changed.get(upper, getattr(plan.station, upper)))
    for name in [name for name in changed if name.startswith("maximum_")]:
        lower = name.replace("maximum_", "minimum_")
        changed[lower] = min(changed.get(lower, getattr(plan.station, lower)), changed[name])
    plan.station = msgspec.structs.replace(plan.station, **changed)
    # A station that lets nothing in and wants a minimum out asks for energy (docs/sources.md, "Hardware").
    asks = plan.station.maximum_charge_power_w == 0.0 and plan.station.minimum_discharge_power_w > 0.0
    plan.ask_to_discharge_w = plan.station.minimum_discharge_power_w if asks else 0.0


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
