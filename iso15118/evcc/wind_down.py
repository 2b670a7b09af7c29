"""How long a vehicle with direct current goes on asking for nothing before it says Stop: the contactors of
both sides open on that, and are to open without a load.

The same in every edition, and the time that the supervision lets a current fall in: a station with a slow
ramp is told Stop when it is done, and one that does not bring the current down breaks ``over-current``.
"""

from __future__ import annotations

from typing import Final

from iso15118.session.limits import StationLimits

from .conversation import Conversation

__all__ = ["take_most", "wind_down_s"]

_LEAST_S: Final = 3.0
"""Some stations take a moment to begin, or tell the last of a current for longer than it flows."""


def take_most(talk: Conversation, offer: StationLimits) -> None:
    """The station's offer, by which its ramp is reckoned."""
    talk.supervisor.offered(offer.maximum_charge_current_a, offer.maximum_discharge_current_a)


def wind_down_s(talk: Conversation, left_s: float = 0.0) -> float:
    """How long from now, in s. ``left_s``: what a station that asked for the end has left itself
    (NotificationMaxDelay), after which it ends power whatever flows; 0: it named no time."""
    longest = max(_LEAST_S, talk.supervisor.falls_within_s)
    return min(longest, left_s) if left_s > 0.0 else longest
