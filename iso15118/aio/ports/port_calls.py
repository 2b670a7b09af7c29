"""What is asked of each port, one class a port: which call gives way to which, and what an answer means.

The safe direction (current zero, contactors open, not ready) begins at once and cuts short what contradicts
it; the other direction waits for its turn, and only the newest wish counts.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any, Final

from iso15118.aio.logs import Log
from iso15118.errors import HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency

from .calls import Call, Lane, Make
from .guard import Port, brief, describe
from .safe_calls import SafeCalls

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["RANK", "Echo", "PowerCalls", "Question", "Report", "SignalCalls"]

_log = Log(__name__)

_POWER: Final = "PortLimits.power_s"
_PRE_CHARGE: Final = "PortLimits.pre_charge_s"
_SIGNAL: Final = "PortLimits.signal_s"
RANK: Final = {Urgency.ORDERLY: 0, Urgency.EMERGENCY: 1}


class Report:
    """Where the answers go: ``tell`` takes events, ``fault`` makes one of a port that failed; ``over`` hears
    of the end of every call that makes safe. ``ended_late``: a call that energises has ended after no more
    calls were wanted; True if that is dealt with."""

    def __init__(
        self,
        tell: Callable[[ev.Event], None],
        over: Callable[[], None],
        ended_late: Callable[[Call], bool],
    ) -> None:
        self.tell = tell
        self.over = over
        self.ended_late = ended_late
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


class Echo:
    """The safe call once more, when the time of a call that was cut short is over.

    Cancelling a coroutine does not stop a thread that it waits for: that one may still switch the hardware
    on, and nobody sees it end. By its limit it has ended, or is stuck.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, again: Callable[[], None]) -> None:
        self._loop = loop
        self._again = again
        self._timer: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> bool:
        """Something may still come of a call that was cut short."""
        return self._timer is not None

    @property
    def due_in(self) -> float:
        """How long that is possible, in s."""
        return 0.0 if self._timer is None else max(self._timer.when() - self._loop.time(), 0.0)

    def after(self, call: Call, most_s: float = math.inf) -> None:
        """This call is cut short now; ``most_s``: from now on, where its own limit is
        longer than anybody waits for."""
        due = min(call.began + call.limit_s, self._loop.time() + most_s)
        if self._timer is not None:
            if self._timer.when() >= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._due)

    def close(self) -> None:
        """Not any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        self._again()


class PowerCalls:
    """The station's supply, its AC outlet, or the on-board charger of a vehicle: one set-point at a time, the
    newest next, and a stop that waits for nothing. ``name``: of the port. ``zero``: no contactor of
    this side stands behind it, so that a stop that fails, or is asked for a second time, is followed by
    ``set_power`` with this, which is nothing."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        port: Port,
        report: Report,
        power_s: float,
        pre_charge_s: float,
        name: str = "power",
        *,
        zero: object = None,
    ) -> None:
        self._port = port
        self._name = name
        self._report = report
        self._power_s = power_s
        self._pre_charge_s = pre_charge_s
        self._lane = Lane(loop)
        self._wanted: act.HardwareAction | None = None
        self._pre_charging = False
        self._stopped: Urgency | None = Urgency.ORDERLY
        """The last word was to stop, with this urgency; None: it was a set-point."""
        self.stops = SafeCalls(loop, f"{name}.stop", power_s, self._stop_over, _POWER)
        self._zero = zero
        self._zeros = (
            SafeCalls(loop, f"{name}.set_power", power_s, self._zero_over, _POWER)
            if zero is not None
            else None
        )
        self._echo = Echo(loop, self._stop_again)
        self._closed = False

    @property
    def under_way(self) -> Call | None:
        """The call that energises and has not ended."""
        return self._lane.call

    @property
    def open_s(self) -> float | None:
        """How long a call that energises may still have an effect, in s; None if there is none."""
        if self._echo.pending:
            return self._echo.due_in
        return 0.0 if self._lane.call is not None else None

    def want(self, action: act.HardwareAction) -> None:
        """Hold these bounds (SetPower, SetAcPower, SetCharger), or pre-charge, as
        soon as the port is free."""
        self._stopped = None
        self._wanted = action
        if self._lane.call is None:
            if not self.stops.running:
                self._begin()
        elif self._pre_charging:
            self._lane.drop()  # it may wait for a voltage that nobody wants any more

    def stop(self, urgency: Urgency, *, anew: bool = False) -> None:
        """Current to zero, now; ``anew``: even if a stop is under way already."""
        again = self._stopped is not None
        self._wanted = None
        self._stopped = urgency
        self.stops.ask(self._port.call("stop", urgency), RANK[urgency], anew=anew)
        if again and self._zeros is not None:
            # The stop before this one was not enough, whatever it said.
            self._zeros.ask(self._port.call("set_power", self._zero))
        if self._lane.call is not None:
            self._echo.after(self._lane.call)
            self._lane.drop()

    def close(self) -> None:
        """No more calls."""
        self._closed = True
        self._echo.close()
        self._lane.close()
        self.stops.close()
        if self._zeros is not None:
            self._zeros.close()

    def _begin(self) -> None:
        action, self._wanted = self._wanted, None
        port = self._port
        if type(action) is act.SetPower:
            self._pre_charging = False
            make = port.call("set_power", action.voltage_v, action.current_a, action.power_w)
            call = Call("power.set_power", make, self._power_s, self._ended, self._late)
        elif type(action) is act.PreCharge:
            self._pre_charging = True
            make = port.call("pre_charge", action.voltage_v, action.current_a)
            call = Call(
                "power.pre_charge", make, self._pre_charge_s, self._ended, self._late, setting=_PRE_CHARGE
            )
        elif isinstance(action, (act.SetAcPower, act.SetCharger, act.SetPad, act.SetReceiver)):
            self._pre_charging = False
            by_wire = isinstance(action, (act.SetAcPower, act.SetCharger))
            make = port.call("set_power", action.bounds if by_wire else action.power_w)  # type: ignore[union-attr]
            call = Call(f"{self._name}.set_power", make, self._power_s, self._ended, self._late)
        else:
            return
        self._lane.begin(call)

    def _ended(self, call: Call) -> None:
        if self._closed and self._report.ended_late(call):
            return
        if self._stopped is not None:
            # It was contradicted while it ran, and may have done its work after the stop did.
            self._stop_again()
        elif call.complaint and not call.overdue and not call.dropped:
            self._report.fault(self._name, call.complaint)
        if self._wanted is not None and not self.stops.running:
            self._begin()

    def _late(self, call: Call) -> None:
        if call.dropped:
            return
        hint = "" if self._pre_charging else ", PortLimits.power_s: it takes the order and waits for no value"
        self._report.fault(self._name, call.complaint + hint)

    def _stop_again(self) -> None:
        urgency = self._stopped
        if urgency is not None:
            self.stops.ask(self._port.call("stop", urgency), RANK[urgency], anew=True)
        self._report.over()

    def _stop_over(self, complaint: str) -> None:
        if self.stops.failed and self._zeros is not None and self._stopped is not None:
            # The other way to the same, before any word.
            self._zeros.ask(self._port.call("set_power", self._zero))
        if complaint:
            self._report.fault(self._name, complaint)
        self._report.over()
        if self._wanted is not None and self._lane.call is None and not self.stops.running:
            self._begin()

    def _zero_over(self, complaint: str) -> None:
        if complaint:
            self._report.fault(self._name, complaint)


