"""The port of the heartbeat: a beat that it does not take is said and tried again, several in a row are a
fault, and one that cannot work is refused."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import heartbeat
from iso15118.aio.heartbeat import BEAT_S, HeartbeatLine, HeartbeatMissed, WatchdogThread
from iso15118.aio.ports.guard import Callback
from iso15118.aio.ports.inbox import Inbox
from iso15118.aio.service import Service, ServiceState
from iso15118.errors import ConfigError

from .heart import ENOUGH_S, Line, Owner, until
from .site import Plant, Stopper, site
from .test_watchdog import Over

ERRORS = [OSError("queue full"), asyncio.CancelledError(), GeneratorExit(), BaseException()]


@pytest.mark.parametrize("error", ERRORS)
async def test_a_line_that_fails_is_told_the_next_beat_and_it_is_said_once(error: BaseException) -> None:
    line = Line()
    here = Owner(line)
    here.heartbeat.start()
    line.wrong = error
    await until(lambda: here.service.reason != "")
    assert here.heartbeat.reason == here.service.reason
    assert here.heartbeat.reason.startswith(f"heartbeat.beat raised {type(error).__name__}")
    assert len(line.counts) == 4  # one that went well, and three that did not
    assert here.heartbeat.age < ENOUGH_S  # the process is able: neither a thread nor systemd is to act
    line.wrong = None
    await until(lambda: here.heartbeat.reason == "")
    assert here.service.reason == ""
    assert line.counts == list(range(1, here.heartbeat.count + 1))
    here.heartbeat.stop("")
    told = [news for news in here.news if isinstance(news, HeartbeatMissed)]
    assert [bool(news.reason) for news in told] == [True, False]


async def test_a_line_that_fails_makes_the_heartbeat_no_older(monkeypatch: pytest.MonkeyPatch) -> None:
    """``age`` and ``count`` say what the process is able to do: a watchdog thread drops nothing for a line.
    Its looks are made by the clock of the loop, in a second in which no beat is taken."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(heartbeat, "time", SimpleNamespace(monotonic=loop.time, perf_counter=loop.time))
    line = Line()
    line.wrong = OSError("queue full")
    here, dropped = Owner(line), list[str]()
    watchdog = WatchdogThread(here.heartbeat, dropped.append)

    def look() -> None:
        watchdog._over = Over(1)  # type: ignore[assignment]  # an event that is set behind one look
        watchdog.run()

    here.heartbeat.start()
    for number in range(1, 11):
        await asyncio.sleep(BEAT_S)
        assert here.heartbeat.age <= 2.0 * BEAT_S
        assert here.heartbeat.count >= number
        look()
    assert (dropped, watchdog.dropped) == ([], 0)
    assert "queue full" in here.heartbeat.reason
    assert line.counts == list(range(1, here.heartbeat.count + 1)), "told anew with each beat"
    here.heartbeat.stop("over")
    await asyncio.sleep(0.6)
    look()
    assert dropped == ["over"], "that would have been seen"


async def test_a_line_has_three_beats_from_its_first_one_on() -> None:
    line, shown = Line(), list[str]()
    line.wrong = OSError("queue full")
    service = Service(Callback("the server", shown.append), Inbox())
    told = HeartbeatLine(line, service, lambda: None, Callback("news", None))
    for number in range(1, 6):
        told.beat(number)
        assert bool(shown) is (number >= 3)


async def test_one_beat_that_fails_takes_nothing_out_of_service() -> None:
    line = Line()
    shown: list[str] = []
    here = Owner(line)
    here.service = Service(Callback("the server", shown.append), Inbox())
    here.heartbeat._line = HeartbeatLine(line, here.service, lambda: None, Callback("news", None))
    line.wrong = OSError("queue full")
    here.heartbeat.start()
    assert "queue full" in here.heartbeat.reason
    line.wrong = None
    await until(lambda: len(line.counts) >= 3)
    assert here.heartbeat.reason == ""
    here.heartbeat.stop("")
    assert shown == []


async def test_a_line_that_failed_is_no_reason_any_more_when_nobody_beats() -> None:
    """A client beats only while it runs: it could never run again."""
    line = Line()
    line.wrong = OSError("queue full")
    here = Owner(line)
    here.heartbeat.start()
    await until(lambda: here.service.reason != "")
    here.heartbeat.stop("no session runs")
    assert here.service.reason == ""
    assert here.heartbeat.reason == "no session runs"


