"""A station's connector as a whole: from plug-in over data link, discovery and
sessions to unplug, and over again.

``PluggedSecc`` puts ``SeccServer`` behind a connection; which link it is, is the caller's choice.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from iso15118.aio.arguments import check_arguments
from iso15118.aio.commands import ServiceCommands
from iso15118.aio.identity import renewable
from iso15118.aio.lifecycle import Lifecycle
from iso15118.aio.logs import Log
from iso15118.aio.ports.guard import Callback, describe, each
from iso15118.aio.ports.outputs import AssertedOutputs, why_not_shown
from iso15118.aio.secc import SeccServer
from iso15118.aio.service import ServiceState
from iso15118.connector import ConnectorSettings, Phase, SeccConnector
from iso15118.connector.basic import BasicMode, BasicStation, Reading, Steps
from iso15118.connector.news import (
    DropConnection,
    PhaseEntered,
    StartBasic,
    StartDiscovery,
    StopDiscovery,
)
from iso15118.errors import ConfigError, LinkError, MisuseError
from iso15118.link.primitives import DLinkReady, Restart, SetPilot
from iso15118.sdp import SDP_PORT
from iso15118.session.events import HardwareFault

from .autocharge import Autocharge
from .connector import ADDRESS_RETRY_S, ConnectionDriver, LinkParts, SessionSignal
from .reading import reading_config, reading_ports

if TYPE_CHECKING:
    from types import TracebackType

    from iso15118.aio.finishing import Session
    from iso15118.aio.net.ending import TlsSource
    from iso15118.aio.net.network import Interface
    from iso15118.aio.ports.station_hardware import StationHardware
    from iso15118.aio.results import SessionResult
    from iso15118.sdp import Answer, Ignored, Origin
    from iso15118.secc import SeccConfig, SeccSession
    from iso15118.session import ports
    from iso15118.session.actions import Action, Notify
    from iso15118.session.events import Event

__all__ = ["PluggedSecc"]

_log = Log(__name__)

_REPLUG_S: Final = 1.0
_BASIC_RETRY_S: Final = 0.05
"""How often it is tried to begin basic charging while the hardware is not free yet."""
_CANCELLED_S: Final = 2.0
"""For what was begun and is cancelled to end, when the connector is closed."""


class PluggedSecc(ServiceCommands):
    """A station's connector. Use it with ``async with``; it serves until it is left.

    The signalling of ``parts`` takes the place of ``station.signal``. It can be found, and sessions begin,
    from D-LINK_READY on. What was paused can be gone on with until it is unplugged. ``news`` hears of phases,
    D-LINK_READY and the link's notes, ``session_news`` of every ``Notify`` of a session, ``listening`` is
    called when there is a TCP port. ``server`` holds further settings of ``SeccServer``.

    A signalling that cannot show what it is to show takes the connector out of service until it can.

    Basic charging by the duty cycle (``parts.settings.basic``) needs ``station.ac``; with mode "read"
    sessions with messages work with no hardware at all, and ``read`` has what they learnt.

    Raises as ``SeccServer`` and the medium do.
    """

    def __init__(
        self,
        config: SeccConfig,
        station: ports.Station,
        interface: Interface | str,
        tls: TlsSource | None,
        parts: LinkParts,
        *,
        sdp_port: int = SDP_PORT,
        on_request: Callable[[Origin, Answer | Ignored], None] | None = None,
        news: Callable[[Action], None] | None = None,
        listening: Callable[[SeccServer], None] | None = None,
        session_news: Callable[[Notify], None] | None = None,
        **server: Any,
    ) -> None:
        check_arguments(news=news, session_news=session_news, listening=listening, on_request=on_request)
        super().__init__(ServiceState.CLOSED)
        self._loop = asyncio.get_running_loop()
        outputs = AssertedOutputs(parts.signalling)
        signal = SessionSignal(outputs)
        self._outputs, outputs.failing = outputs, self._not_shown
        self._link, self._mac = parts.link, ""
        self._settings = parts.settings if parts.settings is not None else ConnectorSettings()
        self.read = Reading()
        """What the vehicle of this plug-in said of itself, where a session reads
        it (``basic.mode`` "read")."""
        authorizer = station.authorizer
        if self._settings.autocharge:
            authorizer = Autocharge(authorizer, lambda: self._mac)
        station = dataclasses.replace(station, signal=signal, authorizer=authorizer)
        self._supervision = config.supervision
        if self._reads:
            server["talks_with"] = reading_ports(station)
            config = reading_config(config)
        if self._settings.basic.wanted:
            _check_outlet(station)
            server.setdefault("wait_for_interface", True)  # it charges without one, too
        self._session_news = Callback("the application, told of news,", session_news, lasting=True)
        self._tls = kept = renewable(tls)
        self._make_server: Callable[[], SeccServer] = lambda: SeccServer(
            config,
            station,
            interface,
            kept,
            sdp=False,
            sdp_port=sdp_port,
            on_request=on_request,
            connections=self._happened,
            news=self._told,
            **server,
        )
        self._news = Callback("the application, told of the plug,", news)
        self._listening = Callback("who is told that vehicles can come", listening)
        self._replug = parts.replug
        self._replugging: asyncio.TimerHandle | None = None
        self._unplugged = False
        self._life = Lifecycle("connector")
        """What is asked for is begun while it is open; from ``close`` on it is not."""
        self._opening = asyncio.Lock()
        self._problem, self._fault = "it has not been opened", ""
        self._served: asyncio.Future[SeccServer] = self._loop.create_future()
        self._server: SeccServer | None = None
        self._discovery: asyncio.Task[None] | None = None
        self._basic: asyncio.Task[None] | None = None
        machine = SeccConnector(parts.link, config.timing.communication_setup_performance, parts.settings)
        self.driver = ConnectionDriver(
            machine,
            parts.medium,
            outputs,
            self._carry_out,
            first=signal.changed,
            news=self._heard,
            settled=self._look,
        )

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connection(self) -> SeccConnector:
        """Where the connector stands; to look at, not to touch. Raises ``MisuseError`` where the
        machine is that of a vehicle."""
        machine = self.driver.machine
        if not isinstance(machine, SeccConnector):
            raise MisuseError("this is no station's connection")
        return machine

    @property
    def server(self) -> SeccServer | None:
        """The server behind it; None until the interface can be used."""
        return self._server

    @property
    def unreachable_because(self) -> str:
        """Why no vehicle can find the station: what is wrong with its interface or its ports; empty
        if nothing is known to be."""
        return self._problem or (self._server.unreachable_because if self._server is not None else "")

    @property
    def sdp_port(self) -> int:
        """Where discovery is answered; 0 while it is not."""
        return self._server.sdp_port if self._server is not None else 0

    async def open(self) -> None:
        """Switch the link on. Where the interface has no address before the link is up, the server follows
        then. Raises ``ConfigError`` if a certificate of ours has expired, and ``MisuseError`` where it is
        open, or is closed meanwhile. After that, and after ``close``, it can be opened again; while it is
        being closed this waits for that end. Raises ``MisuseError`` on another thread than that of the event
        loop in which it was made.
        """
        self.driver.thread.need("open")
        if self._tls is not None:
            self._tls.check()
        number = await self._life.begin()
        try:
            try:
                await self._serve()
            except LinkError as error:
                self._not_yet(error)
            self._life.check(number)
            await self.driver.open()
            self._life.check(number)
        except BaseException:
            await self._life.undo(number, self._close)
            raise

    async def close(self) -> None:
        """Make the hardware safe, end the session, leave the link. Bounded in time. Whoever else
        closes it meanwhile waits for the same end."""
        await self._life.end(self._close)

    async def _close(self) -> None:
        begun = [task for task in (self._discovery, self._basic) if task is not None]
        self._hide()
        self._cancel_basic()
        try:
            if self._server is not None:
                await self._server.close()
            if begun:
                await asyncio.wait(begun, timeout=_CANCELLED_S)
                if self._server is not None:  # which one of them may have opened meanwhile
                    await self._server.close()
        finally:
            self.driver.leave()
            await self.driver.close()

    def tell(self, event: Event) -> None:
        """Hand a D-LINK request, ``WakeUp`` or a change of the basic signalling to the connection.
        From any thread."""
        self.driver.tell(event)

    def renew(self, tls: TlsSource) -> None:
        """As ``SeccServer.renew``, whether a server stands now or not; from any thread. Raises
        ``MisuseError`` for a station without TLS."""
        if self._tls is None:
            raise MisuseError("this connector has no TLS")
        self.driver.thread.do(partial(self._tls.take, self._tls.judged(tls)))

    def restart(self, reason: str) -> None:
        """Begin anew without pulling the plug, whatever state this is: a session that runs ends first, then
        the station wakes the vehicle up (state F and 5 %; S3 open and closed), which may match and charge
        again. Nothing while it is unplugged. From any thread."""
        self.driver.tell(Restart(reason))

    def stop(self, reason: str) -> None:
        """End the session that runs in an orderly way. From any thread."""
        if self._server is not None:
            self._server.stop(reason)

    @property
    def ends_within_s(self) -> float:
        """As ``SeccServer.ends_within_s``; 0.0 before there is a server."""
        return self._server.ends_within_s if self._server is not None else 0.0

    @property
    def session(self) -> SeccSession | None:
        """The session that runs now; to look at, not to touch."""
        return self._server.session if self._server is not None else None

    @property
    def any_session(self) -> Session | None:
        """The same, and one of basic charging as well."""
        return self._server.any_session if self._server is not None else None

    @property
    def finished(self) -> int:
        """How many sessions have come to their end."""
        return self._server.finished if self._server is not None else 0

    async def wait_finished(self, count: int) -> SessionResult:
        """Wait until ``count`` sessions in all have come to their end; gives the one that was the
        ``count``-th. Raises ``MisuseError`` where the connector was never opened, and as
        ``SeccServer.wait_finished``."""
        self._life.need_begun()
        self._life.need_its_loop("wait_finished")
        server = await asyncio.shield(self._served)
        return await server.wait_finished(count)

    # -- inside -------------------------------------------------------------------------------------------

    async def _serve(self) -> SeccServer:
        async with self._opening:  # discovery and basic charging may both want it
            server = self._server
            if server is None:
                server = self._make_server()
                self._stands(server)  # before anybody can find it: it may have been told to serve nobody
                try:
                    await server.open()
                except BaseException:
                    self._stands(None)
                    raise
                self._server = server
                self._not_shown(self._outputs.trouble)
                self._served.set_result(server)
            elif server.state is ServiceState.CLOSED:  # this connector was closed, and is opened again
                await server.open()
            else:
                return server
            self._problem = ""
            self._listening(server)
            return server

    def _not_yet(self, error: LinkError) -> None:
        if self._problem != str(error):  # once, as it is tried again and again
            self._problem = str(error)
            _log.warning("no vehicle can find the station yet: %s", error)

    def _not_at_all(self, what: str, error: Exception) -> None:
        text = f"{what}: {describe(error)}"
        if text != self._fault:  # once, as it is tried again and again
            self._fault = text
            _log.error("%s", text, error=error)

    def _happened(self, event: Event) -> None:
        self.driver.tell(event)

    def _heard(self, news: Action) -> None:
        self._news(news)
        if isinstance(news, DLinkReady) and news.link:
            peer = getattr(self._link, "peer", None)
            self._mac = peer.hex(":") if isinstance(peer, bytes) else ""
        if isinstance(news, PhaseEntered):
            if news.phase is Phase.UNPLUGGED:
                self._mac = ""
                self.read.clear()
            # Again at the next plug-in: the end of a session may have come after the plug.
            if self._server is not None and (news.phase is Phase.UNPLUGGED or self._unplugged):
                self._server.tickets.clear()
            self._unplugged = news.phase is Phase.UNPLUGGED

    def _look(self) -> None:
        if self._replugs and self._replugging is None:
            self._replugging = self._loop.call_later(_REPLUG_S, self._plug_in_again)

    def _plug_in_again(self) -> None:
        self._replugging = None
        if self._replug is not None and self._replugs:
            self._replug()

    @property
    def _replugs(self) -> bool:
        """Nothing more will come of this plug-in, and the next one is made here."""
        return self._replug is not None and self._life.open and self.connection.at_rest

    def _carry_out(self, action: Action) -> None:
        server = self._server
        match action:
            case StartBasic(steps=steps) if self._life.open:
                self._hide()
                self._cancel_basic()
                self._basic = self._loop.create_task(self._charge_basic(steps))
            case StartDiscovery() if self._life.open:
                self._hide()
                self._discovery = self._loop.create_task(self._be_found())
            case StopDiscovery():
                self._hide()
            case DropConnection(reason=reason) if server is not None:
                _log.info("the connection is dropped: %s", reason)
                server.link_lost()
            case _:
                pass

    # -- basic charging

    @property
    def _reads(self) -> bool:
        return self._settings.basic.mode is BasicMode.READ

    def _told(self, news: Notify) -> None:
        """News of a session. One that only reads is ended as soon as there is nothing more to be learnt."""
        session = self.session if self._reads else None
        if session is not None and self.read.learn(news, session.evccid, session.certificate_name):
            self.stop("what there is to be read has been read")
        self._session_news(news)

    async def _charge_basic(self, steps: Steps) -> None:
        """The session before may still be on its way to the end, or the interface not be there yet. Who is
        unplugged meanwhile is not charged."""
        while self._is_basic():
            try:
                server = await self._serve()
                if not self._is_basic() or self._begin_basic(server, steps):
                    return
            except LinkError as error:
                self._not_yet(error)
            except Exception as error:  # a port that takes no listener, or a fault of ours: nothing is charged, and that is said
                self._not_at_all("no basic charging", error)
            await asyncio.sleep(_BASIC_RETRY_S)

    def _is_basic(self) -> bool:
        return self.connection.phase is Phase.BASIC

    def _begin_basic(self, server: SeccServer, steps: Steps) -> bool:
        return server.serve_without_messages(partial(self._basic_station, steps), self._show)

    def _basic_station(self, steps: Steps, hardware: StationHardware) -> BasicStation:
        outlet = hardware.ac_limits()
        if outlet is None:
            raise MisuseError("there is no AC outlet")
        return BasicStation(
            self._settings.basic,
            outlet,
            hardware=hardware.ac_capabilities(),
            steps=steps,
            evccid=self.read.evccid,
            certificate_name=self.read.certificate_name,
            supervision=self._supervision,
        )

    def _show(self, action: SetPilot) -> None:
        """What cannot be shown ends the session; it is shown again and again all the same."""
        outputs = self.driver.outputs
        if outputs is None:
            return
        for error in each(partial(outputs.show, action)):
            if self._server is not None:
                self._server.tell(HardwareFault("control pilot", why_not_shown(error)))

    def _not_shown(self, trouble: str) -> None:
        """A vehicle goes by the pilot: a station that cannot show it serves nobody until it can."""
        if self._server is not None:
            self._server.sessions.service.outputs(trouble)

    def _cancel_basic(self) -> None:
        if self._basic is not None:
            self._basic.cancel()
            self._basic = None

    async def _be_found(self) -> None:
        while True:
            try:
                server = await self._serve()
                await server.show()
                self._problem = self._fault = ""
                return
            except LinkError as error:
                self._not_yet(error)
            except Exception as error:  # a port that takes no listener, or a fault of ours: the station is not found, and that is said
                self._not_at_all("not to be found", error)
            await asyncio.sleep(ADDRESS_RETRY_S)

    def _hide(self) -> None:
        if self._discovery is not None:
            self._discovery.cancel()
            self._discovery = None
        if self._server is not None:
            self._server.hide()


def _check_outlet(station: ports.Station) -> None:
    if station.ac is None:
        raise ConfigError(
            "basic",
            "basic charging is of an AC outlet, which this station has not",
            'Station(ac=...), or mode "off"',
        )
