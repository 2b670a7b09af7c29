"""What the operator of a station decides about schedules and prices, beside the keys that
``SeccConfig`` has for them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from iso15118.ranges import Ranged
from iso15118.session.services import Pricing

__all__ = ["ScheduleSeccSettings"]


class ScheduleSeccSettings(Ranged, frozen=True, kw_only=True):
    """Schedules and prices. Raises ``ConfigError`` naming the key."""

    wait_s: Annotated[float, Meta(ge=0.1, le=55.0)] = 50.0
    """How long the vehicle is told to wait (EVSEProcessing Ongoing) while the energy manager makes
    schedules, in s; then what it had planned before holds, or the limits. Vehicles wait for 60 s, and a
    station has to be ready within 55 s."""
    key_use_s: Annotated[float, Meta(ge=0.01, le=55.0)] = 5.0
    """How long is waited for a provider's key to sign prices, in s; it is used aside, so that nothing else
    waits. A price that is not signed by then goes out without a signature."""
    pricing: Pricing = Pricing.NONE
    """Pricing parameter of the ISO 15118-20 services: what kind of prices the energy manager gives. A vehicle
    need not look at prices where none are promised, hence none by default."""
    require_tolerance: bool = False
    """End the session with FAILED_PowerToleranceNotConfirmed where the vehicle does not confirm the
    PowerTolerance of its schedule. By default it is told WARNING_PowerToleranceNotConfirmed, and
    charges without any tolerance."""
