"""The charging station on a network: discovery, one listener per kind of
connection, and one session at a time.

A session that fails ends alone. The listener and discovery go on, and the next vehicle is served as soon as
the hardware is safe, even while the last connection still waits to be closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from iso15118.aio.net.handshakes import HandshakePool
from iso15118.aio.net.interface import Interface, find_interface
from iso15118.aio.net.no_stream import NoStream
from iso15118.aio.net.presence import Presence
from iso15118.aio.net.stream import MessageStream
from iso15118.aio.net.vehicles import Asked, is_same_vehicle
from iso15118.aio.ports.guard import Callback, each, insist
from iso15118.aio.ports.hardware import PortLimits
from iso15118.errors import ConfigError, MisuseError
from iso15118.sdp import SDP_PORT, Security
from iso15118.secc.editions import load
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, PeerDeviates
from iso15118.session.discovery import Downgrade
from iso15118.session.events import TransportLoss
from iso15118.session.ports import Station
from iso15118.session.service_ports import check_services

from .arguments import check_arguments, check_tls
from .discovery import named_place
from .identity import renewable
from .lifecycle import Lifecycle
from .logs import Log
from .secc_readings import SeccReadings
from .secc_sessions import SeccSessions

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from iso15118.aio.net.ending import StreamEnd, StreamLimits, StreamOwner, TlsSource
    from iso15118.aio.ports.station_hardware import StationHardware
    from iso15118.link.primitives import SetPilot
    from iso15118.sdp import Answer, Ignored, Origin
    from iso15118.sdp.wireless_ends import WirelessPlace
    from iso15118.secc import SeccConfig
    from iso15118.session import actions as act
    from iso15118.session.ticket import SeccTicket

    from .driver import ActionFilter, Observer, SessionDriver
    from .finishing import Session
    from .recording import Recorder

__all__ = ["SeccServer"]

_log = Log(__name__)

_LOOK_S: Final = 0.1
_SHUT_DOWN_S: Final = 2.0  # for connections to close in order when the server is closed


class SeccServer(SeccReadings):
    """The SECC of one connector. Use it with ``async with``; it serves from then on, until it is left.

    ``tls``: a server's ``TlsContext``, or a ``TlsPort`` for several editions; None for none, which has to be
    allowed by the settings (``allow_plaintext``, or an edition that is spoken in the clear); with both, one
    port serves them: the first octets tell. ``sdp``: answer discovery requests (``sdp_port`` 0: on any free
    port). ``port_limits``: how long the hardware may take, ``stream_limits``: how long a peer may. ``news``
    gets every ``Notify`` of a session, ``observer`` everything; ``watch`` is for tests, ``on_request`` hears
    of every datagram of the discovery, ``connections`` what becomes of each connection (``connector.news``).
    ``recorder``: each session leaves a folder there. ``epoch`` is what must be added to the loop's clock to
    get Unix time; by default the system's clock is asked when a session begins. ``tickets``: sessions that
    were paused before this program was started. ``talks_with``: what sessions with messages may work with, if
    that is less than ``station``. ``place``: it is found without a cable, as a pad or a connection device is;
    its EVSEID is ``config.evse_id`` unless it has one.

    One session runs at a time. Until one begins, many connections may be in their handshake, and the first
    that is through has the session; while it runs, a few others wait at the expense of their own patience,
    and discovery is silent. The vehicle of the session that connects anew (with the same certificate; on a
    plain connection, from the same link-local address) ends that session, hardware first, and is served next.
    Raises ``ConfigError`` for settings that do not fit.

    An ``interface`` by name may change: a new address, or an interface that is made anew, is found within
    about a second, and news say so (``InterfaceLost``, ``InterfaceReady``). A session whose address is gone
    ends. ``wait_for_interface``: one that is missing or not usable when the server is opened is waited for;
    otherwise that is a ``LinkError``. Two servers on one interface and ``sdp_port`` are refused.

    ``heartbeat`` says from any thread whether this server is able to make its hardware safe. ``state``
    says whether it serves; while it is out of service, discovery is not answered and a vehicle that
    comes all the same is refused.
    """

    def __init__(
        self,
        config: SeccConfig,
        station: Station,
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
        watch: ActionFilter | None = None,
        epoch: float | None = None,
        connection: Callable[..., MessageStream] = MessageStream,
        on_request: Callable[[Origin, Answer | Ignored], None] | None = None,
        connections: Callable[[ev.Event], None] | None = None,
        tickets: Iterable[SeccTicket] = (),
        wait_for_interface: bool = False,
        talks_with: Station | None = None,
        recorder: Recorder | None = None,
        place: WirelessPlace | None = None,
    ) -> None:
        check_arguments(
            interface=interface,
            sdp=sdp,
            sdp_port=sdp_port,
            port=port,
            port_limits=port_limits,
            stream_limits=stream_limits,
            news=news,
            observer=observer,
            watch=watch,
            epoch=epoch,
            on_request=on_request,
            connections=connections,
            wait_for_interface=wait_for_interface,
            recorder=recorder,
            tickets=(tickets := tuple(tickets)),
            talks_with=talks_with,
        )
        check_tls(tls, "server", config)
        if not isinstance(station, Station):
            raise ConfigError(
                "station", f"{type(station).__name__} is no Station", "iso15118.Station(power=..., ...)"
            )
        check_services(config.editions, config.services, station if talks_with is None else talks_with)
        self.config = config
        load(config)  # now, and not while a vehicle waits
        self.station = station
        if isinstance(interface, str) and not wait_for_interface:
            find_interface(interface)  # what cannot be used is said here
        self._where, self._wait = interface, wait_for_interface
        limits = port_limits if port_limits is not None else PortLimits.of(config.timing)
        self._tls = renewable(tls)
        self.sessions = SeccSessions(
            config,
            station,
            limits,
            news=news,
            observer=observer,
            watch=watch,
            epoch=epoch,
            connections=connections,
            tickets=tickets,
            changed=self._service_changed,
            talks_with=talks_with,
            opening=lambda: self._reception is not None and self._reception.openings > 0,
            holds=None if self._tls is None else self._tls.look_at,
        )
        self._expiry: asyncio.Task[None] | None = None
        self._sdp_wanted, self._sdp_port = sdp, sdp_port
        self._place = None if place is None else named_place(place, config)
        self._port = port
        self._stream_limits = stream_limits
        self._recorder = recorder
        self._connection = connection if recorder is None else recorder.streams(connection, "secc")
        self._on_request = Callback("the callback on_request", on_request)
        self._asked = Asked()
        self._presence: Presence | None = None
        self._reception: HandshakePool | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._streams: set[MessageStream] = set()
        self._life = Lifecycle("server")

    # -- running ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen and be found. Raises ``LinkError`` if a port cannot be had, ``ConfigError`` if our
        certificate has expired or another open server has one of these ports that cannot serve two
        (contactors, supply, signal, heartbeat ...), ``HardwareError`` naming a port of the station that does
        not take a listener, and ``MisuseError`` where it is open, or is closed meanwhile. After that, and
        after ``close``, it can be opened again; while it is being closed this waits for that end."""
        number = await self._life.begin()
        try:
            self._expiry = None if self._tls is None else self._tls.start(self.sessions.held)
            self.sessions.listen()
            self.sessions.open()
            self._reception = HandshakePool(
                self._make_stream,
                taken_in=self._taken_in,
                serve=self._serve,
                refused=self._refused,
                returns=self._returns,
                same=is_same_vehicle,
            )
            self._presence = presence = Presence(
                self._where,
                self._wanted_ports(),
                self._accept,
                sdp_port=self._sdp_port,
                lost=self._interface_lost,
                news=self.sessions.news,
                may_answer=self._may_answer,
                on_request=self._heard_asking,
                wait=self._wait,
                place=self._place,
            )
            await presence.open(show=self._sdp_wanted)
            self._life.check(number)
        except BaseException:
            await self._life.undo(number, self._close)
            raise

    def _wanted_ports(self) -> dict[Security, int | None]:
        wanted: dict[Security, int | None] = {}
        if self._tls is not None and self.config.speaks_tls:
            wanted[Security.TLS] = self._port
        if self.config.speaks_plain:
            wanted[Security.NONE] = self._port
        return wanted

    async def _accept(self, listener: socket.socket, security: Security) -> None:
        if self._reception is not None:
            await self._reception.listen(listener, self._tls if security is Security.TLS else None)

    async def serve_forever(self) -> None:
        """Wait until the server is closed or this is cancelled. Raises ``MisuseError`` where it was never
        opened, and in another event loop than the server's."""
        self._life.need_begun()
        self._life.need_its_loop("serve_forever")
        while self._life.open and self._presence is not None:
            if accepting := self._presence.accepting:
                done, _ = await asyncio.wait(accepting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if not task.cancelled():
                        task.result()
            await asyncio.sleep(_LOOK_S)

    async def close(self) -> None:
        """Make the hardware safe, end the session, listen no more. Bounded in time, whatever ports,
        peers and cancellations do: a cancellation comes out when the hardware was given its time.
        Raises ``CancelledError`` then. Whoever else closes it meanwhile waits for the same end."""
        await self._life.end(self._close)

    async def _close(self) -> None:
        sessions = self.sessions
        driver = sessions.take_leave()
        failed = each(
            partial(_abandon, driver),
            self._stop_listening,
        )
        accepting = self._presence.accepting if self._presence is not None else set()
        for error in failed:
            _log.error("a step on the way to the end of the server failed", error=error)
        cancelled = False
        try:
            if driver is not None:
                limit_s = driver.settles_within_s
                _, cancelled = await insist(lambda: asyncio.wait((driver.result,), timeout=limit_s), limit_s)
                sessions.keep(driver)
            _, again = await insist(sessions.settle_idle, sessions.ends_within_s + _SHUT_DOWN_S)
            cancelled = cancelled or again
            for stream in tuple(self._streams):
                stream.close()
            if accepting or self._closing:
                await asyncio.wait((*accepting, *self._closing), timeout=_SHUT_DOWN_S)
        finally:
            sessions.close()
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
        if self._presence is not None:
            self._presence.close()
        if self._expiry is not None:
            self._expiry.cancel()

    @property
    def interface(self) -> Interface:
        """Where it listens, or would. Raises ``LinkError`` for one that is waited for."""
        if self._presence is not None and self._presence.interface is not None:
            return self._presence.interface
        return find_interface(self._where) if isinstance(self._where, str) else self._where

    @property
    def unreachable_because(self) -> str:
        """Why no vehicle can reach the station: what is wrong with its interface; empty if nothing is."""
        return self._presence.problem if self._presence is not None else "it has not been opened"

    async def show(self) -> None:
        """Answer discovery from now on; with ``sdp=False`` it does not begin with it. Raises ``LinkError``
        if the port cannot be had, and ``MisuseError`` in another event loop than the server's."""
        self._life.need_its_loop("show")
        if self._presence is not None:
            await self._presence.show()

    def hide(self) -> None:
        """Answer discovery no more; who knows the address may still connect. From any thread."""
        self.sessions.inbox.on_loop(self._hide)

    def _hide(self) -> None:
        if self._presence is not None:
            self._presence.hide()

    @property
    def ports(self) -> dict[Security, int]:
        """Where it listens, by kind of connection; empty while it cannot."""
        return self._presence.ports if self._presence is not None else {}

    @property
    def sdp_port(self) -> int:
        """Where it answers discovery requests; 0 where it does not."""
        return self._presence.sdp_port if self._presence is not None else 0

    def _may_answer(self, origin: Origin) -> bool:
        """Who can have a session is invited; and so is the vehicle whose session runs: it asks
        because it has started anew."""
        if self.may_invite():
            return True
        stream = self._running_stream()
        return stream is not None and not origin.address.is_loopback and stream.peer_address == origin.address

    def _running_stream(self) -> MessageStream | None:
        driver = self.sessions.driver
        return driver.stream if driver is not None and not driver.over else None

    def _returns(self, newcomer: MessageStream) -> bool:
        """Whether this is the vehicle whose session runs. Then that session ends, hardware first,
        and the vehicle is the next."""
        driver = self.sessions.driver
        if driver is None or driver.stream is None or not is_same_vehicle(newcomer, driver.stream):
            return False
        if not driver.over:
            driver.link_lost(TransportLoss.CONNECTED_ANEW)
            _log.warning("the vehicle at %s connected anew: its session is over", newcomer.peer)
        return True  # also while the hardware of that session still settles

    # -- commands -----------------------------------------------------------------------------------------

    def renew(self, tls: TlsSource) -> None:
        """Make new connections from these certificates, roots and evidence; a session
        that runs goes on with its own. From any thread.

        Raises ``ConfigError`` for what cannot take their place, then nothing changes;
        ``MisuseError`` without TLS.
        """
        if self._tls is None:
            raise MisuseError("this server has no TLS")
        self.sessions.inbox.on_loop(partial(self._tls.take, self._tls.judged(tls)))

    def stop(self, reason: str) -> None:
        """End the session that runs in an orderly way; ``reason`` is for the log and
        the result. From any thread."""
        self.tell(ev.StopRequested(reason))

    def pause(self, reason: str) -> None:
        """Ask the vehicle that charges for a pause. It may end the session instead, or charge on.
        From any thread."""
        self.tell(ev.PauseRequested(reason))

    def emergency_shutdown(self, reason: str) -> None:
        """Power off now: the session that runs ends as an emergency. Between sessions it takes the connector
        out of service until ``back_in_service``. From any thread."""
        self.tell(ev.EmergencyShutdown(reason))

    def out_of_service(self, reason: str) -> None:
        """Serve nobody until ``back_in_service``: discovery is silent, and a vehicle that comes all the same
        is refused. A session that runs goes on. From any thread."""
        self.sessions.inbox.on_loop(partial(self.sessions.service.tell, reason))

    def back_in_service(self) -> None:
        """What took the connector out of service is over: an alarm that was told, or ``out_of_service``.
        Hardware that does not show itself safe keeps it out of service until it does. From any thread."""
        self.sessions.inbox.on_loop(self.sessions.service.clear)

    def link_lost(self) -> None:
        """The data link is gone: the session that runs ends now, and all connections are dropped.
        From any thread."""
        self.sessions.inbox.on_loop(self._drop_all)

    def _drop_all(self) -> None:
        if self._reception is not None:
            self._reception.drop()
        if self.sessions.driver is not None:
            self.sessions.driver.link_lost()

    def tell(self, event: ev.Event) -> None:
        """Hand an event to the session that runs, if one does; from any thread. A fault or an emergency that
        is told while none runs takes the connector out of service. Raises ``MisuseError``, in the caller's
        thread, for what cannot be told, naming the field."""
        self.sessions.inbox.push(event)

    def _interface_lost(self, reason: str) -> None:
        if self.sessions.driver is not None:
            _log.error("the session that runs cannot go on: %s", reason)
        self.link_lost()

    def _service_changed(self, reason: str) -> None:
        if reason and self._reception is not None:
            self._reception.drop()  # whoever is in a handshake: the next connection is refused by its session

    # -- sessions -----------------------------------------------------------------------------------------

    def _make_stream(self, owner: StreamOwner, tls: TlsSource | None) -> MessageStream:
        if tls is None:
            return self._connection(owner, tls=None, limits=self._stream_limits, speaks_first=True)
        more = {"plain_too": True, "speaks_first": True} if self.config.speaks_plain else {}
        return self._connection(owner, tls=tls.connect(), limits=self._stream_limits, **more)

    def _taken_in(self, stream: MessageStream) -> None:
        self._streams.add(stream)
        closing = asyncio.get_running_loop().create_task(self._forget(stream))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _refused(self, end: StreamEnd | None) -> None:
        self.sessions.refused(end)
        if self._reception is None or not self._reception.openings:
            self.sessions.early.clear()

    def _serve(self, stream: MessageStream) -> None:
        if self.sessions.driver is not None:  # nothing is said by messages now
            stream.abort()
            asyncio.get_running_loop().call_soon(self._free)
            return
        remark = self._asked.remark(stream, asyncio.get_running_loop().time())
        if remark:
            self.sessions.tell_news(PeerDeviates("sdp-downgrade", remark))
        if remark and self.config.sdp_downgrade is Downgrade.REFUSE:
            stream.abort()
            asyncio.get_running_loop().call_soon(self._free)
            return
        self.sessions.serve(stream, self._free, remark=remark)

    def _heard_asking(self, origin: Origin, outcome: Answer | Ignored) -> None:
        self._asked.heard(origin, outcome, asyncio.get_running_loop().time())
        if self._recorder is not None:
            self._recorder.heard_asking(origin, outcome, self.sdp_port)
        self._on_request(origin, outcome)

    def serve_without_messages(
        self, make: Callable[[StationHardware], Session], show: Callable[[SetPilot], None]
    ) -> bool:
        """A session of another kind gets the hardware, and nobody else is served until it has ended. False:
        another one has it still, or the server is not open. Raises ``MisuseError`` on another thread than
        that of the event loop."""
        self.sessions.inbox.thread.need("serve_without_messages")
        if self.sessions.busy or not self._life.open:
            return False
        if self._reception is not None:
            self._reception.drop()
        stream: Any = NoStream(None if self._recorder is None else self._recorder.bare("secc"))
        self.sessions.serve(stream, partial(self.sessions.gone, stream), make=make, show=show)
        return True

    def _free(self) -> None:
        if self._reception is not None:
            self._reception.free()

    async def _forget(self, stream: MessageStream) -> None:
        try:
            await stream.wait_closed()
        finally:
            self._streams.discard(stream)
            self.sessions.gone(stream)


def _abandon(driver: SessionDriver | None) -> None:
    if driver is not None:
        driver.abandon(EndReason.EMERGENCY, "the station is switched off")
