"""A loop that did not turn: which of the ends of a session it explains, so that nobody looks for the cause
at the peer or at a sensor."""

from __future__ import annotations

import time
from typing import Final

from msgspec.structs import replace

from iso15118.aio.ports.guard import running
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.session.supervision import Rule

__all__ = ["Blocked"]

_WORTH_NAMING_S: Final = 0.3
"""The shortest time that a peer waits for is 0.25 s, and readings are stale after about as long."""
_BEFORE_S: Final = 1.0
"""So long before the end it may have been."""
_ENDS: Final = frozenset(
    (EndReason.TIMEOUT, EndReason.ONGOING_TOO_LONG, EndReason.PEER_VANISHED, EndReason.HARDWARE_FAULT)
)
_RULES: Final = frozenset((Rule.STALE_READINGS.value, Rule.FROZEN_READINGS.value, ""))


class Blocked:
    """What one session sees of it: timers that fire late."""

    def __init__(self) -> None:
        self._until = 0.0
        self._seconds = 0.0
        self._call = ""

    def late(self, seconds: float, now: float) -> None:
        """A timer of this session fired so much too late, at ``now`` on the loop's clock."""
        if seconds < _WORTH_NAMING_S or (self._until > now - _BEFORE_S and seconds < self._seconds):
            return
        self._until, self._seconds = now, seconds
        self._call, _ = running.longest(time.perf_counter() - seconds - _WORTH_NAMING_S)

    def explains(self, ended: SessionEnded, at: float) -> SessionEnded:
        """The end, with this as its cause where it is the nearer one."""
        if not self._seconds or at - self._until > _BEFORE_S:
            return ended
        if ended.reason not in _ENDS or ended.rule not in _RULES or ended.cause not in _EXPLAINED:
            return ended
        where = f", longest in {self._call}" if self._call else ""
        text = f"the event loop of this program did not turn for {self._seconds:.2f} s{where}"
        return replace(ended, detail=f"{text}; {ended.detail}".rstrip("; "), cause="loop-blocked")


_EXPLAINED: Final = frozenset(
    {
        "",
        "sequence-timeout",
        "loop-sequence-timeout",
        "message-timeout",
        "stale-readings",
        "frozen-readings",
        "connection-closed",
        "connection-reset",
    }
)
