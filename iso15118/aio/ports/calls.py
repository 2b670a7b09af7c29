"""Calls of hardware ports: begun in the moment they are asked for, watched by the clock, never waited for.

A port is written by somebody else: its coroutines may raise anything, hang, answer late or not care about
being cancelled, and what it returns need not be a coroutine. What the answers mean is the business of
``port_calls`` and ``hardware``.
"""

from __future__ import annotations

import asyncio
import inspect
import time
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from enum import Enum, auto
from functools import partial
from typing import Any, Final

from iso15118.aio.logs import Log
from iso15118.errors import HardwareError

from .guard import brief, come_back, describe, running

__all__ = ["Call", "Lane", "Make", "brief"]

_log = Log(__name__)

Make = Callable[[], Any]
"""Makes an awaitable: the call of a method, looked up and called within the guard of the lane."""

_INSIST: Final = 8
"""How often a call that leads to safety is made again when somebody cancels it."""


class Call:
    """One call of a port's method, and what became of it.

    ``ended`` is told once, when it returned, raised or was cancelled; ``late`` once, if it takes longer
    than ``limit_s``: then it is cancelled, and may still end, or never. ``insist``: if somebody else
    cancels it, it is made again. ``patient``: it is not cancelled by its lane, so that its end is seen
    even where it waits for a thread. ``setting``: the one that says ``limit_s``, for who looks for it.
    """

    __slots__ = (
        "again",
        "began",
        "dropped",
        "ended",
        "error",
        "late",
        "limit_s",
        "make",
        "name",
        "overdue",
        "patient",
        "result",
        "setting",
    )

    def __init__(
        self,
        name: str,
        make: Make,
        limit_s: float,
        ended: Callable[[Call], None],
        late: Callable[[Call], None],
        *,
        insist: bool = False,
        patient: bool = False,
        setting: str = "",
    ) -> None:
        self.name = name
        self.setting = setting
        self.patient = patient
        self.make = make
        self.limit_s = limit_s
        self.ended = ended
        self.late = late
        self.again = _INSIST if insist else 0
        """How often it is made again when it is cancelled from outside."""
        self.began = 0.0
        """When, on the loop's clock."""
        self.result: Any = None
        self.error: BaseException | None = None
        self.overdue = False
        """It took longer than allowed."""
        self.dropped = False
        """Its answer is not wanted any more."""

    @property
    def complaint(self) -> str:
        """What went wrong, human-readable; empty if nothing did."""
        if self.overdue:
            said_by = f", {self.setting}" if self.setting else ""
            return f"{self.name} did not answer within {self.limit_s:g} s{said_by}"
        if self.error is None:
            return ""
        if isinstance(self.error, asyncio.CancelledError):
            return f"{self.name} was cancelled"
        if isinstance(self.error, HardwareError):
            return brief(f"{self.name}: {brief(self.error)}")
        return brief(f"{self.name} raised {describe(self.error)}")


class _Step(Enum):
    """How the first step of a call came out."""

    WAITS = auto()
    RETURNED = auto()
    RAISED = auto()


