"""Wireless power in the vehicle: parameters, the check of the position, power delivery and the loop.

The vehicle asks for what its battery takes, within what both sides can and the schedule has; whatever is
wrong on either side takes the power away at once, and then the vehicle stops in order.
"""

from __future__ import annotations

from iso15118.evcc.conversation import Bound, Conversation, Leave, Until
from iso15118.evcc.iso20.exchange import exchange, header
from iso15118.evcc.iso20.meter import heard
from iso15118.evcc.iso20.mid_session import Loop, heed, look, note, service_wanted, standing_by
from iso15118.evcc.iso20.needs import done, rests, take_warning
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.iso20.profile import power_profile
from iso15118.evcc.iso20.shown import shown
from iso15118.evcc.iso20.wpt import AGAIN, position, warned
from iso15118.evcc.needs import no_way_on
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import EVSEStatus, Processing, RationalNumber, ResponseCode
from iso15118.messages.values import floor_rational, rational, si
from iso15118.session.actions import (
    EndReason,
    OpenContactors,
    SessionEnded,
    SetReceiver,
    StopPower,
    Urgency,
)
from iso15118.session.wireless import CoilDiagnosis
from iso15118.timing import Timer

__all__ = ["align", "charge_loop", "charge_parameters", "start", "stop"]

_NONE_W = 50.0
"""Below this nothing flows: electronics and noise."""
_WIND_DOWN_S = 3.0
_DIAGNOSES = {
    CoilDiagnosis.NO_ISSUE: wpt.WPTEVPCChargeDiagnostics.EVPCNoIssue,
    CoilDiagnosis.OVERHEATED: wpt.WPTEVPCChargeDiagnostics.EVPCTempOverheatDetected,
    CoilDiagnosis.POWER_ANOMALY: wpt.WPTEVPCChargeDiagnostics.EVPCPowerTransferAnomalyDetected,
}
_SUCCESS, _UNKNOWN, _FAILED = (
    wpt.WPTEVResult.EVResultSuccess,
    wpt.WPTEVResult.EVResultUnknown,
    wpt.WPTEVResult.EVResultFailed,
)


async def charge_parameters(talk: Conversation, plan: Plan) -> None:
    """Declare what the coil can receive and take what the pad can send; positioned first,
    if that has not been done."""
    limits = talk.receiver_limits
    if limits is None:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "there is no coil")
    if not plan.positioned and not plan.joined:
        await position(talk, plan)
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    request = wpt.WPTChargeParameterDiscoveryReq(
        header=header(talk),
        evpc_max_receivable_power=floor_rational(limits.maximum_power_w),
        sd_max_ground_clearence=min(round(limits.maximum_clearance_mm), 32_767),
        sd_min_ground_clearence=min(round(limits.minimum_clearance_mm), 32_767),
        evpc_natural_frequency=rational(round(limits.natural_frequency_hz)),
        evpc_device_local_control=limits.local_control,
    )
    while (response := await exchange(talk, request)).response_code is AGAIN:
        await warned(talk, plan)
        await position(talk, plan)
    most, least = si(response.sd_max_output_power), si(response.sd_min_output_power)
    if most <= 0.0 or least > most or least > limits.maximum_power_w:
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED,
            f"the pad sends {least:g} to {most:g} W, which the coil cannot receive",
        )
    plan.wpt_offer_w = most
    plan.wpt_limit_w, plan.wpt_least_w = min(most, limits.maximum_power_w), max(least, 0.0)


async def align(talk: Conversation, plan: Plan) -> None:
    """Have a little power sent and look what arrives; a position that is not good is left for another one."""
    while True:
        if talk.stop_wanted:
            raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
        _take(talk, plan, plan.wpt_limit_w)
        result = await _tried(talk)
        talk.act(StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "WPT_AlignmentCheck"))
        plan.wpt_taken_w = None
        if result is not None:
            response = await exchange(talk, _check(talk, Processing.Finished, result))
            if response.response_code is not AGAIN and result is _SUCCESS:
                return
        await warned(talk, plan)
        await position(talk, plan)


def _check(talk: Conversation, processing: Processing, result: wpt.WPTEVResult) -> wpt.WPTAlignmentCheckReq:
    return wpt.WPTAlignmentCheckReq(header=header(talk), ev_processing=processing, ev_result_code=result)


async def _tried(talk: Conversation) -> wpt.WPTEVResult | None:
    """How it went; None: the station has said already that the vehicle is to begin again."""
    settings = talk.config.wpt
    until = talk.now + settings.alignment_s
    talk.bound = Bound(
        until + talk.timing.ongoing_timeout,
        Leave(EndReason.COUPLING_FAILED, "the station did not let the position be tried"),
        Timer.ONGOING,
    )
    try:
        while talk.now < until:
            response = await exchange(talk, _check(talk, Processing.Ongoing, _UNKNOWN))
            if response.response_code is AGAIN:
                return None
            await talk.pause(talk.config.poll_interval_s)
            sent = 0.0 if response.power_transmitted is None else si(response.power_transmitted)
            receiver = talk.receiver
            arrives = 0.0 if receiver is None else receiver.power_w
            if _trouble(talk):
                return _FAILED
            if sent > 0.0 and arrives >= settings.alignment_share * sent:
                return _SUCCESS
        return _FAILED
    finally:
        talk.bound = None


def _trouble(talk: Conversation) -> str:
    receiver = talk.receiver
    if receiver is None:
        return ""
    if receiver.diagnosis is not CoilDiagnosis.NO_ISSUE:
        return f"the vehicle's coil: {receiver.diagnosis.value}"
    return "" if receiver.in_place else "the vehicle's coil is not over the pad any more"


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
        ),
    )
    plan.power_delivered = True
    note(talk, plan, response.evse_status)


