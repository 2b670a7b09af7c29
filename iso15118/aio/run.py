"""Whole programs: a station until it is told to stop, a vehicle's one session, or both in one process. The
event loop begins and ends here.

SIGINT, SIGTERM and SIGHUP end what runs in an orderly way, a second one at once; the hardware is made safe
either way, and further signals do not keep it from that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from iso15118.aio.net.stream import MessageStream
from iso15118.aio.ports.guard import Callback
from iso15118.errors import LinkError
from iso15118.sdp import SDP_PORT
from iso15118.session.ticket import EvccTicket

from .asked import Asked, opened, signals
from .directing import Directing
from .logs import Log
from .notify import SystemdNotifier
from .results import SessionResult
from .secc import SeccServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from iso15118.aio.net.ending import TlsSource
    from iso15118.aio.plug.connector import LinkParts
    from iso15118.aio.plug.plugged_evcc import PluggedEvcc
    from iso15118.aio.plug.plugged_secc import PluggedSecc
    from iso15118.evcc import EvccConfig
    from iso15118.sdp import Answer, Ignored, Origin
    from iso15118.sdp.wireless import WirelessSdpRequest
    from iso15118.sdp.wireless_ends import WirelessPlace
    from iso15118.secc import SeccConfig
    from iso15118.session import ports
    from iso15118.session.actions import Action, Notify
    from iso15118.session.events import Event

    from .directing import Directs
    from .driver import Observer
    from .evcc import EvccClient
    from .recording import Recorder

__all__ = [
    "Asked",
    "Both",
    "Clock",
    "Sleep",
    "Stopped",
    "looking",
    "run_both",
    "run_station",
    "run_vehicle",
    "running",
    "side_by_side",
    "signals",
    "ticking",
]

_log = Log(__name__)

Sleep = Callable[[float], Awaitable[None]]
"""Waits so many seconds, as ``asyncio.sleep``."""
Clock = Callable[[], float]
"""The time in s, as the event loop's ``time``."""
Stopped = Callable[[], bool]
"""Whether a signal has come."""

ORDERLY_S: Final = 60.0
"""How long an orderly end may take after the first signal. Longer than a session takes by its own bounds: a
vehicle is given 10 s to follow (SeccConfig.stop_delay_s), the slowest supply 22 s to end a current, and the
goodbye 10 s. A session that is cut off before would open contactors under a current."""

AT_ONCE_S: Final = 8.0
"""How long the end of a vehicle's session may take after the second signal, with its connection, before it is
dropped and has no result."""

_TICK_S: Final = 0.1
_BESIDE_S: Final = 2.0


class Both(Struct, frozen=True):
    """A session seen from both ends, and where the station was found."""

    secc: SessionResult
    evcc: SessionResult
    sdp_port: int
    port: int
    begun: float = 0.0
    """When the plug went in; without one: when the vehicle began to look for the station."""
    linked: float | None = None
    """When both ends had a data link; None without a plug."""
    earlier: Both | None = None
    """The part of the session before its pause."""


