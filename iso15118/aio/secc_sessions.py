"""The sessions of a station, one after another: each connection that is ready gets the hardware, and when
that is safe the next may come.

Between sessions the hardware is looked at all the same. How connections come in, and how vehicles
find the station, is ``secc``'s.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from iso15118.aio.ports.contract_calls import trust_of
from iso15118.aio.ports.guard import Callback, Port
from iso15118.aio.ports.held_certificates import Held, held_by_station
from iso15118.aio.ports.inbox import ALARMS, Inbox
from iso15118.aio.ports.inverter import grid_code_of
from iso15118.aio.ports.schedule_calls import asks_schedules, price_signers_of
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.aio.ports.value_added import services_of, tell_selected
from iso15118.connector.news import (
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    SessionFinished,
    SessionSetUp,
    is_set_up,
)
from iso15118.errors import HardwareError, MisuseError
from iso15118.sdp import RateLimit
from iso15118.secc import SeccSession
from iso15118.secc.opening import NO_VOLTAGE
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.supervision import IdleSupervisor

from .audience import write_down
from .driver import WORTH_WAITING, SessionDriver
from .finishing import Session
from .heartbeat import Heartbeat, HeartbeatLine
from .idle import IdleLook
from .lifecycle import Holders
from .logs import Log
from .service import Service
from .told_times import ToldTimes
from .unread import unread

if TYPE_CHECKING:
    from iso15118.aio.net.ending import StreamEnd
    from iso15118.aio.net.stream import MessageStream
    from iso15118.aio.ports.hardware import PortLimits
    from iso15118.link.primitives import SetPilot
    from iso15118.secc import SeccConfig
    from iso15118.session import ports
    from iso15118.session.ticket import SeccTicket

    from .driver import ActionFilter, Observer
    from .results import SessionResult

__all__ = ["SeccSessions"]

_log = Log(__name__)

_RESULTS_KEPT: Final = 256
_TICKETS_KEPT: Final = 16  # one plug, but vehicles may pause and never come back; the oldest makes room
_NO_END: Final = "the last session did not come to its end"


class SeccSessions:
    """One station's sessions and its hardware, from ``open`` to ``close``; for ``SeccServer``.

    ``changed`` hears when the connector goes out of service (the reason) or comes back (empty); ``opening``
    says whether a connection is in its handshake. ``talks_with``: what sessions with messages may work with,
    if that is less than the station. ``holds`` hears of the certificates for contracts and prices when a
    session begins with others than the last.
    """

    def __init__(
        self,
        config: SeccConfig,
        station: ports.Station,
        limits: PortLimits,
        *,
        news: Callable[[act.Notify], None] | None,
        observer: Observer | None,
        watch: ActionFilter | None,
        epoch: float | None,
        connections: Callable[[ev.Event], None] | None,
        tickets: Iterable[SeccTicket],
        changed: Callable[[str], None],
        opening: Callable[[], bool],
        talks_with: ports.Station | None = None,
        holds: Callable[[Iterable[Held]], None] | None = None,
    ) -> None:
        self._config, self._station, self._limits = config, station, limits
        self._talks_with = station if talks_with is None else talks_with
        """What sessions with messages work with."""
        self._observer, self.watch = observer, watch
        self._opening = opening
        self._holds = Callback("the watch over certificates", holds, lasting=True)
        self._held: tuple[Held, ...] = ()
        self._epoch = epoch
        self.news = Callback("the application, told of news,", news)
        self._connections = Callback("whoever follows the connections", connections, lasting=True)
        energy = station.energy
        self._energy = None if energy is None else Port(energy, "energy")
        self._shows = energy is not None and hasattr(energy, "display")
        self._pushing = [
            Port(port, name)
            for name, port in (("energy", energy), ("signal", station.signal))
            if port is not None
        ]
        self.inbox = Inbox()
        self._times = ToldTimes()
        self.service = Service(Callback("the server", changed, lasting=True), self.inbox)
        line = HeartbeatLine(station.heartbeat, self.service, lambda: self.driver, self.news)
        self.heartbeat = Heartbeat(self._why_unable, self.news, line)
        self.results: deque[SessionResult] = deque(maxlen=_RESULTS_KEPT)
        self.tickets: deque[SeccTicket] = deque(tickets, maxlen=_TICKETS_KEPT)
        self.finished = 0
        self.early: list[ev.Event] = []
        """What a session that is about to begin has to know, from the time of its handshake."""
        self.driver: SessionDriver | None = None
        """Of the session that runs, or whose hardware is still being made safe."""
        self._leaving: SessionDriver | None = None
        """Of the session that the end of the server has ended, until its hardware is safe or given up."""
        self._hardware: StationHardware | None = None
        self._idle: IdleLook | None = None
        self._number = 0
        """Of the last connection."""
        self._numbers: dict[MessageStream, int] = {}
        self._finish_news: asyncio.Future[None] | None = None
        self._log_rate = RateLimit(per_second=1.0, burst=10.0)

    # -- for the server -----------------------------------------------------------------------------------

    def listen(self) -> None:
        """Hear what ports and the application push. Raises ``HardwareError`` naming a port that does not take
        a listener, ``ConfigError`` for a port that another open server has and that cannot serve two."""
        _HOLDERS.hold(self)
        self.inbox.open(asyncio.get_running_loop(), self._deliver)
        self.inbox.listen(*self._pushing)

    def open(self) -> None:
        """Look after the hardware from now on, and beat."""
        supervisor = IdleSupervisor(self._config.supervision)
        self._idle = IdleLook(self._caretaker, supervisor, self.service.hardware)
        self._idle.start(self.service.unsafe)
        alarm, self.inbox.alarm = self.inbox.alarm, None
        if alarm is not None:
            self._deliver(alarm)
        self.heartbeat.start()

    async def settle_idle(self) -> bool:
        """Have the hardware made safe where the last look found that it is not."""
        return self._idle is None or await self._idle.settle()

    def close(self) -> None:
        """Look after nothing any more."""
        if self._idle is not None:
            self._idle.stop()
            self._idle = None
        _HOLDERS.let_go(self)
        self.heartbeat.stop("the server is closed")
        self.inbox.close()
        if self._leaving is not None:  # its end was cut off before anybody kept what it left behind
            self.keep(self._leaving)

    async def wait_finished(self, count: int) -> SessionResult:
        """Wait until ``count`` sessions in all have come to their end; gives the one that was the
        ``count``-th, however many have ended since. Raises ``MisuseError`` for one that is kept no longer."""
        while self.finished < count:
            loop = asyncio.get_running_loop()
            # Who waited in an earlier run of this server may have left a future of a loop that is closed.
            if self._finish_news is None or self._finish_news.get_loop() is not loop:
                self._finish_news = loop.create_future()
            await asyncio.shield(self._finish_news)
        place = len(self.results) - 1 - (self.finished - count)
        if place < 0:
            raise MisuseError(f"session {count} of {self.finished} is not among the {len(self.results)} kept")
        return self.results[place]

    def serve(
        self,
        stream: MessageStream,
        over: Callable[[], None],
        *,
        make: Callable[[StationHardware], Session] | None = None,
        show: Callable[[SetPilot], None] | None = None,
        remark: str = "",
    ) -> None:
        """One connection that is ready: its session begins. ``over`` is called when the
        hardware is safe, or out of service.

        ``make``: another session than one with messages, on all of the station; ``show`` has its pilot.
        ``remark``: what looked wrong when it came in."""
        driver = SessionDriver(
            "secc",
            partial(self._take_hardware, self._talks_with if make is None else self._station),
            self._new_session if make is None else partial(self._made, make),
            first=self._first,
            news=self._heard,
            observer=self._observer,
            watch=self.watch,
            look_s=self._limits.look_s,
            show=show,
        )
        driver.stream = stream
        driver.remarks = [remark] if remark else []
        if self._idle is not None:
            self._idle.stop()
        self.driver = driver
        self._number = self._numbers[stream] = self._number + 1
        early, self.early = self.early, []
        for event in early:
            driver.tell(event)
        driver.result.add_done_callback(partial(self._over, driver, over))
        self._happened(ConnectionOpened(self._number))
        stream.adopt(driver)

    def refused(self, end: StreamEnd | None) -> None:
        """A connection came to nothing."""
        if self._log_rate.admit(asyncio.get_running_loop().time()):
            _log.warning("a connection ended before a session began: %s", end)

    def gone(self, stream: MessageStream) -> None:
        """A connection is closed."""
        number = self._numbers.pop(stream, None)
        if number is not None:
            self._happened(ConnectionClosed(number))

    @property
    def busy(self) -> bool:
        """A session runs, or its hardware is still being made safe, also when the server ends it."""
        return self.driver is not None or self._leaving is not None

    @property
    def ends_within_s(self) -> float:
        """How long the end of the session that runs may take from now, in s; without one, how long hardware
        may take that is found unsafe."""
        driver, idle = self.driver or self._leaving, self._idle
        if driver is not None:
            return driver.settles_within_s
        return 0.0 if idle is None else idle.settles_within_s

    def take_leave(self) -> SessionDriver | None:
        """The session that runs, or settles, ends with the server, which waits for it and has it kept then.
        Its hardware counts until then."""
        driver, self.driver = self.driver, None
        self._leaving = driver or self._leaving
        return driver

    def keep(self, driver: SessionDriver) -> None:
        """What became of a session, and what it left behind: that outlives this server's
        being closed and opened again."""
        if self._leaving is driver:
            self._leaving = None
        self.service.hardware(driver.unsafe_because if driver.result.done() else _NO_END)
        for alarm in driver.unheard:
            self._deliver(alarm)
        result = driver.result.result() if driver.result.done() and not driver.result.cancelled() else None
        if result is None:
            self.refused(driver.link_end)
            self._happened(ConnectionFailed(self._number, str(driver.link_end)))
            return
        if isinstance(driver.session, SeccSession):
            for ticket in driver.session.used_tickets:
                if ticket in self.tickets:  # it may have been forgotten meanwhile
                    self.tickets.remove(ticket)
            if result.ticket is not None and driver.session.ticket is not None:
                self.tickets.append(driver.session.ticket)
        self.results.append(result)
        self.finished += 1
        waited_for, self._finish_news = self._finish_news, None
        if waited_for is not None and not waited_for.done() and not waited_for.get_loop().is_closed():
            waited_for.set_result(None)
        self._happened(SessionFinished(self._number, result.ended))

    # -- events -------------------------------------------------------------------------------------------

    def _deliver(self, event: ev.Event) -> None:
        driver = self.driver
        if driver is None or driver.over:
            if ending := driver or self._leaving:
                ending.heed(event)
            if isinstance(event, ALARMS):
                self.service.alarm(event)
            elif type(event) in WORTH_WAITING and self._opening():
                self.early.append(event)
            return
        if isinstance(event, (ev.LimitsChanged, ev.AcLimitsChanged)) and self._hardware is not None:
            try:
                told = self._hardware.managed(event)
            except HardwareError as error:
                told = ev.HardwareFault("power" if isinstance(event, ev.LimitsChanged) else "ac", str(error))
            if told is not None:
                driver.tell(told)
            return
        loop = self.inbox.thread.loop
        driver.tell(event if loop is None else self._times.judged(event, loop.time()))

    def _heard(self, news: act.Notify) -> None:
        """News of the session: what the vehicle needs is for the energy manager, all
        of it for the application."""
        if type(news) is act.StateEntered and is_set_up(news.state):
            self._happened(SessionSetUp(self._number))
        energy = self._energy
        if energy is not None:
            complaint = ""
            if type(news) is act.ChargingNeeds:
                complaint = energy.tell("needs", news)
            elif type(news) is act.VehicleDisplay and self._shows:
                complaint = energy.tell("display", news)
            if complaint:
                _log.error("the energy manager does not take what the vehicle says: %s", complaint)
        if type(news) is act.ServicesSelected:
            tell_selected(self._station, news)
        self.tell_news(news)

    def tell_news(self, news: act.Notify) -> None:
        """The application hears of this, and the log as far as it is worth a line."""
        write_down(news)
        self.news(news)

    def _happened(self, event: ev.Event) -> None:
        self._connections(event)

    # -- hardware -----------------------------------------------------------------------------------------

    def _why_unable(self) -> str:
        """Why this station cannot be relied on to make its hardware safe now; empty if it can."""
        driver = self.driver or self._leaving
        hardware = None if driver is None else driver.hardware
        if driver is None or hardware is None:
            return self.service.unsafe
        if hardware.trouble:
            return hardware.trouble
        return unread(driver, self._config.supervision, asyncio.get_running_loop().time())

    def _caretaker(self, tell: Callable[[ev.Event], None]) -> StationHardware:
        """A hold on the hardware between sessions."""
        return StationHardware(self._station, self._limits, tell, supervision=self._config.supervision)

    def _made(self, make: Callable[[StationHardware], Session]) -> Session:
        if self._hardware is None:
            raise MisuseError("a session needs hardware")
        return make(self._hardware)

    def _take_hardware(self, station: ports.Station, tell: Callable[[ev.Event], None]) -> StationHardware:
        managed = self.inbox.limits.limits if self.inbox.limits is not None else None
        managed_ac = self.inbox.ac_limits.limits if self.inbox.ac_limits is not None else None
        self._times = ToldTimes()
        self._hardware = StationHardware(
            station, self._limits, tell, managed, self._config.supervision, managed_ac
        )
        return self._hardware

    def _first(self) -> list[ev.Event]:
        """What a session has to know when it begins. One that nobody invited is
        refused at its first request."""
        refused = self.service.reason
        latched = self.inbox.latched()
        return [*latched, ev.StopRequested(f"out of service: {refused}")] if refused else latched

    def held(self) -> tuple[Held, ...]:
        """The certificates that the station has beside TLS, read now."""
        self._held = held_by_station(self._talks_with)
        return self._held

    def _look_at_held(self) -> None:
        """Roots may be others since the last session."""
        before = self._held
        if self._holds and self.held() != before:
            self._holds(self._held)

    def _new_session(self) -> SeccSession:
        self._look_at_held()
        hardware = self._hardware
        if hardware is None:
            raise MisuseError("a session needs hardware")
        epoch = self._epoch
        if epoch is None:
            epoch = time.time() - asyncio.get_running_loop().time()
        session = SeccSession(
            self._config,
            hardware.limits(),
            hardware=hardware.capabilities(),
            ac=hardware.ac_limits(),
            ac_hardware=hardware.ac_capabilities(),
            device=hardware.device_position(),
            pad=hardware.pad_limits(),
            pad_id=hardware.pad_id(),
            epoch=epoch,
            grid_code=grid_code_of(self._talks_with),
            trust=trust_of(self._talks_with),
            installs=self._talks_with.contract_certificates is not None,
            value_added=services_of(self._talks_with),
            schedules=asks_schedules(self._talks_with),
            price_signers=price_signers_of(self._talks_with),
            resume=tuple(self.tickets),
        )
        if session.without_voltage:
            _log.warning("no DC in this session: %s", NO_VOLTAGE)
        return session

    def _over(
        self,
        driver: SessionDriver,
        over: Callable[[], None],
        result: asyncio.Future[SessionResult | None],
    ) -> None:
        """The hardware is safe, or out of service; the connection may still wait to be closed."""
        try:
            if self.driver is driver:
                self.driver = None
                if self._idle is not None:
                    self._idle.start(driver.unsafe_because)
                self.keep(driver)
        finally:
            over()


_HOLDERS: Final = Holders[SeccSessions](
    lambda sessions: sessions._station,
    "give each connector a port of its own, also where they share a supply, or close the other server first",
)
