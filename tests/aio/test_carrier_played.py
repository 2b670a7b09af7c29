"""The carrier of an interface as a played kernel tells of it: what is reported and when, what an overrun or
an end of the news costs, and when an interface has returned."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.plug import carrier as module
from iso15118.aio.plug.carrier import CarrierWatch, Seen
from iso15118.errors import ConfigError, LinkError

pytest.importorskip("pyroute2")
import pyroute2  # type: ignore[import-untyped]
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

UP, LOWER_UP, TENTATIVE = 0x1, 0x10000, 0x40
READY = UP | LOWER_UP
PAUSE_S, RETRY_S = 0.02, 0.1


class Kernel:
    """One interface, and the news of it."""

    def __init__(self) -> None:
        self.index, self.flags, self.addresses = 7, READY, [{"index": 7, "scope": 253, "flags": 0}]
        self.news: asyncio.Queue[Any] = asyncio.Queue()
        self.looks = 0
        self.fails: list[Exception] = []
        self.binds: Exception | None = None
        self.sockets: list[Socket] = []
        self.reports: list[Any] = []
        self.groups: list[int] = []

    def socket(self, groups: int) -> Socket:
        self.groups.append(groups)
        return Socket(self)

    def changed(self, index: int = 7) -> None:
        self.news.put_nowait([{"index": index, "event": "RTM_NEWLINK", "ifname": "v2g0"}])

    async def told(self, index: int = 7) -> None:
        self.changed(index)
        await asyncio.sleep(2 * PAUSE_S)

    @property
    def open(self) -> int:
        return sum(one.open for one in self.sockets)

    def watch(self, **how: Any) -> CarrierWatch:
        return CarrierWatch("v2g0", self.reports.append, **how)


class Socket:
    """In place of ``AsyncIPRoute``."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.open = kernel, True
        kernel.sockets.append(self)

    async def bind(self, groups: int) -> None:
        assert groups == 0x101
        if self.kernel.binds is not None:
            raise self.kernel.binds

    async def get(self) -> AsyncIterator[Any]:
        told = await self.kernel.news.get()
        if isinstance(told, Exception):
            raise told
        for message in told:
            yield message

    async def link(self, what: str, index: int) -> list[Any]:
        self.kernel.looks += 1
        if self.kernel.fails:
            raise self.kernel.fails.pop(0)
        return [{"index": index, "flags": self.kernel.flags}]

    async def addr(self, what: str, family: int, index: int) -> AsyncIterator[Any]:
        assert (what, family) == ("dump", 10)
        return self._dump()

    async def _dump(self) -> AsyncIterator[Any]:
        for one in self.kernel.addresses:
            yield one

    def close(self) -> None:
        self.open = False


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    played = Kernel()
    monkeypatch.setattr(pyroute2, "AsyncIPRoute", played.socket)
    monkeypatch.setattr(module, "interface_index", lambda name: played.index)
    return played


async def test_the_first_finding_is_reported_at_once_and_then_every_change(kernel: Kernel) -> None:
    watch = kernel.watch()
    await watch.start()
    assert kernel.reports == [True]
    assert watch.seen == Seen(7, up=True, carrier=True, address=True)
    await kernel.told()
    assert kernel.reports == [True], "nothing changed"
    for flags, addresses, reports in (
        (UP, kernel.addresses, [True, False]),
        (READY, kernel.addresses, [True, False, True]),
        (READY, [], [True, False, True, False]),
        (READY, [{"index": 7, "scope": 253, "flags": TENTATIVE}], [True, False, True, False]),
    ):
        kernel.flags, kernel.addresses = flags, addresses
        await kernel.told()
        assert kernel.reports == reports
    assert kernel.groups == [0x101, 0], "answers and news do not mix"
    began = asyncio.get_running_loop().time()
    await watch.close()
    await watch.close()
    assert kernel.open == 0
    assert asyncio.get_running_loop().time() - began < 0.1
    kernel.flags = 0
    await kernel.told()
    assert len(kernel.reports) == 4, "nobody watches any more"


async def test_without_an_address_the_carrier_is_enough(kernel: Kernel) -> None:
    kernel.addresses = []
    watch = kernel.watch(address=False)
    await watch.start()
    assert kernel.reports == [True]
    await watch.close()


async def test_an_interface_that_does_not_exist_is_none_and_is_found_when_it_comes(kernel: Kernel) -> None:
    kernel.index = 0
    watch = kernel.watch()
    await watch.start()
    assert (kernel.reports, watch.seen, kernel.looks) == ([False], Seen(), 0)
    kernel.index = 7
    await kernel.told()
    assert kernel.reports == [False, True]
    await watch.close()


