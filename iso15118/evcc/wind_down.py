"""How long a vehicle with direct current goes on asking for nothing before it says Stop: the contactors of
both sides open on that, and are to open without a load.

The same in every edition. Until the current is seen to be gone, or has had the time that the supervision lets
it fall in: a station with a slow ramp is told Stop when it is done. One that does not bring it down breaks
``over-current``, and is told Stop then: some end power on that only. Where a rule wants the stop, as of a hot
inlet, nobody dawdles.
"""

from __future__ import annotations

from typing import Final

from iso15118.session.limits import StationLimits

from .conversation import Conversation, Until

__all__ = ["NO_CURRENT_A", "WindDown", "current_gone", "take_most"]

_LEAST_S: Final = 3.0
"""Some stations take a moment to begin, or tell the last of a current for longer than it flows."""
NO_CURRENT_A: Final = 5.0
"""Below this, contactors may open without harm (IEC 61851-23)."""
_LOOK_S: Final = 0.25


def take_most(talk: Conversation, offer: StationLimits) -> None:
    """The station's offer, by which its ramp is reckoned."""
    talk.supervisor.offered(offer.maximum_charge_current_a, offer.maximum_discharge_current_a)


class WindDown:
    """One that begins now. ``left_s``: what a station that asked for the end has left itself
    (NotificationMaxDelay), after which it ends power whatever flows; 0: it named no time."""

    __slots__ = ("_began", "_flowed", "_left_s", "_urged")

    def __init__(self, talk: Conversation, left_s: float = 0.0) -> None:
        self._began, self._left_s, self._urged = talk.now, left_s, talk.urged
        self._flowed = abs(talk.inlet.current_a) >= NO_CURRENT_A

    def over(self, talk: Conversation) -> bool:
        """The current is gone or had its time, or a rule of the supervision wants the stop now."""
        return self._rests(talk) or talk.urged != self._urged or self._late(talk)

    def _rests(self, talk: Conversation) -> bool:
        """No current, by a reading taken since nothing is asked for; and none that was asked for before may
        still come, as from a supply that has not heard of the end."""
        flows = abs(talk.inlet.current_a) >= NO_CURRENT_A
        self._flowed = self._flowed or flows
        supervisor = talk.supervisor
        if flows or not supervisor.inlet_at >= supervisor.nothing_since:
            return False
        return self._flowed or supervisor.may_flow_a(talk.now) <= NO_CURRENT_A

    def _late(self, talk: Conversation) -> bool:
        took_s, supervisor = talk.now - self._began, talk.supervisor
        if self._left_s > 0.0 and took_s >= self._left_s:
            return True
        if took_s < _LEAST_S:
            return False
        # Behind the stop that a rule wants comes its emergency.
        return (
            bool(talk.stop_rule) or talk.now >= supervisor.falls_until or took_s >= supervisor.falls_within_s
        )


async def current_gone(talk: Conversation) -> None:
    """Wait for the rest of a current that the station was told to end, outside the loop: without a word,
    since there is none for it. The time is far below the silence that a station allows."""
    talk.asked(0.0, 0.0)
    winding = WindDown(talk)
    while abs(talk.inlet.current_a) >= NO_CURRENT_A and not winding.over(talk):
        await Until(talk.now + _LOOK_S, lambda: abs(talk.inlet.current_a) < NO_CURRENT_A)
