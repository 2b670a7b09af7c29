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

    @staticmethod
    def _ends_within_s(served: Any) -> float:
        return 12.0


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

        def end(self, within_s: float) -> None: ...

    class Served(Thing):
        ends_within_s = 12.0

        @property
        def sessions(self) -> Any:
            return self

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


# -- a loop that is taken away -------------------------------------------------------------------------------


class Runs:
    """Work whose end takes a few turns of the loop, as hardware does that is made safe."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.done: list[str] = []
        self.wishes = 0
        """So often somebody wishes to end the program while this ends."""

    async def __call__(self) -> None:
        self.began.set()
        try:
            await asyncio.sleep(1000.0)
        finally:
            for _ in range(20):
                if self.wishes:
                    self.wishes -= 1
                    asyncio.get_running_loop().call_soon(ends_the_program)
                await asyncio.sleep(0.001)
            self.done.append("safe")


def ends_the_program() -> None:
    raise SystemExit("so says a port")


def take_away(loop: _Loop, how: str) -> None:
    asked = loop.loop.stop if how == "stopped" else ends_the_program
    loop.loop.call_soon_threadsafe(asked)
    loop._thread.join(PATIENCE_S)
    assert not loop._thread.is_alive()


@pytest.mark.parametrize("wishes", [0, 3])
@pytest.mark.parametrize("how", ["raised", "stopped"])
def test_what_runs_is_brought_to_its_end_when_a_port_takes_the_loop_away(
    how: str, wishes: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It was closed at once, with whatever the hardware had been told last."""
    loop, runs = _Loop("iso15118 thing"), Runs()
    runs.wishes = wishes
    told: list[str] = []

    def waits() -> None:
        with pytest.raises(MisuseError, match="its event loop has ended"):
            loop.call(runs, None)
        told.append("told")

    waiting = threading.Thread(target=waits)
    waiting.start()
    assert runs.began.wait(PATIENCE_S)
    take_away(loop, how)
    waiting.join(PATIENCE_S)
    assert (runs.done, told, loop.loop.is_closed()) == (["safe"], ["told"], True)
    why = "somebody stopped it" if how == "stopped" else "SystemExit: so says a port"
    with pytest.raises(MisuseError, match=why):
        loop.call(runs, None)
    loop.end(PATIENCE_S)
    assert flush(60.0)
    assert f"iso15118 thing: its event loop was taken away: {why}" in caplog.text


def test_what_does_not_end_keeps_no_loop_that_was_taken_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("_CLOSES_S", "_LAST_S"):
        monkeypatch.setattr(f"iso15118.aio.background.{name}", 0.05)
    loop, began, told = _Loop("iso15118 thing"), threading.Event(), list[str]()

    async def stubborn() -> None:
        while True:
            began.set()
            try:
                await asyncio.sleep(1000.0)
            except asyncio.CancelledError:
                continue

    def waits() -> None:
        with pytest.raises(MisuseError, match="its event loop has ended"):
            loop.call(stubborn, None)
        told.append("told")

    waiting = threading.Thread(target=waits)
    waiting.start()
    assert began.wait(PATIENCE_S)
    take_away(loop, "raised")
    waiting.join(PATIENCE_S)
    assert told == ["told"], "nobody waits for what is lost"
    loop.end(PATIENCE_S)
    assert flush(60.0)
    assert "iso15118 thing: 1 tasks were not over in time" in caplog.text


@pytest.mark.parametrize("fails", [(), ("close",)])
def test_what_was_opened_in_a_loop_that_is_taken_away_is_closed_there_and_left_in_order(
    fails: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    thing = Thing(*fails)
    with Held(lambda clock: thing) as held:
        loop, _ = held._inside()
        take_away(loop, "raised")
        assert thing.done == ["open", "close"]
    assert (thing.done, threads()) == (["open", "close"], [])
    assert flush(60.0)
    assert ("at its end: OSError: close" in caplog.text) is bool(fails)
    thing.fails = ()
    with held:
        assert thing.done[2:] == ["open"], "it can be opened anew"
    assert thing.done[3:] == ["close"]


# -- a caller that is interrupted ----------------------------------------------------------------------------


class Impatient:
    """What a caller waits for, who presses Ctrl-C several times meanwhile."""

    times = 3

    def __init__(self, real: Any) -> None:
        self.real = real

    def result(self, timeout_s: float | None) -> Any:
        if Impatient.times:
            Impatient.times -= 1
            raise KeyboardInterrupt
        return self.real.result(timeout_s)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_a_loop_is_not_stopped_under_what_runs_however_often_its_caller_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The third Ctrl-C stopped it under closed contactors."""
    loop, runs = _Loop("iso15118 thing"), Runs()
    asyncio.run_coroutine_threadsafe(loop._tracked(runs), loop.loop)
    assert runs.began.wait(PATIENCE_S)
    real, join = asyncio.run_coroutine_threadsafe, loop._thread.join
    joins: list[float | None] = []

    def joined(timeout_s: float | None = None) -> None:
        joins.append(timeout_s)
        if len(joins) == 1:
            raise KeyboardInterrupt
        join(timeout_s)

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", lambda *what: Impatient(real(*what)))
    monkeypatch.setattr(loop._thread, "join", joined)
    monkeypatch.setattr(Impatient, "times", 3)
    with pytest.raises(KeyboardInterrupt):
        loop.end(PATIENCE_S)
    assert (runs.done, Impatient.times, len(joins)) == (["safe"], 0, 2)
    assert threads() == []
