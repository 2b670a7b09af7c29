"""The watchdog and the beats by themselves, on clocks of the test: what is lost and when, how often it is
said, and how late a loop was."""

from __future__ import annotations

import asyncio
import functools
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import logs
from iso15118.aio.heartbeat import BEAT_S, Heartbeat, LoopLate, WatchdogThread
from iso15118.aio.ports.guard import Callback
from iso15118.errors import ConfigError


class Beating:
    """A heartbeat whose age the test tells, one for each look."""

    def __init__(self, *ages: float, reason: str = "") -> None:
        self.ages, self.reason = list(ages), reason

    @property
    def age(self) -> float:
        return self.ages.pop(0)


class Over:
    """So many looks; notes how long each waits."""

    def __init__(self, looks: int) -> None:
        self.looks, self.waited = looks, set[float]()

    def wait(self, seconds: float) -> bool:
        self.waited.add(seconds)
        self.looks -= 1
        return self.looks < 0

    def set(self) -> None:
        self.looks = 0


def watched(*ages: float, reason: str = "", limit_s: float = 0.5) -> tuple[list[str], WatchdogThread, Over]:
    """What the watchdog says to these ages."""
    said: list[str] = []
    heartbeat: Any = Beating(*ages, reason=reason)
    watchdog = WatchdogThread(heartbeat, said.append, limit_s)
    over = Over(len(ages))
    watchdog._over = over  # type: ignore[assignment]
    watchdog.run()
    return said, watchdog, over


def test_what_is_lost_is_dropped_once_and_again_when_it_was_back() -> None:
    said, watchdog, over = watched(0.1, 0.5, 0.51, 0.6, 2.0, 0.5, 0.7, 0.8)
    assert said == [
        "no heartbeat for 0.51 s: the event loop hangs",
        "no heartbeat for 0.70 s: the event loop hangs",
    ]
    assert watchdog.dropped == 2
    assert over.waited == {0.05}, "ten times as often as it may be lost"
    assert watchdog.daemon


def test_a_watchdog_that_sees_every_beat_says_nothing() -> None:
    said, watchdog, _ = watched(0.0, 0.1, 0.5)
    assert (said, watchdog.dropped) == ([], 0)


def test_why_the_heartbeat_stopped_is_said_if_it_says_so() -> None:
    assert watched(1.0, reason="contactors.open failed")[0] == ["contactors.open failed"]


def watched_by(drop: Any, *ages: Any) -> WatchdogThread:
    heartbeat: Any = Beating(*ages)
    watchdog = WatchdogThread(heartbeat, drop, 0.5)
    watchdog._over = Over(len(ages))  # type: ignore[assignment]
    thread = threading.Thread(target=watchdog.run)
    thread.start()
    thread.join()
    return watchdog


@pytest.mark.parametrize("error", [OSError("gpio busy"), KeyboardInterrupt(), SystemExit(1), BaseException()])
def test_a_drop_that_raises_is_called_again_until_it_works(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []

    def drop(reason: str) -> None:
        calls.append(reason)
        if len(calls) <= 2:
            raise error

    watchdog = watched_by(drop, 1.0, 1.1, 1.2, 1.3, 1.4)
    logs.flush()
    assert (len(calls), watchdog.dropped) == (3, 1)
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith(f"watchdog.drop raised {type(error).__name__}")
    assert said[1:] == ["watchdog.drop worked; calls that failed before: 2"]


def test_a_drop_that_goes_on_failing_is_said_at_first_then_seldom_and_when_it_fails_in_another_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[str] = []

    def drop(reason: str) -> None:
        calls.append(reason)
        if len(calls) <= 253:
            raise OSError("gpio busy" if len(calls) < 252 else "gpio gone")

    watchdog = watched_by(drop, *[1.0] * 300)
    logs.flush()
    assert (len(calls), watchdog.dropped) == (254, 1)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        *(
            f"watchdog.drop raised OSError: gpio {how}; it is called again (calls that failed: {count})"
            for how, count in (("busy", 1), ("busy", 100), ("busy", 200), ("gone", 252))
        ),
        "watchdog.drop worked; calls that failed before: 253",
    ]


def test_what_failed_before_the_heart_was_back_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    def drop(reason: str) -> None:
        raise ValueError("gpio busy")

    watched_by(drop, 1.0, 1.1, 0.1, 1.0)
    logs.flush()
    said = [record.getMessage() for record in caplog.records]
    again = "watchdog.drop raised ValueError: gpio busy; it is called again (calls that failed: 1)"
    assert said == [again, again]


