"""What the vehicle tells of its battery before power flows, for whoever shows it,
or only wants to read it."""

from __future__ import annotations

from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session.actions import VehicleDisplay

from .context import Context

__all__ = ["show_parameters"]


def show_parameters(said: iso2.DCEVChargeParameter, ctx: Context) -> None:
    """DC_EVStatus and what stands beside it in ChargeParameterDiscoveryReq; told when it changes."""
    capacity = said.ev_energy_capacity
    shown = VehicleDisplay(
        present_soc=_percent(said.dc_ev_status.evresssoc),
        target_soc=_percent(said.bulk_soc),
        maximum_soc=_percent(said.full_soc),
        capacity_wh=None if capacity is None else quantity(capacity),
    )
    if shown != ctx.facts.display:
        ctx.facts.display = shown
        ctx.facts.news.append(shown)


def _percent(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= 100 else None
