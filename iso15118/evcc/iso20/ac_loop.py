"""What the vehicle says in a turn of the AC charge loop, and what its on-board charger does by the answer.

The charger keeps within its own limits, those of the station and the schedule, and follows the station's
target; below its minimum it takes nothing.
"""

from __future__ import annotations

import math
from typing import Any

from iso15118.energy.ac import NOTHING, Phases, balanced, follow, on_wire, spread, tightened
from iso15118.energy.ac_groups import elements, group_of, tenths
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso20.ac_setup import limits_of
from iso15118.evcc.iso20.channels import closed
from iso15118.evcc.iso20.exchange import header
from iso15118.evcc.iso20.needs import departure_s, energies, lowest_soc, v2x
from iso15118.evcc.iso20.plan import AcPlan, Plan
from iso15118.evcc.iso20.shown import shown
from iso15118.messages.iso20 import ac
from iso15118.messages.values import si
from iso15118.session.ac_limits import AcVehicleLimits, ChargerBounds
from iso15118.session.actions import EndReason, SetCharger
from iso15118.session.services import ControlMode

__all__ = ["goes_back", "loop_request", "present_limits", "set_charger", "take_answer"]

_DYNAMIC = ControlMode.DYNAMIC


def loop_request(
    talk: Conversation, plan: Plan, meter_info: bool, *, winding_down: bool
) -> ac.ACChargeLoopReq:
    """The next AC_ChargeLoopReq; ``winding_down``: nothing is wanted any more."""
    measured, phases = talk.charger_measured, plan.ac.phases
    uneven = plan.ac.uneven and not measured.one_meter
    fields = elements("ev_present_active_power", tenths(measured.power_w), phases, uneven=uneven)
    fields |= elements("ev_present_reactive_power", tenths(measured.reactive_var), phases, uneven=uneven)
    fields |= energies(talk, nothing=winding_down)
    present_limits(talk, plan)
    fields |= plan.ac.said
    if plan.ac.resource is not None:
        fields |= plan.ac.resource.said(talk, plan)
    if plan.control_mode is _DYNAMIC:
        fields["departure_time"] = departure_s(talk)
        fields |= v2x(talk, plan)
        mode = plan.service.dynamic_req(**fields)
    else:
        mode = plan.service.scheduled_req(**fields)
    return ac.ACChargeLoopReq(
        header=header(talk),
        display_parameters=shown(talk, plan, measured.total_w),
        meter_info_requested=meter_info,
        cl_req_control_mode=mode,
    )


def present_limits(talk: Conversation, plan: Plan) -> AcVehicleLimits:
    """What charger and battery take and give now, within what was declared."""
    own, charger, battery = plan.ac.own, talk.charger_now, talk.battery
    if own is None or charger is None:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "there is no on-board charger")
    made_of = (own, charger, battery.maximum_charge_power_w, battery.maximum_discharge_power_w)
    if plan.ac.now is not None and made_of == plan.ac.now_of:  # as in almost every turn
        return plan.ac.now
    plan.ac.now_of = made_of
    if charger.phases > plan.ac.phases:
        charger = charger.single_phase()
    uneven, phases = own.uneven, plan.ac.phases
    now = tightened(
        own,
        {
            "maximum_charge_power_w": spread(
                max(battery.maximum_charge_power_w, 0.0), charger.maximum_charge_power_w, phases, uneven
            ),
            "minimum_charge_power_w": charger.minimum_charge_power_w,
            "maximum_discharge_power_w": spread(
                max(battery.maximum_discharge_power_w, 0.0), charger.maximum_discharge_power_w, phases, uneven
            ),
            "minimum_discharge_power_w": charger.minimum_discharge_power_w,
        },
    )
    now = plan.ac.now = on_wire(now, uneven=uneven)
    plan.ac.said = limits_of(talk, plan, now)
    return now


def take_answer(talk: Conversation, plan: Plan, answer: ac.ACChargeLoopRes) -> None:
    """What the station asks for in this turn."""
    expected = plan.service.dynamic_res if plan.control_mode is _DYNAMIC else plan.service.scheduled_res
    mode: Any = answer.cl_res_control_mode
    if type(mode) is not expected:
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED, f"{type(mode).__name__} does not belong to the chosen service"
        )
    chosen = plan.ac
    chosen.target_w = _group(talk, chosen, mode, "evse_target_active_power")
    chosen.target_var = _group(talk, chosen, mode, "evse_target_reactive_power") or NOTHING
    if chosen.resource is not None:
        chosen.resource.take(talk, plan, mode)
    frequency = answer.evse_target_frequency
    chosen.frequency_hz = None if frequency is None else si(frequency)
    if chosen.target_w is not None and sum(chosen.target_w) < 0.0 and not plan.service.bidirectional:
        talk.note("negative-target", "the station asks for energy in a service that only charges")


