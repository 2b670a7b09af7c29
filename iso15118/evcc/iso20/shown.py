"""What the vehicle lets the station show: states of charge, and how long it will take, as it thinks
itself (DisplayParameters)."""

from __future__ import annotations

from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20.needs import wanted_wh
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20.common_types import DisplayParameters
from iso15118.messages.values import rational

__all__ = ["shown"]

_FLOWS_W = 100.0
"""Below this nothing can be said about how long it takes."""
_STEP_S = 10.0
"""Times are computed anew so often, and are told in steps of as much: nobody reads seconds."""
_LONGEST_S = 7 * 86_400.0


def shown(talk: Conversation, plan: Plan, power_w: float) -> DisplayParameters:
    """The element of the next charge-loop request; ``power_w``: what flows to the vehicle. Made
    when something of it changes."""
    battery = talk.battery
    soc, maximum = int(battery.soc), _maximum(talk)
    # In a ramp they would be others in every turn, and news to the station each time.
    if plan.remaining_at is None or talk.now >= plan.remaining_at + _STEP_S:
        plan.remaining, plan.remaining_at = _remaining(talk, power_w), talk.now
    made_of = (
        soc,
        talk.minimum_soc,
        talk.target_soc,
        battery.capacity_wh,
        battery.complete,
        battery.inlet_hot,
        maximum,
        plan.remaining,
    )
    if plan.shown is None or made_of != plan.shown_of:
        to_minimum, to_target, to_maximum = plan.remaining
        plan.shown_of = made_of
        plan.shown = DisplayParameters(
            present_soc=min(max(soc, 0), 100),
            minimum_soc=talk.minimum_soc,
            target_soc=talk.target_soc,
            maximum_soc=maximum,
            remaining_time_to_minimum_soc=to_minimum,
            remaining_time_to_target_soc=to_target,
            remaining_time_to_maximum_soc=to_maximum,
            charging_complete=battery.complete,
            battery_energy_capacity=rational(round(battery.capacity_wh)),
            inlet_hot=battery.inlet_hot,
        )
    return plan.shown


def _maximum(talk: Conversation) -> int | None:
    """The highest state of charge that the battery takes, in percent."""
    battery = talk.battery
    if battery.capacity_wh <= 0.0:
        return None
    return min(max(round(battery.soc + battery.energy_to_maximum_wh / battery.capacity_wh * 100.0), 0), 100)


def _remaining(talk: Conversation, power_w: float) -> tuple[int | None, int | None, int | None]:
    battery = talk.battery
    to_minimum_wh = (talk.minimum_soc - battery.soc) / 100.0 * battery.capacity_wh
    return (
        _time(to_minimum_wh, power_w),
        _time(wanted_wh(talk), power_w),
        _time(battery.energy_to_maximum_wh, power_w),
    )


def _time(energy_wh: float, power_w: float) -> int | None:
    """In s, in whole steps; 0: there already. None: at this pace never."""
    if energy_wh <= 0.0:
        return 0
    if power_w < _FLOWS_W:
        return None
    seconds = min(energy_wh / power_w * 3600.0, _LONGEST_S)
    return int(round(seconds / _STEP_S) * _STEP_S)
