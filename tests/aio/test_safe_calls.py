"""Safe calls that are asked for often, or that do not end: what is made at once, what a moment later, and
which of several is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.ports import safe_calls
from iso15118.aio.ports.safe_calls import SafeCalls

BURST, UNENDED, PAUSE_S = safe_calls._BURST, safe_calls._MOST_UNENDED, safe_calls._PAUSE_S
LIMIT_S = 10.0


class Port:
    """Its calls return at once, or hang until they are let go."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.go = asyncio.Event()

    def call(self, name: str, *, hangs: bool = False) -> Callable[[], Any]:
        async def make() -> None:
            self.made.append(name)
            if hangs:
                await self.go.wait()

        return make


def calls_of() -> tuple[SafeCalls, Port, list[str]]:
    told: list[str] = []
    return SafeCalls(asyncio.get_running_loop(), "power.stop", LIMIT_S, told.append), Port(), told


async def crowd(calls: SafeCalls, port: Port, rank: int = 0) -> None:
    for number in range(BURST):
        calls.ask(port.call(f"{number}"), rank, anew=True)
    assert len(port.made) == BURST


async def over(calls: SafeCalls, port: Port) -> None:
    port.go.set()
    await asyncio.sleep(2.0 * PAUSE_S)
    calls.close()
    await asyncio.sleep(0)


async def test_of_those_that_are_put_off_the_last_of_the_most_urgent_is_made() -> None:
    calls, port, _ = calls_of()
    await crowd(calls, port, rank=1)
    for name, rank in (("early", 0), ("late", 0), ("urgent", 1), ("more urgent words", 1), ("idle", 0)):
        calls.ask(port.call(name), rank, anew=True)
    assert len(port.made) == BURST
    assert calls.running
    await asyncio.sleep(1.5 * PAUSE_S)
    assert port.made[BURST:] == ["more urgent words"]
    await over(calls, port)


async def test_one_that_was_put_off_is_made_though_another_is_under_way() -> None:
    """It was asked for because something had been done since that one began."""
    calls, port, _ = calls_of()
    for number in range(BURST - 1):
        calls.ask(port.call(f"{number}"), anew=True)
    calls.ask(port.call("hangs", hangs=True), anew=True)
    calls.ask(port.call("put off"), anew=True)
    await asyncio.sleep(1.5 * PAUSE_S)
    assert port.made[-2:] == ["hangs", "put off"]
    await over(calls, port)


async def test_nothing_that_was_put_off_is_made_when_it_is_closed() -> None:
    calls, port, _ = calls_of()
    await crowd(calls, port)
    calls.ask(port.call("put off"), anew=True)
    calls.close()
    await asyncio.sleep(3.0 * PAUSE_S)
    assert len(port.made) == BURST
    assert not calls.running


@pytest.mark.parametrize(("rank", "at_once"), [(0, False), (1, False), (2, True)])
async def test_where_as_many_as_are_kept_hang_in_time_only_a_more_urgent_one_is_made(
    rank: int, at_once: bool
) -> None:
    calls, port, told = calls_of()
    for number in range(UNENDED):
        calls.ask(port.call(f"{number}", hangs=True), 1 if number == 3 else 0, anew=True)
        await asyncio.sleep(1.5 * PAUSE_S)
    assert len(port.made) == UNENDED
    calls.ask(port.call("next"), rank, anew=True)
    assert (port.made[-1] == "next") is at_once
    assert calls.running
    port.go.set()
    await asyncio.sleep(1.5 * PAUSE_S)
    assert port.made[-1] == "next", "as soon as there is room"
    assert not any(told)
    await over(calls, port)
