"""The vehicle's phases with AC: start with the control pilot behind the request, the charge loop, and stop.

The on-board charger is told what to take in one place, after the station has answered PowerDeliveryReq(Start), and to stop on every way
out.
"""

from __future__ import annotations

from iso15118.evcc.conversation import Conversation, Leave, Until
from iso15118.evcc.iso20.ac_loop import loop_request, present_limits, set_charger, take_answer
from iso15118.evcc.iso20.exchange import exchange, header
from iso15118.evcc.iso20.needs import done, wants_schedule
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.iso20.plug_and_charge import confirm_metering, reading_of
from iso15118.evcc.iso20.profile import power_profile
from iso15118.evcc.iso20.setup import schedule
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import EvseNotification, Processing, ResponseCode
from iso15118.session.actions import (
    EndReason,
    OpenContactors,
    SessionEnded,
    SignalReady,
    StopPower,
    Urgency,
)

__all__ = ["charge_loop", "start", "stop"]

_NO_POWER_W = 100.0
"""Below this nothing flows: the charger's own supply, and noise of a meter."""
_WIND_DOWN_S = 3.0
"""How long the charger has to bring the current down before PowerDelivery(Stop) is sent all the same."""


async def start(talk: Conversation, plan: Plan) -> None:
    """Ask for power along the schedule; state C shows behind the request, not before [V2G20-1617, V2G20-847]."""
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
        ),
        then=(SignalReady(True),) if first else (),
    )
    plan.power_delivered = True
    if response.response_code.value.startswith("WARNING_Standby"):
        raise Leave(EndReason.REFUSED, response.response_code.value)
    plan.ac.rising_at = talk.now


async def charge_loop(talk: Conversation, plan: Plan) -> SessionEnded:
    """Turn after turn until the battery, the driver or the station has had enough; then the charger winds down. Returns who ended it."""
    config, end, turn = talk.config, None, 0
    wind_down_until = 0.0
    while True:
        began = talk.now
        if end is None:
            end = _enough(talk, plan)
            wind_down_until = began + _WIND_DOWN_S
        elif abs(talk.charger_measured.total_w) < _NO_POWER_W or began >= wind_down_until:
            return end
        if end is None and wants_schedule(talk, plan, gives=_gives(plan)):
            await _renegotiate(talk, plan)
        if end is not None:
            set_charger(talk, plan, winding_down=True)
        wants_meter = config.meter_info_every > 0 and turn % config.meter_info_every == 0
        turn += 1
        response = await exchange(talk, loop_request(talk, plan, wants_meter, winding_down=end is not None))
        take_answer(talk, plan, response)
        set_charger(talk, plan, winding_down=end is not None)
        if response.meter_info is not None:
            talk.meter.saw(reading_of(response.meter_info))
        status = response.evse_status
        if status is not None and end is None:
            match status.evse_notification:
                case EvseNotification.Pause if config.pause_if_asked and not talk.stop_wanted:
                    talk.pause_wanted = talk.pause_wanted or "the station asks for a pause"
                case (
                    EvseNotification.Terminate
                    | EvseNotification.Pause
                    | EvseNotification.ServiceRenegotiation
                ):
                    # Pausing and choosing another service are not wanted: the vehicle ends the session, which every station accepts.
                    end = SessionEnded(EndReason.STOPPED_BY_STATION, status.evse_notification.value)
                    wind_down_until = talk.now + min(
                        _WIND_DOWN_S, float(status.notification_max_delay) or _WIND_DOWN_S
                    )
                case EvseNotification.ScheduleRenegotiation if talk.now >= plan.refused_until:
                    await _renegotiate(talk, plan)
                case EvseNotification.MeteringConfirmation:
                    if response.meter_info is not None:
                        confirm_metering(talk, plan, response.meter_info, response.receipt)
                case EvseNotification.ScheduleRenegotiation | EvseNotification.ExitStandby:
                    pass  # it has just said that there is no other schedule; never in standby
        if talk.now < began + config.loop_s:
            await Until(began + config.loop_s)


def _gives(plan: Plan) -> bool:
    target = plan.ac.target_w
    return target is not None and sum(target) < 0.0


def _enough(talk: Conversation, plan: Plan) -> SessionEnded | None:
    """How the vehicle ends the charge now; None if it goes on."""
    if (end := done(talk)) is not None:
        return end
    config, now = talk.config, talk.now
    resting = plan.scheduled_power_w(now) <= 0.0 and not plan.schedule_over(now)
    if resting or abs(talk.charger_measured.total_w) >= _NO_POWER_W:
        plan.idle_since = None
    elif plan.idle_since is None:
        plan.idle_since = now
    elif now - plan.idle_since >= config.no_power_s:
        return SessionEnded(EndReason.STOPPED_BY_EV, f"no power for {config.no_power_s:g} s")
    if _gives(plan) or any(present_limits(talk, plan).maximum_charge_power_w):
        plan.too_little_since = None
    elif plan.too_little_since is None:
        plan.too_little_since = now
    elif now - plan.too_little_since >= config.below_minimum_s:
        return SessionEnded(EndReason.STOPPED_BY_EV, "the battery takes less than the charger can do")
    return None


async def _renegotiate(talk: Conversation, plan: Plan) -> None:
    """Agree on another schedule: the power rests, the contactors stay closed."""
    set_charger(talk, plan, winding_down=True)
    await exchange(
        talk,
        cm.PowerDeliveryReq(
            header=header(talk),
            ev_processing=Processing.Finished,
            charge_progress=cm.ChargeProgress.ScheduleRenegotiation,
        ),
    )
    if not await schedule(talk, plan):
        plan.refused_until = talk.now + talk.config.schedule_renegotiation_s
    await start(talk, plan)


async def stop(talk: Conversation, plan: Plan) -> None:
    """The charger off, then tell the station that power is no longer wanted; state B shows behind the request [V2G20-848]."""
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
