"""The heartbeat: it says "able to make safe", so that firmware, or a thread of this process, drops the
contactors when nobody would.

It beats from the event loop, and only while readings are fresh and no call that makes safe is overdue or has
failed. It can be read from any thread.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from iso15118.aio.ports.answers import told
from iso15118.aio.ports.guard import Callback, Port, brief, come_back, describe, next_tick, running, shown
from iso15118.errors import ConfigError, HardwareError
from iso15118.ranges import is_number
from iso15118.session import events as ev
from iso15118.session.actions import Notify
from iso15118.session.port_checks import not_to_be_told

from .logs import Log

if TYPE_CHECKING:
    from .driver import SessionDriver
    from .service import Service

__all__ = [
    "BEAT_S",
    "FollowedHeartbeat",
    "Heartbeat",
    "HeartbeatLine",
    "HeartbeatMissed",
    "LoopLate",
    "WatchdogThread",
]

_log = Log(__name__)

BEAT_S: Final = 0.1
_LATE_S: Final = 0.1
"""A beat that comes later than this is told: a port or a callback of the application
had the loop for as long."""
_MOST_MISSED: Final = 3
"""So many beats in a row that the port did not take are a fault: firmware opens the contactors under
power when it has heard nothing for half a second, so the power has to end before that."""
_LEAST_LIMIT_S: Final = 4 * BEAT_S
_MOST_LIMIT_S: Final = 10.0
"""A vehicle that charges waits 2 s for an answer; more than this is not even of use at a test bench."""
_SAID_EVERY: Final = 100
"""A drop that keeps failing in the same way is written down after so many calls again."""


class LoopLate(Notify, frozen=True):
    """News: the event loop did not turn for ``seconds``; ``call`` is the call of a port that had it
    longest meanwhile, or empty."""

    seconds: float
    call: str = ""


class HeartbeatMissed(Notify, frozen=True):
    """News: the port ``heartbeat`` did not take a beat, for this reason. Told once, and again with an empty
    reason when it has taken one."""

    reason: str


class HeartbeatLine:
    """The port ``heartbeat`` of a station or a vehicle; without one nothing is told. Each beat is told
    anew, whatever became of the last one. One that returns False or a number below 0 did not take it.

    Several in a row that it does not take are a fault of the session that runs, and keep the connector out of
    service until it takes one: its firmware hears nothing and keeps the contactors open.
    """

    def __init__(
        self, port: object, service: Service, driver: Callable[[], SessionDriver | None], news: Callback
    ) -> None:
        self._port = None if port is None else Port(port, "heartbeat")
        self._service, self._driver, self._news = service, driver, news
        self._missed = 0
        self.trouble = ""
        """Why the last beat was not taken; empty if it was."""

    def beat(self, number: int) -> None:
        """Tell it this beat."""
        if self._port is None:
            return
        before, self.trouble = self.trouble, told(self._port, "beat", number)
        if not self.trouble:
            if before:
                _log.warning("heartbeat.beat works again; beats that were missed: %d", self._missed)
                self._news(HeartbeatMissed(""))
            self.rest()
            return
        self._missed += 1
        if self._missed == _MOST_MISSED:
            self._service.line(self.trouble)
            driver = self._driver()
            if driver is not None and not driver.over:
                driver.tell(ev.HardwareFault("heartbeat", self.trouble))
        if not before:
            _log.error("%s; it is told the next beat all the same", self.trouble)
            self._news(HeartbeatMissed(self.trouble))

    def rest(self) -> None:
        """No beat is missing."""
        self._missed, self.trouble = 0, ""
        self._service.line("")


class Heartbeat:
    """One of a server or a client: ``age``, ``count`` and ``reason`` are for any thread,
    the rest is for its owner.

    ``age`` and ``count`` say that this process is able to make its hardware safe. They go on where the port
    ``heartbeat`` does not take a beat, since neither a watchdog thread nor a restart of the process is called
    for: ``reason`` says it then, and so does ``out_of_service_because`` of the owner from the third beat
    in a row on, with which a session that runs ends by a fault of the port.
    """

    def __init__(self, able: Callable[[], str], late: Callback, line: HeartbeatLine | None) -> None:
        self._able = able
        self._late = late
        self._line = line
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
        """How many beats there were, with those that the port did not take."""
        return self._count

    @property
    def reason(self) -> str:
        """Why the last beat was left out, or not taken by the port; empty if it was. A loop that hangs
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
        if self._line is not None:
            self._line.rest()
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
            if self._line is not None:
                self._line.beat(self._count)
                self._reason = self._line.trouble
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

    It is called once each time the heartbeat is lost, and again after it has come back. A call that raises,
    or returns False, a number below 0 or something that has to be awaited, did nothing: ``drop`` is called
    again, ten times in ``limit_s``, until it works or the heart beats, and the log says so. Start it when the
    server or client runs; ``close`` ends it without a call.

    Raises ``ConfigError`` for something else than a heartbeat, a ``drop`` that cannot be called with a reason
    or is a coroutine function, and a limit below four beats or above 10 s.
    """

    def __init__(self, heartbeat: Heartbeat, drop: Callable[[str], object], limit_s: float = 0.5) -> None:
        if isinstance(heartbeat, type) or any(
            inspect.getattr_static(heartbeat, name, None) is None for name in ("age", "reason")
        ):
            raise ConfigError(
                "heartbeat", f"{shown(heartbeat)} is none", "server.heartbeat, or client.heartbeat"
            )
        if (wrong := not_to_be_told(drop, "reason")) is not None:
            raise ConfigError("drop", wrong, "a plain function: `def drop(reason)`")
        if not is_number(limit_s, _LEAST_LIMIT_S, _MOST_LIMIT_S):
            raise ConfigError(
                "limit_s",
                f"{shown(limit_s)} s is too short, too long or no duration",
                f"a number from {_LEAST_LIMIT_S:g} to {_MOST_LIMIT_S:g}, in s",
            )
        super().__init__(name="iso15118 watchdog", daemon=True)
        self.dropped = 0
        """How often ``drop`` was called and worked."""
        self._heartbeat = Port(heartbeat, "heartbeat")
        self._drop = Port(_Drop(drop), "watchdog")
        self._limit_s = limit_s
        self._over = threading.Event()

    def close(self) -> None:
        """Watch no more."""
        self._over.set()

    def run(self) -> None:
        """Not to be called: ``start`` does."""
        lost, failed, wrong = False, 0, ""
        while not self._over.wait(self._limit_s / 10.0):
            reason = self._why_lost()
            if not reason:
                lost, failed, wrong = False, 0, ""
            elif not lost:
                before, wrong = wrong, told(self._drop, "drop", reason)
                if wrong:
                    failed += 1
                    if wrong != before or failed % _SAID_EVERY == 0:
                        _log.error("%s; it is called again (calls that failed: %d)", wrong, failed)
                    continue
                lost = True
                self.dropped += 1
                if failed:
                    _log.warning("watchdog.drop worked; calls that failed before: %d", failed)

    def _why_lost(self) -> str:
        """Why ``drop`` is to be called; empty while the heart beats. Who cannot say how old his last beat is
        has lost it."""
        try:
            age = self._heartbeat.read("age", _a_number)
            if age <= self._limit_s:
                return ""
            return (
                self._heartbeat.read("reason", _a_text)
                or f"no heartbeat for {age:.2f} s: the event loop hangs"
            )
        except HardwareError as error:
            return str(error)


class _Drop(NamedTuple):
    """As a port, for the guard."""

    drop: Callable[[str], object]


def _a_number(value: object, port: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise HardwareError(f"{port}.age is no number: {shown(value)}")
    return value


def _a_text(value: object, port: str) -> str:
    return brief(value)
