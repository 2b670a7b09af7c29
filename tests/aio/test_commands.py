"""A connector and an inlet with a plug, in service and out of it: whether there is a server or a client
behind them already or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from iso15118.aio import secc as secc_room
from iso15118.aio.net.network import Interface
from iso15118.aio.plug.connector import LinkParts
from iso15118.aio.plug.plugged_secc import PluggedSecc
from iso15118.aio.secc import SeccServer
from iso15118.aio.service import ServiceState
from iso15118.errors import HardwareError, LinkError
from iso15118.link.plain import PlainLink
from iso15118.simulation.cable import PlainCable

from .hostile import Unprintable
from .site import LOOPBACK, Plant, secc_config, secc_tls
from .test_plugged import connector, free_port, until


def state(of: object) -> ServiceState:
    return of.state  # type: ignore[attr-defined,no-any-return]


def station(plant: Plant, cable: PlainCable) -> PluggedSecc:
    parts = LinkParts(link=PlainLink(), medium=cable.station, signalling=cable.station)
    return PluggedSecc(secc_config(), plant.secc, "lo", secc_tls(), parts, sdp_port=free_port())


class Late:
    """An interface that has no address until ``usable``; then a server fails to open once more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.usable = False
        self.opened = 0
        really = SeccServer.open

        def find(name: str) -> Interface:
            if not self.usable:
                raise LinkError("no address yet")
            return LOOPBACK

        async def open_it(server: SeccServer) -> None:
            self.opened += 1
            if self.opened == 1:
                raise LinkError("the address is gone again")
            await really(server)

        monkeypatch.setattr(secc_room, "find_interface", find)
        monkeypatch.setattr(SeccServer, "open", open_it)


TOLD: dict[str, tuple[Callable[[PluggedSecc], object], str]] = {
    "a wish": (lambda secc: secc.out_of_service("maintenance"), "maintenance"),
    "an alarm": (lambda secc: secc.emergency_shutdown("the button"), "emergency: the button"),
    "no text": (lambda secc: secc.out_of_service(Unprintable()), "Unprintable, which has no text"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("told", TOLD)
async def test_what_a_station_is_told_before_it_has_a_server_holds(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, plant = Late(monkeypatch), Plant()
    cable = PlainCable(plant.clock, plant.circuit)
    tell, because = TOLD[told]
    async with station(plant, cable) as secc:
        assert secc.server is None
        assert (state(secc), secc.out_of_service_because) == (ServiceState.CLOSED, "")
        heartbeat = secc.heartbeat
        assert (heartbeat.count, heartbeat.reason) == (0, "the interface cannot be used yet")
        await asyncio.to_thread(tell, secc)
        assert secc.out_of_service_because.endswith(because.removeprefix("emergency: "))
        late.usable = True
        cable.plug_in()
        await until(lambda: secc.server is not None)
        assert late.opened == 2, "not by the server that failed to open, which nobody asks any more"
        assert (state(secc), secc.out_of_service_because) == (ServiceState.OUT_OF_SERVICE, because)
        await until(lambda: heartbeat.count > 0)
        assert heartbeat is secc.heartbeat
        assert heartbeat.reason == ""
        assert heartbeat.age < 60.0
        await asyncio.to_thread(secc.back_in_service)
        await until(lambda: state(secc) is ServiceState.AVAILABLE)
        secc.out_of_service("later")
        assert secc.out_of_service_because == "later"
    assert state(secc) is ServiceState.CLOSED


async def test_what_was_taken_back_before_there_is_a_server_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late, plant = Late(monkeypatch), Plant()
    cable = PlainCable(plant.clock, plant.circuit)
    async with station(plant, cable) as secc:
        secc.out_of_service("maintenance")
        secc.emergency_shutdown("the button")
        assert secc.out_of_service_because == "maintenance", "the first reason"
        secc.back_in_service()
        assert secc.out_of_service_because == ""
        late.usable = True
        cable.plug_in()
        await until(lambda: secc.server is not None)
        assert state(secc) is ServiceState.AVAILABLE


async def test_a_vehicle_is_told_and_asked_at_its_inlet() -> None:
    async with connector() as here:
        assert state(here.evcc) is ServiceState.AVAILABLE
        here.evcc.out_of_service("the service hatch is open")
        assert state(here.evcc) is ServiceState.OUT_OF_SERVICE
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        await until(lambda: here.evcc.client is not None)
        assert state(here.evcc) is ServiceState.OUT_OF_SERVICE
        await until(lambda: here.evcc._error is not None)
        here.cable.unplug()
        with pytest.raises(HardwareError, match="the service hatch is open"):
            await running
        here.evcc.back_in_service()
        assert (state(here.evcc), here.evcc.out_of_service_because) == (ServiceState.AVAILABLE, "")
        await here.charge()  # whatever the attempts that were refused have left of the budget


async def test_an_inlet_and_a_connector_beat_while_they_charge() -> None:
    async with connector() as here:
        mine, theirs = here.evcc.heartbeat, here.secc.heartbeat
        assert mine.count == 0
        await here.charge()
        assert mine.count > 0
        assert mine.reason == "the client is closed"
        assert (theirs.count > 0, theirs.reason) == (True, "")
