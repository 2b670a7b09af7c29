"""Which thread calls a server or a client: every public method either does its work on the thread of the
event loop, or refuses by name. Steps that make hardware safe and run elsewhere break the bookkeeping of
tasks, and contactors stay closed."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from iso15118.aio import EvccClient, PluggedEvcc, PluggedSecc, SeccServer, Site
from iso15118.aio.background import BackgroundStation
from iso15118.aio.inlets import SeveralInlets
from iso15118.aio.plug.connector import LinkParts
from iso15118.aio.plug.media import NoMedium
from iso15118.errors import MisuseError
from iso15118.link.plain import PlainLink
from iso15118.link.primitives import DutyChanged, WakeUp
from iso15118.session.actions import EndReason
from iso15118.simulation.cable import PlainCable

from .site import LOOPBACK, QUICK_PORTS, Plant, evcc_config, evcc_tls, secc_config, secc_tls
from .site import site as open_site
from .test_inlets import Truck
from .test_plugged import free_port

_COMMANDS: dict[str, Callable[[Any], object]] = {
    "stop": lambda it: it.stop("enough"),
    "pause": lambda it: it.pause("lunch"),
    "emergency_shutdown": lambda it: it.emergency_shutdown("the button"),
    "out_of_service": lambda it: it.out_of_service("painted"),
    "back_in_service": lambda it: it.back_in_service(),
    "tell": lambda it: it.tell(WakeUp()),
    "link_lost": lambda it: it.link_lost(),
    "hide": lambda it: it.hide(),
    "renew": lambda it: it.renew(secc_tls()),
    "duty_changed": lambda it: it.duty_changed(DutyChanged(percent=5.0)),
    "restart": lambda it: it.restart("once more"),
}
"""How each method that hands its work over is called."""
_REFUSED: dict[str, Callable[[Any], object]] = {
    "serve_without_messages": lambda it: it.serve_without_messages(None, None),
}
"""What has an answer at once, and so refuses."""
_READ = {"may_invite", "heartbeat"}
"""What only reads."""
_AWAITED = {"open", "close", "show", "run", "run_without_messages", "serve_forever", "wait_finished", "find"}


class Sinks:
    """Where work arrives, in place of what does it; with the thread it arrives on."""

    over, stream, hardware, session = False, None, None, None

    def __init__(self) -> None:
        self.threads: list[int] = []

    def here(self, *_: Any, **__: Any) -> None:
        self.threads.append(threading.get_ident())

    tell = link_lost = drop = hide = take = heed = here


def server(sinks: Sinks) -> Any:
    made: Any = SeccServer(
        secc_config(), Plant().secc, LOOPBACK, secc_tls(), sdp=False, sdp_port=0, port_limits=QUICK_PORTS
    )
    made.sessions.inbox.open(asyncio.get_running_loop(), sinks.tell)
    made.sessions.driver = made._reception = made._presence = sinks
    made.sessions.service = SimpleNamespace(tell=sinks.here, clear=sinks.here)
    made._tls.take = sinks.take
    return made


def client(sinks: Sinks) -> Any:
    made: Any = EvccClient(evcc_config(), Plant().evcc, LOOPBACK, evcc_tls(), port_limits=QUICK_PORTS)
    made._inbox.open(asyncio.get_running_loop(), sinks.tell)
    made._deliver = sinks.tell
    made._driver, made._service = sinks, SimpleNamespace(tell=sinks.here, clear=sinks.here)
    return made


def plugged_server(sinks: Sinks) -> Any:
    plant = Plant()
    cable = PlainCable(plant.clock, plant.circuit)
    parts = LinkParts(link=PlainLink(), medium=NoMedium(), signalling=cable.station)
    made: Any = PluggedSecc(secc_config(), plant.secc, LOOPBACK, secc_tls(), parts, sdp_port=free_port())
    made.driver._push = made._tls.take = sinks.here
    made._server = server(sinks)
    made._stands(made._server)
    return made


def plugged_client(sinks: Sinks) -> Any:
    plant = Plant()
    cable = PlainCable(plant.clock, plant.circuit)
    parts = LinkParts(link=PlainLink(), medium=NoMedium(), signalling=cable.vehicle)
    made: Any = PluggedEvcc(evcc_config(), plant.evcc, LOOPBACK, evcc_tls(), parts)
    made.driver._push, made._over = sinks.here, asyncio.get_running_loop().create_future()
    made._client = client(sinks)
    made._stands(made._client)
    return made


def site(sinks: Sinks) -> Any:
    return Site({"left": server(sinks)})


def several(sinks: Sinks) -> Any:
    truck = Truck(())
    truck.drive()
    made: Any = SeveralInlets(truck.arbiter, truck.clients)
    made._thread.enter(asyncio.get_running_loop())
    made._end = sinks.here
    return made


MAKERS: dict[Any, Callable[[Sinks], Any]] = {
    SeccServer: server,
    EvccClient: client,
    PluggedSecc: plugged_server,
    PluggedEvcc: plugged_client,
    Site: site,
    SeveralInlets: several,
}


def methods(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]


def cases(table: dict[str, Callable[[Any], object]]) -> list[Any]:
    return [
        pytest.param(kind, name, id=f"{kind.__name__}.{name}")
        for kind in MAKERS
        for name in methods(kind)
        if name in table
    ]


def in_thread(call: Callable[[], object]) -> BaseException | None:
    """While the event loop stands still: what is called has the processor to itself. Gives what it raised."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30.0)
    assert not thread.is_alive()
    return raised[0] if raised else None


