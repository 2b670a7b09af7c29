"""A loop in a thread of its own, for programs that have none: what takes too long is cancelled there, and
whatever fails on the way in or out, the thread ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import Any

import pytest

from iso15118.aio import background
from iso15118.aio.background import BackgroundStation, BackgroundVehicle, _Background, _Loop
from iso15118.aio.logs import flush
from iso15118.errors import LinkTimeoutError, MisuseError

PATIENCE_S = 60.0


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("iso15118 thing")]


@pytest.fixture
def loop() -> Any:
    made = _Loop("iso15118 thing")
    yield made
    made.end(PATIENCE_S)
    assert threads() == []
    assert made.loop.is_closed()


def test_a_thread_of_the_loop_keeps_no_program_from_ending(loop: _Loop) -> None:
    (thread,) = (one for one in threading.enumerate() if one.name == "iso15118 thing")
    assert thread.daemon


def test_a_loop_in_which_nothing_was_opened_takes_as_long_as_what_was_called(loop: _Loop) -> None:
    assert loop.may_take_s() == background._CLOSES_S
    assert not loop.taken_away


class Late:
    """What a caller waits for: his time is over as soon as the work has begun, on any machine."""

    def __init__(self, real: Any, began: threading.Event) -> None:
        self.real, self.began = real, began

    def result(self, timeout_s: float) -> Any:
        assert timeout_s == 7.0
        assert self.began.wait(PATIENCE_S)
        raise concurrent.futures.TimeoutError

    def done(self) -> bool:
        return bool(self.real.done())

    def cancel(self) -> None:
        self.real.cancel()


def test_a_session_that_was_begun_is_dropped_when_its_time_is_over(
    loop: _Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, ended = threading.Event(), threading.Event()

    async def runs() -> None:
        began.set()
        try:
            await asyncio.sleep(1000.0)
        finally:
            ended.set()  # where its hardware is made safe

    real = asyncio.run_coroutine_threadsafe
    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", lambda *what: Late(real(*what), began))
    with pytest.raises(LinkTimeoutError, match="no end after 7 s"):
        loop.call(runs, 7.0)
    assert ended.wait(PATIENCE_S)


def test_a_loop_ends_when_what_was_begun_in_it_has_made_its_hardware_safe() -> None:
    """Whoever leaves the block while a session runs: in another thread, or because its time was over."""
    loop, began = _Loop("iso15118 thing"), threading.Event()
    done: list[str] = []

    async def runs() -> None:
        began.set()
        try:
            await asyncio.sleep(1000.0)
        finally:
            for _ in range(20):  # open contactors, wait for them, retract
                await asyncio.sleep(0.001)
            done.append("safe")

    def waits() -> None:
        with pytest.raises(MisuseError, match="it was closed meanwhile"):
            loop.call(runs, None)
        done.append("told")

    waiting = threading.Thread(target=waits)
    waiting.start()
    assert began.wait(PATIENCE_S)
    loop.end(PATIENCE_S)
    waiting.join(PATIENCE_S)
    assert sorted(done) == ["safe", "told"]
    assert threads() == []


def test_what_does_not_end_in_its_time_is_told_and_kept_from_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop, began = _Loop("iso15118 thing"), threading.Event()

    async def stubborn() -> None:
        while True:
            began.set()
            try:
                await asyncio.sleep(1000.0)
            except asyncio.CancelledError:
                continue

    asyncio.run_coroutine_threadsafe(loop._tracked(stubborn), loop.loop)
    assert began.wait(PATIENCE_S)
    loop.end(0.05)
    loop._thread.join(PATIENCE_S)
    assert threads() == []
    assert flush(60.0)
    assert "iso15118 thing: what it did was not over after 0.05 s" in caplog.text


class Interrupted(Late):
    """The caller's program is to end, as by Ctrl-C."""

    def result(self, timeout_s: float) -> Any:
        assert self.began.wait(PATIENCE_S)
        raise KeyboardInterrupt


