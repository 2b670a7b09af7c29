"""ScheduleExchange as a whole: what ``schedules`` offers, and beside it what the station knows of the
driver and of its own wishes."""

from __future__ import annotations

from msgspec.structs import replace

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.session.actions import Action, ChargingNeeds
from iso15118.session.edition import Answer, Refused, Wait

from . import schedules
from .context import Context
from .mobility import complete, exchange_fields

__all__ = ["schedule_exchange"]

_PAUSE_S = 60.0
"""How long a vehicle that was told GoToPause has to pause, as with EVSENotification Pause [V2G20-3308]."""


def schedule_exchange(request: cm.ScheduleExchangeReq, ctx: Context) -> Answer | Refused | Wait:
    """See ``schedules.schedule_exchange``; with GoToPause where the vehicle is to pause
    before it takes any power."""
    return _completed(schedules.schedule_exchange(request, ctx), request, ctx)


def _completed(
    reply: Answer | Refused | Wait | None, request: cm.ScheduleExchangeReq, ctx: Context
) -> Answer | Refused | Wait:
    if isinstance(reply, Answer):
        return _complete(reply, request, ctx)
    if isinstance(reply, Wait):
        waiting = reply

        def finish(timed_out: bool) -> Answer | Refused | Wait | None:
            found = waiting.finish(timed_out)
            return None if found is None else _completed(found, request, ctx)

        return Wait(tuple(_needs(one, request, ctx) for one in waiting.before), waiting.deadline, finish)
    if reply is None:
        raise RuntimeError("no answer")
    return reply


def _complete(reply: Answer, request: cm.ScheduleExchangeReq, ctx: Context) -> Answer:
    facts, response = ctx.facts, reply.response
    # First what the vehicle needs: what it is told must not be above its own target.
    before = tuple(_needs(one, request, ctx) for one in reply.before)
    if response.response_code is ResponseCode.OK:
        changes: dict[str, object] = {}
        mode = response.se_res_control_mode
        if isinstance(mode, cm.DynamicSEResControlMode) and (told := exchange_fields(ctx)):
            changes["se_res_control_mode"] = replace(mode, **told)
        if response.evse_processing is Processing.Finished:
            facts.wishes.schedule.done()
            if facts.pause_until > facts.now:
                changes["go_to_pause"] = True
                facts.pause_until = min(facts.pause_until, facts.now + _PAUSE_S)
        response = replace(response, **changes) if changes else response
    return replace(reply, response=response, before=before)


def _needs(action: Action, request: cm.ScheduleExchangeReq, ctx: Context) -> Action:
    return complete(action, request, ctx) if isinstance(action, ChargingNeeds) else action