def test_a_drop_that_fails_is_called_no_more_when_the_heart_beats() -> None:
    calls: list[str] = []

    def drop(reason: str) -> None:
        calls.append(reason)
        raise ValueError

    watchdog = watched_by(drop, 1.0, 0.1, 0.2, 1.0, 1.1)
    assert (len(calls), watchdog.dropped) == (3, 0)


async def later(reason: str) -> None:
    """Never run."""


def by_steps(reason: str) -> Any:
    yield reason


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "make", [later, by_steps, lambda reason: Future[None]()], ids=["coroutine", "generator", "future"]
)
def test_what_a_drop_returns_and_nobody_waits_for_dropped_nothing(make: Any) -> None:
    def drop(reason: str) -> Any:
        return make(reason)

    assert watched_by(drop, 1.0, 1.1).dropped == 0


class Broken:
    """A heartbeat of somebody else, which cannot be read."""

    reason = ""

    def __init__(self, age: Any) -> None:
        self._age = age

    @property
    def age(self) -> Any:
        if isinstance(self._age, BaseException):
            raise self._age
        return self._age


@pytest.mark.parametrize("age", [RuntimeError("no"), None, "0.1", float("nan"), True])
def test_a_heartbeat_that_cannot_be_read_is_lost(age: Any) -> None:
    said: list[str] = []
    heartbeat: Any = Broken(age)
    watchdog = WatchdogThread(heartbeat, said.append)
    watchdog._over = Over(2)  # type: ignore[assignment]
    watchdog.run()
    assert watchdog.dropped == 1
    assert said[0].startswith("heartbeat.age ")


class Called:
    async def __call__(self, reason: str) -> None:
        """Never run."""


@pytest.mark.parametrize(
    "drop",
    [
        None,
        "drop",
        later,
        by_steps,
        functools.partial(later),
        Called(),
        lambda: None,
        lambda reason, more: None,
    ],
)
def test_a_drop_that_cannot_work_is_refused(drop: Any) -> None:
    heartbeat: Any = Beating()
    with pytest.raises(ConfigError, match=r"^drop: "):
        WatchdogThread(heartbeat, drop)


@pytest.mark.parametrize("heartbeat", [None, object(), Heartbeat, SimpleNamespace(heartbeat=1)])
def test_what_is_no_heartbeat_is_refused(heartbeat: Any) -> None:
    """Such as a server in place of its heartbeat."""
    with pytest.raises(ConfigError, match=r"^heartbeat: .*server\.heartbeat"):
        WatchdogThread(heartbeat, print)


@pytest.mark.parametrize("limit_s", ["0.5", None, True, 10.01, 500, float("inf")])
def test_a_limit_that_is_too_long_or_none_is_refused(limit_s: Any) -> None:
    with pytest.raises(ConfigError, match=r"^limit_s: .*from 0\.4 to 10"):
        watched(0.0, limit_s=limit_s)


def test_the_least_limit_is_four_beats() -> None:
    watched(0.0, limit_s=4 * BEAT_S)
    with pytest.raises(ConfigError, match="limit_s"):
        watched(0.0, limit_s=3.9 * BEAT_S)


# -- beats


async def test_beats_come_ten_times_a_second_and_a_loop_that_turns_is_not_late() -> None:
    news: list[Any] = []
    heartbeat = Heartbeat(lambda: "", Callback("news", news.append), None)
    heartbeat.start()
    heartbeat.start()  # begun anew, and not twice
    await asyncio.sleep(1.05)
    assert heartbeat.count == pytest.approx(12, abs=1)
    heartbeat.stop("closed")
    count = heartbeat.count
    await asyncio.sleep(1.0)
    assert (heartbeat.count, heartbeat.reason) == (count, "closed")
    assert news == []


async def test_a_loop_that_did_not_turn_is_told_how_late_it_was() -> None:
    news: list[Any] = []
    heartbeat = Heartbeat(lambda: "", Callback("news", news.append), None)
    heartbeat.start()
    await asyncio.sleep(0)
    loop: Any = asyncio.get_running_loop()
    for late_s, told in ((0.05, False), (0.5, True)):
        at = heartbeat._due_at
        loop.pass_time(at - loop.time() + late_s)
        await asyncio.sleep(0.001)
        assert bool(news) is told
    assert [type(one) for one in news] == [LoopLate]
    assert news[0].seconds == pytest.approx(0.5, abs=0.01)
    heartbeat.stop("")


@pytest.mark.parametrize("answer", [False, -1])
def test_a_drop_that_says_it_was_not_done_is_called_again(answer: Any) -> None:
    answers = iter([answer, True])
    watchdog = watched_by(lambda reason: next(answers), 1.0, 1.1, 1.2)
    watchdog.run()
    assert watchdog.dropped == 1
    assert next(answers, None) is None
