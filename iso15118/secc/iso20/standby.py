"""Standby: the vehicle stays in the charge loop with contactors closed, and nothing
flows until it starts again."""

from __future__ import annotations

from msgspec.structs import replace

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.secc.hardware import bounds_change
from iso15118.session.actions import StandbyChanged
from iso15118.session.edition import Answer

from .context import Context
from .notices import status
from .replies import neutral

__all__ = ["over", "stand_by"]


def stand_by(request: cm.PowerDeliveryReq, ctx: Context) -> Answer:
    """Granted in the charge loop only, and there unless the station does not let it;
    the loop goes on either way."""
    facts = ctx.facts
    if ctx.state is not ctx.part.loop or not facts.config.renegotiation.standby or facts.stop_wanted:
        refusal = neutral(request, ctx, ResponseCode.WARNING_StandbyNotAllowed)
        return Answer(replace(refusal, evse_status=status(ctx, confirm=False)), ctx.state)
    if not facts.wishes.standing_by:
        facts.wishes.standing_by = True
        facts.news.append(StandbyChanged(True))
    ctx.part.refresh(ctx)
    before = bounds_change(facts, ctx.part.bounds(ctx))  # nothing flows before the vehicle is told so
    response = cm.PowerDeliveryRes(
        header=ctx.header(), response_code=ResponseCode.OK, evse_status=status(ctx, confirm=False)
    )
    return Answer(response, ctx.state, before)


def over(ctx: Context) -> None:
    """The vehicle started again, or stops."""
    wishes = ctx.facts.wishes
    wishes.exit_standby.done()
    if wishes.standing_by:
        wishes.standing_by = False
        ctx.facts.news.append(StandbyChanged(False))
