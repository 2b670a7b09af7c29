"""Times and budgets of a connection as data, each with its default and reason. Durations in seconds."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct, field

from iso15118.ranges import Duration, HowLong, check_fields

from .basic.settings import BasicSettings

__all__ = ["ConnectorSettings", "SetupFrom"]


class SetupFrom(Enum):
    """From when on the communication set-up time runs."""

    LINK = "link"
    """D-LINK_READY."""
    PLUG_IN = "plug-in"
    """The plug."""


class ConnectorSettings(Struct, frozen=True, kw_only=True):
    """Times and budgets from the plug to the session, for both roles. Raises
    ``ConfigError`` for what cannot work."""

    t_conn_max_comm: Duration = 8.0
    """Plug-in to data link; being late is reported, and ends nothing: matching has limits of its own."""
    t_conn_resume: Duration = 6.0
    """Wake-up to data link (ISO 15118-3; ISO 15118-10 has 4 s, which its link keeps by itself); reported."""
    t_conn_resetup: Duration = 15.0
    """Loss of the data link to data link; reported."""
    setup_from: SetupFrom = SetupFrom.LINK
    """From when on the time for the communication set-up runs (session.timing.communication_setup_*).
    Unsettled: -2 is read as plug-in, running stations count from the link; a vehicle that takes 40 s to match
    would never be served otherwise."""
    restarts: Annotated[int, Meta(ge=0, le=20)] = 3
    """How often a failed session is followed by another one within one plug-in: a station asks for it by
    D-LINK_ERROR, a vehicle looks for a station again. Not in the standard; without an end, two sides that do
    not understand each other would go on for ever."""
    start_again: bool = True
    """After the end begin anew when the other side asks for it through the basic signalling: a vehicle that
    toggles the pilot or shows C in X1, as for preconditioning; a station that shows E or F, or 5 % again, or
    opens and closes S3. Within ``restarts``."""
    rest_s: Duration = 60.0
    """Rest after an end that fills ``restarts`` again. Not in the standard; a vehicle may be plugged in for
    weeks, and two sides that start each other again and again must not go on for ever at once."""
    replug_s: Duration = 0.05
    """A plug that is out for less than this is a contact that bounces: everything ends, but ``restarts``
    goes on. Not in the standard."""
    assert_every: HowLong = 1.0
    """How often the outputs (pilot, S3, the vehicle's switch) are shown again, and compared where the
    port reports what it shows; 0: only when they change. Not in the standard; a port that lost a request,
    or was reset, is put right."""
    close_s: Duration = 6.0
    """End of a session to the end of its connection before the data link is left all the same; above the 5 s
    in which a station waits for the vehicle to close."""

    autocharge: bool = False
    """Station: offer EVCCID and the MAC address of SLAC to the authorizer (``AutochargeAuthorizer``). Weak
    identification, since anybody can send those of another vehicle; off for that."""
    basic: BasicSettings = field(default_factory=BasicSettings)
    """Basic charging by the pilot's duty cycle (AC): off unless said otherwise."""

    def __post_init__(self) -> None:
        check_fields(self, "connection")