def test_a_session_whose_caller_is_interrupted_is_dropped(
    loop: _Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go on under power, with nobody to wait for it."""
    began, ended = threading.Event(), threading.Event()

    async def runs() -> None:
        began.set()
        try:
            await asyncio.sleep(1000.0)
        finally:
            ended.set()

    real = asyncio.run_coroutine_threadsafe
    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", lambda *what: Interrupted(real(*what), began))
    with pytest.raises(KeyboardInterrupt):
        loop.call(runs, 7.0)
    assert ended.wait(PATIENCE_S)


def test_what_still_runs_when_the_thread_ends_comes_to_its_own_end_first() -> None:
    """A driver makes its hardware safe when all tasks are ended, which takes turns of the loop."""
    loop = _Loop("iso15118 thing")
    began, safe = threading.Event(), threading.Event()

    async def drives() -> None:
        began.set()
        try:
            await asyncio.sleep(1000.0)
        finally:
            for _ in range(5):
                await asyncio.sleep(0.001)
            safe.set()

    asyncio.run_coroutine_threadsafe(drives(), loop.loop)
    assert began.wait(PATIENCE_S)
    loop.end(PATIENCE_S)
    assert safe.is_set()
    assert loop.loop.is_closed()
    assert threads() == []


def test_what_the_work_gives_or_raises_comes_out(loop: _Loop) -> None:
    async def gives() -> int:
        return 5

    async def raises() -> None:
        raise TimeoutError("its own")

    assert loop.call(gives, None) == 5
    with pytest.raises(TimeoutError, match="its own") as caught:
        loop.call(raises, PATIENCE_S)
    assert not isinstance(caught.value, LinkTimeoutError)


class Thing:
    """What is opened and closed; either may fail."""

    ends_within_s: Any = 12.0

    def __init__(self, *fails: str) -> None:
        self.fails = fails
        self.done: list[str] = []

    async def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.fails:
            raise OSError(what)

    async def open(self) -> None:
        await self._do("open")

    async def close(self) -> None:
        await self._do("close")


class Held(_Background[Any]):
    _WHAT = "thing"


def test_it_is_opened_and_closed_in_the_thread_and_may_be_used_between() -> None:
    thing = Thing()
    held = Held(lambda clock: thing)
    for _ in range(2):
        with held:
            assert held._inside()[1] is thing
            assert threads() == ["iso15118 thing"]
        assert threads() == []
        with pytest.raises(MisuseError, match="the thing is not open: use it with 'with'"):
            held._inside()
    assert thing.done == ["open", "close"] * 2
    held.__exit__(None, None, None)
    assert thing.done[4:] == [], "leaving twice is harmless"


def test_the_end_of_a_session_is_given_what_its_ports_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty seconds cut off a device that retracts for fifty-five."""
    bounds: dict[str, float | None] = {}
    call = _Loop.call

    def noted(self: _Loop, work: Any, timeout_s: float | None) -> Any:
        bounds[work.__name__] = timeout_s
        return call(self, work, timeout_s)

    monkeypatch.setattr(_Loop, "call", noted)
    with Held(lambda clock: Thing()):
        pass
    assert bounds == {"_open": 30.0, "close": 42.0, "_wind_up": 42.0}


def test_an_end_whose_time_cannot_be_reckoned_is_taken_all_the_same() -> None:
    thing = Thing()
    with Held(lambda clock: thing):
        thing.ends_within_s = None  # no number
    assert (thing.done, threads()) == (["open", "close"], [])


def test_one_that_cannot_be_opened_leaves_no_thread() -> None:
    thing = Thing("open")
    held = Held(lambda clock: thing)
    with pytest.raises(OSError, match="open"):
        held.__enter__()
    assert (threads(), thing.done) == ([], ["open"])
    with pytest.raises(MisuseError):
        held._inside()


def test_one_that_cannot_be_closed_leaves_no_thread_either() -> None:
    thing = Thing("close")
    with pytest.raises(OSError, match="close"), Held(lambda clock: thing):
        pass
    assert (threads(), thing.done) == ([], ["open", "close"])


def test_one_that_is_entered_and_not_opened_yet_cannot_be_used() -> None:
    held = Held(lambda clock: Thing())
    held._loop = _Loop("iso15118 thing")
    with pytest.raises(MisuseError):
        held._inside()
    held.__exit__(None, None, None)
    assert threads() == []


def test_callers_wait_half_a_minute_to_open_and_to_close_and_five_for_a_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless they say otherwise; the first session is the one that is waited for."""
    waits: list[float | None] = []

    class Calls:
        taken_away = False

        def __init__(self, name: str) -> None: ...

        def call(self, work: Any, timeout_s: float | None) -> Any:
            waits.append(timeout_s)
            return asyncio.run(work())

        def may_take_s(self) -> float:
            return 30.0 + self.leaves_within_s()

        def leaves_within_s(self) -> float:
            raise AssertionError("replaced when something is opened")

        def end(self, within_s: float) -> None: ...

        def need_another_thread(self) -> None: ...

    class Served(Thing):
        async def wait_finished(self, count: int) -> int:
            return count

        async def run(self, station: Any) -> Any:
            return station

    monkeypatch.setattr(background, "_Loop", Calls)
    station: Any = BackgroundStation.__new__(BackgroundStation)
    vehicle: Any = BackgroundVehicle.__new__(BackgroundVehicle)
    for one in (station, vehicle):
        _Background.__init__(one, lambda clock: Served())
    with station, vehicle:
        assert station.wait_finished() == 1
        assert station.wait_finished(2, timeout_s=5.0) == 2
        assert vehicle.run() is None
    assert waits == [30.0, 30.0, 300.0, 5.0, 300.0, 42.0, 42.0]


def test_the_end_of_a_thread_is_waited_for_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """So long what runs there has to come to its end, and so long its caller waits for that."""
    limits: list[float | None] = []
    wait = asyncio.wait

    async def noted(tasks: Any, **how: Any) -> Any:
        limits.append(how["timeout"])
        return await wait(tasks, **how)

    async def runs() -> None:
        began.set()
        await asyncio.sleep(1000.0)

    began = threading.Event()
    loop = _Loop("iso15118 thing")
    join = loop._thread.join

    def joined(seconds: float) -> None:
        limits.append(seconds)
        join(seconds)

    monkeypatch.setattr(loop._thread, "join", joined)
    monkeypatch.setattr(asyncio, "wait", noted)
    asyncio.run_coroutine_threadsafe(runs(), loop.loop)
    assert began.wait(PATIENCE_S)
    loop.end(PATIENCE_S)
    assert 0.0 < (limits[0] or 0.0) <= 30.0 == limits[1]
