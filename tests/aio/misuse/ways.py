"""Ways in which what is looked up or called misbehaves; ``coroutines`` and ``values`` have those of what
is awaited and what is read.

A way is given the real thing and makes of it what an application gets in its place.
It knows nothing of sessions.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from iso15118.errors import HardwareError
from tests.aio.hostile import UnprintableError
from tests.clock import SteadyLoop

__all__ = [
    "BACK",
    "BACK_TO",
    "BLOCK_S",
    "ENDS",
    "ERRORS",
    "LOOK_UP",
    "ONCE",
    "RAISES",
    "Hands",
    "Make",
    "Way",
    "block",
    "each_error",
    "from_a_thread",
    "plain",
]

BLOCK_S = 0.2


BACK_TO = ("stop", "emergency", "fault", "close", "news")


class Hands(Protocol):
    """What a port can reach of the program around it."""

    def stop(self) -> None: ...
    def emergency(self) -> None: ...
    def fault(self) -> None: ...
    def close(self) -> None: ...
    def news(self) -> None: ...
    def limit_of(self, place: str) -> float: ...


Make = Callable[[Any, Hands, str], Any]
"""Of the real attribute, the hands and the name of the place: what is looked up instead."""


@dataclass(frozen=True)
class Way:
    """``prevents``: the real thing is not done. ``lies``: what is said is not what is.
    ``ends_program``: it wants that."""

    name: str
    make: Make
    prevents: bool = True
    lies: bool = False
    ends_program: bool = False
    times: int = 1_000_000
    """How often it misbehaves; then it is as it should be."""
    skip: int = 0
    """How often it is as it should be before that."""
    threads: bool = False
    """It needs the real clock."""


def block(seconds: float) -> None:
    """Keep the thread for so long, on the clock that the loop has."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, SteadyLoop) and not loop.has_company:
        loop.pass_time(seconds)
    else:
        time.sleep(seconds)


class OddError(BaseException):
    """Neither an ``Exception`` nor a wish to end."""


ERRORS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("misuse"),
    "HardwareError": lambda: HardwareError("misuse"),
    "one without a text": UnprintableError,
    "BaseException": lambda: OddError("misuse"),
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration(True),
    "StopAsyncIteration": StopAsyncIteration,
    "CancelledError": asyncio.CancelledError,
    "TimeoutError": TimeoutError,
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
}
ENDS = {"KeyboardInterrupt", "SystemExit"}


def each_error(
    form: str, make: Callable[[Callable[[], BaseException]], Make], *, prevents: bool = True
) -> list[Way]:
    """One way for each kind of exception."""
    return [
        Way(form.format(name), make(error), prevents=prevents, ends_program=name in ENDS)
        for name, error in ERRORS.items()
    ]


def plain(act: Callable[[Any, Hands, str, tuple[Any, ...]], Any]) -> Make:
    """A plain function that does this."""
    return lambda real, hands, place: lambda *values: act(real, hands, place, values)


def _missing(real: Any, hands: Hands, place: str) -> Any:
    raise AttributeError("misuse: it is gone")


def _look_up_raises(error: Callable[[], BaseException]) -> Make:
    def make(real: Any, hands: Hands, place: str) -> Any:
        raise error()

    return make


def _call_raises(error: Callable[[], BaseException]) -> Make:
    def act(*_: Any) -> Any:
        raise error()

    return plain(act)


def from_a_thread(call: Callable[[], None]) -> None:
    """Call it from a thread of its own, and wait for that."""
    worker = threading.Thread(target=call)
    worker.start()
    worker.join()


def _calls_back(what: str, *, thread: bool = False) -> Make:
    def act(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
        call = getattr(hands, what)
        if thread:
            from_a_thread(call)
        else:
            call()
        return real(*values)

    return plain(act)


def _blocks(real: Any, hands: Hands, place: str, values: tuple[Any, ...]) -> Any:
    block(BLOCK_S)
    return real(*values)


LOOK_UP = [Way("is missing", _missing), *each_error("raises {} when it is looked up", _look_up_raises)]
RAISES = each_error("raises {} when it is called", _call_raises)
ONCE = [
    Way("raises ValueError once", _call_raises(ERRORS["ValueError"]), times=1),
    Way("raises SystemExit once", _call_raises(ERRORS["SystemExit"]), times=1, ends_program=True),
    Way("raises an odd one once", _call_raises(ERRORS["BaseException"]), times=1),
    Way("raises ValueError the second time", _call_raises(ERRORS["ValueError"]), times=1, skip=1),
]
BACK = [
    *(Way(f"calls {what} back", _calls_back(what), prevents=False) for what in BACK_TO),
    *(
        Way(
            f"calls {what} from another thread",
            _calls_back(what, thread=True),
            prevents=False,
            times=3,
            threads=True,
        )
        for what in ("stop", "emergency", "fault")
    ),
    Way("blocks", plain(_blocks), prevents=False, times=3),
]
