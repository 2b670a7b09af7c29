"""The vehicle's phases with voltage on the cable in DIN 70121: cable check, pre-charge, start, charge
loop, stop and welding detection.

The vehicle closes its contactors in one place, after pre-charge matched, and opens them on every way out.
"""

from __future__ import annotations

from iso15118.evcc import insulation
from iso15118.evcc.contactors import (
    close_contactors,
    found_open,
    pre_charge_stands,
    pre_charge_target,
    pre_charged,
)
from iso15118.evcc.conversation import Conversation, Leave, Until
from iso15118.evcc.din.exchange import exchange, poll
from iso15118.evcc.din.loop import below_minimum, current_demand, take_limits
from iso15118.evcc.din.plan import Plan
from iso15118.evcc.din.status import leave_on_alarm, leave_on_end, vehicle_status, wants_to_end
from iso15118.evcc.needs import enough
from iso15118.evcc.unsaid import withdraw
from iso15118.evcc.wind_down import WindDown
from iso15118.messages import din, physical
from iso15118.messages.iso2 import UnitSymbol
from iso15118.messages.physical import din_physical, floor_physical, quantity
from iso15118.session.actions import (
    EndReason,
    OpenContactors,
    SessionEnded,
    SignalReady,
    StopPower,
    Urgency,
)

__all__ = ["cable_check", "charge_loop", "pre_charge", "start", "stop", "welding_detection"]

_COMPARE_EVERY = 8  # turns; what the station tells is compared with what is measured about once a second
_SHORT = 32_767


async def cable_check(talk: Conversation, plan: Plan) -> None:
    """Show state C just before the first request, then poll until the station has
    tested the cable [V2G-DC-547]."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    plan.ready_to_charge = True
    talk.act(SignalReady(True))

    def look(response: din.CableCheckRes) -> None:
        insulation.in_the_check(response.dc_evse_status.evse_isolation_status)
        leave_on_end(response.dc_evse_status)

    response: din.CableCheckRes = await poll(
        talk,
        plan,
        lambda: din.CableCheckReq(dc_ev_status=vehicle_status(talk, plan)),
        lambda response: response.evse_processing is din.EVSEProcessing.Finished,
        limit=talk.timing.cable_check_timeout,
        reason=EndReason.CABLE_CHECK_FAILED,
        look=look,
    )
    status = response.dc_evse_status
    insulation.checked(talk, status.evse_isolation_status)
    if status.evse_status_code is not din.DCEVSEStatusCode.EVSE_Ready:
        talk.note("cable-check", f"the station is finished, and {status.evse_status_code.value}")


async def pre_charge(talk: Conversation, plan: Plan) -> None:
    """Have the station match the battery's voltage, and close the contactors on a reading of this moment."""
    target = 0.0

    def request() -> din.PreChargeReq:
        nonlocal target
        target = pre_charge_target(talk)
        return din.PreChargeReq(
            dc_ev_status=vehicle_status(talk, plan),
            ev_target_voltage=din_physical(floor_physical(target, UnitSymbol.V)),
            ev_target_current=din_physical(physical.amperes(talk.config.din.precharge_current_a)),
        )

    await poll(
        talk,
        plan,
        request,
        lambda response: pre_charged(talk, target),
        limit=talk.timing.pre_charge_timeout,
        reason=EndReason.PRE_CHARGE_FAILED,
        stands=lambda: pre_charge_stands(talk, target),
        look=lambda response: leave_on_end(response.dc_evse_status),
    )
    await close_contactors(talk)


