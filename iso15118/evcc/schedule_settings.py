"""What a vehicle decides about the schedules of ISO 15118-20 and their prices."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import Meta

from iso15118.energy.planning import Wish
from iso15118.ranges import Ranged

__all__ = ["BelievedPrices", "ScheduleEvccSettings"]


class BelievedPrices(Enum):
    """Which prices a vehicle chooses by."""

    ANY = "all but those whose signature does not fit"
    VERIFIED = "only those that the provider of its contract signed"


class ScheduleEvccSettings(Ranged, frozen=True, kw_only=True):
    """How a schedule is chosen and used. Raises ``ConfigError`` naming the key."""

    choice: Wish = Wish.CHEAPEST
    """"cheapest": what is wanted until departure for the least money; "greenest": with the least emission, or
    at the lowest levels; "fastest": as soon as possible; "first": the station's default. Without a departure
    time, or without prices, as fast as possible."""
    believed_prices: BelievedPrices = BelievedPrices.ANY
    """"any": all prices but those whose signature does not fit; "verified": those that the provider of the
    contract signed. Few stations sign any yet, and what is paid in the end the contract says, hence any."""
    reserve: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.05
    """Share of the energy that a profile with cheap times has beside what is wanted, since a battery
    takes less towards its end."""
    early_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 60.0
    """How long before departure a profile with cheap times is to be done, in s; at most a tenth
    of the time that is left."""
    maximum_points: Annotated[int, Meta(ge=12, le=1024)] = 1024
    """MaximumSupportingPoints: how many entries of a schedule the vehicle can take."""
    look_again_s: Annotated[float, Meta(ge=1.0, le=86_400.0)] = 60.0
    """How often the vehicle looks whether its profile still brings what is wanted until departure, in s; if
    not, and the schedule has more, it asks for another exchange (no more often than
    schedule_renegotiation_s)."""
