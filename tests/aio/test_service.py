"""A connector out of service: alarms while nobody charges, and hardware that shows what nobody asked for.

Also servers that open a second time, after a first one that failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from iso15118.aio import EvccClient, SeccServer, SessionResult
from iso15118.aio.service import ServiceState
from iso15118.errors import HardwareError, LinkError, MisuseError
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, SessionEnded, SetPower
from iso15118.session.events import PowerMeasured
from iso15118.session.supervision import Rule
from iso15118.timing import Timing

from .hostile import Unprintable
from .site import LOOPBACK, QUICK_PORTS, Plant, Site, evcc_config, site

R = EndReason
IMPATIENT = evcc_config(timing=Timing(sdp_requests=2))
ENOUGH_S = 20.0

ALARMS = {
    "a fault": lambda here: here.server.tell(ev.HardwareFault("cooling", "no flow")),
    "an emergency": lambda here: here.server.emergency_shutdown("the button"),
    "a wish": lambda here: here.server.out_of_service("maintenance"),
}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def state(here: Site) -> ServiceState:
    return here.server.state


async def nobody_is_found(here: Site) -> None:
    with pytest.raises(LinkError, match="no station answered"):
        await here.client(config=IMPATIENT).run()


async def refused(here: Site) -> tuple[SessionResult, SessionResult]:
    """A vehicle that comes without an invitation."""
    before = here.server.finished
    port = next(iter(here.server.ports.values()))
    mine = await here.client().run((LOOPBACK.address, port))
    theirs = await here.server.wait_finished(before + 1)
    return mine, theirs


@pytest.mark.parametrize("alarm", ALARMS)
async def test_an_alarm_while_nobody_charges_holds_until_it_is_cleared(alarm: str) -> None:
    async with site() as here:
        assert state(here) is ServiceState.AVAILABLE
        ALARMS[alarm](here)
        assert state(here) is ServiceState.OUT_OF_SERVICE
        assert here.server.out_of_service_because
        await nobody_is_found(here)
        mine, theirs = await refused(here)
        assert mine.ended.reason in {R.REFUSED, R.UNKNOWN_SESSION}, mine.ended
        assert mine.charge_loops == 0
        assert theirs.safe
        assert state(here) is ServiceState.OUT_OF_SERVICE
        here.server.back_in_service()
        assert state(here) is ServiceState.AVAILABLE
        assert here.server.out_of_service_because == ""
        await here.charge()


async def test_an_alarm_from_another_thread_counts_as_well() -> None:
    async with site() as here:
        await asyncio.to_thread(here.server.emergency_shutdown, "the button")
        await until(lambda: here.server.state is ServiceState.OUT_OF_SERVICE)
        here.server.back_in_service()


async def test_an_alarm_before_it_is_opened_and_after_it_was_closed_is_kept() -> None:
    plant = Plant()
    async with site(plant) as here:
        server = here.server
        await server.close()
        assert state(here) is ServiceState.CLOSED
        server.emergency_shutdown("the button")
        await server.open()
        assert state(here) is ServiceState.OUT_OF_SERVICE
        server.back_in_service()
        await here.charge()


async def test_the_first_reason_stays_and_the_state_is_news_once() -> None:
    async with site() as here:
        here.server.emergency_shutdown("first")
        here.server.emergency_shutdown("second")
        assert "first" in here.server.out_of_service_because
        here.server.back_in_service()
        assert here.server.out_of_service_because == ""


@pytest.mark.parametrize("reason", ["", None, 5, Unprintable(), "two\nlines", "x" * 5000])
async def test_any_reason_is_one(reason: Any) -> None:
    async with site() as here:
        here.server.out_of_service(reason)
        assert state(here) is ServiceState.OUT_OF_SERVICE
        because = here.server.out_of_service_because
        assert because
        assert because.isprintable()
        assert len(because) <= 300
        here.server.back_in_service()


async def test_out_of_service_lets_the_session_go_on_that_runs() -> None:
    async with site() as here:

        def out(now: float, what: Any) -> None:
            if type(what).__name__ == "CloseContactors":
                here.server.out_of_service("after this one")

        here.server.sessions._observer = out
        await here.charge()
        assert state(here) is ServiceState.OUT_OF_SERVICE
        here.server.back_in_service()
        await here.charge()


@pytest.mark.parametrize(
    "alarm",
    [ev.HardwareFault("battery", "fan"), ev.EmergencyShutdown("crash")],
    ids=lambda a: type(a).__name__,
)
async def test_a_vehicle_out_of_service_begins_no_session(alarm: ev.Event) -> None:
    async with site() as here:
        client = here.client()
        client.tell(alarm)
        with pytest.raises(HardwareError, match="out of service"):
            await client.run()
        assert client.state is ServiceState.OUT_OF_SERVICE
        client.back_in_service()
        assert client.out_of_service_because == ""
        await stopped(client)


async def stopped(client: EvccClient) -> SessionResult:
    running = asyncio.create_task(client.run())
    await until(lambda: client.session is not None)
    client.stop("enough")
    return await running


# -- between sessions ---------------------------------------------------------------------------------------


async def test_contactors_that_close_between_sessions_are_opened_and_said() -> None:
    plant = Plant()
    async with site(plant) as here:
        await here.charge()
        plant.station.outlet.request_close(plant.circuit.time)
        await until(lambda: here.server.state is ServiceState.OUT_OF_SERVICE)
        assert "contactor" in here.server.out_of_service_because
        await until(lambda: here.server.heartbeat.reason != "")
        await until(lambda: here.server.state is ServiceState.AVAILABLE)
        assert plant.station_safe
        await here.charge()


class Shows:
    """A power port that shows another reading than the plant's."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self.shows: Any = None

    def __getattr__(self, name: str) -> Any:
        if name == "present" and self.shows is not None:
            return self.shows() if callable(self.shows) else self.shows
        return getattr(self._port, name)


