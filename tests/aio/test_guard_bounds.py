"""The bounds of the guard around ports and callbacks: how long is worth naming, how many are remembered, and
for how long a wish to end the program is the same one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from iso15118.aio.ports import guard
from iso15118.aio.ports.guard import Running, come_back, insist

REMEMBERED = 64


@pytest.mark.parametrize(("seconds", "named"), [(0.0, False), (0.01, False), (0.0101, True), (0.0125, True)])
def test_a_call_is_worth_naming_from_ten_milliseconds_on(seconds: float, named: bool) -> None:
    running = Running()
    running.took("power.present", seconds)
    assert running.longest(-1.0) == (("power.present", seconds) if named else ("", 0.0))


def test_of_many_calls_the_last_are_remembered() -> None:
    for count, name in ((REMEMBERED, "long"), (REMEMBERED + 1, "short")):
        running = Running()
        running.took("long", 5.0)
        for _ in range(count - 1):
            running.took("short", 0.02)
        assert running.longest(-1.0)[0] == name


async def test_a_step_that_nobody_cancels_is_taken_once_and_says_so() -> None:
    taken: list[int] = []

    async def step() -> int:
        taken.append(1)
        await asyncio.sleep(0.1)
        return 5

    assert await insist(step, 1.0) == (5, False)
    assert await insist(step, 0.0) == (5, False)
    assert len(taken) == 2


@pytest.mark.parametrize(("after_s", "wishes"), [(0.0, 1), (9.9, 1), (10.0, 2), (12.0, 2)])
async def test_further_wishes_to_end_within_ten_seconds_are_the_same_one(
    after_s: float, wishes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    moment, out = [1000.0], list[Any]()
    original = loop.call_soon

    def call_soon(callback: Any, *values: Any, **settings: Any) -> Any:
        if callback is guard._raise:
            out.append(values[0])
            return None
        return original(callback, *values, **settings)

    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(loop, "call_soon", call_soon)
    first, second = KeyboardInterrupt(), SystemExit()
    come_back(first)
    moment[0] += after_s
    come_back(second)
    assert out == [first, second][:wishes]
    guard._wished.pop(loop, None)
