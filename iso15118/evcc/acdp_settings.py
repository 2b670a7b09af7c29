"""What the maker of a vehicle decides about a connection device, such as a pantograph.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from iso15118.errors import ConfigError
from iso15118.ranges import Duration, Ranged
from iso15118.session.coupling import MobilityStatus, PositioningPlace

__all__ = ["AcdpEvccSettings"]


class AcdpEvccSettings(Ranged, frozen=True, kw_only=True):
    """The services DC_ACDP and DC_ACDP_BPT in a vehicle. Raises ``ConfigError`` naming the key."""

    positioning: PositioningPlace = PositioningPlace.BEFORE_AUTHORIZATION
    """Where the vehicle is positioned; the order is not settled (see ``PositioningPlace``)."""
    mobility_status: MobilityStatus = MobilityStatus.STANDS
    """What EVMobilityStatus true says; unsettled (see ``MobilityStatus``)."""
    finds_place: bool = False
    """The vehicle finds its place itself, as by marks on the ground, and says so as EVPositioningSupport:
    then the station need not see it there before it goes on."""
    immobilize_s: Duration = 5.0
    """How long the drive may take to be locked before the device is asked for, in s."""
    status_every_s: Duration = 1.0
    """From one answer on the stream of ACDP_SystemStatus to the next request, in s.
    Proposal: once a second or so."""
    status_silence_s: Duration = 5.0
    """Without an answer there for so long, in s, the vehicle stops; longer than ``status_every_s``, in which
    it does not ask. Proposal, as at the station."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.status_silence_s <= self.status_every_s:
            raise ConfigError(
                "acdp.status_silence_s",
                f"{self.status_silence_s:g} would end every session",
                f"more than acdp.status_every_s = {self.status_every_s:g}",
            )
