"""A client that is not opened and only runs: it holds its hardware while it runs, and says between its
sessions what it is told and what the last one left behind. And the heartbeat of one that is open."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from iso15118.errors import ConfigError, HardwareError
from iso15118.session import events as ev
from iso15118.session.actions import EndReason

from .site import Plant, Stopper, site
from .test_service import until
from .test_vehicle_idle import AVAILABLE, OUT, Welded, charge, of


@pytest.mark.parametrize(
    ("event", "because"),
    [
        (ev.EmergencyShutdown("the button"), "emergency: the button"),
        (ev.HardwareFault("battery", "hot"), "battery: hot"),
    ],
)
async def test_an_alarm_between_the_sessions_of_a_client_that_only_runs_is_in_its_state(
    event: ev.Event, because: str
) -> None:
    async with site() as here:
        client = here.client()
        for _ in range(2):
            client.tell(event)
            assert (of(client), client.out_of_service_because) == (OUT, because)
            for _ in range(2):
                with pytest.raises(HardwareError, match=because):
                    await client.run()
                assert (of(client), client.out_of_service_because) == (OUT, because)
            client.back_in_service()
            assert (of(client), client.out_of_service_because) == (AVAILABLE, "")
            await charge(here, client)
        client.tell(event)
        client.back_in_service()
        await charge(here, client)


async def test_an_alarm_that_a_closed_server_was_told_is_over_when_that_is_said_before_it_is_opened() -> None:
    async with site() as here:
        await here.server.close()
        here.server.emergency_shutdown("the button")
        assert here.server.out_of_service_because == "emergency: the button"
        here.server.back_in_service()
        assert here.server.out_of_service_because == ""
        await here.server.open()
        assert here.server.out_of_service_because == ""


async def test_hardware_that_a_session_left_unsafe_is_in_the_state_and_begins_no_other_one() -> None:
    """Each ``run`` has it made safe once more, and begins where that was of use."""
    plant = Plant()
    contactors = Welded(plant.evcc.contactors)
    async with site(plant) as here:
        client = here.client(vehicle=replace(plant.evcc, contactors=contactors))
        stopper = Stopper(3, lambda _: setattr(contactors, "stuck", True))
        stopper.client, client._observer = client, stopper
        running = asyncio.create_task(client.run())
        await until(lambda: contactors.stuck)
        client.stop("enough")
        assert not (await running).safe
        assert of(client) is OUT
        assert "closed" in client.out_of_service_because
        opened = contactors.opened
        with pytest.raises(HardwareError, match="out of service: "):
            await client.run()
        assert contactors.opened > opened
        assert client.heartbeat.reason == "no session runs"
        finished = here.server.finished
        contactors.stuck = False
        assert of(client) is OUT, "nobody has looked"
        await charge(here, client)
        assert here.server.finished == finished + 1
        assert (of(client), client.out_of_service_because) == (AVAILABLE, "")


async def test_a_run_that_is_cancelled_while_it_has_the_hardware_made_safe_gives_way_then() -> None:
    async with site() as here:
        client = here.client()
        client._service.hardware("warm")
        running = asyncio.create_task(client.run())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait((running,))
        assert running.cancelled()
        assert of(client) is AVAILABLE, "it looked, and it was safe"
        assert here.server.finished == 0
        await charge(here, client)


@pytest.mark.parametrize("opens", [False, True])
async def test_a_client_that_runs_holds_its_ports_as_an_open_one_does(opens: bool) -> None:
    """The other one would open its contactors under power."""
    plant = Plant()
    async with site(plant) as here:
        client = here.client()
        running = asyncio.create_task(client.run())
        await until(lambda: plant.current_a > 0.0)
        other = here.client()
        with pytest.raises(ConfigError, match="contactors"):
            await (other.open() if opens else other.run())
        await asyncio.sleep(2.0)
        assert plant.current_a > 0.0
        client.stop("enough")
        assert (await running).ended.reason is EndReason.STOPPED_BY_EV
        async with other:
            await charge(here, other)


async def test_an_open_client_beats_until_it_is_closed_through_all_of_its_sessions() -> None:
    async with site() as here:
        client = here.client()
        assert client.heartbeat.reason == "it has not been started"
        async with client:
            for _ in range(2):
                for _ in range(20):
                    await asyncio.sleep(0.1)
                    assert client.heartbeat.reason == ""
                await charge(here, client)
            before = client.heartbeat.count
            await asyncio.sleep(1.0)
            assert client.heartbeat.count - before in range(9, 12)
        assert client.heartbeat.reason == "the client is closed"
        count = client.heartbeat.count
        await asyncio.sleep(1.0)
        assert client.heartbeat.count == count
        await charge(here, client)
        assert client.heartbeat.count > count
        assert client.heartbeat.reason == "no session runs"


async def test_a_client_that_is_opened_or_closed_while_it_runs_goes_on_beating() -> None:
    plant = Plant()
    async with site(plant) as here:
        client = here.client()
        running = asyncio.create_task(client.run())
        await until(lambda: plant.current_a > 0.0)
        for step in (client.open, client.close, client.open):
            await step()
            count = client.heartbeat.count
            await asyncio.sleep(1.0)
            assert client.heartbeat.reason == ""
            assert client.heartbeat.count - count in range(9, 12)
        client.stop("enough")
        await running
        assert client.heartbeat.reason == ""
        await client.close()
        assert client.heartbeat.reason == "the client is closed"


async def test_the_heart_of_an_open_client_stops_while_its_hardware_is_not_safe_between_sessions() -> None:
    plant = Plant()
    contactors = Welded(plant.evcc.contactors)
    vehicle = replace(plant.evcc, contactors=contactors)
    async with site(plant) as here, here.client(vehicle=vehicle) as client:
        contactors.stuck = True
        await until(lambda: "contactor-level" in client.heartbeat.reason)
        count = client.heartbeat.count
        await asyncio.sleep(1.0)
        assert client.heartbeat.count == count
        contactors.stuck = False
        await until(lambda: client.heartbeat.reason == "")


async def test_what_an_open_client_is_told_from_another_thread_is_done_on_that_of_its_loop() -> None:
    async with site() as here, here.client() as client:
        done: list[int] = []
        tell = client._service.tell

        def told(reason: str) -> None:
            done.append(threading.get_ident())
            tell(reason)

        client._service.tell = told  # type: ignore[method-assign]
        caller = threading.Thread(target=client.out_of_service, args=("maintenance",))
        caller.start()
        await asyncio.to_thread(caller.join)
        await until(lambda: client.out_of_service_because != "")
        assert done == [threading.get_ident()]
        assert of(client) is OUT
