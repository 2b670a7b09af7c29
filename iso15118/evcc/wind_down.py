"""How long a vehicle with direct current goes on asking for nothing before it says Stop: the contactors of
both sides open on that, and are to open without a load.

The same in every edition, and the time that the supervision lets a current fall in: a station with a slow
ramp is told Stop when it is done. One that does not bring the current down breaks ``over-current``, and is
told Stop then: some end power on that only. Where a rule wants the stop, as of a hot inlet, nobody dawdles.
"""

from __future__ import annotations

from typing import Final

from iso15118.session.limits import StationLimits

from .conversation import Conversation

__all__ = ["WindDown", "take_most", "wind_down_s"]

_LEAST_S: Final = 3.0
"""Some stations take a moment to begin, or tell the last of a current for longer than it flows."""


def take_most(talk: Conversation, offer: StationLimits) -> None:
    """The station's offer, by which its ramp is reckoned."""
    talk.supervisor.offered(offer.maximum_charge_current_a, offer.maximum_discharge_current_a)


def wind_down_s(talk: Conversation, left_s: float = 0.0) -> float:
    """How long from now, in s. ``left_s``: what a station that asked for the end has left itself
    (NotificationMaxDelay), after which it ends power whatever flows; 0: it named no time."""
    # Behind the stop that a rule wants comes its emergency.
    longest = _LEAST_S if talk.stop_rule else max(_LEAST_S, talk.supervisor.falls_within_s)
    return min(longest, left_s) if left_s > 0.0 else longest


class WindDown:
    """One that begins now. ``left_s``: as above."""

    __slots__ = ("_urged", "until")

    def __init__(self, talk: Conversation, left_s: float = 0.0) -> None:
        self.until = talk.now + wind_down_s(talk, left_s)
        self._urged = talk.urged

    def over(self, talk: Conversation) -> bool:
        """The current had its time, or a rule of the supervision wants the stop now."""
        return talk.now >= self.until or talk.urged != self._urged
