"""A call that blocks, in a thread: it ends when the thread has ended, however often it is cancelled, so that
nothing switches the hardware on behind the back of the library."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.aio import in_thread
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.errors import MisuseError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency

from .parts import Parts
from .site import QUICK_PORTS
from .test_settling import Ports

pytestmark = pytest.mark.real_time

PAGE = Path(__file__).parents[2] / "docs" / "firmware.md"
named: ContextVar[str] = ContextVar("named", default="")


@contextmanager
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as threads:
        yield threads


class Blocking:
    """A call that waits for the test, and how often it was made and has ended."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.ended = 0

    def __call__(self, answer: object = True) -> object:
        self.begun.set()
        assert self.go.wait(30.0)
        self.ended += 1
        if isinstance(answer, BaseException):
            raise answer
        return answer


async def begun(call: Blocking) -> None:
    await asyncio.get_running_loop().run_in_executor(None, call.begun.wait, 30.0)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_gives_what_the_call_returns_or_raises() -> None:
    named.set("left")
    with pool() as threads:
        assert await in_thread(threads, divmod, 7, 2) == (3, 1)
        assert await in_thread(threads, named.get) == "left", "in the same context"
        assert await in_thread(threads, threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await in_thread(threads, divmod, 1, 0)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await in_thread(threads, next, iter(()))


@pytest.mark.parametrize("answer", [True, OSError("bus")])
@pytest.mark.parametrize("times", [1, 3])
async def test_who_is_cancelled_ends_when_the_thread_has_ended(times: int, answer: object) -> None:
    with pool() as threads:
        call = Blocking()
        task = asyncio.create_task(in_thread(threads, call, answer))
        await begun(call)
        for _ in range(times):
            task.cancel()
            await turns()
            assert not task.done()
        call.go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert call.ended == 1


async def test_a_call_that_has_not_begun_is_never_made() -> None:
    """It would wait behind the one that hangs, and switch on at some later time."""
    with pool() as threads:
        first, second = Blocking(), Blocking()
        running = asyncio.create_task(in_thread(threads, first))
        await begun(first)
        waiting = asyncio.create_task(in_thread(threads, second))
        await turns()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        first.go.set()
        second.go.set()
        assert await running is True
    assert not second.begun.is_set()


async def test_a_time_limit_around_it_is_one() -> None:
    with pool() as threads:
        call = Blocking()
        asyncio.get_running_loop().call_later(0.05, call.go.set)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await in_thread(threads, call)
        assert call.ended == 1


async def test_the_executor_of_the_loop_is_refused() -> None:
    nobodys: Any = None
    with pytest.raises(MisuseError, match="in_thread: NoneType is no executor"):
        await in_thread(nobodys, print)


# -- the class of the page


class Bus:
    """Blocks like a driver: contactors close when the test lets them."""

    def __init__(self) -> None:
        self.shows_closed, self.calls = False, list[str]()
        self.closing = Blocking()

    def close_contactors(self) -> bool:
        self.calls.append("close")
        self.closing()
        self.shows_closed = True
        return self.shows_closed

    def open_contactors(self) -> None:
        self.calls.append("open")
        self.shows_closed = False


def contactors_of_the_page(bus: Bus) -> Any:
    found = re.search(r"```python\n(from concurrent.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # our own page
    return names["Contactors"](bus)


async def test_the_contactors_of_the_page_open_and_close() -> None:
    bus = Bus()
    bus.closing.go.set()
    contactors = contactors_of_the_page(bus)
    assert await contactors.close() is True
    assert contactors.closed
    await contactors.open(Urgency.ORDERLY, "test")
    assert not contactors.closed
    assert bus.calls == ["close", "open"]


async def test_contactors_that_a_thread_may_still_close_are_not_safe_and_are_opened_again_after_it() -> None:
    """The connector serves nobody until the thread has ended."""
    bus = Bus()
    ports, told = Ports(), list[ev.Event]()
    parts: Any = Parts(
        power=ports, contactors=contactors_of_the_page(bus), cable_check=ports, authorizer=ports
    )
    hardware = StationHardware(parts, replace(QUICK_PORTS, contactors_s=30.0), told.append)
    hardware.do(act.CloseContactors(asyncio.get_running_loop().time() + 60.0))
    await begun(bus.closing)
    hardware.make_safe("the button")
    while hardware.why_unsafe() == "it is being made safe":  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.01)
    assert hardware.why_unsafe() == "a call that energises may still have an effect"
    assert bus.calls == ["close", "open"]
    bus.closing.go.set()
    while len(bus.calls) < 3:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.01)
    assert bus.calls == ["close", "open", "open"], "since it closed them after they were opened"
    while bus.shows_closed:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.01)
    hardware.close()
