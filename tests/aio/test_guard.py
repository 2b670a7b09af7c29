"""The primitives by which the drivers reach what is not theirs.

Whatever a port, a callback or an exception does: the next step is taken.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio import logs
from iso15118.aio.ports import guard
from iso15118.aio.ports.guard import (
    Callback,
    Port,
    brief,
    come_back,
    describe,
    each,
    insist,
    next_tick,
    running,
    shown,
)
from iso15118.errors import HardwareError

from .hostile import UnprintableError


class Nameless(type):
    """A class whose name cannot be had either."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise ValueError("no name")


class NamelessError(Exception, metaclass=Nameless):
    """An exception of such a class."""

    __str__ = UnprintableError.__str__


class Odd(str):
    """A text that is none when it is used."""

    __slots__ = ()

    def __str__(self) -> str:
        return self

    def __getitem__(self, key: Any) -> Any:
        return [1, 2, 3]


ENDS = (KeyboardInterrupt, SystemExit)
STAYS = (Exception, BaseException, GeneratorExit, StopIteration, asyncio.CancelledError, UnprintableError)


def raising(error: BaseException) -> Callable[..., Any]:
    def call(*_: object) -> Any:
        raise error

    return call


async def let_out() -> list[BaseException]:
    """What comes out of the loop in its next turns: ``_raise`` is called there, and a loop that runs
    tests must not end by it."""
    loop = asyncio.get_running_loop()
    found: list[BaseException] = []
    original = loop.call_soon

    def call_soon(callback: Any, *values: Any, **settings: Any) -> Any:
        if getattr(callback, "__name__", "") == "_raise":
            found.append(values[0])
            return None
        return original(callback, *values, **settings)

    loop.call_soon = call_soon  # type: ignore[method-assign, assignment]  # for this test
    return found


# -- texts
# ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a\nb\x1b[31m", "a b [31m"),
        ("x" * 500, "x" * 197 + "..."),
        (10**5000, "int, which has no text"),
        (UnprintableError(), "UnprintableError, which has no text"),
        ("\ud800", " "),
    ],
    ids=["control characters", "long", "a number too long to print", "no text", "half a character"],
)
def test_somebody_elses_text_is_short_and_printable(what: object, text: str) -> None:
    assert brief(what) == text


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a\nb", "'a\\nb'"),
        (10**5000, "int, which has no text"),
        (UnprintableError(), "UnprintableError, which has no text"),
    ],
    ids=["text", "a number too long to print", "no text"],
)
def test_somebody_elses_value_as_python_writes_it(what: object, text: str) -> None:
    assert shown(what) == text


def test_a_text_that_is_none_when_it_is_used_costs_nothing_but_itself() -> None:
    class Says:
        def __str__(self) -> str:
            return Odd("x")

    assert isinstance(brief(Says()), str)
    assert isinstance(brief(Odd("x")), str)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no reading"), "ValueError: no reading"),
        (ValueError(), "ValueError"),
        (ValueError("ValueError: once"), "ValueError: once"),
        (UnprintableError(), "UnprintableError, which has no text"),
    ],
    ids=["with a text", "without one", "that says its kind", "unprintable"],
)
def test_an_exception_in_words(error: BaseException, text: str) -> None:
    assert describe(error) == text


def test_an_exception_of_which_nothing_can_be_said_has_words_all_the_same() -> None:
    assert describe(NamelessError()) != ""
    assert brief(NamelessError()) != ""


# -- steps
# ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STAYS)
async def test_each_takes_every_step_and_gives_what_was_raised(kind: type[BaseException]) -> None:
    taken: list[int] = []
    out = await let_out()
    error = kind()
    failed = each(lambda: taken.append(1), raising(error), lambda: taken.append(2), raising(ValueError()))
    assert taken == [1, 2]
    assert failed[0] is error
    assert len(failed) == 2
    assert out == []


@pytest.mark.parametrize("kind", ENDS)
async def test_a_wish_to_end_comes_out_when_everybody_was_asked(kind: type[BaseException]) -> None:
    taken: list[int] = []
    out = await let_out()
    error = kind()
    assert each(raising(error), lambda: taken.append(2)) == [error]
    assert taken == [2]
    assert out == [error]


