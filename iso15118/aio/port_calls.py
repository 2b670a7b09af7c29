"""What is asked of each port, one class a port: which call gives way to which, and what an answer means.

The safe direction (current zero, contactors open, not ready) begins at once and cancels what contradicts it; the
other direction waits for its turn, and only the newest wish counts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from iso15118.errors import HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency

from .calls import Call, Lane, Make, SafeCalls, brief, expect

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from iso15118.session import ports

__all__ = ["ContactorCalls", "PowerCalls", "Question", "Report", "SignalCalls"]

_RANK = {Urgency.ORDERLY: 0, Urgency.EMERGENCY: 1}


class Report:
    """Where the answers go: ``tell`` takes events, ``fault`` makes one of a port that failed; ``over`` hears of the
    end of every call that makes safe."""

    def __init__(self, tell: Callable[[ev.Event], None], over: Callable[[], None]) -> None:
        self.tell = tell
        self.over = over
        self.faults: list[ev.HardwareFault] = []
        """Everything that failed, in order."""
        self._unreadable: set[str] = set()

    def fault(self, port: str, reason: str) -> None:
        """A call of ``port`` failed."""
        fault = ev.HardwareFault(port, reason)
        self.faults.append(fault)
        self.tell(fault)

    def unreadable(self, port: str, reason: str) -> tuple[ev.HardwareFault, ...]:
        """A property of ``port`` failed: the fault, the first time."""
        if port in self._unreadable:
            return ()
        self._unreadable.add(port)
        fault = ev.HardwareFault(port, reason)
        self.faults.append(fault)
        return (fault,)


class PowerCalls:
    """The station's supply: one set-point at a time, the newest next, and a stop that waits for nothing."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        port: ports.DcPowerPort,
        report: Report,
        power_s: float,
        pre_charge_s: float,
    ) -> None:
        self._port = port
        self._report = report
        self._power_s = power_s
        self._pre_charge_s = pre_charge_s
        self._lane = Lane(loop)
        self._wanted: act.SetPower | act.PreCharge | None = None
        self._pre_charging = False
        self._stopped: Urgency | None = Urgency.ORDERLY
        """The last word was to stop, with this urgency; None: it was a set-point."""
        self.stops = SafeCalls(loop, "power.stop", power_s, self._stop_over)

    def want(self, action: act.SetPower | act.PreCharge) -> None:
        """Hold these bounds, or pre-charge, as soon as the port is free."""
        self._stopped = None
        self._wanted = action
        if self._lane.call is None:
            if not self.stops.running:
                self._begin()
        elif self._pre_charging:
            self._lane.drop()  # it may wait for a voltage that nobody wants any more

    def stop(self, urgency: Urgency) -> None:
        """Current to zero, now."""
        self._wanted = None
        self._stopped = urgency
        self.stops.ask(partial(self._port.stop, urgency), _RANK[urgency])
        self._lane.drop()

    def close(self) -> None:
        """No more calls."""
        self._lane.close()
        self.stops.close()

    def _begin(self) -> None:
        action, self._wanted = self._wanted, None
        port = self._port
        if type(action) is act.SetPower:
            self._pre_charging = False
            make = partial(port.set_power, action.voltage_v, action.current_a, action.power_w)
            call = Call("power.set_power", make, self._power_s, self._ended, self._late)
        elif type(action) is act.PreCharge:
            self._pre_charging = True
            make = partial(port.pre_charge, action.voltage_v, action.current_a)
            call = Call("power.pre_charge", make, self._pre_charge_s, self._ended, self._late)
        else:
            return
        self._lane.begin(call)

    def _ended(self, call: Call) -> None:
        if self._stopped is not None:
            # It was contradicted while it ran, and may have done its work after the stop did.
            self.stops.ask(partial(self._port.stop, self._stopped), _RANK[self._stopped], anew=True)
        elif call.complaint and not call.overdue and not call.dropped:
            self._report.fault("power", call.complaint)
        if self._wanted is not None and not self.stops.running:
            self._begin()

    def _late(self, call: Call) -> None:
        if not call.dropped:
            self._report.fault("power", call.complaint)

    def _stop_over(self, complaint: str) -> None:
        if complaint:
            self._report.fault("power", complaint)
        self._report.over()
        if self._wanted is not None and self._lane.call is None and not self.stops.running:
            self._begin()


