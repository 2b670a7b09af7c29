"""What the maker of a vehicle decides about wireless power.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from iso15118.errors import ConfigError
from iso15118.ranges import Duration, Ranged
from iso15118.session.coupling import PositioningPlace
from iso15118.session.wireless import AlignmentMethod, PairingMethod, PositioningMethod

__all__ = ["WptEvccSettings"]


class WptEvccSettings(Ranged, frozen=True, kw_only=True):
    """The service WPT in a vehicle. Raises ``ConfigError`` naming the key."""

    positioning: PositioningPlace = PositioningPlace.BEFORE_AUTHORIZATION
    """Where the vehicle is positioned and paired; the order is not settled (see ``PositioningPlace``)."""
    positioning_methods: tuple[PositioningMethod, ...] = (PositioningMethod.LPE, PositioningMethod.MANUAL)
    """How the vehicle can find its place, best first: the first that the station has is taken."""
    pairing_methods: tuple[PairingMethod, ...] = (PairingMethod.LPE, PairingMethod.EXTERNAL_CONFIRMATION)
    """How it can know the pad, best first."""
    alignment_methods: tuple[AlignmentMethod, ...] = (AlignmentMethod.POWER_CHECK,)
    """How it can try its position, best first."""
    attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    """How often it begins again after WARNING_WPT before it leaves. Proposal."""
    alignment_s: Duration = 10.0
    """How long the position is tried before the vehicle says that it failed, in s."""
    alignment_share: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5
    """A position is good where this share of what the pad says it sends arrives. Proposal: a coil beside
    its place receives little."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("positioning_methods", "pairing_methods", "alignment_methods"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ConfigError(f"wpt.{name}", "none, or one twice", "at least one, each once")