class Lane:
    """Runs one call at a time. The first step of a call is taken within ``begin``; what is
    left of it goes on in a task.

    The task is made once and serves all calls of the lane, so that a port that answers at once costs no task
    and no turn of the loop. All steps of all calls run in one context, that of the task, so that
    ``asyncio.timeout`` and context variables work within a port as they do elsewhere.
    """

    __slots__ = (
        "_abandoned",
        "_before",
        "_cancels",
        "_closed",
        "_context",
        "_idle",
        "_in_worker",
        "_leaving",
        "_loop",
        "_rest",
        "_task",
        "_timer",
        "call",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context = copy_context()
        self.call: Call | None = None
        """What runs now."""
        self._task: asyncio.Task[None] | None = None
        self._rest: tuple[Any, Any] | None = None
        """A call after its first step: the coroutine and what it waits for."""
        self._idle: asyncio.Future[None] | None = None
        self._in_worker = False
        self._leaving = False
        """The task ends when the call that runs has ended."""
        self._closed = False
        self._abandoned = False
        self._cancels = 0
        """How often this lane has cancelled its task for the call that runs."""
        self._before = 0
        """How often its task had been cancelled when the call began."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, call: Call) -> None:
        """Make the call now. The lane must be free. One that is closed makes it all the same, and its task
        ends with the call."""
        self.call = call
        call.began = self._loop.time()
        task = self._task
        if task is None or task.done():
            self._leaving = self._closed
            name = f"port: {call.name}"
            task = self._task = self._loop.create_task(self._work(), name=name, context=self._context)
            task.add_done_callback(self._worker_gone)
        self._before = task.cancelling()
        self._first_step(call, task)

    def drop(self) -> None:
        """Cancel what runs; its answer is not wanted any more."""
        if self.call is not None and not self.call.dropped:
            self.call.dropped = True
            self._cancel()

    def close(self) -> None:
        """No more calls; what still runs is cancelled."""
        if self._timer is not None:
            self._timer.cancel()
        # A call that was dropped in the same turn of the loop has cancelled the task already, and two
        # cancellations come in as one.
        self._closed = self._leaving = True
        if self._task is not None:
            if self.call is not None:
                self.call.again = 0
                if self.call.patient:
                    return
            self._task.cancel()

    def abandon(self) -> None:
        """As ``close``; a call that does not care about being cancelled is not gone on with."""
        self._abandoned = True
        self.close()

    # -- inside -------------------------------------------------------------------------------------------

    def _first_step(self, call: Call, task: asyncio.Task[None]) -> None:
        """Run the port's coroutine up to where it first waits, as a part of the lane's task."""
        loop = self._loop
        outer = asyncio.current_task(loop)
        if outer is task:  # within the task the context is entered already
            outcome, value = _take_first_step(call)
        else:
            if outer is not None:
                asyncio.tasks._leave_task(loop, outer)
            asyncio.tasks._enter_task(loop, task)
            try:
                outcome, value = self._in_context(call)
            finally:
                asyncio.tasks._leave_task(loop, task)
                if outer is not None:
                    asyncio.tasks._enter_task(loop, outer)
        running.took(call.name, loop.time() - call.began)
        if outcome is _Step.WAITS:
            self._rest = value
            if self._timer is None:
                self._timer = loop.call_later(call.limit_s, self._late, call)
            if self._idle is not None and not self._idle.done():
                self._idle.set_result(None)
        elif outcome is _Step.RETURNED:
            self._end(call, value, None)
        else:
            self._end(call, None, value)

    def _in_context(self, call: Call) -> tuple[_Step, Any]:
        try:
            return self._context.run(_take_first_step, call)
        except RuntimeError:
            # The lane's own task is in the middle of a step, and another port called back from there: its
            # context cannot be entered twice.
            return _take_first_step(call)

    def _end(self, call: Call, result: Any, error: BaseException | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.call = None
        call.result, call.error = result, error
        try:
            call.ended(call)
        except BaseException as raised:
            _log.error(
                "%s ended, and dealing with that failed: %s", call.name, describe(raised), error=raised
            )
            come_back(raised)
        if error is not None:
            come_back(error)

    def _late(self, call: Call) -> None:
        self._timer = None
        call.overdue = True
        self._cancel()
        call.late(call)

    def _cancel(self) -> None:
        # Before the task has taken the call over it looks at the flags of the call by itself.
        if self.call is not None and self.call.patient:
            return
        if self._in_worker and self._task is not None:
            self._cancels += 1
            self._task.cancel()

    def _cancelled_by_others(self, task: asyncio.Task[None]) -> bool:
        """Since the call began; what the port made of that does not matter. Forgets it."""
        asked, self._cancels = task.cancelling() - self._cancels, 0
        while task.cancelling():
            task.uncancel()
        return asked > 0

    @property
    def _has_begun(self) -> bool:
        """A call waits for the task to go on with it."""
        return self._rest is not None

    async def _work(self) -> None:
        loop = self._loop
        task = asyncio.current_task(loop)
        cancelled = False
        while True:
            if self._rest is None:
                if self._leaving:
                    return
                self._idle = idle = loop.create_future()
                try:
                    await idle
                except asyncio.CancelledError:
                    # What comes after the first step of a call is that call's: a timeout of the port that had
                    # expired when it was entered cancels before this task gets its turn.
                    cancelled = self._has_begun and task is not None and task.cancelling() > self._before
                    self._leaving = idle.cancelled() or not cancelled or self._leaving
                finally:
                    self._idle = None
                continue
            (coroutine, waits_for), self._rest = self._rest, None
            call = self.call
            if call is None or task is None:  # cannot be: what is left belongs to a call
                return
            self._in_worker = True
            result, error = await _go_on(
                call.name,
                coroutine,
                waits_for,
                cancel=cancelled or ((call.dropped or call.overdue) and not call.patient),
                abandoned=lambda: self._abandoned,
            )
            cancelled = False
            self._in_worker = False
            # Somebody ends all tasks, as asyncio.run does, and waits for this one.
            self._leaving = self._cancelled_by_others(task) or self._leaving
            if isinstance(error, asyncio.CancelledError) and not (call.dropped or call.overdue):
                self._leaving = True
                if call.again > 0:  # that is no reason to leave the hardware as it is
                    call.again -= 1
                    self._first_step(call, task)
                    continue
            self._end(call, result, error)

    def _worker_gone(self, task: asyncio.Task[None]) -> None:
        if self._task is not task:
            return
        self._task = None
        call, rest = self.call, self._rest
        if call is not None and rest is not None:
            # Cancelled before its first turn: the call has begun, and nobody is left to go on with it.
            self._rest = None
            _close(rest[0])
            if call.again > 0 and not self._loop.is_closed():
                call.again -= 1
                self.begin(call)
            else:
                self._end(call, None, asyncio.CancelledError())


# -- a port's own code
# ------------------------------------------------------------------------------------------


def _take_first_step(call: Call) -> tuple[_Step, Any]:
    """Look the method up, call it, and run it up to where it first waits: the coroutine and what it waits
    for, its result, or what it raised. A ``StopIteration`` that comes out of the call itself, and not out of
    a coroutine, is an error like any other."""
    try:
        awaitable = call.make()
        if isinstance(awaitable, Coroutine):
            coroutine: Any = awaitable
        elif inspect.isawaitable(awaitable):
            coroutine = _awaiting(awaitable)
        else:
            kind = type(awaitable).__name__
            raise HardwareError(f"returned {kind}, which cannot be awaited: write `async def`")
    except BaseException as error:
        return _Step.RAISED, error
    try:
        return _Step.WAITS, (coroutine, coroutine.send(None))
    except StopIteration as stop:
        return _Step.RETURNED, stop.value
    except BaseException as error:
        return _Step.RAISED, error


async def _awaiting(awaitable: Any) -> Any:
    """A task, a future or any other awaitable as a coroutine; cancelling this cancels it."""
    return await awaitable


@types.coroutine
def _go_on(
    name: str, coroutine: Any, waits_for: Any, *, cancel: bool, abandoned: Callable[[], bool]
) -> Generator[Any, Any, tuple[Any, BaseException | None]]:
    """Drive a coroutine that has begun already to its end: what it returned, or what it raised. With
    ``abandoned`` it is thrown away when it is cancelled, instead of being told."""
    step: Callable[[], Any] | None = None
    if cancel and not _cancelled(waits_for):
        step = partial(coroutine.throw, asyncio.CancelledError())
    while True:
        if step is not None:
            began = time.perf_counter()
            try:
                waits_for = step()
            except StopIteration as stop:
                return stop.value, None
            except BaseException as error:
                return None, error
            finally:
                running.took(name, time.perf_counter() - began)
        try:
            answer = yield waits_for
        except GeneratorExit:  # the lane's task itself is thrown away
            _close(coroutine)
            raise
        except BaseException as error:
            if abandoned():
                _close(coroutine)
                return None, error
            step = partial(coroutine.throw, error)
        else:
            step = partial(coroutine.send, answer)


def _cancelled(waits_for: Any) -> bool:
    """What a coroutine waits for was cancelled, and will tell it so. A bare ``yield`` waits for nothing, and
    something that is no future of this loop cannot be cancelled."""
    return asyncio.isfuture(waits_for) and waits_for.cancel()


def _close(coroutine: Any) -> None:
    """Nobody goes on with this one; whether it likes that or not."""
    try:
        coroutine.close()
    except BaseException as error:
        come_back(error)