def _takes_w(talk: Conversation) -> float:
    battery = talk.battery
    return max(min(battery.maximum_charge_power_w, battery.target_current_a * battery.voltage_v), 0.0)


def _wanted_w(talk: Conversation, plan: Plan) -> float:
    power = min(_takes_w(talk), plan.wpt_limit_w, plan.scheduled_power_w(talk.now))
    return power if power >= plan.wpt_least_w else 0.0


async def charge_loop(talk: Conversation, plan: Plan) -> SessionEnded:
    """Turn after turn until the battery, the driver or the station has had enough, or
    something is wrong over the pad."""
    config, end, turn, wind_down_until, stopped = talk.config, None, 0, 0.0, False
    while True:
        began = talk.now
        receiver = talk.receiver
        flows = 0.0 if receiver is None else receiver.power_w
        if end is None:
            end = standing_by(talk, plan) if plan.standing_by else _enough(talk, plan, flows)
            end = end or service_wanted(talk, plan)
            wind_down_until = began + _WIND_DOWN_S
        elif flows < _NONE_W or began >= wind_down_until:
            return end
        if end is None:
            _, over = await look(talk, plan, _LOOP, gives=False)
            if over is not None:
                return over
        nothing = end is not None or plan.standing_by
        power = floor_rational(0.0 if nothing else _wanted_w(talk, plan))
        _take(talk, plan, si(power))
        wants_meter = config.meter_info_every > 0 and turn % config.meter_info_every == 0
        turn += 1
        response = await exchange(talk, _request(talk, plan, power, flows, wants_meter))
        trouble = _trouble(talk)
        if response.spc_charge_diagnostics is not wpt.WPTSPCChargeDiagnostics.SPCNoIssue:
            trouble = trouble or f"the station reports {response.spc_charge_diagnostics.value}"
        if trouble and not stopped:  # also on its way down
            talk.act(StopPower(Urgency.EMERGENCY), OpenContactors(Urgency.EMERGENCY, trouble))
            stopped, plan.wpt_taken_w = True, 0.0
            if end is None:
                end, wind_down_until = SessionEnded(EndReason.STOPPED_BY_EV, trouble), talk.now + _WIND_DOWN_S
        # The limit of now, within the offer: one that rises again holds again.
        limit = min(si(response.spc_max_output_power_limit), plan.wpt_offer_w)
        plan.wpt_limit_w = max(min(limit, _declared_w(talk)), 0.0)
        if response.response_code is not ResponseCode.OK:
            take_warning(talk, plan, response.response_code)
        if response.meter_info is not None:
            heard(talk, plan, response.meter_info, response.receipt)
        if end is None:
            rested, end = await heed(talk, plan, _LOOP, response)
            if rested and end is not None:
                return end
            if end is not None:
                wind_down_until = talk.now + _wind_down_s(response.evse_status)
        if talk.now < began + config.loop_s:
            await Until(began + config.loop_s)


def _wind_down_s(status: EVSEStatus | None) -> float:
    """The station may leave less time than usual."""
    delay = 0.0 if status is None else float(status.notification_max_delay)
    return min(_WIND_DOWN_S, delay or _WIND_DOWN_S)


def _take(talk: Conversation, plan: Plan, power_w: float) -> None:
    """The coil takes this from now on, if that has changed."""
    if power_w != plan.wpt_taken_w:
        plan.wpt_taken_w = power_w
        talk.act(SetReceiver(power_w))


def _rest(talk: Conversation, plan: Plan) -> None:
    _take(talk, plan, 0.0)


_LOOP = Loop(rest=_rest, start=start)


def _request(
    talk: Conversation, plan: Plan, power: RationalNumber, flows: float, meter: bool
) -> wpt.WPTChargeLoopReq:
    return wpt.WPTChargeLoopReq(
        header=header(talk),
        display_parameters=shown(talk, plan, flows),
        meter_info_requested=meter,
        evpc_power_request=power,
        evpc_power_output=rational(round(flows, 1)),
        evpc_charge_diagnostics=_diagnosis(talk),
    )


def _declared_w(talk: Conversation) -> float:
    return 0.0 if talk.receiver_limits is None else talk.receiver_limits.maximum_power_w


def _diagnosis(talk: Conversation) -> wpt.WPTEVPCChargeDiagnostics:
    receiver = talk.receiver
    diagnosis = CoilDiagnosis.NO_ISSUE if receiver is None else receiver.diagnosis
    if receiver is not None and diagnosis is CoilDiagnosis.NO_ISSUE and not receiver.in_place:
        diagnosis = CoilDiagnosis.ANOMALY  # no code says that it is not in its place
    return _DIAGNOSES.get(diagnosis, wpt.WPTEVPCChargeDiagnostics.EVPCAnomalyDetected)


def _enough(talk: Conversation, plan: Plan, flows: float) -> SessionEnded | None:
    if (end := done(talk, plan)) is not None:
        return end
    if rests(talk, plan):
        return None
    scheduled_w = plan.scheduled_power_w(talk.now)
    below = _takes_w(talk) < plan.wpt_least_w
    return no_way_on(talk, plan, scheduled_w, flows=flows >= _NONE_W, below_minimum=below)


async def stop(talk: Conversation, plan: Plan) -> None:
    """Nothing is taken any more, and the station hears of it."""
    talk.drop_aside = True
    if plan.wpt_taken_w is not None:  # otherwise it has been stopped already, perhaps in more haste
        plan.wpt_taken_w = None
        talk.act(StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))
    await exchange(
        talk,
        cm.PowerDeliveryReq(
            header=header(talk), ev_processing=Processing.Finished, charge_progress=cm.ChargeProgress.Stop
        ),
    )
    plan.power_delivered = False
