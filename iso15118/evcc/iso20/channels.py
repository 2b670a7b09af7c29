"""Charging and discharging over channels of their own (BPTChannel 2): PowerDelivery(Start) says over which
of the two, and nothing flows over the other one [V2G20-2123].

A direction that changes is said in a Start of its own, once nothing flows any more.
"""

from __future__ import annotations

from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import common_messages as cm

__all__ = ["closed", "selection", "turns"]


def selection(plan: Plan) -> cm.ChannelSelection | None:
    """What PowerDelivery(Start) says; None where both directions share one channel."""
    if not plan.separate_channels:
        return None
    return cm.ChannelSelection.Discharge if plan.discharge_channel else cm.ChannelSelection.Charge


def closed(plan: Plan, *, back: bool) -> bool:
    """Energy does not flow this way now: the other channel is chosen."""
    return plan.separate_channels and back is not plan.discharge_channel


def turns(plan: Plan, back: bool | None, *, flows: bool) -> bool:
    """Whether the other channel is to be chosen now, which is then noted; the caller sends Start. ``back``:
    where energy is to flow, None for nowhere. An attempt beside the loop, which Start would end, is waited
    for."""
    if back is None or flows or plan.standing_by or plan.attempt_open or not closed(plan, back=back):
        return False
    plan.discharge_channel = back
    return True
