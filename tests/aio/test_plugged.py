"""A connector on real sockets, from plug-in to unplug: what goes away in mid-session, comes
back, or was never there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from iso15118.aio import EvccClient, SessionResult, find_interface
from iso15118.aio import secc as secc_room
from iso15118.aio.net.network import Interface
from iso15118.aio.plug.connector import ConnectionDriver, LinkParts
from iso15118.aio.plug.media import NoMedium, PacketMedium
from iso15118.aio.plug.plugged_evcc import PluggedEvcc
from iso15118.aio.plug.plugged_secc import PluggedSecc
from iso15118.connector import ConnectorSettings, Phase, SeccConnector
from iso15118.connector.news import DropConnection, PhaseEntered, StartDiscovery
from iso15118.errors import HardwareError, LinkError
from iso15118.link.plain import PlainLink
from iso15118.link.ports import BasicSignalling, LinkMedium, Listener
from iso15118.link.primitives import DLinkError, DLinkReady, Pilot, SetPilot
from iso15118.link.spe.ev import EvSpe
from iso15118.link.spe.evse import EvseSpe
from iso15118.session.actions import Action, EndReason
from iso15118.session.events import SignalChanged, SignalState
from iso15118.simulation.cable import McsCable, PlainCable
from tests.aio.site import (
    LOOPBACK,
    QUICK_PORTS,
    QUICK_STREAM,
    Plant,
    Stopper,
    Watcher,
    evcc_config,
    evcc_tls,
    secc_config,
    secc_tls,
)

SDP_PORT = 0  # the vehicle of a test asks the station for it


class Connector:
    """A plant, a cable, a station that serves, and a vehicle to be run."""

    def __init__(self, plant: Plant, cable: PlainCable | McsCable, free_port: int, **client: Any) -> None:
        self.plant, self.cable = plant, cable
        config = secc_config()
        limits = plant.station.kind.limits, plant.vehicle.limits
        self.watchers = Watcher(config, *limits), Watcher(config, *limits)
        spe = isinstance(cable, McsCable)
        settings = ConnectorSettings(restarts=5)
        self.phases: list[Phase] = []
        self.secc = PluggedSecc(
            config,
            plant.secc,
            LOOPBACK,
            secc_tls(),
            LinkParts(
                link=EvseSpe() if spe else PlainLink(),
                medium=cable.station,
                signalling=cable.station,
                settings=settings,
            ),
            sdp_port=free_port,
            port_limits=QUICK_PORTS,
            stream_limits=QUICK_STREAM,
            watch=self.watchers[0].secc,
            news=self._station_news,
        )
        self.watchers[0].paused = lambda: self.secc.server.tickets if self.secc.server else ()
        self.stopper = Stopper(8)
        self.evcc = PluggedEvcc(
            evcc_config(),
            plant.evcc,
            LOOPBACK,
            evcc_tls(),
            LinkParts(
                link=EvSpe() if spe else PlainLink(),
                medium=cable.vehicle,
                signalling=cable.vehicle,
                settings=settings,
            ),
            sdp_port=free_port,
            port_limits=QUICK_PORTS,
            stream_limits=QUICK_STREAM,
            watch=self.watchers[1].evcc,
            observer=self._observe,
            **client,
        )

    def _station_news(self, news: Action) -> None:
        if isinstance(news, PhaseEntered):
            self.phases.append(news.phase)

    def _observe(self, now: float, what: Any) -> None:
        self.stopper(now, what)

    def stop_after(self, loops: int) -> None:
        self.stopper = Stopper(loops, lambda client: self.evcc.stop("enough"))
        self.stopper.client = self.evcc  # type: ignore[assignment]

    def do_after(self, loops: int, what: Callable[[], object]) -> None:
        """After so many charge loops, and never stop."""
        loop = asyncio.get_running_loop()

        def then(client: EvccClient) -> None:
            loop.call_soon(what)

        self.stopper = Stopper(loops, then)
        self.stopper.client = self.evcc  # type: ignore[assignment]

    async def charge(self, loops: int = 4) -> SessionResult:
        """Plug in, a whole session, and unplug."""
        self.stop_after(loops)
        before = self.secc.finished
        self.cable.plug_in()
        mine = await self.evcc.run()
        theirs = await self.secc.wait_finished(before + 1)
        assert (mine.ended.reason, mine.safe) == (EndReason.STOPPED_BY_EV, True), mine
        assert (theirs.ended.reason, theirs.safe) == (EndReason.STOPPED_BY_EV, True), theirs
        await until(lambda: self.secc.connection.phase is Phase.FINISHED)
        self.cable.unplug()
        assert self.secc.connection.phase is Phase.UNPLUGGED
        assert self.secc.sdp_port == 0
        return mine

    @property
    def safe(self) -> bool:
        return self.plant.station_safe and self.plant.vehicle_safe


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is looked at has no event of its own
            await asyncio.sleep(0.005)


def free_port() -> int:
    import socket

    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind(("::1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def connector(kind: str = "plain", **client: Any) -> AsyncIterator[Connector]:
    plant = Plant()
    cable = (
        McsCable(plant.clock, plant.circuit, link_s=0.1)
        if kind == "spe"
        else PlainCable(plant.clock, plant.circuit)
    )

    async def pump() -> None:
        while True:
            cable.advance(plant.clock())
            await asyncio.sleep(0.01)

    following = [asyncio.create_task(plant.follow()), asyncio.create_task(pump())]
    here = Connector(plant, cable, free_port(), **client)
    try:
        async with here.secc:
            yield here
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    for watcher in here.watchers:
        assert not watcher.violations, watcher.violations
    assert here.safe


@pytest.mark.parametrize("kind", ["plain", "spe"])
async def test_one_plug_in_after_the_other(kind: str) -> None:
    async with connector(kind) as here:
        assert here.secc.sdp_port == 0, "nobody is found without a link"
        for _ in range(3):
            await here.charge()
        assert here.secc.finished == 3
        assert here.phases.count(Phase.SESSION) == 3


@pytest.mark.parametrize("kind", ["plain", "spe"])
async def test_unplugged_while_energy_flows(kind: str) -> None:
    async with connector(kind) as here:
        here.do_after(4, here.cable.unplug)
        here.cable.plug_in()
        mine = await here.evcc.run()
        theirs = await here.secc.wait_finished(1)
        assert theirs.ended.reason is EndReason.SIGNAL_LOST
        assert mine.ended.reason in (EndReason.SIGNAL_LOST, EndReason.PEER_VANISHED)
        assert mine.safe
        assert theirs.safe
        assert here.safe
        await here.charge()


@pytest.mark.parametrize("kind", ["plain", "spe"])
async def test_no_pilot_while_energy_flows_and_on_again_when_it_is_back(kind: str) -> None:
    async with connector(kind) as here:
        here.do_after(4, lambda: here.cable.disturb(True))
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        theirs = await here.secc.wait_finished(1)
        assert theirs.ended.reason is EndReason.SIGNAL_LOST
        assert theirs.safe
        await until(lambda: len(here.evcc.results) == 1)
        assert here.safe
        here.stop_after(4)
        here.cable.disturb(False)
        mine = await running
        assert mine.ended.reason is EndReason.STOPPED_BY_EV
        assert [result.ended.reason for result in here.evcc.results][1:] == [EndReason.STOPPED_BY_EV]


async def test_a_carrier_that_goes_while_energy_flows_and_comes_back() -> None:
    async with connector("spe") as here:
        here.do_after(4, lambda: here.cable.cut(True))
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        theirs = await here.secc.wait_finished(1)
        await until(lambda: len(here.evcc.results) == 1)
        assert theirs.ended.reason is EndReason.PEER_VANISHED
        assert here.evcc.results[0].ended.reason is EndReason.PEER_VANISHED
        assert here.safe
        assert here.secc.sdp_port == 0
        here.stop_after(4)
        here.cable.cut(False)
        mine = await running  # after the guard time of 3 s in which S3 is open
        assert mine.ended.reason is EndReason.STOPPED_BY_EV


async def test_a_link_that_goes_while_the_vehicle_looks_for_the_station() -> None:
    async with connector("spe") as here:
        here.secc._hide()
        here.secc._be_found = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        await until(lambda: here.evcc.connection.phase is Phase.DISCOVERY)
        await asyncio.sleep(0.05)
        here.cable.unplug()
        with pytest.raises(LinkError):
            await running
        del here.secc._be_found
        await here.charge()


async def test_a_vehicle_that_is_told_to_stop_waiting_is_safe_and_the_station_goes_on() -> None:
    async with connector() as here:
        begun = asyncio.Event()
        here.do_after(4, begun.set)
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert here.plant.vehicle_safe
        theirs = await here.secc.wait_finished(1)
        assert theirs.safe
        here.cable.unplug()
        await here.charge()


async def test_an_alarm_before_a_client_is_there_keeps_the_vehicle_from_charging() -> None:
    async with connector() as here:
        here.evcc.emergency_shutdown("the button")
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        client: EvccClient | None = None
        while client is None or not client.out_of_service_because:
            await asyncio.sleep(0.05)
            client = here.evcc.client
        await asyncio.sleep(1.0)
        assert "the button" in client.out_of_service_because
        assert not here.evcc.results
        here.cable.unplug()
        with pytest.raises(HardwareError, match="the button"):
            await running
        assert here.plant.vehicle_safe


async def test_an_attempt_that_fails_in_an_unforeseen_way_is_said_and_waits_for_nobody() -> None:
    async with connector() as here:

        async def fail(number: int, where: Any) -> None:
            raise ZeroDivisionError("nobody thought of this")

        here.evcc._charge = fail  # type: ignore[method-assign]  # a fault of our own
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        await until(lambda: here.evcc._error is not None)
        here.cable.unplug()
        with pytest.raises(LinkError, match="nobody thought of this"):
            await running
        assert here.plant.vehicle_safe


async def test_a_station_that_is_switched_off_while_energy_flows() -> None:
    async with connector() as here:
        begun = asyncio.Event()
        here.do_after(4, begun.set)
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        await begun.wait()
        await here.secc.close()
        assert here.plant.station_safe
        await until(lambda: len(here.evcc.results) == 1)
        assert here.plant.vehicle_safe
        here.cable.unplug()
        assert (await running).safe


async def test_the_application_may_end_it_with_a_primitive() -> None:
    async with connector() as here:
        here.do_after(4, lambda: here.secc.tell(DLinkError()))
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        theirs = await here.secc.wait_finished(1)
        assert theirs.ended.reason is EndReason.PEER_VANISHED
        assert theirs.safe
        here.stop_after(4)
        assert (await running).ended.reason is EndReason.STOPPED_BY_EV


async def test_an_interface_that_gets_its_address_with_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def late(name: str) -> Interface:
        nonlocal asked
        asked += 1
        if asked <= 2:
            raise LinkError("no address yet")
        return find_interface(name)

    monkeypatch.setattr(secc_room, "find_interface", late)
    plant = Plant()
    cable = PlainCable(plant.clock, plant.circuit)
    parts = LinkParts(link=PlainLink(), medium=cable.station, signalling=cable.station)
    heard: list[int] = []
    async with PluggedSecc(
        secc_config(),
        plant.secc,
        "lo",
        secc_tls(),
        parts,
        sdp_port=free_port(),
        listening=lambda server: heard.append(next(iter(server.ports.values()))),
    ) as secc:
        assert secc.server is None
        assert secc.finished == 0
        assert secc.unreachable_because == "no address yet"
        cable.plug_in()
        await until(lambda: secc.sdp_port != 0)
        assert secc.unreachable_because == ""
        assert asked == 3
        assert len(heard) == 1


async def test_a_wire_that_cannot_be_opened_is_said_and_nothing_is_left_open() -> None:
    plant = Plant()
    cable = PlainCable(plant.clock, plant.circuit)
    parts = LinkParts(link=PlainLink(), medium=PacketMedium("no-such-if"), signalling=cable.station)
    secc = PluggedSecc(secc_config(), plant.secc, LOOPBACK, secc_tls(), parts, sdp_port=free_port())
    with pytest.raises(LinkError, match="no-such-if"):
        await secc.open()
    assert secc.server is not None
    assert secc.server.ports == {}
    there = LinkParts(link=PlainLink(), medium=PacketMedium("no-such-if"), signalling=cable.vehicle)
    evcc = PluggedEvcc(evcc_config(), plant.evcc, LOOPBACK, evcc_tls(), there)
    with pytest.raises(LinkError, match="no-such-if"):
        await evcc.run()


class Broken(BasicSignalling):
    """Signalling that fails whenever something is asked of it."""

    listener: Listener | None = None

    def listen(self, listener: Listener) -> None:
        self.listener = listener

    def show(self, action: Action) -> None:
        raise OSError("the pilot's driver is gone")


class Showing(PlainLink):
    """A link that asks for a pilot with everything it says."""

    def handle(self, event: Any, now: float) -> list[Action]:
        return [SetPilot(Pilot.STEADY), *super().handle(event, now)]


async def test_a_port_that_fails_keeps_nobody_from_the_rest() -> None:
    signalling, told = Broken(), list[Action]()
    medium: LinkMedium = NoMedium()
    driver = ConnectionDriver(
        SeccConnector(Showing(), 18.0), medium, signalling, told.append, news=told.append
    )
    await driver.open()
    assert signalling.listener is not None
    signalling.listener(SignalChanged(SignalState.B))
    assert DLinkReady(True) in told
    phases = [driver.machine.phase]
    await driver.close()
    told.clear()
    signalling.listener(SignalChanged(SignalState.A))
    assert told == [], "closed"
    await driver.open()
    phases.append(driver.machine.phase)
    assert phases == [Phase.DISCOVERY, Phase.UNPLUGGED], "what it showed meanwhile is not lost"
    await driver.close()


class Ending:
    """A client whose session still comes to its end."""

    begun = True

    def __init__(self) -> None:
        self.lost = 0
        self.looked = False

    def link_lost(self) -> None:
        self.lost += 1

    async def find(self) -> None:
        self.looked = True


async def test_a_link_that_goes_again_while_the_last_session_ends_drops_the_attempt_that_waits() -> None:
    async with connector() as here:
        inlet, client, over = here.evcc, Ending(), asyncio.Event()
        inlet._client = client  # type: ignore[assignment]
        inlet._charging = 1
        inlet._attempt = earlier = asyncio.create_task(over.wait())  # type: ignore[assignment]
        inlet._carry_out(DropConnection(1, "gone"))
        assert client.lost == 1
        inlet._carry_out(StartDiscovery(2))
        waiting = inlet._attempt
        assert waiting is not None
        await asyncio.sleep(0)
        inlet._carry_out(DropConnection(2, "gone again"))
        await asyncio.sleep(0.02)
        assert not waiting.done(), "nobody gives way before the hardware is safe"
        over.set()
        await asyncio.wait((waiting,))
        assert waiting.cancelled()
        assert earlier.done()
        assert not client.looked
        assert client.lost == 1
        inlet._client = None
