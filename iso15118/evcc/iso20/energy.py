"""The vehicle's phases with voltage on the cable: cable check, pre-charge, start, charge loop, stop and
welding detection.

The vehicle closes its contactors in one place, after pre-charge matched, and opens them on every way out.
"""

from __future__ import annotations

from typing import Any

from iso15118.evcc.contactors import (
    close_contactors,
    found_open,
    pre_charge_stands,
    pre_charge_target,
    pre_charged,
)
from iso15118.evcc.conversation import Bound, Conversation, EndSession, Leave, Until
from iso15118.evcc.iso20.channels import selection, turns
from iso15118.evcc.iso20.exchange import exchange, header, poll
from iso15118.evcc.iso20.loop import discharging_wanted, loop_request, take_limits
from iso15118.evcc.iso20.meter import heard
from iso15118.evcc.iso20.mid_session import Loop, heed, look, note, service_wanted, standing_by
from iso15118.evcc.iso20.mobility import take_station_needs
from iso15118.evcc.iso20.needs import enough, take_warning
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.iso20.profile import power_profile
from iso15118.evcc.wind_down import NO_CURRENT_A, WindDown
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EVSEStatus, Processing, ResponseCode
from iso15118.messages.values import measured, rational, si
from iso15118.session.actions import (
    EndReason,
    OpenContactors,
    SessionEnded,
    SignalReady,
    StopPower,
    Urgency,
)
from iso15118.session.services import ControlMode
from iso15118.timing import Timer

__all__ = ["cable_check", "charge_loop", "pre_charge", "start", "stop", "welding_detection"]

_COMPARE_EVERY = 4  # turns; what the station tells is compared with what is measured about once a second


async def cable_check(talk: Conversation) -> None:
    """Show readiness on the pilot, then poll until the station has tested the cable."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    talk.act(SignalReady(True))
    await poll(
        talk,
        lambda: dc.DCCableCheckReq(header=header(talk)),
        lambda response: response.evse_processing is Processing.Finished,
        limit=talk.timing.cable_check_timeout,
        reason=EndReason.CABLE_CHECK_FAILED,
    )


async def pre_charge(talk: Conversation) -> None:
    """Have the station match the battery's voltage, close the contactors, and only then say that pre-charge
    is done [V2G20-2006]."""
    target = pre_charge_target(talk)

    def request(processing: Processing) -> dc.DCPreChargeReq:
        return dc.DCPreChargeReq(
            header=header(talk),
            ev_processing=processing,
            ev_present_voltage=measured(talk.inlet.voltage_v),
            ev_target_voltage=rational(target),
        )

    await poll(
        talk,
        lambda: request(Processing.Ongoing),
        lambda response: pre_charged(talk, target),
        limit=talk.timing.pre_charge_timeout,
        reason=EndReason.PRE_CHARGE_FAILED,
        stands=lambda: pre_charge_stands(talk, target),
    )
    await close_contactors(talk)
    await exchange(talk, request(Processing.Finished))


async def start(talk: Conversation, plan: Plan) -> None:
    """Ask for power along the schedule."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    response = await exchange(
        talk,
        cm.PowerDeliveryReq(
            header=header(talk),
            ev_processing=Processing.Finished,
            charge_progress=cm.ChargeProgress.Start,
            ev_power_profile=power_profile(talk, plan),
            bpt_channel_selection=selection(plan),
        ),
    )
    plan.power_delivered = True
    note(talk, plan, response.evse_status)