def run_station(
    config: SeccConfig,
    station: Callable[[Sleep, Clock], ports.Station],
    interface: str,
    tls: TlsSource | None,
    *,
    port: int | None = None,
    sdp_port: int = SDP_PORT,
    sessions: int | None = None,
    listening: Callable[[SeccServer], None] | None = None,
    finished: Callable[[SessionResult], None] | None = None,
    observer: Observer | None = None,
    link: Callable[[], LinkParts] | None = None,
    news: Callable[[Action], None] | None = None,
    connection: Callable[..., MessageStream] = MessageStream,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
    wait_for_interface: bool = False,
    director: Directs | None = None,
    recorder: Recorder | None = None,
    place: WirelessPlace | None = None,
) -> int:
    """Serve until ``sessions`` have ended, or a signal comes; returns how many have.

    ``station`` is given the loop's sleep and clock; ``listening`` is called when vehicles can come,
    ``finished`` with each session that has ended, once and in order, also with the one that a second signal
    ends. ``link``: what is below IP, if there is a plug; made within the loop. ``news`` hears of its phases,
    and of sessions as that of ``SeccServer``. ``connection``: as for ``SeccServer``. ``beside``: what runs as
    long as the station does, such as the keeper of evidence. ``director`` drives the station, where there is
    no plug; it raises what he raises. ``recorder``, ``place``: as for ``SeccServer``; where there is a plug,
    there is no place without a cable.
    """

    async def serve() -> int:
        loop = asyncio.get_running_loop()
        hardware = station(asyncio.sleep, loop.time)
        directing = None if director is None else Directing(director)
        server: SeccServer | PluggedSecc
        if link is None:
            server = SeccServer(
                config,
                hardware,
                interface,
                tls,
                port=port,
                sdp_port=sdp_port,
                observer=_observed(directing, "secc", observer),
                connection=connection if director is None else director.stream("secc"),
                wait_for_interface=wait_for_interface,
                news=news,
                recorder=recorder,
                place=place,
            )
        else:
            from iso15118.aio.plug.plugged_secc import PluggedSecc  # with everything below IP: only here

            server = PluggedSecc(
                config,
                hardware,
                interface,
                tls,
                link(),
                port=port,
                sdp_port=sdp_port,
                observer=observer,
                listening=listening,
                news=news,
                session_news=news,
                connection=connection,
                recorder=recorder,
            )
        say_listening = Callback("who is told that vehicles can come", listening)
        told = 0
        say_finished = Callback("who is told of results", finished, lasting=True)
        # The signals stay armed while the server closes: another one must not end the process
        # before its hardware is safe.
        plain = server if isinstance(server, SeccServer) else None
        async with (
            signals() as asked,
            _notifier(server) as notifier,
            opened(server, asked) as is_open,
            running(beside if is_open else None),
            _over(None if plain is None or not is_open else directing, plain),
        ):
            if is_open:
                notifier.ready()
                if isinstance(server, SeccServer):
                    say_listening(server)
            while is_open and (sessions is None or told < sessions):
                ended = loop.create_task(server.wait_finished(told + 1))
                await asyncio.wait((ended, asked.first), return_when=asyncio.FIRST_COMPLETED)
                if asked.first.done() and server.any_session is not None:
                    server.stop("the station is switched off")
                    await asyncio.wait(
                        (ended, asked.second), timeout=ORDERLY_S, return_when=asyncio.FIRST_COMPLETED
                    )
                if not ended.done():
                    ended.cancel()
                else:
                    told += 1
                    say_finished(ended.result())
                if asked.first.done():
                    break
            notifier.stopping()
        # Those that ended at the same time, and the one that the end of the server has ended.
        while told < server.finished:
            told += 1
            say_finished(await server.wait_finished(told))
        return told

    return asyncio.run(serve())


