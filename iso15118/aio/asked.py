"""Signals as something to wait for: how often the process was asked to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

from .logs import Log

__all__ = ["Asked", "Opens", "opened", "signals"]


_log = Log(__name__)


class Opens(Protocol):
    """A server, or a site of them."""

    def open(self) -> Coroutine[Any, Any, None]: ...

    def close(self) -> Coroutine[Any, Any, None]: ...


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


@asynccontextmanager
async def opened(server: Opens, asked: Asked) -> AsyncIterator[bool]:
    """``server`` is open within the block, and closed behind it. False, and nothing is open, where the first
    signal comes before that: a port or a wire that does not return must not keep the program from its end. A
    second signal waits no longer for what was begun."""
    opening = asyncio.get_running_loop().create_task(server.open(), name="opening")
    try:
        await asyncio.wait((opening, asked.first), return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            _log.warning("a signal ends the program before the station has been opened")
            opening.cancel()
            await asyncio.wait((opening, asked.second), return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        opening.cancel()
        await asyncio.wait((opening,))
        raise
    if not opening.done() or opening.cancelled():
        yield False
        return
    opening.result()
    try:
        yield True
    finally:
        await server.close()
