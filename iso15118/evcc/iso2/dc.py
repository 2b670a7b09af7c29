"""The vehicle's phases with voltage on the cable: cable check, pre-charge, start, charge
loop, stop and welding detection.

The vehicle closes its contactors in one place, after pre-charge matched, and opens them on every way out.
"""

from __future__ import annotations

from typing import Final

from iso15118.evcc import insulation
from iso15118.evcc.contactors import (
    close_contactors,
    found_open,
    pre_charge_stands,
    pre_charge_target,
    pre_charged,
)
from iso15118.evcc.conversation import Conversation, Leave, Until
from iso15118.evcc.iso2.delivery import negotiation_due, power_delivery
from iso15118.evcc.iso2.demand import below_minimum, demand, take_limits
from iso15118.evcc.iso2.exchange import exchange, poll
from iso15118.evcc.iso2.parameters import charge_parameters, own_power_w
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.profile import charging_profile
from iso15118.evcc.iso2.receipt import answer_meter
from iso15118.evcc.iso2.settings import DcRenegotiation
from iso15118.evcc.iso2.status import (
    asks_to_end,
    asks_to_renegotiate,
    battery_status,
    leave_if_asked,
    same_kind,
)
from iso15118.evcc.needs import enough
from iso15118.evcc.unsaid import withdraw
from iso15118.evcc.wind_down import WindDown
from iso15118.messages import iso2
from iso15118.messages.physical import amperes, floor_physical, quantity
from iso15118.session.actions import (
    EndReason,
    OpenContactors,
    ScheduleRenegotiated,
    SessionEnded,
    SignalReady,
    StopPower,
    Urgency,
)

__all__ = ["cable_check", "charge_loop", "pre_charge", "start", "stop", "welding_detection"]

_COMPARE_EVERY: Final = (
    8  # turns; what the station tells is compared with what is measured about once a second
)


async def cable_check(talk: Conversation, plan: Plan) -> None:
    """Show readiness on the pilot just before the first request, then poll until the
    station has tested the cable."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    plan.ready = True
    talk.act(SignalReady(True))

    def look(response: iso2.CableCheckRes) -> None:
        insulation.in_the_check(response.dc_evse_status.evse_isolation_status)
        leave_if_asked(response.dc_evse_status)

    answer = await poll(
        talk,
        lambda: iso2.CableCheckReq(dc_ev_status=battery_status(talk, plan)),
        lambda response: response.evse_processing is iso2.EVSEProcessing.Finished,
        limit=talk.timing.cable_check_timeout,
        reason=EndReason.CABLE_CHECK_FAILED,
        look=look,
    )
    response: iso2.CableCheckRes = answer.body.body_element  # type: ignore[assignment]
    insulation.checked(talk, response.dc_evse_status.evse_isolation_status)


async def pre_charge(talk: Conversation, plan: Plan) -> None:
    """Have the station match the battery's voltage, and close the contactors on a reading of this moment."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    target = 0.0

    def request() -> iso2.PreChargeReq:
        nonlocal target
        target = pre_charge_target(talk)
        return iso2.PreChargeReq(
            dc_ev_status=battery_status(talk, plan),
            ev_target_voltage=floor_physical(target, iso2.UnitSymbol.V),
            ev_target_current=amperes(talk.config.iso2.precharge_current_a),
        )

    await poll(
        talk,
        request,
        lambda response: pre_charged(talk, target),
        limit=talk.timing.pre_charge_timeout,
        reason=EndReason.PRE_CHARGE_FAILED,
        stands=lambda: pre_charge_stands(talk, target),
        look=lambda response: leave_if_asked(response.dc_evse_status),
    )
    await close_contactors(talk)


