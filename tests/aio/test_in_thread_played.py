"""A call that blocks, in a thread, step by step: the thread is played by hand, and ends when it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from iso15118.aio import in_thread
from iso15118.errors import MisuseError


class Played(Executor):
    """Keeps what it is given until it is told to run it."""

    def __init__(self) -> None:
        self.work: Future[Any] = Future()
        self.call: Callable[[], Any] = lambda: None

    def submit(self, call: Callable[..., Any], /, *values: Any, **named: Any) -> Future[Any]:
        self.call = lambda: call(*values, **named)
        return self.work

    def begin(self) -> None:
        assert self.work.set_running_or_notify_cancel()

    def end(self) -> None:
        try:
            self.work.set_result(self.call())
        except BaseException as error:
            self.work.set_exception(error)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def waits(threads: Played, answer: object = "done") -> asyncio.Task[object]:
    def call(value: object) -> object:
        if isinstance(value, BaseException):
            raise value
        return value

    return asyncio.create_task(in_thread(threads, call, answer))


@pytest.mark.parametrize("answer", ["done", OSError("bus")])
async def test_it_ends_when_the_thread_has_ended(answer: object) -> None:
    threads = Played()
    task = waits(threads, answer)
    await turns()
    threads.begin()
    await turns()
    assert not task.done()
    threads.end()
    if isinstance(answer, OSError):
        with pytest.raises(OSError, match="bus"):
            await task
    else:
        assert await task == answer


@pytest.mark.parametrize("answer", ["done", OSError("bus")])
@pytest.mark.parametrize("times", [1, 2, 5])
async def test_a_call_that_has_begun_is_waited_for_however_often_it_is_cancelled(
    times: int, answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, wrapped = Played(), list[Any]()
    wrap = asyncio.wrap_future

    def kept(work: Future[Any]) -> Any:
        wrapped.append(wrap(work))
        return wrapped[0]

    monkeypatch.setattr(asyncio, "wrap_future", kept)
    task = waits(threads, answer)
    await turns()
    threads.begin()
    for _ in range(times):
        task.cancel()
        await turns()
        assert not task.done()
    threads.end()
    with pytest.raises(asyncio.CancelledError):
        await task
    (ended,) = wrapped
    assert not ended._log_traceback, "nobody is told of an error that nobody waits for"


async def test_a_call_that_has_not_begun_is_taken_back() -> None:
    threads = Played()
    task = waits(threads)
    await turns()
    task.cancel()
    await turns()
    assert task.done()
    assert threads.work.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_that_somebody_else_takes_back_ends_as_cancelled() -> None:
    """Of an executor that is shut down with what waits in it."""
    threads = Played()
    task = waits(threads)
    await turns()
    threads.work.cancel()
    threads.work.set_running_or_notify_cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_that_is_taken_back_behind_a_cancellation_ends_as_cancelled() -> None:
    threads = Played()
    threads.work.cancel = lambda: False  # type: ignore[method-assign]  # as of one that has begun
    task = waits(threads)
    await turns()
    task.cancel()
    await turns()
    assert not task.done()
    Future.cancel(threads.work)
    threads.work.set_running_or_notify_cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_something_else_than_an_executor_is_refused_before_anything_is_called() -> None:
    called = list[int]()
    nobodys: Any = None
    with pytest.raises(MisuseError, match="in_thread: NoneType is no executor"):
        await in_thread(nobodys, called.append, 1)
    assert called == []
