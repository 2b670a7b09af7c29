"""An event loop whose clock stands still while the machine works and jumps while everybody
waits, so that no test depends on how fast or how loaded the machine is. Sockets are real; only
what they wait for costs no time.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["SteadyLoop", "run"]

T = TypeVar("T")

_TURN_S = 1e-5
"""What a turn of the loop costs on the clock: one that polls without sleeping gets on, too."""
_SETTLE_S = 1e-4
"""How long, really, the kernel is given to deliver what was sent on the loopback interface; as a rule it does
so while it is being sent."""
_WRITERS = frozenset({"iso15118 log", "iso15118 output"})
"""Threads that only write what was said. They are made with the first line, and nobody on the loop
waits for them: were they company, the first test of each process that logs a line would go by the real
clock, and only that one."""


def _at_work() -> frozenset[threading.Thread]:
    return frozenset(thread for thread in threading.enumerate() if thread.name not in _WRITERS)


class _Waiting(selectors.DefaultSelector):
    """Waits no longer than for what is there already; for the rest, the clock is put forward."""

    loop: SteadyLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self.loop
        loop.pass_time(_TURN_S)
        found = super().select(0)
        if found or timeout == 0:
            return found
        if timeout is None or loop.has_company:
            return super().select(timeout)
        time.sleep(_SETTLE_S)
        found = super().select(0)
        if not found:
            loop.pass_time(timeout)
        return found


class SteadyLoop(asyncio.SelectorEventLoop):
    """A loop with such a clock, as long as it is alone.

    Whoever works beside it (a thread, an executor, a child process started by ``asyncio``) needs real time,
    and has it from then on; but not those who write the log. A test that talks to anybody else outside, a
    kernel that configures interfaces for instance, is marked ``real_time``.
    """

    def __init__(self, *, real: bool = False) -> None:
        waiting = _Waiting()
        waiting.loop = self
        self._before = _at_work()
        self._company = real
        self._seen = time.monotonic()
        self._now = self._seen
        super().__init__(waiting)

    def time(self) -> float:
        if self._company:
            seen = time.monotonic()
            self._now += seen - self._seen
            self._seen = seen
        return self._now

    def pass_time(self, seconds: float) -> None:
        """So much later; the real clock does it by itself where it counts."""
        if not self.has_company:
            self._now += seconds

    @property
    def has_company(self) -> bool:
        """Whether somebody works beside this loop; once there was somebody, it stays so."""
        if not self._company and not self._before.issuperset(_at_work()):
            self._join()
        return self._company

    def _join(self) -> None:
        if not self._company:
            self._company = True
            self._seen = time.monotonic()

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        self._join()
        return await super().subprocess_exec(*args, **kwargs)

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        self._join()
        return await super().subprocess_shell(*args, **kwargs)


def run(main: Coroutine[Any, Any, T], *, real: bool = False) -> T:
    """``asyncio.run`` in such a loop."""
    with asyncio.Runner(loop_factory=lambda: SteadyLoop(real=real)) as runner:
        return runner.run(main)