def _group(talk: Conversation, plan: AcPlan, mode: Any, name: str) -> Phases | None:
    group = group_of(mode, name, plan.phases)
    if group is None:
        return None
    if group.odd:
        talk.note("ac-phases", f"{name}: {group.odd}")
    return group.per_phase


# -- what the on-board charger does ------------------------------------------------------------------------


def set_charger(talk: Conversation, plan: Plan, *, winding_down: bool = False) -> None:
    """Tell the charger what it is to take or give now, if that has changed."""
    chosen, own = plan.ac, plan.ac.own
    if own is None or chosen.offer is None:
        return
    power = NOTHING if winding_down else _power(talk, plan)
    chosen.rising_w, chosen.rising_at = max(sum(power), 0.0), talk.now
    bounds = ChargerBounds(
        phases=chosen.phases,
        power_w=power,
        current_a=own.maximum_current_a,
        reactive_var=NOTHING if winding_down else chosen.target_var,
        frequency_hz=chosen.frequency_hz,
        forms_grid=chosen.forms_grid,
        islanding=chosen.islanding,
        supports_grid=chosen.resource is not None,
    )
    if bounds != chosen.taken:
        chosen.taken = bounds
        talk.act(SetCharger(bounds))


def _power(talk: Conversation, plan: Plan) -> Phases:
    chosen, own, offer = plan.ac, present_limits(talk, plan), plan.ac.offer
    if offer is None:
        return NOTHING
    if chosen.resource is not None:
        offer = chosen.resource.limits(offer)
    if plan.control_mode is _DYNAMIC and chosen.target_w is None:
        return NOTHING  # the station has not said anything yet
    scheduled, target = None, chosen.target_w
    if plan.control_mode is not _DYNAMIC:
        if target is None or (asked := sum(target)) >= 0.0:
            scheduled = plan.scheduled_power_w(talk.now)
        elif -asked > (most := plan.scheduled_discharge_w(talk.now)):
            target = target[0] * most / -asked, target[1] * most / -asked, target[2] * most / -asked
    power = follow(
        target,
        own,
        offer,
        uneven=own.uneven,
        discharge=_may_discharge(talk, plan),
        schedule_w=None if scheduled is None or math.isinf(scheduled) else scheduled,
    )
    if closed(plan, back=sum(power) < 0.0):
        power = NOTHING
    power = balanced(power, chosen.phases, offer.maximum_asymmetry_w)
    return _ramped(plan, own, power, talk.now)


def goes_back(talk: Conversation, plan: Plan) -> bool | None:
    """Whether energy is to be given now, by what the station asks for; None if none is to flow."""
    target = plan.ac.target_w
    if target is None:  # in Scheduled mode it leaves the power to the vehicle
        return None if plan.control_mode is _DYNAMIC else False
    if sum(target) < 0.0:
        return True if _may_discharge(talk, plan) else None
    return False if any(target) else None


def _may_discharge(talk: Conversation, plan: Plan) -> bool:
    battery = talk.battery
    return (
        plan.service.bidirectional
        and talk.config.allow_discharge
        and battery.energy_to_minimum_wh < 0.0
        and battery.soc > lowest_soc(talk, plan)
    )


def _ramped(plan: Plan, own: AcVehicleLimits, power: Phases, now: float) -> Phases:
    """Within what the station lets the power rise: percent of its greatest charging power per minute; from
    nothing at least the least that the charger can do."""
    chosen, offer, wanted = plan.ac, plan.ac.offer, sum(power)
    percent = None if offer is None else offer.power_ramp_percent_per_min
    if percent is None or offer is None:
        return power
    rate = percent / 100.0 * sum(offer.maximum_charge_power_w) / 60.0
    most = max(chosen.rising_w + rate * (now - chosen.rising_at), sum(own.minimum_charge_power_w))
    if wanted <= most:
        return power
    share = most / wanted
    return power[0] * share, power[1] * share, power[2] * share