@pytest.mark.parametrize("kind", ENDS)
def test_a_wish_to_end_leaves_the_loop_and_not_before_the_turn_is_over(kind: type[BaseException]) -> None:
    done: list[str] = []

    async def main() -> None:
        each(raising(kind()), lambda: done.append("asked"))
        done.append("the rest of the turn")
        await asyncio.sleep(10)

    with pytest.raises(kind):
        asyncio.run(main())
    assert done == ["asked", "the rest of the turn"]


@pytest.mark.parametrize("kind", ENDS)
def test_without_a_loop_it_is_raised_at_once_but_after_every_step(kind: type[BaseException]) -> None:
    done: list[str] = []
    with pytest.raises(kind):
        each(raising(kind()), lambda: done.append("asked"))
    assert done == ["asked"]


@pytest.mark.parametrize("kind", STAYS)
def test_any_other_exception_is_no_wish_to_end(kind: type[BaseException]) -> None:
    come_back(kind())


async def test_a_port_that_wants_to_end_the_program_again_and_again_ends_it_once() -> None:
    """Each time it came out of the loop while hardware is made safe, it would take
    the loop from under that."""
    out = await let_out()
    for _ in range(5):
        come_back(SystemExit(1))
    assert len(out) == 1


# -- insist
# ---------------------------------------------------------------------------------------------------


async def test_insist_begins_again_however_often_it_is_cancelled_and_says_so() -> None:
    begun: list[int] = []
    over = asyncio.get_running_loop().create_future()

    async def step() -> str:
        begun.append(1)
        await asyncio.shield(over)
        return "done"

    async def main() -> tuple[str | None, bool]:
        return await insist(step, 60.0)

    task = asyncio.create_task(main())
    for count in range(1, 6):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(begun) == count
        task.cancel()
    await asyncio.sleep(0)
    over.set_result(None)
    assert await task == ("done", True)
    assert task.cancelling() == 0


async def test_insist_gives_way_when_its_time_is_over() -> None:
    async def step() -> None:
        await asyncio.sleep(60)

    task = asyncio.create_task(insist(step, 0.0))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == (None, True)


async def test_insist_raises_what_the_step_raises() -> None:
    async def step() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await insist(step, 1.0)


async def test_a_timeout_around_an_insisting_step_is_still_a_timeout() -> None:
    """Whoever cancels by ``asyncio.timeout`` gets a TimeoutError when the caller
    passes the cancellation on."""

    async def step() -> None:
        await asyncio.sleep(0.3)

    async def main() -> None:
        _, cancelled = await insist(step, 60.0)
        if cancelled:
            raise asyncio.CancelledError

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await main()


# -- callbacks
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STAYS)
async def test_a_callback_that_failed_is_not_called_again(kind: type[BaseException]) -> None:
    calls: list[object] = []

    def call(what: object) -> None:
        calls.append(what)
        raise kind

    callback = Callback("it", call)
    assert callback
    callback(1)
    callback(2)
    assert calls == [1]
    assert not callback


@pytest.mark.parametrize("kind", STAYS)
async def test_a_lasting_callback_is_called_again_and_again(kind: type[BaseException]) -> None:
    calls: list[object] = []

    def call(what: object) -> None:
        calls.append(what)
        raise kind

    callback = Callback("it", call, lasting=True)
    callback(1)
    callback(2)
    assert calls == [1, 2]


async def test_a_callback_that_fails_is_said_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        Callback("the observer", raising(UnprintableError()))(1)
        assert logs.flush(20.0)
    assert (
        "the observer failed, and is not called any more: UnprintableError, which has no text" in caplog.text
    )


def test_a_callback_in_a_thread_of_its_own_does_not_end_that_thread() -> None:
    """The watchdog's thread calls ``drop``; it has to go on watching whatever that raises."""
    went_on: list[bool] = []

    def work() -> None:
        callback = Callback("drop", raising(SystemExit(3)), lasting=True)
        callback("reason")
        went_on.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert went_on == [True]


# -- ports
# ----------------------------------------------------------------------------------------------------


class Hostile:
    """Raises ``error`` on every look-up."""

    def __init__(self, error: BaseException) -> None:
        object.__setattr__(self, "error", error)

    def __getattribute__(self, name: str) -> Any:
        raise object.__getattribute__(self, "error")


def as_it_is(value: Any, name: str) -> Any:
    return value