def run_vehicle(
    config: EvccConfig,
    vehicle: Callable[[Sleep, Clock], ports.Vehicle],
    interface: str,
    tls: TlsSource | None,
    *,
    sdp_port: int = SDP_PORT,
    observer: Observer | None = None,
    link: Callable[[], LinkParts] | None = None,
    news: Callable[[Action], None] | None = None,
    director: Directs | None = None,
    recorder: Recorder | None = None,
    wireless: WirelessSdpRequest | None = None,
) -> tuple[SessionResult | None, bool]:
    """One session of a vehicle (None: it was dropped), and whether a signal ended it.
    Raises as ``EvccClient.run`` does.

    With a ``link``, which is made within the loop, it is one plug-in; ended while it rests, it has the result
    of the session before. ``news`` hears of its phases, and of sessions as that of ``EvccClient``.
    ``director`` drives the vehicle, where there is no plug; it raises what he raises. ``wireless``: as for
    ``EvccClient``.
    """

    from .evcc import EvccClient  # here: a station has no use for it

    async def drive() -> tuple[SessionResult | None, bool]:
        loop = asyncio.get_running_loop()
        hardware = vehicle(asyncio.sleep, loop.time)
        client: EvccClient | PluggedEvcc
        directing = None if director is None or link is not None else Directing(director)
        plain: EvccClient | None = None
        plugged: PluggedEvcc | None = None
        if link is None:
            client = plain = EvccClient(
                config,
                hardware,
                interface,
                tls,
                sdp_port=sdp_port,
                observer=_observed(directing, "evcc", observer),
                connection=MessageStream if director is None else director.stream("evcc"),
                news=news,
                recorder=recorder,
                wireless=wireless,
            )
        else:
            from iso15118.aio.plug.plugged_evcc import PluggedEvcc

            client = plugged = PluggedEvcc(
                config,
                hardware,
                interface,
                tls,
                link(),
                sdp_port=sdp_port,
                observer=observer,
                news=news,
                session_news=news,
                recorder=recorder,
            )
        async with signals() as asked, _over(directing, None, plain):
            session = loop.create_task(client.run())
            await asyncio.wait((session, asked.first), return_when=asyncio.FIRST_COMPLETED)
            # Also one that is over while its hardware is being made safe: its result is not dropped.
            if not session.done() and client.begun:
                client.stop("the driver ends the session")
                await asyncio.wait(
                    (session, asked.second), timeout=ORDERLY_S, return_when=asyncio.FIRST_COMPLETED
                )
            if not session.done() and client.begun:
                if client.any_session is not None:
                    client.emergency_shutdown("the driver ends the session at once")
                await asyncio.wait((session,), timeout=AT_ONCE_S)
            last: SessionResult | None = None
            if not session.done():
                if plugged is not None and not client.begun and plugged.results:
                    last = plugged.results[-1]  # at rest: what is over was not dropped
                session.cancel()
                await asyncio.wait((session,))
            return last if session.cancelled() else session.result(), asked.first.done()

    return asyncio.run(drive())


def run_both(
    secc: SeccConfig,
    evcc: EvccConfig,
    hardware: Callable[[Sleep, Clock], tuple[ports.Station, ports.Vehicle]],
    *,
    interface: str = "lo",
    tls: tuple[TlsSource | None, TlsSource | None] | None,
    at_most_s: float,
    observer: Observer | None = None,
    station_observer: Observer | None = None,
    tick: Callable[[], None] | None = None,
    recorder: Recorder | None = None,
    on_request: Callable[[int, Origin, Answer | Ignored], None] | None = None,
    meddle: Callable[[float, Callable[[Event], None]], None] | None = None,
    news: Callable[[Notify], None] | None = None,
    rest_s: float = 0.0,
    director: Directs | None = None,
) -> Both:
    """One session between both ends in this process; ``tls``: the station's context and the vehicle's.

    ``observer`` sees the vehicle's end and ``station_observer`` the other one, ``tick`` is called now and
    then, ``recorder`` the vehicle's connection and ``on_request`` of the discovery at the station, with its
    UDP port. ``meddle`` is called now and then with the time and what tells the vehicle; ``news`` hears those
    of its session. A session that was paused goes on ``rest_s`` later, and the first part is ``earlier``.
    ``director`` drives both ends. Raises as ``EvccClient.run`` does, what the director raises, and
    ``TimeoutError`` when it takes longer than ``at_most_s``.
    """

    from .evcc import EvccClient  # here: a station has no use for it

    async def session() -> Both:
        loop = asyncio.get_running_loop()
        station, vehicle = hardware(asyncio.sleep, loop.time)
        server_tls, client_tls = tls if tls is not None else (None, None)
        here: SeccServer | None = None

        def asked(origin: Origin, outcome: Answer | Ignored) -> None:
            if on_request is not None and here is not None:
                on_request(here.sdp_port, origin, outcome)

        directing = None if director is None else Directing(director)
        make_server = partial(
            SeccServer,
            secc,
            station,
            interface,
            server_tls,
            observer=_observed(directing, "secc", station_observer),
            on_request=asked,
            connection=MessageStream if director is None else director.stream("secc"),
        )
        async with _found(make_server) as server:
            here = server
            client = EvccClient(
                evcc,
                vehicle,
                server.interface,
                client_tls,
                sdp_port=server.sdp_port,
                observer=_observed(directing, "evcc", observer),
                news=news,
                connection=MessageStream if director is None else director.stream("evcc"),
                recorder=recorder,
            )
            where = server.sdp_port, next(iter(server.ports.values()))
            begun = loop.time()
            looks = looking(tick, meddle, lambda: client)
            async with ticking(looks), asyncio.timeout(at_most_s), _over(directing, server, client):
                seen_by_vehicle = await client.run()
                both = Both(await server.wait_finished(1), seen_by_vehicle, *where, begun=begun)
                if isinstance(ticket := seen_by_vehicle.ticket, EvccTicket):
                    await asyncio.sleep(rest_s)
                    again = await client.run(resume=ticket)
                    return Both(await server.wait_finished(2), again, *where, begun=begun, earlier=both)
            return both

    return asyncio.run(session())


