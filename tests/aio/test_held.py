"""What has to outlive a driver, a server's being closed, or a whole event loop: alarms, hardware
that is not safe, and who waits.

Also two servers that were given the same contactors, of which one would open them
under the power of the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from iso15118.aio import EvccClient, SeccServer
from iso15118.aio.ports.guard import Port
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.aio.service import ServiceState
from iso15118.errors import ConfigError, HardwareError, LinkError
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.events import HardwareFault
from iso15118.timing import Timing
from tests import clock

from .site import LOOPBACK, QUICK_PORTS, QUICK_STREAM, Plant, Stopper, evcc_config, secc_config, site


def state(of: EvccClient | SeccServer) -> ServiceState:
    return of.state


async def test_an_alarm_while_a_vehicle_looks_for_a_station_holds() -> None:
    plant = Plant()
    config = evcc_config(allow_plaintext=True, timing=Timing(sdp_requests=2))
    client = EvccClient(config, plant.evcc, LOOPBACK, None, sdp_port=40_404, port_limits=QUICK_PORTS)
    running = asyncio.create_task(client.run())
    await asyncio.sleep(0.1)
    client.emergency_shutdown("the button")
    with pytest.raises(LinkError):
        await running
    assert state(client) is ServiceState.OUT_OF_SERVICE
    with pytest.raises(HardwareError, match="the button"):
        await client.run()
    client.back_in_service()
    assert state(client) is ServiceState.AVAILABLE


class Tells:
    """A port that tells something when it is asked to make safe, once ``tell`` is there."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.tell: Callable[[], object] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def open(self, urgency: Urgency, reason: str) -> None:
        tell, self.tell = self.tell, None
        if tell is not None:
            tell()
        await self.real.open(urgency, reason)


async def test_an_alarm_in_the_very_turn_in_which_a_session_ends_holds() -> None:
    """The session has ended when the port is asked, and nobody has been told so yet."""
    plant = Plant()
    mine, theirs = Tells(plant.evcc.contactors), Tells(plant.secc.contactors)
    station, vehicle = replace(plant.secc, contactors=theirs), replace(plant.evcc, contactors=mine)
    async with site(plant, station=station) as here:
        client = here.client(vehicle=vehicle)
        running = asyncio.create_task(client.run())
        while here.server.session is None or not plant.station.outlet.closed:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
        theirs.tell = partial(here.server.tell, HardwareFault("cooling", "no flow"))
        mine.tell = partial(client.emergency_shutdown, "the button")
        here.server.link_lost()
        client.link_lost()
        await running
        result = await here.server.wait_finished(1)
        assert result.ended.reason is EndReason.PEER_VANISHED
        assert state(here.server) is state(client) is ServiceState.OUT_OF_SERVICE
        assert here.server.out_of_service_because == "cooling: no flow"
        assert client.out_of_service_because == "emergency: the button"
        here.server.back_in_service()
        client.back_in_service()
        await here.charge()


async def test_an_alarm_that_ends_a_session_does_not_hold() -> None:
    async with site() as here:
        stopper = Stopper(3, lambda client: here.server.emergency_shutdown("the button"))
        stopper.client = client = here.client(observer=stopper)
        await client.run()
        assert (await here.server.wait_finished(1)).ended.reason is EndReason.EMERGENCY
        assert state(here.server) is ServiceState.AVAILABLE


class StopFails:
    """A supply that hears no stop any more, from when ``broken`` is set."""

    def __init__(self, real: Any) -> None:
        self.real, self.broken = real, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def stop(self, urgency: Urgency) -> None:
        if self.broken:
            raise OSError("no answer on the bus")
        await self.real.stop(urgency)


async def test_hardware_that_was_left_unsafe_is_known_when_the_server_is_opened_again() -> None:
    plant = Plant()
    supply = StopFails(plant.secc.power)
    station = replace(plant.secc, power=supply)
    async with site(plant, station=station) as here:
        running = asyncio.create_task(here.client().run())
        while here.server.session is None or not plant.station.outlet.closed:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
        supply.broken = True
        await here.server.close()
        await running
        assert not here.server.results[-1].safe
        await here.server.open()
        await asyncio.sleep(0.0)
        assert state(here.server) is ServiceState.OUT_OF_SERVICE
        assert "no answer on the bus" in here.server.out_of_service_because
        await asyncio.sleep(3.0)
        assert state(here.server) is ServiceState.OUT_OF_SERVICE
        supply.broken = False
        await asyncio.sleep(3.0)
        assert state(here.server) is ServiceState.AVAILABLE


async def test_an_end_that_fails_on_its_way_leaves_no_connector_that_counts_as_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(self: StationHardware) -> bool:
        raise ZeroDivisionError("a fault of ours")

    async with site() as here:
        monkeypatch.setattr(StationHardware, "settle", fail)
        stopper = Stopper(3)
        stopper.client = client = here.client(observer=stopper)
        await client.run()
        result = await here.server.wait_finished(1)
        seen = state(here.server), here.server.out_of_service_because
        monkeypatch.undo()
        assert not result.safe
        assert seen == (ServiceState.OUT_OF_SERVICE, "its end failed")
        while state(here.server) is not ServiceState.AVAILABLE:  # noqa: ASYNC110 - the look between sessions shows it safe
            await asyncio.sleep(0.05)
        await here.charge()


def server_of(plant: Plant) -> SeccServer:
    return SeccServer(
        secc_config(allow_plaintext=True),
        plant.secc,
        LOOPBACK,
        None,
        sdp=False,
        sdp_port=0,
        port_limits=QUICK_PORTS,
        stream_limits=QUICK_STREAM,
    )


async def charge(plant: Plant, server: SeccServer) -> EndReason:
    stopper = Stopper(3)
    config = evcc_config(allow_plaintext=True)
    client = EvccClient(config, plant.evcc, LOOPBACK, None, port_limits=QUICK_PORTS, observer=stopper)
    stopper.client = client
    result = await client.run((LOOPBACK.address, next(iter(server.ports.values()))))
    return result.ended.reason


def test_a_server_serves_in_the_next_loop_whoever_waited_for_a_session_in_the_last() -> None:
    kept: list[SeccServer] = []

    async def first() -> None:
        kept.append(server_of(Plant()))
        async with kept[0] as server:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await server.wait_finished(1)

    async def second() -> None:
        plant = Plant()
        server = kept[0]
        # The first one's plant lives in the first loop.
        server.sessions._station = server.sessions._talks_with = plant.secc
        server.sessions._pushing = [Port(plant.secc.signal, "signal")]
        server.sessions.inbox._listening.clear()
        async with server:
            waiting = asyncio.create_task(server.wait_finished(2))
            for _ in range(2):
                assert await charge(plant, server) is EndReason.STOPPED_BY_EV
            async with asyncio.timeout(10):
                assert (await waiting).safe

    clock.run(first())
    clock.run(second())


async def test_two_open_servers_do_not_share_contactors_or_a_supply() -> None:
    plant, other = Plant(), Plant()
    async with server_of(plant) as server:
        for port in ("contactors", "power"):
            station = replace(other.secc, **{port: getattr(plant.secc, port)})
            second = server_of(other)
            second.sessions._station = station
            with pytest.raises(ConfigError, match=port):
                await second.open()
        assert await charge(plant, server) is EndReason.STOPPED_BY_EV
    async with server_of(plant) as after:
        assert await charge(plant, after) is EndReason.STOPPED_BY_EV
