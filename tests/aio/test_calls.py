"""Calls of ports: begun at once, one after the other, late, dropped, and cancelled by somebody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from iso15118.aio.ports.calls import Call, Lane, brief
from iso15118.aio.ports.guard import running
from iso15118.aio.ports.safe_calls import SafeCalls
from tests.aio.test_guard import let_out

LIMIT_S = 0.1


class Log:
    """What calls said of themselves."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.news = asyncio.Event()

    def ended(self, call: Call) -> None:
        what = "late end" if call.overdue else "dropped" if call.dropped else "ended"
        self.calls.append((what, call.error if call.error is not None else call.result))
        self.news.set()

    def late(self, call: Call) -> None:
        self.calls.append(("late", call.complaint))
        self.news.set()

    async def until(self, count: int) -> None:
        while len(self.calls) < count:
            self.news.clear()
            await self.news.wait()

    def call(self, make: Callable[[], Coroutine[Any, Any, Any]], *, insist: bool = False) -> Call:
        return Call("port.call", make, LIMIT_S, self.ended, self.late, insist=insist)


def lane() -> Lane:
    return Lane(asyncio.get_running_loop())


async def test_a_call_that_answers_at_once_is_over_when_begin_returns() -> None:
    log, where = Log(), lane()

    async def answer() -> int:
        return 42

    where.begin(log.call(answer))
    assert log.calls == [("ended", 42)]
    assert where.call is None
    where.close()


async def test_the_first_step_is_taken_before_begin_returns() -> None:
    log, where, steps = Log(), lane(), list[str]()

    async def answer() -> str:
        steps.append("first")
        await asyncio.sleep(0.01)
        steps.append("second")
        return "done"

    where.begin(log.call(answer))
    assert steps == ["first"]
    await log.until(1)
    assert steps == ["first", "second"]
    assert log.calls == [("ended", "done")]
    where.close()


@pytest.mark.parametrize("wait", [0.0, 0.01], ids=["one turn of the loop", "a moment"])
async def test_calls_follow_one_another_on_one_task(wait: float) -> None:
    log, where = Log(), lane()
    tasks: set[Any] = set()

    async def answer() -> None:
        tasks.add(asyncio.current_task())
        await asyncio.sleep(wait)
        tasks.add(asyncio.current_task())

    for count in range(1, 6):
        where.begin(log.call(answer))
        assert asyncio.current_task() not in tasks
        await log.until(count)
    assert len(tasks) == 1
    assert None not in tasks
    where.close()


async def test_timeouts_and_tasks_work_within_a_port() -> None:
    log, where = Log(), lane()

    async def careful() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(1.0)
        except TimeoutError:
            pass
        async with asyncio.TaskGroup() as group:
            inner = group.create_task(asyncio.sleep(0.01, "inner"))
        return inner.result()

    for count in (1, 2, 3):
        where.begin(log.call(careful))
        await log.until(count)
    assert log.calls == [("ended", "inner")] * 3
    where.close()


async def test_what_a_call_raises_is_its_outcome() -> None:
    log, where = Log(), lane()

    async def fail(when: float | None) -> None:
        if when is not None:
            await asyncio.sleep(when)
        raise ValueError("no")

    for count, when in enumerate((None, 0.0, 0.01), start=1):
        call = log.call(lambda when=when: fail(when))  # type: ignore[misc]
        where.begin(call)
        await log.until(count)
        assert call.complaint == "port.call raised ValueError: no"
    no_coroutine: Any = lambda: None  # noqa: E731
    where.begin(call := log.call(no_coroutine))
    assert "cannot be awaited" in call.complaint
    where.close()


async def test_a_late_call_is_told_cancelled_and_may_still_end() -> None:
    log, where = Log(), lane()
    where.begin(log.call(lambda: asyncio.sleep(10.0)))
    await log.until(2)
    assert log.calls[0] == ("late", "port.call did not answer within 0.1 s")
    assert log.calls[1][0] == "late end"
    assert isinstance(log.calls[1][1], asyncio.CancelledError)
    where.begin(log.call(lambda: asyncio.sleep(0.0, "next")))
    await log.until(3)
    assert log.calls[2] == ("ended", "next")
    where.close()


async def test_a_call_that_does_not_care_about_being_cancelled() -> None:
    log, where = Log(), lane()
    release = asyncio.Event()

    async def stubborn() -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "at last"

    where.begin(log.call(stubborn))
    await log.until(1)
    await asyncio.sleep(0.02)
    assert where.call is not None
    release.set()
    await log.until(2)
    assert log.calls[1] == ("late end", "at last")
    where.begin(log.call(lambda: asyncio.sleep(0.0, "next")))
    await log.until(3)
    where.close()