class ContactorCalls:
    """One side's contactors: closing is dropped when opening is asked for, and what counts in the end is the
    level."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        port: ports.ContactorPort,
        report: Report,
        limit_s: float,
    ) -> None:
        self._port = port
        self._report = report
        self._limit_s = limit_s
        self._lane = Lane(loop)
        self._close_wanted = False
        self._open_wanted = True
        """The last word was to open."""
        self._stuck = False
        """They were still closed after an opening, and that has been told."""
        self.level = False
        """Closed, as last reported."""
        self.opens = SafeCalls(loop, "contactors.open", limit_s, self._open_over)

    def close(self) -> None:
        """Close them, when an opening that is under way is over."""
        self._open_wanted = False
        self._close_wanted = True
        if self._lane.call is None and not self.opens.running:
            self._begin()

    def open(self, urgency: Urgency, reason: str) -> None:
        """Open them, now."""
        self._open_wanted, self._close_wanted = True, False
        self.opens.ask(partial(self._port.open, urgency, reason), _RANK[urgency])
        self._lane.drop()

    def read(self) -> bool | None:
        """The level now; None if it cannot be told, which is a fault."""
        try:
            closed = self._port.closed
            expect(bool, closed, "contactors.closed")
        except Exception as error:
            for fault in self._report.unreadable("contactors", brief(f"contactors.closed: {error!r}")):
                self._report.tell(fault)
            return None
        return closed

    def changed(self) -> ev.ContactorsChanged | None:
        """News if the level is another one than last reported."""
        closed = self.read()
        if closed is None or closed is self.level:
            return None
        self.level, self._stuck = closed, False
        return ev.ContactorsChanged(closed)

    def shut_down(self) -> None:
        """No more calls."""
        self._lane.close()
        self.opens.close()

    def _begin(self) -> None:
        self._close_wanted = False
        self._lane.begin(Call("contactors.close", self._port.close, self._limit_s, self._ended, self._late))

    def _ended(self, call: Call) -> None:
        closed = self.read()
        if self._open_wanted:
            # Contradicted while it ran: it may have closed them after they were opened.
            if closed is not False:
                self._open_again()
            return
        if self._close_wanted:
            if not self.opens.running:
                self._begin()
            return
        if call.complaint and not call.overdue and not call.dropped:
            self._report.fault("contactors", call.complaint)
        elif closed is not None and not call.overdue:
            self._tell(closed)

    def _late(self, call: Call) -> None:
        if not call.dropped:
            self._report.fault("contactors", call.complaint)

    def _open_again(self) -> None:
        urgency = Urgency.EMERGENCY
        self.opens.ask(partial(self._port.open, urgency, "closed too late"), _RANK[urgency], anew=True)

    def _open_over(self, complaint: str) -> None:
        if complaint:
            self._report.fault("contactors", complaint)
        closed = self.read()
        if closed is not None and self._open_wanted:
            # Once is enough: the session asks again for what is still closed, and would hear of it for ever.
            if not closed:
                self._tell(False)
            elif not self._stuck and not self.opens.failed:
                self._stuck = True
                self._tell(True)
        self._report.over()
        if self._close_wanted and self._lane.call is None and not self.opens.running:
            self._begin()

    def _tell(self, closed: bool) -> None:
        self.level, self._stuck = closed, self._stuck and closed
        self._report.tell(ev.ContactorsChanged(closed))


class SignalCalls:
    """The vehicle's side of the control pilot: taking readiness back goes first."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, port: ports.SignalPort, report: Report, limit_s: float
    ) -> None:
        self._port = port
        self._report = report
        self._limit_s = limit_s
        self._lane = Lane(loop)
        self._ready = False
        self._wanted = False
        self.withdrawals = SafeCalls(loop, "signal.set_ready", limit_s, self._over)

    def set_ready(self, ready: bool) -> None:
        """Show state C, or B."""
        self._ready = ready
        if not ready:
            self._wanted = False
            self.withdrawals.ask(partial(self._port.set_ready, False))
            self._lane.drop()
            return
        self._wanted = True
        self._begin_if_free()

    def close(self) -> None:
        """No more calls."""
        self._lane.close()
        self.withdrawals.close()

    def _begin_if_free(self) -> None:
        if self._wanted and self._lane.call is None and not self.withdrawals.running:
            self._wanted = False
            make = partial(self._port.set_ready, True)
            self._lane.begin(Call("signal.set_ready", make, self._limit_s, self._ended, self._late))

    def _ended(self, call: Call) -> None:
        if not self._ready:
            self.withdrawals.ask(partial(self._port.set_ready, False), anew=True)
        elif call.complaint and not call.overdue and not call.dropped:
            self._report.fault("signal", call.complaint)
        self._begin_if_free()

    def _late(self, call: Call) -> None:
        if not call.dropped:
            self._report.fault("signal", call.complaint)

    def _over(self, complaint: str) -> None:
        if complaint:
            self._report.fault("signal", complaint)
        self._report.over()
        self._begin_if_free()


class Question:
    """A port that is asked something and answers once: cable check, authorization, meter.

    ``answered`` gets what the port returned, ``failed`` what went wrong instead; neither is told after ``drop``.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        answered: Callable[[Any], None],
        failed: Callable[[str], None],
    ) -> None:
        self._name = name
        self._answered = answered
        self._failed = failed
        self._loop = loop
        self._lane = Lane(loop)

    @property
    def asked(self) -> bool:
        """An answer is awaited."""
        call = self._lane.call
        return call is not None and not (call.dropped or call.overdue)

    def ask(self, make: Make, limit_s: float) -> None:
        """Ask now, unless an answer is awaited already."""
        if self.asked:
            return
        if self._lane.call is not None:  # the last one was given up and does not end: let it be
            self._lane.close()
            self._lane = Lane(self._loop)
        self._lane.begin(Call(self._name, make, limit_s, self._ended, self._late))

    def drop(self) -> None:
        """Nobody wants to know any more."""
        self._lane.drop()

    def close(self) -> None:
        """No more questions."""
        self._lane.close()

    def _ended(self, call: Call) -> None:
        if call.dropped or call.overdue:
            return
        if call.error is not None:
            self._failed(call.complaint)
            return
        try:
            self._answered(call.result)
        except HardwareError as error:
            self._failed(brief(error))

    def _late(self, call: Call) -> None:
        if not call.dropped:
            self._failed(call.complaint)
