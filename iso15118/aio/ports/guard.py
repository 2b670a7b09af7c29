"""The only way to what is not ours: the ports of a station or a vehicle, the callbacks of an application,
and the texts of their errors.

Nothing here raises what they raise. ``tests/aio/test_guard_source.py`` holds that the drivers reach ports
and callbacks in no other way.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future as ConcurrentFuture
from functools import partial
from typing import Any, Final, TypeVar

from iso15118.aio.logs import Log
from iso15118.errors import ConfigError, HardwareError

__all__ = [
    "Callback",
    "Port",
    "Running",
    "brief",
    "class_name",
    "come_back",
    "describe",
    "each",
    "insist",
    "is_coroutine_function",
    "next_tick",
    "running",
    "shown",
]

_log = Log(__name__)

_LONGEST_TEXT: Final = 200
_DEEPEST: Final = 16
"""So far groups of exceptions are looked into."""
_ONE_WISH_S: Final = 10.0
"""A program that is about to end needs the loop to make its hardware safe: within this time, further
wishes to end are the same one."""

_WORTH_NAMING_S: Final = 0.01
"""A call that takes longer is remembered for who asks why the loop was late."""
_REMEMBERED: Final = 64
"""So many of them; who asks does so at each beat."""

_clock = time.perf_counter

Value = TypeVar("Value")


# -- texts of others ----------------------------------------------------------------------------------------


def brief(text: object) -> str:
    """Somebody else's text for a log or a report: on one line, printable, not long. An object without a text
    gives the name of its type."""
    try:
        words = str.__getitem__(str(text), slice(2 * _LONGEST_TEXT))
    except BaseException as error:
        come_back(error)
        return f"{class_name(text)}, which has no text"
    words = "".join(letter if letter.isprintable() else " " for letter in words)
    return words if len(words) <= _LONGEST_TEXT else words[: _LONGEST_TEXT - 3] + "..."


def shown(value: object) -> str:
    """Somebody else's value as Python writes it, in the form of ``brief``."""
    try:
        text = repr(value)
    except BaseException as error:
        come_back(error)
        return f"{class_name(value)}, which has no text"
    return brief(text)


def describe(error: BaseException) -> str:
    """Somebody else's exception in words, with its type; of a group, the first one in it that is none."""
    for _ in range(_DEEPEST):
        if not isinstance(error, BaseExceptionGroup):
            break
        error = BaseExceptionGroup.exceptions.__get__(error)[0]  # whatever its class says of itself
    text = brief(error)
    kind = class_name(error)
    return brief(f"{kind}: {text}") if text and not text.startswith(kind) else text or kind


def class_name(value: object) -> str:
    """The name of its class, whatever the class says of itself."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return name


# -- taking steps -------------------------------------------------------------------------------------------


def come_back(error: BaseException) -> None:
    """A wish to end the program was caught where others still had to be asked: it comes out of the
    loop in its next turn, once.

    Any other exception is no such wish and stays where it was caught; so does one in a thread beside the
    loop, where it ends nothing.
    """
    if not isinstance(error, KeyboardInterrupt | SystemExit):
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        if threading.current_thread() is threading.main_thread():
            raise error from None  # no loop: then nobody is being asked either
        return
    now = time.monotonic()
    if now >= _wished.get(loop, now):
        _wished[loop] = now + _ONE_WISH_S
        loop.call_soon(_raise, error)


_wished: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, float]] = weakref.WeakKeyDictionary()
"""Until when a loop ends by the wish that came out of it."""


def _raise(error: BaseException) -> None:
    raise error


async def insist(step: Callable[[], Awaitable[Value]], limit_s: float) -> tuple[Value | None, bool]:
    """Take a step that waits to its end, however often this task is cancelled, for ``limit_s`` at most; with
    0 the first cancellation ends it. Gives its result (None if it did not come to its end) and whether
    somebody wanted to cancel it. The step may be begun again after a cancellation, so it must be one that can
    be. Raises what the step raises."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    until = loop.time() + limit_s
    cancelled = False
    while True:
        try:
            return await step(), cancelled
        except asyncio.CancelledError:
            cancelled = True
            if task is not None:
                task.uncancel()
            if loop.time() >= until:
                return None, cancelled


def each(*steps: Callable[[], object]) -> list[BaseException]:
    """Take every step, in this order, whatever the others raise. Gives what was raised; the caller says it
    when all have been taken."""
    failed: list[BaseException] = []
    for step in steps:
        try:
            step()
        except BaseException as error:
            failed.append(error)
    for raised in failed:
        come_back(raised)
    return failed


def next_tick(now: float, every_s: float) -> float:
    """The next of the moments at which something is done every so often, on the loop's clock: the same for
    all, so that those of one process wake it together."""
    return (now // every_s + 1.0) * every_s


# -- callbacks of the application
# -----------------------------------------------------------------------------


def is_coroutine_function(call: object) -> bool:
    """Whether calling it would only make a coroutine, which runs when somebody waits for it; also of a
    ``partial``, and of an object whose ``__call__`` is one."""
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
        inspect.getattr_static(type(call), "__call__", None)
    )