@pytest.mark.parametrize("after", [None, 0.0, 0.01])
async def test_a_dropped_call_ends_cancelled_and_the_lane_goes_on(after: float | None) -> None:
    log, where = Log(), lane()
    inner = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await inner

    where.begin(log.call(wait))
    if after is not None:
        await asyncio.sleep(after)
    where.drop()
    where.drop()
    await log.until(1)
    assert log.calls[0][0] == "dropped"
    assert isinstance(log.calls[0][1], asyncio.CancelledError)
    assert inner.cancelled()
    where.begin(log.call(lambda: asyncio.sleep(0.0, "next")))
    await log.until(2)
    assert log.calls[1] == ("ended", "next")
    where.close()


async def test_a_call_begun_from_the_end_of_another() -> None:
    where, results = lane(), list[Any]()
    done = asyncio.Event()

    def ended(call: Call) -> None:
        results.append(call.result)
        if len(results) < 4:
            where.begin(Call("port.call", answer, LIMIT_S, ended, late))
        else:
            done.set()

    def late(call: Call) -> None:
        raise AssertionError("late")

    async def answer() -> int:
        if len(results) % 2:
            await asyncio.sleep(0.0)
        return len(results)

    where.begin(Call("port.call", answer, LIMIT_S, ended, late))
    await done.wait()
    assert results == [0, 1, 2, 3]
    where.close()


# -- the safe direction
# -----------------------------------------------------------------------------------------


async def quiet(calls: SafeCalls) -> None:
    """Wait until none is under way."""
    for _ in range(100):
        if not calls.running:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("still running")


def cancel_others() -> None:
    """What asyncio.run does at its end."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


@pytest.mark.parametrize("after", [None, 0.0, 0.02], ids=["at once", "a turn later", "on its way"])
async def test_a_safe_call_that_somebody_cancels_is_made_again(after: float | None) -> None:
    complaints: list[str] = []
    made: list[str] = []
    calls = SafeCalls(asyncio.get_running_loop(), "port.open", 0.5, complaints.append)

    async def open_them() -> None:
        made.append("begun")
        await asyncio.sleep(0.05)
        made.append("done")

    calls.ask(open_them)
    if after is not None:
        await asyncio.sleep(after)
    cancel_others()
    await quiet(calls)
    assert made == ["begun", "begun", "done"]
    assert complaints == [""]
    assert not calls.failed
    calls.close()


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_safe_call_is_made_again_eight_times_and_not_for_ever(at_once: bool) -> None:
    """``at_once``: cancelled before the lane's task had its first turn."""
    complaints: list[str] = []
    made: list[str] = []
    calls = SafeCalls(asyncio.get_running_loop(), "port.open", 0.5, complaints.append)

    async def open_them() -> None:
        made.append("begun")
        await asyncio.sleep(0.05)

    calls.ask(open_them)
    for _ in range(20):
        if not at_once:
            await asyncio.sleep(0.001)
        cancel_others()
        if at_once:
            await asyncio.sleep(0)
    await quiet(calls)
    assert len(made) == 9
    assert complaints == ["port.open was cancelled"]
    assert calls.failed
    calls.close()


async def test_a_call_that_leads_nowhere_safe_is_not_made_again() -> None:
    log, where = Log(), lane()
    made: list[str] = []

    async def set_power() -> None:
        made.append("begun")
        await asyncio.sleep(0.05)

    where.begin(log.call(set_power))
    await asyncio.sleep(0.001)
    cancel_others()
    await log.until(1)
    where.begin(log.call(set_power))
    cancel_others()
    await log.until(2)
    assert made == ["begun", "begun"]
    assert [type(what) for _, what in log.calls] == [asyncio.CancelledError] * 2
    where.close()
    await asyncio.sleep(0)


async def test_a_late_call_that_says_false_is_late() -> None:
    complaints: list[str] = []
    calls = SafeCalls(asyncio.get_running_loop(), "port.open", 0.05, complaints.append)

    async def open_them() -> bool:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1.0)
        return False

    calls.ask(open_them)
    await asyncio.sleep(0.2)
    assert complaints == ["port.open did not answer within 0.05 s"]
    calls.close()


