"""What the operator of a station decides about wireless power.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from iso15118.errors import ConfigError
from iso15118.ranges import Ranged
from iso15118.session.coupling import PositioningPlace
from iso15118.session.wireless import AlignmentMethod, PairingMethod, PositioningMethod

__all__ = ["WptSeccSettings"]


class WptSeccSettings(Ranged, frozen=True, kw_only=True):
    """The service WPT at a station. Raises ``ConfigError`` naming the key."""

    positioning: tuple[PositioningPlace, ...] = tuple(PositioningPlace)
    """Where positioning and pairing are taken; by default in either place, since the order is not settled."""
    positioning_methods: tuple[PositioningMethod, ...] = (PositioningMethod.MANUAL, PositioningMethod.LPE)
    """How a vehicle may find its place, best first."""
    pairing_methods: tuple[PairingMethod, ...] = (PairingMethod.LPE, PairingMethod.EXTERNAL_CONFIRMATION)
    """How the pad may be known by the vehicle, best first."""
    alignment_methods: tuple[AlignmentMethod, ...] = (AlignmentMethod.POWER_CHECK,)
    """How the position may be tried."""
    attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    """How often a vehicle may be told WARNING_WPT and begin again; then FAILED_AssociationError. Proposal."""
    alignment_w: Annotated[float, Meta(ge=0.0, le=5000.0)] = 100.0
    """What the pad sends to try a position, in W. Proposal: enough to measure by, and
    little for what lies between."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("positioning", "positioning_methods", "pairing_methods", "alignment_methods"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ConfigError(f"wpt.{name}", "none, or one twice", "at least one, each once")