async def start(talk: Conversation, plan: Plan) -> None:
    """Ask for power."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    response = await _power_delivery(talk, plan, on=True)
    status = response.evse_status
    if isinstance(status, din.DCEVSEStatus):
        leave_on_end(status)
    else:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "the status of an AC station")


async def _power_delivery(talk: Conversation, plan: Plan, *, on: bool) -> din.PowerDeliveryRes:
    every = talk.config.din.send_optional
    if on:
        plan.power_delivered = True  # from the moment of asking the station may close
    parameter = din.DCEVPowerDeliveryParameter(
        dc_ev_status=vehicle_status(talk, plan),
        bulk_charging_complete=talk.battery.soc >= talk.target_soc,
        charging_complete=not on and talk.battery.complete,
    )
    response: din.PowerDeliveryRes = await exchange(
        talk,
        din.PowerDeliveryReq(
            ready_to_charge_state=on,
            charging_profile=_profile(talk, plan) if every and on else None,
            ev_power_delivery_parameter=parameter if every else None,
        ),
    )
    return response


def _profile(talk: Conversation, plan: Plan) -> din.ChargingProfile | None:
    """The power that the vehicle may take, as far as 16 bits can say it: never above PMax
    where the schedule is kept."""
    if plan.schedule_id is None:
        return None
    own = min(talk.limits.maximum_charge_power_w, plan.station.maximum_charge_power_w)
    power = min(own, plan.scheduled_power_w(talk.now), _SHORT)
    entry = din.ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=int(power))
    return din.ChargingProfile(sa_schedule_tuple_id=plan.schedule_id, profile_entry=(entry,))


async def charge_loop(talk: Conversation, plan: Plan) -> SessionEnded:
    """Turn after turn until the battery, the driver or the station has had enough; then wind the current
    down. Returns who ended it."""
    interval_s = talk.config.din.loop_interval_s
    end: SessionEnded | None = None
    asked: object = None
    winding: WindDown | None = None
    turn = 0
    plan.ready = talk.bound = None  # it is ready to charge
    while True:
        began = talk.now
        withdraw(talk, "DIN 70121", renegotiates=False)
        if end is None:
            end = enough(talk, plan, below_minimum=below_minimum(talk, plan))
            winding = None if end is None else WindDown(talk)
        elif winding is None or winding.over(talk):
            return end
        turn += 1
        request = current_demand(talk, plan, winding_down=end is not None)
        if request.ev_target_current is not asked:  # equal numbers are mostly one object
            asked = request.ev_target_current
            talk.asked(quantity(request.ev_target_current), 0.0)
        response: din.CurrentDemandRes = await exchange(talk, request)
        leave_on_alarm(response.dc_evse_status)
        insulation.under_power(talk, response.dc_evse_status.evse_isolation_status)
        if turn % _COMPARE_EVERY == 0:
            talk.reported(quantity(response.evse_present_voltage), quantity(response.evse_present_current))
        take_limits(talk, plan, response)
        if end is None:
            status = response.dc_evse_status
            end = wants_to_end(status, under_power=True)
            winding = None if end is None else WindDown(talk, float(status.notification_max_delay))
        if talk.now < began + interval_s:
            await Until(began + interval_s)


async def stop(talk: Conversation, plan: Plan) -> None:
    """Tell the station that power is no longer wanted; leave state C and open the contactors when it
    answered. What its status says after that means nothing."""
    await _power_delivery(talk, plan, on=False)
    plan.power_delivered = plan.ready_to_charge = False
    talk.act(
        StopPower(Urgency.ORDERLY),
        SignalReady(False),
        OpenContactors(Urgency.ORDERLY, "PowerDelivery off"),
    )
    await Until(talk.now + talk.timing.contactor_close, lambda: not talk.contactors_closed)


async def welding_detection(talk: Conversation, plan: Plan) -> None:
    """With contactors open the inlet has to lose its voltage; if it does not, one of them is welded.

    Some stations refuse the request or do not answer it: the vehicle's own measurement is what counts.
    """
    asks = talk.config.din.welding_detection
    until = talk.now + min(talk.config.welding_detection_s, talk.timing.welding_detection_timeout)
    while True:
        welded = talk.perhaps_welded
        done = not welded or talk.now >= until
        if asks:
            request = din.WeldingDetectionReq(dc_ev_status=vehicle_status(talk, plan))
            asks = await exchange(talk, request, optional=True) is not None
        if done:
            break
        await talk.pause(talk.config.poll_interval_s)
    found_open(talk, welded)
