"""The vehicle's phases with AC: start with the control pilot behind the request, the charge loop, and stop.

The on-board charger is told what to take in one place, after the station has answered
PowerDeliveryReq(Start), and to stop on every way out.
"""

from __future__ import annotations

from iso15118.evcc.conversation import Conversation, Leave, Until
from iso15118.evcc.iso20.ac_loop import goes_back, loop_request, present_limits, set_charger, take_answer
from iso15118.evcc.iso20.channels import selection, turns
from iso15118.evcc.iso20.exchange import exchange, header
from iso15118.evcc.iso20.meter import heard
from iso15118.evcc.iso20.mid_session import Loop, heed, look, note, service_wanted, standing_by
from iso15118.evcc.iso20.mobility import take_station_needs
from iso15118.evcc.iso20.needs import done, rests, take_warning
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.iso20.profile import power_profile
from iso15118.evcc.needs import no_way_on
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import EVSEStatus, Processing, ResponseCode
from iso15118.session.actions import (
    EndReason,
    OpenContactors,
    SessionEnded,
    SignalReady,
    StopPower,
    Urgency,
)
from iso15118.session.services import ControlMode

__all__ = ["charge_loop", "start", "stop"]

_NO_POWER_W = 100.0
"""Below this nothing flows: the charger's own supply, and noise of a meter."""
_WIND_DOWN_S = 3.0
"""How long the charger has to bring the current down before PowerDelivery(Stop) is sent all the same."""


async def start(talk: Conversation, plan: Plan) -> None:
    """Ask for power along the schedule; state C shows behind the request, not
    before [V2G20-1617, V2G20-847]."""
    if talk.stop_wanted:
        raise Leave(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    first = not plan.power_delivered
    response = await exchange(
        talk,
        cm.PowerDeliveryReq(
            header=header(talk),
            ev_processing=Processing.Finished,
            charge_progress=cm.ChargeProgress.Start,
            ev_power_profile=power_profile(talk, plan),
            bpt_channel_selection=selection(plan),
        ),
        then=(SignalReady(True),) if first else (),
    )
    plan.power_delivered = True
    note(talk, plan, response.evse_status)
    if response.response_code.value.startswith("WARNING_Standby"):
        raise Leave(EndReason.REFUSED, response.response_code.value)
    plan.ac.rising_w, plan.ac.rising_at = 0.0, talk.now


async def charge_loop(talk: Conversation, plan: Plan) -> SessionEnded:
    """Turn after turn until the battery, the driver or the station has had enough; then the charger winds
    down. Returns who ended it."""
    config, end, turn = talk.config, None, 0
    wind_down_until = 0.0
    while True:
        began = talk.now
        if end is None:
            end = standing_by(talk, plan) if plan.standing_by else _enough(talk, plan)
            end = end or service_wanted(talk, plan)
            wind_down_until = began + _WIND_DOWN_S
        elif abs(talk.charger_measured.total_w) < _NO_POWER_W or began >= wind_down_until:
            return end
        if end is None:
            rested, over = await look(talk, plan, _LOOP, gives=_gives(plan))
            if over is not None:
                return over
            flows = abs(talk.charger_measured.total_w) >= _NO_POWER_W
            if not rested and turns(plan, goes_back(talk, plan), flows=flows):
                await start(talk, plan)  # over the other channel [V2G20-2123]
        nothing = end is not None or plan.standing_by
        if nothing:
            set_charger(talk, plan, winding_down=True)
        wants_meter = config.meter_info_every > 0 and turn % config.meter_info_every == 0
        turn += 1
        response = await exchange(talk, loop_request(talk, plan, wants_meter, winding_down=nothing))
        take_answer(talk, plan, response)
        if response.response_code is not ResponseCode.OK:
            take_warning(talk, plan, response.response_code)
        if plan.control_mode is ControlMode.DYNAMIC:
            take_station_needs(talk, plan, response.cl_res_control_mode)
        set_charger(talk, plan, winding_down=nothing)
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


def _gives(plan: Plan) -> bool:
    target = plan.ac.target_w
    return target is not None and sum(target) < 0.0


def _enough(talk: Conversation, plan: Plan) -> SessionEnded | None:
    """How the vehicle ends the charge now; None if it goes on."""
    if (end := done(talk, plan)) is not None:
        return end
    if rests(talk, plan):
        return None
    flows = abs(talk.charger_measured.total_w) >= _NO_POWER_W
    below = not (_gives(plan) or any(present_limits(talk, plan).maximum_charge_power_w))
    return no_way_on(talk, plan, plan.scheduled_power_w(talk.now), flows=flows, below_minimum=below)


def _rest(talk: Conversation, plan: Plan) -> None:
    set_charger(talk, plan, winding_down=True)


_LOOP = Loop(rest=_rest, start=start)


def _wind_down_s(status: EVSEStatus | None) -> float:
    """How long the charger has to bring the current down, within what the station left it."""
    left = 0.0 if status is None else float(status.notification_max_delay)
    return min(_WIND_DOWN_S, left or _WIND_DOWN_S)


async def stop(talk: Conversation, plan: Plan) -> None:
    """The charger off, then tell the station that power is no longer wanted; state B shows
    behind the request [V2G20-848]."""
    talk.drop_aside = True
    if plan.ac.taken is not None:  # otherwise it has been stopped already, perhaps in more haste
        plan.ac.taken = None
        talk.act(StopPower(Urgency.ORDERLY), OpenContactors(Urgency.ORDERLY, "PowerDelivery stop"))
    response = await exchange(
        talk,
        cm.PowerDeliveryReq(
            header=header(talk), ev_processing=Processing.Finished, charge_progress=cm.ChargeProgress.Stop
        ),
        then=(SignalReady(False),),
    )
    plan.power_delivered = False
    if response.response_code is not ResponseCode.OK and response.response_code.value.startswith("WARNING"):
        raise Leave(EndReason.REFUSED, response.response_code.value)
