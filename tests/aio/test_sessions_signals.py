"""What happens beside the connection: the control pilot, the data link, contactors on their
way, and many sites at once.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from typing import Any

import pytest

from iso15118.aio import SeccServer
from iso15118.aio.service import ServiceState
from iso15118.errors import LinkError
from iso15118.sdp import SdpRequest, Security
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.events import SignalState, TransportLoss
from iso15118.simulation import Battery, SimulatedVehicle
from iso15118.simulation.async_ports import VehiclePorts
from iso15118.timing import Timing

from .site import Plant, Stopper, evcc_config, gone, secc_config, site
from .test_sessions_dropped import Charging
from .vanishing import Vanishing, Way


async def test_a_vehicle_that_is_unplugged_under_power_ends_the_session_at_once() -> None:
    plant = Plant()
    async with site(plant) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        began = plant.clock()
        plant.circuit.unplug(began)
        assert plant.station.supply.current_a == 0.0
        theirs = await here.server.wait_finished(1)
        assert plant.clock() - began < 0.2
        assert theirs.ended.reason is EndReason.SIGNAL_LOST
        assert theirs.safe
        mine = await charging.task
        assert mine.safe
        # Another vehicle comes to the same cable.
        plant.vehicle = SimulatedVehicle(plant.circuit, Battery(capacity_wh=50e6, soc=50.0))
        plant._vehicle_ports = VehiclePorts(plant.vehicle, asyncio.sleep, plant.clock)
        await here.charge(vehicle=plant._vehicle_ports.bundle())


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ev.TransportLost(TransportLoss.LINK_DOWN), EndReason.PEER_VANISHED),
        (ev.SignalChanged(SignalState.E), EndReason.SIGNAL_LOST),
        (ev.SignalChanged(SignalState.B), EndReason.SIGNAL_LOST),
        (ev.HardwareFault("insulation monitor", "tripped"), EndReason.HARDWARE_FAULT),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_an_alarm_acts_before_the_call_that_brings_it_returns(
    event: ev.Event, reason: EndReason
) -> None:
    plant = Plant()
    async with site(plant) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        here.server.tell(event)
        assert plant.station.supply.mode.name in ("STOPPING", "OFF")
        assert plant.station.outlet.due is not None or not plant.station.outlet.closed
        theirs = await here.server.wait_finished(1)
        assert theirs.ended.reason is reason
        assert theirs.safe
        await charging.task
        if isinstance(event, ev.SignalChanged):
            here.server.tell(ev.SignalChanged(plant.station.signal_state))
        await here.charge()


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name)
async def test_the_vehicle_vanishes_while_the_contactors_are_closing(way: Way) -> None:
    plant = Plant(contactor_s=60.0)  # 0.2 s on the clock

    def vanishing(*arguments: Any, **settings: Any) -> Any:
        return Vanishing(*arguments, name="PowerDeliveryReq", way=way, after=True, **settings)

    timing = Timing(sequence_timeout=0.5) if way is Way.SILENCE else Timing()
    async with site(plant, config=secc_config(timing=timing)) as here:
        client = here.client(connection=vanishing)
        running = asyncio.create_task(client.run())
        theirs = await here.server.wait_finished(1)
        # Silence is not noticed before the contactors have closed; then the charge loop does not come.
        expected = EndReason.TIMEOUT if way is Way.SILENCE else EndReason.PEER_VANISHED
        assert theirs.ended.reason is expected
        assert theirs.safe
        assert plant.station_safe
        if way is not Way.SILENCE:
            assert plant.station.outlet.closings == 0
        running.cancel()
        await asyncio.wait([running])
        plant.station.outlet.switching_s = 0.05
        await here.charge(loops=1)


async def test_many_sites_charge_at_the_same_time_and_nothing_is_left() -> None:
    # Twelve handshakes on one busy core: what is looked at here is what is left behind,
    # not who keeps half a second.
    patient = Timing(message_timeout_loop=20.0, message_timeout=20.0, sequence_timeout_loop=20.0)

    async def one(number: int) -> float:
        plant = Plant()
        async with site(plant, config=secc_config(timing=patient)) as here:
            result = await here.charge(loops=3, config=evcc_config(timing=patient))
        assert result.charged_wh is not None
        return result.charged_wh

    before = len(asyncio.all_tasks())
    energies = await asyncio.gather(*(one(number) for number in range(12)))
    assert all(energy > 0.0 for energy in energies)
    gc.collect()
    await gone()
    assert len(asyncio.all_tasks()) == before


async def test_a_vehicle_that_stops_after_every_state_leaves_nothing_on() -> None:
    """StopRequested in each state in turn: the session ends in order wherever it is."""
    plant = Plant(authorization_s=0.01)
    async with site(plant) as here:
        reference = await _run(here, None)
        states = list(dict.fromkeys(reference))[1:-1]
        assert len(states) > 12
        for state in states:
            await _run(here, state)
            assert plant.station_safe
            assert plant.vehicle_safe


async def _run(here: Any, stop_in: str | None) -> tuple[str, ...]:
    stopper = Stopper(2)

    def observe(now: float, what: Any) -> None:
        stopper(now, what)
        if stop_in is not None and getattr(what, "state", None) == stop_in:
            client.stop(f"in {stop_in}")

    client = stopper.client = here.client(observer=observe, config=evcc_config())
    before = here.server.finished
    mine = await client.run()
    theirs = await here.server.wait_finished(before + 1)
    assert mine.ended.reason is EndReason.STOPPED_BY_EV, (stop_in, mine.ended)
    assert theirs.ended.reason is EndReason.STOPPED_BY_EV, (stop_in, theirs.ended)
    states: tuple[str, ...] = mine.states
    return states


@pytest.mark.parametrize("stop", [True, False], ids=["stop", "emergency"])
async def test_a_wish_to_end_that_comes_before_the_session_is_not_forgotten(stop: bool) -> None:
    async with site() as here:
        client = here.client()
        running = asyncio.create_task(client.run())
        await asyncio.sleep(0)
        if stop:
            client.stop("changed my mind")
        else:
            client.emergency_shutdown("changed my mind")
        result = await running
        assert result.ended.reason is (EndReason.STOPPED_BY_EV if stop else EndReason.EMERGENCY)
        assert result.charge_loops == 0
        await here.charge()


def _in_handshake(server: SeccServer) -> bool:
    return server._reception is not None and server._reception.openings > 0


async def test_a_fault_during_the_handshake_is_not_forgotten() -> None:
    plant = Plant()
    async with site(plant) as here:
        running = asyncio.create_task(here.client().run())
        while not _in_handshake(here.server):  # noqa: ASYNC110 - a connection, which tells nobody
            await asyncio.sleep(0)
        assert here.server.session is None
        here.server.emergency_shutdown("button")
        assert here.server.state is ServiceState.OUT_OF_SERVICE
        assert here.server.out_of_service_because == "emergency: button"
        await asyncio.wait([running])
        assert isinstance(running.exception(), LinkError)
        assert here.server.finished == 0
        here.server.back_in_service()
        await here.charge()


async def test_a_flood_of_connections_and_discovery_does_not_reach_the_session_that_runs() -> None:
    plant = Plant()
    async with site(plant) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        address = ("::1", here.server.ports[Security.TLS])
        request = SdpRequest(Security.TLS).to_bytes()
        worst = 0.0
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as datagrams:
            for _ in range(40):
                for _ in range(10):
                    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
                        sock.setblocking(False)
                        sock.connect_ex(address)
                    datagrams.sendto(request, ("::1", here.server.sdp_port))
                began = time.thread_time()
                await asyncio.sleep(0.01)
                worst = max(worst, time.thread_time() - began)
        assert worst < 0.2, "seconds of work on ten of each, which the session waits for"
        assert charging.client.session is not None
        assert charging.client.session.state == "DC_ChargeLoop"
        charging.client.stop("enough")
        assert (await charging.task).ended.reason is EndReason.STOPPED_BY_EV
        await here.charge()
        assert here.server.finished == 2