async def test_safe_calls_join_unless_more_urgent() -> None:
    complaints: list[str] = []
    made: list[int] = []
    calls = SafeCalls(asyncio.get_running_loop(), "port.open", 0.5, complaints.append)

    def opening(rank: int) -> Callable[[], Coroutine[Any, Any, None]]:
        async def open_them() -> None:
            made.append(rank)
            await asyncio.sleep(0.02)

        return open_them

    calls.ask(opening(0), 0)
    calls.ask(opening(0), 0)
    calls.ask(opening(1), 1)
    calls.ask(opening(1), 1)
    calls.ask(opening(0), 0)
    assert made == [0, 1]
    await quiet(calls)
    assert complaints == ["", ""]
    calls.ask(opening(0), 0)
    assert made == [0, 1, 0]
    calls.close()


async def test_a_safe_call_that_hangs_does_not_stand_in_the_way_of_the_next() -> None:
    complaints: list[str] = []
    calls = SafeCalls(asyncio.get_running_loop(), "port.open", 0.05, complaints.append)
    let_go = asyncio.Event()

    async def open_them() -> None:
        while not let_go.is_set():
            try:
                await asyncio.sleep(1.0)
            except asyncio.CancelledError:
                continue

    calls.ask(open_them)
    await quiet(calls)
    assert complaints == ["port.open did not answer within 0.05 s"]
    assert calls.failed
    calls.ask(open_them)
    await quiet(calls)
    assert complaints[1:] == [""], "a complaint is made once"
    let_go.set()
    calls.ask(open_them)
    assert (calls.failed, complaints[2:]) == (False, [""])
    calls.close()
    cancel_others()
    await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("short", "short"), ("two\nlines\x1b[2J", "two lines [2J"), ("x" * 5000, "x" * 197 + "...")],
)
def test_texts_of_others_are_kept_brief(text: str, shown: str) -> None:
    assert brief(text) == shown


async def test_a_call_that_is_dropped_and_closed_at_once_leaves_no_task() -> None:
    log, where = Log(), lane()
    where.begin(log.call(lambda: asyncio.sleep(60.0)))
    await asyncio.sleep(0)  # the lane's task has taken the call over
    where.drop()
    where.close()
    await log.until(1)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert [what for what, _ in log.calls] == ["dropped"]


async def test_a_lane_that_was_closed_calls_nobody_late() -> None:
    log, where = Log(), lane()
    where.begin(log.call(lambda: asyncio.sleep(60.0)))
    await asyncio.sleep(0.01)
    where.close()
    await asyncio.sleep(3 * LIMIT_S)
    assert [what for what, _ in log.calls] == ["ended"]


async def test_a_call_that_ignores_the_end_of_its_lane_is_not_told_late() -> None:
    log, where = Log(), lane()
    go_on = asyncio.Event()

    async def stubborn() -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60.0)
        await go_on.wait()
        return "done"

    where.begin(log.call(stubborn))
    await asyncio.sleep(0.01)
    where.close()
    await asyncio.sleep(3 * LIMIT_S)
    assert log.calls == []
    go_on.set()
    await log.until(1)
    assert log.calls == [("ended", "done")]


async def test_a_call_that_is_dropped_at_once_after_another_that_waited_leaves_the_lane_as_it_was() -> None:
    log, where = Log(), lane()
    where.begin(log.call(lambda: asyncio.sleep(0.01)))
    await log.until(1)
    where.begin(log.call(lambda: asyncio.sleep(60.0)))
    where.drop()
    await log.until(2)
    where.begin(log.call(lambda: asyncio.sleep(0.01, "third")))
    await log.until(3)
    assert [(what, type(value)) for what, value in log.calls] == [
        ("ended", type(None)),
        ("dropped", asyncio.CancelledError),
        ("ended", str),
    ]
    where.close()
    await asyncio.sleep(0)


async def test_what_a_call_takes_is_not_when_it_was() -> None:
    log, where = Log(), lane()
    begun = time.perf_counter()
    where.begin(log.call(lambda: asyncio.sleep(0.01)))
    await log.until(1)
    assert running.longest(begun)[1] < 60.0
    where.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("after_s", [None, 0.01])
async def test_a_wish_to_end_the_program_that_a_port_raises_comes_out_of_the_loop(
    after_s: float | None,
) -> None:
    found = await let_out()
    log, where = Log(), lane()

    async def ends() -> None:
        if after_s is not None:
            await asyncio.sleep(after_s)
        raise SystemExit(3)

    where.begin(log.call(ends))
    await log.until(1)
    await asyncio.sleep(0.01)
    assert [type(error) for error in found] == [SystemExit]
    where.close()
    await asyncio.sleep(0)
