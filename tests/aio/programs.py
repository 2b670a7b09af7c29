"""What the whole programs of ``run``, ``run_site`` and ``run_inlets`` drive, in a form that a test moves:
sessions that end when they are told to, or not, and signals that come at their time."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from iso15118.aio.heartbeat import Heartbeat
from iso15118.aio.ports.guard import Callback
from iso15118.aio.service import ServiceState
from iso15118.sdp import Security

__all__ = ["Connector", "Plugged", "Server", "Session", "at"]


def at(*when: tuple[float, Callable[[], object] | signal.Signals]) -> None:
    """So many seconds from now a signal comes to this process, or something happens."""
    loop = asyncio.get_running_loop()
    for seconds, what in when:
        if isinstance(what, signal.Signals):
            loop.call_later(seconds, signal.raise_signal, what)
        else:
            loop.call_later(seconds, what)


class Session:
    """A session, or a visit, that ends with ``result``: by itself ``lasts_s`` after it has begun, ``stops_s``
    after ``stop``, ``falls_s`` after an emergency (None: not), and when it is cancelled; its hardware is safe
    ``safe_s`` later. ``asked``: what it was asked for, and when, counted from its beginning."""

    def __init__(
        self,
        result: Any = "result",
        *,
        lasts_s: float | None = None,
        stops_s: float | None = None,
        falls_s: float | None = None,
        safe_s: float = 0.0,
        searches: bool = False,
    ) -> None:
        self.result = result
        self.safe_s = safe_s
        self.begun = not searches
        self.results: list[Any] = []
        self.lasts_s, self.stops_s, self.falls_s = lasts_s, stops_s, falls_s
        self.any_session: object | None = None if searches else self
        self.asked: list[tuple[str, float]] = []
        self.reasons: list[str] = []
        self.safe = False
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._began = 0.0

    @property
    def since(self) -> float:
        """Seconds since it began."""
        return round(self._loop.time() - self._began, 2)

    async def run(self) -> Any:
        self._began = self._loop.time()
        self._end_after(self.lasts_s)
        try:
            await self._over.wait()
        except asyncio.CancelledError:
            self.asked.append(("cancel", self.since))
            raise
        finally:
            self.any_session = None
            if self.begun:
                await self._make_safe()
            self.safe = True
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def _make_safe(self) -> None:
        """Whoever gives up waiting for that has no result."""
        try:
            await asyncio.sleep(self.safe_s)
        except asyncio.CancelledError:
            self.asked.append(("cancel", self.since))
            raise

    def stop(self, reason: str) -> None:
        self.asked.append(("stop", self.since))
        self.reasons.append(reason)
        self._end_after(self.stops_s)

    def emergency_shutdown(self, reason: str) -> None:
        self.asked.append(("emergency", self.since))
        self.reasons.append(reason)
        self._end_after(self.falls_s)

    def _end_after(self, seconds: float | None) -> None:
        if seconds is not None:
            self._loop.call_later(seconds, self._over.set)


class Connector:
    """A connector whose sessions begin and end when the test says; ``stops_s``: so long after ``stop`` (None:
    it takes no notice). ``asked``: what it was asked for, and when, counted from its opening."""

    stops_s: float | None = None
    ends_within_s = 0.0
    made: list[Connector] = []  # noqa: RUF012 - of all of them, so that a test finds what a program has made

    def __init__(self, *_: Any, **settings: Any) -> None:
        self.settings = settings
        self.asked: list[tuple[str, float]] = []
        self.reasons: set[str] = set()
        self.any_session: object | None = None
        self.session: object | None = None
        self.results: list[str] = []
        self.opened = 0
        self.out_of_service_because = self.unreachable_because = ""
        self.state = ServiceState.AVAILABLE
        self.heartbeat = Heartbeat(lambda: "", Callback("nobody", None), None)
        self.ports = {Security.NONE: 50_001}
        self.sdp_port = 50_002
        self.interface = "lo"
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._began = 0.0
        Connector.made.append(self)

    @property
    def since(self) -> float:
        """Seconds since it was opened."""
        return round(self._loop.time() - self._began, 2)

    @property
    def finished(self) -> int:
        return len(self.results)

    async def __aenter__(self) -> Connector:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        self.opened += 1
        self._began = self._loop.time()

    async def close(self) -> None:
        self.opened -= 1
        if self.any_session is not None:
            self.asked.append(("close", self.since))
            self.end()

    def begin(self) -> None:
        """A session begins."""
        self.any_session = self.session = object()

    def end(self) -> None:
        """The session ends, or one that began and ended in between."""
        self.any_session = self.session = None
        self.results.append(f"session {self.finished + 1}")
        self._news.set()

    async def wait_finished(self, count: int) -> Any:
        while self.finished < count:
            self._news.clear()
            await self._news.wait()
        return self.results[count - 1]

    def stop(self, reason: str) -> None:
        self.asked.append(("stop", self.since))
        self.reasons.add(reason)
        if self.any_session is not None and self.stops_s is not None:
            self._loop.call_later(self.stops_s, self._stopped)

    def _stopped(self) -> None:
        if self.any_session is not None:
            self.end()

    def out_of_service(self, reason: str) -> None:
        self.out_of_service_because = reason


class Server(Connector):
    """In place of ``SeccServer``."""


class Plugged(Connector):
    """In place of ``PluggedSecc``."""
