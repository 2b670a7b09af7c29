"""The vehicle on a network: look for a station, connect, agree on TLS, and run one session.

What prevents a session from beginning is an exception with a type; how a session ended is its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from iso15118.aio.net.network import connect, find_interface
from iso15118.aio.net.no_stream import NoStream
from iso15118.aio.net.stream import MessageStream
from iso15118.aio.ports.contract_calls import contracts_of
from iso15118.aio.ports.contract_store import read_ahead
from iso15118.aio.ports.guard import Callback, Port, insist
from iso15118.aio.ports.hardware import PortLimits
from iso15118.aio.ports.held_certificates import held_by_vehicle
from iso15118.aio.ports.inbox import ALARMS, Inbox
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.connector.news import SessionSetUp, is_set_up
from iso15118.errors import ConfigError, HardwareError, MisuseError
from iso15118.evcc import EvccSession
from iso15118.evcc.editions import load
from iso15118.sdp import SDP_PORT, Security
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, StateEntered
from iso15118.session.ports import Vehicle
from iso15118.session.service_ports import check_services
from iso15118.session.supervision import IdleSupervisor

from .arguments import check_arguments, check_tls
from .audience import write_down
from .discovery import StationSearch
from .driver import SessionDriver
from .evcc_outcome import judge
from .evcc_session import new_session
from .heartbeat import Heartbeat, HeartbeatLine
from .identity import renewable
from .idle import IdleLook
from .lifecycle import Holders, Lifecycle
from .service import Service, ServiceState
from .unread import unread

if TYPE_CHECKING:
    from ipaddress import IPv6Address
    from types import TracebackType

    from iso15118.aio.net.ending import StreamLimits, TlsSource
    from iso15118.aio.net.network import Interface
    from iso15118.evcc import EvccConfig
    from iso15118.link.primitives import DutyChanged
    from iso15118.sdp.wireless import WirelessSdpRequest
    from iso15118.session import actions as act
    from iso15118.session.ticket import EvccTicket

    from .driver import ActionFilter, Observer
    from .finishing import Session
    from .recording import Recorder
    from .results import SessionResult

__all__ = ["EvccClient"]

_SETTLE_S = 2.0
"""For the hardware to be made safe when the client is closed, beside what the limits of its ports give."""
_NO_END = "the last session did not come to its end"


class EvccClient:
    """The EVCC of one inlet: ``run`` is one session, from discovery to the end.

    ``tls``: a client's context; None for plain TCP, which the settings have to allow
    (``allow_plaintext``, or an edition that is spoken in the clear). With a context TLS is asked for, and
    nothing else accepted unless such an edition may be spoken without it. ``station``: connect to this
    address and port without discovery. ``connections`` hears of ``SessionSetUp``. ``recorder``: each
    session leaves a folder there. ``wireless``: asked in discovery where no cable joins the two, with the
    security that follows from the rest. The other settings are those of ``SeccServer``, and so is
    ``heartbeat``. Raises ``ConfigError`` for settings that do not fit.

    A client that lives longer than one session is used with ``async with``, or ``open`` and ``close``:
    between its sessions contactors and current are looked at once a second, what nobody asked for is
    switched off, said, and refuses the next session until it is gone, and ``heartbeat`` beats. The
    heartbeat of one that only runs beats while it runs.
    """

    def __init__(
        self,
        config: EvccConfig,
        vehicle: Vehicle,
        interface: Interface | str,
        tls: TlsSource | None = None,
        *,
        station: tuple[IPv6Address, int] | None = None,
        sdp_port: int = SDP_PORT,
        port_limits: PortLimits | None = None,
        stream_limits: StreamLimits | None = None,
        news: Callable[[act.Notify], None] | None = None,
        observer: Observer | None = None,
        watch: ActionFilter | None = None,
        epoch: float | None = None,
        connection: Callable[..., MessageStream] = MessageStream,
        connections: Callable[[ev.Event], None] | None = None,
        recorder: Recorder | None = None,
        wireless: WirelessSdpRequest | None = None,
    ) -> None:
        check_arguments(interface=interface, station=station, sdp_port=sdp_port, port_limits=port_limits)
        check_arguments(stream_limits=stream_limits, epoch=epoch, recorder=recorder, connections=connections)
        check_arguments(news=news, observer=observer, watch=watch, wireless=wireless)
        check_tls(tls, "client", config)
        if not isinstance(vehicle, Vehicle):
            raise ConfigError(
                "vehicle", f"{type(vehicle).__name__} is no Vehicle", "iso15118.Vehicle(battery=..., ...)"
            )
        check_services(config.editions, config.services, vehicle)
        self.config = config
        load(config)  # now, and not while a station waits
        self.vehicle = vehicle
        self._where = interface
        self.interface = find_interface(interface) if isinstance(interface, str) else interface
        self._tls = renewable(tls)
        self._station = station
        self._port_limits = port_limits if port_limits is not None else PortLimits.of(config.timing)
        self._stream_limits = stream_limits
        self._news = Callback("the application, told of news,", news)
        self._observer, self._watch = observer, watch
        self._epoch = epoch
        self._recorder = recorder
        self._connection = connection if recorder is None else recorder.streams(connection, "evcc")
        self._connections = Callback("whoever follows the connections", connections, lasting=True)
        self._number = 0
        self._inbox = Inbox()
        self._pushing = [] if vehicle.signal is None else [Port(vehicle.signal, "signal")]
        self._service = Service(Callback("the client", None), self._inbox)
        line = HeartbeatLine(vehicle.heartbeat, self._service, lambda: self._driver, self._news)
        self.heartbeat = Heartbeat(self._why_unable, self._news, line)
        self._driver: SessionDriver | None = None
        self._life = Lifecycle("client")
        self._idle: IdleLook | None = None
        self._running = False
        self._refused: tuple[str, ...] = ()
        """Contracts whose refusal ended sessions of this stay at a station; an orderly end forgets them."""
        self._search = StationSearch(
            config, wireless, secured=tls is not None, sdp_port=sdp_port, news=self._heard, leave=self.stop
        )

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Look after the hardware between sessions from now on, and beat. Raises ``ConfigError`` for a port
        that another client has which is open or runs, and that cannot serve two: between its sessions that
        one would open contactors under the power of this one. Raises ``MisuseError`` where it is open; while
        it is being closed this waits for that end."""
        number = await self._life.begin()
        try:
            _HOLDERS.hold(self)
        except BaseException:
            await self._life.undo(number, self._close)
            raise
        self._inbox.open(asyncio.get_running_loop(), self._deliver)
        self._idle = self._looker()
        if not self._running:
            self.heartbeat.start()
        driver = self._driver
        if driver is None or driver.hardware is None or driver.result.done():  # else a session looks itself
            self._idle.start(self._service.unsafe)
        alarm, self._inbox.alarm = self._inbox.alarm, None
        if alarm is not None:
            self._deliver(alarm)

    async def close(self) -> None:
        """Not any more. What is not safe is made safe first, within the limits of its ports. A session that
        runs goes on. Harmless where it is not open. Cancelled, it raises ``CancelledError`` at the end.
        Whoever else closes it meanwhile waits for the same end."""
        await self._life.end(self._close)

    async def _close(self) -> None:
        try:
            if self._idle is not None:
                await self._settle(self._idle)
        finally:
            self._idle = None
            self._let_go("the client is closed")

    async def _settle(self, idle: IdleLook) -> None:
        """Have the hardware made safe unless it shows that it is. A cancellation comes out at the end."""
        try:
            _, cancelled = await insist(idle.settle, idle.settles_within_s + _SETTLE_S)
        finally:
            idle.stop()
            if self._driver is None:  # a session knows better
                self._service.hardware(idle.trouble)
        if cancelled:
            raise asyncio.CancelledError

    def _let_go(self, why: str) -> None:
        """Hold the hardware no longer, unless a session runs or somebody has it looked after."""
        if self._running or self._idle is not None:
            return
        self.heartbeat.stop(why)
        self._inbox.close()
        _HOLDERS.let_go(self)

    def _looker(self) -> IdleLook:
        supervisor = IdleSupervisor(self.config.supervision, voltage=False)
        return IdleLook(self._take_ports, supervisor, self._service.hardware)

    async def run(
        self,
        station: tuple[IPv6Address, int] | None = None,
        *,
        number: int = 0,
        resume: EvccTicket | None = None,
    ) -> SessionResult:
        """One session, with ``station`` if discovery has found one already. Cancelled, it makes the hardware
        safe before it gives way. ``number``: the connection's, for whoever follows ``connections``.
        ``resume``: the ``ticket`` of the result of a session that was paused; if the station does not go on
        with that, a new one begins.

        Raises ``ConfigError`` if a certificate of ours has expired, or for a port that another client has
        which is open or runs; ``LinkError`` if no station is found or the connection fails before the session
        begins, ``TlsError`` if one side refuses the other, ``HardwareError`` if the battery does not report,
        a port does not take a listener, or the vehicle is out of service: an alarm, or hardware that the last
        session left unsafe and that cannot be made safe now; ``MisuseError`` while another session of it
        runs, and in another event loop than the one in which it is open. While it is being closed this waits.
        """
        if self._tls is not None and not self._running:
            self._tls.check()
        return await self._one(number, lambda: self._run(station, resume))

    async def run_without_messages(self, make: Callable[[], Session], *, number: int = 0) -> SessionResult:
        """A session of another kind on this hardware, which ``make`` gives. Cancelled, and in what it raises,
        as ``run``. Raises ``MisuseError`` as ``run`` does."""
        return await self._one(number, lambda: self._run_alone(make))

    async def _one(self, number: int, session: Callable[[], Awaitable[SessionResult]]) -> SessionResult:
        await self._life.settled()
        self._life.need_its_loop("run")
        if self._running:
            raise MisuseError("a session of this client is running")
        _HOLDERS.hold(self)
        self._running, self._number = True, number
        try:
            if self._idle is None and self._service.unsafe:
                # Nobody has looked since a session left it so: it is made safe now, or no other one begins.
                (idle := self._looker()).start(self._service.unsafe)
                await self._settle(idle)
            self._begin_to_look()
            return await session()
        finally:
            self._running = False
            self._let_go("no session runs")

    async def _run_alone(self, make: Callable[[], Session]) -> SessionResult:
        self._driver = driver = SessionDriver(
            "evcc",
            self._take_hardware,
            make,
            first=self._inbox.latched,
            news=self._news,
            observer=self._observer,
            watch=self._watch,
            look_s=self._port_limits.look_s,
        )
        stream: Any = NoStream(None if self._recorder is None else self._recorder.bare("evcc"))
        try:
            stream.adopt(driver)
            result = await asyncio.shield(driver.result)
        except BaseException:
            driver.abandon(EndReason.EMERGENCY, "the vehicle was told to drop the session")
            if driver.hardware is not None:
                limit_s = driver.settles_within_s
                await insist(lambda: asyncio.wait((driver.result,), timeout=limit_s), limit_s)
            raise
        finally:
            self._look_again(driver)
            self._driver = None
            for alarm in driver.unheard:
                self._deliver(alarm)
        if result is None:
            raise HardwareError(self._service.unsafe or "no session came about")
        return result

    def _begin_to_look(self) -> None:
        """Hear what ports and application push, for a session that begins. Raises ``HardwareError`` if the
        vehicle is out of service."""
        self._inbox.open(asyncio.get_running_loop(), self._deliver)
        self._inbox.listen(*self._pushing)
        alarm, self._inbox.alarm = self._inbox.alarm, None
        if alarm is not None:
            self._deliver(alarm)
        if self._service.reason:
            raise HardwareError(f"out of service: {self._service.reason}")
        if self._idle is None:
            self.heartbeat.start()

    def duty_changed(self, event: DutyChanged) -> None:
        """The pilot's duty cycle is another one, for a session that lives by it. From any thread."""
        self._inbox.on_loop(partial(self._deliver, event))

    @property
    def state(self) -> ServiceState:
        """Whether a session can be begun, or runs."""
        if self._running:
            return ServiceState.IN_SESSION
        return ServiceState.OUT_OF_SERVICE if self._service.reason else ServiceState.AVAILABLE

    @property
    def out_of_service_because(self) -> str:
        """Why ``run`` refuses; empty if it does not. Where the last session left hardware that is not safe
        and the client is not open, ``run`` looks at it once more, and refuses unless it is safe by then."""
        return self._service.reason

    def out_of_service(self, reason: str) -> None:
        """Begin no session until ``back_in_service``: ``run`` raises ``HardwareError``. One that runs
        goes on. From any thread."""
        self._inbox.on_loop(partial(self._service.tell, reason))

    def back_in_service(self) -> None:
        """What took the vehicle out of service is over: an alarm that was told between sessions, or
        ``out_of_service``. From any thread."""
        self._inbox.on_loop(self._service.clear)

    @property
    def ends_within_s(self) -> float:
        """How long the end may take from now, in s: of the session that runs, or of unsafe hardware."""
        driver, idle = self._driver, self._idle
        ending_s = 0.0 if driver is None else driver.settles_within_s
        return ending_s if idle is None else max(ending_s, idle.settles_within_s)

    @property
    def session(self) -> EvccSession | None:
        """The session that runs now; to look at, not to touch."""
        session = self.any_session
        return session if isinstance(session, EvccSession) else None

    @property
    def any_session(self) -> Session | None:
        """The same, and without messages as well."""
        return self._driver.session if self._driver is not None and not self._driver.over else None

    @property
    def begun(self) -> bool:
        """A connection is there and its session has begun; it may be on its way to the end already."""
        return self._driver is not None and self._driver.hardware is not None

    def stop(self, reason: str) -> None:
        """End the session in an orderly way. From any thread."""
        self.tell(ev.StopRequested(reason))

    def pause(self, reason: str) -> None:
        """Pause the session as soon as it may be; the result has the ticket for ``run(resume=...)``.
        From any thread."""
        self.tell(ev.PauseRequested(reason))

    def emergency_shutdown(self, reason: str) -> None:
        """Off the cable now: the session that runs ends as an emergency. Between sessions it takes the
        vehicle out of service until ``back_in_service``. From any thread."""
        self.tell(ev.EmergencyShutdown(reason))

    def link_lost(self) -> None:
        """The data link is gone: the session that runs ends now, and its connection is dropped.
        From any thread."""
        self._inbox.on_loop(lambda: None if self._driver is None else self._driver.link_lost())

    def tell(self, event: ev.Event) -> None:
        """Hand an event to the session that runs, if one does; from any thread. A fault or an emergency that
        is told while none runs takes the vehicle out of service. Raises ``MisuseError``, in the caller's
        thread, for what cannot be told, naming the field."""
        self._inbox.push(event)

    # -- inside -------------------------------------------------------------------------------------------

    async def _run(self, station: tuple[IPv6Address, int] | None, resume: EvccTicket | None) -> SessionResult:
        if isinstance(self._where, str):
            self.interface = find_interface(self._where)  # it may have another address since the last session
        if self.vehicle.contracts is not None:
            await read_ahead(self.vehicle.contracts)
        session = self._new_session(resume)
        driver = SessionDriver(
            "evcc",
            self._take_hardware,
            lambda: session,
            first=self._inbox.latched,
            news=self._heard,
            observer=self._observer,
            watch=self._watch,
            look_s=self._port_limits.look_s,
        )
        stream: MessageStream | None = None
        self._driver = driver
        try:
            address, port = station or await self.find()
            driver.remarks = self._search.remarks
            secured = self._search.security_of(address, port) is Security.TLS
            tls = self._tls.connect() if self._tls is not None and secured else None
            driver.stream = stream = self._connection(driver, tls=tls, limits=self._stream_limits)
            timeout_s = self.config.timing.communication_setup_timeout
            await connect(stream, self.interface, address, port, timeout_s=timeout_s)
            result = await asyncio.shield(driver.result)
            self._look_again(driver)  # the connection may take its time to be closed
            await stream.wait_closed()
        except BaseException:
            driver.abandon(EndReason.EMERGENCY, "the vehicle was told to drop the session")
            if driver.hardware is not None:
                limit_s = driver.settles_within_s
                await insist(lambda: asyncio.wait((driver.result,), timeout=limit_s), limit_s)
            self._look_again(driver)
            if stream is not None:
                stream.abort()
            raise
        finally:
            self._driver = None
            self._remember(session)
            for alarm in driver.unheard:
                self._deliver(alarm)
        if result is None and self._service.unsafe:
            raise HardwareError(f"out of service: {self._service.unsafe}")
        return judge(result, driver.link_end, address)

    def _remember(self, session: EvccSession) -> None:
        if session.refused_contract:
            self._refused = (*self._refused, session.refused_contract)
        elif session.ended is not None and session.ended.reason.orderly:
            self._refused = ()

    def _look_again(self, driver: SessionDriver) -> None:
        """The session is over: what it left behind, and what shows from now on."""
        if driver.hardware is not None:
            unsafe = driver.unsafe_because if driver.result.done() else _NO_END
            self._service.hardware(unsafe)
            if self._idle is not None:
                self._idle.start(unsafe)
            elif driver.result.done():
                _HOLDERS.let_go(self)  # nothing more is asked of it, however long the connection takes

    def _take_ports(self, tell: Callable[[ev.Event], None]) -> VehicleHardware:
        return VehicleHardware(self.vehicle, self._port_limits, tell, self.config.supervision)

    def _take_hardware(self, tell: Callable[[ev.Event], None]) -> VehicleHardware:
        """For a session that begins, which looks after it itself. Something may have shown while
        the station was looked for."""
        if self._idle is not None and self._service.unsafe:
            raise HardwareError(f"out of service: {self._service.unsafe}")
        hardware = self._take_ports(tell)
        if self._idle is not None:
            self._idle.stop()
        return hardware

    def _heard(self, news: act.Notify) -> None:
        if type(news) is StateEntered and is_set_up(news.state):
            self._connections(SessionSetUp(self._number))
        write_down(news)
        self._news(news)

    async def find(self) -> tuple[IPv6Address, int]:
        """Look for a station: its address and port. Raises ``LinkError`` if none is found, or one beside
        another where the settings do not accept that."""
        return self._station if self._station is not None else await self._search.find(self.interface)

    def _deliver(self, event: ev.Event) -> None:
        driver = self._driver
        if driver is not None and not driver.over:
            driver.tell(event)
            return
        if driver is not None:
            driver.heed(event)
        if isinstance(event, ALARMS):
            self._service.alarm(event)

    def _why_unable(self) -> str:
        """Why this client cannot be relied on to make its hardware safe now; empty if it can."""
        driver = self._driver
        hardware = None if driver is None else driver.hardware
        if driver is None or hardware is None:
            return self._service.unsafe
        if hardware.trouble:
            return hardware.trouble
        return unread(driver, self.config.supervision, asyncio.get_running_loop().time())

    def _new_session(self, resume: EvccTicket | None) -> EvccSession:
        contracts = contracts_of(self.vehicle, self._refused)
        if self._tls is not None:
            self._tls.look_at(held_by_vehicle(contracts))
        return new_session(self.config, self.vehicle, contracts, resume=resume, epoch=self._epoch)


_HOLDERS: Final = Holders[EvccClient](
    lambda client: client.vehicle, "close the other one first, or let its session end"
)