async def test_news_of_others_cost_no_look_and_many_at_once_cost_one(kernel: Kernel) -> None:
    watch = kernel.watch()
    await watch.start()
    kernel.news.put_nowait([{"index": 8, "event": "RTM_NEWADDR"}, {"index": 9, "event": "RTM_NEWLINK"}])
    await asyncio.sleep(10 * PAUSE_S)
    assert kernel.looks == 1
    ours, other = {"index": 7, "event": "RTM_NEWLINK"}, {"index": 8, "event": "RTM_NEWLINK"}
    kernel.news.put_nowait([ours, ours, other])
    await asyncio.sleep(10 * PAUSE_S)
    assert kernel.looks == 2
    kernel.changed()
    await asyncio.sleep(0.2 * PAUSE_S)
    kernel.changed()
    await asyncio.sleep(0.4 * PAUSE_S)
    assert kernel.looks == 3, "between two looks there is a pause"
    await asyncio.sleep(PAUSE_S)
    assert kernel.looks == 4
    await watch.close()


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOBUFS, "overrun"), NetlinkError(errno.EBUSY)], ids=["os", "netlink"]
)
async def test_an_overrun_of_the_news_has_the_present_state_looked_at(
    kernel: Kernel, error: Exception
) -> None:
    watch = kernel.watch()
    await watch.start()
    kernel.flags = UP
    kernel.news.put_nowait(error)
    await asyncio.sleep(0.5 * RETRY_S)
    assert kernel.reports == [True]
    await asyncio.sleep(RETRY_S)
    assert kernel.reports == [True, False]
    kernel.flags = READY
    kernel.fails = [OSError("busy"), OSError("busy")]  # of the look, and of the one after it
    await kernel.told()
    await asyncio.sleep(2 * RETRY_S)
    assert kernel.reports == [True, False]
    await kernel.told()
    assert kernel.reports == [True, False, True], "it goes on"
    await watch.close()


async def test_an_interface_that_goes_while_it_is_looked_at_is_none(kernel: Kernel) -> None:
    watch = kernel.watch()
    await watch.start()
    kernel.fails = [NetlinkError(errno.ENODEV)]
    await kernel.told()
    assert (kernel.reports, watch.seen) == ([True, False], Seen())
    await watch.close()


async def test_a_link_that_nobody_watches_any_more_is_no_link_and_that_is_said(
    kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    watch = kernel.watch()
    await watch.start()
    kernel.news.put_nowait(ValueError("odd"))
    await asyncio.sleep(0.01)
    assert kernel.reports == [True, False]
    await watch.close()
    assert kernel.open == 0
    assert flush(60.0)
    assert "the carrier of v2g0 is watched no more: ValueError: odd" in caplog.text


async def test_whoever_gives_up_waiting_for_the_end_leaves_nothing_open(kernel: Kernel) -> None:
    watch = kernel.watch()
    await watch.start()
    closing = asyncio.create_task(watch.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait((closing,))
    assert closing.cancelled()
    assert kernel.open == 0


async def test_an_interface_that_was_gone_or_off_or_is_another_one_has_returned(kernel: Kernel) -> None:
    watch = kernel.watch(returned=lambda: kernel.reports.append("returned"))
    await watch.start()
    assert kernel.reports == [True], "the first time is no return"
    seen = []
    for index, flags in ((7, UP), (7, READY), (7, 0), (7, UP), (0, 0), (7, READY), (9, READY), (9, READY)):
        kernel.reports.clear()
        kernel.index, kernel.flags = index, flags
        kernel.addresses = [{"index": index, "scope": 253, "flags": 0}]
        await kernel.told(watch.seen.index)
        seen.append(list(kernel.reports))
    assert seen == [[False], [True], [False], ["returned"], [], ["returned", True], ["returned"], []]
    await watch.close()


@pytest.mark.parametrize(
    ("error", "raises", "words"),
    [
        (OSError("no netlink"), LinkError, "rtnetlink is not available: no netlink"),
        (ValueError("odd"), ValueError, "odd"),
    ],
)
async def test_a_watch_that_cannot_begin_leaves_nothing_open(
    kernel: Kernel, error: Exception, raises: type[Exception], words: str
) -> None:
    kernel.binds = error
    with pytest.raises(raises, match=words):
        await kernel.watch().start()
    assert (kernel.open, kernel.reports) == (0, [])


async def test_without_pyroute2_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pyroute2, "AsyncIPRoute")
    with pytest.raises(ConfigError, match="watching a carrier needs pyroute2"):
        await CarrierWatch("v2g0", lambda up: None).start()


async def test_a_watch_that_somebody_cancels_leaves_no_link_and_says_so(
    kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own end says nothing."""
    caplog.set_level(logging.ERROR)
    for others in (False, True):
        watch = kernel.watch()
        await watch.start()
        if others:
            (task,) = asyncio.all_tasks() - {asyncio.current_task()}
            task.cancel()
            await asyncio.sleep(0.01)
        await watch.close()
        assert flush(60.0)
        assert ("the carrier of v2g0 is watched no more: that was cancelled" in caplog.text) is others
    assert kernel.reports == [True, True, False]
