"""Calls of ports that are cut short before their lane has taken them over: each hears of it, whatever it
waits for, and none is called late or answers afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from iso15118.aio.ports.safe_calls import SafeCalls
from tests.aio.test_calls import LIMIT_S, Log, lane
from tests.aio.test_settling import now

FIRST: dict[str, Callable[[], Awaitable[Any]]] = {
    "a turn of the loop": lambda: asyncio.sleep(0),
    "a time": lambda: asyncio.sleep(50.0),
    "a future": lambda: asyncio.get_running_loop().create_future(),
    "a task": lambda: asyncio.get_running_loop().create_task(asyncio.sleep(50.0)),
}


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("closed", [False, True])
async def test_a_call_that_is_dropped_at_once_hears_of_it_whatever_it_waits_for(
    first: str, closed: bool
) -> None:
    log, where = Log(), lane()
    heard: list[str] = []

    async def port() -> None:
        try:
            await FIRST[first]()
            heard.append("went on")
            await asyncio.sleep(50.0)
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    where.begin(log.call(port))
    began = now()
    where.drop()
    if closed:
        where.close()
    await log.until(1)
    assert now() - began < 0.01
    assert heard == ([] if closed else ["cancelled"]), "of a lane that is closed nobody goes on with it"
    assert [(what, type(value)) for what, value in log.calls] == [("dropped", asyncio.CancelledError)]
    where.close()
    await asyncio.sleep(3 * LIMIT_S)
    assert len(log.calls) == 1


@pytest.mark.parametrize("first", FIRST)
async def test_a_call_that_was_dropped_may_end_well_all_the_same(first: str) -> None:
    log, where = Log(), lane()

    async def port() -> str:
        try:
            await FIRST[first]()
            await asyncio.sleep(50.0)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
        return "done all the same"

    where.begin(log.call(port))
    where.drop()
    await log.until(1)
    assert log.calls == [("dropped", "done all the same")]
    where.begin(log.call(lambda: asyncio.sleep(0.01, "next")))
    await log.until(2)
    assert log.calls[1] == ("ended", "next"), "the lane goes on"
    where.close()
    await asyncio.sleep(0)


async def test_a_lane_that_is_closed_at_once_makes_no_call_that_leads_to_safety_anew() -> None:
    told: list[str] = []
    made: list[int] = []

    async def stop() -> None:
        made.append(1)
        await asyncio.sleep(0.01)

    calls = SafeCalls(asyncio.get_running_loop(), "power.stop", LIMIT_S, told.append)
    calls.ask(stop)
    running = calls.running
    calls.close()
    await asyncio.sleep(3 * LIMIT_S)
    assert made == [1]
    assert (running, calls.running) == (True, False)
    assert told == ["power.stop was cancelled"]


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("ahead_s", [0.0, -5.0], ids=["no time at all", "a deadline that is over"])
async def test_a_timeout_of_the_port_that_has_expired_reaches_the_port_whichever_call_it_is(
    first: str, ahead_s: float
) -> None:
    """It cancels the task of the lane after the first step of the call and before the task has a turn."""
    log, where = Log(), lane()
    tasks: set[Any] = set()

    async def port() -> str:
        tasks.add(asyncio.current_task())
        try:
            async with asyncio.timeout_at(now() + ahead_s):
                await FIRST[first]()
        except TimeoutError:
            return "opened without waiting"
        return "the timeout was lost"

    for count in (1, 2, 3):
        began = now()
        where.begin(log.call(port))
        await log.until(count)
        assert now() - began < 0.01
    assert log.calls == 3 * [("ended", "opened without waiting")]
    assert len(tasks) == 1, "nobody ends the lane: it goes on with its task"
    where.close()
    await asyncio.sleep(0)


async def test_a_lane_that_somebody_ends_when_a_call_has_just_begun_tells_the_call_and_ends() -> None:
    log, where = Log(), lane()
    tasks: list[Any] = []

    async def port(seconds: float) -> None:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(seconds)

    where.begin(log.call(lambda: port(0.01)))
    await log.until(1)
    where.begin(log.call(lambda: port(50.0)))
    tasks[0].cancel()
    await log.until(2)
    assert [type(value) for _, value in log.calls] == [type(None), asyncio.CancelledError]
    await asyncio.sleep(0)
    assert tasks[0].done()
    where.begin(log.call(lambda: port(0.01)))
    await log.until(3)
    assert tasks[2] is not tasks[0]
    where.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("first", FIRST)
async def test_a_cancellation_from_before_a_call_is_not_that_calls(first: str) -> None:
    """As of a loop that ends, where the call is the one that makes safe."""
    log, where = Log(), lane()
    tasks: list[Any] = []

    async def port() -> str:
        tasks.append(asyncio.current_task())
        await asyncio.wait((asyncio.ensure_future(FIRST[first]()),), timeout=0.01)
        return "opened"

    where.begin(log.call(port))
    await log.until(1)
    tasks[0].cancel()
    where.begin(log.call(port))
    await log.until(2)
    assert log.calls == 2 * [("ended", "opened")]
    await asyncio.sleep(0)
    assert tasks[0].done(), "and the lane ends"
    where.close()


async def test_a_lane_that_somebody_ends_behind_a_call_that_was_dropped_at_once_ends() -> None:
    log, where = Log(), lane()
    tasks: list[Any] = []

    async def port(seconds: float) -> None:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(seconds)

    where.begin(log.call(lambda: port(0.01)))
    await log.until(1)
    where.begin(log.call(lambda: port(50.0)))
    where.drop()
    tasks[0].cancel()
    await log.until(2)
    await asyncio.sleep(0.01)
    assert tasks[0].done()
    where.close()
