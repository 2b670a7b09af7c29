"""A site with played servers: when it opens and closes, what it does about one that fails, hangs or was put
off, and what it tells of results.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import Site
from iso15118.aio.logs import flush
from iso15118.errors import ConfigError, LinkError, MisuseError
from tests.aio.test_settling import now


class Server:
    """Opens and closes as the test wants it, and has results when it says so."""

    ends_within_s = 0.0

    def __init__(self, *fails: Exception) -> None:
        self.fails = list(fails)
        self.opens_s = self.closes_s = 0.0
        self.close_fails: Exception | None = None
        self.done: list[Any] = []
        self.tries: list[float] = []
        self.finished = 0
        self.lost: set[int] = set()
        self.any_session: object | None = None
        self.unreachable_because = ""
        self.heartbeat = SimpleNamespace(age=1.0)
        self._news = asyncio.Event()

    async def open(self) -> None:
        self.tries.append(now())
        try:
            await asyncio.sleep(self.opens_s)
        except asyncio.CancelledError:
            self.done.append("not opened")
            raise
        if self.fails:
            raise self.fails.pop(0)
        self.done.append("opened")

    async def close(self) -> None:
        try:
            await asyncio.sleep(self.closes_s)
        except asyncio.CancelledError:
            self.done.append("not closed")
            raise
        if self.close_fails is not None:
            raise self.close_fails
        self.done.append("closed")

    def ends(self, count: int = 1) -> None:
        self.finished += count
        self._news.set()

    async def wait_finished(self, number: int) -> str:
        while self.finished < number:
            self._news.clear()
            await self._news.wait()
        if number in self.lost:
            raise MisuseError("it is not kept any more")
        return f"result {number}"


def site(servers: dict[str, Server], **how: Any) -> Site:
    return Site(servers, **how)  # type: ignore[arg-type]


async def turns() -> None:
    await asyncio.sleep(0.05)


async def test_every_connector_is_opened_at_the_same_time_and_told_when_vehicles_can_come() -> None:
    left, right = Server(), Server()
    left.opens_s = right.opens_s = 3.0
    left.closes_s = right.closes_s = 4.0
    told: list[str] = []
    began = now()
    async with site({"left": left, "right": right}, listening=lambda name, server: told.append(name)) as made:
        assert now() - began == pytest.approx(3.0, abs=0.1)
        assert told == ["left", "right"]
        assert (made.problems, made.in_session, made.finished) == ({}, (), 0)
        began = now()
    assert now() - began == pytest.approx(4.0, abs=0.1)
    assert left.done == right.done == ["opened", "closed"]


async def test_one_that_cannot_be_opened_is_tried_every_five_seconds_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another reason is said, too."""
    same = LinkError("no such interface")
    left, right = Server(same, same, same, RuntimeError("odd"), same), Server()
    told: list[str] = []
    async with site({"left": left, "right": right}, listening=lambda name, server: told.append(name)) as made:
        assert told == ["right"]
        assert made.problems == {"left": "LinkError: no such interface"}
        await asyncio.sleep(26.0)
        assert made.problems == {}
        assert told == ["right", "left"]
        began = left.tries[0]
        waited = [one - began for one in left.tries]
        assert waited == pytest.approx([0.0, 5.0, 10.0, 15.0, 20.0, 25.0], abs=0.1)
        right.unreachable_because = "the link is down"
        assert made.problems == {"right": "the link is down"}
    assert flush(60.0)
    assert caplog.text.count("connector left cannot be opened: LinkError: no such interface") == 2
    assert caplog.text.count("connector left cannot be opened: ") == 3


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (ConfigError("power", "is none", "a supply"), r"power: at connector 'right': is none \(a supply\)"),
        (MisuseError("open already"), "^open already$"),
    ],
)
async def test_what_cannot_get_right_by_waiting_is_raised_and_all_are_closed(
    error: Exception, named: str
) -> None:
    """The others have been opened by then, and are not left open; the site can be opened again."""
    left, right = Server(), Server(error)
    made = site({"left": left, "right": right})
    with pytest.raises(type(error), match=named):
        await made.open()
    assert left.done == ["opened", "closed"]
    assert right.done == ["closed"]
    async with made:
        assert made.problems == {}
    assert left.done == ["opened", "closed"] * 2


