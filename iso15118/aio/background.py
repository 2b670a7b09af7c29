"""A station or a vehicle on an event loop of its own, in a thread: for programs and
tests that have no event loop.

Every call here is made from the caller's thread and is bounded in time; what a session
does, it does in the thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar

from iso15118.errors import LinkTimeoutError, MisuseError

from .evcc import EvccClient
from .logs import Log
from .secc import SeccServer

if TYPE_CHECKING:
    from types import TracebackType

    from iso15118.aio.net.ending import TlsSource
    from iso15118.aio.net.network import Interface
    from iso15118.evcc import EvccConfig
    from iso15118.sdp import Security
    from iso15118.secc import SeccConfig
    from iso15118.session import events as ev
    from iso15118.session import ports

    from .results import SessionResult
    from .run import Clock, Sleep

__all__ = ["BackgroundStation", "BackgroundVehicle"]

_log = Log(__name__)
T = TypeVar("T")
Served = TypeVar("Served", bound=SeccServer | EvccClient)

_OPENS_S: Final = 30.0
_CLOSES_S: Final = 30.0
"""Beside what the end of a session takes by its own limits: this only bounds the caller."""


class _Loop:
    """An event loop in a daemon thread."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._under_way: set[asyncio.Task[Any]] = set()
        """What was called and is not over, cancelled or not. Of the loop's thread."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self._end_all()
            self.loop.close()

    def _end_all(self) -> None:
        """What is left, as ``asyncio.run`` does: a session that still runs makes its hardware safe first."""
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.wait(left, timeout=_CLOSES_S))

    def call(self, work: Callable[[], Coroutine[Any, Any, T]], timeout_s: float | None) -> T:
        """What ``work`` returns or raises. Raises ``LinkTimeoutError`` when it takes longer; it is cancelled
        then. Raises ``MisuseError`` when the loop is ended meanwhile."""
        future = asyncio.run_coroutine_threadsafe(self._tracked(work), self.loop)
        try:
            return future.result(timeout_s)
        except concurrent.futures.CancelledError:
            raise MisuseError("it was closed meanwhile") from None
        except concurrent.futures.TimeoutError:
            if future.done():  # the work itself raised it
                raise
            future.cancel()
            raise LinkTimeoutError(f"no end after {timeout_s:g} s") from None
        except BaseException:  # whoever waits is interrupted: so is what he waits for
            future.cancel()
            raise

    async def _tracked(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a coroutine without a task")
        self._under_way.add(task)
        try:
            return await work()
        finally:
            self._under_way.discard(task)

    async def _wind_up(self) -> None:
        """Whoever is cancelled makes the hardware safe first, and a loop that stops would cut that off."""
        rest = [task for task in self._under_way if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)

    def end(self, within_s: float) -> None:
        """Cancel what is under way, give it ``within_s`` to end, and stop."""
        try:
            self.call(self._wind_up, within_s)
        except LinkTimeoutError:
            _log.critical("%s: what it did was not over after %g s", self._thread.name, within_s)
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(_CLOSES_S)


class _Background(Generic[Served]):
    """Whatever is opened in a loop of its own when it is entered, and closed there when it is left."""

    _WHAT: ClassVar[str]

    @staticmethod
    def _ends_within_s(served: Served) -> float:
        raise NotImplementedError

    def __init__(self, make: Callable[[Clock], Served]) -> None:
        self._make = make
        self._loop: _Loop | None = None
        self._served: Served | None = None

    def __enter__(self) -> Self:
        self._loop = _Loop(f"iso15118 {self._WHAT}")
        try:
            self._loop.call(self._open, _OPENS_S)
        except BaseException:
            loop, self._loop = self._loop, None
            loop.end(_CLOSES_S)
            raise
        return self

    async def _open(self) -> None:
        served = self._make(asyncio.get_running_loop().time)
        await served.open()
        self._served = served

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop, served = self._loop, self._served
        self._loop = self._served = None
        if loop is None:
            return
        within_s = _CLOSES_S + (0.0 if served is None else self._ends_within_s(served))
        try:
            if served is not None:
                loop.call(served.close, within_s)
        finally:
            loop.end(within_s)

    def _inside(self) -> tuple[_Loop, Served]:
        if self._loop is None or self._served is None:
            raise MisuseError(f"the {self._WHAT} is not open: use it with 'with'")
        return self._loop, self._served


class BackgroundStation(_Background[SeccServer]):
    """A ``SeccServer`` in a thread; use it with ``with``.

    ``station`` makes the hardware, given the loop's sleep and clock; the rest is as for ``SeccServer``.
    Entering raises what ``SeccServer.open`` does.
    """

    _WHAT = "station"

    @staticmethod
    def _ends_within_s(served: SeccServer) -> float:
        return served.sessions.ends_within_s

    def __init__(
        self,
        config: SeccConfig,
        station: Callable[[Sleep, Clock], ports.Station],
        interface: Interface | str,
        tls: TlsSource | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            lambda clock: SeccServer(config, station(asyncio.sleep, clock), interface, tls, **options)
        )

    @property
    def server(self) -> SeccServer:
        """The server itself; what it says it can be called from any thread may be. Raises
        ``MisuseError`` outside of ``with``."""
        return self._inside()[1]

    @property
    def address(self) -> IPv6Address:
        """Where it listens."""
        return self.server.interface.address

    @property
    def ports(self) -> dict[Security, int]:
        """TCP ports by kind of connection."""
        return dict(self.server.ports)

    @property
    def sdp_port(self) -> int:
        """UDP port of its discovery."""
        return self.server.sdp_port

    def tell(self, event: ev.Event) -> None:
        """Hand an event to the session that runs; as ``SeccServer.tell``."""
        self.server.tell(event)

    def wait_finished(self, count: int = 1, *, timeout_s: float = 300.0) -> SessionResult:
        """The ``count``-th session's result, when it is over. Raises ``LinkTimeoutError`` after ``timeout_s``
        seconds. Raises ``MisuseError`` outside of ``with``."""
        loop, server = self._inside()
        return loop.call(lambda: server.wait_finished(count), timeout_s)


class BackgroundVehicle(_Background[EvccClient]):
    """An ``EvccClient`` in a thread; use it with ``with``. ``vehicle`` makes the hardware, given the loop's
    sleep and clock; the rest is as for ``EvccClient``. Entering raises what making and opening one does."""

    _WHAT = "vehicle"

    @staticmethod
    def _ends_within_s(served: EvccClient) -> float:
        return served.ends_within_s

    def __init__(
        self,
        config: EvccConfig,
        vehicle: Callable[[Sleep, Clock], ports.Vehicle],
        interface: Interface | str,
        tls: TlsSource | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            lambda clock: EvccClient(config, vehicle(asyncio.sleep, clock), interface, tls, **options)
        )

    @property
    def client(self) -> EvccClient:
        """The client itself. Raises ``MisuseError`` outside of ``with``."""
        return self._inside()[1]

    def tell(self, event: ev.Event) -> None:
        """Hand an event to the session that runs; as ``EvccClient.tell``."""
        self.client.tell(event)

    def run(
        self, station: tuple[IPv6Address, int] | None = None, *, timeout_s: float = 300.0
    ) -> SessionResult:
        """One session, with the station at this address and TCP port, or with one that discovery finds.
        Raises what ``EvccClient.run`` does, and ``LinkTimeoutError`` after ``timeout_s`` seconds: then the
        session was dropped, hardware first. Raises ``MisuseError`` outside of ``with``."""
        loop, client = self._inside()
        return loop.call(lambda: client.run(station), timeout_s)
