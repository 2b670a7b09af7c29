"""The heartbeat beats only while the loop turns and the hardware can be made safe, says why it does not, and
a thread drops the contactors when it stops.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from typing import Any, cast

import pytest

from iso15118.aio import logs
from iso15118.aio.heartbeat import (
    BEAT_S,
    LoopLate,
    WatchdogThread,
)
from iso15118.aio.ports.guard import Callback, Port, running
from iso15118.errors import ConfigError
from iso15118.simulation import ContactorFault

from .heart import ENOUGH_S, Line, Owner, until
from .site import Plant, Stopper, site


class Slow:
    """A port whose reading blocks."""

    @property
    def present(self) -> int:
        time.sleep(0.3)
        return 1


async def test_it_beats_from_its_start_on_and_tells_the_port_each_number() -> None:
    line = Line()
    here = Owner(line)
    assert here.heartbeat.count == 0
    assert here.heartbeat.age == float("inf")
    assert here.heartbeat.reason == "it has not been started"
    here.heartbeat.start()
    assert here.heartbeat.count == 1
    await until(lambda: here.heartbeat.count >= 4)
    here.heartbeat.stop("closed")
    assert line.counts == list(range(1, here.heartbeat.count + 1))
    assert here.heartbeat.reason == "closed"
    count = here.heartbeat.count
    await asyncio.sleep(3 * BEAT_S)
    assert here.heartbeat.count == count


async def test_it_stops_with_a_reason_and_comes_back() -> None:
    here = Owner()
    here.heartbeat.start()
    here.trouble = "power.stop raised ValueError"
    await until(lambda: here.heartbeat.reason != "")
    assert here.heartbeat.reason == "power.stop raised ValueError"
    count = here.heartbeat.count
    await asyncio.sleep(3 * BEAT_S)
    assert here.heartbeat.count == count
    here.trouble = ""
    await until(lambda: here.heartbeat.count > count)
    assert here.heartbeat.reason == ""
    here.heartbeat.stop("")


async def test_an_owner_that_cannot_say_is_not_able() -> None:
    here = Owner()
    here.heartbeat.start()

    def raises() -> str:
        raise ZeroDivisionError("a fault of this software")

    here.heartbeat._able = raises
    await until(lambda: "ZeroDivisionError" in here.heartbeat.reason)
    count = here.heartbeat.count
    await asyncio.sleep(3 * BEAT_S)
    assert here.heartbeat.count == count
    here.heartbeat.stop("")


@pytest.mark.real_time
async def test_a_late_loop_is_told_with_the_port_call_that_had_it() -> None:
    here = Owner()
    here.heartbeat.start()
    await asyncio.sleep(0)
    Port(Slow(), "power").read("present", lambda value, name: value)
    await until(
        lambda: any(isinstance(what, LoopLate) and what.call == "power.present" for what in here.news)
    )
    late = next(what for what in here.news if what.call == "power.present")
    assert late.seconds >= 0.2
    here.heartbeat.stop("")
    logs.flush()


@pytest.mark.real_time
async def test_each_of_two_heartbeats_is_told_which_call_had_the_loop() -> None:
    def blocks(what: object) -> None:
        time.sleep(0.3)

    here, there = Owner(), Owner()  # a station and a vehicle, or two connectors, in one process
    for one in (here, there):
        one.heartbeat.start()
    await asyncio.sleep(0)
    Callback("the observer", blocks)(1)
    for one in (here, there):
        await until(lambda one=one: any(what.call == "the observer" for what in one.news))  # type: ignore[misc]
        one.heartbeat.stop("")
    logs.flush()


@pytest.mark.real_time
async def test_a_heartbeat_line_that_blocks_is_named_too() -> None:
    class Blocks(Line):
        def beat(self, count: int) -> None:
            super().beat(count)
            if count == 2:
                time.sleep(0.3)

    here = Owner(Blocks())
    here.heartbeat.start()
    await until(lambda: any(what.call == "heartbeat.beat" for what in here.news))
    here.heartbeat.stop("")


async def test_what_another_thread_calls_meanwhile_had_no_part_of_the_loop() -> None:
    """The watchdog's drop, or a callback of a second loop: they take their time beside a loop
    that something else held up."""

    def takes_long(reason: str) -> None:
        time.sleep(0.05)

    before = time.perf_counter()
    drop = Callback("drop of the watchdog", takes_long, lasting=True)
    await asyncio.to_thread(drop, "no heartbeat")
    await asyncio.to_thread(Port(Slow(), "power").read, "present", lambda value, name: value)
    assert running.longest(before) == ("", 0.0)
    drop("here it had the loop")
    assert running.longest(before)[0] == "drop of the watchdog"


async def test_many_calls_of_another_thread_hide_none_of_the_loops() -> None:
    before = time.perf_counter()
    running.took("power.present", 0.3)

    def many() -> None:
        for _ in range(1000):
            running.took("elsewhere", 1.0)

    await asyncio.to_thread(many)
    assert running.longest(before) == ("power.present", 0.3)


async def test_it_can_be_read_from_any_thread() -> None:
    here = Owner()
    here.heartbeat.start()
    age, count, reason = await asyncio.to_thread(
        lambda: (here.heartbeat.age, here.heartbeat.count, here.heartbeat.reason)
    )
    assert 0.0 <= age < ENOUGH_S
    assert count >= 1
    assert reason == ""
    here.heartbeat.stop("")


# -- the watchdog
# ---------------------------------------------------------------------------------------------


class Dropped:
    """The firmware's part: keeps the reasons, and may raise."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.reasons: list[str] = []
        self.threads: set[int] = set()
        self.error = error

    def __call__(self, reason: str) -> None:
        self.reasons.append(reason)
        self.threads.add(threading.get_ident())
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("limit_s", [0.0, 0.39, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(limit_s: float) -> None:
    with pytest.raises(ConfigError, match="limit_s"):
        WatchdogThread(Owner().heartbeat, lambda reason: None, limit_s)


@pytest.mark.real_time
async def test_the_watchdog_drops_while_a_port_blocks_the_loop_and_again_the_next_time() -> None:
    here, dropped = Owner(), Dropped()
    here.heartbeat.start()
    watchdog = WatchdogThread(here.heartbeat, dropped, 0.5)
    watchdog.start()
    await asyncio.sleep(2 * BEAT_S)
    for time_of in (1, 2):
        time.sleep(2.0)  # noqa: ASYNC251 - that is the test
        assert len(dropped.reasons) >= time_of  # while the loop still hung, not after it
        await until(lambda: here.heartbeat.age < 0.3)
        await asyncio.sleep(0.2)
    watchdog.close()
    await asyncio.to_thread(watchdog.join)
    here.heartbeat.stop("")
    assert dropped.reasons[0].startswith("no heartbeat for")
    assert watchdog.dropped == len(dropped.reasons)
    assert dropped.threads == {watchdog.ident}


@pytest.mark.real_time
@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), SystemExit(1), BaseException()])
async def test_a_drop_that_raises_does_not_end_the_watchdog(error: BaseException) -> None:
    here, dropped = Owner(), Dropped(error)
    here.heartbeat.start()
    here.trouble = "contactors.open failed"
    watchdog = WatchdogThread(here.heartbeat, dropped, 0.5)
    watchdog.start()
    await until(lambda: len(dropped.reasons) >= 1)
    here.trouble = ""
    await until(lambda: here.heartbeat.age < 0.3)
    await asyncio.sleep(0.2)
    here.trouble = "again"
    await until(lambda: len(dropped.reasons) >= 2)
    assert dropped.reasons[0] == "contactors.open failed"
    assert watchdog.is_alive()
    watchdog.close()
    await asyncio.to_thread(watchdog.join)
    here.heartbeat.stop("")