async def charge_loop(talk: Conversation, plan: Plan) -> SessionEnded:
    """Turn after turn until the battery, the driver or the station has had enough; then wind the current
    down. Returns who ended it."""
    config = talk.config
    scheduled = plan.control_mode is ControlMode.SCHEDULED
    expected = plan.service.scheduled_res if scheduled else plan.service.dynamic_res
    end: SessionEnded | None = None
    asked: object = None
    winding: WindDown | None = None
    turn = 0
    loop_s, meter_every = config.loop_s, config.meter_info_every
    while True:
        began = talk.now
        scheduled_w = plan.scheduled_power_w(began)
        if end is None:
            end = standing_by(talk, plan) if plan.standing_by else enough(talk, plan, scheduled_w)
            end = end or service_wanted(talk, plan)
            winding = None if end is None else WindDown(talk)
        elif winding is None or winding.over(talk):
            return end
        gives = discharging_wanted(talk, plan)
        if end is None:
            rested, over = await look(talk, plan, _LOOP, gives=gives)
            if over is not None:
                return over
            if rested:
                asked = None  # the supervision was told meanwhile that nothing is asked for
            elif turns(plan, gives, flows=abs(talk.inlet.current_a) >= NO_CURRENT_A):
                await start(talk, plan)  # over the other channel [V2G20-2123]
        wants_meter = meter_every > 0 and turn % meter_every == 0
        turn += 1
        nothing = end is not None or plan.standing_by
        request = loop_request(talk, plan, wants_meter, winding_down=nothing)
        mode = request.cl_req_control_mode
        wish = mode.ev_target_current if scheduled else mode  # type: ignore[union-attr]
        if wish is not asked:  # equal numbers are mostly one object
            asked = wish
            talk.asked(*_asked(mode))
        response = await exchange(talk, request)
        if turn % _COMPARE_EVERY == 0:
            talk.reported(si(response.evse_present_voltage), si(response.evse_present_current))
        if type(response.cl_res_control_mode) is not expected:
            raise Leave(
                EndReason.PARAMETERS_NOT_ACCEPTED,
                f"{type(response.cl_res_control_mode).__name__} does not belong to the chosen service",
            )
        take_limits(plan, response.cl_res_control_mode)
        if response.response_code is not ResponseCode.OK:
            take_warning(talk, plan, response.response_code)
        if not scheduled:
            take_station_needs(talk, plan, response.cl_res_control_mode)
        if response.meter_info is not None:
            heard(talk, plan, response.meter_info, response.receipt)
        if end is None:
            rested, over = await heed(talk, plan, _LOOP, response)
            if rested and over is not None:
                return over
            if rested:
                asked = None
            end = over
            if end is not None:
                winding = WindDown(talk, _left_s(response.evse_status))
        if talk.now < began + loop_s:
            await Until(began + loop_s)


def _asked(mode: Any) -> tuple[float, float]:
    """The currents in A that a request asks for or allows, to the vehicle and from it."""
    target = getattr(mode, "ev_target_current", None)
    if target is not None:
        current = si(target)
        return (current, 0.0) if current >= 0.0 else (0.0, -current)
    discharge = getattr(mode, "ev_maximum_discharge_current", None)
    return si(mode.ev_maximum_charge_current), 0.0 if discharge is None else abs(si(discharge))


def _rest(talk: Conversation, plan: Plan) -> None:
    talk.asked(0.0, 0.0)


_LOOP = Loop(rest=_rest, start=start)


def _left_s(status: EVSEStatus | None) -> float:
    """What the station has left itself; 0 if it names no time."""
    return 0.0 if status is None else float(status.notification_max_delay)


async def stop(talk: Conversation, plan: Plan) -> None:
    """Tell the station that power is no longer wanted; open the contactors when it answered."""
    talk.drop_aside = True
    response = await exchange(
        talk,
        cm.PowerDeliveryReq(
            header=header(talk), ev_processing=Processing.Finished, charge_progress=cm.ChargeProgress.Stop
        ),
    )
    plan.power_delivered = False
    talk.act(StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))
    if response.response_code is not ResponseCode.OK and response.response_code.value.startswith("WARNING"):
        raise Leave(EndReason.REFUSED, response.response_code.value)
    await Until(talk.now + talk.timing.contactor_close, lambda: not talk.contactors_closed)


async def welding_detection(talk: Conversation) -> None:
    """With contactors open the inlet has to lose its voltage; if it does not, one of them is welded."""
    longest = talk.timing.welding_detection_timeout
    until = talk.now + min(talk.config.welding_detection_s, longest)
    over = EndSession(EndReason.ONGOING_TOO_LONG, f"welding detection not finished after {longest:g} s")
    talk.bound = Bound(talk.now + longest, over, Timer.WELDING_DETECTION)
    while True:
        welded = talk.perhaps_welded
        done = not welded or talk.now >= until
        await exchange(
            talk,
            dc.DCWeldingDetectionReq(
                header=header(talk), ev_processing=Processing.Finished if done else Processing.Ongoing
            ),
        )
        if done:
            talk.bound = None
            found_open(talk, welded)
            return
        await talk.pause(talk.config.poll_interval_s)
