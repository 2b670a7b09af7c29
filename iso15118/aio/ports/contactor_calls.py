"""What is asked of one side's contactors: opening goes first, and what counts in the end
is the level that they show.

Feedback may be late after an opening, and may bounce; both are told apart from contactors that
do not do what they were told.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from iso15118.errors import HardwareError
from iso15118.session import events as ev
from iso15118.session.actions import Urgency

from . import readings
from .answers import meant_yes
from .calls import Call, Lane
from .port_calls import RANK, Echo, Report
from .safe_calls import SafeCalls

if TYPE_CHECKING:
    import asyncio

    from .guard import Port

__all__ = ["ContactorCalls"]


_SETTING: Final = "PortLimits.contactors_s"


class ContactorCalls:
    """One side's contactors: closing is dropped when opening is asked for, and what counts in the end is the
    level."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        port: Port,
        report: Report,
        limit_s: float,
        feedback_s: float = 0.0,
        bounce_s: float = 0.0,
    ) -> None:
        self._loop = loop
        self._port = port
        self._report = report
        self._limit_s, self._feedback_s, self._bounce_s = limit_s, feedback_s, bounce_s
        self._differs_from = math.inf
        """Since when the level is another one than last reported."""
        self._late_feedback: asyncio.TimerHandle | None = None
        """They were opened, and still report themselves closed: until then that may be their feedback."""
        self._lane = Lane(loop)
        self._close_wanted = False
        self._open_wanted = True
        """The last word was to open."""
        self._told_at = self._closed_at = loop.time()
        """When they were told to open, by the first word of several, and when they were first seen closed."""
        self._stuck = False
        """They were still closed after an opening, and that has been told."""
        self.level = False
        """Closed, as last reported."""
        self.opens = SafeCalls(loop, "contactors.open", limit_s, self._open_over, _SETTING)
        self._echo = Echo(loop, self._open_again)
        self._closed = False
        """No more calls are wanted."""
        self.unreadable = ""
        """Why the level could not be read the last time that it could not."""

    @property
    def stuck(self) -> bool:
        """Opened by the last call, and closed all the same when their feedback had had its time."""
        return self._stuck

    @property
    def told_to_open_s(self) -> float:
        """For how long they have been told to open while they were closed as last seen, in s."""
        if not (self._open_wanted and self.level):
            return 0.0
        return self._loop.time() - max(self._told_at, self._closed_at)

    @property
    def under_way(self) -> Call | None:
        """The closing that has not ended."""
        return self._lane.call

    @property
    def open_s(self) -> float | None:
        """How long a closing may still have an effect, in s; None if there is none."""
        if self._echo.pending:
            return self._echo.due_in
        return 0.0 if self._lane.call is not None else None

    def close(self) -> None:
        """Close them, when an opening that is under way is over."""
        self._feedback_over()
        self._open_wanted = False
        self._close_wanted = True
        if self._lane.call is None and not self.opens.running:
            self._begin()

    def open(self, urgency: Urgency, reason: str, *, anew: bool = False) -> None:
        """Open them, now; ``anew``: even if that is under way already."""
        if not self._open_wanted:
            self._told_at = self._loop.time()
        self._open_wanted, self._close_wanted = True, False
        self.opens.ask(self._port.call("open", urgency, reason), RANK[urgency], anew=anew)
        if self._lane.call is not None:
            self._echo.after(self._lane.call)
            self._lane.drop()

    def read(self) -> bool | None:
        """The level now; None if it cannot be told, which is a fault."""
        try:
            return self._port.read("closed", readings.level)
        except HardwareError as error:
            self.unreadable = str(error)
            for fault in self._report.unreadable("contactors", str(error)):
                self._report.tell(fault)
            return None

    def changed(self, *, begins: bool = False) -> ev.ContactorsChanged | None:
        """News if the level is another one than last reported. What nobody asked for has to last for longer
        than contacts bounce, unless a session ``begins`` with it."""
        closed = self.read()
        if closed is None or closed is self.level:
            self._differs_from = math.inf
            return None
        now = self._loop.time()
        self._differs_from = min(self._differs_from, now)
        unasked = closed is self._open_wanted
        if unasked and not begins and now - self._differs_from < self._bounce_s:
            return None
        self._know(closed)
        return ev.ContactorsChanged(closed)

    def shut_down(self) -> None:
        """No more calls."""
        self._closed = True
        self._feedback_over()
        self._echo.close()
        self._lane.close()
        self.opens.close()

    def _begin(self) -> None:
        self._close_wanted = False
        make = self._port.call("close")
        self._lane.begin(
            Call("contactors.close", make, self._limit_s, self._ended, self._late, setting=_SETTING)
        )

    def _ended(self, call: Call) -> None:
        if self._closed and self._report.ended_late(call):
            return
        closed = self.read()
        if self._open_wanted:
            # Contradicted while it ran: it may have closed them after they were opened,
            # and the feedback may be slower.
            self._open_again()
            return
        if self._close_wanted:
            if not self.opens.running:
                self._begin()
            return
        if call.overdue or call.dropped:
            return  # that has been told, or nobody wants to know
        if call.complaint:
            self._report.fault("contactors", call.complaint)
        elif call.result is None:
            meant_yes("contactors.close", "True when they are closed")
        elif type(call.result) is not bool:
            self._report.fault("contactors", f"contactors.close returned {readings.no_flag(call.result)}")
        if closed is not None and not call.complaint:
            self._tell(closed)

    def _late(self, call: Call) -> None:
        if not call.dropped:
            self._report.fault("contactors", call.complaint)

    def _open_again(self) -> None:
        if self._open_wanted:
            urgency = Urgency.EMERGENCY
            self.opens.ask(self._port.call("open", urgency, "closed too late"), RANK[urgency], anew=True)
        self._report.over()

    def _open_over(self, complaint: str) -> None:
        if complaint:
            self._report.fault("contactors", complaint)
        closed = self.read()
        if closed is not None and self._open_wanted:
            # Once is enough: the session asks again for what is still closed, and would hear of it for ever.
            if not closed:
                self._tell(False)
            elif not self._stuck and not self.opens.failed and self._late_feedback is None:
                if self._feedback_s > 0.0:
                    self._late_feedback = self._loop.call_later(self._feedback_s, self._still_closed)
                else:
                    self._still_closed()
        self._report.over()
        if self._close_wanted and self._lane.call is None and not self.opens.running:
            self._begin()

    def _still_closed(self) -> None:
        """They were told to open, did so, and had the time that their feedback may take."""
        self._late_feedback = None
        if self._open_wanted and self.read() is True:
            self._stuck = True
            self._tell(True)

    def _feedback_over(self) -> None:
        if self._late_feedback is not None:
            self._late_feedback.cancel()
            self._late_feedback = None

    def _know(self, closed: bool) -> None:
        if closed and not self.level:
            self._closed_at = self._loop.time()
        self.level, self._stuck, self._differs_from = closed, self._stuck and closed, math.inf
        if not closed:
            self._feedback_over()

    def _tell(self, closed: bool) -> None:
        self._know(closed)
        self._report.tell(ev.ContactorsChanged(closed))