def test_every_public_method_is_one_that_is_tried_here() -> None:
    for kind in MAKERS:
        for name in methods(kind):
            awaited = inspect.iscoroutinefunction(getattr(kind, name))
            assert (name in _AWAITED) is awaited, f"{kind.__name__}.{name}"
            assert awaited or name in {*_COMMANDS, *_REFUSED, *_READ}, f"{kind.__name__}.{name}"


@pytest.mark.parametrize(("kind", "name"), cases(_COMMANDS))
async def test_a_command_does_its_work_on_the_loops_thread_whoever_gives_it(kind: Any, name: str) -> None:
    """And at once from there."""
    sinks = Sinks()
    it = MAKERS[kind](sinks)
    call = _COMMANDS[name]
    if name == "tell" and kind in (SeccServer, EvccClient):
        call = _COMMANDS["stop"]
    assert in_thread(lambda: call(it)) is None
    assert sinks.threads == [], "that was done in the foreign thread"
    await asyncio.sleep(0)
    assert sinks.threads
    known = len(sinks.threads)
    call(it)
    assert len(sinks.threads) == 2 * known
    assert set(sinks.threads) == {threading.get_ident()}


@pytest.mark.parametrize(("kind", "name"), cases(_REFUSED))
async def test_what_answers_at_once_refuses_by_name_from_another_thread(kind: Any, name: str) -> None:
    it = MAKERS[kind](Sinks())
    error = in_thread(lambda: _REFUSED[name](it))
    assert isinstance(error, MisuseError)
    assert name in str(error)


def elsewhere(work: Callable[[], Coroutine[Any, Any, object]]) -> BaseException | None:
    """In an event loop of another thread."""
    return in_thread(lambda: asyncio.run(work()))


async def test_what_is_awaited_refuses_by_name_in_another_event_loop() -> None:
    """Sockets, futures and tasks of a server belong to the loop in which it is open. ``close`` is taken to
    that loop."""
    async with open_site() as here:
        server, client = here.server, here.client()
        async with client:
            for name, work in {
                "open already": server.open,
                "show": server.show,
                "serve_forever": server.serve_forever,
                "wait_finished": lambda: server.wait_finished(1),
                "run": client.run,
                "run ": lambda: client.run_without_messages(Mock()),
            }.items():
                error = elsewhere(work)
                assert isinstance(error, MisuseError), name
                assert name.strip() in str(error)
        whole = Site({"left": SimpleNamespace(open=server.show)})  # type: ignore[dict-item]  # a stand-in
        whole._life._open, whole._life._loop = True, asyncio.get_running_loop()
        error = elsewhere(lambda: whole.wait_finished(1))
        assert isinstance(error, MisuseError)
        assert "wait_finished" in str(error)


async def test_a_connector_with_a_plug_is_opened_and_run_where_it_was_made() -> None:
    station, vehicle = plugged_server(Sinks()), plugged_client(Sinks())
    station._life._loop, station._life._open = asyncio.get_running_loop(), True
    cases = {"open": station.open, "wait_finished": lambda: station.wait_finished(1), "run": vehicle.run}
    for name, work in cases.items():
        error = elsewhere(work)
        assert isinstance(error, MisuseError), name
        assert name in str(error)
    assert isinstance(elsewhere(vehicle.driver.open), MisuseError)


async def test_a_lost_link_told_by_another_thread_ends_the_session_with_everything_open() -> None:
    """The driver of a modem has a thread of its own. What it tells while a port is in the middle of its call
    once left the contactors closed."""
    async with open_site() as here:
        client = here.client()
        running = asyncio.create_task(client.run())
        while here.server.session is None or not here.plant.station.outlet.closed:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
        assert in_thread(here.server.link_lost) is None
        assert in_thread(client.link_lost) is None
        await running
        result = await here.server.wait_finished(1)
        assert result.ended.reason is EndReason.PEER_VANISHED
        assert result.safe
        assert not here.plant.station.outlet.closed


def test_a_station_in_the_background_does_not_wait_for_its_own_thread() -> None:
    """A callback of its own that asked for the next result would hold up the loop which brings it."""
    plant_of: Callable[..., Any] = lambda sleep, clock: Plant().secc  # noqa: E731
    with BackgroundStation(
        secc_config(), plant_of, LOOPBACK, secc_tls(), sdp=False, sdp_port=0, port_limits=QUICK_PORTS
    ) as station:
        loop, _ = station._inside()
        raised: list[BaseException] = []

        def on_its_thread(call: Callable[[], object]) -> None:
            try:
                call()
            except MisuseError as error:
                raised.append(error)
            done.set()

        for call in (station.wait_finished, lambda: station.__exit__(None, None, None)):
            done = threading.Event()
            loop.loop.call_soon_threadsafe(on_its_thread, call)
            assert done.wait(30.0)
        assert len(raised) == 2
        assert "call it from another thread" in str(raised[0])
