"""The ChargingProfile: the power that the vehicle means to take, never above PMax
of the schedule that it chose.

Its times count from PowerDeliveryReq, those of the schedule from
ChargeParameterDiscoveryRes; the two are seconds apart.
"""

from __future__ import annotations

import math
from typing import Final

from iso15118.energy.schedule import Schedule
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso2.plan import Plan
from iso15118.messages import iso2
from iso15118.messages.physical import floor_physical, quantity

__all__ = ["charging_profile"]

_MOST_ENTRIES: Final = 24
_MOST_S: Final = 86_400.0 * 190.0
"""ChargingProfileEntryStart takes no more than three octets."""


def charging_profile(
    talk: Conversation, plan: Plan, own_w: float, *, phases: int | None = None
) -> iso2.ChargingProfile:
    """The profile from now on, with at most ``own_w`` W; what it says is kept in the plan, and kept to.

    Some stations compare its times with those of the schedule as they stand, others shift them by what has
    passed since: it stays within PMax either way.
    """
    schedule = plan.schedule
    if schedule is None:
        plan.profile = None
        entry = _entry(0.0, own_w, phases)
        return iso2.ChargingProfile(profile_entry=(entry,))
    now, lasts = talk.now, max(schedule.power.over_at - talk.now, 1.0)
    late = max(now - schedule.read_at, 0.0)
    shifts = (now, now - late)
    edges = {0.0}
    for moment in (schedule.power.begins, *schedule.power.ends[:-1]):
        for zero in shifts:
            edges |= {float(math.floor(moment - zero)), float(math.ceil(moment - zero))}
    starts = sorted(edge for edge in edges if 0.0 <= edge < min(lasts, _MOST_S))  # 0 is one of them
    pieces: list[tuple[float, float]] = []
    for since, until in zip(starts, [*starts[1:], lasts], strict=True):
        least = min(
            _power(schedule.power, zero + at) for zero in shifts for at in (since, max(until - 0.001, since))
        )
        power = quantity(floor_physical(min(own_w, least), iso2.UnitSymbol.W))
        if not pieces or pieces[-1][1] != power:
            pieces.append((since, power))
    while len(pieces) > _MOST_ENTRIES:
        (since, one), (_, other) = pieces[-2:]
        pieces[-2:] = [(since, min(one, other))]
    ends = [since for since, _ in pieces[1:]] + [lasts]
    plan.profile = Schedule.of(
        now, ((until - since, power) for (since, power), until in zip(pieces, ends, strict=True))
    )
    return iso2.ChargingProfile(profile_entry=tuple(_entry(since, power, phases) for since, power in pieces))


def _power(schedule: Schedule, at: float) -> float:
    """The last power goes on behind the end: a profile is not compared there."""
    return schedule.powers[-1] if at >= schedule.over_at else schedule.at(at)


def _entry(since: float, power_w: float, phases: int | None) -> iso2.ProfileEntry:
    return iso2.ProfileEntry(
        charging_profile_entry_start=int(since),
        charging_profile_entry_max_power=floor_physical(power_w, iso2.UnitSymbol.W),
        charging_profile_entry_max_number_of_phases_in_use=phases,
    )
