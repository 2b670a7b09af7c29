"""A pair of main contactors with a switching time, a reluctance to open under current, and the ways in which
they fail.

They keep the plant's time, not the clock's; the circuit switches them when they are due.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

__all__ = ["OPENING_CURRENT_A", "ContactorFault", "Contactors"]

OPENING_CURRENT_A = 5.0
"""An orderly opening waits until less than this flows (docs/sources.md, "Hardware")."""

_LOOK_AGAIN_S = 0.02
# An orderly opening happens after this, whatever flows: contactors are rated for it, and it is counted.
_LONGEST_WAIT_S = 3.0


class ContactorFault(Enum):
    """How contactors can fail."""

    STUCK_OPEN = "they do not close"
    WELDED = "they do not open"
    SLOW = "they take ten times as long"


class Contactors:
    """One side's main contactors.

    ``closed`` is the level; ``due`` the plant time of the next switching, None when nothing moves. Each
    request gets one answer, the level, through ``answer``. Counters: ``closings``, ``openings``,
    ``opened_under_load`` (at 5 A or more).
    """

    def __init__(
        self,
        answer: Callable[[bool], None],
        *,
        switching_s: float = 0.05,
        fault: ContactorFault | None = None,
    ) -> None:
        self.switching_s = switching_s
        self.fault = fault
        self.closed = fault is ContactorFault.WELDED
        self.due: float | None = None
        self.closings = 0
        self.openings = 0
        self.opened_under_load = 0
        self._answer = answer
        self._wanted = self.closed
        self._wait_until: float | None = None

    def request_close(self, time: float) -> None:
        """Close; answered after the switching time, or at once if they are closed already."""
        if self._wanted and self.due is not None:
            return
        self._wanted = True
        self._wait_until = None
        if self.closed:
            self.due = None
            self._answer(True)
        else:
            self.due = time + self._delay()

    def request_open(self, time: float, *, at_once: bool) -> None:
        """Open: ``at_once`` whatever flows, else as soon as the current allows. A pending closing is taken
        back."""
        if (
            self.closed
            and not self._wanted
            and self.due is not None
            and not (at_once and self._wait_until is not None)
        ):
            return
        self._wanted = False
        self._wait_until = None
        if not self.closed:
            self.due = None
            self._answer(False)
            return
        if not at_once:
            self._wait_until = time + _LONGEST_WAIT_S
        self.due = time + self._delay()

    def _delay(self) -> float:
        return self.switching_s * (10.0 if self.fault is ContactorFault.SLOW else 1.0)

    def act(self, time: float, current_a: float) -> None:
        """What is due happens at ``time`` with ``current_a`` flowing."""
        under_load = abs(current_a) >= OPENING_CURRENT_A
        if not self._wanted and under_load and self._wait_until is not None and time < self._wait_until:
            self.due = time + _LOOK_AGAIN_S
            return
        self.due = None
        self._wait_until = None
        stuck = ContactorFault.STUCK_OPEN if self._wanted else ContactorFault.WELDED
        changed = self.closed is not self._wanted and self.fault is not stuck
        if changed:
            self.closed = self._wanted
            if self.closed:
                self.closings += 1
            else:
                self.openings += 1
                self.opened_under_load += under_load
        self._answer(self.closed)
