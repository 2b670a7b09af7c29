"""What the vehicle learnt about this session of ISO 15118-2 on its way: how it charges and pays, the
station's limits, the schedule.

One value per session, filled step by step by the script's phases, in SI units and on the session's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from iso15118.energy.schedule import Schedule
from iso15118.messages.iso2 import DCEVErrorCode, EnergyTransferMode, PaymentOption
from iso15118.session.ac_limits import ChargerBounds
from iso15118.session.limits import StationLimits
from iso15118.session.ticket import EvccTicket

__all__ = ["ChosenSchedule", "Plan"]

_NOTHING = StationLimits(maximum_charge_power_w=0.0, maximum_charge_current_a=0.0, maximum_voltage_v=0.0)


class ChosenSchedule(Struct, frozen=True, kw_only=True):
    """One of the station's schedules, on the vehicle's own clock."""

    tuple_id: int
    power: Schedule
    """PMax: of all phases together, at the outlet."""
    price: Schedule | None = None
    """EPriceLevel over time; None without a tariff that the vehicle believes."""
    read_at: float
    """When it came in: the moment that its times are counted from."""


@dataclass(slots=True)
class AcPlan:
    """Phases, voltage and current of one session with alternating current."""

    phases: int = 1
    nominal_v: float = 230.0
    """Phase to neutral, as the station says."""
    most_a: float = 0.0
    """EVSEMaxCurrent, in A per phase, as it was said last."""
    taken: ChargerBounds | None = None
    """What the on-board charger was told last; None: nothing, or to stop."""


@dataclass(slots=True)
class Plan:
    """Mode, payment, limits and schedule of one session."""

    mode: EnergyTransferMode = EnergyTransferMode.DC_extended
    payment: PaymentOption = PaymentOption.ExternalPayment
    resumed: EvccTicket | None = None
    """The paused session that goes on: its choices are made."""
    charge_service: int = 1
    """ServiceID of the charge service, as the station calls it."""
    ac: AcPlan = field(default_factory=AcPlan)
    """With alternating current: what was agreed."""
    offer: StationLimits = field(default_factory=lambda: _NOTHING)
    """The station's limits as they were negotiated last."""
    station: StationLimits = field(default_factory=lambda: _NOTHING)
    """The same as it said last: the charge loop may lower and raise them."""
    schedule: ChosenSchedule | None = None
    profile: Schedule | None = None
    """What the vehicle said that it would take."""
    charged: bool = False
    """Power was asked for at least once."""
    power_delivered: bool = False
    """PowerDelivery(Start) was sent, and none with Stop or Renegotiate since."""
    stop_told: bool = False
    """The way out leads through PowerDelivery(Stop) though there was no power."""
    ready: bool = False
    """The control pilot shows C."""
    error: DCEVErrorCode = DCEVErrorCode.NO_ERROR
    """What is told of the vehicle's own faults."""
    last_limits: object = None
    """The limits of the last charge-loop answer; they rarely change."""
    renegotiate: bool = False
    """The station asks for a new negotiation."""
    negotiated_at: float = float("-inf")
    """When the last negotiation after the first one ended."""
    negotiations: int = 0
    """How many there were after the first one."""
    parting: bool = False
    """The station does not follow any more: what is left to say depends on no answer."""
    receipt_due: bool = False
    """The station wants a receipt that the vehicle does not give: no other request is legal
    any more but SessionStopReq."""
    idle_since: float | None = None
    """Since when nothing has flowed, though something might."""
    too_little_since: float | None = None
    """Since when the battery wants less than the two sides can charge with."""

    @property
    def alternating(self) -> bool:
        """The chosen mode is one of alternating current."""
        return self.mode.value.startswith("AC")

    @property
    def tuple_id(self) -> int:
        """SAScheduleTupleID of the chosen schedule; 1 where there is none, which is the
        least that the type takes."""
        return 1 if self.schedule is None else self.schedule.tuple_id

    def scheduled_power_w(self, now: float) -> float:
        """What was agreed on for ``now`` (s), in W: PMax of the schedule, and no more than the vehicle
        said. Nothing once it is over."""
        if self.schedule is None:
            return 0.0
        allowed = self.schedule.power.at(now)
        return allowed if self.profile is None else min(allowed, self.profile.at(now))

    def schedule_over(self, now: float) -> bool:
        """The chosen schedule says nothing about ``now`` any more."""
        return self.schedule is not None and now >= self.schedule.power.over_at
