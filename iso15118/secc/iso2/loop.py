"""The DC charge loop: from what the vehicle asks to the bounds that the supply holds, several times a second.

Whatever the vehicle wants, the bounds stay within the limits of both sides, of the
schedule and of the energy manager.
"""

from __future__ import annotations

from msgspec.structs import replace

from iso15118.energy.dc import LOSS, Bounds, charging, common
from iso15118.messages import iso2
from iso15118.messages.physical import amperes, quantity, volts
from iso15118.session.actions import (
    Action,
    EndReason,
    SetPower,
    SupervisionWarning,
    VehicleDisplay,
)
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.limits import StationLimits
from iso15118.session.supervision import Rule

from .context import Context
from .metering import held_back, meter_info, read_meter
from .schedules import allowed_w, ask_anew
from .sequence import State
from .status import dc_status, vehicle_fault
from .wire import loop_limits, maxima

__all__ = ["current_demand", "present_bounds"]

Code = iso2.ResponseCode

_AT_THE_LIMIT = 0.99
"""What is measured never quite reaches a limit."""


def current_demand(request: iso2.CurrentDemandReq, ctx: Context) -> Answer | Refused | Wait:
    """One turn: set the bounds, tell what flows, pass on what the station wants the vehicle to know."""
    facts = ctx.facts
    vehicle, limits = facts.vehicle, facts.limits
    if vehicle is None or limits is None or not facts.contactors_closed:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "charge loop without its preconditions")
    target_v, target_a = quantity(request.ev_target_voltage), quantity(request.ev_target_current)
    odd = ""
    if target_a < 0.0:
        odd = "a negative current in an edition that only charges"
    elif not 0.0 <= target_v <= vehicle.maximum_voltage_v + facts.config.overvoltage_v:
        odd = f"voltage target {target_v:g} V, own maximum {vehicle.maximum_voltage_v:g} V"
    if odd and ctx.settings.plausibility == "strict":
        return Refused(Fault.CHARGE_PARAMETER, EndReason.PARAMETERS_NOT_ACCEPTED, odd, code=Code.FAILED)
    if odd:
        facts.note("loop-target", odd)
    else:
        facts.note_target(target_v, vehicle.maximum_voltage_v)
    ctx.wish = request
    ask_anew(ctx)
    bounds = present_bounds(ctx)
    before: tuple[Action, ...] = () if bounds is None or bounds == facts.power else (SetPower(*bounds),)
    before += _ignored(ctx, target_a, limits) + read_meter(ctx)
    _show(request, ctx)
    return held_back(ctx, before, lambda: _reply(request, ctx, limits))


def _reply(request: iso2.CurrentDemandReq, ctx: Context, limits: StationLimits) -> Answer:
    facts = ctx.facts
    measured = facts.measured
    info, receipt = meter_info(ctx)
    target_v, target_a = quantity(request.ev_target_voltage), quantity(request.ev_target_current)
    power, current, voltage = _achieved(ctx, target_v, target_a, limits)
    told = maxima(limits) if ctx.settings.send_loop_limits else {}
    response = iso2.CurrentDemandRes(
        response_code=Code.OK,
        dc_evse_status=dc_status(ctx, iso2.DCEVSEStatusCode.EVSE_Ready),
        evse_present_voltage=volts(round(measured.voltage_v, 1)),
        evse_present_current=amperes(round(measured.current_a, 1)),
        evse_current_limit_achieved=current,
        evse_voltage_limit_achieved=voltage,
        evse_power_limit_achieved=power,
        **told,
        evseid=facts.config.evse_id,
        sa_schedule_tuple_id=ctx.tuple_id,
        meter_info=info,
        receipt_required=receipt,
    )
    return Answer(ctx.envelope(response), State.METERING_RECEIPT if receipt else State.CURRENT_DEMAND)


# -- bounds


def present_bounds(ctx: Context) -> tuple[float, float, float, bool] | None:
    """What the supply has to hold by the vehicle's last request and the limits of this moment (V, A, W,
    discharging); None before the first request."""
    facts, wish = ctx.facts, ctx.wish
    vehicle, limits = facts.vehicle, facts.limits
    if vehicle is None or limits is None or not isinstance(wish, iso2.CurrentDemandReq):
        return None
    target_v, target_a = quantity(wish.ev_target_voltage), quantity(wish.ev_target_current)
    if vehicle_fault(wish.dc_ev_status):
        target_a = 0.0  # a vehicle with a fault is given nothing until it stops
    wanted = Bounds(max(target_v, 0.0), max(target_a, 0.0), allowed_w(ctx))
    now = loop_limits(wish, vehicle)
    bounds = charging(wanted, common(limits, now), facts.measured.voltage_v, loss=LOSS)
    return facts.within_power(bounds.voltage_v, bounds.current_a, bounds.power_w, False)


def _ignored(ctx: Context, target_a: float, limits: StationLimits) -> tuple[Action, ...]:
    """A vehicle that goes on asking for more than it was told: worth a warning once,
    since the bounds hold anyway."""
    supervision = ctx.facts.config.supervision
    allowed, most = supervision.limits_ignored_loops, limits.maximum_charge_current_a
    # Half a per cent and half an ampere of room: both sides round.
    if allowed is None or target_a <= most * 1.005 + 0.5 or Rule.LIMITS_IGNORED in supervision.off:
        ctx.loops_beyond = 0
        return ()
    ctx.loops_beyond += 1
    if ctx.loops_beyond != allowed + 1:
        return ()
    what = f"{Rule.LIMITS_IGNORED.value}: the vehicle asks for {target_a:.0f} A, limit {most:.0f} A"
    return (SupervisionWarning(Rule.LIMITS_IGNORED.value, what),)


def _achieved(ctx: Context, asked_v: float, asked_a: float, limits: StationLimits) -> tuple[bool, bool, bool]:
    """Whether power, current and voltage are at the station's limit: measured there, or
    the vehicle asks for more."""
    voltage, current = ctx.facts.measured.voltage_v, ctx.facts.measured.current_a
    most_w = min(limits.maximum_charge_power_w, allowed_w(ctx))
    return (
        _at(current * voltage, asked_a * voltage, most_w),
        _at(current, asked_a, limits.maximum_charge_current_a),
        _at(voltage if current > 0.0 else 0.0, asked_v, limits.maximum_voltage_v),
    )


def _at(measured: float, asked: float, limit: float) -> bool:
    return asked > limit or (limit > 0.0 and measured >= _AT_THE_LIMIT * limit)


# -- what is told beside it


def _show(request: iso2.CurrentDemandReq, ctx: Context) -> None:
    """What the vehicle says of its battery is told when it changes."""
    facts, status = ctx.facts, request.dc_ev_status
    full, bulk = request.remaining_time_to_full_soc, request.remaining_time_to_bulk_soc
    if fault := vehicle_fault(status):
        facts.note("vehicle-error", f"the vehicle reports {fault}")
    shown = replace(
        facts.display or VehicleDisplay(),  # what the charge parameters told stays
        present_soc=status.evresssoc if 0 <= status.evresssoc <= 100 else None,
        to_target_s=_seconds(bulk),
        to_maximum_s=_seconds(full),
        charging_complete=request.charging_complete,
    )
    if shown != facts.display:
        facts.display = shown
        facts.news.append(shown)


def _seconds(value: iso2.PhysicalValue | None) -> int | None:
    if value is None:
        return None
    seconds = quantity(value)
    return int(seconds) if seconds >= 0.0 else None
