"""The charging station on a network: discovery, one listener per kind of connection, and one session at a time.

A session that fails ends alone. The listener and discovery go on, and the next vehicle is served as soon as the
hardware is safe, even while the last connection still waits to be closed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, Self

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
from iso15118.session.supervision import IdleSupervisor, SupervisionLimits

from .contract_calls import trust_of
from .driver import WORTH_WAITING, SessionDriver
from .guard import Callback, Port, brief, each, insist
from .hardware import PortLimits
from .heartbeat import Heartbeat
from .idle import IdleLook
from .inbox import ALARMS, Inbox
from .logs import Log
from .network import find_interface, listen_tcp
from .reception import Reception
from .sdp import serve_sdp
from .service import Service, ServiceState
from .station_hardware import StationHardware
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

_log = Log(__name__)

_RESULTS_KEPT: Final = 256
_TICKETS_KEPT: Final = 16  # one plug, but vehicles may pause and never come back; the oldest makes room
_SHUT_DOWN_S: Final = 2.0  # for connections to close in order when the server is closed
_STALE_S: Final = 1.0
"""Without a reading for so long while energy may flow, the heartbeat stops."""


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

    ``heartbeat`` says from any thread whether this server is able to make its hardware safe. ``state`` says whether it serves; while it is
    out of service, discovery is not answered and a vehicle that comes all the same is refused.
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
        self._observer, self._watch = observer, watch
        self._epoch = epoch
        self._connection = connection
        self._on_request = Callback("the callback on_request", on_request)
        self._news = Callback("the application, told of news,", news)
        self._connections = Callback("whoever follows the connections", connections, lasting=True)
        energy = station.energy
        self._energy = None if energy is None else Port(energy, "energy")
        self._pushing = [
            Port(port, name)
            for name, port in (("energy", energy), ("signal", station.signal))
            if port is not None
        ]
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
        self._inbox = Inbox()
        self._service = Service(Callback("the server", self._service_changed, lasting=True))
        self._idle: IdleLook | None = None
        beat = None if station.heartbeat is None else Port(station.heartbeat, "heartbeat")
        self.heartbeat = Heartbeat(self._why_unable, self._news, beat)
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
        """Listen and be found. Raises ``LinkError`` if a port cannot be had, ``HardwareError`` naming a port of the station that does not
        take a listener. After that, and after ``close``, it can be opened again."""
        if self._open:
            raise MisuseError("this server is open already")
        loop = asyncio.get_running_loop()
        self._open = True
        try:
            self._inbox.open(loop, self._deliver)
            self._inbox.listen(*self._pushing)
            if self._tls is not None:
                self._listeners[Security.TLS] = listen_tcp(self.interface, self._port)
            if self.config.allow_plaintext:
                taken = self._port is not None and self._tls is not None
                self._listeners[Security.NONE] = listen_tcp(self.interface, None if taken else self._port)
            if self._sdp_wanted:
                self._sdp = await serve_sdp(
                    self.interface,
                    self.ports,
                    port=self._sdp_port,
                    may_answer=self.may_invite,
                    on_request=self._on_request if self._on_request else None,
                )
        except BaseException:
            await self.close()
            raise
        self._idle = IdleLook(self._caretaker, IdleSupervisor(SupervisionLimits()), self._service.hardware)
        self._idle.start(self._service.unsafe)
        alarm, self._inbox.alarm = self._inbox.alarm, None
        if alarm is not None:
            self._deliver(alarm)
        self.heartbeat.start()
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
        """Make the hardware safe, end the session, listen no more. Bounded in time, whatever ports, peers and cancellations do: a
        cancellation comes out when the hardware was given its time."""
        driver, self._driver = self._driver, None
        failed = each(
            partial(_abandon, driver),
            self._stop_listening,
            *(listener.close for listener in self._listeners.values() if not self._accepting),
        )
        self._open = False
        self._listeners.clear()
        accepting, self._accepting = self._accepting, []
        for error in failed:
            _log.error("a step on the way to the end of the server failed", error=error)
        cancelled = False
        try:
            if driver is not None:
                limit_s = driver.settles_within_s
                _, cancelled = await insist(lambda: asyncio.wait((driver.result,), timeout=limit_s), limit_s)
                self._keep(driver)
            idle, self._idle = self._idle, None
            if idle is not None:
                _, again = await insist(idle.settle, _SHUT_DOWN_S)
                cancelled = cancelled or again
                idle.stop()
            for stream in tuple(self._streams):
                stream.close()
            if accepting or self._closing:
                await asyncio.wait((*accepting, *self._closing), timeout=_SHUT_DOWN_S)
        finally:
            self.heartbeat.stop("the server is closed")
            self._inbox.close()
            for stream in tuple(self._streams):
                stream.abort()
        if self._closing:
            await asyncio.wait(self._closing, timeout=_SHUT_DOWN_S)
        if cancelled:
            raise asyncio.CancelledError

    def _stop_listening(self) -> None:
        if self._reception is not None:
            self._reception.close()
            self._reception = None
        if self._sdp is not None:
            self._sdp.close()
            self._sdp = None
        for task in self._accepting:
            task.cancel()

    @property
    def ports(self) -> dict[Security, int]:
        """Where it listens, by kind of connection."""
        return {security: sock.getsockname()[1] for security, sock in self._listeners.items()}

    @property
    def sdp_port(self) -> int:
        """Where it answers discovery requests; 0 where it does not."""
        return self._sdp.port if self._sdp is not None else 0

    @property
    def state(self) -> ServiceState:
        """Whether it serves."""
        if not self._open:
            return ServiceState.CLOSED
        if self._driver is not None:  # or its hardware is still being made safe
            return ServiceState.IN_SESSION
        return ServiceState.OUT_OF_SERVICE if self._service.reason else ServiceState.AVAILABLE

    @property
    def out_of_service_because(self) -> str:
        """Why nobody is served; empty if somebody can be."""
        return self._service.reason

    def may_invite(self) -> bool:
        """A session could begin now: it is in service, and none runs."""
        return self.state is ServiceState.AVAILABLE

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

    def out_of_service(self, reason: str) -> None:
        """Serve nobody until ``back_in_service``: discovery is silent, and a vehicle that comes all the same is refused. A session that
        runs goes on. From the loop's thread only; ``tell`` a fault or an emergency from another one."""
        self._service.tell(reason)

    def back_in_service(self) -> None:
        """What took the connector out of service is over: an alarm that was told, or ``out_of_service``. Hardware that does not show
        itself safe keeps it out of service until it does."""
        self._service.clear()

    def link_lost(self) -> None:
        """The data link is gone: the session that runs ends now, and all connections are dropped. From the loop's thread only."""
        if self._reception is not None:
            self._reception.drop()
        if self._driver is not None:
            self._driver.link_lost()

    def tell(self, event: ev.Event) -> None:
        """Hand an event to the session that runs, if one does; from any thread. A fault or an emergency that is told while none runs takes
        the connector out of service. Raises ``MisuseError``, in the caller's thread, for what cannot be told, naming the field."""
        self._inbox.push(event)

    def _deliver(self, event: ev.Event) -> None:
        driver = self._driver
        if driver is None or driver.over:
            if isinstance(event, ALARMS):
                self._service.tell(brief(_words(event)))
            elif type(event) in WORTH_WAITING and self._reception is not None and self._reception.openings:
                self._early.append(event)
            return
        if type(event) is ev.LimitsChanged and self._hardware is not None:
            try:
                event = ev.LimitsChanged(self._hardware.managed(event.limits))
            except HardwareError as error:
                event = ev.HardwareFault("power", str(error))
        driver.tell(event)

    def _service_changed(self, reason: str) -> None:
        if reason and self._reception is not None:
            self._reception.drop()  # whoever is in a handshake: the next connection is refused by its session

    def _why_unable(self) -> str:
        """Why this server cannot be relied on to make its hardware safe now; empty if it can."""
        driver = self._driver
        hardware = driver.hardware if driver is not None else None
        if hardware is None:
            return self._service.unsafe
        if hardware.trouble:
            return hardware.trouble
        age = asyncio.get_running_loop().time() - hardware.measured_at
        return f"no reading for {age:.1f} s" if hardware.live and age > _STALE_S else ""

    def _caretaker(self, tell: Callable[[ev.Event], None]) -> StationHardware:
        """A hold on the hardware between sessions."""
        return StationHardware(self.station, self._port_limits, tell, None)

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
        if self._idle is not None:
            self._idle.stop()
        driver = SessionDriver(
            "secc",
            self._take_hardware,
            self._new_session,
            first=self._first,
            news=self._heard,
            observer=self._observer,
            watch=self._watch,
            look_s=self._port_limits.look_s,
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

    def _first(self) -> list[ev.Event]:
        """What a session has to know when it begins. One that nobody invited is refused at its first request."""
        refused = self._service.reason
        standing = self._inbox.standing()
        return [*standing, ev.StopRequested(f"out of service: {refused}")] if refused else standing

    def _over(self, driver: SessionDriver, result: asyncio.Future[SessionResult | None]) -> None:
        """The hardware is safe, or out of service; the connection may still wait to be closed."""
        if self._driver is driver:
            self._driver = None
            self._service.hardware(driver.unsafe_because)
            if self._idle is not None:
                self._idle.start(driver.unsafe_because)
            self._keep(driver)
        if self._reception is not None:
            self._reception.free()

    def _take_hardware(self, tell: Callable[[ev.Event], None]) -> StationHardware:
        managed = self._inbox.limits.limits if self._inbox.limits is not None else None
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
        energy = self._energy if type(news) is act.ChargingNeeds else None
        if energy is not None and (complaint := energy.tell("needs", news)):
            _log.error("the energy manager does not take what the vehicle needs: %s", complaint)
        self._news(news)

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
        self._connections(event)


def _words(alarm: ev.Event) -> str:
    if isinstance(alarm, ev.HardwareFault):
        return f"{alarm.port}: {alarm.reason}"
    return f"emergency: {alarm.reason}" if isinstance(alarm, ev.EmergencyShutdown) else str(alarm)


def _abandon(driver: SessionDriver | None) -> None:
    if driver is not None:
        driver.abandon(EndReason.EMERGENCY, "the station is switched off")


def _close(listener: socket.socket, task: asyncio.Task[None]) -> None:
    listener.close()
