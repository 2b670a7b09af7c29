"""Times and budgets of a connection as data, each with its default and reason. Durations in seconds."""

from __future__ import annotations

import math
from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from iso15118.errors import ConfigError

__all__ = ["ConnectionSettings", "SetupFrom"]


class SetupFrom(Enum):
    """From when on the communication set-up time runs."""

    LINK = "link"
    """D-LINK_READY."""
    PLUG_IN = "plug-in"
    """The plug."""


class ConnectionSettings(Struct, frozen=True, kw_only=True):
    """Times and budgets from the plug to the session, for both roles. Raises ``ConfigError`` for what cannot work."""

    t_conn_max_comm: float = 8.0
    """Plug-in to data link; being late is reported, and ends nothing: matching has limits of its own."""
    t_conn_resume: float = 6.0
    """Wake-up to data link (ISO 15118-3; ISO 15118-10 has 4 s, which its link keeps by itself); reported."""
    t_conn_resetup: float = 15.0
    """Loss of the data link to data link; reported."""
    setup_from: SetupFrom = SetupFrom.LINK
    """From when on the time for the communication set-up runs (session.timing.communication_setup_*). Unsettled: -2 is read as
    plug-in, running stations count from the link; a vehicle that takes 40 s to match would never be served otherwise."""
    restarts: Annotated[int, Meta(ge=0, le=20)] = 3
    """How often a failed session is followed by another one within one plug-in: a station asks for it by D-LINK_ERROR, a vehicle looks
    for a station again. Not in the standard; without an end, two sides that do not understand each other would go on for ever."""
    close_s: float = 6.0
    """End of a session to the end of its connection before the data link is left all the same; above the 5 s in which a station waits for
    the vehicle to close."""

    def __post_init__(self) -> None:
        for name in ("t_conn_max_comm", "t_conn_resume", "t_conn_resetup", "close_s"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not (math.isfinite(value) and value > 0):
                raise ConfigError(
                    f"connection.{name}", f"{value!r} is no duration", "a finite number above 0"
                )
        if type(self.restarts) is not int or not 0 <= self.restarts <= 20:
            raise ConfigError(
                "connection.restarts", f"{self.restarts!r} is not possible", "a whole number from 0 to 20"
            )
