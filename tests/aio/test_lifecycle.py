"""Opened, closed and opened again, by several at the same time: nothing of one run is closed by the end of
another, nobody returns before the hardware is safe, and the last word counts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from iso15118.aio import EvccClient, SeccServer
from iso15118.aio.lifecycle import Holders, Lifecycle
from iso15118.aio.plug.media import NoMedium
from iso15118.aio.plug.plugged_secc import PluggedSecc
from iso15118.aio.service import ServiceState
from iso15118.aio.site import Site
from iso15118.errors import ConfigError, MisuseError
from iso15118.session.actions import Urgency

from .site import Plant, secc_config, site
from .test_plugged_opened_again import station


class Steps:
    """An end that takes a second."""

    def __init__(self, life: Lifecycle) -> None:
        self.life, self.taken = life, 0

    async def __call__(self) -> None:
        await asyncio.sleep(1.0)
        self.taken += 1

    async def close(self) -> None:
        await self.life.end(self)


def of(what: Any) -> ServiceState:
    found: ServiceState = what.state
    return found


def stands(life: Lifecycle) -> str:
    return "open" if life.open else "closed" if life.closed else "closing"


async def opened() -> Steps:
    steps = Steps(Lifecycle("server"))
    await steps.life.begin()
    return steps


async def test_whoever_closes_waits_for_the_same_end() -> None:
    """However often those who wait are cancelled; that comes out then."""
    steps = await opened()
    first, second, third = (asyncio.create_task(steps.close()) for _ in range(3))
    await asyncio.sleep(0.1)
    assert stands(steps.life) == "closing"
    third.cancel()
    await asyncio.sleep(0.1)
    third.cancel()
    await asyncio.sleep(0.1)
    assert not any(one.done() for one in (first, second, third))
    await asyncio.wait((second, third))
    assert (stands(steps.life), steps.taken) == ("closed", 1)
    assert (first.done(), second.cancelled(), third.cancelled()) == (True, False, True)
    await steps.close()
    assert steps.taken == 1


async def test_whoever_opens_while_it_is_being_closed_waits_for_that_end() -> None:
    steps = await opened()
    closing = asyncio.create_task(steps.close())
    await asyncio.sleep(0)
    opening = [asyncio.create_task(steps.life.begin()) for _ in range(2)]
    await asyncio.sleep(0.9)
    assert not any(one.done() for one in opening)
    await closing
    await asyncio.wait(opening)
    assert steps.taken == 1
    assert stands(steps.life) == "open"
    assert [str(one.exception()) for one in opening if one.exception()] == ["this server is open already"]


async def test_whoever_closes_last_has_it_closed() -> None:
    """Also where somebody waits for the end to open it again."""
    steps = await opened()
    closing = asyncio.create_task(steps.close())
    await asyncio.sleep(0)
    opening = asyncio.create_task(steps.life.begin())
    await asyncio.sleep(0)
    await steps.close()
    with pytest.raises(MisuseError, match="closed while it waited to be opened"):
        await opening
    await closing
    assert stands(steps.life) == "closed"


async def test_an_end_that_fails_is_an_end() -> None:
    """Who takes the steps hears why; the others wait no longer."""
    steps = await opened()

    async def fail() -> None:
        await asyncio.sleep(0.1)
        raise ZeroDivisionError

    failing = asyncio.create_task(steps.life.end(fail))
    await asyncio.sleep(0)
    await steps.close()
    with pytest.raises(ZeroDivisionError):
        await failing
    assert (stands(steps.life), steps.taken) == ("closed", 0)
    await steps.life.begin()


async def test_what_was_closed_while_it_was_being_opened_says_so_and_is_closed_once_more() -> None:
    """What came to be there after that end is closed, unless somebody else has opened it since."""
    steps = Steps(Lifecycle("connector"))
    for again in (False, True):
        steps.taken = 0
        number = await steps.life.begin()
        steps.life.check(number)
        await steps.close()
        with pytest.raises(MisuseError, match="this connector was closed while it was being opened"):
            steps.life.check(number)
        if again:
            await steps.life.begin()
        await steps.life.undo(number, steps)
        assert (steps.taken, stands(steps.life)) == ((1, "open") if again else (2, "closed"))
    number = await (life := Lifecycle("site")).begin()
    await life.undo(number, steps)
    assert (steps.taken, stands(life)) == (2, "closed")


async def test_what_a_loop_left_behind_that_is_closed_keeps_nobody_waiting() -> None:
    """Its end comes to none any more."""
    life = Lifecycle("server")

    async def leave() -> None:
        await life.begin()
        asyncio.get_running_loop().create_task(life.end(asyncio.Event().wait))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert stands(life) == "closing"

    loop = asyncio.new_event_loop()
    await asyncio.to_thread(loop.run_until_complete, leave())
    kept = asyncio.all_tasks(loop)
    loop.close()
    assert stands(life) == "closed"
    await life.begin()
    assert stands(life) == "open"
    for task in kept:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


async def test_an_end_from_another_loop_is_taken_where_it_was_opened() -> None:
    steps = await opened()
    where: list[asyncio.AbstractEventLoop] = []

    async def end() -> None:
        where.append(asyncio.get_running_loop())
        await steps()

    await asyncio.to_thread(lambda: asyncio.run(steps.life.end(end)))
    assert (where, steps.taken, stands(steps.life)) == ([asyncio.get_running_loop()], 1, "closed")


async def test_what_is_being_closed_in_another_loop_is_not_opened_meanwhile() -> None:
    steps = await opened()
    closing = asyncio.create_task(steps.close())
    await asyncio.sleep(0)
    with pytest.raises(MisuseError, match="is being closed in another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(steps.life.begin()))
    await closing
    await steps.life.begin()


class Bundle:
    """Of ports of which two holders may not have the same."""

    def __init__(self, contactors: object) -> None:
        self.contactors = contactors


def test_of_many_threads_that_open_at_once_one_holds_the_port() -> None:
    holders = Holders[Bundle](lambda one: one, "give it its own")
    contactors, begin, end = object(), threading.Barrier(8), threading.Barrier(8)
    bundles, held = [Bundle(contactors) for _ in range(8)], list[bool]()

    async def hold(bundle: Bundle) -> None:
        begin.wait()
        try:
            holders.hold(bundle)
        except ConfigError:
            held.append(False)
        else:
            held.append(True)
        end.wait()  # a closed loop holds nothing

    threads = [threading.Thread(target=lambda one=one: asyncio.run(hold(one))) for one in bundles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(held) == [False] * 7 + [True]

    async def again() -> None:
        for bundle in bundles:
            holders.hold(bundle)
            holders.let_go(bundle)
            holders.let_go(bundle)

    asyncio.run(again())


# -- whole servers and clients ------------------------------------------------------------------------------


class Slow:
    """Contactors that take 0.1 s longer to open."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def open(self, urgency: Urgency, reason: str) -> None:
        await asyncio.sleep(0.1)
        await self.real.open(urgency, reason)


