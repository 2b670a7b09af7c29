"""Signals as something to wait for: how often the process was asked to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

__all__ = ["Asked", "signals"]


class Asked:
    """How often the process was asked to end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.first: asyncio.Future[None] = loop.create_future()
        self.second: asyncio.Future[None] = loop.create_future()

    def again(self) -> None:
        """Another signal has come."""
        for one in (self.first, self.second):
            if not one.done():
                one.set_result(None)
                return


@asynccontextmanager
async def signals() -> AsyncIterator[Asked]:
    """Signals as something to wait for. Where the loop cannot have them (another thread than the main
    one) they stay as they are."""
    loop = asyncio.get_running_loop()
    asked = Asked(loop)
    names: list[Any] = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: the terminal may go
        names.append(signal.SIGHUP)
    for name in names:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(name, asked.again)
    try:
        yield asked
    finally:
        for name in names:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(name)