async def test_closing_the_watchdog_drops_nothing() -> None:
    here, dropped = Owner(), Dropped()
    here.heartbeat.start()
    watchdog = WatchdogThread(here.heartbeat, dropped, 5.0)
    watchdog.start()
    watchdog.close()
    await asyncio.to_thread(watchdog.join)
    here.heartbeat.stop("")
    assert dropped.reasons == []


# -- of a server and a client
# ---------------------------------------------------------------------------------


async def test_a_server_beats_through_a_session_and_its_port_is_told() -> None:
    plant, line = Plant(), Line()
    async with site(plant, station=replace(plant.secc, heartbeat=line)) as here:
        before = here.server.heartbeat.count
        await here.charge()
        assert here.server.heartbeat.count > before
        assert here.server.heartbeat.reason == ""
    assert here.server.heartbeat.reason == "the server is closed"
    assert line.counts == list(range(1, here.server.heartbeat.count + 1))


async def test_a_client_beats_while_it_runs() -> None:
    async with site() as here:
        client = here.client()
        assert client.heartbeat.reason == "it has not been started"
        stopper, line = Stopper(5), Line()
        vehicle = replace(here.plant.evcc, heartbeat=line)
        stopper.client = client = here.client(observer=stopper, vehicle=vehicle)
        await client.run()
        assert client.heartbeat.count >= 1
        assert client.heartbeat.reason == "no session runs"
        assert line.counts == list(range(1, client.heartbeat.count + 1))


