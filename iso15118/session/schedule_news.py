"""What a session tells of schedules and prices: the profile that a vehicle sent, the schedule that it chose,
what is known of its prices.

Part of ``session.actions``, by whose name they are imported.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from iso15118.energy.schedule import Schedule
from iso15118.vocabulary import Notify

from .mid_session_events import Cost

__all__ = ["PowerProfileTaken", "PriceTrust", "ReceiptTold", "ScheduleChosen", "ScheduleRemark"]


class PowerProfileTaken(Notify, frozen=True):
    """Station: the vehicle means to take this of the schedule that it chose, in W; negative: it gives back.
    ``profile`` None: it says nothing, and follows the schedule. ``tolerance``: it confirmed the tolerance
    (True) or did not (False); None: nothing was said."""

    schedule_id: int
    profile: Schedule | None
    tolerance: bool | None = None


class PriceTrust(Enum):
    """What is known about the prices of a schedule."""

    NONE = "there are none"
    VERIFIED = "signed by the provider of the contract"
    UNSIGNED = "nobody signed them"
    UNVERIFIABLE = "signed, but nobody here knows by whom"
    INVALID = "the signature does not fit them"


class ScheduleRemark(Notify, frozen=True):
    """About schedules or prices something is not as it should be, and charging goes on. ``name`` is stable,
    ``detail`` is human-readable."""

    name: str
    detail: str


class ScheduleChosen(Notify, frozen=True, kw_only=True):
    """Vehicle: it follows this schedule, by this profile. ``cost``: what the profile costs, rounded, where
    there are prices in money."""

    schedule_id: int
    profile: Schedule
    planned_wh: float
    """To the battery, until departure or the end of the schedule."""
    cost: Decimal | None = None
    currency: str = ""
    trust: PriceTrust = PriceTrust.NONE
    offered: int = 1
    """How many there were to choose from."""


class ReceiptTold(Notify, frozen=True, kw_only=True):
    """Vehicle: what the station says that the session has cost so far, in the currency of the price schedule.
    It is a claim that nothing here has checked; where the station wants a meter reading signed, the signature
    of the contract stands under this as well. ``at``: Unix time in s, as the station says it; ``taxes``:
    number of the tax rule, and sum."""

    at: float
    energy: Cost | None = None
    occupancy: Cost | None = None
    services: Cost | None = None
    overstay: Cost | None = None
    taxes: tuple[tuple[int, float], ...] = ()