@pytest.mark.parametrize("kind", [*STAYS, *ENDS])
async def test_reading_raises_hardware_errors_and_nothing_else(kind: type[BaseException]) -> None:
    out = await let_out()
    with pytest.raises(HardwareError, match=r"power\.present raised"):
        Port(Hostile(kind()), "power").read("present", as_it_is)
    assert [type(error) for error in out] == ([kind] if kind in ENDS else [])


@pytest.mark.parametrize("kind", [*STAYS, *ENDS])
async def test_so_does_judging_what_was_read(kind: type[BaseException]) -> None:
    out = await let_out()

    class Reads:
        present = 1

    with pytest.raises(HardwareError, match=r"power\.present cannot be judged"):
        Port(Reads(), "power").read("present", lambda value, name: raising(kind())())
    assert [type(error) for error in out] == ([kind] if kind in ENDS else [])


@pytest.mark.parametrize("kind", [*STAYS, *ENDS])
async def test_telling_gives_what_went_wrong(kind: type[BaseException]) -> None:
    out = await let_out()
    assert Port(Hostile(kind()), "energy").tell("needs", 1).startswith("energy.needs raised")
    assert [type(error) for error in out] == ([kind] if kind in ENDS else [])


async def test_looking_up_is_a_part_of_the_call() -> None:
    make = Port(Hostile(ValueError("gone")), "power").call("stop", 1)
    with pytest.raises(ValueError, match="gone"):
        make()


async def test_a_port_that_keeps_the_loop_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late loop is reported with the port that had it: readings and what is told as well as calls."""
    now = [0.0]
    monkeypatch.setattr("iso15118.aio.ports.guard._clock", lambda: now[0])
    monkeypatch.setattr(running, "_calls", type(running._calls)(maxlen=64))

    class Slow:
        @property
        def present(self) -> int:
            now[0] += 0.02
            return 1

        def beat(self, count: int) -> None:
            now[0] += 0.06

    port = Port(Slow(), "power")
    begun = now[0]
    port.read("present", as_it_is)
    assert running.longest(begun) == ("power.present", now[0] - begun)
    port.read("present", as_it_is)
    then = now[0]
    port.tell("beat", 1)
    assert running.longest(begun) == ("power.beat", now[0] - then)
    assert running.longest(now[0]) == ("", 0.0)


async def test_a_callback_that_keeps_the_loop_is_named() -> None:
    import time

    begun = time.perf_counter()
    Callback("the observer of the session", lambda what: time.sleep(0.02))(1)
    assert running.longest(begun)[0] == "the observer of the session"


class Clock:
    """Goes on by as much at each look, so that no machine is too slow for it."""

    def __init__(self, step_s: float) -> None:
        self.now, self.step_s = 1000.0, step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


@pytest.mark.parametrize(("step_s", "named"), [(0.0078125, False), (0.015625, True)])
async def test_only_what_is_worth_it_is_named(
    step_s: float, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(step_s)
    monkeypatch.setattr(guard, "_clock", clock)
    monkeypatch.setattr(guard, "running", guard.Running())
    port = Port(Plain(), "power")
    for name, call in (
        ("power.stop", lambda: port.tell("stop")),
        ("power.present", lambda: port.read("present", lambda value, name: value)),
        ("an observer", Callback("an observer", lambda: None)),
    ):
        since = clock.now
        call()
        assert guard.running.longest(since) == ((name, step_s) if named else ("", 0.0))
        assert guard.running.longest(clock.now) == ("", 0.0)


class Plain:
    """A port as it should be, but for one attribute that raises."""

    present = 5.0

    def stop(self) -> None:
        pass

    @property
    def touchy(self) -> float:
        raise OSError("bus")


def test_an_attribute_that_raises_is_there_and_one_that_is_missing_is_not() -> None:
    port = Port(Plain(), "power")
    assert [port.has(name) for name in ("present", "touchy", "missing")] == [True, True, False]


def test_a_text_just_as_long_as_may_be_is_not_cut() -> None:
    assert brief("x" * 200) == "x" * 200
    assert brief("x" * 201) == "x" * 197 + "..."


@pytest.mark.parametrize(("now", "tick"), [(10.0, 10.5), (10.25, 10.5), (10.49, 10.5), (0.0, 0.5)])
def test_the_next_moment_of_something_done_every_so_often(now: float, tick: float) -> None:
    assert next_tick(now, 0.5) == tick