def raises() -> Any:
    raise ValueError("no reading")


@pytest.mark.parametrize(
    ("shows", "why"),
    [
        (PowerMeasured(0.0, 20.0), "A between sessions"),
        (PowerMeasured(400.0, 0.0), "V between sessions"),
        (raises, "cannot be measured"),
        (lambda: "20 A", "cannot be measured"),
    ],
    ids=["current", "voltage", "unreadable", "of another class"],
)
async def test_current_and_voltage_between_sessions_are_seen(shows: Any, why: str) -> None:
    plant = Plant()
    power = Shows(plant.secc.power)
    async with site(plant, station=replace(plant.secc, power=power)) as here:
        power.shows = shows
        await until(lambda: here.server.state is ServiceState.OUT_OF_SERVICE)
        assert why in here.server.out_of_service_because
        here.server.back_in_service()
        assert state(here) is ServiceState.OUT_OF_SERVICE  # an application cannot wish it away
        power.shows = None
        await until(lambda: here.server.state is ServiceState.AVAILABLE)
        await here.charge()


async def test_a_server_that_closes_while_its_hardware_is_unsafe_makes_it_safe() -> None:
    plant = Plant()
    async with site(plant) as here:
        plant.station.outlet.request_close(plant.circuit.time)
        await until(lambda: not plant.station_safe)  # before anybody has looked
        await here.server.close()
        assert plant.station_safe


# -- opening again ------------------------------------------------------------------------------------------


class Moody:
    """A port that takes no listener the first ``times``."""

    def __init__(self, port: Any, times: int) -> None:
        self._port, self.times, self.listeners = port, times, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def listen(self, listener: Any) -> None:
        if self.times > 0:
            self.times -= 1
            raise ValueError("not yet")
        self.listeners += 1
        self._port.listen(listener)


