"""Who drives the ends of a run is asked to look when something happened and every few milliseconds, and ends
the run by what he raises; neither sooner nor later, and nothing of it reaches whoever comes after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.directing import Directing
from tests.aio.test_settling import now

TICK_S = 0.02


class Director:
    """Notes when he looks; ``on_look`` may raise."""

    def __init__(self) -> None:
        self.looked: list[float] = []
        self.heard: list[tuple[str, Any]] = []
        self.ends: Any = None
        self.clock: Callable[[], float] = lambda: -1.0
        self.on_look: Callable[[], None] = lambda: None

    def stream(self, role: str) -> Callable[..., Any]:
        raise NotImplementedError

    def begin(self, ends: Any, clock: Callable[[], float]) -> None:
        self.ends, self.clock = ends, clock

    def observe(self, role: str, at: float, what: Any) -> None:
        self.heard.append((role, what))

    def look(self, at: float) -> None:
        self.looked.append(at)
        self.on_look()


def fails() -> None:
    raise ValueError("a step failed")


async def test_he_looks_every_few_milliseconds_within_the_block_only() -> None:
    director = Director()
    directing = Directing(director)
    ends: Any = {"secc": object()}
    await asyncio.sleep(1.0)
    assert director.looked == []
    began = now()
    async with directing.over(ends):
        assert director.ends is ends
        assert director.clock() == pytest.approx(now(), abs=1e-3)
        await asyncio.sleep(10.5 * TICK_S)
    assert director.looked == [pytest.approx(began + number * TICK_S, abs=2e-3) for number in range(11)]
    await asyncio.sleep(1.0)
    assert len(director.looked) == 11


async def test_he_looks_soon_after_something_happened_once_for_all_of_a_turn() -> None:
    director, others = Director(), list[Any]()
    directing = Directing(director)
    observe = directing.observer("evcc", lambda at, what: others.append(what))
    alone = directing.observer("secc", None)
    observe(0.0, "before")
    await asyncio.sleep(0.0)
    assert director.looked == [], "nobody drives yet"
    async with directing.over({}):
        await asyncio.sleep(0.5 * TICK_S)
        assert len(director.looked) == 1
        for turn in (1, 2):
            observe(0.0, "one")
            alone(0.0, "two")
            assert len(director.looked) == turn, "never while a session is at work"
            await asyncio.sleep(0.0)
            assert len(director.looked) == turn + 1
    observe(0.0, "after")
    await asyncio.sleep(1.0)
    assert len(director.looked) == 3
    assert director.heard == [("evcc", "before"), *[("evcc", "one"), ("secc", "two")] * 2, ("evcc", "after")]
    assert others == ["before", "one", "one", "after"]


async def test_what_happens_in_the_last_turn_of_the_block_makes_nobody_look_after_it() -> None:
    director = Director()
    directing = Directing(director)
    async with directing.over({}):
        await asyncio.sleep(0.5 * TICK_S)
        directing.observer("evcc", None)(0.0, "last")
    await asyncio.sleep(1.0)
    assert len(director.looked) == 1


@pytest.mark.parametrize("by", ["tick", "event"])
async def test_what_he_raises_ends_the_block_at_once_and_comes_out_of_it(by: str) -> None:
    director = Director()
    directing = Directing(director)
    began = now()

    async def run() -> None:
        async with directing.over({}):
            await asyncio.sleep(0.5 * TICK_S)
            director.on_look = fails
            if by == "event":
                directing.observer("evcc", None)(0.0, "it")
            await asyncio.sleep(50.0)

    with pytest.raises(ValueError, match="a step failed"):
        await run()
    assert now() - began < 2 * TICK_S
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "whoever runs it was not cancelled"
    looked = len(director.looked)
    await asyncio.sleep(1.0)
    assert len(director.looked) == looked, "he is asked nothing more"


async def test_who_fails_in_the_turn_in_which_the_block_ends_is_heard_and_nobody_is_cancelled_after_it() -> (
    None
):
    director = Director()
    director.on_look = fails
    directing = Directing(director)
    with pytest.raises(ValueError, match="a step failed"):
        async with directing.over({}):
            directing._look()
    await asyncio.sleep(1.0)


async def test_a_block_that_somebody_else_cancels_is_cancelled() -> None:
    director = Director()
    directing = Directing(director)

    async def run() -> None:
        async with directing.over({}):
            await asyncio.sleep(50.0)

    task = asyncio.create_task(run())
    await asyncio.sleep(1.5 * TICK_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(director.looked) == 2


async def test_what_the_block_raises_is_not_hidden_by_what_he_raised() -> None:
    director = Director()
    director.on_look = fails
    directing = Directing(director)

    async def run() -> None:
        async with directing.over({}):
            directing._look()
            raise OSError("block")

    with pytest.raises(OSError, match="block"):
        await run()
    await asyncio.sleep(1.0)


async def test_what_he_raises_when_he_is_told_something_ends_the_block_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever tells him would only leave him out from then on; another observer hears it all the same."""
    director, heard = Director(), list[Any]()
    directing = Directing(director)
    observer = directing.observer("evcc", lambda at, what: heard.append(what))

    def observe(*what: Any) -> None:
        fails()

    monkeypatch.setattr(director, "observe", observe)

    async def block() -> None:
        async with directing.over({}):
            observer(now(), "one")
            observer(now(), "two")
            await asyncio.sleep(10.0)
            heard.append("the block went on")

    with pytest.raises(ValueError, match="a step failed"):
        await block()
    assert heard == ["one", "two"]
    await asyncio.sleep(0)
