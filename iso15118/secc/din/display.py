"""What the vehicle tells of its battery, for whoever shows it to the driver: kept,
and told when it changes."""

from __future__ import annotations

from iso15118.messages import din
from iso15118.messages.physical import quantity
from iso15118.session.actions import VehicleDisplay

from .context import Context

__all__ = ["take_display"]


def take_display(
    ctx: Context, status: din.DCEVStatus, more: din.DCEVChargeParameter | din.CurrentDemandReq
) -> None:
    """Take DC_EVStatus and what stands beside it; what one message does not tell stays as another told it."""
    before = ctx.shown or VehicleDisplay()
    target, full, capacity = before.target_soc, before.maximum_soc, before.capacity_wh
    to_target, to_full, complete = before.to_target_s, before.to_maximum_s, before.charging_complete
    if isinstance(more, din.CurrentDemandReq):
        to_target = _seconds(more.remaining_time_to_bulk_soc, to_target)
        to_full = _seconds(more.remaining_time_to_full_soc, to_full)
        complete = more.charging_complete
    else:
        target, full = _percent(more.bulk_soc), _percent(more.full_soc)
        capacity = None if more.ev_energy_capacity is None else quantity(more.ev_energy_capacity)
    shown = VehicleDisplay(
        present_soc=_percent(status.evresssoc),
        target_soc=target,
        maximum_soc=full,
        to_target_s=to_target,
        to_maximum_s=to_full,
        charging_complete=complete,
        capacity_wh=capacity,
    )
    if shown != ctx.shown:
        ctx.shown = ctx.facts.display = shown
        ctx.facts.news.append(shown)


def _percent(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= 100 else None


def _seconds(value: din.PhysicalValue | None, before: int | None) -> int | None:
    """A time in s; below zero is nothing said."""
    if value is None:
        return before
    seconds = quantity(value)
    return int(seconds) if seconds >= 0.0 else before
