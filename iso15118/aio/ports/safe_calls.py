"""The calls of a port that lead to safety: begun at once, repeated when somebody cancels them, and bounded in
number whatever the port does with them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from .answers import not_done
from .calls import Call, Lane, Make

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["SafeCalls"]

_PAUSE_S: Final = 0.05
"""A safe call that fails at once is asked for again by whoever hears of it. So that a turn of the loop ends
whatever ports do, ``_BURST`` calls of a port's method are begun within this time, and the rest is put off."""
_BURST: Final = 8
_MOST_UNENDED: Final = 8
"""So many safe calls of a port's method that do not end, though they were cancelled, are kept. A port that
never ends them must not fill the memory of a station that stands for days."""


class SafeCalls:
    """The calls of a port that lead to safety: each begins at once, whatever else the port is doing, and is
    made again if somebody cancels it.

    A second one joins the first while that is under way, unless it is more urgent. ``over`` is told
    when one has ended or is late, with what went wrong: once, until one works again, because
    whoever hears of it will ask again. One that is asked for very often in a short time is put off for a
    moment, unless it is more urgent than all of these. ``setting``: the one that says ``limit_s`` (s).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        limit_s: float,
        over: Callable[[str], None],
        setting: str = "",
    ) -> None:
        self._loop = loop
        self._name = name
        self._limit_s, self._setting = limit_s, setting
        self._over = over
        self._lanes: list[Lane] = []
        self._ranks: dict[Call, int] = {}
        self._begun: deque[tuple[float, int]] = deque()
        """When calls were begun within the last moment, and how urgent they were."""
        self._put_off: tuple[Make, int] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.failed = False
        """The last one to end did not do its work."""

    @property
    def running(self) -> bool:
        """One is under way and not late, or about to be made."""
        return bool(self._ranks) or self._put_off is not None

    def ask(self, make: Make, rank: int = 0, *, anew: bool = False) -> None:
        """Make the call now; ``rank``: how urgent. ``anew``: even if one is under way, because something has
        been done since it began."""
        if not anew and any(under_way >= rank for under_way in self._ranks.values()):
            return
        now = self._loop.time()
        while self._begun and self._begun[0][0] <= now - _PAUSE_S:
            self._begun.popleft()
        crowded = len(self._begun) >= _BURST and rank <= max(urgency for _, urgency in self._begun)
        lane = None if crowded else self._free_lane(rank)
        if lane is None:
            self._ask_later(make, rank)
            return
        self._begun.append((now, rank))
        call = Call(
            self._name, make, self._limit_s, self._ended, self._late, insist=True, setting=self._setting
        )
        self._ranks[call] = rank
        lane.begin(call)

    def close(self) -> None:
        """No more calls. One that is asked for all the same is made, and leaves nothing behind."""
        self._closed = True
        self._put_off = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for lane in self._lanes:
            lane.close()

    def _free_lane(self, rank: int) -> Lane | None:
        """One for a call of this urgency; None if there are too many that are not late yet."""
        lane = next((lane for lane in self._lanes if lane.call is None), None)
        if lane is not None:
            return lane
        if len(self._lanes) >= _MOST_UNENDED:
            given_up = next((lane for lane in self._lanes if lane.call not in self._ranks), None)
            if given_up is not None:
                self._lanes.remove(given_up)
                given_up.abandon()
            elif rank <= max(self._ranks.values()):
                return None
        lane = Lane(self._loop)
        if self._closed:
            lane.close()
        self._lanes.append(lane)
        return lane

    def _ask_later(self, make: Make, rank: int) -> None:
        if self._put_off is None or self._put_off[1] <= rank:
            self._put_off = make, rank
        if self._timer is None:
            self._timer = self._loop.call_later(_PAUSE_S, self._ask_now)

    def _ask_now(self) -> None:
        self._timer = None
        put_off, self._put_off = self._put_off, None
        if put_off is not None:
            self.ask(*put_off, anew=True)

    def _ended(self, call: Call) -> None:
        if self._ranks.pop(call, None) is None:
            return  # it was late, and that has been told
        self._tell(call)

    def _late(self, call: Call) -> None:
        self._ranks.pop(call, None)
        self._tell(call)

    def _tell(self, call: Call) -> None:
        complaint = call.complaint or not_done(self._name, call.result)
        known, self.failed = self.failed, bool(complaint)
        self._over("" if known else complaint)
