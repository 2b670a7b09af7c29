"""What the vehicle learnt about this session on its way: the service, the station's limits and the schedule
it follows.

One value per session, filled step by step by the script's phases, in SI units and on the session's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from iso15118.energy.ac import NOTHING, Phases
from iso15118.energy.dc import PresentLimits, Together
from iso15118.energy.schedule import Schedule
from iso15118.messages.iso20.common_messages import ChargingSchedule, ScheduleTuple
from iso15118.messages.values import anchored, si
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits, ChargerBounds, Islanding
from iso15118.session.limits import StationLimits
from iso15118.session.services import SERVICES, ControlMode, EnergyService, Namespace, ServiceID

__all__ = ["AcPlan", "ChosenSchedule", "Plan", "read_schedule"]

_INF = float("inf")
_NOTHING = StationLimits(maximum_charge_power_w=0.0, maximum_charge_current_a=0.0, maximum_voltage_v=0.0)


class ChosenSchedule(Struct, frozen=True, kw_only=True):
    """The schedule that the vehicle follows, on its own clock."""

    tuple_id: int
    charging: Schedule
    discharging: Schedule | None
    """Magnitudes; None where none was given."""
    anchor: int
    """TimeAnchor as the station wrote it."""
    names_tolerance: bool


@dataclass(slots=True)
class AcPlan:
    """What of the plan is about alternating current."""

    phases: int = 1
    """Of the chosen parameter set."""
    nominal_voltage_v: float = 230.0
    """Phase to neutral; every power is based on it [V2G20-1823]."""
    forms_grid: bool = False
    islanding: Islanding | None = None
    own: AcVehicleLimits | None = None
    """What the vehicle declared, on the phases that are used."""
    offer: AcStationLimits | None = None
    """What the station's outlet can do, as it said before the charge."""
    target_w: Phases | None = None
    """What the station asks for; None: it leaves the power to the vehicle."""
    target_var: Phases = NOTHING
    frequency_hz: float | None = None
    now: AcVehicleLimits | None = None
    """What charger and battery take and give now, made of ``now_of``; ``said``: the same as elements of a request."""
    now_of: tuple[object, ...] = ()
    said: dict[str, Any] = field(default_factory=dict)
    taken: ChargerBounds | None = None
    """What the on-board charger was last told."""
    rising_w: float = 0.0
    """The power of all phases that it was last told, in W, and when: a station may limit how fast it rises."""
    rising_at: float = 0.0

    @property
    def uneven(self) -> bool:
        """Phases may differ in this session."""
        return self.own is not None and self.own.uneven


@dataclass(slots=True)
class Plan:
    """Service, limits and schedule of one session."""

    service: EnergyService = field(default_factory=lambda: SERVICES[ServiceID.DC])
    namespace: str = Namespace.DC.value
    """Of the messages that are spoken; the services of the session are those that have it."""
    parameter_set_id: int = 0
    control_mode: ControlMode = ControlMode.SCHEDULED
    separate_channels: bool = False
    """Charging and discharging have channels of their own, which PowerDelivery chooses between
    [V2G20-2123]."""
    discharge_channel: bool = False
    """The one for discharging is chosen."""
    offer: StationLimits = _NOTHING
    """What the station's hardware can do, as it said before the charge."""
    station: StationLimits = _NOTHING
    """The station's limits now: what it offered, tightened by its charge-loop answers."""
    own: PresentLimits | None = None
    """The vehicle's limits now: what it declared, tightened by ``battery_said``."""
    battery_said: tuple[float, ...] = ()
    """The limits of the battery of which ``own`` was made."""
    own_on_wire: Any = None
    """What a request says of ``own``."""
    both: Together = field(default_factory=Together)
    """What ``station`` and ``own`` have in common."""
    declared: Together = field(default_factory=Together)
    """What ``station`` and the vehicle's declaration have in common."""
    ac: AcPlan = field(default_factory=AcPlan)
    schedule: ChosenSchedule | None = None
    power_delivered: bool = False
    """PowerDelivery(Start) was answered, PowerDelivery(Stop) was not."""
    last_mode: object = None
    """The control mode element of the last charge-loop answer; it rarely changes."""
    ask_to_discharge_w: float = 0.0
    """The station wants at least this much back, in W; 0: it does not ask."""
    wants_anew: str = ""
    """Why another schedule is wanted: "over", or "nothing" in the one that holds; empty if none is."""
    ask_anew_at: float = 0.0
    """When the station is asked for one, or asked again."""
    refused_until: float = 0.0
    """It said that it has no other one: until then it is not asked again, whoever wants one."""
    idle_since: float | None = None
    """Since when nothing has flowed, though something might."""
    too_little_since: float | None = None
    """Since when the battery wants less than the two sides can charge with."""

    def scheduled_power_w(self, now: float) -> float:
        """What the chosen schedule allows at ``now`` (s), in W: nothing before its anchor, and nothing once
        it is over."""
        return _INF if self.schedule is None else self.schedule.charging.at(now)

    def scheduled_discharge_w(self, now: float) -> float:
        """The same for what is given back; where the station gave no schedule for that, its limits alone
        count."""
        if self.schedule is None or self.schedule.discharging is None:
            return float("inf")
        return self.schedule.discharging.at(now)

    def nothing_scheduled(self, now: float) -> bool:
        """The chosen schedule has no power from now to its end, which is still to come."""
        return (
            self.schedule is not None
            and self.scheduled_power_w(now) <= 0.0
            and not self.schedule_over(now)
            and all(power <= 0.0 for _, ends, power in self.schedule.charging.pieces() if ends > now)
        )

    def schedule_over(self, now: float) -> bool:
        """The chosen schedule says nothing about ``now`` any more."""
        return self.schedule is not None and now >= self.schedule.charging.over_at


def read_schedule(offered: ScheduleTuple, sent: int, now: float) -> ChosenSchedule:
    """``offered`` in a message that came in at ``now`` and whose header says ``sent``. Raises ``ValueError``
    for a schedule of no duration."""
    power_schedule = offered.charging_schedule.power_schedule
    discharging = offered.discharging_schedule
    return ChosenSchedule(
        tuple_id=offered.schedule_tuple_id,
        charging=_read(offered.charging_schedule, sent, now, charging=True),
        discharging=None if discharging is None else _read(discharging, sent, now, charging=False),
        anchor=power_schedule.time_anchor,
        names_tolerance=power_schedule.power_tolerance is not None,
    )


def _read(schedule: ChargingSchedule, sent: int, now: float, *, charging: bool) -> Schedule:
    power_schedule = schedule.power_schedule
    begins = anchored(power_schedule.time_anchor, sent, now)
    entries = power_schedule.power_schedule_entries.power_schedule_entry
    # What is given back is written with either sign: its magnitude counts. A charging power below zero lets
    # nothing in.
    return Schedule.of(
        begins,
        (
            (float(entry.duration), max(si(entry.power), 0.0) if charging else abs(si(entry.power)))
            for entry in entries
        ),
    )
