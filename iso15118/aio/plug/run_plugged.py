"""Both ends in one process with a cable between them: from plug-in over data link, discovery and one
session to unplug, in real time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from iso15118.aio.net.network import find_interface, sdp_server_socket
from iso15118.aio.run import Both, looking, ticking
from iso15118.connector import Phase
from iso15118.connector.news import PhaseEntered
from iso15118.errors import LinkError
from iso15118.link.primitives import WakeUp
from iso15118.sdp import SDP_PORT

from .plugged_evcc import PluggedEvcc
from .plugged_secc import PluggedSecc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from iso15118.aio.driver import Observer
    from iso15118.aio.net.ending import TlsSource
    from iso15118.aio.net.network import Interface
    from iso15118.aio.recording import Recorder
    from iso15118.aio.run import Clock, Sleep
    from iso15118.evcc import EvccConfig
    from iso15118.sdp import Answer, Ignored, Origin
    from iso15118.secc import SeccConfig
    from iso15118.session import ports
    from iso15118.session.actions import Action
    from iso15118.session.events import Event

    from .connector import LinkParts

__all__ = ["CableOfBoth", "run_both_plugged"]

_UNPLUG_S: Final = 2.0
"""How long the station may take to notice that it is unplugged."""
_ATTEMPTS: Final = 5
"""How many discovery ports are tried: others of this machine may take a free one first."""


class CableOfBoth(Protocol):
    """A cable between two ends of this process, under the caller's clock;
    ``iso15118.simulation.cable`` has some."""

    changed: Callable[[], None]

    @property
    def deadline(self) -> float | None:
        """When to call ``advance``."""
        ...

    def advance(self, now: float) -> None:
        """Let happen what is due."""
        ...

    def plug_in(self) -> None:
        """Push it in."""
        ...

    def unplug(self) -> None:
        """Pull it out."""
        ...


class _Pump:
    """Lets a cable's time pass with the loop's."""

    def __init__(self, cable: CableOfBoth) -> None:
        self._cable = cable
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        cable.changed = self.arm

    def arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._cable.deadline
        self._timer = self._loop.call_at(deadline, self._due) if deadline is not None else None

    def _due(self) -> None:
        self._timer = None
        self._cable.advance(self._loop.time())

    def close(self) -> None:
        self._cable.changed = lambda: None
        if self._timer is not None:
            self._timer.cancel()


class _Reached:
    """Waits for phases of a connection."""

    def __init__(self, phase: Phase) -> None:
        self._phase = phase
        self.event = asyncio.Event()

    def __call__(self, news: Action) -> None:
        if isinstance(news, PhaseEntered) and news.phase is self._phase:
            self.event.set()


def run_both_plugged(
    secc: SeccConfig,
    evcc: EvccConfig,
    hardware: Callable[[Sleep, Clock], tuple[ports.Station, ports.Vehicle]],
    cable: Callable[[Clock], tuple[CableOfBoth, LinkParts, LinkParts]],
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
    rest_s: float = 0.0,
) -> Both:
    """As ``run_both``, with a plug: ``cable`` makes it, and the station's and the vehicle's parts,
    given the loop's clock. Where the session is paused, the link sleeps for ``rest_s``; then the vehicle
    wakes the station up. Raises as ``PluggedEvcc.run`` does, and ``TimeoutError`` when it takes
    longer than ``at_most_s``."""

    async def session() -> Both:
        loop = asyncio.get_running_loop()
        station, vehicle = hardware(asyncio.sleep, loop.time)
        wire, station_parts, vehicle_parts = cable(loop.time)
        server_tls, client_tls = tls if tls is not None else (None, None)
        where = find_interface(interface)
        finished, unplugged = _Reached(Phase.FINISHED), _Reached(Phase.UNPLUGGED)
        slept, rests = _Reached(Phase.PAUSED), _Reached(Phase.PAUSED)

        def news(action: Action) -> None:
            finished(action)
            unplugged(action)
            slept(action)

        def make_server(port: int) -> PluggedSecc:
            return PluggedSecc(
                secc,
                station,
                where,
                server_tls,
                station_parts,
                sdp_port=port,
                observer=station_observer,
                on_request=None if on_request is None else partial(on_request, port),
                news=news,
            )

        async with _found(make_server, where) as (port, tcp_port, server):
            client = PluggedEvcc(
                evcc,
                vehicle,
                where,
                client_tls,
                vehicle_parts,
                sdp_port=port,
                observer=observer,
                recorder=recorder,
                news=rests,
            )
            pump = _Pump(wire)
            looks = looking(tick, meddle, lambda: client.client)
            linked: list[float | None] = []

            def look_when_linked() -> None:
                if not linked:
                    linked.extend((server.connection.linked_at, client.connection.linked_at))

            async def wake() -> None:
                """Both rest, and so much time has passed."""
                await asyncio.gather(slept.event.wait(), rests.event.wait())
                look_when_linked()
                await asyncio.sleep(rest_s)
                client.tell(WakeUp())

            waking = loop.create_task(wake(), name="the vehicle wakes the station up")
            try:
                async with ticking(looks), asyncio.timeout(at_most_s):
                    begun = loop.time()
                    wire.plug_in()
                    seen_by_vehicle = await client.run()
                    parts = len(client.results)
                    by_station = [await server.wait_finished(number + 1) for number in range(parts)]
                    await finished.event.wait()
                    look_when_linked()
                    wire.unplug()
                    await asyncio.wait_for(unplugged.event.wait(), _UNPLUG_S)
            finally:
                waking.cancel()
                pump.close()
        at = max((at for at in linked if at is not None), default=None)
        earlier = None
        if parts > 1:
            earlier = Both(by_station[0], client.results[0], port, tcp_port, begun=begun, linked=at)
        return Both(by_station[-1], seen_by_vehicle, port, tcp_port, begun=begun, linked=at, earlier=earlier)

    return asyncio.run(session())


@asynccontextmanager
async def _found(
    make: Callable[[int], PluggedSecc], interface: Interface
) -> AsyncIterator[tuple[int, int, PluggedSecc]]:
    """A station that listens within the block, its discovery port and its TCP port."""
    port, tcp_port, server = await _opened(make, interface)
    try:
        yield port, tcp_port, server
    finally:
        await server.close()


async def _opened(make: Callable[[int], PluggedSecc], interface: Interface) -> tuple[int, int, PluggedSecc]:
    """A station that listens, with its discovery port (that of the standard, or a free one
    where another process has that) and its TCP port.

    What opening says decides: a port that was free a moment ago may be gone. The open station holds the port
    against other stations, and a look finds what else has it.
    """
    attempt = 0
    while True:
        attempt += 1
        port = SDP_PORT if attempt == 1 else _free_port(interface)
        server = make(port)
        await server.open()
        try:
            if server.server is None:
                raise LinkError(server.unreachable_because)
            (tcp_port, *_) = server.server.ports.values()
            sdp_server_socket(interface, port).close()
        except BaseException as error:
            await server.close()
            if attempt == _ATTEMPTS or not isinstance(error, LinkError):
                raise
        else:
            return port, tcp_port, server


def _free_port(interface: Interface) -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind((str(interface.address), 0, 0, interface.scope_id))
        port: int = probe.getsockname()[1]
        return port
