"""A vehicle's inlet as a whole: one plug-in, from data link over discovery and its
session, with pauses, to unplug.

``PluggedEvcc`` puts ``EvccClient`` behind a connection; which link it is, is the caller's choice.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from iso15118.aio.arguments import check_arguments
from iso15118.aio.commands import ServiceCommands
from iso15118.aio.evcc import EvccClient
from iso15118.aio.identity import renewable
from iso15118.aio.logs import Log
from iso15118.aio.ports.guard import Callback, brief, describe, insist
from iso15118.aio.ports.outputs import AssertedOutputs
from iso15118.aio.service import ServiceState
from iso15118.connector import EvccInlet, Phase
from iso15118.connector.news import (
    ConnectionClosed,
    ConnectionFailed,
    DropConnection,
    PhaseEntered,
    SessionFinished,
    StartBasic,
    StartDiscovery,
    StartSession,
    StationFound,
    StopDiscovery,
)
from iso15118.errors import LinkError, MisuseError, V2GError
from iso15118.link.primitives import DLinkReady, DutyChanged, Restart
from iso15118.session.ticket import EvccTicket

from .basic_vehicle import basic_vehicle
from .connector import ADDRESS_RETRY_S, ConnectionDriver, LinkParts, SessionSignal

if TYPE_CHECKING:
    from ipaddress import IPv6Address

    from iso15118.aio.finishing import Session
    from iso15118.aio.net.ending import TlsSource
    from iso15118.aio.net.network import Interface
    from iso15118.aio.results import SessionResult
    from iso15118.evcc import EvccConfig, EvccSession
    from iso15118.session import ports
    from iso15118.session.actions import Action, Notify
    from iso15118.session.events import Event

__all__ = ["PluggedEvcc"]

_log = Log(__name__)

_LAST_WORD_S: Final = 5.0
"""For a session without link or plug to end by itself; it waits for its own hardware only."""


class PluggedEvcc(ServiceCommands):
    """A vehicle's inlet; ``run`` is one plug-in. The parameters are those of ``PluggedSecc``; ``client`` has
    further ones of ``EvccClient``.
    """

    def __init__(
        self,
        config: EvccConfig,
        vehicle: ports.Vehicle,
        interface: Interface | str,
        tls: TlsSource | None,
        parts: LinkParts,
        *,
        news: Callable[[Action], None] | None = None,
        session_news: Callable[[Notify], None] | None = None,
        **client: Any,
    ) -> None:
        check_arguments(news=news, session_news=session_news)
        super().__init__(ServiceState.AVAILABLE)
        self._loop = asyncio.get_running_loop()
        outputs = AssertedOutputs(parts.signalling)
        signal = SessionSignal(outputs, vehicle.signal)
        self.vehicle = vehicle = dataclasses.replace(vehicle, signal=signal)
        self._tls = kept = renewable(tls)
        self._make_client: Callable[[], EvccClient] = lambda: EvccClient(
            config, vehicle, interface, kept, connections=self._happened, news=session_news, **client
        )
        self._news, self._replug = Callback("the application, told of the plug,", news), parts.replug
        self._linked = self._starting_again = False
        self._client: EvccClient | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._in_use = False
        """``run`` runs, or is on its way out."""
        self._over: asyncio.Future[None] | None = None
        self._charging = 0
        """The connection whose session runs, or ran last."""
        self._plugged = self._looking = self._stay = self._opening = False
        self._error: V2GError | None = None
        self.results: list[SessionResult] = []
        """The sessions of this plug-in, in order."""
        self.ticket: EvccTicket | None = None
        """While it is paused: what the next session goes on with."""
        machine = EvccInlet(parts.link, config.timing.communication_setup_timeout, parts.settings)
        self.driver = ConnectionDriver(
            machine,
            parts.medium,
            outputs,
            self._carry_out,
            first=partial(self._seen, signal),
            news=self._heard,
            settled=self._look,
        )

    @property
    def connection(self) -> EvccInlet:
        """Where the inlet stands; to look at, not to touch. Raises ``MisuseError`` where the
        machine is that of a station."""
        machine = self.driver.machine
        if not isinstance(machine, EvccInlet):
            raise MisuseError("this is no vehicle's connection")
        return machine

    @property
    def client(self) -> EvccClient | None:
        """The client behind it; None until the interface can be used."""
        return self._client

    @property
    def session(self) -> EvccSession | None:
        """The session that runs now; to look at, not to touch."""
        return self._client.session if self._client is not None else None

    @property
    def any_session(self) -> Session | None:
        """The same, and one of basic charging as well."""
        return self._client.any_session if self._client is not None else None

    @property
    def begun(self) -> bool:
        """A session has begun, and may be on its way to the end: as ``EvccClient.begun``."""
        return self._client is not None and self._client.begun

    def stop(self, reason: str) -> None:
        """End the session that runs in an orderly way. From any thread."""
        if self._client is not None:
            self._client.stop(reason)

    def pause(self, reason: str) -> None:
        """Pause the session that runs; the link sleeps then until ``tell(WakeUp())``, or
        until the station wakes it up. From any thread."""
        if self._client is not None:
            self._client.pause(reason)

    async def run(self, resume: EvccTicket | None = None, *, stay: bool = False) -> SessionResult:
        """From plug-in to the end: over for good, unplugged, or at rest, but not paused. The last session's
        result; cancelled, it makes the hardware safe before it gives way. ``resume``: a ticket that was kept,
        of a session paused in this plug-in before a restart.

        ``stay``: only unplugging ends it; a station that starts again after the end (preconditioning, a
        schedule) is followed then, and ``results`` has every session. Run again while the plug is still in,
        it wakes the station up and begins anew.

        Raises ``ConfigError`` if a certificate of ours has expired, and ``LinkError`` where no session came
        about, ``TlsError`` where one side refused the other, ``HardwareError`` where the battery does not
        report, and what the medium raises. Raises ``MisuseError`` while it runs, and on another thread
        than that of the event loop in which it was made.
        """
        self.driver.thread.need("run")
        if self._in_use:
            raise MisuseError("this inlet is in use")
        if self._tls is not None:
            self._tls.check()
        self._in_use = True
        try:
            return await self._run(resume, stay)
        finally:
            self._in_use = False

    async def _run(self, resume: EvccTicket | None, stay: bool) -> SessionResult:
        self._over, self._stay = self._loop.create_future(), stay
        self.results, self._error, self._plugged, self.ticket = [], None, False, resume
        try:
            if self._client is not None:
                await self._client.open()
            self._opening = True  # what is over by now is begun anew, and ends nothing
            await self.driver.open()
            self._opening = False
            if self.connection.phase is Phase.FINISHED:
                # The same plug-in once more: the station is woken up, and may be willing.
                self.driver.tell(Restart("it is run again"))
            await self._over
            await self._last_result()
        finally:
            self._over = None
            try:
                await self._let_go()
            finally:
                await self._switch_off()
        if self.results:
            return self.results[-1]
        raise self._error or LinkError("no data link with a station came about")

    def restart(self, reason: str) -> None:
        """Begin anew while ``run`` runs, without pulling the plug: a session that runs ends first, then the
        vehicle matches again, or wakes the station up with toggles of the pilot (with V3 on MCS). Nothing
        while it is unplugged. From any thread. Raises ``MisuseError`` where ``run`` is not running: run it
        again."""
        if self._over is None:
            raise MisuseError("the inlet is not in use; run() begins anew by itself")
        self.driver.tell(Restart(reason))

    def tell(self, event: Event) -> None:
        """Hand a D-LINK request, ``WakeUp`` or a change of the basic signalling to the connection.
        From any thread."""
        self.driver.tell(event)

    # -- inside -------------------------------------------------------------------------------------------

    async def _last_result(self) -> None:
        """Unplugged in mid-session: the session knows already, and its end says why it ended."""
        if self._attempt is not None and self._client is not None and self._client.begun:
            await asyncio.wait((self._attempt,), timeout=_LAST_WORD_S)

    async def _let_go(self) -> None:
        """What is under way makes its hardware safe, however often this is cancelled; that comes out then."""
        attempt = self._attempt
        if attempt is None:
            return
        attempt.cancel()
        _, cancelled = await insist(lambda: asyncio.wait((attempt,)), _LAST_WORD_S)
        if cancelled:
            raise asyncio.CancelledError

    async def _switch_off(self) -> None:
        self.driver.leave()
        try:
            if self._client is not None:
                await self._client.close()
        finally:
            await self.driver.close()

    def _seen(self, signal: SessionSignal, event: Event) -> None:
        """The basic signalling changed: sessions hear of it before the connection does."""
        signal.changed(event)
        if isinstance(event, DutyChanged) and self._client is not None:
            self._client.duty_changed(event)

    def _happened(self, event: Event) -> None:
        self.driver.tell(event)

    def _heard(self, news: Action) -> None:
        self._news(news)
        if isinstance(news, PhaseEntered):
            if news.phase is Phase.LINKING:
                self._plugged = True
            elif (news.phase is Phase.FINISHED and not self._stay and not self._opening) or (
                news.phase is Phase.UNPLUGGED and self._plugged
            ):
                self._finish()
        elif isinstance(news, DLinkReady) and news.link:
            self._linked = True

    def _look(self) -> None:
        """Where the signalling is assumed, so is the station's new start after a failure; but not that of a
        station that is not there."""
        if self._replug is not None and not self._starting_again and self._waits_in_vain:
            self._starting_again = True
            self._loop.call_soon(self._start_again)  # more of the signalling may be on its way

    @property
    def _waits_in_vain(self) -> bool:
        return self.connection.at_rest and self.connection.phase is Phase.LINKING

    def _start_again(self) -> None:
        self._starting_again = False
        if self._replug is None or self._over is None or not self._waits_in_vain:
            return
        if self._linked:
            self._linked = False
            self._replug()
        else:
            self._finish()

    def _finish(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _carry_out(self, action: Action) -> None:
        match action:
            case StartDiscovery(number=number):
                self._begin(number, partial(self._find, number))
            case StartBasic(number=number, percent=percent):
                self._begin(number, partial(self._charge_basic, number, percent))
            case StartSession(number=number, where=where):
                self._begin(number, partial(self._charge, number, where))
            case StopDiscovery() if self._looking and self._attempt is not None:
                self._attempt.cancel()
            case DropConnection(number=number, reason=reason):
                _log.info("the connection is dropped: %s", reason)
                client = self._client
                if client is not None and client.begun and self._charging == number:
                    client.link_lost()
                elif self._attempt is not None:
                    self._attempt.cancel()
            case _:
                pass

    def _begin(self, number: int, work: Callable[[], Awaitable[None]]) -> None:
        """One at a time: what was dropped comes to its end first, for the sake of the hardware."""
        self._attempt = self._loop.create_task(self._after(self._attempt, number, work))

    async def _after(
        self, earlier: asyncio.Task[None] | None, number: int, work: Callable[[], Awaitable[None]]
    ) -> None:
        if earlier is not None and not earlier.done():
            try:
                await asyncio.wait((earlier,))
            except asyncio.CancelledError:
                await asyncio.wait((earlier,), timeout=_LAST_WORD_S)  # its hardware is on its way to safety
                raise
        try:
            await work()
        except Exception as error:  # whatever it is, somebody waits for what becomes of this attempt
            self._error = error if isinstance(error, V2GError) else LinkError(describe(error))
            self._happened(ConnectionFailed(number, brief(self._error)))
            if self._error is not error:
                _log.error(
                    "a fault of this software ended an attempt to charge: %s", describe(error), error=error
                )

    async def _find(self, number: int) -> None:
        self._looking = True
        try:
            where = await self._look_for_station()
        finally:
            self._looking = False
        self._happened(StationFound(number, where))

    async def _look_for_station(self) -> tuple[IPv6Address, int]:
        return await (await self._the_client()).find()

    async def _the_client(self) -> EvccClient:
        while self._client is None:
            try:
                client = self._make_client()
                await client.open()
                self._client = client
                self._stands(client)
            except LinkError as error:
                _log.info("the interface cannot be used yet: %s", error)
                await asyncio.sleep(ADDRESS_RETRY_S)
        return self._client

    async def _charge_basic(self, number: int, percent: float | None) -> None:
        client = await self._the_client()
        self._charging = number
        settings, supervision = self.connection.settings.basic, client.config.supervision
        make = partial(basic_vehicle, client.vehicle, settings, supervision, percent)
        result = await client.run_without_messages(make, number=number)
        self.results.append(result)
        self.ticket = None  # whatever was paused is over
        self._happened(SessionFinished(number, result.ended))
        self._happened(ConnectionClosed(number))

    async def _charge(self, number: int, where: Any) -> None:
        client = self._client
        if client is None:
            raise MisuseError("no station was looked for")
        self._charging = number
        result = await client.run(where, number=number, resume=self.ticket)
        self.results.append(result)
        if "SessionSetup" in result.states:  # otherwise the station has not been asked
            self.ticket = result.ticket if isinstance(result.ticket, EvccTicket) else None
        self._happened(SessionFinished(number, result.ended))
        self._happened(ConnectionClosed(number))
