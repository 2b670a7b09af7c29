"""What the vehicle learnt about this session on its way: the service, the station's limits and the schedule
it follows.

One value per session, filled step by step by the script's phases, in SI units.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from iso15118.messages.iso20.common_messages import ScheduleTuple
from iso15118.messages.values import si
from iso15118.session.limits import StationLimits
from iso15118.session.services import SERVICES, EnergyService, ServiceID

__all__ = ["Plan"]


@dataclass(slots=True)
class Plan:
    """Service, limits and schedule of one session."""

    service: EnergyService = field(default_factory=lambda: SERVICES[ServiceID.DC])
    parameter_set_id: int = 0
    station: StationLimits = field(
        default_factory=lambda: StationLimits(
            maximum_charge_power_w=0.0, maximum_charge_current_a=0.0, maximum_voltage_v=0.0
        )
    )
    """The station's limits now: what it offered, tightened by its charge-loop answers."""
    schedule: ScheduleTuple | None = None
    schedule_from: float = 0.0
    power_delivered: bool = False
    """PowerDelivery(Start) was answered, PowerDelivery(Stop) was not."""
    last_mode: object = None
    """The control mode element of the last charge-loop answer; it rarely changes."""
    ask_to_discharge_w: float = 0.0
    """The station wants at least this much back, in W; 0: it does not ask."""

    def scheduled_power_w(self, now: float) -> float:
        """What the chosen schedule allows at ``now`` (s), in W; past its end the last entry goes on to hold."""
        if self.schedule is None:
            return float("inf")
        entries = self.schedule.charging_schedule.power_schedule.power_schedule_entries.power_schedule_entry
        end = self.schedule_from
        for entry in entries:
            end += entry.duration
            if now < end:
                return max(si(entry.power), 0.0)
        return max(si(entries[-1].power), 0.0)