async def test_who_is_cancelled_while_it_opens_leaves_nothing_open() -> None:
    left, right = Server(), Server()
    right.opens_s = 10.0
    opening = asyncio.create_task(site({"left": left, "right": right}).open())
    await asyncio.sleep(1.0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert left.done == ["opened", "closed"]
    assert right.done == ["not opened", "closed"]


async def test_results_are_told_once_and_in_order_also_those_of_the_end_and_one_that_is_lost_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    left, right = Server(), Server()
    told: list[Any] = []
    made = site({"left": left, "right": right}, finished=lambda name, result: told.append((name, result)))
    async with made:
        left.ends(2)
        await made.wait_finished(2)
        assert told == [("left", "result 1"), ("left", "result 2")]
        right.lost.add(1)
        right.ends(2)
        await made.wait_finished(4)
        assert told[2:] == [("right", "result 2")]
        assert made.finished == 4
        left.any_session = object()
        assert made.in_session == ("left",)
        waiting = asyncio.create_task(made.wait_finished(6))
        await turns()
        left.finished += 1  # it ends with the site
    assert told[3:] == [("left", "result 3")]
    with pytest.raises(MisuseError, match="this site is not open"):
        await waiting
    left.ends()
    await turns()
    assert len(told) == 4, "what comes after the end of the site is not told"
    assert flush(60.0)
    assert "a result of connector right is lost: it is not kept any more" in caplog.text


async def test_who_waits_for_results_of_a_site_that_is_closed_waits_no_longer() -> None:
    async with site({"left": Server()}) as made:
        waiting = asyncio.create_task(made.wait_finished(1))
        await turns()
    with pytest.raises(MisuseError, match="this site is not open"):
        await asyncio.wait_for(waiting, 10.0)


async def test_an_application_that_fails_over_a_result_hears_of_the_next_one() -> None:
    """Results are what is paid by."""
    left, told = Server(), []

    def hears(name: str, result: object) -> None:
        told.append(result)
        raise ValueError("no database")

    async with site({"left": left}, finished=hears) as made:
        left.ends(2)
        await made.wait_finished(2)
    assert told == ["result 1", "result 2"]


async def test_one_that_does_not_close_is_given_up_after_30_seconds_and_one_that_fails_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither keeps the others from being closed."""
    left, middle, right = Server(), Server(), Server()
    left.closes_s, middle.close_fails, right.closes_s = 1000.0, OSError("odd"), 29.0
    async with site({"left": left, "middle": middle, "right": right}):
        began = now()
    assert now() - began == pytest.approx(30.0, abs=0.1)
    await turns()
    assert left.done == ["opened", "not closed"]
    assert right.done == ["opened", "closed"]
    assert flush(60.0)
    assert "connector left was not closed within 30 s" in caplog.text
    assert "connector middle was not closed in order: OSError: odd" in caplog.text
    assert "connector right" not in caplog.text


async def test_who_is_cancelled_while_it_closes_closes_all_the_same_and_is_cancelled_then() -> None:
    left = Server()
    left.closes_s = 5.0
    made = site({"left": left})
    await made.open()
    closing = asyncio.create_task(made.close())
    await asyncio.sleep(1.0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert left.done == ["opened", "closed"]


async def test_the_heartbeat_of_a_site_is_the_newest() -> None:
    left, right = Server(), Server()
    made = site({"left": left, "right": right})
    for one, other, age in ((right, left, 0.1), (left, right, 0.01)):
        one.heartbeat.age = age
        newest: Any = made.heartbeat()
        assert newest is one.heartbeat is not other.heartbeat


@pytest.mark.parametrize("fails", [False, True])
async def test_a_command_to_all_reaches_all(fails: bool) -> None:
    left, right = Server(), Server()
    asked: list[str] = []

    def stop(name: str) -> Callable[[str], None]:
        def ask(reason: str) -> None:
            asked.append(f"{name} {reason}")
            if fails:
                raise LinkError(f"{name} is away")

        return ask

    for name, one in (("left", left), ("right", right)):
        one.stop = stop(name)  # type: ignore[attr-defined]
    made = site({"left": left, "right": right})
    if fails:
        with pytest.raises(LinkError, match="left is away"):
            made.stop("enough")
    else:
        made.stop("enough")
    assert asked == ["left enough", "right enough"]


async def test_a_connector_whose_following_somebody_cancels_is_followed_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As by a program that cancels all of its tasks: results are told, and what could not be
    opened is tried."""
    left, right = Server(), Server(LinkError("no such interface"))
    told: list[tuple[str, Any]] = []
    servers = {"left": left, "right": right}
    async with site(servers, finished=lambda *what: told.append(what), retry_s=2.0) as made:
        await turns()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await turns()
        assert not asyncio.all_tasks() - {asyncio.current_task()}
        left.ends()
        await asyncio.sleep(4.5)
        assert told == [("left", "result 1")]
        assert made.problems == {}
        assert right.done == ["opened"]
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await turns()
    await asyncio.sleep(5.0)
    assert not asyncio.all_tasks() - {asyncio.current_task()}, "nobody follows what is closed"
    assert flush(60.0)
    for name in servers:
        assert caplog.text.count(f"what follows connector {name} was cancelled") == 2
