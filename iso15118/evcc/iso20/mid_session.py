"""A mind that is changed in the charge loop, the vehicle's or the station's: another schedule, another
service, standby, a pause, an end.

The same for every family; what is different stands in ``Loop``. Nothing of it is done once the
vehicle winds the current down.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Coroutine
from dataclasses import fields
from typing import Any

from msgspec import Struct

from iso15118.evcc.beside import Aside
from iso15118.evcc.config import Renegotiation
from iso15118.evcc.conversation import Conversation, EndSession, Leave, Step
from iso15118.evcc.iso20.channels import selection
from iso15118.evcc.iso20.exchange import exchange, header
from iso15118.evcc.iso20.needs import wants_schedule
from iso15118.evcc.iso20.pause import heed_go_to_pause
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.iso20.plug_and_charge import confirm_metering
from iso15118.evcc.iso20.profile import power_profile
from iso15118.evcc.iso20.setup import schedule
from iso15118.evcc.wind_down import current_gone
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, Processing, ResponseCode
from iso15118.session.actions import (
    EndReason,
    EvseNotified,
    ScheduleRenegotiated,
    SessionEnded,
    StandbyChanged,
)
from iso15118.session.services import ControlMode

__all__ = ["Loop", "heed", "look", "note", "service_wanted", "standing_by"]

_MOST_SERVICE_CHANGES = 10
"""In one session: a station that asks for another service for ever is left."""
_STANDS_S = 60.0
"""A wish for another schedule that still stands after it was followed is forgotten by the station rather than
meant anew: followed in every turn, it would leave no turn to charge in."""


class Loop(Struct, frozen=True):
    """What sets the loop of one family apart here."""

    rest: Callable[[Conversation, Plan], None]
    """Nothing is to flow."""
    start: Callable[[Conversation, Plan], Coroutine[Step, Any, None]]
    """PowerDelivery(Start) by the schedule that holds."""


def standing_by(talk: Conversation, plan: Plan) -> SessionEnded | None:
    """How a vehicle that stands by ends the session; None if it goes on to."""
    if talk.stop_wanted:
        return SessionEnded(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    if talk.pause_wanted:
        return SessionEnded(EndReason.PAUSED, talk.pause_wanted)
    if talk.departure_at is not None and talk.now >= talk.departure_at:
        return SessionEnded(EndReason.STOPPED_BY_EV, "departure")
    return None


def service_wanted(talk: Conversation, plan: Plan) -> SessionEnded | None:
    """The power is to end because another service is wanted, and the station supports that; None if not."""
    if not talk.service_wanted:
        return None
    if not plan.may_change_service:
        talk.note("service-renegotiation", "the station does not support another choice of service")
        talk.service_wanted = ""
        return None
    plan.service_anew = True
    return SessionEnded(EndReason.STOPPED_BY_EV, talk.service_wanted)


async def look(
    talk: Conversation, plan: Plan, loop: Loop, *, gives: bool
) -> tuple[bool, SessionEnded | None]:
    """Before a turn: what the vehicle itself wants. True if nothing was asked for meanwhile; and how that
    ended the charge, if it did."""
    if talk.standby_wanted is not plan.standing_by:
        return True, await _stand_by(talk, plan, loop)
    if talk.needs_changed:
        talk.needs_changed = False
        if plan.control_mode is ControlMode.SCHEDULED:
            talk.schedule_wanted = talk.schedule_wanted or "the driver changed his mind"
    wanted = wants_schedule(talk, plan, gives=gives) and not plan.standing_by
    if talk.schedule_wanted and talk.now >= plan.refused_until:
        talk.schedule_wanted, wanted = "", True
    if wanted:
        return await _renegotiate(talk, plan, loop)
    if plan.beside_failed:  # the other way is left
        plan.beside_failed = False
        return True, await _stop_and_go(talk, plan, loop)
    return False, None


def note(talk: Conversation, plan: Plan, status: EVSEStatus | None) -> None:
    """What the station wants is news when it is said for the first time."""
    wanted = None if status is None else status.evse_notification
    if wanted is not plan.notified:
        plan.notified = wanted
        if status is not None:
            talk.act(EvseNotified(status.evse_notification.value, float(status.notification_max_delay)))


async def heed(talk: Conversation, plan: Plan, loop: Loop, response: Any) -> tuple[bool, SessionEnded | None]:
    """After a turn: what the station wants, as ``look``."""
    status: EVSEStatus | None = response.evse_status
    note(talk, plan, status)
    if status is None or status.evse_notification is not EvseNotification.ScheduleRenegotiation:
        plan.followed_until = 0.0
    if status is None:
        return False, None
    match status.evse_notification:
        case EvseNotification.Pause if talk.config.pause_if_asked and not talk.stop_wanted:
            talk.pause_wanted = talk.pause_wanted or "the station asks for a pause"
        case EvseNotification.ServiceRenegotiation if _follows(talk, plan):
            talk.service_wanted = talk.service_wanted or "the station asks for another service"
        case EvseNotification.Terminate | EvseNotification.Pause | EvseNotification.ServiceRenegotiation:
            # Pausing and choosing another service are not wanted: the vehicle ends the session,
            # which every station accepts.
            return False, SessionEnded(EndReason.STOPPED_BY_STATION, status.evse_notification.value)
        case EvseNotification.ScheduleRenegotiation if (
            talk.now >= max(plan.refused_until, plan.followed_until) and not plan.attempt_open
        ):
            plan.followed_until = talk.now + _STANDS_S
            return await _renegotiate(talk, plan, loop)
        case EvseNotification.ExitStandby:
            talk.standby_wanted = False
        case EvseNotification.MeteringConfirmation:
            if response.meter_info is not None:
                confirm_metering(talk, plan, response.meter_info, response.receipt)
        case _:
            pass  # it has just said that there is no other schedule, or one is being agreed on
    return False, None


def _follows(talk: Conversation, plan: Plan) -> bool:
    return (
        talk.config.service_renegotiation
        and plan.may_change_service
        and talk.service_changes < _MOST_SERVICE_CHANGES
    )


async def _stand_by(talk: Conversation, plan: Plan, loop: Loop) -> SessionEnded | None:
    if not talk.standby_wanted:
        plan.standing_by = False
        talk.act(StandbyChanged(False))
        await loop.start(talk, plan)
        return None
    loop.rest(talk, plan)
    response = await exchange(talk, _delivery(talk, cm.ChargeProgress.Standby))
    note(talk, plan, response.evse_status)
    if response.response_code is ResponseCode.WARNING_StandbyNotAllowed:
        talk.standby_wanted = False
        talk.note("standby", "the station does not let the vehicle stand by")
        return None
    plan.standing_by = True
    talk.act(StandbyChanged(True))
    return None


# -- another schedule


async def _renegotiate(talk: Conversation, plan: Plan, loop: Loop) -> tuple[bool, SessionEnded | None]:
    """Beside the loop if the vehicle is set up so and the stream is free,
    otherwise with the power at rest."""
    if plan.attempt_open:
        return False, None
    beside = talk.config.renegotiation is Renegotiation.BESIDE and not plan.never_beside
    if beside and talk.aside_free:
        plan.attempt_open = True
        talk.aside = _beside(Aside(talk), plan)
        return False, None
    return True, await _stop_and_go(talk, plan, loop)


async def _stop_and_go(talk: Conversation, plan: Plan, loop: Loop) -> SessionEnded | None:
    """The power rests, the contactors stay closed."""
    talk.drop_aside, plan.attempt_open = True, False
    loop.rest(talk, plan)
    response = await exchange(talk, _delivery(talk, cm.ChargeProgress.ScheduleRenegotiation))
    note(talk, plan, response.evse_status)
    agreed = await schedule(talk, plan)
    if not agreed:
        plan.refused_until = talk.now + talk.config.schedule_renegotiation_s
    talk.act(
        ScheduleRenegotiated(beside=False, agreed=agreed, reason="" if agreed else "the station has no other")
    )
    heed_go_to_pause(talk, plan)
    if talk.pause_wanted and not talk.stop_wanted:
        await current_gone(talk)
        return SessionEnded(EndReason.PAUSED, talk.pause_wanted)
    if plan.standing_by:  # Start ends it
        plan.standing_by = False
        talk.act(StandbyChanged(False))
    talk.standby_wanted = False
    await loop.start(talk, plan)
    return None


async def _beside(talk: Conversation, plan: Plan) -> None:
    """On the stream for it, while the loop goes on by the old schedule: the new one
    holds with PowerDeliveryRes."""
    base, terms = copy.copy(plan), copy.copy(plan)
    agreed, why = False, "the station has no other"
    try:
        if await schedule(talk, terms):
            response = await exchange(
                talk,
                cm.PowerDeliveryReq(
                    header=header(talk),
                    ev_processing=Processing.Finished,
                    charge_progress=cm.ChargeProgress.Start,
                    ev_power_profile=power_profile(talk, terms),
                    bpt_channel_selection=selection(plan),
                ),
            )
            agreed = response.response_code is not ResponseCode.WARNING_ScheduleRenegotiationFailed
    except (Leave, EndSession) as error:
        why = error.detail or error.reason.value
    if agreed:
        _take_over(plan, base, terms)
    else:
        plan.never_beside = plan.beside_failed = True
    plan.attempt_open = False
    heed_go_to_pause(talk, terms)  # whatever has become of the schedule
    talk.act(ScheduleRenegotiated(beside=True, agreed=agreed, reason="" if agreed else why))


def _take_over(plan: Plan, base: Plan, terms: Plan) -> None:
    """What the attempt changed holds; all else has gone on meanwhile."""
    for one in fields(Plan):
        new = getattr(terms, one.name)
        if new is not getattr(base, one.name):
            setattr(plan, one.name, new)


def _delivery(talk: Conversation, progress: cm.ChargeProgress) -> cm.PowerDeliveryReq:
    return cm.PowerDeliveryReq(
        header=header(talk), ev_processing=Processing.Finished, charge_progress=progress
    )
