"""What the operator of a station decides about changes in mid-session, in ISO 15118-20 alone: renegotiations,
standby, confirmed readings.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from iso15118.ranges import Duration, check_fields

__all__ = ["RenegotiationSettings"]

NoticeDelay = Annotated[float, Meta(ge=0.0, le=65_535.0)]
"""NotificationMaxDelay in s, an unsigned short on the wire."""


class RenegotiationSettings(Struct, frozen=True, kw_only=True):
    """Changes in mid-session. Raises ``ConfigError`` naming the key."""

    beside_the_loop: bool = True
    """Agree on another schedule beside the charge loop, on the payload type for it (0x8101), with vehicles
    that ask for it there. Otherwise they are answered WARNING_ScheduleRenegotiationFailed, and may ask
    again with the power at rest."""
    silence_s: Duration = 60.0
    """A vehicle that leaves such an attempt unfinished for so long is not waited for any more, in s: as long
    as V2G_SECC_Sequence_Timeout. The charge goes on."""
    schedule_delay_s: NoticeDelay = 30.0
    """EVSENotification ScheduleRenegotiation: how long the vehicle has, in s. No
    public source names a time."""
    service_delay_s: NoticeDelay = 10.0
    """The same for ServiceRenegotiation, as one public stack has it."""
    exit_standby_delay_s: NoticeDelay = 10.0
    """The same for ExitStandby; a vehicle that still stands by then is asked to end the session. No
    public source names a time."""
    standby: bool = True
    """Let a vehicle stand by in the charge loop: contactors stay closed, nothing flows. Otherwise it is told
    WARNING_StandbyNotAllowed."""
    metering_delay_s: NoticeDelay = 10.0
    """How long a vehicle has to confirm a meter reading, in s. No public source names a time."""
    metering_attempts: Annotated[int, Meta(ge=0, le=1000)] = 2
    """How often it is asked, each time for ``metering_delay_s``, before the session is ended because its
    readings are not confirmed; 0: it is asked for ever, and charges on."""

    def __post_init__(self) -> None:
        check_fields(self, "renegotiation")