async def test_a_safe_call_that_fails_stops_it() -> None:
    plant = Plant()
    reasons: list[str] = []
    async with site(plant) as here:

        def break_it(client: Any) -> None:
            plant.station.faults.raises("stop_power")
            here.server.emergency_shutdown("test")

        stopper = Stopper(5, break_it)
        stopper.client = client = here.client(observer=stopper)
        running = asyncio.create_task(client.run())
        await until(lambda: reasons.append(here.server.heartbeat.reason) or "stop" in reasons[-1])  # type: ignore[func-returns-value]  # for its None
        await running
        await here.server.wait_finished(1)
        assert "power.stop" in reasons[-1]
        plant.station.faults.clear()
        await until(lambda: here.server.heartbeat.reason == "")


async def test_unsafe_contactors_between_sessions_stop_it() -> None:
    plant = Plant()
    async with site(plant, safe_at_the_end=False) as here:
        await here.charge()
        plant.station.outlet.fault = ContactorFault.WELDED
        plant.station.outlet.closed = True
        await until(lambda: here.server.heartbeat.reason != "")
        assert "contactor" in here.server.heartbeat.reason
        count = here.server.heartbeat.count
        await asyncio.sleep(3 * BEAT_S)
        assert here.server.heartbeat.count == count
        plant.station.outlet.fault = None
        await until(lambda: here.server.heartbeat.reason == "")


class NeverTold:
    """A session that has had no readings for long, and did nothing about it."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.readings_until = asyncio.get_running_loop().time()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


async def test_readings_that_stop_coming_stop_it() -> None:
    """The driver's own clock looks at the hardware; where that does not come about, nobody
    may count on this server."""
    plant = Plant()
    async with site(plant) as here:

        def break_it(client: Any) -> None:
            driver = here.server.sessions.driver
            assert driver is not None
            driver.session = cast("Any", NeverTold(driver.session))

        stopper = Stopper(5, break_it)
        stopper.client = client = here.client(observer=stopper)
        running = asyncio.create_task(client.run())
        await until(lambda: "no reading for" in here.server.heartbeat.reason)
        here.server.emergency_shutdown("test")
        await running
        await here.server.wait_finished(1)


class Jammed:
    """Contactors that cannot be opened until they are repaired."""

    def __init__(self, real: Any) -> None:
        self.real, self.jammed = real, False

    @property
    def closed(self) -> bool:
        return bool(self.real.closed)

    async def close(self) -> Any:
        return await self.real.close()

    async def open(self, urgency: Any, reason: str) -> Any:
        while self.jammed:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        return await self.real.open(urgency, reason)


async def test_it_follows_the_hardware_of_a_session_that_the_end_of_the_server_has_ended() -> None:
    """It beat on, and firmware that follows it left the contactors closed."""
    plant = Plant()
    contactors = Jammed(plant.secc.contactors)
    async with site(plant, station=replace(plant.secc, contactors=contactors)) as here:
        charging = asyncio.create_task(here.charge(loops=10_000))
        await until(lambda: plant.current_a > 10.0)
        contactors.jammed = True
        closing = asyncio.create_task(here.server.close())
        await until(lambda: here.server.heartbeat.reason != "")
        assert not closing.done()
        assert (
            here.server.heartbeat.reason
            == "contactors.open did not answer within 0.3 s, PortLimits.contactors_s"
        )
        contactors.jammed = False
        await closing
        await asyncio.gather(charging, return_exceptions=True)
        assert here.server.heartbeat.reason == "the server is closed"
        assert here.server.sessions.ends_within_s == 0.0
        assert plant.station_safe
