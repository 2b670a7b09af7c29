"""Sessions that end from within: cancelled tasks, a server that is closed, a loop that is torn down, and
faults of this software. Hardware first, every time.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio import EvccClient, SeccServer
from iso15118.messages.iso20 import dc
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from iso15118.session.events import Event
from tests import clock

from .site import (
    LOOPBACK,
    QUICK_PORTS,
    Plant,
    Site,
    Stopper,
    evcc_config,
    evcc_tls,
    secc_config,
    secc_tls,
    site,
)


class Charging:
    """A vehicle that charges until something happens to it."""

    def __init__(self, here: Site, loops: int = 5, **settings: Any) -> None:
        self.reached = asyncio.Event()
        self.stopper = Stopper(loops, lambda client: self.reached.set())
        self.client: EvccClient = here.client(observer=self.stopper, **settings)
        self.stopper.client = self.client
        self.task = asyncio.create_task(self.client.run())

    async def under_power(self, plant: Plant) -> None:
        await self.reached.wait()
        assert plant.current_a > 100.0
        assert plant.station.outlet.closed
        assert plant.vehicle.inlet.closed


async def serving(plant: Plant) -> tuple[asyncio.Task[None], Charging]:
    """A task that serves until it is cancelled, and a vehicle that charges."""
    begun: asyncio.Future[Charging] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        async with site(plant, safe_at_the_end=False) as here:
            begun.set_result(Charging(here))
            await here.server.serve_forever()

    server = asyncio.create_task(serve())
    await asyncio.wait((server, begun), return_when=asyncio.FIRST_COMPLETED)
    return server, begun.result()


async def test_a_cancelled_vehicle_leaves_the_cable_first() -> None:
    plant = Plant()
    async with site(plant) as here:
        car = Charging(here)
        await car.under_power(plant)
        car.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await car.task
        assert plant.vehicle_safe
        theirs = await here.server.wait_finished(1)
        assert theirs.ended.reason is EndReason.PEER_VANISHED
        assert theirs.safe
        assert plant.station_safe
        await here.charge()


async def test_a_cancelled_server_makes_the_hardware_safe() -> None:
    plant = Plant()
    server, car = await serving(plant)
    await car.under_power(plant)
    server.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server
    assert plant.station_safe
    mine = await car.task
    assert mine.ended.reason is EndReason.PEER_VANISHED
    assert mine.safe
    assert plant.vehicle_safe


async def test_a_server_cancelled_twice_has_asked_for_safety_at_once() -> None:
    plant = Plant()
    plant.station.faults.late("open_contactors", 0.2)
    server, car = await serving(plant)
    await car.under_power(plant)
    server.cancel()
    await asyncio.sleep(0.01)
    assert plant.current_a == 0.0
    server.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server
    await car.task
    await asyncio.sleep(0.3)
    assert plant.station_safe


def test_a_loop_that_is_torn_down_opens_the_contactors_all_the_same() -> None:
    plants: list[Plant] = []

    async def main() -> None:
        plant = Plant()
        plants.append(plant)
        # Neither the server nor the vehicle is closed: asyncio.run cancels every task there is.
        manager = site(plant)
        car = Charging(await manager.__aenter__())
        keep.append((manager, car))
        await car.under_power(plant)

    keep: list[Any] = []
    clock.run(main())
    plant = plants[0]
    assert plant.circuit.current_a == 0.0 or plant.station.supply.mode.name != "POWER"
    # Contactors were told to open; let the plant's time pass.
    plant.circuit.advance(plant.circuit.clock(plant.circuit.time) + 1.0)
    assert not plant.station.outlet.closed
    assert not plant.vehicle.inlet.closed
    assert plant.circuit.current_a == 0.0


async def test_a_server_that_is_closed_ends_the_session_and_is_not_found_any_more() -> None:
    plant = Plant()
    async with site(plant) as here:
        car = Charging(here)
        await car.under_power(plant)
        began = plant.clock()
        await here.server.close()
        assert plant.clock() - began < 1.5
        assert plant.station_safe
        theirs = here.server.results[-1]
        assert theirs.ended.reason is EndReason.EMERGENCY
        assert theirs.safe
        mine = await car.task
        assert mine.ended.reason is EndReason.PEER_VANISHED
        assert here.server.ports == {}
        await here.server.close()
        await here.server.open()
        await here.charge()


@pytest.mark.parametrize("side", ["station", "vehicle"])
async def test_a_fault_of_this_software_ends_one_session(side: str) -> None:
    plant = Plant()

    async with site(plant) as here:
        loops = 0
        watch = here.watchers[0].secc if side == "station" else here.watchers[1].evcc

        def failing(event: Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
            nonlocal loops
            sent = [type(action.message) for action in actions if isinstance(action, act.Send)]
            loops += dc.DCChargeLoopReq in sent or dc.DCChargeLoopRes in sent
            if loops == 4:
                loops += 1
                raise RuntimeError("a fault of ours")
            return watch(event, actions, now)

        settings: dict[str, Any] = {}
        if side == "station":
            here.server.sessions.watch = failing
        else:
            settings["watch"] = failing
        car = Charging(here, 1000, **settings)
        mine, theirs = await car.task, await here.server.wait_finished(1)
        broken, other = (theirs, mine) if side == "station" else (mine, theirs)
        assert broken.ended.reason is EndReason.INTERNAL_ERROR
        assert broken.ended.detail == "RuntimeError: a fault of ours"
        assert isinstance(broken.error, RuntimeError)
        assert broken.safe
        # A vehicle that opens takes back its readiness too, and either may be seen first.
        assert other.ended.reason in (EndReason.PEER_VANISHED, EndReason.SIGNAL_LOST)
        assert other.safe
        assert plant.station_safe
        assert plant.vehicle_safe
        await here.charge()


async def test_every_event_may_meet_a_fault_of_this_software() -> None:
    """An exception at every call of the station's session, one call further each time."""
    plant = Plant()
    async with site(plant) as here:
        watch = here.watchers[0].secc
        calls = fail_at = 0
        too_late: list[bool] = []

        def failing(event: Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
            nonlocal calls
            calls += 1
            if calls == fail_at:
                too_late.append(here.server.session is None)
                raise RuntimeError("a fault of ours")
            return watch(event, actions, now)

        here.server.sessions.watch = failing
        await here.charge(loops=3)
        total = calls
        assert total > 60
        failed = 0
        for fail_at in range(1, total, 7):
            calls = 0
            car = Charging(here, 3)
            car.stopper.then = lambda client: client.stop("enough")
            before = here.server.finished
            mine, theirs = await car.task, await here.server.wait_finished(before + 1)
            assert theirs.safe, fail_at
            assert mine.safe, fail_at
            assert plant.station_safe
            if too_late and not too_late.pop():
                assert theirs.ended.reason is EndReason.INTERNAL_ERROR, fail_at
                failed += 1
        assert failed > 8
        here.server.sessions.watch = watch
        await here.charge()


@pytest.mark.parametrize("side", ["station", "vehicle"])
def test_a_program_that_closes_nothing_ends_when_its_contactors_are_open(side: str) -> None:
    """Its main task returns under power. ``asyncio.run`` waits for the tasks that there are then, and one
    of them is of the session."""
    plants: list[Plant] = []

    async def main() -> None:
        plant = Plant()
        plants.append(plant)
        # That of the other side is quick: nobody else keeps the loop.
        faults = plant.station.faults if side == "station" else plant.vehicle.faults
        faults.late("open_contactors", 0.25)
        server = SeccServer(
            secc_config(), plant.secc, LOOPBACK, secc_tls(), sdp=False, sdp_port=0, port_limits=QUICK_PORTS
        )
        await server.open()
        where = LOOPBACK.address, next(iter(server.ports.values()))
        reached = asyncio.Event()
        stopper = Stopper(5, lambda client: reached.set())
        client = stopper.client = EvccClient(
            evcc_config(), plant.evcc, LOOPBACK, evcc_tls(), port_limits=QUICK_PORTS, observer=stopper
        )
        running = asyncio.create_task(client.run(where))
        await asyncio.wait(
            (asyncio.create_task(reached.wait()), running), return_when=asyncio.FIRST_COMPLETED
        )
        assert plant.station.outlet.closed

    clock.run(main())
    assert not plants[0].station.outlet.closed
    assert not plants[0].vehicle.inlet.closed