async def under_power(server: SeccServer, plant: Plant) -> None:
    while not (plant.current_a > 0.0 and plant.station.outlet.closed):  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.01)
    assert of(server) is ServiceState.IN_SESSION


async def closing_under_power(here: Any) -> tuple[asyncio.Task[Any], asyncio.Task[None]]:
    charging = asyncio.create_task(here.client().run())
    await under_power(here.server, here.plant)
    closing = asyncio.create_task(here.server.close())
    await asyncio.sleep(0.02)
    return charging, closing


async def hears_alarms(server: SeccServer | EvccClient | PluggedSecc, opens: Callable[[], bool]) -> None:
    """Between sessions, from its ports, and its heart beats."""
    assert server.heartbeat.reason == ""
    server.emergency_shutdown("the button")
    assert of(server) is ServiceState.OUT_OF_SERVICE
    server.back_in_service()
    assert of(server) is ServiceState.AVAILABLE
    assert opens()


async def test_a_server_is_not_closed_before_its_hardware_is_safe_and_whoever_opens_it_waits() -> None:
    """As a program does that opens its server again whenever that is closed."""
    plant = Plant()
    async with site(plant, station=replace(plant.secc, contactors=Slow(plant.secc.contactors))) as here:
        charging, closing = await closing_under_power(here)
        assert plant.closed("secc")
        assert of(here.server) is ServiceState.IN_SESSION
        assert not here.server.may_invite()
        opening = asyncio.create_task(here.server.open())
        while plant.closed("secc"):
            assert of(here.server) is ServiceState.IN_SESSION
            assert not opening.done()
            assert here.server.heartbeat.reason == ""
            await asyncio.sleep(0.01)
        await closing
        await opening
        await charging
        assert here.server.results[-1].safe
        idle = here.server.sessions._idle
        await hears_alarms(here.server, lambda: idle is not None and idle._timer is not None)
        charging = asyncio.create_task(here.client(sdp_port=here.server.sdp_port).run())
        await under_power(here.server, plant)
        here.server.emergency_shutdown("the button")
        await charging
        assert (await here.server.wait_finished(2)).safe
        assert plant.station_safe


