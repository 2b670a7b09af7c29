"""What the operator of a station decides about its connection device, such as a pantograph.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from iso15118.ranges import Duration, Ranged
from iso15118.session.coupling import MobilityStatus, PositioningPlace

__all__ = ["AcdpSeccSettings"]


class AcdpSeccSettings(Ranged, frozen=True, kw_only=True):
    """The services DC_ACDP and DC_ACDP_BPT at a station. Raises ``ConfigError`` naming the key."""

    positioning: tuple[PositioningPlace, ...] = tuple(PositioningPlace)
    """Where ACDP_VehiclePositioningReq is taken; by default in either place, since the order is not settled,
    and always right before ACDP_ConnectReq."""
    mobility_status: MobilityStatus = MobilityStatus.STANDS
    """What EVMobilityStatus true says; unsettled (see ``MobilityStatus``)."""
    position_age_s: Duration = 1.0
    """A measurement of the vehicle's position older than this, in s, is none: the device
    is not brought down by it."""
    no_current_a: Annotated[float, Meta(ge=0.0, le=10.0)] = 1.0
    """The device is retracted below this current only, in A, and below supervision.touch_safe_v; meanwhile
    the vehicle is told Ongoing. A contact that opens under current draws an arc; the figure is a proposal."""
    status_required: bool = True
    """A vehicle that never sends ACDP_SystemStatusReq is stopped
    ``timing.sequence_timeout`` after it was connected."""
    status_silence_s: Duration = 5.0
    """A vehicle that has sent ACDP_SystemStatusReq and is silent on that stream for so long, in s, while the
    output is alive, is stopped. Proposal; the standard's sequence timer of the stream,
    ``timing.sequence_timeout``, counts from the moment of connection."""
