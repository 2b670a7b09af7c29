"""The charging station on a network: discovery, one listener per kind of connection, and one session at a time.

A session that fails ends alone. The listener and discovery go on, and the next vehicle is served as soon as the
hardware is safe, even while the last connection still waits to be closed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from iso15118.connection.vocabulary import (
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    SessionOver,
    SessionSetUp,
    is_set_up,
)
from iso15118.errors import ConfigError, HardwareError, MisuseError
from iso15118.sdp import SDP_PORT, RateLimit, Security
from iso15118.secc import SeccSession
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason

from .contract_calls import trust_of
from .driver import WORTH_WAITING, SessionDriver
from .hardware import PortLimits, StationHardware
from .inbox import Inbox
from .network import find_interface, listen_tcp
from .reception import Reception
from .sdp import serve_sdp
from .stream import MessageStream

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from iso15118.sdp import Answer, Ignored, Origin
    from iso15118.secc import SeccConfig
    from iso15118.session import ports
    from iso15118.session.ticket import SeccTicket

    from .driver import Observer, Watch
    from .link import StreamEnd, StreamLimits, StreamOwner, TlsSource
    from .network import Interface
    from .results import SessionResult
    from .sdp import SdpListener

__all__ = ["SeccServer"]

_log = logging.getLogger(__name__)

_RESULTS_KEPT: Final = 256
_TICKETS_KEPT: Final = 16  # one plug, but vehicles may pause and never come back; the oldest makes room
_SHUT_DOWN_S: Final = 2.0  # for connections to close in order when the server is closed


class SeccServer:
    """The SECC of one connector. Use it with ``async with``; it serves from then on, until it is left.

    ``tls``: a server's ``TlsContext``, or a ``TlsPort`` for several editions; None for none, which has to be allowed
    by ``config.allow_plaintext``; with both, plain TCP gets a port of its own.
    ``sdp``: answer discovery requests (``sdp_port`` 0: on any free port).
    ``port_limits``: how long the hardware may take, ``stream_limits``: how long a peer may. ``news`` gets every
    ``Notify`` of a session, ``observer`` everything; ``watch`` is for tests, ``on_request``
    hears of every datagram of the discovery, ``connections`` what becomes of each connection (``connection.vocabulary``).
    ``epoch`` is what must be added to
    the loop's clock to get Unix time; by default the system's clock is asked when a session begins. ``tickets``: sessions that were
    paused before this program was started.

    One session runs at a time. Until one begins, many connections may be in their handshake, and the first that is
    through has the session; while it runs, others wait in the system's small backlog at the expense of their own
    patience. Raises ``ConfigError`` for settings that do not fit.
    """

    def __init__(
        self,
        config: SeccConfig,
        station: ports.Station,
        interface: Interface | str,
        tls: TlsSource | None = None,
        *,
        sdp: bool = True,
        sdp_port: int = SDP_PORT,
        port: int | None = None,
        port_limits: PortLimits | None = None,
        stream_limits: StreamLimits | None = None,
        news: Callable[[act.Notify], None] | None = None,
        observer: Observer | None = None,
        watch: Watch | None = None,
        epoch: float | None = None,
        connection: Callable[..., MessageStream] = MessageStream,
        on_request: Callable[[Origin, Answer | Ignored], None] | None = None,
        connections: Callable[[ev.Event], None] | None = None,
        tickets: Iterable[SeccTicket] = (),
    ) -> None:
        if tls is None and not config.allow_plaintext:
            raise ConfigError(
                "tls", "there is no TLS context", "give one, or set allow_plaintext for a laboratory"
            )
        if tls is not None and tls.role != "server":
            raise ConfigError("tls", "this is a client's context", "role='server'")
        self.config = config
        self.station = station
        self.interface = find_interface(interface) if isinstance(interface, str) else interface
        self.results: deque[SessionResult] = deque(maxlen=_RESULTS_KEPT)
        """The last sessions, the newest at the end."""
        self.tickets: deque[SeccTicket] = deque(tickets, maxlen=_TICKETS_KEPT)
        """Sessions that were paused here and can be gone on with, the newest at the end; clear it to forget them."""
        self.finished = 0
        """How many sessions have come to their end."""
        self._tls = tls
        self._sdp_wanted, self._sdp_port = sdp, sdp_port
        self._port = port
        self._port_limits = port_limits if port_limits is not None else PortLimits.of(config.timing)
        self._stream_limits = stream_limits
        self._news = news
        self._observer, self._watch = observer, watch
        self._epoch = epoch
        self._connection = connection
        self._on_request = on_request
        self._connections = connections
        self._number = 0
        """Of the last connection."""
        self._listeners: dict[Security, socket.socket] = {}
        self._sdp: SdpListener | None = None
        self._accepting: list[asyncio.Task[None]] = []
        self._reception: Reception | None = None
        self._early: list[ev.Event] = []
        """What a session that is about to begin has to know, from the time of its handshake."""
        self._numbers: dict[MessageStream, int] = {}
        self._driver: SessionDriver | None = None
        self._hardware: StationHardware | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._streams: set[MessageStream] = set()
        self._inbox: Inbox | None = None
        self._finish_news: asyncio.Future[None] | None = None
        self._log_rate = RateLimit(per_second=1.0, burst=10.0)
        self._open = False

    # -- running ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen and be found. Raises ``LinkError`` if a port cannot be had."""
        if self._open:
            raise MisuseError("this server is open already")
        loop = asyncio.get_running_loop()
        if self._inbox is None:
            self._inbox = Inbox(loop, self._deliver)
            for pushing in (self.station.energy, self.station.signal):
                if pushing is not None:
                    pushing.listen(self._inbox.push)
        self._open = True
        try:
            if self._tls is not None:
                self._listeners[Security.TLS] = listen_tcp(self.interface, self._port)
            if self.config.allow_plaintext:
                taken = self._port is not None and self._tls is not None
                self._listeners[Security.NONE] = listen_tcp(self.interface, None if taken else self._port)
            if self._sdp_wanted:
                self._sdp = await serve_sdp(
                    self.interface, self.ports, port=self._sdp_port, on_request=self._on_request
                )
        except BaseException:
            await self.close()
            raise
        self._reception = reception = Reception(
            self._make_stream, taken_in=self._taken_in, serve=self._serve, refused=self._refused
        )
        for security, listener in self._listeners.items():
            tls = self._tls if security is Security.TLS else None
            task = loop.create_task(reception.listen(listener, tls), name=f"accept {security.name}")
            # Not before the task is over: the loop must not watch a descriptor that is somebody else's by then.
            task.add_done_callback(partial(_close, listener))
            self._accepting.append(task)

    async def serve_forever(self) -> None:
        """Wait until the server is closed or this is cancelled."""
        if not self._accepting:
            return
        done, _ = await asyncio.wait(self._accepting, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            if not task.cancelled():
                task.result()

    async def close(self) -> None:
        """Make the hardware safe, end the session, listen no more. Bounded in time, whatever ports and peers do."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.abandon(EndReason.EMERGENCY, "the station is switched off")
        if self._reception is not None:
            self._reception.close()
            self._reception = None
        self._open = False
        if self._sdp is not None:
            self._sdp.close()
            self._sdp = None
        for task in self._accepting:
            task.cancel()
        if not self._accepting:  # it was never open in full
            for listener in self._listeners.values():
                listener.close()
        self._listeners.clear()
        waits: list[asyncio.Future[Any]] = [*self._accepting]
        self._accepting = []
        try:
            if driver is not None:
                await asyncio.wait((driver.result,))
                self._keep(driver)
            for stream in tuple(self._streams):
                stream.close()
            if waits or self._closing:
                await asyncio.wait((*waits, *self._closing), timeout=_SHUT_DOWN_S)
        finally:
            for stream in tuple(self._streams):
                stream.abort()
        if self._closing:
            await asyncio.wait(self._closing)

    @property
    def ports(self) -> dict[Security, int]:
        """Where it listens, by kind of connection."""
        return {security: sock.getsockname()[1] for security, sock in self._listeners.items()}

    @property
    def sdp_port(self) -> int:
        """Where it answers discovery requests; 0 where it does not."""
        return self._sdp.port if self._sdp is not None else 0

    @property
    def session(self) -> SeccSession | None:
        """The session that runs now; to look at, not to touch."""
        session = self._driver.session if self._driver is not None and not self._driver.over else None
        return session if isinstance(session, SeccSession) else None

    async def wait_finished(self, count: int) -> SessionResult:
        """Wait until ``count`` sessions in all have come to their end; gives the last one."""
        while self.finished < count:
            if self._finish_news is None or self._finish_news.done():
                self._finish_news = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._finish_news)
        return self.results[-1]

    # -- commands -----------------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """End the session that runs in an orderly way."""
        self.tell(ev.StopRequested(reason))

    def pause(self, reason: str) -> None:
        """Ask the vehicle that charges for a pause. It may end the session instead, or charge on."""
        self.tell(ev.PauseRequested(reason))

    def emergency_shutdown(self, reason: str) -> None:
        """Power off now."""
        self.tell(ev.EmergencyShutdown(reason))

    def link_lost(self) -> None:
        """The data link is gone: the session that runs ends now, and all connections are dropped. From the loop's thread only."""
        if self._reception is not None:
            self._reception.drop()
        if self._driver is not None:
            self._driver.link_lost()

    def tell(self, event: ev.Event) -> None:
        """Hand an event to the session that runs, if one does; from any thread. Raises ``MisuseError`` for what
        cannot be told."""
        if self._inbox is None:
            raise MisuseError("this server has not been opened")
        self._inbox.push(event)

    def _deliver(self, event: ev.Event) -> None:
        driver = self._driver
        if driver is None:
            if type(event) in WORTH_WAITING and self._reception is not None and self._reception.openings:
                self._early.append(event)
            elif isinstance(event, ev.HardwareFault | ev.EmergencyShutdown):
                _log.warning("no session to end: %s", event)
            return
        if type(event) is ev.LimitsChanged and self._hardware is not None:
            try:
                event = ev.LimitsChanged(self._hardware.managed(event.limits))
            except HardwareError as error:
                event = ev.HardwareFault("power", str(error))
        driver.tell(event)

    # -- sessions -----------------------------------------------------------------------------------------

    def _make_stream(self, owner: StreamOwner, tls: TlsSource | None) -> MessageStream:
        return self._connection(
            owner, tls=tls.connect() if tls is not None else None, limits=self._stream_limits
        )

    def _taken_in(self, stream: MessageStream) -> None:
        self._streams.add(stream)
        closing = asyncio.get_running_loop().create_task(self._forget(stream))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _refused(self, end: StreamEnd | None) -> None:
        if self._log_rate.admit(asyncio.get_running_loop().time()):
            _log.warning("a connection ended before a session began: %s", end)
        if self._reception is None or not self._reception.openings:
            self._early.clear()

    def _serve(self, stream: MessageStream) -> None:
        """One connection that is ready: its session begins."""
        inbox = self._inbox
        driver = SessionDriver(
            "secc",
            self._take_hardware,
            self._new_session,
            first=inbox.standing if inbox is not None else tuple,
            news=self._heard,
            observer=self._observer,
            watch=self._watch,
        )
        driver.stream = stream
        self._driver = driver
        self._number = self._numbers[stream] = self._number + 1
        early, self._early = self._early, []
        for event in early:
            driver.tell(event)
        driver.result.add_done_callback(partial(self._over, driver))
        self._happened(ConnectionOpened(self._number))
        stream.adopt(driver)

    def _over(self, driver: SessionDriver, result: asyncio.Future[SessionResult | None]) -> None:
        """The hardware is safe; the connection may still wait to be closed."""
        if self._driver is driver:
            self._driver = None
            self._keep(driver)
        if self._reception is not None:
            self._reception.free()

    def _take_hardware(self, tell: Callable[[ev.Event], None]) -> StationHardware:
        managed = (
            self._inbox.limits.limits if self._inbox is not None and self._inbox.limits is not None else None
        )
        self._hardware = StationHardware(self.station, self._port_limits, tell, managed)
        return self._hardware

    def _new_session(self) -> SeccSession:
        hardware = self._hardware
        if hardware is None:
            raise MisuseError("a session needs hardware")
        epoch = self._epoch
        if epoch is None:
            epoch = time.time() - asyncio.get_running_loop().time()
        return SeccSession(
            self.config,
            hardware.limits(),
            epoch=epoch,
            trust=trust_of(self.station),
            installs=self.station.contract_certificates is not None,
            resume=tuple(self.tickets),
        )

    def _heard(self, news: act.Notify) -> None:
        """News of the session: what the vehicle needs is for the energy manager, all of it for the application."""
        if type(news) is act.StateEntered and is_set_up(news.state):
            self._happened(SessionSetUp(self._number))
        if type(news) is act.ChargingNeeds and self.station.energy is not None:
            try:
                self.station.energy.needs(news)
            except Exception:
                _log.exception("the energy manager does not take what the vehicle needs")
        if self._news is not None:
            try:
                self._news(news)
            except Exception:
                _log.exception("the application failed on news, and gets no more")
                self._news = None

    def _keep(self, driver: SessionDriver) -> None:
        result = driver.result.result() if driver.result.done() and not driver.result.cancelled() else None
        if result is None:
            self._refused(driver.link_end)
            self._happened(ConnectionFailed(self._number, str(driver.link_end)))
            return
        _log.info("session with %s ended: %s", result.peer, result.ended)
        if isinstance(driver.session, SeccSession):
            for ticket in driver.session.spent:
                if ticket in self.tickets:  # it may have been forgotten meanwhile
                    self.tickets.remove(ticket)
            if result.ticket is not None and driver.session.ticket is not None:
                self.tickets.append(driver.session.ticket)
        self.results.append(result)
        self.finished += 1
        if self._finish_news is not None and not self._finish_news.done():
            self._finish_news.set_result(None)
        self._happened(SessionOver(self._number, result.ended))

    async def _forget(self, stream: MessageStream) -> None:
        try:
            await stream.wait_closed()
        finally:
            self._streams.discard(stream)
            number = self._numbers.pop(stream, None)
            if number is not None:
                self._happened(ConnectionClosed(number))

    def _happened(self, event: ev.Event) -> None:
        if self._connections is not None:
            try:
                self._connections(event)
            except Exception:
                _log.exception("whoever follows the connections failed on %s", event)


def _close(listener: socket.socket, task: asyncio.Task[None]) -> None:
    listener.close()
