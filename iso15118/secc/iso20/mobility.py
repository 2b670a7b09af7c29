"""What the vehicle needs in Dynamic mode, as it says it again and again, and what the station was told
itself (MobilityNeedsMode 2).

Moments are absolute on the session's clock; only messages have durations.
"""

from __future__ import annotations

import math
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.values import si
from iso15118.session.actions import ChargingNeeds, MobilityNeedsAnswered
from iso15118.session.services import ControlMode, MobilityNeedsMode

from .context import Context

__all__ = ["NeedsTold", "answered", "complete", "exchange_fields", "loop_fields", "take_needs"]

_AT_MOST_EVERY_S = 1.0
"""A changed mind is passed on within a second."""
_ENERGY_EVERY_S = 10.0
"""How far the charge has come is told so often; it changes with every turn."""
_SAME_S = 2.0
"""Moments travel as whole seconds."""
_ADOPTED_S = 5.0
"""A departure that differs by no more is the one that the vehicle was told."""
_LONGEST = 2**32 - 1


class NeedsTold(Struct, frozen=True):
    """What was last passed on, and when."""

    at: float
    departure_at: float | None
    minimum_soc: int | None
    target_soc: int | None
    v2x: bool
    target_wh: float


def complete(needs: ChargingNeeds, request: cm.ScheduleExchangeReq, ctx: Context) -> ChargingNeeds:
    """``needs`` of a ScheduleExchangeReq with what only Dynamic mode says."""
    mode = request.se_req_control_mode
    if not isinstance(mode, cm.DynamicSEReqControlMode):
        return needs
    ctx.minimum_soc, ctx.target_soc = mode.minimum_soc, mode.target_soc
    whole = _with(needs, ctx, mode.ev_maximum_v2x_energy_request, mode.ev_minimum_v2x_energy_request)
    _keep(ctx, whole)
    return whole


def _with(
    needs: ChargingNeeds, ctx: Context, most: RationalNumber | None, least: RationalNumber | None
) -> ChargingNeeds:
    return replace(
        needs,
        minimum_soc=ctx.minimum_soc,
        target_soc=ctx.target_soc,
        maximum_v2x_wh=None if most is None else si(most),
        minimum_v2x_wh=None if least is None else si(least),
    )


def _keep(ctx: Context, needs: ChargingNeeds) -> None:
    now = ctx.facts.now
    ctx.needs_told = NeedsTold(
        now,
        None if needs.departure_s is None else now + needs.departure_s,
        needs.minimum_soc,
        needs.target_soc,
        needs.maximum_v2x_wh is not None or needs.minimum_v2x_wh is not None,
        needs.target_wh,
    )


def take_needs(mode: Any, ctx: Context) -> None:
    """``mode``, the control mode element of a charge-loop request: what it says of the needs is passed on
    when the vehicle has changed its mind, and now and then how far the charge has come."""
    if ctx.control_mode is not ControlMode.DYNAMIC:
        return
    facts, told = ctx.facts, ctx.needs_told
    now = facts.now
    if told is not None and now < told.at + _AT_MOST_EVERY_S:
        return
    shown = ctx.display  # where a vehicle says its states of charge again
    if shown is not None:
        ctx.minimum_soc = ctx.minimum_soc if shown.minimum_soc is None else shown.minimum_soc
        ctx.target_soc = ctx.target_soc if shown.target_soc is None else shown.target_soc
    needs = _with(
        ChargingNeeds(
            target_wh=si(mode.ev_target_energy_request),
            maximum_wh=si(mode.ev_maximum_energy_request),
            minimum_wh=si(mode.ev_minimum_energy_request),
            departure_s=mode.departure_time,
        ),
        ctx,
        getattr(mode, "ev_maximum_v2x_energy_request", None),
        getattr(mode, "ev_minimum_v2x_energy_request", None),
    )
    if told is None or _changed(told, needs, now) or now >= told.at + _ENERGY_EVERY_S:
        _keep(ctx, needs)
        facts.news.append(needs)


