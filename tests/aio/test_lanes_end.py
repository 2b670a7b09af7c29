"""The tasks of port calls come to their end: whatever a port makes of being cancelled, a program that ends
is not kept from ending, and a port whose calls never end does not fill the memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from iso15118.aio.ports.calls import Lane
from iso15118.aio.ports.safe_calls import SafeCalls
from tests.aio.test_calls import Log, cancel_others, quiet


def tasks() -> int:
    return len(asyncio.all_tasks()) - 1


async def swallows(seconds: float) -> str:
    """As ``except:`` does, after which the port goes its way."""
    with suppress(BaseException):
        await asyncio.sleep(seconds)
    await asyncio.sleep(0.01)
    return "done"


async def uses_timeouts() -> str:
    """Cancels this task by itself, and takes that back."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(1.0)
    return "done"


async def test_a_lane_ends_with_its_call_when_its_task_was_cancelled_by_others() -> None:
    log, where = Log(), Lane(asyncio.get_running_loop())
    where.begin(log.call(lambda: swallows(0.05)))
    await asyncio.sleep(0.001)
    cancel_others()
    await log.until(1)
    assert log.calls == [("ended", "done")]
    await asyncio.sleep(0)
    assert tasks() == 0
    where.begin(log.call(lambda: swallows(0.0)))  # it still serves
    await log.until(2)
    assert log.calls[1:] == [("ended", "done")]
    assert tasks() == 1
    where.close()
    await asyncio.sleep(0)
    assert tasks() == 0


@pytest.mark.parametrize("before", ["ended", "dropped"])
async def test_it_does_so_behind_other_calls_of_the_same_task(before: str) -> None:
    """What was made of an earlier cancellation says nothing of this one."""
    log, where = Log(), Lane(asyncio.get_running_loop())
    where.begin(log.call(lambda: swallows(0.02 if before == "ended" else 1.0)))
    await asyncio.sleep(0.001)
    if before == "dropped":
        where.drop()
    await log.until(1)
    await asyncio.sleep(0)
    assert tasks() == 1
    where.begin(log.call(lambda: swallows(0.05)))
    await asyncio.sleep(0.001)
    cancel_others()
    await log.until(2)
    await asyncio.sleep(0)
    assert log.calls == [(before, "done"), ("ended", "done")]
    assert tasks() == 0


@pytest.mark.parametrize("how", ["late", "dropped", "its own timeout"])
async def test_a_lane_that_nobody_else_cancels_goes_on_serving_by_its_task(how: str) -> None:
    log, where = Log(), Lane(asyncio.get_running_loop())
    where.begin(log.call(uses_timeouts if how == "its own timeout" else lambda: swallows(1.0)))
    await asyncio.sleep(0.001)
    if how == "dropped":
        where.drop()
    await log.until(2 if how == "late" else 1)
    assert len(asyncio.all_tasks()) == 2
    where.close()
    await asyncio.sleep(0)
    assert tasks() == 0


async def test_a_call_that_is_dropped_before_its_task_has_it_does_not_end_the_task() -> None:
    log, where = Log(), Lane(asyncio.get_running_loop())
    where.begin(log.call(lambda: swallows(0.02)))
    await log.until(1)
    await asyncio.sleep(0)
    serving = where._task
    assert serving is not None
    where.begin(log.call(lambda: swallows(1.0)))
    where.drop()
    await log.until(2)
    for _ in range(5):
        await asyncio.sleep(0)
    assert log.calls[1:] == [("dropped", "done")]
    assert where._task is serving
    assert not serving.done()
    where.close()
    await asyncio.sleep(0)


async def test_a_lane_that_is_cancelled_by_itself_and_by_others_ends() -> None:
    """In the same turn of the loop."""
    log, where = Log(), Lane(asyncio.get_running_loop())
    where.begin(log.call(lambda: swallows(1.0)))
    await asyncio.sleep(0.001)
    where.drop()
    cancel_others()
    await log.until(1)
    await asyncio.sleep(0)
    assert log.calls == [("dropped", "done")]
    assert tasks() == 0


async def test_a_closed_lane_makes_a_call_and_leaves_nothing_behind() -> None:
    log, where = Log(), Lane(asyncio.get_running_loop())
    where.close()
    for number, seconds in enumerate((0.0, 0.02)):
        where.begin(log.call(partial(asyncio.sleep, seconds, "done")))
        await log.until(number + 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert tasks() == 0
    assert log.calls == [("ended", "done")] * 2


@pytest.mark.parametrize("closed", [False, True])
async def test_a_call_may_follow_at_once_on_a_lane_whose_task_has_just_ended(closed: bool) -> None:
    """It waits for nobody who is there no more."""
    log, where = Log(), Lane(asyncio.get_running_loop())
    where.begin(log.call(lambda: swallows(0.05)))
    await asyncio.sleep(0.001)
    if closed:
        where.close()
    else:
        cancel_others()
    await log.until(1)
    for _ in range(5):
        if where._task is not None and where._task.done():
            break
        await asyncio.sleep(0)
    where.begin(log.call(lambda: asyncio.sleep(0.01, "next")))
    await log.until(2)
    assert log.calls == [("ended", "done"), ("ended", "next")]
    where.close()
    await asyncio.sleep(0)
    assert tasks() == 0


async def test_safe_calls_that_are_closed_are_made_and_leave_nothing_behind() -> None:
    complaints: list[str] = []
    calls = SafeCalls(asyncio.get_running_loop(), "power.stop", 0.5, complaints.append)
    calls.close()
    calls.ask(lambda: asyncio.sleep(0.01))
    await quiet(calls)
    await asyncio.sleep(0)
    assert complaints == [""]
    assert tasks() == 0


async def test_safe_calls_that_never_end_are_bounded_in_number() -> None:
    """The oldest is not gone on with, so that a new one can be made: a bus may have come back."""
    begun: list[int] = []
    thrown_away: list[int] = []
    complaints: list[str] = []
    good = False
    calls = SafeCalls(asyncio.get_running_loop(), "contactors.open", 0.05, complaints.append)

    async def hangs() -> None:
        number = len(begun)
        begun.append(number)
        while not good:
            try:
                await asyncio.sleep(1.0)
            except asyncio.CancelledError:
                continue
            except GeneratorExit:
                thrown_away.append(number)
                raise

    for _ in range(20):
        calls.ask(hangs)
        await quiet(calls)
        await asyncio.sleep(0)
    assert begun == list(range(20))
    assert tasks() == 8
    assert thrown_away == list(range(12))
    assert complaints[0] == "contactors.open did not answer within 0.05 s"
    good = True
    calls.ask(hangs)
    await quiet(calls)
    assert not calls.failed
    calls.close()
    await asyncio.sleep(2.0)
    assert tasks() == 0


async def test_a_call_that_will_not_be_thrown_away_ends_as_far_as_anybody_waits_for_it() -> None:
    log, where = Log(), Lane(asyncio.get_running_loop())

    async def stubborn() -> Any:
        for _ in range(3):  # once for being cancelled, once for being thrown away
            with suppress(BaseException):
                await asyncio.sleep(1.0)

    where.begin(log.call(stubborn))
    await log.until(1)
    where.abandon()
    await log.until(2)
    assert [what for what, _ in log.calls] == ["late", "late end"]
    await asyncio.sleep(0)
    assert tasks() == 0