class Callback:
    """Something of the application that is told of things: called until it fails for the first time,
    and never with a consequence.

    ``name`` is said in the log when it fails. ``lasting``: it is called again even then,
    because something depends on it. Raises ``ConfigError`` for a coroutine function.
    """

    __slots__ = ("_call", "_lasting", "_name")

    def __init__(self, name: str, call: Callable[..., object] | None, *, lasting: bool = False) -> None:
        if is_coroutine_function(call):
            raise ConfigError(name, "a coroutine function, which nobody waits for", "a plain function")
        self._name, self._call, self._lasting = name, call, lasting

    def __bool__(self) -> bool:
        """Somebody is there to be told."""
        return self._call is not None

    def __call__(self, *what: Any) -> None:
        """Tell it."""
        if self._call is None:
            return
        began = _clock()
        try:
            self._call(*what)
        except BaseException as error:
            if not self._lasting:
                self._call = None
            again = "" if self._lasting else ", and is not called any more"
            _log.error("%s failed%s: %s", self._name, again, describe(error), error=error)
            come_back(error)
        running.took(self._name, _clock() - began)


# -- ports
# ----------------------------------------------------------------------------------------------------


class Running(threading.local):
    """Which call of a port or of the application had the loop for the longest time. Whoever asks says since
    when, so that several heartbeats in one process take nothing from each other. Each thread has calls of its
    own: what another one does, such as the watchdog's drop or a second loop, holds up no loop of this one."""

    def __init__(self) -> None:
        self._calls: deque[tuple[float, str, float]] = deque(maxlen=_REMEMBERED)

    def took(self, name: str, seconds: float) -> None:
        """A call of ``name`` had the loop for so long, until now. What is too short to be
        worth naming is forgotten."""
        if seconds > _WORTH_NAMING_S:
            self._calls.append((_clock(), name, seconds))

    def longest(self, since: float) -> tuple[str, float]:
        """Name and duration (s) of the longest one that ended after ``since``, which is a time of
        ``time.perf_counter``; an empty name if there was none."""
        seconds, name = max(
            ((took, what) for ended, what, took in self._calls.copy() if ended > since), default=(0.0, "")
        )
        return name, seconds


running: Final = Running()
"""One for each thread: whoever shares a loop shares its time."""


class Port:
    """One port of the application. ``name`` is the field of ``Station`` or ``Vehicle`` that holds it.

    Attributes are looked up when they are used and within the guard, so that one that is missing, or raises
    when it is looked up, costs that call and nothing else.
    """

    __slots__ = ("_port", "name")

    def __init__(self, port: object, name: str) -> None:
        self._port, self.name = port, name

    @property
    def identity(self) -> int:
        """Which object it is, as long as that lives."""
        return id(self._port)

    def call(self, method: str, *values: Any) -> Callable[[], Any]:
        """A call of a coroutine method, to be made by a ``Lane``: looking the method up is a part of it."""
        return partial(_call, self._port, method, values)

    def look_up(self, method: str) -> Callable[..., Any]:
        """A method itself; to be used within a call that is guarded by others, for it
        raises what the port raises."""
        found: Callable[..., Any] = getattr(self._port, method)
        return found

    def read(self, attribute: str, check: Callable[[Any, str], Value]) -> Value:
        """The value of an attribute, which ``check`` has judged; ``check`` gets the value and the name of the
        port and raises ``HardwareError``.

        Raises ``HardwareError`` for whatever goes wrong, and nothing else.
        """
        began = _clock()
        try:
            value = getattr(self._port, attribute)
        except BaseException as error:
            come_back(error)
            raise HardwareError(f"{self.name}.{attribute} raised {describe(error)}") from error
        took_s = _clock() - began
        if took_s > _WORTH_NAMING_S:  # asked here, since this is read many thousand times a second
            running.took(f"{self.name}.{attribute}", took_s)
        try:
            return check(value, self.name)
        except HardwareError:
            raise
        except BaseException as error:
            come_back(error)
            raise HardwareError(f"{self.name}.{attribute} cannot be judged: {describe(error)}") from error

    def has(self, attribute: str) -> bool:
        """Whether it has an attribute that ports may do without; one that raises when it is
        looked up counts as there."""
        try:
            getattr(self._port, attribute)
        except AttributeError:
            return False
        except BaseException as error:
            come_back(error)
        return True

    def tell(self, method: str, *values: Any, at_once: bool = False) -> str:
        """Call a method that answers at once and returns nothing. Gives what went wrong; empty if nothing
        did. A coroutine that it returns is wrong, since it never runs; ``at_once``: so is a future, which
        does, but of which nobody hears how it ends."""
        return self.answer(method, *values, at_once=at_once)[1]

    def answer(self, method: str, *values: Any, at_once: bool) -> tuple[Any, str]:
        """The same where the answer matters: what it returned, and what went wrong."""
        name, began = f"{self.name}.{method}", _clock()
        try:
            answer = _call(self._port, method, values)
            later = answer is not None and _comes_later(answer, at_once)
        except BaseException as error:
            come_back(error)
            return None, f"{name} raised {describe(error)}"
        finally:
            running.took(name, _clock() - began)
        if later:
            return None, f"{name} returned {class_name(answer)}, for which nobody waits: write `def {method}`"
        return answer, ""


def _comes_later(answer: object, at_once: bool) -> bool:
    """What was called has not been done yet. A coroutine is closed: it warns of itself otherwise."""
    if inspect.iscoroutine(answer):
        answer.close()
        return True
    if isinstance(answer, asyncio.Future | ConcurrentFuture):
        return at_once
    return inspect.isawaitable(answer) or isinstance(answer, Generator | AsyncGenerator)


def _call(port: object, method: str, values: tuple[Any, ...]) -> Any:
    return getattr(port, method)(*values)