def _changed(told: NeedsTold, needs: ChargingNeeds, now: float) -> bool:
    departure = None if needs.departure_s is None else now + needs.departure_s
    if (departure is None) is not (told.departure_at is None):
        return True
    if departure is not None and told.departure_at is not None:
        # One that is over stays over, however long ago.
        passed = needs.departure_s == 0 and told.departure_at <= now + _SAME_S
        if abs(departure - told.departure_at) > _SAME_S and not passed:
            return True
    v2x = needs.maximum_v2x_wh is not None or needs.minimum_v2x_wh is not None
    soc = needs.minimum_soc, needs.target_soc
    return (
        soc != (told.minimum_soc, told.target_soc) or v2x is not told.v2x or needs.target_wh > told.target_wh
    )


# -- what the station was told


def _tells(ctx: Context) -> bool:
    chosen, wishes = ctx.parameter_set, ctx.facts.wishes
    return (
        wishes.mobility is not None
        and chosen is not None
        and chosen.control_mode is ControlMode.DYNAMIC
        and chosen.mobility_needs_mode is MobilityNeedsMode.PROVIDED_BY_SECC
    )


def exchange_fields(ctx: Context) -> dict[str, int]:
    """For the element of a ScheduleExchangeRes in Dynamic mode; empty where nothing is to be told."""
    if not _tells(ctx):
        return {}
    _first(ctx)
    return {name: value for name, value in _fields(ctx).items() if name != "ack_max_delay"}


def loop_fields(ctx: Context) -> dict[str, int]:
    """The same of a charge-loop response. A vehicle that did not take it over in time keeps its own needs,
    and is told nothing more."""
    if not _tells(ctx):
        return {}
    _first(ctx)
    return _fields(ctx)


def _first(ctx: Context) -> None:
    """Its time begins when it is told for the first time, wherever that is: beside the loop, too, where what
    is in ``ctx`` may come to nothing."""
    wishes = ctx.facts.wishes
    if wishes.mobility_new and wishes.mobility is not None:
        wishes.mobility_new, wishes.mobility_adopted = False, None
        wishes.mobility_until = ctx.facts.now + wishes.mobility.ack_max_delay_s


def _fields(ctx: Context) -> dict[str, int]:
    wishes, now = ctx.facts.wishes, ctx.facts.now
    told = wishes.mobility
    if told is None or wishes.mobility_adopted is False:
        return {}
    fields: dict[str, int] = {}
    if told.departure_s is not None:
        left = wishes.mobility_at + told.departure_s - now
        fields["departure_time"] = int(min(max(left, 0.0), _LONGEST))
    if told.target_soc is not None:
        fields["target_soc"] = told.target_soc
    # Never above the target [V2G20-1366], which the vehicle may know alone.
    target = told.target_soc if told.target_soc is not None else ctx.target_soc
    if told.minimum_soc is not None and (target is None or told.minimum_soc <= target):
        fields["minimum_soc"] = told.minimum_soc
    if wishes.mobility_adopted is None:
        fields["ack_max_delay"] = math.ceil(max(wishes.mobility_until - now, 0.0))
    return fields


def answered(mode: Any, ctx: Context) -> None:
    """Whether the vehicle has taken over what it was told: its own needs say so."""
    wishes, now = ctx.facts.wishes, ctx.facts.now
    told = wishes.mobility
    if told is None or not _tells(ctx) or wishes.mobility_new or wishes.mobility_adopted is not None:
        return
    shown, sent = ctx.display, _fields(ctx)
    adopted = True
    if "departure_time" in sent:
        wanted = wishes.mobility_at + (told.departure_s or 0.0)
        said = mode.departure_time
        adopted = said is not None and abs(now + said - wanted) <= _ADOPTED_S
    for name in ("target_soc", "minimum_soc"):
        if name in sent:
            adopted = adopted and shown is not None and getattr(shown, name) == sent[name]
    if adopted or now >= wishes.mobility_until:
        wishes.mobility_adopted = adopted
        ctx.facts.news.append(MobilityNeedsAnswered(adopted))
