"""A loop in a thread of its own that is taken away from what runs in it, or whose caller is interrupted: what
runs is brought to its end, hardware first, before the loop is closed."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import background
from iso15118.aio.background import _Loop
from iso15118.aio.logs import flush
from iso15118.errors import MisuseError
from tests.aio.test_background_loop import PATIENCE_S, Held, Thing, threads

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
                    asyncio.get_running_loop().call_soon(ends_the_program, f"wish {self.wishes}")
                with suppress(asyncio.CancelledError):  # as a driver does: each interruption cancels anew
                    await asyncio.sleep(0.001)
            self.done.append("safe")


def ends_the_program(why: str = "so says a port") -> None:
    raise SystemExit(why)


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
    again = [one.getMessage() for one in caplog.records if "at its end" in one.getMessage()]
    first = "iso15118 thing: at its end: SystemExit: wish 2"
    assert again == ([first] if wishes else []), "one more wish than the one that is fulfilled"


def test_when_a_loop_that_was_taken_away_is_closed_at_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    loop = _Loop("iso15118 thing")
    loop.leaves_within_s = lambda: 12.0
    take_away(loop, "raised")
    assert loop._gone_by == 1000.0 + 12.0 + 30.0 + 2.0
    assert loop.taken_away


def test_what_nobody_called_has_a_time_of_its_own_behind_that_of_what_was_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "_CLOSES_S", 0.05)
    monkeypatch.setattr(background, "_LAST_S", PATIENCE_S)
    loop, began, done = _Loop("iso15118 thing"), threading.Event(), list[str]()

    async def stubborn() -> None:
        began.set()
        while not done:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    async def drives() -> None:
        try:
            await asyncio.sleep(1000.0)
        finally:
            for _ in range(20):
                await asyncio.sleep(0.01)
            done.append("safe")

    asyncio.run_coroutine_threadsafe(drives(), loop.loop)
    asyncio.run_coroutine_threadsafe(loop._tracked(stubborn), loop.loop)
    assert began.wait(PATIENCE_S)
    take_away(loop, "raised")
    assert done == ["safe"]
    loop.end(PATIENCE_S)


def test_what_was_opened_is_given_its_time_to_leave_when_its_loop_was_taken_away() -> None:
    loop, done = _Loop("iso15118 thing"), list[str]()

    async def leave() -> None:
        try:
            await asyncio.sleep(0.1)
            done.append("left")
        except asyncio.CancelledError:
            done.append("cancelled")
            raise

    loop.leave, loop.leaves_within_s = leave, lambda: PATIENCE_S
    take_away(loop, "raised")
    assert done == ["left"]
    loop.end(PATIENCE_S)


def test_an_end_that_is_no_ones_misuse_comes_out_and_that_of_a_loop_which_is_gone_does_not() -> None:

    class Misused(Thing):
        async def close(self) -> None:
            raise MisuseError("of the thing itself")

    with pytest.raises(MisuseError, match="of the thing itself"), Held(lambda clock: Misused()):
        pass
    assert threads() == []

    class TakenAway(Thing):
        async def close(self) -> None:
            await super().close()
            if self.done.count("close") == 1:
                asyncio.get_running_loop().call_soon(ends_the_program)
                await asyncio.sleep(1000.0)

    thing = TakenAway()
    with Held(lambda clock: thing):
        pass
    assert thing.done == ["open", "close", "close"], "it is closed where the loop is brought to its end"
    assert threads() == []


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


def test_a_caller_that_is_interrupted_once_hears_of_it_when_the_loop_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, real = _Loop("iso15118 thing"), asyncio.run_coroutine_threadsafe
    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", lambda *what: Impatient(real(*what)))
    monkeypatch.setattr(Impatient, "times", 1)
    with pytest.raises(KeyboardInterrupt):
        loop.end(PATIENCE_S)
    assert (Impatient.times, threads()) == (0, [])


@pytest.mark.parametrize(("each_s", "waits"), [(5.0, [10.0, 5.0]), (4.5, [10.0, 5.5, 1.0]), (11.0, [10.0])])
def test_what_interrupts_a_wait_makes_it_no_longer(
    each_s: float, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, waited = [100.0], list[float]()
    monkeypatch.setattr(background, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def wait(left_s: float) -> None:
        waited.append(left_s)
        now[0] += each_s
        raise KeyboardInterrupt(len(waited))

    interrupted = background._waited_for(wait, 10.0)
    assert waited == waits
    assert interrupted is not None
    assert interrupted.args == (1,), "the first one"