async def later(count: int) -> None:
    """Never run."""


def by_steps(count: int) -> Any:
    yield count


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "beat",
    [
        later,
        by_steps,
        lambda count: asyncio.ensure_future(later(count)),
    ],
    ids=["coroutine", "generator", "task"],
)
async def test_what_a_beat_returns_and_nobody_waits_for_is_a_failure_by_name(beat: Any) -> None:
    here = Owner(SimpleNamespace(beat=beat))
    here.heartbeat.start()
    assert "heartbeat.beat returned" in here.heartbeat.reason
    assert "for which nobody waits: write `def beat`" in here.heartbeat.reason
    here.heartbeat.stop("")
    await asyncio.sleep(0)


class Called:
    async def __call__(self, count: int) -> None:
        """Never run."""


@pytest.mark.parametrize(
    "beat",
    [later, by_steps, functools.partial(later), Called(), lambda: None, lambda count, more: None],
    ids=["coroutine", "generator", "partial", "object", "without a number", "with too much"],
)
async def test_a_beat_that_cannot_work_is_refused_when_the_parts_are_put_together(beat: Any) -> None:
    plant = Plant()
    for bundle in (plant.secc, plant.evcc):
        with pytest.raises(ConfigError, match=r"^heartbeat\.beat: "):
            replace(bundle, heartbeat=SimpleNamespace(beat=beat))


@pytest.mark.parametrize(
    "beat", [lambda *numbers: None, lambda number, more=0: None, print, functools.partial(print, 1)]
)
async def test_a_beat_that_may_work_is_taken(beat: Any) -> None:
    assert replace(Plant().secc, heartbeat=SimpleNamespace(beat=beat))


async def test_a_session_ends_by_a_fault_of_the_line_and_no_other_begins_until_it_works() -> None:
    """Firmware opens under power half a second after the last beat, and keeps the contactors open."""
    plant, line = Plant(), Line()
    async with site(plant, station=replace(plant.secc, heartbeat=line)) as here:

        def break_it(client: Any) -> None:
            line.wrong = OSError("queue full")

        stopper = Stopper(5, break_it)
        stopper.client = client = here.client(observer=stopper)
        running = asyncio.create_task(client.run())
        result = await here.server.wait_finished(1)
        await running
        assert result.ended.detail.startswith("heartbeat: heartbeat.beat raised OSError: queue full")
        assert here.server.state is ServiceState.OUT_OF_SERVICE
        assert "queue full" in here.server.out_of_service_because
        line.wrong = None
        await until(lambda: here.server.state is ServiceState.AVAILABLE)
        await here.charge()


async def test_so_does_a_session_of_a_vehicle() -> None:
    async with site() as here:
        line = Line()

        def break_it(client: Any) -> None:
            line.wrong = OSError("queue full")

        stopper = Stopper(5, break_it)
        vehicle = replace(here.plant.evcc, heartbeat=line)
        stopper.client = client = here.client(observer=stopper, vehicle=vehicle)
        result = await client.run()
        assert "queue full" in result.ended.detail


@pytest.mark.parametrize("answer", [False, -1, -5])
async def test_a_beat_that_the_line_says_it_did_not_take_is_missed(answer: Any) -> None:
    """As ``return self.bus.write(...)`` of a driver whose write failed."""
    here = Owner(SimpleNamespace(beat=lambda count: answer))
    here.heartbeat.start()
    await until(lambda: here.service.reason != "")
    assert here.service.reason.startswith(f"heartbeat.beat returned {answer}: it was not done")
    assert any(isinstance(news, HeartbeatMissed) and news.reason for news in here.news)
    here.heartbeat.stop("")


@pytest.mark.parametrize("answer", [None, True, 8])
async def test_a_beat_that_was_written_is_taken(answer: Any) -> None:
    here = Owner(SimpleNamespace(beat=lambda count: answer))
    here.heartbeat.start()
    await until(lambda: here.heartbeat.count > 4)
    assert (here.service.reason, here.heartbeat.reason, here.news) == ("", "", [])
    here.heartbeat.stop("")
