"""Timers and retry budgets of single-pair Ethernet as data, each with its default and
reason. Durations in seconds."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from iso15118.errors import ConfigError
from iso15118.ranges import Duration, check_fields

__all__ = ["SpeSettings"]


class SpeSettings(Struct, frozen=True, kw_only=True):
    """Timers and counts of both roles. Raises ``ConfigError`` for what cannot work."""

    tt_ev_link_detect: Annotated[float, Meta(ge=0.001, le=4.0)] = 4.0
    """Basic signalling present to link up; at most 4 s (Table 8)."""
    tt_sync_repetition: Annotated[float, Meta(ge=0.001, le=4.0)] = 4.0
    """Station: window within which a failed communication initialisation is repeated; at most 4 s. With both
    at their maximum the first attempt fills it."""
    t_conn_resume: Annotated[float, Meta(ge=0.001, le=4.0)] = 4.0
    """Wake-up to link; at most 4 s [V2G10-035] [V2G10-042]."""
    restart_guard: Annotated[float, Meta(ge=3.0, le=3600.0)] = 3.0
    """Station: S3 stays open so long before it is closed again, and CE has shown no fault for so long; at
    least 3 s (IEC 61851-23-3 CC.5.2.3.2)."""
    fault_debounce: Duration = 0.05
    """Both: a fault of CE or ID, and A, for less than this while no link is up is a bouncing
    contact and changes nothing. A link that is up ends at once. Not in the standard; contacts
    bounce for some milliseconds."""
    replug_debounce: Duration = 0.05
    """Station: A for less than this is no new plug-in, so budgets and guard times go on. Not in the
    standard; nobody is that quick."""
    wake_pulse: Duration = 0.3
    """Vehicle: length of state C that wakes the station up (CC.5.2.4). Unsettled: the length
    of a control-pilot toggle."""
    wake_detect: Duration = 0.1
    """Station: a C shorter than this while S3 is open is a glitch and wakes nobody up. Unsettled: half of
    T_vald_detect_time, as on the control pilot."""
    c_wake_pulses: Annotated[int, Meta(ge=1, le=10)] = 3
    """Vehicle: how often the station is woken up, t_conn_resume apart, before it is
    given up. Not in the standard."""
    pause_grace: Duration = 0.5
    """Vehicle: after S3 opens (B0) the link is held so long: a pause that the upper layers are about to ask
    for looks the same. Not in the standard; a restart takes longer than that."""
    c_conn_retry: Annotated[int, Meta(ge=0, le=3)] = 3
    """Station: restarts per plug-in; the manufacturer's choice of up to 3."""
    refund_retries: bool = False
    """Station: a link that came up gives the restarts back. Unsettled: [V2G10-052] read literally says so,
    and a flapping link would never end."""
    retry_setup: bool = True
    """Station: a first set-up without link within tt_ev_link_detect is restarted within c_conn_retry too.
    Off: it is over until the plug is pulled, as [V2G10-054] to [V2G10-058] may be read; a transceiver that
    takes 5 s to start would never be served."""

    def __post_init__(self) -> None:
        check_fields(self, "spe")
        if self.wake_detect >= self.wake_pulse:
            raise ConfigError(
                "spe.wake_detect",
                f"a wake-up of {self.wake_pulse:g} s would never be seen",
                "less than spe.wake_pulse",
            )
