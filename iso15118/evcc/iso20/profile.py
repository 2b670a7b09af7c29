"""The EVPowerProfile: the power that the vehicle means to take, on the times of the schedule that it
follows."""

from __future__ import annotations

from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20.needs import departure_or_a_day, most_w
from iso15118.evcc.iso20.plan import ChosenSchedule, Plan
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import floor_rational, floored, time_stamp, unix_time

__all__ = ["power_profile"]

_TOLERANCE = {
    True: cm.PowerToleranceAcceptance.PowerToleranceConfirmed,
    False: cm.PowerToleranceAcceptance.PowerToleranceNotConfirmed,
}
_SAME_S = 2.0
"""Two clocks that differ by less than this are the same clock, read in whole seconds."""


def power_profile(talk: Conversation, plan: Plan) -> cm.EVPowerProfile:
    """What the vehicle has planned on its schedule, none of it above what it can take itself; without a
    schedule, as much as both sides can, until departure. Of a schedule that is over nothing is left: then the
    vehicle means to take nothing."""
    own = floored(most_w(talk, plan))
    schedule = plan.schedule
    if schedule is None:
        lasts = max(departure_or_a_day(talk), 1)
        mode: cm.EVPPTControlMode = cm.DynamicEVPPTControlMode()
        anchor = time_stamp(talk.now + talk.epoch, talk.config.time_stamp_unit)
        entries: tuple[cm.PowerScheduleEntry, ...] = (
            cm.PowerScheduleEntry(duration=lasts, power=floor_rational(own)),
        )
    else:
        # Optional in the schema, but a station with the PyPI package iso15118 takes no profile without it.
        # Where no tolerance is named there is nothing to break.
        promised = talk.config.confirm_power_tolerance or not schedule.names_tolerance
        mode = cm.ScheduledEVPPTControlMode(
            selected_schedule_tuple_id=schedule.tuple_id, power_tolerance_acceptance=_TOLERANCE[promised]
        )
        if plan.schedule_over(talk.now):  # the station has no other one: until it has, nothing is taken
            anchor = time_stamp(talk.now + talk.epoch, talk.config.time_stamp_unit)
            entries = (
                cm.PowerScheduleEntry(
                    duration=max(departure_or_a_day(talk), 1), power=floor_rational(min(own, 0.0))
                ),
            )
        else:
            anchor = _anchor(talk, schedule)
            entries = tuple(
                cm.PowerScheduleEntry(duration=round(ends - begins), power=floor_rational(min(own, power)))
                for begins, ends, power in (schedule.profile or schedule.charging).pieces()
            )
    return cm.EVPowerProfile(
        time_anchor=anchor,
        evppt_control_mode=mode,
        ev_power_profile_entries=cm.EVPowerProfileEntryList(ev_power_profile_entry=entries),
    )


def _anchor(talk: Conversation, schedule: ChosenSchedule) -> int:
    """The begin of the schedule on the clock of the vehicle's own headers; as the station wrote it where the
    two clocks agree."""
    begins = schedule.charging.begins + talk.epoch
    if abs(unix_time(schedule.anchor) - begins) < _SAME_S:
        begins = unix_time(schedule.anchor)
    return time_stamp(begins, talk.config.time_stamp_unit)
