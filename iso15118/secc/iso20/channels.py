"""Charging and discharging over channels of their own (BPTChannel 2): the vehicle chooses one with
PowerDelivery(Start), and nothing flows over the other one [V2G20-2123].

A vehicle that names none is let charge only, until it does.
"""

from __future__ import annotations

from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc.hardware import bounds_change
from iso15118.session.actions import Action
from iso15118.session.services import BptChannel

from .context import Context

__all__ = ["closed", "rebound", "take_channel"]

_NOTE = "bpt-channel"


def take_channel(request: cm.PowerDeliveryReq, ctx: Context) -> None:
    """What PowerDelivery(Start) says of it. One without a word keeps the channel that is chosen."""
    if not _separate(ctx):
        return
    chosen = request.bpt_channel_selection
    if chosen is None:
        ctx.facts.note(
            _NOTE, "no BPT_ChannelSelection, where charging and discharging have separate channels"
        )
    else:
        ctx.discharge_channel = chosen is cm.ChannelSelection.Discharge


def closed(ctx: Context, *, back: bool) -> bool:
    """Energy must not flow this way now: the other channel is chosen."""
    return back is not ctx.discharge_channel and _separate(ctx)


def rebound(ctx: Context) -> tuple[Action, ...]:
    """What the supply has to hold once another channel is chosen, if that is something else."""
    return bounds_change(ctx.facts, ctx.part.bounds(ctx)) if _separate(ctx) else ()


def _separate(ctx: Context) -> bool:
    chosen, service = ctx.parameter_set, ctx.service
    return (
        chosen is not None
        and service is not None
        and service.bidirectional
        and chosen.bpt_channel is BptChannel.SEPARATED
    )
