"""What the station was told about this charge (MobilityNeedsMode 2), and whether the vehicle takes it over.

Taken over, it holds as if the driver had said so in the vehicle: the next requests say it, which is
how the station learns of it.
"""

from __future__ import annotations

from typing import Any

from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20.plan import Plan
from iso15118.session.actions import MobilityNeeds
from iso15118.session.services import MobilityNeedsMode

__all__ = ["take_station_needs"]

_SAME_S = 5.0
"""A departure that counts down in whole seconds, and came a little late, is still the same."""
_ROOM_PERCENT = 0.5
"""States of charge travel in whole percent."""


def take_station_needs(talk: Conversation, plan: Plan, mode: Any) -> None:
    """``mode``, the control mode element of a response in Dynamic mode: what it says is taken over, or not,
    once for each time that it is something else."""
    departure, least, target = mode.departure_time, mode.minimum_soc, mode.target_soc
    if departure is None and least is None and target is None:
        return
    if plan.mobility_needs_mode is not MobilityNeedsMode.PROVIDED_BY_SECC:
        talk.note("needs-unasked", "the station says what the driver needs, which the vehicle knows itself")
        return
    departs = None if departure is None else talk.now + departure
    if _same(plan.station_needs, departs, least, target):
        return
    plan.station_needs = departs, least, target
    why = _why_not(talk, departs, least, target)
    told = None if departure is None else float(departure)
    talk.act(MobilityNeeds(told, least, target, adopted=not why, reason=why))
    if why:
        return
    talk.departure_at = talk.departure_at if departs is None else departs
    talk.target_soc = talk.target_soc if target is None else target
    talk.minimum_soc = min(talk.minimum_soc if least is None else least, talk.target_soc)


def _same(
    before: tuple[float | None, int | None, int | None],
    departs: float | None,
    least: int | None,
    target: int | None,
) -> bool:
    was = before[0]
    if (least, target) != before[1:]:
        return False
    return was is departs if was is None or departs is None else abs(departs - was) <= _SAME_S


def _why_not(talk: Conversation, departs: float | None, least: int | None, target: int | None) -> str:
    """Empty: it is taken over."""
    config, battery = talk.config, talk.battery
    if not config.adopt_station_needs:
        return "the vehicle keeps its own needs (adopt_station_needs)"
    if departs is not None and departs <= talk.now:
        return "a departure that is over"
    goal = talk.target_soc if target is None else target
    if goal > 100 or (least is not None and least > goal):
        return "states of charge that contradict each other"
    if goal < config.minimum_soc:
        return f"a target below minimum_soc = {config.minimum_soc}"
    if battery.capacity_wh > 0.0:
        most = battery.soc + battery.energy_to_maximum_wh / battery.capacity_wh * 100.0
        if goal > most + _ROOM_PERCENT:
            return "a target above what the battery takes"
    return ""
