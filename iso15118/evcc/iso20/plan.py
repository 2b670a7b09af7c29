"""What the vehicle learnt about this session on its way: the service, the station's limits and the schedule
it follows.

One value per session, filled step by step by the script's phases, in SI units and on the session's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from iso15118.energy.ac import NOTHING, Phases
from iso15118.energy.cost import Cost
from iso15118.energy.dc import PresentLimits, Together
from iso15118.energy.offer import MOST_ENTRIES
from iso15118.energy.price import Prices
from iso15118.energy.schedule import Schedule
from iso15118.messages.iso20.common_messages import ChargingSchedule, PowerScheduleEntry, ScheduleTuple
from iso15118.messages.iso20.common_types import DisplayParameters, EvseNotification, Receipt
from iso15118.messages.values import anchored, si
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits, ChargerBounds, Islanding
from iso15118.session.actions import PriceTrust
from iso15118.session.limits import StationLimits
from iso15118.session.services import (
    SERVICES,
    ControlMode,
    EnergyService,
    MobilityNeedsMode,
    Namespace,
    ServiceID,
)

if TYPE_CHECKING:
    from .der import Resource

__all__ = ["AcPlan", "ChosenSchedule", "Plan", "read_schedule"]

_INF = float("inf")
_EDGE_S = 1.0
"""Moments travel as whole seconds."""
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
    available_wh: float | None = None
    """No more energy than this in all."""
    prices: Prices | None = None
    trust: PriceTrust = PriceTrust.NONE
    profile: Schedule | None = None
    """What the vehicle told that it takes at most, as it was written; kept until there is another one."""
    cost: Cost | None = None
    """Of what it plans."""


@dataclass(slots=True)
class AcPlan:
    """What of the plan is about alternating current."""

    phases: int = 1
    """Of the chosen parameter set."""
    nominal_voltage_v: float = 230.0
    """Phase to neutral; every power is based on it [V2G20-1823]."""
    forms_grid: bool = False
    islanding: Islanding | None = None
    der_functions: int = 0
    """Of the chosen parameter set of AC_DER_IEC: what the vehicle has to follow, as bits."""
    resource: Resource | None = None
    """What the vehicle does as a distributed energy resource; None: it is none."""
    own: AcVehicleLimits | None = None
    """What the vehicle declared, on the phases that are used."""
    offer: AcStationLimits | None = None
    """What the station's outlet can do, as it said before the charge."""
    target_w: Phases | None = None
    """What the station asks for; None: it leaves the power to the vehicle."""
    target_var: Phases = NOTHING
    frequency_hz: float | None = None
    now: AcVehicleLimits | None = None
    """What charger and battery take and give now, made of ``now_of``; ``said``: the same
    as elements of a request."""
    now_of: tuple[object, ...] = ()
    said: dict[str, Any] = field(default_factory=dict)
    taken: ChargerBounds | None = None
    """What the on-board charger was last told."""
    rising_w: float = 0.0
    """The power of all phases that it was last told, in W, and when: a station
    may limit how fast it rises."""
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
    pricing: int | None = None
    """Pricing parameter of the chosen set: without one prices are not looked at. None: it is not
    known, as of a paused session."""
    schedule: ChosenSchedule | None = None
    joined: bool = False
    """It goes on with a paused session."""
    wpt_pairing: object = None
    """The pairing method that was agreed on."""
    wpt_warnings: int = 0
    """How often the station said WARNING_WPT, or the place was missed."""
    wpt_offer_w: float = 0.0
    """What the pad can send, as it said before the charge."""
    wpt_limit_w: float = 0.0
    """What it sends at most now, and the coil can receive."""
    wpt_taken_w: float | None = None
    """What the coil was last told to take; None: nothing."""
    wpt_least_w: float = 0.0
    """The least that it sends while it sends anything."""
    positioned: bool = False
    """The vehicle stands in its place, under a connection device or over a pad."""
    connecting: bool = False
    """A connection device was asked for, and not yet to leave again."""
    device_down: bool = False
    """It is in contact, as the station says."""
    look_again_at: float = 0.0
    """When the vehicle looks again whether its profile brings what is wanted;
    ``falls_short``: last time it did not."""
    falls_short: bool = False
    warned: bool = False
    """The station has said that the power is off the profile."""
    power_delivered: bool = False
    """PowerDelivery(Start) was answered, PowerDelivery(Stop) was not."""
    last_mode: object = None
    """The control mode element of the last charge-loop answer; it rarely changes."""
    ask_to_discharge_w: float = 0.0
    """The station wants at least this much back, in W; 0: it does not ask."""
    wants_anew: str = ""
    """Why another schedule is wanted: "over", "nothing" in the one that holds, "short" of what is wanted, or
    "violated" its profile; empty if none is."""
    ask_anew_at: float = 0.0
    """When the station is asked for one, or asked again."""
    mobility_needs_mode: MobilityNeedsMode = MobilityNeedsMode.PROVIDED_BY_EVCC
    """Of the chosen parameter set."""
    station_needs: tuple[float | None, int | None, int | None] = (None, None, None)
    """What the station last said of departure (on the session's clock), minimum
    and target state of charge."""
    may_change_service: bool = False
    """The station supports another choice of service [V2G20-1931]."""
    service_anew: bool = False
    """Power ends because another service is to be chosen."""
    go_to_pause: bool = False
    """The station would rather have the session paused."""
    standing_by: bool = False
    """PowerDelivery(Standby) was granted."""
    attempt_open: bool = False
    """Another schedule is being agreed on beside the loop."""
    beside_failed: bool = False
    """That came to nothing: the other way is still to be tried."""
    never_beside: bool = False
    """This station does not do that."""
    notified: EvseNotification | None = None
    """What the station last wanted."""
    receipt: Receipt | None = None
    """The last one that it told."""
    shown: DisplayParameters | None = None
    """What the station is let to show, made of ``shown_of``."""
    shown_of: tuple[object, ...] = ()
    remaining: tuple[int | None, int | None, int | None] = (None, None, None)
    """Times to minimum, target and maximum in s, and when they were computed."""
    remaining_at: float | None = None
    followed_until: float = 0.0
    """The station's wish for another schedule was followed: until then, or until it is withdrawn, it is no
    new one."""
    refused_until: float = 0.0
    """It said that it has no other one: until then it is not asked again, whoever wants one."""
    idle_since: float | None = None
    """Since when nothing has flowed, though something might."""
    too_little_since: float | None = None
    """Since when the battery wants less than the two sides can charge with."""

    def scheduled_power_w(self, now: float) -> float:
        """What the chosen schedule, and the profile that was told, allow at ``now`` (s), in W: nothing before
        its anchor, and nothing once it is over. A moment around its edges the lesser power holds, since the
        station may read them a second apart."""
        chosen = self.schedule
        if chosen is None:
            return _INF
        return (chosen.charging if chosen.profile is None else chosen.profile).around(now, _EDGE_S)

    def scheduled_discharge_w(self, now: float) -> float:
        """The same for what is given back; where the station gave no schedule for that, its limits alone
        count."""
        if self.schedule is None or self.schedule.discharging is None:
            return float("inf")
        return self.schedule.discharging.around(now, _EDGE_S)

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
        available_wh=None
        if power_schedule.available_energy is None
        else max(si(power_schedule.available_energy), 0.0),
        names_tolerance=power_schedule.power_tolerance is not None,
    )


def _read(schedule: ChargingSchedule, sent: int, now: float, *, charging: bool) -> Schedule:
    power_schedule = schedule.power_schedule
    begins = anchored(power_schedule.time_anchor, sent, now)
    entries = power_schedule.power_schedule_entries.power_schedule_entry[:MOST_ENTRIES]
    # What is given back is written with either sign: its magnitude counts. A charging power below zero lets
    # nothing in.
    return Schedule.of(
        begins,
        ((float(entry.duration), _watts(entry, charging=charging)) for entry in entries),
    )


def _watts(entry: PowerScheduleEntry, *, charging: bool) -> float:
    """Of all phases together. Where they are named apart it is three times the least of them: spread evenly,
    no phase has more than it may. One that is below zero lets nothing in."""
    phases = [si(one) for one in (entry.power, entry.power_l2, entry.power_l3) if one is not None]
    least = max(min(phases), 0.0) if charging else min(map(abs, phases))
    return len(phases) * least
