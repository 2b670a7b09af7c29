"""When and how a plug charges by the pilot's duty cycle alone, as data: each setting with its default and
reason. Durations in seconds."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import Meta

from iso15118.ranges import Duration, HowLong, Ranged

__all__ = ["BasicMode", "BasicSettings"]


class BasicMode(Enum):
    """What place basic charging has beside messages."""

    OFF = "off"
    """None: a plug-in without a high-level session is left alone."""
    FALLBACK = "fallback"
    """Station: where nobody begins to match, or the high-level session comes to nothing. Vehicle: where a
    nominal duty cycle is shown and no session runs."""
    READ = "read"
    """Station: a high-level session reads what the vehicle says of itself, and ends; then the duty cycle. Of
    a vehicle the same as "fallback"."""
    ONLY = "only"
    """Station: a nominal duty cycle from plug-in on, and no data link. Of a
    vehicle the same as "fallback"."""


class BasicSettings(Ranged, frozen=True, kw_only=True):
    """Basic charging at one connector, for both roles. Raises ``ConfigError`` for
    a number out of its range."""

    mode: BasicMode = BasicMode.OFF
    """What place it has: "off", "fallback", "read", or "only"."""
    give_up_s: Annotated[float, Meta(ge=1.0, le=600.0)] = 12.0
    """Station, plug-in (or another start) to giving up SLAC while nobody has asked to match: a vehicle begins
    within 10 s (TP_EV_SLAC_init). Early on purpose: TT_EVSE_SLAC_init is up to 50 s, and a driver at home
    waits. A captured vehicle came after 41 s."""
    match_s: Annotated[float, Meta(ge=1.0, le=600.0)] = 25.0
    """Station: once somebody has asked to match, how long until the link has to be up; sounds, session and
    join of ISO 15118-3 take up to 23 s together."""
    t_step_ef: Annotated[float, Meta(ge=4.0, le=60.0)] = 4.0
    """Station: length of state F between 5 % and a nominal duty cycle where no vehicle was matched;
    at least 4 s (ISO 15118-3)."""
    t_step_x1: Annotated[float, Meta(ge=0.2, le=60.0)] = 3.0
    """Station: length of the steady pilot before the nominal duty cycle, after 5 % or
    state F; 3 s after a matching."""
    maximum_current_a: Annotated[float, Meta(ge=6.0, le=80.0)] = 32.0
    """Station: the most that is offered per phase in A, whatever the outlet could give: what
    cable and installation stand."""
    accept_d: bool = True
    """Station: a vehicle that shows D (it wants ventilation) is charged as one that shows C. Off where the
    place has no ventilation."""
    closes_s: Duration = 3.0
    """Station: state C to closed contactors, else it is a fault. Vehicle: state C to voltage, else it is
    noted (IEC 61851-1: 3 s)."""
    stops_s: Duration = 6.0
    """Station: steady pilot to open contactors, whatever still flows; a vehicle has 3 s
    to stop (IEC 61851-1: 6 s)."""
    opens_s: HowLong = 1.0
    """Station: contactors told to open to their level open, else it is a fault. IEC 61851-1 has 0.1 s from B
    to off, which is asked of them at once; the rest is feedback."""
    rise_s: HowLong = 5.0
    """Station: a duty cycle is raised so long after the last change at the earliest: a vehicle has 5 s to
    follow. It is lowered at once."""
    reclose_s: HowLong = 2.0
    """Station: contactors stay open for so long. Not in the standard; a vehicle that toggles between B
    and C wears no contactor."""
    nominal_voltage_v: Annotated[float, Meta(ge=50.0, le=400.0)] = 230.0
    """Vehicle: phase to neutral of the grid in V, by which a current of the duty cycle becomes a power."""
    ramp_s: Duration = 3.0
    """Vehicle: steady pilot, or a battery that has enough, to state B, whatever still
    flows then (IEC 61851-1: 3 s)."""

    @property
    def wanted(self) -> bool:
        """It has a place."""
        return self.mode is not BasicMode.OFF
