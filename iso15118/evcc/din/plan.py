"""What the vehicle learnt about this session in DIN 70121 on its way: the service, the
station's limits and the schedule.

One value per session, filled step by step by the script's phases, in SI units and on the session's clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from iso15118.energy.schedule import Schedule
from iso15118.evcc.conversation import Bound
from iso15118.messages import din
from iso15118.session.limits import StationLimits

__all__ = ["Plan"]

_NOTHING = StationLimits(maximum_charge_power_w=0.0, maximum_charge_current_a=0.0, maximum_voltage_v=0.0)


@dataclass(slots=True)
class Plan:
    """Service, limits and schedule of one session."""

    ready: Bound | None = None
    """By when power has to flow; None once it was asked for."""
    energy_transfer: din.EVRequestedEnergyTransfer = din.EVRequestedEnergyTransfer.DC_extended
    service_id: int = 1
    """What the station calls its charge service."""
    ready_to_charge: bool = False
    """EVReady: state C is shown."""
    offer: StationLimits = _NOTHING
    """The station's limits as it told them before the charge."""
    station: StationLimits = _NOTHING
    """The same as it said last: the charge loop may lower and raise them."""
    schedule_id: int | None = None
    """The schedule that is followed; None where none was given that can be."""
    schedule: Schedule | None = None
    """Its power over time; None where it says nothing of use."""
    power_delivered: bool = False
    """PowerDelivery on was sent, PowerDelivery off was not answered."""
    last_limits: tuple[object, ...] = ()
    """The limits of the last CurrentDemandRes; they rarely change."""
    idle_since: float | None = None
    """Since when nothing has flowed, though something might."""
    too_little_since: float | None = None
    """Since when the battery wants less than the two sides can charge with."""

    def scheduled_power_w(self, now: float) -> float:
        """What the schedule allows at ``now`` (s), in W; behind its end its last power holds, since DIN
        70121 knows no other one."""
        if self.schedule is None:
            return float("inf")
        return self.schedule.powers[-1] if now >= self.schedule.over_at else self.schedule.at(now)

    def schedule_over(self, now: float) -> bool:
        """Never: behind its end its last power holds."""
        return False