@pytest.mark.parametrize("name", ["energy", "signal"])
async def test_a_listen_that_failed_once_is_made_again_and_only_once_more(name: str) -> None:
    plant = Plant()
    moody = Moody(getattr(plant.secc, name), 1)
    station = replace(plant.secc, **{name: moody})
    with pytest.raises(HardwareError, match=rf"{name}\.listen raised ValueError: not yet"):
        async with site(plant, station=station):
            raise AssertionError("it must not open")
    plant = Plant()
    moody = Moody(getattr(plant.secc, name), 0)
    async with site(plant, station=replace(plant.secc, **{name: moody})) as here:
        await here.server.close()
        moody.times = 0
        await here.server.open()
        await here.charge()
        assert moody.listeners == 1


async def test_a_server_that_could_not_open_can_be_opened_again() -> None:
    plant = Plant()
    moody = Moody(plant.secc.energy, 0)
    async with site(plant, station=replace(plant.secc, energy=moody)) as here:
        await here.server.close()
        here.server.sessions.inbox._listening.clear()  # as it is before the first opening
        moody.times = 1
        with pytest.raises(HardwareError, match="listen"):
            await here.server.open()
        assert state(here) is ServiceState.CLOSED
        assert here.server.ports == {}
        await here.server.open()
        with pytest.raises(MisuseError, match="open already"):
            await here.server.open()
        await here.charge()


async def test_a_vehicle_whose_signal_takes_no_listener_says_so_and_runs_the_next_time() -> None:
    plant = Plant()
    moody = Moody(plant.evcc.signal, 1)
    vehicle = replace(plant.evcc, signal=moody)
    async with site(plant) as here:
        client = here.client(vehicle=vehicle, port_limits=QUICK_PORTS)
        with pytest.raises(HardwareError, match=r"signal\.listen"):
            await client.run()
        result = await stopped(client)
        assert result.safe
        assert moody.listeners == 1


async def test_contactors_between_sessions_are_opened_soon_though_the_first_opening_fails() -> None:
    plant = Plant()
    async with site(plant) as here:
        await here.charge()
        plant.station.faults.raises("open_contactors", times=1)
        began = plant.clock()
        plant.station.outlet.request_close(plant.circuit.time)
        await until(lambda: not plant.station_safe)
        await until(lambda: plant.station_safe)
        assert plant.clock() - began < 2.5
        await until(lambda: state(here) is ServiceState.AVAILABLE)
        await here.charge()


async def test_out_of_service_and_back_from_another_thread() -> None:
    async with site() as here:
        loop = asyncio.get_running_loop()
        states = []
        for told in (lambda: here.server.out_of_service("maintenance"), here.server.back_in_service):
            await loop.run_in_executor(None, told)
            await asyncio.sleep(0)
            states.append(here.server.state)
        assert states == [ServiceState.OUT_OF_SERVICE, ServiceState.AVAILABLE]


@pytest.mark.parametrize("latches", [False, True])
async def test_an_end_by_a_rule_latches_nothing_unless_its_news_is_answered_so(latches: bool) -> None:
    """Insulation that is gone in mid-charge: whether the next one may come is the application's affair."""
    servers: list[SeccServer] = []

    def news(what: Any) -> None:
        if latches and isinstance(what, SessionEnded) and what.rule == Rule.INSULATION.value:
            servers[0].out_of_service("insulation")

    async with site(news=news) as here:
        servers.append(here.server)
        told: list[float] = []

        def bad(now: float, what: Any) -> None:
            if isinstance(what, SetPower) and what.current_a > 0.0 and not told:
                told.append(now)
                here.server.tell(ev.InsulationMeasured(20e3))

        here.server.sessions._observer = bad
        mine = await here.client().run()
        theirs = await here.server.wait_finished(1)
        assert theirs.ended.reason is R.HARDWARE_FAULT
        assert theirs.cause.code == "insulation"
        assert mine.safe
        assert theirs.safe
        await until(lambda: state(here) is not ServiceState.IN_SESSION)
        if latches:
            assert here.server.out_of_service_because == "insulation"
            await nobody_is_found(here)
            here.server.back_in_service()
        assert state(here) is ServiceState.AVAILABLE
        await here.charge()
