"""A station or a vehicle on an event loop of its own, in a thread: for programs and
tests that have no event loop.

Every call here is made from the caller's thread and is bounded in time; what a session
does, it does in the thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar

from iso15118.aio.ports.guard import describe
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
_LAST_S: Final = 2.0
"""For what is left when a loop that was taken away has been wound up."""


class _Loop:
    """An event loop in a daemon thread.

    It may be taken away from what runs in it: a port or a callback wishes to end the program (``SystemExit``,
    ``KeyboardInterrupt``), or stops the loop. What runs is then brought to its end all the same, before the
    loop is closed.
    """

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.leave: Callable[[], Coroutine[Any, Any, None]] | None = None
        """Closes what was opened in the loop; for when that is taken away."""
        self.leaves_within_s: Callable[[], float] = lambda: 0.0
        """How long the end of what runs may take by its own limits."""
        self._under_way: set[asyncio.Task[Any]] = set()
        """What was called and is not over, cancelled or not. Of the loop's thread."""
        self._lock = threading.Lock()
        self._called: set[concurrent.futures.Future[Any]] = set()
        """What callers wait for."""
        self._gone = ""
        """Why nothing can be called any more; empty while it can."""
        self._gone_by = 0.0
        """When a loop that was taken away is closed at the latest, on the monotonic clock; 0 of any other."""
        self._told_to_stop = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def taken_away(self) -> bool:
        """It ends, or has ended, and nobody had asked it to."""
        return bool(self._gone_by)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            why = "somebody stopped it"
            try:
                self.loop.run_forever()
            except BaseException as error:
                why = describe(error)
            if not self._told_to_stop:
                self._taken_away(why)
        finally:
            with self._lock:
                self._gone = self._gone or "it was closed meanwhile"
            for future in tuple(self._called):
                future.cancel()
            self.loop.close()

    def may_take_s(self) -> float:
        """How long its end may take from now. What cannot be reckoned keeps nothing from being ended."""
        try:
            return _CLOSES_S + self.leaves_within_s()
        except Exception as error:
            _log.error("%s: how long its end may take: %s", self._thread.name, describe(error), error=error)
            return _CLOSES_S

    def _taken_away(self, why: str) -> None:
        within_s = self.may_take_s()
        with self._lock:
            self._gone = f"its event loop has ended ({why}), what ran in it was ended first; open it anew"
            self._gone_by = time.monotonic() + within_s + _LAST_S
        ending = self.loop.create_task(self._end_all(within_s))
        again: BaseException | None = None
        while not ending.done():
            try:
                self.loop.run_until_complete(ending)
            except BaseException as error:  # one more wish to end, which is being fulfilled already
                again = error if again is None else again
        _log.critical("%s: its event loop was taken away: %s", self._thread.name, why)
        if again is not None:
            _log.error("%s: at its end: %s", self._thread.name, describe(again), error=again)

    async def _end_all(self, within_s: float) -> None:
        """As ``end`` would: what was called, then what was opened, then whatever is left."""
        until = self.loop.time() + within_s
        await self._over(self._cancelled(self._under_way), until)
        if self.leave is not None:
            await self._over({self.loop.create_task(self.leave())}, until)
        rest = self._cancelled(asyncio.all_tasks())
        await self._over(rest, max(until, self.loop.time() + _LAST_S))

    def _cancelled(self, tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
        rest = {task for task in tasks if task is not asyncio.current_task()}
        for task in rest:
            task.cancel()
        return rest

    async def _over(self, tasks: set[asyncio.Task[Any]], until: float) -> None:
        if tasks:
            done, late = await asyncio.wait(tasks, timeout=until - self.loop.time())
            for task in done:
                if not task.cancelled() and (failed := task.exception()) is not None:
                    _log.error("%s: at its end: %s", self._thread.name, describe(failed), error=failed)
            if late:
                _log.critical("%s: %d tasks were not over in time", self._thread.name, len(late))

    def call(self, work: Callable[[], Coroutine[Any, Any, T]], timeout_s: float | None) -> T:
        """What ``work`` returns or raises. Raises ``LinkTimeoutError`` when it takes longer; it is cancelled
        then. Raises ``MisuseError`` when the loop has ended, or is ended meanwhile, and on its own
        thread: that would wait for itself."""
        self.need_another_thread()
        with self._lock:
            if self._gone:
                raise MisuseError(self._gone)
            future = asyncio.run_coroutine_threadsafe(self._tracked(work), self.loop)
            self._called.add(future)
        try:
            return future.result(timeout_s)
        except concurrent.futures.CancelledError:
            raise MisuseError(self._gone or "it was closed meanwhile") from None
        except concurrent.futures.TimeoutError:
            if future.done():  # the work itself raised it
                raise
            future.cancel()
            raise LinkTimeoutError(f"no end after {timeout_s:g} s") from None
        except BaseException:  # whoever waits is interrupted: so is what he waits for
            future.cancel()
            raise
        finally:
            self._called.discard(future)

    def need_another_thread(self) -> None:
        """Raises ``MisuseError`` on the thread of the loop."""
        if threading.current_thread() is self._thread:
            raise MisuseError(
                f"this was called on the thread of {self._thread.name}, which would wait for itself: "
                f"call it from another thread"
            )

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
        if rest := self._cancelled(self._under_way):
            await asyncio.wait(rest)
        await self._over(self._cancelled(asyncio.all_tasks()), self.loop.time() + _CLOSES_S)

    def end(self, within_s: float) -> None:
        """Cancel what is under way, give it ``within_s`` to end, and stop. Whatever interrupts the caller
        meanwhile, such as one more Ctrl-C, comes out when that is over: a loop that stopped at once would
        leave contactors closed."""
        interrupted = _waited_for(self._ask_to_wind_up, within_s)
        with suppress(RuntimeError):  # it is closed
            self.loop.call_soon_threadsafe(self._stop)
        left_s = max(self._gone_by - time.monotonic(), 0.0) + _CLOSES_S
        interrupted = _waited_for(self._thread.join, left_s) or interrupted
        if interrupted is not None:
            raise interrupted

    def _ask_to_wind_up(self, within_s: float) -> None:
        try:
            self.call(self._wind_up, within_s)
        except LinkTimeoutError:
            _log.critical("%s: what it did was not over after %g s", self._thread.name, within_s)
        except MisuseError as error:
            _log.error("%s: %s", self._thread.name, error)

    def _stop(self) -> None:
        if not self._gone:  # else it is being brought to its end, and closed then
            self._told_to_stop = True
            self.loop.stop()


def _waited_for(wait: Callable[[float], None], within_s: float) -> BaseException | None:
    """Wait, for ``within_s`` in all, and begin anew whatever interrupts that; gives the first of
    what did."""
    until = time.monotonic() + within_s
    interrupted: BaseException | None = None
    left_s = within_s
    while True:
        try:
            wait(left_s)
        except BaseException as error:
            interrupted = error if interrupted is None else interrupted
            left_s = until - time.monotonic()
            if left_s > 0.0:
                continue
        return interrupted


class _Background(Generic[Served]):
    """Whatever is opened in a loop of its own when it is entered, and closed there when it is left."""

    _WHAT: ClassVar[str]

    def __init__(self, make: Callable[[Clock], Served]) -> None:
        self._make = make
        self._loop: _Loop | None = None
        self._served: Served | None = None

    def __enter__(self) -> Self:
        if self._loop is not None:  # it would be closed by nobody
            raise MisuseError(f"this {self._WHAT} is open already: leave the other 'with' first")
        self._loop = _Loop(f"iso15118 {self._WHAT}")
        try:
            self._loop.call(self._open, _OPENS_S)
        except BaseException:
            self._leave()  # also what was opened in the moment in which the caller was interrupted
            raise
        return self

    async def _open(self) -> None:
        served = self._make(asyncio.get_running_loop().time)
        loop = self._loop
        if loop is not None:
            loop.leave, loop.leaves_within_s = served.close, lambda: served.ends_within_s
        await served.open()
        self._served = served

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        loop, served = self._loop, self._served
        if loop is None:
            return
        loop.need_another_thread()
        self._loop = self._served = None
        within_s = loop.may_take_s()
        try:
            if served is not None and not loop.taken_away:
                loop.call(served.close, within_s)
        except MisuseError:
            if not loop.taken_away:  # else that closes it
                raise
        finally:
            loop.end(within_s)

    def _inside(self) -> tuple[_Loop, Served]:
        if self._loop is None or self._served is None:
            raise MisuseError(f"the {self._WHAT} is not open: use it with 'with'")
        return self._loop, self._served


class BackgroundStation(_Background[SeccServer]):
    """A ``SeccServer`` in a thread; use it with ``with``.

    ``station`` makes the hardware, given the loop's sleep and clock; the rest is as for ``SeccServer``.
    Entering raises what ``SeccServer.open`` does, and ``MisuseError`` where it is open already.
    """

    _WHAT = "station"

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
    sleep and clock; the rest is as for ``EvccClient``. Entering raises what making and opening one does, and
    ``MisuseError`` where it is open already."""

    _WHAT = "vehicle"

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
