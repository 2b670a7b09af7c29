"""The heartbeat: it says "able to make safe", so that firmware, or a thread of this process, drops the
contactors when nobody would.

It beats from the event loop, and only while readings are fresh and no call that makes safe is overdue or has
failed. It can be read from any thread.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from typing import Final

from iso15118.aio.ports.guard import Callback, Port, come_back, describe, next_tick, running
from iso15118.errors import ConfigError
from iso15118.session.actions import Notify

from .logs import Log

__all__ = ["BEAT_S", "FollowedHeartbeat", "Heartbeat", "LoopLate", "WatchdogThread"]

_log = Log(__name__)

BEAT_S: Final = 0.1
_LATE_S: Final = 0.1
"""A beat that comes later than this is told: a port or a callback of the application
had the loop for as long."""


class LoopLate(Notify, frozen=True):
    """News: the event loop did not turn for ``seconds``; ``call`` is the call of a port that had it
    longest meanwhile, or empty."""

    seconds: float
    call: str = ""


class Heartbeat:
    """One of a server or a client: ``age``, ``count`` and ``reason`` are for any thread,
    the rest is for its owner."""

    def __init__(self, able: Callable[[], str], late: Callback, port: Port | None) -> None:
        self._able = able
        self._late = late
        self._port = port
        self._beaten = -math.inf
        self._count = 0
        self._reason = "it has not been started"
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._asked = 0.0

    @property
    def age(self) -> float:
        """Seconds since the last beat; infinite before the first one."""
        return time.monotonic() - self._beaten

    @property
    def count(self) -> int:
        """How many beats there were."""
        return self._count

    @property
    def reason(self) -> str:
        """Why the last beat was left out; empty if it was not. A loop that hangs
        cannot say so: look at ``age``."""
        return self._reason

    # -- for the owner ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Beat from now on, at once."""
        self.stop("")
        self._due_at = asyncio.get_running_loop().time()
        self._asked = time.perf_counter()  # what was before does not count
        self._due()

    def stop(self, reason: str) -> None:
        """No more beats, for this reason."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._reason = reason

    def _due(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        since, self._asked = (
            self._asked,
            time.perf_counter(),
        )  # what this beat itself takes makes the next one late
        late, self._due_at = now - self._due_at, next_tick(now, BEAT_S)
        self._timer = loop.call_at(self._due_at, self._due)
        try:
            self._reason = self._able()
        except BaseException as error:  # who cannot say whether it is able is not
            self._reason = f"that cannot be told: {describe(error)}"
            come_back(error)
        if not self._reason:
            self._count += 1
            self._beaten = time.monotonic()
            if self._port is not None and (complaint := self._port.tell("beat", self._count)):
                self._port = None
                _log.error("%s; it is not called any more", complaint)
        if late > _LATE_S:
            call, _ = running.longest(since)
            self._late(LoopLate(late, call))
            _log.warning(
                "the event loop did not turn for %.2f s; longest in a port: %s", late, call or "none"
            )


class FollowedHeartbeat(Heartbeat):
    """That of somebody who may come later: of whom ``find`` gives now; while that
    is nobody, there is none."""

    def __init__(self, find: Callable[[], Heartbeat | None]) -> None:
        super().__init__(lambda: self.reason, Callback("nobody", None), None)
        self._find = find

    @property
    def age(self) -> float:
        """As ``Heartbeat.age``."""
        found = self._find()
        return math.inf if found is None else found.age

    @property
    def count(self) -> int:
        """As ``Heartbeat.count``."""
        found = self._find()
        return 0 if found is None else found.count

    @property
    def reason(self) -> str:
        """As ``Heartbeat.reason``."""
        found = self._find()
        return "the interface cannot be used yet" if found is None else found.reason


class WatchdogThread(threading.Thread):
    """Calls ``drop`` with the reason, from a thread of its own, when a heartbeat is older than
    ``limit_s`` (s): for one board, where no firmware watches. ``drop`` must not need the event loop, nor
    any lock that code on the loop may hold.

    It is called once each time the heartbeat is lost, and again after it has come back. Start
    it when the server or client runs; ``close`` ends it without a call. Raises ``ConfigError``
    for a limit below four beats.
    """

    def __init__(self, heartbeat: Heartbeat, drop: Callable[[str], object], limit_s: float = 0.5) -> None:
        if not 4 * BEAT_S <= limit_s < math.inf:
            raise ConfigError(
                "limit_s", f"{limit_s!r} s is too short or no duration", f"{4 * BEAT_S:g} s or more"
            )
        super().__init__(name="iso15118 watchdog", daemon=True)
        self.dropped = 0
        """How often ``drop`` was called."""
        self._heartbeat = heartbeat
        self._drop = Callback("drop of the watchdog", drop, lasting=True)
        self._limit_s = limit_s
        self._over = threading.Event()

    def close(self) -> None:
        """Watch no more."""
        self._over.set()

    def run(self) -> None:
        """Not to be called: ``start`` does."""
        lost = False
        while not self._over.wait(self._limit_s / 10.0):
            age = self._heartbeat.age
            if age <= self._limit_s:
                lost = False
            elif not lost:
                lost = True
                self.dropped += 1
                # What it raises stays in the callback: this thread goes on watching.
                self._drop(self._heartbeat.reason or f"no heartbeat for {age:.2f} s: the event loop hangs")
