"""Results of sessions as a queue: each one once and in order, whatever else happens, and none of them
holds on to its connection."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import signal
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import EvccClient, SeccServer, SessionResult
from iso15118.aio.net.ending import Ending, StreamEnd
from iso15118.aio.net.stream import MessageStream
from iso15118.aio.results import Tally, let_go
from iso15118.aio.run import run_station
from iso15118.aio.secc_sessions import SeccSessions
from iso15118.errors import MisuseError, TlsError
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.session.events import HardwareFault, PowerMeasured

from .site import QUICK_PORTS, Plant, evcc_config, secc_config, site
from .test_sessions_dropped import Charging


def result_of(number: int, **more: Any) -> SessionResult:
    return SessionResult(
        role="secc",
        ended=SessionEnded(EndReason.STOPPED_BY_EV, str(number)),
        exchanges=0,
        charge_loops=0,
        started=0.0,
        finished=0.0,
        safe=True,
        **more,
    )


def ending(sessions: SeccSessions, number: int) -> None:
    """A session has ended."""
    done: asyncio.Future[SessionResult | None] = asyncio.get_running_loop().create_future()
    done.set_result(result_of(number))
    driver: Any = SimpleNamespace(
        result=done, link_end=None, session=None, hardware=None, unsafe_because="", unheard=[]
    )
    sessions.keep(driver)


async def test_sixty_results_that_come_three_at_a_time_are_had_once_each_and_in_order() -> None:
    plant = Plant()
    sessions = SeccServer(secc_config(allow_plaintext=True), plant.secc, "lo", sdp=False).sessions
    had: list[int] = []

    async def read() -> None:
        for number in range(1, 61):
            had.append(int((await sessions.wait_finished(number)).ended.detail))

    reading = asyncio.create_task(read())
    for number in range(1, 61):
        ending(sessions, number)
        if number % 3 == 0:
            await asyncio.sleep(0)
    await asyncio.wait_for(reading, 5.0)
    assert had == list(range(1, 61))


async def test_a_result_that_is_kept_no_longer_is_no_other_one() -> None:
    plant = Plant()
    sessions = SeccServer(secc_config(allow_plaintext=True), plant.secc, "lo", sdp=False).sessions
    for number in range(1, 301):
        ending(sessions, number)
    assert (await sessions.wait_finished(300)).ended.detail == "300"
    assert (await sessions.wait_finished(45)).ended.detail == "45"
    with pytest.raises(MisuseError, match="session 44 of 300"):
        await sessions.wait_finished(44)


def test_an_exception_in_a_result_holds_on_to_nothing() -> None:
    class Held:
        pass

    def fails(held: Held) -> None:
        try:
            raise ValueError("deep")
        except ValueError as error:
            raise TlsError("on top") from error

    held = Held()
    gone = weakref.ref(held)
    try:
        fails(held)
    except TlsError as error:
        kept = let_go(result_of(1, error=error, link=StreamEnd(Ending.TLS_REFUSED, "", error)))
    del held
    gc.collect()
    assert gone() is None
    assert str(kept.error) == "on top"


alive: weakref.WeakSet[MessageStream] = weakref.WeakSet()


class Remembered(MessageStream):
    """A stream that can be looked for when it should be gone."""

    def __init__(self, *parameters: Any, **settings: Any) -> None:
        super().__init__(*parameters, **settings)
        alive.add(self)


class Broken:
    """A supply whose readings are none."""

    def __init__(self, supply: Any) -> None:
        self._supply, self.broken = supply, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._supply, name)

    @property
    def present(self) -> PowerMeasured:
        if self.broken:
            raise ValueError("no reading")
        present: PowerMeasured = self._supply.present
        return present


async def test_a_kept_result_of_a_session_that_failed_keeps_no_connection() -> None:
    plant = Plant()
    broken = Broken(plant.secc.power)
    plant.secc = dataclasses.replace(plant.secc, power=broken)
    async with site(plant, connection=Remembered) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        broken.broken = True
        await asyncio.wait([charging.task])
        kept = await here.server.wait_finished(1)
        assert kept.ended.reason is EndReason.HARDWARE_FAULT
        broken.broken = False
        del charging
        async with asyncio.timeout(10.0):
            while here.server.out_of_service_because:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        first = weakref.WeakSet(alive)
        assert first
        await here.charge(loops=1)  # what runs may hold on to its own
        async with asyncio.timeout(10.0):
            while first:
                gc.collect()
                await asyncio.sleep(0.02)
        assert any(isinstance(fault, HardwareFault) for fault in kept.faults)


@pytest.mark.usefixtures("steady_clock")
def test_the_session_that_a_second_signal_ends_is_told_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[SessionResult] = []
    tasks: list[asyncio.Task[Any]] = []
    plants: list[Plant] = []

    def station(sleep: Any, clock: Any) -> Any:
        plants.append(plant := Plant(time_scale=10.0))
        return plant.secc

    async def drive(server: SeccServer) -> None:
        plant = plants[0]
        port = next(iter(server.ports.values()))
        client = EvccClient(
            evcc_config(allow_plaintext=True), plant.evcc, server.interface, None, port_limits=QUICK_PORTS
        )
        session = asyncio.create_task(client.run((server.interface.address, port)))
        monkeypatch.setattr(SeccServer, "stop", lambda self, reason: None)  # the vehicle takes no notice
        try:
            async with asyncio.timeout(30.0):
                while plant.current_a < 1.0:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
        finally:  # whatever happened: the station ends
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0.1)
            signal.raise_signal(signal.SIGTERM)
        await session

    def listening(server: SeccServer) -> None:
        tasks.append(asyncio.get_running_loop().create_task(drive(server)))

    served = run_station(
        secc_config(allow_plaintext=True),
        station,
        "lo",
        None,
        sdp_port=0,
        listening=listening,
        finished=told.append,
    )
    assert served == len(told) == 1
    assert not told[0].ended.reason.orderly
    assert told[0].safe


def test_counts_and_extremes_of_a_session() -> None:
    tally = Tally()
    tally.over(5.0)
    assert (tally.began, tally.transfer_s, tally.peak_power_w) == (None, 0.0, 0.0)
    assert (tally.peak_current_a, tally.maximum_voltage_v) == (0.0, 0.0)
    for now, volts, amperes in (
        (10.0, 0.5, 0.0),
        (11.0, 400.0, 1.0),  # not more than a sensor shows where nothing flows
        (12.0, 400.0, 1.5),
        (13.0, 400.0, 100.0),
        (15.0, 390.0, -120.0),
        (20.0, 410.0, 0.5),
        (25.0, 300.0, 110.0),
        (27.0, 300.0, 110.0),
    ):
        tally.measured(PowerMeasured(volts, amperes), now)
    assert tally.began == 12.0
    assert tally.transfer_s == 8.0
    tally.over(30.0)
    tally.over(40.0)
    assert tally.transfer_s == 13.0
    assert (tally.maximum_voltage_v, tally.peak_current_a, tally.peak_power_w) == (410.0, 120.0, 46_800.0)
    assert (tally.exchanges, tally.charge_loops) == (0, 0)