def _observed(directing: Directing | None, role: str, observer: Observer | None) -> Observer | None:
    return observer if directing is None else directing.observer(role, observer)


@asynccontextmanager
async def _over(
    directing: Directing | None, server: SeccServer | None = None, client: EvccClient | None = None
) -> AsyncIterator[None]:
    """The director, if there is one, drives these ends within the block."""
    if directing is None:
        yield
        return
    ends = {"secc": server, "evcc": client}
    async with directing.over({role: end for role, end in ends.items() if end is not None}):
        yield


@asynccontextmanager
async def _found(make: Callable[..., SeccServer]) -> AsyncIterator[SeccServer]:
    """A station that answers discovery at the port of the standard, or at a free one where
    another process has that."""
    server = make(sdp_port=SDP_PORT)
    try:
        await server.open()
    except LinkError:
        server = make(sdp_port=0)
        await server.open()
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def running(beside: Callable[[], Coroutine[Any, Any, None]] | None) -> AsyncIterator[None]:
    """``beside`` runs within the block; what it raises is in the log, and ends nothing else."""
    if beside is None:
        yield
        return
    task = asyncio.get_running_loop().create_task(beside())
    task.add_done_callback(_tell_end)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,), timeout=_BESIDE_S)


async def side_by_side(*works: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """For ``beside``: all of these, until cancelled. What one of them raises is in
    the log, and ends no other."""
    tasks = {asyncio.get_running_loop().create_task(work()) for work in works}
    for task in tasks:
        task.add_done_callback(_tell_end)
    try:
        if tasks:
            await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_BESIDE_S)


def _tell_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("what runs beside the station failed: %s", error)


@asynccontextmanager
async def ticking(tick: Callable[[], None] | None) -> AsyncIterator[None]:
    """``tick`` is called now and then within the block."""
    if tick is None:
        yield
        return
    task = asyncio.get_running_loop().create_task(_tick(tick))
    try:
        yield
    finally:
        task.cancel()


def looking(
    tick: Callable[[], None] | None,
    meddle: Callable[[float, Callable[[Event], None]], None] | None,
    client: Callable[[], EvccClient | None],
) -> Callable[[], None]:
    """For ``ticking``: ``tick``, and ``meddle`` with what tells the vehicle while a session of it runs.
    What one of them raises is in the log, and does not concern the other."""
    clock = asyncio.get_running_loop().time
    say_tick = Callback("who is told that time passes", tick)
    say_meddle = Callback("who meddles with the session", meddle, lasting=True)

    def look() -> None:
        say_tick()
        now = client()
        if now is not None and now.session is not None:
            say_meddle(clock(), now.tell)

    return look


async def _tick(tick: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(_TICK_S)
        tick()


@asynccontextmanager
async def _notifier(server: SeccServer | PluggedSecc) -> AsyncIterator[SystemdNotifier]:
    """systemd hears of this server, where it started it, until it is closed: its heartbeat counts while
    hardware is made safe, too."""

    def status() -> str:
        return server.out_of_service_because or server.unreachable_because or server.state.value

    notifier = SystemdNotifier(lambda: server.heartbeat, status)
    try:
        yield notifier
    finally:
        notifier.close()