async def test_every_close_of_a_server_returns_when_its_hardware_is_safe() -> None:
    """A second one, and one that is cancelled."""
    plant = Plant()
    async with site(plant, station=replace(plant.secc, contactors=Slow(plant.secc.contactors))) as here:
        charging, closing = await closing_under_power(here)
        second, third = (asyncio.create_task(here.server.close()) for _ in range(2))
        await asyncio.sleep(0)
        third.cancel()
        await asyncio.wait((second, third), return_when=asyncio.FIRST_COMPLETED)
        assert plant.station_safe
        assert of(here.server) is ServiceState.CLOSED
        await asyncio.wait((second, third))
        assert third.cancelled()
        await closing
        await charging


async def test_a_server_that_is_being_closed_says_why_it_serves_nobody() -> None:
    async with site() as here:
        hold = asyncio.get_running_loop().create_future()

        async def settle() -> bool:
            await hold
            return True

        here.server.sessions.settle_idle = settle  # type: ignore[method-assign]
        closing = asyncio.create_task(here.server.close())
        await asyncio.sleep(0)
        assert of(here.server) is ServiceState.OUT_OF_SERVICE
        assert here.server.out_of_service_because == "the server is being closed"
        hold.set_result(None)
        await closing
        assert of(here.server) is ServiceState.CLOSED
        assert here.server.out_of_service_because == ""


@pytest.mark.parametrize("turns", range(4))
async def test_a_server_that_is_closed_while_it_is_being_opened_is_closed(turns: int) -> None:
    async with site() as here:
        await here.server.close()
        opening = asyncio.create_task(here.server.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        begun = turns > 0
        await here.server.close()
        refused = (await asyncio.gather(opening, return_exceptions=True))[0]
        assert refused is None or isinstance(refused, MisuseError)
        await asyncio.sleep(3.0)
        assert bool(here.server.ports) is not begun
        assert of(here.server) is (ServiceState.CLOSED if begun else ServiceState.AVAILABLE)


async def test_closed_and_opened_at_once_while_nobody_charges_all_of_them_hear_alarms() -> None:
    async with site() as here:
        await asyncio.gather(here.server.close(), here.server.open())
        idle = here.server.sessions._idle
        await hears_alarms(here.server, lambda: idle is not None and idle._timer is not None)
        client = here.client(sdp_port=here.server.sdp_port)
        async with client:
            await asyncio.gather(client.close(), client.open())
            look = client._idle
            await hears_alarms(client, lambda: look is not None and look._timer is not None)
            await asyncio.gather(client.close(), client.close())
        await client.close()
    async with station(NoMedium()) as secc:
        await asyncio.gather(secc.close(), secc.open())
        server = secc.server
        assert server is not None
        await hears_alarms(secc, lambda: bool(server.ports) and secc.driver._open)
    other = station(NoMedium())
    async with Site({"left": other}) as connectors:
        await asyncio.gather(connectors.close(), connectors.open())
        await hears_alarms(other, lambda: of(other) is ServiceState.AVAILABLE)
        await asyncio.gather(connectors.close(), connectors.close())
        assert of(other) is ServiceState.CLOSED


async def test_what_was_never_opened_says_so_to_who_waits_for_it() -> None:
    """After a ``close`` there may be another ``open``, and what has ended is known."""
    async with site() as here:
        await here.charge()
        await here.server.close()
        await here.server.serve_forever()
        assert await here.server.wait_finished(1) is here.server.results[0]
        never = SeccServer(secc_config(allow_plaintext=True), here.plant.secc, "lo", None, sdp=False)
        for wait in (never.serve_forever, lambda: never.wait_finished(1)):
            with pytest.raises(MisuseError, match=r"async with.*open\(\) first"):
                await wait()
    with pytest.raises(MisuseError, match=r"this connector .*open\(\) first"):
        await station(NoMedium()).wait_finished(1)
