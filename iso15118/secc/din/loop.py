"""CurrentDemand: from what the vehicle asks for to the bounds that the supply holds, many times a second.

Whatever the vehicle wants, the bounds stay within the limits of both sides and of the energy
manager. Odd values are cut to them.
"""

from __future__ import annotations

import math

from iso15118.energy.dc import LOSS, Bounds, charging, common
from iso15118.messages import din
from iso15118.messages.physical import quantity
from iso15118.secc.unsaid import withdraw
from iso15118.session.actions import Action, EndReason, SetPower, SupervisionWarning
from iso15118.session.edition import Answer, Fault, Refused
from iso15118.session.limits import StationLimits
from iso15118.session.supervision import Rule

from .context import Context
from .delivery import vehicle_fault
from .display import take_display
from .replies import reply
from .sequence import State
from .status import status
from .wire import LimitsOnWire, amperes, loop_limits, volts

__all__ = ["current_demand", "present_bounds"]

_AT_THE_LIMIT = 0.99
"""What is measured never quite reaches a limit."""


def current_demand(request: din.CurrentDemandReq, ctx: Context) -> Answer | Refused:
    """One turn: set the bounds, tell what flows, and whether the station wants the vehicle to stop."""
    facts = ctx.facts
    vehicle, limits, wire = facts.vehicle, facts.limits, ctx.wire
    if vehicle is None or limits is None or wire is None or not facts.contactors_closed:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "charge loop without its preconditions")
    withdraw(facts, "DIN 70121", renegotiates=False)
    target_v, target_a = quantity(request.ev_target_voltage), quantity(request.ev_target_current)
    if fault := vehicle_fault(request.dc_ev_status):
        # A vehicle with a fault gets no current, and an answer all the same: it
        # has to open its contactors yet.
        facts.note("vehicle-fault", f"the vehicle reports {fault} in the charge loop and is given no current")
        target_a = 0.0
    facts.note_target(target_v, vehicle.maximum_voltage_v)
    if target_v < 0.0:
        facts.note("target-voltage", f"voltage target {target_v:g} V is taken for 0 V")
    if target_a < 0.0:
        facts.note("target-current", f"current target {target_a:g} A is taken for 0 A")
    ctx.vehicle_now = loop_limits(request, vehicle)
    ctx.wish = Bounds(target_v, target_a, math.inf)
    bounds = present_bounds(ctx)
    before: tuple[Action, ...] = () if bounds is None or bounds == facts.power else (SetPower(*bounds),)
    before += _ignored(ctx, target_a, wire.current_a)
    take_display(ctx, request.dc_ev_status, request)
    return Answer(_answer(ctx, target_v, target_a, limits, wire), State.CURRENT_DEMAND, before)


def _answer(
    ctx: Context, target_v: float, target_a: float, limits: StationLimits, wire: LimitsOnWire
) -> din.V2GMessage:
    measured, told = ctx.facts.measured, ctx.settings.send_loop_limits
    voltage, current = measured.voltage_v, measured.current_a
    response = din.CurrentDemandRes(
        response_code=din.ResponseCode.OK,
        dc_evse_status=status(ctx),
        evse_present_voltage=volts(round(voltage, 1)),
        evse_present_current=amperes(round(current, 1)),
        evse_current_limit_achieved=_at(current, target_a, wire.current_a),
        evse_voltage_limit_achieved=_at(
            voltage if current > 0.0 else 0.0, target_v, limits.maximum_voltage_v
        ),
        evse_power_limit_achieved=_at(current * voltage, target_a * voltage, limits.maximum_charge_power_w),
        evse_maximum_voltage_limit=wire.voltage if told else None,
        evse_maximum_current_limit=wire.current if told else None,
        evse_maximum_power_limit=wire.power if told else None,
    )
    return reply(ctx, response)


def _at(measured: float, asked: float, limit: float) -> bool:
    """The output is at the station's limit, or the vehicle asks for as much or more."""
    if limit <= 0.0:
        return asked > 0.0
    return asked >= limit or measured >= _AT_THE_LIMIT * limit


def present_bounds(ctx: Context) -> tuple[float, float, float, bool] | None:
    """What the supply has to hold by the vehicle's last request and the limits of this moment (V, A, W,
    discharging); None before the first request."""
    facts = ctx.facts
    limits, wish, vehicle_now = facts.limits, ctx.wish, ctx.vehicle_now
    if limits is None or wish is None or vehicle_now is None:
        return None
    bounds = charging(wish, common(limits, vehicle_now), facts.measured.voltage_v, loss=LOSS)
    return facts.within_power(bounds.voltage_v, bounds.current_a, bounds.power_w, False)


def _ignored(ctx: Context, target_a: float, most: float) -> tuple[Action, ...]:
    """A vehicle that goes on asking for more than it was told: worth a warning once,
    since the bounds hold anyway."""
    supervision = ctx.facts.config.supervision
    allowed = supervision.limits_ignored_loops
    # Half a per cent and half an ampere of room: both sides round.
    if allowed is None or target_a <= most * 1.005 + 0.5 or Rule.LIMITS_IGNORED in supervision.off:
        ctx.loops_beyond = 0
        return ()
    ctx.loops_beyond += 1
    if ctx.loops_beyond != allowed + 1:
        return ()
    what = f"{Rule.LIMITS_IGNORED.value}: the vehicle asks for {target_a:.0f} A, limit {most:.0f} A"
    return (SupervisionWarning(Rule.LIMITS_IGNORED.value, what),)
