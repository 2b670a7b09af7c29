"""How often things are done by the clock where nobody says otherwise: heartbeats, words to systemd, looks at
files and certificates."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import identity
from iso15118.aio.heartbeat import Heartbeat, LoopLate, WatchdogThread
from iso15118.aio.identity import ExpiryWatch, follow, follow_files
from iso15118.aio.notify import SystemdNotifier
from iso15118.aio.ports.guard import Callback


async def test_a_heartbeat_beats_ten_times_a_second() -> None:
    """From its start on."""
    heart = Heartbeat(lambda: "", Callback("news", None), None)
    heart.start()
    await asyncio.sleep(5.05)
    assert 50 <= heart.count <= 52
    heart.stop("")


@pytest.mark.parametrize(("late_s", "told"), [(0.08, False), (0.12, True)])
async def test_a_loop_that_is_a_tenth_of_a_second_late_is_told(late_s: float, told: bool) -> None:
    """Less is what a busy machine does."""
    news: list[Any] = []
    heart = Heartbeat(lambda: "", Callback("news", news.append), None)
    heart._due_at = asyncio.get_running_loop().time() - late_s
    heart._due()
    heart.stop("")
    assert [type(one) for one in news] == [LoopLate] * told


def test_a_watchdog_drops_after_half_a_second_without_a_beat_unless_told_otherwise() -> None:
    """It looks ten times in that time, drops once for each loss, and says why."""
    ages = [0.45, 0.55, 0.6, 0.1, 0.55]
    waits: list[float] = []
    dropped: list[str] = []
    heart: Any = SimpleNamespace(age=0.0, reason="")

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        if not ages:
            return True
        heart.age = ages.pop(0)
        return False

    watchdog = WatchdogThread(heart, dropped.append)
    over: Any = SimpleNamespace(wait=wait)
    watchdog._over = over
    watchdog.run()
    assert dropped == ["no heartbeat for 0.55 s: the event loop hangs"] * 2
    assert waits == [0.05] * 6


@pytest.mark.parametrize(("usec", "every_s"), [("", 1.0), ("1", 0.02), ("60000", 0.02), ("600000", 0.2)])
async def test_systemd_hears_three_times_in_the_time_that_it_waits_and_otherwise_each_second(
    usec: str, every_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never more than fifty times a second."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    notifier = SystemdNotifier(lambda: None, lambda: "available")
    waits: list[float] = []
    loop: Any = SimpleNamespace(call_later=lambda seconds, call: waits.append(seconds))
    notifier._loop = loop
    notifier._due()
    assert waits == [pytest.approx(every_s)]


class SleptError(Exception):
    """Ends what would go on for ever."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long ``identity`` slept; the second time ends it."""
    seconds: list[float] = []

    async def sleep(number: float) -> None:
        seconds.append(number)
        if len(seconds) == 2:
            raise SleptError

    monkeypatch.setattr(identity, "asyncio", SimpleNamespace(sleep=sleep, to_thread=asyncio.to_thread))
    return seconds


async def test_files_of_certificates_are_looked_at_every_ten_seconds(waits: list[float]) -> None:
    """Those of TLS as all others."""
    renewed: list[Any] = []
    tls: Any = SimpleNamespace(renew=renewed.append)
    for followed in (
        follow(lambda: "state", lambda: "read", renewed.append, began_with=None),
        follow_files(tls, lambda: "state", lambda: "read", began_with=None),  # type: ignore[arg-type,return-value]
    ):
        waits.clear()
        with pytest.raises(SleptError):
            await followed
        assert waits == [10.0, 10.0]
    assert renewed == ["read", "read"]


async def test_certificates_are_looked_at_four_times_a_day(waits: list[float]) -> None:
    """For what runs out while a station serves."""
    watch = ExpiryWatch(lambda: None)
    with pytest.raises(SleptError):
        await watch.run()
    assert waits == [6 * 60 * 60.0] * 2
