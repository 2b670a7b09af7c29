"""What the tests of the heartbeat have in common: a line that keeps what it was told, and its owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from iso15118.aio.heartbeat import Heartbeat, HeartbeatLine
from iso15118.aio.ports.guard import Callback
from iso15118.aio.ports.inbox import Inbox
from iso15118.aio.service import Service

ENOUGH_S = 20.0
"""Longer than anything here takes on the slowest machine."""


class Line:
    """A heartbeat port that keeps what it was told."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.wrong: BaseException | None = None

    def beat(self, count: int) -> None:
        self.counts.append(count)
        if self.wrong is not None:
            raise self.wrong


class Owner:
    """What stands for a server: whether it is able, and the news it heard."""

    def __init__(self, port: Any = None) -> None:
        self.trouble = ""
        self.news: list[Any] = []
        told = Callback("news", self.news.append)
        self.service = Service(Callback("nobody", None), Inbox())
        line = HeartbeatLine(port, self.service, lambda: None, told)
        self.heartbeat = Heartbeat(lambda: self.trouble, told, line)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