class SignalCalls:
    """The vehicle's side of the control pilot: taking readiness back goes first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: Port, report: Report, limit_s: float) -> None:
        self._port = port
        self._report = report
        self._limit_s = limit_s
        self._lane = Lane(loop)
        self._ready = False
        self._wanted = False
        self.withdrawals = SafeCalls(loop, "signal.set_ready", limit_s, self._over, _SIGNAL)
        self._echo = Echo(loop, self._withdraw_again)
        self._closed = False

    @property
    def under_way(self) -> Call | None:
        """The call that shows readiness and has not ended."""
        return self._lane.call

    @property
    def open_s(self) -> float | None:
        """How long showing readiness may still have an effect, in s; None if there is none."""
        if self._echo.pending:
            return self._echo.due_in
        return 0.0 if self._lane.call is not None else None

    def set_ready(self, ready: bool, *, anew: bool = False) -> None:
        """Show state C, or B; ``anew``: even if B is asked for already."""
        self._ready = ready
        if not ready:
            self._wanted = False
            self.withdrawals.ask(self._port.call("set_ready", False), anew=anew)
            if self._lane.call is not None:
                self._echo.after(self._lane.call)
                self._lane.drop()
            return
        self._wanted = True
        self._begin_if_free()

    def close(self) -> None:
        """No more calls."""
        self._closed = True
        self._echo.close()
        self._lane.close()
        self.withdrawals.close()

    def _begin_if_free(self) -> None:
        if self._wanted and self._lane.call is None and not self.withdrawals.running:
            self._wanted = False
            make = self._port.call("set_ready", True)
            self._lane.begin(
                Call("signal.set_ready", make, self._limit_s, self._ended, self._late, setting=_SIGNAL)
            )

    def _ended(self, call: Call) -> None:
        if self._closed and self._report.ended_late(call):
            return
        if not self._ready:
            self._withdraw_again()
        elif call.complaint and not call.overdue and not call.dropped:
            self._report.fault("signal", call.complaint)
        self._begin_if_free()

    def _withdraw_again(self) -> None:
        if not self._ready:
            self.withdrawals.ask(self._port.call("set_ready", False), anew=True)
        self._report.over()

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

    ``answered`` gets what the port returned, ``failed`` what went wrong instead;
    neither is told after ``drop``. ``ended`` hears of the end of a call that was
    dropped, or late.

    Calls that do not end though they were cancelled are counted for each method of a port, whoever made them:
    there are a few at most, and until one of them ends the port is not asked, which ``failed`` is told.
    ``reads``: the call changes nothing. Of these the third that is late in a row is not cancelled, since a
    thread behind it would go on unseen, and the port is not asked until it has ended.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        port: Port,
        method: str,
        answered: Callable[[Any], None],
        failed: Callable[[str], None],
        ended: Callable[[Call], None] | None = None,
        *,
        reads: bool = False,
    ) -> None:
        self._port, self._reads = port, reads
        self._name = f"{port.name}.{method}"
        self._key = (port.identity, method)
        self._answered = answered
        self._failed = failed
        self._call_ended = ended
        self._loop = loop
        self._lane = Lane(loop)
        self._own: list[Call] = []
        """Calls that have not ended, wanted or not."""

    @property
    def call(self) -> Call | None:
        """What was asked last and is under way, wanted or not."""
        return self._lane.call

    @property
    def under_way(self) -> tuple[Call, ...]:
        """Every call that has not ended, wanted or not."""
        return tuple(self._own)

    @property
    def given_up(self) -> bool:
        """A call that nobody wants any more has not ended."""
        return any(call.dropped or call.overdue for call in self._own)

    @property
    def asked(self) -> bool:
        """An answer is awaited."""
        call = self._lane.call
        return call is not None and not (call.dropped or call.overdue)

    def ask(self, make: Make, limit_s: float) -> None:
        """Ask now, unless an answer is awaited already."""
        if self.asked:
            return
        known = _asked.setdefault(self._loop, {}).setdefault(self._key, _Asked(self._port))
        given_up = [call for call in known.under_way if call.dropped or call.overdue]
        if len(given_up) >= _MOST_UNENDED or any(call.patient for call in given_up):
            self._failed(f"{self._name} is not called: earlier calls of it have not ended")
            if not known.said:
                known.said = True
                _log.warning("%s is not called again until an earlier call of it has ended", self._name)
            return
        if self._lane.call is not None:  # the last one was given up and does not end: let it be
            self._lane.close()
            self._lane = Lane(self._loop)
        patient = self._reads and known.late_in_a_row >= _MOST_UNENDED - 1
        call = Call(self._name, make, limit_s, self._ended, self._late, patient=patient)
        self._own.append(call)
        known.under_way.append(call)
        self._lane.begin(call)

    def drop(self) -> None:
        """Nobody wants to know any more."""
        self._lane.drop()

    def close(self) -> None:
        """No more questions."""
        self._lane.close()

    def _ended(self, call: Call) -> None:
        self._own.remove(call)
        known = _asked[self._loop][self._key]
        known.under_way.remove(call)
        known.said = False
        if call.patient or not (call.dropped or call.overdue):
            known.late_in_a_row = 0
        if not known.under_way and not known.late_in_a_row:
            del _asked[self._loop][self._key]
        if call.dropped or call.overdue:
            if self._call_ended is not None:
                self._call_ended(call)
            return
        if call.error is not None:
            self._failed(call.complaint)
            return
        try:
            self._answered(call.result)
        except HardwareError as error:
            self._failed(brief(error))
        except Exception as error:  # an answer that nobody foresaw is no answer
            self._failed(f"{self._name} returned what cannot be used: {describe(error)}")

    def _late(self, call: Call) -> None:
        _asked[self._loop][self._key].late_in_a_row += 1
        if not call.dropped:
            self._failed(call.complaint)


class _Asked:
    """What was asked of one method of a port, whoever asked it."""

    def __init__(self, port: Port) -> None:
        self.port = port
        """As long as something is known of it, no other one has its identity."""
        self.under_way: list[Call] = []
        self.late_in_a_row = 0
        self.said = False
        """That it is not asked for now."""


_MOST_UNENDED: Final = 3
"""Calls of one method that do not end. Each may hold a thread of an executor that other ports need, too;
Python's own has five of them on a machine with one core."""
_asked: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[int, str], _Asked]]] = (
    weakref.WeakKeyDictionary()
)
"""By loop, port and method."""
