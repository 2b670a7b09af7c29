"""Timers and retry budgets of single-pair Ethernet as data, each with its default and reason. Durations in seconds."""

from __future__ import annotations

import math

from msgspec import Struct

from iso15118.errors import ConfigError

__all__ = ["SpeSettings"]


class SpeSettings(Struct, frozen=True, kw_only=True):
    """Timers and counts of both roles. Raises ``ConfigError`` for what cannot work."""

    tt_ev_link_detect: float = 4.0
    """Basic signalling present to link up; at most 4 s (Table 8)."""
    tt_sync_repetition: float = 4.0
    """Station: window within which a failed communication initialisation is repeated; at most 4 s. With both at their maximum the first
    attempt fills it."""
    t_conn_resume: float = 4.0
    """Wake-up to link; at most 4 s [V2G10-035] [V2G10-042]."""
    restart_guard: float = 3.0
    """Station: S3 stays open so long before it is closed again; at least 3 s (IEC 61851-23-3 CC.5.2.3.2)."""
    wake_pulse: float = 0.3
    """Vehicle: length of state C that wakes the station up (CC.5.2.4). Unsettled: the length of a control-pilot toggle."""
    pause_grace: float = 0.5
    """Vehicle: after S3 opens (B0) the link is held so long: a pause that the upper layers are about to ask for looks the same. Not in the
    standard; a restart takes longer than that."""
    c_conn_retry: int = 3
    """Station: restarts per plug-in; the manufacturer's choice of up to 3."""
    refund_retries: bool = False
    """Station: a link that came up gives the restarts back. Unsettled: [V2G10-052] read literally says so, and a flapping link would never
    end."""

    def __post_init__(self) -> None:
        for name in (
            "tt_ev_link_detect",
            "tt_sync_repetition",
            "t_conn_resume",
            "restart_guard",
            "wake_pulse",
            "pause_grace",
        ):
            value = getattr(self, name)
            if type(value) not in (int, float) or not (math.isfinite(value) and value > 0):
                raise ConfigError(f"spe.{name}", f"{value!r} is no duration", "a finite number above 0")
        if type(self.c_conn_retry) is not int or not 0 <= self.c_conn_retry <= 3:
            raise ConfigError("spe.c_conn_retry", f"{self.c_conn_retry!r} is not possible", "0 to 3")
