"""A vehicle between its sessions: contactors that close and current that flows are switched off,
said, and refuse the next one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.net.stream import MessageStream
from iso15118.aio.service import ServiceState
from iso15118.errors import ConfigError, HardwareError, LinkError
from iso15118.session.actions import EndReason
from iso15118.session.events import EmergencyShutdown, InletMeasured

from .site import LOOPBACK, QUICK_PORTS, Plant, Stopper, site
from .test_plugged import connector
from .test_service import Shows, raises, state, until

OUT, AVAILABLE = ServiceState.OUT_OF_SERVICE, ServiceState.AVAILABLE


class Welded:
    """Contactors that show closed, whatever they are told, while ``closed`` is True."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.stuck = False
        self.opened = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @property
    def closed(self) -> bool:
        return self.stuck or self._real.closed

    async def open(self, *how: Any) -> None:
        self.opened += 1
        await self._real.open(*how)


def of(client: Any) -> ServiceState:
    return client.state  # type: ignore[no-any-return]


async def charge(here: Any, client: Any) -> None:
    stopper = Stopper(3)
    stopper.client, client._observer = client, stopper
    before = here.server.finished
    mine = await client.run()
    assert (mine.ended.reason, mine.safe) == (EndReason.STOPPED_BY_EV, True), mine
    await here.server.wait_finished(before + 1)


async def test_contactors_of_a_vehicle_that_close_between_sessions_are_opened_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plant = Plant()
    async with site(plant) as here, here.client() as client:
        await charge(here, client)
        assert of(client) is AVAILABLE
        plant.vehicle.inlet.request_close(plant.circuit.time)
        await until(lambda: of(client) is OUT)
        assert "contactor-level" in client.out_of_service_because
        assert flush(60.0)
        assert "out of service: contactor-level" in caplog.text
        await until(lambda: of(client) is AVAILABLE)
        assert plant.vehicle_safe
        await charge(here, client)


async def test_a_vehicle_whose_contactors_stay_closed_begins_no_session_until_they_are_open() -> None:
    plant = Plant()
    contactors = Welded(plant.evcc.contactors)
    async with site(plant) as here, here.client(vehicle=replace(plant.evcc, contactors=contactors)) as client:
        contactors.stuck = True
        await until(lambda: of(client) is OUT)
        for _ in range(2):
            with pytest.raises(HardwareError, match="out of service: contactor-level"):
                await client.run()
            client.back_in_service()  # an application cannot wish it away
        tries = contactors.opened
        await until(lambda: contactors.opened > tries + 3)
        assert here.server.finished == 0
        contactors.stuck = False
        await until(lambda: of(client) is AVAILABLE)
        await charge(here, client)


async def test_what_shows_while_a_station_is_looked_for_refuses_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant = Plant()
    contactors = Welded(plant.evcc.contactors)
    async with site(plant) as here, here.client(vehicle=replace(plant.evcc, contactors=contactors)) as client:

        async def find() -> Any:
            contactors.stuck = True
            await until(lambda: client.out_of_service_because != "")
            return LOOPBACK.address, next(iter(here.server.ports.values()))

        with monkeypatch.context() as patch:
            patch.setattr(client, "find", find)
            with pytest.raises(HardwareError, match="out of service: contactor-level"):
                await client.run()
        contactors.stuck = False
        await until(lambda: of(client) is AVAILABLE)
        await charge(here, client)


@pytest.mark.parametrize(
    ("shows", "why"),
    [
        (InletMeasured(400.0, 20.0), "A between sessions"),
        (raises, "the inlet cannot be measured"),
        (InletMeasured(400.0, 0.0), ""),
    ],
    ids=["current", "unreadable", "voltage, which is the station's"],
)
async def test_the_inlet_between_sessions(shows: Any, why: str) -> None:
    plant = Plant()
    inlet = Shows(plant.evcc.inlet)
    async with site(plant) as here, here.client(vehicle=replace(plant.evcc, inlet=inlet)) as client:
        inlet.shows = shows
        if why:
            await until(lambda: of(client) is OUT)
        else:
            await asyncio.sleep(10.0)
        assert why in client.out_of_service_because
        assert (of(client) is OUT) is bool(why)
        inlet.shows = None
        await until(lambda: of(client) is AVAILABLE)
        await charge(here, client)


async def test_an_alarm_between_the_sessions_of_an_open_client_counts_at_once() -> None:
    async with site() as here:
        client = here.client()
        client.tell(EmergencyShutdown("before it is open"))
        assert of(client) is OUT
        assert client.out_of_service_because == "emergency: before it is open"
        async with client:
            assert client.out_of_service_because == "emergency: before it is open"
            client.back_in_service()
            client.emergency_shutdown("the button")
            assert of(client) is OUT
            client.back_in_service()
            await charge(here, client)


async def test_two_clients_do_not_share_contactors_that_one_of_them_looks_after() -> None:
    async with site() as here:
        async with here.client() as client:
            other = here.client()
            with pytest.raises(ConfigError, match="contactors"):
                await other.open()
            with pytest.raises(ConfigError, match="contactors"):
                await other.run()
            await charge(here, client)
        await charge(here, other)
        assert state(here) is AVAILABLE


async def test_an_inlet_with_a_plug_is_looked_after_as_long_as_it_runs() -> None:
    async with connector() as here:
        here.stop_after(3)
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run(stay=True))
        await until(lambda: len(here.evcc.results) == 1)
        plant = here.plant
        plant.vehicle.inlet.request_close(plant.circuit.time)
        await until(lambda: of(here.evcc) is OUT)
        assert "contactor-level" in here.evcc.out_of_service_because
        await until(lambda: of(here.evcc) is AVAILABLE)
        assert plant.vehicle_safe
        here.cable.unplug()
        await running
        await here.charge()


@pytest.mark.parametrize("begins", [False, True])
async def test_a_client_that_is_opened_beside_its_session_looks_as_soon_as_that_has_no_hardware(
    begins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no station is found it never has any; otherwise it is over, and its connection closes."""
    plant = Plant()
    contactors = Welded(plant.evcc.contactors)
    async with site(plant) as here:
        looking, go_on = asyncio.Event(), asyncio.Event()

        async def wait(*_: Any) -> Any:
            looking.set()
            await go_on.wait()
            raise LinkError("nobody is there")

        class Lasting(MessageStream):
            wait_closed = wait

        vehicle = replace(plant.evcc, contactors=contactors)
        client = here.client(vehicle=vehicle, **({"connection": Lasting} if begins else {}))

        if begins:
            stopper = Stopper(1)
            stopper.client, client._observer = client, stopper
        else:
            monkeypatch.setattr(client, "find", wait)
        running = asyncio.create_task(client.run())
        await looking.wait()
        async with client:
            contactors.stuck = True
            await until(lambda: client.out_of_service_because != "")
            assert of(client) is ServiceState.IN_SESSION
            go_on.set()
            with pytest.raises(LinkError):
                await running
            assert of(client) is OUT
            contactors.stuck = False
            await until(lambda: of(client) is AVAILABLE)


async def test_the_end_of_a_vehicle_counts_what_hardware_may_take_that_nobody_charges_with() -> None:
    async with site(Plant()) as here:
        client = here.client()
        assert client.ends_within_s == 0.0
        async with client:
            await asyncio.sleep(0.1)
            assert client.ends_within_s == 2.0 * (QUICK_PORTS.contactors_s + QUICK_PORTS.power_s)
        assert client.ends_within_s == 0.0