async def start(talk: Conversation, plan: Plan) -> None:
    """Ask for power along the schedule."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    profile = charging_profile(talk, plan, own_power_w(talk, plan))
    response = await power_delivery(talk, plan, iso2.ChargeProgress.Start, profile)
    plan.renegotiate = False
    same_kind(response.evse_status, plan)
    leave_if_asked(response.evse_status)


async def charge_loop(talk: Conversation, plan: Plan) -> SessionEnded:
    """Turn after turn until the battery, the driver or the station has had enough; then wind the
    current down. Returns who ended it.

    A new negotiation winds down first, too.
    """
    config = talk.config
    end: SessionEnded | None = None
    winding: WindDown | None = None
    asked: object = None
    turn = 0
    while True:
        began = talk.now
        withdraw(talk, "ISO 15118-2", renegotiates=True)
        if end is None:
            end = enough(talk, plan, below_minimum=below_minimum(talk, plan))
            if end is None and not negotiation_due(talk, plan):
                winding = None
            elif winding is None:
                winding = WindDown(talk)
        if winding is not None and winding.over(talk):
            if end is not None:
                return end
            await _renegotiate(talk, plan)
            # The supervision was told meanwhile that nothing is asked for.
            winding, asked = None, None
            continue
        turn += 1
        request = demand(talk, plan, winding_down=winding is not None)
        if request.ev_target_current is not asked:  # equal numbers are mostly one object
            asked = request.ev_target_current
            talk.asked(quantity(request.ev_target_current), 0.0)
        response: iso2.CurrentDemandRes = await exchange(talk, request)
        if turn % _COMPARE_EVERY == 0:
            talk.reported(quantity(response.evse_present_voltage), quantity(response.evse_present_current))
        take_limits(talk, plan, response)
        status: iso2.EVSEStatus = response.dc_evse_status
        asking = asks_to_end(status, under_power=True)
        insulation.under_power(talk, response.dc_evse_status.evse_isolation_status)
        plan.renegotiate = plan.renegotiate or asks_to_renegotiate(status)
        receipt = await answer_meter(talk, plan, response)
        if receipt is not None:
            same_kind(receipt, plan)
            plan.renegotiate = plan.renegotiate or asks_to_renegotiate(receipt)
            later = asks_to_end(receipt, under_power=True)
            if later is not None:
                asking, status = later, receipt
        if end is None and asking is not None:
            end = asking
            winding = WindDown(talk, float(status.notification_max_delay))
        if talk.now < began + config.iso2.loop_interval_s:
            await Until(began + config.iso2.loop_interval_s)


async def _renegotiate(talk: Conversation, plan: Plan) -> None:
    """A new schedule. In the full form the cable is without voltage in between, and is checked
    again [V2G2-565, V2G2-582]."""
    talk.asked(0.0, 0.0)
    response = await power_delivery(talk, plan, iso2.ChargeProgress.Renegotiate)
    same_kind(response.evse_status, plan)
    leave_if_asked(response.evse_status)
    full = talk.config.iso2.dc_renegotiation is DcRenegotiation.FULL
    if full:
        # The test voltage of the cable check must not meet the battery.
        talk.act(StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "new negotiation"))
        await Until(talk.now + talk.timing.contactor_close, lambda: not talk.contactors_closed)
        found_open(talk)
    await charge_parameters(talk, plan)
    if full:
        await cable_check(talk, plan)
        await pre_charge(talk, plan)
    await start(talk, plan)
    plan.negotiated_at, plan.negotiations = talk.now, plan.negotiations + 1
    talk.act(ScheduleRenegotiated(beside=False, agreed=True))


async def stop(talk: Conversation, plan: Plan) -> None:
    """Tell the station that power is no longer wanted; leave state C and open the contactors
    when it answered [V2G2-848]."""
    await power_delivery(talk, plan, iso2.ChargeProgress.Stop)
    plan.ready = plan.stop_told = False
    talk.act(
        StopPower(Urgency.ORDERLY),
        SignalReady(False),
        OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"),
    )
    await Until(talk.now + talk.timing.contactor_close, lambda: not talk.contactors_closed)


async def welding_detection(talk: Conversation, plan: Plan) -> None:
    """With contactors open the inlet has to lose its voltage; if it does not, one of them is welded.

    Some stations refuse the request or do not answer it: the vehicle's own measurement is what counts.
    """
    until = talk.now + min(talk.config.welding_detection_s, talk.timing.welding_detection_timeout)
    while True:
        if not plan.parting:
            request = iso2.WeldingDetectionReq(dc_ev_status=battery_status(talk, plan))
            plan.parting = await exchange(talk, request, optional=True) is None
        welded = talk.perhaps_welded
        if not welded or talk.now >= until:
            break
        await talk.pause(talk.config.poll_interval_s)
    found_open(talk, welded)
